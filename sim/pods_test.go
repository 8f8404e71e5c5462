package sim_test

import (
	"fmt"
	"math/rand"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/conform"
	"podsim/model"
	"podsim/sim"
)

// nodesOf makes n nodes of 110 pods, which have the image "a:1".
func nodesOf(n int) []model.NodeSpec {
	room := v1.ResourceList{"cpu": resource.MustParse("64"), "memory": resource.MustParse("256Gi"), "pods": resource.MustParse("110")}
	var out []model.NodeSpec
	for i := range n {
		out = append(out, model.NodeSpec{Name: fmt.Sprintf("n%d", i), Images: []string{"a:1"},
			Object: &v1.Node{Status: v1.NodeStatus{Capacity: room, Allocatable: room}}})
	}
	return out
}

// podsScenario applies the pods at the start.
func podsScenario(seed uint64, nodes int, pods ...*v1.Pod) *model.Scenario {
	sc := &model.Scenario{Seed: seed, Duration: 4 * model.Minute, Start: time.Unix(1767600000, 0).UTC(), Nodes: nodesOf(nodes),
		ControlPlane: model.DefaultControlPlane(), Latencies: steadyLatencies()}
	sc.Images = []model.ImageSpec{{Name: "gone:1", Error: "notFound"}, {Name: "big:1", Size: 300 << 20}}
	first := model.Step{}
	for _, p := range pods {
		first.Objects = append(first.Objects, model.Object{Object: p})
	}
	sc.Steps = []model.Step{first}
	return sc
}

func hashOf(t *testing.T, sc *model.Scenario) uint64 {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	c.Run(sc.Duration, nil)
	return c.Hash()
}

func TestSameScenarioSameHash(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for seed := int64(1); seed <= 20; seed++ {
		runtime.GOMAXPROCS(1)
		once := hashOf(t, swarm(seed))
		runtime.GOMAXPROCS(2)
		assert.Equal(t, once, hashOf(t, swarm(seed)), "swarm %d", seed)
		other := swarm(seed)
		other.Seed++
		assert.NotEqual(t, once, hashOf(t, other), "swarm %d", seed)
	}
}

// transitionsOf gives what is seen of the pod of this name.
func transitionsOf(t *testing.T, sc *model.Scenario, name string) []string {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	var out []string
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindPod && c.State().Pods[tr.ID].Name == name {
			l := conform.PodLine(c.State(), &tr)
			out = append(out, fmt.Sprintf("%d %s", tr.At, l.Words()))
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod && c.State().Pods[e.ID].Name == name {
			out = append(out, fmt.Sprintf("%d %s x%d", e.At, e.Reason, e.Count))
		}
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	return out
}

// A pod has the same luck whoever else there is.
func TestAnotherPodChangesNothing(t *testing.T) {
	for seed := range int64(50) {
		r := rand.New(rand.NewSource(seed))
		pod, other := drawPod(r, "p"), drawPod(r, "other")
		pod.Spec.NodeName, other.Spec.NodeName = "n0", "n1"
		behaviors := []model.Behavior{swarmBehavior(r), swarmBehavior(r)}
		alone, both := podsScenario(7, 2, pod), podsScenario(7, 2, other, pod)
		alone.Behaviors, both.Behaviors = behaviors, behaviors
		want := transitionsOf(t, alone, "p")
		require.NotEmpty(t, want)
		require.Equal(t, want, transitionsOf(t, both, "p"), "pods %d", seed)
	}
}

// Probes that go well, heartbeats and resyncs are no events: a pod's probes cost those up to their
// first results, which let it become started and ready, and then nothing.
func TestHealthyPodsCostNothing(t *testing.T) {
	const pods = 1000
	probe := &v1.Probe{ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/"}}, PeriodSeconds: 1}
	probed, probedLater := eventCounts(t, pods, v1.Container{Name: "c", Image: "a:1", LivenessProbe: probe, ReadinessProbe: probe, StartupProbe: probe})
	bare, bareLater := eventCounts(t, pods, v1.Container{Name: "c", Image: "a:1"})
	assert.Zero(t, probedLater)
	assert.Zero(t, bareLater)
	each := float64(probed-bare) / pods
	t.Logf("the probes of a pod cost %.1f events, and none in a day", each)
	// Two ticks and an answer for each of three probes; a look of the PLEG, a sync and a status that
	// is published and seen for each of the first results.
	assert.LessOrEqual(t, each, 3.0*(3+4))
}

// eventCounts runs pods of this container. It gives the number of events until all are ready, and of
// those of the day after.
func eventCounts(t *testing.T, n int, k v1.Container) (until, after int64) {
	var pods []*v1.Pod
	for i := range n {
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), Namespace: "default"}}
		p.Spec = v1.PodSpec{NodeName: fmt.Sprintf("n%d", i%10), Containers: []v1.Container{k}}
		model.DefaultPod(p)
		pods = append(pods, p)
	}
	c, err := sim.NewCluster(podsScenario(1, 10, pods...))
	require.NoError(t, err)
	c.Begin()
	c.Run(3*model.Minute, nil)
	for i := range pods {
		require.True(t, c.State().Pods[i+1].Status.Ready(), "pod %d", i)
	}
	until = c.Counts().Events
	c.Run(24*model.Hour, nil)
	return until, c.Counts().Events - until
}

func containersOf(pod *v1.Pod) []*v1.Container {
	var out []*v1.Container
	for i := range pod.Spec.InitContainers {
		out = append(out, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		out = append(out, &pod.Spec.Containers[i])
	}
	return out
}
