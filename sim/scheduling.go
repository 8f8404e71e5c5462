package sim

import (
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/scheduler"
)

// scheduling is the state of the scheduler's driver.
type scheduling struct {
	// cycle says that a scheduling cycle is queued; wakeGen and wakeAt are the pending wake.
	cycle   bool
	wakeGen uint32
	wakeAt  model.Time
	// attempts counts the scheduling cycles.
	attempts uint64
}

// schedulerView is how the scheduler knows a pod.
type schedulerView uint8

const (
	notScheduled schedulerView = iota
	pendingPod
	assumedPod
	assignedPod
)

func (c *Cluster) initScheduler() {
	c.scheduler = scheduler.New(&c.state, scheduler.DefaultConfig())
	c.wakeAt = model.Never
}

// schedulerSees is a pod's change as the scheduler's informers see it (eventhandlers.go).
func (c *Cluster) schedulerSees(id model.PodID, change model.ChangeType) {
	o, p := &c.state.Pods[id], &c.pods[id]
	ended := change == model.Deleted || !p.exists || o.Status.Phase.Terminal()
	switch {
	case ended && p.view == pendingPod:
		c.scheduler.DeletePending(id)
		p.view = notScheduled
	case ended && p.view != notScheduled:
		c.scheduler.AssignedPodDeleted(id, c.now)
		p.view = notScheduled
	case ended:
		return
	case o.Node != 0 && p.view != assignedPod:
		c.scheduler.AssignedPodAdded(id, o.Template, o.Node, c.now)
		p.view = assignedPod
	case o.Node == 0 && p.view == notScheduled && !o.Deleting && o.Template.Spec.NodeName == "":
		if name := o.Template.Spec.SchedulerName; name != "" && name != v1.DefaultSchedulerName {
			if change == model.Added {
				c.assumed.otherSchedulers++
			}
			return
		}
		c.scheduler.Add(id, o.Template, c.now)
		p.view = pendingPod
	default:
		return
	}
	c.kick()
}

// nodeSeen is a node's change as the scheduler and the kubelet see it.
func (c *Cluster) nodeSeen(id model.NodeID, change model.ChangeType) {
	if change == model.Modified {
		c.scheduler.UpdateNode(&c.state.Nodes[id], c.now)
		c.kick()
	}
}

// kick queues the next scheduling cycle, or the moment at which one may be due.
func (c *Cluster) kick() {
	if c.cycle {
		return
	}
	switch at := c.scheduler.NextWake(); {
	case at <= c.now:
		c.cycle = true
		c.attempts++
		c.after(c.delayOf(0, streamSchedule, c.attempts, &c.scenario.ControlPlane.Schedule), evSchedule, 0, 0)
	case at < c.wakeAt:
		c.wakeAt = at
		c.wakeGen++
		c.queue.Push(Event{At: at, Kind: evSchedulerWake, Gen: c.wakeGen})
	}
}

func (c *Cluster) schedulerWake(gen uint32) {
	if gen == c.wakeGen {
		c.wakeAt = model.Never
		c.kick()
	}
}

// schedule is one scheduling cycle (schedule_one.go ScheduleOne).
func (c *Cluster) schedule() {
	c.cycle = false
	r, ok := c.scheduler.ScheduleOne(c.now, Draw(c.seed, streamTie, 0, c.attempts))
	if ok {
		p := &c.pods[r.Pod]
		if r.Node != 0 {
			p.view = assumedPod
			at := c.request(&c.schedulerLimit, p.luck, 0)
			c.at(at, evBind, r.Pod, 0, int32(r.Node))
		} else {
			c.rejected(r.Pod)
		}
	}
	c.kick()
}

// rejected tells that no node can take a pod: an Event and the PodScheduled condition
// (handleSchedulingFailure).
func (c *Cluster) rejected(id model.PodID) {
	text := c.state.Texts.Intern(c.scheduler.FitError())
	c.announce(id, true, model.EventFailedScheduling, model.TextMessage(text))
	cond := &c.state.Pods[id].Status.Conditions[model.PodScheduled]
	if cond.Status == model.ConditionFalse && cond.Reason == model.ReasonUnschedulable && cond.Message.Text == text {
		return
	}
	at := c.request(&c.schedulerLimit, c.pods[id].luck, 1)
	c.at(at, evUnschedulable, id, 0, int32(text))
}

// unschedulable is the write of the PodScheduled condition.
func (c *Cluster) unschedulable(id model.PodID, text model.Text) {
	o := &c.state.Pods[id]
	if c.pods[id].exists && o.Node == 0 && o.Status.SetCondition(model.PodScheduled, model.ConditionFalse,
		model.ReasonUnschedulable, model.TextMessage(text), c.now) {
		c.changed(model.KindPod, int32(id), model.Modified)
	}
}

// bound is a binding as it reaches the API server (registry/core/pod/storage
// BindingREST.setPodNodeAndMetadata).
func (c *Cluster) bound(id model.PodID, node model.NodeID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists || o.Node != 0 {
		return
	}
	c.record.placements++
	o.Node = node
	o.Status.SetCondition(model.PodScheduled, model.ConditionTrue, model.NoText, model.Message{}, c.now)
	c.announce(id, false, model.EventScheduled, model.Message{Kind: model.MessageScheduled, N: int64(node)})
	c.changed(model.KindPod, int32(id), model.Modified)
}
