package sim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"podsim/conform"
	"podsim/model"
	"podsim/sim"
)

// schedulingLine is a line of a recording of the scheduler.
type schedulingLine struct {
	controllerLine
	Event, Message, Object string
	Nominated              string `json:"nominatedNodeName"`
	Disruption             string `json:"DisruptionTarget"`
	Scheduled              string `json:"PodScheduled"`
}

// podWords are what two states of a pod are compared by: what changed, the phase, the node, the
// nomination, readiness, deletion, why it is disrupted and why it is not scheduled.
func podWords(change, phase, node, nominated string, ready, deleting bool, disruption, scheduled string) string {
	return fmt.Sprintf("%s %s on %q nominated %q ready %v deleting %v %s; %s", change, phase, node, nominated, ready, deleting, disruption, scheduled)
}

// reasonWords are the condition without its message, which changes with other cases' nodes.
func reasonWords(condition string) string {
	words := strings.Fields(condition)
	return strings.Join(words[:min(len(words), 2)], " ")
}

func (l *schedulingLine) words() string {
	disruption, _, _ := strings.Cut(strings.TrimPrefix(l.Disruption, "True "), " ")
	return podWords(l.Type, l.Phase, l.Node, l.Nominated, l.Ready, len(l.Deletion) > 0, disruption, reasonWords(l.Scheduled))
}

// simulatedWords are the words of a simulated pod.
func simulatedWords(c *sim.Cluster, tr *model.Transition) string {
	s := c.State()
	p := &s.Pods[tr.ID]
	disruption, scheduled := "", ""
	if k := &p.Status.Conditions[model.DisruptionTarget]; k.Status == model.ConditionTrue {
		disruption = s.Texts.String(k.Reason)
	}
	if k := &p.Status.Conditions[model.PodScheduled]; k.Status == model.ConditionFalse {
		scheduled = "False " + s.Texts.String(k.Reason)
	}
	return podWords(tr.Type.String(), p.Status.Phase.String(), s.Nodes[p.Node].Name, s.Nodes[p.Nominated].Name,
		p.Status.Ready(), p.Deleting, disruption, reasonWords(scheduled))
}

// Preemption goes as recorded, pod by pod; of the pods of a ReplicaSet each is like one of the recorded.
func TestRecordedPreemptions(t *testing.T) {
	for _, name := range []string{"preempt-basic", "preempt-deploy-pdb"} {
		file := "testdata/controller-traces/" + name + ".jsonl"
		_, _, pods := readControllers(t, file)
		lines := readScheduling(t, file)
		want := map[string][][]conform.State{}
		index := map[string]*[]conform.State{}
		order := map[string][]*[]conform.State{}
		for i := range lines {
			l := &lines[i]
			if l.Kind != "Pod" {
				continue
			}
			if index[l.Name] == nil {
				index[l.Name] = &[]conform.State{}
				group := groupOf(l.RealName, l.Owner != "")
				order[group] = append(order[group], index[l.Name])
			}
			*index[l.Name] = conform.AddState(*index[l.Name], l.Ms, l.words())
		}
		for group, list := range order {
			for _, h := range list {
				want[group] = append(want[group], *h)
			}
		}
		// Which of two equal nodes a pod goes to is luck.
		var differences []string
		for seed := uint64(1); seed == 1 || seed <= 100 && len(differences) > 0; seed++ {
			differences = nil
			got := replayScheduling(t, seed, lines, pods)
			for group := range want {
				differences = append(differences, compareGroup(group, want[group], got[group])...)
			}
		}
		assert.Empty(t, differences, name)
	}
}

// groupOf is the name of a pod, or of its Deployment.
func groupOf(pod string, owned bool) string {
	if owned {
		pod, _, _ = strings.Cut(pod, "-")
	}
	return pod
}

// compareGroup pairs each recorded history with a simulated one.
func compareGroup(name string, want, got [][]conform.State) (differences []string) {
	if len(got) != len(want) {
		return []string{fmt.Sprintf("%s: %d pods, want %d", name, len(got), len(want))}
	}
	for _, w := range want {
		difference := ""
		i := slices.IndexFunc(got, func(g []conform.State) bool {
			d := historyDifference(w, g)
			if difference == "" {
				difference = d
			}
			return d == ""
		})
		if i < 0 {
			differences = append(differences, name+": "+difference)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	return differences
}

func historyDifference(want, got []conform.State) string {
	pairs, ok := conform.Align(want, got, 30)
	if !ok {
		return conform.Differ(want, got, pairs[len(pairs)-1]).String()
	}
	for _, p := range pairs {
		w, g := want[p.Want], got[p.Got]
		if tolerance := max(300, w.From/20); w.From-g.From > tolerance || g.From-w.From > tolerance {
			return "time of " + conform.Differ(want, got, p).String()
		}
	}
	return ""
}

func readScheduling(t *testing.T, file string) (lines []schedulingLine) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<22)
	for s.Scan() {
		var l schedulingLine
		require.NoError(t, json.NewDecoder(bytes.NewReader(s.Bytes())).Decode(&l))
		lines = append(lines, l)
	}
	require.NoError(t, s.Err())
	return lines
}

// schedulingPriorities are the priority classes of the recordings.
var schedulingPriorities = map[string]int32{"": 0, "sim-low": 100, "sim-high": 1000, "sim-high-never": 1000}

// replayScheduling makes the recorded requests in a simulated cluster. It gives the histories of the
// pods by their groups.
func replayScheduling(t *testing.T, seed uint64, lines []schedulingLine, pods [][]podTimes) map[string][][]conform.State {
	spec := lines[0]
	sc := podsScenario(seed, 0)
	sc.Steps = nil
	sc.ControlPlane.ControllerManager.QPS, sc.ControlPlane.Scheduler.QPS = -1, -1
	for _, s := range spec.Steps {
		if strings.HasPrefix(s.What, "Node/") {
			n := &v1.Node{}
			decodeInto(t, s.Object, n)
			sc.Nodes = append(sc.Nodes, model.NodeSpec{Name: n.Name, Object: n})
		}
	}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	offset := model.Time(spec.T0.Nanosecond())
	f := &fakeNode{c: c, bound: map[int64]bool{}, ended: map[int64]bool{}, created: pods, offset: offset, deleted: make([][]podTimes, len(pods))}
	histories := map[int64]*[]conform.State{}
	groups := map[string][]*[]conform.State{}
	c.Observe(func(tr model.Transition) {
		f.transition(tr)
		if tr.Kind != model.KindPod {
			return
		}
		p := &c.State().Pods[tr.ID]
		if histories[p.Serial] == nil {
			histories[p.Serial] = &[]conform.State{}
			group := groupOf(p.Name, p.Owner != 0)
			groups[group] = append(groups[group], histories[p.Serial])
		}
		*histories[p.Serial] = conform.AddState(*histories[p.Serial], int64((tr.At-offset)/model.Millisecond), simulatedWords(c, &tr))
	}, nil)
	c.Begin()
	c.CutOff()
	for _, s := range spec.Steps {
		at := model.Time(s.Ms)*model.Millisecond + offset
		f.until(at)
		f.now = at
		c.At(at, func() { applyRecorded(t, c, &s) })
	}
	got := map[string][][]conform.State{}
	for group, list := range groups {
		for _, h := range list {
			got[group] = append(got[group], *h)
		}
	}
	return got
}

func applyRecorded(t *testing.T, c *sim.Cluster, s *controllerStep) {
	switch kind, _, _ := strings.Cut(s.What, "/"); kind {
	case "Pod":
		p := &v1.Pod{}
		decodeInto(t, s.Object, p)
		p.Namespace = "default"
		setPriority(t, &p.Spec)
		model.DefaultPod(p)
		c.Do(applied(0, p))
	case "PodDisruptionBudget":
		b := &policyv1.PodDisruptionBudget{}
		decodeInto(t, s.Object, b)
		b.Namespace = "default"
		c.Do(model.Step{Objects: []model.Object{{Object: b}}})
	case "Deployment":
		d := &appsv1.Deployment{}
		decodeInto(t, s.Object, d)
		d.Namespace = "default"
		setPriority(t, &d.Spec.Template.Spec)
		model.DefaultDeployment(d)
		c.Do(model.Step{Objects: []model.Object{{Object: d}}})
	}
}

func setPriority(t *testing.T, spec *v1.PodSpec) {
	p, known := schedulingPriorities[spec.PriorityClassName]
	require.True(t, known, spec.PriorityClassName)
	spec.Priority = &p
	if never := v1.PreemptNever; strings.HasSuffix(spec.PriorityClassName, "-never") {
		spec.PreemptionPolicy = &never
	}
}

func decodeInto(t *testing.T, object map[string]any, o any) {
	b, err := json.Marshal(object)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, o))
}
