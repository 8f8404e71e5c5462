package plugins

import (
	"slices"
	"strings"

	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/model/schedulerconfig"
	"podsim/scheduler/framework"
)

// NodeResourcesFit keeps pods off nodes that have too little left of a resource, and prefers those that
// have most left of CPU and memory, or what else the arguments say
// (pkg/scheduler/framework/plugins/noderesources/fit.go).
func NodeResourcesFit(args *configv1.NodeResourcesFitArgs) framework.Plugin {
	f := &fit{
		resources:     newScoredResources(args.ScoringStrategy.Resources, false),
		ignored:       args.IgnoredResources,
		ignoredGroups: args.IgnoredResourceGroups,
	}
	p := framework.Plugin{
		ID:     framework.NodeResourcesFit,
		Filter: f.filter,
		Weight: 1,
		Events: framework.NodeAdd | framework.UpdateNodeAllocatable | framework.AssignedPodDelete | framework.UpdatePodScaleDown,
		Hint:   hintNodeResourcesFit,
	}
	switch args.ScoringStrategy.Type {
	case configv1.MostAllocated:
		p.Score = f.scoreMostAllocated
	case configv1.RequestedToCapacityRatio:
		f.shape = args.ScoringStrategy.RequestedToCapacityRatio.Shape
		p.Score = f.scoreRatio
	default:
		p.Score = f.scoreLeastAllocated
	}
	return p
}

// fit has the arguments of NodeResourcesFit.
type fit struct {
	resources scoredResources
	shape     []configv1.UtilizationShapePoint
	// Extended resources with these names, or with one of the groups before the slash, may be short.
	ignored, ignoredGroups []string
}

// filter answers the common case in as few comparisons as there are.
func (f *fit) filter(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if int64(len(n.Pods)) < n.AllowedPods && fitsRequest(c, n) {
		return true
	}
	f.rejectResources(c, n, st)
	return len(st.Reasons) == 0
}

// fitsRequest is fitsRequest of fit.go without the reasons and without ignored resources: a request of
// zero always fits.
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

// ignores says whether an extended resource may be short.
func (f *fit) ignores(c *framework.PodClass, id framework.ResourceID) bool {
	if len(f.ignored) == 0 && len(f.ignoredGroups) == 0 {
		return false
	}
	name := string(c.Symbols().ResourceName(id))
	if !schedulerconfig.IsExtendedResource(name) {
		return false
	}
	group, _, _ := strings.Cut(name, "/")
	return slices.Contains(f.ignored, name) || slices.Contains(f.ignoredGroups, group)
}

func lacks(request, used, allocatable int64) bool {
	return request > 0 && request > allocatable-used
}

// rejectResources writes down every resource that is short. One of which the node has too
// little even when it is empty cannot be had by preemption. Extended resources come in
// alphabetical order, where upstream has none.
func (f *fit) rejectResources(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) {
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
		if f.ignores(c, e.Resource) {
			continue
		}
		reject(e.Amount, used.Amount(e.Resource), allocatable.Amount(e.Resource), c.Symbols().Insufficient(e.Resource))
	}
}

// scoreLeastAllocated is the mean of the percentages that stay free.
func (f *fit) scoreLeastAllocated(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	f.resources.resolve(c.Symbols())
	for i, n := range nodes {
		scores[i] = f.resources.mean(c, n, leastRequestedScore)
	}
}

// scoreMostAllocated is the mean of the percentages in use.
func (f *fit) scoreMostAllocated(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	f.resources.resolve(c.Symbols())
	for i, n := range nodes {
		scores[i] = f.resources.mean(c, n, mostRequestedScore)
	}
}

func (f *fit) scoreRatio(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	f.resources.resolve(c.Symbols())
	for i, n := range nodes {
		scores[i] = f.resources.ratio(c, n, f.shape)
	}
}

// hintNodeResourcesFit follows isSchedulableAfterNodeChange: the node must fit the pod when
// it is empty, and an update must have brought more of something that the pod asks for. A
// deleted pod always may help, one that was scaled down if it requests less of what the pod asks for
// (haveEnoughRelevantResourcesDecreased).
func hintNodeResourcesFit(c *framework.PodClass, e *framework.ClusterEvent) bool {
	switch e.Action {
	case framework.AssignedPodDelete:
		return true
	case framework.UpdatePodScaleDown:
		return e.PodNode == nil || c.MilliCPU > 0 && e.Pod.MilliCPU < e.OldPod.MilliCPU || c.Memory > 0 && e.Pod.Memory < e.OldPod.Memory
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
