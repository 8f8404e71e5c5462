package runner

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
	"podsim/sim"
)

func TestLimits(t *testing.T) {
	sc, err := scenarios.Read("../scenarios/library/exit-codes.yaml")
	require.NoError(t, err)
	check := func(l Limits) error {
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		return l.Check(sc, c, false)
	}
	assert.NoError(t, check(Limits{Memory: 96 << 20, Pods: 4, Time: time.Minute}))
	assert.NoError(t, check(Limits{Pods: 4, Time: time.Minute}), "where the kernel does not say what is available")
	assert.ErrorContains(t, check(Limits{Memory: 96<<20 - 1, Pods: 4, Time: time.Minute}), "uses up to 96Mi of memory, more than --max-memory 95Mi")
	assert.ErrorContains(t, check(Limits{Memory: 1 << 30, Pods: 3, Time: time.Minute}), "has up to 4 pods at a time, more than --max-pods 3")
	assert.ErrorContains(t, check(Limits{Memory: 1 << 30, Pods: 4, Time: time.Second}), "takes 1m0s, more than --max-time 1s")
}

func TestBehaviorMemory(t *testing.T) {
	grows := &model.Behavior{Memory: []model.MemoryPoint{{At: 0, Use: 10 << 20, Rate: model.RatePer(60<<20, model.Minute)}, {At: model.Minute, Use: 5 << 20}}}
	assert.InDelta(t, 40<<20, behaviorMemory(grows, 0, 30*model.Second), 1)
	assert.InDelta(t, 70<<20, behaviorMemory(grows, 0, model.Hour), 1)
	assert.Equal(t, int64(7), behaviorMemory(&model.Behavior{MemoryWalk: &model.MemoryWalk{Base: 1, Max: 7}}, 0, model.Hour))
	assert.Equal(t, int64(99), behaviorMemory(&model.Behavior{Run: model.Run{OOM: true}}, 99, model.Hour))
	assert.Equal(t, int64(0), behaviorMemory(&model.Behavior{}, 99, model.Hour))
}
