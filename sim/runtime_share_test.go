package sim

import (
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

// job is an operation of a runtime: when it begins, what it takes alone.
type job struct{ at, takes model.Time }

// sharedSlowly is when jobs end that share a capacity, step by step over all of them.
func sharedSlowly(jobs []job, capacity float64) []float64 {
	left, ends := make([]float64, len(jobs)), make([]float64, len(jobs))
	for i := range jobs {
		left[i], ends[i] = float64(jobs[i].takes), -1
	}
	now := 0.0
	for {
		active, next := 0, math.Inf(1)
		for i, j := range jobs {
			switch {
			case ends[i] >= 0:
			case float64(j.at) > now:
				next = min(next, float64(j.at))
			default:
				active++
			}
		}
		speed := min(1, capacity/float64(active))
		for i, j := range jobs {
			if ends[i] < 0 && float64(j.at) <= now {
				next = min(next, now+left[i]/speed)
			}
		}
		if math.IsInf(next, 1) {
			return ends
		}
		for i, j := range jobs {
			if ends[i] < 0 && float64(j.at) <= now {
				if left[i] -= (next - now) * speed; left[i] < 1e-3 {
					ends[i] = next
				}
			}
		}
		now = next
	}
}

// shareCluster is a cluster with one node and a pod for each job; nothing comes of their events.
func shareCluster(pods int, capacity int64) *Cluster {
	c := &Cluster{nodes: make([]node, 2), pods: make([]pod, pods)}
	c.state.Pods = make([]model.Pod, pods)
	for i := range c.state.Pods {
		c.state.Pods[i].Node = 1
	}
	c.nodes[1].share.capacity = capacity
	return c
}

// shared is when the jobs end by the cluster's events, and how many of these there were.
func shared(t testing.TB, jobs []job, capacity int64) ([]model.Time, int) {
	c := shareCluster(len(jobs), capacity)
	s, ends := &c.nodes[1].share, make([]model.Time, len(jobs))
	numbers, gens := make([]int32, len(jobs)), make([]uint32, len(jobs))
	next, events := 0, 0
	for {
		e, ok := c.queue.Peek()
		switch {
		case next < len(jobs) && (!ok || jobs[next].at <= e):
			c.now = jobs[next].at
			c.work(jobs[next].takes, evRuntime, model.PodID(next), 0, 0)
			c.pods[next].kubeletGen++
			for _, i := range s.heap {
				if int(s.operations[i].end.Obj) == next {
					numbers[next], gens[next] = i, s.operations[i].gen
				}
			}
			next++
		case ok:
			x, _ := c.queue.Pop()
			require.GreaterOrEqual(t, x.At, c.now)
			c.now = x.At
			c.dispatch(&x)
			events++
			for j := range next {
				if ends[j] == 0 && s.operations[numbers[j]].gen != gens[j] {
					ends[j] = c.now
				}
			}
		default:
			require.Empty(t, s.heap)
			return ends, events
		}
	}
}

// The events of the cluster end operations when going over all of them again and again does.
func TestRuntimeShareTwin(t *testing.T) {
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		jobs := make([]job, 1+r.Intn(60))
		span := 1 + r.Int63n(int64(2*model.Second))
		for i := range jobs {
			jobs[i] = job{at: model.Time(r.Int63n(span)), takes: model.Time(1 + r.Int63n(int64(200*model.Millisecond)))}
			if r.Intn(4) == 0 && i > 0 {
				jobs[i] = jobs[i-1]
			}
		}
		slices.SortFunc(jobs, func(a, b job) int { return int(a.at - b.at) })
		capacity := 1000 + r.Int63n(9000)
		ends, events := shared(t, jobs, capacity)
		for i, want := range sharedSlowly(jobs, float64(capacity)/1000) {
			// Each change of the speed may lose a nanosecond of work.
			assert.InDelta(t, want, float64(ends[i]), float64(2*len(jobs)*len(jobs)), "seed %d, job %d", seed, i)
		}
		assert.LessOrEqual(t, events, 4*len(jobs), "seed %d", seed)
	}
}

// Operations that do not wait for one another have one event each, at the moment that they would have without
// a limit.
func TestRuntimeShareAlone(t *testing.T) {
	jobs := []job{{0, 100}, {10, 20}, {40, 500}, {101, 7}}
	ends, events := shared(t, jobs, 2000)
	assert.Equal(t, []model.Time{100, 30, 540, 108}, ends)
	assert.Equal(t, len(jobs), events)
}

// Jobs that begin together end together, after as long as all of their work takes.
func TestRuntimeShareStorm(t *testing.T) {
	const n = 200
	jobs := make([]job, n)
	for i := range jobs {
		jobs[i] = job{0, 80 * model.Millisecond}
	}
	ends, _ := shared(t, jobs, 1250)
	for i := range ends {
		assert.InDelta(t, float64(n*80*model.Millisecond)/1.25, float64(ends[i]), n)
	}
}

// A node that loses its power loses what its runtime was at.
func TestRuntimeShareClear(t *testing.T) {
	c := shareCluster(3, 1000)
	s := &c.nodes[1].share
	for i := range 3 {
		c.work(model.Second, evRuntime, model.PodID(i), 0, 0)
	}
	s.clear()
	assert.Empty(t, s.heap)
	assert.EqualValues(t, 3, len(s.free))
	c.now = model.Second / 2
	assert.Equal(t, 3*model.Second/2, c.work(model.Second, evRuntime, 1, 0, 0), "full speed again")
}

func BenchmarkRuntimeShare(b *testing.B) {
	for _, n := range []int{1, 10, 200} {
		b.Run(fmt.Sprintf("under way %d", n), func(b *testing.B) {
			c := shareCluster(n, 1250)
			for i := range n {
				c.work(model.Time(i+1)*model.Millisecond, evRuntime, model.PodID(i), 0, 0)
				c.pods[i].kubeletGen++
			}
			b.ReportAllocs()
			for b.Loop() {
				e, _ := c.queue.Pop()
				c.now = e.At
				before := len(c.nodes[1].share.heap)
				c.dispatch(&e)
				if len(c.nodes[1].share.heap) < before {
					c.work(model.Time(n)*model.Millisecond, evRuntime, 0, 0, 0)
					c.pods[0].kubeletGen++
				}
			}
		})
	}
}
