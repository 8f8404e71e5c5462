package model

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
)

func TestShouldRestart(t *testing.T) {
	always, onFailure, never := v1.ContainerRestartPolicyAlways, v1.ContainerRestartPolicyOnFailure, v1.ContainerRestartPolicyNever
	rule := func(action v1.ContainerRestartRuleAction, op v1.ContainerRestartRuleOnExitCodesOperator, codes ...int32) v1.ContainerRestartRule {
		return v1.ContainerRestartRule{Action: action, ExitCodes: &v1.ContainerRestartRuleOnExitCodes{Operator: op, Values: codes}}
	}
	in, notIn := v1.ContainerRestartRuleOnExitCodesOpIn, v1.ContainerRestartRuleOnExitCodesOpNotIn
	restart, all := v1.ContainerRestartRuleActionRestart, v1.ContainerRestartRuleActionRestartAllContainers
	for _, c := range []struct {
		pod       v1.RestartPolicy
		container *v1.ContainerRestartPolicy
		rules     []v1.ContainerRestartRule
		code      int32
		want      bool
		wantAll   bool
	}{
		{pod: v1.RestartPolicyAlways, code: 0, want: true},
		{pod: v1.RestartPolicyAlways, code: 1, want: true},
		{pod: "", code: 0, want: true},
		{pod: v1.RestartPolicyOnFailure, code: 0},
		{pod: v1.RestartPolicyOnFailure, code: 1, want: true},
		{pod: v1.RestartPolicyNever, code: 1},
		{pod: v1.RestartPolicyNever, container: &always, code: 0, want: true},
		{pod: v1.RestartPolicyNever, container: &onFailure, code: 0},
		{pod: v1.RestartPolicyNever, container: &onFailure, code: 1, want: true},
		{pod: v1.RestartPolicyAlways, container: &never, code: 1},
		{pod: v1.RestartPolicyNever, container: &never, rules: []v1.ContainerRestartRule{rule(restart, in, 42)}, code: 42, want: true},
		{pod: v1.RestartPolicyNever, container: &never, rules: []v1.ContainerRestartRule{rule(restart, in, 42)}, code: 1},
		{pod: v1.RestartPolicyNever, container: &never, rules: []v1.ContainerRestartRule{rule(restart, notIn, 0, 1)}, code: 7, want: true},
		{pod: v1.RestartPolicyNever, container: &never, rules: []v1.ContainerRestartRule{rule(restart, notIn, 0, 1)}, code: 1},
		{pod: v1.RestartPolicyNever, container: &never, rules: []v1.ContainerRestartRule{rule(restart, in, 1), rule(all, in, 42)}, code: 42, want: true, wantAll: true},
		// The first rule that matches counts, and rules do so only beside a policy.
		{pod: v1.RestartPolicyNever, container: &never, rules: []v1.ContainerRestartRule{rule(restart, in, 42), rule(all, in, 42)}, code: 42, want: true},
		{pod: v1.RestartPolicyNever, rules: []v1.ContainerRestartRule{rule(restart, in, 42)}, code: 42},
	} {
		sp := spec(nil, "app")
		sp.RestartPolicy = c.pod
		sp.Containers[0].RestartPolicy, sp.Containers[0].RestartPolicyRules = c.container, c.rules
		template := (&State{}).Compile("default", nil, nil, sp)
		assert.Equal(t, c.want, template.ShouldRestart(0, c.code), "%+v", c)
		assert.Equal(t, c.wantAll, template.RestartsAll(0, c.code), "%+v", c)
	}
}

func TestPhaseOf(t *testing.T) {
	one, two := spec(nil, "app"), spec(nil, "app", "log")
	init, sidecar := spec([]string{"a"}, "app"), spec([]string{"proxy+"}, "app")
	through, failed := terminated(0, 0, ReasonCompleted), terminated(1, 0, ReasonError)
	creating, absent := waiting(ReasonContainerCreating), ContainerStatus{}
	backOff := func(code int32) ContainerStatus { return restarted(waiting(ReasonCrashLoopBackOff), 1, code) }
	unstarted := running(false)
	unstarted.Started = false
	const always, onFailure, never = v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever
	for _, c := range []struct {
		spec                  *v1.PodSpec
		policy                v1.RestartPolicy
		containers            []ContainerStatus
		terminal, initialized bool
		want                  Phase
	}{
		{spec: one, policy: always, containers: list(creating), want: PodPending},
		{spec: one, policy: always, containers: list(absent), want: PodPending},
		{spec: one, policy: always, containers: list(running(false)), want: PodRunning},
		{spec: two, policy: always, containers: list(running(true), creating), want: PodPending},
		{spec: two, policy: always, containers: list(running(true), absent), want: PodPending},
		{spec: two, policy: always, containers: list(running(true), failed), want: PodRunning},
		{spec: two, policy: never, containers: list(running(true), failed), want: PodRunning},

		// All containers ended: what the restart policy makes of it.
		{spec: one, policy: always, containers: list(through), want: PodRunning},
		{spec: one, policy: always, containers: list(backOff(1)), want: PodRunning},
		{spec: one, policy: onFailure, containers: list(through), want: PodSucceeded},
		{spec: one, policy: onFailure, containers: list(failed), want: PodRunning},
		{spec: one, policy: onFailure, containers: list(backOff(1)), want: PodRunning},
		{spec: one, policy: never, containers: list(through), want: PodSucceeded},
		{spec: one, policy: never, containers: list(failed), want: PodFailed},
		{spec: two, policy: never, containers: list(through, failed), want: PodFailed},
		{spec: two, policy: onFailure, containers: list(through, failed), want: PodRunning},
		{spec: one, policy: never, containers: list(terminated(137, 0, ReasonRestartingAllContainers)), want: PodRunning},
		// A container that waits after a success counts as stopped, not as succeeded.
		{spec: one, policy: never, containers: list(backOff(0)), want: PodFailed},

		// The pod is terminal: nothing will be started again.
		{spec: one, policy: always, containers: list(through), terminal: true, want: PodSucceeded},
		{spec: one, policy: always, containers: list(failed), terminal: true, want: PodFailed},
		{spec: one, policy: always, containers: list(running(true)), terminal: true, want: PodRunning},

		// Init containers.
		{spec: init, policy: always, containers: list(running(false), creating), want: PodPending},
		{spec: init, policy: always, containers: list(failed, creating), want: PodPending},
		{spec: init, policy: never, containers: list(failed, creating), want: PodFailed},
		{spec: init, policy: onFailure, containers: list(failed, creating), want: PodPending},
		{spec: init, policy: never, containers: list(backOff(1), creating), want: PodFailed},
		{spec: init, policy: always, containers: list(through, running(true)), want: PodRunning},
		{spec: init, policy: never, containers: list(running(false), failed), initialized: true, want: PodPending},

		// Sidecars: they count as running, not as stopped.
		{spec: sidecar, policy: always, containers: list(unstarted, creating), want: PodPending},
		{spec: sidecar, policy: always, containers: list(unstarted, running(true)), want: PodPending},
		{spec: sidecar, policy: always, containers: list(unstarted, running(true)), initialized: true, want: PodRunning},
		{spec: sidecar, policy: never, containers: list(running(true), through), want: PodRunning},
		{spec: sidecar, policy: never, containers: list(through, through), want: PodSucceeded},
		{spec: sidecar, policy: never, containers: list(failed, through), want: PodSucceeded},
		{spec: sidecar, policy: never, containers: list(creating, running(true)), initialized: true, want: PodPending},
		{spec: sidecar, policy: always, containers: list(backOff(1), running(true)), initialized: true, want: PodRunning},
		{spec: sidecar, policy: always, containers: list(absent, running(true)), initialized: true, want: PodPending},
	} {
		sp := c.spec.DeepCopy()
		sp.RestartPolicy = c.policy
		s := &State{}
		p := &Pod{Template: s.Compile("default", nil, nil, sp)}
		p.Status.Containers = c.containers
		got := PhaseOf(p.Template, c.containers, c.terminal, c.initialized)
		assert.Equal(t, c.want, got, "%+v", c)
		assert.Equal(t, twinPhase(apiPod(s, p), c.terminal, c.initialized), got.String(), "%+v: upstream", c)
	}
}

func TestPhaseTwin(t *testing.T) {
	r := luck(t)
	seen := map[string]int{}
	for range 30_000 {
		s := &State{}
		p := randomPod(r, s)
		if p.Status.Containers == nil {
			continue
		}
		terminal, initialized := chance(r, 30), chance(r, 50)
		got := PhaseOf(p.Template, p.Status.Containers, terminal, initialized).String()
		require.Equal(t, twinPhase(apiPod(s, p), terminal, initialized), got, "%+v", p.Status.Containers)
		seen[got]++
	}
	for _, phase := range []string{"Pending", "Running", "Succeeded", "Failed"} {
		assert.Positive(t, seen[phase], "no random pod was %s", phase)
	}
}

// twinPhase is getPhase of pkg/kubelet/kubelet_pods.go in plain words, with all of its
// feature gates on.
func twinPhase(pod *v1.Pod, terminal, initialized bool) string {
	pendingInit, pendingSidecar, failedForGood := 0, 0, 0
	unknown, running, waiting, stopped, stoppedForGood, succeeded := 0, 0, 0, 0, 0, 0
	for i := range pod.Spec.InitContainers {
		c, s := &pod.Spec.InitContainers[i], &pod.Status.InitContainerStatuses[i]
		last := s.LastTerminationState.Terminated
		if twinIsSidecar(c) {
			switch {
			case s.State.Running != nil:
				running++
				if s.Started == nil || !*s.Started {
					pendingSidecar++
				}
			case s.State.Terminated != nil, s.State.Waiting != nil && last != nil:
			case s.State.Waiting != nil:
				pendingSidecar++
				waiting++
			default:
				pendingSidecar++
				unknown++
			}
			continue
		}
		end := s.State.Terminated
		if s.State.Waiting != nil {
			end = last
		}
		if end == nil {
			pendingInit++
		} else if end.ExitCode != 0 && !twinRestarts(pod, c, end) {
			failedForGood++
		}
	}
	for i := range pod.Spec.Containers {
		c, s := &pod.Spec.Containers[i], &pod.Status.ContainerStatuses[i]
		end := s.State.Terminated
		switch {
		case s.State.Running != nil:
			running++
			continue
		case end != nil:
			if end.ExitCode == 0 {
				succeeded++
			}
		case s.State.Waiting != nil && s.LastTerminationState.Terminated != nil:
			end = s.LastTerminationState.Terminated
		case s.State.Waiting != nil:
			waiting++
			continue
		default:
			unknown++
			continue
		}
		stopped++
		if !twinRestarts(pod, c, end) {
			stoppedForGood++
		}
	}
	if failedForGood > 0 {
		return "Failed"
	}
	if pendingInit > 0 || pendingSidecar > 0 && !initialized || waiting > 0 || unknown > 0 {
		return "Pending"
	}
	if running > 0 {
		return "Running"
	}
	if stopped == 0 {
		return "Pending"
	}
	if !terminal && stopped > stoppedForGood {
		return "Running"
	}
	if stopped == succeeded {
		return "Succeeded"
	}
	return "Failed"
}

func twinIsSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}

// twinRestarts is ContainerShouldRestart of pkg/api/v1/pod/util.go, or that all containers
// are restarting.
func twinRestarts(pod *v1.Pod, c *v1.Container, end *v1.ContainerStateTerminated) bool {
	if end.Reason == "RestartingAllContainers" {
		return true
	}
	policy := string(pod.Spec.RestartPolicy)
	if c.RestartPolicy != nil {
		for _, rule := range c.RestartPolicyRules {
			listed := false
			for _, code := range rule.ExitCodes.Values {
				listed = listed || code == end.ExitCode
			}
			if listed == (rule.ExitCodes.Operator == v1.ContainerRestartRuleOnExitCodesOpIn) {
				return true
			}
		}
		policy = string(*c.RestartPolicy)
	}
	return policy == "Always" || policy == "OnFailure" && end.ExitCode != 0
}

func TestSetConditions(t *testing.T) {
	one, init, sidecar := spec(nil, "app"), spec([]string{"a"}, "app"), spec([]string{"proxy+", "a"}, "app")
	gates := spec(nil, "app")
	gates.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "example.com/lb"}, {ConditionType: "example.com/dns"}}
	ended := terminated(0, 0, ReasonCompleted)
	ended.Ready = true // an init container that ended well is ready
	creating, initializing := waiting(ReasonContainerCreating), waiting(ReasonPodInitializing)
	noSandbox := Message{Kind: MessageNoSandbox}
	for _, c := range []struct {
		spec       *v1.PodSpec
		containers []ContainerStatus
		facts      func(*PodStatus)
		sandbox    bool
		want       string
	}{
		{one, list(creating), nil, false, `
			PodReadyToStartContainers False PodSandboxNotReady no pod sandbox exists
			Initialized True
			Ready False ContainersNotReady containers with unready status: [app]
			ContainersReady False ContainersNotReady containers with unready status: [app]
			PodScheduled True`},
		{one, list(running(true)), nil, true, `
			PodReadyToStartContainers True
			Initialized True
			Ready True
			ContainersReady True
			PodScheduled True`},
		{init, list(running(false), initializing), nil, true, `
			PodReadyToStartContainers True
			Initialized False ContainersNotInitialized containers with incomplete status: [a]
			Ready False ContainersNotReady containers with unready status: [app]
			ContainersReady False ContainersNotReady containers with unready status: [app]
			PodScheduled True`},
		{init, list(ended, initializing), nil, true, `
			PodReadyToStartContainers True
			Initialized True
			Ready False ContainersNotReady containers with unready status: [app]
			ContainersReady False ContainersNotReady containers with unready status: [app]
			PodScheduled True`},
		{sidecar, list(running(false), running(false), initializing), nil, true, `
			PodReadyToStartContainers True
			Initialized False ContainersNotInitialized containers with incomplete status: [a]
			Ready False ContainersNotReady containers with unready status: [proxy app]
			ContainersReady False ContainersNotReady containers with unready status: [proxy app]
			PodScheduled True`},
		// Initialized stays once a container has run, or once it was so.
		{sidecar, list(waiting(ReasonCrashLoopBackOff), ended, running(true)), nil, true, `
			PodReadyToStartContainers True
			Initialized True
			Ready False ContainersNotReady containers with unready status: [proxy]
			ContainersReady False ContainersNotReady containers with unready status: [proxy]
			PodScheduled True`},
		{init, list(initializing, initializing), func(s *PodStatus) { s.Conditions[PodInitialized].Status = ConditionTrue }, true, `
			PodReadyToStartContainers True
			Initialized True
			Ready False ContainersNotReady containers with unready status: [app]
			ContainersReady False ContainersNotReady containers with unready status: [app]
			PodScheduled True`},
		{one, list(ended), func(s *PodStatus) { s.Phase = PodSucceeded }, false, `
			PodReadyToStartContainers False PodSandboxNotReady no pod sandbox exists
			Initialized True PodCompleted
			Ready False PodCompleted
			ContainersReady False PodCompleted
			PodScheduled True`},
		{one, list(running(true)), func(s *PodStatus) { s.Phase = PodFailed }, true, `
			PodReadyToStartContainers True
			Initialized True
			Ready False PodFailed
			ContainersReady False PodFailed
			PodScheduled True`},
		{gates, list(running(true)), func(s *PodStatus) { s.Gates = []Condition{{Status: ConditionFalse}} }, true, `
			PodReadyToStartContainers True
			Initialized True
			Ready False ReadinessGatesNotReady the status of pod readiness gate "example.com/lb" is not "True", but False, ` +
			`corresponding condition of pod readiness gate "example.com/dns" does not exist.
			ContainersReady True
			PodScheduled True`},
		{gates, list(running(true)), func(s *PodStatus) { s.Gates = []Condition{{Status: ConditionTrue}, {Status: ConditionTrue}} }, true, `
			PodReadyToStartContainers True
			Initialized True
			Ready True
			ContainersReady True
			PodScheduled True`},
	} {
		s := &State{}
		p := &Pod{Template: s.Compile("default", nil, nil, c.spec)}
		p.Status.Containers = c.containers
		if c.facts != nil {
			c.facts(&p.Status)
		}
		p.Status.SetConditions(p.Template, c.sandbox, noSandbox, 1500*Millisecond)
		assert.Equal(t, strings.ReplaceAll(strings.TrimSpace(c.want), "\t", ""), strings.Join(conditionLines(s, p), "\n"))
	}
}

// conditionLines are a pod's conditions, one a line.
func conditionLines(s *State, p *Pod) []string {
	var lines []string
	for c := range NumConditions {
		if k := &p.Status.Conditions[c]; k.Status != ConditionAbsent {
			line := fmt.Sprintf("%s %s %s %s", c, k.Status, s.Texts.String(k.Reason), s.ConditionMessage(p, c))
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// The time of a condition moves only with its status, and has no fraction of a second.
func TestTransitionTimes(t *testing.T) {
	s := &State{}
	p := &Pod{Template: s.Compile("default", nil, nil, spec(nil, "app"))}
	p.Status.Containers = list(waiting(ReasonContainerCreating))
	times := func() string {
		var out []string
		for _, c := range []ConditionType{PodReadyToStartContainers, PodInitialized, PodReady, ContainersReady, PodScheduled} {
			out = append(out, p.Status.Conditions[c].Transition.String())
		}
		return strings.Join(out, " ")
	}
	p.Status.SetConditions(p.Template, false, Message{}, 1500*Millisecond)
	assert.Equal(t, "1s 1s 1s 1s 1s", times())
	p.Status.SetConditions(p.Template, true, Message{}, 2*Second)
	assert.Equal(t, "2s 1s 1s 1s 1s", times())
	p.Status.Containers = list(running(true))
	p.Status.SetConditions(p.Template, true, Message{}, 3999*Millisecond)
	assert.Equal(t, "2s 1s 3s 3s 1s", times())
	p.Status.Phase = PodSucceeded
	p.Status.SetConditions(p.Template, true, Message{}, 9*Second)
	assert.Equal(t, "2s 1s 9s 9s 1s", times(), "Initialized got a reason, not another status")
}

func TestSetCondition(t *testing.T) {
	var s PodStatus
	no := Message{Kind: MessageText, Text: ReasonError}
	assert.True(t, s.SetCondition(PodScheduled, ConditionFalse, ReasonUnschedulable, no, 5*Second))
	assert.False(t, s.SetCondition(PodScheduled, ConditionFalse, ReasonUnschedulable, no, 6*Second), "nothing changed")
	assert.Equal(t, 5*Second, s.Conditions[PodScheduled].Transition)
	assert.True(t, s.SetCondition(PodScheduled, ConditionFalse, ReasonUnschedulable, Message{}, 7*Second), "the message changed")
	assert.Equal(t, 5*Second, s.Conditions[PodScheduled].Transition)
	assert.True(t, s.SetCondition(PodScheduled, ConditionTrue, NoText, Message{}, 8*Second))
	assert.Equal(t, Condition{Status: ConditionTrue, Transition: 8 * Second}, s.Conditions[PodScheduled])
}

func TestConditionsTwin(t *testing.T) {
	r := luck(t)
	for range 20_000 {
		s := &State{}
		p := randomPod(r, s)
		if p.Status.Containers == nil {
			continue
		}
		want := twinConditions(apiPod(s, p))
		p.Status.SetConditions(p.Template, true, Message{}, 0)
		got := map[string]string{}
		for _, line := range conditionLines(s, p) {
			name, rest, _ := strings.Cut(line, " ")
			got[name] = rest
		}
		for name, rest := range want {
			require.Equal(t, rest, got[name], "%s of %+v", name, p.Status)
		}
	}
}

// twinConditions are Initialized, ContainersReady and Ready of pkg/kubelet/status/generate.go
// in plain words.
func twinConditions(pod *v1.Pod) map[string]string {
	out := map[string]string{}
	var unready, incomplete []string
	ran, wasInitialized := false, false
	for i := range pod.Spec.InitContainers {
		c, s := &pod.Spec.InitContainers[i], &pod.Status.InitContainerStatuses[i]
		if twinIsSidecar(c) && !s.Ready {
			unready = append(unready, c.Name)
		}
		if twinIsSidecar(c) && !*s.Started || !twinIsSidecar(c) && !s.Ready {
			incomplete = append(incomplete, c.Name)
		}
	}
	for i := range pod.Spec.Containers {
		s := &pod.Status.ContainerStatuses[i]
		if !s.Ready {
			unready = append(unready, s.Name)
		}
		ran = ran || s.State.Running != nil || s.State.Terminated != nil
	}
	for _, c := range pod.Status.Conditions {
		wasInitialized = wasInitialized || c.Type == v1.PodInitialized && c.Status == v1.ConditionTrue
	}
	switch {
	case pod.Status.Phase == v1.PodSucceeded:
		out["Initialized"] = "True PodCompleted"
	case ran || len(incomplete) == 0 || wasInitialized:
		out["Initialized"] = "True"
	default:
		out["Initialized"] = fmt.Sprintf("False ContainersNotInitialized containers with incomplete status: %s", incomplete)
	}
	switch {
	case pod.Status.Phase == v1.PodSucceeded:
		out["ContainersReady"] = "False PodCompleted"
	case pod.Status.Phase == v1.PodFailed:
		out["ContainersReady"] = "False PodFailed"
	case len(unready) > 0:
		out["ContainersReady"] = fmt.Sprintf("False ContainersNotReady containers with unready status: %s", unready)
	default:
		out["ContainersReady"] = "True"
	}
	out["Ready"] = out["ContainersReady"]
	if out["Ready"] == "True" {
		out["Ready"] = twinGates(pod)
	}
	return out
}

func twinGates(pod *v1.Pod) string {
	var missing []string
	for _, g := range pod.Spec.ReadinessGates {
		found := false
		for _, c := range pod.Status.Conditions {
			if c.Type != g.ConditionType {
				continue
			}
			found = true
			if c.Status != v1.ConditionTrue {
				missing = append(missing, fmt.Sprintf(`the status of pod readiness gate "%s" is not "True", but %s`, g.ConditionType, c.Status))
			}
		}
		if !found {
			missing = append(missing, fmt.Sprintf(`corresponding condition of pod readiness gate "%s" does not exist.`, g.ConditionType))
		}
	}
	if len(missing) == 0 {
		return "True"
	}
	return "False ReadinessGatesNotReady " + strings.Join(missing, ", ")
}

func TestPodStatusEqualAndCopy(t *testing.T) {
	r := luck(t)
	for range 2_000 {
		s := &State{}
		p := randomPod(r, s)
		var c PodStatus
		c.CopyFrom(&p.Status)
		require.True(t, c.Equal(&p.Status))
		require.Equal(t, p.Status.Containers == nil, c.Containers == nil)
		require.Len(t, c.Gates, len(p.Status.Gates))
		change := r.IntN(5)
		switch {
		case change == 0:
			c.Phase = (c.Phase + 1) % (PodUnknown + 1)
		case change == 1:
			c.Conditions[PodReady].Transition++
		case change == 2:
			c.HasIP = !c.HasIP
		case change == 3 && len(c.Containers) > 0:
			c.Containers[len(c.Containers)-1].Last.ExitCode++
		default:
			c.Containers = append(c.Containers, ContainerStatus{})
		}
		require.False(t, c.Equal(&p.Status), "change %d", change)
	}
}
