package sim

import (
	"container/heap"
	"fmt"
	"math"
	"testing"

	"podsim/model"
)

// BenchmarkEngine is the hold model: of a constant number of pending events the first is popped
// and pushed again some time later. One op is one event.
//
// The wheel does part of its work in rare large steps: all of it is measured when there are more
// ops than events pending, as there are in the second that a benchmark runs by default. With
// -benchtime 300000x, pending=4e6 gives anything from 90 to 300 ns/op by where a step falls.
func BenchmarkEngine(b *testing.B) {
	implementations := []struct {
		name string
		make func() holdQueue
	}{
		{"podsim", func() holdQueue { return &Queue{} }},
		{"container-heap", func() holdQueue { return &containerHeap{} }},
	}
	for _, pending := range []int{1e3, 1e4, 1e5, 1e6, 4e6} {
		for _, implementation := range implementations {
			// Filled once for all the calls that the testing package makes.
			var h *hold
			name := fmt.Sprintf("pending=%.0e/impl=%s", float64(pending), implementation.name)
			b.Run(name, func(b *testing.B) {
				if h == nil {
					h = newHold(implementation.make(), pending)
				}
				b.ReportAllocs()
				b.ResetTimer()
				h.run(b.N)
			})
		}
	}
}

type holdQueue interface {
	Push(Event)
	Pop() (Event, bool)
}

// hold is a queue in the hold model.
type hold struct {
	queue holdQueue
	// increments are exponential with a mean of a second, drawn beforehand.
	increments [1 << 16]model.Time
	next       uint16
}

// newHold fills the queue and runs it until most of the first events are gone.
func newHold(queue holdQueue, pending int) *hold {
	h := &hold{queue: queue}
	for i := range h.increments {
		u := UniformOpen(Draw(1, 0, 0, uint64(i)))
		h.increments[i] = model.Time(-math.Log(u) * float64(model.Second))
	}
	for range pending {
		queue.Push(Event{At: h.increment()})
	}
	h.run(pending)
	return h
}

func (h *hold) run(events int) {
	for range events {
		e, _ := h.queue.Pop()
		e.At += h.increment()
		h.queue.Push(e)
	}
}

func (h *hold) increment() model.Time {
	h.next++
	return h.increments[h.next]
}

// containerHeap is the event queue as textbooks write it in Go.
type containerHeap struct {
	events eventHeap
	seq    uint64
}

func (q *containerHeap) Push(e Event) {
	q.seq++
	e.Seq = q.seq
	heap.Push(&q.events, e)
}

func (q *containerHeap) Pop() (Event, bool) { return heap.Pop(&q.events).(Event), true }

type eventHeap []Event

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	if h[i].At != h[j].At {
		return h[i].At < h[j].At
	}
	return h[i].Seq < h[j].Seq
}

func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *eventHeap) Push(x any) { *h = append(*h, x.(Event)) }

func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	*h = (*h)[:last]
	return e
}
