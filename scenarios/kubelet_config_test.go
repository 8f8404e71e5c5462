package scenarios_test

import (
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
