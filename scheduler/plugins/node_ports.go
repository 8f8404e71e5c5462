package plugins

import "podsim/scheduler/framework"

// NodePorts keeps pods off nodes where a host port that they want is taken
// (pkg/scheduler/framework/plugins/nodeports/node_ports.go).
func NodePorts() framework.Plugin {
	return framework.Plugin{
		ID: framework.NodePorts,
		PreFilter: func(c *framework.PodClass, r *framework.PreFilterResult) {
			r.Skip = len(c.HostPorts) == 0
		},
		Filter: filterNodePorts,
		Events: framework.NodeAdd | framework.AssignedPodDelete,
		Hint:   hintNodePorts,
	}
}

func filterNodePorts(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if !framework.Conflict(c.HostPorts, n.UsedPorts) {
		return true
	}
	st.Reject(framework.Unschedulable, framework.ReasonPorts)
	return false
}

// hintNodePorts follows isSchedulableAfterAssignedPodDeleted: a deleted pod helps when it
// held a port that this one wants.
func hintNodePorts(c *framework.PodClass, e *framework.ClusterEvent) bool {
	return e.Action == framework.NodeAdd || framework.Conflict(c.HostPorts, e.Pod.HostPorts)
}
