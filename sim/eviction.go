package sim

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"podsim/model"
	"podsim/model/kubelet"
)

// The period of the eviction manager's passes (kubelet.go evictionMonitoringPeriod), and how it waits
// after it has evicted some pods (pod_workers.go killPodNow, eviction/eviction_manager.go
// podCleanupPollFreq, podCleanupTimeout).
const (
	evictionPeriod = 10 * model.Second
	killTimeout    = 10 * model.Second
	cleanupPoll    = model.Second
	cleanupTimeout = 30 * model.Second
)

// evictionGrace is the grace period in seconds of a pod over a limit of its own
// (immediateEvictionGracePeriodSeconds).
const evictionGrace = 1

// evictions is a node's eviction manager in time. A pass costs nothing unless something can have
// changed for it: what changes asks for the pass that will find it (askPass).
type evictions struct {
	manager kubelet.EvictionManager
	// origin is a moment of a pass; the others come each evictionPeriod.
	origin model.Time
	// off says that the kubelet does not run.
	off bool
	// passAt is the moment of the pass that is an event, Never when none is; passGen its generation.
	passAt  model.Time
	passGen int32
	// measuring says that a pass waits for what the runtime measures.
	measuring bool
	// busy says that pods are being evicted, one after the other: queue are those to come, killing
	// the one whose end is awaited, evicted those that were. No pass comes until they are cleaned
	// up. ends is when the wait for either is given up, look the moment of the pending evEvicted.
	busy    bool
	queue   []eviction
	killing model.PodID
	evicted []podSlot
	ends    model.Time
	look    model.Time
	// ranked is the order of the pods when one was evicted last, for signal; first is that pod.
	ranked []kubelet.PodStats
	signal kubelet.Signal
	first  int
}

// eviction is a pod that is to be evicted.
type eviction struct {
	podSlot
	why          model.Text
	graceSeconds int64
	// disruption says that the condition DisruptionTarget says so too.
	disruption bool
}

// podSlot is a pod's slot and the slot's generation.
type podSlot struct {
	id  model.PodID
	gen uint16
}

// newEvictions is the eviction manager of a kubelet that began at origin.
func (c *Cluster) newEvictions(node model.NodeID, origin model.Time) evictions {
	manager := kubelet.NewEvictionManager(c.nodes[node].config, c.separateImagefs(node))
	return evictions{manager: manager, origin: origin, passAt: model.Never}
}

// next is the first pass after t.
func (e *evictions) next(t model.Time) model.Time {
	passes := (t - e.origin) / evictionPeriod
	if t >= e.origin {
		passes++
	}
	return e.origin + passes*evictionPeriod
}

// askPass asks for the eviction manager's first pass after a moment, which finds what happens then.
func (c *Cluster) askPass(node model.NodeID, t model.Time) {
	e := &c.nodes[node].evictions
	at := e.next(max(t, c.now))
	if e.off || e.busy || e.measuring || at >= e.passAt {
		return
	}
	e.passAt = at
	e.passGen++
	c.after(at-c.now, evPass, int32(node), e.passGen)
}

// pressureMayChange says that what is in use on a node changes otherwise than was to be expected.
func (c *Cluster) pressureMayChange(node model.NodeID) {
	n := &c.nodes[node]
	if n.stopped() {
		return
	}
	if c.allPasses {
		c.askPass(node, c.now)
	}
	c.watchMemory(node)
	c.watchFilesystems(node)
	c.planImageGC(node)
}

// planPass asks for the next pass that can find something: each, while there is pressure.
func (c *Cluster) planPass(node model.NodeID) {
	n := &c.nodes[node]
	if !n.evictions.manager.Quiet() || c.allPasses {
		c.askPass(node, c.now)
		return
	}
	c.pressureMayChange(node)
	for _, id := range n.pods {
		c.watchDisk(id)
	}
}

// watchMemory asks for the pass that finds that there is too little memory left.
func (c *Cluster) watchMemory(node model.NodeID) {
	m := &c.nodes[node].evictions.manager
	from := c.now
	if most, ok := m.Most(kubelet.MemoryAvailable, c.memoryCapacity(node)); ok {
		if at := c.memoryExceeds(node, most, from); at != model.Never {
			c.askPass(node, at-1)
		}
	}
	if most, ok := m.Most(kubelet.AllocatableMemoryAvailable, c.podsMemory(node)); ok {
		others := c.nodeMemory(node, from) - c.memoryOfPods(node, from)
		if at := c.memoryExceeds(node, most+others, from); at != model.Never {
			c.askPass(node, at-1)
		}
	}
}

// memoryCapacity is the memory of a node in bytes without what is set aside for huge pages
// (server/stats/summary.go adjustForHugePages).
func (c *Cluster) memoryCapacity(node model.NodeID) int64 {
	capacity := &c.state.Nodes[node].Capacity
	memory := capacity.Memory
	for i := range capacity.Extended {
		if x := &capacity.Extended[i]; strings.HasPrefix(string(x.Name), v1.ResourceHugePagesPrefix) {
			memory -= x.Amount
		}
	}
	return max(memory, 0)
}

// podsMemory is the limit in bytes of the cgroup of all pods: what is not reserved
// (cm/node_container_manager_linux.go getNodeAllocatableAbsolute). The node's allocatable is less by
// the hard threshold.
func (c *Cluster) podsMemory(node model.NodeID) int64 {
	o := &c.state.Nodes[node]
	if o.Allocatable.Memory >= o.Capacity.Memory {
		return o.Capacity.Memory
	}
	most, some := c.nodes[node].evictions.manager.Most(kubelet.AllocatableMemoryAvailable, o.Capacity.Memory)
	if !some {
		return o.Allocatable.Memory
	}
	return min(o.Capacity.Memory, o.Allocatable.Memory+o.Capacity.Memory-most)
}

// memoryOfPods is the memory in bytes that the pods of a node have in use.
func (c *Cluster) memoryOfPods(node model.NodeID, at model.Time) int64 {
	use := int64(0)
	for _, id := range c.nodes[node].pods {
		use += c.podMemory(id, at)
	}
	return use
}

func (c *Cluster) podMemory(id model.PodID, at model.Time) int64 {
	use := int64(0)
	for i := range c.pods[id].containers {
		use += c.memoryUse(id, i, at)
	}
	return use
}

// watchDisk asks for the pass that will find that the pod has written more than a limit of its own.
func (c *Cluster) watchDisk(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !o.Template.LocalLimits || !c.writes(id) || !*c.nodes[o.Node].config.LocalStorageCapacityIsolation {
		return
	}
	n, at := &c.nodes[o.Node].evictions, model.Never
	found := func(t model.Time) {
		if pass := n.next(t); t != model.Never && pass > c.now {
			at = min(at, pass)
		}
	}
	for i := range p.containers {
		k := &p.containers[i]
		if k.runs == 0 {
			continue
		}
		found(k.startedAt)
		found(c.volumeStats(id, k.startedAt))
		for _, d := range c.behaviorOf(id, i).Disk {
			switch t := k.startedAt + d.At; {
			case t > k.endedAt:
			case d.Volume == "":
				found(t + k.layerLag)
			case d.Volume == model.LogVolume:
				found(t)
			default:
				found(c.volumeStats(id, t))
			}
		}
	}
	if at != model.Never {
		c.askPass(o.Node, at-1)
	}
}

// writes says that some container of the pod that has begun to run writes.
func (c *Cluster) writes(id model.PodID) bool {
	if c.real {
		return c.pods[id].usage != nil
	}
	for i := range c.pods[id].containers {
		if c.pods[id].containers[i].runs > 0 && len(c.behaviorOf(id, i).Disk) > 0 {
			return true
		}
	}
	return false
}

// pass is a pass of the eviction manager that was asked for.
func (c *Cluster) pass(node model.NodeID, gen int32) {
	n := &c.nodes[node]
	if n.evictions.passGen != gen {
		return
	}
	n.evictions.passAt = model.Never
	if !n.evictions.busy && !n.evictions.off {
		c.measure(node)
	}
}

// synchronize is a pass: conditions follow what is measured, and pods are evicted, all that have
// written more than they may, else one when the node is short of something (synchronize).
func (c *Cluster) synchronize(node model.NodeID) {
	n := &c.nodes[node]
	e := &n.evictions
	e.queue, e.evicted, e.ranked, e.first = e.queue[:0], e.evicted[:0], e.ranked[:0], 0
	var o kubelet.Observations
	c.observe(node, &o)
	threshold := e.manager.Synchronize(&o, c.now)
	if under := e.manager.Under(); under != n.pressure {
		n.pressure = under
		c.nodeStatusChanged(node)
	}
	c.evictOverLimit(node)
	if len(e.queue) == 0 && threshold >= 0 {
		c.reclaim(node, threshold)
	}
	if len(e.queue) == 0 {
		c.planPass(node)
		return
	}
	e.busy = true
	c.evictNext(node)
}

// evictOverLimit queues all pods that have written too much (localStorageEviction).
func (c *Cluster) evictOverLimit(node model.NodeID) {
	n := &c.nodes[node]
	if !*n.config.LocalStorageCapacityIsolation {
		return
	}
	for _, id := range c.activePods(node) {
		if why := c.overLimit(id); why != "" {
			n.evictions.queue = append(n.evictions.queue,
				eviction{podSlot{id, c.pods[id].gen}, c.state.Texts.Intern(why), evictionGrace, false})
		}
	}
}

// observe measures the node (helpers.go makeSignalObservations). Its memory is measured for the pass.
func (c *Cluster) observe(node model.NodeID, o *kubelet.Observations) {
	left := func(s kubelet.Signal, capacity, use int64) {
		o[s] = kubelet.Observation{Available: max(capacity-use, 0), Capacity: capacity, At: c.now}
	}
	left(kubelet.MemoryAvailable, c.memoryCapacity(node), inPages(c.nodeMemory(node, c.now)))
	left(kubelet.AllocatableMemoryAvailable, c.podsMemory(node), inPages(c.memoryOfPods(node, c.now)))
	c.observeFilesystems(node, c.now, o)
}

// reclaim frees what a threshold is about: by what nobody uses, else by the end of the first pod
// that may be evicted.
func (c *Cluster) reclaim(node model.NodeID, threshold int) {
	n := &c.nodes[node]
	e := &n.evictions
	s := e.manager.Signal(threshold)
	if !n.cutOff() {
		c.write(&n.log, model.Event{Kind: model.KindNode, ID: int32(node), Container: -1, Warning: true, Source: model.FromKubelet,
			Reason:  model.EventEvictionThresholdMet,
			Message: model.TextMessage(c.state.Texts.Intern("Attempting to reclaim " + string(s.Resource())))})
	}
	if e.manager.ReclaimsImages(s) && c.reclaimImages(node) {
		return
	}
	c.rank(node, s)
	for i := range e.ranked {
		if e.ranked[i].Critical {
			continue
		}
		id := e.ranked[i].Pod
		t := c.state.Pods[id].Template
		e.first = i
		why := c.state.Texts.Intern(e.manager.EvictionMessage(threshold, c.podUse(id), c.containerUses(id, s)))
		e.queue = append(e.queue, eviction{podSlot{id, c.pods[id].gen}, why, e.manager.GraceSeconds(threshold, t.GraceSeconds), true})
		return
	}
}

// reclaimImages deletes the images that nobody uses. It says whether that was enough.
func (c *Cluster) reclaimImages(node model.NodeID) bool {
	c.deleteUnusedImages(node)
	var o kubelet.Observations
	c.observe(node, &o)
	return c.nodes[node].evictions.manager.Reclaimed(&o)
}

// rank puts the node's pods into the order in which they are evicted for a signal.
func (c *Cluster) rank(node model.NodeID, s kubelet.Signal) {
	e := &c.nodes[node].evictions
	e.ranked, e.signal = e.ranked[:0], s
	for _, id := range c.activePods(node) {
		e.ranked = append(e.ranked, c.podStats(id))
	}
	e.manager.Rank(s, e.ranked)
}

// evictNext evicts the next pod; the one after it waits until its containers are stopped
// (killPodNow blocks).
func (c *Cluster) evictNext(node model.NodeID) {
	e := &c.nodes[node].evictions
	e.killing = 0
	for len(e.queue) > 0 {
		x := e.queue[0]
		e.queue = append(e.queue[:0], e.queue[1:]...)
		if p := &c.pods[x.id]; p.gen != x.gen || p.machine.Terminated() {
			continue
		}
		e.evicted = append(e.evicted, x.podSlot)
		timeout := max(killTimeout, model.Time(x.graceSeconds+x.graceSeconds/2)*model.Second)
		e.killing, e.ends = x.id, c.now+timeout
		c.lookAgain(node, timeout)
		ev := kubelet.Event{Kind: kubelet.Evict, Text: model.ReasonEvicted, Message: model.TextMessage(x.why), GraceSeconds: x.graceSeconds}
		if x.disruption {
			ev.Disruption = ev.Message
		}
		c.step(x.id, ev)
		return
	}
	e.ends = c.now + cleanupTimeout
	c.lookAgain(node, cleanupPoll)
}

func (c *Cluster) lookAgain(node model.NodeID, after model.Time) {
	c.nodes[node].evictions.look = c.now + after
	c.after(after, evEvicted, int32(node), 0)
}

// evictedSome is the moment at which the eviction manager gives up the wait for a pod's end, or
// looks whether those that it has evicted are cleaned up.
func (c *Cluster) evictedSome(node model.NodeID) {
	n := &c.nodes[node]
	e := &n.evictions
	switch {
	case !e.busy || e.look != c.now:
	case e.killing == 0:
		c.cleanedUp(node)
	default:
		c.write(&c.pods[e.killing].log, model.Event{Kind: model.KindPod, ID: int32(e.killing), Container: -1, Warning: true,
			Source: model.FromKubelet, Reason: model.EventExceededGracePeriod, Message: model.Message{Kind: model.MessageExceededGracePeriod}})
		c.evictNext(node)
	}
}

// cleanedUp waits until the workers of the evicted pods have ended, and makes a pass then
// (waitForPodsCleanup). The passes after it count from there.
func (c *Cluster) cleanedUp(node model.NodeID) {
	e := &c.nodes[node].evictions
	pending := slices.ContainsFunc(e.evicted, func(s podSlot) bool {
		return c.pods[s.id].gen == s.gen && !c.pods[s.id].done
	})
	if pending && c.now < e.ends {
		c.lookAgain(node, cleanupPoll)
		return
	}
	e.busy, e.origin = false, c.now
	c.measure(node)
}

// stopEvictions ends the eviction manager, with the kubelet.
func (c *Cluster) stopEvictions(node model.NodeID) {
	e := &c.nodes[node].evictions
	*e = evictions{manager: e.manager, off: true, passAt: model.Never, passGen: e.passGen + 1, queue: e.queue[:0], evicted: e.evicted[:0],
		ranked: e.ranked[:0]}
}

// firstPassTime is how long the first pass of a kubelet takes, from whose end the others count. A
// measurement.
const firstPassTime = 20 * model.Millisecond

// resumeEvictions begins the eviction manager anew, with the kubelet, which does not know its pods yet.
func (c *Cluster) resumeEvictions(node model.NodeID) {
	n := &c.nodes[node]
	gen := n.evictions.passGen + 1
	n.evictions = c.newEvictions(node, c.now+firstPassTime)
	n.evictions.passGen = gen
	c.measure(node)
}

// checkEvictions looks for a node under pressure that nobody looks at again, and for a pod that was evicted
// before one that should have gone first.
func (c *Cluster) checkEvictions(id model.NodeID) {
	n, name := &c.nodes[id], c.state.Nodes[id].Name
	e := &n.evictions
	if e.off {
		return
	}
	if !e.manager.Quiet() && !e.busy && !e.measuring && e.passAt == model.Never {
		c.contradiction("node %s is under pressure, and no pass of its eviction manager is to come", name)
	}
	if e.manager.Under() != n.pressure {
		c.contradiction("node %s is under pressure %v, its eviction manager says %v", name, n.pressure, e.manager.Under())
	}
	for i := range e.ranked {
		x, chosen := &e.ranked[i], &e.ranked[e.first]
		if e.manager.Compare(e.signal, x, chosen) < 0 && e.busy && !x.Critical {
			c.contradiction("node %s evicts pod %d before pod %d", name, chosen.Pod, x.Pod)
		}
	}
	if c.nodefsUse(id, c.now) < 0 || c.imagefsUse(id, c.now) < 0 || c.processes(id, c.now) < 0 {
		c.contradiction("node %s uses less than nothing", name)
	}
}

// overLimit is the eviction manager's message on a pod that has written more than it may, "" when
// it has not (emptyDirLimitEviction, podEphemeralStorageLimitEviction and
// containerEphemeralStorageLimitEviction). It knows nothing of a pod without a running container,
// and evicts none that is critical.
func (c *Cluster) overLimit(id model.PodID) string {
	o, p := &c.state.Pods[id], &c.pods[id]
	t := o.Template
	running := slices.ContainsFunc(p.containers, func(k container) bool { return k.running })
	if !t.LocalLimits || !running || t.Critical() {
		return ""
	}
	if why := c.emptyDirOverLimit(id); why != "" {
		return why
	}
	if limit := t.StorageLimit; limit > 0 && c.storageUse(id) > limit {
		limits := resourcehelper.PodLimits(&v1.Pod{Spec: *t.Spec}, resourcehelper.PodResourcesOptions{})
		return fmt.Sprintf("Pod ephemeral local storage usage exceeds the total limit of containers %s. ", limits.StorageEphemeral())
	}
	for i := range p.containers {
		k := &t.Containers[i]
		if limit := k.Limits.EphemeralStorage; limit > 0 && k.Kind != model.InitContainer && c.limitedUse(id, i) > limit {
			limits := t.ContainerSpec(i).Resources.Limits
			return fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", k.Name, limits.StorageEphemeral())
		}
	}
	return ""
}

// limitedUse is what a container's limit on ephemeral-storage is for, in bytes.
func (c *Cluster) limitedUse(id model.PodID, i int) int64 {
	use := c.logUse(id, i).Bytes
	if !c.separateImagefs(c.state.Pods[id].Node) {
		use += c.layerUse(id, i).Bytes
	}
	return use
}

func (c *Cluster) emptyDirOverLimit(id model.PodID) string {
	spec := c.state.Pods[id].Template.Spec
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if v.EmptyDir == nil || v.EmptyDir.SizeLimit == nil || v.EmptyDir.SizeLimit.Sign() <= 0 {
			continue
		}
		if limit := v.EmptyDir.SizeLimit; c.volumeUse(id, i).Bytes > limit.Value() {
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, limit)
		}
	}
	return ""
}

// storageUse is what the pod has written in all, in bytes, as the kubelet knows it
// (stats/helper.go calcEphemeralStorage).
func (c *Cluster) storageUse(id model.PodID) int64 {
	use := int64(0)
	for i := range c.pods[id].containers {
		use += c.layerUse(id, i).Bytes + c.logUse(id, i).Bytes
	}
	spec := c.state.Pods[id].Template.Spec
	for i := range spec.Volumes {
		if v := &spec.Volumes[i]; v.EmptyDir != nil {
			use += c.volumeUse(id, i).Bytes
		}
	}
	return use
}

// layerUse is what a running container has written to its writable layer, as the runtime shows it.
func (c *Cluster) layerUse(id model.PodID, i int) kubelet.FsUse {
	k := &c.pods[id].containers[i]
	if !k.running {
		return kubelet.FsUse{}
	}
	use := c.written(id, i, "", c.now-k.layerLag)
	if !c.real {
		use.Bytes += layerBase
	}
	return use
}

// layerBase is what containerd finds in the writable layer of a container that has written nothing, in
// bytes: the folders and files that others are mounted on. A measurement.
const layerBase = 12 << 10

// logUse is what a running container has written to its log, which the kubelet measures itself.
func (c *Cluster) logUse(id model.PodID, i int) kubelet.FsUse {
	if !c.pods[id].containers[i].running {
		return kubelet.FsUse{}
	}
	return c.written(id, i, model.LogVolume, c.now)
}

// volumeUse is what all containers have written to an emptyDir, when it was measured last. One in
// memory cannot be over its limit, and does not count as storage.
func (c *Cluster) volumeUse(id model.PodID, index int) kubelet.FsUse {
	if u := c.pods[id].usage; u != nil {
		return volumeOf(u.analyzed, index)
	}
	return c.volumeUseAt(id, index, c.lastVolumeStats(id))
}

func (c *Cluster) volumeUseAt(id model.PodID, index int, at model.Time) kubelet.FsUse {
	var use kubelet.FsUse
	v := &c.state.Pods[id].Template.Spec.Volumes[index]
	if v.EmptyDir.Medium != v1.StorageMediumDefault {
		return use
	}
	if u := c.pods[id].usage; u != nil {
		return volumeOf(u.volumes, index)
	}
	for i := range c.pods[id].containers {
		use.Add(c.written(id, i, v.Name, at))
	}
	return use
}

// written is how much a container had written at a moment to a volume, or with no name to its
// writable layer, which is a new one in each run.
func (c *Cluster) written(id model.PodID, i int, volume string, at model.Time) kubelet.FsUse {
	k := &c.pods[id].containers[i]
	var use kubelet.FsUse
	if k.runs == 0 {
		return use
	}
	if c.real {
		return c.measuredUsage(id, i).written(volume)
	}
	for _, x := range k.left {
		if x.Volume == volume && x.At <= at {
			use = kubelet.FsUse{Bytes: x.Use, Inodes: x.Inodes}
		}
	}
	for _, d := range c.behaviorOf(id, i).Disk {
		if d.Volume == volume && k.startedAt+d.At <= min(at, k.endedAt) {
			use = kubelet.FsUse{Bytes: d.Use, Inodes: d.Inodes}
		}
	}
	return use
}

// beginWriting notes what a container has left on the pod's volumes before it runs again.
func (c *Cluster) beginWriting(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	if len(c.behaviorOf(id, i).Disk) == 0 {
		return
	}
	k.layerLag = c.delay(id, streamLayer, &c.scenario.Latencies.LayerStats)
	if k.runs == 0 {
		return
	}
	for _, d := range c.behaviorOf(id, i).Disk {
		if d.Volume == "" || slices.ContainsFunc(k.left, func(x model.DiskPoint) bool { return x.Volume == d.Volume }) {
			continue
		}
		k.left = append(k.left, model.DiskPoint{Volume: d.Volume})
	}
	for j := range k.left {
		use := c.written(id, i, k.left[j].Volume, c.now)
		k.left[j].Use, k.left[j].Inodes, k.left[j].At = use.Bytes, use.Inodes, c.now
	}
}

// volumeStats is the first time after t that the kubelet measures the pod's volumes: at the first
// round of its analyzer that knows the pod, and then at random after one to two periods
// (server/stats fs_resource_analyzer.go, volume_stat_calculator.go StartOnce).
func (c *Cluster) volumeStats(id model.PodID, t model.Time) model.Time {
	_, next := c.volumeStatsAround(id, t)
	return next
}

// lastVolumeStats is the last time that the pod's volumes were measured before this moment, before
// the start of the run when never.
func (c *Cluster) lastVolumeStats(id model.PodID) model.Time {
	last, _ := c.volumeStatsAround(id, c.now-1)
	return last
}

func (c *Cluster) volumeStatsAround(id model.PodID, t model.Time) (last, next model.Time) {
	p, n := &c.pods[id], &c.nodes[c.state.Pods[id].Node]
	origin, period := n.loops.Origin, model.Time(n.config.VolumeStatsAggPeriod.Duration)
	if period <= 0 {
		return -model.Never, model.Never
	}
	last, next = -model.Never, origin+((p.admittedAt-origin)/period+1)*period
	for i := uint64(0); next <= t; i++ {
		u := Uniform(Draw(c.seed, streamVolumeStats, p.luck, i))
		last, next = next, next+period+model.Time(u*float64(period))
	}
	return last, next
}
