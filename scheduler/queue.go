package scheduler

import (
	"fmt"

	"podsim/model"
	"podsim/scheduler/framework"
)

const (
	// orderingWindow is the step to which the ends of back-offs are rounded down
	// (backend/queue/backoff_queue.go backoffQOrderingWindowDuration). Both queues of
	// backed-off pods are flushed at its multiples.
	orderingWindow = 1 * model.Second
	// maxInUnschedulable is how long a rejected pod waits for an event
	// (backend/queue/scheduling_queue.go DefaultPodMaxInUnschedulablePodsDuration).
	maxInUnschedulable = 5 * model.Minute
	// flushPeriod is how often that is looked at (scheduling_queue.go Run).
	flushPeriod = 30 * model.Second
)

// queue holds the pods that wait (backend/queue/scheduling_queue.go PriorityQueue).
type queue struct {
	s *Scheduler
	// active is activeQ. backoff and errorBackoff are the two halves of backoffQ.
	active, backoff, errorBackoff podHeap
	// The pods that wait for an event are a list, the one that waits longest first.
	first, last model.PodID
	// interest are the kinds of events that some plugin wants to hear of.
	interest framework.ActionType
	// sequence numbers the arrivals, so that pods of the same moment keep their order.
	sequence uint64
}

// podPlace is where a pod is.
type podPlace uint8

const (
	podNone podPlace = iota
	// podGated waits for its scheduling gates to go.
	podGated
	podActive
	podBackoff
	podErrorBackoff
	podUnschedulable
	// podInFlight is being scheduled.
	podInFlight
	// podAssumed is counted on a node, and its binding was not yet seen.
	podAssumed
	podAssigned
)

var placeNames = [...]string{"nowhere", "gated", "in activeQ", "in backoffQ",
	"in the error backoffQ", "unschedulable", "in flight", "assumed", "assigned"}

func (p podPlace) String() string { return placeNames[p] }

// podInfo is what the scheduler knows of one pod (framework/types.go QueuedPodInfo).
type podInfo struct {
	class *class
	place podPlace
	// node is where the pod is assumed or assigned.
	node model.NodeID
	// heap is the index in the heap that the pod is in; prev and next are its neighbours in
	// the list of unschedulable pods.
	heap       int32
	prev, next model.PodID

	// timestamp is when the pod came or was rejected last, sequence its rank within that
	// moment.
	timestamp model.Time
	sequence  uint64
	// expiry is the end of the back-off.
	expiry model.Time
	// unschedulable counts the attempts that ended in a rejection, errors those since then
	// that ended in an error, attempts all.
	unschedulable, errors, attempts int32
	// preempting says that the pod's victims are yet to be deleted, heldBack that it was kept out of
	// activeQ for that: DefaultPreemption is its gating plugin.
	preempting, heldBack bool
	// nominated is the node that the pod is nominated to, as the nominator has it.
	nominated model.NodeID
	// rejectors are the plugins that rejected the pod in the last attempt.
	rejectors framework.PluginSet
}

// add puts a pod that has just come into activeQ, or aside when it is gated.
func (q *queue) add(id model.PodID, now model.Time) {
	p := &q.s.pods[id]
	p.timestamp = now
	q.sequence++
	p.sequence = q.sequence
	if p.class.Gated {
		p.place = podGated
		return
	}
	q.push(&q.active, podActive, id)
}

// pop takes the next pod out: the best of activeQ, or else the one whose back-off ends
// first, before it ends (feature gate SchedulerPopFromBackoffQ; active_queue.go
// unlockedPop). Pods that met an error wait in any case.
func (q *queue) pop() (model.PodID, bool) {
	h := &q.active
	if len(*h) == 0 {
		h = &q.backoff
	}
	if len(*h) == 0 {
		return 0, false
	}
	id := (*h)[0].pod
	q.take(id)
	p := &q.s.pods[id]
	p.place = podInFlight
	p.attempts++
	return id, true
}

// reject puts a pod back that no node can take, or, without rejectors, one that met an
// error (scheduling_queue.go AddUnschedulablePodIfNotPresent).
func (q *queue) reject(id model.PodID, rejectors framework.PluginSet, now model.Time) {
	p := &q.s.pods[id]
	p.rejectors = rejectors
	p.timestamp = now
	q.sequence++
	p.sequence = q.sequence
	if rejectors != 0 {
		p.unschedulable++
		p.errors = 0
		q.setExpiry(p)
		q.pushUnschedulable(id)
		return
	}
	p.errors++
	q.setExpiry(p)
	q.requeue(id, now)
}

// setExpiry follows backoff_queue.go getBackoffTime and calculateBackoffDuration.
func (q *queue) setExpiry(p *podInfo) {
	count := p.unschedulable
	if p.errors > 0 {
		count = p.errors
	}
	p.expiry = 0
	if limit := q.s.config.PodMaxBackoff; limit > 0 && count > 0 {
		backoff, shift := limit, count-1
		if initial := q.s.config.PodInitialBackoff; initial <= limit>>shift {
			backoff = initial << shift
		}
		end := p.timestamp + backoff
		p.expiry = end - end%orderingWindow
	}
}

// backingOff says whether the pod's back-off lasts, which it does until the ordering window
// after the one in which it ends (backoff_queue.go isEntityBackingoff).
func (q *queue) backingOff(p *podInfo, now model.Time) bool {
	count := p.unschedulable + p.errors
	return count > 0 && q.s.config.PodMaxBackoff > 0 && p.expiry >= now-now%orderingWindow
}

// requeue puts a pod that is in no queue into activeQ, or into backoffQ while its back-off
// lasts (scheduling_queue.go requeueEntityWithQueueingStrategy).
func (q *queue) requeue(id model.PodID, now model.Time) {
	p := &q.s.pods[id]
	switch {
	case !q.backingOff(p, now):
		q.push(&q.active, podActive, id)
	case p.rejectors == 0:
		q.push(&q.errorBackoff, podErrorBackoff, id)
	default:
		q.push(&q.backoff, podBackoff, id)
	}
}

// flush does what upstream's two timers did up to now: it moves the pods whose back-off has
// ended, and those that have waited five minutes for an event (scheduling_queue.go
// flushBackoffQCompleted, flushUnschedulableEntitiesLeftover).
func (q *queue) flush(now model.Time) {
	q.flushBackoff(&q.backoff, now)
	q.flushBackoff(&q.errorBackoff, now)
	tick := now - now%flushPeriod
	for id := q.first; id != 0 && tick > q.s.pods[id].timestamp+maxInUnschedulable; id = q.first {
		q.take(id)
		q.requeue(id, now)
	}
}

func (q *queue) flushBackoff(h *podHeap, now model.Time) {
	for len(*h) > 0 && !q.backingOff(&q.s.pods[(*h)[0].pod], now) {
		id := (*h)[0].pod
		q.take(id)
		q.push(&q.active, podActive, id)
	}
}

// nextWake is the next moment at which pop has a pod, 0 when it has one now.
func (q *queue) nextWake() model.Time {
	if len(q.active) > 0 || len(q.backoff) > 0 {
		return 0
	}
	wake := model.Never
	if len(q.errorBackoff) > 0 {
		wake = q.errorBackoff[0].expiry + orderingWindow
	}
	if q.first != 0 {
		end := q.s.pods[q.first].timestamp + maxInUnschedulable
		wake = min(wake, end-end%flushPeriod+flushPeriod)
	}
	return wake
}

// take removes a pod from whatever queue it is in.
func (q *queue) take(id model.PodID) {
	p := &q.s.pods[id]
	switch p.place {
	case podActive:
		q.active.remove(q.s.pods, int(p.heap))
	case podBackoff:
		q.backoff.remove(q.s.pods, int(p.heap))
	case podErrorBackoff:
		q.errorBackoff.remove(q.s.pods, int(p.heap))
	case podUnschedulable:
		q.unlink(p)
	case podGated:
	default:
		panic(fmt.Sprintf("scheduler: pod %d is in no queue, but %v", id, p.place))
	}
	p.place = podNone
}

func (q *queue) push(h *podHeap, place podPlace, id model.PodID) {
	p := &q.s.pods[id]
	e := heapEntry{priority: p.class.Priority, timestamp: p.timestamp, sequence: p.sequence, pod: id}
	if place != podActive {
		e.expiry = p.expiry
	}
	p.place = place
	h.push(q.s.pods, e)
}

// pushUnschedulable adds a pod at the end of the list: its timestamp is the latest.
func (q *queue) pushUnschedulable(id model.PodID) {
	p := &q.s.pods[id]
	p.place, p.prev, p.next = podUnschedulable, q.last, 0
	if q.last == 0 {
		q.first = id
	} else {
		q.s.pods[q.last].next = id
	}
	q.last = id
}

func (q *queue) unlink(p *podInfo) {
	if p.prev == 0 {
		q.first = p.next
	} else {
		q.s.pods[p.prev].next = p.next
	}
	if p.next == 0 {
		q.last = p.prev
	} else {
		q.s.pods[p.next].prev = p.prev
	}
	p.prev, p.next = 0, 0
}

// check panics when the queues and the pods do not agree.
func (q *queue) check() {
	var counted [podAssigned + 1]int
	for id := range q.s.pods {
		counted[q.s.pods[id].place]++
	}
	q.active.check(q.s.pods, podActive, counted[podActive])
	q.backoff.check(q.s.pods, podBackoff, counted[podBackoff])
	q.errorBackoff.check(q.s.pods, podErrorBackoff, counted[podErrorBackoff])
	n := 0
	for id := q.first; id != 0; id = q.s.pods[id].next {
		n++
	}
	if n != counted[podUnschedulable] {
		panic(fmt.Sprintf("scheduler: %d pods unschedulable, %d in the list", counted[podUnschedulable], n))
	}
}

// heapEntry is a pod in a heap. In activeQ expiry is zero: what counts there is the priority
// and then the timestamp (framework/plugins/queuesort/priority_sort.go Less).
type heapEntry struct {
	expiry    model.Time
	timestamp model.Time
	sequence  uint64
	pod       model.PodID
	priority  int32
}

// less follows backoff_queue.go lessBackoffCompletedWithPriority. The sequence breaks the
// ties that upstream leaves to the heap.
func (e *heapEntry) less(f *heapEntry) bool {
	switch {
	case e.expiry != f.expiry:
		return e.expiry < f.expiry
	case e.priority != f.priority:
		return e.priority > f.priority
	case e.timestamp != f.timestamp:
		return e.timestamp < f.timestamp
	}
	return e.sequence < f.sequence
}

// podHeap is a binary heap, the least entry first. The pods know where they are in it.
type podHeap []heapEntry

func (h *podHeap) push(pods []podInfo, e heapEntry) {
	*h = append(*h, e)
	h.up(pods, len(*h)-1)
}

func (h *podHeap) remove(pods []podInfo, i int) {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	if i == last {
		return
	}
	(*h)[i] = e
	pods[e.pod].heap = int32(i)
	h.down(pods, i)
	h.up(pods, int(pods[e.pod].heap))
}

func (h podHeap) up(pods []podInfo, i int) {
	e := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !e.less(&h[parent]) {
			break
		}
		h.set(pods, i, h[parent])
		i = parent
	}
	h.set(pods, i, e)
}

func (h podHeap) down(pods []podInfo, i int) {
	e := h[i]
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].less(&h[child]) {
			child++
		}
		if !h[child].less(&e) {
			break
		}
		h.set(pods, i, h[child])
		i = child
	}
	h.set(pods, i, e)
}

func (h podHeap) set(pods []podInfo, i int, e heapEntry) {
	h[i] = e
	pods[e.pod].heap = int32(i)
}

// check panics when h is no heap, or not of the pods that are in that place.
func (h podHeap) check(pods []podInfo, place podPlace, counted int) {
	if counted != len(h) {
		panic(fmt.Sprintf("scheduler: %d pods %v, but %d entries", counted, place, len(h)))
	}
	for i, e := range h {
		p := &pods[e.pod]
		if p.place != place || int(p.heap) != i || i > 0 && e.less(&h[(i-1)/2]) {
			panic(fmt.Sprintf("scheduler: pod %d is %v at %d, its entry at %d", e.pod, p.place, p.heap, i))
		}
	}
}
