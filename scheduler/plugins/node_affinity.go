package plugins

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/scheduler/framework"
)

// NodeAffinity keeps pods to the nodes that nodeSelector and required node affinity match,
// and prefers those that the preferred terms match
// (pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go).
func NodeAffinity() framework.Plugin {
	return framework.Plugin{
		ID:        framework.NodeAffinity,
		PreFilter: preFilterNodeAffinity,
		Filter:    filterNodeAffinity,
		Weight:    2,
		PreScore:  func(c *framework.PodClass) bool { return c.HasPreferred },
		Score:     scoreNodeAffinity,
		Normalize: framework.NormalizeDefault,
		Events:    framework.NodeAdd | framework.UpdateNodeLabel,
		Hint:      hintNodeAffinity,
	}
}

// preFilterNodeAffinity finds the nodes that the terms name by metadata.name, if all terms
// do: the case of a DaemonSet's pods.
func preFilterNodeAffinity(c *framework.PodClass, r *framework.PreFilterResult) {
	if !c.HasRequired {
		r.Skip = true
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

func filterNodeAffinity(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if c.Affinity(n).Required {
		return true
	}
	st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonAffinity)
	return false
}

func scoreNodeAffinity(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	for i, n := range nodes {
		scores[i] = int64(c.Affinity(n).Preferred)
	}
}

// hintNodeAffinity follows isSchedulableAfterNodeChange: a node that matches now and did not
// before helps.
func hintNodeAffinity(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if !c.MatchesRequired(&e.New.Object) {
		return false
	}
	return e.Old == nil || !c.MatchesRequired(&e.Old.Object)
}
