package runner

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/runner/workload"
)

// pressedPod is onePod on a node that is short of memory when its pods use more than 300Mi beside the 256Mi of its
// system. Its container may write up to 100Mi. The eviction manager passes 3 s after the start, and each 10 s from there.
var pressedPod = strings.NewReplacer(
	"      cgroupsPerQOS: false\n", "      cgroupsPerQOS: false\n      evictionHard: {memory.available: 3540Mi}\n",
	"  nodes:\n", "  controlPlane: {kubeletAge: 7s}\n  nodes:\n",
	"memory: 4Gi", "memory: 4Gi, ephemeral-storage: 10Gi",
	`image: "app:1"}`, `image: "app:1", resources: {limits: {ephemeral-storage: 100Mi}}}`,
).Replace(onePod)

// TestMeasuredFigures: what the runtime measures reaches the eviction manager, not what behaviors say.
func TestMeasuredFigures(t *testing.T) {
	const says10Mi, writes10Mi = "memory: [{at: 0s, use: 10Mi}]", "disk: [{at: 0s, use: 10Mi}]"
	for name, c := range map[string]struct {
		behavior      string
		memory, layer uint64
		evicted       bool
	}{
		"memory":           {says10Mi, 500 << 20, 0, true},
		"memory is enough": {"memory: [{at: 0s, use: 500Mi}]", 10 << 20, 0, false},
		"layer":            {writes10Mi, 0, 200 << 20, true},
		"layer is small":   {"disk: [{at: 0s, use: 200Mi}]", 0, 1 << 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newRuledRuntime(t)
			f.memory, f.layer = c.memory, c.layer
			text := pressedPod + "  behaviors: [{match: {}, " + c.behavior + "}]\n"
			if !c.evicted {
				text += "  steps: [{at: 6s, delete: pod/web}]\n"
			}
			end := playFake(t, f, text, model.StateTerminated, nil)
			assert.Positive(t, f.count("ListContainerStats"))
			if !c.evicted {
				assert.GreaterOrEqual(t, end.FinishedAt, 6*model.Second)
			}
		})
	}
}

// TestDiskUsage: hard links count once, holes only where they are asked for.
func TestDiskUsage(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "a")
	require.NoError(t, os.WriteFile(file, make([]byte, 64<<10), 0o600))
	before := diskUsage(folder, true)
	assert.GreaterOrEqual(t, before.Bytes, int64(64<<10))
	assert.EqualValues(t, 2, before.Inodes)

	require.NoError(t, os.Link(file, filepath.Join(folder, "b")))
	assert.Equal(t, before, diskUsage(folder, true), "one file by two names")

	require.NoError(t, os.Truncate(file, 1<<30))
	assert.GreaterOrEqual(t, diskUsage(folder, true).Bytes, int64(1<<30))
	assert.Less(t, diskUsage(folder, false).Bytes, int64(1<<20), "a hole takes no blocks")
	assert.Zero(t, diskUsage(filepath.Join(folder, "gone"), true))
}

// What a stand-in leaves out because it writes so little counts from when it should have been written.
func TestUnwritten(t *testing.T) {
	points := []workload.FilePoint{{Path: layerFile, Use: 1 << 20}, {At: 5 * time.Second, Path: layerFile, Use: 1 << 30, Inodes: 10_000},
		{At: 5 * time.Second, Path: "/v", Use: 8 << 30}}
	full := kubelet.FsUse{Bytes: workload.MostBytes + 12<<10, Inodes: workload.MostInodes + 5}
	assert.Equal(t, full, addUnwritten(full, points, layerFile, 4*time.Second))
	assert.Equal(t, kubelet.FsUse{Bytes: 1<<30 + 12<<10, Inodes: 10_005}, addUnwritten(full, points, layerFile, 6*time.Second))
	little := kubelet.FsUse{Bytes: 12 << 10, Inodes: 3}
	assert.Equal(t, little, addUnwritten(little, points, layerFile, 6*time.Second), "nothing could be written")
}

// pressedNode has a pod for each figure that a runtime or the runner itself measures, each above a limit of its own; the
// node is short of memory while hog runs.
const pressedNode = `
apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: pressed-node}
spec:
  duration: 2m
  controlPlane: {kubeletAge: 6s}
  nodes:
  - name: worker
    template: {status: {capacity: {cpu: "2", memory: 4Gi, ephemeral-storage: 10Gi}}}
    images: [app:1]
    kubelet:
      apiVersion: kubelet.config.k8s.io/v1beta1
      kind: KubeletConfiguration
      evictionHard: {memory.available: 3640Mi}
      volumeStatsAggPeriod: 3s
  manifests:
  - {apiVersion: v1, kind: Pod, metadata: {name: hog}, spec: {containers: [{name: app, image: "app:1"}]}}
  - {apiVersion: v1, kind: Pod, metadata: {name: layer}, spec: {containers: [{name: app, image: "app:1", resources: {limits: {ephemeral-storage: 20Mi}}}]}}
  - {apiVersion: v1, kind: Pod, metadata: {name: log}, spec: {containers: [{name: app, image: "app:1", resources: {limits: {ephemeral-storage: 20Mi}}}]}}
  - apiVersion: v1
    kind: Pod
    metadata: {name: volume}
    spec:
      volumes: [{name: v, emptyDir: {sizeLimit: 30Mi}}]
      containers: [{name: app, image: "app:1", volumeMounts: [{name: v, mountPath: /v}]}]
  - apiVersion: v1
    kind: Pod
    metadata: {name: within}
    spec:
      volumes: [{name: v, emptyDir: {sizeLimit: 30Mi}}]
      containers: [{name: app, image: "app:1", volumeMounts: [{name: v, mountPath: /v}], resources: {limits: {ephemeral-storage: 40Mi}}}]
  behaviors:
  - {match: {pod: hog}, memory: [{at: 4s, use: 300Mi}]}
  - {match: {pod: layer}, disk: [{at: 1s, use: 60Mi}]}
  - {match: {pod: log}, disk: [{at: 1s, use: 60Mi, log: true}]}
  - {match: {pod: volume}, disk: [{at: 1s, use: 60Mi, volume: v}]}
  - {match: {pod: within}, disk: [{at: 1s, use: 20Mi, volume: v}, {at: 1s, use: 5Mi}, {at: 1s, use: 2Mi, log: true}]}
`

// TestEvictionsOnNode: pods are evicted by what the node measures.
func TestEvictionsOnNode(t *testing.T) {
	o := Options{Endpoint: realNode(t), Directory: t.TempDir(), Summary: &Summary{}}
	sc, c := readScenario(t, pressedNode)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	evicted := map[string]string{}
	c.Observe(nil, func(e *model.Event) {
		if e.Reason == model.EventEvicted {
			evicted[c.State().Pods[e.ID].Name] = c.State().EventMessage(e)
		}
	})
	o.Tick = func() {
		if len(evicted) == 4 {
			cancel()
		}
	}
	require.ErrorIs(t, Play(ctx, sc, c, o), context.Canceled)
	assert.ElementsMatch(t, []string{"hog", "layer", "log", "volume"}, slices.Collect(maps.Keys(evicted)))
	usage := regexp.MustCompile(`Container app was using (\d+)Ki, request is 0`).FindStringSubmatch(evicted["hog"])
	require.Len(t, usage, 2, evicted["hog"])
	kib, _ := strconv.Atoi(usage[1])
	// It may have been measured while the memory was being taken.
	assert.Greater(t, kib, 150<<10)
	assert.Less(t, kib, 332<<10)
	assert.Greater(t, o.Summary.PeakMemory, int64(200<<20))
}
