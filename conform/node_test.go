package conform_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// nodesAgree are the recordings of a node that podsim agrees with. The others are logged with the first
// difference.
var nodesAgree = []string{
	"evict-imagefs", "evict-imagefs-images", "evict-memory-hard", "evict-nodefs", "image-gc", "kubelet-restart", "max-pods",
	"pulls-parallel", "pulls-serial", "resize-inplace", "static-pod",
}

// The recordings of a node are compared once for all tests.
var nodes []conform.Result

func nodeResults(t *testing.T) []conform.Result {
	if nodes != nil {
		return nodes
	}
	files, err := filepath.Glob("testdata/node-traces/*.jsonl.gz")
	require.NoError(t, err)
	require.Len(t, files, 11)
	for _, file := range files {
		r, err := conform.ReadNodeFile(file)
		require.NoError(t, err)
		one, err := conform.Node(r)
		require.NoError(t, err)
		nodes = append(nodes, one)
	}
	return nodes
}

func TestRecordedNodes(t *testing.T) {
	for _, r := range nodeResults(t) {
		if slices.Contains(nodesAgree, r.Name) {
			assert.True(t, r.Agrees, "%s: %s", r.Name, r.Difference)
		} else {
			t.Logf("%s: %s", r.Name, r.Difference)
		}
	}
}

// simulatedNode is a recording of the simulator itself: the pods of a recording without its end.
func simulatedNode(t *testing.T) *conform.NodeRecording {
	r, err := conform.ReadNodeFile("testdata/node-traces/evict-memory-hard.jsonl.gz")
	require.NoError(t, err)
	r.Steps = slices.DeleteFunc(r.Steps, func(s conform.NodeStep) bool { return s.Ms > 25000 && s.Verb != "end" })
	r.Steps[len(r.Steps)-1].Ms = 29000
	r.Steps = slices.Insert(r.Steps, len(r.Steps)-1, conform.NodeStep{Ms: 26000, Verb: "delete", What: "Pod/p2"},
		conform.NodeStep{Ms: 27000, Verb: "delete", What: "Pod/p3"})
	r.Lines, err = conform.SimulateNode(r, 7)
	require.NoError(t, err)
	// The node's first line is from before.
	r.Lines = slices.DeleteFunc(r.Lines, func(l conform.NodeLine) bool { return l.Ms < 0 })
	return r
}

// A recording that is changed in any way that the rule speaks of does not agree any more.
func TestChangedNodeRecordingsDiffer(t *testing.T) {
	r := simulatedNode(t)
	unchanged, err := conform.Node(r)
	require.NoError(t, err)
	require.True(t, unchanged.Agrees, unchanged.Difference)
	pod := func(r *conform.NodeRecording, name string, do func(l *conform.NodeLine)) {
		for i := range r.Lines {
			if r.Lines[i].Name == name && r.Lines[i].Ready {
				do(&r.Lines[i])
			}
		}
	}
	for what, change := range map[string]func(*conform.NodeRecording){
		"other pod": func(r *conform.NodeRecording) {
			for i := range r.Lines {
				for _, name := range []*string{&r.Lines[i].Name, &r.Lines[i].Object} {
					*name = strings.NewReplacer("p2", "p3", "p3", "p2").Replace(*name)
				}
			}
		},
		"time": func(r *conform.NodeRecording) { pod(r, "p1", func(l *conform.NodeLine) { l.Ms += 3000 }) },
		"event": func(r *conform.NodeRecording) {
			r.Lines = slices.DeleteFunc(r.Lines, func(l conform.NodeLine) bool { return l.Event == "Started" && l.Object == "Pod/p4" })
		},
		"count": func(r *conform.NodeRecording) {
			for i := range r.Lines {
				r.Lines[i].Count *= 2
			}
		},
		"reason":  func(r *conform.NodeRecording) { pod(r, "p1", func(l *conform.NodeLine) { l.Reason = "Evicted" }) },
		"node":    func(r *conform.NodeRecording) { pod(r, "p1", func(l *conform.NodeLine) { l.Node = "real1" }) },
		"gone":    func(r *conform.NodeRecording) { pod(r, "p1", func(l *conform.NodeLine) { l.Type = "DELETED" }) },
		"grace":   func(r *conform.NodeRecording) { pod(r, "p2", func(l *conform.NodeLine) { l.Grace = new(int64) }) },
		"another": func(r *conform.NodeRecording) { pod(r, "p1", func(l *conform.NodeLine) { l.Name = "p0" }) },
		"taint": func(r *conform.NodeRecording) {
			r.Lines = append(r.Lines, conform.NodeLine{Line: conform.Line{Ms: 28000, Type: "MODIFIED"}, Kind: "Node", Name: "real0",
				Taints: []string{"a=b:NoSchedule"}})
		},
		"condition": func(r *conform.NodeRecording) {
			pod(r, "p1", func(l *conform.NodeLine) { l.DisruptionTarget = "True TerminationByKubelet" })
		},
		"resources": func(r *conform.NodeRecording) {
			pod(r, "p4", func(l *conform.NodeLine) { l.Containers[0].AllocatedResources = nil })
		},
		"choice": func(r *conform.NodeRecording) {
			for i := range r.Lines {
				if r.Lines[i].Event == "Scheduled" && r.Lines[i].Object == "Pod/p1" {
					r.Lines[i].Ms += 1000
				}
			}
		},
	} {
		r := simulatedNode(t)
		change(r)
		changed, err := conform.Node(r)
		require.NoError(t, err)
		assert.False(t, changed.Agrees, what)
		assert.NotNil(t, changed.Difference, what)
	}
}

// So does one of a real node: another victim, an eviction 3 s later, an Event that is missing, another
// reason.
func TestChangedEvictionsDiffer(t *testing.T) {
	const name = "testdata/node-traces/evict-memory-hard.jsonl.gz"
	for what, change := range map[string]func(l *conform.NodeLine) bool{
		"victim": func(l *conform.NodeLine) bool {
			if l.Ms > 30000 {
				for _, name := range []*string{&l.Name, &l.Object} {
					*name = strings.NewReplacer("p5", "p6", "p6", "p5").Replace(*name)
				}
			}
			return true
		},
		"time": func(l *conform.NodeLine) bool {
			if l.Name == "p1" && l.DisruptionTarget != "" {
				l.Ms += 3000
			}
			return true
		},
		"event": func(l *conform.NodeLine) bool { return l.Event != "Evicted" || l.Object != "Pod/p4" },
		"reason": func(l *conform.NodeLine) bool {
			l.DisruptionTarget = strings.Replace(l.DisruptionTarget, "TerminationByKubelet", "PreemptionByScheduler", 1)
			return true
		},
	} {
		r, err := conform.ReadNodeFile(name)
		require.NoError(t, err)
		kept := r.Lines[:0]
		for _, l := range r.Lines {
			if change(&l) {
				kept = append(kept, l)
			}
		}
		r.Lines = kept
		changed, err := conform.Node(r)
		require.NoError(t, err)
		assert.False(t, changed.Agrees, what)
	}
}

// What the machine had left and how many nodes there were does not count.
func TestMachineIsMasked(t *testing.T) {
	words := func(message string) string {
		l := conform.NodeLine{Line: conform.Line{Type: "event", Event: "Evicted", Message: message}, Object: "Pod/p1"}
		return conform.NodeEventWords(&l)
	}
	for _, pair := range [][2]string{
		{"Threshold quantity: 15490Mi, available: 15419088Ki. Container c was using 105036Ki, request is 0, has", "Threshold quantity: 15490Mi, available: 1Ki. Container c was using 2Mi, request is 0, has"},
		{"0/11 nodes are available: 1 Too many pods, 10 node(s) didn't match Pod's node affinity/selector. preemption: 0/11 nodes are available: 1 No preemption victims found for incoming pod, 10 Preemption is not helpful for scheduling.",
			"0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."},
		{"0/11 nodes are available: 1 node(s) had untolerated taint(s), 10 node(s) didn't match Pod's node affinity/selector. preemption: 0/11 nodes are available: 11 Preemption is not helpful for scheduling.",
			"0/1 nodes are available: 1 node(s) had untolerated taint(s). preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."},
	} {
		assert.Equal(t, words(pair[0]), words(pair[1]))
	}
	assert.NotEqual(t, words("Threshold quantity: 15490Mi, available: 1Ki"), words("Threshold quantity: 15491Mi, available: 1Ki"))
	assert.NotEqual(t, words("request is 0, has larger"), words("request is 1Mi, has larger"))
}

func TestReadNode(t *testing.T) {
	spec := func(steps ...map[string]any) string {
		b, err := json.Marshal(map[string]any{"type": "spec", "case": "x", "env": "real0", "t0": "2026-11-21T03:00:00.5Z", "steps": steps})
		require.NoError(t, err)
		return string(b)
	}
	end := map[string]any{"ms": 1000, "verb": "end", "what": "end of the recording"}
	for text, want := range map[string]string{
		"":                 "1: there is no recording",
		"{\"type\":\"x\"}": "1: not the beginning of a node's recording",
		strings.Replace(spec(end), "real0", "kwok", 1): "1: the recording is of env \"kwok\", want real0",
		spec(end) + "\n\n{\"type\":\"what\"}":          "3: a line of type \"what\", want one of ADDED",
		spec(end) + "\n{":                              "2: unexpected end of JSON input, want a line of a recording",
	} {
		_, err := conform.ReadNode(strings.NewReader(text))
		require.ErrorContains(t, err, want)
	}
	start := map[string]any{"verb": "kubelet", "what": "restarted with configuration", "object": map[string]any{"maxPods": 5}}
	pod := func(container map[string]any) map[string]any {
		return map[string]any{"verb": "create", "what": "Pod/p", "object": map[string]any{"metadata": map[string]any{"name": "p"},
			"spec": map[string]any{"containers": []any{container}}}}
	}
	for want, steps := range map[string][]map[string]any{
		"this verb is not known":                                 {start, {"verb": "dance"}, end},
		"it is not known what is done to the kubelet":            {start, {"verb": "kubelet", "what": "painted"}, end},
		"there is no step \"end\"":                               {start},
		"there is no step \"kubelet\"":                           {end},
		"the argument \"fly=1\" of the tester is not known":      {start, pod(map[string]any{"name": "c", "image": "127.0.0.1:25000/tester:1", "args": []string{"fly=1"}}), end},
		"unknown field \"imagination\"":                          {start, pod(map[string]any{"name": "c", "imagination": 1}), end},
		"configuration:1: unknown field maxPodz, did you mean":   {{"verb": "kubelet", "what": "restarted with configuration", "object": map[string]any{"maxPodz": 5}}, end},
		"step \"create\" \"Service/x\" at 0.000s: only pods are": {start, {"verb": "create", "what": "Service/x"}, end},
	} {
		r, err := conform.ReadNode(strings.NewReader(spec(steps...)))
		require.NoError(t, err)
		_, err = conform.Node(r)
		require.ErrorContains(t, err, want)
	}
}
