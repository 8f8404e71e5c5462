package model

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The tests of print and status make random pods, show them to the model and, as the API's
// own objects, to plain ports of upstream's functions: both must say the same.

var seedFlag = flag.Uint64("model.seed", 0, "the seed of the property tests, 0 for a new one each time")

// luck is a source of random pods; its seed is printed when the test fails.
func luck(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again with -model.seed=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

var testStart = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// apiTime is a moment of a run as the API writes it.
func apiTime(t Time) metav1.Time { return metav1.NewTime(testStart.Add(t.Duration())) }

// apiPod is a pod as the API server would return it.
func apiPod(s *State, p *Pod) *v1.Pod {
	o := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: p.Name, CreationTimestamp: apiTime(p.Created.TruncateSecond())}, Spec: *p.Template.Spec}
	if p.Deleting {
		at := apiTime(p.DeletionTimestamp)
		o.DeletionTimestamp = &at
	}
	st := &p.Status
	o.Status.Phase, o.Status.Reason = v1.PodPhase(st.Phase.String()), s.Texts.String(st.Reason)
	for t := range NumConditions {
		if c := &st.Conditions[t]; c.Status != ConditionAbsent {
			o.Status.Conditions = append(o.Status.Conditions, v1.PodCondition{Type: v1.PodConditionType(t.String()),
				Status: v1.ConditionStatus(c.Status.String()), Reason: s.Texts.String(c.Reason)})
		}
	}
	for i := range st.Gates {
		if c := &st.Gates[i]; c.Status != ConditionAbsent {
			o.Status.Conditions = append(o.Status.Conditions, v1.PodCondition{
				Type: p.Template.Spec.ReadinessGates[i].ConditionType, Status: v1.ConditionStatus(c.Status.String())})
		}
	}
	for i := range st.Containers {
		k := apiContainer(s, p.Template.Containers[i].Name, &st.Containers[i])
		if i < p.Template.NumInit {
			o.Status.InitContainerStatuses = append(o.Status.InitContainerStatuses, k)
		} else {
			o.Status.ContainerStatuses = append(o.Status.ContainerStatuses, k)
		}
	}
	return o
}

func apiContainer(s *State, name string, c *ContainerStatus) v1.ContainerStatus {
	started := c.Started
	return v1.ContainerStatus{Name: name, Ready: c.Ready, Started: &started, RestartCount: c.Restarts,
		State: apiState(s, &c.State), LastTerminationState: apiState(s, &c.Last)}
}

func apiState(s *State, x *ContainerState) v1.ContainerState {
	switch x.Kind {
	case StateWaiting:
		return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: s.Texts.String(x.Reason)}}
	case StateRunning:
		return v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: apiTime(x.StartedAt)}}
	case StateTerminated:
		end := &v1.ContainerStateTerminated{Reason: s.Texts.String(x.Reason), ExitCode: x.ExitCode, Signal: x.Signal}
		if x.ContainerID != 0 {
			end.StartedAt, end.FinishedAt = apiTime(x.StartedAt), apiTime(x.FinishedAt)
		}
		return v1.ContainerState{Terminated: end}
	}
	return v1.ContainerState{}
}

// pick is one of a list.
func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// randomSpec is a specification of a few containers with all restart policies and rules.
func randomSpec(r *rand.Rand) *v1.PodSpec {
	spec := &v1.PodSpec{RestartPolicy: pick(r, v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever)}
	for i := range r.IntN(4) {
		c := v1.Container{Name: fmt.Sprintf("init-%d", i), Image: "init:1"}
		if chance(r, 40) {
			always := v1.ContainerRestartPolicyAlways
			c.RestartPolicy = &always
		} else {
			randomRules(r, &c)
		}
		spec.InitContainers = append(spec.InitContainers, c)
	}
	for i := range 1 + r.IntN(3) {
		c := v1.Container{Name: fmt.Sprintf("app-%d", i), Image: "app:1"}
		randomRules(r, &c)
		spec.Containers = append(spec.Containers, c)
	}
	for i := range max(0, r.IntN(5)-2) {
		spec.ReadinessGates = append(spec.ReadinessGates, v1.PodReadinessGate{ConditionType: v1.PodConditionType(fmt.Sprintf("example.com/gate-%d", i))})
	}
	return spec
}

func randomRules(r *rand.Rand, c *v1.Container) {
	if chance(r, 70) {
		return
	}
	policy := pick(r, v1.ContainerRestartPolicyOnFailure, v1.ContainerRestartPolicyNever)
	if len(c.Name) > 0 && c.Name[0] == 'a' && chance(r, 30) {
		policy = v1.ContainerRestartPolicyAlways
	}
	c.RestartPolicy = &policy
	for range r.IntN(3) {
		c.RestartPolicyRules = append(c.RestartPolicyRules, v1.ContainerRestartRule{
			Action: pick(r, v1.ContainerRestartRuleActionRestart, v1.ContainerRestartRuleActionRestartAllContainers),
			ExitCodes: &v1.ContainerRestartRuleOnExitCodes{
				Operator: pick(r, v1.ContainerRestartRuleOnExitCodesOpIn, v1.ContainerRestartRuleOnExitCodesOpNotIn),
				Values:   []int32{pick[int32](r, 0, 1, 42), pick[int32](r, 1, 137)}}})
	}
}

// randomPod is a pod with random facts: also such as no kubelet would write.
func randomPod(r *rand.Rand, s *State) *Pod {
	t := s.Compile("default", nil, nil, randomSpec(r))
	p := &Pod{Name: "web", Serial: 1, Template: t, Created: Time(r.Int64N(int64(Hour)))}
	st := &p.Status
	st.Phase = Phase(r.IntN(int(PodUnknown) + 1))
	st.StartTime = Never
	if chance(r, 20) {
		st.Reason = pick(r, ReasonEvicted, ReasonNodeLost, ReasonDeadlineExceeded, ReasonCompleted, s.Texts.Intern("Odd"))
	}
	for c := range NumConditions {
		st.Conditions[c].Status = ConditionStatus(r.IntN(4))
		if c == PodScheduled && st.Conditions[c].Status != ConditionAbsent && chance(r, 10) {
			st.Conditions[c].Reason = ReasonSchedulingGated
		}
	}
	for range t.Spec.ReadinessGates {
		st.Gates = append(st.Gates, Condition{Status: ConditionStatus(r.IntN(4))})
	}
	if chance(r, 90) {
		for range t.Containers {
			st.Containers = append(st.Containers, randomContainer(r, s))
		}
	}
	if p.Deleting = chance(r, 15); p.Deleting {
		p.DeletionTimestamp = Time(r.Int64N(int64(Hour)))
	}
	return p
}

func randomContainer(r *rand.Rand, s *State) ContainerStatus {
	k := ContainerStatus{State: randomState(r, s, StateKind(r.IntN(4))), Ready: chance(r, 50), Started: chance(r, 50), ContainerID: 1}
	if chance(r, 40) {
		k.Last = randomState(r, s, StateTerminated)
	}
	if chance(r, 50) {
		k.Restarts = r.Int32N(5)
	}
	return k
}

func randomState(r *rand.Rand, s *State, kind StateKind) ContainerState {
	x := ContainerState{Kind: kind}
	switch kind {
	case StateWaiting:
		x.Reason = pick(r, NoText, ReasonContainerCreating, ReasonPodInitializing, ReasonCrashLoopBackOff, ReasonErrImagePull, s.Texts.Intern("Odd"))
	case StateRunning:
		x.StartedAt, x.ContainerID = Time(r.Int64N(int64(Hour))).TruncateSecond(), 1
	case StateTerminated:
		x.ExitCode = pick[int32](r, 0, 0, 1, 42, 137)
		x.Signal = pick[int32](r, 0, 0, 9)
		x.Reason = pick(r, NoText, ReasonCompleted, ReasonCompleted, ReasonError, ReasonOOMKilled, ReasonRestartingAllContainers, s.Texts.Intern("Odd"))
		if chance(r, 80) {
			x.ContainerID = 1
			x.FinishedAt = pick(r, 0, Time(r.Int64N(int64(Hour))).TruncateSecond())
		}
	}
	return x
}
