package sim

import (
	"slices"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// pressureTaints are the taints of nodes under pressure, by model.NodeConditionType
// (pkg/controller/nodelifecycle nodeConditionToTaintKeyStatusMap).
var pressureTaints = [...]string{
	model.NodeMemoryPressure: v1.TaintNodeMemoryPressure,
	model.NodeDiskPressure:   v1.TaintNodeDiskPressure,
	model.NodePIDPressure:    v1.TaintNodePIDPressure,
}

// lacksPressureTaint says that a node's taint does not follow its condition.
func (c *Cluster) lacksPressureTaint(id model.NodeID, i int) bool {
	n := &c.state.Nodes[id]
	tainted := slices.ContainsFunc(n.Taints, func(t v1.Taint) bool {
		return t.Key == pressureTaints[i] && t.Effect == v1.TaintEffectNoSchedule
	})
	return tainted != (n.Conditions[i].Status == model.ConditionTrue)
}

// reviewPressure lets the node lifecycle controller taint a node that it has seen changed, as its
// conditions say (node_lifecycle_controller.go doNoScheduleTaintingPass).
func (c *Cluster) reviewPressure(id model.NodeID) {
	for i := range pressureTaints {
		if c.lacksPressureTaint(id, i) {
			c.lifecycleWrites++
			at := c.request(&c.lifecycleLimit, c.nodes[id].luck, c.lifecycleWrites)
			c.after(at-c.now, evTaint, int32(id), taintPressure)
			return
		}
	}
}

// taintForPressure is the controller's write of these taints.
func (c *Cluster) taintForPressure(id model.NodeID) {
	for i, key := range pressureTaints {
		if c.lacksPressureTaint(id, i) {
			c.setTaint(id, key, v1.TaintEffectNoSchedule, c.state.Nodes[id].Conditions[i].Status == model.ConditionTrue)
		}
	}
}
