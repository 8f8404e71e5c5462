package kubelet

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// luck gives random numbers by name: the n-th of a name depends on the seed, the name and n, and
// not on what else was drawn. A shared source would depend on the order in which goroutines wake
// in one instant, which nothing fixes.
type luck struct {
	seed  int64
	mu    sync.Mutex
	drawn map[string]int
}

func newLuck(seed int64) *luck { return &luck{seed: seed, drawn: map[string]int{}} }

// draw gives the next number of a name, in [0, 1).
func (l *luck) draw(name string) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drawn[name]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%d", l.seed, name, l.drawn[name])
	x := h.Sum64() // whose upper bits differ little for similar names: mix them (MurmurHash3)
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}

// workerClock is the pod workers' clock. They ask it for the time and draw wait.Jitter from
// math/rand's global source right after (pod_workers.go, completeWork). That source is seeded at
// each question, so that the draw does not depend on who else drew. This needs
// "godebug randseednop=0" in go.mod.
type workerClock struct {
	clock.PassiveClock
	luck *luck
	// fixed is the seed to use each time, 0 for another one each time.
	fixed int64
}

func newWorkerClock(jitter float64, l *luck) clock.PassiveClock {
	c := workerClock{PassiveClock: clock.RealClock{}, luck: l}
	if jitter != RandomJitter {
		c.fixed = seedFor(jitter)
	}
	return c
}

func (c workerClock) Now() time.Time {
	seed := c.fixed
	if seed == 0 {
		seed = int64(c.luck.draw("worker") * math.MaxInt32)
	}
	rand.Seed(seed) //nolint:staticcheck // the global source is the point
	return c.PassiveClock.Now()
}

// seeds holds what seedFor found.
var seeds = map[float64]int64{}

// seedFor searches a seed of math/rand whose first number is near enough to u.
func seedFor(u float64) int64 {
	const tried = 20000
	if seeds[u] != 0 {
		return seeds[u]
	}
	nearest := 2.0
	for seed := int64(1); seed < tried && nearest > 2e-5; seed++ {
		if d := math.Abs(rand.New(rand.NewSource(seed)).Float64() - u); d < nearest {
			nearest, seeds[u] = d, seed
		}
	}
	return seeds[u]
}
