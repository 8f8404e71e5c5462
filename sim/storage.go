package sim

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/storage/volume"

	"podsim/model"
	"podsim/scheduler/framework"
)

// storage is what the API server has of volumes and claims, and what their controllers do: the
// PersistentVolume controller (pkg/controller/volume/persistentvolume/pv_controller.go), drivers that
// make volumes, and the controller of generic ephemeral volumes. The record does not have them.
type storage struct {
	volumes framework.Store[*v1.PersistentVolume]
	claims  framework.Store[*v1.PersistentVolumeClaim]
	classes framework.Store[*storagev1.StorageClass]
	// resourceClaims and templates are of devices.
	resourceClaims framework.Store[*resourcev1.ResourceClaim]
	templates      framework.Store[*resourcev1.ResourceClaimTemplate]
	// changes are on the way to the watchers, who see the last of them at seenAt.
	changes []objectChange
	seenAt  model.Time
	// work is what is done about a claim; numbers finds it by the claim's key.
	work    []claimWork
	numbers map[string]int32
	limit   limit
	draws   uint64
	// resyncing says that a round over all claims is queued.
	resyncing bool
	// waiting are the pods whose volumes the scheduler waits for.
	waiting []volumeWait
}

// objectChange is an object that was stored, or deleted.
type objectChange struct {
	object  metav1.Object
	deleted bool
}

// claimWork is what is done about a claim: the volume that it is being bound to, and whether one is
// being made.
type claimWork struct {
	key       string
	volume    string
	provision bool
}

// resyncPeriod is how often the controller looks at the claims again for which it found no volume
// (cmd/kube-controller-manager PVClaimBinderSyncPeriod).
const resyncPeriod = 15 * model.Second

// applyObject stores an object that only the scheduler and the controllers of volumes look at.
func (c *Cluster) applyObject(o metav1.Object) {
	switch o := o.(type) {
	case *v1.PersistentVolume:
		if old, ok := c.storage.volumes.Get(o.Name); ok {
			o = withStatusOf(o, old)
		}
		c.storeVolume(o)
	case *v1.PersistentVolumeClaim:
		if _, ok := c.storage.claims.Get(framework.Key(o.Namespace, o.Name)); !ok {
			c.createClaim(o.DeepCopy())
		}
	case *storagev1.StorageClass:
		c.storage.classes.Set(o.Name, o)
		c.tell(o, false)
		c.resyncClaims()
	case *resourcev1.ResourceClaim:
		if _, ok := c.storage.resourceClaims.Get(framework.Key(o.Namespace, o.Name)); !ok {
			c.storeResourceClaim(o)
		}
	case *resourcev1.ResourceClaimTemplate:
		c.storage.templates.Set(framework.Key(o.Namespace, o.Name), o)
		c.tell(o, false)
	case *storagev1.CSIDriver:
		c.attach.unattached[o.Name] = o.Spec.AttachRequired != nil && !*o.Spec.AttachRequired
		c.tell(o, false)
	default:
		c.tell(o, false)
	}
}

// withStatusOf is a volume with what its controller has made of the one before.
func withStatusOf(o, old *v1.PersistentVolume) *v1.PersistentVolume {
	o = o.DeepCopy()
	o.Status = old.Status
	if o.Spec.ClaimRef == nil {
		o.Spec.ClaimRef = old.Spec.ClaimRef
	}
	return o
}

func (c *Cluster) storeVolume(o *v1.PersistentVolume) {
	c.storage.volumes.Set(o.Name, o)
	c.tell(o, false)
}

func (c *Cluster) storeClaim(o *v1.PersistentVolumeClaim) {
	c.storage.claims.Set(framework.Key(o.Namespace, o.Name), o)
	c.tell(o, false)
}

// createClaim stores a new claim, with the default class if it has none and there is one.
func (c *Cluster) createClaim(o *v1.PersistentVolumeClaim) {
	o.Status.Phase = v1.ClaimPending
	c.storeClaim(c.withDefaultClass(o))
}

// tell tells the watchers, in the order of the changes.
func (c *Cluster) tell(o metav1.Object, deleted bool) {
	s := &c.storage
	s.draws++
	s.seenAt = max(s.seenAt, c.now+c.delayOf(0, streamStorage, s.draws, &c.scenario.ControlPlane.Watch))
	s.changes = append(s.changes, objectChange{o, deleted})
	c.queue.Push(Event{At: s.seenAt, Kind: evObjectSeen})
}

// objectSeen hands the next change to the scheduler and the PersistentVolume controller.
func (c *Cluster) objectSeen() {
	x := c.storage.changes[0]
	c.storage.changes = slices.Delete(c.storage.changes, 0, 1)
	if x.deleted {
		c.scheduler.DeleteObject(x.object, c.now)
	} else {
		c.scheduler.SetObject(x.object, c.now)
	}
	c.kick()
	if x.deleted {
		return
	}
	switch o := x.object.(type) {
	case *v1.PersistentVolume:
		c.volumeSeen(o)
	case *v1.PersistentVolumeClaim:
		c.enqueueClaim(framework.Key(o.Namespace, o.Name))
		c.claimsSeen()
	}
}

// volumeSeen follows syncVolume.
func (c *Cluster) volumeSeen(o *v1.PersistentVolume) {
	switch {
	case o.Spec.ClaimRef != nil:
		c.enqueueClaim(framework.Key(o.Spec.ClaimRef.Namespace, o.Spec.ClaimRef.Name))
	case o.Status.Phase != v1.VolumeAvailable && o.Status.Phase != v1.VolumeReleased:
		o = o.DeepCopy()
		o.Status.Phase = v1.VolumeAvailable
		c.storeVolume(o)
	default:
		c.resyncClaims()
	}
}

// resyncClaims has the controller look at all claims when it does so next.
func (c *Cluster) resyncClaims() {
	s := &c.storage
	if !s.resyncing && len(s.work) > 0 {
		s.resyncing = true
		c.queue.Push(Event{At: c.now - c.now%resyncPeriod + resyncPeriod, Kind: evResyncClaims})
	}
}

func (c *Cluster) claimsResynced() {
	c.storage.resyncing = false
	for n := range c.storage.work {
		c.syncClaim(n)
	}
}

func (c *Cluster) enqueueClaim(key string) {
	s := &c.storage
	n, ok := s.numbers[key]
	if !ok {
		n = int32(len(s.work))
		s.numbers[key] = n
		s.work = append(s.work, claimWork{key: key})
	}
	s.draws++
	c.after(c.delayOf(0, streamStorage, s.draws, &c.scenario.ControlPlane.Reconcile), evSyncClaim, n, 0)
}

// bound says that the controller has bound a claim for good.
func bound(o *v1.PersistentVolumeClaim) bool {
	return o.Spec.VolumeName != "" && metav1.HasAnnotation(o.ObjectMeta, volume.AnnBindCompleted)
}

// syncClaim finds a volume for a claim or has one made (syncUnboundClaim).
func (c *Cluster) syncClaim(n int) {
	s := &c.storage
	w := &s.work[n]
	o, ok := s.claims.Get(w.key)
	if !ok || bound(o) || w.volume != "" || w.provision {
		return
	}
	if o.Spec.VolumeName != "" {
		if pv, ok := s.volumes.Get(o.Spec.VolumeName); ok && (pv.Spec.ClaimRef == nil || volume.IsVolumeBoundToClaim(pv, o)) {
			c.bindClaim(n, pv)
		}
		return
	}
	if with := c.withDefaultClass(o); with != o {
		c.storeClaim(with)
		return
	}
	class, ok := s.classes.Get(volume.GetPersistentVolumeClaimClass(o))
	waits := ok && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	if pv := c.volumeFor(o, waits); pv != nil {
		c.bindClaim(n, pv)
		return
	}
	if !ok || class.Provisioner == volume.NotSupportedProvisioner || waits && !volume.IsDelayBindingProvisioning(o) {
		return
	}
	w.provision = true
	s.draws++
	takes := &c.scenario.ControlPlane.Provision
	if d := c.storageDriver(class.Provisioner, true); d.Provision != nil {
		takes = d.Provision
	}
	c.after(c.delayOf(luckOf("claim", w.key), streamStorage, s.draws, takes), evProvisioned, int32(n), 0)
}

// withDefaultClass gives a claim that names no class the one that is marked as the default, the first
// by name of several, as of the same age (plugin/pkg/admission/storage/storageclass/setdefault, assignDefaultStorageClass).
func (c *Cluster) withDefaultClass(o *v1.PersistentVolumeClaim) *v1.PersistentVolumeClaim {
	if o.Spec.StorageClassName != nil || metav1.HasAnnotation(o.ObjectMeta, v1.BetaStorageClassAnnotation) {
		return o
	}
	for _, class := range c.storage.classes.All() {
		if class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			o = o.DeepCopy()
			o.Spec.StorageClassName = &class.Name
			break
		}
	}
	return o
}

// volumeFor is the volume that a claim gets without a node (index.go findBestMatchForClaim).
func (c *Cluster) volumeFor(o *v1.PersistentVolumeClaim, waits bool) *v1.PersistentVolume {
	var volumes []*v1.PersistentVolume
	for _, pv := range c.storage.volumes.All() {
		if volume.CheckAccessModes(o, pv) {
			volumes = append(volumes, pv)
		}
	}
	pv, err := volume.FindMatchingVolume(o, volumes, nil, nil, waits, true)
	if err != nil {
		return nil
	}
	return pv
}

// bindingWrites are the writes with which a volume and a claim are bound: claimRef, the volume's
// phase, the volume's name and the claim's phase (bind).
const bindingWrites = 4

// bindClaim begins to bind a volume and a claim.
func (c *Cluster) bindClaim(n int, pv *v1.PersistentVolume) {
	s := &c.storage
	s.work[n].volume = pv.Name
	at := c.now
	for range bindingWrites {
		s.draws++
		at = max(at, s.limit.take(c.now)) + c.delayOf(0, streamStorage, s.draws, &c.scenario.ControlPlane.Write)
	}
	c.queue.Push(Event{At: at, Kind: evClaimBound, Obj: int32(n)})
}

// claimBound has them bound.
func (c *Cluster) claimBound(n int) {
	s := &c.storage
	w := &s.work[n]
	o, ok := s.claims.Get(w.key)
	pv, there := s.volumes.Get(w.volume)
	w.volume = ""
	if !ok || !there || pv.Spec.ClaimRef != nil && !volume.IsVolumeBoundToClaim(pv, o) {
		c.resyncClaims()
		return
	}
	// The claim's kind is known, so there is no error.
	pv, _, _ = volume.GetBindVolumeToClaim(pv, o)
	pv.Status.Phase = v1.VolumeBound
	c.storeVolume(pv)
	o = o.DeepCopy()
	if o.Spec.VolumeName == "" {
		metav1.SetMetaDataAnnotation(&o.ObjectMeta, volume.AnnBoundByController, "yes")
	}
	metav1.SetMetaDataAnnotation(&o.ObjectMeta, volume.AnnBindCompleted, "yes")
	o.Spec.VolumeName = pv.Name
	o.Status = v1.PersistentVolumeClaimStatus{Phase: v1.ClaimBound, AccessModes: pv.Spec.AccessModes, Capacity: pv.Spec.Capacity}
	c.storeClaim(o)
	c.volumesBound()
}

// provisioned is a driver's new volume for a claim.
//
// Differs from Kubernetes: the volume is called after the claim, as there are no UIDs. A volume for a
// node with a zone can be reached in that zone only, as the disks of clouds; one for no node in
// the topologies of its class.
func (c *Cluster) provisioned(n int) {
	s := &c.storage
	s.work[n].provision = false
	o, ok := s.claims.Get(s.work[n].key)
	if !ok {
		return
	}
	class, ok := s.classes.Get(volume.GetPersistentVolumeClaimClass(o))
	if !ok {
		return
	}
	name := "pvc-" + o.Namespace + "-" + o.Name
	pv := &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{volume.AnnDynamicallyProvisioned: class.Provisioner}}}
	pv.Spec = v1.PersistentVolumeSpec{
		Capacity: v1.ResourceList{v1.ResourceStorage: o.Spec.Resources.Requests[v1.ResourceStorage]}, AccessModes: o.Spec.AccessModes,
		StorageClassName: class.Name, VolumeMode: o.Spec.VolumeMode, VolumeAttributesClassName: o.Spec.VolumeAttributesClassName,
		ClaimRef:               &v1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: o.Namespace, Name: o.Name},
		NodeAffinity:           c.affinityOfNew(o, class),
		PersistentVolumeSource: v1.PersistentVolumeSource{CSI: &v1.CSIPersistentVolumeSource{Driver: class.Provisioner, VolumeHandle: name}},
	}
	if class.ReclaimPolicy != nil {
		pv.Spec.PersistentVolumeReclaimPolicy = *class.ReclaimPolicy
	}
	c.storeVolume(pv)
}

// affinityOfNew says which nodes can reach a new volume.
func (c *Cluster) affinityOfNew(o *v1.PersistentVolumeClaim, class *storagev1.StorageClass) *v1.VolumeNodeAffinity {
	var terms []v1.NodeSelectorTerm
	if node := c.nodeNamed(o.Annotations[volume.AnnSelectedNode]); node != 0 {
		if zone, ok := c.state.Nodes[node].Labels[v1.LabelTopologyZone]; ok {
			terms = append(terms, oneOf(v1.LabelTopologyZone, zone))
		}
	} else {
		for _, t := range class.AllowedTopologies {
			var term v1.NodeSelectorTerm
			for _, e := range t.MatchLabelExpressions {
				term.MatchExpressions = append(term.MatchExpressions, oneOf(e.Key, e.Values...).MatchExpressions...)
			}
			terms = append(terms, term)
		}
	}
	if terms == nil {
		return nil
	}
	return &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: terms}}
}

func oneOf(key string, values ...string) v1.NodeSelectorTerm {
	return v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: key, Operator: v1.NodeSelectorOpIn, Values: values}}}
}

// ephemeralClaims has the claims made of a new pod's generic ephemeral volumes, or takes them away with
// the pod (pkg/controller/volume/ephemeral/controller.go; the garbage collector).
func (c *Cluster) ephemeralClaims(id model.PodID, change model.ChangeType) {
	o := &c.state.Pods[id]
	for i := range o.Template.Spec.Volumes {
		v := &o.Template.Spec.Volumes[i]
		switch {
		case v.Ephemeral == nil || v.Ephemeral.VolumeClaimTemplate == nil:
		case change == model.Added:
			delays := &c.scenario.ControlPlane
			c.at(c.now+c.delay(id, streamStorage, &delays.Reconcile)+c.delay(id, streamStorage, &delays.Write), evMakeClaim, id, 0, int32(i))
		case change == model.Deleted:
			c.deleteClaim(framework.Key(o.Template.Namespace, o.Name+"-"+v.Name))
		}
	}
}

// makeClaim makes the claim of a generic ephemeral volume.
func (c *Cluster) makeClaim(id model.PodID, i int) {
	o := &c.state.Pods[id]
	v := &o.Template.Spec.Volumes[i]
	name := o.Name + "-" + v.Name
	if _, ok := c.storage.claims.Get(framework.Key(o.Template.Namespace, name)); ok || !c.pods[id].exists {
		return
	}
	t, controller := v.Ephemeral.VolumeClaimTemplate, true
	c.createClaim(&v1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Template.Namespace, Name: name, Labels: t.Labels, Annotations: t.Annotations,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: o.Name, Controller: &controller}}},
		Spec: *t.Spec.DeepCopy(),
	})
}

// deleteClaim takes a claim away, and its volume where that is to be deleted with it (reclaimVolume).
func (c *Cluster) deleteClaim(key string) {
	s := &c.storage
	o, ok := s.claims.Get(key)
	if !ok {
		return
	}
	s.claims.Delete(key)
	c.tell(o, true)
	pv, ok := s.volumes.Get(o.Spec.VolumeName)
	switch {
	case !ok:
	case pv.Spec.PersistentVolumeReclaimPolicy == v1.PersistentVolumeReclaimDelete:
		s.volumes.Delete(pv.Name)
		c.tell(pv, true)
	default:
		pv = pv.DeepCopy()
		pv.Status.Phase = v1.VolumeReleased
		c.storeVolume(pv)
	}
}
