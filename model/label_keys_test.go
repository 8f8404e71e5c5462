package model

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestMergeLabelKeys(t *testing.T) {
	selector := func() *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}
	}
	term := v1.PodAffinityTerm{LabelSelector: selector(), MatchLabelKeys: []string{"hash", "absent"}, MismatchLabelKeys: []string{"tenant"}}
	none := v1.PodAffinityTerm{MatchLabelKeys: []string{"hash"}}
	spec := &v1.PodSpec{
		TopologySpreadConstraints: []v1.TopologySpreadConstraint{{LabelSelector: selector(), MatchLabelKeys: []string{"hash"}}},
		Affinity: &v1.Affinity{
			PodAffinity:     &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{*term.DeepCopy(), none}},
			PodAntiAffinity: &v1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{{PodAffinityTerm: *term.DeepCopy()}}},
		},
	}
	MergeLabelKeys(spec, map[string]string{"app": "a", "hash": "1", "tenant": "t"})
	text := func(s *metav1.LabelSelector) string { return metav1.FormatLabelSelector(s) }
	require.Equal(t, "app=a,hash in (1)", text(spec.TopologySpreadConstraints[0].LabelSelector))
	required := spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	require.Equal(t, "app=a,hash in (1),tenant notin (t)", text(required[0].LabelSelector))
	require.Nil(t, required[1].LabelSelector)
	preferred := spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution
	require.Equal(t, "app=a,hash in (1),tenant notin (t)", text(preferred[0].PodAffinityTerm.LabelSelector))
}
