package framework

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
)

// Cluster is what the scheduler knows of the cluster: the caches of its informers.
type Cluster struct {
	Symbols Symbols
	Images  Images
	// NodesByID is indexed by NodeID, Pods by PodID; what was never seen is nil or has no Class.
	NodesByID []*NodeInfo
	Pods      []Pod
	Objects   Objects
}

// Pod is a pod as plugins see it.
type Pod struct {
	ID    model.PodID
	Name  string
	Class *PodClass
	// Node is where the pod is assumed or bound, Nominated status.nominatedNodeName.
	Node, Nominated model.NodeID
	// Started is status.startTime, Never before the kubelet has seen the pod.
	Started model.Time
	// Deleting says that metadata.deletionTimestamp is set, Preempted that the condition
	// DisruptionTarget has the reason PreemptionByScheduler.
	Deleting, Preempted bool
	// ResourceClaims are those that were made for the pod, nil for none.
	ResourceClaims *model.ResourceClaims
	// Controller is the object that controls the pod; its Kind is empty for none.
	Controller Controller
}

// Controller is the kind and name of the object that controls a pod, in the pod's namespace.
type Controller struct{ Kind, Name string }

// Objects are the API objects besides nodes and pods that plugins look at.
type Objects struct {
	// Generation grows with every change.
	Generation uint64

	Namespaces             Store[*v1.Namespace]
	Services               Store[*v1.Service]
	ReplicationControllers Store[*v1.ReplicationController]
	// Selectors are the label selectors of ReplicaSets and StatefulSets, by kind, namespace and
	// name: kind/namespace/name.
	Selectors Store[*metav1.LabelSelector]

	PodDisruptionBudgets Store[*policyv1.PodDisruptionBudget]

	PersistentVolumes      Store[*v1.PersistentVolume]
	PersistentVolumeClaims Store[*v1.PersistentVolumeClaim]
	StorageClasses         Store[*storagev1.StorageClass]
	CSINodes               Store[*storagev1.CSINode]
	CSIDrivers             Store[*storagev1.CSIDriver]
	CSIStorageCapacities   Store[*storagev1.CSIStorageCapacity]
	VolumeAttachments      Store[*storagev1.VolumeAttachment]

	ResourceClaims         Store[*resourcev1.ResourceClaim]
	ResourceClaimTemplates Store[*resourcev1.ResourceClaimTemplate]
	ResourceSlices         Store[*resourcev1.ResourceSlice]
	DeviceClasses          Store[*resourcev1.DeviceClass]
}

// Store holds objects in the order of their keys: the name, after the namespace and a slash
// for an object that has one. The zero Store is empty.
type Store[T any] struct {
	keys       []string
	objects    []T
	generation uint64
}

// Generation grows with every change.
func (s *Store[T]) Generation() uint64 { return s.generation }

// Get is the object with a key.
func (s *Store[T]) Get(key string) (o T, ok bool) {
	i, ok := slices.BinarySearch(s.keys, key)
	if !ok {
		return o, false
	}
	return s.objects[i], true
}

// Set puts an object in, in the place of the one before it.
func (s *Store[T]) Set(key string, o T) {
	s.generation++
	i, ok := slices.BinarySearch(s.keys, key)
	if ok {
		s.objects[i] = o
		return
	}
	s.keys = slices.Insert(s.keys, i, strings.Clone(key))
	s.objects = slices.Insert(s.objects, i, o)
}

// Delete takes an object out, if it is there.
func (s *Store[T]) Delete(key string) {
	if i, ok := slices.BinarySearch(s.keys, key); ok {
		s.generation++
		s.keys = slices.Delete(s.keys, i, i+1)
		s.objects = slices.Delete(s.objects, i, i+1)
	}
}

// Of are the objects of a namespace in the order of their names. Do not change the slice.
func (s *Store[T]) Of(namespace string) []T {
	first, _ := slices.BinarySearch(s.keys, namespace+"/")
	end := first
	for end < len(s.keys) && strings.HasPrefix(s.keys[end], namespace+"/") {
		end++
	}
	return s.objects[first:end]
}

// All are the objects in the order of their keys. Do not change the slice.
func (s *Store[T]) All() []T { return s.objects }

// Key is an object's key in a Store.
func Key(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}
