package sim

import "podsim/model"

// memoryUse is the working set of a container in bytes, 0 when it does not run at that moment. Of
// moments before its last run nothing is known.
func (c *Cluster) memoryUse(id model.PodID, i int, at model.Time) int64 {
	line, _ := c.memoryLine(id, i, at)
	return line.Bytes
}

// memoryLine is a container's use of memory from a moment on, and when it will be something else: its
// end does not count.
func (c *Cluster) memoryLine(id model.PodID, i int, at model.Time) (line model.MemoryLine, until model.Time) {
	k := &c.pods[id].containers[i]
	if k.behavior == nil || len(k.behavior.Memory) == 0 || at < k.startedAt || at >= k.endedAt {
		return model.MemoryLine{}, model.Never
	}
	line, until = model.MemoryAt(k.behavior.Memory, at-k.startedAt)
	if until != model.Never {
		until += k.startedAt
	}
	return line, until
}

// memoryLimit is the limit of a container's cgroup in bytes, 0 for none.
func (c *Cluster) memoryLimit(id model.PodID, i int) int64 {
	return c.state.Pods[id].Template.Containers[i].Limits.Memory
}

// nodeMemory is all that is in use of a node's memory at a moment, in bytes.
func (c *Cluster) nodeMemory(id model.NodeID, at model.Time) int64 {
	line, _ := c.nodeMemoryLine(id, at)
	return line.Bytes
}

func (c *Cluster) nodeMemoryLine(id model.NodeID, at model.Time) (line model.MemoryLine, until model.Time) {
	until = model.Never
	for _, p := range c.nodes[id].pods {
		for i := range c.pods[p].containers {
			l, u := c.memoryLine(p, i, at)
			line, until = line.Plus(l), min(until, u)
		}
	}
	return line, until
}

// memoryExceeds is the first moment from from on at which nodeMemory is above limit, if nothing
// starts or ends until then; Never if it is not.
func (c *Cluster) memoryExceeds(id model.NodeID, limit int64, from model.Time) model.Time {
	for {
		line, until := c.nodeMemoryLine(id, from)
		if span := line.Exceeds(limit); span < until-from {
			return from + span
		}
		if until == model.Never {
			return model.Never
		}
		from = until
	}
}

// outOfMemory is how long after its start a container needs more memory than its limit, Never
// if it does not.
func (c *Cluster) outOfMemory(id model.PodID, i int, b *model.Behavior) model.Time {
	if len(b.Memory) == 0 {
		return model.Never
	}
	limit := c.memoryLimit(id, i)
	if limit == 0 {
		c.assumed.unlimited++
		return model.Never
	}
	for at := model.Time(0); ; {
		line, until := model.MemoryAt(b.Memory, at)
		if span := line.Exceeds(limit); span < until-at {
			return at + span
		}
		if until == model.Never {
			return model.Never
		}
		at = until
	}
}

// memoryChanged looks again at what is to be expected of a node's memory, as a container that uses
// some has begun to run or has ended.
func (c *Cluster) memoryChanged(id model.PodID, i int) {
	if len(c.behaviorOf(id, i).Memory) > 0 {
		c.pressureMayChange(c.state.Pods[id].Node)
	}
}
