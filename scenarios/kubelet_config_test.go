package scenarios_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
)

func TestKubeletConfig(t *testing.T) {
	const head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	c, err := scenarios.ReadKubeletConfigBytes("kubelet.yaml", []byte(head+`
maxPods: 20
maxParallelImagePulls: 3
evictionHard: {memory.available: 500Mi, nodefs.available: 10%}
clusterDomain: cluster.local
`))
	require.NoError(t, err)
	assert.Equal(t, int32(20), c.MaxPods)
	assert.Equal(t, 3, c.ParallelPulls(), "it says that pulls are parallel")
	assert.Equal(t, int64(500<<20), c.Thresholds[0].Amount.Of(0))
	assert.Equal(t, int64(100), c.Thresholds[1].Amount.Of(1000))
	require.Contains(t, c.Unsimulated, model.Unsimulated{Kind: "KubeletConfiguration", Field: "clusterDomain", Objects: 1})

	for text, want := range map[string]string{
		"maxPod: 20":                             "kubelet.yaml:3: unknown field maxPod, did you mean maxPods?",
		"imageGCHighThresholdPercent: 70\n":      "kubelet.yaml:1: imageGCLowThresholdPercent: Invalid value: 80: must be less than imageGCHighThresholdPercent",
		"evictionHard: {memory.available: much}": "kubelet.yaml:3: evictionHard.memory.available: Invalid value: \"much\": want a quantity such as 500Mi or a percentage such as 10%",
		"evictionSoft: {memory.available: 1Gi}":  "kubelet.yaml:1: evictionSoftGracePeriod.memory.available: Required value: a soft threshold needs a grace period",
	} {
		_, err := scenarios.ReadKubeletConfigBytes("kubelet.yaml", []byte(head+text))
		assert.ErrorContains(t, err, want)
	}
}

// What a user may write wrongly is refused where it stands.
func TestKubeletConfigErrors(t *testing.T) {
	const head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
	for text, want := range map[string]string{
		"featureGates: {NodeSwop: true}":                                 `:3: featureGates.NodeSwop: Invalid value: true: there is no such feature gate`,
		"logging: {verbosity: -1}":                                       `logging.verbosity`,
		"logging: {flushFrequency: soon}":                                `:3: logging.flushFrequency: `,
		"featureGates: {memoryqos: true}":                                `did you mean MemoryQoS?`,
		"featureGates: {NodeSwap: false}":                                `:3: featureGates.NodeSwap: Invalid value: false: the feature is locked to true`,
		"crashLoopBackOff: {maxContainerRestartPeriod: 10m}":             `:3: crashLoopBackOff.maxContainerRestartPeriod: Invalid value: "10m0s": must be from 1s to 300s`,
		"systemReserved: {memory: lots}":                                 `:3: systemReserved.memory: Invalid value: "lots": want a quantity such as 500m or 1Gi`,
		`kubeReserved: {gpu: "1"}`:                                       `:3: kubeReserved: Unsupported value: "gpu": supported values: "cpu", "memory", "ephemeral-storage", "pid"`,
		"enforceNodeAllocatable:\n- pods\n- kube-reserved":               `:5: enforceNodeAllocatable[1]: Invalid value: "kube-reserved": needs kubeReservedCgroup`,
		"enforceNodeAllocatable: [pod]":                                  `:3: enforceNodeAllocatable[0]: Unsupported value: "pod"`,
		"shutdownGracePeriod: 10s\nshutdownGracePeriodCriticalPods: 20s": `:4: shutdownGracePeriodCriticalPods: Invalid value: "20s": must not be more than shutdownGracePeriod`,
		"topologyManagerPolicy: best":                                    `:3: topologyManagerPolicy: Unsupported value: "best"`,
		"port: 70000":                                                    `:3: port: Invalid value: 70000: must be from 1 to 65535`,
		"containerLogMaxSize: ten":                                       `:3: containerLogMaxSize: Invalid value: "ten": want a quantity such as 10Mi`,
		"eventRecordQPS: -1":                                             `:3: eventRecordQPS: Invalid value: -1: must not be negative`,
		"memorySwap: {swapBehavior: Unlimited}":                          `:3: memorySwap.swapBehavior: Unsupported value: "Unlimited"`,
		"registerWithTaints: [{key: a, effect: NoRun}]":                  `:3: registerWithTaints[0]: Invalid value: "a:NoRun": want a key and the effect`,
		"featureGates: {KubeletCrashLoopBackOffMax: false}\ncrashLoopBackOff: {maxContainerRestartPeriod: 1m}": `:4: crashLoopBackOff.maxContainerRestartPeriod: Invalid value: "1m0s": needs the feature gate KubeletCrashLoopBackOffMax`,
	} {
		_, err := scenarios.ReadKubeletConfigBytes("kubelet.yaml", []byte(head+text))
		assert.ErrorContains(t, err, want, text)
	}
}

// Files of others are taken as they are; what they say that no run can show is listed, but neither what
// is as it would be anyway nor who may ask the kubelet.
func TestKubeletConfigOfOthers(t *testing.T) {
	for name, want := range map[string][]string{
		"kubeadm.yaml": {"clusterDNS", "clusterDomain"},
		"cloud.yaml":   {"clusterDNS", "clusterDomain", "featureGates.ContainerStopSignals"},
	} {
		data, err := os.ReadFile("testdata/kubelet/" + name)
		require.NoError(t, err)
		c, err := scenarios.ReadKubeletConfigBytes(name, data)
		require.NoError(t, err)
		var fields []string
		for _, u := range c.Unsimulated {
			fields = append(fields, u.Field)
		}
		assert.Subset(t, fields, want, name)
		assert.NotContains(t, fields, "authentication", name)
		assert.NotContains(t, fields, "nodeStatusUpdateFrequency", name)
		assert.NotContains(t, fields, "containerLogMaxSize", name)
		assert.NotContains(t, fields, "featureGates.RotateKubeletServerCertificate", name)
		t.Log(name, fields)
	}
}

// What a configuration reserves is not allocatable; an allocatable that the template gives stays.
func TestKubeletConfigReserves(t *testing.T) {
	const text = `
apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: reserves}
spec:
  duration: 1m
  config: {kubelet: testdata/kubelet/cloud.yaml}
  nodes:
  - name: a
    template: {status: {capacity: {cpu: "4", memory: 16Gi, ephemeral-storage: 100Gi}}}
  - name: b
    template: {status: {capacity: {cpu: "4", memory: 16Gi}, allocatable: {cpu: "3"}}}
`
	s, err := scenarios.ReadBytes("reserves.yaml", []byte(text), scenarios.OS{})
	require.NoError(t, err)
	a, b := s.Nodes[0].Object, s.Nodes[1].Object
	part := float32(10) / 100 // as upstream keeps a percentage
	assert.Equal(t, model.Resources{MilliCPU: 3920, Memory: 16<<30 - (893+100+100)<<20, EphemeralStorage: 99<<30 - int64(float64(100<<30)*float64(part)), Pods: 58},
		model.ResourcesOf(a.Status.Allocatable), "less kubeReserved, systemReserved and evictionHard")
	assert.Equal(t, int64(58), a.Status.Capacity.Pods().Value())
	assert.Equal(t, int64(3), b.Status.Allocatable.Cpu().Value())
	assert.Equal(t, "node.cloudprovider.kubernetes.io/uninitialized", a.Spec.Taints[0].Key)
}
