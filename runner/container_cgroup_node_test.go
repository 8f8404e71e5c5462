package runner

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// adjusted has a container with requests and limits, and one of a guaranteed pod.
const adjusted = `
apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: adjusted}
spec:
  duration: 30s
  nodes:
  - name: worker
    template: {status: {capacity: {cpu: "2", memory: 4Gi}}}
    images: [app:1]
  manifests:
  - apiVersion: v1
    kind: Pod
    metadata: {name: limited}
    spec: {containers: [{name: app, image: "app:1", resources: {requests: {cpu: 250m, memory: 1Gi}, limits: {cpu: 500m, memory: 2Gi}}}]}
  - apiVersion: v1
    kind: Pod
    metadata: {name: guaranteed}
    spec: {containers: [{name: app, image: "app:1", resources: {limits: {cpu: 100m, memory: 64Mi}}}]}
  behaviors: [{run: {forever: true}}]
`

// A container's own cgroup has its requests and limits, and its process the kubelet's oom_score_adj.
func TestContainerCgroupOnNode(t *testing.T) {
	lookOnNode(t, adjusted, 2, func(node string) {
		assertLimited(t, standInBelow(t, node+"/burstable"))
		if hasCapability(capSysResource) {
			assert.Equal(t, "-997", oomScoreAdjust(t, standInBelow(t, podsIn(t, node)[0])))
		}
	})
}

func assertLimited(t *testing.T, p Process) {
	assert.Equal(t, "750", oomScoreAdjust(t, p), "1000 less the share of the node's memory")
	want := []cgroupFile{{"cpu", "cpu.shares", "256"}, {"cpu", "cpu.cfs_quota_us", "50000"}, {"memory", "memory.limit_in_bytes", "2147483648"}}
	if cgroupV2() {
		want = []cgroupFile{sharesFile(256, true), {"", "cpu.max", "50000 100000"}, {"", "memory.max", "2147483648"}, {"", "memory.high", "max"},
			{"", "memory.oom.group", "1"}}
	}
	for _, f := range want {
		assert.Equal(t, f.value, readCgroup(t, cgroupOf(t, p, f.controller), f), f.file)
	}
}

func oomScoreAdjust(t *testing.T, p Process) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", p.PID))
	require.NoError(t, err)
	return strings.TrimSpace(string(data))
}

// cgroupOf is the cgroup of a process in the hierarchy of a controller, "" for the unified one.
func cgroupOf(t *testing.T, p Process, controller string) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.PID))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); slices.Contains(strings.Split(f[1], ","), controller) {
			return f[2]
		}
	}
	require.Fail(t, "the process is in no cgroup of "+controller)
	return ""
}
