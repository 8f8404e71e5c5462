package scheduler

import (
	"fmt"
	"math"

	"podsim/model"
	"podsim/scheduler/framework"
)

// Add takes in a pod that has no node: into the queue, or aside while it has scheduling
// gates (eventhandlers.go addPodToSchedulingQueue). It panics when the pod's slot is in use.
func (s *Scheduler) Add(id model.PodID, t *model.PodTemplate, now model.Time) {
	s.enter(id, t)
	s.nominate(id, s.cluster.Pods[id].Nominated)
	s.queue.add(id, now)
}

// AddNominatedPod takes in a pod without a node that counts on the node that it is nominated to, but
// is not to be scheduled here.
func (s *Scheduler) AddNominatedPod(id model.PodID, t *model.PodTemplate) {
	s.enter(id, t).place = podGated
	s.nominate(id, s.cluster.Pods[id].Nominated)
}

// enter takes a pod's slot into use. What is left in it of the pod before is forgotten.
func (s *Scheduler) enter(id model.PodID, t *model.PodTemplate) *podInfo {
	for len(s.pods) <= int(id) {
		s.pods = append(s.pods, podInfo{})
	}
	p := &s.pods[id]
	if p.place != podNone {
		panic(fmt.Sprintf("scheduler: pod %d added, but it is %v", id, p.place))
	}
	*p = podInfo{class: s.class(t)}
	for len(s.cluster.Pods) <= int(id) {
		s.cluster.Pods = append(s.cluster.Pods, framework.Pod{})
	}
	s.cluster.Pods[id] = s.seen(id)
	return p
}

// seen is the pod as the informer has it.
func (s *Scheduler) seen(id model.PodID) framework.Pod {
	p := framework.Pod{ID: id, Class: &s.pods[id].class.PodClass, Node: s.pods[id].node, Started: model.Never}
	if int(id) < len(s.state.Pods) {
		o := &s.state.Pods[id]
		p.ResourceClaims = o.ResourceClaims
		p.Name, p.Nominated, p.Started, p.Deleting = o.Name, o.Nominated, o.Status.StartTime.TruncateSecond(), o.Deleting
		disrupted := &o.Status.Conditions[model.DisruptionTarget]
		p.Preempted = disrupted.Status == model.ConditionTrue && disrupted.Reason == model.ReasonPreemptionByScheduler
		if o.Owner != 0 {
			p.Controller = framework.Controller{Kind: "ReplicaSet", Name: s.state.ReplicaSets[o.Owner].Name}
		}
	}
	return p
}

// SetController says what controls a pod that was added. Of one that a ReplicaSet of the state controls
// it is known.
func (s *Scheduler) SetController(id model.PodID, controller framework.Controller) {
	s.cluster.Pods[id].Controller = controller
}

// AssignedPodUpdated takes over a change of a pod that has a node: that it is being deleted, or has
// started, which no plugin waits for, or that it was resized; the template is what it holds
// (eventhandlers.go updateAssignedPodInCache, framework/events.go PodSchedulingPropertiesChange). It says
// whether that may have woken others.
func (s *Scheduler) AssignedPodUpdated(id model.PodID, t *model.PodTemplate, now model.Time) bool {
	if s.pods[id].class.Template.ID != t.ID {
		s.resizeAssigned(id, t, now)
		return true
	}
	p, n := &s.cluster.Pods[id], s.cluster.NodesByID[s.pods[id].node]
	after := s.seen(id)
	if *p == after {
		return false
	}
	s.moved(id, n, -1)
	*p = after
	n.Generation++
	s.changes++
	s.moved(id, n, 1)
	return false
}

// resizeAssigned counts a pod with other requests, and wakes those that its smaller ones may help.
func (s *Scheduler) resizeAssigned(id model.PodID, t *model.PodTemplate, now model.Time) {
	p := &s.pods[id]
	before, after, n := p.class, s.class(t), s.cluster.NodesByID[p.node]
	s.touch(n)
	s.moved(id, n, -1)
	n.RemovePod(id, &before.PodClass)
	p.class = after
	s.cluster.Pods[id] = s.seen(id)
	n.AddPod(id, &after.PodClass)
	s.moved(id, n, 1)
	if scaledDown(before, after) {
		s.wake(framework.ClusterEvent{Action: framework.UpdatePodScaleDown, Pod: &after.PodClass, OldPod: &before.PodClass, PodNode: n}, 0, now)
	}
}

// scaledDown follows framework/events.go extractPodScaleDown.
func scaledDown(before, after *class) bool {
	return after.MilliCPU < before.MilliCPU || after.Memory < before.Memory
}

// UpdatePending takes over a change of a pod that has no node: gates that were removed,
// tolerations that were added, smaller requests, another nomination (backend/queue/scheduling_queue.go Update,
// eventhandlers.go updatePodInSchedulingQueue). The priority cannot change. It panics when the pod is
// not pending.
func (s *Scheduler) UpdatePending(id model.PodID, t *model.PodTemplate, now model.Time) {
	p := s.pending(id)
	before, was, claims := p.class, s.cluster.Pods[id].Nominated, s.cluster.Pods[id].ResourceClaims
	p.class = s.class(t)
	s.cluster.Pods[id] = s.seen(id)
	is := s.cluster.Pods[id].Nominated
	if was != 0 || is != 0 {
		s.nominate(id, is)
	}
	switch {
	case p.place == podGated && !p.class.Gated:
		s.queue.take(id)
		s.queue.requeue(id, now)
	case p.place == podUnschedulable && s.cluster.Pods[id].ResourceClaims != claims:
		s.wake(framework.ClusterEvent{Action: framework.UpdatePodGeneratedResourceClaim}, id, now)
	case p.place == podUnschedulable && len(t.Spec.Tolerations) != len(before.Template.Spec.Tolerations):
		s.wake(framework.ClusterEvent{Action: framework.UpdatePodToleration}, id, now)
	case p.place == podUnschedulable && scaledDown(before, p.class):
		s.wake(framework.ClusterEvent{Action: framework.UpdatePodScaleDown}, id, now)
	}
	if was != 0 && was != is {
		s.nominationGone(id, was, now)
	}
}

// nominationGone wakes the pods that had to leave the place to one that was nominated to a node: those
// of the same or a lower priority (eventhandlers.go getLEPriorityPreCheck).
func (s *Scheduler) nominationGone(id model.PodID, node model.NodeID, now model.Time) {
	c := &s.pods[id].class.PodClass
	e := framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: c, PodNode: s.node(node)}
	s.wakeUpTo(c.Priority, e, now)
}

// DeletePending forgets a pod that has no node (eventhandlers.go
// deletePodFromSchedulingQueue). It panics when the pod is not pending.
func (s *Scheduler) DeletePending(id model.PodID, now model.Time) {
	s.pending(id)
	s.nominate(id, 0)
	s.queue.take(id)
	if node := s.cluster.Pods[id].Nominated; node != 0 {
		s.nominationGone(id, node, now)
	}
	s.pods[id], s.cluster.Pods[id] = podInfo{}, framework.Pod{}
}

func (s *Scheduler) pending(id model.PodID) *podInfo {
	if int(id) < len(s.pods) {
		switch p := &s.pods[id]; p.place {
		case podGated, podActive, podBackoff, podErrorBackoff, podUnschedulable:
			return p
		}
	}
	panic(fmt.Sprintf("scheduler: pod %d is not pending, but %v", id, s.place(id)))
}

func (s *Scheduler) place(id model.PodID) podPlace {
	if int(id) >= len(s.pods) {
		return podNone
	}
	return s.pods[id].place
}

// AssignedPodAdded says that a pod was seen with a node: one that the scheduler assumed
// there, whose binding is now certain; one that was pending and got its node from somebody
// else; or one that came with spec.nodeName (eventhandlers.go addAssignedPodToCache,
// backend/cache/cache.go AddPod). The node need not be known yet. It panics when the pod was
// assigned before.
func (s *Scheduler) AssignedPodAdded(id model.PodID, t *model.PodTemplate, node model.NodeID, now model.Time) {
	switch s.place(id) {
	case podAssumed:
		if s.pods[id].node == node {
			s.pods[id].place = podAssigned
			if s.pods[id].class.Template.ID != t.ID {
				s.resizeAssigned(id, t, now)
			}
			break
		}
		s.unassign(id)
		s.assign(id, s.node(node), podAssigned)
	case podAssigned:
		panic(fmt.Sprintf("scheduler: pod %d is assigned already", id))
	case podNone:
		s.enter(id, t)
		s.assign(id, s.node(node), podAssigned)
	default:
		s.queue.take(id)
		s.assign(id, s.node(node), podAssigned)
	}
	s.wake(framework.ClusterEvent{Action: framework.AssignedPodAdd, Pod: &s.pods[id].class.PodClass, PodNode: s.cluster.NodesByID[node]}, 0, now)
}

// AssignedPodDeleted says that a pod with a node, assumed or assigned, is in a terminal
// phase or gone. What it held is free at once and pods that this may help wake
// (eventhandlers.go deleteAssignedPodFromCache, handleAssumedPodDeletion; terminal pods do
// not pass the informer's filter). The slot can be used again. It panics when the pod has no
// node.
func (s *Scheduler) AssignedPodDeleted(id model.PodID, now model.Time) {
	if p := s.place(id); p != podAssumed && p != podAssigned {
		panic(fmt.Sprintf("scheduler: assigned pod %d deleted, but it is %v", id, p))
	}
	c, n := s.pods[id].class, s.cluster.NodesByID[s.pods[id].node]
	if s.place(id) == podAssumed {
		s.unreserve(id)
	}
	s.unassign(id)
	s.pods[id], s.cluster.Pods[id] = podInfo{}, framework.Pod{}
	s.wake(framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: &c.PodClass, PodNode: n}, 0, now)
}

// Forget says that the binding of an assumed pod failed: what it held is free, others may
// wake, and the pod itself tries again after a back-off for errors (schedule_one.go
// handleBindingCycleError). It panics when the pod is not assumed.
func (s *Scheduler) Forget(id model.PodID, now model.Time) {
	if s.place(id) != podAssumed {
		panic(fmt.Sprintf("scheduler: pod %d forgotten, but it is %v", id, s.place(id)))
	}
	n := s.cluster.NodesByID[s.pods[id].node]
	s.unreserve(id)
	s.unassign(id)
	c := &s.pods[id].class.PodClass
	s.wake(framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: c, PodNode: n}, 0, now)
	s.queue.reject(id, 0, now)
}

// NextWake is the next moment at which ScheduleOne has a pod if nothing else happens before:
// 0, that is now, when pods wait in activeQ or backoffQ; model.Never when only an event can
// help. It changes with every other call.
func (s *Scheduler) NextWake() model.Time { return s.queue.nextWake() }

// wake moves the unschedulable pods that an event may help, or only the given one, to
// activeQ or backoffQ (backend/queue/scheduling_queue.go MoveAllToActiveOrBackoffQueue,
// isPodWorthRequeuing).
func (s *Scheduler) wake(e framework.ClusterEvent, only model.PodID, now model.Time) {
	if s.queue.interest&e.Action == 0 {
		return
	}
	s.hints++
	s.event = e
	if only != 0 {
		s.wakePod(only, now)
		return
	}
	s.wakeAll(math.MaxInt32, now)
}

// wakeUpTo is wake for the pods up to a priority.
func (s *Scheduler) wakeUpTo(priority int32, e framework.ClusterEvent, now model.Time) {
	if s.queue.interest&e.Action == 0 {
		return
	}
	s.hints++
	s.event = e
	s.wakeAll(priority, now)
}

// wakeAll offers s.event to the unschedulable pods up to a priority.
func (s *Scheduler) wakeAll(priority int32, now model.Time) {
	for id := s.queue.first; id != 0; {
		next := s.pods[id].next
		if s.pods[id].class.Priority <= priority {
			s.wakePod(id, now)
		}
		id = next
	}
}

// wakePod moves a pod that s.event may help. One whose victims are yet to be deleted is held back, and
// then only the end of a pod moves it.
func (s *Scheduler) wakePod(id model.PodID, now model.Time) {
	p := &s.pods[id]
	if p.heldBack && s.event.Action != framework.AssignedPodDelete || !s.hintedPod(id, s.hinted(p.class)&p.rejectors) {
		return
	}
	if p.heldBack = p.preempting; p.heldBack {
		return
	}
	s.queue.take(id)
	s.queue.requeue(id, now)
}

// hintedPod says whether one of the plugins, whose Hint said that s.event may help, has nothing to say
// against it for this pod.
func (s *Scheduler) hintedPod(id model.PodID, plugins framework.PluginSet) bool {
	if plugins == 0 {
		return false
	}
	table := s.pods[id].class.profile.Plugins
	for i := range table {
		p := &table[i]
		if plugins.Has(p.ID) && (p.HintPod == nil || p.HintPod(&s.cluster.Pods[id], &s.event)) {
			return true
		}
	}
	return false
}

// hinted is the set of plugins for which s.event may help pods of the class. Pods of one
// class share the answer.
func (s *Scheduler) hinted(c *class) framework.PluginSet {
	if c.hintEvent == s.hints {
		return c.hinted
	}
	c.hintEvent, c.hinted = s.hints, 0
	for i := range c.profile.Plugins {
		p := &c.profile.Plugins[i]
		if p.Events&s.event.Action != 0 && (p.Hint == nil || p.Hint(&c.PodClass, &s.event)) {
			c.hinted |= p.ID.Set()
		}
	}
	return c.hinted
}

// Rejectors names the plugins that rejected the pod in its last attempt, in alphabetical
// order; empty when none did.
func (s *Scheduler) Rejectors(id model.PodID) []string {
	if s.place(id) == podNone {
		return nil
	}
	return s.pods[id].rejectors.Names()
}
