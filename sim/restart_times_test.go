package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
	"podsim/model"
	"podsim/sim"
)

// span is a range of times.
type span struct{ from, to model.Time }

func (s *span) add(t model.Time) { s.from, s.to = min(s.from, t), max(s.to, t) }

// restartSpan is the time from a container's exit until its process runs again, for the n-th
// restart, n from 0, of a container whose runs all last as long, as upstream's formulas have it: the
// first comes at once, the others after a back-off of 10 s that doubles up to 300 s (client-go
// flowcontrol Backoff.Next), counted from finishedAt.
//
// A sync that finds the back-off running lets the worker sleep for what is left of it, but not for
// longer than the sync period, and up to a half longer (pod_workers.go completeWork, wait.Jitter);
// then the next tick of the sync loop wakes it, and it looks again.
func restartSpan(n int, run model.Time, sc *model.Scenario) span {
	const syncFrequency = model.Minute
	l := &sc.Latencies
	start := span{model.Time(sc.ControlPlane.KubeletSync.Min + l.Create.Min + l.Start.Min),
		slowest(sc.ControlPlane.KubeletSync) + slowest(l.Create) + slowest(l.Start)}
	// The exit is seen by the PLEG's next look, a second after the end of the one before.
	looks := span{0, model.Second + 50*model.Millisecond}
	if n == 0 {
		return span{looks.from + start.from, looks.to + start.to}
	}
	// From the third restart on, a tick of the sync loop began the run that ended, this long before.
	began := span{start.from + run, start.to + run}
	tick := func(t span) span {
		if n < 2 {
			return span{t.from, t.to + syncTick}
		}
		return span{ticksTo(t.from+began.from) - began.to, ticksTo(t.to+began.to) - began.from}
	}
	backoff := min(10*model.Second<<(n-1), 300*model.Second)
	wakes := tick(span{backoff, backoff})
	for looks.from < backoff {
		// Of all looks, the one that leaves a whole sync period may be followed by the latest.
		x := min(max(backoff-syncFrequency, looks.from), looks.to)
		next := tick(span{min(looks.from+syncFrequency, backoff), x + min(backoff-x, syncFrequency)*3/2})
		wakes.to = max(wakes.to, next.to)
		looks = span{next.from, min(next.to, backoff)}
	}
	return span{wakes.from + start.from, wakes.to + start.to}
}

// syncTick is the period of the sync loop's ticks (kubelet.go syncLoop).
const syncTick = model.Second

// ticksTo is the first tick at or after t.
func ticksTo(t model.Time) model.Time { return (t + syncTick - 1) / syncTick * syncTick }

// The times of restarts are draws: over many seeds those of a recorded pod that crashes fill what
// upstream's formulas allow, and nothing else.
func TestRestartTimesFillTheirRange(t *testing.T) {
	const seeds, restarts = 5000, 7
	list, err := conform.ReadFile("../conform/testdata/kubelet-traces/exit1-always.jsonl")
	require.NoError(t, err)
	var seen [restarts]span
	for i := range seen {
		seen[i] = span{from: model.Never}
	}
	var sc *model.Scenario
	for seed := range uint64(seeds) {
		sc = conform.RealNode().Scenario(list[0].Pod, seed)
		sc.Duration = 15 * model.Minute
		sc.Latencies = steadyLatencies() // the machine has no other work
		// The recording's kubelet had just begun; the phases of a kubelet's loops drift apart.
		sc.ControlPlane.KubeletAge = model.Dist{Kind: model.DistUniform, Max: float64(model.Hour)}
		for n, gap := range restartGaps(t, sc)[:restarts] {
			seen[n].add(gap)
		}
	}
	run := model.Time(sc.Behaviors[0].Run.For.Value)
	for n, got := range seen {
		want := restartSpan(n, run, sc)
		t.Logf("restart %d: %s to %s, seen %s to %s", n+1, want.from, want.to, got.from, got.to)
		assert.GreaterOrEqual(t, got.from, want.from, "restart %d comes too early", n+1)
		assert.LessOrEqual(t, got.to, want.to, "restart %d comes too late", n+1)
		assert.Greater(t, got.to-got.from, (want.to-want.from)*9/10, "restart %d leaves out much of its range", n+1)
	}
}

// restartGaps runs a pod of one container and gives the times from each exit to the next start.
func restartGaps(t *testing.T, sc *model.Scenario) []model.Time {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	var gaps []model.Time
	ran, exited := false, model.Time(0)
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		c.Step()
		running := false
		if len(c.State().Pods) > 1 {
			_, running, _ = c.InRuntime(1, 0)
		}
		switch {
		case ran && !running:
			exited = c.Now()
		case !ran && running && exited > 0:
			gaps = append(gaps, c.Now()-exited)
		}
		ran = running
	}
	return gaps
}
