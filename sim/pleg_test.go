package sim_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// plegPod is a pod of one container on the first node.
func plegPod(name, image string) *v1.Pod {
	p := &v1.Pod{}
	p.Name, p.Namespace = name, "default"
	p.Spec = v1.PodSpec{NodeName: "n0", RestartPolicy: v1.RestartPolicyNever, Containers: []v1.Container{{Name: "c", Image: image}}}
	model.DefaultPod(p)
	return p
}

// steppedCluster runs a scenario and looks for contradictions after every event.
func steppedCluster(t *testing.T, sc *model.Scenario) *sim.Cluster {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		c.Step()
		c.Check()
	}
	return c
}

// A worker that waits for a look of the PLEG may be given work at the very moment of one that sees the
// pod changed: that look is not over before it has inspected the pod. A pod past its deadline gets
// work at each tick of the sync loop, and some kubelet ticks when its PLEG looks.
func TestLookThatIsAboutToInspect(t *testing.T) {
	for age := 480 * model.Second; age < 500*model.Second; age += model.Second {
		pod := plegPod("p", "a:1")
		pod.Spec.ActiveDeadlineSeconds = pointer(int64(3))
		sc := podsScenario(1, 1, pod)
		sc.ControlPlane.KubeletAge = model.Dist{Value: float64(age)}
		sc.Duration = 10 * model.Second
		c := steppedCluster(t, sc)
		s := &c.State().Pods[1].Status
		require.Equal(t, model.PodFailed, s.Phase)
		assert.Equal(t, model.ReasonCompleted, s.Containers[0].State.Reason, "a kubelet that is %s old", age)
	}
}

// A look of the PLEG that finds some pods changed is over for the others when these are inspected. So
// who waits for it does not wait for the next one.
func TestLookThatInspectsOthers(t *testing.T) {
	const second = model.Second
	for at := 5400 * model.Millisecond; at < 6400*model.Millisecond; at += 50 * model.Millisecond {
		sc := podsScenario(1, 1)
		sc.Duration = 20 * second
		sc.Behaviors = []model.Behavior{{Pod: "p", Run: model.Run{Forever: true}}, {Run: model.Run{For: model.Dist{Value: float64(second / 10)}}}}
		sc.Steps = []model.Step{applied(5*second, plegPod("p", "a:1"))}
		for i := 4 * second; i < 9*second; i += 300 * model.Millisecond {
			sc.Steps = append(sc.Steps, applied(i, plegPod(fmt.Sprintf("other-%d", i/model.Millisecond), "a:1")))
		}
		sc.Steps = append(sc.Steps, model.Step{At: at, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "p", GraceSeconds: -1})
		slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		gone := model.Never
		c.Observe(func(tr model.Transition) {
			if tr.Kind == model.KindPod && tr.Type == model.Deleted && c.State().Pods[tr.ID].Name == "p" {
				gone = tr.At
			}
		}, nil)
		c.Begin()
		c.Run(sc.Duration, nil)
		// It waits for a look before it stops the sandbox, and for one before it is through.
		assert.Less(t, gone-at, 2200*model.Millisecond, "deleted at %s", at)
	}
}

// A network that fails and comes back while a kubelet starts does not let it list its pods twice.
func TestNetworkFailsWhileKubeletStarts(t *testing.T) {
	sc := podsScenario(1, 1, plegPod("p", "a:1"))
	sc.Duration = 30 * model.Second
	step := func(at model.Time, verb model.StepVerb, how model.Failure) {
		sc.Steps = append(sc.Steps, model.Step{At: at, Verb: verb, Kind: model.KindNode, Name: "n0", Failure: how})
	}
	step(10*model.Second, model.StepFail, model.FailKubelet)
	step(12*model.Second, model.StepRecover, model.FailKubelet)
	step(12500*model.Millisecond, model.StepFail, model.FailNetwork)
	step(12800*model.Millisecond, model.StepRecover, model.FailNetwork)
	c := steppedCluster(t, sc)
	assert.True(t, c.State().Pods[1].Status.Ready())
}

// The container GC removes all containers of a deleted pod that has stopped, the newest first: a look of the
// PLEG meanwhile sees the one before as the latest.
func TestContainerGCOfDeletedPod(t *testing.T) {
	pod := plegPod("p", "a:1")
	pod.Spec.RestartPolicy = v1.RestartPolicyAlways
	sc := podsScenario(1, 1, pod)
	sc.ControlPlane.KubeletAge = model.Dist{} // a round of the container GC at 60 s, a look soon after
	sc.Latencies.Remove = model.Dist{Value: float64(100 * model.Millisecond)}
	sc.Duration = 65 * model.Second
	sc.Behaviors = []model.Behavior{{Run: model.Run{For: model.Dist{Value: float64(40 * model.Second)}, Exit: []int32{42}}, OnTerm: model.OnTerm{Exit: 7}}}
	sc.Steps = append(sc.Steps, model.Step{At: 59500 * model.Millisecond, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "p", GraceSeconds: -1})
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	var ends []string
	c.Observe(func(tr model.Transition) {
		if tr.Kind != model.KindPod || c.State().Pods[tr.ID].Status.Containers == nil {
			return
		}
		s := &c.State().Pods[tr.ID].Status.Containers[0]
		if s.State.Kind == model.StateTerminated && s.Last.Kind == model.StateTerminated {
			ends = append(ends, fmt.Sprintf("%d last %d x%d", s.State.ExitCode, s.Last.ExitCode, s.Restarts))
		}
	}, nil)
	c.Begin()
	c.Run(sc.Duration, nil)
	assert.Equal(t, []string{"7 last 42 x1", "42 last 7 x1"}, slices.Compact(ends))
}
