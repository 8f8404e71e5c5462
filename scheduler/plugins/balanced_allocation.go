package plugins

import (
	"math"

	"podsim/scheduler/framework"
)

// NodeResourcesBalancedAllocation prefers nodes on which the pod brings the used shares of
// CPU and memory closer together
// (pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go).
func NodeResourcesBalancedAllocation() framework.Plugin {
	return framework.Plugin{
		ID:     framework.NodeResourcesBalancedAllocation,
		Weight: 1,
		// A pod that asks for neither is not scored: it would pile up on one node.
		PreScore: func(c *framework.PodClass) bool { return c.MilliCPU != 0 || c.Memory != 0 },
		Score:    scoreBalancedAllocation,
	}
}

// scoreBalancedAllocation is around 75, and moves to 100 where the pod improves the balance
// and to 50 where it spoils it. The floats are upstream's, operation for operation.
func scoreBalancedAllocation(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	for i, n := range nodes {
		cpu, memory := n.Requested.MilliCPU, n.Requested.Memory
		with := balancedScore(cpu+c.MilliCPU, memory+c.Memory, &n.Allocatable)
		without := balancedScore(cpu, memory, &n.Allocatable)
		scores[i] = framework.MaxNodeScore/2 + (framework.MaxNodeScore/2+with-without)/2
	}
}

// balancedScore is MaxNodeScore less the standard deviation of the used shares. With one
// resource only there is none.
func balancedScore(cpu, memory int64, allocatable *framework.Amounts) int64 {
	if allocatable.MilliCPU == 0 || allocatable.Memory == 0 {
		return framework.MaxNodeScore
	}
	std := math.Abs((share(cpu, allocatable.MilliCPU) - share(memory, allocatable.Memory)) / 2)
	return int64((1 - std) * float64(framework.MaxNodeScore))
}

func share(requested, allocatable int64) float64 {
	return min(float64(requested)/float64(allocatable), 1)
}
