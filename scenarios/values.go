package scenarios

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
)

// span is a duration of a scenario file: "90s", "1h30m", "1d".
type span model.Time

func (s *span) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.ScalarNode {
		d.mismatch(n, path, "a duration such as 90s, 1h30m or 1d")
		return
	}
	t, err := parseSpan(n.Value)
	if err != nil {
		d.errorf(n, "%s is %s: %v", path, quoted(n.Value), err)
	}
	*s = span(t)
}

// parseSpan reads a duration: what time.ParseDuration reads, with days of 24 hours in front.
func parseSpan(s string) (model.Time, error) {
	if _, err := strconv.ParseFloat(s, 64); err == nil && s != "0" && !strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("a duration needs a unit, such as %ss", clip(s))
	}
	if strings.HasPrefix(s, "-") {
		return 0, errors.New("a duration must not be negative")
	}
	var days float64
	rest := s
	if head, tail, ok := strings.Cut(s, "d"); ok {
		var err error
		if days, err = strconv.ParseFloat(head, 64); err != nil || math.IsNaN(days) || days > 36500 {
			return 0, errSpan
		}
		if rest = tail; rest == "" {
			rest = "0"
		}
	}
	t, err := time.ParseDuration(rest)
	total := days*float64(24*model.Hour) + float64(t)
	if err != nil || t < 0 || total > math.MaxInt64/2 {
		return 0, errSpan
	}
	return model.Time(days*float64(24*model.Hour)) + model.Time(t), nil
}

var errSpan = errors.New("want a duration such as 90s, 1h30m or 1d, at most 36500d")

// quantity is a Kubernetes quantity that is not negative.
type quantity resource.Quantity

func (a *quantity) decodeNode(d *decoder, n *yaml.Node, path string) {
	var q resource.Quantity
	before := len(d.errs)
	d.decodeQuantity(n, &q, path)
	if len(d.errs) == before && q.Sign() < 0 {
		d.errorf(n, "%s is %s, must be 0 or more", path, quoted(n.Value))
	}
	*a = quantity(q)
}

// amount is a number of bytes of a scenario file: a Kubernetes quantity such as 100Mi.
type amount int64

func (a *amount) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	before := len(d.errs)
	var q resource.Quantity
	d.decodeQuantity(n, &q, path)
	if len(d.errs) > before {
		return
	}
	most := resource.NewQuantity(math.MaxInt64>>1, resource.BinarySI)
	if q.Sign() < 0 || q.Cmp(*most) > 0 {
		d.errorf(n, "%s is %s, must be from 0 to %v", path, quoted(n.Value), most)
		return
	}
	*a = amount(q.Value())
}

// numbers is a whole number or a list of them: exit codes.
type numbers []int32

func (x *numbers) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	for i, item := range items {
		at := path
		if n.Kind == yaml.SequenceNode {
			at = fmt.Sprintf("%s[%d]", path, i)
		}
		code, ok := d.decodeInt(item, 32, at)
		if ok && (code < 0 || code > 255) {
			d.errorf(item, "%s is %d, want an exit code from 0 to 255", at, code)
		}
		*x = append(*x, int32(code))
	}
	if len(items) == 0 {
		d.errorf(n, "%s is an empty list, want an exit code", path)
	}
}

// document is a path of a file, or an object that stands right there.
type document struct {
	file string
	node *yaml.Node
	path string
	from *source
}

func (x *document) decodeNode(d *decoder, n *yaml.Node, path string) {
	*x = document{node: n, path: path, from: d.source}
	switch {
	case n.Kind == yaml.MappingNode:
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value != "":
		x.file = n.Value
	default:
		d.mismatch(n, path, "a file or folder, or an object")
	}
}

// objectTree is an API object that stands in a scenario file.
type objectTree struct {
	node *yaml.Node
	path string
}

func (x *objectTree) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	*x = objectTree{n, path}
	if n.Kind != yaml.MappingNode {
		d.mismatch(n, path, "a mapping")
	}
}

// distribution is a distribution of durations: a duration, or a mapping with one key that
// names the kind of distribution.
type distribution struct {
	model.Dist
}

// distributionFile is the mapping form; one field must be set.
type distributionFile struct {
	Constant    *constantFile    `json:"constant" doc:"Always the same."`
	Uniform     *uniformFile     `json:"uniform" doc:"Flat between min and max."`
	Exponential *exponentialFile `json:"exponential" doc:"Exponential with a mean."`
	Normal      *normalFile      `json:"normal" doc:"Normal with a mean and a standard deviation; what falls below 0 becomes 0."`
	LogNormal   *logNormalFile   `json:"lognormal" doc:"Log-normal; mean and stddev are those of the distribution itself, not of its logarithm."`
	Gamma       *shapeFile       `json:"gamma" doc:"Gamma with shape (k) and scale (theta)."`
	Weibull     *shapeFile       `json:"weibull" doc:"Weibull with shape (k) and scale (lambda)."`
	Pareto      *shapeFile       `json:"pareto" doc:"Pareto with shape (alpha) and scale, the least value. Give a max when shape is 1 or less."`
	Empirical   *empiricalFile   `json:"empirical" doc:"One of the values, each as often as its weight says."`
}

type constantFile struct {
	Value span `json:"value" need:"true" doc:"The value."`
}

type uniformFile struct {
	Min span `json:"min" doc:"The least value; 0 when left out."`
	Max span `json:"max" need:"true" doc:"The greatest value."`
}

type boundsFile struct {
	Min *span `json:"min" doc:"What is drawn below this becomes this."`
	Max *span `json:"max" doc:"What is drawn above this becomes this."`
}

type exponentialFile struct {
	Mean       span `json:"mean" need:"true" doc:"The mean, above 0."`
	boundsFile `json:",inline"`
}

type normalFile struct {
	Mean       span `json:"mean" need:"true" doc:"The mean."`
	Stddev     span `json:"stddev" need:"true" doc:"The standard deviation."`
	boundsFile `json:",inline"`
}

type logNormalFile struct {
	Mean       span `json:"mean" need:"true" doc:"The mean."`
	Stddev     span `json:"stddev" need:"true" doc:"The standard deviation."`
	Shift      span `json:"shift" doc:"The least value, which all others exceed by a log-normal part; 0 when left out. It is below the mean, which counts it."`
	boundsFile `json:",inline"`
}

type shapeFile struct {
	Shape      float64 `json:"shape" need:"true" doc:"The shape, a number above 0."`
	Scale      span    `json:"scale" need:"true" doc:"The scale, above 0."`
	boundsFile `json:",inline"`
}

type empiricalFile struct {
	Values     []span    `json:"values" need:"true" doc:"The values that occur."`
	Weights    []float64 `json:"weights" doc:"The weight of each value; all weigh the same when left out."`
	boundsFile `json:",inline"`
}

func (x *distribution) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	if n.Kind == yaml.ScalarNode {
		var s span
		s.decodeNode(d, n, path)
		x.Dist = model.Dist{Kind: model.DistConstant, Value: float64(s)}
		return
	}
	before := len(d.errs)
	var file distributionFile
	if n.Kind == yaml.MappingNode && len(n.Content) != 2 {
		d.errorf(n, "%s has %d keys, want one kind of distribution such as lognormal", path, len(n.Content)/2)
		return
	}
	d.decodeInto(n, &file, path)
	if len(d.errs) > before {
		return
	}
	if file == (distributionFile{}) {
		d.errorf(n, "%s has no values, want the mapping of one kind of distribution", path)
		return
	}
	x.Dist = file.dist()
	if low, high := model.Time(x.Min), model.Time(x.Max); !math.IsInf(x.Max, 1) && low > high {
		d.errorf(n, "%s: %v: min %v is above max %v", path, x.Kind, low, high)
	} else if err := x.Validate(); err != nil {
		d.errorf(n, "%s: %v", path, err)
	}
}

func (f *distributionFile) dist() model.Dist {
	switch {
	case f.Constant != nil:
		return model.Dist{Kind: model.DistConstant, Value: float64(f.Constant.Value)}
	case f.Uniform != nil:
		return model.Dist{Kind: model.DistUniform, Min: float64(f.Uniform.Min), Max: float64(f.Uniform.Max)}
	case f.Exponential != nil:
		return f.Exponential.bound(model.Dist{Kind: model.DistExponential, Mean: float64(f.Exponential.Mean)})
	case f.Normal != nil:
		return f.Normal.dist(model.DistNormal)
	case f.LogNormal != nil:
		return f.LogNormal.bound(model.Dist{Kind: model.DistLogNormal, Mean: float64(f.LogNormal.Mean), Stddev: float64(f.LogNormal.Stddev), Shift: float64(f.LogNormal.Shift)})
	case f.Gamma != nil:
		return f.Gamma.dist(model.DistGamma)
	case f.Weibull != nil:
		return f.Weibull.dist(model.DistWeibull)
	case f.Pareto != nil:
		return f.Pareto.dist(model.DistPareto)
	}
	values := make([]float64, len(f.Empirical.Values))
	for i, v := range f.Empirical.Values {
		values[i] = float64(v)
	}
	return f.Empirical.bound(model.Dist{Kind: model.DistEmpirical, Values: values, Weights: f.Empirical.Weights})
}

func (f *normalFile) dist(kind model.DistKind) model.Dist {
	return f.bound(model.Dist{Kind: kind, Mean: float64(f.Mean), Stddev: float64(f.Stddev)})
}

func (f *shapeFile) dist(kind model.DistKind) model.Dist {
	return f.bound(model.Dist{Kind: kind, Shape: f.Shape, Scale: float64(f.Scale)})
}

// bound adds the bounds. A duration is never negative, so the lower one is at least 0.
func (f *boundsFile) bound(d model.Dist) model.Dist {
	d.Max = math.Inf(1)
	if f.Min != nil {
		d.Min = float64(*f.Min)
	}
	if f.Max != nil {
		d.Max = float64(*f.Max)
	}
	return d
}
