package kubelet

import (
	"math/bits"

	"podsim/model"
)

// reset is what a sync removes to restart all containers, as sets of containers: those whose
// latest instance goes, and those whose instance before goes (kuberuntime ContainersToReset).
type reset struct {
	cur, prev uint64
	// sourceCur and sourcePrev are those that have asked for the restart, which go last; running
	// are those to be killed.
	sourceCur, sourcePrev, running uint64
	// before says that the instance being removed is not the latest; removed that one is gone.
	before, removed bool
}

// resetActions follows getContainersToReset.
func (p *Pod) resetActions() reset {
	var r reset
	for i := range p.containers {
		c := &p.containers[i]
		if c.viewCur.state != absent {
			r.cur |= bit(i)
		}
		if c.viewPrev.state != absent {
			r.prev |= bit(i)
		}
		switch {
		case c.viewCur.state != exited:
			r.running |= bit(i) & r.cur
		case p.template.RestartsAll(i, c.viewCur.exitCode):
			r.sourceCur |= bit(i)
		}
		if c.viewPrev.state == exited && p.template.RestartsAll(i, c.viewPrev.exitCode) {
			r.sourcePrev |= bit(i)
		}
	}
	return r
}

// resetNext kills and removes the next instance: first those of the containers and of the init
// containers that are only concerned, then those that asked for it.
func (p *Pod) resetNext() {
	r, n := &p.sync.reset, p.template.NumInit
	for rest := r.prev; rest != 0; rest &= rest - 1 {
		// What the deletor has removed meanwhile takes no time.
		if i := bits.TrailingZeros64(rest); p.containers[i].prev.state == absent {
			r.prev &^= bit(i)
			r.removed = true
		}
	}
	for _, source := range [...]bool{false, true} {
		for _, list := range [...][2]int{{n, len(p.containers)}, {0, n}} {
			for i := list[0]; i < list[1]; i++ {
				if r.cur&bit(i) != 0 && (r.sourceCur&bit(i) != 0) == source {
					p.resetInstance(i)
					return
				}
				if r.prev&bit(i) != 0 && (r.sourcePrev&bit(i) != 0) == source {
					p.removeInstance(i, true)
					return
				}
			}
		}
	}
	p.prune()
}

// resetInstance kills the latest instance of a container, without a grace period, before it is
// removed.
func (p *Pod) resetInstance(i int) {
	p.sync.acted, p.sync.stage, p.sync.current = true, resetting, int8(i)
	if p.sync.reset.running&bit(i) == 0 {
		p.removeInstance(i, false)
		return
	}
	p.sync.reset.running &^= bit(i)
	p.beginKill(i, 0, model.Message{Kind: model.MessageKilling}, noProbe)
}

func (p *Pod) removeInstance(i int, before bool) {
	p.sync.acted, p.sync.stage, p.sync.current = true, removing, int8(i)
	p.sync.reset.before = before
	id := p.containers[i].cur.id
	if before {
		id = p.containers[i].prev.id
	}
	p.out = append(p.out, Effect{Kind: Remove, Container: int8(i), Instance: id})
}

// instanceRemoved is the runtime's answer: the instance is gone.
func (p *Pod) instanceRemoved() {
	i := int(p.sync.current)
	c, r := &p.containers[i], &p.sync.reset
	r.removed = true
	if r.before {
		r.prev &^= bit(i)
		c.prev = instance{}
	} else {
		r.cur &^= bit(i)
		c.cur = instance{}
	}
	p.changed()
	p.resetNext()
}

// restartsAll says that all containers of the pod are to be restarted: that has begun, or one has
// ended as a rule of it says (pkg/kubelet/container/helpers.go ShouldAllContainersRestart).
func (p *Pod) restartsAll(from source) bool {
	if !p.template.CanRestartAll {
		return false
	}
	if p.Status.Conditions[model.AllContainersRestarting].Status == model.ConditionTrue {
		return true
	}
	for i := range p.containers {
		c := p.instance(i, from)
		if c.state == exited && (p.template.RestartsAll(i, c.exitCode) || p.endRestartsAll(i)) {
			return true
		}
	}
	return false
}

// statusRestartsAll is the same by the status alone.
func (p *Pod) statusRestartsAll() bool {
	if !p.template.CanRestartAll {
		return false
	}
	restarts := p.Status.Conditions[model.AllContainersRestarting].Status == model.ConditionTrue
	for i := range p.Status.Containers {
		restarts = restarts || p.endRestartsAll(i)
	}
	return restarts
}

// endRestartsAll says that the end of a container, as the status has it, restarts all.
func (p *Pod) endRestartsAll(i int) bool {
	if p.Status.Containers == nil {
		return false
	}
	s := &p.Status.Containers[i].State
	return s.Kind == model.StateTerminated && p.template.RestartsAll(i, s.ExitCode)
}

// setRestarting sets the condition AllContainersRestarting, in a pod that can have it
// (status/generate.go GenerateAllContainersRestartingCondition).
func (p *Pod) setRestarting(s *model.PodStatus, from source) {
	if !p.template.CanRestartAll {
		return
	}
	status, reason := model.ConditionFalse, model.NoText
	switch {
	case s.Phase == model.PodSucceeded:
		reason = model.ReasonPodCompleted
	case s.Phase == model.PodFailed:
		reason = model.ReasonPodFailed
	case p.restartsAll(from) && p.anyInstance(from):
		status, reason = model.ConditionTrue, model.ReasonRestartAllContainersStarted
	}
	s.SetCondition(model.AllContainersRestarting, status, reason, model.Message{}, p.now)
}

// anyInstance says that the runtime has a container of the pod (the opposite of
// AllContainersRestartCleanedUp).
func (p *Pod) anyInstance(from source) bool {
	for i := range p.containers {
		if p.instance(i, from).state != absent {
			return true
		}
	}
	return false
}
