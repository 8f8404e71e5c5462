package sim

import (
	"cmp"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/scheduler"
)

// admission is a kubelet's admission of a critical pod that others are preempted for. Until they have
// ended, the sync loop does nothing else.
type admission struct {
	// pod is the critical pod; its id is 0 when there is none.
	pod podSlot
	// victims are those to come, killing the one whose end is awaited until ends; 0 when none is.
	victims []podSlot
	killing model.PodID
	ends    model.Time
	// held is what has come meanwhile.
	held []heldEvent
}

// heldEvent is an event for a pod that the sync loop takes later: a new pod to be admitted, or
// something for its worker.
type heldEvent struct {
	podSlot
	admit bool
	event kubelet.Event
}

// verdict is what comes of an admission.
type verdict uint8

const (
	admitted verdict = iota
	rejected
	// preempting: the pod is admitted when others have ended.
	preempting
)

// canAdmit says whether a kubelet takes a pod that it has just seen; if not, its machine is told
// why (kubelet.go HandlePodAdditions, allocation_manager.go canAdmitPod). A pod that has ended is not
// looked at.
//
// Differs from Kubernetes: there are no device plugins, CPU and memory managers, which would reject a pod
// before its requests are compared. Every node can enforce AppArmor profiles.
func (c *Cluster) canAdmit(id model.PodID) verdict {
	o := &c.state.Pods[id]
	if o.Status.Phase.Terminal() {
		return admitted
	}
	if why := c.nodes[o.Node].evictions.manager.Refuses(o.Template); why != "" {
		c.reject(id, "Evicted", why)
		return rejected
	}
	if why := kubelet.ForbiddenSysctl(o.Template.Spec, c.nodes[o.Node].config.AllowedUnsafeSysctls); why != "" {
		c.reject(id, "SysctlForbidden", why)
		return rejected
	}
	if c.nodes[o.Node].shutdown.on {
		c.reject(id, "NodeShutdown", shutdownRefusal)
		return rejected
	}
	if reason, message := hostFilter(o.Template); reason != "" {
		c.reject(id, reason, message)
		return rejected
	}
	active := c.activePods(o.Node)
	results := c.scheduler.AdmissionCheck(c.pods[id].machine.Allocated(), &c.state.Nodes[o.Node], active, c.allocation)
	switch {
	case len(results) == 0:
		return admitted
	case !o.Template.Critical():
		reason, message := rejection(&results[0])
		c.reject(id, reason, message)
		return rejected
	}
	return c.preemptFor(id, results)
}

// hostFilter is what a pod is rejected for before its requests are compared, and what preemption does not help
// against (lifecycle/predicate.go Admit).
func hostFilter(t *model.PodTemplate) (reason, message string) {
	if os, ok := t.Labels[v1.LabelOSStable]; ok && os != string(v1.Linux) {
		return "PodOSSelectorNodeLabelDoesNotMatch", "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
	}
	if os := t.Spec.OS; os != nil && os.Name != v1.Linux {
		return "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
	}
	return "", ""
}

// activePods are the pods that a kubelet has admitted and that have not ended
// (kubelet_pods.go filterOutInactivePods): one that terminates counts until its containers have
// stopped. One whose object is gone does not count, though it may still run. The slice is valid until
// the next call.
func (c *Cluster) activePods(node model.NodeID) []model.PodID {
	c.active = c.active[:0]
	for _, id := range c.nodes[node].pods {
		p := &c.pods[id]
		known := !p.gone && p.static == nil || p.static != nil && c.inConfig(id)
		if known && !p.left && !p.machine.Refused() && !p.machine.Terminated() {
			c.active = append(c.active, id)
		}
	}
	return c.active
}

// rejection is the first failure in the kubelet's words (predicate.go Admit,
// InsufficientResourceError, PredicateFailureError).
func rejection(r *scheduler.AdmissionResult) (reason, message string) {
	if r.Resource == "" {
		return r.Plugin, fmt.Sprintf("Predicate %s failed: %s", r.Plugin, r.Reason)
	}
	return "OutOf" + string(r.Resource), fmt.Sprintf("Node didn't have enough resource: %s, requested: %d, used: %d, capacity: %d",
		r.Resource, r.Requested, r.Used, r.Capacity)
}

// reject tells a pod's machine that the kubelet does not take it.
func (c *Cluster) reject(id model.PodID, reason, message string) {
	e := c.configured(id)
	e.Kind, e.Text, e.Reason = kubelet.Rejected, c.state.Texts.Intern(message), c.state.Texts.Intern(reason)
	e.Message = model.TextMessage(c.state.Texts.Intern("Pod was rejected: " + message))
	c.step(id, e)
}

// preemptFor makes room for a critical pod, unless something else than resources is in its way
// (preemption/preemption.go HandleAdmissionFailure).
func (c *Cluster) preemptFor(id model.PodID, results []scheduler.AdmissionResult) verdict {
	var need []kubelet.Requirement
	for i := range results {
		r := &results[i]
		if r.Resource == "" {
			reason, message := rejection(r)
			c.reject(id, reason, message)
			return rejected
		}
		need = append(need, kubelet.Requirement{Resource: r.Resource, Amount: r.Requested - (r.Capacity - r.Used)})
	}
	o := &c.state.Pods[id]
	n := &c.nodes[o.Node]
	active := c.preemptionOrder(id)
	pods := make([]kubelet.Preemptee, len(active))
	for i, x := range active {
		t := c.state.Pods[x].Template
		pods[i] = kubelet.Preemptee{Template: t, Requests: &c.allocation(x).Requests}
	}
	chosen, err := kubelet.PodsToPreempt(o.Template, pods, need)
	if err != nil {
		c.reject(id, "UnexpectedAdmissionError", fmt.Sprintf(
			"Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: %v", err))
		return rejected
	}
	n.admission.pod = c.slot(id)
	n.admission.victims = n.admission.victims[:0]
	for _, i := range chosen {
		n.admission.victims = append(n.admission.victims, c.slot(active[i]))
	}
	return preempting
}

func (c *Cluster) slot(id model.PodID) podSlot { return podSlot{id, c.pods[id].gen} }

// preemptionOrder is the order in which the node's active pods are looked at for a critical pod: of two
// that are equal the later one goes. Upstream takes them from a map, so the order is drawn, for
// each critical pod anew.
func (c *Cluster) preemptionOrder(critical model.PodID) []model.PodID {
	active := c.activePods(c.state.Pods[critical].Node)
	rank := func(id model.PodID) (int, uint64) {
		o := &c.state.Pods[id]
		wanted := slices.Index(c.preferredVictims, podName{o.Template.Namespace, o.Name})
		return wanted, Draw(c.seed, streamVictim, c.pods[critical].luck, c.pods[id].luck)
	}
	slices.SortFunc(active, func(a, b model.PodID) int {
		wantedA, drawA := rank(a)
		wantedB, drawB := rank(b)
		return cmp.Or(cmp.Compare(wantedA, wantedB), cmp.Compare(drawA, drawB), cmp.Compare(a, b))
	})
	return active
}

// PreferVictim says that a pod is the one that its kubelet preempts for a critical pod, where it might
// as well take another. Of several that were named the last one counts. A recording is so followed.
func (c *Cluster) PreferVictim(namespace, name string) {
	c.preferredVictims = append(c.preferredVictims, podName{namespace, name})
}

// preemptNext ends the next victim; the one after it waits until its containers are stopped
// (evictPodsToFreeRequests, killPodNow). After the last one the critical pod is admitted.
func (c *Cluster) preemptNext(node model.NodeID) {
	a := &c.nodes[node].admission
	a.killing = 0
	for len(a.victims) > 0 {
		x := a.victims[0]
		a.victims = append(a.victims[:0], a.victims[1:]...)
		p := &c.pods[x.id]
		if p.gen != x.gen || p.machine.Terminated() {
			continue
		}
		grace := c.state.Pods[x.id].Template.GraceSeconds
		a.killing, a.ends = x.id, c.now+max(killTimeout, model.Time(grace+grace/2)*model.Second)
		c.after(a.ends-c.now, evVictimKilled, int32(node), 0)
		c.step(x.id, kubelet.Event{Kind: kubelet.Preempt, Text: c.state.Texts.Intern("Preempting"),
			Message:    model.TextMessage(c.state.Texts.Intern("Preempted in order to admit critical pod")),
			Disruption: model.TextMessage(c.state.Texts.Intern("Pod was preempted by Kubelet to accommodate a critical pod."))})
		return
	}
	critical := a.pod
	a.pod = podSlot{}
	if c.pods[critical.id].gen == critical.gen && c.inConfig(critical.id) {
		c.newMachine(critical.id)
		c.startWorker(critical.id)
	} else if c.pods[critical.id].gen == critical.gen && c.pods[critical.id].left {
		c.at(c.nodes[node].loops.NextHousekeeping(c.now), evDeadline, critical.id, 0, housekept)
	}
	c.takeHeld(node)
}

// victimKilled is the moment at which the kubelet gives up the wait for a victim's end.
func (c *Cluster) victimKilled(node model.NodeID) {
	n := &c.nodes[node]
	a := &n.admission
	if a.killing == 0 || a.ends != c.now || n.stopped() {
		return
	}
	c.write(&c.pods[a.killing].log, model.Event{Kind: model.KindPod, ID: int32(a.killing), Container: -1, Warning: true,
		Source: model.FromKubelet, Reason: model.EventExceededGracePeriod, Message: model.Message{Kind: model.MessageExceededGracePeriod}})
	c.preemptNext(node)
}

// hold keeps what comes through the sync loop back while that is busy with a preemption. It says
// whether the event is of that kind.
func (n *node) hold(s podSlot, e *kubelet.Event) bool {
	switch e.Kind {
	case kubelet.Configured, kubelet.Removed, kubelet.Reconciled, kubelet.Woken, kubelet.DeadlineReached, kubelet.Housekept:
		n.admission.held = append(n.admission.held, heldEvent{podSlot: s, event: *e})
		return true
	}
	return false
}

// takeHeld lets the sync loop take what has waited, until it is busy again.
func (c *Cluster) takeHeld(node model.NodeID) {
	a := &c.nodes[node].admission
	for len(a.held) > 0 && a.pod.id == 0 {
		h := a.held[0]
		a.held = append(a.held[:0], a.held[1:]...)
		switch {
		case c.pods[h.id].gen != h.gen:
		case h.admit:
			c.admit(h.id)
		case c.kubeletHas(h.id):
			c.step(h.id, h.event)
		}
	}
	c.retryResizes(node)
}
