package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// TestGates compares podsim with the real kubelet where readiness gates change: besides the states,
// what the Ready condition says of the gates, word for word. Like TestExact, it has the real kubelet
// try a pod that differs again.
func TestGates(t *testing.T) {
	needMachine(t)
	ready := 0
	answers(t, batch{Kind: "gated", First: *seed * 1e6, Pods: 200}, func(r *conform.Recording) {
		difference := gatesDiffer(t, r)
		agree := func(r *conform.Recording) bool { return gatesDiffer(t, r) == "" }
		if difference != "" && agreesAgain(t, r.Pod, false, agree) {
			difference = ""
		}
		assert.Empty(t, difference, r.Name)
		if slices.Contains(readyWords(r.Exact), "True") {
			ready++
		}
	})
	assert.Greater(t, ready, 50, "few of the pods are ever Ready")
}

// gatesDiffer says where podsim differs, nothing when it does not.
func gatesDiffer(t *testing.T, r *conform.Recording) string {
	result, err := conform.Kubelet(r)
	require.NoError(t, err)
	if !result.Agrees {
		return result.Difference.String()
	}
	lines, err := conform.Simulate(conform.VirtualKubelet().Scenario(r.Pod, 1))
	require.NoError(t, err)
	if expected, got := readyWords(r.Exact), readyWords(lines); !slices.Equal(expected, got) {
		return fmt.Sprintf("Ready: expected %q, got %q", expected, got)
	}
	return ""
}

// readyWords are what the Ready condition says of the gates, one after the other.
func readyWords(lines []conform.Line) []string {
	var words []string
	for i := range lines {
		if ready := lines[i].Conditions["Ready"]; ready == "True" || strings.Contains(ready, "ReadinessGatesNotReady") {
			words = append(words, ready)
		}
	}
	return slices.Compact(words)
}
