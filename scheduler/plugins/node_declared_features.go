package plugins

import (
	"slices"

	"podsim/scheduler/framework"
)

// NodeDeclaredFeatures keeps pods that need a feature of the kubelet to the nodes that declare it
// (pkg/scheduler/framework/plugins/nodedeclaredfeatures/nodedeclaredfeatures.go).
func NodeDeclaredFeatures() framework.Plugin {
	return framework.Plugin{
		ID:        framework.NodeDeclaredFeatures,
		PreFilter: func(c *framework.PodClass, r *framework.PreFilterResult) { r.Skip = len(c.Features) == 0 },
		Filter:    filterDeclaredFeatures,
		Events:    framework.NodeAdd | framework.UpdateNodeDeclaredFeature,
	}
}

func filterDeclaredFeatures(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	for _, feature := range c.Features {
		if !slices.Contains(n.Object.Status.DeclaredFeatures, feature) {
			st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonDeclaredFeatures)
			return false
		}
	}
	return true
}
