package sim

import (
	"slices"

	"podsim/model"
	"podsim/model/kubelet"
)

// cpuRun is the run of a container that lasts until it has had so much CPU time.
type cpuRun struct {
	// left is the CPU time that it needs still, as of since; most is how many cores it can use at a
	// time, in billionths.
	left  model.Time
	since model.Time
	most  int64
	// quota is the CPU time that it has in each period, 0 for no limit. The periods count from anchor.
	quota, period, anchor model.Time
	// rate is what it has of the cores in the long run when they are not enough for all, in billionths; 0
	// when they are.
	rate int64
	// ends is the end of the run that was asked for, below 0 when it ends otherwise.
	ends model.Time
}

// cpuContainer is a container that runs for its CPU time.
type cpuContainer struct {
	id        model.PodID
	container int8
}

// beginWork begins a run of so much CPU time.
func (c *Cluster) beginWork(id model.PodID, i int, work model.Time) {
	k, b := &c.pods[id].containers[i], c.behaviorOf(id, i)
	n := &c.nodes[c.state.Pods[id].Node]
	if k.cpu == nil {
		k.cpu = new(cpuRun)
	}
	*k.cpu = cpuRun{left: work, since: c.now, ends: model.Never, most: b.Run.MilliCPUs * (kubelet.Core / 1000)}
	n.cpuBound = append(n.cpuBound, cpuContainer{id, int8(i)})
	c.limitCPU(id, i)
	c.shareCPU(c.state.Pods[id].Node)
}

// limitCPU takes the limit in force: its periods begin now.
//
// Differs from Kubernetes: the limit of a pod as a whole counts for each of its containers that has none
// by itself.
func (c *Cluster) limitCPU(id model.PodID, i int) {
	r, config := c.pods[id].containers[i].cpu, c.nodes[c.state.Pods[id].Node].config
	r.period, r.anchor, r.quota = model.Time(config.CPUCFSQuotaPeriod.Duration), c.now, 0
	if *config.CPUCFSQuota {
		r.quota = kubelet.CPUQuota(c.pods[id].machine.Actuated(i).ContainerResources(i).LimitCPU, r.period)
	}
}

// cpuLimitChanged goes on with the rest of a container's work at the limit that it has now.
func (c *Cluster) cpuLimitChanged(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	if k.cpu == nil || !k.running {
		return
	}
	c.settleCPU(c.state.Pods[id].Node)
	c.limitCPU(id, i)
	c.shareCPU(c.state.Pods[id].Node)
}

// keepEnd leaves the end of a container that is told to stop as it is foreseen now.
func (c *Cluster) keepEnd(id model.PodID, i int) {
	if r := c.pods[id].containers[i].cpu; r != nil {
		r.ends = -1
	}
}

// endWork lets the others on the node have what a container used.
func (c *Cluster) endWork(id model.PodID, i int) {
	if c.pods[id].containers[i].cpu == nil {
		return
	}
	n := &c.nodes[c.state.Pods[id].Node]
	at := slices.Index(n.cpuBound, cpuContainer{id, int8(i)})
	if at < 0 {
		return
	}
	c.settleCPU(c.state.Pods[id].Node)
	n.cpuBound = slices.Delete(n.cpuBound, at, at+1)
	c.shareCPU(c.state.Pods[id].Node)
}

// settleCPU takes what the containers of a node have done off their work.
func (c *Cluster) settleCPU(node model.NodeID) {
	for _, x := range c.nodes[node].cpuBound {
		r := c.pods[x.id].containers[x.container].cpu
		r.left = max(0, r.left-r.done(r.since, c.now))
		r.since = c.now
	}
}

// shareCPU divides the cores of a node among the containers that run for their CPU time, and asks for the ends
// that have changed.
//
// Differs from Kubernetes: a container's weight is its own request's, whatever the QoS class and the
// other containers of its pod; what other containers use of the cores is not counted.
func (c *Cluster) shareCPU(node model.NodeID) {
	n := &c.nodes[node]
	c.cpuDemands = c.cpuDemands[:0]
	for _, x := range n.cpuBound {
		r := c.pods[x.id].containers[x.container].cpu
		request := c.pods[x.id].machine.Actuated(int(x.container)).ContainerResources(int(x.container)).RequestCPU
		c.cpuDemands = append(c.cpuDemands, kubelet.CPUDemand{Weight: kubelet.CPUShares(request), Most: r.longRun()})
	}
	var enough bool
	enough, c.cpuOrder = kubelet.ShareCPU(c.state.Nodes[node].Capacity.MilliCPU*(kubelet.Core/1000), c.cpuDemands, c.cpuOrder)
	for j, x := range n.cpuBound {
		k := &c.pods[x.id].containers[x.container]
		r := k.cpu
		if r.since != c.now {
			r.left, r.since = max(0, r.left-r.done(r.since, c.now)), c.now
		}
		r.rate = 0
		if !enough && c.cpuDemands[j].Rate < c.cpuDemands[j].Most {
			r.rate = max(1, c.cpuDemands[j].Rate)
		}
		// One that was told to end ends then.
		if ends := r.end(); ends != r.ends && k.exitAt == r.ends {
			r.ends = ends
			c.exitIn(x.id, int(x.container), ends-c.now)
			c.memoryLimitChanged(x.id, int(x.container))
		}
	}
}

// longRun is the most that the container can use of the cores over many periods, in billionths.
func (r *cpuRun) longRun() int64 {
	if r.quota == 0 {
		return r.most
	}
	return min(r.most, kubelet.MulDiv(int64(r.quota), kubelet.Core, int64(r.period)))
}

// done is the CPU time that the container has from one moment to another. Where the cores are enough it
// runs in each period until its quota is used up.
func (r *cpuRun) done(from, to model.Time) model.Time {
	switch {
	case r.rate > 0:
		return model.Time(kubelet.MulDiv(int64(to-from), r.rate, kubelet.Core))
	case r.quota == 0:
		return model.Time(kubelet.MulDiv(int64(to-from), r.most, kubelet.Core))
	}
	return r.sinceAnchor(to) - r.sinceAnchor(from)
}

// sinceAnchor is the CPU time from the anchor on until t, under a quota alone.
func (r *cpuRun) sinceAnchor(t model.Time) model.Time {
	elapsed := t - r.anchor
	periods, rest := elapsed/r.period, elapsed%r.period
	full := min(r.quota, model.Time(kubelet.MulDiv(int64(r.period), r.most, kubelet.Core)))
	return periods*full + min(r.quota, model.Time(kubelet.MulDiv(int64(rest), r.most, kubelet.Core)))
}

// end is when the container has had its CPU time, if nothing changes.
func (r *cpuRun) end() model.Time {
	switch {
	case r.rate > 0:
		return r.since + timeFor(r.left, r.rate)
	case r.quota == 0:
		return r.since + timeFor(r.left, r.most)
	}
	full := min(r.quota, model.Time(kubelet.MulDiv(int64(r.period), r.most, kubelet.Core)))
	total := r.sinceAnchor(r.since) + r.left
	if r.left == 0 || total == 0 {
		return r.since
	}
	// The last period is one in which something is left to do.
	periods := (total - 1) / full
	return r.anchor + periods*r.period + timeFor(total-periods*full, r.most)
}

// timeFor is how long so much CPU time takes at a rate in billionths of a core, rounded up.
func timeFor(work model.Time, rate int64) model.Time {
	t := model.Time(kubelet.MulDiv(int64(work), kubelet.Core, rate))
	if model.Time(kubelet.MulDiv(int64(t), rate, kubelet.Core)) < work {
		t++
	}
	return t
}

// checkCPU looks for a node whose containers have more than its cores, and for a run that has no end.
func (c *Cluster) checkCPU(node model.NodeID) {
	sum := int64(0)
	for _, x := range c.nodes[node].cpuBound {
		k := &c.pods[x.id].containers[x.container]
		r := k.cpu
		if !k.running || k.exitAt == model.Never || r.left < 0 {
			c.contradiction("container %d of pod %s works: running %t until %s, %s left", x.container, c.state.Pods[x.id].Name, k.running, k.exitAt, r.left)
		}
		if r.rate > 0 {
			sum += r.rate
		} else {
			sum += r.longRun()
		}
	}
	if cores := c.state.Nodes[node].Capacity.MilliCPU * (kubelet.Core / 1000); sum > cores+int64(len(c.nodes[node].cpuBound)) {
		c.contradiction("node %s: containers have %d billionths of a core, of %d", c.state.Nodes[node].Name, sum, cores)
	}
}
