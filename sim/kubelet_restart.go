package sim

import (
	"cmp"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/model/kubeletconfig"
)

// How long after the start of its process a kubelet begins its work (measured), and how long after that
// it asks for the pods of its node, which it does once it knows its node
// (config/apiserver.go WaitForAPIServerSyncPeriod).
const (
	kubeletStartTime  = 270 * model.Millisecond
	podsSourceDelay   = model.Second
	podsListedDelay   = 50 * model.Millisecond
	kubeletStartEvent = "Starting kubelet."

	// allocatableEnforced is said once the cgroup of all pods has the limits of the node's allocatable
	// (cm/node_container_manager_linux.go enforceNodeAllocatableCgroups).
	allocatableEnforced = "Updated Node Allocatable limit across pods"
)

// stopKubelet ends the kubelet of a node. What the runtime runs goes on; what it was asked for and has
// not done stays undone: the requests end with the kubelet.
func (c *Cluster) stopKubelet(id model.NodeID) {
	n := &c.nodes[id]
	n.starts++
	n.starting, n.unlisted = false, false
	n.nodeStatus.asked, n.nodeStatus.listing = false, false
	n.status = kubelet.StatusManager{}
	n.admission = admission{victims: n.admission.victims[:0], held: n.admission.held[:0]}
	n.shutdown = shutdown{}
	n.resizes = resizes{pending: n.resizes.pending[:0], gen: n.resizes.gen + 1}
	c.stopEvictions(id)
	n.deletor = 0
	n.missed = n.missed[:0]
	c.abandonMounts(id)
	// What the kubelet has noted of the pulls that are done stays on its disk.
	n.puller.Reset()
	n.pulled.Reset()
	c.dropPulls(id)
	n.left = n.left[:0]
	for p := 1; p < len(c.pods); p++ {
		if x := &c.pods[p]; c.state.Pods[p].Node == id && (x.left || x.admitted > 0) {
			c.leave(model.PodID(p))
		}
	}
}

// leave takes a pod out of the hands of a kubelet that ends.
func (c *Cluster) leave(id model.PodID) {
	p := &c.pods[id]
	p.kubeletGen++
	p.relistAt, p.relistThen, p.relistAlone, p.resyncAt = model.Never, 0, false, model.Never
	p.left = p.left || p.admitted == 2
	p.admitted, p.done = 0, false
	if p.static != nil {
		c.leaveStatic(id)
	}
	if !p.left {
		return
	}
	n := &c.nodes[c.state.Pods[id].Node]
	n.left = append(n.left, podSlot{id, p.gen})
	for i := range p.containers {
		c.spare(id, i)
	}
}

// spare takes back the SIGKILL that a container would get at the end of its grace period: the request to
// stop it has ended. Its probes and hooks have ended too.
func (c *Cluster) spare(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	k.stopping = false
	k.commands, k.hook = [model.NumProbes]command{}, command{}
	if !k.running || !k.toBeKilled {
		return
	}
	k.toBeKilled = false
	k.exitCode, k.reason = k.ownExitCode, k.ownReason
	k.exitAt = model.Never
	k.exitGen++
	if k.ownExitAt != model.Never {
		c.exitIn(id, i, k.ownExitAt-c.now)
	}
	if k.cpu != nil {
		k.cpu.ends = k.exitAt
	}
	c.memoryLimitChanged(id, i)
}

// startKubelet starts the process of a node's kubelet.
func (c *Cluster) startKubelet(id model.NodeID) {
	n := &c.nodes[id]
	n.starting = true
	n.loops = kubelet.Loops{Origin: c.now + kubeletStartTime}
	c.startImageManager(id)
	n.limit = newLimit(c.kubeletLimit(n.config))
	n.pullLimit = pullLimitOf(n.config)
	n.puller.Parallel = n.config.ParallelPulls()
	n.settings = kubelet.NewSettings(n.config)
	n.log.forget(model.FromKubelet)
	for _, x := range n.left {
		if c.pods[x.id].gen == x.gen {
			c.pods[x.id].log.forget(model.FromKubelet)
		}
	}
	c.after(kubeletStartTime, evKubeletStarted, int32(id), n.starts)
}

// kubeletStarted is the beginning of a kubelet's loops (kubelet.go Run, BirthCry).
func (c *Cluster) kubeletStarted(id model.NodeID, starts int32) {
	n := &c.nodes[id]
	if starts != n.starts {
		return
	}
	c.write(&n.log, model.Event{Kind: model.KindNode, ID: int32(id), Container: -1, Source: model.FromKubelet, Reason: model.EventStarting,
		Message: model.TextMessage(c.state.Texts.Intern(kubeletStartEvent))})
	if *n.config.CgroupsPerQOS {
		c.write(&n.log, model.Event{Kind: model.KindNode, ID: int32(id), Container: -1, Source: model.FromKubelet, Reason: model.EventNodeAllocatableEnforced,
			Message: model.TextMessage(c.state.Texts.Intern(allocatableEnforced))})
	}
	c.startNodeStatus(id)
	c.resumeEvictions(id)
	c.readManifests(id)
	delay := podsSourceDelay + podsListedDelay
	c.after(delay, evPodsListed, int32(id), starts)
}

// podsListed hands the pods of its node to a kubelet that has begun anew, in the order of their creation
// (kubelet.go HandlePodAdditions). Those that run and are no more in the API server it finds with its
// next round of housekeeping.
func (c *Cluster) podsListed(id model.NodeID, starts int32) {
	n := &c.nodes[id]
	if starts != n.starts {
		return
	}
	if n.unlisted = n.cutOff(); n.unlisted {
		return
	}
	n.starting = false
	var pods []model.PodID
	for p := 1; p < len(c.pods); p++ {
		x := &c.pods[p]
		if x.exists && x.static != nil && c.state.Pods[p].Node == id {
			c.mirrorSeen(model.PodID(p), model.Added)
		} else if x.exists && c.state.Pods[p].Node == id {
			pods = append(pods, model.PodID(p))
		}
	}
	slices.SortFunc(pods, func(a, b model.PodID) int { return cmp.Compare(c.state.Pods[a].Serial, c.state.Pods[b].Serial) })
	for _, p := range pods {
		c.pods[p].admitted = 1
		c.admit(p)
	}
	c.resumeResizes(id)
	for _, x := range n.left {
		if p := &c.pods[x.id]; p.gen == x.gen && p.left && !c.inConfig(x.id) {
			c.at(n.loops.NextHousekeeping(c.now), evDeadline, x.id, 0, housekept)
		}
	}
	n.left = n.left[:0]
	c.resumeVolumes(id)
	c.planPass(id)
}

// adopt gives the machine of a pod to a kubelet that begins anew.
func (c *Cluster) adopt(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	loops := &c.nodes[o.Node].loops
	p.left = false
	c.nodes[o.Node].forget(id)
	p.machine.KubeletStart = loops.Origin
	p.machine.Adopt(&o.Status, loops.LastRelist(c.now))
	for i := range p.containers {
		p.containers[i].measured.at = c.now
	}
}

// adoptOrphan lets a kubelet stop what it finds of a pod that is no more in the API server.
func (c *Cluster) adoptOrphan(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	n := &c.nodes[o.Node]
	p.left, p.admitted, p.admittedAt = false, 2, c.now
	p.machine.KubeletStart = n.loops.Origin
	n.forget(id)
	n.pods = append(n.pods, id)
	if !p.machine.AdoptOrphan(&o.Status, n.loops.LastRelist(c.now)) {
		c.workerDone(id)
		if p.static != nil {
			c.cleanStatic(id)
		}
		return
	}
	c.step(id, kubelet.Event{Kind: kubelet.Removed})
	if p.static != nil {
		c.cleanStatic(id)
	}
}

// endedUnseen is an event of the runtime for a pod that no kubelet looks after.
func (c *Cluster) endedUnseen(id model.PodID, e kubelet.Event) {
	if e.Kind == kubelet.ContainerExited {
		e.Now = c.now
		c.pods[id].machine.EndedUnseen(e)
	}
}

// loseContainers ends what ran on a node that loses its power.
func (c *Cluster) loseContainers(id model.NodeID) {
	for _, x := range c.nodes[id].left {
		containers := c.pods[x.id].containers
		for i := range containers {
			k := &containers[i]
			k.exitGen++
			if k.running {
				k.running, k.endedAt = false, c.now
			}
		}
	}
	c.nodes[id].cpuBound = c.nodes[id].cpuBound[:0]
	c.nodes[id].share.clear()
	c.loseMounts(id)
	c.watchNodeMemory(id)
}

// boot starts a node that had no power: its runtime finds the sandboxes and containers dead.
func (c *Cluster) boot(id model.NodeID) {
	n := &c.nodes[id]
	n.booted = true
	dead := c.state.Texts.Intern("Unknown")
	for _, x := range n.left {
		if p := &c.pods[x.id]; p.gen == x.gen && p.left {
			p.machine.Rebooted(dead, c.now)
		}
	}
}

// bootID is the node's boot id, another one after each boot.
func (c *Cluster) bootID(id model.NodeID) string {
	n := &c.nodes[id]
	a := Draw(c.seed, streamBoot, n.luck, uint64(n.starts)<<1)
	b := Draw(c.seed, streamBoot, n.luck, uint64(n.starts)<<1|1)
	// A random UUID, version 4.
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// configure gives the kubelet that begins next on a node another configuration. How many pods the node
// takes and what is allocatable follow it, unless the scenario says so itself.
func (c *Cluster) configure(id model.NodeID, config *kubeletconfig.Configuration) {
	n := &c.nodes[id]
	if !n.stopped() {
		return
	}
	n.object = n.object.DeepCopy()
	status := &n.object.Status
	reserves := equality.Semantic.DeepEqual(status.Allocatable, n.config.Allocatable(status.Capacity))
	cpu := status.Capacity.Cpu().MilliValue()
	if status.Capacity.Pods().Value() == n.config.Pods(cpu) {
		status.Capacity[v1.ResourcePods] = *resource.NewQuantity(config.Pods(cpu), resource.DecimalSI)
		status.Allocatable[v1.ResourcePods] = status.Capacity[v1.ResourcePods]
	}
	if reserves {
		status.Allocatable = config.Allocatable(status.Capacity)
	}
	n.config = config
}
