package sim_test

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

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

// pressureScenario draws a node of 4 GiB with thresholds of all kinds, and pods that use more and more of
// its memory, disks and processes, or less. The node may fail and come back.
func pressureScenario(seed int64) *model.Scenario {
	r := rand.New(rand.NewSource(seed))
	var pods []*v1.Pod
	sc := &model.Scenario{}
	for i := range 2 + r.Intn(8) {
		p, b := pressurePod(r, fmt.Sprintf("p%d", i))
		pods, sc.Behaviors = append(pods, p), append(sc.Behaviors, b)
	}
	behaviors := sc.Behaviors
	sc = podsScenario(uint64(seed), 1)
	sc.Duration, sc.Behaviors = 12*model.Minute, behaviors
	for _, p := range pods {
		at := model.Time(r.Int63n(int64(5 * model.Minute)))
		sc.Steps = append(sc.Steps, model.Step{At: at, Objects: []model.Object{{Object: p}}})
	}
	if r.Intn(3) == 0 {
		at := model.Time(r.Int63n(int64(8 * model.Minute)))
		sc.Steps = append(sc.Steps, model.Step{At: at, Verb: model.StepFail, Kind: model.KindNode, Name: "n0", Failure: model.Failure(r.Intn(3))},
			model.Step{At: at + model.Time(r.Int63n(int64(2*model.Minute))), Verb: model.StepRecover, Kind: model.KindNode, Name: "n0"})
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	n := &sc.Nodes[0]
	room := v1.ResourceList{"cpu": resource.MustParse("64"), "memory": resource.MustParse("4Gi"), "pods": resource.MustParse("110"),
		"ephemeral-storage": resource.MustParse("2Gi")}
	n.Object = &v1.Node{Status: v1.NodeStatus{Capacity: room, Allocatable: room}}
	if r.Intn(2) == 0 {
		n.ImageFilesystem = &model.Filesystem{Capacity: 1 << 30, Used: r.Int63n(1 << 28), Inodes: 3000}
	}
	n.NodeFilesystem = &model.Filesystem{Used: r.Int63n(1 << 28), Inodes: 4000}
	n.SystemMemory = r.Int63n(1 << 29)
	n.Processes = model.ProcessLimit{Max: 300, Used: 50}
	n.Kubelet = pressureConfig(r)
	return sc
}

// pressureConfig draws thresholds.
func pressureConfig(r *rand.Rand) *kubeletconfig.Configuration {
	o := configv1beta1.KubeletConfiguration{EvictionHard: map[string]string{}, EvictionSoft: map[string]string{},
		EvictionSoftGracePeriod: map[string]string{}, EvictionMinimumReclaim: map[string]string{}, EvictionMaxPodGracePeriod: int32(r.Intn(40)),
		EvictionPressureTransitionPeriod: metav1.Duration{Duration: []time.Duration{0, 15e9, 60e9, 300e9}[r.Intn(4)]}}
	for _, s := range []string{"memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "pid.available"} {
		if r.Intn(3) > 0 {
			o.EvictionHard[s] = fmt.Sprintf("%d%%", 5+r.Intn(30))
		}
		if r.Intn(3) == 0 {
			o.EvictionSoft[s] = fmt.Sprintf("%d%%", 20+r.Intn(40))
			o.EvictionSoftGracePeriod[s] = fmt.Sprintf("%ds", r.Intn(100))
		}
		if r.Intn(4) == 0 {
			o.EvictionMinimumReclaim[s] = fmt.Sprintf("%d%%", 1+r.Intn(10))
		}
	}
	c, errs := kubeletconfig.New(&o)
	if len(errs) > 0 {
		panic(errs.ToAggregate())
	}
	return c
}

// pressurePod draws a pod and what it does.
func pressurePod(r *rand.Rand, name string) (*v1.Pod, model.Behavior) {
	request := ""
	if r.Intn(2) == 0 {
		request = fmt.Sprintf("%dMi", 1+r.Intn(800))
	}
	p := usingPod(name, request, []int32{0, 0, 1000, -5, 2_000_000_000}[r.Intn(5)])
	p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}}}
	p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "v", MountPath: "/v"}}
	if r.Intn(4) == 0 {
		q := resource.MustParse("150Mi")
		p.Spec.Volumes[0].EmptyDir.SizeLimit = &q
	}
	if r.Intn(3) == 0 {
		p.Spec.Containers[0].Resources.Requests = v1.ResourceList{"ephemeral-storage": resource.MustParse(fmt.Sprintf("%dMi", 1+r.Intn(300)))}
	}
	b := model.Behavior{Pod: name, Run: model.Run{Forever: r.Intn(3) > 0, For: model.Dist{Value: float64(r.Int63n(200e9))}, Exit: []int32{int32(r.Intn(2))}},
		OnTerm: model.OnTerm{Exit: int32(r.Intn(2)), Ignore: r.Intn(4) == 0}}
	at := model.Time(0)
	for range r.Intn(5) {
		b.Memory = append(b.Memory, model.MemoryPoint{At: at, Use: r.Int63n(1500 * mib)})
		b.Processes = append(b.Processes, model.ProcessPoint{At: at, Count: r.Int63n(90)})
		volume := []string{"", "v"}[r.Intn(2)]
		b.Disk = append(b.Disk, model.DiskPoint{At: at, Volume: volume, Use: r.Int63n(500 * mib), Inodes: r.Int63n(1500)})
		at += model.Time(1 + r.Int63n(int64(2*model.Minute)))
	}
	return p, b
}

// TestPassesTwin compares passes that come only when they may find something with passes that come
// each 10 s: the same pods are evicted, the same is said, at the same moments.
func TestPassesTwin(t *testing.T) {
	spared, seen := 0, map[string]int{}
	for seed := range int64(401) {
		if seed == 400 {
			seed = 2115 // a kubelet that stops while it starts a container, and refuses the pod when it is back
		}
		few, lazy := pressureRun(t, seed, false)
		all, eager := pressureRun(t, seed, true)
		require.Equal(t, all, few, "seed %d", seed)
		spared += int(eager - lazy)
		for _, line := range few {
			for _, words := range []string{"reclaim memory", "reclaim ephemeral-storage", "reclaim inodes", "reclaim pids", "Usage of EmptyDir",
				"had condition", "disk-pressure", "NodeHasSufficientPID"} {
				if strings.Contains(line, words) {
					seen[words]++
				}
			}
		}
	}
	assert.Greater(t, spared, 1000)
	for words, n := range seen {
		assert.Greater(t, n, 10, words)
	}
	assert.Len(t, seen, 8)
}

// pressureRun is what happened in a run and how many passes were events.
func pressureRun(t *testing.T, seed int64, all bool) (told []string, passes int32) {
	c, err := sim.NewCluster(pressureScenario(seed))
	require.NoError(t, err)
	c.Observe(func(x model.Transition) {
		if x.Kind == model.KindNode {
			n := &c.State().Nodes[x.ID]
			told = append(told, fmt.Sprint(c.Now(), n.Conditions[0].Status, n.Conditions[1].Status, n.Conditions[2].Status, n.Taints))
		}
	}, func(e *model.Event) {
		_, name := c.State().ObjectName(e.Kind, e.ID)
		told = append(told, fmt.Sprint(c.Now(), name, " ", c.State().EventReason(e), " ", c.State().EventMessage(e)))
	})
	c.Begin()
	if all {
		c.AllPasses()
	}
	for at, ok := c.Next(); ok && at <= 12*model.Minute; at, ok = c.Next() {
		c.Step()
		c.Check()
	}
	return told, c.Passes(1)
}
