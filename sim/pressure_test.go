package sim_test

import (
	"fmt"
	"strings"
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

// diskNode is a node with a nodefs and an imagefs of their own, of 6 GiB each, and a threshold for one.
func diskNode(t *testing.T, sc *model.Scenario, hard map[string]string) {
	n := &sc.Nodes[0]
	capacity := n.Object.Status.Capacity.DeepCopy()
	capacity[v1.ResourceEphemeralStorage] = resource.MustParse("6Gi")
	n.Object = &v1.Node{Status: v1.NodeStatus{Capacity: capacity, Allocatable: capacity}}
	n.ImageFilesystem = &model.Filesystem{Capacity: 6 << 30}
	n.Kubelet = kubeletOf(t, configv1beta1.KubeletConfiguration{EvictionHard: hard,
		EvictionPressureTransitionPeriod: metav1.Duration{Duration: 15e9}})
}

// volumePod is a pod with an emptyDir, and wrote what it writes to a volume, or its layer, half a second
// after its start.
func volumePod(name, request string, priority int32) *v1.Pod {
	p := usingPod(name, "", priority)
	p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}}}
	p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "v", MountPath: "/v"}}
	if request != "" {
		p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceEphemeralStorage: resource.MustParse(request)}
	}
	return p
}

func wrote(pod, volume string, mebibytes int64) model.Behavior {
	return model.Behavior{Pod: pod, Run: model.Run{Forever: true},
		Disk: []model.DiskPoint{{At: model.Second / 2, Volume: volume, Use: mebibytes * mib}}}
}

func apply(at model.Time, p *v1.Pod) model.Step {
	return model.Step{At: at, Objects: []model.Object{{Object: p}}}
}

// evictedOf are the moments and names of the evicted pods, and of the Events of the node.
func evictedOf(told []string) (out []string) {
	for _, line := range told {
		words := strings.Fields(line)
		if words[2] == "Evicted" || strings.HasPrefix(words[2], "NodeHas") {
			out = append(out, strings.Join(words[:3], " "))
		}
	}
	return out
}

// TestNodefs evicts as the recording evict-nodefs of a real node: the pod that has just written most is
// measured too late, and the one that has more in its layer than others counts for the imagefs.
func TestNodefs(t *testing.T) {
	sc := podsScenario(3, 1, volumePod("none", "", 0), volumePod("vol-200", "", 0), volumePod("vol-400-req600", "600Mi", 0),
		volumePod("vol-500-hiprio", "", 1000), volumePod("rootfs-300", "", 0))
	sc.Duration = 3 * model.Minute
	sc.Behaviors = []model.Behavior{wrote("vol-200", "v", 200), wrote("vol-400-req600", "v", 400), wrote("vol-500-hiprio", "v", 500),
		wrote("rootfs-300", "", 300), wrote("trigger-600", "v", 600)}
	diskNode(t, sc, map[string]string{"nodefs.available": "4600Mi"})
	sc.ControlPlane.KubeletAge = model.Dist{Value: float64(10 * model.Second)} // volumes are measured at 50 s, 110 s
	sc.Steps = append(sc.Steps, apply(80*model.Second, volumePod("trigger-600", "", 0)))
	_, told := pressureEvents(t, sc)
	assert.Equal(t, []string{"90.0 vol-200 Evicted", "92.1 n0 NodeHasDiskPressure", "112.6 n0 NodeHasNoDiskPressure"}, evictedOf(told))
	assert.Contains(t, strings.Join(told, "\n"),
		"vol-200 Evicted The node was low on resource: ephemeral-storage. Threshold quantity: 4600Mi, available: 4444Mi. "+
			"Container c was using 12Ki, request is 0, has larger consumption of ephemeral-storage. \n")
}

// TestImagefs evicts by the writable layers as the recording evict-imagefs: what the last one writes is
// measured too late to go first. After it nobody is evicted for 10 s: containerd has not measured again.
func TestImagefs(t *testing.T) {
	sc := podsScenario(1, 1, volumePod("rootfs-200", "", 0), volumePod("vol-300", "", 0), volumePod("rootfs-300", "", 0))
	sc.Duration = 5 * model.Minute
	sc.Behaviors = []model.Behavior{wrote("rootfs-200", "", 200), wrote("vol-300", "v", 300), wrote("rootfs-300", "", 300),
		wrote("trigger-350", "", 350), wrote("trigger2-900", "", 900)}
	diskNode(t, sc, map[string]string{"imagefs.available": "5400Mi"})
	sc.Steps = append(sc.Steps, apply(100*model.Second, volumePod("trigger-350", "", 0)), apply(170*model.Second, volumePod("trigger2-900", "", 0)))
	_, told := pressureEvents(t, sc)
	assert.Equal(t, []string{"104.1 rootfs-300 Evicted", "105.7 n0 NodeHasDiskPressure", "126.2 n0 NodeHasNoDiskPressure",
		"175.2 trigger-350 Evicted", "177.2 n0 NodeHasDiskPressure", "186.3 trigger2-900 Evicted", "207.8 n0 NodeHasNoDiskPressure"}, evictedOf(told))
}

// TestMemorySoft evicts the pod that is most over its request, when the grace period is over.
func TestMemorySoft(t *testing.T) {
	sc := podsScenario(1, 1, usingPod("small", "", 0), usingPod("over", "100Mi", 0), usingPod("within", "3Gi", 0))
	sc.Duration = 3 * model.Minute
	sc.Behaviors = []model.Behavior{uses("small", 100), uses("over", 400), uses("within", 1000), uses("trigger", 1500)}
	sc.Behaviors[1].OnTerm.Ignore = true
	sc.Behaviors[3].OnTerm.Ignore = true
	sc.Steps = append(sc.Steps, apply(60*model.Second, usingPod("trigger", "400Mi", 0)))
	capacity := sc.Nodes[0].Object.Status.Capacity
	capacity[v1.ResourceMemory] = resource.MustParse("4Gi")
	sc.Nodes[0].Kubelet = kubeletOf(t, configv1beta1.KubeletConfiguration{EvictionHard: map[string]string{"memory.available": "100Mi"},
		EvictionSoft: map[string]string{"memory.available": "1500Mi"}, EvictionSoftGracePeriod: map[string]string{"memory.available": "20s"},
		EvictionMaxPodGracePeriod: 5, EvictionPressureTransitionPeriod: metav1.Duration{Duration: 15e9}})
	c, told := pressureEvents(t, sc)
	assert.Equal(t, []string{"64.9 n0 NodeHasInsufficientMemory", "84.1 trigger Evicted", "105.7 n0 NodeHasSufficientMemory"}, evictedOf(told))
	trigger := podNamed(c, "trigger")
	assert.Equal(t, "Failed", trigger.Status.Phase.String(), "it ignores SIGTERM")
	ended := trigger.Status.Containers[0].State.FinishedAt
	assert.Equal(t, 89*model.Second, ended.TruncateSecond(), "5 s later")
}

// TestProcesses evicts by priority and then by the number of processes.
func TestProcesses(t *testing.T) {
	many := func(pod string, count int64) model.Behavior {
		return model.Behavior{Pod: pod, Run: model.Run{Forever: true}, Processes: []model.ProcessPoint{{Count: count}}}
	}
	sc := podsScenario(1, 1, usingPod("few", "", 0), usingPod("many", "", 0), usingPod("most", "", 1000))
	sc.Behaviors = []model.Behavior{many("few", 100), many("many", 200), many("most", 600)}
	sc.Nodes[0].Processes = model.ProcessLimit{Max: 1000, Used: 10}
	sc.Nodes[0].Kubelet = kubeletOf(t, configv1beta1.KubeletConfiguration{EvictionHard: map[string]string{"pid.available": "15%"},
		EvictionMinimumReclaim: map[string]string{"pid.available": "20%"}})
	_, told := pressureEvents(t, sc)
	assert.Equal(t, []string{"4.1 many Evicted", "5.2 few Evicted"}, evictedOf(told)[:2])
}

// TestAdmissionUnderPressure has a node under disk pressure, which takes critical pods only.
func TestAdmissionUnderPressure(t *testing.T) {
	named := func(p *v1.Pod) *v1.Pod {
		p.Spec.NodeName = "n0"
		return p
	}
	sc := podsScenario(1, 1, volumePod("full", "", 2_000_000_000))
	sc.Behaviors = []model.Behavior{wrote("full", "v", 3000)}
	diskNode(t, sc, map[string]string{"nodefs.available": "80%"})
	sc.Steps = append(sc.Steps, apply(60*model.Second, named(usingPod("refused", "100Mi", 0))), apply(60*model.Second, named(usingPod("critical", "", 2_000_000_000))))
	c, told := pressureEvents(t, sc)
	assert.Contains(t, strings.Join(told, "\n"), "refused Evicted The node had condition: [DiskPressure]. ")
	refused := podNamed(c, "refused")
	assert.Equal(t, "Failed", refused.Status.Phase.String())
	assert.Equal(t, model.ReasonEvicted, refused.Status.Reason)
	assert.Equal(t, "Running", podNamed(c, "critical").Status.Phase.String())
}

// TestHugePages leaves out the memory that is set aside for huge pages.
func TestHugePages(t *testing.T) {
	sc := podsScenario(1, 1, usingPod("a", "", 0))
	sc.Behaviors = []model.Behavior{uses("a", 1900)}
	capacity := v1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("4Gi"), "pods": resource.MustParse("110"),
		"hugepages-2Mi": resource.MustParse("2Gi")}
	sc.Nodes[0].Object = &v1.Node{Status: v1.NodeStatus{Capacity: capacity, Allocatable: capacity}}
	sc.Nodes[0].Kubelet = kubeletOf(t, configv1beta1.KubeletConfiguration{EvictionHard: map[string]string{"memory.available": "10%"}})
	_, told := pressureEvents(t, sc)
	assert.Contains(t, strings.Join(told, "\n"), "a Evicted The node was low on resource: memory. Threshold quantity: 214748368, available: 148Mi. ")
}
