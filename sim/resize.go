package sim

import (
	"fmt"
	"strings"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/scheduler/framework"
)

// resizes is what a kubelet keeps of the pods whose resize waits (allocation_manager.go
// podsWithPendingResizes).
type resizes struct {
	pending []kubelet.PendingResize
	// gen is the generation of the pending look at them.
	gen uint32
}

// stepResize patches the resize subresource of pods.
func (c *Cluster) stepResize(s *model.Step) {
	there := false
	for id := range c.pods {
		o := &c.state.Pods[id]
		if c.pods[id].exists && o.Template.Namespace == s.Namespace && model.Matches(s.Name, o.Name) {
			there = true
			c.resize(model.PodID(id), s)
		}
	}
	if !there {
		c.miss(s)
	}
}

// resize patches a pod as the API server does: what is wrong with it is a warning.
func (c *Cluster) resize(id model.PodID, s *model.Step) {
	o := &c.state.Pods[id]
	t, err := c.state.Resized(o.Template, s.Container, s.Requests, s.Limits)
	if err != nil {
		c.warn("%s: resize at %s: Pod %q is invalid: %v", s.Where, s.At, o.Name, err)
		return
	}
	if why := c.forbidden(o, t); why != "" {
		c.warn("%s: resize at %s: pods %q is forbidden: %s", s.Where, s.At, o.Name, why)
		return
	}
	if t != o.Template {
		o.Template = t
		o.Generation++
		c.changed(model.KindPod, int32(id), model.Modified)
	}
}

// forbidden says why the API server's admission refuses a pod's resize, empty when it does not. It looks
// only at pods that have a node.
func (c *Cluster) forbidden(o *model.Pod, t *model.PodTemplate) string {
	if o.Node == 0 || t == o.Template {
		return ""
	}
	n := &c.state.Nodes[o.Node]
	if missing := framework.MissingForUpdate(o.Template.Spec, t.Spec, n.DeclaredFeatures); len(missing) > 0 {
		return fmt.Sprintf("pod update requires features %s which are not available on node %q", strings.Join(missing, ", "), n.Name)
	}
	if err := t.FitsAllocatable(&n.Allocatable); err != nil {
		return err.Error()
	}
	return ""
}

// resizeSeen is a resize as the pod's kubelet sees it (kubelet.go HandlePodUpdates).
func (c *Cluster) resizeSeen(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	n := &c.nodes[o.Node]
	p.template = o.Template
	if p.done || !p.machine.Admitted() {
		return
	}
	if p.machine.Allocated() == o.Template {
		c.step(id, kubelet.Event{Kind: kubelet.ResizeReverted})
		return
	}
	known := false
	for i := range n.resizes.pending {
		known = known || c.isPending(id, &n.resizes.pending[i])
	}
	if !known {
		n.resizes.pending = append(n.resizes.pending, kubelet.PendingResize{Pod: id, Gen: p.gen})
		c.sortResizes(n)
	}
	c.retryResizesFor(o.Node, id)
}

func (c *Cluster) isPending(id model.PodID, r *kubelet.PendingResize) bool {
	return r.Pod == id && r.Gen == c.pods[id].gen
}

func (c *Cluster) sortResizes(n *node) {
	for i := range n.resizes.pending {
		r := &n.resizes.pending[i]
		p := &c.pods[r.Pod]
		if p.gen != r.Gen || p.machine == nil {
			continue
		}
		r.Increasing = kubelet.Increases(p.machine.Allocated(), p.template)
		r.Priority, r.QOS, r.Since = p.template.Priority, p.template.QOS, p.machine.ResizePendingSince()
	}
	kubelet.SortPendingResizes(n.resizes.pending)
}

// retryResizes looks at all resizes that wait (allocation_manager.go retryPendingResizes).
func (c *Cluster) retryResizes(id model.NodeID) { c.retryResizesFor(id, 0) }

// retryResizesFor is the same when a pod has changed, whose worker will be given the change.
func (c *Cluster) retryResizesFor(id model.NodeID, changed model.PodID) {
	n := &c.nodes[id]
	if len(n.resizes.pending) == 0 || n.stopped() || n.admission.pod.id != 0 {
		return
	}
	n.resizes.gen++
	rest := n.resizes.pending[:0]
	for _, r := range n.resizes.pending {
		if p := &c.pods[r.Pod]; p.gen == r.Gen && p.exists && !p.done && c.resizeWaits(r.Pod, r.Pod != changed) {
			rest = append(rest, r)
		}
	}
	n.resizes.pending = rest
	if len(rest) > 0 {
		c.queue.Push(Event{At: c.now + kubelet.RetryDelay, Kind: evRetryResizes, Obj: int32(id), Gen: n.resizes.gen})
	}
}

// resumeResizes makes the list of the resizes that wait anew when a kubelet begins again (kubelet.go
// HandlePodAdditions). What it has allocated and what is in force is on its disk.
func (c *Cluster) resumeResizes(id model.NodeID) {
	n := &c.nodes[id]
	if n.cutOff() {
		return
	}
	n.resizes.pending = n.resizes.pending[:0]
	for _, p := range n.pods {
		if x := &c.pods[p]; x.exists && c.kubeletHas(p) && !x.done && x.machine.Admitted() && x.machine.Allocated() != x.template {
			n.resizes.pending = append(n.resizes.pending, kubelet.PendingResize{Pod: p, Gen: x.gen})
		}
	}
	c.sortResizes(n)
	c.retryResizes(id)
}

// resizesDue is the kubelet's periodic look at resizes that wait.
func (c *Cluster) resizesDue(id model.NodeID, gen uint32) {
	if c.nodes[id].resizes.gen == gen {
		c.retryResizes(id)
	}
}

// resizeWaits gives a pod what it asks for if the node has it (handlePodResourcesResize). It says
// whether the pod goes on waiting. sync gives its worker work when something is new.
func (c *Cluster) resizeWaits(id model.PodID, sync bool) bool {
	o, p := &c.state.Pods[id], &c.pods[id]
	m := p.machine
	if m.Allocated() == p.template {
		c.step(id, kubelet.Event{Kind: kubelet.ResizeReverted, OK: sync})
		return false
	}
	config := c.nodes[o.Node].config
	if why := kubelet.Infeasible(m.Allocated(), p.template, config.CPUManagerPolicy, config.MemoryManagerPolicy); why != "" {
		c.resizePended(id, sync, model.ReasonInfeasible, "Infeasible", why)
		return false
	}
	results := c.scheduler.AdmissionCheck(p.template, &c.state.Nodes[o.Node], c.otherPods(id), c.allocation)
	if len(results) == 0 {
		c.step(id, kubelet.Event{Kind: kubelet.ResizeAllocated, Template: p.template, N: o.Generation, OK: sync})
		return false
	}
	reason, message := rejection(&results[0])
	c.resizePended(id, sync, model.ReasonDeferred, reason, message)
	return true
}

// resizePended tells a pod's machine why its resize waits.
func (c *Cluster) resizePended(id model.PodID, sync bool, condition model.Text, reason, message string) {
	o, texts := &c.state.Pods[id], &c.state.Texts
	event := "Pod resize " + reason + ": " + c.pods[id].template.ResizeSummary(o.Generation, message)
	c.step(id, kubelet.Event{Kind: kubelet.ResizePended, Reason: condition, Message: model.TextMessage(texts.Intern(message)),
		Text: texts.Intern(event), N: o.Generation, OK: sync})
}

// otherPods are the active pods of a pod's node without that one.
func (c *Cluster) otherPods(id model.PodID) []model.PodID {
	active := c.activePods(c.state.Pods[id].Node)
	for i := range active {
		if active[i] == id {
			return append(active[:i], active[i+1:]...)
		}
	}
	return active
}

// allocation is the template of what a pod counts with on its node for its kubelet: what it has
// allocated or what is in force, not what the pod asks for (getAllocatedPods).
func (c *Cluster) allocation(id model.PodID) *model.PodTemplate {
	o, m := &c.state.Pods[id], c.pods[id].machine
	if m == nil {
		return o.Template
	}
	return c.state.Held(m.Allocated(), &o.Status)
}

// freesForResizes says whether a pod frees what resizes wait for, by what its kubelet sees of its status:
// it has ended, or holds less than before (kubelet.go HandlePodReconcile).
func (c *Cluster) freesForResizes(id model.PodID) bool {
	o, p := &c.state.Pods[id], &c.pods[id]
	before := p.held
	if p.machine.WasResized() {
		p.held = c.allocation(id)
	}
	if len(c.nodes[o.Node].resizes.pending) == 0 {
		return false
	}
	return o.Status.Phase.Terminal() && !p.machine.KnownPhase().Terminal() || before != nil && kubelet.Increases(p.held, before)
}

// cannotResize, as the op of the event, says that usage is in the way of a resize.
const cannotResize = 1

// resizeResources begins to change the resources of a pod's containers.
func (r *simulatedRuntime) resizeResources(id model.PodID) {
	c := r.cluster
	if c.cannotResize(id) != "" {
		c.at(c.now, evRuntime, id, cannotResize, answer(kubelet.Resized, 0))
		return
	}
	took := model.Time(0)
	for range c.pods[id].machine.ResizedResources() {
		took += c.delay(id, streamResize, &c.scenario.Latencies.UpdateResources)
	}
	c.at(c.now+took, evRuntime, id, 0, answer(kubelet.Resized, 0))
}

// cannotResize says why the containers of a pod cannot have lower memory limits.
func (c *Cluster) cannotResize(id model.PodID) string {
	return c.pods[id].machine.CannotResize(func(i int) int64 { return c.memoryUse(id, i, c.now) })
}

// limitsChanged tells of the limits of a pod's containers that have just changed.
func (c *Cluster) limitsChanged(id model.PodID) {
	for i := range c.pods[id].containers {
		c.memoryLimitChanged(id, i)
		c.cpuLimitChanged(id, i)
	}
}
