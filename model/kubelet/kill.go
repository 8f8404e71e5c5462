package kubelet

import (
	"math/bits"

	"podsim/model"
)

// minimumGrace is the least time in seconds between SIGTERM and SIGKILL (kuberuntime
// minimumGracePeriodInSeconds).
const minimumGrace = 2

// killStage is how far the kill of a container is.
type killStage uint8

const (
	notKilling killStage = iota
	// preStopping: the preStop hook runs.
	preStopping
	// awaitingTurn: a sidecar waits for the containers that stop before it.
	awaitingTurn
	// stopping: the runtime was asked to stop the container.
	stopping
)

// kill is the kill of one container under way (kuberuntime killContainer).
type kill struct {
	stage killStage
	// grace is what remains of the grace period in seconds, since the present stage's start.
	grace   int64
	since   model.Time
	ordered bool
	// hook says that a preStop hook other than a sleep runs.
	hook bool
	gen  uint16
}

// noProbe is no failed probe.
const noProbe = model.NumProbes

// killPod stops all running containers and then the sandbox (killPodWithSyncResult).
// override is the grace period, -1 for the pod's own.
func (p *Pod) killPod(override int64) {
	p.sync.stage = killingPod
	p.sync.killing = 0
	for i := range p.containers {
		if p.containers[i].viewCur.state == running {
			p.sync.killing |= bit(i)
		}
	}
	all := p.sync.killing
	for rest := all; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		p.containers[i].kill.ordered = p.template.HasSidecars
		p.beginKill(i, override, model.Message{Kind: model.MessageStopping}, noProbe)
	}
	if all == 0 {
		p.podKilled()
	}
}

// alive says that there is something to kill: a container that runs or a ready sandbox.
func (p *Pod) alive() bool {
	for i := range p.containers {
		if p.containers[i].viewCur.state == running {
			return true
		}
	}
	return p.view.sandbox.ready
}

// killNext kills the next container of the sync, or goes on with it (SyncPod step 3).
func (p *Pod) killNext() {
	if p.sync.toKill == 0 {
		p.resetNext()
		return
	}
	i := bits.TrailingZeros64(p.sync.toKill)
	p.sync.toKill &^= bit(i)
	p.sync.stage = killingContainers
	p.sync.current = int8(i)
	p.sync.acted = true
	restart := int64(0)
	if p.sync.toStart&bit(i) != 0 {
		restart = 1
	}
	if p.resize != nil && p.resize.toRestart&bit(i) != 0 {
		p.beginKill(i, -1, model.Message{Kind: model.MessageResizeRestart}, noProbe)
		return
	}
	if p.sync.startupFailed&bit(i) != 0 {
		p.beginKill(i, -1, model.Message{Kind: model.MessageFailedStartup, N: restart}, model.Startup)
		return
	}
	p.beginKill(i, -1, model.Message{Kind: model.MessageFailedLiveness, N: restart}, model.Liveness)
}

// beginKill follows killContainer up to the preStop hook.
func (p *Pod) beginKill(i int, override int64, m model.Message, failed model.ProbeType) {
	k := &p.containers[i].kill
	k.grace = p.graceFor(i, failed)
	p.emit(i, false, model.EventKilling, m)
	if override >= 0 {
		k.grace = override
	}
	hook := p.template.Containers[i].PreStop
	if hook == nil || k.grace <= 0 {
		p.awaitTurn(i)
		return
	}
	k.stage, k.since = preStopping, p.now
	limit := model.Time(k.grace) * model.Second
	if hook.Handler == model.HandlerSleep {
		limit = min(limit, hook.Sleep)
	} else {
		k.hook = true
		p.out = append(p.out, Effect{Kind: RunHook, Container: int8(i), Instance: p.instanceOf(i)})
	}
	p.killTimeout(i, limit)
}

// graceFor follows setTerminationGracePeriod.
func (p *Pod) graceFor(i int, failed model.ProbeType) int64 {
	if p.sync.deleting {
		return p.sync.deletionGrace
	}
	if failed != noProbe {
		if probe := p.template.Containers[i].Probes[failed]; probe.GraceSeconds >= 0 {
			return probe.GraceSeconds
		}
	}
	return p.template.GraceSeconds
}

func (p *Pod) killTimeout(i int, d model.Time) {
	k := &p.containers[i].kill
	k.gen++
	p.out = append(p.out, Effect{Kind: Timer, Container: int8(i), Gen: k.gen, Delay: d})
}

// killTimer is the end of a sleep hook, or of the grace period in a hook or a turn.
func (p *Pod) killTimer(i int, gen uint16) {
	k := &p.containers[i].kill
	if k.gen != gen {
		return
	}
	switch k.stage {
	case preStopping:
		p.preStopDone(i)
	case awaitingTurn:
		p.stop(i)
	}
}

func (p *Pod) preStopDone(i int) {
	k := &p.containers[i].kill
	k.grace -= int64((p.now - k.since) / model.Second)
	p.awaitTurn(i)
}

// awaitTurn holds a sidecar back until the containers that stop before it have stopped
// (kuberuntime_termination_order.go waitForTurn).
func (p *Pod) awaitTurn(i int) {
	k := &p.containers[i].kill
	if !k.ordered || k.grace <= 0 || p.turn(i) {
		k.since = p.now
		p.stop(i)
		return
	}
	k.stage, k.since = awaitingTurn, p.now
	p.killTimeout(i, model.Time(k.grace)*model.Second)
}

// turn says whether no container that must stop before i is left: a sidecar waits for the
// containers and for the next sidecar.
func (p *Pod) turn(i int) bool {
	if p.template.Containers[i].Kind != model.Sidecar {
		return true
	}
	if p.sync.killing>>p.template.NumInit != 0 {
		return false
	}
	for j := i + 1; j < p.template.NumInit; j++ {
		if p.template.Containers[j].Kind == model.Sidecar {
			return p.sync.killing&bit(j) == 0
		}
	}
	return true
}

// stop asks the runtime to stop the container.
func (p *Pod) stop(i int) {
	k := &p.containers[i].kill
	k.gen++
	if k.ordered {
		k.grace -= int64((p.now - k.since) / model.Second)
	}
	k.grace = max(k.grace, minimumGrace)
	if p.containers[i].cur.state != running {
		p.stopped(i)
		return
	}
	k.stage = stopping
	p.out = append(p.out, Effect{Kind: Stop, Container: int8(i), Instance: p.instanceOf(i), GraceSeconds: k.grace})
}

// stopped is the runtime's answer: the container is not running.
func (p *Pod) stopped(i int) {
	k := &p.containers[i].kill
	k.stage, k.ordered = notKilling, false
	switch p.sync.stage {
	case killingContainers:
		p.killNext()
	case resetting:
		p.removeInstance(i, false)
	case killingPostStart:
		p.startFailed(i, model.ReasonPostStartHookError, p.sync.hookFailure)
		p.startNext()
	case killingPod:
		p.sync.killing &^= bit(i)
		if p.sync.killing == 0 {
			p.podKilled()
			return
		}
		p.nextTurns()
	}
}

// nextTurns lets those go on whose turn it is now.
func (p *Pod) nextTurns() {
	for rest := p.sync.killing; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		if p.containers[i].kill.stage == awaitingTurn && p.turn(i) {
			p.stop(i)
		}
	}
}

// podKilled stops the sandbox after the last container.
func (p *Pod) podKilled() {
	if !p.view.sandbox.exists {
		p.sandboxGone()
		return
	}
	p.sync.stage = stoppingSandbox
	p.out = append(p.out, Effect{Kind: StopSandbox, Container: -1, OK: p.sandbox.ready})
}

func (p *Pod) sandboxStopped() {
	if p.sandbox.ready {
		p.sandbox.ready = false
		p.changed()
	}
	p.sandboxGone()
}

// sandboxGone goes on after the pod was killed.
func (p *Pod) sandboxGone() {
	if p.sync.kind == terminatingPod {
		p.terminatingDone()
		return
	}
	p.prune()
}
