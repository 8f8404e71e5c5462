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
	p := &c.pods[id]
	p.draws++
	return SampleTime(d, UniformOpen(Draw(c.seed, s, p.luck, uint64(p.draws))))
}

// delayOf draws the span of time of something that is not a pod; n must differ from draw to
// draw of the same object.
func (c *Cluster) delayOf(object uint64, s Stream, n uint64, d *model.Dist) model.Time {
	if d.Kind == model.DistConstant {
		return SampleTime(d, 0.5)
	}
	return SampleTime(d, UniformOpen(Draw(c.seed, s, object, n)))
}
