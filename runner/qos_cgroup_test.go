package runner

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/scenarios"
	"podsim/sim"
)

// classes is a node with a pod of each QoS class, two of Burstable.
const classes = `
apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: classes}
spec:
  duration: 30s
  nodes:
  - name: worker
    template: {status: {capacity: {cpu: "2", memory: 4Gi}}}
    images: [app:1]
    kubelet: {apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration, kubeReserved: {cpu: 500m, memory: 1Gi}}
  manifests:
  - apiVersion: v1
    kind: Pod
    metadata: {name: guaranteed}
    spec: {containers: [{name: app, image: "app:1", resources: {limits: {cpu: 300m, memory: 64Mi}}}]}
  - apiVersion: v1
    kind: Pod
    metadata: {name: burstable}
    spec: {containers: [{name: app, image: "app:1", resources: {requests: {cpu: 200m}}}]}
  - apiVersion: v1
    kind: Pod
    metadata: {name: burstable-too}
    spec: {containers: [{name: app, image: "app:1", resources: {requests: {cpu: 50m}}}]}
  - apiVersion: v1
    kind: Pod
    metadata: {name: best-effort}
    spec: {containers: [{name: app, image: "app:1"}]}
`

// readScenario reads a scenario and makes its cluster.
func readScenario(t *testing.T, text string) (*model.Scenario, *sim.Cluster) {
	sc, err := scenarios.ReadBytes("test.yaml", []byte(text), nil)
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	return sc, c
}

func TestQOSCgroup(t *testing.T) {
	for class, want := range map[v1.PodQOSClass]string{
		v1.PodQOSGuaranteed: "/podsim/00c0ffee/worker",
		v1.PodQOSBurstable:  "/podsim/00c0ffee/worker/burstable",
		v1.PodQOSBestEffort: "/podsim/00c0ffee/worker/besteffort",
	} {
		assert.Equal(t, want, qosCgroup((&CRI{Run: "00c0ffee"}).nodeCgroup("worker"), class))
	}
}

// The node's pods share its CPUs by class and have its memory together, less what is reserved.
func TestQOSCgroupsOnNode(t *testing.T) {
	lookOnNode(t, classes, 4, func(node string) {
		assertFiles(t, node, podResources{shares: 1536, period: 100000, memory: 3 << 30})
		assertShares(t, node+"/burstable", 256)
		assertShares(t, node+"/besteffort", sharesMin)
		assert.Len(t, podsIn(t, node), 1)
		assert.Len(t, podsIn(t, node+"/burstable"), 2)
		assert.Len(t, podsIn(t, node+"/besteffort"), 1)
		assertFiles(t, podsIn(t, node)[0], podResources{shares: 307, quota: 30000, period: 100000, memory: 64 << 20})
	})
}

// lookOnNode plays a scenario on the real node until so many containers run, has a look at the cgroup of its node worker,
// and ends it; nothing may be left.
func lookOnNode(t *testing.T, text string, containers int, look func(node string)) {
	endpoint := realNode(t)
	seen := leftovers(t, endpoint)
	sc, c := readScenario(t, text)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	node, looked := "", false
	o := Options{Endpoint: endpoint, begun: func(_ *Driver, run string) {
		seen(run)
		node = (&CRI{Run: run}).nodeCgroup("worker")
	}}
	o.Tick = func() {
		if !looked && running(c) >= containers {
			looked = true
			look(node)
			cancel()
		}
	}
	assert.Equal(t, context.Canceled, Play(ctx, sc, c, o))
	assert.True(t, looked)
}

// podsIn are the cgroups of pods directly below one.
func podsIn(t *testing.T, group string) (pods []string) {
	controller := "memory"
	if cgroupV2() {
		controller = ""
	}
	entries, err := os.ReadDir(filepath.Join(cgroupMount, controller, group))
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "pod") {
			pods = append(pods, filepath.Join(group, e.Name()))
		}
	}
	return pods
}

func assertShares(t *testing.T, group string, shares int64) {
	f := sharesFile(shares, cgroupV2())
	assert.Equal(t, f.value, readCgroup(t, group, f), group)
}

func assertFiles(t *testing.T, group string, limits podResources) {
	for _, f := range limits.files(cgroupV2()) {
		if f.value != "-1" {
			assert.Equal(t, f.value, readCgroup(t, group, f), group+" "+f.file)
		}
	}
}

func readCgroup(t *testing.T, group string, f cgroupFile) string {
	data, err := os.ReadFile(filepath.Join(cgroupMount, f.controller, group, f.file))
	require.NoError(t, err)
	return strings.TrimSpace(string(data))
}
