package sim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

// usingPod is a pod with a request for memory, none when it is empty, and a priority.
func usingPod(name, request string, priority int32) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: v1.PodSpec{Priority: &priority, Containers: []v1.Container{{Name: "c", Image: "a:1"}}}}
	if request != "" {
		p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceMemory: resource.MustParse(request)}
	}
	model.DefaultPod(p)
	return p
}

// uses is the behavior of a pod's container that has so much memory in use from its start on.
func uses(pod string, mebibytes int64) model.Behavior {
	return model.Behavior{Pod: pod, Run: model.Run{Forever: true}, Memory: []model.MemoryPoint{{Use: mebibytes * mib}}}
}

// kubeletOf is a kubelet's configuration.
func kubeletOf(t *testing.T, o configv1beta1.KubeletConfiguration) *kubeletconfig.Configuration {
	c, errs := kubeletconfig.New(&o)
	require.Empty(t, errs)
	return c
}

// pressureEvents runs a scenario and tells of evictions, Events and conditions of nodes, and taints.
func pressureEvents(t *testing.T, sc *model.Scenario) (c *sim.Cluster, told []string) {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	tell := func(format string, args ...any) {
		told = append(told, fmt.Sprintf("%.1f ", c.Now().Seconds())+fmt.Sprintf(format, args...))
	}
	c.Observe(func(x model.Transition) {
		if x.Kind == model.KindNode {
			n := &c.State().Nodes[x.ID]
			tell("node memory %s disk %s pid %s taints %v", n.Conditions[0].Status, n.Conditions[1].Status, n.Conditions[2].Status, n.Taints)
		}
	}, func(e *model.Event) {
		_, name := c.State().ObjectName(e.Kind, e.ID)
		if e.Kind == model.KindNode || e.Reason == model.EventEvicted || e.Reason == model.EventRejected {
			tell("%s %s %s", name, c.State().EventReason(e), c.State().EventMessage(e))
		}
	})
	c.Begin()
	c.Run(sc.Duration, c.Sound)
	return c, told
}

// TestMemoryHard evicts in the order of the recording evict-memory-hard of a real node.
func TestMemoryHard(t *testing.T) {
	pods := []*v1.Pod{usingPod("be-100", "", 0), usingPod("be-500", "", 0), usingPod("be-700", "", 1000), usingPod("over", "100Mi", 0),
		usingPod("under", "800Mi", 0), usingPod("half", "500Mi", 0)}
	sc := podsScenario(1, 1, pods...)
	sc.Duration = 3 * model.Minute
	sc.Behaviors = []model.Behavior{uses("be-100", 100), uses("be-500", 500), uses("be-700", 700), uses("over", 400), uses("under", 300),
		uses("half", 300), uses("trigger", 2000)}
	sc.Steps = append(sc.Steps, model.Step{At: 60 * model.Second, Objects: []model.Object{{Object: usingPod("trigger", "1000Mi", 0)}}})
	sc.Nodes[0].Kubelet = kubeletOf(t, configv1beta1.KubeletConfiguration{EvictionHard: map[string]string{"memory.available": "1900Mi"},
		EvictionPressureTransitionPeriod: metav1.Duration{Duration: 15e9}})
	memory := sc.Nodes[0].Object.Status.Capacity
	memory[v1.ResourceMemory] = resource.MustParse("4Gi")
	c, told := pressureEvents(t, sc)
	tainted := "True disk False pid False taints [{node.kubernetes.io/memory-pressure  NoSchedule <nil>}]"
	relieved := "False disk False pid False taints [{node.kubernetes.io/memory-pressure  NoSchedule <nil>}]"
	low := "Evicted The node was low on resource: memory. Threshold quantity: 1900Mi, available: "
	assert.Equal(t, []string{
		"0.0 node memory False disk False pid False taints []",
		"4.1 n0 EvictionThresholdMet Attempting to reclaim memory",
		"4.1 be-100 " + low + "1796Mi. Container c was using 100Mi, request is 0, has larger consumption of memory. ",
		"5.2 n0 EvictionThresholdMet Attempting to reclaim memory",
		"5.2 be-500 " + low + "1896Mi. Container c was using 500Mi, request is 0, has larger consumption of memory. ",
		"13.9 n0 NodeHasInsufficientMemory Node n0 status is now: NodeHasInsufficientMemory",
		"13.9 node memory True disk False pid False taints []",
		"13.9 node memory " + tainted,
		"34.3 n0 NodeHasSufficientMemory Node n0 status is now: NodeHasSufficientMemory",
		"34.3 node memory " + relieved,
		"34.3 node memory False disk False pid False taints []",
		"66.3 n0 EvictionThresholdMet Attempting to reclaim memory",
		"66.3 over " + low + "396Mi. Container c was using 400Mi, request is 100Mi, has larger consumption of memory. ",
		"67.4 n0 EvictionThresholdMet Attempting to reclaim memory",
		"67.4 be-700 " + low + "796Mi. Container c was using 700Mi, request is 0, has larger consumption of memory. ",
		"68.5 n0 EvictionThresholdMet Attempting to reclaim memory",
		"68.5 half " + low + "1496Mi. ",
		"69.6 n0 EvictionThresholdMet Attempting to reclaim memory",
		"69.6 under " + low + "1796Mi. ",
		"75.2 n0 NodeHasInsufficientMemory Node n0 status is now: NodeHasInsufficientMemory",
		"75.2 node memory True disk False pid False taints []",
		"75.2 node memory " + tainted,
		"95.6 n0 NodeHasSufficientMemory Node n0 status is now: NodeHasSufficientMemory",
		"95.6 node memory " + relieved,
		"95.6 node memory False disk False pid False taints []",
	}, told)
	first := podNamed(c, "be-100")
	assert.Equal(t, "Succeeded", first.Status.Phase.String(), "it exits 0 on SIGTERM")
	assert.Equal(t, model.ReasonTerminationByKubelet, first.Status.Conditions[model.DisruptionTarget].Reason)
}
