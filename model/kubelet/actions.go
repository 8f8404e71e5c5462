package kubelet

import "podsim/model"

// actions is what a sync does in the runtime, as sets of containers (kuberuntime podActions).
type actions struct {
	killPod, createSandbox bool
	start, kill            uint64
	// startupFailed are those of kill that failed the startup probe.
	startupFailed uint64
	reset         reset
	// resizes are the containers whose resources change, resizeRestarts those of kill that have to
	// restart for it; resizePod says that the pod's cgroup changes with those that are started,
	// resizeWhole that it changes because the pod has other resources as a whole.
	resizes, resizeRestarts uint64
	resizePod, resizeWhole  bool
}

func bit(i int) uint64 { return 1 << i }

// computeActions follows kuberuntime_manager.go computePodActions.
func (p *Pod) computeActions() actions {
	newSandbox := !p.view.sandbox.exists || !p.view.sandbox.ready
	if p.Status.Conditions[model.AllContainersRestarting].Status == model.ConditionTrue {
		// A new sandbox takes the old containers with it.
		if newSandbox {
			return actions{killPod: true, createSandbox: true}
		}
		return actions{reset: p.resetActions()}
	}
	if newSandbox {
		return p.sandboxActions()
	}
	var a actions
	if !p.initActions(&a) || a.killPod {
		return a
	}
	keep := 0
	for i := p.template.NumInit; i < len(p.containers); i++ {
		c := &p.containers[i]
		if c.viewCur.state != running {
			if p.shouldStart(i, fromCache) {
				a.start |= bit(i)
			}
			continue
		}
		if !p.failedProbe(i, &a) {
			if !p.resizeContainer(i, &a) {
				keep++
			}
			continue
		}
		if p.restartsOnProbe(i) {
			a.start |= bit(i)
		}
	}
	if keep == 0 && a.start&^(bit(p.template.NumInit)-1) == 0 {
		a.killPod = true
		a.start = 0
	}
	p.computeResize(&a)
	return a
}

// sandboxActions are the actions when a new sandbox is needed.
func (p *Pod) sandboxActions() actions {
	a := actions{killPod: true, createSandbox: true}
	if p.template.RestartPolicy == "Never" && p.view.sandbox.exists && p.anyContainer() {
		a.createSandbox = false
		return a
	}
	initialized := false
	for i := p.template.NumInit; i < len(p.containers); i++ {
		c := &p.containers[i].viewCur
		initialized = initialized || c.state != absent
		if p.runsOnce(i) && c.state == exited && c.exitCode == 0 {
			continue
		}
		a.start |= bit(i)
	}
	if a.start == 0 && initialized {
		a.createSandbox = false
		return a
	}
	if p.template.NumInit > 0 {
		a.start = bit(0)
	}
	return a
}

func (p *Pod) anyContainer() bool {
	for i := range p.containers {
		if p.containers[i].viewCur.state != absent {
			return true
		}
	}
	return false
}

// runsOnce says that the container is not started again after success.
func (p *Pod) runsOnce(i int) bool {
	switch p.template.Containers[i].RestartPolicy {
	case model.RestartInherit:
		return p.template.RestartPolicy == "OnFailure"
	case model.RestartOnFailure:
		return true
	}
	return false
}

// restartsOnProbe says whether a container killed for a failed probe is started again: the
// container's own policy without its rules, else the pod's.
func (p *Pod) restartsOnProbe(i int) bool {
	switch p.template.Containers[i].RestartPolicy {
	case model.RestartInherit:
		return p.template.RestartPolicy != "Never"
	case model.RestartNever:
		return false
	}
	return true
}

// failedProbe adds a running container to the kills when a probe has failed for good.
func (p *Pod) failedProbe(i int, a *actions) bool {
	c := &p.containers[i]
	switch {
	case c.probes[model.Liveness].resultOf(c.viewCur.id) == failure:
		a.kill |= bit(i)
	case c.probes[model.Startup].resultOf(c.viewCur.id) == failure:
		a.kill |= bit(i)
		a.startupFailed |= bit(i)
	default:
		return false
	}
	return true
}

// shouldStart follows pkg/kubelet/container/helpers.go ShouldContainerBeRestarted.
func (p *Pod) shouldStart(i int, from source) bool {
	if p.sync.deleting {
		return false
	}
	c := p.instance(i, from)
	switch c.state {
	case absent, created:
		return true
	case running:
		return false
	}
	return p.template.ShouldRestart(i, c.exitCode)
}

// active is the container's latest instance in the present sandbox, absent if it is of an
// older one (FindActiveContainerStatusByName).
func (p *Pod) active(i int) *instance {
	c := &p.containers[i].viewCur
	if c.state == absent || c.attempt != p.view.sandbox.attempt {
		return &noInstance
	}
	return c
}

var noInstance instance

// appStarted says that some container that is not an init container exists in the present
// sandbox (HasAnyActiveRegularContainerStarted).
func (p *Pod) appStarted(from source) bool {
	if !p.sandboxOf(from).ready {
		return false
	}
	for i := p.template.NumInit; i < len(p.containers); i++ {
		c := p.instance(i, from)
		if c.state != absent && c.attempt == p.sandboxOf(from).attempt {
			return true
		}
	}
	return false
}

// initActions follows computeInitContainerActions. It says whether the pod is initialized.
func (p *Pod) initActions(a *actions) bool {
	n := p.template.NumInit
	if n == 0 {
		return true
	}
	initialized := p.appStarted(fromCache)
	previously := initialized
	for i := n - 1; i >= 0; i-- {
		sidecar := p.template.Containers[i].Kind == model.Sidecar
		c := p.active(i)
		if c.state == absent {
			if previously && sidecar {
				a.start |= bit(i)
			}
			continue
		}
		if previously && !sidecar {
			continue
		}
		switch c.state {
		case created:
			a.start |= bit(i)
		case running:
			if !sidecar {
				p.resizeContainer(i, a)
			} else if p.runningSidecar(i, previously, a) && i == n-1 {
				initialized = true
			}
		case exited:
			switch {
			case sidecar:
				a.start |= bit(i)
			case c.exitCode != 0:
				if !p.shouldStart(i, fromCache) {
					a.killPod, a.start = true, 0
					return false
				}
				a.start |= bit(i)
			case i == n-1:
				initialized = true
			default:
				a.start |= bit(i + 1)
			}
		}
		previously = true
	}
	if !previously {
		a.start |= bit(0)
	}
	return initialized
}

// runningSidecar decides on a running sidecar; it says whether the sidecar has started.
func (p *Pod) runningSidecar(i int, previously bool, a *actions) bool {
	c := &p.containers[i]
	if p.template.Containers[i].Probes[model.Startup] != nil {
		switch c.probes[model.Startup].resultOf(c.viewCur.id) {
		case success:
		case failure:
			a.kill |= bit(i)
			a.startupFailed |= bit(i)
			a.start |= bit(i)
			return false
		default:
			return false
		}
	}
	if !previously && i < p.template.NumInit-1 {
		a.start |= bit(i + 1)
	}
	if p.template.Containers[i].Probes[model.Liveness] != nil && c.probes[model.Liveness].resultOf(c.viewCur.id) == failure {
		a.kill |= bit(i)
		a.start |= bit(i)
		return true
	}
	p.resizeContainer(i, a)
	return true
}
