package kubelet

import (
	"fmt"

	"podsim/model"
)

// Check looks for a state that cannot be. It gives what is wrong, or nothing.
func (p *Pod) Check() string {
	switch {
	case p.work.busy != (p.sync.stage != idle):
		return fmt.Sprintf("the worker is busy: %t, in stage %d", p.work.busy, p.sync.stage)
	case p.work.pending && !p.work.busy:
		return "an update waits and the worker is free"
	case p.work.kind == finished && p.work.busy:
		return "the worker has ended and is in a sync"
	case p.seen.dirty && !p.seen.asked && p.work.kind != finished:
		return "the runtime changed and no look of the PLEG is under way"
	}
	for i := range p.containers {
		if wrong := p.checkContainer(i); wrong != "" {
			return fmt.Sprintf("container %s: %s", p.template.Containers[i].Name, wrong)
		}
	}
	return ""
}

func (p *Pod) checkContainer(i int) string {
	c := &p.containers[i]
	// What was created and does not run stays so when the kubelet that wanted to start it has stopped.
	switch {
	case c.prev.state == running:
		return "an older instance has not ended"
	case c.prev.state != absent && c.cur.state != absent && c.prev.id >= c.cur.id:
		return fmt.Sprintf("instance %d is not newer than %d", c.cur.id, c.prev.id)
	case c.cur.state == exited && c.cur.finished < c.cur.started:
		return "it ended before it began"
	case p.unprobed(i):
		return "it has a probe to be run and nobody runs it"
	case !p.seen.dirty && !p.seen.inspecting && (c.cur != c.seenCur || c.prev != c.seenPrev):
		return "the runtime changed and the PLEG does not know that it has to look"
	case c.kill.stage != notKilling && !p.kills():
		return fmt.Sprintf("it is being killed in stage %d of a sync", p.sync.stage)
	case p.work.kind == finished && c.cur.state == running:
		return "it runs and the worker has ended"
	}
	return ""
}

// unprobed says that a container runs, its startup or readiness probe has not succeeded, and no
// run is under way or to come.
func (p *Pod) unprobed(i int) bool {
	c, s := &p.containers[i], p.Status
	if p.work.kind != syncPod || s.Phase.Terminal() || s.Containers == nil || s.Containers[i].State.Kind != model.StateRunning {
		return false
	}
	k := model.Startup
	if s.Containers[i].Started {
		k = model.Readiness
	}
	w := &c.probes[k]
	r := w.resultOf(s.Containers[i].ContainerID)
	failed := k == model.Startup && w.onHold && r == failure
	return w.active && r != success && !failed && !c.awaitsProbe()
}

// kills says that the sync under way waits for containers to stop.
func (p *Pod) kills() bool {
	switch p.sync.stage {
	case killingPod, killingContainers, killingPostStart, resetting:
		return true
	}
	return false
}

// Busy says that the worker is in a sync, Terminating that this is SyncTerminatingPod or
// SyncTerminatedPod, or that the next one is.
func (p *Pod) Busy() bool { return p.work.busy }

// Terminating: see Busy.
func (p *Pod) Terminating() bool {
	if p.work.busy {
		return p.sync.kind != syncPod
	}
	return p.work.kind != syncPod
}

// Evicted says that the kubelet ends the pod itself.
func (p *Pod) Evicted() bool { return p.work.evicted != model.NoText }

// awaitsProbe says that a run of a probe is under way or to come.
func (c *container) awaitsProbe() bool {
	for k := range c.probes {
		if w := &c.probes[k]; w.active && (w.busy || w.due != model.Never) {
			return true
		}
	}
	return false
}

// Waits says that the pod goes on without anything from outside: its worker is in a sync, the
// PLEG has to look at it, a probe is to be run, or a sync would start or end something. Some
// event is then to come.
func (p *Pod) Waits() bool {
	switch {
	case p.work.kind == finished:
		return false
	case p.work.busy, p.seen.dirty, p.seen.inspecting, p.work.kind == terminatingPod:
		return true
	case p.work.kind == terminatedPod:
		// It was rejected: only its deletion gives it a worker.
		return false
	}
	for i := range p.containers {
		if p.containers[i].awaitsProbe() {
			return true
		}
	}
	p.look()
	a := p.computeActions()
	// As upstream, a pod with restartPolicy Never whose last container failed its liveness probe and
	// would be started again by its restartPolicyRules is killed again and again, and never ends.
	return a.killPod && p.seen.sandbox.ready || a.createSandbox || a.start|a.kill != 0
}

// Takes says that a timer's end, a probe's tick or answer, which is to come, is not stale: someone
// waits for it.
func (p *Pod) Takes(e *Event) bool {
	switch e.Kind {
	case TimerFired:
		if e.Container < 0 {
			return p.volumes.gen == e.Gen && (p.sync.stage == mounting || p.sync.stage == unmounting)
		}
		k := &p.containers[e.Container].kill
		return k.gen == e.Gen && (k.stage == preStopping || k.stage == awaitingTurn)
	case ProbeDue:
		w := &p.containers[e.Container].probes[e.Probe]
		return w.gen == e.Gen && w.active
	case Probed:
		w := &p.containers[e.Container].probes[e.Probe]
		return w.busy && w.active
	}
	panic("kubelet: Takes " + e.Kind.String())
}

// Published says that the API server's copy is as Publish would make it.
func (p *Pod) Published(api *model.PodStatus, now model.Time) bool {
	if p.Version == 0 {
		return true
	}
	sending := p.sending
	p.Send()
	var status model.PodStatus
	status.CopyFrom(api)
	changed := p.Publish(&status, now)
	p.sending = sending
	return !changed
}
