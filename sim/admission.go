package sim

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/scheduler"
)

// canAdmit says whether a kubelet takes a pod that it has just seen; if not, its machine is told
// why (kubelet.go HandlePodAdditions; lifecycle/predicate.go Admit). A pod that has ended is not
// looked at.
//
// Differs from Kubernetes: no pod is preempted for a critical one; that is rejected like others. There
// are no device plugins, which would reject a pod before its requests are compared.
func (c *Cluster) canAdmit(id model.PodID) bool {
	o := &c.state.Pods[id]
	if o.Status.Phase.Terminal() {
		return true
	}
	if os := o.Template.Spec.OS; os != nil && os.Name != v1.Linux {
		c.reject(id, "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
		return false
	}
	results := c.scheduler.AdmissionCheck(o.Template, &c.state.Nodes[o.Node], c.activePods(o.Node))
	if len(results) == 0 {
		return true
	}
	reason, message := rejection(&results[0])
	c.reject(id, reason, message)
	return false
}

// activePods are the pods that a kubelet has admitted and that have not ended
// (kubelet_pods.go filterOutInactivePods). One whose object is gone does not count, though it may
// still run. The slice is valid until the next call.
func (c *Cluster) activePods(node model.NodeID) []model.PodID {
	c.active = c.active[:0]
	for _, id := range c.nodes[node].pods {
		if p := &c.pods[id]; !p.gone && !p.machine.Terminated() {
			c.active = append(c.active, id)
		}
	}
	return c.active
}

// rejection is the first failure in the kubelet's words (predicate.go Admit,
// InsufficientResourceError, PredicateFailureError).
func rejection(r *scheduler.AdmissionResult) (reason, message string) {
	if r.Resource == "" {
		return r.Plugin, fmt.Sprintf("Predicate %s failed: %s", r.Plugin, r.Reason)
	}
	return "OutOf" + string(r.Resource), fmt.Sprintf("Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d",
		r.Resource, r.Requested, r.Used, r.Capacity)
}

// reject tells a pod's machine that the kubelet does not take it.
func (c *Cluster) reject(id model.PodID, reason, message string) {
	e := c.configured(id)
	e.Kind, e.Text, e.Reason = kubelet.Rejected, c.state.Texts.Intern(message), c.state.Texts.Intern(reason)
	e.Message = model.TextMessage(c.state.Texts.Intern("Pod was rejected: " + message))
	c.step(id, e)
}
