package sim

import (
	"fmt"

	"podsim/model"
	"podsim/model/kubelet"
)

// Check recomputes what the cluster keeps derived and looks for states that cannot be. It
// panics with the first contradiction. It costs a walk over all objects: tests call it after
// every event, runs never.
func (c *Cluster) Check() {
	c.scheduler.Check()
	c.checkVolumes()
	coming := c.coming()
	for id := 1; id < len(c.pods); id++ {
		c.checkPod(model.PodID(id))
		c.checkKubelet(model.PodID(id), coming[id])
	}
	for id := 1; id < len(c.nodes); id++ {
		c.checkMemory(model.NodeID(id))
		c.checkEvictions(model.NodeID(id))
		c.checkNode(model.NodeID(id), coming)
		c.checkCPU(model.NodeID(id))
		c.checkShutdown(model.NodeID(id))
		c.checkResizes(model.NodeID(id))
		c.checkLayers(model.NodeID(id))
	}
	c.checkPulls()
	for id := 1; id < len(c.replicaSets); id++ {
		c.checkReplicaSet(model.ReplicaSetID(id))
	}
}

// Sound is Check in the form that Run takes: it is true, or it does not return.
func (c *Cluster) Sound() bool {
	c.Check()
	return true
}

func (c *Cluster) contradiction(format string, args ...any) {
	panic(fmt.Sprintf("sim: seed %d, at %s: %s", c.scenario.Seed, c.now, fmt.Sprintf(format, args...)))
}

func (c *Cluster) checkPod(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists {
		return
	}
	s := &o.Status
	if s.Phase.Terminal() && s.Ready() {
		c.contradiction("pod %s has ended and is Ready", o.Name)
	}
	if s.Ready() && s.Conditions[model.ContainersReady].Status != model.ConditionTrue {
		c.contradiction("pod %s is Ready, but not its containers", o.Name)
	}
	if o.Node == 0 && s.Containers != nil {
		c.contradiction("pod %s has container statuses and no node", o.Name)
	}
	for i := range s.Containers {
		c.checkContainer(o, i)
	}
	if c.forgotten(id) {
		c.contradiction("pod %s waits for a node and nobody knows", o.Name)
	}
}

// coming says of a pod which of its events are to come, without those that nobody waits for.
type coming struct {
	// notice: a watcher has not heard of the pod's last change; admission: the kubelet does not
	// work on it yet; kubelet: the kubelet's own events but the ends of its containers, and
	// those where the worker waits for them; relist: the PLEG's look; volume: the volume manager's.
	// These two go on when the worker has ended.
	// answer: what the sync under way waits for. status: the status manager's look at all statuses.
	notice, admission, kubelet, relist, volume, answer, status bool
}

// coming looks through the events that wait, by pod.
func (c *Cluster) coming() []coming {
	all := make([]coming, len(c.pods))
	c.queue.Each(func(e *Event) {
		switch {
		case e.Kind == evNotify:
			if id := e.Obj; model.ObjectKind(e.Arg>>8) == model.KindPod && c.pods[id].gen == uint16(e.Gen) {
				all[id].notice = true
			}
		case e.Kind == evExit && c.pods[e.Obj].gen == uint16(e.Gen>>16):
			c.comingTo(&all[e.Obj], e)
		case e.Kind <= lastKubeletEvent && c.pods[e.Obj].kubeletGen == uint16(e.Gen>>16):
			c.comingTo(&all[e.Obj], e)
		}
	})
	for i := range c.nodes {
		c.comingOperations(all, &c.nodes[i].share)
		c.comingHeld(all, &c.nodes[i].admission)
		for _, p := range c.nodes[i].pulls {
			if r := &p.request; p.active && c.pods[r.Pod].kubeletGen == r.Gen {
				all[r.Pod].kubelet = true
			}
		}
	}
	return all
}

// comingOperations counts what the runtime of a node is at.
func (c *Cluster) comingOperations(all []coming, s *runtimeShare) {
	for _, i := range s.heap {
		if e := &s.operations[i].end; c.pods[e.Obj].kubeletGen == uint16(e.Gen>>16) {
			c.comingTo(&all[e.Obj], e)
		}
	}
}

// comingHeld counts what waits for the sync loop.
func (c *Cluster) comingHeld(all []coming, a *admission) {
	if a.pod.id != 0 {
		all[a.pod.id].admission = true
	}
	for i := range a.held {
		h := &a.held[i]
		if p := &c.pods[h.id]; p.gen == h.gen {
			all[h.id].admission = all[h.id].admission || h.admit
			all[h.id].kubelet = all[h.id].kubelet || !p.done
		}
	}
}

// comingTo counts an event of a pod's kubelet unless it is stale.
func (c *Cluster) comingTo(x *coming, e *Event) {
	p, op := &c.pods[e.Obj], uint16(e.Gen)
	x.status = x.status || e.Kind == evStatusSync
	switch e.Kind {
	case evAdmit:
		x.admission = true
	case evSync, evMirror:
		x.answer = x.answer || e.Kind == evSync || e.Arg != deleteMirror
	case evVolume:
		x.volume = true
	case evRelist:
		x.relist = x.relist || p.relistGen == op
	case evExit:
		k := &p.containers[int8(e.Arg)]
		x.kubelet = x.kubelet || k.exitGen == op && k.running && (k.stopping || p.machine.Busy())
	case evKill:
		k := &p.containers[int8(e.Arg)]
		x.kubelet = x.kubelet || k.stopGen == op && (k.running || k.stopping)
	case evRuntime:
		x.answer = x.answer || answersSync(kubelet.EventKind(e.Arg>>8))
		x.kubelet = x.kubelet || !p.done
	case evInspected:
		x.kubelet = x.kubelet || !p.done
	case evWake:
		x.kubelet = x.kubelet || !p.done && p.wakeGen == op
	case evTimer:
		x.kubelet = x.kubelet || p.machine.Takes(&kubelet.Event{Kind: kubelet.TimerFired, Container: int8(e.Arg), Gen: op})
	case evProbeDue:
		x.kubelet = x.kubelet || p.machine.Takes(&kubelet.Event{Kind: kubelet.ProbeDue, Container: int8(e.Arg),
			Probe: model.ProbeType(e.Arg >> 8), Gen: op})
	case evProbed:
		x.kubelet = x.kubelet || p.machine.Takes(&kubelet.Event{Kind: kubelet.Probed, Container: int8(e.Arg),
			Probe: model.ProbeType(e.Arg >> 8 & 255)})
	}
}

// answersSync says that a sync waits for the answer, and for nothing else until it is there: not
// for hooks, which may take longer than they are waited for, nor for the deletor of containers and
// the volume manager.
func answersSync(k kubelet.EventKind) bool {
	switch k {
	case kubelet.Resized, kubelet.SandboxStarted, kubelet.SandboxStopped, kubelet.ContainerCreated, kubelet.ContainerStarted,
		kubelet.ContainerRemoved:
		return true
	}
	return false
}

// checkKubelet looks at what the kubelet has of a pod: whoever waits has an event to come.
func (c *Cluster) checkKubelet(id model.PodID, coming coming) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if o.Node == 0 || c.nodes[o.Node].cutOff() || c.nodes[o.Node].starting {
		return
	}
	if p.admitted < 2 {
		if p.static == nil && p.exists && !coming.notice && !coming.admission {
			c.contradiction("pod %s is bound and its kubelet will not hear of it", o.Name)
		}
		return
	}
	if wrong := p.machine.Check(); wrong != "" {
		c.contradiction("kubelet of pod %s: %s", o.Name, wrong)
	}
	// The slot of a static pod that has ended stays while its mirror is there.
	waits := p.machine.Waits() && (p.static == nil || !p.done)
	switch {
	case waits && !coming.kubelet && !coming.answer && !coming.relist && !coming.volume && !c.nodes[o.Node].puller.Waits(id, p.kubeletGen):
		c.contradiction("pod %s waits and nothing is to come", o.Name)
	case p.done && (coming.kubelet || coming.answer):
		c.contradiction("the kubelet is through with pod %s and something is to come", o.Name)
	case (p.relistAt != model.Never) != coming.relist:
		c.contradiction("pod %s is to be looked at by the PLEG at %s, an event for it: %t", o.Name, p.relistAt, coming.relist)
	}
	if !waits && p.exists && !coming.notice && !coming.status && c.nodes[o.Node].status.Idle() {
		c.checkPublished(id)
	}
}

// checkPublished looks for a status that its kubelet's status manager has forgotten, and for a
// deleted pod whose end it has not told.
func (c *Cluster) checkPublished(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if p.static != nil && (p.static.unsent || !c.sendable(id)) {
		return
	}
	if !p.machine.Published(&o.Status, c.now) {
		c.contradiction("the status manager has forgotten pod %s", o.Name)
	}
	if p.done && o.Deleting && p.static == nil {
		c.contradiction("the kubelet is through with pod %s and does not delete it", o.Name)
	}
}

// checkNode counts what the pods of a node request. The scheduler knows the same once it has
// heard of all changes: a pod that has ended holds nothing.
func (c *Cluster) checkNode(id model.NodeID, coming []coming) {
	var want model.Resources
	for i := 1; i < len(c.pods); i++ {
		o, p := &c.state.Pods[i], &c.pods[i]
		if coming[i].notice || p.view == assumedPod {
			return
		}
		if p.exists && o.Node == id && !o.Status.Phase.Terminal() {
			want.Add(&c.state.HeldBy(o).Requests)
		}
	}
	got := c.scheduler.Node(id)
	if got.Requested.MilliCPU != want.MilliCPU || got.Requested.Memory != want.Memory || int64(len(got.Pods)) != want.Pods {
		c.contradiction("node %s: %d pods request %dm and %d bytes, for the scheduler %d pods %dm and %d bytes", c.state.Nodes[id].Name,
			want.Pods, want.MilliCPU, want.Memory, len(got.Pods), got.Requested.MilliCPU, got.Requested.Memory)
	}
}

// forgotten says that a pod has waited for the scheduler for a second, and the scheduler does
// not know it.
func (c *Cluster) forgotten(id model.PodID) bool {
	o := &c.state.Pods[id]
	mine := o.Template.Spec.NodeName == "" && c.scheduler.Handles(o.Template.Spec.SchedulerName)
	waits := o.Node == 0 && !o.Deleting && !o.Status.Phase.Terminal() && o.Created+model.Second < c.now
	return mine && waits && c.pods[id].view == notScheduled
}

func (c *Cluster) checkContainer(o *model.Pod, i int) {
	k := &o.Status.Containers[i]
	// An init container that starts over with all others stays ready.
	again := o.Template.CanRestartAll && o.Template.Containers[i].Kind == model.InitContainer
	switch {
	case k.Ready && k.State.Kind == model.StateWaiting && !again:
		c.contradiction("container %s of %s waits and is ready", o.Template.Containers[i].Name, o.Name)
	// A startup probe may answer when the status says that the container has ended (status_manager.go
	// SetContainerStartup).
	case k.Started && k.State.Kind == model.StateWaiting:
		c.contradiction("container %s of %s is started and does not run", o.Template.Containers[i].Name, o.Name)
	case k.State.Kind == model.StateTerminated && k.State.FinishedAt < k.State.StartedAt:
		c.contradiction("container %s of %s ended before it began", o.Template.Containers[i].Name, o.Name)
	}
}

// checkReplicaSet counts the ReplicaSet's pods again.
func (c *Cluster) checkReplicaSet(id model.ReplicaSetID) {
	var n counts
	for p := 1; p < len(c.pods); p++ {
		if c.state.Pods[p].Owner == id {
			n.move(&podCounts{}, &c.pods[p].counts)
		}
	}
	if n != c.replicaSets[id].counts {
		c.contradiction("replica set %s counts %+v, its pods say %+v", c.state.ReplicaSets[id].Name, c.replicaSets[id].counts, n)
	}
	for _, p := range c.state.ReplicaSets[id].Pods {
		if !c.pods[p].exists {
			c.contradiction("replica set %s lists pod %d, which is gone", c.state.ReplicaSets[id].Name, p)
		}
	}
}
