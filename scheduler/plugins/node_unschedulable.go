package plugins

import "podsim/scheduler/framework"

// NodeUnschedulable keeps pods off cordoned nodes
// (pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go).
func NodeUnschedulable() framework.Plugin {
	return framework.Plugin{
		ID:     framework.NodeUnschedulable,
		Filter: filterNodeUnschedulable,
		Events: framework.NodeAdd | framework.UpdateNodeTaint | framework.UpdatePodToleration,
		Hint:   hintNodeUnschedulable,
	}
}

func filterNodeUnschedulable(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if !n.Unschedulable || c.ToleratesUnschedulable {
		return true
	}
	st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonUnschedulable)
	return false
}

// hintNodeUnschedulable follows isSchedulableAfterNodeChange and
// isSchedulableAfterTargetPodTolerationChange.
func hintNodeUnschedulable(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action == framework.UpdatePodToleration {
		return c.ToleratesUnschedulable
	}
	return (e.Old == nil || e.Old.Unschedulable) && !e.New.Unschedulable
}
