package model

import v1 "k8s.io/api/core/v1"

// ShouldRestart says whether a container that exited with the code is started again
// (pkg/api/v1/pod/util.go ContainerShouldRestart).
func (t *PodTemplate) ShouldRestart(i int, exitCode int32) bool {
	c := &t.Containers[i]
	switch c.restartRule(exitCode) {
	case v1.ContainerRestartRuleActionRestart, v1.ContainerRestartRuleActionRestartAllContainers:
		return true
	}
	switch c.RestartPolicy {
	case RestartAlways:
		return true
	case RestartOnFailure:
		return exitCode != 0
	case RestartNever:
		return false
	}
	switch t.RestartPolicy {
	case v1.RestartPolicyNever:
		return false
	case v1.RestartPolicyOnFailure:
		return exitCode != 0
	}
	return true
}

// RestartsAll says whether an exit with the code restarts all containers of the pod
// (pkg/api/v1/pod/util.go FindMatchingContainerRestartRule).
func (t *PodTemplate) RestartsAll(i int, exitCode int32) bool {
	return t.Containers[i].restartRule(exitCode) == v1.ContainerRestartRuleActionRestartAllContainers
}

// restartRule is the action of the first rule that matches the exit code, empty for none.
// Rules count only beside a restart policy of the container's own.
func (c *Container) restartRule(exitCode int32) v1.ContainerRestartRuleAction {
	if c.RestartPolicy == RestartInherit {
		return ""
	}
	for i := range c.RestartRules {
		r := &c.RestartRules[i]
		if r.ExitCodes != nil && ruleMatches(r.ExitCodes, exitCode) {
			return r.Action
		}
	}
	return ""
}

func ruleMatches(r *v1.ContainerRestartRuleOnExitCodes, exitCode int32) bool {
	in := false
	for _, code := range r.Values {
		in = in || code == exitCode
	}
	switch r.Operator {
	case v1.ContainerRestartRuleOnExitCodesOpIn:
		return in
	case v1.ContainerRestartRuleOnExitCodesOpNotIn:
		return !in
	}
	return false
}

// PhaseOf derives a pod's phase from its container statuses (pkg/kubelet/kubelet_pods.go
// getPhase). terminal says that the pod's containers will not be started again whatever the
// restart policy, initialized that a container of the pod has started in this sandbox.
func PhaseOf(t *PodTemplate, containers []ContainerStatus, terminal, initialized bool) Phase {
	var n phaseCounts
	for i := range t.Containers {
		switch t.Containers[i].Kind {
		case InitContainer:
			n.countInit(t, i, &containers[i])
		case Sidecar:
			n.countSidecar(&containers[i])
		default:
			n.countApp(t, i, &containers[i])
		}
	}
	switch {
	case n.initFailed > 0:
		return PodFailed
	case n.initPending > 0 || n.sidecarPending > 0 && !initialized:
		return PodPending
	case n.waiting > 0:
		return PodPending
	case n.running > 0 && n.unknown == 0:
		return PodRunning
	case n.running == 0 && n.stopped > 0 && n.unknown == 0:
		return n.stoppedPhase(terminal)
	}
	return PodPending
}

// phaseCounts counts containers by what they mean for the phase.
type phaseCounts struct {
	initPending, initFailed, sidecarPending int
	unknown, running, waiting               int
	stopped, stoppedForGood, succeeded      int
}

func (n *phaseCounts) countInit(t *PodTemplate, i int, c *ContainerStatus) {
	end := &c.State
	switch {
	case c.State.Kind == StateTerminated:
	case c.State.Kind == StateWaiting && c.Last.Kind == StateTerminated:
		end = &c.Last
	default:
		n.initPending++
		return
	}
	if end.ExitCode != 0 && !restartable(t, i, end) {
		n.initFailed++
	}
}

func (n *phaseCounts) countSidecar(c *ContainerStatus) {
	switch c.State.Kind {
	case StateRunning:
		n.running++
		if !c.Started {
			n.sidecarPending++
		}
	case StateWaiting:
		if c.Last.Kind != StateTerminated {
			n.sidecarPending++
			n.waiting++
		}
	case StateNone:
		n.sidecarPending++
		n.unknown++
	}
}

func (n *phaseCounts) countApp(t *PodTemplate, i int, c *ContainerStatus) {
	switch c.State.Kind {
	case StateRunning:
		n.running++
	case StateTerminated:
		n.stopped++
		if !restartable(t, i, &c.State) {
			n.stoppedForGood++
		}
		if c.State.ExitCode == 0 {
			n.succeeded++
		}
	case StateWaiting:
		if c.Last.Kind != StateTerminated {
			n.waiting++
			return
		}
		n.stopped++
		if !restartable(t, i, &c.Last) {
			n.stoppedForGood++
		}
	default:
		n.unknown++
	}
}

func (n *phaseCounts) stoppedPhase(terminal bool) Phase {
	switch {
	case !terminal && n.stopped != n.stoppedForGood:
		return PodRunning
	case n.stopped == n.succeeded:
		return PodSucceeded
	}
	return PodFailed
}

func restartable(t *PodTemplate, i int, end *ContainerState) bool {
	return t.ShouldRestart(i, end.ExitCode) || end.Reason == ReasonRestartingAllContainers
}

// SetConditions derives the kubelet's conditions from the container statuses and the phase
// (pkg/kubelet/status/generate.go). sandbox says that the pod has a ready sandbox. The
// transition times are left as they are where the status does not change.
func (s *PodStatus) SetConditions(t *PodTemplate, sandbox bool, sandboxMessage Message, now Time) {
	if sandbox {
		s.set(PodReadyToStartContainers, ConditionTrue, NoText, now)
	} else {
		s.set(PodReadyToStartContainers, ConditionFalse, ReasonPodSandboxNotReady, now)
	}
	s.Conditions[PodReadyToStartContainers].Message = Message{}
	if !sandbox {
		s.Conditions[PodReadyToStartContainers].Message = sandboxMessage
	}
	s.setInitialized(t, now)
	s.SetReady(t, now)
	s.set(PodScheduled, ConditionTrue, NoText, now)
	s.Conditions[PodScheduled].Message = Message{}
}

// SetCondition sets a condition that is not derived from the containers, such as the
// scheduler's PodScheduled. It says whether anything but the time changed.
func (s *PodStatus) SetCondition(t ConditionType, status ConditionStatus, reason Text, m Message, now Time) bool {
	old := s.Conditions[t]
	s.set(t, status, reason, now)
	s.Conditions[t].Message = m
	return old != s.Conditions[t]
}

// set changes a condition; the transition time moves only with the status
// (pkg/kubelet/status/status_manager.go updateLastTransitionTime).
func (s *PodStatus) set(t ConditionType, status ConditionStatus, reason Text, now Time) {
	c := &s.Conditions[t]
	if c.Status != status {
		c.Transition = now.TruncateSecond()
	}
	c.Status, c.Reason = status, reason
}

// setInitialized follows GeneratePodInitializedCondition.
func (s *PodStatus) setInitialized(t *PodTemplate, now Time) {
	incomplete := uint64(0)
	for i := 0; i < t.NumInit; i++ {
		k, c := t.Containers[i].Kind, &s.Containers[i]
		if k == Sidecar && !c.Started || k != Sidecar && !c.Ready {
			incomplete |= 1 << i
		}
	}
	var message Message
	switch {
	case s.Phase == PodSucceeded:
		s.set(PodInitialized, ConditionTrue, ReasonPodCompleted, now)
	case s.anyAppStarted(t) || incomplete == 0 || s.Conditions[PodInitialized].Status == ConditionTrue:
		s.set(PodInitialized, ConditionTrue, NoText, now)
	default:
		s.set(PodInitialized, ConditionFalse, ReasonContainersNotInitialized, now)
		message = Message{Kind: MessageIncomplete, N: int64(incomplete)}
	}
	s.Conditions[PodInitialized].Message = message
}

// anyAppStarted says that some container that is not an init container has ever run
// (pkg/kubelet/container/helpers.go HasAnyRegularContainerStarted).
func (s *PodStatus) anyAppStarted(t *PodTemplate) bool {
	for i := t.NumInit; i < len(t.Containers); i++ {
		c := &s.Containers[i]
		if c.State.Kind == StateRunning || c.State.Kind == StateTerminated {
			return true
		}
	}
	return false
}

// SetReady derives ContainersReady and Ready.
func (s *PodStatus) SetReady(t *PodTemplate, now Time) {
	status, reason, message := s.containersReady(t)
	s.set(ContainersReady, status, reason, now)
	s.Conditions[ContainersReady].Message = message
	status, reason, message = s.ready(t)
	s.set(PodReady, status, reason, now)
	s.Conditions[PodReady].Message = message
}

// ready follows GeneratePodReadyCondition. The message keeps what the gates were, as they may change
// before the kubelet looks at the pod again.
//
// Differs from Kubernetes: a readiness gate that names a condition of Kubernetes' own, such as
// Initialized, is never met, as nobody sets it as a gate.
func (s *PodStatus) ready(t *PodTemplate) (ConditionStatus, Text, Message) {
	status, reason, message := s.containersReady(t)
	gates := s.GateStatuses()
	for i := range t.Spec.ReadinessGates {
		if status == ConditionTrue && gates.At(i) != ConditionTrue {
			return ConditionFalse, ReasonReadinessGatesNotReady, Message{Kind: MessageGates, N: int64(gates)}
		}
	}
	return status, reason, message
}

// ReconcilesReady says whether the kubelet that sees this status syncs the pod because Ready is not
// what it would make it: that is for readiness gates (pkg/kubelet/status/status_manager.go
// NeedToReconcilePodReadiness). It compares without the statuses of init containers, so that those of
// sidecars are unknown to it, and the two differ as long as the pod has not failed.
func (s *PodStatus) ReconcilesReady(t *PodTemplate) bool {
	c := &s.Conditions[PodReady]
	if len(t.Spec.ReadinessGates) == 0 || c.Status == ConditionAbsent || s.Containers == nil {
		return false
	}
	if t.HasSidecars && s.Phase != PodFailed {
		return true
	}
	status, _, message := s.ready(t)
	return c.Status != status || c.Message != message
}

// containersReady follows GenerateContainersReadyCondition.
func (s *PodStatus) containersReady(t *PodTemplate) (ConditionStatus, Text, Message) {
	switch s.Phase {
	case PodSucceeded:
		return ConditionFalse, ReasonPodCompleted, Message{}
	case PodFailed:
		return ConditionFalse, ReasonPodFailed, Message{}
	}
	unready := uint64(0)
	for i := range t.Containers {
		if t.Containers[i].Kind != InitContainer && !s.Containers[i].Ready {
			unready |= 1 << i
		}
	}
	if unready != 0 {
		return ConditionFalse, ReasonContainersNotReady, Message{Kind: MessageUnready, N: int64(unready)}
	}
	return ConditionTrue, NoText, Message{}
}

// Equal says whether two statuses show the same to a reader of the API; the kubelet
// publishes nothing when they do (pkg/kubelet/status/status_manager.go
// isPodStatusByKubeletEqual).
func (s *PodStatus) Equal(o *PodStatus) bool {
	if s.Phase != o.Phase || s.ObservedGeneration != o.ObservedGeneration || s.Reason != o.Reason || s.Message != o.Message ||
		s.HasIP != o.HasIP || s.Resources != o.Resources ||
		s.Allocated != o.Allocated || s.Cgroup != o.Cgroup || !sameConditions(s.Resize, o.Resize) ||
		s.StartTime != o.StartTime || s.Conditions != o.Conditions || len(s.Containers) != len(o.Containers) {
		return false
	}
	for i := range s.Containers {
		if s.Containers[i] != o.Containers[i] {
			return false
		}
	}
	return true
}
