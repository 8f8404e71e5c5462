package framework

import (
	"cmp"
	"slices"

	"podsim/model"
)

// TopologyCounts keeps how many pods there are in the domains of topology keys, for plugins that
// would have to look at all pods of all nodes in each cycle. A count costs a few additions when a pod
// moves, and an array lookup when it is read.
//
//   - A Topology says which domain of a key each node is in.
//   - An Extent says which nodes of a topology count.
//   - A Tally says which pods count, and how many of them are on each node.
//   - A Counter is a tally over an extent: how many of the pods are in each domain.
//
// Whoever has one must tell it of each pod and node (PodMoved, NodeChanged). The zero TopologyCounts
// is ready to use.
type TopologyCounts struct {
	// nodes is indexed by NodeID.
	nodes []*NodeInfo
	// present is 1 for the nodes that were there at the last change.
	present    []int32
	topologies []*Topology
	extents    []*Extent
	tallies    []*Tally
	byName     map[string]*Tally
	// classes are the classes that were met, by ClassID, with the tallies in which their pods count.
	classes []countedClass
	// Limit is how many named tallies are kept, MaxTallies if 0. What one pod is compared with must
	// have room.
	Limit int
	// clock counts the uses of tallies, to find one that was not used for long.
	clock uint64
	// weights is scratch.
	weights []int32
}

// MaxTallies is how many named tallies are kept; the one that was not used for the longest time makes
// room. A guess: at 5,000 nodes they take up to 100 MB.
const MaxTallies = 4096

type countedClass struct {
	class *PodClass
	in    []membership
}

type membership struct {
	tally *Tally
	// weight is what a pod counts.
	weight int32
}

// NoDomain is the domain of a node that has no label with the key, EmptyDomain that of a node whose
// label is empty.
const (
	NoDomain    = 0
	EmptyDomain = 1
)

// Topology numbers the domains of a topology key.
type Topology struct {
	key     string
	domains map[string]int32
	// of is indexed by NodeID.
	of []int32
	// nodes are the numbers of nodes by domain, of those that are there; occupied is in how many
	// domains there are some. Here a node without the label is in the domain of the empty value.
	nodes    []int32
	occupied int
}

// Domain is the domain of a node.
func (t *Topology) Domain(n *NodeInfo) int32 { return t.of[n.ID] }

// NumDomains is one more than the highest domain.
func (t *Topology) NumDomains() int { return len(t.domains) + 1 }

// Occupied is in how many domains there are nodes. A node without the label is in the domain of the
// empty value.
func (t *Topology) Occupied() int { return t.occupied }

func (t *Topology) place(n *NodeInfo, wasThere bool) {
	t.of = reach(t.of, int(n.ID))
	if wasThere {
		t.count(t.of[n.ID], -1)
	}
	t.of[n.ID] = t.domain(n)
	if n.Present {
		t.count(t.of[n.ID], 1)
	}
}

func (t *Topology) count(d int32, sign int32) {
	d = max(d, EmptyDomain)
	t.nodes = reach(t.nodes, int(d))
	before := t.nodes[d]
	t.nodes[d] += sign
	switch {
	case before == 0:
		t.occupied++
	case t.nodes[d] == 0:
		t.occupied--
	}
}

func (t *Topology) domain(n *NodeInfo) int32 {
	value, ok := n.Object.Labels[t.key]
	if !ok || !n.Present {
		return NoDomain
	}
	d, ok := t.domains[value]
	if !ok {
		d = int32(len(t.domains) + 1)
		t.domains[value] = d
	}
	return d
}

// reach makes a slice long enough for an index.
func reach(s []int32, i int) []int32 {
	if i < len(s) {
		return s
	}
	return append(s, make([]int32, i+1-len(s))...)
}

// Extent is the nodes of a topology that count.
type Extent struct {
	Topology *Topology
	// name tells it apart.
	name     string
	eligible func(*NodeInfo) bool
	// absentIsEmpty says that a node without the label is in the domain of the empty value.
	absentIsEmpty bool
	// where is the domain by NodeID of the nodes that count, nodes how many there are in a domain,
	// domains how many domains have one.
	where    []int32
	nodes    []int32
	domains  int
	counters []*Counter
}

// NumDomains is how many domains have a node that counts.
func (e *Extent) NumDomains() int { return e.domains }

// Where is the domain of a node if it counts, else NoDomain.
func (e *Extent) Where(id model.NodeID) int32 { return e.where[id] }

// place moves a node, with its pods, to the domain where it belongs now.
func (e *Extent) place(n *NodeInfo) {
	e.where = reach(e.where, int(n.ID))
	before, after := e.where[n.ID], e.domain(n)
	if before == after {
		return
	}
	if before != NoDomain {
		e.leave(n, before)
	}
	if e.where[n.ID] = after; after != NoDomain {
		e.enter(n, after)
	}
}

func (e *Extent) domain(n *NodeInfo) int32 {
	if !n.Present || !e.eligible(n) {
		return NoDomain
	}
	d := e.Topology.Domain(n)
	if d == NoDomain && e.absentIsEmpty {
		return EmptyDomain
	}
	return d
}

func (e *Extent) leave(n *NodeInfo, d int32) {
	for _, k := range e.counters {
		k.Add(d, -k.tally.On(n.ID))
	}
	if e.nodes[d]--; e.nodes[d] > 0 {
		return
	}
	e.domains--
	for _, k := range e.counters {
		if k.ranked {
			k.levels.remove(k.counts[d])
		}
	}
}

func (e *Extent) enter(n *NodeInfo, d int32) {
	e.nodes = reach(e.nodes, int(d))
	for _, k := range e.counters {
		k.counts = reach(k.counts, int(d))
	}
	if e.nodes[d]++; e.nodes[d] == 1 {
		e.domains++
		for _, k := range e.counters {
			if k.ranked {
				k.levels.insert(k.counts[d])
			}
		}
	}
	for _, k := range e.counters {
		k.Add(d, k.tally.On(n.ID))
	}
}

// Topology is the topology of a key.
func (t *TopologyCounts) Topology(key string) *Topology {
	for _, p := range t.topologies {
		if p.key == key {
			return p
		}
	}
	p := &Topology{key: key, domains: map[string]int32{"": EmptyDomain}}
	for _, n := range t.nodes {
		if n != nil {
			p.place(n, false)
		}
	}
	t.topologies = append(t.topologies, p)
	return p
}

// Extent is the extent of a topology key that is made of the eligible nodes. name must tell it from
// others of the key. eligible follows from what a node's labels, taints and name say.
func (t *TopologyCounts) Extent(key, name string, absentIsEmpty bool, eligible func(*NodeInfo) bool) *Extent {
	topology := t.Topology(key)
	for _, e := range t.extents {
		if e.Topology == topology && e.name == name && e.absentIsEmpty == absentIsEmpty {
			return e
		}
	}
	e := &Extent{Topology: topology, name: name, eligible: eligible, absentIsEmpty: absentIsEmpty}
	for _, n := range t.nodes {
		if n != nil {
			e.place(n)
		}
	}
	t.extents = append(t.extents, e)
	return e
}

// Tally is the tally of a name, which is made if there is none. weight says what a pod of a class
// counts; living, that pods that are being deleted do not.
func (t *TopologyCounts) Tally(y *Cluster, name string, living bool, weight func(*PodClass) int32) *Tally {
	if found := t.byName[name]; found != nil {
		t.Use(found)
		return found
	}
	if t.byName == nil {
		t.byName = map[string]*Tally{}
	}
	if len(t.tallies) >= cmp.Or(t.Limit, MaxTallies) {
		t.drop()
	}
	made := &Tally{name: name, weight: weight, living: living, on: make([]int32, len(t.nodes))}
	t.tallies = append(t.tallies, made)
	t.byName[name] = made
	t.Use(made)
	t.countAll(y, made)
	return made
}

// Use notes that a tally is in use.
func (t *TopologyCounts) Use(tally *Tally) {
	t.clock++
	tally.used = t.clock
}

// countAll counts the pods that there are.
func (t *TopologyCounts) countAll(y *Cluster, made *Tally) {
	t.weights = t.weights[:0]
	for i := range t.classes {
		k := &t.classes[i]
		weight := int32(0)
		if k.class != nil {
			weight = made.weight(k.class)
		}
		if weight != 0 {
			k.in = append(k.in, membership{made, weight})
		}
		t.weights = append(t.weights, weight)
	}
	for _, n := range t.nodes {
		if n == nil {
			continue
		}
		for _, id := range n.Pods {
			p := &y.Pods[id]
			if !made.living || !p.Deleting {
				made.on[n.ID] += t.weights[p.Class.ID]
			}
		}
	}
}

// drop gives up the tally that was not used for the longest time.
func (t *TopologyCounts) drop() {
	oldest := 0
	for i, tally := range t.tallies {
		if tally.used < t.tallies[oldest].used {
			oldest = i
		}
	}
	gone := t.tallies[oldest]
	gone.dropped = true
	t.tallies = slices.Delete(t.tallies, oldest, oldest+1)
	delete(t.byName, gone.name)
	for i := range t.classes {
		of := func(m membership) bool { return m.tally == gone }
		t.classes[i].in = slices.DeleteFunc(t.classes[i].in, of)
	}
	for _, k := range gone.counters {
		k.Extent.counters = slices.DeleteFunc(k.Extent.counters, func(o *Counter) bool { return o == k })
	}
	unused := func(e *Extent) bool { return len(e.counters) == 0 }
	t.extents = slices.DeleteFunc(t.extents, unused)
}

// Counter is the counter of a tally over an extent.
func (t *TopologyCounts) Counter(tally *Tally, e *Extent) *Counter {
	for _, k := range tally.counters {
		if k.Extent == e {
			return k
		}
	}
	k := &Counter{Extent: e, tally: tally, counts: make([]int32, len(e.nodes))}
	for _, n := range t.nodes {
		if n == nil {
			continue
		}
		if d := e.where[n.ID]; d != NoDomain {
			k.Add(d, tally.On(n.ID))
		}
	}
	tally.counters = append(tally.counters, k)
	e.counters = append(e.counters, k)
	return k
}

// Meet takes in a class, if it is new, and reports whether it is. The pods of a class must not move
// before it was met.
func (t *TopologyCounts) Meet(c *PodClass) bool {
	for len(t.classes) <= int(c.ID) {
		t.classes = append(t.classes, countedClass{})
	}
	k := &t.classes[c.ID]
	if k.class != nil {
		return false
	}
	k.class = c
	for _, tally := range t.tallies {
		if weight := tally.weight(c); weight != 0 {
			k.in = append(k.in, membership{tally, weight})
		}
	}
	return true
}

// Join makes the pods of a class, none of which is on a node yet, count in a tally without a name.
func (t *TopologyCounts) Join(c *PodClass, tally *Tally, weight int32) {
	t.classes[c.ID].in = append(t.classes[c.ID].in, membership{tally, weight})
}

// Weight is what a pod of the class counts in a tally.
func (t *TopologyCounts) Weight(c *PodClass, tally *Tally) int32 {
	t.Meet(c)
	for _, m := range t.classes[c.ID].in {
		if m.tally == tally {
			return m.weight
		}
	}
	return 0
}

// PodMoved counts a pod that has come to a node (sign 1) or left it (sign -1).
func (t *TopologyCounts) PodMoved(p *Pod, n *NodeInfo, sign int64) {
	if int(n.ID) >= len(t.nodes) || t.nodes[n.ID] == nil {
		t.NodeChanged(n)
	}
	t.Meet(p.Class)
	for _, m := range t.classes[p.Class.ID].in {
		if !m.tally.living || !p.Deleting {
			m.tally.count(n.ID, m.weight*int32(sign))
		}
	}
}

// Count counts a pod of a class that was met, which is not being deleted, on a node that is known.
func (t *TopologyCounts) Count(c *PodClass, id model.NodeID, sign int64) {
	for _, m := range t.classes[c.ID].in {
		m.tally.count(id, m.weight*int32(sign))
	}
}

// NodeChanged takes over that a node was added, updated or removed.
func (t *TopologyCounts) NodeChanged(n *NodeInfo) {
	for len(t.nodes) <= int(n.ID) {
		t.nodes = append(t.nodes, nil)
	}
	t.nodes[n.ID] = n
	t.present = reach(t.present, int(n.ID))
	for _, p := range t.topologies {
		p.place(n, t.present[n.ID] != 0)
	}
	t.present[n.ID] = 0
	if n.Present {
		t.present[n.ID] = 1
	}
	for _, e := range t.extents {
		e.place(n)
	}
}
