package plugins

import (
	"math"

	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/scheduler/framework"
)

// NodeResourcesBalancedAllocation prefers nodes on which the pod brings the used shares of
// the resources, which are CPU and memory by default, closer together
// (pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go).
func NodeResourcesBalancedAllocation(args *configv1.NodeResourcesBalancedAllocationArgs) framework.Plugin {
	b := &balancedAllocation{resources: newScoredResources(args.Resources, true)}
	return framework.Plugin{
		ID:     framework.NodeResourcesBalancedAllocation,
		Weight: 1,
		// A pod that asks for none of them is not scored: it would pile up on one node.
		PreScore: b.asks,
		Score:    b.score,
	}
}

type balancedAllocation struct {
	resources scoredResources
	// with and without are the used shares of the resources with the pod and without it.
	with, without []float64
}

func (b *balancedAllocation) asks(c *framework.PodClass) bool {
	b.resources.resolve(c.Symbols())
	for i := range b.resources.list {
		if b.resources.request(c, i) != 0 {
			return true
		}
	}
	return false
}

// score is around 75, and moves to 100 where the pod improves the balance and to 50 where it spoils it.
// The floats are upstream's, operation for operation.
func (b *balancedAllocation) score(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	if !b.asks(c) {
		clear(scores)
		return
	}
	for i, n := range nodes {
		b.with, b.without = b.with[:0], b.without[:0]
		for j := range b.resources.list {
			allocated, allocatable := b.resources.of(c, n, j)
			if allocatable != 0 {
				b.with = append(b.with, share(allocated+b.resources.request(c, j), allocatable))
				b.without = append(b.without, share(allocated, allocatable))
			}
		}
		scores[i] = framework.MaxNodeScore/2 + (framework.MaxNodeScore/2+balancedScore(b.with)-balancedScore(b.without))/2
	}
}

// balancedScore is MaxNodeScore less the standard deviation of the used shares. With one
// resource only there is none.
func balancedScore(shares []float64) int64 {
	deviation := 0.0
	switch n := len(shares); {
	case n == 2:
		deviation = math.Abs((shares[0] - shares[1]) / 2)
	case n > 2:
		var total, sum float64
		for _, s := range shares {
			total += s
		}
		mean := total / float64(n)
		for _, s := range shares {
			sum += (s - mean) * (s - mean)
		}
		deviation = math.Sqrt(sum / float64(n))
	}
	return int64((1 - deviation) * float64(framework.MaxNodeScore))
}

func share(requested, allocatable int64) float64 {
	return min(float64(requested)/float64(allocatable), 1)
}
