package plugins

import (
	"math"

	v1 "k8s.io/api/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/scheduler/framework"
)

// scoredResources are the resources that a score looks at
// (pkg/scheduler/framework/plugins/noderesources/resource_allocation.go resourceAllocationScorer).
type scoredResources struct {
	list []scoredResource
	// actual says that CPU and memory count as requested; otherwise a container without a request
	// counts with a small one.
	actual bool
	// symbols numbered the extended resources.
	symbols *framework.Symbols
}

type scoredResource struct {
	name   v1.ResourceName
	weight int64
	id     framework.ResourceID
}

func newScoredResources(specs []configv1.ResourceSpec, actual bool) scoredResources {
	r := scoredResources{actual: actual}
	for _, s := range specs {
		r.list = append(r.list, scoredResource{name: v1.ResourceName(s.Name), weight: s.Weight})
	}
	return r
}

// resolve numbers the extended resources, once for a scheduler.
func (r *scoredResources) resolve(s *framework.Symbols) {
	if r.symbols == s {
		return
	}
	r.symbols = s
	for i := range r.list {
		switch e := &r.list[i]; e.name {
		case v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage:
		default:
			e.id = s.Resource(e.name)
		}
	}
}

// request is what a pod of the class asks for (calculatePodResourceRequest).
func (r *scoredResources) request(c *framework.PodClass, i int) int64 {
	switch e := &r.list[i]; {
	case e.name == v1.ResourceCPU && r.actual:
		return c.MilliCPU
	case e.name == v1.ResourceCPU:
		return c.NonZeroMilliCPU
	case e.name == v1.ResourceMemory && r.actual:
		return c.Memory
	case e.name == v1.ResourceMemory:
		return c.NonZeroMemory
	case e.name == v1.ResourceEphemeralStorage:
		return c.EphemeralStorage
	default:
		return c.Request(e.id)
	}
}

// of is what a node has of a resource and how much of it its pods ask for; an allocatable of 0
// says that the resource does not count. An extended resource counts only for pods that ask for it
// (calculateNodeAllocatableRequest).
func (r *scoredResources) of(c *framework.PodClass, n *framework.NodeInfo, i int) (allocated, allocatable int64) {
	switch e := &r.list[i]; {
	case e.name == v1.ResourceCPU && r.actual:
		return n.Requested.MilliCPU, n.Allocatable.MilliCPU
	case e.name == v1.ResourceCPU:
		return n.NonZeroMilliCPU, n.Allocatable.MilliCPU
	case e.name == v1.ResourceMemory && r.actual:
		return n.Requested.Memory, n.Allocatable.Memory
	case e.name == v1.ResourceMemory:
		return n.NonZeroMemory, n.Allocatable.Memory
	case e.name == v1.ResourceEphemeralStorage:
		return n.Requested.EphemeralStorage, n.Allocatable.EphemeralStorage
	case c.Request(e.id) == 0:
		return 0, 0
	default:
		return n.Requested.Amount(e.id), n.Allocatable.Amount(e.id)
	}
}

// mean is the weighted mean of the resources' scores on a node, rounded down.
func (r *scoredResources) mean(c *framework.PodClass, n *framework.NodeInfo, score func(requested, allocatable int64) int64) int64 {
	var sum, weights int64
	for i := range r.list {
		allocated, allocatable := r.of(c, n, i)
		if allocatable == 0 {
			continue
		}
		sum += r.list[i].weight * score(allocated+r.request(c, i), allocatable)
		weights += r.list[i].weight
	}
	if weights == 0 {
		return 0
	}
	return sum / weights
}

// leastRequestedScore is the percentage that stays free (least_allocated.go).
func leastRequestedScore(requested, allocatable int64) int64 {
	if requested > allocatable {
		return 0
	}
	return (allocatable - requested) * framework.MaxNodeScore / allocatable
}

// mostRequestedScore is the percentage in use. Requests for scoring may be more than there is
// (most_allocated.go).
func mostRequestedScore(requested, allocatable int64) int64 {
	return min(requested, allocatable) * framework.MaxNodeScore / allocatable
}

// ratio is the mean of what a shape makes of the percentages in use. A resource that scores 0 does not
// count (requested_to_capacity_ratio.go buildRequestedToCapacityRatioScorerFunction).
func (r *scoredResources) ratio(c *framework.PodClass, n *framework.NodeInfo, shape []configv1.UtilizationShapePoint) int64 {
	var sum, weights int64
	for i := range r.list {
		allocated, allocatable := r.of(c, n, i)
		if allocatable == 0 {
			continue
		}
		utilization := int64(100)
		if requested := allocated + r.request(c, i); requested <= allocatable {
			utilization = requested * 100 / allocatable
		}
		if score := brokenLinear(shape, utilization); score > 0 {
			sum += r.list[i].weight * score
			weights += r.list[i].weight
		}
	}
	if weights == 0 {
		return 0
	}
	return int64(math.Round(float64(sum) / float64(weights)))
}

// brokenLinear is the score, from 0 to MaxNodeScore, on straight lines between the points of a shape,
// whose scores go to 10 (framework/plugins/helper/shape_score.go BuildBrokenLinearFunction).
func brokenLinear(shape []configv1.UtilizationShapePoint, utilization int64) int64 {
	const scale = framework.MaxNodeScore / 10
	for i := range shape {
		x, y := int64(shape[i].Utilization), int64(shape[i].Score)*scale
		if utilization > x {
			continue
		}
		if i == 0 {
			return y
		}
		x0, y0 := int64(shape[i-1].Utilization), int64(shape[i-1].Score)*scale
		return y0 + (y-y0)*(utilization-x0)/(x-x0)
	}
	return int64(shape[len(shape)-1].Score) * scale
}
