package sim

import (
	"fmt"
	"path"
	"slices"

	"podsim/model"
	"podsim/model/kubelet"
)

// nodeOOM is what a node's kernel does when its memory runs out.
type nodeOOM struct {
	// systemMemory is what the system and the kubelet use, in bytes.
	systemMemory int64
	// gen is the generation of the pending look at the node's memory.
	gen int32
}

// memoryUse is the working set of a container in bytes, 0 when it does not run at that moment. Of
// moments before its last run nothing is known, and of one that was measured only the latest figure.
func (c *Cluster) memoryUse(id model.PodID, i int, at model.Time) int64 {
	k := &c.pods[id].containers[i]
	switch {
	case c.real && k.running:
		return c.measuredUsage(id, i).Memory
	case k.memory == nil:
		return 0
	}
	line, _ := k.memoryLine(k.behavior, at)
	return line.Bytes
}

// memoryLimit is the limit of a container's cgroup in bytes, 0 for none: that in force, which may not be
// what the pod asks for. Where the container has none it is the pod's
// (kuberuntime_container_linux.go getMemoryLimit).
func (c *Cluster) memoryLimit(id model.PodID, i int) int64 {
	return c.pods[id].machine.Actuated(i).ContainerResources(i).LimitMemory
}

// podMemoryLimit is the limit in bytes that a pod has as a whole, 0 for none (feature PodLevelResources).
// The sum of its containers' limits, which its cgroup has as well, cannot be passed before one of them.
func (c *Cluster) podMemoryLimit(id model.PodID) int64 {
	return c.pods[id].machine.PodCgroup().PodResources().LimitMemory
}

// nodeMemory is all that is in use of a node's memory at a moment, in bytes.
func (c *Cluster) nodeMemory(id model.NodeID, at model.Time) int64 {
	if c.real {
		return c.nodes[id].oom.systemMemory + c.memoryOfPods(id, at)
	}
	line, _ := c.searchNode(id).lines(at)
	return line.Bytes
}

// memoryExceeds is the first moment from from on at which nodeMemory is above limit. It does not look
// beyond the next end of a container that is known, as pressureMayChange comes then: Never if there is
// none until then. It may be a moment that is too early, up to which the search for it went: the memory
// is not above limit then, and whoever wants to know asks again.
func (c *Cluster) memoryExceeds(id model.NodeID, limit int64, from model.Time) model.Time {
	s := c.searchNode(id)
	at, _ := s.first(limit, from, c.memoryEnds(s))
	return at
}

// searchNode makes the search that is about all that uses a node's memory. There is only one search at a
// time.
func (c *Cluster) searchNode(id model.NodeID) *memorySearch {
	s := &c.memorySearch
	s.reset(c.nodes[id].oom.systemMemory)
	for _, p := range c.nodes[id].pods {
		c.searchPod(s, p)
	}
	return s
}

func (c *Cluster) searchPod(s *memorySearch, id model.PodID) {
	for i := range c.pods[id].containers {
		if k := &c.pods[id].containers[i]; k.memory != nil {
			s.add(k, k.behavior)
		}
	}
}

// memoryEnds is when the first of the containers of a search is to end, as far as that is known.
func (c *Cluster) memoryEnds(s *memorySearch) model.Time {
	ends := model.Never
	for _, u := range s.users {
		if u.k.running {
			ends = min(ends, u.k.exitAt, u.k.memory.oomAt)
		}
	}
	return ends
}

// beginMemory begins a run of a container that uses memory. What is measured cannot be foreseen.
func (c *Cluster) beginMemory(id model.PodID, i int, b *model.Behavior) {
	if !b.UsesMemory() {
		return
	}
	k := &c.pods[id].containers[i]
	if k.runs == 1 && c.memoryLimit(id, i) == 0 {
		c.assumed.unlimited++
	}
	if c.real {
		return
	}
	if k.memory == nil {
		k.memory = &memoryRun{peaks: c.memoryPeaks(b)}
	}
	k.memory.childKilled = model.Never
	if b.MemoryWalk != nil {
		k.memory.walk.beginRun(b.MemoryWalk, c.seed, c.pods[id].luck, i, k.runs)
	}
	c.watchLimit(id, i)
}

// memoryPeaks is peaksOf for a behavior's points.
func (c *Cluster) memoryPeaks(b *model.Behavior) []int64 {
	peaks, ok := c.peaks[b]
	if !ok {
		peaks = peaksOf(b.Memory)
		c.peaks[b] = peaks
	}
	return peaks
}

// memoryLimitChanged looks again when a container will be above its limit, as that or the end of its run
// has changed, and when its pod and its node will be.
func (c *Cluster) memoryLimitChanged(id model.PodID, i int) {
	if k := &c.pods[id].containers[i]; k.memory != nil && k.running {
		c.watchLimit(id, i)
		c.memoryChanged(id, i)
	}
}

// memoryChanged looks again at what is to be expected of the memory of a pod and of its node, as a
// container that uses some has begun to run or has ended.
func (c *Cluster) memoryChanged(id model.PodID, i int) {
	if c.pods[id].containers[i].memory == nil {
		return
	}
	node := c.state.Pods[id].Node
	c.watchPodLimit(id)
	c.watchNodeMemory(node)
	c.pressureMayChange(node)
}

// watchLimit asks for the moment at which a container is above its limit, if its run lasts so long.
func (c *Cluster) watchLimit(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	m := k.memory
	m.gen++
	m.oomAt = model.Never
	limit := c.memoryLimit(id, i)
	if limit == 0 {
		return
	}
	s := &c.memorySearch
	s.reset(0)
	s.add(k, k.behavior)
	at, sure := s.first(limit, c.now, k.exitAt)
	if at == model.Never {
		return
	}
	if sure {
		m.oomAt = at
	}
	c.at(at, evOutOfMemory, id, m.gen, int32(i))
}

// overMemoryLimit is the moment that watchLimit asked for: the kernel kills the container, or the search
// goes on.
func (c *Cluster) overMemoryLimit(id model.PodID, i int, gen uint16) {
	k := &c.pods[id].containers[i]
	switch m := k.memory; {
	case m == nil || m.gen != gen || !k.running:
	case c.memoryUse(id, i, c.now) > c.memoryLimit(id, i):
		c.oomKill(id, i)
	default:
		c.watchLimit(id, i)
	}
}

// wholePod stands for a container in an evOutOfMemory about the pod's own limit.
const wholePod = -1

// watchPodLimit asks for the moment at which a pod is above the limit that it has as a whole.
func (c *Cluster) watchPodLimit(id model.PodID) {
	limit := c.podMemoryLimit(id)
	if limit == 0 {
		return
	}
	p := &c.pods[id]
	p.memoryGen++
	s := &c.memorySearch
	s.reset(0)
	c.searchPod(s, id)
	if at, _ := s.first(limit, c.now, c.memoryEnds(s)); at != model.Never {
		c.at(at, evOutOfMemory, id, p.memoryGen, wholePod)
	}
}

// overPodLimit is the moment that watchPodLimit asked for.
func (c *Cluster) overPodLimit(id model.PodID, gen uint16) {
	if c.pods[id].memoryGen != gen {
		return
	}
	s, limit := &c.memorySearch, c.podMemoryLimit(id)
	s.reset(0)
	c.searchPod(s, id)
	if use, _ := s.lines(c.now); use.Bytes <= limit {
		c.watchPodLimit(id)
		return
	}
	c.killWorst([]model.PodID{id}, limit)
}

// watchNodeMemory asks for the moment at which a node has no memory left, or all its pods together have
// none (cm/node_container_manager_linux.go).
func (c *Cluster) watchNodeMemory(id model.NodeID) {
	n := &c.nodes[id]
	n.oom.gen++
	capacity := c.state.Nodes[id].Capacity.Memory
	s := c.searchNode(id)
	ends := c.memoryEnds(s)
	at, _ := s.first(capacity, c.now, ends)
	if limit := c.PodsMemoryLimit(id); limit < capacity {
		s.base, s.effort = 0, searchEffort
		podsAt, _ := s.first(limit, c.now, ends)
		at = min(at, podsAt)
	}
	if at != model.Never {
		c.after(at-c.now, evNodeMemory, int32(id), n.oom.gen)
	}
}

// outOfNodeMemory is the moment that watchNodeMemory asked for. The kernel kills one process, and looks
// again when that has ended. With none that it may kill it waits for others to begin.
func (c *Cluster) outOfNodeMemory(id model.NodeID, gen int32) {
	n := &c.nodes[id]
	if n.oom.gen != gen {
		return
	}
	use, capacity := c.nodeMemory(id, c.now), c.state.Nodes[id].Capacity.Memory
	limit := c.PodsMemoryLimit(id)
	switch {
	case use > capacity:
		if victim, i := c.killWorst(n.pods, capacity); victim != 0 {
			c.systemOOM(id, victim, i)
		}
	case use-n.oom.systemMemory > limit:
		c.killWorst(n.pods, limit)
	default:
		c.watchNodeMemory(id)
	}
}

// PodsMemoryLimit is the limit in bytes of the cgroup that all pods of a node are in: the node's memory, if
// the kubelet does not enforce what is reserved (cm/node_container_manager_linux.go
// createNodeAllocatableCgroups).
func (c *Cluster) PodsMemoryLimit(id model.NodeID) int64 {
	config := c.nodes[id].config
	if !*config.CgroupsPerQOS || !slices.Contains(config.EnforceNodeAllocatable, "pods") {
		return c.state.Nodes[id].Capacity.Memory
	}
	return c.podsMemory(id)
}

// killWorst kills the container with the highest badness of those in some pods that share total bytes, the
// youngest of equals (Linux mm/oom_kill.c select_bad_process, which goes through the processes as they
// were started).
//
// Differs from Kubernetes: the kernel may also kill a container of which the scenario does not say what it
// uses, which would give nothing back here, and processes of the system.
func (c *Cluster) killWorst(pods []model.PodID, total int64) (victim model.PodID, container int) {
	worst, began := int64(0), model.Time(0)
	for _, id := range pods {
		for i := range c.pods[id].containers {
			k := &c.pods[id].containers[i]
			use := c.memoryUse(id, i, c.now)
			if !k.running || use == 0 {
				continue
			}
			adjust := kubelet.OOMScoreAdj(k.template, i, c.state.Nodes[c.state.Pods[id].Node].Capacity.Memory)
			badness := kubelet.OOMBadness(use, adjust, total)
			if victim == 0 || badness > worst || badness == worst && k.startedAt >= began {
				victim, container, worst, began = id, i, badness, k.startedAt
			}
		}
	}
	if victim != 0 {
		c.oomKill(victim, container)
	}
	return victim, container
}

// oomKill is the kernel's kill of what uses a container's memory: its main process, with all others where
// memory.oom.group is set (kuberuntime_container_linux.go generateLinuxContainerResources). The kill of
// a child alone shows as the reason when the main process ends, whatever its exit code.
func (c *Cluster) oomKill(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	k.memory.oomAt = model.Never
	config := c.nodes[c.state.Pods[id].Node].config
	if alone := config.SingleProcessOOMKill; k.behavior.MemoryChild && alone != nil && *alone {
		c.record.oomKills++
		k.memory.childKilled = c.now
		c.memoryChanged(id, i)
		return
	}
	k.exitCode, k.reason = 137, model.ReasonOOMKilled
	c.runEnded(id, i)
}

// systemOOM is the kubelet's Event about a process that the kernel killed when the node had no memory left
// (pkg/kubelet/oom/oom_watcher_linux.go). Of a process that was killed for the limit of a cgroup it
// writes none.
func (c *Cluster) systemOOM(node model.NodeID, id model.PodID, i int) {
	n := &c.nodes[node]
	if n.cutOff() {
		return
	}
	text := fmt.Sprintf("System OOM encountered, victim process: %s, pid: %d", c.processName(id, i), c.processID(id, i))
	c.write(&n.log, model.Event{Kind: model.KindNode, ID: int32(node), Container: -1, Warning: true, Source: model.FromKubelet,
		Reason: model.EventSystemOOM, Message: model.Message{Kind: model.MessageNodeStatus, Text: c.state.Texts.Intern(text)}})
}

// processName is what the kernel calls a container's main process: the name of its program, of which it
// keeps 15 bytes. A program that the image gives is called after the container, as a guess.
func (c *Cluster) processName(id model.PodID, i int) string {
	spec := c.state.Pods[id].Template.ContainerSpec(i)
	name := spec.Name
	if len(spec.Command) > 0 {
		name = path.Base(spec.Command[0])
	}
	return name[:min(len(name), 15)]
}

// processID draws the process id of a container's main process: a guess, below the kernel's usual pid_max.
func (c *Cluster) processID(id model.PodID, i int) uint64 {
	const least, most = 300, 32768
	u := Draw(c.seed, streamPID, c.pods[id].luck, uint64(i)<<32|uint64(c.pods[id].containers[i].runs))
	return least + u%(most-least)
}

// checkMemory computes what a node's pods use anew, and looks for a container that is above its limit or a
// node that is without memory, which the kernel should have seen. Of what was measured the real one sees.
func (c *Cluster) checkMemory(id model.NodeID) {
	if c.real {
		return
	}
	n, o := &c.nodes[id], &c.state.Nodes[id]
	sum, killable := n.oom.systemMemory, false
	for _, p := range n.pods {
		for i := range c.pods[p].containers {
			use, limit := c.memoryUse(p, i, c.now), c.memoryLimit(p, i)
			if k := &c.pods[p].containers[i]; use < 0 || use > 0 && !k.running {
				c.contradiction("container %d of %s uses %d bytes of memory, running: %t", i, c.state.Pods[p].Name, use, k.running)
			}
			if sum += use; limit > 0 && use > limit && !c.oomComes(p, i) {
				c.contradiction("container %d of %s uses %d bytes of memory, above its limit of %d", i, c.state.Pods[p].Name, use, limit)
			}
			killable = killable || use > 0
		}
	}
	use := c.nodeMemory(id, c.now)
	if use < sum || use > sum+int64(len(c.memorySearch.users)) {
		c.contradiction("node %s uses %d bytes of memory, its containers and its system %d", o.Name, use, sum)
	}
	if killable && use > o.Capacity.Memory && !c.nodeOOMComes(id) {
		c.contradiction("node %s uses %d bytes of memory and has %d", o.Name, use, o.Capacity.Memory)
	}
}

// oomComes says that an event of this moment looks at a container's limit.
func (c *Cluster) oomComes(id model.PodID, i int) bool {
	m := c.pods[id].containers[i].memory
	comes := false
	c.queue.Each(func(e *Event) {
		comes = comes || e.Kind == evOutOfMemory && e.At == c.now && e.Obj == int32(id) && e.Arg == int32(i) && uint16(e.Gen) == m.gen
	})
	return comes
}

func (c *Cluster) nodeOOMComes(id model.NodeID) bool {
	comes := false
	c.queue.Each(func(e *Event) {
		comes = comes || e.Kind == evNodeMemory && e.At == c.now && e.Obj == int32(id) && e.Arg == c.nodes[id].oom.gen
	})
	return comes
}
