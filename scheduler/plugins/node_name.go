package plugins

import "podsim/scheduler/framework"

// NodeName keeps a pod to the node that its specification names. Pods in the queue name
// none; the plugin matters to a decision that is asked for from outside
// (pkg/scheduler/framework/plugins/nodename/node_name.go).
func NodeName() framework.Plugin {
	return framework.Plugin{
		ID:        framework.NodeName,
		PreFilter: preFilterNodeName,
		Filter:    filterNodeName,
		Events:    framework.NodeAdd,
	}
}

// preFilterNodeName says Skip without a name, where upstream runs the filter for nothing.
func preFilterNodeName(c *framework.PodClass, r *framework.PreFilterResult) {
	name := c.Template.Spec.NodeName
	if name == "" {
		r.Skip = true
		return
	}
	r.NodeNames = []string{name}
}

func filterNodeName(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if c.Template.Spec.NodeName == n.Name {
		return true
	}
	st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonNodeName)
	return false
}
