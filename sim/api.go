package sim

import (
	"podsim/model"
	"podsim/model/kubelet"
)

// noGrace is a delete without a grace period of its own: the pod's counts.
const noGrace = -1

// request gives the moment at which a client's write reaches the API server: the client's
// rate limit and the way there.
func (c *Cluster) request(l *limit, object uint64, n uint64) model.Time {
	return l.take(c.now) + c.delayOf(object, streamWrite, n, &c.scenario.ControlPlane.Write)
}

// notify tells the watchers of an object of its change. They read the object as it is when
// they are told.
func (c *Cluster) notify(kind model.ObjectKind, id int32, change model.ChangeType) {
	e := Event{Kind: evNotify, Obj: id, Arg: int32(kind)<<8 | int32(change)}
	if kind == model.KindPod {
		e.Gen = uint32(c.pods[id].gen)
		// A watch keeps the order of an object's changes.
		p := &c.pods[id]
		e.At = max(p.noticeAt, c.now+c.delay(model.PodID(id), streamWatch, &c.scenario.ControlPlane.Watch))
		p.noticeAt = e.At
	} else {
		e.At = c.now + c.delayOf(uint64(kind)<<32|uint64(id), streamWatch, c.record.seq, &c.scenario.ControlPlane.Watch)
	}
	c.queue.Push(e)
}

// notified hands a change to the components that watch the object.
func (c *Cluster) notified(kind model.ObjectKind, change model.ChangeType, id int32, gen uint16) {
	switch kind {
	case model.KindPod:
		if c.pods[id].gen == gen {
			c.podSeen(model.PodID(id), change)
		}
	case model.KindNode:
		c.nodeSeen(model.NodeID(id), change)
	case model.KindService:
		c.serviceSeen(id)
	case model.KindReplicaSet:
		c.selectorSeen(model.ReplicaSetID(id), change)
		c.replicaSetSeen(model.ReplicaSetID(id))
	case model.KindDeployment:
		c.enqueueDeployment(model.DeploymentID(id))
	}
}

// podSeen is a pod's change as the scheduler, the ReplicaSet controller and the kubelet see it.
func (c *Cluster) podSeen(id model.PodID, change model.ChangeType) {
	o, p := &c.state.Pods[id], &c.pods[id]
	c.schedulerSees(id, change)
	c.podOfBudgetSeen(id)
	c.ephemeralClaims(id, change)
	c.resourceClaimsOf(id, change)
	c.attachSees(id, change)
	if o.Owner != 0 {
		c.podOfReplicaSetSeen(id, change)
	}
	if o.Node != 0 {
		c.reviewTaints(id)
		c.kubeletSees(id, change)
	}
	if change == model.Deleted {
		p.gone = !p.exists
		if o.Node != 0 && !c.nodes[o.Node].cutOff() {
			c.retryResizes(o.Node)
		}
		c.freePod(id)
	}
}

// createPod stores a new pod. The name must be free.
func (c *Cluster) createPod(name string, t *model.PodTemplate, owner model.ReplicaSetID, luck uint64) model.PodID {
	id := c.podSlot()
	c.serial++
	o, p := &c.state.Pods[id], &c.pods[id]
	containers, gates := o.Status.Containers[:0], o.Status.Gates[:0]
	*o = model.Pod{ID: id, Name: name, Serial: c.serial, Template: t, Owner: owner, Created: c.now, Generation: 1}
	o.Status = model.PodStatus{StartTime: model.Never, Containers: containers, Gates: gates}
	o.Status.Containers = nil
	p.exists = true
	c.podNames[podName{t.Namespace, name}] = id
	p.luck, p.draws = luck, [numDraws]uint32{}
	if c.redraws != nil {
		p.redraws = c.redraws(t.Namespace, name)
	}
	if len(t.Spec.SchedulingGates) > 0 {
		o.Status.SetCondition(model.PodScheduled, model.ConditionFalse, model.ReasonSchedulingGated,
			model.TextMessage(c.state.Texts.Intern("Scheduling is blocked due to non-empty scheduling gates")), c.now)
	}
	if t.Spec.NodeName != "" {
		if o.Node = c.nodeNamed(t.Spec.NodeName); o.Node == 0 {
			c.warn("pod %s/%s: there is no node %q (spec.nodeName)", t.Namespace, name, t.Spec.NodeName)
		}
	}
	c.changed(model.KindPod, int32(id), model.Added)
	return id
}

// podSlot gives a free slot.
func (c *Cluster) podSlot() model.PodID {
	if n := len(c.freePods); n > 0 {
		id := c.freePods[n-1]
		c.freePods = c.freePods[:n-1]
		return id
	}
	c.state.Pods = append(c.state.Pods, model.Pod{})
	c.pods = append(c.pods, pod{relistAt: model.Never, resyncAt: model.Never, evictAt: model.Never})
	return model.PodID(len(c.pods) - 1)
}

// freePod gives a slot back when neither the API server nor a kubelet knows the pod any more.
func (c *Cluster) freePod(id model.PodID) {
	p := &c.pods[id]
	if !p.gone || p.left || p.admitted == 2 && !p.done || p.static != nil && !c.forgetStatic(id) {
		return
	}
	c.releaseImages(id)
	p.log.reset()
	*p = pod{gen: p.gen + 1, kubeletGen: p.kubeletGen + 1, relistAt: model.Never, resyncAt: model.Never, evictAt: model.Never, machine: p.machine, containers: p.containers[:0], log: p.log}
	c.freePods = append(c.freePods, id)
}

// deletePod is a delete request for a pod (apiserver/pkg/registry/rest/delete.go BeforeDelete,
// registry/core/pod/strategy.go CheckGracefulDelete): a pod that is not bound or has ended goes
// at once.
func (c *Cluster) deletePod(id model.PodID, graceSeconds int64) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists {
		return
	}
	if o.Deleting {
		c.shortenDeletion(id, graceSeconds)
		return
	}
	grace := o.Template.GraceSeconds
	if graceSeconds != noGrace {
		grace = graceSeconds
	}
	if o.Node == 0 || o.Status.Phase.Terminal() {
		grace = 0
	}
	if grace == 0 {
		c.removePod(id)
		return
	}
	o.Deleting = true
	o.GraceSeconds = grace
	o.DeletionTimestamp = c.now.TruncateSecond() + model.Time(grace)*model.Second
	o.Generation++
	c.changed(model.KindPod, int32(id), model.Modified)
}

// shortenDeletion is a delete request for a pod that is marked: it can only leave less time,
// counted from the first request.
func (c *Cluster) shortenDeletion(id model.PodID, graceSeconds int64) {
	o := &c.state.Pods[id]
	if graceSeconds == noGrace || graceSeconds >= o.GraceSeconds {
		return
	}
	if graceSeconds == 0 {
		c.removePod(id)
		return
	}
	o.DeletionTimestamp -= model.Time(o.GraceSeconds-graceSeconds) * model.Second
	o.GraceSeconds = graceSeconds
	if o.DeletionTimestamp < c.now {
		o.DeletionTimestamp, o.GraceSeconds = c.now.TruncateSecond(), 1
	}
	c.changed(model.KindPod, int32(id), model.Modified)
}

// removePod takes a pod's object out of the API server. Watchers see the deletion mark with
// grace period 0 first (BeforeDelete).
func (c *Cluster) removePod(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !o.Deleting {
		o.Generation++
	}
	o.Deleting, o.GraceSeconds, o.DeletionTimestamp = true, 0, c.now.TruncateSecond()
	c.changed(model.KindPod, int32(id), model.Modified)
	p.exists = false
	delete(c.podNames, podName{o.Template.Namespace, o.Name})
	c.removeReplica(id)
	c.changed(model.KindPod, int32(id), model.Deleted)
}

// step hands an event to a pod's machine and carries out what it asks for.
func (c *Cluster) step(id model.PodID, e kubelet.Event) {
	p := &c.pods[id]
	o := &c.state.Pods[id]
	if p.machine == nil || o.Node == 0 {
		return
	}
	if c.listen != nil && c.listen(id, &e) {
		return
	}
	n := &c.nodes[o.Node]
	if p.left {
		c.endedUnseen(id, e)
		return
	}
	if e.Held = n.admission.pod.id != 0; e.Held && n.hold(c.slot(id), &e) {
		return
	}
	if len(c.scratch) == c.depth {
		c.scratch = append(c.scratch, nil)
	}
	e.Now = c.now
	e.Global = c.nodes[o.Node].loops.LastRelist(c.now)
	e.Resynced = c.resynced(id)
	fx := p.machine.Step(e, c.scratch[c.depth][:0])
	c.scratch[c.depth] = fx
	c.depth++
	for i := range fx {
		c.carryOut(id, &fx[i])
	}
	c.depth--
	if c.nodes[o.Node].evictions.killing == id && p.machine.Terminated() {
		c.evictNext(o.Node)
	}
	if c.nodes[o.Node].admission.killing == id && p.machine.Terminated() {
		c.preemptNext(o.Node)
	}
	if c.nodes[o.Node].shutdown.on && p.machine.Terminated() {
		c.shutdownEnds(o.Node, id)
	}
}
