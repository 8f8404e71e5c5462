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
		ControlPlane: model.DefaultControlPlane(), Latencies: model.DefaultLatencies()}
	sc.Images = []model.ImageSpec{{Name: "gone:1", Error: "notFound"}, {Name: "big:1", Size: 300 << 20}}
	first := model.Step{}
	for _, p := range pods {
		first.Objects = append(first.Objects, model.Object{Object: p})
	}
	sc.Steps = []model.Step{first}
	return sc
}

// randomPodOn makes a random pod that is bound to a node from the start.
func randomPodOn(r *rand.Rand, name, node string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: swarmPod(r)}
	p.Spec.RestartPolicy = []v1.RestartPolicy{"Always", "OnFailure", "Never"}[r.Intn(3)]
	p.Spec.NodeName = node
	model.DefaultPod(p)
	return p
}

// lastingDelete is how long after its grace periods a deleted pod may be there: the kubelet does
// not give up a pull (3.7 s here) or a hook, leaves a container 2 s to end, and waits for its
// PLEG at most three times.
const lastingDelete = 15 * model.Second

// endBefore is when a deleted pod must be gone. A sync that kills containers one after the other
// for their probes goes on when the pod is deleted, and starts them again: then each has had its
// grace period before that of the pod begins.
func endBefore(p *v1.Pod, deleted model.Time) model.Time {
	periods := model.Time(1 + len(containersOf(p)))
	return deleted + periods*model.Time(*p.Spec.TerminationGracePeriodSeconds)*model.Second + lastingDelete
}

// TestRandomPodsEnd runs single random pods and deletes them: no pod is stuck, and each is gone
// soon after its grace period. TestSwarm looks for contradictions.
func TestRandomPodsEnd(t *testing.T) {
	for seed := range int64(2000) {
		r := rand.New(rand.NewSource(seed))
		p := randomPodOn(r, "p", "n0")
		sc := podsScenario(uint64(seed), 1, p)
		sc.Behaviors = []model.Behavior{swarmBehavior(r), swarmBehavior(r)}
		deleted := model.Time(r.Int63n(int64(200 * model.Second)))
		sc.Steps = append(sc.Steps, model.Step{At: deleted, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default",
			Name: "p", GraceSeconds: -1})
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Begin()
		latest := endBefore(p, deleted)
		for {
			at, ok := c.Next()
			if !ok || at > latest {
				break
			}
			require.GreaterOrEqual(t, at, c.Now(), "pod %d: time runs backwards", seed)
			c.Step()
			c.Check()
		}
		require.False(t, c.Exists(1), "pod %d, deleted at %s, is there at %s: %s", seed, deleted, latest,
			c.State().StatusWord(&c.State().Pods[1]))
	}
}

// waits says that something must still happen to a pod: one of its containers backs off, or
// none runs and it has not ended.
func waits(p *model.Pod) bool {
	if p.Status.Phase.Terminal() {
		return false
	}
	runs := false
	for i := range p.Status.Containers {
		k := &p.Status.Containers[i].State
		runs = runs || k.Kind == model.StateRunning
		switch {
		case k.Kind != model.StateWaiting, k.Reason == model.ReasonContainerCreating, k.Reason == model.ReasonPodInitializing:
		default:
			return true
		}
	}
	return !runs
}

// TestNoPodIsForgotten runs single random pods without a delete: one that waits for something
// has an event to come.
func TestNoPodIsForgotten(t *testing.T) {
	for seed := range int64(500) {
		r := rand.New(rand.NewSource(seed))
		sc := podsScenario(uint64(seed), 1, randomPodOn(r, "p", "n0"))
		sc.Behaviors = []model.Behavior{swarmBehavior(r), swarmBehavior(r)}
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Begin()
		for {
			at, ok := c.Next()
			if p := &c.State().Pods[len(c.State().Pods)-1]; !ok && p.ID != 0 {
				require.False(t, waits(p), "pod %d is forgotten at %s: %s", seed, c.Now(), c.State().StatusWord(p))
			}
			if !ok || at > sc.Duration {
				break
			}
			c.Step()
		}
	}
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
		pod, other := randomPodOn(r, "p", "n0"), randomPodOn(r, "other", "n1")
		behaviors := []model.Behavior{swarmBehavior(r), swarmBehavior(r)}
		alone, both := podsScenario(7, 2, pod), podsScenario(7, 2, other, pod)
		alone.Behaviors, both.Behaviors = behaviors, behaviors
		want := transitionsOf(t, alone, "p")
		require.NotEmpty(t, want)
		require.Equal(t, want, transitionsOf(t, both, "p"), "pods %d", seed)
	}
}

// Probes that go well, heartbeats and resyncs are no events.
func TestHealthyPodsCostNothing(t *testing.T) {
	probe := &v1.Probe{ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/"}}, PeriodSeconds: 1}
	var pods []*v1.Pod
	for i := range 1000 {
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), Namespace: "default"}}
		p.Spec = v1.PodSpec{NodeName: fmt.Sprintf("n%d", i%10),
			Containers: []v1.Container{{Name: "c", Image: "a:1", LivenessProbe: probe, ReadinessProbe: probe, StartupProbe: probe}}}
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
	before := c.Counts().Events
	c.Run(24*model.Hour, nil)
	assert.Zero(t, c.Counts().Events-before)
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
