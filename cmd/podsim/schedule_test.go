package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func scheduleArgs(t *testing.T, more ...string) []string {
	dir, err := filepath.Abs("testdata/schedule")
	require.NoError(t, err)
	return append([]string{"schedule", "--nodes", dir + "/nodes.yaml", "--pods", dir + "/pods.yaml", "--pod", dir + "/pod.yaml"}, more...)
}

func TestSchedule(t *testing.T) {
	r := podsim(t, t.TempDir(), nil, scheduleArgs(t)...)
	require.Equal(t, 0, r.code, r.errors)
	assert.Equal(t, `NODE     TOTAL   NODEAFFINITY   NODERESOURCESBALANCEDALLOCATION   NODERESOURCESFIT   PODTOPOLOGYSPREAD   TAINTTOLERATION   REJECTED BY        REASON
slow-1   652     0x2            71x1                              81x1               100x2               100x3
fast-2   612     100x2          69x1                              43x1               0x2                 100x3
fast-1   -       -              -                                 -                  -                   -                 NodeResourcesFit   Insufficient cpu
gpu-1    -       -              -                                 -                  -                   -                 TaintToleration    node(s) had untolerated taint(s)

The pod goes to slow-1.
`, r.out)
	assert.Empty(t, r.errors)

	r = podsim(t, t.TempDir(), nil, scheduleArgs(t, "-o", "wide")...)
	assert.Contains(t, r.out, "100x2 (raw 10)")
	assert.Contains(t, r.out, "TaintToleration (UnschedulableAndUnresolvable)")

	r = podsim(t, t.TempDir(), nil, scheduleArgs(t, "-o", "json")...)
	var d map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.out), &d))
	assert.Equal(t, "slow-1", d["decision"])
}

const bigPod = `{apiVersion: v1, kind: Pod, metadata: {name: big}, spec: {containers: [{name: c, image: i, resources: {requests: {cpu: "7"}}}]`

// A pod that fits nowhere, then one that may preempt others, and one with a scheduler configuration.
func TestScheduleFitsNowhere(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("nodes.yaml", `{apiVersion: v1, kind: Node, metadata: {name: n}, status: {capacity: {cpu: "8", memory: 8Gi, pods: "10"}}}`)
	write("pods.yaml", `{apiVersion: v1, kind: Pod, metadata: {name: low}, spec: {nodeName: n, containers: [{name: c, image: i, resources: {requests: {cpu: "4"}}}]}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}, value: 10}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}`)
	write("pod.yaml", bigPod+"}}")
	args := []string{"schedule", "--nodes", "nodes.yaml", "--pods", "pods.yaml", "--pod", "pod.yaml"}
	r := podsim(t, dir, nil, args...)
	require.Equal(t, 0, r.code, r.errors)
	assert.Contains(t, r.out, "0/1 nodes are available: 1 Insufficient cpu.\npreemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.\n")
	assert.Equal(t, "pods.yaml:5: a ConfigMap has no bearing on where a pod goes\n", r.errors)

	write("pod.yaml", bigPod+", priorityClassName: high}}")
	r = podsim(t, dir, nil, args...)
	assert.Contains(t, r.out, "The pod preempts default/low on n.\n")

	write("pods.yaml", bigPod+", nodeName: other}}")
	r = podsim(t, dir, nil, args...)
	assert.Equal(t, 2, r.code)
	write("pod.yaml", bigPod+", nodeNam: n}}")
	r = podsim(t, dir, nil, args...)
	assert.Equal(t, 2, r.code)
	assert.Contains(t, r.errors, "pod.yaml:1: ")
}
