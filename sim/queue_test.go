package sim

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

// dice are a test's own random numbers.
type dice struct{ seed, thrown uint64 }

// below is a number from 0 to n-1.
func (d *dice) below(n int) int {
	d.thrown++
	return int(Draw(d.seed, 0, 0, d.thrown) % uint64(n))
}

// span is a span of time of any order of magnitude up to 2^bits ns. Zero is frequent.
func (d *dice) span(bits int) model.Time {
	return model.Time(d.below(1 << d.below(bits+1)))
}

// sortedQueue is the obvious Queue: all in one sorted slice.
type sortedQueue struct {
	events []Event
	seq    uint64
}

func (q *sortedQueue) push(e Event) {
	q.seq++
	e.Seq = q.seq
	q.insert(e)
}

// insert puts e behind all that are not after it.
func (q *sortedQueue) insert(e Event) {
	i := len(q.events)
	for i > 0 && (q.events[i-1].At > e.At || q.events[i-1].At == e.At && q.events[i-1].Seq > e.Seq) {
		i--
	}
	q.events = slices.Insert(q.events, i, e)
}

func (q *sortedQueue) pop() (Event, bool) {
	if len(q.events) == 0 {
		return Event{}, false
	}
	e := q.events[0]
	q.events = slices.Delete(q.events, 0, 1)
	return e, true
}

func TestEventIsSmall(t *testing.T) {
	assert.LessOrEqual(t, unsafe.Sizeof(Event{}), uintptr(32))
	assert.Equal(t, uintptr(1024), unsafe.Sizeof(chunk{}))
}

// Random pushes, pops and peeks, with and without arrivals, give what a sorted slice gives.
func TestQueueEqualsSortedSlice(t *testing.T) {
	for seed := range uint64(400) {
		d := &dice{seed: seed}
		var q Queue
		var want sortedQueue
		arrivals := d.arrivals(d.below(3)*d.below(200), 1+d.below(45))
		for _, e := range arrivals {
			want.insert(e)
		}
		q.Stream(arrivalKind, pullFrom(arrivals))

		now, spanBits, pushOf10 := model.Time(0), 1+d.below(45), 3+d.below(5)
		for step := range 2000 {
			if d.below(10) < pushOf10 {
				e := Event{At: now + d.span(spanBits), Obj: int32(step), Gen: uint32(d.below(9)), Kind: 1}
				q.Push(e)
				want.push(e)
			} else {
				now = requireSamePop(t, seed, &q, &want)
			}
			if d.below(2) == 0 {
				requireSamePeek(t, seed, &q, &want)
			}
		}
		for len(want.events) > 0 {
			requireSamePop(t, seed, &q, &want)
		}
		requireSamePop(t, seed, &q, &want)
		requireSamePeek(t, seed, &q, &want)
		require.Zero(t, q.Len(), "seed %d", seed)
	}
}

const arrivalKind EventKind = 7

func (d *dice) arrivals(count, spanBits int) []Event {
	var events []Event
	at := model.Time(0)
	for i := range count {
		at += d.span(spanBits) / 16
		events = append(events, Event{At: at, Obj: int32(i), Kind: arrivalKind})
	}
	return events
}

func pullFrom(events []Event) Arrivals {
	return func() (model.Time, int32, bool) {
		if len(events) == 0 {
			return 0, 0, false
		}
		e := events[0]
		events = events[1:]
		return e.At, e.Obj, true
	}
}

// requireSamePop gives the moment of the event popped, or that of the last one before.
func requireSamePop(t *testing.T, seed uint64, q *Queue, want *sortedQueue) model.Time {
	t.Helper()
	e, ok := q.Pop()
	wantEvent, wantOK := want.pop()
	require.Equal(t, wantOK, ok, "seed %d", seed)
	require.Equal(t, wantEvent, e, "seed %d", seed)
	return q.now
}

func requireSamePeek(t *testing.T, seed uint64, q *Queue, want *sortedQueue) {
	t.Helper()
	at, ok := q.Peek()
	require.Equal(t, len(want.events) > 0, ok, "seed %d", seed)
	if ok {
		require.Equal(t, want.events[0].At, at, "seed %d", seed)
	}
}

func TestQueueIsFirstInFirstOutAtOneMoment(t *testing.T) {
	var q Queue
	// Before, at and after the moment at which the wheel is spread.
	for i := range int32(5000) {
		q.Push(Event{At: model.Hour, Obj: i})
	}
	q.Push(Event{At: model.Hour - 1, Obj: -1})
	first, _ := q.Pop()
	require.Equal(t, int32(-1), first.Obj)
	for i := range int32(5000) {
		q.Push(Event{At: model.Hour, Obj: 5000 + i})
	}
	for i := range int32(10000) {
		if i == 2000 {
			q.Push(Event{At: model.Hour, Obj: 10000})
		}
		e, ok := q.Pop()
		require.True(t, ok)
		require.Equal(t, i, e.Obj)
	}
	require.Equal(t, 1, q.Len())
}

func TestQueueHoldsEveryMoment(t *testing.T) {
	var q Queue
	moments := []model.Time{
		0, 1, 63, 64, model.Second, 1<<60 - 1, 1 << 60, model.Never - 1, model.Never,
	}
	for _, at := range slices.Backward(moments) {
		q.Push(Event{At: at})
	}
	for _, at := range moments {
		e, ok := q.Pop()
		require.True(t, ok)
		require.Equal(t, at, e.At)
	}
}

// Peeking commits to nothing: what is pushed after it may come before what was seen.
func TestPushBeforeThePeeked(t *testing.T) {
	var q Queue
	q.Push(Event{At: model.Hour, Obj: 2})
	at, ok := q.Peek()
	require.True(t, ok)
	require.Equal(t, model.Hour, at)
	q.Push(Event{At: model.Second, Obj: 1})
	e, _ := q.Pop()
	assert.Equal(t, int32(1), e.Obj)
	e, _ = q.Pop()
	assert.Equal(t, int32(2), e.Obj)
}

func TestArrivalsComeFirst(t *testing.T) {
	var q Queue
	q.Push(Event{At: 5, Obj: 100})
	q.Push(Event{At: 7, Obj: 101})
	q.Stream(arrivalKind, pullFrom([]Event{
		{At: 5, Obj: 0}, {At: 5, Obj: 1}, {At: 6, Obj: 2}, {At: 9, Obj: 3},
	}))
	assert.Equal(t, 2, q.Len(), "arrivals are not counted")
	var got []int32
	for e, ok := q.Pop(); ok; e, ok = q.Pop() {
		got = append(got, e.Obj)
		assert.Equal(t, e.Obj < 100, e.Kind == arrivalKind)
		assert.Equal(t, e.Obj < 100, e.Seq == 0)
	}
	assert.Equal(t, []int32{0, 1, 100, 2, 101, 3}, got)

	q.Stream(arrivalKind, pullFrom([]Event{{At: 9, Obj: 4}}))
	e, ok := q.Pop()
	assert.True(t, ok, "a second source may follow the first")
	assert.Equal(t, int32(4), e.Obj)
}

func TestArrivalsArePulledOneAhead(t *testing.T) {
	var q Queue
	pulled := 0
	q.Stream(arrivalKind, func() (model.Time, int32, bool) {
		pulled++
		return model.Time(pulled), int32(pulled), true
	})
	for range 10 {
		q.Pop()
		q.Peek()
	}
	assert.Equal(t, 11, pulled)
}

func TestQueueRefusesThePast(t *testing.T) {
	var q Queue
	assert.Panics(t, func() { q.Push(Event{At: -1}) })
	q.Push(Event{At: 10})
	q.Pop()
	assert.Panics(t, func() { q.Push(Event{At: 9}) })
	assert.Panics(t, func() { q.Stream(arrivalKind, pullFrom([]Event{{At: 9}})) })

	q = Queue{}
	q.Stream(arrivalKind, pullFrom([]Event{{At: 10}, {At: 9}}))
	assert.Panics(t, func() { q.Pop() })
	assert.Panics(t, func() { q.Stream(arrivalKind, pullFrom(nil)) }, "two sources at once")
}

func TestQueueAllocatesNothing(t *testing.T) {
	const pending = 10_000
	var q Queue
	h := newHold(&q, pending)
	assert.Zero(t, testing.AllocsPerRun(20, func() { h.run(pending) }))
	assert.Less(t, len(q.wheel.chunks), pending/chunkEvents+levelCount*slotCount, "chunks are reused")
}
