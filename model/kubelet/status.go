package kubelet

import "podsim/model"

// source says which view of the runtime a status is made from.
type source uint8

const (
	// fromCache is what the PLEG last saw, fromRuntime what the runtime shows now.
	fromCache source = iota
	fromRuntime
)

func (p *Pod) instance(i int, from source) *instance {
	if from == fromRuntime {
		return &p.containers[i].cur
	}
	return &p.containers[i].viewCur
}

func (p *Pod) previous(i int, from source) *instance {
	if from == fromRuntime {
		return &p.containers[i].prev
	}
	return &p.containers[i].viewPrev
}

func (p *Pod) sandboxOf(from source) *sandbox {
	if from == fromRuntime {
		return &p.sandbox
	}
	return &p.view.sandbox
}

// generateStatus makes the pod's status in p.next (kubelet_pods.go generateAPIPodStatus).
// terminal says that no container of the pod will be started again.
func (p *Pod) generateStatus(from source, terminal bool) {
	t, old, s := p.template, p.Status, p.next
	containers, gates := s.Containers[:0], s.Gates[:0]
	*s = model.PodStatus{Conditions: old.Conditions, StartTime: old.StartTime, ObservedGeneration: p.sync.generation}
	for i := range t.Spec.ReadinessGates {
		gates = append(gates, model.Condition{Status: p.sync.gates.At(i)})
	}
	s.Gates = gates
	restarting := p.restartsAll(from)
	for i := range t.Containers {
		containers = append(containers, model.ContainerStatus{})
		p.containerStatus(&containers[i], i, from, restarting)
	}
	s.Containers = containers
	s.HasIP = p.view.hasIP || t.HostNetwork
	s.Phase = model.PhaseOf(t, s.Containers, terminal, p.appStarted(from))
	if !s.Phase.Terminal() {
		if old.Phase.Terminal() {
			s.Phase = old.Phase
		} else if p.sync.phase.Terminal() {
			s.Phase = p.sync.phase
		}
	}
	if s.Phase == old.Phase {
		s.Reason, s.Message = old.Reason, old.Message
	}
	if p.deadlineExceeded() {
		s.Phase, s.Reason = model.PodFailed, model.ReasonDeadlineExceeded
		s.Message = model.Message{Kind: model.MessageDeadlineExceeded}
		p.emit(-1, false, model.EventDeadlineExceeded, s.Message)
	}
	if p.sync.phase.Terminal() {
		s.Phase = p.sync.phase
	}
	s.Resources = p.podResources()
	s.Allocated, s.Cgroup = p.template.ID, p.template.ID
	if p.sync.phase == model.PodRunning {
		s.Cgroup = p.PodCgroup().ID
	}
	p.probeStatus(s)
	sandboxMessage := model.Message{Kind: model.MessageNoSandbox}
	if p.sandboxOf(from).exists {
		sandboxMessage.Kind = model.MessageSandboxNotReady
	}
	s.SetConditions(t, p.sandboxOf(from).ready, sandboxMessage, p.now)
	p.setRestarting(s, from)
	p.resizeStatus(s, terminal)
}

// podResources follows kubelet_pods.go convertToAPIPodLevelResourcesStatus: what the pod was
// allocated until the API server has it as running, then what its cgroup says. What cannot be read
// there stays as it was while the pod is running on both sides.
func (p *Pod) podResources() model.ResourceSet {
	allocated := p.template.AllocatedResources
	if p.sync.phase != model.PodRunning {
		return allocated
	}
	var read model.ResourceSet
	if !p.NoCgroupsPerQOS {
		read = p.PodCgroup().CgroupResources
	}
	if p.Status.Phase == model.PodRunning {
		read |= p.Status.Resources
	}
	return read | allocated&model.RequestsMemory
}

// deadlineExceeded follows active_deadline.go pastActiveDeadline.
func (p *Pod) deadlineExceeded() bool {
	d := p.template.ActiveDeadlineSeconds
	return d >= 0 && p.Status.StartTime != model.Never && p.now-p.Status.StartTime >= model.Time(d)*model.Second
}

// containerStatus follows convertToAPIContainerStatuses for one container; restarting says that
// all containers of the pod are restarted.
func (p *Pod) containerStatus(s *model.ContainerStatus, i int, from source, restarting bool) {
	t := p.template
	var old *model.ContainerStatus
	if p.Status.Containers != nil {
		old = &p.Status.Containers[i]
	}
	cur, prev := p.instance(i, from), p.previous(i, from)
	if cur.state == absent {
		p.defaultStatus(s, old)
		p.missingStatus(s, old, restarting)
	} else {
		convertStatus(s, cur, old)
		s.Allocated, s.Resources = p.statusResources(i, from)
		if prev.state != absent {
			s.Last = prev.containerState()
		}
	}
	if i < t.NumInit && cur.state == exited && cur.exitCode == 0 {
		return
	}
	if cur.state == absent && t.Containers[i].Kind == model.InitContainer && s.State.Kind == model.StateWaiting && p.appCreated(from) {
		// It is gone, and must have completed.
		s.State = model.ContainerState{Kind: model.StateTerminated, Reason: model.ReasonCompleted,
			Message: model.Message{Kind: model.MessageTakenAsCompleted}}
		return
	}
	if !p.shouldStart(i, from) || p.containers[i].failure == model.NoText {
		return
	}
	if s.State.Kind == model.StateTerminated {
		s.Last = s.State
	}
	s.State = model.ContainerState{Kind: model.StateWaiting, Reason: p.containers[i].failure, Message: p.containers[i].failureMessage}
}

// appCreated says that the runtime has a container that is no init container (HasAnyRegularContainerCreated).
func (p *Pod) appCreated(from source) bool {
	for i := p.template.NumInit; i < len(p.containers); i++ {
		if p.instance(i, from).state != absent {
			return true
		}
	}
	return false
}

// defaultStatus is the status of a container that the runtime does not know.
func (p *Pod) defaultStatus(s, old *model.ContainerStatus) {
	s.State = model.ContainerState{Kind: model.StateWaiting, Reason: model.ReasonContainerCreating}
	if p.template.NumInit > 0 {
		s.State.Reason = model.ReasonPodInitializing
	}
	switch {
	case old == nil:
	case old.State.Kind == model.StateTerminated:
		*s = *old
	default:
		s.Restarts, s.Last = old.Restarts, old.Last
	}
}

// missingStatus is for a container that ran once and is gone from the runtime.
func (p *Pod) missingStatus(s, old *model.ContainerStatus, restarting bool) {
	if old != nil && restarting && old.State.Kind != model.StateWaiting {
		m := model.Message{Kind: model.MessageRemovedInPlace}
		s.State = model.ContainerState{Kind: model.StateWaiting, Reason: model.ReasonRestartingAllContainers, Message: m}
		s.Last = model.ContainerState{Kind: model.StateTerminated, ExitCode: 137, Reason: model.ReasonRestartingAllContainers, Message: m}
		s.Restarts = old.Restarts + 1
		return
	}
	if old == nil || old.State.Kind != model.StateRunning || s.Last.Kind == model.StateTerminated {
		return
	}
	s.Last = model.ContainerState{Kind: model.StateTerminated, ExitCode: 137, Reason: model.ReasonContainerStatusUnknown,
		Message: model.Message{Kind: model.MessageNotLocatedDeleted}}
	if !p.sync.deleting {
		s.Restarts++
	}
}

// convertStatus follows convertContainerStatus.
func convertStatus(s *model.ContainerStatus, c *instance, old *model.ContainerStatus) {
	s.Restarts, s.ContainerID, s.State = c.restarts, c.id, c.containerState()
	if old == nil {
		return
	}
	s.Restarts = max(s.Restarts, old.Restarts)
	if old.ContainerID != c.id && old.State.Kind == model.StateTerminated {
		s.Last = old.State
	} else if old.Last.Kind == model.StateTerminated {
		s.Last = old.Last
	}
	if c.state == running {
		if old.State.Kind == model.StateTerminated && old.Restarts >= c.restarts {
			s.Restarts = old.Restarts + 1
		}
		s.Started = old.Started
	}
}

// containerState is an instance's state as the API shows it.
func (c *instance) containerState() model.ContainerState {
	switch c.state {
	case running:
		return model.ContainerState{Kind: model.StateRunning, StartedAt: c.started.TruncateSecond(), ContainerID: c.id}
	case exited:
		return model.ContainerState{Kind: model.StateTerminated, ExitCode: c.exitCode, Reason: c.reason, Message: c.message,
			StartedAt: c.started.TruncateSecond(), FinishedAt: c.finished.TruncateSecond(), ContainerID: c.id}
	}
	return model.ContainerState{Kind: model.StateWaiting}
}

// setStatus makes p.next the pod's status when it differs or force is set
// (status_manager.go updateStatusInternal).
func (p *Pod) setStatus(force bool) {
	if p.next.StartTime == model.Never {
		p.next.StartTime = p.now.TruncateSecond()
	}
	if d := p.template.ActiveDeadlineSeconds; d >= 0 && !p.work.deadline {
		p.work.deadline = true
		p.out = append(p.out, Effect{Kind: DeadlineAt, At: p.next.StartTime + model.Time(d)*model.Second})
	}
	if p.Version > 0 && !force && !p.orphaned && p.next.Equal(p.Status) {
		return
	}
	p.keepSending()
	p.Status, p.next = p.next, p.Status
	if p.next.Containers == nil {
		p.next.Containers, p.spare = p.spare, nil
	}
	p.Version++
	p.orphaned = false
	p.ask(PublishStatus, -1)
}

// terminatePod follows status_manager.go TerminatePod: every container that could be started
// has a terminated state in the end.
func (p *Pod) terminatePod() {
	s := p.next
	s.CopyFrom(p.Status)
	if p.sync.initialized {
		for i := p.template.NumInit; i < len(s.Containers); i++ {
			markTerminated(&s.Containers[i])
		}
	}
	for i := 0; i < p.initializedContainers(); i++ {
		markTerminated(&s.Containers[i])
	}
	if !s.Phase.Terminal() {
		s.Phase = model.PodFailed
	}
	p.work.podFinished = true
	p.setStatus(true)
}

func markTerminated(c *model.ContainerStatus) {
	if c.State.Kind != model.StateTerminated {
		c.State = model.ContainerState{Kind: model.StateTerminated, ExitCode: 137, Reason: model.ReasonContainerStatusUnknown,
			Message: model.Message{Kind: model.MessageNotLocatedTerminated}}
	}
}

// hasInitialized follows hasPodInitialized: it says that the pod has run containers by this status.
func (p *Pod) hasInitialized(s *model.PodStatus) bool {
	n := p.template.NumInit
	if n == 0 {
		return true
	}
	if s.Containers == nil {
		return false
	}
	for i := n; i < len(s.Containers); i++ {
		c := &s.Containers[i]
		if c.Last.Kind == model.StateTerminated || c.State.Kind != model.StateWaiting {
			return true
		}
	}
	last := &s.Containers[n-1]
	if p.template.Containers[n-1].Kind == model.Sidecar {
		return last.State.Kind == model.StateRunning && last.Started
	}
	return last.State.Kind == model.StateTerminated && last.State.ExitCode == 0 ||
		last.Last.Kind == model.StateTerminated && last.Last.ExitCode == 0
}

// initializedContainers is the number of init containers up to the last that ever started,
// at least one.
func (p *Pod) initializedContainers() int {
	for i := p.template.NumInit - 1; i >= 0; i-- {
		c := &p.Status.Containers[i]
		if c.State.Kind != model.StateWaiting || c.Last.Kind == model.StateTerminated {
			return i + 1
		}
	}
	return min(1, p.template.NumInit)
}

// Send lets a batch of the status manager take the pod's status (syncBatch). What changes from
// now on goes with the next batch.
func (p *Pod) Send() {
	p.sending.taken, p.sending.copied, p.sending.finished = true, false, p.work.podFinished
}

// keepSending copies the status that is being sent before the entry changes.
func (p *Pod) keepSending() {
	if !p.sending.taken || p.sending.copied {
		return
	}
	if p.sending.status == nil {
		p.sending.status = new(model.PodStatus)
	}
	p.sending.status.CopyFrom(p.Status)
	p.sending.copied = true
}

// Publish writes the status that was sent into the API server's copy (status_manager.go
// mergePodStatus). It says whether the copy changed.
func (p *Pod) Publish(api *model.PodStatus, now model.Time) bool {
	s := p.next
	if p.sending.copied {
		s.CopyFrom(p.sending.status)
	} else {
		s.CopyFrom(p.Status)
	}
	p.sending.taken = false
	ending := !api.Phase.Terminal() && s.Phase.Terminal()
	s.Gates = append(s.Gates[:0], api.Gates...)
	disruption := s.Conditions[model.DisruptionTarget]
	s.Conditions[model.DisruptionTarget] = api.Conditions[model.DisruptionTarget]
	couldRun := p.work.kind < terminatedPod
	if ending && !couldRun && disruption.Status != model.ConditionAbsent {
		s.Conditions[model.DisruptionTarget] = disruption
	}
	if ending && couldRun {
		s.Phase, s.Reason, s.Message = api.Phase, api.Reason, api.Message
	}
	if s.Phase.Terminal() && (s.Ready() || s.Conditions[model.ContainersReady].Status == model.ConditionTrue) {
		s.SetReady(p.template, now)
	}
	if s.Equal(api) {
		return false
	}
	api.CopyFrom(s)
	p.published = p.hasInitialized(api)
	return true
}

// Finished says that the status that was sent is that of SyncTerminatedPod: the object may go
// once it is marked for deletion and its phase is final (status_manager.go canBeDeleted).
func (p *Pod) Finished() bool { return p.sending.finished }
