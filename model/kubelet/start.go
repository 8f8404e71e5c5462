package kubelet

import (
	"math/bits"

	"podsim/model"
)

// prune removes instances of init containers and sidecars that are still there: where the sandbox is made
// anew all of them (kuberuntime_container.go purgeInitContainers), else the older ones: for a moment the
// kubelet's deletor, which removes those of all containers, and the sync do the same work
// (pruneInitContainersBeforeStart).
func (p *Pod) prune() {
	p.sync.stage = pruning
	purge := p.sync.createSandbox
	for i := range p.containers[:p.template.NumInit] {
		c := &p.containers[i]
		if purge && c.viewCur.state != absent && c.cur.id == c.viewCur.id {
			p.sync.toPurge |= bit(i)
		}
		if (purge || c.viewCur.state == exited) && c.viewPrev.state == exited && c.prev.id == c.viewPrev.id {
			p.sync.toPrune |= bit(i)
		}
		if c.viewOld != 0 && c.old == c.viewOld {
			p.sync.toPruneOld |= bit(i)
		}
	}
	p.pruneNext()
}

func (p *Pod) pruneNext() {
	rest := p.sync.toPurge | p.sync.toPrune | p.sync.toPruneOld
	if rest == 0 {
		p.runSandbox()
		return
	}
	i := bits.TrailingZeros64(rest)
	id := p.containers[i].viewOld
	switch {
	case p.sync.toPurge&bit(i) != 0:
		id = p.containers[i].viewCur.id
	case p.sync.toPrune&bit(i) != 0:
		id = p.containers[i].viewPrev.id
	}
	p.out = append(p.out, Effect{Kind: Remove, Container: int8(i), Instance: id})
}

func (p *Pod) pruned() {
	i := bits.TrailingZeros64(p.sync.toPurge | p.sync.toPrune | p.sync.toPruneOld)
	c := &p.containers[i]
	switch {
	case p.sync.toPurge&bit(i) != 0:
		p.sync.toPurge &^= bit(i)
		c.cur, c.logs = instance{}, 0
	case p.sync.toPrune&bit(i) != 0:
		p.sync.toPrune &^= bit(i)
		c.prev = instance{}
	default:
		p.sync.toPruneOld &^= bit(i)
		c.old = 0
	}
	p.changed()
	p.pruneNext()
}

// runSandbox makes the pod's sandbox, or goes on when there is one (SyncPod step 4).
func (p *Pod) runSandbox() {
	if !p.sync.createSandbox {
		p.resizePod()
		return
	}
	p.sync.acted = true
	p.sync.stage = startingSandbox
	p.ask(RunSandbox, -1)
}

func (p *Pod) sandboxStarted(e Event) {
	if e.Text != model.NoText {
		p.sync.failed = true
		p.emit(-1, true, model.EventFailedCreatePodSandBox, model.Message{Kind: model.MessageFailedSandbox, Text: e.Text})
		p.endSync()
		return
	}
	p.sandbox = sandbox{exists: true, ready: true, attempt: p.sandbox.attempt + 1}
	p.changed()
	p.onSandboxReady()
	p.resizePod()
}

// onSandboxReady publishes PodReadyToStartContainers at once (kubelet.go OnPodSandboxReady).
func (p *Pod) onSandboxReady() {
	p.next.CopyFrom(p.Status)
	p.next.SetCondition(model.PodReadyToStartContainers, model.ConditionTrue, model.NoText, model.Message{}, p.now)
	p.setStatus(p.sync.deleting)
}

// startNext starts the next container of the sync, or ends it (SyncPod steps 8 and 9).
func (p *Pod) startNext() {
	for p.sync.toStart != 0 {
		i := bits.TrailingZeros64(p.sync.toStart)
		p.sync.toStart &^= bit(i)
		p.sync.current = int8(i)
		p.sync.acted = true
		if p.backingOff(i) {
			continue
		}
		if p.ensureImage(i) {
			return
		}
	}
	p.endSync()
}

// startFailed notes why a container could not be started. A failed init container ends the
// sync, a failed sidecar or container does not.
func (p *Pod) startFailed(i int, reason model.Text, m model.Message) {
	c := &p.containers[i]
	c.failure, c.failureMessage = reason, m
	p.sync.failed = true
	if p.template.Containers[i].Kind == model.InitContainer {
		p.sync.toStart = 0
	}
}

// backingOff follows doBackOff.
func (p *Pod) backingOff(i int) bool {
	c := &p.containers[i]
	last := &c.viewCur
	if last.state != exited {
		last = &c.viewPrev
	}
	if last.state != exited {
		return false
	}
	ended := last.finished
	if !c.crash.expired(ended) && p.now-ended < c.crash.delay {
		p.emit(i, true, model.EventBackOff, model.Message{Kind: model.MessageBackOffRestarting})
		until := ended + c.crash.delay
		if p.sync.retryAt == 0 || until < p.sync.retryAt {
			p.sync.retryAt = until
		}
		p.startFailed(i, model.ReasonCrashLoopBackOff, model.Message{Kind: model.MessageCrashLoopBackOff, N: int64(c.crash.delay)})
		return true
	}
	c.crash.next(ended, p.now, p.Settings.BackoffInitial, p.Settings.BackoffMax)
	return false
}

// ensureImage follows EnsureImageExists. It says whether the sync waits for an answer.
func (p *Pod) ensureImage(i int) bool {
	t := &p.template.Containers[i]
	p.sync.stage = pulling
	switch {
	case t.InvalidImage != "":
		m := model.Message{Kind: model.MessageInvalidImageName}
		p.emit(i, true, model.EventInspectFailed, m)
		p.imageFailed(i, model.ReasonInvalidImageName, m)
		return false
	case t.PullPolicy == model.PullAlways:
		return p.pull(i)
	}
	p.ask(AskImage, i)
	return true
}

// imageFailed ends the start of a container for want of its image (startContainer step 1).
func (p *Pod) imageFailed(i int, reason model.Text, m model.Message) {
	p.emit(i, true, model.EventFailed, model.Message{Kind: model.MessageErrorText, Text: reason})
	p.startFailed(i, reason, m)
}

func (p *Pod) imageStatus(e Event) {
	i := int(p.sync.current)
	switch {
	case e.OK:
		p.emit(i, false, model.EventPulled, model.Message{Kind: model.MessageAlreadyPresent})
		p.create(i)
		return
	case p.template.Containers[i].PullPolicy == model.PullNever:
		m := model.Message{Kind: model.MessageImageNeverPull}
		p.emit(i, true, model.EventErrImageNeverPull, m)
		p.imageFailed(i, model.ReasonErrImageNeverPull, m)
	case p.pull(i):
		return
	}
	p.startNext()
}

// pull follows pullImage. It says whether the sync waits for the pull.
func (p *Pod) pull(i int) bool {
	c := &p.containers[i]
	if !c.pull.expired(p.now) && p.now-c.pull.update < c.pull.delay {
		p.emit(i, false, model.EventBackOff, model.Message{Kind: model.MessageBackOffPulling})
		p.imageFailed(i, model.ReasonImagePullBackOff, model.Message{Kind: model.MessageImagePullBackOff, Text: c.pullError.Text, N: c.pullError.N})
		return false
	}
	p.emit(i, false, model.EventPulling, model.Message{Kind: model.MessagePulling})
	p.ask(Pull, i)
	return true
}

func (p *Pod) imagePulled(e Event) {
	i := int(p.sync.current)
	if e.Text == model.NoText {
		p.out = append(p.out, Effect{Kind: Emit, Container: int8(i), Reason: model.EventPulled,
			Message: model.Message{Kind: model.MessagePulled, N: e.N}, M: e.M, S: e.S})
		p.create(i)
		return
	}
	p.emit(i, true, model.EventFailed, model.Message{Kind: model.MessageFailedToPull, Text: e.Text})
	m := model.Message{Kind: model.MessagePullError, Text: e.Text, N: int64(e.Reason)}
	p.pullFailed(i, m)
	if e.Reason == model.ReasonErrImagePull && e.Secrets != model.NoText {
		p.sync.missingSecrets = e.Secrets
	}
	p.imageFailed(i, e.Reason, m)
	p.startNext()
}

// pullFailed lengthens the image's back-off, which the pod's containers share by the name that
// they write (image_manager.go pullImage).
func (p *Pod) pullFailed(i int, m model.Message) {
	c := &p.containers[i]
	c.pull.next(p.now, p.now, backoffInitial, backoffMax)
	c.pullError = m
	for j := range p.containers {
		if p.template.Containers[j].Image == p.template.Containers[i].Image {
			p.containers[j].pull, p.containers[j].pullError = c.pull, m
		}
	}
}

// create begins step 2 of startContainer: the configuration, where it can fail.
func (p *Pod) create(i int) {
	if p.template.Containers[i].NeedsConfig() {
		p.sync.stage = configuring
		p.ask(GenerateConfig, i)
		return
	}
	p.sync.stage = creating
	p.ask(Create, i)
}

func (p *Pod) configGenerated(e Event) {
	i := int(p.sync.current)
	if e.Text != model.NoText {
		p.createFailed(i, model.ReasonCreateContainerConfigError, e.Text)
		return
	}
	p.sync.stage = creating
	p.ask(Create, i)
}

// createFailed ends the start of a container that could not be created.
func (p *Pod) createFailed(i int, reason, why model.Text) {
	p.emit(i, true, model.EventFailed, model.Message{Kind: model.MessageErrorText, Text: why})
	p.startFailed(i, reason, model.TextMessage(why))
	p.startNext()
}

func (p *Pod) containerCreated(e Event) {
	i := int(p.sync.current)
	if e.Text != model.NoText {
		p.createFailed(i, model.ReasonCreateContainerError, e.Text)
		return
	}
	c := &p.containers[i]
	restarts := c.logs
	if c.viewCur.state != absent {
		restarts = c.viewCur.restarts + 1
	}
	c.logs = max(c.logs, restarts+1)
	p.instances++
	if p.resize != nil {
		p.resize.containers[i].actuated = p.template
	}
	if c.cur.state != absent {
		c.old, c.prev = c.prev.id, c.cur
	}
	c.cur = instance{id: p.instances, state: created, restarts: restarts, attempt: p.sandbox.attempt}
	p.changed()
	p.emit(i, false, model.EventCreated, model.Message{Kind: model.MessageCreated})
	p.sync.stage = starting
	p.ask(Start, i)
	if c.prev.state == exited {
		// For the container GC what is created and does not run yet is the newest of the dead
		// (kuberuntime_gc.go evictableContainers).
		p.out = append(p.out, Effect{Kind: Collect, Container: int8(i), Instance: c.prev.id, OK: true})
	}
}

func (p *Pod) containerStarted(e Event) {
	i := int(p.sync.current)
	c := &p.containers[i]
	if e.Text != model.NoText {
		c.cur.state, c.cur.exitCode, c.cur.reason = exited, 128, model.ReasonStartError
		c.cur.message, c.cur.finished = model.TextMessage(e.Text), p.now
		p.changed()
		p.emit(i, true, model.EventFailed, model.Message{Kind: model.MessageErrorText, Text: e.Text})
		p.startFailed(i, model.ReasonRunContainerError, model.TextMessage(e.Text))
		p.startNext()
		return
	}
	c.cur.state, c.cur.started = running, p.now
	p.changed()
	p.emit(i, false, model.EventStarted, model.Message{Kind: model.MessageStarted})
	if hook := p.template.Containers[i].PostStart; hook != nil {
		p.sync.stage = postStarting
		p.out = append(p.out, Effect{Kind: RunHook, Container: int8(i), Instance: c.cur.id, OK: true})
		return
	}
	p.started(i)
}

// started ends the start of a container (reasonCache.Update removes its failure).
func (p *Pod) started(i int) {
	p.containers[i].failure = model.NoText
	p.startNext()
}

// hookDone is the end of a postStart or preStop hook.
func (p *Pod) hookDone(e Event) {
	i := int(e.Container)
	if p.sync.stage == postStarting && int(p.sync.current) == i && e.Instance == p.instances {
		p.postStartDone(i, e)
		return
	}
	if p.containers[i].cur.id != e.Instance {
		return
	}
	if k := &p.containers[i].kill; k.hook {
		if !e.OK {
			p.emit(i, true, model.EventFailedPreStopHook, model.Message{Kind: model.MessagePreStopFailed})
		}
		k.hook = false
		if k.stage == preStopping {
			p.preStopDone(i)
		}
	}
}

// postStartDone is the end of the hook of the instance that the sync has started last. It may have
// ended meanwhile, and may even be removed: the pod is being evicted.
func (p *Pod) postStartDone(i int, e Event) {
	if e.OK {
		p.started(i)
		return
	}
	p.postStartFailed(i, model.Message{Kind: model.MessageHookFailed, Text: e.Text, N: e.N})
}

// postStartFailed kills a container whose postStart hook failed.
func (p *Pod) postStartFailed(i int, m model.Message) {
	p.emit(i, true, model.EventFailedPostStartHook, model.Message{Kind: model.MessagePostStartFailed})
	p.sync.stage, p.sync.hookFailure = killingPostStart, m
	p.beginKill(i, -1, model.Message{Kind: model.MessageKillPostStart}, noProbe)
}

// exited notes that a container's main process ended.
func (p *Pod) exited(e Event) {
	c := &p.containers[e.Container]
	x := &c.cur
	if c.prev.id == e.Instance {
		x = &c.prev
	}
	if x.id != e.Instance || x.state != running {
		return
	}
	x.state, x.exitCode, x.reason, x.message, x.finished = exited, int32(e.N), e.Reason, e.Message, e.Now
	if e.At != 0 {
		x.finished = max(e.At, x.started)
	}
	for k := range c.probes {
		// Until the PLEG has seen it, probes go on, and find nobody.
		c.probes[k].steady = 0
	}
	p.changed()
	if x == &c.cur {
		if c.prev.state == exited && !(p.work.kind == terminatingPod && p.config.deleting) {
			p.out = append(p.out, Effect{Kind: Collect, Container: e.Container, Instance: c.prev.id})
		}
		p.hookInterrupted(int(e.Container))
	}
}

// hookInterrupted ends the hook of a container that has ended: its command is killed, its request
// gets no answer. A sleep goes on.
func (p *Pod) hookInterrupted(i int) {
	c := &p.containers[i]
	if c.kill.hook {
		c.kill.hook = false
		p.emit(i, true, model.EventFailedPreStopHook, model.Message{Kind: model.MessagePreStopFailed})
		if c.kill.stage == preStopping {
			p.preStopDone(i)
		}
		return
	}
	if p.sync.stage == postStarting && int(p.sync.current) == i && p.template.Containers[i].PostStart.Handler != model.HandlerSleep {
		p.postStartFailed(i, model.Message{Kind: model.MessageHookFailed, N: killedExitCode})
	}
}

// killedExitCode is the exit code of a process that got SIGKILL.
const killedExitCode = 128 + 9
