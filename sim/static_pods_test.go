package sim_test

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/conform"
	"podsim/model"
	"podsim/sim"
)

// staticManifest is the manifest of a static pod.
func staticManifest(name, version string, grace int64) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{"version": version}}}
	p.Spec = v1.PodSpec{TerminationGracePeriodSeconds: &grace, Containers: []v1.Container{{Name: "c", Image: "a:1", Args: []string{version}}}}
	model.DefaultPod(p)
	return p
}

func putStatic(at model.Time, p *v1.Pod) model.Step {
	return model.Step{At: at, Verb: model.StepStaticPod, Kind: model.KindNode, Name: "n0", Objects: []model.Object{{Object: p}}}
}

func removeStatic(at model.Time, name string) model.Step {
	return model.Step{At: at, Verb: model.StepRemoveStaticPod, Kind: model.KindNode, Name: "n0", Namespace: "default", Pod: name}
}

// story is what became of a pod: the changes of its object and its Events, with their times in
// milliseconds.
func story(t *testing.T, sc *model.Scenario, name string) []string {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	var lines []string
	c.Observe(func(tr model.Transition) {
		s := c.State()
		if tr.Kind != model.KindPod || s.Pods[tr.ID].Name != name {
			return
		}
		p, l := &s.Pods[tr.ID], conform.PodLine(s, &tr)
		words := fmt.Sprintf("%d %s %s ready=%t v%s", tr.At/model.Millisecond, tr.Type, p.Status.Phase, p.Status.Ready(), p.Template.Labels["version"])
		if p.Deleting {
			words += fmt.Sprintf(" grace %d", p.GraceSeconds)
		}
		for _, k := range l.Containers {
			words += " " + k.State
		}
		lines = append(lines, words)
	}, func(e *model.Event) {
		if e.Kind == model.KindPod && c.State().Pods[e.ID].Name == name {
			lines = append(lines, fmt.Sprintf("%d %s x%d", e.At/model.Millisecond, e.Reason, e.Count))
		}
	})
	c.Begin()
	c.Run(sc.Duration, c.Sound)
	return lines
}

// deletePod deletes a pod as kubectl does.
func deletePod(at model.Time, name string, force bool) model.Step {
	return model.Step{At: at, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: name, GraceSeconds: -1, Force: force}
}

// The life of a static pod as the recording static-pod has it: its mirror pod is deleted by hand, its manifest changed and
// then removed.
func TestStaticPod(t *testing.T) {
	sc := podsScenario(1, 1)
	sc.Behaviors = []model.Behavior{{Args: "2", Run: model.Run{Forever: true}, OnTerm: model.OnTerm{Ignore: true}}}
	sc.Steps = append(sc.Steps, putStatic(22*model.Second, staticManifest("static", "1", 5)), deletePod(30*model.Second, "static-n0", false),
		putStatic(126*model.Second, staticManifest("static", "2", 5)), removeStatic(156*model.Second, "static"))
	for seed := range uint64(20) {
		sc.Seed = seed
		assertStory(t, []string{
			"22030 ADDED Pending ready=false v1",
			"22200 Pulled x1",
			"22200 MODIFIED Pending ready=false v1 waiting",
			"22240 Created x1",
			"22310 Started x1",
			"22320 MODIFIED Running ready=true v1 running",
			// The mark alone does nothing; the next periodic sync replaces the mirror.
			"30000 MODIFIED Running ready=true v1 grace 5 running",
			"98000±16000 MODIFIED Running ready=true v1 grace 0 running",
			"+0 DELETED Running ready=true v1 grace 0 running",
			"+0 ADDED Pending ready=false v1",
			// The status manager's next look at all statuses.
			"+5000±5100 MODIFIED Running ready=true v1 running",
			"126000 Killing x1",
			// The worker of the new pod looks again after 10 to 15 s.
			"139000±3100 MODIFIED Running ready=true v1 grace 0 running",
			"+0 DELETED Running ready=true v1 grace 0 running",
			"+0 ADDED Pending ready=false v2",
			"+170 Pulled x1",
			"+0 MODIFIED Pending ready=false v2 waiting",
			"+50 Created x1",
			"+70 Started x1",
			"+10 MODIFIED Running ready=true v2 running",
			"156000 Killing x1",
			// Housekeeping comes each 2 s.
			"162000±1300 MODIFIED Running ready=true v2 grace 0 running",
			"+0 DELETED Running ready=true v2 grace 0 running",
		}, story(t, sc, "static-n0"))
	}
}

// assertStory compares a story. A time is one in milliseconds, or after a + what has passed since the line before; it may
// be off by 60 ms, or by what stands after ±.
func assertStory(t *testing.T, want, got []string) {
	t.Helper()
	last := 0
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) {
			require.Equal(t, want, got, "the stories have %d and %d lines", len(want), len(got))
		}
		at, words, _ := strings.Cut(got[i], " ")
		now, err := strconv.Atoi(at)
		require.NoError(t, err)
		wantAt, wantWords, _ := strings.Cut(want[i], " ")
		wantAt, tolerance, found := strings.Cut(wantAt, "±")
		off := 60
		if found {
			off, err = strconv.Atoi(tolerance)
			require.NoError(t, err)
		}
		wantNow, err := strconv.Atoi(strings.TrimPrefix(wantAt, "+"))
		require.NoError(t, err)
		if strings.HasPrefix(wantAt, "+") {
			wantNow += last
		}
		require.Equal(t, wantWords, words, "line %d of %s", i, strings.Join(got, "\n"))
		require.InDelta(t, wantNow, now, float64(off), "line %d of %s", i, strings.Join(got, "\n"))
		last = now
	}
}

// A mirror pod that is deleted by force is there again at once: that it is gone makes the worker sync.
func TestMirrorDeletedByForce(t *testing.T) {
	sc := podsScenario(1, 1)
	sc.Duration = model.Minute
	sc.Steps = append(sc.Steps, putStatic(10*model.Second, staticManifest("static", "1", 5)), deletePod(20*model.Second, "static-n0", true))
	lines := story(t, sc, "static-n0")
	assertStory(t, []string{"20000 MODIFIED Running ready=true v1 grace 0 running", "+0 DELETED Running ready=true v1 grace 0 running",
		"+1000±1100 ADDED Pending ready=false v1", "+5000±5100 MODIFIED Running ready=true v1 running"}, lines[len(lines)-4:])
}

// A manifest that goes away and comes back as it was, while the pod still ends, is the same pod: it keeps its mirror and is
// started again by housekeeping.
func TestManifestComesBack(t *testing.T) {
	sc := podsScenario(1, 1)
	sc.Duration = model.Minute
	sc.Behaviors = []model.Behavior{{Run: model.Run{Forever: true}, OnTerm: model.OnTerm{Ignore: true}}}
	m := staticManifest("static", "1", 8)
	sc.Steps = append(sc.Steps, putStatic(10*model.Second, m), removeStatic(20*model.Second, "static"), putStatic(22*model.Second, m))
	lines := story(t, sc, "static-n0")
	words := strings.Join(lines, "\n")
	assert.NotContains(t, words, "DELETED")
	assert.Equal(t, 1, strings.Count(words, "ADDED"))
	assert.Equal(t, 1, strings.Count(words, "Started x1"))
	assert.Contains(t, lines[len(lines)-1], "MODIFIED Running ready=true v1 running")
}

// A manifest that is changed twice before the first pod has ended starts the last one only.
func TestManifestChangedTwice(t *testing.T) {
	sc := podsScenario(1, 1)
	sc.Duration = model.Minute
	sc.Steps = append(sc.Steps, putStatic(10*model.Second, staticManifest("static", "1", 5)), putStatic(20*model.Second, staticManifest("static", "2", 5)),
		putStatic(25*model.Second, staticManifest("static", "3", 5)))
	words := strings.Join(story(t, sc, "static-n0"), "\n")
	assert.NotContains(t, words, "v2")
	assert.Contains(t, words, "Running ready=true v3 running")
}

// A static pod runs without a mirror pod when another pod has its name, when the node is cut off and where taints forbid
// it; it is critical.
func TestStaticPodWithoutMirror(t *testing.T) {
	other := directPod("static-n0", 0, 5)
	sc := podsScenario(1, 1, other)
	sc.Nodes[0].Object.Status.Allocatable[v1.ResourcePods] = resource.MustParse("1")
	sc.Nodes[0].Object.Spec.Taints = []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoExecute}}
	other.Spec.Tolerations = []v1.Toleration{{Operator: v1.TolerationOpExists}}
	sc.Steps = append(sc.Steps, putStatic(20*model.Second, staticManifest("static", "1", 5)))
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	words := eventWords(t, c, model.Minute, "Preempting", "Started")
	assert.Equal(t, []string{"static-n0 Started Container started", "static-n0 Preempting Preempted in order to admit critical pod",
		"static-n0 Started Container started"}, words)
	assert.Equal(t, "Succeeded  TerminationByKubelet Pod was preempted by Kubelet to accommodate a critical pod.", podState(c.State(), "static-n0"))
}

// A static pod that is refused has no mirror pod, and may be changed.
func TestStaticPodRefused(t *testing.T) {
	large := staticManifest("static", "1", 5)
	large.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse("100")}
	sc := podsScenario(1, 1)
	sc.Nodes[0].StaticPods = []model.Object{{Object: large}}
	sc.Steps = append(sc.Steps, putStatic(20*model.Second, staticManifest("static", "2", 5)))
	lines := story(t, sc, "static-n0")
	assert.Contains(t, lines[0], " x1")
	assert.Contains(t, lines[1], "ADDED Pending ready=false v2")
	assert.Contains(t, lines[len(lines)-1], "Running ready=true v2")
}

// A node that loses its power starts its static pods again.
func TestStaticPodsOfCrashedNode(t *testing.T) {
	sc := podsScenario(1, 2)
	sc.Nodes[0].StaticPods = []model.Object{{Object: staticManifest("static", "1", 5)}, {Object: staticManifest("gone", "1", 5)}}
	sc.Steps = append(sc.Steps, model.Step{At: 20 * model.Second, Verb: model.StepFail, Kind: model.KindNode, Name: "n0"},
		removeStatic(30*model.Second, "gone"), putStatic(30*model.Second, staticManifest("new", "1", 5)),
		model.Step{At: 40 * model.Second, Verb: model.StepRecover, Kind: model.KindNode, Name: "n0"})
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	c.Run(2*model.Minute, c.Sound)
	assert.Equal(t, "Running ", podState(c.State(), "static-n0"))
	assert.Equal(t, "Running ", podState(c.State(), "new-n0"))
	for i := range c.State().Pods {
		assert.False(t, c.State().Pods[i].Name == "gone-n0" && c.Known(model.PodID(i)))
	}
}

// TestStaticSwarm puts static pods into swarms, changes and removes them and deletes their mirrors, while nodes fail and
// pods are preempted.
func TestStaticSwarm(t *testing.T) {
	for seed := int64(1); seed <= *swarms; seed++ {
		if *swarmSeed != 0 && seed != *swarmSeed {
			continue
		}
		sc, r := swarm(seed), rand.New(rand.NewSource(seed))
		crowd(r, sc)
		manifest := func() *v1.Pod {
			p := drawPod(r, fmt.Sprintf("s%d", r.Intn(2)))
			p.Spec.NodeName = ""
			// What the scheduler does not know of, as there is no mirror, would let the pods of a Deployment be
			// refused one after the other.
			for _, k := range containersOf(p) {
				k.Resources = v1.ResourceRequirements{}
			}
			return p
		}
		for i := range sc.Nodes {
			sc.Nodes[i].Object.Status.Allocatable[v1.ResourcePods] = resource.MustParse("110")
			if r.Intn(2) == 0 {
				sc.Nodes[i].StaticPods = []model.Object{{Object: manifest()}}
			}
		}
		for range 5 + r.Intn(10) {
			at, node := model.Time(r.Int63n(int64(sc.Duration))), fmt.Sprintf("n%d", r.Intn(len(sc.Nodes)))
			m := manifest()
			put, remove := putStatic(at, m), removeStatic(at, m.Name)
			put.Name, remove.Name = node, node
			back := put
			back.At += model.Time(r.Int63n(int64(20 * model.Second)))
			sc.Steps = append(sc.Steps, one(r, put, put, remove, deletePod(at, m.Name+"-"+node, r.Intn(2) == 0)))
			if r.Intn(3) == 0 {
				sc.Steps = append(sc.Steps, put, remove, back)
			}
		}
		slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runCluster(t, c, sc, seed, "TestStaticSwarm") }) {
			return
		}
	}
}
