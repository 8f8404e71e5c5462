package sim_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
)

func TestPostStartWords(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler v1.LifecycleHandler
		run     model.HookRun
		want    string
	}{
		{"a command", v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"sh", "-c", "false"}}}, model.HookRun{Fail: true, Exit: 4, Output: "no\n"},
			`Exec lifecycle hook ([sh -c false]) for Container "c" in Pod "POD" failed - error: command 'sh -c false' exited with 4: , message: "no\n"`},
		{"a command that says nothing", v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"false"}}}, model.HookRun{Fail: true},
			`Exec lifecycle hook ([false]) for Container "c" in Pod "POD" failed - error: command 'false' exited with 1: , message: ""`},
		{"a request", v1.LifecycleHandler{HTTPGet: &v1.HTTPGetAction{Path: "/up", Port: intstr.FromInt32(8080)}}, model.HookRun{Fail: true},
			`HTTP lifecycle hook (/up) for Container "c" in Pod "POD" failed - error: Get "http://IP:8080/up": dial tcp IP:8080: connect: connection refused`},
		{"a request with an error of its own", v1.LifecycleHandler{HTTPGet: &v1.HTTPGetAction{Path: "/up", Port: intstr.FromInt32(8080)}},
			model.HookRun{Fail: true, Output: "EOF"}, `HTTP lifecycle hook (/up) for Container "c" in Pod "POD" failed - error: EOF`},
		{"a socket, which the kubelet does not do", v1.LifecycleHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt32(1)}}, model.HookRun{},
			`Cannot run handler: invalid handler: `},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := imagePod("p", "a:1", "")
			p.Spec.Containers[0].Lifecycle = &v1.Lifecycle{PostStart: &c.handler}
			model.DefaultPod(p)
			sc := podsScenario(1, 1, p)
			sc.Duration = 6 * model.Second
			sc.Behaviors = []model.Behavior{{Run: model.Run{Forever: true}, PostStart: c.run}}
			cluster, events := eventsOf(t, sc)
			assert.Contains(t, events["p"], "FailedPostStartHook PostStartHook failed")
			pod, s := podNamed(cluster, "p"), cluster.State()
			var words string
			for _, tr := range statesOf(t, sc, "p") {
				if strings.HasPrefix(tr, "PostStartHookError ") {
					words = strings.TrimPrefix(tr, "PostStartHookError ")
				}
			}
			want := strings.NewReplacer("POD", s.PodDescription(pod), "IP", s.IP(pod)).Replace(c.want)
			assert.True(t, strings.HasPrefix(words, want), words)
		})
	}
}

// statesOf are the states of the pod's first container, with their messages.
func statesOf(t *testing.T, sc *model.Scenario, name string) (states []string) {
	c := newCluster(t, sc)
	c.Observe(func(tr model.Transition) {
		if tr.Kind != model.KindPod || len(c.State().Pods[tr.ID].Status.Containers) == 0 {
			return
		}
		s := c.State()
		p := &s.Pods[tr.ID]
		k := &p.Status.Containers[0].State
		if p.Name == name {
			states = append(states, s.Texts.String(k.Reason)+" "+s.Message(p, 0, k.Message))
		}
	}, func(*model.Event) {})
	c.Begin()
	c.Run(sc.Duration, nil)
	return states
}

// A hook that has not ended when its container is killed ends with it, and has failed.
func TestPreStopEndsWithItsContainer(t *testing.T) {
	exec := &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"drain"}}}
	sleep := &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 60}}
	for _, c := range []struct {
		hook *v1.LifecycleHandler
		run  model.HookRun
		want bool
	}{
		{exec, model.HookRun{Takes: model.Dist{Value: float64(model.Minute)}}, true},
		{exec, model.HookRun{Takes: model.Dist{Value: float64(model.Second)}}, false},
		{exec, model.HookRun{Fail: true}, true},
		{sleep, model.HookRun{}, false},
	} {
		p := imagePod("p", "a:1", "")
		grace := int64(5)
		p.Spec.TerminationGracePeriodSeconds = &grace
		p.Spec.Containers[0].Lifecycle = &v1.Lifecycle{PreStop: c.hook}
		sc := podsScenario(1, 1, p)
		sc.Duration = 30 * model.Second
		sc.Behaviors = []model.Behavior{{Run: model.Run{Forever: true}, PreStop: c.run}}
		sc.Steps = append(sc.Steps, model.Step{At: 10 * model.Second, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "p", GraceSeconds: -1})
		cluster, events := eventsOf(t, sc)
		require.False(t, cluster.Exists(1))
		if c.want {
			assert.Contains(t, events["p"], "FailedPreStopHook PreStopHook failed")
		} else {
			assert.NotContains(t, events["p"], "FailedPreStopHook PreStopHook failed")
		}
	}
}

func TestTerminationMessages(t *testing.T) {
	for _, c := range []struct {
		policy v1.TerminationMessagePolicy
		run    model.Run
		want   string
	}{
		{"", model.Run{Message: "bye"}, "bye"},
		{"", model.Run{Log: "no", Exit: []int32{1}}, ""},
		{v1.TerminationMessageFallbackToLogsOnError, model.Run{Message: "bye", Log: "no", Exit: []int32{1}}, "bye"},
		{v1.TerminationMessageFallbackToLogsOnError, model.Run{Log: "one\ntwo\n", Exit: []int32{1}}, "one\ntwo\n"},
		{v1.TerminationMessageFallbackToLogsOnError, model.Run{Log: "fine\n"}, ""},
	} {
		p := imagePod("p", "a:1", "")
		p.Spec.RestartPolicy = v1.RestartPolicyNever
		p.Spec.Containers[0].TerminationMessagePolicy = c.policy
		model.DefaultPod(p)
		sc := podsScenario(1, 1, p)
		sc.Duration = 20 * model.Second
		c.run.For = model.Dist{Value: float64(model.Second)}
		sc.Behaviors = []model.Behavior{{Run: c.run}}
		cluster := newCluster(t, sc)
		cluster.Begin()
		cluster.Run(sc.Duration, nil)
		pod := podNamed(cluster, "p")
		assert.Equal(t, c.want, cluster.State().Message(pod, 0, pod.Status.Containers[0].State.Message))
	}
}
