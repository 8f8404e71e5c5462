package sim

import "podsim/model"

// checkResizes looks for a pod whose resize its kubelet has forgotten, and counts what the kubelet has
// allocated: its active pods never have more than its node gives. The scheduler may count more on a node:
// a resize that waits, a pod with spec.nodeName until it is refused, or pods that the kubelet has
// refused until that is published.
func (c *Cluster) checkResizes(id model.NodeID) {
	n := &c.nodes[id]
	if n.cutOff() || n.admission.pod.id != 0 {
		return
	}
	var sum model.Resources
	for _, p := range c.activePods(id) {
		o, x := &c.state.Pods[p], &c.pods[p]
		// A pod that was preempted and that the runtime has not stopped in time is given up.
		if !o.Status.Phase.Terminal() && !x.machine.Evicted() {
			sum.Add(&x.machine.Allocated().Requests)
		}
		if x.exists && x.machine.Allocated() != x.template && !x.machine.ResizeInfeasible() && !c.waitsForResize(p) {
			c.contradiction("node %s has forgotten the resize of pod %s", c.state.Nodes[id].Name, o.Name)
		}
	}
	a := &c.state.Nodes[id].Allocatable
	if sum.MilliCPU > a.MilliCPU || sum.Memory > a.Memory || sum.Pods > a.Pods {
		c.contradiction("node %s has allocated %d pods %dm and %d bytes, more than it has: %d pods %dm and %d bytes", c.state.Nodes[id].Name,
			sum.Pods, sum.MilliCPU, sum.Memory, a.Pods, a.MilliCPU, a.Memory)
	}
	if len(n.resizes.pending) > 0 && !c.resizeRetryComes(id) {
		c.contradiction("resizes wait on node %s and nobody will look at them", c.state.Nodes[id].Name)
	}
}

func (c *Cluster) waitsForResize(id model.PodID) bool {
	list := c.nodes[c.state.Pods[id].Node].resizes.pending
	for i := range list {
		if c.isPending(id, &list[i]) {
			return true
		}
	}
	return false
}

func (c *Cluster) resizeRetryComes(id model.NodeID) bool {
	comes := false
	c.queue.Each(func(e *Event) {
		comes = comes || e.Kind == evRetryResizes && e.Obj == int32(id) && e.Gen == c.nodes[id].resizes.gen
	})
	return comes
}
