package kubelet

import "podsim/model"

// restartGrace is how long before the kubelet a container must have begun so that the kubelet holds
// itself for one that was started anew (prober/prober_manager.go kubeletRestartGracePeriod).
const restartGrace = 10 * model.Second

// Adopt makes p the pod of a kubelet that begins anew: the runtime shows what it has, the API server's
// status is all that is known of before; back-offs, probes and terminations under way are forgotten.
// looked is when its PLEG last looked at all pods: what ended after that it has not seen.
func (p *Pod) Adopt(api *model.PodStatus, looked model.Time) {
	before := *p
	before.containers = append([]container(nil), p.containers...)
	p.Reset(before.Allocated())
	p.NoCgroupsPerQOS, p.KubeletStart = before.NoCgroupsPerQOS, before.KubeletStart
	p.sandbox, p.instances = before.sandbox, before.instances
	p.keepResize(before.resize, api)
	for i := range before.containers {
		c, old := &p.containers[i], &before.containers[i]
		c.cur, c.prev, c.old, c.logs = old.cur, old.prev, old.old, old.logs
		c.list()
	}
	p.cacheStatus()
	p.seen.listed, p.seen.hasIP, p.seen.at = p.sandbox, before.seen.hasIP, looked
	for i := range p.containers {
		if c := &p.containers[i]; c.cur.state == exited && c.cur.finished > looked {
			c.unsee()
			p.seen.dirty = true
		}
	}
	p.Status.CopyFrom(api)
	p.published = p.hasInitialized(api)
	p.look()
	if api.Phase.Terminal() && !p.alive() {
		p.work.kind = terminatedPod
	}
}

// unsee takes back the end of the container's latest instance in the PLEG's list and cache.
func (c *container) unsee() {
	c.seenCur.state, c.seenCur.exitCode, c.seenCur.finished = running, 0, 0
	c.seenCur.reason, c.seenCur.message = model.NoText, model.Message{}
	c.listedCur.state = running
}

// AdoptOrphan is Adopt for a pod whose object is gone: the kubelet stops what runs of it
// (kubelet_pods.go HandlePodCleanups, SyncTerminatingRuntimePod). It says whether anything does.
func (p *Pod) AdoptOrphan(api *model.PodStatus, looked model.Time) bool {
	p.Adopt(api, looked)
	p.config.removed = true
	p.work.graceSeconds = 1
	return p.alive()
}

// EndedUnseen notes that a container's main process ended, of a pod that no kubelet looks after.
func (p *Pod) EndedUnseen(e Event) {
	c := &p.containers[e.Container]
	for _, x := range [...]*instance{&c.cur, &c.prev} {
		if x.id == e.Instance && x.state == running {
			x.state, x.exitCode, x.reason, x.message, x.finished = exited, int32(e.N), e.Reason, e.Message, e.Now
		}
	}
}

// Rebooted makes the runtime's record of the pod that of a node that had no power: the sandbox is not
// ready, and what ran has ended with exit code 255, for the reason given (containerd
// internal/cri/server/restart.go).
func (p *Pod) Rebooted(reason model.Text, now model.Time) {
	p.sandbox.ready = false
	if p.resize != nil {
		p.resize.cgroup = p.resize.allocated
	}
	for i := range p.containers {
		if c := &p.containers[i].cur; c.state == running || c.state == created {
			c.state, c.exitCode, c.reason, c.finished = exited, 255, reason, now
		}
	}
}

// outlasted says that a container has been running since before the kubelet began.
func (p *Pod) outlasted(s *model.ContainerStatus) bool {
	return s.State.Kind == model.StateRunning && s.State.StartedAt < p.KubeletStart-restartGrace
}

// lookAgain asks for the look of the PLEG that sees what has ended since the last one.
func (p *Pod) lookAgain() {
	if p.seen.dirty && !p.seen.asked {
		p.changed()
	}
}

// rejectRunning ends a pod that an earlier kubelet has admitted and this one does not, with the least
// grace period.
//
// Differs from Kubernetes: its containers are shown as they end. Upstream forgets them and ends them as
// those of a pod that it does not know, with its next round of housekeeping.
func (p *Pod) rejectRunning(e Event) {
	p.told(e)
	p.lookAgain()
	p.config.deleting, p.config.graceSeconds, p.config.generation = e.Deleting, e.GraceSeconds, e.N
	p.work.evicted, p.work.evictedMessage, p.work.graceSeconds = e.Reason, e.Message, 1
	p.work.refused = true
	p.terminate()
	p.update()
}

// Refused says that the pod ran and that its kubelet has not admitted it when it began.
func (p *Pod) Refused() bool { return p.work.refused }
