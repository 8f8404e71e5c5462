package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/sim"
)

// figures are what a pod of one container and one volume is measured to use.
type figures struct {
	memory, layer, log, volume int64
}

// usages are the figures of all pods that there are.
func usages(c *sim.Cluster, of func(pod string) figures) []sim.PodUsage {
	var pods []sim.PodUsage
	for i := 1; i < len(c.State().Pods); i++ {
		f := of(c.State().Pods[i].Name)
		pods = append(pods, sim.PodUsage{Pod: c.Ref(model.PodID(i)), Volumes: []kubelet.FsUse{{Bytes: f.volume}},
			Containers: []sim.ContainerUsage{{Memory: f.memory, Layer: kubelet.FsUse{Bytes: f.layer}, Logs: kubelet.FsUse{Bytes: f.log}}}})
	}
	return pods
}

// evictedByMeasure runs a scenario in which each measurement finds what of says, at that moment and with the
// time of the run. It gives when pods were evicted.
func evictedByMeasure(t *testing.T, sc *model.Scenario, of func(pod string, at model.Time) figures) map[string]model.Time {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.UseMeasure(func(node model.NodeID) {
		now := c.Now()
		c.Measured(node, usages(c, func(pod string) figures { return of(pod, now) }))
	})
	evicted := map[string]model.Time{}
	c.Observe(nil, func(e *model.Event) {
		if e.Reason == model.EventEvicted {
			evicted[c.State().Pods[e.ID].Name] = e.At
		}
	})
	c.Begin()
	c.Run(sc.Duration, c.Sound)
	return evicted
}

// requesting is a pod that asks for memory.
func requesting(name, memory string) *v1.Pod {
	k := limited("c", "")
	k.Resources.Requests = v1.ResourceList{v1.ResourceMemory: resource.MustParse(memory)}
	return writingPod(name, "", k)
}

// What is measured decides whether a node is short of memory and who is evicted for it; what behaviors say does not.
func TestMeasuredMemory(t *testing.T) {
	const gib = 1 << 30
	sc := podsScenario(1, 1, requesting("says", "1Gi"), requesting("uses", "1Gi"), requesting("modest", "200Gi"))
	sc.Behaviors = []model.Behavior{
		{Pod: "says", Run: model.Run{Forever: true}, Memory: []model.MemoryPoint{{Use: 300 * gib}}},
		{Run: model.Run{Forever: true}, Memory: []model.MemoryPoint{{Use: mib}}}}
	evicted := evictedByMeasure(t, sc, func(pod string, at model.Time) figures {
		switch {
		case pod == "uses" && at > model.Minute:
			return figures{memory: 100 * gib}
		case pod == "modest":
			return figures{memory: 156 * gib}
		}
		return figures{memory: mib}
	})
	require.Len(t, evicted, 1)
	assert.Greater(t, evicted["uses"], model.Minute)
	assert.Less(t, evicted["uses"], model.Minute+12*model.Second, "a pass comes each 10 s")
}

// Local storage counts as it was measured: writable layer and log at each pass, volumes when the kubelet
// measures them for itself.
func TestMeasuredStorage(t *testing.T) {
	sc := writingScenario(1, []model.Behavior{{Run: model.Run{Forever: true}, Disk: []model.DiskPoint{{Use: 50 * mib}}}},
		writingPod("layer", "", limited("c", "20Mi")), writingPod("log", "", limited("c", "20Mi")),
		writingPod("volume", "20Mi", limited("c", "")), writingPod("within", "20Mi", limited("c", "20Mi")))
	evicted := evictedByMeasure(t, sc, func(pod string, at model.Time) figures {
		return map[string]figures{"layer": {layer: 30 * mib}, "log": {layer: 10 * mib, log: 11 * mib}, "volume": {volume: 30 * mib},
			"within": {layer: 9 * mib, log: 10 * mib, volume: mib}}[pod]
	})
	assert.Contains(t, evicted, "layer")
	assert.Contains(t, evicted, "log")
	assert.Len(t, evicted, 2, "the kubelet has not measured the volume for itself")
}

// The kubelet looks at its own figures of volumes.
func TestMeasuredVolumes(t *testing.T) {
	sc := writingScenario(1, nil, writingPod("volume", "20Mi", limited("c", "")))
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.UseMeasure(func(node model.NodeID) { c.Measured(node, nil) })
	evicted := model.Never
	c.Observe(nil, func(e *model.Event) {
		if e.Reason == model.EventEvicted {
			evicted = e.At
		}
	})
	c.Begin()
	c.Run(5*model.Second, c.Sound)
	looked := c.NextVolumeStats(1)
	require.Less(t, looked, 70*model.Second)
	c.Run(looked, c.Sound)
	c.VolumesMeasured(c.Ref(1), []kubelet.FsUse{{Bytes: 30 * mib}})
	c.Run(sc.Duration, c.Sound)
	assert.GreaterOrEqual(t, evicted, looked)
	assert.LessOrEqual(t, evicted, looked+11*model.Second)
}

// A pass waits for the figures; what a kubelet asked for that has ended is forgotten.
func TestPassWaitsForFigures(t *testing.T) {
	sc := podsScenario(1, 1, requesting("hog", "1Gi"))
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	asked := 0
	c.UseMeasure(func(model.NodeID) { asked++ })
	c.Begin()
	c.Run(30*model.Second, c.Sound)
	require.Equal(t, 1, asked, "the pass waits")
	c.Measured(1, usages(c, func(string) figures { return figures{memory: 300 << 30} }))
	assert.True(t, c.Evicted(1), "the pass went on")
	c.Run(2*model.Minute, c.Sound)
	assert.Equal(t, 2, asked, "the next one when the pod is cleaned up")
	// Figures of a pod that is no more change nothing.
	c.Measured(1, []sim.PodUsage{{Pod: sim.PodRef{ID: 1}, Containers: []sim.ContainerUsage{{Memory: 1}}}})
}
