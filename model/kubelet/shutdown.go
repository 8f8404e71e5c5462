package kubelet

import (
	"slices"
	"time"

	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// The priority of pods without a class, and that of system-cluster-critical
// (pkg/apis/scheduling/types.go).
const (
	defaultPriority        = 0
	systemCriticalPriority = 2_000_000_000
)

// ShutdownPeriods are the periods of a graceful node shutdown, by priority from low to high
// (nodeshutdown/nodeshutdown_manager.go newPodManager, migrateConfig): none when the kubelet does not
// hold a shutdown up.
func ShutdownPeriods(c *kubeletconfig.Configuration) []configv1beta1.ShutdownGracePeriodByPodPriority {
	if len(c.ShutdownGracePeriodByPodPriority) > 0 {
		periods := slices.Clone(c.ShutdownGracePeriodByPodPriority)
		slices.SortStableFunc(periods, func(a, b configv1beta1.ShutdownGracePeriodByPodPriority) int {
			return int(int64(a.Priority) - int64(b.Priority))
		})
		return periods
	}
	all, critical := c.ShutdownGracePeriod.Duration, c.ShutdownGracePeriodCriticalPods.Duration
	if all == 0 || critical > all {
		return nil
	}
	return []configv1beta1.ShutdownGracePeriodByPodPriority{
		{Priority: defaultPriority, ShutdownGracePeriodSeconds: int64((all - critical) / time.Second)},
		{Priority: systemCriticalPriority, ShutdownGracePeriodSeconds: int64(critical / time.Second)},
	}
}

// ShutdownGroup is the index of the period for a pod's priority: the highest that is not above it, the
// lowest when all are (groupByPriority).
func ShutdownGroup(periods []configv1beta1.ShutdownGracePeriodByPodPriority, priority int32) int {
	group := 0
	for i := range periods {
		if periods[i].Priority <= priority {
			group = i
		}
	}
	return group
}

// ShutdownGrace is the grace period in seconds of a pod in a group that has so many (killPods).
func ShutdownGrace(t *model.PodTemplate, group int64) int64 { return min(t.GraceSeconds, group) }
