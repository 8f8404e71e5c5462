package kubelet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// The crash back-off of a kubelet by its configuration.
func TestSettings(t *testing.T) {
	const s = model.Second
	minute := &metav1.Duration{Duration: time.Minute}
	for _, tt := range []struct {
		gates map[string]bool
		most  *metav1.Duration
		want  []model.Time
	}{
		{nil, nil, []model.Time{10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 300 * s, 300 * s}},
		{nil, minute, []model.Time{10 * s, 20 * s, 40 * s, 60 * s, 60 * s}},
		{nil, &metav1.Duration{Duration: 2 * time.Second}, []model.Time{2 * s, 2 * s}},
		{map[string]bool{"ReduceDefaultCrashLoopBackOffDecay": true}, minute, []model.Time{1 * s, 2 * s, 4 * s}},
		{map[string]bool{"ReduceDefaultCrashLoopBackOffDecay": true, "KubeletCrashLoopBackOffMax": false}, nil,
			[]model.Time{1 * s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s}},
	} {
		o := &configv1beta1.KubeletConfiguration{FeatureGates: tt.gates}
		o.CrashLoopBackOff.MaxContainerRestartPeriod = tt.most
		c, errs := kubeletconfig.New(o)
		require.Empty(t, errs)
		settings, b := NewSettings(c), backoff{}
		var got []model.Time
		for range tt.want {
			b.next(0, 0, settings.BackoffInitial, settings.BackoffMax)
			got = append(got, b.delay)
		}
		assert.Equal(t, tt.want, got)
	}
	assert.Equal(t, DefaultSettings(), NewSettings(kubeletconfig.Default()))
}
