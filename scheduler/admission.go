package scheduler

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/scheduler/framework"
)

// AdmissionResult is why a kubelet does not take a pod that was given to its node: too little of
// a resource, or what a plugin says.
type AdmissionResult struct {
	// Resource is what the node has too little of: Requested, Used and Capacity are milli-cores,
	// bytes or units (pkg/scheduler/framework/plugins/noderesources/fit.go InsufficientResource).
	// Empty when a plugin rejects the pod.
	Resource                  v1.ResourceName
	Requested, Used, Capacity int64

	Plugin, Reason string
}

// errTaint is the reason of the kubelet's look at NoExecute taints (pkg/scheduler/framework/
// plugins/tainttoleration ErrReasonNotMatch). The scheduler's own filter has other words.
const errTaint = "node(s) had taints that the pod didn't tolerate"

// AdmissionCheck says why a node with these other pods cannot take a pod of the template, in
// upstream's order, nil when it can (eventhandlers.go AdmissionCheck with all failures, and the
// taints of pkg/kubelet/lifecycle/predicate.go generalFilter). A kubelet asks it of the pods
// that it knows, with what held says they hold; the scheduler's own cache is not looked at. The result is
// valid until the next call.
func (s *Scheduler) AdmissionCheck(t *model.PodTemplate, node *model.Node, others []model.PodID,
	held func(model.PodID) *model.PodTemplate) []AdmissionResult {
	c, n := &s.class(t).PodClass, &s.admission
	n.ClearPods()
	for _, id := range others {
		n.AddPod(id, &s.class(held(id)).PodClass)
	}
	n.Object.ObjectMeta = metav1.ObjectMeta{Name: node.Name, Labels: node.Labels}
	s.admissionResults = s.admissionResults[:0]
	s.admitResources(c, n, &node.Allocatable)
	if c.HasRequired && !c.MatchesRequired(&n.Object) {
		s.rejectAdmission(framework.NodeAffinity, s.cluster.Symbols.Reason(framework.ReasonAffinity))
	}
	if framework.Conflict(c.HostPorts, n.UsedPorts) {
		s.rejectAdmission(framework.NodePorts, s.cluster.Symbols.Reason(framework.ReasonPorts))
	}
	if !t.Static && !c.ToleratesExecute(node.Taints) {
		s.rejectAdmission(framework.TaintToleration, errTaint)
	}
	return s.admissionResults
}

func (s *Scheduler) rejectAdmission(p framework.PluginID, reason string) {
	s.admissionResults = append(s.admissionResults, AdmissionResult{Plugin: p.String(), Reason: reason})
}

// admitResources compares the requests of a pod with what is left. An extended resource that
// the node does not have does not count (predicate.go removeMissingExtendedResources).
func (s *Scheduler) admitResources(c *framework.PodClass, n *framework.NodeInfo, allocatable *model.Resources) {
	check := func(name v1.ResourceName, request, used, capacity int64) {
		if request > 0 && request > capacity-used {
			s.admissionResults = append(s.admissionResults, AdmissionResult{Resource: name, Requested: request, Used: used, Capacity: capacity})
		}
	}
	used := &n.Requested
	check(v1.ResourcePods, 1, int64(len(n.Pods)), allocatable.Pods)
	check(v1.ResourceCPU, c.MilliCPU, used.MilliCPU, allocatable.MilliCPU)
	check(v1.ResourceMemory, c.Memory, used.Memory, allocatable.Memory)
	check(v1.ResourceEphemeralStorage, c.EphemeralStorage, used.EphemeralStorage, allocatable.EphemeralStorage)
	for _, e := range c.Extended {
		name := s.cluster.Symbols.ResourceName(e.Resource)
		if capacity := allocatable.Amount(name); capacity > 0 {
			check(name, e.Amount, used.Amount(e.Resource), capacity)
		}
	}
}
