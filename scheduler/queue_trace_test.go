package scheduler

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
)

// retryLine is a line of testdata/sched-retry.jsonl: what a real scheduler saw and did while nodes
// came, one of which is large enough, a gate went and a label came.
type retryLine struct {
	Ms     int64
	Type   string
	Kind   string
	Name   string
	Taints []string
	// Node is where a pod is bound; Object and Event are of an Event.
	Node, Object, Event string
	// What and Verb are of a request.
	What, Verb string
	Steps      []struct {
		Ms     int64
		What   string
		Verb   string
		Object json.RawMessage
	}
}

// retryReplay is the recording with the scheduler to which it is told.
type retryReplay struct {
	*cluster
	t      *testing.T
	nodes  map[string]*v1.Node
	ids    map[string]model.NodeID
	pods   map[string]*v1.Pod
	podIDs map[string]model.PodID
	// attempts are the moments of the attempts of each pod, bound its node.
	attempts map[string][]int64
	bound    map[string]string
}

func TestRecordedRetries(t *testing.T) {
	lines := readRetries(t)
	r := &retryReplay{cluster: newCluster(), t: t, nodes: map[string]*v1.Node{}, ids: map[string]model.NodeID{},
		pods: map[string]*v1.Pod{}, podIDs: map[string]model.PodID{}, attempts: map[string][]int64{}, bound: map[string]string{}}
	r.addOthers()
	for _, s := range lines[0].Steps {
		kind, name, _ := strings.Cut(s.What, "/")
		switch {
		case s.Verb == "create" && kind == "Node":
			r.nodes[name] = &v1.Node{}
			require.NoError(t, json.Unmarshal(s.Object, r.nodes[name]))
		case s.Verb == "create" && kind == "Pod":
			r.pods[[]string{"p1", "p2", "p3"}[len(r.pods)]] = r.readPod(s.Object)
		}
	}
	for i := range lines[1:] {
		r.tell(&lines[i+1])
	}
	want := map[string][]int64{}
	bound := map[string]string{}
	for i := range lines {
		l := &lines[i]
		if pod, ok := strings.CutPrefix(l.Object, "Pod/"); ok && (l.Event == "FailedScheduling" || l.Event == "Scheduled") {
			want[pod] = append(want[pod], l.Ms)
		}
		if l.Kind == "Pod" && l.Node != "" {
			bound[l.Name] = l.Node
		}
	}
	require.Equal(t, bound, r.bound)
	// The other attempts of the recording come from the nodes of others.
	require.Len(t, r.attempts["p1"], 1+2*10+2, "with each node that comes two: as it comes, and as its taint goes")
	require.Len(t, r.attempts["p2"], 1)
	for pod, attempts := range r.attempts {
		for _, at := range attempts {
			soon := func(ms int64) bool { return ms >= at && ms <= at+300 }
			require.True(t, slices.ContainsFunc(want[pod], soon), "%s at %d ms", pod, at)
		}
	}
}

func readRetries(t *testing.T) (lines []retryLine) {
	f, err := os.Open("testdata/sched-retry.jsonl")
	require.NoError(t, err)
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var l retryLine
		require.NoError(t, json.Unmarshal(s.Bytes(), &l))
		lines = append(lines, l)
	}
	require.NoError(t, s.Err())
	return lines
}

// addOthers adds nodes of others as the recorded cluster had them: tainted, or without the label.
func (r *retryReplay) addOthers() {
	tainted := node("tainted", "64", "64Gi", nil)
	tainted.Spec.Taints = []v1.Taint{{Key: "case", Value: "other", Effect: v1.TaintEffectNoSchedule}}
	for _, n := range []*v1.Node{tainted, node("plain", "64", "64Gi", nil)} {
		r.AddNode(&r.state.Nodes[addNode(r.state, n)], 0)
	}
}

func (r *retryReplay) readPod(object json.RawMessage) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default"}}
	require.NoError(r.t, json.Unmarshal(object, p))
	p.Namespace = "default"
	return p
}

// tell tells the scheduler what the recorded one saw, and lets it schedule.
func (r *retryReplay) tell(l *retryLine) {
	now := model.Time(l.Ms) * model.Millisecond
	switch {
	case l.Kind == "Node" && l.Type != "DELETED":
		r.tellNode(l, now)
	case l.Kind == "Pod" && l.Type == "ADDED":
		id := model.PodID(len(r.podIDs) + 1)
		r.podIDs[l.Name] = id
		r.Add(id, compile(r.state, r.pods[l.Name]), now)
	case l.Type == "request" && l.Verb == "patch" && l.What == "Pod/p2":
		p := r.pods["p2"]
		p.Spec.SchedulingGates = nil
		r.UpdatePending(r.podIDs["p2"], compile(r.state, p), now)
	case l.Type == "request" && l.Verb == "patch" && l.What == "Node/sched-retry-0":
		n := &r.state.Nodes[r.ids["sched-retry-0"]]
		n.Labels = maps.Clone(n.Labels)
		n.Labels["disk"] = "ssd"
		r.UpdateNode(n, now)
	default:
		return
	}
	for r.NextWake() <= now {
		res, ok := r.ScheduleOne(now, 0)
		require.True(r.t, ok)
		for name, id := range r.podIDs {
			if id != res.Pod {
				continue
			}
			r.attempts[name] = append(r.attempts[name], l.Ms)
			if res.Node != 0 {
				r.bound[name] = r.state.Nodes[res.Node].Name
			}
		}
	}
}

func (r *retryReplay) tellNode(l *retryLine, now model.Time) {
	o := r.nodes[l.Name]
	o.Spec.Taints = nil
	for _, taint := range l.Taints {
		key, rest, _ := strings.Cut(taint, "=")
		value, effect, _ := strings.Cut(rest, ":")
		o.Spec.Taints = append(o.Spec.Taints, v1.Taint{Key: key, Value: value, Effect: v1.TaintEffect(effect)})
	}
	id, known := r.ids[l.Name]
	if !known {
		r.ids[l.Name] = addNode(r.state, o)
		r.AddNode(&r.state.Nodes[r.ids[l.Name]], now)
		return
	}
	n := &r.state.Nodes[id]
	n.Taints = o.Spec.Taints
	r.UpdateNode(n, now)
}
