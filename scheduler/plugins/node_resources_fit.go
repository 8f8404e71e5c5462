package plugins

import "podsim/scheduler/framework"

// NodeResourcesFit keeps pods off nodes that have too little left of a resource, and prefers
// those that have most left of CPU and memory (LeastAllocated, both with weight 1;
// pkg/scheduler/framework/plugins/noderesources/fit.go, least_allocated.go).
func NodeResourcesFit() framework.Plugin {
	return framework.Plugin{
		ID:     framework.NodeResourcesFit,
		Filter: filterNodeResourcesFit,
		Weight: 1,
		Score:  scoreLeastAllocated,
		Events: framework.NodeAdd | framework.UpdateNodeAllocatable | framework.AssignedPodDelete,
		Hint:   hintNodeResourcesFit,
	}
}

// filterNodeResourcesFit answers the common case in as few comparisons as there are.
func filterNodeResourcesFit(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if int64(len(n.Pods)) < n.AllowedPods && fitsRequest(c, n) {
		return true
	}
	rejectResources(c, n, st)
	return false
}

// fitsRequest is fitsRequest of fit.go without the reasons: a request of zero always fits.
func fitsRequest(c *framework.PodClass, n *framework.NodeInfo) bool {
	if lacks(c.MilliCPU, n.Requested.MilliCPU, n.Allocatable.MilliCPU) ||
		lacks(c.Memory, n.Requested.Memory, n.Allocatable.Memory) ||
		lacks(c.EphemeralStorage, n.Requested.EphemeralStorage, n.Allocatable.EphemeralStorage) {
		return false
	}
	for _, e := range c.Extended {
		if lacks(e.Amount, n.Requested.Amount(e.Resource), n.Allocatable.Amount(e.Resource)) {
			return false
		}
	}
	return true
}

func lacks(request, used, allocatable int64) bool {
	return request > 0 && request > allocatable-used
}

// rejectResources writes down every resource that is short. One of which the node has too
// little even when it is empty cannot be had by preemption. Extended resources come in
// alphabetical order, where upstream has none.
func rejectResources(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) {
	if int64(len(n.Pods)) >= n.AllowedPods {
		st.Reject(framework.Unschedulable, framework.ReasonTooManyPods)
	}
	reject := func(request, used, allocatable int64, reason framework.ReasonID) {
		switch {
		case !lacks(request, used, allocatable):
		case request > allocatable:
			st.Reject(framework.UnschedulableAndUnresolvable, reason)
		default:
			st.Reject(framework.Unschedulable, reason)
		}
	}
	used, allocatable := &n.Requested, &n.Allocatable
	reject(c.MilliCPU, used.MilliCPU, allocatable.MilliCPU, framework.ReasonCPU)
	reject(c.Memory, used.Memory, allocatable.Memory, framework.ReasonMemory)
	reject(c.EphemeralStorage, used.EphemeralStorage, allocatable.EphemeralStorage, framework.ReasonEphemeralStorage)
	for _, e := range c.Extended {
		reject(e.Amount, used.Amount(e.Resource), allocatable.Amount(e.Resource), c.Symbols().Insufficient(e.Resource))
	}
}

// scoreLeastAllocated is the mean of the percentages of CPU and memory that stay free. A
// node that has none of a resource is judged by the other.
func scoreLeastAllocated(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	for i, n := range nodes {
		var score, weights int64
		if n.Allocatable.MilliCPU != 0 {
			score += leastRequestedScore(n.NonZeroMilliCPU+c.NonZeroMilliCPU, n.Allocatable.MilliCPU)
			weights++
		}
		if n.Allocatable.Memory != 0 {
			score += leastRequestedScore(n.NonZeroMemory+c.NonZeroMemory, n.Allocatable.Memory)
			weights++
		}
		scores[i] = 0
		if weights == 2 {
			scores[i] = score / 2
		} else if weights == 1 {
			scores[i] = score
		}
	}
}

func leastRequestedScore(requested, allocatable int64) int64 {
	if requested > allocatable {
		return 0
	}
	return (allocatable - requested) * framework.MaxNodeScore / allocatable
}

// hintNodeResourcesFit follows isSchedulableAfterNodeChange: the node must fit the pod when
// it is empty, and an update must have brought more of something that the pod asks for. A
// deleted pod always may help.
func hintNodeResourcesFit(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action == framework.AssignedPodDelete {
		return true
	}
	if e.New.AllowedPods < 1 || !fitsEmpty(c, &e.New.Allocatable) {
		return false
	}
	return e.Old == nil || e.New.AllowedPods > e.Old.AllowedPods ||
		increased(c, &e.Old.Allocatable, &e.New.Allocatable)
}

func fitsEmpty(c *framework.PodClass, allocatable *framework.Amounts) bool {
	if c.MilliCPU > allocatable.MilliCPU || c.Memory > allocatable.Memory ||
		c.EphemeralStorage > allocatable.EphemeralStorage {
		return false
	}
	for _, e := range c.Extended {
		if e.Amount > allocatable.Amount(e.Resource) {
			return false
		}
	}
	return true
}

// increased follows haveAnyRequestedResourcesIncreased.
func increased(c *framework.PodClass, before, after *framework.Amounts) bool {
	if c.MilliCPU > 0 && after.MilliCPU > before.MilliCPU ||
		c.Memory > 0 && after.Memory > before.Memory ||
		c.EphemeralStorage > 0 && after.EphemeralStorage > before.EphemeralStorage {
		return true
	}
	for _, e := range c.Extended {
		if e.Amount > 0 && after.Amount(e.Resource) > before.Amount(e.Resource) {
			return true
		}
	}
	return false
}
