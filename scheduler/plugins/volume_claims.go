package plugins

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/storage/volume"
	csitrans "k8s.io/csi-translation-lib"
	"podsim/scheduler/framework"
)

// translator turns volumes of the plugins that were once part of Kubernetes into CSI volumes.
var translator = csitrans.New()

// inList says whether a list with commas has an element.
func inList(list, element string) bool {
	for e := range strings.SplitSeq(list, ",") {
		if e == element {
			return true
		}
	}
	return false
}

func hasClaims(c *framework.PodClass) bool { return len(c.Claims) > 0 }

// claimName is the name of the claim that a volume of the pod uses.
func claimName(pod string, v *framework.VolumeClaim) string {
	if v.Ephemeral {
		return pod + v.Name
	}
	return v.Name
}

// claimKey is its key in Objects.
func claimKey(namespace, pod string, v *framework.VolumeClaim) string {
	if v.Ephemeral {
		return framework.Key(namespace, pod+v.Name)
	}
	return v.Key
}

// notFound is what a lister of the API's client says (apimachinery's errors.NewNotFound).
func notFound(kind, name string) string { return fmt.Sprintf("%s %q not found", kind, name) }

// madeForPod says whether the claim of a generic ephemeral volume is the pod's
// (k8s.io/component-helpers/storage/ephemeral VolumeIsForPod).
//
// Differs from Kubernetes: the owner is known by its name, as pods have no UIDs here. The claim
// of an earlier pod of that name passes for the pod's.
func madeForPod(claim *v1.PersistentVolumeClaim, pod string) bool {
	owner := metav1.GetControllerOfNoCopy(claim)
	return owner != nil && owner.Kind == "Pod" && owner.Name == pod
}

// notMadeForPod says that it is not.
func notMadeForPod(claim *v1.PersistentVolumeClaim, pod string) string {
	return fmt.Sprintf("PVC %s/%s was not created for pod %s/%s (pod is not owner)", claim.Namespace, claim.Name, claim.Namespace, pod)
}

// storageClass is the class that a claim names.
func storageClass(y *framework.Cluster, claim *v1.PersistentVolumeClaim) (*storagev1.StorageClass, bool) {
	name := volume.GetPersistentVolumeClaimClass(claim)
	if name == "" {
		return nil, false
	}
	return y.Objects.StorageClasses.Get(name)
}

// waitsForConsumer says whether the volumes of a class are bound when a pod needs them. The API
// server sets the mode of a class that says none.
func waitsForConsumer(class *storagev1.StorageClass) bool {
	return class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
}

// usesClaim says whether a volume of the class may use the claim; for that of a generic ephemeral
// volume it depends on the pod.
func usesClaim(c *framework.PodClass, claim *v1.PersistentVolumeClaim) bool {
	if claim.Namespace != c.Template.Namespace {
		return false
	}
	for i := range c.Claims {
		if v := &c.Claims[i]; v.Ephemeral || v.Name == claim.Name {
			return true
		}
	}
	return false
}

// podUsesClaim says whether a volume of the pod uses the claim.
func podUsesClaim(p *framework.Pod, claim *v1.PersistentVolumeClaim) bool {
	if claim.Namespace != p.Class.Template.Namespace {
		return false
	}
	for i := range p.Class.Claims {
		if claimName(p.Name, &p.Class.Claims[i]) == claim.Name {
			return true
		}
	}
	return false
}

// hintPodClaim leaves the events of claims to the pods that use them.
func hintPodClaim(p *framework.Pod, e *framework.ClusterEvent) bool {
	claim, ok := e.Object.(*v1.PersistentVolumeClaim)
	return !ok || podUsesClaim(p, claim)
}
