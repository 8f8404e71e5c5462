package sim

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// The kubelet's loop that reports its node (kubelet.go Run): the largest part of the period that is
// added to it at random, and the time before a kubelet that has begun registers its node
// (kubelet_node_status.go registerWithAPIServer).
const (
	nodeStatusJitter = 0.04
	registerDelay    = 100 * model.Millisecond
)

// imageListPeriod is that of the looks at the runtime's list of images
// (images/image_gc_manager.go Start).
const imageListPeriod = 30 * model.Second

// nodeStatus is a kubelet's loop of node status updates (kubelet_node_status.go syncNodeStatus). Its
// rounds cost nothing: one is an event when what the kubelet has to say has changed.
type nodeStatus struct {
	// first is when the first round has the node's status; asked says that a round is to come as an
	// event.
	first model.Time
	asked bool
	// listing says that a look at the list of images is to come, listed is the list of the last one.
	listing bool
	listed  []model.NodeImage
	// report is the status that is on its way to the API server.
	report nodeReport
	// reports counts those that were sent; reportedAt is when the API server had the last.
	reports    uint64
	reportedAt model.Time
}

// nodeReport is what a kubelet says of its node.
type nodeReport struct {
	conditions [model.NumNodeConditions]nodeCondition
	images     []model.NodeImage
	object     *v1.Node
	// volumes are the numbers of the volumes in use, stored those that the API server has.
	volumes, stored []int32
}

// nodeCondition is a condition as the kubelet sees it, without its times.
type nodeCondition struct {
	status  model.ConditionStatus
	reason  model.Text
	message model.Message
}

// nodeStatusChanged says that what the kubelet would report of its node has changed: the next of its
// node status updates publishes it.
func (c *Cluster) nodeStatusChanged(id model.NodeID) {
	n := &c.nodes[id]
	if n.nodeStatus.asked || n.stopped() {
		return
	}
	n.nodeStatus.asked = true
	c.after(c.nextNodeStatus(id, c.now)-c.now, evNodeStatus, int32(id), n.starts)
}

// imagesChanged says that the runtime of a node has other images than before: the kubelet's next look
// at their list finds out.
func (c *Cluster) imagesChanged(id model.NodeID) {
	n := &c.nodes[id]
	if n.nodeStatus.listing || n.stopped() {
		return
	}
	n.nodeStatus.listing = true
	age := c.now - n.loops.Origin
	c.after(imageListPeriod-age%imageListPeriod, evListImages, int32(id), n.starts)
}

// listImages is a look at the runtime's list of images.
func (c *Cluster) listImages(id model.NodeID) {
	n := &c.nodes[id]
	n.nodeStatus.listing = false
	n.nodeStatus.listed = c.imageList(id, n.nodeStatus.listed[:0])
	c.nodeStatusChanged(id)
}

// startNodeStatus begins the rounds of a kubelet that has begun anew. The first one registers the node,
// for which its status is made as well, with the Events of its conditions, as they are not compared with
// anything (registerWithAPIServer, initialNode). When the node is not ready, another status is made before
// (kubelet.go fastStatusUpdateOnce).
func (c *Cluster) startNodeStatus(id model.NodeID) {
	n := &c.nodes[id]
	takes := c.scenario.ControlPlane.KubeletNodeStatus
	registered := takes + registerDelay
	if c.state.Nodes[id].Conditions[model.NodeReady].Status != model.ConditionTrue {
		c.after(takes, evNodeStatus, int32(id), n.starts)
		registered += takes
	}
	c.after(registered, evRegistered, int32(id), n.starts)
	n.nodeStatus.first = c.now + registered + takes
	c.listImages(id)
}

// registered is the moment at which a kubelet that has begun anew has made the node that it registers.
func (c *Cluster) registered(id model.NodeID) {
	n := &c.nodes[id]
	for i := range n.pressure {
		t := model.NodeConditionType(i)
		c.nodeEventOf(id, nodeConditionEvent(t, pressureCondition(t, n.pressure[i]).status))
	}
}

// nextNodeStatus is when the first round after t has the node's status.
//
// Differs from Kubernetes: each round comes late by chance on its own, not by the sum of all before it.
// So no round has to be looked at to know when a later one comes.
func (c *Cluster) nextNodeStatus(id model.NodeID, t model.Time) model.Time {
	n := &c.nodes[id]
	period := model.Time(n.config.NodeStatusUpdateFrequency.Duration)
	takes := c.scenario.ControlPlane.KubeletNodeStatus
	jitter := float64(period) * nodeStatusJitter / 2
	step := period + model.Time(jitter) + takes
	first := n.nodeStatus.first
	for round := max(0, (t-first)/step-1); ; round++ {
		u := Uniform(Draw(c.seed, streamNodeStatus, n.luck, uint64(n.starts)<<48|uint64(round)))
		if at := first + round*step + model.Time(u*jitter); at > t {
			return at
		}
	}
}

// nodeStatusRound is a round of the node status updates: the status is made, with the Events of its
// conditions, and sent when it is another one than the API server has (tryUpdateNodeStatus).
func (c *Cluster) nodeStatusRound(id model.NodeID, starts int32) {
	n, o := &c.nodes[id], &c.state.Nodes[id]
	if starts != n.starts {
		return
	}
	n.nodeStatus.asked = false
	if n.cutOff() {
		return
	}
	if n.booted {
		n.booted = false
		c.write(&n.log, model.Event{Kind: model.KindNode, ID: int32(id), Container: -1, Warning: true, Source: model.FromKubelet,
			Reason: model.EventRebooted, Message: model.TextMessage(c.state.Texts.Intern(
				fmt.Sprintf("Node %s has been rebooted, boot id: %s", o.Name, c.bootID(id))))})
	}
	r := &n.nodeStatus.report
	c.makeNodeReport(id, r)
	for i := range r.conditions {
		if r.conditions[i].status != o.Conditions[i].Status {
			c.nodeEventOf(id, nodeConditionEvent(model.NodeConditionType(i), r.conditions[i].status))
		}
	}
	if !r.changes(o) {
		return
	}
	n.nodeStatus.reports++
	delay := c.delayOf(n.luck, streamNodeReport, n.nodeStatus.reports, &c.scenario.ControlPlane.Write)
	c.after(delay, evNodeReported, int32(id), starts)
}

// makeNodeReport is the kubelet's own view of its node (nodestatus/setters.go).
func (c *Cluster) makeNodeReport(id model.NodeID, r *nodeReport) {
	n := &c.nodes[id]
	for i := range n.pressure {
		r.conditions[i] = pressureCondition(model.NodeConditionType(i), n.pressure[i])
	}
	r.conditions[model.NodeReady] = nodeCondition{status: model.ConditionTrue, reason: model.ReasonKubeletReady}
	if n.shutdown.on {
		r.conditions[model.NodeReady] = nodeCondition{model.ConditionFalse, model.ReasonKubeletNotReady,
			model.TextMessage(c.state.Texts.Intern(shuttingDownStatus))}
	}
	r.images = append(r.images[:0], n.nodeStatus.listed...)
	r.volumes = c.volumesInUse(r.volumes[:0], id)
	r.stored = c.volumesReported(r.stored[:0], id)
	r.object = n.object
}

// pressureCondition follows MemoryPressureCondition, DiskPressureCondition and PIDPressureCondition of
// nodestatus/setters.go.
func pressureCondition(t model.NodeConditionType, pressure bool) nodeCondition {
	if pressure {
		return nodeCondition{status: model.ConditionTrue, reason: [...]model.Text{
			model.NodeMemoryPressure: model.ReasonKubeletHasInsufficientMemory,
			model.NodeDiskPressure:   model.ReasonKubeletHasDiskPressure,
			model.NodePIDPressure:    model.ReasonKubeletHasInsufficientPID,
		}[t]}
	}
	return nodeCondition{status: model.ConditionFalse, reason: [...]model.Text{
		model.NodeMemoryPressure: model.ReasonKubeletHasSufficientMemory,
		model.NodeDiskPressure:   model.ReasonKubeletHasNoDiskPressure,
		model.NodePIDPressure:    model.ReasonKubeletHasSufficientPID,
	}[t]}
}

// nodeConditionEvent is the Event of a condition that has changed.
func nodeConditionEvent(t model.NodeConditionType, s model.ConditionStatus) model.EventReason {
	events := [...]struct{ off, on model.EventReason }{
		model.NodeMemoryPressure: {model.EventNodeHasSufficientMemory, model.EventNodeHasInsufficientMemory},
		model.NodeDiskPressure:   {model.EventNodeHasNoDiskPressure, model.EventNodeHasDiskPressure},
		model.NodePIDPressure:    {model.EventNodeHasSufficientPID, model.EventNodeHasInsufficientPID},
		model.NodeReady:          {model.EventNodeNotReady, model.EventNodeReady},
	}[t]
	if s == model.ConditionTrue {
		return events.on
	}
	return events.off
}

// changes says that the report is not what the API server has (nodeStatusHasChanged).
func (r *nodeReport) changes(o *model.Node) bool {
	for i := range r.conditions {
		k, have := &r.conditions[i], &o.Conditions[i]
		if k.status != have.Status || k.reason != have.Reason || k.message != have.Message {
			return true
		}
	}
	return r.object != o.Object || !slices.Equal(r.images, o.Images) || !slices.Equal(r.volumes, r.stored)
}

// nodeReported is the kubelet's report as it reaches the API server.
func (c *Cluster) nodeReported(id model.NodeID, starts int32) {
	n, o := &c.nodes[id], &c.state.Nodes[id]
	if starts != n.starts || n.cutOff() {
		return
	}
	n.nodeStatus.reportedAt = c.now
	n.nodeStatus.report.store(o, c.now)
	c.storeVolumesInUse(n.nodeStatus.report.volumes, id)
	c.changed(model.KindNode, int32(id), model.Modified)
	switch ready := n.nodeStatus.report.conditions[model.NodeReady].status == model.ConditionTrue; {
	case ready && (n.lost || n.unready):
		c.found(id)
	case !ready && !n.lost && !n.unready:
		c.notReady(id)
	}
}

// store writes the report into the node's object.
func (r *nodeReport) store(o *model.Node, now model.Time) {
	for i := range r.conditions {
		k, have := &r.conditions[i], &o.Conditions[i]
		if k.status != have.Status {
			have.Transition = now.TruncateSecond()
		}
		have.Status, have.Reason, have.Message = k.status, k.reason, k.message
	}
	o.Images = append(o.Images[:0:0], r.images...)
	if r.object != o.Object {
		o.Object = r.object
		o.Capacity, o.Allocatable = model.ResourcesOf(r.object.Status.Capacity), model.ResourcesOf(r.object.Status.Allocatable)
	}
}

// nodeEventOf writes an Event of the kubelet about its node's conditions (recordNodeStatusEvent).
func (c *Cluster) nodeEventOf(id model.NodeID, r model.EventReason) {
	c.readinessEvent(id, model.FromKubelet, r)
}
