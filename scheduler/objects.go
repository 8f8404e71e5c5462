package scheduler

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

// SetObject takes in an API object besides nodes and pods, or its new state, and wakes the pods
// that the change may help (eventhandlers.go addAllEventHandlers). The object must not be changed
// later. It panics for a kind that the scheduler does not look at.
func (s *Scheduler) SetObject(o metav1.Object, now model.Time) {
	s.object(o, true, now)
}

// DeleteObject forgets an API object.
func (s *Scheduler) DeleteObject(o metav1.Object, now model.Time) {
	s.object(o, false, now)
}

func (s *Scheduler) object(o metav1.Object, set bool, now model.Time) {
	t, key := &s.cluster.Objects, framework.Key(o.GetNamespace(), o.GetName())
	t.Generation++
	s.changes++
	e := framework.ClusterEvent{Action: framework.ObjectChange}
	switch o := o.(type) {
	case *v1.Namespace:
		e.OldObject = store(&t.Namespaces, key, o, set)
	case *v1.Service:
		e.OldObject = store(&t.Services, key, o, set)
	case *v1.ReplicationController:
		e.OldObject = store(&t.ReplicationControllers, key, o, set)
	case *appsv1.ReplicaSet:
		store(&t.Selectors, "ReplicaSet/"+key, o.Spec.Selector, set)
	case *appsv1.StatefulSet:
		store(&t.Selectors, "StatefulSet/"+key, o.Spec.Selector, set)
	case *policyv1.PodDisruptionBudget:
		e.OldObject = store(&t.PodDisruptionBudgets, key, o, set)
		s.budgets.changed()
	case *v1.PersistentVolume:
		e.OldObject = store(&t.PersistentVolumes, key, o, set)
	case *v1.PersistentVolumeClaim:
		e.OldObject = store(&t.PersistentVolumeClaims, key, o, set)
	case *storagev1.StorageClass:
		e.OldObject = store(&t.StorageClasses, key, o, set)
	case *storagev1.CSINode:
		e.OldObject = store(&t.CSINodes, key, o, set)
	case *storagev1.CSIDriver:
		e.OldObject = store(&t.CSIDrivers, key, o, set)
	case *storagev1.CSIStorageCapacity:
		e.OldObject = store(&t.CSIStorageCapacities, key, o, set)
	case *storagev1.VolumeAttachment:
		e.OldObject = store(&t.VolumeAttachments, key, o, set)
	case *resourcev1.ResourceClaim:
		e.OldObject = store(&t.ResourceClaims, key, o, set)
	case *resourcev1.ResourceClaimTemplate:
		e.OldObject = store(&t.ResourceClaimTemplates, key, o, set)
	case *resourcev1.ResourceSlice:
		e.OldObject = store(&t.ResourceSlices, key, o, set)
	case *resourcev1.DeviceClass:
		e.OldObject = store(&t.DeviceClasses, key, o, set)
	default:
		panic(fmt.Sprintf("scheduler: an object of type %T", o))
	}
	if set {
		e.Object = o
	}
	s.wake(e, 0, now)
}

// store puts an object in or takes it out, and returns the one before; nil when there was none.
func store[T any](t *framework.Store[T], key string, o T, set bool) any {
	before, ok := t.Get(key)
	if set {
		t.Set(key, o)
	} else {
		t.Delete(key)
	}
	if !ok {
		return nil
	}
	return before
}
