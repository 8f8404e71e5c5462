package scenarios

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"podsim/model"
)

// latenciesFile is what a scenario says of the container runtime, and the spec of a file of kind Latencies.
type latenciesFile struct {
	Where          place         `json:"-"`
	File           *fileName     `json:"file" doc:"A file of kind Latencies, such as podsim calibrate writes; what is said beside it wins. Its path is relative to this file."`
	RunSandbox     *distribution `json:"runSandbox" doc:"Making a pod's sandbox."`
	StopSandbox    *distribution `json:"stopSandbox" doc:"Stopping it."`
	Create         *distribution `json:"create" doc:"Creating a container."`
	Start          *distribution `json:"start" doc:"Starting it."`
	Remove         *distribution `json:"remove" doc:"Removing it."`
	StopTerm       *distribution `json:"stopTerm" doc:"From the process's end on SIGTERM until the runtime says so."`
	Kill           *distribution `json:"kill" doc:"From SIGKILL until the runtime says that the process has ended."`
	ExecProbe      *distribution `json:"execProbe" doc:"An exec probe."`
	NetProbe       *distribution `json:"netProbe" doc:"An HTTP, TCP or gRPC probe."`
	PullLookup     *distribution `json:"pullLookup" doc:"Asking whether an image is there."`
	PullPerMiB     *distribution `json:"pullPerMiB" doc:"Unpacking 1 MiB of an image, after the registry has sent it."`
	MountVolumes   *distribution `json:"mountVolumes" doc:"Mounting a pod's volumes."`
	UnmountVolumes *distribution `json:"unmountVolumes" doc:"Unmounting them."`
	LayerStats     *distribution `json:"layerStats" doc:"From a write to a container's writable layer until the runtime shows it."`

	ExitVisible     *distribution `json:"exitVisible" doc:"From the end of a container's process until the runtime says so. An end on SIGTERM or by SIGKILL has it in stopTerm and kill."`
	OOMVisible      *distribution `json:"oomVisible" doc:"The same for a behavior's run that ends with oom."`
	UpdateResources *distribution `json:"updateResources" doc:"Changing the CPU or the memory of a pod's running containers."`

	ConcurrencyPerCPU *float64 `json:"concurrencyPerCPU" doc:"How many operations of the runtime have full speed at a time, for each CPU of the node's capacity; beyond that all under way are equally slower. One always has full speed. 0 is no limit."`
}

// concurrency is the field that is no time.
const concurrency = "concurrencyPerCPU"

// delay is a delay that a file may give, nil when it does not, and the place of its value.
type delay struct {
	name  string
	given *distribution
	value *model.Dist
}

// delays are those of a file, in its order, with the fields of the same names in values, where these are distributions.
// Both are pointers.
func delays(file, values any) []delay {
	f, v := reflect.ValueOf(file).Elem(), reflect.ValueOf(values).Elem()
	var list []delay
	for i := range f.NumField() {
		given, ok := f.Field(i).Interface().(*distribution)
		if !ok {
			continue
		}
		field := f.Type().Field(i)
		if value, ok := v.FieldByName(field.Name).Addr().Interface().(*model.Dist); ok {
			list = append(list, delay{field.Tag.Get("json"), given, value})
		}
	}
	return list
}

// override takes the delays that a file gives.
func override(file, values any) {
	for _, d := range delays(file, values) {
		if d.given != nil {
			*d.value = d.given.Dist
		}
	}
}

// maxConcurrencyPerCPU is far above what any machine does.
const maxConcurrencyPerCPU = 1e6

// override takes what the file says.
func (f *latenciesFile) override(l *model.Latencies) error {
	if n := f.ConcurrencyPerCPU; n != nil {
		if !(*n >= 0 && *n <= maxConcurrencyPerCPU) {
			return errorAt(f.Where.at("concurrencyPerCPU"), "concurrencyPerCPU is %v, want 0 to %v", *n, float64(maxConcurrencyPerCPU))
		}
		l.ConcurrencyPerCPU = *n
	}
	override(f, l)
	return nil
}

// latencies are those of a scenario.
func (r *reader) latencies(f *latenciesFile) model.Latencies {
	l := model.DefaultLatencies()
	if f == nil {
		return l
	}
	if f.File != nil {
		r.latenciesOf(f.File, &l)
	}
	if err := f.override(&l); err != nil {
		r.errs = append(r.errs, err)
	}
	return l
}

// latenciesOf takes what a file of kind Latencies says.
func (r *reader) latenciesOf(x *fileName, l *model.Latencies) {
	name := relative(x.from.name, x.name)
	data, err := r.files.ReadFile(name)
	if err != nil {
		r.errorAt(x.from.at(x.node), "%s: %s", x.path, missingFile(r.files, name, err))
		return
	}
	if err := readLatencies(name, data, l); err != nil {
		r.errs = append(r.errs, err)
	}
}

// latenciesDocument is a file of kind Latencies.
type latenciesDocument struct {
	Where      place         `json:"-"`
	APIVersion string        `json:"apiVersion" need:"true" doc:"Always podsim/v1alpha1."`
	Kind       string        `json:"kind" need:"true" doc:"Always Latencies."`
	Metadata   metaFile      `json:"metadata" doc:"Its name."`
	Spec       latenciesFile `json:"spec" need:"true" doc:"The delays of the container runtime; what is left out is as it was."`
}

// ReadLatencies reads a file of kind Latencies. What it leaves out is as by default. Errors are as those of Read.
func ReadLatencies(path string) (model.Latencies, error) {
	l := model.DefaultLatencies()
	data, err := OS{}.ReadFile(path)
	if err != nil {
		return l, fileError(path, err)
	}
	return l, readLatencies(path, data, &l)
}

func readLatencies(name string, data []byte, l *model.Latencies) error {
	f, err := latenciesIn(name, data)
	if err != nil {
		return err
	}
	return f.override(l)
}

func latenciesIn(name string, data []byte) (*latenciesFile, error) {
	s := &source{name: name}
	documents, err := s.documents(data)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, errorAt(s.line(1), "this file has %d documents, want one Latencies", len(documents))
	}
	d := newDecoder(s)
	d.checkType(documents[0], "", "podsim/v1alpha1", "Latencies", true)
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	var file latenciesDocument
	d.decodeInto(documents[0], &file, "")
	if file.Spec.File != nil {
		d.errs = append(d.errs, errorAt(file.Spec.Where.at("file"), "spec.file: a file of kind Latencies names no other one"))
	}
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	return &file.Spec, nil
}

// LatenciesYAML is the content of a file of kind Latencies with all fields. comment stands at its top, notes
// beside the fields of their names.
func LatenciesYAML(l *model.Latencies, name, comment string, notes map[string]string) []byte {
	var b bytes.Buffer
	writeComment(&b, "", comment)
	fmt.Fprintf(&b, "apiVersion: podsim/v1alpha1\nkind: Latencies\nmetadata: {name: %s}\nspec:\n", name)
	for _, x := range delays(&latenciesFile{}, l) {
		writeComment(&b, "  ", notes[x.name])
		fmt.Fprintf(&b, "  %s: %s\n", x.name, distributionYAML(x.value))
	}
	writeComment(&b, "  ", notes[concurrency])
	fmt.Fprintf(&b, "  %s: %v\n", concurrency, l.ConcurrencyPerCPU)
	return b.Bytes()
}

func writeComment(b *bytes.Buffer, indent, comment string) {
	for _, line := range strings.Split(comment, "\n") {
		if line != "" {
			fmt.Fprintf(b, "%s# %s\n", indent, line)
		}
	}
}

// distributionYAML is a distribution of durations as a scenario file writes it.
func distributionYAML(d *model.Dist) string {
	span := func(ns float64) string { return time.Duration(math.Round(ns)).String() }
	fields := map[model.DistKind]string{
		model.DistExponential: "mean: " + span(d.Mean),
		model.DistNormal:      "mean: " + span(d.Mean) + ", stddev: " + span(d.Stddev),
		model.DistLogNormal:   "mean: " + span(d.Mean) + ", stddev: " + span(d.Stddev) + ", shift: " + span(d.Shift),
	}[d.Kind]
	switch d.Kind {
	case model.DistConstant:
		return span(d.Value)
	case model.DistUniform:
		return fmt.Sprintf("{uniform: {min: %s, max: %s}}", span(d.Min), span(d.Max))
	case model.DistGamma, model.DistWeibull, model.DistPareto:
		fields = fmt.Sprintf("shape: %v, scale: %s", d.Shape, span(d.Scale))
	case model.DistEmpirical:
		var values, weights []string
		for _, v := range d.Values {
			values = append(values, span(v))
		}
		for _, w := range d.Weights {
			weights = append(weights, fmt.Sprint(w))
		}
		fields = fmt.Sprintf("values: [%s], weights: [%s]", strings.Join(values, ", "), strings.Join(weights, ", "))
	}
	if d.Max > d.Min && d.Min > 0 {
		fields += ", min: " + span(d.Min)
	}
	if d.Max > d.Min && !math.IsInf(d.Max, 1) {
		fields += ", max: " + span(d.Max)
	}
	return fmt.Sprintf("{%s: {%s}}", d.Kind, fields)
}

// fileName is the path of a file that another file names.
type fileName struct {
	name string
	node *yaml.Node
	path string
	from *source
}

func (x *fileName) decodeNode(d *decoder, n *yaml.Node, path string) {
	*x = fileName{node: n, path: path, from: d.source}
	if name, ok := d.decodeString(n, path); ok {
		x.name = name
		if name == "" {
			d.errorf(n, "%s is empty, want the name of a file", path)
		}
	}
}
