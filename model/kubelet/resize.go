package kubelet

import (
	"math/bits"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// resize is what the kubelet keeps of a pod that was resized in place. Other pods have none: what they
// ask for is what they have.
type resize struct {
	// allocated is what the allocation manager has given the pod, cgroup what the pod's cgroup has. The
	// pod's template is what the worker's sync was given.
	allocated, cgroup *model.PodTemplate
	containers        []resizedContainer
	conditions        model.ResizeConditions
	// toUpdate are the containers whose resources the sync changes, toRestart those that it kills for
	// it; pod and whole are resizePod and resizeWhole of actions.
	toUpdate, toRestart uint64
	pod, whole          bool
	// failure is why the sync could not do it.
	failure model.Text
	// reinspect says that the PLEG is to look closer at the pod, which then is synced
	// (pleg/generic.go podsToReinspect).
	reinspect bool
}

// resizedContainer has the templates whose resources a container has: those in force (kuberuntime
// actuatedState), those in the PLEG's cache, and those that the sync under way was given.
type resizedContainer struct{ actuated, seen, view *model.PodTemplate }

// Allocated is the template whose resources the kubelet has allocated to the pod.
func (p *Pod) Allocated() *model.PodTemplate {
	if p.resize == nil {
		return p.template
	}
	return p.resize.allocated
}

// Actuated is the template whose resources container i has in force.
func (p *Pod) Actuated(i int) *model.PodTemplate {
	if p.resize == nil {
		return p.template
	}
	return p.resize.containers[i].actuated
}

// PodCgroup is the template whose resources the pod's cgroup has.
func (p *Pod) PodCgroup() *model.PodTemplate {
	if p.resize == nil {
		return p.template
	}
	return p.resize.cgroup
}

// ResizePending says that the pod has a resize that the kubelet has not allocated.
func (p *Pod) ResizePending() bool {
	return p.resize != nil && p.resize.conditions.Pending.Status != model.ConditionAbsent
}

// ResizeInfeasible says that the node can never give the pod what it asks for.
func (p *Pod) ResizeInfeasible() bool { return p.resize != nil && p.resize.conditions.Infeasible() }

// ResizePendingSince is the transition of the condition that says so, model.Never when there is none.
func (p *Pod) ResizePendingSince() model.Time {
	if !p.ResizePending() {
		return model.Never
	}
	return p.resize.conditions.Pending.Transition
}

// WasResized says that the pod was given other resources, or was to be.
func (p *Pod) WasResized() bool { return p.resize != nil }

// Admitted says that the kubelet has not refused the pod.
func (p *Pod) Admitted() bool { return !p.work.rejected }

// KnownPhase is the phase of the API server's copy, as the kubelet last saw it.
func (p *Pod) KnownPhase() model.Phase { return p.config.phase }

// ResizedResources is the number of resources, CPU and memory, that Resize changes.
func (p *Pod) ResizedResources() int {
	n := 0
	for _, name := range [...]v1.ResourceName{v1.ResourceMemory, v1.ResourceCPU} {
		if p.resize.pod || p.resize.whole || p.updates(name) {
			n++
		}
	}
	return n
}

// updates says that the sync changes a resource of some container.
func (p *Pod) updates(name v1.ResourceName) bool {
	for rest := p.resize.toUpdate; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		want, has := p.template.ContainerResources(i), p.resize.containers[i].actuated.ContainerResources(i)
		if want.Differs(&has, name) {
			return true
		}
	}
	return false
}

// keepResize takes over what a kubelet has on its disk of the pod's resources when it begins anew, and from
// the API server's status the conditions (allocation/state, status_manager.go BackfillPodResizeConditions).
func (p *Pod) keepResize(r *resize, api *model.PodStatus) {
	if r == nil {
		return
	}
	p.resize = &resize{allocated: r.allocated, cgroup: r.cgroup, containers: r.containers}
	if api.Resize != nil {
		p.resize.conditions = *api.Resize
	}
}

// beginResizing makes the record of the pod's resizes.
func (p *Pod) beginResizing() *resize {
	if p.resize == nil {
		t := p.template
		p.resize = &resize{allocated: t, cgroup: t}
		for range p.containers {
			p.resize.containers = append(p.resize.containers, resizedContainer{t, t, t})
		}
	}
	return p.resize
}

// resizeAllocated takes what the allocation manager has given the pod
// (allocation_manager.go handlePodResourcesResize, retryPendingResizes).
func (p *Pod) resizeAllocated(e Event) {
	r := p.beginResizing()
	r.allocated = e.Template
	r.conditions = model.ResizeConditions{}
	p.setInProgress(model.NoText, model.Message{}, e.N)
	p.emit(-1, false, model.EventResizeStarted, model.ResizeMessage(model.MessageResizeStarted, e.Template, e.N, model.NoText))
	if e.OK {
		p.update()
	}
}

// resizePended notes that the pod cannot have what it asks for: Reason is Deferred or Infeasible, Text
// the Event's message (status_manager.go SetPodResizePendingCondition).
func (p *Pod) resizePended(e Event) {
	r := p.beginResizing()
	before := r.conditions
	c := &r.conditions.Pending
	if c.Reason != e.Reason {
		c.Transition = p.now.TruncateSecond()
	}
	c.Status, c.Reason, c.Message = model.ConditionTrue, e.Reason, e.Message
	r.conditions.PendingGeneration = e.N
	if before.Pending.Reason != e.Reason || before.PendingGeneration != e.N {
		reason := model.EventResizeDeferred
		if e.Reason == model.ReasonInfeasible {
			reason = model.EventResizeInfeasible
		}
		p.emit(-1, true, reason, model.TextMessage(e.Text))
	}
	if e.OK && r.conditions != before {
		p.update()
	}
}

// resizeReverted notes that the pod asks again for what it has.
func (p *Pod) resizeReverted(e Event) {
	if !p.ResizePending() {
		return
	}
	p.resize.conditions.Pending, p.resize.conditions.PendingGeneration = model.Condition{}, 0
	if e.OK {
		p.update()
	}
}

// setInProgress follows status_manager.go SetPodResizeInProgressCondition: what the condition says stays
// when nothing new is said, and so does its generation. It says whether the condition changes.
func (p *Pod) setInProgress(reason model.Text, m model.Message, generation int64) (int64, bool) {
	r := p.resize
	before, c := r.conditions, &r.conditions.InProgress
	if c.Status == model.ConditionAbsent {
		r.conditions.InProgressGeneration = generation
		c.Transition = p.now.TruncateSecond()
	} else if reason == model.NoText {
		reason, m = c.Reason, c.Message
	}
	if c.Reason != reason {
		c.Transition = p.now.TruncateSecond()
	}
	c.Status, c.Reason, c.Message = model.ConditionTrue, reason, m
	changed := before.InProgress.Status != c.Status || before.InProgress.Reason != reason || before.InProgress.Message != m
	return r.conditions.InProgressGeneration, changed
}

// noteResize is what SyncPod does before it makes the status: it finds out whether a resize goes on, or
// is done (kubelet.go SyncPod, kuberuntime_manager.go IsPodResizeInProgress).
func (p *Pod) noteResize() {
	r := p.resize
	switch {
	case r == nil:
	case p.resizing():
		p.setInProgress(model.NoText, model.Message{}, p.sync.generation)
	case r.conditions.InProgress.Status != model.ConditionAbsent:
		generation := r.conditions.InProgressGeneration
		r.conditions.InProgress, r.conditions.InProgressGeneration = model.Condition{}, 0
		p.emit(-1, false, model.EventResizeCompleted, model.ResizeMessage(model.MessageResizeCompleted, p.template, generation, model.NoText))
	}
}

func (p *Pod) resizing() bool {
	for i := range p.containers {
		resizable := p.template.Containers[i].Kind != model.InitContainer
		if resizable && p.containers[i].viewCur.state == running && p.differs(i) {
			return true
		}
	}
	return p.podDiffers()
}

// differs says that container i has other resources in force than the sync was given.
func (p *Pod) differs(i int) bool {
	return p.template.ContainerResources(i) != p.resize.containers[i].actuated.ContainerResources(i)
}

// podDiffers says the same of what the pod has as a whole.
func (p *Pod) podDiffers() bool { return p.template.PodResources() != p.resize.cgroup.PodResources() }

// resizeStatus completes a status with the conditions of a resize. A pod that has stopped for good has
// none (kubelet_pods.go determinePodResizeStatus).
func (p *Pod) resizeStatus(s *model.PodStatus, terminal bool) {
	r := p.resize
	if r == nil {
		return
	}
	if terminal {
		r.conditions = model.ResizeConditions{}
	}
	switch {
	case r.conditions == model.ResizeConditions{}:
	case p.Status.Resize != nil && *p.Status.Resize == r.conditions:
		s.Resize = p.Status.Resize
	default:
		conditions := r.conditions
		s.Resize = &conditions
	}
}

// statusResources are the templates whose resources the status of a container shows
// (convertContainerStatusResources).
func (p *Pod) statusResources(i int, from source) (allocated, actual model.TemplateID) {
	allocated, actual = p.template.ID, p.template.ID
	if p.resize == nil || p.instance(i, from).state != running {
		return allocated, actual
	}
	if from == fromRuntime {
		return allocated, p.resize.containers[i].actuated.ID
	}
	return allocated, p.resize.containers[i].view.ID
}

// resizeContainer decides how container i, which runs, comes to its resources
// (kuberuntime_manager.go computePodResizeAction). It says whether the container is restarted for it.
func (p *Pod) resizeContainer(i int, a *actions) bool {
	if p.resize == nil || p.containers[i].viewCur.state != running || !p.differs(i) {
		return false
	}
	want, has := p.template.ContainerResources(i), p.resize.containers[i].actuated.ContainerResources(i)
	restart := p.template.ContainerSpec(i).ResizePolicy
	for j := range restart {
		if restart[j].RestartPolicy == v1.RestartContainer && want.Differs(&has, restart[j].ResourceName) {
			a.kill |= bit(i)
			a.start |= bit(i)
			a.resizeRestarts |= bit(i)
			a.resizePod = true
			return true
		}
	}
	a.resizes |= bit(i)
	return false
}

// computeResize adds what the pod as a whole needs (computePodLevelResourcesResizeAction,
// startingResizedContainer).
func (p *Pod) computeResize(a *actions) {
	if p.resize == nil {
		return
	}
	a.resizeWhole = p.podDiffers()
	for rest := a.start &^ (bit(p.template.NumInit) - 1); rest != 0 && !a.resizePod && !a.resizeWhole; rest &= rest - 1 {
		a.resizePod = p.differs(bits.TrailingZeros64(rest))
	}
}

// planResize takes over what the sync does about resources.
func (p *Pod) planResize(a *actions) {
	if p.resize != nil {
		p.resize.toUpdate, p.resize.toRestart = a.resizes, a.resizeRestarts
		p.resize.pod, p.resize.whole = a.resizePod, a.resizeWhole
	}
}

// cache takes what is in force over into the PLEG's cache, look takes that over for a sync.
func (r *resize) cache() {
	for i := range r.containers {
		r.containers[i].seen = r.containers[i].actuated
	}
}

func (r *resize) look() {
	for i := range r.containers {
		r.containers[i].view = r.containers[i].seen
	}
}

// resizePod changes the resources of running containers and of the pod's cgroup, or goes on with the
// sync (SyncPod step 6).
func (p *Pod) resizePod() {
	r := p.resize
	if r == nil || r.toUpdate == 0 && !r.pod && !r.whole {
		p.startNext()
		return
	}
	p.sync.acted = true
	p.sync.stage = resizing
	p.ask(Resize, -1)
}

// resized is the end of doPodResizeAction.
//
// Differs from Kubernetes: all that a resize changes comes into force at one moment. Upstream changes the
// memory of one container after the other and of the pod, and then the CPU.
func (p *Pod) resized(e Event) {
	r := p.resize
	if e.Text != model.NoText {
		p.sync.failed = true
		r.failure = e.Text
		p.startNext()
		return
	}
	for rest := r.toUpdate; rest != 0; rest &= rest - 1 {
		r.containers[bits.TrailingZeros64(rest)].actuated = p.template
	}
	r.cgroup = p.template
	r.reinspect = true
	p.changed()
	p.startNext()
}

// resizeFailed tells at the end of a sync why the resize could not be done.
func (p *Pod) resizeFailed() {
	r := p.resize
	if r == nil || r.failure == model.NoText {
		return
	}
	if generation, changed := p.setInProgress(model.ReasonError, model.TextMessage(r.failure), p.sync.generation); changed {
		p.emit(-1, true, model.EventResizeError, model.ResizeMessage(model.MessageResizeError, p.template, generation, r.failure))
	}
	r.failure = model.NoText
}
