package controllers

import (
	"math/bits"
	"sort"
	"strconv"

	"podsim/model"
)

// Burst is the largest number of pods that one sync of a ReplicaSet creates or deletes
// (pkg/controller/replicaset BurstReplicas).
const Burst = 500

// PodsToDelete chooses n of a ReplicaSet's active pods, the least valuable first, and gives
// them at the front of pods (replica_set.go getPodsToDelete, controller_utils.go
// ActivePodsWithRanks). onNode counts a pod's siblings on its node. Pods that upstream would
// order by UID go in the order of tie.
func PodsToDelete(s *model.State, pods []model.PodID, n int, now model.Time, onNode func(model.PodID) int, tie func(model.PodID) uint64) []model.PodID {
	if n >= len(pods) {
		return pods
	}
	rank := make(map[model.PodID]int, len(pods))
	for _, id := range pods {
		rank[id] = onNode(id)
	}
	sort.SliceStable(pods, func(i, j int) bool {
		a, b := &s.Pods[pods[i]], &s.Pods[pods[j]]
		return lessValuable(a, b, rank[a.ID], rank[b.ID], now, tie)
	})
	return pods[:n]
}

var phaseOrder = [...]int{model.PodPending: 0, model.PodUnknown: 1, model.PodRunning: 2, model.PodSucceeded: 2, model.PodFailed: 2}

// lessValuable follows ActivePodsWithRanks.Less.
func lessValuable(a, b *model.Pod, rankA, rankB int, now model.Time, tie func(model.PodID) uint64) bool {
	if (a.Node == 0) != (b.Node == 0) {
		return a.Node == 0
	}
	if x, y := phaseOrder[a.Status.Phase], phaseOrder[b.Status.Phase]; x != y {
		return x < y
	}
	if x, y := a.Status.Ready(), b.Status.Ready(); x != y {
		return !x
	}
	if x, y := deletionCost(a), deletionCost(b); x != y {
		return x < y
	}
	if rankA != rankB {
		return rankA > rankB
	}
	if x, y := a.Status.Conditions[model.PodReady].Transition, b.Status.Conditions[model.PodReady].Transition; a.Status.Ready() && x != y {
		return younger(x, y, now, a.ID, b.ID, tie)
	}
	if x, y := maxRestarts(a, model.AppContainer), maxRestarts(b, model.AppContainer); x != y {
		return x > y
	}
	if x, y := maxRestarts(a, model.Sidecar), maxRestarts(b, model.Sidecar); x != y {
		return x > y
	}
	if x, y := a.Created.TruncateSecond(), b.Created.TruncateSecond(); x != y {
		return younger(x, y, now, a.ID, b.ID, tie)
	}
	return false
}

// younger compares ages on a logarithmic scale (logarithmicRankDiff).
func younger(x, y, now model.Time, a, b model.PodID, tie func(model.PodID) uint64) bool {
	dx, dy := bits.Len64(uint64(now-x)), bits.Len64(uint64(now-y))
	if dx == dy {
		return tie(a) < tie(b)
	}
	return dx < dy
}

func deletionCost(p *model.Pod) int64 {
	v, ok := p.Template.Annotations["controller.kubernetes.io/pod-deletion-cost"]
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// maxRestarts is the most restarts of a container of this kind (compareMaxContainerRestarts).
func maxRestarts(p *model.Pod, kind model.ContainerKind) int32 {
	var n int32
	for i := range p.Status.Containers {
		if p.Template.Containers[i].Kind == kind {
			n = max(n, p.Status.Containers[i].Restarts)
		}
	}
	return n
}
