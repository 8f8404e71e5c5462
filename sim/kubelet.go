package sim

import (
	"slices"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/model/kubeletconfig"
)

// node is what the cluster keeps of a node beside the API server's object.
type node struct {
	spec *model.NodeSpec
	// config is the kubelet's configuration.
	config *kubeletconfig.Configuration
	// settings are what it says of pod workers.
	settings kubelet.Settings
	loops    kubelet.Loops
	puller   kubelet.Puller
	// deletor is when the deletor of containers is through with what it has.
	deletor model.Time
	// share is how the runtime's operations share its processors.
	share runtimeShare
	// pulled is the record of pulls, pullLimit their rate limit.
	pulled    kubelet.PullRecords
	pullLimit limit
	status    kubelet.StatusManager
	// publishing is the pod whose status is on its way, with its slot's generation.
	publishing    model.PodID
	publishingGen uint16
	limit         limit
	luck          uint64
	writes        uint64
	pulls         []pull
	// layers are what its images consist of, imageManager is what the kubelet knows of them.
	layers       nodeLayers
	imageManager imageManager
	// failed says how the node failed, when down is set.
	down   bool
	failed model.Failure
	// pressure says which of NodeMemoryPressure, NodeDiskPressure and NodePIDPressure the kubelet sees.
	pressure [model.NodeReady]bool
	// object has the node's capacity and what of it is allocatable, as the kubelet sees them.
	object *v1.Node
	// images are those that the runtime has, nodeStatus is the loop that reports them and more.
	images     []model.NodeImage
	nodeStatus nodeStatus
	evictions  evictions
	admission  admission
	oom        nodeOOM
	// manifests are those of static pods, statics the static pods, with those that end; manifestChanges
	// counts the changes.
	manifests       []manifest
	statics         []model.PodID
	manifestChanges uint64
	// cpuBound are the containers that run for their CPU time.
	cpuBound []cpuContainer
	// failures counts the node's failures.
	failures int
	// log is the record of the node's own Events.
	log eventLog
	// lost says that the node lifecycle controller has given the node up.
	lost bool
	// pods are those that have a worker, or containers that an earlier kubelet has left.
	pods     []model.PodID
	shutdown shutdown
	// unready says that the node lifecycle controller has seen the node report that it is not ready.
	unready bool
	// resizes are those that wait.
	resizes resizes
	// missed are pods with changes that the kubelet could not see or publish.
	missed []model.PodID
	// starts counts the kubelet's ends: events of an earlier one are stale. starting says that it has
	// begun and does not know its pods yet, left are the pods that the one before it had. booted says
	// that it has not reported yet that its node was booted.
	starts   int32
	starting bool
	left     []podSlot
	booted   bool
	// unlisted says that the kubelet could not ask for its pods when it wanted to.
	unlisted bool
	// volumes are the numbers of the persistent volumes of which something is known at the node.
	volumes []int32
}

// declaredFeatures are what a kubelet declares with the default feature gates
// (k8s.io/component-helpers/nodedeclaredfeatures DiscoverNodeFeatures).
var declaredFeatures = []string{"ExtendWebSocketsToKubelet", "InPlacePodLevelResourcesVerticalScaling",
	"InPlacePodVerticalScalingInitContainers", "RestartAllContainersOnContainerExits"}

// nodeReady is set by the kubelet that runs: version and conditions of a fresh node.
func (c *Cluster) addNode(spec *model.NodeSpec) {
	id := model.NodeID(len(c.state.Nodes))
	n := model.Node{ID: id, Name: spec.Name, Object: spec.Object, Unschedulable: spec.Object.Spec.Unschedulable,
		Taints:      spec.Object.Spec.Taints,
		Capacity:    model.ResourcesOf(spec.Object.Status.Capacity),
		Allocatable: model.ResourcesOf(spec.Object.Status.Allocatable),
		Labels:      map[string]string{"kubernetes.io/hostname": spec.Name},
		// A template may say that its nodes declare others.
		DeclaredFeatures: spec.Object.Status.DeclaredFeatures}
	for k, v := range spec.Object.Labels {
		n.Labels[k] = v
	}
	n.Labels["kubernetes.io/hostname"] = spec.Name
	for _, name := range spec.Images {
		if image, err := model.WithDefaultTag(name); err == nil {
			n.Images = append(n.Images, model.NodeImage{Image: c.state.Image(image)})
		}
	}
	if n.DeclaredFeatures == nil {
		n.DeclaredFeatures = declaredFeatures
	}
	luck := luckOf("node", spec.Name)
	config := c.kubeletConfig(spec)
	x := node{spec: spec, luck: luck, config: config, settings: kubelet.NewSettings(config), limit: newLimit(c.kubeletLimit(config)), puller: kubelet.Puller{Parallel: config.ParallelPulls()}}
	x.pullLimit = pullLimitOf(config)
	x.loops.Origin = -c.delayOf(luck, streamKubelet, 0, &c.scenario.ControlPlane.KubeletAge)
	x.object = n.Object
	x.oom.systemMemory = spec.SystemMemory
	x.nodeStatus.first = x.loops.Origin + registerDelay + 2*c.scenario.ControlPlane.KubeletNodeStatus
	c.state.Nodes = append(c.state.Nodes, n)
	c.nodes = append(c.nodes, x)
	c.nodes[id].evictions = c.newEvictions(id, -c.delayOf(luck, streamKubelet, 1, &c.scenario.ControlPlane.KubeletAge))
	for _, image := range n.Images {
		c.addImage(id, image.Image)
	}
	c.startImageManager(id)
	c.nodes[id].nodeStatus.listed = c.imageList(id, nil)
	report := &c.nodes[id].nodeStatus.report
	c.makeNodeReport(id, report)
	report.store(&c.state.Nodes[id], 0)
	c.transfers.setNode(id, spec.Bandwidth)
	c.setConcurrency(id)
	c.scheduler.AddNode(&c.state.Nodes[id], c.now)
	c.changed(model.KindNode, int32(id), model.Added)
	c.pressureMayChange(id)
}

// kubeletConfig is the configuration of a node's kubelet. All nodes without one share the default.
func (c *Cluster) kubeletConfig(spec *model.NodeSpec) *kubeletconfig.Configuration {
	if spec.Kubelet != nil {
		return spec.Kubelet
	}
	if c.defaultKubelet == nil {
		c.defaultKubelet = kubeletconfig.Default()
	}
	return c.defaultKubelet
}

// kubeletLimit is the limit of a kubelet's requests.
func (c *Cluster) kubeletLimit(config *kubeletconfig.Configuration) model.ClientLimit {
	if l := c.scenario.ControlPlane.Kubelet; l.QPS != 0 {
		return l
	}
	if *config.KubeAPIQPS == 0 {
		return model.ClientLimit{QPS: -1}
	}
	return model.ClientLimit{QPS: float64(*config.KubeAPIQPS), Burst: config.KubeAPIBurst}
}

// pullLimitOf is the limit of a kubelet's pulls.
func pullLimitOf(config *kubeletconfig.Configuration) limit {
	if qps := *config.RegistryPullQPS; qps > 0 {
		return newLimit(model.ClientLimit{QPS: float64(qps), Burst: config.RegistryBurst})
	}
	return limit{}
}

// nodeNamed is the id of a node, 0 when there is none of that name.
func (c *Cluster) nodeNamed(name string) model.NodeID {
	for i := 1; i < len(c.state.Nodes); i++ {
		if c.state.Nodes[i].Name == name {
			return model.NodeID(i)
		}
	}
	return 0
}

// cutOff says that the kubelet of a node cannot talk to the API server.
func (n *node) cutOff() bool { return n.down }

// stopped says that the kubelet of a node does nothing.
func (n *node) stopped() bool { return n.down && n.failed != model.FailNetwork }

// kubeletSees is a pod's change as its kubelet sees it (kubelet/config).
func (c *Cluster) kubeletSees(id model.PodID, change model.ChangeType) {
	o, p := &c.state.Pods[id], &c.pods[id]
	n := &c.nodes[o.Node]
	switch {
	case n.stopped() || n.starting:
		return // it will list its pods
	case n.cutOff():
		n.missed = append(n.missed, id)
	case p.static != nil:
		c.mirrorSeen(id, change)
	case change == model.Deleted:
		if c.kubeletHas(id) && !p.done {
			c.step(id, kubelet.Event{Kind: kubelet.Removed})
		}
	case !c.kubeletHas(id):
		if p.admitted == 0 {
			p.admitted = 1
			c.at(c.now+c.delay(id, streamAdmit, &c.scenario.ControlPlane.KubeletAdmit), evAdmit, id, 0, 0)
		}
	case o.Deleting != p.sawDeleting || o.GraceSeconds != p.sawGrace || o.Template != p.template:
		p.sawDeleting, p.sawGrace = o.Deleting, o.GraceSeconds
		if o.Template != p.template {
			c.resizeSeen(id)
		}
		c.step(id, c.configured(id))
	default:
		retry := c.freesForResizes(id)
		c.step(id, kubelet.Event{Kind: kubelet.Reconciled, Phase: o.Status.Phase, Gates: o.Status.GateStatuses(), OK: o.Status.ReconcilesReady(o.Template)})
		if retry {
			c.retryResizes(o.Node)
		}
	}
}

func (c *Cluster) configured(id model.PodID) kubelet.Event {
	o := &c.state.Pods[id]
	if c.pods[id].static != nil {
		return kubelet.Event{Kind: kubelet.Configured}
	}
	return kubelet.Event{Kind: kubelet.Configured, Deleting: o.Deleting, GraceSeconds: o.GraceSeconds, Phase: o.Status.Phase,
		Gates: o.Status.GateStatuses(), N: o.Generation}
}

// kubeletHas says whether the pod's kubelet works on the pod.
func (c *Cluster) kubeletHas(id model.PodID) bool { return c.pods[id].admitted == 2 }

// admit hands a new pod to a worker (HandlePodAdditions).
func (c *Cluster) admit(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	n := &c.nodes[o.Node]
	switch {
	case p.static != nil && n.stopped():
		p.admitted = 0
		return
	case p.static != nil:
	case !p.exists:
		p.admitted = 0
		return
	case n.cutOff():
		p.admitted = 0
		n.missed = append(n.missed, id)
		return
	}
	if n.admission.pod.id != 0 {
		n.admission.held = append(n.admission.held, heldEvent{podSlot: c.slot(id), admit: true})
		return
	}
	left := p.left
	c.newMachine(id)
	switch c.canAdmit(id) {
	case admitted:
		c.startWorker(id)
	case rejected:
		if left && !p.machine.Terminated() {
			n.pods = append(n.pods, id)
		}
	case preempting:
		if p.admitted, p.left = 1, left; left {
			n.pods = append(n.pods, id)
		}
		c.preemptNext(o.Node)
	}
}

// newMachine makes the machine of a pod that the kubelet takes up.
func (c *Cluster) newMachine(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	p.admitted, p.admittedAt, p.template = 2, c.now, o.Template
	p.measured.at = c.now
	if p.left {
		c.adopt(id)
	} else {
		c.makeMachine(id)
	}
	p.machine.Settings = c.nodes[o.Node].settings
	p.machine.NoCgroupsPerQOS = !*c.nodes[o.Node].config.CgroupsPerQOS
	p.sawDeleting, p.sawGrace = o.Deleting, o.GraceSeconds
}

// makeMachine makes the machine of a pod that its node has not had before.
func (c *Cluster) makeMachine(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if p.machine == nil {
		p.machine = kubelet.NewPod(o.Template)
	} else {
		p.machine.Reset(o.Template)
	}
	p.machine.KubeletStart = c.nodes[o.Node].loops.Origin
	// The status manager's first status of a pod keeps the object's transition times
	// (status_manager.go updateStatusInternal).
	p.machine.Status.Conditions = o.Status.Conditions
	p.containers = p.containers[:0]
	for range o.Template.Containers {
		p.containers = append(p.containers, container{})
	}
}

// startWorker hands a pod that was admitted to a worker.
func (c *Cluster) startWorker(id model.PodID) {
	n := &c.nodes[c.state.Pods[id].Node]
	n.pods = append(n.pods, id)
	if c.pods[id].static != nil {
		c.startStatic(id)
		return
	}
	c.step(id, c.configured(id))
}

// carryOut does what a pod's machine asks for.
func (c *Cluster) carryOut(id model.PodID, f *kubelet.Effect) {
	p := &c.pods[id]
	n := &c.nodes[c.state.Pods[id].Node]
	switch f.Kind {
	case kubelet.Wake:
		p.wakeGen++
		p.resyncAt = model.Never
		if at := c.workerWake(id, c.now, f.Delay); f.OK {
			p.resyncAt, p.resyncs = at, f.Delay
		} else {
			c.at(at, evWake, id, p.wakeGen, 0)
		}
	case kubelet.ReconcileMirror:
		c.reconcileMirror(id)
	case kubelet.HoldWake:
		n.admission.held = append(n.admission.held, heldEvent{podSlot: c.slot(id), event: kubelet.Event{Kind: kubelet.Woken}})
	case kubelet.DeadlineAt:
		c.at(n.loops.NextTick(max(f.At, c.now)), evDeadline, id, 0, 0)
	case kubelet.Housekeep:
		c.at(n.loops.NextHousekeeping(c.now), evDeadline, id, 0, housekept)
	case kubelet.RelistSoon:
		c.relist(id, n.loops.RelistPodAt(c.now), relistAlone)
	case kubelet.RelistNext:
		c.relist(id, n.loops.NextRelist(c.now), relistAll)
	case kubelet.BeginSync:
		c.at(c.now+f.Delay+c.delay(id, streamSync, &c.scenario.ControlPlane.KubeletSync), evSync, id, 0, 0)
	case kubelet.PublishStatus:
		c.statusChanged(id)
	case kubelet.PublishHeld:
		if at := n.loops.NextStatusSync(c.now); at < n.loops.NextRelist(c.now) {
			c.at(at, evStatusSync, id, 0, 0)
		}
	case kubelet.Emit:
		c.emit(id, f)
	case kubelet.Timer:
		c.at(c.now+f.Delay, evTimer, id, f.Gen, int32(f.Container))
	case kubelet.ProbeAt:
		at := f.At
		if f.Delay > 0 {
			at += c.delay(id, streamProbeStart, &model.Dist{Kind: model.DistUniform, Max: float64(f.Delay)})
		} else if at > c.now {
			at += c.late(id)
		}
		c.at(at, evProbeDue, id, f.Gen, int32(f.Probe)<<8|int32(f.Container))
	case kubelet.GenerateConfig:
		c.generateConfig(id, f.Container)
	case kubelet.Pull:
		c.askPull(id, f.Container)
	case kubelet.MountVolumes:
		c.mountVolumes(id)
	case kubelet.SetUpVolume:
		c.at(n.loops.NextReconcile(f.At), evVolume, id, 0, int32(f.M))
	case kubelet.RemountVolumes:
		c.at(n.loops.NextReconcile(n.loops.NextReconcile(c.now)), evVolume, id, 0, remount)
	case kubelet.UnmountVolumes:
		c.unmountVolumes(id)
	case kubelet.Done:
		c.runtime.Do(id, f)
		c.workerDone(id)
	default:
		c.runtime.Do(id, f)
	}
}

// late draws how late a goroutine of the kubelet comes, isLate whether it does: others that are due at
// the same moment come first.
func (c *Cluster) late(id model.PodID) model.Time {
	return c.delay(id, streamTick, &c.scenario.ControlPlane.KubeletTick)
}

func (c *Cluster) isLate(id model.PodID) bool { return c.late(id) > 0 }

// workerWake draws the tick of the sync loop at which a pod's worker is woken that asked for it at t.
func (c *Cluster) workerWake(id model.PodID, t, delay model.Time) model.Time {
	u := Uniform(c.draw(id, streamWake))
	due := t + delay + model.Time(u*c.scenario.ControlPlane.KubeletJitter*float64(delay))
	return c.nodes[c.state.Pods[id].Node].loops.NextTick(due)
}

// resynced is when the latest of the wakes that were not made events was over, 0 if there was
// none since the last event.
func (c *Cluster) resynced(id model.PodID) model.Time {
	p := &c.pods[id]
	last := model.Time(0)
	for p.resyncAt < c.now {
		last = p.resyncAt + c.delay(id, streamSync, &c.scenario.ControlPlane.KubeletSync)
		if p.machine.Busy() {
			p.resyncAt = model.Never
			break
		}
		p.resyncAt = c.workerWake(id, last, p.resyncs)
	}
	return last
}

// housekept says, as the Arg of an evDeadline, that it is a round of housekeeping.
const housekept = 1

// What the Arg of an evRelist says: that the PLEG looks at this pod alone, at all pods, or that a look at
// all pods is over that saw the pod unchanged.
const (
	relistAlone = iota
	relistAll
	relistOver
)

// relist queues the PLEG's look at a pod, unless an earlier one is queued. A look at the pod alone
// then follows a look at all pods.
func (c *Cluster) relist(id model.PodID, at model.Time, arg int32) {
	p := &c.pods[id]
	if p.relistAt <= at {
		if arg == relistAlone {
			p.relistThen = at
		}
		return
	}
	if p.relistAlone && arg != relistAlone {
		p.relistThen = p.relistAt
	}
	p.relistAlone = arg == relistAlone
	p.relistAt = at
	p.relistGen++
	c.at(at, evRelist, id, p.relistGen, arg)
}

// relisted is the PLEG's look at a pod.
func (c *Cluster) relisted(id model.PodID, arg int32) {
	p := &c.pods[id]
	p.relistAt = model.Never
	loops := &c.nodes[c.state.Pods[id].Node].loops
	if due := loops.NextRelist(c.now - 1); arg == relistAll && due > c.now {
		c.relist(id, due, relistAll) // the look has been delayed
		return
	}
	changed, done := p.machine.Unseen() && arg != relistOver, c.now
	if end := loops.LookEnd(c.now); arg != relistAlone && !changed && end > c.now {
		// The cache is newer for this pod once all that have changed are inspected (pleg/generic.go Relist).
		c.relist(id, end, relistOver)
		return
	}
	switch {
	case arg == relistAlone:
		done = loops.RelistPod(c.now, changed)
	case changed:
		done = loops.Relist(c.now)
	}
	if changed {
		c.at(done, evInspected, id, 0, 0)
	}
	then := p.relistThen
	p.relistThen, p.relistAlone = 0, false
	if then > c.now || then > 0 && arg == relistOver {
		c.relist(id, max(then, loops.RelistPodAt(c.now)), relistAlone)
	}
	if arg == relistOver {
		c.step(id, kubelet.Event{Kind: kubelet.LookOver})
		return
	}
	c.step(id, kubelet.Event{Kind: kubelet.Relisted, OK: arg == relistAlone})
}

// statusChanged lets the node's status manager publish the pod's status. A publish is a GET
// and a PATCH, one pod after the other.
func (c *Cluster) statusChanged(id model.PodID) {
	n := &c.nodes[c.state.Pods[id].Node]
	if n.cutOff() {
		n.missed = append(n.missed, id)
		return
	}
	if !c.sendable(id) {
		c.pods[id].static.unsent = true
		return
	}
	if n.status.Changed(id) {
		c.pods[id].machine.Send()
		c.sendStatus(id)
	}
	c.sendUnsent(n)
}

func (c *Cluster) sendStatus(id model.PodID) {
	node := c.state.Pods[id].Node
	n := &c.nodes[node]
	n.publishing, n.publishingGen = id, c.pods[id].gen
	n.writes += 2
	get := c.delayOf(n.luck, streamWrite, n.writes-1, &c.scenario.ControlPlane.Write)
	n.limit.take(c.now)
	c.after(c.request(&n.limit, n.luck, n.writes)+get-c.now, evPublish, int32(node), n.starts)
}

// sending says whether the pod whose status a node publishes is still there.
func (c *Cluster) sending(node model.NodeID) bool {
	n := &c.nodes[node]
	p := &c.pods[n.publishing]
	return p.gen == n.publishingGen && p.exists && p.admitted == 2 && !n.cutOff()
}

// publish is a pod's status as it reaches the API server (status_manager.go syncPod).
func (c *Cluster) publish(node model.NodeID) {
	n := &c.nodes[node]
	if c.sending(node) {
		id := n.publishing
		o, p := &c.state.Pods[id], &c.pods[id]
		if p.machine.Publish(&o.Status, c.now) {
			c.changed(model.KindPod, int32(id), model.Modified)
		}
		if o.Deleting && o.Status.Phase.Terminal() && p.machine.Finished() && p.static == nil {
			n.writes++
			c.after(c.request(&n.limit, n.luck, n.writes)-c.now, evFinalDelete, int32(node), n.starts)
			return
		}
	}
	c.nextStatus(node)
}

// finalDelete is the kubelet's delete of a pod that has ended, with grace period 0.
func (c *Cluster) finalDelete(node model.NodeID) {
	if c.sending(node) {
		c.removePod(c.nodes[node].publishing)
	}
	c.nextStatus(node)
}

// nextStatus publishes the next status that waits.
func (c *Cluster) nextStatus(node model.NodeID) {
	for {
		next := c.nodes[node].status.Done(c.takeStatus)
		if next == 0 {
			return
		}
		if p := &c.pods[next]; p.exists && p.admitted == 2 && c.state.Pods[next].Node == node {
			c.sendStatus(next)
			return
		}
	}
}

// takeStatus takes a pod's status into a batch of the status manager.
func (c *Cluster) takeStatus(id model.PodID) {
	if c.kubeletHas(id) {
		c.pods[id].machine.Send()
	}
}

// workerDone says that the kubelet is through with the pod.
func (c *Cluster) workerDone(id model.PodID) {
	p := &c.pods[id]
	n := &c.nodes[c.state.Pods[id].Node]
	n.forget(id)
	p.done = true
	c.releaseVolumes(id)
	c.freePod(id)
}

// forget takes a pod off the list of those that have a worker or containers.
func (n *node) forget(id model.PodID) {
	if i := slices.Index(n.pods, id); i >= 0 {
		n.pods = slices.Delete(n.pods, i, i+1)
	}
}
