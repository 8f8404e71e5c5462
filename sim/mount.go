package sim

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	csitrans "k8s.io/csi-translation-lib"
	"k8s.io/klog/v2"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/scheduler/framework"
)

// mounts is what a node's volume manager has of a persistent volume (pkg/kubelet/volumemanager).
type mounts struct {
	// users are the pods on the node that have it (the desired state of the world).
	users []volumeUser
	// verified says that the kubelet has found it attached (the actual state of the world), staged that
	// it is mounted for the node.
	verified, staged bool
	// op is the operation under way, user that of a mount; opGen is the operation's number.
	op    mountOperation
	user  podRef
	opGen uint32
	// looks is when the reconciler is to look at the volume, 0 for never.
	looks model.Time
}

// volumeUser is a pod that has a volume as one of its VolumeSources.
type volumeUser struct {
	podRef
	index int32
	state userState
	// failed says that the last attempt to mount it has.
	failed bool
}

// userState is whether a volume is mounted for a pod.
type userState uint8

const (
	unmounted userState = iota
	// backingOff: it is tried again when the pod's machine asks for it.
	backingOff
	isMounted
)

// mountOperation is what the volume manager does about a volume.
type mountOperation uint8

const (
	noOperation mountOperation = iota
	verifying
	mounting
	unstaging
)

// translator knows the plugins whose volumes are those of CSI drivers now.
var translator = csitrans.New()

// driverOf is the driver of a volume, its name there, and whether it is a CSI driver.
func driverOf(pv *v1.PersistentVolume) (driver, handle string, csi bool) {
	if translator.IsPVMigratable(pv) {
		if translated, err := translator.TranslateInTreePVToCSI(klog.Logger{}, pv); err == nil {
			pv = translated
		}
	}
	s := &pv.Spec.PersistentVolumeSource
	switch {
	case s.CSI != nil:
		return s.CSI.Driver, s.CSI.VolumeHandle, true
	case s.Local != nil:
		return "kubernetes.io/local-volume", pv.Name, false
	case s.HostPath != nil:
		return "kubernetes.io/host-path", pv.Name, false
	case s.NFS != nil:
		return "kubernetes.io/nfs", pv.Name, false
	case s.ISCSI != nil:
		return "kubernetes.io/iscsi", pv.Name, false
	case s.FC != nil:
		return "kubernetes.io/fc", pv.Name, false
	}
	return "", pv.Name, false
}

// storageDriver is what the scenario says of a driver. Of a volume of the kubelet's own plugins that it
// does not mention, the mount takes what others take, and an attach no time.
func (c *Cluster) storageDriver(name string, csi bool) *model.StorageDriver {
	for i := range c.scenario.Storage {
		if d := &c.scenario.Storage[i]; model.Matches(d.Driver, name) {
			return d
		}
	}
	if csi {
		d := model.DefaultStorageDriver()
		return &d
	}
	l := &c.scenario.Latencies
	return &model.StorageDriver{Mount: l.MountVolumes, Unmount: l.UnmountVolumes}
}

// claimed is the volume that a pod's claim is bound to, or why there is none
// (desired_state_of_world_populator.go getPVCExtractPV, getPVSpec).
func (c *Cluster) claimed(o *model.Pod, s *model.VolumeSource) (*v1.PersistentVolume, string) {
	name := s.ClaimName(o.Name)
	wrong := func(why string) (*v1.PersistentVolume, string) {
		return nil, fmt.Sprintf("error processing PVC %s/%s: %s", o.Template.Namespace, name, why)
	}
	claim, ok := c.storage.claims.Get(framework.Key(o.Template.Namespace, name))
	if !ok {
		return wrong(fmt.Sprintf("failed to fetch PVC from API server: persistentvolumeclaims %q not found", name))
	}
	if !bound(claim) {
		return wrong("PVC is not bound")
	}
	pv, ok := c.storage.volumes.Get(claim.Spec.VolumeName)
	if !ok {
		return wrong(fmt.Sprintf("failed to fetch PV %s from API server: persistentvolumes %q not found", claim.Spec.VolumeName, claim.Spec.VolumeName))
	}
	return pv, ""
}

// addUsers takes a pod's claims into the desired state of the world. It gives the kubelet's words when
// that fails for some.
func (c *Cluster) addUsers(id model.PodID) string {
	o := &c.state.Pods[id]
	var all, bad, errs []string
	for i := range o.Template.VolumeSources {
		s := &o.Template.VolumeSources[i]
		if s.Claim == "" {
			continue
		}
		all = append(all, s.Name)
		pv, why := c.claimed(o, s)
		if why != "" {
			bad, errs = append(bad, s.Name), append(errs, why)
			continue
		}
		c.addUser(c.volumeNumber(pv), id, int32(i))
	}
	if len(bad) == 0 {
		return ""
	}
	slices.Sort(all)
	slices.Sort(bad)
	unattached := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(bad, name) })
	return fmt.Sprintf("Unable to attach or mount volumes: unmounted volumes=%v, unattached volumes=%v, failed to process volumes=%v: %s",
		all, unattached, bad, strings.Join(errs, "; "))
}

// addUser makes a pod a user of a volume on its node. The next node status has the volume in use.
func (c *Cluster) addUser(v int32, id model.PodID, index int32) {
	node := c.state.Pods[id].Node
	a := c.newAttachmentAt(v, node)
	r := c.ref(id)
	for i := range a.users {
		if a.users[i].podRef == r && a.users[i].index == index {
			return
		}
	}
	if !a.asked() && c.attach.volumes[v].attachable {
		c.nodeStatusChanged(node)
	}
	a.users = append(a.users, volumeUser{podRef: r, index: index})
}

// releaseVolumes takes a pod away from the volumes of its node: they are not mounted for it any more.
func (c *Cluster) releaseVolumes(id model.PodID) {
	o := &c.state.Pods[id]
	if !o.Template.HasClaims {
		return
	}
	r := c.ref(id)
	for _, v := range slices.Clone(c.nodes[o.Node].volumes) {
		a := c.attach.volumes[v].attachmentAt(o.Node)
		had := len(a.users)
		a.users = slices.DeleteFunc(a.users, func(u volumeUser) bool { return u.podRef == r })
		if len(a.users) < had {
			c.releasedVolume(v, a)
		}
	}
}

// releasedVolume goes on with a volume that a pod has left.
func (c *Cluster) releasedVolume(v int32, a *attachment) {
	c.lookAtMount(v, a.node)
	if !a.asked() && c.attach.volumes[v].attachable {
		c.nodeStatusChanged(a.node)
	}
}

// mountsLeft is how many of a pod's VolumeSources are not mounted.
func (c *Cluster) mountsLeft(id model.PodID) int {
	o, left := &c.state.Pods[id], 0
	for i := range o.Template.VolumeSources {
		if o.Template.VolumeSources[i].Claim == "" && c.volumeError(o, i) != "" {
			left++
		}
	}
	c.eachUse(id, func(_ int32, _ *attachment, u *volumeUser) {
		if u.state != isMounted {
			left++
		}
	})
	return left
}

// eachUse calls do for each use of a volume by a pod.
func (c *Cluster) eachUse(id model.PodID, do func(v int32, a *attachment, u *volumeUser)) {
	o := &c.state.Pods[id]
	if !o.Template.HasClaims {
		return
	}
	r := c.ref(id)
	for _, v := range c.nodes[o.Node].volumes {
		a := c.attach.volumes[v].attachmentAt(o.Node)
		for i := range a.users {
			if a.users[i].podRef == r {
				do(v, a, &a.users[i])
			}
		}
	}
}

// lookAtMount asks for the reconciler's next look at a volume.
func (c *Cluster) lookAtMount(v int32, node model.NodeID) {
	a := c.attach.volumes[v].attachmentAt(node)
	round := c.nodes[node].loops.NextReconcile(c.now)
	if a.looks != 0 && a.looks <= round && a.looks > c.now {
		return
	}
	a.looks = round
	c.queue.Push(Event{At: round, Kind: evMountRound, Obj: v, Arg: int32(node)})
}

// mountRound is the look of a node's reconciler at a volume (reconciler.go reconcile).
func (c *Cluster) mountRound(v int32, node model.NodeID) {
	a := c.attach.volumes[v].attachmentAt(node)
	if a == nil || a.looks != c.now {
		return
	}
	a.looks = 0
	c.reconcileMounts(v, a)
}

func (c *Cluster) reconcileMounts(v int32, a *attachment) {
	x := &c.attach.volumes[v]
	if n := &c.nodes[a.node]; n.down || n.starting || a.op != noOperation {
		return
	}
	i := slices.IndexFunc(a.users, func(u volumeUser) bool { return u.state == unmounted })
	switch {
	case len(a.users) == 0 && a.staged:
		c.operate(v, a, unstaging, c.driven(x, &x.behavior.Unmount))
	case len(a.users) == 0 && a.verified:
		a.verified = false
		if x.attachable {
			c.nodeStatusChanged(a.node)
		}
		c.forgetAttachment(v, a)
	case len(a.users) == 0:
		c.forgetAttachment(v, a)
	case i < 0:
	case a.verified:
		a.user = a.users[i].podRef
		c.operate(v, a, mounting, c.driven(x, &x.behavior.Mount))
	case !x.attachable || a.reported && a.listed:
		c.operate(v, a, verifying, c.driven(x, &c.scenario.ControlPlane.Write))
	}
}

// operate begins an operation.
func (c *Cluster) operate(v int32, a *attachment, op mountOperation, took model.Time) {
	a.op = op
	c.attach.operations++
	a.opGen = c.attach.operations
	c.queue.Push(Event{At: c.now + took, Kind: evMountDone, Obj: v, Arg: int32(a.node), Gen: a.opGen})
}

// mountDone is the end of an operation.
func (c *Cluster) mountDone(v int32, node model.NodeID, gen uint32) {
	x := &c.attach.volumes[v]
	a := x.attachmentAt(node)
	if a == nil || a.opGen != gen || a.op == noOperation {
		return
	}
	op := a.op
	a.op = noOperation
	if c.nodes[node].stopped() {
		return
	}
	switch op {
	case verifying:
		a.verified = true
	case unstaging:
		a.staged = false
	case mounting:
		c.mountEnds(v, a)
		a = x.attachmentAt(node)
	}
	if a != nil {
		c.lookAtMount(v, node)
	}
}

// mountEnds is the end of a mount for a pod. The pod may be gone meanwhile.
func (c *Cluster) mountEnds(v int32, a *attachment) {
	x := &c.attach.volumes[v]
	stage := "MountDevice"
	if a.staged || !x.attachable {
		stage = "SetUp"
	}
	why := x.behavior.Failing(model.StorageMount, c.now)
	a.staged = a.staged || why == ""
	i := slices.IndexFunc(a.users, func(u volumeUser) bool { return u.podRef == a.user && u.state == unmounted })
	if i < 0 {
		return
	}
	u := &a.users[i]
	id, e := u.id, kubelet.Event{Kind: kubelet.VolumeFailed, N: int64(u.index)}
	if why != "" {
		u.state, u.failed = backingOff, true
		e.Message = model.TextMessage(c.state.Texts.Intern(fmt.Sprintf("MountVolume.%s failed for volume %q : %s", stage, x.name, why)))
		c.step(id, e)
		return
	}
	failed := u.failed
	u.state, u.failed = isMounted, false
	if failed {
		e.Kind = kubelet.VolumeSetUp
		c.step(id, e)
	}
	c.maybeMounted(id)
}

// maybeMounted tells a pod's machine when all of its volumes are mounted.
func (c *Cluster) maybeMounted(id model.PodID) {
	if c.mountsLeft(id) == 0 {
		c.step(id, kubelet.Event{Kind: kubelet.VolumesMounted})
	}
}

// mountAgain is the reconciler's next attempt to mount a claim for a pod.
func (c *Cluster) mountAgain(id model.PodID, index int) {
	c.eachUse(id, func(v int32, a *attachment, u *volumeUser) {
		if int(u.index) == index && u.state == backingOff {
			u.state = unmounted
			c.reconcileMounts(v, a)
		}
	})
}

// volumesInUse are the volumes that a kubelet uses.
func (c *Cluster) volumesInUse(list []int32, node model.NodeID) []int32 {
	for _, v := range c.nodes[node].volumes {
		if x := &c.attach.volumes[v]; x.attachable && x.attachmentAt(node).asked() {
			list = append(list, v)
		}
	}
	return list
}

// volumesReported are those that the API server has in the node's status.
func (c *Cluster) volumesReported(list []int32, node model.NodeID) []int32 {
	for _, v := range c.nodes[node].volumes {
		if c.attach.volumes[v].attachmentAt(node).reported {
			list = append(list, v)
		}
	}
	return list
}

// storeVolumesInUse writes the volumes that a kubelet has reported into the node's status.
func (c *Cluster) storeVolumesInUse(list []int32, node model.NodeID) {
	for _, v := range slices.Clone(c.nodes[node].volumes) {
		a := c.attach.volumes[v].attachmentAt(node)
		on := slices.Contains(list, v)
		if a.reported == on {
			continue
		}
		a.reported = on
		c.lookAtMount(v, node)
		c.forgetAttachment(v, a)
	}
}

// abandonMounts ends what a kubelet does about volumes, with the kubelet. What is mounted stays.
func (c *Cluster) abandonMounts(node model.NodeID) {
	for _, v := range c.nodes[node].volumes {
		a := c.attach.volumes[v].attachmentAt(node)
		a.op = noOperation
		for i := range a.users {
			if u := &a.users[i]; u.state == backingOff {
				u.state, u.failed = unmounted, false
			}
		}
	}
}

// loseMounts takes away what is mounted on a node that has no power.
func (c *Cluster) loseMounts(node model.NodeID) {
	for _, v := range c.nodes[node].volumes {
		a := c.attach.volumes[v].attachmentAt(node)
		a.verified, a.staged = false, false
		for i := range a.users {
			a.users[i].state, a.users[i].failed = unmounted, false
		}
	}
}

// resumeVolumes lets a kubelet go on with the volumes, once it knows its pods.
func (c *Cluster) resumeVolumes(node model.NodeID) {
	for _, v := range c.nodes[node].volumes {
		c.lookAtMount(v, node)
	}
}
