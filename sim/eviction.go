package sim

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"podsim/model"
	"podsim/model/kubelet"
)

// The periods of what a kubelet does to find pods that write too much (kubelet.go
// evictionMonitoringPeriod, the default volumeStatsAggPeriod), and how it waits after it has
// evicted some (pod_workers.go killPodNow, eviction/eviction_manager.go podCleanupPollFreq,
// podCleanupTimeout).
const (
	evictionPeriod    = 10 * model.Second
	volumeStatsPeriod = model.Minute
	killTimeout       = 10 * model.Second
	cleanupPoll       = model.Second
	cleanupTimeout    = 30 * model.Second
)

// evictionGrace is the grace period in seconds of an evicted pod
// (immediateEvictionGracePeriodSeconds).
const evictionGrace = 1

// evictions is a node's eviction manager, as far as limits on local storage go. Its rounds cost
// nothing: a pod asks for the one that will find a change of its use of the disk.
type evictions struct {
	// origin is a moment of a round; the others come each evictionPeriod.
	origin model.Time
	// busy says that pods are being evicted, one after the other: queue are those to come, killing
	// the one whose end is awaited, evicted those that were. No round comes until they are cleaned
	// up. ends is when the wait for either is given up, look the moment of the pending evEvicted.
	busy    bool
	queue   []eviction
	killing model.PodID
	evicted []podSlot
	ends    model.Time
	look    model.Time
}

// eviction is a pod that is to be evicted.
type eviction struct {
	podSlot
	why model.Text
}

// podSlot is a pod's slot and the slot's generation.
type podSlot struct {
	id  model.PodID
	gen uint16
}

// next is the first round after t.
func (e *evictions) next(t model.Time) model.Time {
	rounds := (t - e.origin) / evictionPeriod
	if t >= e.origin {
		rounds++
	}
	return e.origin + rounds*evictionPeriod
}

// watchDisk asks for the round of the eviction manager that will find the next change of what the
// pod's containers have written.
func (c *Cluster) watchDisk(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !o.Template.LocalLimits || !c.writes(id) {
		return
	}
	n, at := &c.nodes[o.Node].evictions, model.Never
	found := func(t model.Time) {
		if round := n.next(t); round > c.now {
			at = min(at, round)
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
			default:
				found(c.volumeStats(id, t))
			}
		}
	}
	p.diskGen++
	if at != model.Never {
		c.at(at, evDisk, id, p.diskGen, 0)
	}
}

// writes says that some container of the pod that has begun to run writes.
func (c *Cluster) writes(id model.PodID) bool {
	for i := range c.pods[id].containers {
		if c.pods[id].containers[i].runs > 0 && len(c.behaviorOf(id, i).Disk) > 0 {
			return true
		}
	}
	return false
}

// diskRound is a round of the eviction manager that a pod has asked for.
func (c *Cluster) diskRound(id model.PodID) {
	node := c.state.Pods[id].Node
	n := &c.nodes[node]
	if n.evictions.busy || n.stopped() {
		return
	}
	if !c.synchronize(node) {
		c.watchDisk(id)
	}
}

// synchronize looks at all pods of the node and evicts those that have written too much (eviction
// manager's localStorageEviction). It says whether there are any.
func (c *Cluster) synchronize(node model.NodeID) bool {
	e := &c.nodes[node].evictions
	e.queue, e.evicted = e.queue[:0], e.evicted[:0]
	for _, id := range c.activePods(node) {
		if why := c.overLimit(id); why != "" {
			e.queue = append(e.queue, eviction{podSlot{id, c.pods[id].gen}, c.state.Texts.Intern(why)})
		}
	}
	if len(e.queue) == 0 {
		return false
	}
	e.busy = true
	c.evictNext(node)
	return true
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
		e.killing, e.ends = x.id, c.now+killTimeout
		c.lookAgain(node, killTimeout)
		c.step(x.id, kubelet.Event{Kind: kubelet.Evict, Text: model.ReasonEvicted, Message: model.TextMessage(x.why), GraceSeconds: evictionGrace})
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
	case !e.busy || e.look != c.now || n.stopped():
	case e.killing == 0:
		c.cleanedUp(node)
	default:
		c.write(&c.pods[e.killing].log, model.Event{Kind: model.KindPod, ID: int32(e.killing), Container: -1, Warning: true,
			Source: model.FromKubelet, Reason: model.EventExceededGracePeriod, Message: model.Message{Kind: model.MessageExceededGracePeriod}})
		c.evictNext(node)
	}
}

// cleanedUp waits until the workers of the evicted pods have ended, and begins a round then
// (waitForPodsCleanup). The rounds after it count from there.
func (c *Cluster) cleanedUp(node model.NodeID) {
	n := &c.nodes[node]
	e := &n.evictions
	pending := slices.ContainsFunc(e.evicted, func(s podSlot) bool {
		return c.pods[s.id].gen == s.gen && !c.pods[s.id].done
	})
	if pending && c.now < e.ends {
		c.lookAgain(node, cleanupPoll)
		return
	}
	c.resumeEvictions(node)
}

// resumeEvictions begins the eviction manager's rounds anew.
func (c *Cluster) resumeEvictions(node model.NodeID) {
	n := &c.nodes[node]
	n.evictions = evictions{origin: c.now, queue: n.evictions.queue[:0], evicted: n.evictions.evicted[:0]}
	if c.synchronize(node) {
		return
	}
	for _, id := range n.pods {
		c.watchDisk(id)
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
		if limit := k.Limits.EphemeralStorage; limit > 0 && k.Kind != model.InitContainer && c.layerUse(id, i) > limit {
			limits := t.ContainerSpec(i).Resources.Limits
			return fmt.Sprintf("Container %s exceeded its local ephemeral storage limit %q. ", k.Name, limits.StorageEphemeral())
		}
	}
	return ""
}

func (c *Cluster) emptyDirOverLimit(id model.PodID) string {
	spec := c.state.Pods[id].Template.Spec
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if v.EmptyDir == nil || v.EmptyDir.SizeLimit == nil || v.EmptyDir.SizeLimit.Sign() <= 0 {
			continue
		}
		if limit := v.EmptyDir.SizeLimit; c.volumeUse(id, v) > limit.Value() {
			return fmt.Sprintf("Usage of EmptyDir volume %q exceeds the limit %q. ", v.Name, limit)
		}
	}
	return ""
}

// storageUse is what the pod has written in all, as the kubelet knows it
// (stats/helper.go calcEphemeralStorage).
func (c *Cluster) storageUse(id model.PodID) int64 {
	use := int64(0)
	for i := range c.pods[id].containers {
		use += c.layerUse(id, i)
	}
	spec := c.state.Pods[id].Template.Spec
	for i := range spec.Volumes {
		if v := &spec.Volumes[i]; v.EmptyDir != nil {
			use += c.volumeUse(id, v)
		}
	}
	return use
}

// layerUse is what a running container has written to its writable layer, as the runtime shows it.
func (c *Cluster) layerUse(id model.PodID, i int) int64 {
	k := &c.pods[id].containers[i]
	if !k.running {
		return 0
	}
	return c.written(id, i, "", c.now-k.layerLag)
}

// volumeUse is what all containers have written to an emptyDir, when it was measured last. One in
// memory cannot be over its limit, and does not count as storage.
func (c *Cluster) volumeUse(id model.PodID, v *v1.Volume) int64 {
	if v.EmptyDir.Medium != v1.StorageMediumDefault {
		return 0
	}
	measured, use := c.lastVolumeStats(id), int64(0)
	for i := range c.pods[id].containers {
		use += c.written(id, i, v.Name, measured)
	}
	return use
}

// written is how much a container had written at a moment to a volume, or with no name to its
// writable layer, which is a new one in each run.
func (c *Cluster) written(id model.PodID, i int, volume string, at model.Time) int64 {
	k := &c.pods[id].containers[i]
	if k.runs == 0 {
		return 0
	}
	use := int64(0)
	for _, x := range k.left {
		if x.Volume == volume && x.At <= at {
			use = x.Use
		}
	}
	for _, d := range c.behaviorOf(id, i).Disk {
		if d.Volume == volume && k.startedAt+d.At <= min(at, k.endedAt) {
			use = d.Use
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
		k.left[j].Use, k.left[j].At = c.written(id, i, k.left[j].Volume, c.now), c.now
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
	p := &c.pods[id]
	origin := c.nodes[c.state.Pods[id].Node].loops.Origin
	last, next = -model.Never, origin+((p.admittedAt-origin)/volumeStatsPeriod+1)*volumeStatsPeriod
	for i := uint64(0); next <= t; i++ {
		u := Uniform(Draw(c.seed, streamVolumeStats, p.luck, i))
		last, next = next, next+volumeStatsPeriod+model.Time(u*float64(volumeStatsPeriod))
	}
	return last, next
}
