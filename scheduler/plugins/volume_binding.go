package plugins

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/component-helpers/storage/volume"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

// VolumeBinding keeps pods to the nodes that can reach their bound volumes and where volumes
// can be found or made for the claims that wait for a consumer. It prefers nodes where the
// volumes leave much of the storage free
// (pkg/scheduler/framework/plugins/volumebinding/volume_binding.go).
func VolumeBinding(args *configv1.VolumeBindingArgs) framework.Plugin {
	pl := &volumeBinding{
		shape:      args.Shape,
		timeout:    model.Time(*args.BindTimeoutSeconds) * model.Second,
		affinities: map[string]volumeAffinity{},
		volumes:    assumed[*v1.PersistentVolume]{},
		claims:     assumed[*v1.PersistentVolumeClaim]{},
		reserved:   map[model.PodID]framework.PodVolumes{},
	}
	return framework.Plugin{
		ID:     framework.VolumeBinding,
		Weight: 1,
		Global: &framework.Global{
			Concerns:  hasClaims,
			PreFilter: pl.preFilter,
			Filter:    pl.filter,
			Score:     pl.score,
			Reserve:   pl.reserve,
			Unreserve: pl.unreserve,
			PodMoved:  pl.podMoved,
			Volumes:   func(p model.PodID) framework.PodVolumes { return pl.reserved[p] },
		},
		Events:  framework.NodeAdd | framework.UpdateNodeLabel | framework.ObjectChange,
		Hint:    hintVolumeBinding,
		HintPod: hintPodClaim,
	}
}

// preFilter sorts the claims into bound ones and those that wait for a consumer, and turns the pod
// away when it has others (podHasPVCs, binder.go GetPodVolumeClaims).
func (pl *volumeBinding) preFilter(y *framework.Cycle, c *framework.PodClass, r *framework.PreFilterResult) {
	pl.bound, pl.waiting = pl.bound[:0], pl.waiting[:0]
	for i := range c.Claims {
		if r.Message = unusable(y, c, &c.Claims[i]); r.Message != "" {
			return
		}
	}
	for i := range c.Claims {
		claim := pl.claim(y.Cluster, claimKey(c.Template.Namespace, y.Pod.Name, &c.Claims[i]))
		if claim.Spec.VolumeName != "" && hasAnnotation(claim, volume.AnnBindCompleted) {
			pl.bound = append(pl.bound, pl.affinityOf(y.Cluster, claim.Spec.VolumeName))
			continue
		}
		class, ok := storageClass(y.Cluster, claim)
		if !ok || !waitsForConsumer(class) || claim.Spec.VolumeName != "" {
			r.Message = "pod has unbound immediate PersistentVolumeClaims"
			return
		}
		pl.waiting = append(pl.waiting, pl.waitingClaim(y.Cluster, claim, class))
	}
	slices.SortStableFunc(pl.waiting, func(a, b waitingClaim) int { return a.request.Cmp(b.request) })
}

// unusable says why no pod can use a claim now.
func unusable(y *framework.Cycle, c *framework.PodClass, v *framework.VolumeClaim) (message string) {
	name, namespace, pod := claimName(y.Pod.Name, v), c.Template.Namespace, y.Pod.Name
	claim, ok := y.Objects.PersistentVolumeClaims.Get(framework.Key(namespace, name))
	switch {
	case !ok && v.Ephemeral:
		return fmt.Sprintf("waiting for ephemeral volume controller to create the persistentvolumeclaim %q", name)
	case !ok:
		return notFound("persistentvolumeclaim", name)
	case claim.Status.Phase == v1.ClaimLost:
		return fmt.Sprintf("persistentvolumeclaim %q bound to non-existent persistentvolume %q", name, claim.Spec.VolumeName)
	case claim.DeletionTimestamp != nil:
		return fmt.Sprintf("persistentvolumeclaim %q is being deleted", name)
	case v.Ephemeral && !madeForPod(claim, pod):
		return notMadeForPod(claim, pod)
	}
	return ""
}

func hasAnnotation(claim *v1.PersistentVolumeClaim, name string) bool {
	_, ok := claim.Annotations[name]
	return ok
}

// filter follows binder.go FindPodVolumes.
func (pl *volumeBinding) filter(y *framework.Cycle, _ *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	reject := func(reason framework.ReasonID) { st.Reject(framework.UnschedulableAndUnresolvable, reason) }
	matched, exist := pl.checkBound(y, n)
	if !matched {
		reject(framework.ReasonVolumeNodeConflict)
	}
	satisfied, enough := pl.find(n)
	if !satisfied {
		reject(framework.ReasonBindConflict)
	}
	if !enough {
		reject(framework.ReasonNotEnoughStorage)
	}
	if !exist {
		reject(framework.ReasonVolumeNotExist)
	}
	return len(st.Reasons) == 0
}

// score prefers nodes on which the claims that wait take little of the volumes that are there,
// or of the storage out of which their volumes will be made (scorer.go). By default storage of which
// nothing is asked scores 100, and 0 when all is. Each storage class counts the same.
func (pl *volumeBinding) score(_ *framework.Cycle, _ *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	clear(scores)
	if len(pl.waiting) == 0 {
		return
	}
	for i, n := range nodes {
		pl.find(n)
		classes := pl.classStorages()
		if len(classes) == 0 {
			continue
		}
		var sum int64
		for _, s := range classes {
			sum += brokenLinear(pl.shape, s.utilization())
		}
		count := int64(len(classes))
		scores[i] = (2*sum + count) / (2 * count)
	}
}

// classStorage is what is asked of the storage of one class.
type classStorage struct {
	class               string
	requested, capacity int64
}

// utilization is the part of the capacity that is asked for, in percent.
func (s *classStorage) utilization() int64 {
	if s.capacity == 0 || s.requested > s.capacity {
		return 100
	}
	return s.requested * 100 / s.capacity
}

// classStorages sums up what find found by storage class. The storage out of which volumes are
// made counts only when no volume was found.
func (pl *volumeBinding) classStorages() []classStorage {
	pl.storages = pl.storages[:0]
	for _, b := range pl.bindings {
		s := pl.storage(b.volume.Spec.StorageClassName)
		capacity := b.volume.Spec.Capacity[v1.ResourceStorage]
		s.requested += b.claim.request.Value()
		s.capacity += capacity.Value()
	}
	if len(pl.bindings) > 0 {
		return pl.storages
	}
	for _, p := range pl.provisions {
		if p.pool == nil {
			continue
		}
		s := pl.storage(p.claim.class.Name)
		s.requested += p.claim.request.Value()
		if s.capacity = 0; p.pool.Capacity != nil {
			s.capacity = p.pool.Capacity.Value()
		}
	}
	return pl.storages
}

func (pl *volumeBinding) storage(class string) *classStorage {
	i := slices.IndexFunc(pl.storages, func(s classStorage) bool { return s.class == class })
	if i < 0 {
		i = len(pl.storages)
		pl.storages = append(pl.storages, classStorage{class: class})
	}
	return &pl.storages[i]
}

// hintVolumeBinding follows the isSchedulableAfter functions upstream.
func hintVolumeBinding(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action != framework.ObjectChange {
		return true
	}
	switch o := e.Object.(type) {
	case *v1.PersistentVolume:
		return true
	case *v1.PersistentVolumeClaim:
		return usesClaim(c, o)
	case *storagev1.StorageClass:
		old, ok := e.OldObject.(*storagev1.StorageClass)
		return !ok || !sameAllowedTopologies(old, o)
	case *storagev1.CSINode:
		old, ok := e.OldObject.(*storagev1.CSINode)
		return !ok || old.Annotations[v1.MigratedPluginsAnnotationKey] != o.Annotations[v1.MigratedPluginsAnnotationKey]
	case *storagev1.CSIDriver:
		old, ok := e.OldObject.(*storagev1.CSIDriver)
		return ok && checksCapacity(old) && !checksCapacity(o) && usesDriver(c, o.Name)
	case *storagev1.CSIStorageCapacity:
		old, ok := e.OldObject.(*storagev1.CSIStorageCapacity)
		return !ok || moreStorage(old, o)
	}
	return false
}

func sameAllowedTopologies(a, b *storagev1.StorageClass) bool {
	sameExpression := func(x, y v1.TopologySelectorLabelRequirement) bool {
		return x.Key == y.Key && slices.Equal(x.Values, y.Values)
	}
	return slices.EqualFunc(a.AllowedTopologies, b.AllowedTopologies, func(s, t v1.TopologySelectorTerm) bool {
		return slices.EqualFunc(s.MatchLabelExpressions, t.MatchLabelExpressions, sameExpression)
	})
}

// usesDriver says whether the class has an inline volume of a CSI driver.
func usesDriver(c *framework.PodClass, driver string) bool {
	return slices.ContainsFunc(c.Template.Spec.Volumes, func(v v1.Volume) bool { return v.CSI != nil && v.CSI.Driver == driver })
}

func moreStorage(old, new *storagev1.CSIStorageCapacity) bool {
	before, after := volumeLimit(old), volumeLimit(new)
	return after != nil && (before == nil || after.Value() > before.Value())
}
