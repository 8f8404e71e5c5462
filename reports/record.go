package reports

import (
	"fmt"
	"sort"
	"strings"

	"podsim/model"
)

// Record is the record of a run, opened for reading.
type Record struct {
	dir string
	// Info is what run.json says.
	Info RunInfo
}

// Open opens the record in dir.
func Open(dir string) (*Record, error) {
	info, err := readRun(dir)
	if err != nil {
		return nil, err
	}
	return &Record{dir: dir, Info: *info}, nil
}

// Snapshot is the state of a run at a moment: a fold over the record up to then.
type Snapshot struct {
	clock
	objects []*object
	events  []eventRow
}

// identity tells objects apart.
type identity struct {
	kind   string
	serial int64
}

// At folds the record up to and including the moment t. The kinds named are folded, all when
// none is; Events are read when events is set.
func (r *Record) At(t model.Time, events bool, kinds ...string) (*Snapshot, error) {
	s := &Snapshot{clock: clock{start: r.Info.Start, now: t, seed: r.Info.Seed}}
	index := map[identity]*object{}
	err := readTable(r.dir, "transitions", func(row *transitionRow) bool {
		if row.Time > int64(t) {
			return false
		}
		if len(kinds) > 0 && !contains(kinds, row.Kind) {
			return true
		}
		fold(index, row)
		return true
	})
	if err != nil {
		return nil, err
	}
	for _, o := range index {
		s.objects = append(s.objects, o)
	}
	sort.Slice(s.objects, func(i, j int) bool { return before(s.objects[i], s.objects[j]) })
	if events {
		err = s.readEvents(r.dir, t)
	}
	return s, err
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// fold takes a change into the index: the last row of each object that is there.
func fold(index map[identity]*object, row *transitionRow) {
	id := identity{row.Kind, row.Serial}
	if row.Type == "DELETED" {
		delete(index, id)
		return
	}
	o := index[id]
	if o == nil {
		o = &object{}
		index[id] = o
	}
	kept := *row
	o.transitionRow = &kept
	if row.Spec != "" {
		o.spec, o.labels = row.Spec, nil
	}
}

// kindOrder is the order in which `get all` shows the kinds.
var kindOrder = map[string]int{"Node": 0, "Pod": 1, "Service": 2, "Deployment": 3, "ReplicaSet": 4}

// before orders objects as kubectl lists them: by kind, namespace and name.
func before(a, b *object) bool {
	if a.Kind != b.Kind {
		return kindOrder[a.Kind] < kindOrder[b.Kind]
	}
	if a.Namespace != b.Namespace {
		return a.Namespace < b.Namespace
	}
	return a.Name < b.Name
}

// readEvents folds the Events: the last count of each.
func (s *Snapshot) readEvents(dir string, t model.Time) error {
	index := map[int64]int{}
	err := readTable(dir, "events", func(row *eventRow) bool {
		if row.Time > int64(t) {
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
	sort.SliceStable(s.events, func(i, j int) bool { return s.events[i].Time < s.events[j].Time })
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
			kinds = append(kinds, "Pod", "Service", "Deployment", "ReplicaSet")
			continue
		}
		kind := kindByAlias(name)
		if kind == "" {
			var known []string
			for _, r := range resources {
				known = append(known, r.aliases[len(r.aliases)-1])
			}
			return nil, fmt.Errorf("the record has no resource type %q; it has %s and all", name, strings.Join(known, ", "))
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

func kindByAlias(name string) string {
	for _, r := range resources {
		if contains(r.aliases, name) {
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
