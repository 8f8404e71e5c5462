package sim_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"
	"k8s.io/utils/ptr"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

// memoryPod is a pod on node n0 with a container for each limit on memory, none where it is empty.
func memoryPod(name string, limits ...string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: v1.PodSpec{NodeName: "n0", RestartPolicy: v1.RestartPolicyNever}}
	for i, limit := range limits {
		c := v1.Container{Name: fmt.Sprintf("c%d", i), Image: "a:1"}
		if limit != "" {
			c.Resources.Limits = v1.ResourceList{"memory": resource.MustParse(limit)}
		}
		p.Spec.Containers = append(p.Spec.Containers, c)
	}
	model.DefaultPod(p)
	return p
}

// grows is the behavior of a container that grows evenly, in 10s, to so many MiB.
func grows(container string, most int64) model.Behavior {
	return model.Behavior{Container: container, Run: model.Run{Forever: true}, Memory: []model.MemoryPoint{
		{Rate: model.RatePer(most*mib, 10*model.Second)}, {At: 10 * model.Second, Use: most * mib}}}
}

// killsOf runs the pods for a minute on a node with 1Gi. It gives the ends of containers, in their order, as
// pod/container with the second after the start of the run, and the node's Events of kills.
func killsOf(t *testing.T, change func(*model.Scenario), behaviors []model.Behavior, pods ...*v1.Pod) (ends, nodeEvents []string) {
	sc := podsScenario(1, 1, pods...)
	sc.Duration = model.Minute
	for _, list := range []v1.ResourceList{sc.Nodes[0].Object.Status.Capacity, sc.Nodes[0].Object.Status.Allocatable} {
		list["memory"] = resource.MustParse("1Gi")
	}
	sc.Nodes[0].Object.Status.Allocatable = sc.Nodes[0].Object.Status.Allocatable.DeepCopy()
	sc.Nodes[0].Kubelet = unpressed(t, &configv1beta1.KubeletConfiguration{})
	sc.Behaviors = behaviors
	if change != nil {
		change(sc)
	}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Observe(nil, func(e *model.Event) {
		if e.Kind == model.KindNode && e.Reason == model.EventSystemOOM {
			nodeEvents = append(nodeEvents, c.State().EventMessage(e))
		}
	})
	c.Begin()
	w := c.WatchRuns(func(x sim.RunChange) {
		if !x.Began {
			p := &c.State().Pods[x.Pod]
			ends = append(ends, fmt.Sprintf("%s/%s %d", p.Name, p.Template.Containers[x.Container].Name, x.At/model.Second))
		}
	})
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		w.Step()
		c.Check()
	}
	return ends, nodeEvents
}

// unpressed completes a configuration under which the kubelet evicts nobody for memory.
func unpressed(t *testing.T, o *configv1beta1.KubeletConfiguration) *kubeletconfig.Configuration {
	o.EvictionHard = map[string]string{"nodefs.available": "5%"}
	config, errs := kubeletconfig.New(o)
	require.Empty(t, errs)
	return config
}

func TestContainerLimit(t *testing.T) {
	ends, events := killsOf(t, nil, []model.Behavior{grows("c0", 200), grows("c1", 100)}, memoryPod("p", "100Mi", "100Mi"))
	require.Equal(t, []string{"p/c0 5"}, ends, "a limit may be reached, and not be passed")
	require.Empty(t, events)
}

// A pod's own limit is over all its containers, and over each that has none.
func TestPodLimit(t *testing.T) {
	p := memoryPod("p", "", "")
	p.Spec.Resources = &v1.ResourceRequirements{Limits: v1.ResourceList{"memory": resource.MustParse("200Mi")}}
	model.DefaultPod(p)
	ends, events := killsOf(t, nil, []model.Behavior{grows("c0", 90), grows("c1", 120)}, p)
	require.Equal(t, []string{"p/c1 10"}, ends)
	require.Empty(t, events)
	ends, _ = killsOf(t, nil, []model.Behavior{grows("c0", 400)}, p)
	require.Equal(t, []string{"p/c0 5"}, ends)
}

// The limit of all pods is the node's memory without what is reserved.
func TestPodsLimit(t *testing.T) {
	reserved := func(enforce []string) func(*model.Scenario) {
		return func(sc *model.Scenario) {
			n := &sc.Nodes[0]
			n.Object.Status.Allocatable["memory"] = resource.MustParse("600Mi")
			n.SystemMemory = 50 * mib
			n.Kubelet = unpressed(t, &configv1beta1.KubeletConfiguration{EnforceNodeAllocatable: enforce})
		}
	}
	behaviors := []model.Behavior{grows("c0", 400), grows("c1", 300)}
	ends, events := killsOf(t, reserved([]string{"pods"}), behaviors, memoryPod("p", "", ""))
	require.Equal(t, []string{"p/c0 9"}, ends)
	require.Empty(t, events, "this is no lack of memory of the system")
	ends, _ = killsOf(t, reserved([]string{"none"}), behaviors, memoryPod("p", "", ""))
	require.Empty(t, ends)
}

// When the node's memory is out the kernel kills, one after the other, until it is enough.
func TestNodeOutOfMemory(t *testing.T) {
	guaranteed := memoryPod("guaranteed", "900Mi")
	guaranteed.Spec.Containers[0].Resources.Limits["cpu"] = resource.MustParse("100m")
	model.DefaultPod(guaranteed)
	guaranteed.Spec.Containers[0].Resources.Requests = guaranteed.Spec.Containers[0].Resources.Limits
	small, other, quiet := memoryPod("small", ""), memoryPod("other", ""), memoryPod("quiet", "")
	small.Spec.Containers[0].Name, other.Spec.Containers[0].Name, quiet.Spec.Containers[0].Name = "small", "other", "quiet"
	small.Spec.Containers[0].Command = []string{"/usr/bin/a-program-with-a-long-name"}
	system := func(sc *model.Scenario) { sc.Nodes[0].SystemMemory = 100 * mib }
	step := func(container string, use int64) model.Behavior {
		return model.Behavior{Container: container, Run: model.Run{Forever: true}, Memory: []model.MemoryPoint{{Use: use * mib}}}
	}
	big := step("c0", 10)
	big.Memory = append(big.Memory, model.MemoryPoint{At: 20 * model.Second, Use: 890 * mib})
	ends, events := killsOf(t, system, []model.Behavior{big, step("small", 50), step("other", 60)}, guaranteed, small, other, quiet)
	require.Equal(t, []string{"other/other 20", "small/small 20"}, ends, "the larger of the least protected first; who frees nothing is let live")
	require.Len(t, events, 2)
	assert.Regexp(t, `^System OOM encountered, victim process: other, pid: \d+$`, events[0])
	assert.Regexp(t, `^System OOM encountered, victim process: a-program-with-, pid: \d+$`, events[1])
}

// The kernel kills a child alone where memory.oom.group is not set.
func TestChildOutOfMemory(t *testing.T) {
	b := grows("c0", 200)
	b.MemoryChild = true
	b.Run = model.Run{For: model.Dist{Value: float64(30 * model.Second)}}
	for single, want := range map[*bool]string{nil: "p/c0 5", ptr.To(false): "p/c0 5", ptr.To(true): "p/c0 30"} {
		ends, _ := killsOf(t, func(sc *model.Scenario) {
			sc.Nodes[0].Kubelet = unpressed(t, &configv1beta1.KubeletConfiguration{SingleProcessOOMKill: single})
		}, []model.Behavior{b}, memoryPod("p", "100Mi"))
		require.Equal(t, []string{want}, ends)
	}
}

// Memory costs events where limits are passed, and hardly any with time.
func TestMemoryEvents(t *testing.T) {
	events := func(memory bool, duration model.Time) int64 {
		var pods []*v1.Pod
		for i := range 50 {
			pods = append(pods, memoryPod(fmt.Sprintf("p%d", i), "100Mi"))
		}
		sc := podsScenario(1, 1, pods...)
		sc.Duration = duration
		walk := model.Behavior{Pod: "p*1", Run: model.Run{Forever: true}}
		leak := grows("", 50)
		if memory {
			walk.MemoryWalk = &model.MemoryWalk{Base: 50 * mib, Step: mib, Min: 10 * mib, Max: 99 * mib, Period: 10 * model.Second}
		} else {
			leak.Memory = nil
		}
		sc.Behaviors = []model.Behavior{walk, leak}
		sc.Nodes[0].Object.Status.Capacity["pods"] = resource.MustParse("110")
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Begin()
		c.Run(sc.Duration, nil)
		require.Zero(t, c.Counts().OOMKills)
		return c.Counts().Events
	}
	const day = 24 * model.Hour
	with, without := slices.Repeat([]int64{0}, 2), slices.Repeat([]int64{0}, 2)
	for i := range 2 {
		with[i], without[i] = events(true, model.Time(i+1)*day), events(false, model.Time(i+1)*day)
	}
	require.Less(t, with[0]-without[0], int64(100), "the first day")
	require.Less(t, (with[1]-without[1])-(with[0]-without[0]), int64(20), "the second day")
}
