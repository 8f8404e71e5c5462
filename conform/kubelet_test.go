package conform_test

import (
	"flag"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// notYet are the recordings of a real node that podsim does not agree with, for want of what it
// does not have yet. They are logged with the first difference.
var notYet []string

// recordings are those of the real node.
func recordings(t *testing.T) []conform.Recording {
	files, err := filepath.Glob("testdata/kubelet-traces/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []conform.Recording
	for _, file := range files {
		list, err := conform.ReadFile(file)
		require.NoError(t, err)
		all = append(all, list...)
	}
	return all
}

// randomPods are the random pods that the real kubelet answered in virtual time.
func randomPods(t *testing.T) []conform.Recording {
	list, err := conform.ReadFile("testdata/kubelet-random.jsonl.gz")
	require.NoError(t, err)
	require.Len(t, list, 300)
	return list
}

// The recordings of a real node and the exact ones are compared once for all tests.
var recorded, random []conform.Result

func recordedResults(t *testing.T) []conform.Result {
	if recorded == nil {
		recorded = compareAll(t, recordings(t))
	}
	return recorded
}

func randomResults(t *testing.T) []conform.Result {
	if random == nil {
		random = compareAll(t, randomPods(t))
	}
	return random
}

func compareAll(t *testing.T, list []conform.Recording) []conform.Result {
	var out []conform.Result
	for i := range list {
		r, err := conform.Kubelet(&list[i])
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func TestRecordedKubelet(t *testing.T) {
	for _, r := range recordedResults(t) {
		switch {
		case r.NotCompared != "":
			t.Logf("%s is not compared: %s", r.Name, r.NotCompared)
		case !slices.Contains(notYet, r.Name):
			assert.True(t, r.Agrees, "%s: %s", r.Name, r.Difference)
		case r.Agrees:
			t.Errorf("%s agrees: take it off the list", r.Name)
		default:
			t.Logf("%s: %s", r.Name, r.Difference)
		}
	}
}

func TestRandomKubelet(t *testing.T) {
	for _, r := range randomResults(t) {
		assert.True(t, r.Agrees, "%s: %s", r.Name, r.Difference)
	}
}

var jittered = flag.Int("jittered", 10, "compare this many random pods with jitter")

func TestJitteredKubelet(t *testing.T) {
	allJitteredAgree(t, randomPods(t)[:*jittered])
}

// TestChanceKubelet has the pods for whose traces there was no draw once.
func TestChanceKubelet(t *testing.T) {
	list, err := conform.ReadFile("testdata/kubelet-chance.jsonl.gz")
	require.NoError(t, err)
	require.NotEmpty(t, list)
	allJitteredAgree(t, list)
	for i := range list {
		if list[i].Exact != nil {
			r, err := conform.Kubelet(&list[i])
			require.NoError(t, err)
			assert.True(t, r.Agrees, "%s: %s", r.Name, r.Difference)
		}
	}
}

func allJitteredAgree(t *testing.T, list []conform.Recording) {
	for i := range list {
		results, err := conform.KubeletJittered(&list[i])
		require.NoError(t, err)
		for _, r := range results {
			assert.True(t, r.Agrees, "%s: %s", r.Name, r.Difference)
		}
	}
}
