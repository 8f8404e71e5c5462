package sim_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/sim"
)

const mib = 1 << 20

// limited is a container with a limit on ephemeral-storage, none when it is empty.
func limited(name, limit string) v1.Container {
	c := v1.Container{Name: name, Image: "a:1", VolumeMounts: []v1.VolumeMount{{Name: "v", MountPath: "/v"}}}
	if limit != "" {
		c.Resources.Limits = v1.ResourceList{v1.ResourceEphemeralStorage: resource.MustParse(limit)}
	}
	return c
}

// writingPod is a pod on node n0 with an emptyDir "v", limited unless sizeLimit is empty.
func writingPod(name, sizeLimit string, containers ...v1.Container) *v1.Pod {
	dir := &v1.EmptyDirVolumeSource{}
	if sizeLimit != "" {
		q := resource.MustParse(sizeLimit)
		dir.SizeLimit = &q
	}
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: v1.PodSpec{NodeName: "n0", Containers: containers,
		Volumes: []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{EmptyDir: dir}}}}}
	model.DefaultPod(p)
	return p
}

// writingScenario runs the pods on a node with room for what they ask for.
func writingScenario(seed uint64, behaviors []model.Behavior, pods ...*v1.Pod) *model.Scenario {
	sc := podsScenario(seed, 1, pods...)
	room := sc.Nodes[0].Object.Status.Allocatable
	room[v1.ResourceEphemeralStorage] = resource.MustParse("100Gi")
	sc.Behaviors = behaviors
	return sc
}

// evictionOf runs a scenario. It gives the moment and message of the Evicted Event of each pod.
func evictionOf(t *testing.T, sc *model.Scenario) (c *sim.Cluster, at map[string]model.Time, message map[string]string) {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	at, message = map[string]model.Time{}, map[string]string{}
	c.Observe(nil, func(e *model.Event) {
		if e.Reason == model.EventEvicted {
			name := c.State().Pods[e.ID].Name
			at[name], message[name] = e.At, c.State().EventMessage(e)
		}
	})
	c.Begin()
	c.Run(sc.Duration, c.Sound)
	return c, at, message
}

// TestEvictions has one pod for each of the eviction manager's limits, and some within theirs.
func TestEvictions(t *testing.T) {
	layer := func(use int64) []model.DiskPoint { return []model.DiskPoint{{At: model.Second, Use: use}} }
	volume := func(use int64) []model.DiskPoint { return []model.DiskPoint{{At: model.Second, Volume: "v", Use: use}} }
	initial := writingPod("left-by-init", "10Mi", limited("c", ""))
	initial.Spec.InitContainers = []v1.Container{limited("i", "")}
	model.DefaultPod(initial)
	memory := writingPod("memory", "10Mi", limited("c", ""))
	memory.Spec.Volumes[0].EmptyDir.Medium = v1.StorageMediumMemory
	critical := writingPod("critical", "", limited("c", "20Mi"))
	priority := int32(2_000_000_000)
	critical.Spec.Priority = &priority
	pods := []*v1.Pod{
		writingPod("empty-dir", "10Mi", limited("c", "")), writingPod("pod", "", limited("a", "20Mi"), limited("b", "")),
		writingPod("container", "", limited("a", "20Mi"), limited("b", "50Mi")), writingPod("volume-counts", "", limited("c", "20Mi")),
		writingPod("within", "70Mi", limited("c", "70Mi")), writingPod("crashes", "", limited("c", "20Mi")), initial, memory, critical,
	}
	behaviors := []model.Behavior{
		{Pod: "empty-dir", Run: model.Run{Forever: true}, OnTerm: model.OnTerm{Exit: 3}, Disk: volume(60 * mib)},
		{Pod: "pod", Container: "b", Run: model.Run{Forever: true}, Disk: layer(30 * mib)},
		{Pod: "container", Container: "a", Run: model.Run{Forever: true}, Disk: layer(30 * mib)},
		{Pod: "volume-counts", Run: model.Run{Forever: true}, Disk: volume(60 * mib)},
		// Its layer is gone before it is too large.
		{Pod: "crashes", Run: model.Run{For: model.Dist{Value: float64(model.Second / 2)}, Exit: []int32{1}}, Disk: layer(60 * mib)},
		{Pod: "left-by-init", Container: "i", Run: model.Run{For: model.Dist{Value: float64(2 * model.Second)}}, Disk: volume(60 * mib)},
		{Pod: "left-by-init", Run: model.Run{Forever: true}},
		{Pod: "memory", Run: model.Run{Forever: true}, Disk: volume(60 * mib)},
		{Pod: "critical", Run: model.Run{Forever: true}, Disk: layer(60 * mib)},
		{Pod: "within", Run: model.Run{Forever: true}, Disk: layer(60 * mib)},
		{Run: model.Run{Forever: true}},
	}
	c, _, message := evictionOf(t, writingScenario(1, behaviors, pods...))
	assert.Equal(t, map[string]string{
		"empty-dir":     `Usage of EmptyDir volume "v" exceeds the limit "10Mi". `,
		"left-by-init":  `Usage of EmptyDir volume "v" exceeds the limit "10Mi". `,
		"pod":           "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ",
		"volume-counts": "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. ",
		"container":     `Container a exceeded its local ephemeral storage limit "20Mi". `,
	}, message)
	failed, ended := podNamed(c, "empty-dir"), podNamed(c, "volume-counts")
	assert.Equal(t, "Failed Evicted", failed.Status.Phase.String()+" "+c.State().Texts.String(failed.Status.Reason))
	assert.Equal(t, message["empty-dir"], c.State().Message(failed, -1, failed.Status.Message))
	assert.Equal(t, "Succeeded ", ended.Status.Phase.String()+" "+c.State().Texts.String(ended.Status.Reason))
}

// TestEvictionDelay draws when the kubelet finds out: a writable layer at most a measurement of
// the runtime and a round later, a volume when it is measured for the first time, or for the second
// if the first was too early.
func TestEvictionDelay(t *testing.T) {
	behaviors := []model.Behavior{{Run: model.Run{Forever: true}, Disk: []model.DiskPoint{{Use: 60 * mib}, {Volume: "v", Use: 60 * mib}}}}
	var least, most [2]model.Time
	for seed := range uint64(300) {
		for k, p := range []*v1.Pod{writingPod("p", "", limited("c", "20Mi")), writingPod("p", "10Mi", limited("c", ""))} {
			_, at, _ := evictionOf(t, writingScenario(seed, behaviors, p))
			require.Contains(t, at, "p", "seed %d", seed)
			if seed == 0 {
				least[k] = at["p"]
			}
			least[k], most[k] = min(least[k], at["p"]), max(most[k], at["p"])
		}
	}
	for k, bound := range [][2]model.Time{{15 * model.Second, 21 * model.Second}, {70 * model.Second, 131 * model.Second}} {
		assert.Less(t, least[k], 5*model.Second)
		assert.Greater(t, most[k], bound[0])
		assert.Less(t, most[k], bound[1])
	}
}

// TestEvictionsOneByOne lets many pods be over their limits at once: the next is evicted when the
// one before it has stopped, a pod that does not stop in time holds the others up, and the
// manager's rounds go on afterwards.
func TestEvictionsOneByOne(t *testing.T) {
	writes := []model.DiskPoint{{At: 15 * model.Second, Use: 60 * mib}}
	behaviors := []model.Behavior{
		{Pod: "late", Run: model.Run{Forever: true}, Disk: []model.DiskPoint{{At: 60 * model.Second, Use: 60 * mib}}},
		{Run: model.Run{Forever: true}, OnTerm: model.OnTerm{Ignore: true}, Disk: writes},
	}
	pods := []*v1.Pod{writingPod("late", "", limited("c", "20Mi"))}
	for i := range 4 {
		pods = append(pods, writingPod(fmt.Sprintf("p%d", i), "", limited("c", "20Mi")))
	}
	sc := writingScenario(3, behaviors, pods...)
	sc.Latencies.LayerStats = model.Dist{}
	_, at, _ := evictionOf(t, sc)
	order := slices.Sorted(maps.Values(at))
	require.Len(t, order, len(pods))
	for i := range 3 {
		gap := order[i+1] - order[i]
		assert.Greater(t, gap, 2*model.Second)
		assert.Less(t, gap, 3*model.Second)
	}
	assert.Greater(t, at["late"], 60*model.Second)
	assert.Less(t, at["late"], 72*model.Second)
}

// TestEvictionAfterFailure lets the node fail while it evicts, in each way: the others are evicted
// when it is back.
func TestEvictionAfterFailure(t *testing.T) {
	behaviors := []model.Behavior{{Run: model.Run{Forever: true}, OnTerm: model.OnTerm{Ignore: true},
		Disk: []model.DiskPoint{{At: model.Second, Use: 60 * mib}}}}
	for how := model.FailCrash; how <= model.FailKubelet; how++ {
		for seed := range uint64(20) {
			pods := []*v1.Pod{writingPod("a", "", limited("c", "20Mi")), writingPod("b", "", limited("c", "20Mi"))}
			sc := writingScenario(seed, behaviors, pods...)
			fail := model.Step{At: model.Time(2+seed) * model.Second, Verb: model.StepFail, Kind: model.KindNode, Name: "n0", Failure: how}
			back := fail
			back.At, back.Verb = fail.At+20*model.Second, model.StepRecover
			sc.Steps = append(sc.Steps, fail, back)
			c, _, _ := evictionOf(t, sc)
			for _, name := range []string{"a", "b"} {
				p := podNamed(c, name)
				assert.True(t, p.Status.Phase.Terminal(), "%v, seed %d: pod %s is %v", how, seed, name, p.Status.Phase)
			}
		}
	}
}
