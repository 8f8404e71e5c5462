package scheduler

import (
	"fmt"
	"slices"

	"podsim/model"
	"podsim/scheduler/framework"
)

// nominator knows which pods are nominated to which nodes: pods that preempt others there, and
// that count for pods of the same or a lower priority as if they were there
// (backend/queue/nominator.go). It is ahead of what the pods' status says.
type nominator struct {
	// pods are those nominated to a node, by NodeID, in the order in which they were; total is
	// their number.
	pods  [][]model.PodID
	total int
}

// nominate makes a pod one that is nominated to a node, to none with node 0.
func (s *Scheduler) nominate(id model.PodID, node model.NodeID) {
	p, m := &s.pods[id], &s.nominator
	if p.nominated != 0 {
		list := &m.pods[p.nominated]
		i := slices.Index(*list, id)
		*list = slices.Delete(*list, i, i+1)
		m.total--
		s.touch(s.node(p.nominated))
	}
	p.nominated = node
	if node == 0 {
		return
	}
	for len(m.pods) <= int(node) {
		m.pods = append(m.pods, nil)
	}
	m.pods[node] = append(m.pods[node], id)
	m.total++
	s.touch(s.node(node))
}

// nominated says whether the pod of the cycle is nominated to a node.
func (s *Scheduler) nominated() bool {
	p := s.cycle.Pod
	return p.Nominated != 0 || int(p.ID) < len(s.pods) && s.pods[p.ID].nominated != 0
}

// scheduleNominated is schedule for a pod that is nominated to a node: that one is tried before
// all others, and taken when it fits (schedule_one.go evaluateNominatedNode).
func (s *Scheduler) scheduleNominated(c *class, tie uint64) *framework.NodeInfo {
	s.begin(c)
	s.diagnosis.start(c, &s.attempt, s.cycle.NumNodes, s.changes)
	n := s.nominatedNode()
	if s.attempt.rejected || n == nil || !s.filterWithNominated(c, n) {
		return s.scheduleElsewhere(c, tie)
	}
	s.feasible, s.numFeasible = append(s.feasible[:0], n), 1
	s.diagnosis.evaluated = 1
	if len(c.extenders) > 0 {
		if s.extend(c, nil); len(s.feasible) == 0 {
			return s.scheduleAmong(c, tie)
		}
	}
	return n
}

// scheduleElsewhere is schedule for a pod that does not fit on the node to which it is nominated. What
// is known of that node is of pods to which it must leave the place; so it is judged anew, for this
// pod and then for others.
func (s *Scheduler) scheduleElsewhere(c *class, tie uint64) *framework.NodeInfo {
	id := s.cycle.Pod.ID
	if int(id) >= len(s.pods) || s.pods[id].nominated == 0 {
		return s.scheduleAmong(c, tie)
	}
	n := s.node(s.pods[id].nominated)
	s.touch(n)
	v := s.judged(c)
	s.touch(n)
	s.diagnosis.changes = s.changes
	if v == nil {
		return s.scheduleAmong(c, tie)
	}
	return s.scheduleKnown(c, v, tie)
}

// nominatedTo are the pods nominated to a node.
func (s *Scheduler) nominatedTo(node model.NodeID) []model.PodID {
	if int(node) >= len(s.nominator.pods) {
		return nil
	}
	return s.nominator.pods[node]
}

// check panics when the nominator and the pods do not agree.
func (m *nominator) check(pods []podInfo) {
	total := 0
	for node, list := range m.pods {
		total += len(list)
		for _, id := range list {
			if p := &pods[id]; int(p.nominated) != node || p.node != 0 {
				panic(fmt.Sprintf("scheduler: pod %d is nominated to node %d, but has %d and is on %d", id, node, p.nominated, p.node))
			}
		}
	}
	for id := range pods {
		if pods[id].nominated != 0 {
			total--
		}
	}
	if total != 0 {
		panic(fmt.Sprintf("scheduler: %d more nominated pods in the nominator", total))
	}
}

// filterWithNominated is filter, but the pod must also fit beside the pods nominated to the node
// that are not less important than it. Where there are some, it must fit with and without them
// (framework/runtime/framework.go RunFilterPluginsWithNominatedPods).
func (s *Scheduler) filterWithNominated(c *class, n *framework.NodeInfo) bool {
	return s.askWithNominated(c, n, (*Scheduler).filter)
}

// askWithNominated is filterWithNominated with some of the filters.
func (s *Scheduler) askWithNominated(c *class, n *framework.NodeInfo, filter func(*Scheduler, *class, *framework.NodeInfo) bool) bool {
	if s.nominator.total == 0 || !s.yieldsOn(c, n) {
		return filter(s, c, n)
	}
	with := &s.withNominated
	with.CopyFrom(n)
	s.save(c)
	for _, id := range s.nominatedTo(n.ID) {
		if s.yields(c, id) {
			s.addPod(c, id, with)
		}
	}
	fits := filter(s, c, with)
	s.restore(c)
	return fits && filter(s, c, n)
}

// localFilterWithNominated asks the plugins that look at one node only.
func (s *Scheduler) localFilterWithNominated(c *class, n *framework.NodeInfo) bool {
	if s.nominator.total == 0 || !s.yieldsOn(c, n) {
		return s.localFilter(c, n)
	}
	with := &s.withNominated
	with.CopyFrom(n)
	for _, id := range s.nominatedTo(n.ID) {
		if s.yields(c, id) {
			with.AddPod(id, s.cluster.Pods[id].Class)
		}
	}
	return s.localFilter(c, with) && s.localFilter(c, n)
}

// yields says whether the pod of the cycle must leave the place to a nominated one.
func (s *Scheduler) yields(c *class, nominated model.PodID) bool {
	return s.pods[nominated].class.Priority >= c.Priority && nominated != s.cycle.Pod.ID
}

// yieldsOn says whether some such pod is nominated to the node.
func (s *Scheduler) yieldsOn(c *class, n *framework.NodeInfo) bool {
	for _, id := range s.nominatedTo(n.ID) {
		if s.yields(c, id) {
			return true
		}
	}
	return false
}
