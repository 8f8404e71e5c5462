package model

import v1 "k8s.io/api/core/v1"

// ResourceClaims are the ResourceClaims that were made for a pod: status.resourceClaimStatuses.
type ResourceClaims struct {
	Statuses []v1.PodResourceClaimStatus
}

// Pod is a Pod object as the API server stores it: facts only.
type Pod struct {
	ID   PodID
	Name string
	// Serial numbers the pods of a run in order of creation, from 1; it is never used again.
	// The UID is made from it.
	Serial   int64
	Template *PodTemplate
	// ResourceClaims are nil for a pod for which none were made.
	ResourceClaims *ResourceClaims
	// Owner is the ReplicaSet that controls the pod, zero for a bare pod.
	Owner ReplicaSetID

	Created         Time
	Generation      int64
	ResourceVersion int64
	// Node is where the pod is bound (spec.nodeName), zero before.
	Node NodeID
	// Nominated is status.nominatedNodeName.
	Nominated NodeID

	// Deleting says that metadata.deletionTimestamp is set: DeletionTimestamp is that moment
	// (request and grace period), GraceSeconds metadata.deletionGracePeriodSeconds.
	Deleting          bool
	DeletionTimestamp Time
	GraceSeconds      int64

	Status PodStatus
}

// Phase is a pod's phase. The zero Phase is Pending.
type Phase uint8

// The phases of a pod.
const (
	PodPending Phase = iota
	PodRunning
	PodSucceeded
	PodFailed
	PodUnknown
)

var phaseNames = [...]string{"Pending", "Running", "Succeeded", "Failed", "Unknown"}

// String is the phase as the API writes it.
func (p Phase) String() string { return phaseNames[p] }

// Terminal says that a pod in this phase never runs again.
func (p Phase) Terminal() bool { return p == PodSucceeded || p == PodFailed }

// PodStatus is a pod's status: what its kubelet last published, with the conditions that
// other components own.
type PodStatus struct {
	Phase   Phase
	Reason  Text
	Message Message
	// ObservedGeneration is the generation of the pod that the kubelet has seen, also in the
	// conditions that it owns; 0 before it has seen any.
	ObservedGeneration int64
	// HasIP says that status.podIP is set; the address itself is made from the pod (see
	// Pod.IP). HostIPs is set with the first status a kubelet writes.
	HasIP bool
	// Resources are the requests and limits that status.resources shows; their values are the
	// template's.
	Resources ResourceSet
	// Allocated is the template whose resources the kubelet has allocated to the pod, Cgroup that whose
	// resources the pod's cgroup has; 0 before a kubelet has written a status. They are the pod's own
	// unless it is being resized.
	Allocated, Cgroup TemplateID
	// Resize are the conditions of a resize that is not done, nil when there is none.
	Resize *ResizeConditions
	// Started is status.startTime, when the kubelet first saw the pod; Never before.
	StartTime Time

	Conditions [NumConditions]Condition
	// Gates are the conditions of the template's readiness gates, in its order; those at the end that
	// nobody has set may be left out. Controllers set them, never the kubelet.
	Gates []Condition

	// Containers holds one status per container of the template, in its order: init
	// containers first. It is nil before a kubelet has written a status.
	Containers []ContainerStatus
}

// ConditionType names a pod condition that Kubernetes itself writes.
type ConditionType uint8

// The conditions of a pod, in the order in which a status lists them.
const (
	PodReadyToStartContainers ConditionType = iota
	PodInitialized
	PodReady
	ContainersReady
	PodScheduled
	DisruptionTarget
	AllContainersRestarting
	NumConditions
)

var conditionNames = [NumConditions]string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
	"PodScheduled", "DisruptionTarget", "AllContainersRestarting"}

// String is the condition's type as the API writes it.
func (t ConditionType) String() string { return conditionNames[t] }

// ConditionStatus is a condition's status. The zero value says that the condition is absent.
type ConditionStatus uint8

// The statuses of a condition.
const (
	ConditionAbsent ConditionStatus = iota
	ConditionTrue
	ConditionFalse
	ConditionUnknown
)

var conditionStatusNames = [...]string{"", "True", "False", "Unknown"}

// String is the status as the API writes it, empty for an absent condition.
func (s ConditionStatus) String() string { return conditionStatusNames[s] }

// Gates are the statuses of a pod's readiness gates, in the template's order: two bits each, the
// first in the lowest.
//
// Differs from Kubernetes: a pod's readiness gates after the 32nd are never met.
type Gates uint64

// At is the status of gate i, absent while nobody has set it.
func (g Gates) At(i int) ConditionStatus { return ConditionStatus(g >> (2 * i) & 3) }

// GateStatuses are the statuses of Gates.
func (s *PodStatus) GateStatuses() Gates {
	var g Gates
	for i := range s.Gates {
		g |= Gates(s.Gates[i].Status) << (2 * i)
	}
	return g
}

// SetGate sets the condition of readiness gate i, as a controller does. It says whether that changes
// anything.
func (s *PodStatus) SetGate(i int, status ConditionStatus, now Time) bool {
	for len(s.Gates) <= i {
		s.Gates = append(s.Gates, Condition{})
	}
	c := &s.Gates[i]
	if c.Status == status {
		return false
	}
	c.Status, c.Transition = status, now.TruncateSecond()
	return true
}

// Condition is one condition of an object. Its message is State.ConditionMessage.
type Condition struct {
	Status     ConditionStatus
	Reason     Text
	Message    Message
	Transition Time
}

// StateKind is the kind of a container state.
type StateKind uint8

// The kinds of a container state. The zero value is no state: a lastState that is absent.
const (
	StateNone StateKind = iota
	StateWaiting
	StateRunning
	StateTerminated
)

var stateNames = [...]string{"", "waiting", "running", "terminated"}

// String is the state's field name in the API.
func (k StateKind) String() string { return stateNames[k] }

// ContainerState is a container's state as the API shows it.
type ContainerState struct {
	Kind     StateKind
	ExitCode int32
	Signal   int32
	Reason   Text
	Message  Message
	// StartedAt is set when running or terminated, FinishedAt when terminated. Zero means
	// not known (a container that could not be located has neither).
	StartedAt  Time
	FinishedAt Time
	// ContainerID numbers the container instances of a pod in order of creation, from 1.
	ContainerID int32
}

// ContainerStatus is one container's status as the API shows it. Its name, image and kind
// stand in the template at the same index.
type ContainerStatus struct {
	State    ContainerState
	Last     ContainerState
	Restarts int32
	// ContainerID is the current instance, zero before the first was created.
	ContainerID int32
	Ready       bool
	Started     bool
	// Allocated and Resources are the templates whose resources the container was allocated and has in
	// force; 0 before there was a container.
	Allocated, Resources TemplateID
}

// Ready says whether the pod's Ready condition is True.
func (s *PodStatus) Ready() bool { return s.Conditions[PodReady].Status == ConditionTrue }

// CopyFrom makes s a copy of o, using s's own memory again.
func (s *PodStatus) CopyFrom(o *PodStatus) {
	containers, gates := s.Containers, s.Gates
	*s = *o
	s.Containers = append(containers[:0], o.Containers...)
	s.Gates = append(gates[:0], o.Gates...)
	if o.Containers == nil {
		s.Containers = nil
	}
}

// Restarts is the sum of the pod's container restarts, as `kubectl get pods` counts them
// once the pod is initialized.
func (s *PodStatus) Restarts() int32 {
	var n int32
	for i := range s.Containers {
		n += s.Containers[i].Restarts
	}
	return n
}

// QOS is short for the pod's quality of service class.
type QOS = v1.PodQOSClass
