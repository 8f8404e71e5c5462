package sim

import (
	"slices"

	"podsim/model"
	"podsim/scheduler/framework"
)

// volumeWait is an assumed pod whose volumes are not bound yet.
type volumeWait struct {
	pod  model.PodID
	node model.NodeID
	gen  uint16
	// since is when the wait began, until when the scheduler gives up.
	since, until model.Time
	// seen says that they are bound and the scheduler is about to see it.
	seen bool
}

// bindPeriod is how often the scheduler looks whether the volumes are bound
// (volumebinding/binder.go BindPodVolumes).
const bindPeriod = 1 * model.Second

// preBind is the binding cycle of a pod: its volumes and devices first, then the pod (schedule_one.go
// bindingCycle, volumebinding PreBind).
func (c *Cluster) preBind(id model.PodID, node model.NodeID) {
	v := c.scheduler.PodVolumes(id)
	writes := len(v.Bind) + len(v.Provision) + len(c.scheduler.PodClaims(id))
	if writes == 0 {
		c.bind(id, node)
		return
	}
	at := c.now
	for n := range writes {
		at = max(at, c.request(&c.schedulerLimit, c.pods[id].luck, uint64(n)))
	}
	c.at(at, evBindVolumes, id, 0, int32(node))
}

// bind sends a pod's binding.
func (c *Cluster) bind(id model.PodID, node model.NodeID) {
	at := c.request(&c.schedulerLimit, c.pods[id].luck, 0)
	c.at(at, evBind, id, 0, int32(node))
}

// bindVolumes is what the scheduler has decided about a pod's volumes and devices, as it reaches the API server
// (bindAPIUpdate).
func (c *Cluster) bindVolumes(id model.PodID, node model.NodeID) {
	p := &c.pods[id]
	if p.view != assumedPod {
		return
	}
	v := c.scheduler.PodVolumes(id)
	for _, pv := range v.Bind {
		c.storeVolume(pv)
	}
	for _, claim := range v.Provision {
		c.storeClaim(claim)
	}
	c.allocateClaims(id)
	if len(v.Bind)+len(v.Provision) == 0 {
		c.bind(id, node)
		return
	}
	c.storage.waiting = append(c.storage.waiting, volumeWait{pod: id, node: node, gen: p.gen, since: c.now, until: c.now + v.Timeout})
	c.at(c.now+v.Timeout, evVolumesBound, id, 0, 0)
}

// volumesBound looks for pods whose volumes are bound now. The scheduler sees it when it looks next.
func (c *Cluster) volumesBound() {
	s := &c.storage
	gone := func(w volumeWait) bool { return c.pods[w.pod].gen != w.gen || c.pods[w.pod].view != assumedPod }
	s.waiting = slices.DeleteFunc(s.waiting, gone)
	for i := range s.waiting {
		w := &s.waiting[i]
		if w.seen || !c.allBound(w.pod) {
			continue
		}
		w.seen = true
		rounds := (c.now-w.since)/bindPeriod + 1
		c.at(w.since+rounds*bindPeriod, evVolumesBound, w.pod, 0, 0)
	}
}

func (c *Cluster) allBound(id model.PodID) bool {
	o := &c.state.Pods[id]
	for i := range o.Template.Spec.Volumes {
		v := &o.Template.Spec.Volumes[i]
		name := ""
		switch {
		case v.PersistentVolumeClaim != nil:
			name = v.PersistentVolumeClaim.ClaimName
		case v.Ephemeral != nil:
			name = o.Name + "-" + v.Name
		default:
			continue
		}
		if claim, ok := c.storage.claims.Get(framework.Key(o.Template.Namespace, name)); !ok || !bound(claim) {
			return false
		}
	}
	return true
}

// volumesWaited goes on with the binding of a pod, or gives up.
func (c *Cluster) volumesWaited(id model.PodID) {
	s, p := &c.storage, &c.pods[id]
	i := slices.IndexFunc(s.waiting, func(w volumeWait) bool { return w.pod == id && w.gen == p.gen })
	if i < 0 || p.view != assumedPod {
		return
	}
	w := s.waiting[i]
	if !w.seen && c.now < w.until {
		return
	}
	s.waiting = slices.Delete(s.waiting, i, i+1)
	if w.seen {
		c.bind(id, w.node)
		return
	}
	c.scheduler.Forget(id, c.now)
	p.view = pendingPod
	text := c.state.Texts.Intern(`running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded`)
	c.announce(id, true, model.EventFailedScheduling, model.TextMessage(text))
	c.kick()
}
