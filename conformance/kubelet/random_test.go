package kubelet

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/validation"

	"podsim/conform"
)

// TestPlainPods draws the pods of the file again.
func TestPlainPods(t *testing.T) {
	list, err := conform.ReadFile("../../conform/testdata/kubelet-random.jsonl.gz")
	require.NoError(t, err)
	for i := range list {
		want, err := json.Marshal(list[i].Pod)
		require.NoError(t, err)
		got, err := json.Marshal(PlainPod(1000000 + int64(i)))
		require.NoError(t, err)
		assert.JSONEq(t, string(want), string(got))
	}
}

// TestWildPodsAreValid: an API server would take them all.
func TestWildPodsAreValid(t *testing.T) {
	for seed := range int64(2000) {
		pod := WildPod(seed)
		legacyscheme.Scheme.Default(pod)
		pod.Namespace = "default"
		internal := &core.Pod{}
		require.NoError(t, legacyscheme.Scheme.Convert(pod, internal, nil))
		options := podutil.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
		assert.Empty(t, validation.ValidatePodCreate(internal, options), "seed %d", seed)
	}
}
