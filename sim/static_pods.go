package sim

import (
	"slices"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// staticPod is what a kubelet keeps of a pod that it has from a manifest. The pod's slot is that of its
// mirror pod, too: it exists while the API server has the mirror, which may come and go while the pod
// runs. Two pods of one name, the one of the manifest of before and that of the present one, have a slot
// each.
type staticPod struct {
	// hash is the pod's UID.
	hash string
	// desired says that the manifest is there, again that it has come back before the pod had ended:
	// the pod is then started anew by housekeeping.
	desired, again bool
	// waits says that the worker waits for another pod of that name, started that it has begun.
	waits, started bool
	// mirror says that the kubelet has seen the mirror pod, deleting that it is to be deleted.
	mirror, deleting bool
	// unsent says that the mirror pod does not have the pod's last status.
	unsent bool
	// orphaned says that the status manager has forgotten the pod, as its manifest is gone.
	orphaned bool
	// cleanGen is the generation of the pending round of housekeeping.
	cleanGen uint16
}

// manifest is a file in the directory that a kubelet watches.
type manifest struct {
	name podName
	hash string
	pod  *v1.Pod
}

// streamManifest is for the times at which a kubelet sees its manifests.
const streamManifest Stream = 1 << 8

// staticStart is how soon the worker of a static pod that has to wait for another one looks again
// (pod_workers.go allowPodStart).
const staticStart = 10 * model.Second

// putManifest writes a manifest of a static pod, or changes it.
func (c *Cluster) putManifest(node model.NodeID, pod *v1.Pod) {
	n := &c.nodes[node]
	name := c.state.Nodes[node].Name
	m := manifest{podName{pod.Namespace, model.StaticPodName(pod.Name, name)}, model.StaticPodHash(pod, name), pod}
	if i := n.manifestOf(m.name); i >= 0 {
		n.manifests[i] = m
	} else {
		n.manifests = append(n.manifests, m)
	}
	c.manifestsChanged(node)
}

// removeManifest takes the manifest of a static pod away. It says whether it was there.
func (c *Cluster) removeManifest(node model.NodeID, namespace, name string) bool {
	n := &c.nodes[node]
	i := n.manifestOf(podName{namespace, model.StaticPodName(name, c.state.Nodes[node].Name)})
	if i < 0 {
		return false
	}
	n.manifests = slices.Delete(n.manifests, i, i+1)
	c.manifestsChanged(node)
	return true
}

func (n *node) manifestOf(name podName) int {
	return slices.IndexFunc(n.manifests, func(m manifest) bool { return m.name == name })
}

// manifestsChanged lets the kubelet see its manifests (config/file_linux.go): as soon as a watcher of
// the API server sees an object, about.
func (c *Cluster) manifestsChanged(node model.NodeID) {
	n := &c.nodes[node]
	n.manifestChanges++
	c.after(c.delayOf(n.luck, streamManifest, n.manifestChanges, &c.scenario.ControlPlane.Watch), evManifests, int32(node), 0)
}

// readManifests compares the manifests with the static pods: those without a manifest are removed, and
// then the new ones added (config/config.go Merge). A manifest that was changed is a new pod.
func (c *Cluster) readManifests(node model.NodeID) {
	n := &c.nodes[node]
	if n.stopped() {
		return
	}
	for _, id := range slices.Clone(n.statics) {
		s := c.pods[id].static
		i := n.manifestOf(c.nameOf(id))
		if s.desired && (i < 0 || n.manifests[i].hash != s.hash) {
			c.removeStatic(id)
		}
	}
	for i := range n.manifests {
		c.addStatic(node, &n.manifests[i])
	}
}

// leaveStatic is the end of the kubelet that had a static pod: the next one knows what runs, and what
// manifests there are.
func (c *Cluster) leaveStatic(id model.PodID) {
	p := &c.pods[id]
	s := p.static
	if p.left = p.left && s.started; !p.left {
		c.nodes[c.state.Pods[id].Node].forget(id)
	}
	s.started, s.waits, s.again, s.orphaned = p.left, false, false, false
	s.mirror, s.deleting, s.unsent = false, false, true
}

// forgetStatic takes a static pod off its node's list, unless its manifest is there. It says whether it
// did.
func (c *Cluster) forgetStatic(id model.PodID) bool {
	if c.pods[id].static.desired {
		return false
	}
	n := &c.nodes[c.state.Pods[id].Node]
	if i := slices.Index(n.statics, id); i >= 0 {
		n.statics = slices.Delete(n.statics, i, i+1)
	}
	return true
}

func (c *Cluster) nameOf(id model.PodID) podName {
	o := &c.state.Pods[id]
	return podName{o.Template.Namespace, o.Name}
}

// addStatic takes up the pod of a manifest, unless the kubelet has it.
func (c *Cluster) addStatic(node model.NodeID, m *manifest) {
	n := &c.nodes[node]
	for _, id := range n.statics {
		p := &c.pods[id]
		s := p.static
		if c.nameOf(id) != m.name || s.hash != m.hash {
			continue
		}
		s.again = s.again || !s.desired && !p.left
		s.desired = true
		if p.admitted == 0 {
			c.admitStatic(id)
		}
		return
	}
	id := c.podSlot()
	c.serial++
	o, p := &c.state.Pods[id], &c.pods[id]
	t := c.state.CompileStatic(m.pod, c.state.Nodes[node].Name)
	containers, gates := o.Status.Containers[:0], o.Status.Gates[:0]
	*o = model.Pod{ID: id, Name: m.name.name, Serial: c.serial, Template: t, Node: node, Created: c.now, Generation: 1}
	o.Status = model.PodStatus{StartTime: model.Never, Containers: containers, Gates: gates}
	o.Status.Containers = nil
	p.static, p.gone = &staticPod{hash: m.hash, desired: true}, true
	p.luck, p.draws = luckOf("static", m.name.namespace, m.name.name, m.hash), [numDraws]uint32{}
	n.statics = append(n.statics, id)
	c.useNamespace(m.name.namespace)
	c.admitStatic(id)
}

func (c *Cluster) admitStatic(id model.PodID) {
	c.pods[id].admitted = 1
	c.at(c.now+c.delay(id, streamAdmit, &c.scenario.ControlPlane.KubeletAdmit), evAdmit, id, 0, 0)
}

// startStatic lets the worker of a static pod begin, unless another one of that name has begun and not
// ended (pod_workers.go allowStaticPodStart).
func (c *Cluster) startStatic(id model.PodID) {
	p := &c.pods[id]
	s := p.static
	p.wakeGen++
	s.waits = slices.ContainsFunc(c.nodes[c.state.Pods[id].Node].statics, func(other model.PodID) bool {
		o := &c.pods[other]
		return other != id && o.static.started && !o.done && c.nameOf(other) == c.nameOf(id)
	})
	if s.waits {
		c.at(c.workerWake(id, c.now, staticStart), evWake, id, p.wakeGen, 0)
		return
	}
	s.started = true
	c.step(id, c.configured(id))
}

// removeStatic is the end of a pod whose manifest is gone (HandlePodRemoves). One that has not begun is
// forgotten.
func (c *Cluster) removeStatic(id model.PodID) {
	p := &c.pods[id]
	s := p.static
	s.desired, s.again = false, false
	switch {
	case p.left:
		// It is found when the kubelet knows all pods.
	case p.admitted < 2 || !s.started:
		c.endUnstarted(id)
	case p.done:
		c.cleanStatic(id)
	default:
		c.step(id, kubelet.Event{Kind: kubelet.Removed})
		c.cleanStatic(id)
	}
}

// endUnstarted forgets a static pod that waits to be started, or was rejected.
func (c *Cluster) endUnstarted(id model.PodID) {
	n := &c.nodes[c.state.Pods[id].Node]
	if i := slices.Index(n.pods, id); i >= 0 {
		n.pods = slices.Delete(n.pods, i, i+1)
	}
	c.pods[id].done = true
	c.freePod(id)
}

// cleanStatic asks for the next round of housekeeping.
func (c *Cluster) cleanStatic(id model.PodID) {
	s := c.pods[id].static
	s.cleanGen++
	c.at(c.nodes[c.state.Pods[id].Node].loops.NextHousekeeping(c.now), evCleanStatic, id, s.cleanGen, 0)
}

// cleanedStatic is a round of housekeeping (kubelet_pods.go HandlePodCleanups): it starts a pod again
// whose manifest has come back, and deletes the mirror of one whose containers have stopped.
func (c *Cluster) cleanedStatic(id model.PodID) {
	p, node := &c.pods[id], c.state.Pods[id].Node
	s := p.static
	switch {
	case c.nodes[node].stopped():
		return
	case s.again && p.done:
		s.again, s.orphaned, s.started, p.done = false, false, false, false
		s.unsent = true
		c.newMachine(id)
		c.startWorker(id)
		return
	case s.again || !p.done && !p.machine.Terminated():
	case p.exists && s.mirror && !c.replaced(id) && !c.nodes[node].cutOff():
		c.requestMirror(id, deleteMirror)
	case p.done && !p.exists:
		c.freePod(id)
		return
	}
	s.orphaned = s.orphaned || !s.desired
	c.cleanStatic(id)
}

// replaced says that another static pod has the pod's name.
func (c *Cluster) replaced(id model.PodID) bool {
	return slices.ContainsFunc(c.nodes[c.state.Pods[id].Node].statics, func(other model.PodID) bool {
		return other != id && c.pods[other].static.desired && c.nameOf(other) == c.nameOf(id)
	})
}

// The requests about a mirror pod, as the Arg of an evMirror: that of a sync, which creates the mirror
// then, and that of housekeeping.
const (
	replaceMirror = iota
	createMirror
	deleteMirror
)

func (c *Cluster) requestMirror(id model.PodID, what int32) {
	n := &c.nodes[c.state.Pods[id].Node]
	n.writes++
	c.at(c.request(&n.limit, n.luck, n.writes), evMirror, id, 0, what)
}

// reconcileMirror sees to a static pod's mirror: one that is to be deleted, or of another manifest, is
// replaced; one that is not there is created (kubelet.go tryReconcileMirrorPods).
func (c *Cluster) reconcileMirror(id model.PodID) {
	mirror := c.seenMirror(id)
	switch {
	case c.nodes[c.state.Pods[id].Node].cutOff(), mirror == id && !c.pods[id].static.deleting:
		c.step(id, kubelet.Event{Kind: kubelet.MirrorReconciled})
	case mirror == 0:
		c.requestMirror(id, createMirror)
	default:
		c.requestMirror(id, replaceMirror)
	}
}

// seenMirror is the slot of the mirror pod of a static pod's name that the kubelet has seen.
func (c *Cluster) seenMirror(id model.PodID) model.PodID {
	for _, other := range c.nodes[c.state.Pods[id].Node].statics {
		if c.pods[other].static.mirror && c.nameOf(other) == c.nameOf(id) {
			return other
		}
	}
	return 0
}

// mirrorRequested is a request about a mirror pod as it reaches the API server.
func (c *Cluster) mirrorRequested(id model.PodID, what int32) {
	cut := c.nodes[c.state.Pods[id].Node].cutOff()
	switch {
	case cut:
	case what == createMirror:
		c.makeMirror(id)
	default:
		if mirror := c.seenMirror(id); mirror != 0 && c.pods[mirror].exists {
			c.removePod(mirror)
		}
	}
	switch {
	case what == deleteMirror:
	case what == replaceMirror && !cut:
		c.requestMirror(id, createMirror)
	default:
		c.step(id, kubelet.Event{Kind: kubelet.MirrorReconciled})
	}
}

// makeMirror stores the mirror of a static pod, unless there is a pod of its name
// (pod/mirror_client.go CreateMirrorPod).
func (c *Cluster) makeMirror(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if c.podNames[c.nameOf(id)] != 0 {
		return
	}
	c.serial++
	containers, gates := o.Status.Containers[:0], o.Status.Gates[:0]
	*o = model.Pod{ID: id, Name: o.Name, Serial: c.serial, Template: o.Template, Node: o.Node, Created: c.now, Generation: 1}
	o.Status = model.PodStatus{StartTime: model.Never, Containers: containers, Gates: gates}
	o.Status.Containers = nil
	p.exists, p.gone, p.static.unsent = true, false, true
	c.podNames[c.nameOf(id)] = id
	c.changed(model.KindPod, int32(id), model.Added)
}

// mirrorSeen is a change of a mirror pod as its kubelet sees it. That it was created or is gone lets
// the worker sync the pod. That it is to be deleted does not: its resources were not allocated
// (HandlePodUpdates), so the mirror is replaced by the next periodic sync.
func (c *Cluster) mirrorSeen(id model.PodID, change model.ChangeType) {
	o, p := &c.state.Pods[id], &c.pods[id]
	s := p.static
	switch {
	case change == model.Deleted:
		s.mirror, s.deleting = false, false
		c.syncStatic(id)
	case !s.mirror:
		s.mirror, s.deleting = true, o.Deleting
		if s.unsent {
			c.at(c.nodes[o.Node].loops.NextStatusSync(c.now), evStatusSync, id, 0, 0)
		}
		c.syncStatic(id)
	case o.Deleting && !s.deleting:
		s.deleting = true
		c.syncSoon(id)
	}
}

// syncStatic gives the worker of the static pod that has the mirror pod's name work.
func (c *Cluster) syncStatic(mirror model.PodID) {
	for _, id := range c.nodes[c.state.Pods[mirror].Node].statics {
		p := &c.pods[id]
		switch {
		case !p.static.desired || p.static.again || p.admitted != 2 || c.nameOf(id) != c.nameOf(mirror):
		case p.static.waits:
			c.startStatic(id)
		case p.static.started && !p.done:
			c.step(id, c.configured(id))
		}
	}
}

// syncSoon makes the next periodic sync of a pod an event, if it is none: it has something to do.
func (c *Cluster) syncSoon(id model.PodID) {
	p := &c.pods[id]
	if p.done || p.admitted != 2 || !p.static.started {
		return
	}
	c.step(id, kubelet.Event{Kind: kubelet.Reconciled})
	if p.resyncAt != model.Never {
		c.at(p.resyncAt, evWake, id, p.wakeGen, 0)
		p.resyncAt = model.Never
	}
}

// sendable says that the status manager may write a pod's status: that of a static pod only to a mirror
// pod that it has seen, and not after another pod has taken the name (status_manager.go syncBatch).
func (c *Cluster) sendable(id model.PodID) bool {
	s := c.pods[id].static
	return s == nil || s.mirror && !s.orphaned && (s.desired || !c.replaced(id))
}

// sendUnsent lets the statuses that have waited for their mirror pods go with that of another pod.
func (c *Cluster) sendUnsent(n *node) {
	for _, id := range n.statics {
		if s := c.pods[id].static; s.unsent && s.started && c.sendable(id) {
			s.unsent = false
			n.status.Changed(id)
		}
	}
}

// inConfig says that the kubelet is to run the pod, as far as its sources say.
func (c *Cluster) inConfig(id model.PodID) bool {
	if s := c.pods[id].static; s != nil {
		return s.desired && !s.again
	}
	return c.pods[id].exists
}
