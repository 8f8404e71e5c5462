package kubelet

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// managerOf is an eviction manager with the hard thresholds and, with a grace period of 30 s, the soft
// ones.
func managerOf(t *testing.T, separate bool, hard, soft map[string]string) *EvictionManager {
	o := configv1beta1.KubeletConfiguration{EvictionHard: hard, EvictionSoft: soft, EvictionSoftGracePeriod: map[string]string{},
		EvictionMinimumReclaim:           map[string]string{"memory.available": "50Mi"},
		EvictionPressureTransitionPeriod: metav1.Duration{Duration: time.Minute}, EvictionMaxPodGracePeriod: 20}
	for s := range soft {
		o.EvictionSoftGracePeriod[s] = "30s"
	}
	c, errs := kubeletconfig.New(&o)
	require.Empty(t, errs)
	m := NewEvictionManager(c, separate)
	return &m
}

const mebi = 1 << 20

// TestSynchronize lets the memory that is left go up and down.
func TestSynchronize(t *testing.T) {
	m := managerOf(t, false, map[string]string{"memory.available": "100Mi"}, map[string]string{"memory.available": "200Mi"})
	for _, x := range []struct {
		at, left int64
		why      string
		acts     string
		under    bool
	}{
		{0, 500, "enough", "", false},
		{10, 200, "not less than the threshold", "", false},
		{20, 150, "soft: the grace period begins", "", true},
		{30, 210, "unmet: it ends", "", true},
		{40, 150, "it begins anew", "", true},
		{60, 150, "20 s are not enough", "", true},
		{70, 150, "30 s are", "soft", true},
		{71, 210, "met until the minimum reclaim is there, too", "soft", true},
		{80, 249, "the same", "soft", true},
		{90, 250, "resolved", "", true},
		{100, 99, "hard: at once", "hard", true},
		{101, 149, "as above", "hard", true},
		{102, 160, "resolved; the soft one has begun at 100", "", true},
		{130, 160, "and is met now", "soft", true},
		{140, 300, "resolved", "", true},
		{189, 300, "59 s after it was seen last", "", true},
		{190, 300, "one minute", "", false},
	} {
		var o Observations
		o[MemoryAvailable] = Observation{Available: x.left * mebi, Capacity: 1000 * mebi, At: model.Time(x.at) * model.Second}
		chosen, acts := m.Synchronize(&o, model.Time(x.at)*model.Second), ""
		if chosen >= 0 {
			acts = map[bool]string{true: "hard", false: "soft"}[m.thresholds[chosen].Hard()]
		}
		assert.Equal(t, x.acts, acts, "at %d: %s", x.at, x.why)
		assert.Equal(t, x.under, m.Under()[model.NodeMemoryPressure], "at %d: %s", x.at, x.why)
	}
	assert.True(t, m.Quiet())
}

// TestStaleObservation does not act twice on one measurement.
func TestStaleObservation(t *testing.T) {
	m := managerOf(t, true, map[string]string{"imagefs.available": "15%"}, nil)
	var o Observations
	o[ImageFsAvailable] = Observation{Available: 10, Capacity: 100, At: 5}
	assert.Equal(t, 0, m.Synchronize(&o, 10))
	assert.Equal(t, -1, m.Synchronize(&o, 11))
	assert.True(t, m.Under()[model.NodeDiskPressure])
	o[ImageFsAvailable].At = 12
	assert.Equal(t, 0, m.Synchronize(&o, 13))
}

// TestMemoryComesFirst acts on memory where there is too little of all.
func TestMemoryComesFirst(t *testing.T) {
	m := managerOf(t, true, map[string]string{"imagefs.available": "15%", "memory.available": "10Mi", "pid.available": "10", "nodefs.inodesFree": "5%"}, nil)
	var o Observations
	for s := range o {
		o[s] = Observation{Capacity: 100, At: 1}
	}
	assert.Equal(t, MemoryAvailable, m.Signal(m.Synchronize(&o, 1)))
	assert.Equal(t, [3]bool{true, true, true}, m.Under())
}

// TestRank has the order of pods for each kind of signal.
func TestRank(t *testing.T) {
	pods := []PodStats{
		{Pod: 1, Found: true, Memory: 300, MemoryRequest: 500, Layers: FsUse{10, 5}, Volumes: FsUse{100, 1}, StorageRequest: 200, Processes: 4},
		{Pod: 2, Found: true, Memory: 300, MemoryRequest: 100, Layers: FsUse{50, 1}, Processes: 9},
		{Pod: 3, Found: true, Memory: 900, Priority: 1000, Layers: FsUse{90, 2}, Processes: 99},
		{Pod: 4, Found: true, Memory: 500, MemoryRequest: 100, Volumes: FsUse{20, 9}, Processes: 1},
		{Pod: 5},
		{Pod: 6, Found: true, Memory: 100, MemoryRequest: 100, Priority: -1},
		{Pod: 7, Found: true, Memory: 300, MemoryRequest: 100, Layers: FsUse{50, 1}, Processes: 9},
	}
	for _, c := range []struct {
		signal   Signal
		separate bool
		want     []model.PodID
	}{
		// No statistics; over the request: priority, then how much; within: priority, then how much.
		{MemoryAvailable, false, []model.PodID{5, 4, 2, 7, 3, 6, 1}},
		{AllocatableMemoryAvailable, true, []model.PodID{5, 4, 2, 7, 3, 6, 1}},
		// By priority, those without statistics first.
		{PIDAvailable, false, []model.PodID{6, 5, 2, 7, 1, 4, 3}},
		// Layers and volumes count.
		{NodeFsAvailable, false, []model.PodID{5, 2, 7, 4, 3, 6, 1}},
		{ImageFsAvailable, false, []model.PodID{5, 2, 7, 4, 3, 6, 1}},
		// Volumes only, layers only.
		{NodeFsAvailable, true, []model.PodID{5, 4, 6, 2, 7, 1, 3}},
		{ImageFsAvailable, true, []model.PodID{5, 2, 7, 3, 6, 4, 1}},
		// Nobody requests inodes; the request for storage counts all the same when they are compared.
		{ImageFsInodesFree, true, []model.PodID{5, 2, 7, 1, 3, 6, 4}},
	} {
		m := managerOf(t, c.separate, nil, nil)
		ranked := append([]PodStats(nil), pods...)
		m.Rank(c.signal, ranked)
		var got []model.PodID
		for i := range ranked {
			got = append(got, ranked[i].Pod)
		}
		assert.Equal(t, c.want, got, "%s, separate imagefs: %t", signalNames[c.signal], c.separate)
	}
}

func TestReclaimsImages(t *testing.T) {
	shared, separate := managerOf(t, false, nil, nil), managerOf(t, true, nil, nil)
	for s := range NumSignals {
		disk := s.condition() == model.NodeDiskPressure
		assert.Equal(t, disk, shared.ReclaimsImages(s), signalNames[s])
		assert.Equal(t, disk && strings.HasPrefix(string(signalNames[s]), "imagefs"), separate.ReclaimsImages(s), signalNames[s])
	}
}

func TestEvictionMessage(t *testing.T) {
	m := managerOf(t, false, map[string]string{"memory.available": "15490Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}, nil)
	var o Observations
	o[MemoryAvailable] = Observation{Available: 15419088 << 10, Capacity: 24684096 << 10, At: 1}
	o[NodeFsAvailable] = Observation{Available: 5 << 30, Capacity: 100 << 30, At: 1}
	o[NodeFsInodesFree] = Observation{Available: 1000, Capacity: 100000, At: 1}
	m.Synchronize(&o, 1)
	uses := []ContainerUse{
		{Name: "a", Usage: 105036 << 10},
		{Name: "b", Usage: 100 << 20, Request: resource.MustParse("100Mi")},
		{Name: "c", Usage: 200 << 20, Request: resource.MustParse("0.1Gi")},
	}
	of := func(s Signal) int {
		for i := range m.thresholds {
			if m.thresholds[i].signal == s {
				return i
			}
		}
		return -1
	}
	assert.Equal(t, "The node was low on resource: memory. Threshold quantity: 15490Mi, available: 15419088Ki. "+
		"Container a was using 105036Ki, request is 0, has larger consumption of memory. "+
		"Container c was using 200Mi, request is 107374182400m, has larger consumption of memory. ", m.EvictionMessage(of(MemoryAvailable), nil, uses))
	assert.Equal(t, "The node was low on resource: memory. Threshold quantity: 15490Mi, available: 15419088Ki. "+
		"Pod p was using 1Ki, request is 1Mi, has larger consumption of memory. ",
		m.EvictionMessage(of(MemoryAvailable), &ContainerUse{Name: "p", Usage: 1024, Request: resource.MustParse("1Mi")}, nil))
	// The percentage is a float of 32 bits.
	assert.Equal(t, "The node was low on resource: ephemeral-storage. Threshold quantity: 10737418400, available: 5Gi. ",
		m.EvictionMessage(of(NodeFsAvailable), nil, nil))
	assert.Equal(t, "The node was low on resource: inodes. Threshold quantity: 5000, available: 1k. ", m.EvictionMessage(of(NodeFsInodesFree), nil, uses))
}

// TestRefuses admits pods to a node under pressure as upstream does.
func TestRefuses(t *testing.T) {
	m := managerOf(t, false, nil, nil)
	m.under[model.NodeMemoryPressure] = true
	pod := func(qos model.QOS, priority int32) *model.PodTemplate {
		return &model.PodTemplate{QOS: qos, Priority: priority, Spec: &v1.PodSpec{}}
	}
	assert.Equal(t, "The node had condition: [MemoryPressure]. ", m.Refuses(pod("BestEffort", 0)))
	assert.Empty(t, m.Refuses(pod("Burstable", 0)))
	assert.Empty(t, m.Refuses(pod("BestEffort", 2_000_000_000)))
	m.under[model.NodeDiskPressure] = true
	assert.Equal(t, "The node had condition: [MemoryPressure DiskPressure]. ", m.Refuses(pod("Guaranteed", 0)))
	assert.Empty(t, m.Refuses(pod("BestEffort", 2_000_000_000)))
}
