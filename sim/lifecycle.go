package sim

import (
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// The node lifecycle controller's times (kube-controller-manager's defaults) and the period
// at which kubelets renew their lease.
const (
	leasePeriod   = 10 * model.Second
	monitorPeriod = 5 * model.Second
	monitorGrace  = 50 * model.Second
	// taintInterval is the time between two NoExecute taints of a zone (node-eviction-rate 0.1).
	taintInterval = 10 * model.Second
	// largeCluster and unhealthyZone decide when evictions stop (large-cluster-size-threshold,
	// unhealthy-zone-threshold in percent).
	largeCluster  = 50
	unhealthyZone = 55
)

// lifecycle is the state of the node lifecycle controller.
type lifecycle struct {
	zones []zone
	// writesDone counts its writes.
	lifecycleWrites uint64
	assumed         assumptions
}

// zone is a zone's queue of NoExecute taints.
type zone struct {
	name string
	next model.Time
}

// assumptions counts what the scenario did not say.
type assumptions struct {
	// containers and initContainers have no behavior, unlimited use memory without a limit,
	// otherSchedulers wait for a scheduler that is not there.
	containers, initContainers, unlimited, otherSchedulers int
}

// The taints of nodes that are not well (k8s.io/api/core/v1 well_known_taints.go).
const (
	taintUnreachable   = v1.TaintNodeUnreachable
	taintNodeNotReady  = v1.TaintNodeNotReady
	taintUnschedulable = v1.TaintNodeUnschedulable
)

func (c *Cluster) startLifecycle() {
	for i := 1; i < len(c.state.Nodes); i++ {
		c.zoneOf(model.NodeID(i))
		if c.state.Nodes[i].Unschedulable {
			c.setTaint(model.NodeID(i), taintUnschedulable, v1.TaintEffectNoSchedule, true)
		}
	}
}

func (c *Cluster) zoneOf(id model.NodeID) *zone {
	name := c.state.Nodes[id].Labels[v1.LabelTopologyRegion] + ":" + c.state.Nodes[id].Labels[v1.LabelTopologyZone]
	for i := range c.zones {
		if c.zones[i].name == name {
			return &c.zones[i]
		}
	}
	c.zones = append(c.zones, zone{name: name})
	return &c.zones[len(c.zones)-1]
}

// nodeStep carries out a step about a node.
func (c *Cluster) nodeStep(s *model.Step) {
	id := c.nodeNamed(s.Name)
	if id == 0 {
		c.miss(s)
		return
	}
	switch s.Verb {
	case model.StepCordon, model.StepDrain:
		c.cordon(id, true)
		if s.Verb == model.StepDrain {
			c.drain(id, s.GraceSeconds)
		}
	case model.StepUncordon:
		c.cordon(id, false)
	case model.StepTaint:
		c.setTaintOf(id, s.Taint, true)
	case model.StepUntaint:
		c.setTaintOf(id, s.Taint, false)
	case model.StepStaticPod:
		c.putManifest(id, s.Objects[0].Object.(*v1.Pod))
	case model.StepRemoveStaticPod:
		if !c.removeManifest(id, s.Namespace, s.Pod) {
			c.warn("%s: removeStaticPod at %s: node %s has no static pod %s/%s", s.Where, s.At, s.Name, s.Namespace, s.Pod)
		}
	case model.StepFail:
		c.fail(id, s.Failure)
	case model.StepRecover:
		if s.Kubelet != nil {
			c.configure(id, s.Kubelet)
		}
		c.recover(id)
	case model.StepShutdown:
		c.shutDown(id, s.For)
	}
}

// cordon sets spec.unschedulable; the node lifecycle controller follows with the taint.
func (c *Cluster) cordon(id model.NodeID, on bool) {
	n := &c.state.Nodes[id]
	if n.Unschedulable == on {
		return
	}
	n.Unschedulable = on
	c.changed(model.KindNode, int32(id), model.Modified)
	arg := int32(0)
	if on {
		arg = 1
	}
	c.lifecycleWrites++
	at := c.request(&c.lifecycleLimit, c.nodes[id].luck, c.lifecycleWrites)
	c.after(at-c.now, evTaint, int32(id), taintCordon|arg)
}

// The taints that an evTaint sets or takes away, above a bit that says which.
const (
	taintCordon = 2 << iota
	taintNoSchedule
	taintNoExecute
	taintNotReady
	taintNotReadyNoExecute
	taintPressure
)

// drain evicts the node's pods (kubectl drain, through the eviction API).
func (c *Cluster) drain(id model.NodeID, graceSeconds int64) {
	for i := 1; i < len(c.pods); i++ {
		// kubectl leaves mirror pods alone.
		if c.pods[i].exists && c.state.Pods[i].Node == id && c.pods[i].static == nil {
			o := &c.state.Pods[i]
			if !o.Deleting && !o.Status.Phase.Terminal() {
				o.Status.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonEvictionByEvictionAPI,
					model.TextMessage(c.state.Texts.Intern("Eviction API: evicting")), c.now)
			}
			c.deletePod(model.PodID(i), graceSeconds)
		}
	}
}

func (c *Cluster) setTaint(id model.NodeID, key string, effect v1.TaintEffect, on bool) {
	c.setTaintOf(id, v1.Taint{Key: key, Effect: effect}, on)
}

// setTaintOf adds or removes a taint and deals with the pods that do not tolerate it.
func (c *Cluster) setTaintOf(id model.NodeID, t v1.Taint, on bool) {
	n := &c.state.Nodes[id]
	taints := make([]v1.Taint, 0, len(n.Taints)+1)
	had := false
	for _, x := range n.Taints {
		if x.Key == t.Key && (x.Effect == t.Effect || t.Effect == "") {
			had = true
			if on && x.Value == t.Value {
				return
			}
			continue
		}
		taints = append(taints, x)
	}
	if !on && !had {
		return
	}
	if on {
		taints = append(taints, t)
	}
	n.Taints = taints
	c.changed(model.KindNode, int32(id), model.Modified)
	if t.Effect == v1.TaintEffectNoExecute || t.Effect == "" {
		for i := 1; i < len(c.pods); i++ {
			if c.state.Pods[i].Node == id {
				c.reviewTaints(model.PodID(i))
			}
		}
	}
}

// reviewTaints queues the eviction of a pod that does not tolerate its node's NoExecute
// taints, or does so for some time only, and takes it back when it does
// (pkg/controller/tainteviction processPodOnNode). What is queued already counts from when
// it was queued.
func (c *Cluster) reviewTaints(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists || o.Deleting || o.Node == 0 {
		return
	}
	d := tolerated(o.Template.Spec.Tolerations, c.state.Nodes[o.Node].Taints)
	switch {
	case d == model.Never && p.evictAt != model.Never:
		p.evictGen++
		p.evictAt = model.Never
		c.write(&p.log, model.Event{Kind: model.KindPod, ID: int32(id), Container: -1, Source: model.FromTaintEvictionController,
			Reason: model.EventTaintManagerEviction, Message: model.Message{Kind: model.MessageCancelTaintEviction}})
	case d != model.Never && c.now+d < p.evictAt:
		p.evictGen++
		p.evictAt = c.now + d
		c.at(p.evictAt, evEvict, id, p.evictGen, 0)
	}
}

// tolerated is how long a pod may stay on a node with these taints: Never is for ever
// (getMinTolerationTime).
func tolerated(tolerations []v1.Toleration, taints []v1.Taint) model.Time {
	least := model.Never
	for i := range taints {
		if taints[i].Effect != v1.TaintEffectNoExecute {
			continue
		}
		found := false
		for j := range tolerations {
			t := &tolerations[j]
			if !toleratesTaint(t, &taints[i]) {
				continue
			}
			found = true
			if t.TolerationSeconds != nil {
				least = min(least, max(0, model.Time(*t.TolerationSeconds)*model.Second))
			}
		}
		if !found {
			return 0
		}
	}
	return least
}

// toleratesTaint follows k8s.io/api/core/v1 Toleration.ToleratesTaint for the operators
// Equal and Exists.
func toleratesTaint(t *v1.Toleration, taint *v1.Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect || t.Key != "" && t.Key != taint.Key {
		return false
	}
	return t.Operator == v1.TolerationOpExists || t.Value == taint.Value
}

// taintEvict deletes a pod for its node's taints.
func (c *Cluster) taintEvict(id model.PodID, gen uint16) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if p.evictGen != gen || !p.exists || o.Deleting {
		return
	}
	c.write(&p.log, model.Event{Kind: model.KindPod, ID: int32(id), Container: -1, Source: model.FromTaintEvictionController,
		Reason: model.EventTaintManagerEviction, Message: model.Message{Kind: model.MessageTaintEviction}})
	o.Status.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonDeletionByTaintManager,
		model.TextMessage(c.state.Texts.Intern("Taint manager: deleting due to NoExecute taint")), c.now)
	c.deletePod(id, noGrace)
}

// fail makes a node fail. The node lifecycle controller finds out when the lease is too old:
// it looks every 5 s, and notes a renewal when it sees it.
func (c *Cluster) fail(id model.NodeID, how model.Failure) {
	n := &c.nodes[id]
	if n.down {
		return
	}
	n.down, n.failed = true, how
	renewed := n.loops.Origin + (c.now-n.loops.Origin)/leasePeriod*leasePeriod
	seen := (max(0, renewed) + monitorPeriod - 1) / monitorPeriod * monitorPeriod
	// The passes drift by some ms, so that the one 50 s later finds the lease too old.
	c.after(max(seen+monitorGrace, c.now)-c.now, evLease, int32(id), int32(n.failures))
	if how != model.FailNetwork {
		c.stopKubelet(id)
	}
	if how == model.FailCrash {
		c.loseContainers(id)
	}
}

// nodeEvent carries out an event of a node's life.
func (c *Cluster) nodeEvent(e *Event) {
	id := model.NodeID(e.Obj)
	n := &c.nodes[id]
	switch e.Kind {
	case evLease:
		if n.down && !n.lost && int32(n.failures) == e.Arg {
			c.lose(id)
		}
	case evTaint:
		on := e.Arg&1 != 0
		switch e.Arg &^ 1 {
		case taintCordon:
			if c.state.Nodes[id].Unschedulable == on {
				c.setTaint(id, taintUnschedulable, v1.TaintEffectNoSchedule, on)
			}
		case taintNoSchedule:
			if n.lost == on {
				c.setTaint(id, taintUnreachable, v1.TaintEffectNoSchedule, on)
			}
		case taintNoExecute:
			if n.lost == on {
				c.setTaint(id, taintUnreachable, v1.TaintEffectNoExecute, on)
			}
		case taintNotReady:
			if n.unready == on {
				c.setTaint(id, taintNodeNotReady, v1.TaintEffectNoSchedule, on)
			}
		case taintNotReadyNoExecute:
			c.taintNotReadyNodes(id, on)
		case taintPressure:
			c.taintForPressure(id)
		}
	case evNodeStatus:
		c.nodeStatusRound(id, e.Arg)
	case evNodeReported:
		c.nodeReported(id, e.Arg)
	case evListImages:
		if e.Arg == n.starts {
			c.listImages(id)
		}
	case evPass:
		c.pass(id, e.Arg)
	case evRegistered:
		if e.Arg == n.starts {
			c.registered(id)
		}
	case evKubeletStarted:
		c.kubeletStarted(id, e.Arg)
	case evPodsListed:
		c.podsListed(id, e.Arg)
	case evShutdown:
		c.shutdownDue(id, e.Arg)
	case evBoot:
		c.bootDue(id, e.Arg)
	case evEvicted:
		c.evictedSome(id)
	}
}

// lose gives a node up: its conditions become Unknown, its pods not ready, and the taints
// follow (node_lifecycle_controller.go monitorNodeHealth, processNoTaintBaseEviction).
func (c *Cluster) lose(id model.NodeID) {
	n, o := &c.nodes[id], &c.state.Nodes[id]
	wasReady := o.Conditions[model.NodeReady].Status == model.ConditionTrue
	n.lost = true
	for i := range o.Conditions {
		k := &o.Conditions[i]
		k.Status, k.Reason, k.Transition = model.ConditionUnknown, model.ReasonNodeStatusUnknown, c.now.TruncateSecond()
	}
	c.changed(model.KindNode, int32(id), model.Modified)
	if wasReady {
		c.readinessEvent(id, model.FromNodeController, model.EventNodeNotReady)
		c.markPodsNotReady(id)
	}
	c.lifecycleWrites++
	at := c.request(&c.lifecycleLimit, n.luck, c.lifecycleWrites)
	c.after(at-c.now, evTaint, int32(id), taintNoSchedule|1)
	if n.unready {
		n.unready = false
		c.after(at-c.now, evTaint, int32(id), taintNotReady)
		c.after(at-c.now, evTaint, int32(id), taintNotReadyNoExecute)
	}
	z := c.zoneOf(id)
	if !c.evicts(z.name) {
		return
	}
	at = max(at, z.next)
	z.next = at + taintInterval
	c.after(at-c.now, evTaint, int32(id), taintNoExecute|1)
}

// readinessEvent writes the Event that a node's readiness changed (pkg/controller/util/node
// RecordNodeStatusChange).
func (c *Cluster) readinessEvent(id model.NodeID, from model.EventSource, r model.EventReason) {
	text := c.state.Texts.Intern("Node " + c.state.Nodes[id].Name + " status is now: " + r.String())
	c.write(&c.nodes[id].log, model.Event{Kind: model.KindNode, ID: int32(id), Container: -1, Source: from, Reason: r,
		Message: model.Message{Kind: model.MessageNodeStatus, Text: text}})
}

// evicts says whether nodes of a zone get NoExecute taints: not while no node of the cluster
// is well, and not in a small zone of which most nodes are lost (ComputeZoneState,
// handleDisruption).
func (c *Cluster) evicts(name string) bool {
	wellAnywhere, lost, total := false, 0, 0
	for i := 1; i < len(c.nodes); i++ {
		gone := c.nodes[i].lost || c.nodes[i].unready
		wellAnywhere = wellAnywhere || !gone
		if c.zoneOf(model.NodeID(i)).name == name {
			total++
			if gone {
				lost++
			}
		}
	}
	if !wellAnywhere {
		return false
	}
	partial := lost < total && lost > 2 && lost*100 >= unhealthyZone*total
	return !partial || total > largeCluster
}

// markPodsNotReady follows pkg/controller/util/node MarkPodsNotReady. A kubelet that sees it puts it right
// with its status manager's next look at all statuses (status/status_manager.go needsReconcile).
func (c *Cluster) markPodsNotReady(id model.NodeID) {
	for i := 1; i < len(c.pods); i++ {
		o, p := &c.state.Pods[i], &c.pods[i]
		if !p.exists || o.Node != id {
			continue
		}
		if k := o.Status.Conditions[model.PodReady]; k.Status == model.ConditionTrue {
			o.Status.SetCondition(model.PodReady, model.ConditionFalse, k.Reason, k.Message, c.now)
			c.changed(model.KindPod, int32(i), model.Modified)
			c.write(&p.log, model.Event{Kind: model.KindPod, ID: int32(i), Container: -1, Warning: true, Source: model.FromNodeController,
				Reason: model.EventNodeNotReady, Message: model.Message{Kind: model.MessageNodeNotReady}})
			if n := &c.nodes[id]; !n.cutOff() && c.kubeletHas(model.PodID(i)) {
				c.at(n.loops.NextStatusSync(c.now), evStatusSync, model.PodID(i), 0, 0)
			}
		}
	}
}

// recover brings a node back. One that was cut off hears what it missed, and reports; else a kubelet
// begins anew, after a crash on a node whose containers have ended.
func (c *Cluster) recover(id model.NodeID) {
	n := &c.nodes[id]
	if !n.down {
		return
	}
	n.down = false
	n.failures++
	if n.failed != model.FailNetwork {
		if n.failed == model.FailCrash {
			c.boot(id)
		}
		c.startKubelet(id)
		return
	}
	if n.unlisted {
		n.unlisted = false
		c.after(podsListedDelay, evPodsListed, int32(id), n.starts)
	}
	missed := append([]model.PodID(nil), n.missed...)
	n.missed = n.missed[:0]
	for _, p := range missed {
		c.catchUp(p, id)
	}
	c.resumeResizes(id)
	c.resumeVolumes(id)
	c.nodeStatusChanged(id)
}

// catchUp tells a kubelet of a pod's changes that it could not see, and lets it publish.
func (c *Cluster) catchUp(p model.PodID, node model.NodeID) {
	if c.state.Pods[p].Node != node {
		return
	}
	change := model.Modified
	if !c.pods[p].exists {
		change = model.Deleted
	}
	c.kubeletSees(p, change)
	if c.pods[p].exists && c.kubeletHas(p) && c.pods[p].machine.Version > 0 {
		c.statusChanged(p)
	}
}

// found is the first status of a node that was lost: the taints go.
func (c *Cluster) found(id model.NodeID) {
	n := &c.nodes[id]
	schedule, execute := int32(taintNoSchedule), int32(taintNoExecute)
	if n.unready {
		schedule, execute = taintNotReady, taintNotReadyNoExecute
	}
	n.lost, n.unready = false, false
	c.lifecycleWrites++
	at := c.request(&c.lifecycleLimit, n.luck, c.lifecycleWrites)
	c.after(at-c.now, evTaint, int32(id), schedule)
	c.after((c.now/monitorPeriod+1)*monitorPeriod-c.now, evTaint, int32(id), execute)
	for _, p := range append([]model.PodID(nil), n.pods...) {
		if c.kubeletHas(p) && !c.pods[p].done && c.pods[p].machine.Version > 0 {
			c.statusChanged(p)
		}
	}
}

// notReady is the node lifecycle controller's answer to a node that reports that it is not ready: the
// NoSchedule taint at once, the rest with its next pass (monitorNodeHealth, doNoScheduleTaintingPass).
func (c *Cluster) notReady(id model.NodeID) {
	n := &c.nodes[id]
	n.unready = true
	c.lifecycleWrites++
	at := c.request(&c.lifecycleLimit, n.luck, c.lifecycleWrites)
	c.after(at-c.now, evTaint, int32(id), taintNotReady|1)
	c.after((c.now/monitorPeriod+1)*monitorPeriod-c.now, evTaint, int32(id), taintNotReadyNoExecute|1)
}

// taintNotReadyNodes is the controller's pass that finds a node not ready, or ready again.
func (c *Cluster) taintNotReadyNodes(id model.NodeID, on bool) {
	n := &c.nodes[id]
	switch {
	case n.unready != on:
		return
	case on:
		c.readinessEvent(id, model.FromNodeController, model.EventNodeNotReady)
		c.markPodsNotReady(id)
		if !c.evicts(c.zoneOf(id).name) {
			return
		}
	}
	c.setTaint(id, taintNodeNotReady, v1.TaintEffectNoExecute, on)
}
