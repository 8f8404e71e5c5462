package scheduler

import (
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/scheduler/framework"
)

// AddNode adds a node, also one that was there before, and wakes the pods that it may help
// (eventhandlers.go addNodeToCache, backend/cache/cache.go AddNode). It panics when the node
// is there.
func (s *Scheduler) AddNode(node *model.Node, now model.Time) {
	n := s.node(node.ID)
	if n.Present {
		panic(fmt.Sprintf("scheduler: node %s added twice", node.Name))
	}
	s.tree.add(node.ID, framework.Zone(node.Labels))
	s.nodesChanged()
	s.setNode(n, node)
	s.wake(framework.ClusterEvent{Action: framework.NodeAdd, New: n}, 0, now)
}

// UpdateNode takes over a change of a node's allocatable, labels, taints, unschedulable or
// images, and wakes the pods that the change may help (eventhandlers.go updateNodeInCache).
// Labels must be a new map when they change. A node in another zone keeps its place in the order until
// a node is added or removed (backend/cache/cache.go UpdateSnapshot). It panics when the node is not there.
func (s *Scheduler) UpdateNode(node *model.Node, now model.Time) {
	n := s.node(node.ID)
	if !n.Present {
		panic(fmt.Sprintf("scheduler: node %s updated, but it is not there", node.Name))
	}
	old := &s.oldNode
	old.CopyFrom(n)
	if zone := framework.Zone(node.Labels); zone != framework.Zone(n.Object.Labels) {
		s.tree.remove(node.ID, framework.Zone(n.Object.Labels))
		s.tree.add(node.ID, zone)
	}
	s.setNode(n, node)
	s.wakeForUpdate(old, n, now)
}

// wakeForUpdate sends one event for each property that changed (framework/events.go
// NodeSchedulingPropertiesChange).
func (s *Scheduler) wakeForUpdate(old, n *framework.NodeInfo, now model.Time) {
	e := framework.ClusterEvent{Old: old, New: n}
	if old.Unschedulable && !n.Unschedulable {
		e.Action = framework.UpdateNodeTaint
		s.wake(e, 0, now)
	}
	if !old.Allocatable.Equal(&n.Allocatable) || old.AllowedPods != n.AllowedPods {
		e.Action = framework.UpdateNodeAllocatable
		s.wake(e, 0, now)
	}
	if old.LabelsGeneration != n.LabelsGeneration {
		e.Action = framework.UpdateNodeLabel
		s.wake(e, 0, now)
	}
	if !slices.Equal(old.Object.Status.DeclaredFeatures, n.Object.Status.DeclaredFeatures) {
		e.Action = framework.UpdateNodeDeclaredFeature
		s.wake(e, 0, now)
	}
	if old.Taints != n.Taints {
		e.Action = framework.UpdateNodeTaint
		s.wake(e, 0, now)
	}
}

// RemoveNode removes a node. Its pods stay counted on it until each is reported gone
// (eventhandlers.go deleteNodeFromCache, backend/cache/cache.go RemoveNode). It panics when
// the node is not there.
func (s *Scheduler) RemoveNode(id model.NodeID, now model.Time) {
	n := s.node(id)
	if !n.Present {
		panic(fmt.Sprintf("scheduler: node %d removed, but it is not there", id))
	}
	s.wake(framework.ClusterEvent{Action: framework.NodeDelete, Old: n}, 0, now)
	s.tree.remove(id, framework.Zone(n.Object.Labels))
	s.nodesChanged()
	s.setImages(n, nil)
	n.Present = false
	n.Generation++
	s.nodeChanged(n)
}

// Node is a node as the scheduler's cache has it, with what its pods request; nil when there is
// none. Do not change it.
func (s *Scheduler) Node(id model.NodeID) *framework.NodeInfo {
	if int(id) >= len(s.cluster.NodesByID) {
		return nil
	}
	return s.cluster.NodesByID[id]
}

// ResourceID is the number of an extended resource in what Node gives.
func (s *Scheduler) ResourceID(name v1.ResourceName) framework.ResourceID {
	return s.cluster.Symbols.Resource(name)
}

// node is the record of a node, an absent one for a node that was never added.
func (s *Scheduler) node(id model.NodeID) *framework.NodeInfo {
	for len(s.cluster.NodesByID) <= int(id) {
		s.cluster.NodesByID = append(s.cluster.NodesByID, nil)
	}
	if s.cluster.NodesByID[id] == nil {
		s.cluster.NodesByID[id] = &framework.NodeInfo{ID: id}
	}
	return s.cluster.NodesByID[id]
}

func (s *Scheduler) setNode(n *framework.NodeInfo, node *model.Node) {
	s.touch(n)
	if n.Name != node.Name || !maps.Equal(n.Object.Labels, node.Labels) {
		n.LabelsGeneration++
	}
	n.SetNode(node, &s.cluster.Symbols)
	s.setImages(n, node.Images)
	s.nodeChanged(n)
}

// setImages takes over the images that a node reports.
func (s *Scheduler) setImages(n *framework.NodeInfo, images []model.NodeImage) {
	same := func(id model.ImageID, i model.NodeImage) bool { return id == i.Image }
	if slices.EqualFunc(n.Images, images, same) {
		return
	}
	for _, id := range n.Images {
		s.cluster.Images.Set(id, n.ID, false)
	}
	n.Images = n.Images[:0]
	for i := range images {
		n.Images = append(n.Images, images[i].Image)
		s.cluster.Images.Set(images[i].Image, n.ID, true)
	}
}

func (s *Scheduler) nodesChanged() {
	s.stale = true
	s.treeGeneration++
	s.changes++
}

// nodeTree is the order of nodes: zone after zone, one node each
// (backend/cache/node_tree.go).
type nodeTree struct {
	zones []zone
}

type zone struct {
	key   string
	nodes []model.NodeID
}

func (t *nodeTree) add(id model.NodeID, key string) {
	for i := range t.zones {
		if t.zones[i].key == key {
			t.zones[i].nodes = append(t.zones[i].nodes, id)
			return
		}
	}
	t.zones = append(t.zones, zone{key, []model.NodeID{id}})
}

// remove takes a node out of its zone, and an empty zone out of the tree.
func (t *nodeTree) remove(id model.NodeID, key string) {
	for i := range t.zones {
		z := &t.zones[i]
		if z.key != key {
			continue
		}
		at := slices.Index(z.nodes, id)
		z.nodes = slices.Delete(z.nodes, at, at+1)
		if len(z.nodes) == 0 {
			t.zones = slices.Delete(t.zones, i, i+1)
		}
		return
	}
	panic(fmt.Sprintf("scheduler: node %d is not in zone %q", id, key))
}

func (t *nodeTree) count() int {
	nodes := 0
	for i := range t.zones {
		nodes += len(t.zones[i].nodes)
	}
	return nodes
}

// list is nodeTree.list: the first of each zone, then the second, and so on.
func (t *nodeTree) list(order []model.NodeID) []model.NodeID {
	for i, more := 0, true; more; i++ {
		more = false
		for z := range t.zones {
			if i < len(t.zones[z].nodes) {
				order = append(order, t.zones[z].nodes[i])
				more = true
			}
		}
	}
	return order
}

// list is the snapshot's list of nodes. A node that moved to another zone, or went and came back before
// a cycle saw it, stays in its place until other nodes come or go (backend/cache/cache.go
// UpdateSnapshot).
func (s *Scheduler) list() []*framework.NodeInfo {
	if s.stale && s.sameNodes() {
		s.stale = false
	}
	if s.stale {
		s.snapshot = s.snapshot[:0]
		s.positions = slices.Repeat([]int32{-1}, len(s.cluster.NodesByID))
		for _, id := range s.tree.list(nil) {
			s.positions[id] = int32(len(s.snapshot))
			s.snapshot = append(s.snapshot, s.cluster.NodesByID[id])
		}
		s.stale = false
	}
	return s.snapshot
}

// sameNodes says whether the snapshot has the nodes that there are.
func (s *Scheduler) sameNodes() bool {
	for _, n := range s.snapshot {
		if !n.Present {
			return false
		}
	}
	return len(s.snapshot) == s.tree.count()
}

// position is a node's place in the snapshot's list, -1 for a node that is not there.
func (s *Scheduler) position(id model.NodeID) int {
	if int(id) >= len(s.positions) {
		return -1
	}
	return int(s.positions[id])
}

// assign counts a pod on a node: the one place where a pod comes to a node.
func (s *Scheduler) assign(id model.PodID, n *framework.NodeInfo, place podPlace) {
	s.touch(n)
	s.nominate(id, 0)
	p := &s.pods[id]
	p.place, p.node = place, n.ID
	s.cluster.Pods[id].Node = n.ID
	n.AddPod(id, &p.class.PodClass)
	s.countPriority(p.class.Priority, 1)
	s.moved(id, n, 1)
}

// moved tells the plugins that look further of a pod that came to a node or left it.
func (s *Scheduler) moved(id model.PodID, n *framework.NodeInfo, sign int64) {
	for _, p := range s.globals {
		if p.Global.PodMoved != nil {
			p.Global.PodMoved(&s.cluster.Pods[id], n, sign)
		}
	}
}

// changed tells them of a node.
func (s *Scheduler) nodeChanged(n *framework.NodeInfo) {
	for _, p := range s.globals {
		if p.Global.NodeChanged != nil {
			p.Global.NodeChanged(n)
		}
	}
}

// unassign takes a pod off its node: the one place where a pod leaves a node.
func (s *Scheduler) unassign(id model.PodID) {
	p := &s.pods[id]
	s.touch(s.cluster.NodesByID[p.node])
	if !s.cluster.NodesByID[p.node].RemovePod(id, &p.class.PodClass) {
		panic(fmt.Sprintf("scheduler: pod %d is not on node %d", id, p.node))
	}
	s.countPriority(p.class.Priority, -1)
	s.moved(id, s.cluster.NodesByID[p.node], -1)
	p.node, s.cluster.Pods[id].Node = 0, 0
}

// countPriority keeps the number of pods of each priority. There are few priorities.
func (s *Scheduler) countPriority(priority int32, n int) {
	i := 0
	for i < len(s.assigned) && s.assigned[i].priority < priority {
		i++
	}
	if i == len(s.assigned) || s.assigned[i].priority != priority {
		s.assigned = slices.Insert(s.assigned, i, priorityCount{priority: priority})
	}
	s.assigned[i].pods += n
}

// anyBelow says whether some assigned pod has a lower priority.
func (s *Scheduler) anyBelow(priority int32) bool {
	for _, a := range s.assigned {
		if a.priority >= priority {
			return false
		}
		if a.pods > 0 {
			return true
		}
	}
	return false
}

// Check recomputes the sums of all nodes from the pods and panics where they differ.
func (s *Scheduler) Check() {
	fresh := make([]framework.NodeInfo, len(s.cluster.NodesByID))
	assigned := s.assigned
	s.assigned = nil
	for id := range s.pods {
		p := &s.pods[id]
		if p.place == podAssumed || p.place == podAssigned {
			fresh[p.node].AddPod(model.PodID(id), &p.class.PodClass)
			s.countPriority(p.class.Priority, 1)
		}
	}
	recounted := s.assigned
	empty := func(a priorityCount) bool { return a.pods == 0 }
	s.assigned = slices.DeleteFunc(assigned, empty)
	if !slices.Equal(s.assigned, recounted) {
		panic(fmt.Sprintf("scheduler: pods by priority %v, recounted %v", s.assigned, recounted))
	}
	for id, n := range s.cluster.NodesByID {
		if n != nil {
			n.Check(&fresh[id])
		}
	}
	s.queue.check()
	s.nominator.check(s.pods)
}
