package sim

import (
	"fmt"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/model/kubeletconfig"
)

// PodRef names a pod of a cluster for a runtime that is not simulated. Ids are used again; a reference to
// a pod that is gone is known as such.
type PodRef struct {
	ID model.PodID
	// gen is the slot's generation, kubeletGen that of the kubelet that asked.
	gen, kubeletGen uint16
}

// Ref names a pod as its kubelet knows it now. It is for use in Runtime.Do and Measure.
func (c *Cluster) Ref(id model.PodID) PodRef {
	return PodRef{ID: id, gen: c.pods[id].gen, kubeletGen: c.pods[id].kubeletGen}
}

// Asks says that the kubelet that asked for something about a pod still waits for it: it was not stopped meanwhile.
func (c *Cluster) Asks(r PodRef) bool {
	p := &c.pods[r.ID]
	return p.gen == r.gen && p.kubeletGen == r.kubeletGen
}

// UseRuntime lets a runtime do what the pods' machines ask for, instead of the simulated one. It comes
// before Begin. What containers use of memory and disks is what the runtime measures for each pass of the
// eviction managers (Runtime.Measure); how many processes they have is what their behaviors say. Whom the
// kernel kills is the node's own.
func (c *Cluster) UseRuntime(r Runtime) { c.runtime, c.real, c.allPasses = r, true, true }

// Advance says that it is later now, as a runtime that is not simulated keeps the time. What is due
// until then must have happened: Advance panics when Next is earlier.
func (c *Cluster) Advance(to model.Time) {
	if at, ok := c.queue.Peek(); ok && at < to {
		panic(fmt.Sprintf("sim: an event of %s is due before %s", at, to))
	}
	c.now = max(c.now, to)
}

// Inject hands the answer of a runtime that is not simulated to a pod's machine, at the present moment
// (Advance). An answer to a pod or a kubelet that is gone is dropped, except that a container that has
// ended has ended for the next kubelet, too.
func (c *Cluster) Inject(r PodRef, e kubelet.Event) {
	p := &c.pods[r.ID]
	if p.gen != r.gen || p.kubeletGen != r.kubeletGen && e.Kind != kubelet.ContainerExited {
		return
	}
	switch e.Kind {
	case kubelet.ImageStatus:
		o := &c.state.Pods[r.ID]
		image := o.Template.Containers[e.Container].ImageID
		e.OK = e.OK && !c.nodes[o.Node].pulled.MustPull(image, c.pullSecrets(r.ID, image))
		c.step(r.ID, e)
	case kubelet.ImagePulled:
		c.pullAnswered(r.ID, &e)
	case kubelet.ContainerStarted:
		if e.Text == model.NoText {
			c.beginRun(r.ID, int(e.Container))
			c.beginUse(r.ID, int(e.Container))
		}
		c.step(r.ID, e)
	case kubelet.ContainerExited:
		c.endRun(r.ID, &e)
		c.step(r.ID, e)
	case kubelet.ContainerCreated:
		if e.Text == model.NoText {
			c.useImage(r.ID, int(e.Container))
		}
		c.step(r.ID, e)
	case kubelet.ContainerRemoved, kubelet.ContainerDiscarded:
		c.step(r.ID, e)
		if p.machine != nil && !p.machine.HasContainer(e.Container) {
			c.releaseImage(r.ID, int(e.Container), c.now)
		}
	case kubelet.Resized:
		c.step(r.ID, e)
		if e.Text == model.NoText {
			c.limitsChanged(r.ID)
		}
	default:
		c.step(r.ID, e)
	}
}

// endRun notes that a container's main process has ended.
func (c *Cluster) endRun(id model.PodID, e *kubelet.Event) {
	k := &c.pods[id].containers[e.Container]
	k.running, k.endedAt = false, c.now
	if e.Reason == model.ReasonOOMKilled {
		c.record.oomKills++
	}
	c.memoryChanged(id, int(e.Container))
}

// NextRelist is when the PLEG of a node next sees all its pods.
func (c *Cluster) NextRelist(id model.NodeID) model.Time { return c.nodes[id].loops.NextRelist(c.now) }

// NextCollect is the next round of the container GC of a node, and whether it comes before the PLEG's next
// look at all pods (kubelet.Collect).
func (c *Cluster) NextCollect(id model.NodeID) (at model.Time, ok bool) {
	loops := &c.nodes[id].loops
	at = loops.NextCollect(c.now)
	return at, at < loops.NextRelist(c.now)
}

// Allocated is the template of a pod with the resources that its kubelet has given it.
func (c *Cluster) Allocated(id model.PodID) *model.PodTemplate {
	if m := c.pods[id].machine; m != nil {
		return m.Allocated()
	}
	return c.state.Pods[id].Template
}

// KubeletConfiguration is that of a pod's kubelet.
func (c *Cluster) KubeletConfiguration(id model.PodID) *kubeletconfig.Configuration {
	return c.nodes[c.state.Pods[id].Node].config
}

// CannotResize says why the memory limits of a pod cannot be lowered now, "" when they can. usage is what a
// running container uses, in bytes.
func (c *Cluster) CannotResize(r PodRef, usage func(container int) int64) string {
	if m := c.pods[r.ID].machine; c.Asks(r) && m.WasResized() {
		return m.CannotResize(usage)
	}
	return ""
}

// HasImage says whether the kubelet has a container's image on its node, as far as it knows.
func (c *Cluster) HasImage(id model.PodID, container int8) bool {
	o := &c.state.Pods[id]
	return c.nodes[o.Node].hasImage(o.Template.Containers[container].ImageID)
}

// PullSecrets are the names of the pod's pull secrets that there are, as the pod names them.
func (c *Cluster) PullSecrets(id model.PodID) []string {
	t := c.state.Pods[id].Template
	var names []string
	for _, s := range t.Spec.ImagePullSecrets {
		if c.configSource(t.Namespace, &model.ConfigRef{Secret: true, Name: s.Name}) != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// ContainerRun is what the scenario lets a container do in one of its runs.
type ContainerRun struct {
	Behavior *model.Behavior
	// For is how long the process runs, Never when it does not end by itself, Work the CPU time that it
	// needs instead where Behavior.Run.MilliCPUs is set. Exit is its exit code.
	For, Work model.Time
	Exit      int32
	// TermAfter is how long it goes on after SIGTERM; PostStart and PreStop are how long the hooks take.
	TermAfter, PostStart, PreStop model.Time
	// Memory is the memory in use over time.
	Memory []model.MemoryPoint
}

// BehaviorOf is what the scenario says of a pod's container.
func (c *Cluster) BehaviorOf(id model.PodID, i int) *model.Behavior { return c.behaviorOf(id, i) }

// RunOf is the n-th run of a pod's container, counted from 1: the same in a simulation and on a real node.
func (c *Cluster) RunOf(id model.PodID, i int, n int32) ContainerRun {
	b := c.behaviorOf(id, i)
	r := ContainerRun{Behavior: b, For: model.Never, Exit: exitOf(&b.Run, n), Memory: b.Memory}
	if b.MemoryWalk != nil {
		r.Memory = c.walkPoints(id, i, n, b.MemoryWalk, c.scenario.Duration-c.now)
	}
	switch {
	case b.Run.Forever:
	case b.Run.MilliCPUs > 0:
		r.Work = c.drawRun(id, i, n, streamRun, &b.Run.Work)
	default:
		r.For = c.drawRun(id, i, n, streamRun, &b.Run.For)
	}
	r.TermAfter = c.drawRun(id, i, n, streamTerm, &b.OnTerm.After)
	r.PostStart = c.drawRun(id, i, n, streamPostStart, &b.PostStart.Takes)
	r.PreStop = c.drawRun(id, i, n, streamHook, &b.PreStop.Takes)
	return r
}
