package sim

import (
	"podsim/model"
	"podsim/scheduler"
)

// preemption is what the scheduler does in the background for a pod that preempts others: the
// victims get their condition and are deleted, all but the last at once, and then the last
// (pkg/scheduler/framework/preemption/executor.go prepareCandidateAsync).
type preemption struct {
	preemptor podRef
	serial    int64
	scheduler string
	node      model.NodeID
	victims   []podRef
	// left counts those before the last that are not deleted yet.
	left int
}

// podRef is a pod that may be gone when it is looked at again.
type podRef struct {
	id  model.PodID
	gen uint16
}

func (c *Cluster) ref(id model.PodID) podRef { return podRef{id, c.pods[id].gen} }

func (c *Cluster) alive(r podRef) bool { return c.pods[r.id].gen == r.gen && c.pods[r.id].exists }

// The requests about a victim: an evPreempt has the index of the victim and, in the lowest bit, which
// of the two it is.
const (
	patchVictim = iota
	deleteVictim
)

// preempt begins to carry out what the scheduler decided.
func (c *Cluster) preempt(r *scheduler.Result) {
	for _, id := range r.Displaced {
		c.at(c.request(&c.schedulerLimit, c.pods[id].luck, 2), evNominate, id, 0, 0)
	}
	if len(r.Victims) == 0 {
		return
	}
	slot := c.preemptionSlot()
	x := &c.preemptions[slot]
	o := &c.state.Pods[r.Pod]
	x.preemptor, x.serial, x.scheduler, x.node = c.ref(r.Pod), o.Serial, o.Template.Spec.SchedulerName, r.Nominated
	for _, id := range r.Victims {
		x.victims = append(x.victims, c.ref(id))
	}
	last := len(x.victims) - 1
	if x.left = last; last == 0 {
		c.requestVictim(slot, 0, patchVictim)
	}
	for i := range last {
		c.requestVictim(slot, i, patchVictim)
	}
}

func (c *Cluster) preemptionSlot() int {
	if n := len(c.freePreemptions); n > 0 {
		slot := c.freePreemptions[n-1]
		c.freePreemptions = c.freePreemptions[:n-1]
		return slot
	}
	c.preemptions = append(c.preemptions, preemption{})
	return len(c.preemptions) - 1
}

func (c *Cluster) requestVictim(slot, index int, what int32) {
	v := c.preemptions[slot].victims[index]
	at := c.request(&c.schedulerLimit, c.pods[v.id].luck, uint64(3+what))
	c.after(at-c.now, evPreempt, int32(slot), int32(index)<<1|what)
}

// victimRequested is a request about a victim as it reaches the API server. A victim that is gone
// counts as deleted.
func (c *Cluster) victimRequested(slot, index int, what int32) {
	x := &c.preemptions[slot]
	v := x.victims[index]
	if what == patchVictim && c.alive(v) {
		c.markVictim(v.id, x.scheduler)
		c.requestVictim(slot, index, deleteVictim)
		return
	}
	if c.alive(v) {
		c.deletePod(v.id, noGrace)
		c.announce(v.id, false, model.EventPreempted, model.Message{Kind: model.MessagePreempted,
			Text: c.state.Texts.Intern(c.state.Nodes[x.node].Name), N: x.serial})
	}
	switch {
	case index == len(x.victims)-1:
		c.preempted(slot)
	case x.left == 1:
		x.left = 0
		c.requestVictim(slot, len(x.victims)-1, patchVictim)
	default:
		x.left--
	}
}

// markVictim sets the condition that says why a pod is deleted.
func (c *Cluster) markVictim(id model.PodID, scheduler string) {
	text := c.state.Texts.Intern(scheduler + ": preempting to accommodate a higher priority pod")
	if c.state.Pods[id].Status.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonPreemptionByScheduler,
		model.TextMessage(text), c.now) {
		c.changed(model.KindPod, int32(id), model.Modified)
	}
}

// preempted ends a preemption.
func (c *Cluster) preempted(slot int) {
	x := &c.preemptions[slot]
	if c.alive(x.preemptor) {
		c.scheduler.PreemptionDone(x.preemptor.id)
		c.kick()
	}
	*x = preemption{victims: x.victims[:0]}
	c.freePreemptions = append(c.freePreemptions, slot)
}

// nominate is a write of status.nominatedNodeName, zero for none.
func (c *Cluster) nominate(id model.PodID, node model.NodeID) {
	o := &c.state.Pods[id]
	if c.pods[id].exists && o.Node == 0 && o.Nominated != node {
		o.Nominated = node
		c.changed(model.KindPod, int32(id), model.Modified)
	}
}
