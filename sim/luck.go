package sim

import (
	"podsim/model"
)

// The streams of random draws. One stream is for one purpose: a draw more in one does not
// move the others. Their order is part of what a seed means; new ones go at the end.
const (
	streamWrite Stream = iota + 1
	streamWatch
	streamReconcile
	streamSchedule
	streamTie
	streamName
	streamKubelet
	streamAdmit
	streamWake
	streamSandbox
	streamStopSandbox
	streamCreate
	streamStart
	streamRemove
	streamStopTerm
	streamKill
	streamProbe
	streamPull
	streamMount
	streamRun
	streamTerm
	streamHook
	streamUID
	streamSync
	streamVolumeStats
	streamLayer
	streamEvent
	streamTick
	streamProbeStart
	streamStorage
	streamNodeStatus
	streamNodeReport
	streamVictim
	streamHousekeeping
	streamMemory
	streamPID
	streamResize
	streamAttach
	streamBoot
	streamPostStart
	streamExit
	streamCollect
)

// luckOf is the number under which an object draws: a hash of its name, so that another
// object in the scenario does not change its luck.
func luckOf(parts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, s := range parts {
		for i := 0; i < len(s); i++ {
			h = (h ^ uint64(s[i])) * 1099511628211
		}
		h = (h ^ '/') * 1099511628211
	}
	return h
}

// delay draws a pod's span of time.
func (c *Cluster) delay(id model.PodID, s Stream, d *model.Dist) model.Time {
	if d.Kind == model.DistConstant {
		return SampleTime(d, 0.5)
	}
	return SampleTime(d, UniformOpen(c.draw(id, s)))
}

// draw is a pod's next draw of a stream. What the runtime draws, what wakes the pod's worker and
// the rest are counted apart: how often a runtime is asked does not change the luck of the kubelet.
func (c *Cluster) draw(id model.PodID, s Stream) uint64 {
	p, use, seed := &c.pods[id], drawsOfKubelet, c.seed
	switch {
	case s == streamWake:
		use = drawsOfWakes
	case s.ofRuntime():
		use, seed = drawsOfRuntime, c.seed^p.redrawn(c.now)
	}
	p.draws[use]++
	return Draw(seed, s, p.luck, uint64(p.draws[use]))
}

// drawRun draws how long something of a container's n-th run takes: its process, its answer to SIGTERM, a hook.
func (c *Cluster) drawRun(id model.PodID, i int, run int32, s Stream, d *model.Dist) model.Time {
	return c.delayOf(c.pods[id].luck, s, uint64(i)<<32|uint64(uint32(run)), d)
}

// The uses that count a pod's draws.
const (
	drawsOfKubelet = iota
	drawsOfWakes
	drawsOfRuntime
	numDraws
)

// ofRuntime says that the simulated runtime draws there how long it takes for what it is asked.
func (s Stream) ofRuntime() bool {
	return s >= streamSandbox && s <= streamPull || s == streamLayer || s == streamResize || s == streamExit
}

// Redraw gives the latencies of the runtime other draws from a moment on.
type Redraw struct {
	From model.Time
	Seed uint64
}

// RedrawRuntime gives what the runtime takes for pods other draws than the scenario's seed gives them; all else
// keeps its luck. of gives the redraws of a pod in the order of their moments, none for most. What a pod draws before
// a moment stays as it is. It comes before Begin.
func (c *Cluster) RedrawRuntime(of func(namespace, name string) []Redraw) { c.redraws = of }

// redrawn is by what the seed of the pod's runtime differs now from that of the others.
func (p *pod) redrawn(now model.Time) (seed uint64) {
	for i := range p.redraws {
		if p.redraws[i].From <= now {
			seed = p.redraws[i].Seed
		}
	}
	return seed
}

// delayOf draws the span of time of something that is not a pod; n must differ from draw to
// draw of the same object.
func (c *Cluster) delayOf(object uint64, s Stream, n uint64, d *model.Dist) model.Time {
	if d.Kind == model.DistConstant {
		return SampleTime(d, 0.5)
	}
	return SampleTime(d, UniformOpen(Draw(c.seed, s, object, n)))
}
