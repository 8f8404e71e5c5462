package calibrate

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/runner"
)

// node plays operations that share its processors, in steps of a tenth of a millisecond.
func node(jobs []runner.Operation, capacity float64) []runner.Operation {
	const step = 100 * time.Microsecond
	left := make([]float64, len(jobs))
	for i := range jobs {
		left[i] = float64(jobs[i].Took)
		jobs[i].Took = 0
	}
	for now, ended := time.Duration(0), 0; ended < len(jobs); now += step {
		underWay := 0
		for i := range jobs {
			if jobs[i].At <= now && left[i] > 0 {
				underWay++
			}
		}
		speed := min(1, capacity/float64(max(1, underWay)))
		for i := range jobs {
			if jobs[i].At <= now && left[i] > 0 {
				if left[i] -= speed * float64(step); left[i] <= 0 {
					jobs[i].Took = now + step - jobs[i].At
					ended++
				}
			}
		}
	}
	return jobs
}

// lives are operations of pods that come in groups of some size.
func lives(groups, size int, seed uint64) []runner.Operation {
	r := rand.New(rand.NewPCG(seed, 7))
	sandbox, start := LogNormal{40e6, math.Log(10e6), 0.5}, LogNormal{22e6, math.Log(4e6), 0.5}
	var jobs []runner.Operation
	for g := range groups {
		at := time.Duration(g) * 3 * time.Second
		for range size {
			late := time.Duration(r.IntN(int(20 * time.Millisecond)))
			jobs = append(jobs, runner.Operation{Kind: runner.OpRunSandbox, At: at + late, Took: time.Duration(sandbox.quantile(r.Float64()))},
				runner.Operation{Kind: runner.OpStart, At: at + late + 700*time.Millisecond, Took: time.Duration(start.quantile(r.Float64()))})
		}
	}
	return jobs
}

// From operations that slowed each other down, the concurrency and what each takes alone are found again.
func TestConcurrency(t *testing.T) {
	for _, capacity := range []float64{1, 1.3, 3} {
		for seed := range uint64(2) {
			jobs := append(lives(20, 1, seed), shift(lives(15, 8, seed+100), time.Minute+2*time.Second)...)
			r := Fit([]Run{{Name: "run", Machine: runner.Machine{CPUs: 2}, Operations: node(jobs, capacity)}}, 1)
			assert.InEpsilon(t, capacity/2, r.Concurrency.PerCPU, 0.08, "capacity %v, seed %d: %+v", capacity, seed, r.Concurrency)
			assert.Equal(t, 8, r.Concurrency.Most)
			require.Len(t, r.Operations, 2)
			o := &r.Operations[0]
			assert.InDelta(t, 50e6, o.Fitted[0], 3e6, "capacity %v, seed %d: the sandbox alone", capacity, seed)
			assert.Greater(t, o.Measured[0], 1.5*o.Alone[0])
		}
	}
}

func shift(jobs []runner.Operation, by time.Duration) []runner.Operation {
	for i := range jobs {
		jobs[i].At += by
	}
	return jobs
}

// Operations that do not slow each other down show no limit.
func TestNoConcurrency(t *testing.T) {
	r := Fit([]Run{{Machine: runner.Machine{CPUs: 2}, Operations: node(lives(20, 8, 1), 100)}}, 1)
	assert.Zero(t, r.Concurrency.PerCPU)
	r = Fit([]Run{{Machine: runner.Machine{CPUs: 2}, Operations: lives(20, 1, 1)}}, 1)
	assert.Equal(t, ConcurrencyFit{CPUs: 2, Most: 1}, r.Concurrency)
}

// A line is found through pulls, a few of which were slow.
func TestPulls(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var pulls []runner.Operation
	for i := range 60 {
		size := int64(1+i%6*20) << 20
		took := 20e6 + 2.3e6*float64(size)/mib + 4e6*math.Exp(0.4*r.NormFloat64())
		if i%10 == 0 {
			took += 2e9
		}
		pulls = append(pulls, runner.Operation{Kind: runner.OpPull, Bytes: size, Took: time.Duration(took)})
	}
	fit, costs := fitPulls(pulls)
	assert.InEpsilon(t, 2.3e6, fit.PerMiB, 0.02)
	assert.InEpsilon(t, 24e6, fit.Fixed, 0.05)
	assert.Len(t, costs, 60)
	same, _ := fitPulls(pulls[:1])
	assert.Nil(t, same)
}

// What was measured becomes a latency, the rest stays as it was.
func TestLatencies(t *testing.T) {
	stop := func(ended string, took float64) runner.Operation {
		return runner.Operation{Kind: runner.OpStop, Ended: ended, Took: time.Duration(took), At: time.Duration(took) * 1000}
	}
	var list []runner.Operation
	for i, x := range sample(LogNormal{30e6, math.Log(10e6), 0.3}, 40, 1) {
		at := time.Duration(i) * time.Second
		p := stop(runner.EndedByTerm, x)
		p.At = at
		k := stop(runner.EndedByKill, x+20e6+30e9)
		k.At, k.Waited = at+time.Hour+time.Duration(i)*time.Minute, 30*time.Second
		list = append(list, p, k, runner.Operation{Kind: runner.OpPull, At: at, Bytes: 1 << 20, Took: 30e6, Error: "no"})
		if i < FewestCalls-1 {
			list = append(list, runner.Operation{Kind: runner.OpCreate, At: at + time.Second/2, Took: time.Duration(x)})
		}
	}
	base := model.DefaultLatencies()
	r := Fit([]Run{{Machine: runner.Machine{CPUs: 2}, Operations: list}}, 1)
	l, notes := r.Latencies(base)
	assert.Equal(t, base.Create, l.Create)
	assert.Equal(t, "19 calls, too few: as it was.", notes["create"])
	assert.Equal(t, base.PullLookup, l.PullLookup)
	assert.InDelta(t, 40e6, l.StopTerm.Mean, 2e6)
	assert.InDelta(t, 20e6, l.Kill.Mean, 2e6, "the rest is in stopTerm")
	assert.Contains(t, notes["stopTerm"], "40 calls")
	require.NoError(t, l.StopTerm.Validate())
	require.NoError(t, l.Kill.Validate())
}

// What takes no share of the processors is measured while nothing waits for them.
func TestQuiet(t *testing.T) {
	var ops []runner.Operation
	for i := range 40 {
		at := time.Duration(i) * time.Second
		ops = append(ops, runner.Operation{Kind: runner.OpExitVisible, At: at, Took: 30 * time.Millisecond})
		if i < 10 {
			ops[len(ops)-1].Took = 400 * time.Millisecond
			for range 3 {
				ops = append(ops, runner.Operation{Kind: runner.OpStart, At: at + 100*time.Millisecond, Took: 200 * time.Millisecond})
			}
		}
	}
	r := Fit([]Run{{Name: "crowded", Machine: runner.Machine{CPUs: 2}, Operations: ops}}, 1)
	require.Len(t, r.Operations, 2)
	o := &r.Operations[1]
	assert.Equal(t, "exitVisible", o.Latency)
	assert.Equal(t, 30, o.N)
	assert.InDelta(t, 30e6, o.Alone[2], 1)
	assert.InDelta(t, 400e6, o.Measured[2], 1)
}
