package sim

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/model/kubeletconfig"
	"podsim/scheduler"
)

// Cluster is a simulated cluster: the objects of the API server, the components that act on
// them, and the events to come. It is passive: Step carries out the next event.
type Cluster struct {
	state    model.State
	scenario *model.Scenario
	queue    Queue
	now      model.Time
	// seed is that of all draws but those of the runtime, which have their own.
	seed uint64
	// redraws are those of a pod, nil for none.
	redraws func(namespace, name string) []Redraw

	scheduler *scheduler.Scheduler
	scheduling
	controllerManager
	lifecycle

	nodes []node
	// defaultKubelet is the configuration of the kubelets that have none of their own.
	defaultKubelet *kubeletconfig.Configuration
	pods           []pod
	// active is the result of activePods.
	active []model.PodID
	// podNames finds the pods in the API server by name, for steps; nothing else looks there.
	podNames map[podName]model.PodID
	// accounts are the service accounts that were applied.
	accounts map[accountName]*v1.ServiceAccount
	// namespaces are those that the scheduler knows.
	namespaces map[string]bool
	// configs finds the ConfigMaps and Secrets by name.
	configs map[model.ConfigName]int
	// storage is around volumes, attach around their ways to nodes.
	storage storage
	attach  attachDetach
	// memorySearch is the search under way for a lack of memory, peaks are those of behaviors with points.
	memorySearch memorySearch
	peaks        map[*model.Behavior][]int64
	// budgets are the PodDisruptionBudgets.
	budgets []budget
	// preemptions are those under way; freePreemptions are the slots of those that have ended.
	preemptions     []preemption
	freePreemptions []int
	// preferredVictims are those that go when a kubelet might as well preempt another pod.
	preferredVictims []podName
	// cpuDemands and cpuOrder are scratch memory of shareCPU.
	cpuDemands []kubelet.CPUDemand
	cpuOrder   []int32
	// freePods are the slots of pods that are gone.
	freePods []model.PodID
	serial   int64

	// real says that the runtime is not simulated: a kernel sees to limits of memory, and what containers
	// use is measured.
	runtime Runtime
	real    bool
	listen  func(model.PodID, *kubelet.Event) bool
	// managerLimit, schedulerLimit are the rate limits of the control plane's clients; each
	// kubelet has its own.
	schedulerLimit, deploymentLimit, replicaSetLimit, lifecycleLimit, disruptionLimit limit

	// transfers are the layers on their way; layers and parts are what images consist of, registries
	// where they come from, outages what is wrong with those.
	transfers  transfers
	layers     []layer
	parts      []imageParts
	registries []registry
	outages    []outage
	// tooManyPulls is how a pull beyond a kubelet's rate limit ends (images/helpers.go PullImage).
	tooManyPulls model.PullResult

	record record
	// scratch is the memory for the effects of the step under way, by depth.
	scratch [][]kubelet.Effect
	depth   int

	warnings []string
	// allPasses lets each pass of the eviction managers be an event.
	allPasses bool
}

// pod is what the cluster keeps of a pod beside the API server's object.
type pod struct {
	// gen is the slot's generation: an event for an older pod of the slot is stale. kubeletGen
	// is that of the kubelet's own events, which a crash of the node takes with it.
	gen, kubeletGen uint16
	// exists says that the object is in the API server.
	exists bool
	// luck names the pod's random draws; draws counts them.
	luck  uint64
	draws [numDraws]uint32
	// redraws are those of its runtime's latencies.
	redraws []Redraw
	// noticeAt is when the watchers hear of the pod's last change.
	noticeAt model.Time
	// machine is the kubelet's view, nil before the kubelet has seen the pod.
	machine *kubelet.Pod
	// left says that the runtime has what a kubelet that has ended has left of the pod.
	left bool
	// done says that the kubelet's worker has ended, gone that every watcher knows that the
	// object is deleted.
	done, gone bool
	// wakeGen and relistGen are the generations of the pending wake and relist; relistAt is
	// the moment of the relist, Never when none is pending.
	wakeGen, relistGen uint16
	relistAt           model.Time
	// relistThen is the moment of a look at the pod alone that comes after that one; 0 for none.
	relistThen model.Time
	// relistAlone says that the look at relistAt is one at the pod alone.
	relistAlone bool
	// resyncAt is the next of the wakes that are no events, which come every resyncs; Never when
	// there are none.
	resyncAt, resyncs model.Time
	// admitted is 1 when the kubelet has seen the pod and 2 when its worker has it;
	// sawDeleting and sawGrace are the deletion as the kubelet last saw it.
	admitted    uint8
	sawDeleting bool
	// template is the one that the kubelet last saw, held what a pod that was resized then held by its
	// status.
	template, held *model.PodTemplate
	// admittedAt is when the worker got it.
	admittedAt model.Time
	sawGrace   int64
	// view is how the scheduler knows the pod; renominated says that its next write about the pod sets
	// status.nominatedNodeName to nominated.
	view        schedulerView
	renominated bool
	nominated   model.NodeID
	// seenVersion is the resource version that the scheduler has seen, failure its last Event that it
	// could not place the pod.
	seenVersion int64
	failure     schedulingFailure
	// schedulerError says that its next write about the pod is about an error.
	schedulerError bool
	// evictAt is the moment of the pending eviction for taints, Never when none is pending;
	// evictGen is its generation.
	evictAt  model.Time
	evictGen uint16
	// counts is how the pod stands in its ReplicaSet's counters.
	counts podCounts

	containers []container
	// measured is the latest measurement of the pod's cgroup.
	measured measured
	// usage is what a runtime that is not simulated has measured, nil while it has not.
	usage *podUsage
	// memoryGen is the generation of the pending look at the pod's limit of memory.
	memoryGen uint16
	// log is the kubelet's record of the pod's Events.
	log eventLog
	// static is set for a pod that the kubelet has from a manifest.
	static *staticPod
}

// The kinds of events. The object is a pod where nothing else is said, and Gen then holds
// the slot's generation and another one: see at. The kubelet's own events stand first.
const (
	// evAdmit: the kubelet hands a new pod to its worker.
	evAdmit EventKind = iota + 1
	evWake
	// evSync: the pod's worker begins a sync.
	evSync
	// evDeadline: the pod's deadline is over, or with the Arg housekept a round of housekeeping.
	evDeadline
	evRelist
	// evInspected: the PLEG has looked closer at a pod that has changed.
	evInspected
	// evStatusSync: the status manager looks at all statuses.
	evStatusSync
	// evRuntime: the runtime answers; Arg is the container and the answer's kind.
	evRuntime
	evKill
	evTimer
	// evVolume: the volume manager tries to set up a volume; Arg is its index, allVolumes, populate or remount.
	evVolume
	evProbeDue
	evProbed
	// evCleanStatic: housekeeping looks after a static pod; evMirror: a request about its mirror pod
	// reaches the API server.
	evCleanStatic
	evMirror
	// lastKubeletEvent is the last of the kubelet's own events.
	lastKubeletEvent = evMirror
)

const (
	// evExit: a container's main process ends, whether there is a kubelet or not.
	evExit EventKind = lastKubeletEvent + 1 + iota
	// evOutOfMemory: a container is above its limit of memory, or with the Arg wholePod the pod.
	evOutOfMemory
	// evStep: Obj is the index of the scenario's step.
	evStep
	// evNotify: watchers see an object's change; Arg is kind<<8 | change.
	evNotify
	// evPublish: a status of the kubelet of node Obj reaches the API server; evFinalDelete: its
	// last delete of a pod.
	evPublish
	evFinalDelete
	// evPulled: Obj is the node, Arg the index of its pull.
	evPulled
	// evImageGC: a round of the image garbage collection of node Obj.
	evImageGC
	// evTransfers: a transfer of a layer may be over.
	evTransfers
	// evSchedule: the scheduler takes the next pod. evSchedulerWake: a back-off has ended.
	evSchedule
	evSchedulerWake
	// evBind and evUnschedulable: the scheduler's writes reach the API server.
	evBind
	evUnschedulable
	// evBindVolumes: what the scheduler decided about a pod's volumes reaches the API server.
	// evVolumesBound: it sees that they are bound, or gives up. Arg is the node.
	evBindVolumes
	evVolumesBound
	// evNominate: a write of status.nominatedNodeName; Arg is the node. evPreempt: a request about a
	// victim; the object is a preemption, see patchVictim.
	evNominate
	evPreempt
	// evSyncBudget: the disruption controller takes a budget. evWriteBudget: its write of the status
	// reaches the API server.
	evSyncBudget
	evWriteBudget
	// evSyncDeployment, evSyncReplicaSet: the controller takes the key Obj. evWriteDeployment,
	// evWriteReplicaSet: its next write reaches the API server.
	evSyncDeployment
	// evSyncAgain: a Deployment's progress deadline may be over.
	evSyncAgain
	evSyncReplicaSet
	evWriteDeployment
	evWriteReplicaSet
	evCreatePod
	evDeletePod
	// evDeletesDone: the deletes of ReplicaSet Obj are answered.
	evDeletesDone
	// evCollect: the garbage collector deletes what belonged to the object; Arg is its kind.
	evCollect
	// evLease: the node lifecycle controller looks at node Obj.
	evLease
	evTaint
	evEvict
	// evNodeStatus: a round of the node status updates of node Obj; evNodeReported: its status reaches
	// the API server; evListImages: its kubelet lists the images. Arg counts the kubelet's beginnings.
	evNodeStatus
	evNodeReported
	evListImages
	// evPass: a pass of the eviction manager of node Obj; Arg is its generation.
	evPass
	// evRegistered: the kubelet of node Obj has registered its node.
	evRegistered
	// evKubeletStarted: the loops of the kubelet of node Obj begin; evPodsListed: it hears of its pods.
	evKubeletStarted
	evPodsListed
	// evShutdown: the shutdown of node Obj goes on; Arg counts the kubelet's beginnings. evBoot: it is
	// switched on; Arg counts its failures.
	evShutdown
	evBoot
	// evEvicted: the eviction manager of node Obj looks after the pods that it has evicted.
	evEvicted
	// evVictimKilled: the kubelet of node Obj gives up the wait for the end of a pod that it preempts.
	evVictimKilled
	// evManifests: the kubelet of node Obj sees its manifests of static pods.
	evManifests
	// evObjectSeen: watchers see the next change of volumes and the like.
	evObjectSeen
	// evSyncClaim: the PersistentVolume controller takes the claim Obj; evClaimBound: its writes have
	// bound it; evProvisioned: a driver has made a volume for it. evResyncClaims: the controller takes
	// all claims.
	evSyncClaim
	evClaimBound
	evProvisioned
	evResyncClaims
	// evAttachRound: the attach/detach controller looks at volume Obj. evAttached, evDetached: a driver is
	// through with it; Arg is the node. evVolumeListed: the node's list of attached volumes has changed;
	// Gen is 1 when the volume is in it.
	evAttachRound
	evAttached
	evDetached
	evVolumeListed
	// evMountRound: the volume manager of node Arg looks at volume Obj. evMountDone: an operation has ended.
	evMountRound
	evMountDone
	// evMakeClaim: the claim of a generic ephemeral volume is made; Arg is the volume.
	evMakeClaim
	// evMakeResourceClaims: the ResourceClaims of a pod are made; Arg is the attempt.
	evMakeResourceClaims
	// evNodeMemory: a node's memory is out; Arg is a generation.
	evNodeMemory
	// evRetryResizes: the kubelet of node Obj looks again at the resizes that wait.
	evRetryResizes
	// evAvailable: a pod of ReplicaSet Obj may have been ready for minReadySeconds.
	evAvailable
	// evOperation: an operation of the runtime of node Obj may be over; Arg is its number.
	evOperation
)

// NewCluster makes the cluster that a scenario describes, at time 0.
func NewCluster(sc *model.Scenario) (*Cluster, error) {
	c := &Cluster{scenario: sc, seed: sc.Seed}
	c.state = model.State{Start: sc.Start, Seed: sc.Seed}
	c.state.Templates = make([]*model.PodTemplate, 1)
	c.state.Pods = make([]model.Pod, 1)
	c.state.Nodes = make([]model.Node, 1)
	c.state.Deployments = make([]model.Deployment, 1)
	c.state.ReplicaSets = make([]model.ReplicaSet, 1)
	c.state.Services = make([]model.Service, 1)
	c.state.Images = make([]model.Image, 1)
	c.pods = []pod{{relistAt: model.Never, resyncAt: model.Never, evictAt: model.Never}}
	c.nodes = make([]node, 1)
	c.podNames = map[podName]model.PodID{}
	c.accounts = map[accountName]*v1.ServiceAccount{}
	c.namespaces = map[string]bool{}
	c.configs = map[model.ConfigName]int{}
	c.peaks = map[*model.Behavior][]int64{}
	c.storage.numbers = map[string]int32{}
	c.attach.numbers, c.attach.unattached = map[string]int32{}, map[string]bool{}
	c.runtime = &simulatedRuntime{cluster: c}
	c.record.init()
	c.initLimits()
	c.initControllers()
	c.initScheduler()
	c.transfers = newTransfers()
	c.addImages()
	next := 0
	c.queue.Stream(evStep, func() (model.Time, int32, bool) {
		if next == len(sc.Steps) {
			return 0, 0, false
		}
		next++
		return sc.Steps[next-1].At, int32(next - 1), true
	})
	return c, nil
}

// Begin creates the nodes. It comes after Observe, so that the record has them, and before
// the first Step.
func (c *Cluster) Begin() {
	for i := range c.scenario.Nodes {
		c.addNode(&c.scenario.Nodes[i])
		for j := range c.scenario.Nodes[i].StaticPods {
			c.putManifest(model.NodeID(i+1), c.scenario.Nodes[i].StaticPods[j].Object.(*v1.Pod))
		}
	}
	c.startLifecycle()
}

// State is the API server's objects. They change with every Step; do not change them.
func (c *Cluster) State() *model.State { return &c.state }

// Now is the moment of the last event.
func (c *Cluster) Now() model.Time { return c.now }

// Next is the moment of the next event; ok is false when nothing will ever happen again.
func (c *Cluster) Next() (at model.Time, ok bool) { return c.queue.Peek() }

// Step carries out the next event. It says whether there was one.
func (c *Cluster) Step() bool {
	e, ok := c.queue.Pop()
	if ok {
		c.happen(&e)
	}
	return ok
}

func (c *Cluster) happen(e *Event) {
	c.now = e.At
	c.record.events++
	c.dispatch(e)
}

// Run carries out all events up to and including the moment until. more, where it is not
// nil, is called every 4,096 events; the run stops when it says false.
func (c *Cluster) Run(until model.Time, more func() bool) {
	for n := 0; ; n++ {
		if at, ok := c.queue.Peek(); !ok || at > until {
			break
		}
		c.Step()
		if n&4095 == 4095 && more != nil && !more() {
			return
		}
	}
	c.now = max(c.now, until)
}

func (c *Cluster) dispatch(e *Event) {
	switch e.Kind {
	case evStep:
		c.scenarioStep(int(e.Obj))
	case evNotify:
		c.notified(model.ObjectKind(e.Arg>>8), model.ChangeType(e.Arg&255), e.Obj, uint16(e.Gen))
	case evSchedule:
		c.schedule()
	case evSchedulerWake:
		c.schedulerWake(e.Gen)
	case evSyncBudget:
		c.syncBudget(int(e.Obj))
	case evWriteBudget:
		c.tell(c.budgets[e.Obj].object, false)
	case evPreempt:
		c.victimRequested(int(e.Obj), int(e.Arg>>1), e.Arg&1)
	case evSyncDeployment:
		c.syncDeployment(model.DeploymentID(e.Obj))
	case evSyncReplicaSet:
		c.syncReplicaSet(model.ReplicaSetID(e.Obj))
	case evWriteDeployment:
		c.writeDeployment(model.DeploymentID(e.Obj))
	case evWriteReplicaSet:
		c.writeReplicaSet(model.ReplicaSetID(e.Obj))
	case evSyncAgain:
		c.enqueueDeployment(model.DeploymentID(e.Obj))
	case evDeletesDone:
		c.updateReplicaSetStatus(model.ReplicaSetID(e.Obj))
	case evCreatePod:
		c.createReplica(model.ReplicaSetID(e.Obj))
	case evCollect:
		c.collect(model.ObjectKind(e.Arg), e.Obj)
	case evLease, evTaint, evNodeStatus, evNodeReported, evListImages, evRegistered, evKubeletStarted, evPodsListed, evShutdown, evBoot, evPass, evEvicted:
		c.nodeEvent(e)
	case evManifests:
		c.readManifests(model.NodeID(e.Obj))
	case evVictimKilled:
		c.victimKilled(model.NodeID(e.Obj))
	case evPublish:
		if e.Arg == c.nodes[e.Obj].starts {
			c.publish(model.NodeID(e.Obj))
		}
	case evFinalDelete:
		if e.Arg == c.nodes[e.Obj].starts {
			c.finalDelete(model.NodeID(e.Obj))
		}
	case evPulled:
		c.pulled(model.NodeID(e.Obj), int(e.Arg))
	case evImageGC:
		c.imageGCRound(model.NodeID(e.Obj))
	case evTransfers:
		c.transfersDue()
	case evObjectSeen:
		c.objectSeen()
	case evSyncClaim:
		c.syncClaim(int(e.Obj))
	case evClaimBound:
		c.claimBound(int(e.Obj))
	case evProvisioned:
		c.provisioned(int(e.Obj))
	case evResyncClaims:
		c.claimsResynced()
	case evNodeMemory:
		c.outOfNodeMemory(model.NodeID(e.Obj), e.Arg)
	case evRetryResizes:
		c.resizesDue(model.NodeID(e.Obj), e.Gen)
	case evAttachRound, evAttached, evDetached, evVolumeListed, evMountRound, evMountDone:
		c.volumeEvent(e)
	case evOperation:
		c.operationDue(e)
	case evAvailable:
		c.enqueueReplicaSet(model.ReplicaSetID(e.Obj))
	default:
		c.podEvent(e)
	}
}

// podEvent carries out an event of a pod, unless the pod is gone.
func (c *Cluster) podEvent(e *Event) {
	id, op := model.PodID(e.Obj), uint16(e.Gen)
	p := &c.pods[id]
	if c.generation(p, e.Kind) != uint16(e.Gen>>16) {
		return
	}
	switch e.Kind {
	case evAdmit:
		c.admit(id)
	case evWake:
		switch {
		case p.wakeGen != op:
		case p.static != nil && p.static.waits:
			c.startStatic(id)
		default:
			c.step(id, kubelet.Event{Kind: kubelet.Woken})
		}
	case evDeadline:
		if p.left {
			c.adoptOrphan(id)
			return
		}
		kind := kubelet.DeadlineReached
		if e.Arg == housekept {
			kind = kubelet.Housekept
		}
		c.step(id, kubelet.Event{Kind: kind})
	case evRelist:
		if p.relistGen == op {
			c.relisted(id, e.Arg)
		}
	case evStatusSync:
		if c.kubeletHas(id) && (!p.done || p.static != nil) {
			c.statusChanged(id)
		}
	case evCleanStatic:
		if p.static.cleanGen == op {
			c.cleanedStatic(id)
		}
	case evMirror:
		c.mirrorRequested(id, e.Arg)
	case evInspected:
		c.step(id, kubelet.Event{Kind: kubelet.Inspected})
	case evSync:
		c.step(id, kubelet.Event{Kind: kubelet.SyncBegun})
	case evTimer:
		c.step(id, kubelet.Event{Kind: kubelet.TimerFired, Container: int8(e.Arg), Gen: op})
	case evVolume:
		switch e.Arg {
		case populate:
			c.populateVolumes(id)
		case allVolumes:
			c.setUpVolumes(id)
		case remount:
			c.remountVolumes(id)
		default:
			c.setUpVolume(id, int(e.Arg))
		}
	case evProbeDue:
		c.step(id, kubelet.Event{Kind: kubelet.ProbeDue, Container: int8(e.Arg), Probe: model.ProbeType(e.Arg >> 8), Gen: op, Joins: c.isLate(id)})
	case evRuntime, evExit, evKill, evOutOfMemory, evProbed:
		c.runtimeEvent(id, e, op)
	case evBind:
		c.bound(id, model.NodeID(e.Arg))
	case evBindVolumes:
		c.bindVolumes(id, model.NodeID(e.Arg))
	case evVolumesBound:
		c.volumesWaited(id)
	case evMakeClaim:
		c.makeClaim(id, int(e.Arg))
	case evMakeResourceClaims:
		c.makeResourceClaims(id, e.Arg)
	case evUnschedulable:
		c.unschedulable(id, model.Text(e.Arg))
	case evNominate:
		c.nominate(id, model.NodeID(e.Arg))
	case evDeletePod:
		c.deletePod(id, int64(e.Arg))
	case evEvict:
		c.taintEvict(id, op)
	default:
		panic(fmt.Sprintf("sim: seed %d: no one takes event %+v", c.scenario.Seed, *e))
	}
}

// at queues an event of a pod; op is its own generation.
func (c *Cluster) at(t model.Time, k EventKind, id model.PodID, op uint16, arg int32) {
	gen := c.generation(&c.pods[id], k)
	c.queue.Push(Event{At: t, Kind: k, Obj: int32(id), Gen: uint32(gen)<<16 | uint32(op), Arg: arg})
}

// generation is the pod's generation that counts for events of the kind.
func (c *Cluster) generation(p *pod, k EventKind) uint16 {
	if k <= lastKubeletEvent {
		return p.kubeletGen
	}
	return p.gen
}

// after queues an event of something that is not a pod.
func (c *Cluster) after(d model.Time, k EventKind, obj int32, arg int32) {
	c.queue.Push(Event{At: c.now + d, Kind: k, Obj: obj, Arg: arg})
}

// warn notes something about the scenario that a user should know at the end of the run.
func (c *Cluster) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

// Warnings lists what the run could not do as the scenario said, in the order of the run.
func (c *Cluster) Warnings() []string { return c.warnings }
