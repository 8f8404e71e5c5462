package scheduler

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

const casesFile = "testdata/scheduler-cases.jsonl.gz"

// recordedCase is a decision of a real kube-scheduler v1.37.1; testdata/README.md
// says what the fields mean.
type recordedCase struct {
	Input struct {
		Name    string
		Nodes   []v1.Node
		Pods    []v1.Pod
		Pending v1.Pod
		Config  json.RawMessage
	}
	Want struct {
		NodeOrder      []string
		PreFilter      *recordedRejection
		PreFilterNodes []string
		Feasible       []string
		Infeasible     map[string]recordedRejection
		Scores         map[string]struct {
			Total   int64
			Plugins map[string]PluginScore
		}
		Top        []string
		Evaluated  int32
		FitError   string
		Preemption *struct {
			Node    string
			Message string
		}
	}
}

type recordedRejection struct {
	Code    string
	Plugin  string
	Reasons []string
}

// Every recorded decision that needs only what there is must come out the same. Of the
// others, what the plugins that there are say of a node must.
func TestRecordedCases(t *testing.T) {
	whole, parts, nodes := 0, 0, 0
	for _, c := range readCases(t) {
		if len(c.Input.Config) > 0 {
			continue
		}
		s, state, pending := load(&c)
		x := s.Explain(framework.Pod{}, pending)
		if supported(&c) {
			whole++
			compareWhole(t, &c, s, state, &x)
			compareAttempt(t, &c, s, state, pending)
			continue
		}
		parts++
		nodes += compareParts(t, &c, s, state, &x)
	}
	t.Logf("%d cases whole, %d in part (%d nodes)", whole, parts, nodes)
	require.Greater(t, whole, 60)
}

func readCases(t *testing.T) []recordedCase {
	file, err := os.Open(casesFile)
	require.NoError(t, err)
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	require.NoError(t, err)
	var cases []recordedCase
	for decoder := json.NewDecoder(bufio.NewReader(unzipped)); decoder.More(); {
		var c recordedCase
		require.NoError(t, decoder.Decode(&c))
		cases = append(cases, c)
	}
	return cases
}

// supported says that the case uses nothing that later plugins bring.
func supported(c *recordedCase) bool {
	spec := &c.Input.Pending.Spec
	if len(spec.Volumes) > 0 || len(spec.TopologySpreadConstraints) > 0 || podAffinity(spec) {
		return false
	}
	if slices.ContainsFunc(c.Input.Pods, func(p v1.Pod) bool { return podAffinity(&p.Spec) }) {
		return false
	}
	return c.Want.Preemption == nil || c.Want.Preemption.Node == ""
}

func podAffinity(spec *v1.PodSpec) bool {
	return spec.Affinity != nil && (spec.Affinity.PodAffinity != nil || spec.Affinity.PodAntiAffinity != nil)
}

// load makes a scheduler with the case's nodes and pods.
func load(c *recordedCase) (*Scheduler, *model.State, *model.PodTemplate) {
	state := &model.State{Nodes: make([]model.Node, 1)}
	s := New(state, DefaultConfig())
	ids := map[string]model.NodeID{}
	for i := range c.Input.Nodes {
		id := addNode(state, &c.Input.Nodes[i])
		ids[c.Input.Nodes[i].Name] = id
		s.AddNode(&state.Nodes[id], 0)
	}
	for i := range c.Input.Pods {
		p := &c.Input.Pods[i]
		s.AssignedPodAdded(model.PodID(i+1), compile(state, p), ids[p.Spec.NodeName], 0)
	}
	return s, state, compile(state, &c.Input.Pending)
}

// addNode makes a node of the model of an API object. The first node that has an image says
// how big it is, as in the scheduler's cache.
func addNode(state *model.State, o *v1.Node) model.NodeID {
	n := model.Node{
		ID:            model.NodeID(len(state.Nodes)),
		Name:          o.Name,
		Labels:        o.Labels,
		Allocatable:   model.ResourcesOf(o.Status.Allocatable),
		Unschedulable: o.Spec.Unschedulable,
		Taints:        o.Spec.Taints,
	}
	for _, image := range o.Status.Images {
		for _, name := range image.Names {
			id := state.Image(name)
			if state.Images[id].Assumed {
				state.Images[id].Size, state.Images[id].Assumed = image.SizeBytes, false
			}
			n.Images = append(n.Images, model.NodeImage{Image: id})
		}
	}
	state.Nodes = append(state.Nodes, n)
	return n.ID
}

func compile(state *model.State, pod *v1.Pod) *model.PodTemplate {
	model.DefaultPod(pod)
	return state.Compile(pod.Namespace, pod.Labels, pod.Annotations, &pod.Spec)
}

func compareWhole(t *testing.T, c *recordedCase, s *Scheduler, state *model.State, x *Explanation) {
	name, want := c.Input.Name, &c.Want
	var order []string
	for _, n := range s.list() {
		order = append(order, n.Name)
	}
	require.Equal(t, want.NodeOrder, order, name)
	if want.PreFilter != nil {
		require.NotNil(t, x.Rejected, name)
		require.Equal(t, *want.PreFilter, recorded(x.Rejected), name)
	}
	require.Equal(t, want.PreFilterNodes != nil, x.Restricted, name)
	var feasible, top []string
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		node := state.Nodes[v.Node].Name
		if v.Rejected != nil {
			require.Equal(t, sorted(want.Infeasible[node]), sorted(recorded(v.Rejected)), "%s %s", name, node)
			continue
		}
		feasible = append(feasible, node)
		compareScores(t, c, node, v)
	}
	for _, id := range x.Top {
		top = append(top, state.Nodes[id].Name)
	}
	require.ElementsMatch(t, want.Feasible, feasible, name)
	require.ElementsMatch(t, want.Top, top, name)
	require.Equal(t, want.FitError, x.FilterMessage, name)
	if want.Preemption != nil {
		require.Equal(t, wantPreemption(c), x.PreemptionMessage, name)
	}
}

// wantPreemption is the recorded message, in the words of PostFilter where the recorder
// asked only for the candidates, and in their order.
func wantPreemption(c *recordedCase) string {
	message := c.Want.Preemption.Message
	if message == "Preemption is not helpful for scheduling" {
		n := len(c.Input.Nodes)
		return fmt.Sprintf("0/%d nodes are available: %d %s.", n, n, message)
	}
	return message
}

func compareScores(t *testing.T, c *recordedCase, node string, v *NodeVerdict) {
	want := c.Want.Scores[node]
	require.Equal(t, want.Total, v.Total, "%s %s", c.Input.Name, node)
	got := map[string]PluginScore{}
	for _, score := range v.Scores {
		plugin := score.Plugin
		score.Plugin = ""
		got[plugin] = score
	}
	for plugin, score := range want.Plugins {
		if plugin == "VolumeBinding" || plugin == "DynamicResources" {
			require.Zero(t, score.Normalized)
			continue
		}
		require.Equal(t, score, got[plugin], "%s %s %s", c.Input.Name, node, plugin)
		delete(got, plugin)
	}
	require.Empty(t, got, "%s %s", c.Input.Name, node)
}

// compareAttempt puts the pod through the queue: the same code must decide the same.
func compareAttempt(t *testing.T, c *recordedCase, s *Scheduler, state *model.State, pending *model.PodTemplate) {
	ungated := *pending
	spec := *pending.Spec
	spec.SchedulingGates = nil
	ungated.Spec, ungated.ID = &spec, 0
	id := model.PodID(len(c.Input.Pods) + 1)
	s.Add(id, &ungated, 0)
	r, ok := s.ScheduleOne(0, 1<<63)
	require.True(t, ok)
	s.Check()
	if c.Want.FitError != "" {
		require.Zero(t, r.Node, c.Input.Name)
		require.True(t, strings.HasPrefix(s.FitError(), c.Want.FitError+" preemption: "), s.FitError())
		return
	}
	require.Contains(t, c.Want.Top, state.Nodes[r.Node].Name, c.Input.Name)
	require.Equal(t, c.Want.Evaluated, r.Evaluated, c.Input.Name)
}

// compareParts compares what the plugins that there are say: a node that one of them
// rejects, and the raw scores of the nodes that were scored.
func compareParts(t *testing.T, c *recordedCase, s *Scheduler, state *model.State, x *Explanation) (compared int) {
	known := map[string]bool{}
	for _, p := range DefaultConfig().Plugins {
		known[p.ID.String()] = true
	}
	for i := range x.Verdicts {
		v := &x.Verdicts[i]
		node := state.Nodes[v.Node].Name
		want, rejected := c.Want.Infeasible[node]
		switch {
		case c.Want.PreFilter != nil:
			continue
		case v.Rejected != nil:
			require.Equal(t, sorted(want), sorted(recorded(v.Rejected)), "%s %s", c.Input.Name, node)
		case rejected:
			require.False(t, known[want.Plugin], "%s %s: %v", c.Input.Name, node, want)
		default:
			for _, score := range v.Scores {
				if recorded, scored := c.Want.Scores[node].Plugins[score.Plugin]; scored {
					require.Equal(t, recorded.Raw, score.Raw, "%s %s %s", c.Input.Name, node, score.Plugin)
				}
			}
		}
		compared++
	}
	return compared
}

func recorded(r *Rejection) recordedRejection {
	return recordedRejection{r.Code.String(), r.Plugin, r.Reasons}
}

// sorted puts the reasons into one order: upstream has none for extended resources.
func sorted(r recordedRejection) recordedRejection {
	r.Reasons = slices.Sorted(slices.Values(r.Reasons))
	return r
}
