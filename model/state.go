package model

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// State is every object as the API server stores it, in slices indexed by id. Index 0 of
// each slice is not used.
type State struct {
	// Start is the wall clock at time 0, on a whole second.
	Start time.Time
	Seed  uint64

	Texts     Texts
	Templates []*PodTemplate
	Images    []Image

	Nodes       []Node
	Pods        []Pod
	Deployments []Deployment
	ReplicaSets []ReplicaSet
	Services    []Service
	// ConfigSources are the ConfigMaps and Secrets, without kube-root-ca.crt (see RootCA).
	ConfigSources []ConfigSource
}

// Image is an image by the name that manifests use, with its default tag.
type Image struct {
	Name string
	// Size is the number of bytes that a pull transfers.
	Size int64
	// Assumed says that the scenario gave no size and the default was taken.
	Assumed bool
	// Pull is what a pull of the image ends with.
	Pull PullResult
	// Credentials are the names of the pull secrets with which the registry gives the image, none
	// when it gives it to everybody; Denied is how a pull without them ends.
	Credentials []string
	Denied      PullResult
	// User is the user that the image says its containers run as, as a number or a name; empty
	// when it is not known.
	User string
}

// PullResult is how a pull ends: with the runtime's error, NoText when it succeeds, Takes after
// the look at the registry. Reason is what the kubelet makes of the error.
type PullResult struct {
	Error, Reason Text
	// Takes is Never for one that gets nothing until the runtime cancels it.
	Takes Time
}

// Node is a node. Its specification is shared by the nodes of a pool.
type Node struct {
	ID     NodeID
	Name   string
	Labels map[string]string
	// Allocatable is what the scheduler may give away.
	Capacity    Resources
	Allocatable Resources
	Created     Time

	Unschedulable bool
	Taints        []v1.Taint
	// DeclaredFeatures are those that the kubelet says it has, sorted.
	DeclaredFeatures []string
	// Images are the images on the node, with the moment of the pull.
	Images []NodeImage

	Conditions [NumNodeConditions]Condition
	// Object is the template that the scenario gave.
	Object *v1.Node
}

// NodeImage is an image in a node's cache.
type NodeImage struct {
	Image ImageID
	Since Time
}

// NodeConditionType names a node condition.
type NodeConditionType uint8

// The conditions of a node, in the order in which a status lists them.
const (
	NodeMemoryPressure NodeConditionType = iota
	NodeDiskPressure
	NodePIDPressure
	NodeReady
	NumNodeConditions
)

var nodeConditionNames = [NumNodeConditions]string{"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"}

// String is the condition's type as the API writes it.
func (t NodeConditionType) String() string { return nodeConditionNames[t] }

// IP is the node's internal address.
func (n *Node) IP() string {
	return fmt.Sprintf("172.%d.%d.%d", 16+int(n.ID)>>16, int(n.ID)>>8&255, int(n.ID)&255)
}

// Service is a Service: stored and shown; what it routes is not simulated.
type Service struct {
	ID      int32
	Created Time
	Object  *v1.Service
	Deleted bool
}

// Deployment is a Deployment with the counters of its status.
type Deployment struct {
	ID        DeploymentID
	Namespace string
	Name      string
	Labels    map[string]string
	// Object is the object as it was last applied, with defaults; the fields below are
	// compiled from it and change with scale and set image.
	Object   *appsv1.Deployment
	Selector labels.Selector
	Template *PodTemplate
	// Hash is the pod-template-hash of Template.
	Hash string

	Created    Time
	Generation int64

	Replicas                int32
	Recreate                bool
	MaxSurge                intstr.IntOrString
	MaxUnavailable          intstr.IntOrString
	MinReadySeconds         int32
	ProgressDeadlineSeconds int32
	RevisionHistoryLimit    int32
	Paused                  bool
	Revision                int64

	Deleting bool
	Deleted  bool

	// ReplicaSets are the Deployment's ReplicaSets, oldest first.
	ReplicaSets []ReplicaSetID

	Status DeploymentStatus
}

// DeploymentStatus is a Deployment's status.
type DeploymentStatus struct {
	ObservedGeneration int64
	Replicas           int32
	Updated            int32
	Ready              int32
	Available          int32
	Unavailable        int32
	Terminating        int32
	Conditions         [NumDeploymentConditions]Condition
	// ProgressUpdated is the Progressing condition's lastUpdateTime.
	ProgressUpdated Time
}

// DeploymentConditionType names a Deployment's condition.
type DeploymentConditionType uint8

// The conditions of a Deployment.
const (
	DeploymentAvailable DeploymentConditionType = iota
	DeploymentProgressing
	DeploymentReplicaFailure
	NumDeploymentConditions
)

var deploymentConditionNames = [NumDeploymentConditions]string{"Available", "Progressing", "ReplicaFailure"}

// String is the condition's type as the API writes it.
func (t DeploymentConditionType) String() string { return deploymentConditionNames[t] }

// ReplicaSet is a ReplicaSet with the counters of its status.
type ReplicaSet struct {
	ID        ReplicaSetID
	Namespace string
	Name      string
	Labels    map[string]string
	Owner     DeploymentID
	Selector  labels.Selector
	Template  *PodTemplate
	// Hash is the pod-template-hash label, empty for a ReplicaSet without a Deployment.
	Hash            string
	Created         Time
	Generation      int64
	Replicas        int32
	MinReadySeconds int32
	Revision        int64
	// Desired and Max are the annotations desired-replicas and max-replicas of its Deployment.
	Desired  int32
	Max      int32
	Deleting bool
	Deleted  bool

	// Pods are the ReplicaSet's pods, in order of creation.
	Pods []PodID

	Status ReplicaSetStatus
}

// ReplicaSetStatus is a ReplicaSet's status.
type ReplicaSetStatus struct {
	ObservedGeneration int64
	Replicas           int32
	FullyLabeled       int32
	Ready              int32
	Available          int32
	Terminating        int32
}

// ObjectKind is the kind of an object that a run changes.
type ObjectKind uint8

// The kinds of object, in the order in which a run lists them.
const (
	KindNode ObjectKind = iota + 1
	KindDeployment
	KindReplicaSet
	KindPod
	KindService
	KindConfigMap
	KindSecret
)

var kindNames = [...]string{"", "Node", "Deployment", "ReplicaSet", "Pod", "Service", "ConfigMap", "Secret"}

// String is the kind as a manifest writes it.
func (k ObjectKind) String() string { return kindNames[k] }

// ChangeType is what happened to an object.
type ChangeType uint8

// The types of change, as a watch names them.
const (
	Added ChangeType = iota
	Modified
	Deleted
)

var changeNames = [...]string{"ADDED", "MODIFIED", "DELETED"}

// String is the type as a watch writes it.
func (c ChangeType) String() string { return changeNames[c] }

// Transition says that an object changed. The object stands in the State, as the change
// left it; a deleted object is still there when the Transition is observed.
type Transition struct {
	At Time
	// Seq numbers the transitions and events of a run together, from 1.
	Seq  uint64
	Type ChangeType
	Kind ObjectKind
	// ID is the object's id of its kind: a PodID, NodeID and so on.
	ID int32
}

// Event is a Kubernetes Event as the API server stores it: created with Count 1, counted up
// later by another Event with the same Serial.
type Event struct {
	At    Time
	First Time
	Seq   uint64
	// Serial numbers the Event objects of a run.
	Serial int64
	Count  int32
	// Combined says that the Event stands for several with different messages.
	Combined bool

	Kind ObjectKind
	ID   int32
	// Container is the index of the container that the Event is about, -1 for none.
	Container int16
	// MessageOf is the index of the container that the message is about, counted from 1, when that
	// is another one than Container: of a combined Event. Zero otherwise.
	MessageOf int16
	Warning   bool
	Source    EventSource
	Reason    EventReason
	Message   Message
	// M and S complete the message of Pulled: nanoseconds with waiting, bytes. M is the reason of
	// EventRejected.
	M, S int64
}

// EventSource is the component that wrote an Event.
type EventSource uint8

// The components that write Events.
const (
	FromKubelet EventSource = iota
	FromScheduler
	FromDeploymentController
	FromReplicaSetController
	FromNodeController
	FromTaintEvictionController
	FromAttachDetachController
)

var sourceNames = [...]string{"kubelet", "default-scheduler", "deployment-controller", "replicaset-controller",
	"node-controller", "taint-eviction-controller", "attachdetach-controller"}

// String is the component's name.
func (s EventSource) String() string { return sourceNames[s] }

// EventReason is an Event's reason.
type EventReason uint8

// The reasons of Events (pkg/kubelet/events/event.go and the controllers).
const (
	EventScheduled EventReason = iota
	EventFailedScheduling
	EventPulling
	EventPulled
	EventCreated
	EventStarted
	EventFailed
	EventBackOff
	EventKilling
	EventUnhealthy
	EventInspectFailed
	EventErrImageNeverPull
	EventFailedPostStartHook
	EventFailedPreStopHook
	EventSandboxChanged
	EventFailedMount
	EventDeadlineExceeded
	EventScalingReplicaSet
	EventSuccessfulCreate
	EventSuccessfulDelete
	EventNodeNotReady
	EventNodeReady
	EventTaintManagerEviction
	EventNodeSchedulable
	EventNodeNotSchedulable
	EventEvicted
	EventPreempted
	EventFailedToRetrieveImagePullSecret
	EventFailedCreatePodSandBox
	EventProbeWarning
	EventExceededGracePeriod
	EventNodeHasSufficientMemory
	EventNodeHasInsufficientMemory
	EventNodeHasNoDiskPressure
	EventNodeHasDiskPressure
	EventNodeHasSufficientPID
	EventNodeHasInsufficientPID
	EventStarting
	EventShutdown
	EventRebooted
	EventNodeAllocatableEnforced
	// The Events of a resize in place.
	EventResizeStarted
	EventResizeCompleted
	EventResizeDeferred
	EventResizeInfeasible
	EventResizeError
	// EventRejected is the kubelet's refusal of a pod. Its words are the Text in M.
	EventRejected
	EventPreempting
	EventEvictionThresholdMet
	EventSystemOOM
	EventFailedAttachVolume
	EventSuccessfulAttachVolume
	EventFreeDiskSpaceFailed
	EventImageGCFailed
)

var eventReasonNames = [...]string{"Scheduled", "FailedScheduling", "Pulling", "Pulled", "Created", "Started", "Failed",
	"BackOff", "Killing", "Unhealthy", "InspectFailed", "ErrImageNeverPull", "FailedPostStartHook", "FailedPreStopHook",
	"SandboxChanged", "FailedMount", "DeadlineExceeded", "ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete",
	"NodeNotReady", "NodeReady", "TaintManagerEviction", "NodeSchedulable", "NodeNotSchedulable", "Evicted", "Preempted",
	"FailedToRetrieveImagePullSecret", "FailedCreatePodSandBox", "ProbeWarning", "ExceededGracePeriod",
	"NodeHasSufficientMemory", "NodeHasInsufficientMemory", "NodeHasNoDiskPressure", "NodeHasDiskPressure", "NodeHasSufficientPID",
	"NodeHasInsufficientPID", "Starting", "Shutdown", "Rebooted", "NodeAllocatableEnforced",
	"ResizeStarted", "ResizeCompleted", "ResizeDeferred", "ResizeInfeasible", "ResizeError", "", "Preempting", "EvictionThresholdMet", "SystemOOM", "FailedAttachVolume", "SuccessfulAttachVolume",
	"FreeDiskSpaceFailed", "ImageGCFailed"}

// String is the reason as the API writes it, empty for EventRejected (see State.EventReason).
func (r EventReason) String() string { return eventReasonNames[r] }

// EventReason is an Event's reason as the API writes it.
func (s *State) EventReason(e *Event) string {
	if e.Reason == EventRejected {
		return s.Texts.String(Text(e.M))
	}
	return e.Reason.String()
}

// EventMessage puts an Event's message into words.
func (s *State) EventMessage(e *Event) string {
	if e.Combined {
		return "(combined from similar events): " + s.eventWords(e)
	}
	return s.eventWords(e)
}

func (s *State) eventWords(e *Event) string {
	if e.Kind != KindPod {
		return s.Message(&Pod{}, -1, e.Message)
	}
	p, i := &s.Pods[e.ID], e.About()
	switch e.Message.Kind {
	case MessageScheduled:
		return fmt.Sprintf("Successfully assigned %s/%s to %s", p.Template.Namespace, p.Name, s.Nodes[e.Message.N].Name)
	case MessagePulled:
		return fmt.Sprintf("Successfully pulled image %q in %s (%s including waiting). Image size: %d bytes.",
			p.image(i), milliseconds(e.Message.N), milliseconds(e.M), e.S)
	}
	return s.Message(p, i, e.Message)
}

// About is the index of the container that the message is about, -1 for none.
func (e *Event) About() int {
	if e.MessageOf > 0 {
		return int(e.MessageOf) - 1
	}
	return int(e.Container)
}

func milliseconds(n int64) time.Duration { return time.Duration(n).Truncate(time.Millisecond) }

// ObjectName is the namespace and name of an object; a node has no namespace.
func (s *State) ObjectName(kind ObjectKind, id int32) (namespace, name string) {
	switch kind {
	case KindNode:
		return "", s.Nodes[id].Name
	case KindDeployment:
		return s.Deployments[id].Namespace, s.Deployments[id].Name
	case KindReplicaSet:
		return s.ReplicaSets[id].Namespace, s.ReplicaSets[id].Name
	case KindPod:
		return s.Pods[id].Template.Namespace, s.Pods[id].Name
	case KindService:
		return s.Services[id].Object.Namespace, s.Services[id].Object.Name
	}
	panic(fmt.Sprintf("model: no name for kind %d", kind))
}
