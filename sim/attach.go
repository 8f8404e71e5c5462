package sim

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
)

// The times of the attach/detach controller (attachdetach/attach_detach_controller.go
// DefaultTimerConfig), of its back-off (pkg/util/goroutinemap/exponentialbackoff), and how long it
// waits for a CSI driver (pkg/volume/csi csiTimeout).
const (
	attachPeriod         = 100 * model.Millisecond
	maxWaitForUnmount    = 6 * model.Minute
	attachBackoffInitial = 500 * model.Millisecond
	attachBackoffMax     = 122 * model.Second
	attachTimeout        = 2 * model.Minute
)

// attachDetach is the attach/detach controller (pkg/controller/volume/attachdetach) and what the
// kubelets' volume managers know of persistent volumes. The record does not have it; its Events are
// the pods'.
type attachDetach struct {
	volumes []persistentVolume
	// numbers finds a volume by its name.
	numbers map[string]int32
	limit   limit
	draws   uint64
	// operations numbers those of the kubelets.
	operations uint32
	// unresolved are pods with claims that were not bound when the controller saw the pods.
	unresolved []podRef
	// unattached are the CSI drivers whose volumes need not be attached.
	unattached map[string]bool
}

// persistentVolume is a PersistentVolume that some pod on a node has asked for.
type persistentVolume struct {
	name, driver, handle string
	luck                 uint64
	// attachable says that it has to be attached, exclusive that it can be at one node only
	// (volume/util IsMultiAttachAllowed).
	attachable, exclusive bool
	behavior              *model.StorageDriver
	on                    []attachment
	// look is when the controller is to look at the volume, 0 for never.
	look model.Time
}

// attachment is a volume at a node.
type attachment struct {
	node model.NodeID
	// pods are those for whose sake the controller wants it there (its desired state of the world).
	pods []podRef
	// state is the controller's actual state of the world; uncertain says that an attempt has failed.
	state     attachState
	uncertain bool
	// before is the state before the detach under way.
	before attachState
	// told says that the pods were told that the volume is at another node.
	told bool
	// backoff is the delay after the last failure, 0 for none, retryAt its end.
	backoff, retryAt model.Time
	// detachAsked is since when the volume is to be detached, Never when it is not.
	detachAsked model.Time
	// drivenAt is when the driver is through with the attach that it was asked for; 0 for none.
	drivenAt model.Time
	// inUse says that by the node's status, as the controller saw it, the kubelet uses the volume.
	inUse bool

	// listed says that the kubelet sees the volume in its node's status.volumesAttached; listedAt is
	// when it sees the last change of that.
	listed   bool
	listedAt model.Time
	// reported says that the volume is in the node's status.volumesInUse.
	reported bool

	mounts
}

// attachState is whether a volume is attached.
type attachState uint8

const (
	detached attachState = iota
	attaching
	attached
	detaching
)

func (a *attachment) moving() bool { return a.state == attaching || a.state == detaching }

// asked says that the kubelet wants the volume or has it (volume_manager.go GetVolumesInUse).
func (a *attachment) asked() bool { return len(a.users) > 0 || a.verified }

// volumeEvent carries out an event of a persistent volume.
func (c *Cluster) volumeEvent(e *Event) {
	node := model.NodeID(e.Arg)
	switch e.Kind {
	case evAttachRound:
		c.attachReconcile(e.Obj)
	case evAttached:
		c.volumeAttached(e.Obj, node)
	case evDetached:
		c.volumeDetached(e.Obj, node)
	case evVolumeListed:
		c.volumeListed(e.Obj, node, e.Gen == 1)
	case evMountRound:
		c.mountRound(e.Obj, node)
	case evMountDone:
		c.mountDone(e.Obj, node, e.Gen)
	}
}

// attachmentAt is what is known of a volume at a node. The pointer is good until another is made.
func (x *persistentVolume) attachmentAt(node model.NodeID) *attachment {
	for i := range x.on {
		if x.on[i].node == node {
			return &x.on[i]
		}
	}
	return nil
}

// newAttachmentAt is attachmentAt, made if there is none.
func (c *Cluster) newAttachmentAt(v int32, node model.NodeID) *attachment {
	x := &c.attach.volumes[v]
	if a := x.attachmentAt(node); a != nil {
		return a
	}
	x.on = append(x.on, attachment{node: node, detachAsked: model.Never})
	n := &c.nodes[node]
	n.volumes = append(n.volumes, v)
	return &x.on[len(x.on)-1]
}

// volumeNumber is the number of a PersistentVolume.
func (c *Cluster) volumeNumber(pv *v1.PersistentVolume) int32 {
	v, ok := c.attach.numbers[pv.Name]
	if !ok {
		v = int32(len(c.attach.volumes))
		c.attach.numbers[pv.Name] = v
		c.attach.volumes = append(c.attach.volumes, persistentVolume{name: pv.Name, luck: luckOf("volume", pv.Name)})
	}
	x := &c.attach.volumes[v]
	var csi bool
	x.driver, x.handle, csi = driverOf(pv)
	x.attachable = csi && !c.attach.unattached[x.driver] || pv.Spec.ISCSI != nil || pv.Spec.FC != nil
	x.behavior = c.storageDriver(x.driver, csi)
	x.exclusive = len(pv.Spec.AccessModes) > 0 && !slices.Contains(pv.Spec.AccessModes, v1.ReadWriteMany) &&
		!slices.Contains(pv.Spec.AccessModes, v1.ReadOnlyMany)
	return v
}

// attachSees is a pod's change as the attach/detach controller sees it (podUpdate, podDelete).
func (c *Cluster) attachSees(id model.PodID, change model.ChangeType) {
	o := &c.state.Pods[id]
	if !o.Template.HasClaims || o.Node == 0 {
		return
	}
	if change == model.Deleted || notRunning(o) {
		c.unwant(c.ref(id), o.Node)
		return
	}
	for i := range o.Template.VolumeSources {
		s := &o.Template.VolumeSources[i]
		if s.Claim == "" {
			continue
		}
		pv, why := c.claimed(o, s)
		if why != "" {
			if r := c.ref(id); !slices.Contains(c.attach.unresolved, r) {
				c.attach.unresolved = append(c.attach.unresolved, r)
			}
			continue
		}
		v := c.volumeNumber(pv)
		if !c.attach.volumes[v].attachable {
			continue
		}
		a := c.newAttachmentAt(v, o.Node)
		if r := c.ref(id); !slices.Contains(a.pods, r) {
			a.pods = append(a.pods, r)
			c.lookAtVolume(v, c.now)
		}
	}
}

// unwant takes a pod out of what the controller wants to be attached.
func (c *Cluster) unwant(r podRef, node model.NodeID) {
	for _, v := range c.nodes[node].volumes {
		a := c.attach.volumes[v].attachmentAt(node)
		i := slices.Index(a.pods, r)
		if i < 0 {
			continue
		}
		if a.pods = slices.Delete(a.pods, i, i+1); len(a.pods) == 0 {
			a.told = false
		}
		c.lookAtVolume(v, c.now)
	}
}

// claimsSeen lets the controller look again at pods whose claims were not bound (syncPVCByKey).
func (c *Cluster) claimsSeen() {
	if len(c.attach.unresolved) == 0 {
		return
	}
	refs := c.attach.unresolved
	c.attach.unresolved = nil
	for _, r := range refs {
		if c.alive(r) {
			c.attachSees(r.id, model.Modified)
		}
	}
}

// notRunning says that a pod has ended for the controllers of volumes (volume/util IsPodTerminated).
func notRunning(o *model.Pod) bool {
	if o.Status.Phase.Terminal() {
		return true
	}
	for i := range o.Status.Containers {
		if o.Status.Containers[i].State.Kind == model.StateRunning {
			return false
		}
	}
	return o.Deleting
}

// lookAtVolume asks for the controller's first look at a volume after a moment.
func (c *Cluster) lookAtVolume(v int32, after model.Time) {
	x := &c.attach.volumes[v]
	round := c.attachRound(max(after, c.now))
	if x.look != 0 && x.look <= round {
		return
	}
	x.look = round
	c.queue.Push(Event{At: round, Kind: evAttachRound, Obj: v})
}

// attachRound is the controller's first round after t.
func (c *Cluster) attachRound(t model.Time) model.Time {
	phase := c.delayOf(0, streamAttach, 0, &model.Dist{Kind: model.DistUniform, Max: float64(attachPeriod)})
	return t - (t+phase)%attachPeriod + attachPeriod
}

// attachReconcile is the controller's look at a volume: what is to be detached goes before what is to
// be attached (reconciler.go reconcile).
func (c *Cluster) attachReconcile(v int32) {
	x := &c.attach.volumes[v]
	if x.look != c.now {
		return
	}
	x.look = 0
	for i := range x.on {
		c.detachVolume(v, &x.on[i])
	}
	for i := range x.on {
		c.attachVolume(v, &x.on[i])
	}
	for i := len(x.on) - 1; i >= 0; i-- {
		c.forgetAttachment(v, &x.on[i])
	}
}

// operates says that an operation is under way that keeps others about the volume away.
func (x *persistentVolume) operates(a *attachment) bool {
	if !x.exclusive {
		return a.moving()
	}
	return slices.ContainsFunc(x.on, func(a attachment) bool { return a.moving() })
}

// detachVolume begins to detach a volume from a node where no pod wants it, once the kubelet does not
// use it any more: or six minutes later when the node is not well.
func (c *Cluster) detachVolume(v int32, a *attachment) {
	x := &c.attach.volumes[v]
	switch {
	case a.state != attached && !a.uncertain || len(a.pods) > 0 || x.operates(a):
		return
	case a.retryAt > c.now:
		c.lookAtVolume(v, a.retryAt)
		return
	}
	if a.detachAsked == model.Never {
		a.detachAsked = c.now
	}
	n := &c.state.Nodes[a.node]
	outOfService := slices.ContainsFunc(n.Taints, func(t v1.Taint) bool { return t.Key == v1.TaintNodeOutOfService })
	forced := c.now-a.detachAsked > maxWaitForUnmount && n.Conditions[model.NodeReady].Status != model.ConditionTrue
	if a.inUse && !forced && !outOfService {
		if c.now-a.detachAsked <= maxWaitForUnmount {
			c.lookAtVolume(v, a.detachAsked+maxWaitForUnmount)
		}
		return
	}
	a.before, a.state = a.state, detaching
	written := c.attachRequest(x)
	c.list(v, a, false, written)
	took := c.driven(x, &x.behavior.Detach)
	c.queue.Push(Event{At: written + took, Kind: evDetached, Obj: v, Arg: int32(a.node)})
}

// volumeDetached is the end of a detach. A failure has no Event.
//
// Differs from Kubernetes: after a detach that has failed the volume still counts as attached. Upstream is no
// longer sure, and asks the driver to attach it to the other node meanwhile, which drivers refuse.
func (c *Cluster) volumeDetached(v int32, node model.NodeID) {
	x := &c.attach.volumes[v]
	a := x.attachmentAt(node)
	if why := x.behavior.Failing(model.StorageDetach, c.now); why != "" {
		a.state, a.uncertain = a.before, true
		c.backOff(v, a)
		if a.state == attached {
			c.list(v, a, true, c.attachRequest(x))
		}
		return
	}
	a.state, a.uncertain, a.backoff, a.retryAt, a.detachAsked = detached, false, 0, 0, model.Never
	c.tellAttachment(x, a, true)
	c.forgetAttachment(v, a)
	c.lookAtVolume(v, c.now)
}

// forgetAttachment drops what is known of a volume at a node when it is nothing any more.
func (c *Cluster) forgetAttachment(v int32, a *attachment) {
	if a.state != detached || a.uncertain || len(a.pods) > 0 || a.asked() || a.reported || a.op != noOperation {
		return
	}
	node, x := a.node, &c.attach.volumes[v]
	x.on = slices.DeleteFunc(x.on, func(a attachment) bool { return a.node == node })
	n := &c.nodes[node]
	n.volumes = slices.DeleteFunc(n.volumes, func(w int32) bool { return w == v })
}

// attachVolume begins to attach a volume that pods on a node want, unless it can be at one node only
// and is at another.
func (c *Cluster) attachVolume(v int32, a *attachment) {
	x := &c.attach.volumes[v]
	switch {
	case len(a.pods) == 0 || x.operates(a):
		return
	case a.state == attached:
		a.detachAsked = model.Never
		return
	case x.exclusive && slices.ContainsFunc(x.on, func(o attachment) bool { return o.state == attached }):
		if !a.told {
			a.told = true
			c.tellMultiAttach(x, a)
		}
		return
	case a.retryAt > c.now:
		c.lookAtVolume(v, a.retryAt)
		return
	}
	a.state = attaching
	at := c.attachRequest(x)
	if a.drivenAt == 0 {
		a.drivenAt = at + c.driven(x, &x.behavior.Attach)
		c.tellAttachment(x, a, false)
	}
	at = max(at, min(a.drivenAt, at+attachTimeout))
	c.queue.Push(Event{At: at, Kind: evAttached, Obj: v, Arg: int32(a.node)})
}

// volumeAttached is the end of an attach, or of the controller's wait for the driver.
func (c *Cluster) volumeAttached(v int32, node model.NodeID) {
	x := &c.attach.volumes[v]
	a := x.attachmentAt(node)
	why := x.behavior.Failing(model.StorageAttach, c.now)
	if why == "" && c.now < a.drivenAt {
		why = fmt.Sprintf("timed out waiting for external-attacher of %s CSI driver to attach volume %s", x.driver, x.handle)
	} else {
		a.drivenAt = 0
	}
	if why != "" {
		a.state, a.uncertain = detached, true
		c.backOff(v, a)
		c.attachEvents(a, true, model.EventFailedAttachVolume, fmt.Sprintf("AttachVolume.Attach failed for volume %q : %s", x.name, why))
		return
	}
	a.state, a.uncertain, a.backoff, a.retryAt, a.inUse = attached, false, 0, 0, true
	c.attachEvents(a, false, model.EventSuccessfulAttachVolume, fmt.Sprintf("AttachVolume.Attach succeeded for volume %q ", x.name))
	// The end of the next round writes the node's status.
	c.list(v, a, true, c.attachRound(c.now)+c.attachRequest(x)-c.now)
	c.lookAtVolume(v, c.now)
}

// backOff puts off the next operation after a failure.
func (c *Cluster) backOff(v int32, a *attachment) {
	a.backoff = max(attachBackoffInitial, min(2*a.backoff, attachBackoffMax))
	a.retryAt = c.now + a.backoff
	c.lookAtVolume(v, a.retryAt)
}

// attachRequest is when a write of the controller about a volume reaches the API server.
func (c *Cluster) attachRequest(x *persistentVolume) model.Time {
	c.attach.draws++
	return c.request(&c.attach.limit, x.luck, c.attach.draws)
}

// driven draws how long a driver takes.
func (c *Cluster) driven(x *persistentVolume, d *model.Dist) model.Time {
	c.attach.draws++
	return c.delayOf(x.luck, streamAttach, c.attach.draws, d)
}

// list puts a volume into the list of those attached to its node, or takes it out. The kubelet sees it.
func (c *Cluster) list(v int32, a *attachment, on bool, written model.Time) {
	c.attach.draws++
	at := written + c.delayOf(c.attach.volumes[v].luck, streamWatch, c.attach.draws, &c.scenario.ControlPlane.Watch)
	a.listedAt = max(a.listedAt, at)
	e := Event{At: a.listedAt, Kind: evVolumeListed, Obj: v, Arg: int32(a.node)}
	if on {
		e.Gen = 1
	}
	c.queue.Push(e)
}

// volumeListed is the node's status with other attached volumes, as the kubelet and the controller see it.
func (c *Cluster) volumeListed(v int32, node model.NodeID, on bool) {
	a := c.attach.volumes[v].attachmentAt(node)
	if a == nil {
		return
	}
	a.listed, a.inUse = on, a.reported
	c.lookAtMount(v, node)
	c.lookAtVolume(v, c.now)
}

// volumesInUseSeen is a node's status as the controller sees it (processVolumesInUse).
func (c *Cluster) volumesInUseSeen(node model.NodeID) {
	for _, v := range c.nodes[node].volumes {
		a := c.attach.volumes[v].attachmentAt(node)
		a.inUse = a.reported
		c.lookAtVolume(v, c.now)
	}
}

// attachEvents writes an Event of the controller for each pod that wants the volume.
func (c *Cluster) attachEvents(a *attachment, warning bool, reason model.EventReason, text string) {
	for _, r := range a.pods {
		c.attachEvent(r, warning, reason, text)
	}
}

func (c *Cluster) attachEvent(r podRef, warning bool, reason model.EventReason, text string) {
	if c.pods[r.id].gen != r.gen {
		return
	}
	c.write(&c.pods[r.id].log, model.Event{Kind: model.KindPod, ID: int32(r.id), Container: -1, Warning: warning,
		Source: model.FromAttachDetachController, Reason: reason, Message: model.TextMessage(c.state.Texts.Intern(text))})
}

// tellMultiAttach tells the pods that the volume is at another node (reportMultiAttachError).
func (c *Cluster) tellMultiAttach(x *persistentVolume, a *attachment) {
	const waits = "Waiting for detach for volume %q %s"
	var others []podRef
	for i := range x.on {
		if o := &x.on[i]; o.node != a.node && o.state == attached {
			others = append(others, o.pods...)
		}
	}
	if len(others) == 0 {
		c.attachEvents(a, true, model.EventFailedAttachVolume, fmt.Sprintf(waits, x.name,
			"Volume is already exclusively attached to one node, waiting on detach before it can be attached to another node"))
		return
	}
	for _, r := range a.pods {
		c.attachEvent(r, true, model.EventFailedAttachVolume, fmt.Sprintf(waits, x.name, c.usedBy(others, c.state.Pods[r.id].Template.Namespace)))
	}
}

// usedBy names the pods that have a volume to one in a namespace.
func (c *Cluster) usedBy(pods []podRef, namespace string) string {
	var names []string
	for _, r := range pods {
		if o := &c.state.Pods[r.id]; o.Template.Namespace == namespace {
			names = append(names, o.Name)
		}
	}
	elsewhere := len(pods) - len(names)
	switch {
	case len(names) == 0:
		return fmt.Sprintf("Volume is already used by %d pod(s) in different namespaces", elsewhere)
	case elsewhere > 0:
		return fmt.Sprintf("Volume is already used by pod(s) %s and %d pod(s) in different namespaces", strings.Join(names, ", "), elsewhere)
	}
	return "Volume is already used by pod(s) " + strings.Join(names, ", ")
}

// tellAttachment lets the watchers know of a VolumeAttachment, which is there from the first request
// until the volume is detached (csi_attacher.go Attach). The scheduler counts them.
func (c *Cluster) tellAttachment(x *persistentVolume, a *attachment, gone bool) {
	node := c.state.Nodes[a.node].Name
	name := fmt.Sprintf("csi-%x", sha256.Sum256([]byte(x.handle+x.driver+node)))
	c.tell(&storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: storagev1.VolumeAttachmentSpec{Attacher: x.driver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &x.name}}}, gone)
}

// checkVolumes looks for volumes that are where they cannot be: one for a single node at two, or mounted
// for a pod where the kubelet has not found it.
func (c *Cluster) checkVolumes() {
	for i := range c.attach.volumes {
		x, there := &c.attach.volumes[i], 0
		for j := range x.on {
			a := &x.on[j]
			if a.state == attaching || a.state == attached || a.state == detaching && a.before == attached {
				there++
			}
			for _, u := range a.users {
				if u.state == isMounted && !(a.verified && a.staged) {
					c.contradiction("volume %s is mounted for a pod on node %s and not known there", x.name, c.state.Nodes[a.node].Name)
				}
				if p := &c.pods[u.id]; p.gen != u.gen || p.done {
					c.contradiction("volume %s on node %s is kept for a pod that has ended", x.name, c.state.Nodes[a.node].Name)
				}
			}
		}
		if x.exclusive && there > 1 {
			c.contradiction("volume %s is at %d nodes", x.name, there)
		}
	}
}
