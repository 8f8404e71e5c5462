package kubelet

import (
	"fmt"

	"podsim/model"
)

// retryPeriod is how soon the worker looks again after a sync that did not go well (pkg/kubelet
// backOffPeriod).
const retryPeriod model.Time = 10 * model.Second

// sameMoment is the most that events of one moment are apart.
const sameMoment = model.Microsecond

// stage is what the sync under way waits for.
type stage uint8

const (
	idle stage = iota
	// awaitingRelist: the sync waits for the PLEG; beginning: it has the pod's status.
	awaitingRelist
	beginning
	mirroring
	mounting
	killingPod
	stoppingSandbox
	killingContainers
	resetting
	removing
	pruning
	startingSandbox
	resizing
	pulling
	configuring
	creating
	starting
	postStarting
	killingPostStart
	unmounting
)

// syncState is the sync under way: SyncPod, SyncTerminatingPod or SyncTerminatedPod.
type syncState struct {
	kind  workType
	stage stage
	// taken is when the worker took up the sync.
	taken model.Time
	// deleting and deletionGrace are the pod's deletion mark as this sync sees it, override
	// the grace period of a termination (KillPodOptions).
	deleting                bool
	deletionGrace, override int64
	// waits says that the sync has begun to wait for the PLEG.
	waits bool
	// phase is the phase of the object that this sync was given, initialized that it had run
	// containers, gates are its readiness gates.
	phase       model.Phase
	initialized bool
	gates       model.Gates
	// toStart and toKill are the containers of computePodActions, as bits.
	toStart, toKill uint64
	// killing are the containers whose kill is under way, toPurge those whose latest instance is to be
	// removed, toPrune and toPruneOld those whose older ones are.
	killing, toPurge, toPrune, toPruneOld uint64
	// current is the container being started or killed.
	current int8
	// createSandbox says that a new sandbox is made after the old one is stopped.
	createSandbox bool
	// startupFailed are those of toKill that failed the startup probe, not the liveness probe.
	startupFailed uint64
	// acted says that the sync changed something in the runtime (len(result.SyncResults) > 0).
	acted bool
	// failed says that the sync ends with an error; retryAt is the earliest end of a start
	// back-off among the errors, 0 when there is none.
	failed  bool
	retryAt model.Time
	// hookFailure is why the postStart hook failed.
	hookFailure model.Message
	// generation is the pod's as this sync sees it.
	generation int64
	// reset is what goes to restart all containers.
	reset reset
	// missingSecrets names the pull secrets that do not exist, when an image was not pulled.
	missingSecrets model.Text
}

// Step takes an event and appends what the pod asks of the world to fx. An event that
// cannot happen in the pod's state panics; a stale one (an old generation, a container
// instance that is gone) is ignored.
func (p *Pod) Step(e Event, fx []Effect) []Effect {
	p.now, p.global, p.joins, p.held, p.out = e.Now, e.Global, e.Joins, e.Held, fx
	if p.work.kind != finished || e.Kind == ContainerExited || e.Kind == VolumeFailed {
		p.resynced(e)
		p.handle(e)
		p.runWorker()
		p.scheduleProbes()
	}
	fx, p.out = p.out, nil
	return fx
}

// resynced makes up for the wake that was not made an event: the worker has synced the pod and
// found nothing to do, or was busy and is to sync again.
func (p *Pod) resynced(e Event) {
	switch {
	case e.Resynced == 0:
	case p.work.busy:
		p.update()
	default:
		p.work.lastSync = e.Resynced
	}
}

func (p *Pod) handle(e Event) {
	switch e.Kind {
	case Configured:
		p.configured(e)
	case Rejected:
		p.rejected(e)
	case Removed:
		p.config.removed = true
		p.lookAgain()
		p.terminate()
		p.update()
		p.ask(Housekeep, -1)
	case Reconciled:
		p.told(e)
		if p.work.rejected {
			p.housekeep()
			return
		}
		terminal := e.Phase.Terminal() && p.work.kind == syncPod
		if terminal {
			p.terminate()
		}
		if terminal || e.OK {
			p.update()
		}
	case Woken:
		p.update()
	case DeadlineReached:
		p.deadlineReached()
	case Housekept:
		p.housekept()
	case Relisted:
		p.relisted(e)
	case Inspected:
		p.inspected()
	case LookOver:
		p.lookOver()
	case Evict:
		p.emit(-1, true, model.EventEvicted, e.Message)
		p.evict(e)
	case Preempt:
		p.emit(-1, true, model.EventPreempting, e.Message)
		p.evict(e)
	case Shutdown:
		p.work.shutdown = true
		p.evict(e)
	case ResizeAllocated:
		p.resizeAllocated(e)
	case ResizePended:
		p.resizePended(e)
	case ResizeReverted:
		p.resizeReverted(e)
	case ContainerExited:
		p.exited(e)
	case TimerFired:
		if e.Container < 0 {
			p.volumeTimerFired(e.Gen)
		} else {
			p.killTimer(int(e.Container), e.Gen)
		}
	case VolumesMounted:
		p.allMounted()
	case VolumesUnmounted:
		p.allUnmounted()
	case VolumeFailed:
		p.volumeFailed(int(e.N), e.Message)
	case VolumeSetUp:
		p.volumeSetUp(int(e.N))
	case VolumesUnprocessed:
		p.volumesUnprocessed(e.Text)
	case VolumesStale:
		p.volumesStale()
	case ProbeDue:
		p.probeDue(int(e.Container), e.Probe, e.Gen)
	case Probed:
		p.probed(e)
	case HookDone:
		p.hookDone(e)
	case ContainerStopped:
		p.stopped(int(e.Container))
	case ContainerDiscarded:
		p.discarded(e)
	default:
		p.answer(e)
	}
}

// answer takes the answer that the sync under way waits for.
func (p *Pod) answer(e Event) {
	switch {
	case e.Kind == SyncBegun && p.sync.stage == beginning:
		p.beginSync()
	case e.Kind == MirrorReconciled && p.sync.stage == mirroring:
		p.awaitVolumes()
	case e.Kind == SandboxStopped && p.sync.stage == stoppingSandbox:
		p.sandboxStopped()
	case e.Kind == SandboxStarted && p.sync.stage == startingSandbox:
		p.sandboxStarted(e)
	case e.Kind == Resized && p.sync.stage == resizing:
		p.resized(e)
	case e.Kind == ImageStatus && p.sync.stage == pulling:
		p.imageStatus(e)
	case e.Kind == ImagePulled && p.sync.stage == pulling:
		p.imagePulled(e)
	case e.Kind == ConfigGenerated && p.sync.stage == configuring:
		p.configGenerated(e)
	case e.Kind == ContainerCreated && p.sync.stage == creating:
		p.containerCreated(e)
	case e.Kind == ContainerStarted && p.sync.stage == starting:
		p.containerStarted(e)
	case e.Kind == ContainerRemoved && p.sync.stage == pruning:
		p.pruned()
	case e.Kind == ContainerRemoved && p.sync.stage == removing:
		p.instanceRemoved()
	default:
		panic(fmt.Sprintf("kubelet: %s in stage %d of work %d", e.Kind, p.sync.stage, p.work.kind))
	}
}

// emit asks for a Kubernetes Event about container i, -1 for the pod.
func (p *Pod) emit(i int, warning bool, r model.EventReason, m model.Message) {
	p.out = append(p.out, Effect{Kind: Emit, Container: int8(i), Warning: warning, Reason: r, Message: m})
}

func (p *Pod) ask(k EffectKind, i int) {
	p.out = append(p.out, Effect{Kind: k, Container: int8(i), Instance: p.instanceOf(i)})
}

func (p *Pod) instanceOf(i int) int32 {
	if i < 0 {
		return 0
	}
	return p.containers[i].cur.id
}

// told takes what an event says of the object's status (pod_manager.go UpdatePod).
func (p *Pod) told(e Event) {
	p.config.phase, p.config.initialized, p.config.gates = e.Phase, p.published || p.template.NumInit == 0, e.Gates
}

// configured follows UpdatePod of pod_workers.go for a pod that the API server changed.
func (p *Pod) configured(e Event) {
	p.told(e)
	p.lookAgain()
	p.config.deleting, p.config.graceSeconds, p.config.generation = e.Deleting, e.GraceSeconds, e.N
	if p.work.rejected {
		p.housekeep()
		return
	}
	if e.Deleting || e.Phase.Terminal() {
		p.terminate()
	}
	p.update()
}

// rejected follows rejectPod of kubelet.go: the pod has failed and has no worker.
func (p *Pod) rejected(e Event) {
	p.out = append(p.out, Effect{Kind: Emit, Container: -1, Warning: true, Reason: model.EventRejected,
		Message: model.TextMessage(e.Text), M: int64(e.Reason)})
	if p.alive() {
		p.rejectRunning(e)
		return
	}
	*p.next = model.PodStatus{Phase: model.PodFailed, Reason: e.Reason, Message: e.Message, StartTime: p.Status.StartTime,
		ObservedGeneration: e.N}
	p.work.kind, p.work.rejected = terminatedPod, true
	p.work.initialized = p.template.NumInit == 0
	p.setStatus(e.Deleting)
	p.config = config{deleting: e.Deleting, graceSeconds: e.GraceSeconds, phase: e.Phase, gates: e.Gates, generation: e.N}
}

// housekeep lets housekeeping give a rejected pod a worker, which finishes its deletion, when it was
// deleted before the API server knew that it has failed (kubelet_pods.go
// filterTerminalPodsToDelete).
func (p *Pod) housekeep() {
	if p.config.deleting && p.config.phase.Terminal() {
		p.work.rejected = false
		p.ask(Housekeep, -1)
	}
}

// housekept is a round of housekeeping: it takes away the status of a pod that is gone from the API
// server, whose worker may be at work and set another (kubelet_pods.go removeOrphanedPodStatuses).
func (p *Pod) housekept() {
	if p.config.removed {
		p.orphaned = true
		p.ask(Housekeep, -1)
		return
	}
	p.update()
}

// Terminated says that the pod has stopped for good (pod_workers.go IsPodKnownTerminated).
func (p *Pod) Terminated() bool { return p.work.kind >= terminatedPod }

// terminate marks the pod as terminating.
func (p *Pod) terminate() {
	if p.work.kind != syncPod {
		return
	}
	p.work.kind = terminatingPod
	if p.sync.stage == mounting {
		p.cancelSync()
	}
}

// evict ends the pod (pod_workers.go killPodNow). Of several reasons the last one counts.
func (p *Pod) evict(e Event) {
	p.work.evicted, p.work.evictedMessage, p.work.disruption = e.Text, e.Message, e.Disruption
	if e.GraceSeconds > 0 && (p.work.graceSeconds == 0 || e.GraceSeconds < p.work.graceSeconds) {
		p.work.graceSeconds = e.GraceSeconds
	}
	p.terminate()
	p.update()
}

// loopUpdate is an update that comes through the sync loop, which may be busy with something else.
func (p *Pod) loopUpdate() {
	if p.held {
		p.ask(HoldWake, -1)
		return
	}
	p.update()
}

// update gives the worker work, with the object as it is now (UpdatePod). To a terminating pod it
// gives a grace period.
func (p *Pod) update() {
	if p.joins && p.work.busy && p.sync.stage <= beginning && p.now-p.sync.taken <= sameMoment {
		return
	}
	p.work.pending, p.work.stale = true, false
	p.work.phase, p.work.initialized, p.work.gates = p.config.phase, p.config.initialized, p.config.gates
	if p.work.kind == terminatingPod {
		p.work.graceSeconds = p.effectiveGrace()
	}
}

// effectiveGrace is the grace period of a terminating pod, which can only become shorter
// (calculateEffectiveGracePeriod).
func (p *Pod) effectiveGrace() int64 {
	grace := p.work.graceSeconds
	switch {
	case p.config.deleting && (grace == 0 || p.config.graceSeconds < grace):
		grace = p.config.graceSeconds
	case grace == 0:
		grace = p.template.GraceSeconds
	}
	return max(1, grace)
}

// override is the grace period that the worker gives to the containers: -1 for their own, when the
// pod terminates by itself and nobody asked for it (completeSync, podWorkerLoop).
func (w *work) override() int64 {
	if w.graceSeconds == 0 {
		return -1
	}
	return w.graceSeconds
}

// deadlineReached is a tick of the sync loop after the pod's deadline. As long as the kubelet knows the
// pod, each tick gives its worker work (kubelet.go getPodsToSync, active_deadline.go ShouldSync): a
// pod that terminates already gets its object as it is by then.
func (p *Pod) deadlineReached() {
	if p.config.removed {
		return
	}
	p.update()
	p.out = append(p.out, Effect{Kind: DeadlineAt, At: p.now + 1})
}

// requeue gives the worker work with the object that it has (requeueLastPodUpdate).
func (p *Pod) requeue() { p.work.pending = true }

// runWorker lets the worker take the pending update when it is free. What the sync sees of the
// pod's object is what was there then, though it may wait for the PLEG, which must have looked
// at the pod since the last sync (podWorkerLoop: startPodSync, podCache.GetNewerThan).
func (p *Pod) runWorker() {
	if p.work.pending && !p.work.busy {
		seen := p.config
		if p.work.stale {
			seen = config{deleting: p.sync.deleting, graceSeconds: p.sync.deletionGrace, generation: p.sync.generation}
		}
		p.work.pending, p.work.busy, p.work.stale = false, true, false
		p.sync = syncState{kind: p.work.kind, deleting: seen.deleting, deletionGrace: seen.graceSeconds,
			override: p.work.override(), phase: p.work.phase, initialized: p.work.initialized, gates: p.work.gates,
			generation: seen.generation, current: -1, stage: awaitingRelist, taken: p.now}
		p.template = p.Allocated()
	}
	switch {
	case p.sync.stage != awaitingRelist:
	case p.observed():
		p.sync.stage = beginning
		p.look()
		p.ask(BeginSync, -1)
	case !p.seen.asked:
		p.seen.asked = true
		p.ask(RelistNext, -1)
		fallthrough
	default:
		p.sync.waits = true
	}
}

func (p *Pod) beginSync() {
	switch p.sync.kind {
	case syncPod:
		p.syncPod()
	case terminatingPod:
		p.syncTerminatingPod()
	case terminatedPod:
		p.syncTerminatedPod()
	}
}

// syncPod follows Kubelet.SyncPod up to the first thing that takes time.
func (p *Pod) syncPod() {
	p.noteResize()
	p.generateStatus(fromCache, false)
	terminal := p.next.Phase.Terminal()
	p.setStatus(p.sync.deleting)
	if terminal {
		p.completeSync()
		return
	}
	if p.template.Static {
		p.sync.stage = mirroring
		p.ask(ReconcileMirror, -1)
		return
	}
	p.awaitVolumes()
}

// awaitVolumes goes on with SyncPod after the mirror of a static pod is there.
func (p *Pod) awaitVolumes() {
	switch {
	case p.template.Volumes == 0 || p.volumes.mounted:
		p.remount()
		p.volumesMounted()
	case p.work.kind != syncPod:
		p.cancelSync()
	default:
		p.waitForVolumes()
	}
}

// cancelSync ends a sync that waits for volumes when the pod is to be terminated: the only
// wait of SyncPod that heeds the cancelled context.
func (p *Pod) cancelSync() {
	p.sync.stage = idle
	p.work.busy = false
	p.work.lastSync = p.now
}

// volumesMounted goes on with kuberuntime's SyncPod.
func (p *Pod) volumesMounted() {
	p.startProbes()
	a := p.computeActions()
	p.sync.toStart, p.sync.toKill, p.sync.startupFailed = a.start, a.kill, a.startupFailed
	p.sync.createSandbox, p.sync.reset = a.createSandbox, a.reset
	p.planResize(&a)
	if a.createSandbox && p.view.sandbox.exists {
		p.emit(-1, false, model.EventSandboxChanged, model.Message{Kind: model.MessageSandboxChanged})
	}
	if a.killPod {
		// Differs from Kubernetes: upstream asks for a look at the pod at once also when it killed a
		// pod that was dead already. Where probe workers that end with each sync ask for the next
		// one (endedForGood), that kubelet syncs the pod as fast as it can, without any effect.
		p.sync.acted = p.alive()
		p.killPod(-1)
		return
	}
	p.killNext()
}

// endSync follows the end of SyncPod and completeWork.
func (p *Pod) endSync() {
	p.resizeFailed()
	if p.sync.missingSecrets != model.NoText {
		p.emit(-1, true, model.EventFailedToRetrieveImagePullSecret,
			model.Message{Kind: model.MessagePullSecrets, Text: p.sync.missingSecrets})
	}
	p.sync.stage = idle
	p.work.busy = false
	p.work.lastSync = p.now
	if p.sync.failed {
		delay := retryPeriod
		if p.sync.retryAt != 0 {
			delay = min(max(0, p.sync.retryAt-p.now), p.Settings.SyncFrequency)
		}
		p.wake(delay)
		return
	}
	if p.sync.reset.removed {
		p.requeue()
		p.work.stale = true
	}
	if p.sync.acted {
		p.ask(RelistSoon, -1)
	}
	p.out = append(p.out, Effect{Kind: Wake, Delay: p.Settings.SyncFrequency, OK: p.quiet()})
}

// wake asks for the next sync.
func (p *Pod) wake(delay model.Time) { p.out = append(p.out, Effect{Kind: Wake, Delay: delay}) }

// quiet says that the periodic sync would change nothing. Upstream syncs each pod every 60
// to 90 s; for a pod whose containers are as they should be that is no event here. What it
// does otherwise is run a readiness probe that has not succeeded, and start probe workers anew for a
// container that has ended for good.
func (p *Pod) quiet() bool {
	for i := range p.containers {
		c := &p.containers[i]
		if p.Status.Containers != nil && p.probesOf(i) && p.endedForGood(i) {
			return false
		}
		r := &c.probes[model.Readiness]
		if r.active && c.cur.state == running && r.resultOf(c.cur.id) != success {
			return false
		}
	}
	return true
}

// completeSync follows completeSync: the pod's life has ended by itself.
func (p *Pod) completeSync() {
	p.terminate()
	p.endPhase()
}

// endPhase ends a sync after which the next kind of work follows at once.
func (p *Pod) endPhase() {
	p.sync.stage = idle
	p.work.busy = false
	p.work.lastSync = p.now
	p.requeue()
}

// syncTerminatingPod follows Kubelet.SyncTerminatingPod.
func (p *Pod) syncTerminatingPod() {
	p.generateStatus(fromCache, false)
	if p.work.evicted != model.NoText {
		p.next.Phase, p.next.Reason, p.next.Message = model.PodFailed, p.work.evicted, p.work.evictedMessage
		if p.work.disruption != (model.Message{}) {
			p.next.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonTerminationByKubelet, p.work.disruption, p.now)
		}
	}
	p.setStatus(p.sync.deleting)
	// StopLivenessAndStartup leaves the sidecars' probes alone.
	p.stopProbes(model.Liveness, p.template.NumInit)
	p.stopProbes(model.Startup, p.template.NumInit)
	p.killPod(p.sync.override)
}

// terminatingDone follows the end of SyncTerminatingPod: every container is stopped.
func (p *Pod) terminatingDone() {
	for _, t := range [...]model.ProbeType{model.Readiness, model.Liveness, model.Startup} {
		p.stopProbes(t, 0)
	}
	p.generateStatus(fromRuntime, true)
	version := p.Version
	p.setStatus(p.sync.deleting)
	if p.Version == version {
		p.ask(PublishHeld, -1)
	}
	p.work.kind = terminatedPod
	if p.config.deleting {
		p.ask(Collect, -1)
	}
	if p.volumes.asked {
		p.ask(UnmountVolumes, -1)
	}
	p.endPhase()
}

// syncTerminatedPod follows Kubelet.SyncTerminatedPod.
func (p *Pod) syncTerminatedPod() {
	p.generateStatus(fromCache, true)
	p.setStatus(p.sync.deleting)
	if p.volumes.asked && !p.volumes.unmounted {
		p.sync.stage, p.volumes.since = unmounting, p.now
		return
	}
	p.volumesUnmounted()
}

func (p *Pod) volumesUnmounted() {
	p.terminatePod()
	p.sync.stage = idle
	p.work.busy, p.work.pending = false, false
	p.work.kind = finished
	p.ask(Done, -1)
}
