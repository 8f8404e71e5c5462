package sim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/sim"
)

// critical is the priority of system-cluster-critical.
const critical = 2_000_000_000

// directPod is a pod for node n0, past the scheduler.
func directPod(name string, priority int32, grace int64) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	p.Spec = v1.PodSpec{NodeName: "n0", Priority: &priority, TerminationGracePeriodSeconds: &grace, Containers: []v1.Container{{Name: "c", Image: "a:1"}}}
	model.DefaultPod(p)
	return p
}

// fullNode is a node of 5 pods, p0 to p4, and the pods that come later, 4 s apart from 10 s on.
func fullNode(seed uint64, grace int64, later ...*v1.Pod) *model.Scenario {
	var pods []*v1.Pod
	for i := range 5 {
		pods = append(pods, directPod(fmt.Sprintf("p%d", i), int32(i), grace))
	}
	sc := podsScenario(seed, 1, pods...)
	sc.Nodes[0].Object.Status.Allocatable[v1.ResourcePods] = resource.MustParse("5")
	for i, p := range later {
		sc.Steps = append(sc.Steps, applied(10*model.Second+model.Time(i)*4*model.Second, p))
	}
	return sc
}

// eventWords runs a scenario and gives the Events about its pods, of these reasons, in words.
func eventWords(t *testing.T, c *sim.Cluster, until model.Time, reasons ...string) (words []string) {
	c.Observe(nil, func(e *model.Event) {
		s := c.State()
		for _, r := range reasons {
			if e.Kind == model.KindPod && s.EventReason(e) == r {
				words = append(words, fmt.Sprintf("%s %s %s", s.Pods[e.ID].Name, r, s.EventMessage(e)))
			}
		}
	})
	c.Begin()
	c.Run(until, c.Sound)
	return words
}

// podState is the status of a pod in words.
func podState(s *model.State, name string) string {
	for i := range s.Pods {
		p := &s.Pods[i]
		if p.Name != name {
			continue
		}
		words := fmt.Sprintf("%s %s", p.Status.Phase, s.Texts.String(p.Status.Reason))
		if k := &p.Status.Conditions[model.DisruptionTarget]; k.Status == model.ConditionTrue {
			words += " " + s.Texts.String(k.Reason) + " " + s.Texts.String(k.Message.Text)
		}
		return words
	}
	return "there is none"
}

// A full node as the recording max-pods has it: pods given to it are refused, whatever their priority; a
// critical one takes the place of another.
func TestCriticalPodOnFullNode(t *testing.T) {
	sc := fullNode(1, 5, directPod("direct0", 0, 5), directPod("direct-high", 1000, 5), directPod("critical", critical, 5))
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	words := eventWords(t, c, model.Minute, "OutOfpods", "Preempting", "Killing")
	full := "Node didn't have enough resource: pods, requested: 1, used: 5, capacity: 5"
	require.Len(t, words, 4)
	victim := words[2][:2]
	assert.Equal(t, []string{"direct0 OutOfpods " + full, "direct-high OutOfpods " + full,
		victim + " Preempting Preempted in order to admit critical pod", victim + " Killing Stopping container c"}, words)
	assert.Equal(t, "Failed OutOfpods", podState(c.State(), "direct0"))
	assert.Equal(t, "Running ", podState(c.State(), "critical"))
	assert.Equal(t, "Succeeded  TerminationByKubelet Pod was preempted by Kubelet to accommodate a critical pod.", podState(c.State(), victim))
}

// Which of equal pods goes is luck, unless one is preferred.
func TestVictimsOfEqualRank(t *testing.T) {
	victims := map[string]int{}
	for seed := range uint64(60) {
		c, err := sim.NewCluster(fullNode(seed, 5, directPod("critical", critical, 5)))
		require.NoError(t, err)
		words := eventWords(t, c, 20*model.Second, "Preempting")
		require.Len(t, words, 1)
		victims[words[0][:2]]++
	}
	assert.Len(t, victims, 5)
	sc := fullNode(1, 5, directPod("critical", critical, 5))
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.PreferVictim("default", "p3")
	assert.Equal(t, []string{"p3 Preempting Preempted in order to admit critical pod"}, eventWords(t, c, 20*model.Second, "Preempting"))
}

// While a pod is preempted the kubelet sees to no other: neither to new ones nor to those that are
// deleted. Its workers go on.
func TestPreemptionHoldsSyncLoop(t *testing.T) {
	sc := fullNode(1, 20, directPod("critical", critical, 5), directPod("late", critical, 5))
	sc.Behaviors = []model.Behavior{{Pod: "p*", Run: model.Run{Forever: true}, OnTerm: model.OnTerm{Ignore: true}}}
	sc.Steps = append(sc.Steps, model.Step{At: 20 * model.Second, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "p0", GraceSeconds: 3})
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.PreferVictim("default", "p4")
	c.PreferVictim("default", "p3")
	at := map[string]model.Time{}
	c.Observe(nil, func(e *model.Event) {
		key := c.State().Pods[e.ID].Name + " " + c.State().EventReason(e)
		if _, ok := at[key]; !ok && e.Kind == model.KindPod {
			at[key] = e.At
		}
	})
	c.Begin()
	c.Run(2*model.Minute, c.Sound)
	near := func(want model.Time, key string) {
		assert.InDelta(t, float64(want), float64(at[key]), float64(model.Second), key)
	}
	near(10*model.Second, "p3 Preempting")
	near(30*model.Second, "critical Pulled")
	// p0 was there at the time of the second preemption, but is not asked for.
	near(30*model.Second, "p4 Preempting")
	near(50*model.Second, "late Pulled")
	near(50*model.Second, "p0 Killing")
}

// A victim that the runtime does not kill in time is left to itself.
func TestVictimExceedsGracePeriod(t *testing.T) {
	sc := fullNode(1, 2, directPod("critical", critical, 5))
	sc.Behaviors = []model.Behavior{{Pod: "p*", Run: model.Run{Forever: true}, OnTerm: model.OnTerm{Ignore: true}}}
	sc.Latencies.Kill = model.Dist{Value: float64(30 * model.Second)}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	words := eventWords(t, c, 21*model.Second, "ExceededGracePeriod")
	require.Len(t, words, 1)
	assert.Equal(t, "Running ", podState(c.State(), "critical"))
	c.Run(2*model.Minute, c.Sound)
}
