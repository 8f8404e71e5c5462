package runner

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
)

// Of the library only what switches a node off is refused, and of the rest the lines are these.
func TestUnplayableInTheLibrary(t *testing.T) {
	const library = "../scenarios/library"
	refused, lines := map[string]string{}, map[string][]string{}
	require.NoError(t, filepath.WalkDir(library, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		sc, err := scenarios.Read(path)
		if err != nil {
			return nil // a manifest
		}
		name, err := filepath.Rel(library, path)
		require.NoError(t, err)
		if err := Check(sc); err != nil {
			refused[name] = err.Error()
		} else if list := Unplayable(sc); len(list) > 0 {
			lines[name] = list
		}
		return nil
	}))
	const crash = ": a node cannot crash on a real node, which this machine is: want mode: network or kubelet, or run it in the simulation"
	assert.Equal(t, map[string]string{
		"node-crash.yaml":  library + "/node-crash.yaml:31" + crash,
		"node-reboot.yaml": library + "/node-reboot.yaml:22" + crash,
	}, refused)
	const disk = "disk: up to 16 MiB of a file or log and 4096 files are really written; what a file, a log or a writable layer lacks of what the scenario says counts all the same"
	const memory = "memory of nodes: what their containers are measured to use of it counts for evictions; the kernel knows the limits of containers, of pods and of all pods of a node, and the memory of this machine"
	assert.Equal(t, map[string][]string{
		"cpu-work.yaml":             {"CPUs of nodes: the containers of all nodes share those of this machine"},
		"devices.yaml":              {devices},
		"emptydir-overflow.yaml":    {"file systems of nodes: they count for evictions and image garbage collection; this machine has its own", disk},
		"disk-eviction.yaml":        {disk},
		"image-gc.yaml":             {disk},
		"graceful-shutdown.yaml":    {"shutdown (" + library + "/graceful-shutdown.yaml:49): the pods end; the machine stays on"},
		"leak-behind-limit.yaml":    {memory},
		"memory-eviction-hard.yaml": {memory},
		"memory-eviction-soft.yaml": {memory},
		"node-cut-off.yaml":         {"fail (" + library + "/node-cut-off.yaml:30): the node is cut off from the control plane, not from the other pods"},
		"node-oom.yaml":             {memory},
		"pull-storm.yaml":           {"unpacked sizes of layers: a layer takes no more on the disk of this machine than it transfers"},
		"resize-restart.yaml":       {memory},
		"volume-attach.yaml":        {"failures of storage drivers (" + library + "/volume-attach.yaml:16): they are simulated", driverVolumes},
		"volumes.yaml":              {driverVolumes},
	}, lines)
}

// A child that is out of memory takes its container with it, unless the kubelet says otherwise. Cgroup v1 cannot do so.
func TestUnplayableChildOutOfMemory(t *testing.T) {
	lines := func(memory, kubelet string, v2 bool) []string {
		sc, err := scenarios.ReadBytes("x.yaml", []byte(`apiVersion: podsim/v1alpha1
kind: Scenario
spec:
  duration: 1m
  nodes: [{name: node, template: {status: {capacity: {cpu: 8, memory: 32Gi}}}`+kubelet+`}]
  behaviors: [{memory: {`+memory+`points: [{at: 0s, use: 1Mi}]}}]
`), nil)
		require.NoError(t, err)
		return unplayable(sc, v2)
	}
	const kubelet = ", kubelet: {apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration, singleProcessOOMKill: "
	const line = "memory.child: under cgroup v1 the kernel kills the child alone, as with singleProcessOOMKill: true"
	for _, config := range []string{"", kubelet + "false}"} {
		assert.Contains(t, lines("child: true, ", config, false), line)
		assert.NotContains(t, lines("child: true, ", config, true), line)
		assert.NotContains(t, lines("", config, false), line)
	}
	assert.NotContains(t, lines("child: true, ", kubelet+"true}", false), line)
}

func TestCheckOfShutdowns(t *testing.T) {
	sc := func(kubelet string) error {
		s, err := scenarios.ReadBytes("x.yaml", []byte(`apiVersion: podsim/v1alpha1
kind: Scenario
spec:
  duration: 1m
  nodes: [{name: node, template: {status: {capacity: {cpu: 8, memory: 32Gi}}}`+kubelet+`}]
  steps: [{at: 5s, shutdown: node}]
`), nil)
		require.NoError(t, err)
		return Check(s)
	}
	const start = ", kubelet: {apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration"
	assert.NoError(t, sc(start+", shutdownGracePeriod: 30s, shutdownGracePeriodCriticalPods: 10s}"))
	for _, kubelet := range []string{"", start + "}"} {
		assert.EqualError(t, sc(kubelet), "x.yaml:6: a shutdown that the kubelet does not hold up is a crash, which cannot be on a real node: "+
			"want shutdownGracePeriod in the KubeletConfiguration of node, or run it in the simulation")
	}
}

// TestCheckPulls: on a private node the scenario's timeout of pulls is the node's; of others it is not known.
func TestCheckPulls(t *testing.T) {
	dir := t.TempDir()
	node := &Node{Dir: dir, Endpoint: "unix://" + dir + "/containerd.sock", Version: "2.4.2", PullProgressTimeout: 20 * time.Second}
	require.NoError(t, node.write())
	sc := &model.Scenario{}
	require.NoError(t, CheckPulls(sc, node.Endpoint), "the scenario says nothing of it")
	sc.PullProgressTimeout = 20 * model.Second
	require.NoError(t, CheckPulls(sc, node.Endpoint))
	require.NoError(t, CheckPulls(sc, "unix:///run/other/containerd.sock"))
	sc.PullProgressTimeout = 30 * model.Second
	require.ErrorContains(t, CheckPulls(sc, node.Endpoint), "the scenario cancels pulls that get nothing for 30s")
	node.Version, sc.PullProgressTimeout = "1.6.20", 20*model.Second
	require.NoError(t, node.write())
	require.ErrorContains(t, CheckPulls(sc, node.Endpoint), "`podsim node start --pull-progress-timeout 20s` with containerd 2")
}
