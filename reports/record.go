package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// Record is the record of a run, opened for reading.
type Record struct {
	dir string
	// Info is what run.json says.
	Info RunInfo
}

// Open opens the record in dir. Where a run was killed, the last change that is there counts
// as its end.
func Open(dir string) (*Record, error) {
	info, err := readRun(dir)
	if err != nil {
		return nil, err
	}
	r := &Record{dir: dir, Info: *info}
	if !info.Complete && info.Ended == 0 {
		err = r.findEnd()
	}
	return r, err
}

// findEnd makes the moment of the last change the run's end.
func (r *Record) findEnd() error {
	files, err := tableFiles(r.dir, "transitions")
	if err != nil || len(files) == 0 {
		return err
	}
	_, err = readFile(files[len(files)-1], func(row *struct {
		Time int64 `parquet:"time_ns"`
	}) bool {
		r.Info.Ended = model.Time(row.Time)
		return true
	})
	return err
}

// Snapshot is the state of a run at a moment: a fold over the record up to then.
type Snapshot struct {
	start      time.Time
	now        model.Time
	seed       uint64
	kubernetes string
	// exact says that cells are for programs: ages in seconds, restarts as a number.
	exact bool

	objects []*object
	events  []eventRow
	// nodeIPs are the nodes' addresses by name.
	nodeIPs map[string]string
	// metadata and podSpecs are the specs that were decoded, by the spec.
	metadata map[string]*metadata
	podSpecs map[string]*v1.PodSpec
}

func (r *Record) snapshot(t model.Time) *Snapshot {
	return &Snapshot{start: r.Info.Start, now: t, seed: r.Info.Seed, kubernetes: r.Info.Kubernetes, nodeIPs: map[string]string{},
		metadata: map[string]*metadata{}, podSpecs: map[string]*v1.PodSpec{}}
}

// At folds the record up to and including the moment t. The kinds named are folded, all when
// none is; Events are read when events is set.
func (r *Record) At(t model.Time, events bool, kinds ...string) (*Snapshot, error) {
	s := r.snapshot(t)
	if err := s.readObjects(r.dir, kinds); err != nil {
		return nil, err
	}
	if events {
		return s, s.readEvents(r.dir)
	}
	return s, nil
}

// readObjects folds the changes of the kinds, and of the nodes, whose addresses pods have.
func (s *Snapshot) readObjects(dir string, kinds []string) error {
	if len(kinds) == 1 && kinds[0] == "Event" {
		return nil
	}
	f := newFold()
	err := readTable(dir, "transitions", func(row *transitionRow) bool {
		if row.Time > int64(s.now) {
			return false
		}
		if len(kinds) == 0 || row.Kind == "Node" || slices.Contains(kinds, row.Kind) {
			f.take(row)
		}
		return true
	})
	for _, o := range f.objects {
		if o.Kind == "Node" {
			s.nodeIPs[o.Name] = nodeIP(o)
		}
		s.objects = append(s.objects, o)
	}
	slices.SortFunc(s.objects, compare)
	return err
}

// identity tells objects apart.
type identity struct {
	kind   string
	serial int64
}

// fold keeps the objects that are there, each with its last row.
type fold struct {
	objects map[identity]*object
	// specs holds each spec once: most pods share theirs.
	specs map[string]string
}

func newFold() *fold { return &fold{map[identity]*object{}, map[string]string{}} }

// take takes a change in. It gives the object after it; a deleted one as it was last.
func (f *fold) take(row *transitionRow) *object {
	id := identity{row.Kind, row.Serial}
	o := f.objects[id]
	if o == nil {
		o = &object{}
		f.objects[id] = o
	}
	if row.Type == "DELETED" {
		delete(f.objects, id)
	}
	kept := *row
	kept.Conditions, kept.States = slices.Clone(row.Conditions), slices.Clone(row.States)
	o.transitionRow = &kept
	if row.Spec != "" {
		if _, ok := f.specs[row.Spec]; !ok {
			f.specs[row.Spec] = row.Spec
		}
		o.spec = f.specs[row.Spec]
	}
	kept.Spec = ""
	return o
}

// kindOrder is the order in which `get all` shows the kinds.
var kindOrder = map[string]int{"Node": 0, "Pod": 1, "Service": 2, "Deployment": 3, "ReplicaSet": 4}

// compare orders objects as kubectl lists them: by kind, namespace and name.
func compare(a, b *object) int {
	return cmp.Or(kindOrder[a.Kind]-kindOrder[b.Kind], strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// readEvents folds the Events: the last count of each, the one seen last at the end.
func (s *Snapshot) readEvents(dir string) error {
	index := map[int64]int{}
	err := readTable(dir, "events", func(row *eventRow) bool {
		if row.Time > int64(s.now) {
			return false
		}
		if i, ok := index[row.Serial]; ok {
			s.events[i] = *row
			return true
		}
		index[row.Serial] = len(s.events)
		s.events = append(s.events, *row)
		return true
	})
	slices.SortStableFunc(s.events, func(a, b eventRow) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq)) })
	return err
}

// resources are the kinds that get and describe know, with the names that kubectl takes.
var resources = []struct {
	kind    string
	plural  string
	aliases []string
}{
	{"Pod", "pods", []string{"po", "pod", "pods"}},
	{"Node", "nodes", []string{"no", "node", "nodes"}},
	{"Deployment", "deployments.apps", []string{"deploy", "deployment", "deployments", "deployments.apps"}},
	{"ReplicaSet", "replicasets.apps", []string{"rs", "replicaset", "replicasets", "replicasets.apps"}},
	{"Service", "services", []string{"svc", "service", "services"}},
	{"Event", "events", []string{"ev", "event", "events"}},
}

// Kinds turns a resource argument of get, such as "po,svc" or "all", into kinds. An unknown
// one is an error that lists the known ones.
func Kinds(arg string) ([]string, error) {
	var kinds []string
	for _, name := range strings.Split(strings.ToLower(arg), ",") {
		if name == "all" {
			for _, kind := range []string{"Pod", "Service", "Deployment", "ReplicaSet"} {
				kinds = add(kinds, kind)
			}
			continue
		}
		kind := kindByAlias(name)
		if kind == "" {
			var known []string
			for _, r := range resources {
				known = append(known, strings.TrimSuffix(r.plural, ".apps"))
			}
			return nil, fmt.Errorf("the record has no resource type %q; it has %s and all", name, strings.Join(known, ", "))
		}
		kinds = add(kinds, kind)
	}
	return kinds, nil
}

func add(kinds []string, kind string) []string {
	if slices.Contains(kinds, kind) {
		return kinds
	}
	return append(kinds, kind)
}

func kindByAlias(name string) string {
	for _, r := range resources {
		if slices.Contains(r.aliases, name) {
			return r.kind
		}
	}
	return ""
}

// pluralOf is a kind's name in kubectl's messages, such as deployments.apps.
func pluralOf(kind string) string {
	for _, r := range resources {
		if r.kind == kind {
			return r.plural
		}
	}
	return strings.ToLower(kind) + "s"
}
