package sim

import (
	"podsim/model"
	"podsim/model/controllers"
)

// controllerManager is the state of the workload controllers of kube-controller-manager.
type controllerManager struct {
	deployments []deploymentKey
	replicaSets []replicaSetKey
}

// key is a key of a controller's work queue: it is queued, being synced, or both.
type key struct {
	queued, busy, dirty bool
	luck                uint64
	draws               uint64
}

type deploymentKey struct {
	key
	writes []controllers.DeploymentWrite
	log    eventLog
	sets   []*model.ReplicaSet
}

type replicaSetKey struct {
	key
	// toCreate pods remain of the sync under way, batch is the size of the next batch and
	// inBatch how many of the present one have not been answered (slowStartBatch).
	toCreate, batch, inBatch int
	// expectCreates and expectDeletes are the expectations (ControllerExpectations).
	expectCreates, expectDeletes int
	// ordinal counts the pods created.
	ordinal uint64
	counts  counts
	status  model.ReplicaSetStatus
	log     eventLog
}

// counts are the numbers of a ReplicaSet's pods by what its controller has seen of them.
type counts struct{ active, ready, terminating int32 }

// podCounts is how one pod stands in them.
type podCounts struct {
	active, ready, terminating bool
	sawDeleting                bool
}

func (c *Cluster) initControllers() {
	c.deployments = make([]deploymentKey, 1)
	c.replicaSets = make([]replicaSetKey, 1)
}

// reconcile queues the sync of a key unless one is queued; a key that is being synced comes
// again afterwards (client-go util/workqueue).
func (c *Cluster) reconcile(k *key, event EventKind, id int32) {
	switch {
	case k.busy:
		k.dirty = true
	case !k.queued:
		k.queued = true
		k.draws++
		c.after(c.delayOf(k.luck, streamReconcile, k.draws, &c.scenario.ControlPlane.Reconcile), event, id, 0)
	}
}

// endSync ends the sync of a key.
func (c *Cluster) endSync(k *key, event EventKind, id int32) {
	k.busy = false
	if k.dirty {
		k.dirty = false
		c.reconcile(k, event, id)
	}
}

func (c *Cluster) enqueueDeployment(id model.DeploymentID) {
	c.reconcile(&c.deployments[id].key, evSyncDeployment, int32(id))
}

func (c *Cluster) enqueueReplicaSet(id model.ReplicaSetID) {
	c.reconcile(&c.replicaSets[id].key, evSyncReplicaSet, int32(id))
}

// syncDeployment works out the writes of a Deployment's sync; they follow one after the other.
func (c *Cluster) syncDeployment(id model.DeploymentID) {
	d, k := &c.state.Deployments[id], &c.deployments[id]
	k.queued = false
	if d.Deleted {
		return
	}
	k.sets = k.sets[:0]
	oldPods := false
	for _, rs := range d.ReplicaSets {
		s := &c.state.ReplicaSets[rs]
		if s.Deleted || s.Deleting {
			continue
		}
		k.sets = append(k.sets, s)
		if s.Hash != d.Hash && d.Recreate {
			oldPods = oldPods || s.Status.Replicas > 0 || c.anyAlive(s)
		}
	}
	again := model.Never
	k.writes, again = controllers.SyncDeployment(d, k.sets, oldPods, c.now, k.writes[:0])
	if again != model.Never {
		c.after(again-c.now, evSyncAgain, int32(id), 0)
	}
	k.busy = true
	c.nextDeploymentWrite(id)
}

// anyAlive says that a pod of the ReplicaSet has not ended (oldPodsRunning).
func (c *Cluster) anyAlive(s *model.ReplicaSet) bool {
	for _, id := range s.Pods {
		if !c.state.Pods[id].Status.Phase.Terminal() {
			return true
		}
	}
	return false
}

func (c *Cluster) nextDeploymentWrite(id model.DeploymentID) {
	k := &c.deployments[id]
	if len(k.writes) == 0 {
		c.endSync(&k.key, evSyncDeployment, int32(id))
		return
	}
	k.draws++
	at := c.request(&c.deploymentLimit, k.luck, k.draws)
	c.after(at-c.now, evWriteDeployment, int32(id), 0)
}

// writeDeployment is the next write of a Deployment's sync as it reaches the API server.
func (c *Cluster) writeDeployment(id model.DeploymentID) {
	d, k := &c.state.Deployments[id], &c.deployments[id]
	w := k.writes[0]
	k.writes = append(k.writes[:0], k.writes[1:]...)
	if !d.Deleted {
		c.applyDeploymentWrite(d, &w)
	}
	c.nextDeploymentWrite(id)
}

func (c *Cluster) applyDeploymentWrite(d *model.Deployment, w *controllers.DeploymentWrite) {
	switch w.Kind {
	case controllers.CreateReplicaSet:
		s := c.createReplicaSet(d, w.To)
		c.scaledEvent(d, s, 0, w.To)
	case controllers.ScaleReplicaSet, controllers.AnnotateReplicaSet:
		s := &c.state.ReplicaSets[w.ReplicaSet]
		if s.Deleted {
			return
		}
		s.Desired, s.Max = d.Replicas, controllers.MaxReplicas(d)
		if w.Kind == controllers.ScaleReplicaSet {
			s.Replicas = w.To
			s.Generation++
			c.scaledEvent(d, s, w.From, w.To)
		}
		c.changed(model.KindReplicaSet, int32(s.ID), model.Modified)
	case controllers.ReviseReplicaSet:
		s := &c.state.ReplicaSets[w.ReplicaSet]
		if s.Deleted {
			return
		}
		s.Revision, d.Revision = int64(w.To), int64(w.To)
		if s.MinReadySeconds != d.MinReadySeconds {
			s.MinReadySeconds = d.MinReadySeconds
			s.Generation++
		}
		c.changed(model.KindReplicaSet, int32(s.ID), model.Modified)
	case controllers.DeleteReplicaSet:
		c.deleteReplicaSet(w.ReplicaSet)
	case controllers.UpdateDeploymentStatus:
		d.Status = w.Status
		c.changed(model.KindDeployment, int32(d.ID), model.Modified)
	}
}

func (c *Cluster) scaledEvent(d *model.Deployment, s *model.ReplicaSet, from, to int32) {
	kind := model.MessageScaledUp
	if to < from {
		kind = model.MessageScaledDown
	}
	c.write(&c.deployments[d.ID].log, model.Event{Kind: model.KindDeployment, ID: int32(d.ID), Container: -1,
		Source: model.FromDeploymentController, Reason: model.EventScalingReplicaSet,
		Message: model.Message{Kind: kind, Text: c.state.Texts.Intern(s.Name), N: int64(from)<<32 | int64(to)}})
}

// replicaSetSeen is a ReplicaSet's change as the two controllers see it.
func (c *Cluster) replicaSetSeen(id model.ReplicaSetID) {
	s := &c.state.ReplicaSets[id]
	if !s.Deleted {
		c.enqueueReplicaSet(id)
	}
	if s.Owner != 0 {
		c.enqueueDeployment(s.Owner)
	}
}

// podOfReplicaSetSeen is a pod's change as the ReplicaSet controller sees it.
func (c *Cluster) podOfReplicaSetSeen(id model.PodID, change model.ChangeType) {
	o, p := &c.state.Pods[id], &c.pods[id]
	k := &c.replicaSets[o.Owner]
	now := podCounts{sawDeleting: p.counts.sawDeleting}
	if change == model.Added && k.expectCreates > 0 {
		k.expectCreates--
	}
	if (o.Deleting || change == model.Deleted) && !now.sawDeleting {
		now.sawDeleting = true
		if k.expectDeletes > 0 {
			k.expectDeletes--
		}
	}
	if p.exists && change != model.Deleted {
		alive := !o.Status.Phase.Terminal()
		now.active = alive && !o.Deleting
		now.ready = now.active && o.Status.Ready()
		now.terminating = alive && o.Deleting
	}
	if now == p.counts && change != model.Added {
		return
	}
	k.counts.move(&p.counts, &now)
	p.counts = now
	c.enqueueReplicaSet(o.Owner)
}

func (n *counts) move(old, now *podCounts) {
	count := func(x *int32, was, is bool) {
		if was {
			*x--
		}
		if is {
			*x++
		}
	}
	count(&n.active, old.active, now.active)
	count(&n.ready, old.ready, now.ready)
	count(&n.terminating, old.terminating, now.terminating)
}

// syncReplicaSet follows replica_set.go syncReplicaSet.
func (c *Cluster) syncReplicaSet(id model.ReplicaSetID) {
	s, k := &c.state.ReplicaSets[id], &c.replicaSets[id]
	k.queued = false
	if s.Deleted {
		return
	}
	k.busy = true
	// The status is that of the pods before this sync creates or deletes any.
	k.status = model.ReplicaSetStatus{ObservedGeneration: s.Generation, Replicas: k.counts.active, FullyLabeled: k.counts.active,
		Ready: k.counts.ready, Available: c.available(id), Terminating: k.counts.terminating}
	if k.expectCreates == 0 && k.expectDeletes == 0 && !s.Deleting {
		switch diff := int(k.counts.active) - int(s.Replicas); {
		case diff < 0:
			k.toCreate = min(-diff, controllers.Burst)
			k.expectCreates = k.toCreate
			k.batch = 1
			c.nextBatch(id)
			return
		case diff > 0:
			c.deleteReplicas(id, min(diff, controllers.Burst))
			return
		}
	}
	c.updateReplicaSetStatus(id)
}

// nextBatch sends the creates of the next batch, twice as many as in the one before
// (slowStartBatch).
func (c *Cluster) nextBatch(id model.ReplicaSetID) {
	k := &c.replicaSets[id]
	if k.toCreate == 0 {
		c.updateReplicaSetStatus(id)
		return
	}
	n := min(k.batch, k.toCreate)
	k.batch, k.toCreate, k.inBatch = 2*n, k.toCreate-n, n
	for range n {
		k.draws++
		at := c.request(&c.replicaSetLimit, k.luck, k.draws)
		c.after(at-c.now, evCreatePod, int32(id), 0)
	}
}

// createReplica is a create of the ReplicaSet controller as it reaches the API server.
func (c *Cluster) createReplica(id model.ReplicaSetID) {
	s, k := &c.state.ReplicaSets[id], &c.replicaSets[id]
	if s.Deleted {
		k.expectCreates--
	} else {
		k.ordinal++
		luck := Draw(k.luck, streamUID, k.ordinal, 0)
		name := c.replicaName(s, luck)
		pod := c.createPod(name, s.Template, id, luck)
		s = &c.state.ReplicaSets[id]
		s.Pods = append(s.Pods, pod)
		c.replicaEvent(id, model.EventSuccessfulCreate, model.MessageCreatedPod, name)
	}
	if k.inBatch--; k.inBatch == 0 {
		c.nextBatch(id)
	}
}

func (c *Cluster) replicaEvent(id model.ReplicaSetID, r model.EventReason, m model.MessageKind, pod string) {
	k := &c.replicaSets[id]
	if k.log.filter(model.FromReplicaSetController, false).empty(c.now) {
		return
	}
	c.write(&k.log, model.Event{Kind: model.KindReplicaSet, ID: int32(id), Container: -1, Source: model.FromReplicaSetController,
		Reason: r, Message: model.Message{Kind: m, Text: c.state.Texts.Intern(pod)}})
}

// replicaName makes a pod's name as the API server's generateName does
// (apiserver/pkg/storage/names SimpleNameGenerator), again when the name is taken.
func (c *Cluster) replicaName(s *model.ReplicaSet, luck uint64) string {
	for n := uint64(0); ; n++ {
		suffix := randomSuffix(Draw(c.seed, streamName, luck, n))
		if !c.nameTaken(s, suffix) {
			return s.Name + "-" + string(suffix[:])
		}
	}
}

// randomSuffix is the end of a generated name, of a random word.
func randomSuffix(x uint64) (suffix [5]byte) {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	for i := range suffix {
		suffix[i] = letters[x%uint64(len(letters))]
		x /= uint64(len(letters))
	}
	return suffix
}

func (c *Cluster) nameTaken(s *model.ReplicaSet, suffix [5]byte) bool {
	for _, id := range s.Pods {
		name := c.state.Pods[id].Name
		if len(name) > 5 && name[len(name)-5:] == string(suffix[:]) {
			return true
		}
	}
	return false
}

// deleteReplicas deletes the n least valuable pods, all at once.
func (c *Cluster) deleteReplicas(id model.ReplicaSetID, n int) {
	s, k := &c.state.ReplicaSets[id], &c.replicaSets[id]
	c.active = c.active[:0]
	for _, p := range s.Pods {
		if c.pods[p].counts.active {
			c.active = append(c.active, p)
		}
	}
	chosen := controllers.PodsToDelete(&c.state, c.active, n, c.now, c.siblings, func(p model.PodID) uint64 { return c.pods[p].luck })
	k.expectDeletes = len(chosen)
	last := c.now
	for _, p := range chosen {
		k.draws++
		last = max(last, c.request(&c.replicaSetLimit, k.luck, k.draws))
		c.at(last, evDeletePod, p, 0, noGrace)
		c.replicaEvent(id, model.EventSuccessfulDelete, model.MessageDeletedPod, c.state.Pods[p].Name)
	}
	c.after(last-c.now, evDeletesDone, int32(id), 0)
}

// siblings counts the active pods of a pod's owner group on its node
// (getPodsRankedByRelatedPodsOnSameNode).
func (c *Cluster) siblings(id model.PodID) int {
	o := &c.state.Pods[id]
	if o.Node == 0 {
		return 0
	}
	group := []model.ReplicaSetID{o.Owner}
	if d := c.state.ReplicaSets[o.Owner].Owner; d != 0 {
		group = c.state.Deployments[d].ReplicaSets
	}
	n := 0
	for _, rs := range group {
		for _, p := range c.state.ReplicaSets[rs].Pods {
			if c.state.Pods[p].Node == o.Node && c.pods[p].counts.active {
				n++
			}
		}
	}
	return n
}

// updateReplicaSetStatus writes the status when it differs (updateReplicaSetStatus).
func (c *Cluster) updateReplicaSetStatus(id model.ReplicaSetID) {
	s, k := &c.state.ReplicaSets[id], &c.replicaSets[id]
	if k.status == s.Status {
		c.endSync(&k.key, evSyncReplicaSet, int32(id))
		return
	}
	k.draws++
	at := c.request(&c.replicaSetLimit, k.luck, k.draws)
	c.after(at-c.now, evWriteReplicaSet, int32(id), 0)
}

// available counts the pods that have been ready for minReadySeconds, and asks to look again
// when the next one will be (FindMinNextPodAvailabilityCheck).
func (c *Cluster) available(id model.ReplicaSetID) int32 {
	s, k := &c.state.ReplicaSets[id], &c.replicaSets[id]
	if s.MinReadySeconds == 0 {
		return k.counts.ready
	}
	n, next := int32(0), model.Never
	for _, p := range s.Pods {
		if !c.pods[p].counts.ready {
			continue
		}
		at := c.state.Pods[p].Status.Conditions[model.PodReady].Transition + model.Time(s.MinReadySeconds)*model.Second
		if at <= c.now {
			n++
		} else {
			next = min(next, at)
		}
	}
	if next != model.Never {
		c.after(next-c.now, evAvailable, int32(id), 0)
	}
	return n
}

// writeReplicaSet is a status write of the ReplicaSet controller as it reaches the API server.
func (c *Cluster) writeReplicaSet(id model.ReplicaSetID) {
	s, k := &c.state.ReplicaSets[id], &c.replicaSets[id]
	if !s.Deleted {
		s.Status = k.status
		c.changed(model.KindReplicaSet, int32(id), model.Modified)
	}
	c.endSync(&k.key, evSyncReplicaSet, int32(id))
}

// removeReplica takes a pod that is gone out of its ReplicaSet's list.
func (c *Cluster) removeReplica(id model.PodID) {
	owner := c.state.Pods[id].Owner
	if owner == 0 {
		return
	}
	s := &c.state.ReplicaSets[owner]
	for i, p := range s.Pods {
		if p == id {
			s.Pods = append(s.Pods[:i], s.Pods[i+1:]...)
			return
		}
	}
}
