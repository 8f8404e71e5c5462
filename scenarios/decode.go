package scenarios

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
)

// decoder fills Go values from a YAML tree by their json tags, as the API server decodes
// JSON with strict field validation: an unknown field, a key that stands twice and a value
// of the wrong type are errors. It goes on after an error, so that one reading shows
// several.
type decoder struct {
	source *source
	fields map[reflect.Type]map[string]field
	errs   []error
}

func newDecoder(s *source) *decoder {
	return &decoder{source: s, fields: map[reflect.Type]map[string]field{}}
}

// nodeDecoder is a type of scenario files that decodes itself.
type nodeDecoder interface {
	// decodeNode fills the receiver from n, which stands at path, and reports what is wrong
	// to d.
	decodeNode(d *decoder, n *yaml.Node, path string)
}

// place is where a struct of a scenario file stands. The decoder fills it in.
type place struct {
	source *source
	node   *yaml.Node
}

// at is the position of a key in the struct, or of the struct itself when it has no such key.
func (p place) at(key string) model.Position {
	if k, _ := child(p.node, key); k != nil {
		return p.source.at(k)
	}
	if p.node == nil {
		return p.source.line(1)
	}
	return p.source.at(p.node)
}

func (d *decoder) errorf(n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, errorAt(d.source.at(n), format, args...))
}

// mismatch reports a value of the wrong type. want is what would be right.
func (d *decoder) mismatch(n *yaml.Node, path, want string) {
	d.errorf(n, "%s is %s, want %s", path, kindOf(n), want)
}

// decode fills v from n. Null leaves it as it is, as in JSON.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	if len(d.errs) > mostErrors {
		return
	}
	if v.Kind() == reflect.Pointer {
		if !isNull(n) {
			v.Set(reflect.New(v.Type().Elem()))
			d.decode(n, v.Elem(), path)
		}
		return
	}
	if custom, ok := v.Addr().Interface().(nodeDecoder); ok {
		custom.decodeNode(d, n, path)
		return
	}
	if isNull(n) || d.decodeKnown(n, v, path) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.decodeStruct(n, v, path)
	case reflect.Map:
		d.decodeMap(n, v, path)
	case reflect.Slice:
		d.decodeSlice(n, v, path)
	default:
		d.decodeScalar(n, v, path)
	}
}

// decodeInto fills what p points to from n.
func (d *decoder) decodeInto(n *yaml.Node, p any, path string) {
	d.decode(n, reflect.ValueOf(p).Elem(), path)
}

// decodeKnown decodes the types that are not what their Go kind says; it is false for the
// others.
func (d *decoder) decodeKnown(n *yaml.Node, v reflect.Value, path string) bool {
	switch p := v.Addr().Interface().(type) {
	case *resource.Quantity:
		d.decodeQuantity(n, p, path)
	case *intstr.IntOrString:
		d.decodeIntOrString(n, p, path)
	case *metav1.Time:
		p.Time = d.decodeTime(n, time.RFC3339, path)
	case *metav1.MicroTime:
		p.Time = d.decodeTime(n, metav1.RFC3339Micro, path)
	case *metav1.Duration:
		p.Duration = d.decodeGoDuration(n, path)
	case *runtime.RawExtension:
		p.Raw = d.decodeJSON(n, path)
	case *metav1.FieldsV1:
		p.SetRawBytes(d.decodeJSON(n, path))
	case *[]byte:
		*p = d.decodeBytes(n, path)
	case json.Unmarshaler:
		if err := p.UnmarshalJSON(d.decodeJSON(n, path)); err != nil {
			d.errorf(n, "%s: %v", path, err)
		}
	default:
		return false
	}
	return true
}

// field is a field of a struct under its json name.
type field struct {
	index []int
	doc   string
	need  bool
}

// fieldsOf is the fields of a struct type with those of inlined structs.
func (d *decoder) fieldsOf(t reflect.Type) map[string]field {
	if known := d.fields[t]; known != nil {
		return known
	}
	fields := map[string]field{}
	for _, f := range reflect.VisibleFields(t) {
		name, inline := jsonName(f)
		if name == "" || inline || hidden(t, f.Index) {
			continue
		}
		fields[name] = field{f.Index, f.Tag.Get("doc"), f.Tag.Get("need") == "true"}
	}
	d.fields[t] = fields
	return fields
}

// jsonName is a field's name in JSON, "" when it has none. An embedded struct without a
// name is inlined.
func jsonName(f reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	inline = f.Anonymous && name == "" || slices.Contains(strings.Split(options, ","), "inline")
	if name == "-" || !f.IsExported() && !inline {
		return "", false
	}
	return name, inline
}

// hidden says that the field at index stands in an embedded struct that has a name of its
// own in JSON, so that its fields are not the outer struct's.
func hidden(t reflect.Type, index []int) bool {
	for i := 1; i < len(index); i++ {
		if _, inline := jsonName(t.FieldByIndex(index[:i])); !inline {
			return true
		}
	}
	return false
}

var placeType = reflect.TypeFor[place]()

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, path string) {
	if v.Type().NumField() > 0 && v.Type().Field(0).Type == placeType {
		v.Field(0).Set(reflect.ValueOf(place{d.source, n}))
	}
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, path, "a mapping")
		return
	}
	fields := d.fieldsOf(v.Type())
	d.eachKey(n, path, func(key, value *yaml.Node) {
		f, ok := fields[key.Value]
		if !ok {
			near := didYouMean(key.Value, slices.Collect(maps.Keys(fields)))
			d.errorf(key, "unknown field %s%s", join(path, key.Value), near)
			return
		}
		d.decode(value, v.FieldByIndex(f.index), join(path, key.Value))
	})
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if key, _ := child(n, name); key == nil && fields[name].need {
			d.errorf(n, "%s is missing", join(path, name))
		}
	}
}

// eachKey calls do for each key of a mapping that is text and stands there once.
func (d *decoder) eachKey(n *yaml.Node, path string, do func(key, value *yaml.Node)) {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			d.errorf(key, "%s has a key that is %s, want text", orRoot(path), kindOf(key))
			continue
		}
		if before := first[key.Value]; before != nil {
			d.errorf(key, "%s stands here twice, first in line %d", join(path, key.Value), d.source.at(before).Line)
			continue
		}
		first[key.Value] = key
		do(key, n.Content[i+1])
	}
}

func orRoot(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}

func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, path, "a mapping")
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Content)/2))
	d.eachKey(n, path, func(key, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, element, join(path, key.Value))
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), element)
	})
}

func (d *decoder) decodeSlice(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.mismatch(n, path, "a list")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.decode(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

func (d *decoder) decodeScalar(n *yaml.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		if s, ok := d.decodeString(n, path); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		if b, ok := boolean(n); ok {
			v.SetBool(b)
		} else {
			d.mismatch(n, path, "true or false")
		}
	case reflect.Int32, reflect.Int64, reflect.Int:
		if i, ok := d.decodeInt(n, v.Type().Bits(), path); ok {
			v.SetInt(i)
		}
	case reflect.Uint32, reflect.Uint64:
		bits := v.Type().Bits()
		if i, err := strconv.ParseUint(digits(n), 0, bits); err == nil {
			v.SetUint(i)
		} else {
			d.mismatch(n, path, fmt.Sprintf("a whole number from 0 to %d", uint64(math.MaxUint64)>>(64-bits)))
		}
	case reflect.Float32, reflect.Float64:
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && isNumber(n) {
			v.SetFloat(f)
		} else {
			d.mismatch(n, path, "a number")
		}
	default:
		panic(fmt.Sprintf("scenarios: no way to decode a %v at %s", v.Type(), path))
	}
}

// decodeString refuses what kubectl, which reads YAML 1.1, would not take for text either.
func (d *decoder) decodeString(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.mismatch(n, path, "text")
		return "", false
	}
	if _, truth := boolean(n); truth || isNumber(n) {
		d.errorf(n, "%s is %s, want text: write \"%s\" in quotes", path, typeName(n), clip(n.Value))
		return "", false
	}
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return n.Value, true
	}
	d.mismatch(n, path, "text")
	return "", false
}

func clip(s string) string { return strings.Trim(quoted(s), `"`) }

func typeName(n *yaml.Node) string {
	if isNumber(n) {
		return "the number " + clip(n.Value)
	}
	return "the boolean " + clip(n.Value)
}

func isNumber(n *yaml.Node) bool {
	tag := n.ShortTag()
	return n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float")
}

// boolean is the truth value of a scalar. Plain yes, no, on and off are booleans for
// kubectl (YAML 1.1).
func boolean(n *yaml.Node) (value, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return false, false
	}
	switch n.Value {
	case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON":
		return true, n.Tag != "!!str" || n.Style&yaml.TaggedStyle == 0
	case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF":
		return false, n.Tag != "!!str" || n.Style&yaml.TaggedStyle == 0
	}
	return false, false
}

// digits is the text of a whole number as strconv reads it, "" when n is not one.
func digits(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" {
		return ""
	}
	return strings.ReplaceAll(n.Value, "_", "")
}

func (d *decoder) decodeInt(n *yaml.Node, bits int, path string) (int64, bool) {
	i, err := strconv.ParseInt(digits(n), 0, bits)
	if err != nil {
		want := "a whole number"
		if digits(n) != "" {
			want = fmt.Sprintf("a whole number of %d bits", bits)
		}
		d.mismatch(n, path, want)
	}
	return i, err == nil
}

// hugeExponent finds numbers such as 1e-9999999, which resource.ParseQuantity takes a
// second to round.
var hugeExponent = regexp.MustCompile(`[eE][+-]?0*[1-9][0-9]{2,}$`)

func (d *decoder) decodeQuantity(n *yaml.Node, q *resource.Quantity, path string) {
	const want = "a quantity such as 500m, 1.5 or 2Gi"
	const longest = 64
	if n.Kind != yaml.ScalarNode || !isNumber(n) && n.ShortTag() != "!!str" {
		d.mismatch(n, path, want)
		return
	}
	if len(n.Value) <= longest && !hugeExponent.MatchString(n.Value) {
		if parsed, err := resource.ParseQuantity(n.Value); err == nil {
			*q = parsed
			return
		}
	}
	d.errorf(n, "%s is %s, want %s", path, quoted(n.Value), want)
}

func (d *decoder) decodeIntOrString(n *yaml.Node, p *intstr.IntOrString, path string) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!int" {
		if i, ok := d.decodeInt(n, 32, path); ok {
			*p = intstr.FromInt32(int32(i))
		}
		return
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		d.mismatch(n, path, "a whole number or text")
		return
	}
	*p = intstr.FromString(n.Value)
}

func (d *decoder) decodeTime(n *yaml.Node, layout, path string) time.Time {
	t, err := time.Parse(layout, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		d.mismatch(n, path, "a time such as "+layout)
	}
	return t
}

func (d *decoder) decodeGoDuration(n *yaml.Node, path string) time.Duration {
	t, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		d.mismatch(n, path, "a duration such as 90s")
	}
	return t
}

func (d *decoder) decodeBytes(n *yaml.Node, path string) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
	if n.Kind != yaml.ScalarNode || err != nil {
		d.mismatch(n, path, "bytes in base64")
	}
	return b
}

// decodeJSON keeps what has no type as JSON.
func (d *decoder) decodeJSON(n *yaml.Node, path string) []byte {
	value := d.plain(n, path)
	data, err := json.Marshal(value)
	if err != nil {
		d.mismatch(n, path, "what JSON can say")
	}
	return data
}

func (d *decoder) plain(n *yaml.Node, path string) any {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		d.eachKey(n, path, func(key, value *yaml.Node) {
			m[key.Value] = d.plain(value, join(path, key.Value))
		})
		return m
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i := range n.Content {
			list[i] = d.plain(n.Content[i], fmt.Sprintf("%s[%d]", path, i))
		}
		return list
	}
	if n.ShortTag() == "!!timestamp" {
		return n.Value
	}
	var value any
	if err := n.Decode(&value); err != nil {
		d.mismatch(n, path, "a value")
	}
	return value
}
