package kubelet

import (
	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"podsim/model"
)

// The bounds of oom_score_adj (pkg/kubelet/qos/policy.go).
const (
	guaranteedOOMScoreAdj = -997
	bestEffortOOMScoreAdj = 1000
)

// OOMScoreAdj is the oom_score_adj of the processes of a container on a node with so many bytes of memory
// (pkg/kubelet/qos/policy.go GetContainerOOMScoreAdjust).
func OOMScoreAdj(t *model.PodTemplate, i int, capacity int64) int64 {
	if t.Critical() && t.Spec.PriorityClassName == "system-node-critical" {
		return guaranteedOOMScoreAdj
	}
	switch t.QOS {
	case v1.PodQOSGuaranteed:
		return guaranteedOOMScoreAdj
	case v1.PodQOSBestEffort:
		return bestEffortOOMScoreAdj
	}
	rest := restOfPodRequest(t)
	adjust := 1000 - 1000*(t.Containers[i].Requests.Memory+rest)/capacity
	if t.Containers[i].Kind == model.Sidecar {
		adjust = min(adjust, 1000-1000*(leastRequest(t)+rest)/capacity)
	}
	return min(max(adjust, 1000+guaranteedOOMScoreAdj), bestEffortOOMScoreAdj-1)
}

// restOfPodRequest is each container's part of the memory that a pod requests as a whole and no
// container does (qos/helpers.go remainingPodMemReqPerContainer).
func restOfPodRequest(t *model.PodTemplate) int64 {
	pod := &v1.Pod{Spec: *t.Spec}
	if !resourcehelper.IsPodLevelRequestsSet(pod) || t.Spec.Resources.Requests.Memory().IsZero() {
		return 0
	}
	sum := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	rest := t.Spec.Resources.Requests.Memory().Value() - sum.Memory().Value()
	return max(rest, 0) / int64(len(t.Containers))
}

// leastRequest is the least memory that one of the containers requests (minRegularContainerMemory).
func leastRequest(t *model.PodTemplate) int64 {
	least := t.Containers[t.NumInit].Requests.Memory
	for i := range t.AppContainers() {
		least = min(least, t.AppContainers()[i].Requests.Memory)
	}
	return least
}

// OOMBadness is how much the kernel prefers a process that uses so many bytes as its victim, of those
// that share total bytes (Linux mm/oom_kill.c oom_badness): in pages of 4 KiB.
func OOMBadness(use, adjust, total int64) int64 {
	const page = 4096
	return use/page + adjust*(total/page/1000)
}
