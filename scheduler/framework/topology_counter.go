package framework

import (
	"slices"

	"podsim/model"
)

// Tally is which pods count, and how many of them are on each node.
type Tally struct {
	name string
	// weight is what a pod of a class counts.
	weight func(*PodClass) int32
	// living says that a pod that is being deleted does not count.
	living bool
	// on is indexed by NodeID.
	on       []int32
	counters []*Counter
	// used is the clock of the last use; dropped says that the tally is kept no longer.
	used    uint64
	dropped bool
}

// NewTally is a tally without a name, in which the pods of those classes count that join it.
func NewTally() *Tally { return &Tally{} }

// Dropped says that the tally has made room for another and counts no more.
func (t *Tally) Dropped() bool { return t.dropped }

// On is what the pods on a node count.
func (t *Tally) On(id model.NodeID) int32 {
	if int(id) >= len(t.on) {
		return 0
	}
	return t.on[id]
}

func (t *Tally) count(id model.NodeID, weight int32) {
	t.on = reach(t.on, int(id))
	t.on[id] += weight
	for _, k := range t.counters {
		if d := k.Extent.where[id]; d != NoDomain {
			k.Add(d, weight)
		}
	}
}

// Counter is how many of a tally's pods are in each domain of an extent.
type Counter struct {
	Extent *Extent
	tally  *Tally
	counts []int32
	total  int64
	// levels are kept once somebody asked for them, as ranked says.
	levels levels
	ranked bool
}

// Count is what the pods in a domain count.
func (k *Counter) Count(d int32) int32 {
	if int(d) >= len(k.counts) {
		return 0
	}
	return k.counts[d]
}

// Total is what all pods count that are on nodes of the extent.
func (k *Counter) Total() int64 { return k.total }

// Rank makes the counter know the smallest count from now on.
func (k *Counter) Rank() {
	if k.ranked {
		return
	}
	k.ranked = true
	for d, nodes := range k.Extent.nodes {
		if nodes > 0 {
			k.levels.insert(k.counts[d])
		}
	}
}

// Least is the smallest count of the domains that have a node, of a ranked counter. There must be such
// a domain.
func (k *Counter) Least() int32 { return k.levels.least() }

// Add changes the count of a domain that has a node.
func (k *Counter) Add(d int32, weight int32) {
	if weight == 0 {
		return
	}
	before := k.counts[d]
	k.counts[d] += weight
	k.total += int64(weight)
	if k.ranked {
		k.levels.move(before, before+weight)
	}
}

// levels says how many domains have which count, so that the smallest count is known.
type levels struct {
	// domains is indexed by the count less low; those before first are zero.
	domains []int32
	low     int32
	first   int
}

func (l *levels) least() int32 { return l.low + int32(l.first) }

func (l *levels) move(from, to int32) {
	l.insert(to)
	l.remove(from)
}

func (l *levels) insert(count int32) {
	if count < l.low {
		l.domains = slices.Insert(l.domains, 0, make([]int32, l.low-count)...)
		l.first += int(l.low - count)
		l.low = count
	}
	i := int(count - l.low)
	l.domains = reach(l.domains, i)
	l.domains[i]++
	l.first = min(l.first, i)
	l.advance()
}

func (l *levels) remove(count int32) {
	l.domains[count-l.low]--
	l.advance()
}

// advance finds the smallest count again. Counts mostly change by one, so it is near.
func (l *levels) advance() {
	for l.first < len(l.domains) && l.domains[l.first] == 0 {
		l.first++
	}
}
