package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Describe says at the end of a pod without a node why it has none.
func TestWhyPending(t *testing.T) {
	for _, tc := range []struct{ scenario, pod, at, want string }{
		{"preemption.yaml", "high", "12s", `  The scheduler's last word: 0/2 nodes are available: 2 Insufficient cpu. preemption: found a potential placement for pod on node a, preempting 2 victims
  It is nominated to node a and waits for the end of default/low-2 (killed in 28s at the latest), default/low-3 (killed in 28s at the latest)
  2 nodes: a, b now: Insufficient cpu (asks for 2 cpu, the most that is free is 0 on a)
`},
		{"scheduling.yaml", "selects", "10s", `  The scheduler's last word: 0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s). preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.
  Node plain now: node(s) didn't match Pod's node affinity/selector
  Node ssd now: node(s) had untolerated taint(s) (dedicated=database:NoSchedule)
`},
		{"gated.yaml", "", "1s", "  It is not looked at until its scheduling gates are removed: example.com/quota\n"},
	} {
		dir := t.TempDir()
		r := podsim(t, dir, nil, "run", "-q", library(t, tc.scenario))
		require.Equal(t, 0, r.code, r.errors)
		args := []string{"describe", "pod", "--at", tc.at}
		if tc.pod != "" {
			args = append(args, tc.pod)
		}
		r = podsim(t, dir, nil, args...)
		require.Equal(t, 0, r.code, r.errors)
		_, why, _ := strings.Cut(r.out, "\nWhy Pending:\n")
		why, _, _ = strings.Cut(why, "\n\n")
		assert.Equal(t, tc.want, strings.TrimSuffix(why, "\n")+"\n", tc.scenario)
	}
}
