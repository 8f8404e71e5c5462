package sim

import (
	"math/bits"

	"podsim/model"
)

// runtimeShare is how the operations of a node's container runtime that are under way at one time share its
// processors. Up to the capacity each has full speed; beyond that all are equally slower (processor sharing).
// Measured: N pods that are started at once take N times as long as their work, and all are ready near the end.
//
// A clock shows how much work each operation has had since some moment; one ends when the clock shows its
// target. So an operation that begins or ends changes the clock's speed and touches no other one. Each
// operation has an event of its own for when it ends if nothing changes, which is all that happens on a
// node with few of them. Where the first of the heap ends earlier than its event says it gets another one,
// and an event that comes too early is put off.
//
// Differs from Kubernetes: what else uses the node's processors does not slow the runtime down, and exec probes,
// pulls and what the kubelet removes beside its syncs take no share. Probes that find nothing new are not run here.
type runtimeShare struct {
	// capacity is how many operations have full speed, in thousandths. No limit when it is 0.
	capacity int64
	// at is the moment that the clock shows.
	at, clock model.Time
	// heap has the operations under way, the first to end on top.
	heap       []int32
	operations []operation
	free       []int32
	// begun counts the operations.
	begun uint64
}

// operation is one of the runtime that is under way.
type operation struct {
	// end is the event of the pod that its end is.
	end Event
	// target is what the clock shows at the end, queued the moment of its pending evOperation, Never
	// when it has none that counts.
	target, queued model.Time
	place          int32
	gen            uint32
	serial         uint64
}

// begin begins an operation.
func (s *runtimeShare) begin(now, takes model.Time, end Event) int32 {
	s.advance(now)
	i := int32(len(s.operations))
	if n := len(s.free); n > 0 {
		i, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.operations = append(s.operations, operation{})
	}
	x := &s.operations[i]
	s.begun++
	*x = operation{end: end, target: s.clock + takes, queued: model.Never, place: int32(len(s.heap)), gen: x.gen + 1, serial: s.begun}
	s.heap = append(s.heap, i)
	s.up(int(x.place))
	return i
}

// finish takes an operation out.
func (s *runtimeShare) finish(i int32) {
	place, last := int(s.operations[i].place), len(s.heap)-1
	s.swap(place, last)
	s.heap = s.heap[:last]
	if place < last {
		s.down(place)
		s.up(place)
	}
	s.operations[i].gen++
	s.free = append(s.free, i)
}

// clear takes all operations out: the node has lost its power.
func (s *runtimeShare) clear() {
	for len(s.heap) > 0 {
		s.finish(s.heap[len(s.heap)-1])
	}
}

// advance moves the clock. It may lose a nanosecond where the number of operations changes.
func (s *runtimeShare) advance(now model.Time) {
	elapsed := now - s.at
	s.at = now
	if load := s.load(); load > s.capacity {
		elapsed = muldiv(elapsed, s.capacity, load, 0)
	}
	s.clock += elapsed
}

// load is the capacity that would give all operations full speed.
func (s *runtimeShare) load() int64 { return 1000 * int64(len(s.heap)) }

// endOf is when an operation ends if no other one begins or ends before.
func (s *runtimeShare) endOf(i int32) model.Time {
	left := max(0, s.operations[i].target-s.clock)
	if load := s.load(); load > s.capacity {
		left = muldiv(left, load, s.capacity, s.capacity-1)
	}
	if left > spanMax {
		return model.Never
	}
	return s.at + left
}

// muldiv is (t*by+plus)/through, at most Never.
func muldiv(t model.Time, by, through, plus int64) model.Time {
	high, low := bits.Mul64(uint64(t), uint64(by))
	low, carry := bits.Add64(low, uint64(plus), 0)
	if high += carry; high >= uint64(through)>>1 {
		return model.Never
	}
	quotient, _ := bits.Div64(high, low, uint64(through))
	return model.Time(quotient)
}

// before says that of two operations the first ends first; of those that end together, the one that
// began first.
func (s *runtimeShare) before(a, b int32) bool {
	x, y := &s.operations[a], &s.operations[b]
	if x.target != y.target {
		return x.target < y.target
	}
	return x.serial < y.serial
}

func (s *runtimeShare) swap(a, b int) {
	s.heap[a], s.heap[b] = s.heap[b], s.heap[a]
	s.operations[s.heap[a]].place, s.operations[s.heap[b]].place = int32(a), int32(b)
}

func (s *runtimeShare) up(i int) {
	for i > 0 && s.before(s.heap[i], s.heap[(i-1)/2]) {
		s.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (s *runtimeShare) down(i int) {
	for {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(s.heap); child++ {
			if s.before(s.heap[child], s.heap[first]) {
				first = child
			}
		}
		if first == i {
			return
		}
		s.swap(i, first)
		i = first
	}
}

// setConcurrency says how many operations of a node's runtime have full speed. One always has: it
// is mostly a chain of single steps.
func (c *Cluster) setConcurrency(id model.NodeID) {
	if perCPU := c.scenario.Latencies.ConcurrencyPerCPU; perCPU > 0 {
		cpus := c.state.Nodes[id].Capacity.MilliCPU
		c.nodes[id].share.capacity = max(1000, int64(min(perCPU*float64(cpus), maxConcurrency)))
	}
}

// maxConcurrency is in thousandths of operations.
const maxConcurrency = 1e9

// work queues the event of a pod for the end of an operation of its node's runtime, which takes some time
// when it has a processor to itself. It gives the moment of the end, if no other one begins or ends before.
func (c *Cluster) work(takes model.Time, k EventKind, id model.PodID, op uint16, arg int32) model.Time {
	node := c.state.Pods[id].Node
	s := &c.nodes[node].share
	if s.capacity == 0 {
		c.at(c.now+takes, k, id, op, arg)
		return c.now + takes
	}
	gen := c.generation(&c.pods[id], k)
	i := s.begin(c.now, takes, Event{Kind: k, Obj: int32(id), Gen: uint32(gen)<<16 | uint32(op), Arg: arg})
	at := s.endOf(i)
	c.queueOperation(node, i, at)
	return at
}

// queueOperation queues the end of an operation, unless its event is there.
func (c *Cluster) queueOperation(node model.NodeID, i int32, at model.Time) {
	x := &c.nodes[node].share.operations[i]
	// An event that comes too early puts it off when it is there.
	if x.queued <= at || at == model.Never {
		return
	}
	x.queued = at
	c.queue.Push(Event{At: at, Kind: evOperation, Obj: int32(node), Gen: x.gen, Arg: i})
}

// operationDue ends an operation, when it has had its time. The event may be too early, or no longer count.
func (c *Cluster) operationDue(e *Event) {
	node := model.NodeID(e.Obj)
	s := &c.nodes[node].share
	x := &s.operations[e.Arg]
	if x.gen != e.Gen {
		return
	}
	s.advance(c.now)
	if x.queued == c.now {
		x.queued = model.Never
	}
	ended := x.target <= s.clock
	end := x.end
	if ended {
		s.finish(e.Arg)
	}
	if len(s.heap) > 0 {
		c.queueOperation(node, s.heap[0], s.endOf(s.heap[0]))
	}
	if ended {
		c.podEvent(&end)
	}
}
