package plugins

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	"podsim/scheduler/framework"
)

// volumeRestrictions keeps how many pods use a claim.
type volumeRestrictions struct {
	// users has the node of each pod's volume that uses a claim, by the claim's key.
	users map[string][]*framework.NodeInfo
	// once are the names of the pod's claims that one pod only may use, conflicts is how often others
	// use them; saved is conflicts as it was.
	once             []string
	conflicts, saved int
}

// VolumeRestrictions keeps pods apart that cannot share a disk on one node, and those that use
// a claim with access mode ReadWriteOncePod
// (pkg/scheduler/framework/plugins/volumerestrictions/volume_restrictions.go).
func VolumeRestrictions() framework.Plugin {
	pl := &volumeRestrictions{users: map[string][]*framework.NodeInfo{}}
	return framework.Plugin{
		ID: framework.VolumeRestrictions,
		Global: &framework.Global{
			Concerns:  restrictsVolumes,
			PreFilter: pl.preFilter,
			Filter:    pl.filter,
			AddPod:    pl.addPod,
			RemovePod: pl.removePod,
			Save:      func() { pl.saved = pl.conflicts },
			Restore:   func() { pl.conflicts = pl.saved },
			PodMoved:  pl.podMoved,
		},
		Events: framework.AssignedPodDelete | framework.NodeAdd | framework.ObjectChange,
		Hint:   hintVolumeRestrictions,
	}
}

func restrictsVolumes(c *framework.PodClass) bool {
	return len(c.Disks) > 0 || slices.ContainsFunc(c.Claims, func(v framework.VolumeClaim) bool { return !v.Ephemeral })
}

// preFilter finds the claims that one pod only may use, and whether others do
// (readWriteOncePodPVCsForPod, calPreFilterState).
func (pl *volumeRestrictions) preFilter(y *framework.Cycle, c *framework.PodClass, r *framework.PreFilterResult) {
	pl.once, pl.conflicts = pl.once[:0], 0
	for i := range c.Claims {
		v := &c.Claims[i]
		if v.Ephemeral {
			continue
		}
		claim, ok := y.Objects.PersistentVolumeClaims.Get(v.Key)
		if !ok {
			r.Message = notFound("persistentvolumeclaim", v.Name)
			return
		}
		if !slices.Contains(claim.Spec.AccessModes, v1.ReadWriteOncePod) || slices.Contains(pl.once, v.Name) {
			continue
		}
		pl.once = append(pl.once, v.Name)
		// Pods on a node that is gone do not count, as the snapshot does not have it.
		if slices.ContainsFunc(pl.users[v.Key], func(n *framework.NodeInfo) bool { return n.Present }) {
			pl.conflicts++
		}
	}
	r.Skip = len(c.Disks) == 0 && pl.conflicts == 0
}

func (pl *volumeRestrictions) filter(y *framework.Cycle, c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	for _, id := range n.Pods {
		if disksConflict(c, y.Pods[id].Class) {
			st.Reject(framework.Unschedulable, framework.ReasonDiskConflict)
			return false
		}
	}
	if pl.conflicts > 0 {
		st.Reject(framework.Unschedulable, framework.ReasonReadWriteOncePod)
		return false
	}
	return true
}

func (pl *volumeRestrictions) addPod(_ *framework.Cycle, _ *framework.PodClass, p *framework.Pod, _ *framework.NodeInfo) {
	pl.conflicts += pl.uses(p)
}

func (pl *volumeRestrictions) removePod(_ *framework.Cycle, _ *framework.PodClass, p *framework.Pod, _ *framework.NodeInfo) {
	pl.conflicts -= pl.uses(p)
}

// uses is how many volumes of a pod have the name of one of the claims. As upstream, the
// namespace does not matter (conflictingPVCRefCountForPod).
func (pl *volumeRestrictions) uses(p *framework.Pod) int {
	n := 0
	for i := range p.Class.Claims {
		if v := &p.Class.Claims[i]; !v.Ephemeral && slices.Contains(pl.once, v.Name) {
			n++
		}
	}
	return n
}

func (pl *volumeRestrictions) podMoved(p *framework.Pod, n *framework.NodeInfo, sign int64) {
	for i := range p.Class.Claims {
		v := &p.Class.Claims[i]
		if v.Ephemeral {
			continue
		}
		nodes := pl.users[v.Key]
		if sign > 0 {
			pl.users[v.Key] = append(nodes, n)
			continue
		}
		at := slices.Index(nodes, n)
		nodes[at] = nodes[len(nodes)-1]
		if nodes = nodes[:len(nodes)-1]; len(nodes) == 0 {
			delete(pl.users, v.Key)
		} else {
			pl.users[v.Key] = nodes
		}
	}
}

// disksConflict says whether pods of the two classes cannot be on one node (isVolumeConflict).
func disksConflict(c, o *framework.PodClass) bool {
	for _, v := range c.Disks {
		for _, w := range o.Disks {
			if diskConflicts(v, w) {
				return true
			}
		}
	}
	return false
}

func diskConflicts(v, w *v1.Volume) bool {
	switch {
	case v.GCEPersistentDisk != nil && w.GCEPersistentDisk != nil:
		a, b := v.GCEPersistentDisk, w.GCEPersistentDisk
		return a.PDName == b.PDName && !(a.ReadOnly && b.ReadOnly)
	case v.AWSElasticBlockStore != nil && w.AWSElasticBlockStore != nil:
		return v.AWSElasticBlockStore.VolumeID == w.AWSElasticBlockStore.VolumeID
	case v.ISCSI != nil && w.ISCSI != nil:
		return v.ISCSI.IQN == w.ISCSI.IQN && !(v.ISCSI.ReadOnly && w.ISCSI.ReadOnly)
	case v.RBD != nil && w.RBD != nil:
		a, b := v.RBD, w.RBD
		shared := slices.ContainsFunc(a.CephMonitors, func(m string) bool { return slices.Contains(b.CephMonitors, m) })
		return shared && a.RBDPool == b.RBDPool && a.RBDImage == b.RBDImage && !(a.ReadOnly && b.ReadOnly)
	}
	return false
}

// hintVolumeRestrictions follows isSchedulableAfterAssignedPodDeleted and
// isSchedulableAfterPersistentVolumeClaimAdded.
func hintVolumeRestrictions(c *framework.PodClass, e *framework.ClusterEvent) bool {
	switch e.Action {
	case framework.AssignedPodDelete:
		return e.Pod.Template.Namespace == c.Template.Namespace && (disksConflict(c, e.Pod) || shareClaim(c, e.Pod))
	case framework.ObjectChange:
		claim, ok := e.Object.(*v1.PersistentVolumeClaim)
		return ok && e.OldObject == nil && namesClaim(c, claim)
	}
	return true
}

// shareClaim says whether two classes of one namespace name the same claim.
func shareClaim(c, o *framework.PodClass) bool {
	for i := range c.Claims {
		v := &c.Claims[i]
		if !v.Ephemeral && slices.Contains(o.Claims, *v) {
			return true
		}
	}
	return false
}

// namesClaim says whether a volume of the class names the claim.
func namesClaim(c *framework.PodClass, claim *v1.PersistentVolumeClaim) bool {
	if claim.Namespace != c.Template.Namespace {
		return false
	}
	return slices.ContainsFunc(c.Claims, func(v framework.VolumeClaim) bool { return !v.Ephemeral && v.Name == claim.Name })
}
