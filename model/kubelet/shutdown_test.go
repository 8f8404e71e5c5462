package kubelet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model/kubelet"
	"podsim/model/kubeletconfig"
)

func TestShutdownPeriods(t *testing.T) {
	c := kubeletconfig.Default()
	assert.Empty(t, kubelet.ShutdownPeriods(c))
	c.ShutdownGracePeriod.Duration, c.ShutdownGracePeriodCriticalPods.Duration = 30*time.Second, 10*time.Second
	periods := kubelet.ShutdownPeriods(c)
	assert.Equal(t, []configv1beta1.ShutdownGracePeriodByPodPriority{{Priority: 0, ShutdownGracePeriodSeconds: 20},
		{Priority: 2_000_000_000, ShutdownGracePeriodSeconds: 10}}, periods)
	for priority, want := range map[int32]int{-5: 0, 0: 0, 1999999999: 0, 2000000000: 1, 2000001000: 1} {
		assert.Equal(t, want, kubelet.ShutdownGroup(periods, priority), "priority %d", priority)
	}
}

func TestShutdownPeriodsByPriority(t *testing.T) {
	c := kubeletconfig.Default()
	c.ShutdownGracePeriodByPodPriority = []configv1beta1.ShutdownGracePeriodByPodPriority{{Priority: 1000, ShutdownGracePeriodSeconds: 30},
		{Priority: 10, ShutdownGracePeriodSeconds: 60}, {Priority: 100000, ShutdownGracePeriodSeconds: 5}}
	periods := kubelet.ShutdownPeriods(c)
	for priority, want := range map[int32]int64{0: 60, 10: 60, 999: 60, 1000: 30, 99999: 30, 100000: 5, 2000000000: 5} {
		assert.Equal(t, want, periods[kubelet.ShutdownGroup(periods, priority)].ShutdownGracePeriodSeconds, "priority %d", priority)
	}
}
