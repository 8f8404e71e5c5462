package plugins

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/scheduler/framework"
)

// NodeAffinity keeps pods to the nodes that nodeSelector and required node affinity match,
// and prefers those that the preferred terms match
// (pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go).
func NodeAffinity(args *configv1.NodeAffinityArgs) framework.Plugin {
	a := newAddedAffinity(args.AddedAffinity)
	return framework.Plugin{
		ID:        framework.NodeAffinity,
		PreFilter: a.preFilter,
		Filter:    a.filter,
		Weight:    2,
		PreScore:  func(c *framework.PodClass) bool { return c.HasPreferred || a.preferred != nil },
		Score:     a.score,
		Normalize: framework.NormalizeDefault,
		Events:    framework.NodeAdd | framework.UpdateNodeLabel,
		Hint:      a.hint,
	}
}

// addedAffinity is what the arguments ask of nodes for all pods.
type addedAffinity struct {
	required  *nodeaffinity.NodeSelector
	preferred *nodeaffinity.PreferredSchedulingTerms
}

// newAddedAffinity parses terms that have been validated.
func newAddedAffinity(added *v1.NodeAffinity) *addedAffinity {
	a := &addedAffinity{}
	if added == nil {
		return a
	}
	if required := added.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		a.required, _ = nodeaffinity.NewNodeSelector(required)
	}
	if preferred := added.PreferredDuringSchedulingIgnoredDuringExecution; len(preferred) > 0 {
		a.preferred, _ = nodeaffinity.NewPreferredSchedulingTerms(preferred)
	}
	return a
}

// preFilter finds the nodes that the terms name by metadata.name, if all terms
// do: the case of a DaemonSet's pods.
func (a *addedAffinity) preFilter(c *framework.PodClass, r *framework.PreFilterResult) {
	if !c.HasRequired {
		r.Skip = a.required == nil
		return
	}
	affinity := c.Template.Spec.Affinity
	if affinity == nil || affinity.NodeAffinity == nil ||
		affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return
	}
	terms := affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	var names []string
	for i := range terms {
		of, named := termNodeNames(&terms[i])
		if !named {
			// The terms are alternatives: one that names no node admits all.
			return
		}
		names = append(names, of...)
	}
	if len(terms) == 0 {
		return
	}
	if len(names) == 0 {
		r.Rejected = framework.ReasonAffinityConflict
		return
	}
	slices.Sort(names)
	r.NodeNames = slices.Compact(names)
}

// termNodeNames are the names that every metadata.name requirement of a term admits; named
// is false when there is no such requirement.
func termNodeNames(term *v1.NodeSelectorTerm) (names []string, named bool) {
	for _, r := range term.MatchFields {
		if r.Key != metav1.ObjectNameField || r.Operator != v1.NodeSelectorOpIn {
			continue
		}
		if !named {
			names, named = slices.Clone(r.Values), true
			continue
		}
		names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(r.Values, name) })
	}
	return names, named
}

func (a *addedAffinity) filter(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if a.required != nil && !a.required.Match(&n.Object) {
		st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonAffinityEnforced)
		return false
	}
	if c.Affinity(n).Required {
		return true
	}
	st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonAffinity)
	return false
}

func (a *addedAffinity) score(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	for i, n := range nodes {
		scores[i] = int64(c.Affinity(n).Preferred)
		if a.preferred != nil {
			scores[i] += a.preferred.Score(&n.Object)
		}
	}
}

// hint follows isSchedulableAfterNodeChange: a node that matches now and did not before helps.
func (a *addedAffinity) hint(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if a.required != nil && !a.required.Match(&e.New.Object) || !c.MatchesRequired(&e.New.Object) {
		return false
	}
	return e.Old == nil || !c.MatchesRequired(&e.Old.Object)
}
