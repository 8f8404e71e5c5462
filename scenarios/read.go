package scenarios

import (
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"podsim/model"
)

// Option changes a scenario while it is read.
type Option func(*options)

type options struct {
	sets  []string
	seed  *uint64
	until *model.Time
	// schedulerConfig is the path of a file.
	schedulerConfig string
}

// WithSet changes a value in the file before it is understood: "spec.nodes[0].count=5". What
// holds the last part of the path must be in the file, and the value is YAML. Files that the
// scenario includes are not changed.
func WithSet(assignment string) Option {
	return func(o *options) { o.sets = append(o.sets, assignment) }
}

// WithSeed takes this seed instead of the file's.
func WithSeed(seed uint64) Option { return func(o *options) { o.seed = &seed } }

// WithUntil ends the run at this moment instead of after the file's duration. Steps that
// come later are left out. It must be above 0.
func WithUntil(until model.Time) Option { return func(o *options) { o.until = &until } }

// WithSchedulerConfig takes the KubeSchedulerConfiguration of this file instead of the scenario's.
func WithSchedulerConfig(path string) Option {
	return func(o *options) { o.schedulerConfig = path }
}

// defaultStart is the wall clock at 0s of a scenario that gives none.
var defaultStart = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// The most nodes and generated objects of a scenario. Guesses, well above the 5,000 nodes
// that Kubernetes supports.
const (
	maxNodes     = 100_000
	maxGenerated = 100_000
)

// Read reads a scenario file and all that it names. Every mistake of the user's is an error
// of the form "file:line: what is wrong and what would be right", up to ten of them, one a
// line.
func Read(path string, opts ...Option) (*model.Scenario, error) {
	data, err := OS{}.ReadFile(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	return ReadBytes(path, data, OS{}, opts...)
}

// ReadBytes is Read for the content of a file; name is its path, from which the paths in it
// count, and files is where they are found.
func ReadBytes(name string, data []byte, files Files, opts ...Option) (*model.Scenario, error) {
	r := reader{files: files, loaded: map[string]bool{}}
	for _, o := range opts {
		o(&r.options)
	}
	file, err := r.load(filepath.Clean(name), data)
	if err != nil {
		return nil, err
	}
	r.root = file.Where.source
	s := r.scenario(file)
	if len(r.errs) > 0 {
		return nil, joined(r.errs)
	}
	return s, nil
}

// reader reads one scenario.
type reader struct {
	options
	files Files
	// root is the file that was asked for; the others are included.
	root *source
	// stack has the files that include one another, loaded all files that were read.
	stack  []string
	loaded map[string]bool

	unsimulated unsimulated
	priorities  priorities
	errs        []error
}

func (r *reader) errorAt(where model.Position, format string, args ...any) {
	r.errs = append(r.errs, errorAt(where, format, args...))
}

// load reads a scenario file with those that it includes.
func (r *reader) load(name string, data []byte) (*scenarioFile, error) {
	s := &source{name: name}
	documents, err := s.documents(data)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, errorAt(s.line(1), "this file has %d documents, want one Scenario", len(documents))
	}
	root := documents[0]
	if len(r.stack) == 0 {
		s.sets = r.sets
		for i := range r.sets {
			if err := setValue(s, root, i); err != nil {
				return nil, err
			}
		}
	}
	// What is no scenario at all gets one clear error, not one for each field.
	if kind := text(root, "kind"); kind != "" && kind != "Scenario" {
		key, _ := child(root, "kind")
		return nil, errorAt(s.at(key), "kind is %s, want Scenario%s", quoted(kind), manifestHint(root))
	}
	d := newDecoder(s)
	var file scenarioFile
	d.decodeInto(root, &file, "")
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	if err := file.check(); err != nil {
		return nil, err
	}
	r.stack = append(r.stack, name)
	defer func() { r.stack = r.stack[:len(r.stack)-1] }()
	r.loaded[name] = true
	return &file, r.include(&file)
}

// include merges the files that a file includes below it, in their order.
func (r *reader) include(file *scenarioFile) error {
	under := &specFile{}
	for i, path := range file.Spec.Include {
		source := file.Where.source
		where := source.at(find(file.Spec.Where.node, fmt.Sprintf("include[%d]", i)))
		name := relative(source.name, path)
		if at := slices.Index(r.stack, name); at >= 0 {
			cycle := append(slices.Clone(r.stack[at:]), name)
			return errorAt(where, "cyclic include: %s", strings.Join(cycle, " -> "))
		}
		// A file that two others include counts once.
		if r.loaded[name] {
			continue
		}
		data, err := r.files.ReadFile(name)
		if err != nil {
			return errorAt(where, "include %s", missingFile(r.files, name, err))
		}
		included, err := r.load(name, data)
		if err != nil {
			return err
		}
		under = merged(&included.Spec, under)
	}
	file.Spec = *merged(&file.Spec, under)
	return nil
}

// relative is the path of a file that another one names.
func relative(from, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(from), path)
}

// merged is a spec with another one below it. Of single values the upper one counts. What is
// looked up by the first match has the upper one first; nodes and images of the same name
// are replaced; the rest adds up, the lower first.
func merged(over, under *specFile) *specFile {
	m := *over
	fill(reflect.ValueOf(&m).Elem(), reflect.ValueOf(under).Elem())
	m.Registries = slices.Concat(over.Registries, under.Registries)
	m.Storage = slices.Concat(over.Storage, under.Storage)
	m.Behaviors = slices.Concat(over.Behaviors, under.Behaviors)
	m.Nodes = replaced(under.Nodes, over.Nodes, func(n *nodeFile) string { return n.Name })
	m.Images = replaced(under.Images, over.Images, func(i *imageFile) string { return i.Name })
	m.Manifests = slices.Concat(under.Manifests, over.Manifests)
	m.Generate = slices.Concat(under.Generate, over.Generate)
	m.Steps = slices.Concat(under.Steps, over.Steps)
	return &m
}

// fill sets the pointers of a struct that are nil to those of another, and goes down into
// structs that both have, except into those that decode themselves.
func fill(over, under reflect.Value) {
	for i := range over.NumField() {
		o, u := over.Field(i), under.Field(i)
		if o.Kind() != reflect.Pointer || u.IsNil() {
			continue
		}
		_, value := o.Interface().(nodeDecoder)
		switch {
		case o.IsNil():
			o.Set(u)
		case !value && o.Type().Elem().Kind() == reflect.Struct:
			fill(o.Elem(), u.Elem())
		}
	}
}

// replaced is the lower list with those of the upper one in the place of the first of the
// same name, and the others after it.
func replaced[T any](under, over []T, name func(*T) string) []T {
	list := slices.Clone(under)
	kept := len(list)
	used := map[int]bool{}
	index := make(map[string]int, kept)
	for i := kept - 1; i >= 0; i-- {
		index[name(&list[i])] = i
	}
	for i := range over {
		if at, ok := index[name(&over[i])]; ok && !used[at] {
			list[at], used[at] = over[i], true
			continue
		}
		list = append(list, over[i])
	}
	return list
}

// scenario makes the scenario of a file and reports what is wrong with it.
func (r *reader) scenario(file *scenarioFile) *model.Scenario {
	spec := &file.Spec
	r.unsimulated = unsimulated{}
	s := &model.Scenario{
		Name:         cmp.Or(file.Metadata.Name, baseName(r.root.name)),
		Seed:         1,
		Start:        defaultStart,
		ControlPlane: r.controlPlane(spec.ControlPlane),
		Latencies:    r.latencies(spec.Latencies),
	}
	if spec.Seed != nil {
		s.Seed = *spec.Seed
	}
	if r.seed != nil {
		s.Seed = *r.seed
	}
	if spec.StartTime != nil {
		s.Start = time.Time(*spec.StartTime)
	}
	r.configure(s, spec)
	s.Duration = r.duration(spec)
	s.PullProgressTimeout = r.pullProgressTimeout(spec.Config)
	s.Nodes = r.nodes(spec)
	s.Registries = r.registries(spec.Registries)
	s.Storage = r.storage(spec.Storage)
	s.Images = r.imageSpecs(spec.Images)
	s.Behaviors = r.behaviors(spec.Behaviors)
	before := len(r.errs)
	applies := r.applies(spec)
	if len(r.errs) == before {
		w := newWorld(s.Nodes)
		r.staticPods(spec, s.Nodes, w)
		s.Steps = r.steps(spec, applies, w, s.Duration)
		r.checkUse(spec, w)
	}
	s.Unsimulated = append(s.Unsimulated, r.unsimulated.list()...)
	return s
}

func baseName(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// duration is the length of the run, 0 when it is wrong.
func (r *reader) duration(spec *specFile) model.Time {
	if r.until != nil {
		return *r.until
	}
	if spec.Duration == nil || *spec.Duration <= 0 {
		r.errorAt(spec.Where.at("duration"), "spec.duration is missing or 0, want how long the run lasts, such as 15m")
		return 0
	}
	return model.Time(*spec.Duration)
}

// pullProgressTimeout is 0 when it is left out.
func (r *reader) pullProgressTimeout(f *configFile) model.Time {
	if f == nil || f.PullProgressTimeout == nil {
		return 0
	}
	if *f.PullProgressTimeout <= 0 {
		r.errorAt(f.Where.at("pullProgressTimeout"), "pullProgressTimeout is 0, want how long a pull may get nothing, such as 5m")
	}
	return model.Time(*f.PullProgressTimeout)
}

func (r *reader) registries(files []registryFile) []model.Registry {
	list := make([]model.Registry, len(files))
	seen := map[string]model.Position{}
	for i := range files {
		f := &files[i]
		where := f.Where.at("host")
		if first, ok := seen[f.Host]; ok && first.File == where.File {
			r.errorAt(where, "registry %s is listed twice, first at %v", quoted(f.Host), first)
		}
		seen[f.Host] = where
		r.checkPattern(where, f.Host)
		list[i] = model.Registry{Host: f.Host, Bandwidth: r.bandwidth(f.Where, "bandwidth", f.Bandwidth),
			Connection: r.bandwidth(f.Where, "connection", f.Connection), Latency: f.Latency.Dist, Where: where}
		if f.Bandwidth == nil && f.Connection == nil {
			list[i].Connection = model.DefaultConnectionBandwidth
		}
	}
	return list
}

// bandwidth reads a bandwidth that may be left out, which is 0 then.
func (r *reader) bandwidth(where place, key string, a *amount) int64 {
	if a == nil {
		return 0
	}
	if *a == 0 {
		r.errorAt(where.at(key), "%s is 0, must be more; leave it out for no limit", key)
	}
	return int64(*a)
}

func (r *reader) imageSpecs(files []imageFile) []model.ImageSpec {
	list := make([]model.ImageSpec, len(files))
	layers := newLayerReader(r, files)
	seen := map[string]model.Position{}
	for i := range files {
		f := &files[i]
		where := f.Where.at("name")
		name, err := model.WithDefaultTag(f.Name)
		if err != nil {
			r.errorAt(where, "%s is not the name of an image, want something like nginx:1.23", quoted(f.Name))
		}
		if first, ok := seen[name]; ok {
			r.errorAt(where, "image %s is listed twice, first at %v", quoted(f.Name), first)
		}
		seen[name] = where
		if slices.Contains(f.Credentials, "") {
			r.errorAt(f.Where.at("credentials"), "credentials has an empty name, want the names of pull secrets")
		}
		list[i] = model.ImageSpec{Name: f.Name, Error: string(f.Error), Credentials: f.Credentials, User: f.User, Where: where}
		list[i].Pinned = f.Pinned != nil && *f.Pinned
		if f.Size != nil {
			list[i].Size = int64(*f.Size)
		}
		list[i].Layers = layers.of(f)
		for j := range list[i].Layers {
			list[i].Size += list[i].Layers[j].Size
		}
	}
	return list
}

// layerReader reads the layers of all images. Those of one name are one.
type layerReader struct {
	*reader
	known map[string]knownLayer
}

type knownLayer struct {
	model.LayerSpec
	where model.Position
}

func newLayerReader(r *reader, files []imageFile) *layerReader {
	x := &layerReader{r, map[string]knownLayer{}}
	for i := range files {
		for j := range files[i].Layers {
			x.add(&files[i].Layers[j])
		}
	}
	return x
}

// add notes a layer where its size is given.
func (x *layerReader) add(f *layerFile) {
	if f.Size == nil {
		return
	}
	where := f.Where.at("size")
	l := model.LayerSpec{Name: f.Name, Size: int64(*f.Size), Unpacked: int64(*f.Size)}
	if f.Unpacked != nil {
		l.Unpacked = int64(*f.Unpacked)
	}
	if first, ok := x.known[f.Name]; ok && first.LayerSpec != l {
		x.errorAt(where, "layer %s has another size than at %v: a layer of one name is one", quoted(f.Name), first.where)
		return
	}
	x.known[f.Name] = knownLayer{l, where}
}

// of are the layers of an image.
func (x *layerReader) of(f *imageFile) []model.LayerSpec {
	if len(f.Layers) > 0 && f.Size != nil {
		x.errorAt(f.Where.at("size"), "image %s has a size and layers: leave the size out, it is the sum of its layers", quoted(f.Name))
		return nil
	}
	var list []model.LayerSpec
	for i := range f.Layers {
		l := &f.Layers[i]
		known, ok := x.known[l.Name]
		switch {
		case !ok:
			x.errorAt(l.Where.at("name"), "layer %s has no size%s", quoted(l.Name), didYouMean(l.Name, sortedKeys(x.known)))
		case l.Size == nil && l.Unpacked != nil:
			x.errorAt(l.Where.at("unpacked"), "layer %s has unpacked without a size: give both, or neither where another image has the layer", quoted(l.Name))
		case slices.ContainsFunc(list, func(s model.LayerSpec) bool { return s.Name == l.Name }):
			x.errorAt(l.Where.at("name"), "image %s has the layer %s twice", quoted(f.Name), quoted(l.Name))
		}
		list = append(list, known.LayerSpec)
	}
	return list
}

func (r *reader) controlPlane(f *controlPlaneFile) model.ControlPlane {
	c := model.DefaultControlPlane()
	if f == nil {
		return c
	}
	override(f, &c)
	c.FirstOfTies = f.Ties != nil && *f.Ties == "first"
	if f.KubeletJitter != nil {
		c.KubeletJitter = *f.KubeletJitter
	}
	if !(c.KubeletJitter >= 0 && c.KubeletJitter <= 0.5) {
		r.errorAt(f.Where.at("kubeletJitter"), "kubeletJitter is %v, want 0 to 0.5", c.KubeletJitter)
	}
	r.limit(&c.ControllerManager, f.KubeControllerManager)
	r.limit(&c.Scheduler, f.KubeScheduler)
	if f.Kubelet != nil {
		c.Kubelet = model.ClientLimit{QPS: 50, Burst: 100}
		r.limit(&c.Kubelet, f.Kubelet)
	}
	return c
}

func (r *reader) limit(l *model.ClientLimit, f *limitFile) {
	if f == nil {
		return
	}
	if f.QPS != nil {
		l.QPS = *f.QPS
	}
	if f.Burst != nil {
		l.Burst = *f.Burst
	}
	if !(l.QPS != 0 && l.QPS < 1e9) {
		r.errorAt(f.Where.at("qps"), "qps is %v, want more than 0 and less than 1e9, or -1 for no limit", l.QPS)
	}
	if l.QPS > 0 && l.Burst < 1 {
		r.errorAt(f.Where.at("burst"), "burst is %d, must be 1 or more", l.Burst)
	}
}
