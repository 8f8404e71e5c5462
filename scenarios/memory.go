package scenarios

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
)

// memoryUse is the memory of a behavior: a list of points, or a mapping.
type memoryUse struct {
	*memoryFile
}

func (x *memoryUse) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	x.memoryFile = &memoryFile{}
	if n.Kind == yaml.SequenceNode {
		x.Where = place{d.source, n}
		d.decodeInto(n, &x.Points, path)
		return
	}
	d.decodeInto(n, x.memoryFile, path)
}

// memoryFile is the mapping form of a behavior's memory.
type memoryFile struct {
	Where  place     `json:"-"`
	Points []useFile `json:"points" doc:"The memory in use over time."`
	CSV    string    `json:"csv" doc:"A file with the points: a line seconds,bytes each, such as 90.5,300Mi, with or without a line of column names. Its path is relative to this file."`
	Linear *bool     `json:"linear" doc:"With points or csv: from one point to the next the use goes in a straight line, not in a step."`
	Leak   *leakFile `json:"leak" doc:"Memory that grows in each run of the container."`
	Walk   *walkFile `json:"walk" doc:"Memory that goes up and down at random."`
	Child  *bool     `json:"child" doc:"A child of the main process uses it. With singleProcessOOMKill, as always under cgroup v1, the kernel kills the child alone and the container runs on without that memory; when it ends, its reason is OOMKilled whatever its exit code."`
}

type leakFile struct {
	Where     place  `json:"-"`
	Base      amount `json:"base" doc:"The memory in use at the start; 0 when left out."`
	PerMinute amount `json:"perMinute" need:"true" doc:"By how much it grows each minute, such as 5Mi."`
}

type walkFile struct {
	Where  place   `json:"-"`
	Base   amount  `json:"base" need:"true" doc:"The memory in use at the start."`
	Step   amount  `json:"step" need:"true" doc:"By how much it changes at most, up or down."`
	Period span    `json:"period" need:"true" doc:"How often it changes, at least each 1ms."`
	Min    amount  `json:"min" doc:"It never falls below this; 0 when left out."`
	Max    *amount `json:"max" doc:"It never rises above this; without a bound when left out."`
}

// memory completes a behavior with what is in use over time.
func (r *reader) memory(b *model.Behavior, f memoryUse) {
	if f.memoryFile == nil {
		return
	}
	b.MemoryChild = f.Child != nil && *f.Child
	var given []string
	for _, form := range []struct {
		name string
		set  bool
	}{{"points", f.Points != nil}, {"csv", f.CSV != ""}, {"leak", f.Leak != nil}, {"walk", f.Walk != nil}} {
		if form.set {
			given = append(given, form.name)
		}
	}
	switch {
	case len(given) == 0:
		if f.Where.node.Kind != yaml.SequenceNode {
			r.errorAt(f.Where.at(""), "memory says nothing, want points, csv, leak or walk")
		}
		return
	case len(given) > 1:
		r.errorAt(f.Where.at(given[1]), "memory.%s and memory.%s (%v) contradict each other: leave one out", given[1], given[0], f.Where.at(given[0]))
		return
	case f.Linear != nil && (f.Leak != nil || f.Walk != nil):
		r.errorAt(f.Where.at("linear"), "memory.linear is about points and csv, not about %s (%v): leave it out", given[0], f.Where.at(given[0]))
	}
	switch {
	case f.Leak != nil:
		r.checkMemory(f.Leak.Where.at("base"), "base", f.Leak.Base)
		r.checkMemory(f.Leak.Where.at("perMinute"), "perMinute", f.Leak.PerMinute)
		b.Memory = []model.MemoryPoint{{Use: int64(f.Leak.Base), Rate: model.RatePer(int64(f.Leak.PerMinute), model.Minute)}}
	case f.Walk != nil:
		b.MemoryWalk = r.memoryWalk(f.Walk)
	case f.CSV != "":
		b.Memory = r.memoryTable(f.memoryFile)
	default:
		b.Memory = r.memoryPoints(f.Points)
	}
	if f.Linear != nil && *f.Linear {
		connect(b.Memory)
	}
}

func (r *reader) memoryPoints(files []useFile) []model.MemoryPoint {
	var points []model.MemoryPoint
	for i := range files {
		f := &files[i]
		if i > 0 && f.At <= files[i-1].At {
			r.errorAt(f.Where.at("at"), "at is %v, must be later than the one before (%v)", model.Time(f.At), model.Time(files[i-1].At))
		}
		r.checkMemory(f.Where.at("use"), "use", f.Use)
		points = append(points, model.MemoryPoint{At: model.Time(f.At), Use: int64(f.Use)})
	}
	return points
}

// checkMemory refuses more memory than a run can count with.
func (r *reader) checkMemory(where model.Position, name string, use amount) {
	if int64(use) > model.MostMemory {
		r.errorAt(where, "%s is %d, must be at most 1Pi", name, use)
	}
}

func (r *reader) memoryWalk(f *walkFile) *model.MemoryWalk {
	w := &model.MemoryWalk{Base: int64(f.Base), Step: int64(f.Step), Period: model.Time(f.Period), Min: int64(f.Min), Max: model.MostMemory}
	if f.Max != nil {
		w.Max = int64(*f.Max)
		r.checkMemory(f.Where.at("max"), "max", *f.Max)
	}
	r.checkMemory(f.Where.at("step"), "step", f.Step)
	if w.Period < model.Millisecond {
		r.errorAt(f.Where.at("period"), "period is %v, must be at least 1ms", w.Period.Duration())
	}
	if w.Base < w.Min || w.Base > w.Max {
		r.errorAt(f.Where.at("base"), "base is %d, must be from min %d to max %d", w.Base, w.Min, w.Max)
	}
	return w
}

// connect lets the use go in straight lines from each point to the next.
func connect(points []model.MemoryPoint) {
	for i := 0; i+1 < len(points); i++ {
		p, next := &points[i], &points[i+1]
		if next.At > p.At {
			p.Rate = model.RatePer(next.Use-p.Use, next.At-p.At)
		}
	}
}

// memoryTable reads the points of a file of comma-separated values. Of what is wrong in it only the first
// is said.
func (r *reader) memoryTable(f *memoryFile) []model.MemoryPoint {
	name := relative(f.Where.source.name, f.CSV)
	data, err := r.files.ReadFile(name)
	if err != nil {
		r.errorAt(f.Where.at("csv"), "memory.csv: %s", missingFile(r.files, name, err))
		return nil
	}
	s := &source{name: name}
	if len(data) > maxFileBytes {
		r.errorAt(s.line(1), "the file is larger than %d MiB: split it", maxFileBytes>>20)
		return nil
	}
	var points []model.MemoryPoint
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		text = strings.TrimSpace(text)
		if text == "" || line == 1 && strings.EqualFold(strings.ReplaceAll(text, " ", ""), "seconds,bytes") {
			continue
		}
		p, err := memoryRow(text)
		if err == nil && len(points) > 0 && p.At <= points[len(points)-1].At {
			err = fmt.Errorf("the time is %v, must be later than the one before (%v)", p.At, points[len(points)-1].At)
		}
		if err != nil {
			r.errorAt(s.line(line), "%v", err)
			return nil
		}
		points = append(points, p)
	}
	if len(points) == 0 {
		r.errorAt(s.line(1), "the file has no points, want lines such as 90.5,300Mi")
	}
	return points
}

// memoryRow reads a line seconds,bytes.
func memoryRow(text string) (p model.MemoryPoint, err error) {
	const longest = 64
	seconds, bytes, ok := strings.Cut(text, ",")
	if !ok || strings.Contains(bytes, ",") {
		return p, fmt.Errorf("%s is not a point, want seconds,bytes such as 90.5,300Mi", quoted(text))
	}
	at, err := strconv.ParseFloat(strings.TrimSpace(seconds), 64)
	if err != nil || !(at >= 0 && at <= 36500*24*3600) {
		return p, fmt.Errorf("the time is %s, want seconds from 0 on, such as 90.5", quoted(seconds))
	}
	bytes = strings.TrimSpace(bytes)
	want := fmt.Errorf("the memory is %s, want bytes such as 300Mi, at most 1Pi", quoted(bytes))
	if len(bytes) > longest || hugeExponent.MatchString(bytes) {
		return p, want
	}
	q, err := resource.ParseQuantity(bytes)
	if err != nil || q.Sign() < 0 || q.CmpInt64(model.MostMemory) > 0 {
		return p, want
	}
	return model.MemoryPoint{At: model.Time(at*1e9 + 0.5), Use: q.Value()}, nil
}

// systemMemory is what a pool's systems use of their nodes' memory.
func (r *reader) systemMemory(f *nodeFile, capacity resource.Quantity) int64 {
	if f.SystemMemory == nil {
		return min(model.DefaultSystemMemory, capacity.Value()/8)
	}
	if use := int64(*f.SystemMemory); use <= capacity.Value() {
		return use
	}
	r.errorAt(f.Where.at("systemMemory"), "systemMemory is %d, must not be above the node's memory (%v)", *f.SystemMemory, &capacity)
	return 0
}
