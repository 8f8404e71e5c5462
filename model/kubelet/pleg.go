package kubelet

import "podsim/model"

// observed says that the PLEG has looked at the pod since the last sync: for a sync that waits for
// it already, at the moment of its end also counts (container/cache.go getIfNewerThan, notify).
func (p *Pod) observed() bool {
	at := p.seen.at
	// A look at all pods that inspects this one, or is about to, is not over before that.
	inspects := p.seen.inspecting && p.global >= p.seen.listedAt-relistTime || p.seen.dirty && p.global > p.seen.since-relistTime
	if !inspects {
		at = max(at, p.global)
	}
	return at > p.work.lastSync || p.sync.waits && at == p.work.lastSync
}

// look gives the sync the pod's status as the PLEG's cache has it.
func (p *Pod) look() {
	p.view = p.seen.status
	for i := range p.containers {
		c := &p.containers[i]
		c.viewCur, c.viewPrev, c.viewOld = c.seenCur, c.seenPrev, c.seenOld
	}
	if p.resize != nil {
		p.resize.look()
	}
}

// relisted finds out whether the pod has changed since the last list, and whether the worker is to
// sync: when a container or the sandbox has started or ended, not when one was only created
// (pleg/generic.go reconcilePodRecord, convertState).
func (p *Pod) relisted(e Event) {
	p.seen.asked = false
	if !p.seen.dirty {
		if e.OK {
			p.seen.at = e.Now
		}
		return
	}
	p.seen.dirty, p.seen.inspecting = false, true
	p.seen.worthy, p.seen.died = p.seen.listed != p.sandbox, p.seen.listed.ready && !p.sandbox.ready
	p.seen.listed, p.seen.listedAt = p.sandbox, e.Now
	for i := range p.containers {
		c := &p.containers[i]
		cur, prev := c.happened(&c.cur), c.happened(&c.prev)
		p.seen.worthy = p.seen.worthy || cur || prev || c.vanished()
		c.ended = cur && c.cur.state == exited || prev && c.prev.state == exited
		p.seen.died = p.seen.died || c.ended
		c.list()
	}
	if p.resize != nil && p.resize.reinspect {
		p.seen.worthy, p.resize.reinspect = true, false
	}
}

// lookOver is the end of a look at all pods that found this one unchanged, and others not.
func (p *Pod) lookOver() {
	p.seen.asked = false
	if p.seen.dirty {
		p.changed()
	}
}

// list takes the instances over into the PLEG's list.
func (c *container) list() {
	c.listedCur, c.listedPrev = listing{c.cur.id, c.cur.state}, listing{c.prev.id, c.prev.state}
}

// inspected takes the runtime's state over into the PLEG's cache, lets go of old instances and
// syncs the pod (updateCache; kubelet.go syncLoopIteration).
func (p *Pod) inspected() {
	p.seen.at, p.seen.inspecting = p.seen.listedAt, false
	p.cacheStatus()
	for i := range p.containers {
		if p.containers[i].ended && !p.removesContent() {
			p.discard(i)
		}
	}
	if p.seen.died && p.removesContent() {
		p.discardAll()
	}
	if p.seen.worthy {
		p.loopUpdate()
	}
}

func (p *Pod) cacheStatus() {
	p.seen.sandbox = p.sandbox
	p.seen.hasIP = p.seen.hasIP || p.sandbox.ready
	for i := range p.containers {
		c := &p.containers[i]
		c.seenCur, c.seenPrev, c.seenOld = c.cur, c.prev, c.old
	}
	if p.resize != nil {
		p.resize.cache()
	}
}

// happened says that an instance runs or has ended and the PLEG's list does not have it so.
func (c *container) happened(x *instance) bool {
	before := absent
	switch x.id {
	case c.listedCur.id:
		before = c.listedCur.state
	case c.listedPrev.id:
		before = c.listedPrev.state
	}
	return x.state != before && (x.state == running || x.state == exited)
}

// discard lets go of the instances of a container that ended before another one
// (kubelet.go cleanUpContainersInPod, pod_container_deletor.go getContainersToDeleteInPod).
func (p *Pod) discard(i int) {
	c := &p.containers[i]
	c.ended = false
	if c.cur.state == exited && c.prev.state == exited {
		p.askDiscard(i, c.prev.id)
	}
	if c.old != 0 {
		p.askDiscard(i, c.old)
	}
}

// vanished says that the instance that the PLEG listed last, and not as ended, is gone.
func (c *container) vanished() bool {
	x := c.listedCur
	return (x.state == created || x.state == running) && x.id != c.cur.id && x.id != c.prev.id
}

// removesContent says that nothing of the pod is kept once its containers have ended
// (pod_workers.go ShouldPodContentBeRemoved).
func (p *Pod) removesContent() bool { return p.work.evicted != model.NoText && !p.work.shutdown }

// discardAll lets go of all instances of an evicted pod that have ended, also of those whose end
// nobody has read yet (pod_workers.go ShouldPodContentBeRemoved), the newest first.
func (p *Pod) discardAll() {
	i, id := p.endedBefore(p.instances + 1)
	for id != 0 {
		p.askDiscard(i, id)
		i, id = p.endedBefore(id)
	}
}

// endedBefore is the newest instance that has ended, of those before an instance; 0 for none.
func (p *Pod) endedBefore(limit int32) (container int, id int32) {
	for i := range p.containers {
		c := &p.containers[i]
		for _, x := range [...]instance{c.cur, c.prev, {id: c.old, state: exited}} {
			if x.state == exited && x.id < limit && x.id > id {
				container, id = i, x.id
			}
		}
	}
	return container, id
}

// Dead are the instances of a container that have ended, the newest first; 0 for none.
func (p *Pod) Dead(i int) [2]int32 {
	var dead [2]int32
	n := 0
	for _, x := range [...]*instance{&p.containers[i].cur, &p.containers[i].prev} {
		if x.state == exited {
			dead[n] = x.id
			n++
		}
	}
	return dead
}

func (p *Pod) askDiscard(i int, id int32) {
	p.out = append(p.out, Effect{Kind: Discard, Container: int8(i), Instance: id})
}

// discarded notes that the runtime has let go of an instance.
func (p *Pod) discarded(e Event) {
	c := &p.containers[e.Container]
	switch e.Instance {
	case c.cur.id:
		c.cur, c.prev = c.prev, instance{}
	case c.prev.id:
		c.prev = instance{}
	case c.old:
		c.old = 0
	default:
		return
	}
	p.changed()
}

// Unseen says that the runtime's state is not what the PLEG has seen.
func (p *Pod) Unseen() bool { return p.seen.dirty }

// changed notes that the runtime's state is not what the PLEG has listed.
func (p *Pod) changed() {
	if !p.seen.dirty {
		p.seen.dirty, p.seen.since = true, p.now
	}
	if !p.seen.asked {
		p.seen.asked = true
		p.ask(RelistNext, -1)
	}
}

// HasContainer says that the runtime has an instance of a container, running or not.
func (p *Pod) HasContainer(i int8) bool {
	c := &p.containers[i]
	return c.cur.state != absent || c.prev.state != absent || c.old != 0
}
