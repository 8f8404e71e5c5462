package runner

import (
	"fmt"
	"time"

	"podsim/model"
	"podsim/sim"
)

// Limits are how much of a node a scenario may take. They are checked before it begins.
type Limits struct {
	// Memory is in bytes.
	Memory int64
	Pods   int
	Time   time.Duration
}

// DefaultLimits are 80 % of the memory that is available now, and 500 pods and an hour: guesses, all of them.
func DefaultLimits() Limits {
	return Limits{Memory: memoryAvailable() / 5 * 4, Pods: 500, Time: time.Hour}
}

// What a pod takes beside what its containers use: the shim and the pause process of a sandbox, and each stand-in
// program. Guesses, above what was seen (12 MiB and 5 MiB). unknownMemory is for a container of which nothing is known.
const (
	sandboxMemory = 16 << 20
	standInMemory = 8 << 20
	unknownMemory = 64 << 20
)

// needEventsMax is where the simulation of a scenario is given up in which ever more happens: a guess, some seconds.
const needEventsMax = 20_000_000

// need is what a scenario takes of a node at its worst, memory in bytes.
type need struct {
	memory int64
	pods   int
}

// Check says whether a scenario stays below the limits: by its duration, and by its simulation, in which each container
// counts from its pod's first status until its last with the most that it ever uses. The cluster has not begun and is of no
// use any more. With the real images it is not known what containers use: it is their limit, else their request.
func (l Limits) Check(sc *model.Scenario, c *sim.Cluster, realImages bool) error {
	if d := sc.Duration.Duration(); d > l.Time {
		return fmt.Errorf(errMaxTime, d, l.Time)
	}
	most := needOf(sc, c, realImages, l)
	if most.pods > l.Pods {
		return fmt.Errorf(errMaxPods, most.pods, l.Pods)
	}
	if l.Memory > 0 && most.memory > l.Memory {
		return fmt.Errorf(errMaxMemory, byteSize(most.memory), byteSize(l.Memory))
	}
	return nil
}

// needOf simulates the scenario until its end, or until a limit is passed.
func needOf(sc *model.Scenario, c *sim.Cluster, realImages bool, l Limits) need {
	var now, most need
	on := map[int64]int64{}
	c.Observe(func(t model.Transition) {
		if t.Kind != model.KindPod {
			return
		}
		o := &c.State().Pods[t.ID]
		memory, counted := on[o.Serial]
		stays := t.Type != model.Deleted && o.Status.Containers != nil && o.Status.Phase != model.PodSucceeded && o.Status.Phase != model.PodFailed
		switch {
		case stays && !counted:
			memory = podMemory(sc, c, o, realImages)
			on[o.Serial] = memory
			now.memory, now.pods = now.memory+memory, now.pods+1
		case !stays && counted:
			delete(on, o.Serial)
			now.memory, now.pods = now.memory-memory, now.pods-1
		}
		most.memory, most.pods = max(most.memory, now.memory), max(most.pods, now.pods)
	}, nil)
	c.Begin()
	c.Run(sc.Duration, func() bool {
		return most.pods <= l.Pods && (l.Memory == 0 || most.memory <= l.Memory) && c.Counts().Events < needEventsMax
	})
	return most
}

// podMemory is the most that a pod's sandbox and containers use.
func podMemory(sc *model.Scenario, c *sim.Cluster, o *model.Pod, realImages bool) int64 {
	sum := int64(sandboxMemory)
	for i := range o.Template.Containers {
		limit := memoryLimit(o.Template, o.Template.ContainerSpec(i))
		use := standInMemory + behaviorMemory(c.RunOf(o.ID, i, 1).Behavior, limit, sc.Duration)
		if realImages {
			use = max(o.Template.ContainerSpec(i).Resources.Requests.Memory().Value(), limit)
			if use == 0 {
				use = unknownMemory
			}
		}
		if limit > 0 {
			use = min(use, limit)
		}
		sum += use
	}
	return sum
}

// behaviorMemory is the most that a behavior uses within a time.
func behaviorMemory(b *model.Behavior, limit int64, within model.Time) int64 {
	switch {
	case b.Run.OOM:
		return limit
	case b.MemoryWalk != nil:
		return b.MemoryWalk.Max
	}
	most := int64(0)
	for at := model.Time(0); len(b.Memory) > 0 && at < within; {
		line, until := model.MemoryAt(b.Memory, at)
		until = min(until, within)
		most = max(most, line.Bytes, line.After(until-at).Bytes)
		at = until
	}
	return most
}
