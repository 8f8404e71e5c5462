// Package scheduler says where a pod goes: the queue of pending pods, the cache of nodes, and
// the scheduling cycle with its filters and scores.
//
// It is passive. It has no clock: every call brings the time; NextWake says when to call
// again. It has no luck: ScheduleOne brings a random word for ties. It writes nothing to the
// model's state: what it decides is returned, and its cache follows from the calls.
//
// The calls follow what a kube-scheduler hears from its watch, and the order of one pod's
// calls is
//
//	Add -> ScheduleOne ... -> (Node != 0: the pod is assumed)
//	    -> AssignedPodAdded, when the binding was seen, or Forget, when it failed
//	    -> AssignedPodDeleted, when the pod is terminal or gone
//
// with UpdatePending for a pod that changes and DeletePending for one that goes before it was bound. A
// Result with Victims asks for their deletion; PreemptionDone says that it has begun. The rule book is pkg/scheduler
// at k8s.io/kubernetes v1.37.1.
//
// Differs from Kubernetes: a scheduling cycle is one moment, so no event can come while a
// pod is in flight (backend/queue/active_queue.go inFlightEvents).
//
// Differs from Kubernetes: nodes are searched one after the other, as with parallelism 1;
// with the default 16 upstream looks at some more nodes after it has found enough.
//
// Differs from Kubernetes: a node that the cycle before ranked second is not tried first for
// an identical pod (framework/runtime/batch.go, feature gate OpportunisticBatching). Upstream
// does that only where PodTopologySpread has no default constraints: with the default
// configuration it holds no two pods for identical (podtopologyspread/plugin.go SignPod).
package scheduler
