package runner

import (
	"math"
	"os"
	"strconv"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// memoryQoS is what the unified hierarchy of cgroups is told of a container's memory beside its limit
// (kuberuntime_container_linux.go generateLinuxContainerResources): from where on the kernel slows it down, which is
// nowhere unless the kubelet has a memoryThrottlingFactor. allocatable is the node's memory, in bytes.
//
// Differs from Kubernetes: no memory is kept for a container (memoryReservationPolicy: TieredReservation).
func memoryQoS(config *kubeletconfig.Configuration, t *model.PodTemplate, c *v1.Container, allocatable int64) map[string]string {
	if !config.FeatureEnabled("MemoryQoS") {
		return map[string]string{"memory.high": "max"}
	}
	unified := map[string]string{"memory.min": "0", "memory.low": "0"}
	request, limit := c.Resources.Requests.Memory().Value(), c.Resources.Limits.Memory().Value()
	podLimits := limit == 0 && t.Spec.Resources != nil && !t.Spec.Resources.Limits.Memory().IsZero()
	if config.MemoryThrottlingFactor == nil || podLimits || request == limit && request != 0 {
		return unified
	}
	if limit == 0 {
		limit = allocatable
	}
	if high := memoryHigh(request, limit, *config.MemoryThrottlingFactor); high > 0 {
		unified["memory.high"] = strconv.FormatInt(high, 10)
	}
	return unified
}

// memoryHigh is so much of the way from a request to a limit, in whole pages; 0 where there is no way.
func memoryHigh(request, limit int64, factor float64) int64 {
	page := float64(os.Getpagesize())
	high := int64(math.Floor((float64(request)+(float64(limit)-float64(request))*factor)/page) * page)
	if high <= request {
		return 0
	}
	return high
}

// podMemoryHigh is the same of a pod that has resources as a whole (cm/helpers_linux.go ApplyPodLevelMemoryHigh).
func podMemoryHigh(config *kubeletconfig.Configuration, t *model.PodTemplate, request, limit int64) int64 {
	if config.MemoryThrottlingFactor == nil || !config.FeatureEnabled("MemoryQoS") || t.Spec.Resources == nil ||
		limit == 0 || request == limit {
		return 0
	}
	return memoryHigh(request, limit, *config.MemoryThrottlingFactor)
}
