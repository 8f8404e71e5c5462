package sim

import (
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/scheduler"
	"podsim/scheduler/framework"
)

// scheduling is the state of the scheduler's driver.
type scheduling struct {
	// cycle says that a scheduling cycle is queued; wakeGen and wakeAt are the pending wake.
	cycle   bool
	wakeGen uint32
	wakeAt  model.Time
	// attempts counts the scheduling cycles.
	attempts uint64
}

// schedulerView is how the scheduler knows a pod.
type schedulerView uint8

const (
	notScheduled schedulerView = iota
	pendingPod
	assumedPod
	assignedPod
)

func (c *Cluster) initScheduler() {
	config := scheduler.DefaultConfig()
	if c.scenario.Scheduler != nil {
		config = scheduler.NewConfig(c.scenario.Scheduler)
	}
	config.FirstOfTies = c.scenario.ControlPlane.FirstOfTies
	c.scheduler = scheduler.New(&c.state, config)
	c.wakeAt = model.Never
}

// Extend makes the scheduler ask the extenders. It must be called before Begin.
func (c *Cluster) Extend(extenders []framework.Extender) { c.scheduler.Extend(extenders) }

// schedulerSees is a pod's change as the scheduler's informers see it (eventhandlers.go).
func (c *Cluster) schedulerSees(id model.PodID, change model.ChangeType) {
	o, p := &c.state.Pods[id], &c.pods[id]
	p.seenVersion = o.ResourceVersion
	ended := change == model.Deleted || !p.exists || o.Status.Phase.Terminal()
	switch {
	case ended && p.view == pendingPod:
		c.scheduler.DeletePending(id, c.now)
		p.view = notScheduled
	case ended && p.view != notScheduled:
		c.scheduler.AssignedPodDeleted(id, c.now)
		p.view = notScheduled
	case ended:
		return
	case o.Node != 0 && p.view != assignedPod:
		c.scheduler.AssignedPodAdded(id, c.state.HeldBy(o), o.Node, c.now)
		p.view = assignedPod
	case o.Node == 0 && p.view == notScheduled && !o.Deleting && o.Template.Spec.NodeName == "":
		if !c.scheduler.Handles(o.Template.Spec.SchedulerName) {
			if change == model.Added {
				c.assumed.otherSchedulers++
			}
			return
		}
		c.scheduler.Add(id, o.Template, c.now)
		p.view = pendingPod
	case p.view == pendingPod:
		c.scheduler.UpdatePending(id, o.Template, c.now)
	case p.view == assignedPod:
		if !c.scheduler.AssignedPodUpdated(id, c.state.HeldBy(o), c.now) {
			return
		}
	default:
		return
	}
	c.kick()
}

// serviceSeen is a Service's change as the scheduler sees it: its pods are spread by default.
func (c *Cluster) serviceSeen(id int32) {
	s := &c.state.Services[id]
	if s.Deleted {
		c.scheduler.DeleteObject(s.Object, c.now)
	} else {
		c.scheduler.SetObject(s.Object, c.now)
	}
	c.kick()
}

// selectorSeen is a ReplicaSet's change as the scheduler sees it. Its selector never changes.
func (c *Cluster) selectorSeen(id model.ReplicaSetID, change model.ChangeType) {
	s := &c.state.ReplicaSets[id]
	o := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name}}
	switch change {
	case model.Added:
		o.Spec.Selector, _ = metav1.ParseToLabelSelector(s.Selector.String())
		c.scheduler.SetObject(o, c.now)
	case model.Deleted:
		c.scheduler.DeleteObject(o, c.now)
	}
}

// useNamespace makes sure that a namespace exists: in a run all do.
func (c *Cluster) useNamespace(name string) {
	if !c.namespaces[name] {
		c.applyNamespace(&v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
}

// applyNamespace stores a namespace, with the label that each has
// (pkg/apis/core/v1/defaults.go SetDefaults_Namespace).
func (c *Cluster) applyNamespace(x *v1.Namespace) {
	c.namespaces[x.Name] = true
	o := x.DeepCopy()
	o.Labels = withLabel(o.Labels, v1.LabelMetadataName, o.Name)
	c.scheduler.SetObject(o, c.now)
}

// nodeSeen is a node's change as the scheduler and the kubelet see it.
func (c *Cluster) nodeSeen(id model.NodeID, change model.ChangeType) {
	if change == model.Modified {
		c.scheduler.UpdateNode(&c.state.Nodes[id], c.now)
		c.kick()
		c.reviewPressure(id)
		c.volumesInUseSeen(id)
	}
}

// kick queues the next scheduling cycle, or the moment at which one may be due.
func (c *Cluster) kick() {
	if c.cycle {
		return
	}
	switch at := c.scheduler.NextWake(); {
	case at <= c.now:
		c.cycle = true
		c.attempts++
		c.after(c.delayOf(0, streamSchedule, c.attempts, &c.scenario.ControlPlane.Schedule), evSchedule, 0, 0)
	case at < c.wakeAt:
		c.wakeAt = at
		c.wakeGen++
		c.queue.Push(Event{At: at, Kind: evSchedulerWake, Gen: c.wakeGen})
	}
}

func (c *Cluster) schedulerWake(gen uint32) {
	if gen == c.wakeGen {
		c.wakeAt = model.Never
		c.kick()
	}
}

// schedule is one scheduling cycle (schedule_one.go ScheduleOne).
func (c *Cluster) schedule() {
	c.cycle = false
	r, ok := c.scheduler.ScheduleOne(c.now, Draw(c.seed, streamTie, 0, c.attempts))
	if ok {
		p := &c.pods[r.Pod]
		if r.Node != 0 {
			p.view = assumedPod
			c.preBind(r.Pod, r.Node)
		} else {
			c.rejected(&r)
			c.preempt(&r)
		}
	}
	c.kick()
}

// rejected tells that no node can take a pod: an Event, and in one write the PodScheduled condition
// and status.nominatedNodeName (handleSchedulingFailure).
func (c *Cluster) rejected(r *scheduler.Result) {
	o, p := &c.state.Pods[r.Pod], &c.pods[r.Pod]
	text := c.state.Texts.Intern(c.scheduler.FitError())
	c.announceFailure(r.Pod, model.TextMessage(text))
	renominated := r.Nominate && r.Nominated != o.Nominated
	cond := &o.Status.Conditions[model.PodScheduled]
	p.schedulerError = r.Failed
	if !renominated && cond.Status == model.ConditionFalse && cond.Reason == p.unscheduledReason() && cond.Message.Text == text {
		return
	}
	if p.renominated = renominated; renominated {
		p.nominated = r.Nominated
	}
	at := c.request(&c.schedulerLimit, p.luck, 1)
	c.at(at, evUnschedulable, r.Pod, 0, int32(text))
}

func (p *pod) unscheduledReason() model.Text {
	if p.schedulerError {
		return model.ReasonSchedulerError
	}
	return model.ReasonUnschedulable
}

// unschedulable is that write.
func (c *Cluster) unschedulable(id model.PodID, text model.Text) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists || o.Node != 0 {
		return
	}
	changed := o.Status.SetCondition(model.PodScheduled, model.ConditionFalse, p.unscheduledReason(), model.TextMessage(text), c.now)
	if p.renominated {
		p.renominated = false
		changed = changed || o.Nominated != p.nominated
		o.Nominated = p.nominated
	}
	if changed {
		c.changed(model.KindPod, int32(id), model.Modified)
	}
}

// bound is a binding as it reaches the API server (registry/core/pod/storage
// BindingREST.setPodNodeAndMetadata).
func (c *Cluster) bound(id model.PodID, node model.NodeID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists || o.Node != 0 {
		return
	}
	c.record.placements++
	o.Node, o.Nominated = node, 0
	o.Status.SetCondition(model.PodScheduled, model.ConditionTrue, model.NoText, model.Message{}, c.now)
	c.announce(id, false, model.EventScheduled, model.Message{Kind: model.MessageScheduled, N: int64(node)})
	c.changed(model.KindPod, int32(id), model.Modified)
}
