package kubelet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// The pods that are preempted for a critical one, by QoS class and then by how near their requests
// come to what is needed.
func TestPodsToPreempt(t *testing.T) {
	const critical = 2_000_000_000
	pod := func(qos v1.PodQOSClass, priority int32, milliCPU, memory int64) kubelet.Preemptee {
		x := &model.PodTemplate{QOS: qos, Priority: priority, Requests: model.Resources{MilliCPU: milliCPU, Memory: memory, Pods: 1}}
		return kubelet.Preemptee{Template: x, Requests: &x.Requests}
	}
	cpu := func(n int64) kubelet.Requirement { return kubelet.Requirement{Resource: v1.ResourceCPU, Amount: n} }
	memory := func(n int64) kubelet.Requirement {
		return kubelet.Requirement{Resource: v1.ResourceMemory, Amount: n}
	}
	slots := kubelet.Requirement{Resource: v1.ResourcePods, Amount: 1}
	const bestEffort, burstable, guaranteed = v1.PodQOSBestEffort, v1.PodQOSBurstable, v1.PodQOSGuaranteed
	for _, c := range []struct {
		name string
		pods []kubelet.Preemptee
		need []kubelet.Requirement
		want []int
	}{
		{"the recorded one: 500m of 300m, 600m, 500m with priority and a guaranteed 400m", []kubelet.Preemptee{pod(burstable, 0, 300, 0),
			pod(burstable, 0, 600, 0), pod(burstable, 1000, 500, 0), pod(guaranteed, 0, 400, 400)}, []kubelet.Requirement{cpu(500)}, []int{2}},
		{"less is requested by memory", []kubelet.Preemptee{pod(burstable, 0, 500, 300), pod(burstable, 0, 600, 200)},
			[]kubelet.Requirement{cpu(500)}, []int{1}},
		{"of two that are equal the later one", []kubelet.Preemptee{pod(bestEffort, 0, 0, 0), pod(bestEffort, 0, 0, 0)},
			[]kubelet.Requirement{slots}, []int{1}},
		{"best effort pods first", []kubelet.Preemptee{pod(guaranteed, 0, 100, 100), pod(burstable, 0, 100, 0), pod(bestEffort, 500, 0, 0)},
			[]kubelet.Requirement{slots}, []int{2}},
		{"no best effort pod when a burstable one has to go anyway", []kubelet.Preemptee{pod(bestEffort, 0, 0, 0), pod(burstable, 0, 100, 0)},
			[]kubelet.Requirement{slots, cpu(100)}, []int{1}},
		{"as many as it takes, the nearest first", []kubelet.Preemptee{pod(burstable, 0, 300, 0), pod(burstable, 0, 200, 0), pod(burstable, 0, 250, 0)},
			[]kubelet.Requirement{cpu(450)}, []int{0, 1}},
		{"guaranteed pods for what the others cannot give", []kubelet.Preemptee{pod(burstable, 0, 100, 10), pod(guaranteed, 0, 300, 20)},
			[]kubelet.Requirement{cpu(350)}, []int{0, 1}},
		{"each resource counts alike", []kubelet.Preemptee{pod(burstable, 0, 900, 0), pod(burstable, 0, 100, 1000)},
			[]kubelet.Requirement{cpu(1000), memory(1000)}, []int{1, 0}},
		{"no critical pod of the same priority", []kubelet.Preemptee{pod(burstable, critical, 500, 0), pod(burstable, 0, 600, 0)},
			[]kubelet.Requirement{cpu(500)}, []int{1}},
	} {
		preemptor := pod(burstable, critical, 0, 0).Template
		got, err := kubelet.PodsToPreempt(preemptor, c.pods, c.need)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
	_, err := kubelet.PodsToPreempt(pod(burstable, critical, 0, 0).Template, []kubelet.Preemptee{pod(burstable, 0, 300, 0)}, []kubelet.Requirement{cpu(500), memory(1)})
	assert.EqualError(t, err, "no set of running pods found to reclaim resources: [(res: cpu, q: 200), (res: memory, q: 1), ]")
	// A critical pod of a higher priority goes before another critical one.
	got, err := kubelet.PodsToPreempt(pod(burstable, critical+1000, 0, 0).Template, []kubelet.Preemptee{pod(burstable, critical, 300, 0)}, []kubelet.Requirement{cpu(300)})
	require.NoError(t, err)
	assert.Equal(t, []int{0}, got)
}
