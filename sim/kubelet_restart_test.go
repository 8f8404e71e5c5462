package sim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// A kubelet is restarted with another configuration while a container is in its crash back-off, where
// no name server answers: as recorded, the node's Events come 10 s after its Starting, the new status
// 10 s later, and the counts of Events begin at 1 again. The node is ready all the time.
func TestKubeletRestart(t *testing.T) {
	sc := podsScenario(1, 1)
	sc.Nodes = sc.Nodes[:1]
	sc.ControlPlane.KubeletNodeStatus = 10 * model.Second
	sc.ControlPlane.KubeletJitter = 0
	sc.Behaviors = []model.Behavior{{Run: model.Run{For: model.Dist{Value: float64(2 * model.Second)}, Exit: []int32{1}}}}
	config := kubeletconfig.Default()
	config.MaxPods = 7
	sc.Nodes[0].Kubelet = kubeletconfig.Default()
	sc.Nodes[0].Kubelet.MaxPods = int32(sc.Nodes[0].Object.Status.Capacity.Pods().Value())
	pod := &v1.Pod{}
	pod.Name, pod.Namespace = "crash", "default"
	pod.Spec.Containers = []v1.Container{{Name: "c", Image: "a:1"}}
	model.DefaultPod(pod)
	name := sc.Nodes[0].Name
	const stop, start = 22 * model.Second, 29 * model.Second
	sc.Steps = []model.Step{applied(0, pod),
		{At: stop, Verb: model.StepFail, Kind: model.KindNode, Name: name, Failure: model.FailKubelet},
		{At: start, Verb: model.StepRecover, Kind: model.KindNode, Name: name, Kubelet: config}}
	c := newCluster(t, sc)
	var events []string
	var pods int64
	changed := model.Time(0)
	c.Observe(func(tr model.Transition) {
		n := &c.State().Nodes[1]
		assert.Equal(t, model.ConditionTrue, n.Conditions[model.NodeReady].Status)
		if pods != n.Allocatable.Pods {
			pods, changed = n.Allocatable.Pods, tr.At
		}
	}, func(e *model.Event) {
		if e.At > start && (e.Kind == model.KindNode || e.Reason == model.EventPulled || e.Reason == model.EventBackOff) {
			events = append(events, fmt.Sprintf("%d %s x%d", e.At/model.Second, e.Reason, e.Count))
		}
	})
	c.Begin()
	c.Run(65*model.Second, nil)
	assert.Equal(t, []string{"29 Starting x1", "29 NodeAllocatableEnforced x1", "30 Pulled x1", "33 BackOff x1", "39 NodeHasSufficientMemory x1",
		"39 NodeHasNoDiskPressure x1", "39 NodeHasSufficientPID x1", "43 Pulled x2", "46 BackOff x2"}, events[:9])
	assert.EqualValues(t, 7, pods)
	assert.Equal(t, 49*model.Second, changed.TruncateSecond())
	assert.EqualValues(t, 4, c.State().Pods[1].RestartCount())
}
