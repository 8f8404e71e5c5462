package sim

import (
	"podsim/model"
)

// record passes every change on to the observers and keeps the run's hash.
type record struct {
	seq    uint64
	hash   uint64
	events int64

	transitions int64
	kubeEvents  int64
	eventSerial int64
	placements  int64
	oomKills    int64

	onTransition []func(model.Transition)
	onEvent      []func(*model.Event)
}

func (r *record) init() { r.hash = 14695981039346656037 }

// mix adds a word to the hash.
func (r *record) mix(x uint64) {
	h := (r.hash ^ x) * 0x9e3779b97f4a7c15
	r.hash = h ^ h>>29
}

// Observe calls transition for every change of an object and event for every Kubernetes
// Event, in the order of the run. Either may be nil.
func (c *Cluster) Observe(transition func(model.Transition), event func(*model.Event)) {
	if transition != nil {
		c.record.onTransition = append(c.record.onTransition, transition)
	}
	if event != nil {
		c.record.onEvent = append(c.record.onEvent, event)
	}
}

// Counts are the numbers of a run so far.
type Counts struct {
	// Events is the number of simulator events carried out.
	Events int64
	// Transitions is the number of changes of objects, KubernetesEvents that of Event writes.
	Transitions, KubernetesEvents int64
	// Placements is the number of pods that the scheduler bound.
	Placements int64
	// OOMKills is how often the kernel killed something for want of memory.
	OOMKills int64
	// Pending is the number of events that wait.
	Pending int
}

// Counts gives the numbers of the run so far.
func (c *Cluster) Counts() Counts {
	r := &c.record
	return Counts{Events: r.events, Transitions: r.transitions, KubernetesEvents: r.kubeEvents, Placements: r.placements, OOMKills: r.oomKills, Pending: c.queue.Len()}
}

// Hash is a number that two runs share when all that was observed of them is the same.
func (c *Cluster) Hash() uint64 { return c.record.hash }

// changed records that an object changed and tells its watchers a little later.
func (c *Cluster) changed(kind model.ObjectKind, id int32, change model.ChangeType) {
	r := &c.record
	r.seq++
	r.transitions++
	r.mix(uint64(c.now))
	r.mix(uint64(kind)<<40 | uint64(change)<<32 | uint64(uint32(id)))
	c.hashObject(kind, id)
	t := model.Transition{At: c.now, Seq: r.seq, Type: change, Kind: kind, ID: id}
	for _, f := range r.onTransition {
		f(t)
	}
	c.notify(kind, id, change)
}

func (c *Cluster) hashObject(kind model.ObjectKind, id int32) {
	r := &c.record
	switch kind {
	case model.KindPod:
		r.hashPod(&c.state.Pods[id], c.pods[id].luck)
	case model.KindReplicaSet:
		s := &c.state.ReplicaSets[id]
		r.mix(uint64(s.Replicas)<<32 | uint64(s.Status.Replicas))
		r.mix(uint64(s.Status.Ready)<<32 | uint64(s.Status.Available))
	case model.KindDeployment:
		d := &c.state.Deployments[id]
		r.mix(uint64(d.Replicas)<<32 | uint64(d.Status.Replicas))
		r.mix(uint64(d.Status.Updated)<<32 | uint64(d.Status.Available))
		for i := range d.Status.Conditions {
			r.mix(uint64(d.Status.Conditions[i].Status)<<32 | uint64(d.Status.Conditions[i].Reason))
		}
	case model.KindNode:
		n := &c.state.Nodes[id]
		for i := range n.Conditions {
			r.mix(uint64(n.Conditions[i].Status)<<32 | uint64(n.Conditions[i].Reason))
		}
		r.mix(uint64(len(n.Taints))<<32 | uint64(len(n.Images)))
	}
}

func (r *record) hashPod(p *model.Pod, luck uint64) {
	s := &p.Status
	r.mix(luck)
	r.mix(uint64(p.Node)<<32 | uint64(s.Phase)<<24 | uint64(s.Reason))
	if p.Deleting {
		r.mix(uint64(p.DeletionTimestamp))
	}
	for i := range s.Conditions {
		r.mix(uint64(s.Conditions[i].Status)<<32 | uint64(s.Conditions[i].Reason))
	}
	if len(s.Gates) > 0 {
		r.mix(uint64(s.GateStatuses()))
	}
	for i := range s.Containers {
		k := &s.Containers[i]
		r.hashState(&k.State)
		r.hashState(&k.Last)
		flags := uint64(k.Restarts) << 2
		if k.Ready {
			flags |= 1
		}
		if k.Started {
			flags |= 2
		}
		r.mix(flags)
	}
}

func (r *record) hashState(s *model.ContainerState) {
	r.mix(uint64(s.Kind)<<60 ^ uint64(s.Reason)<<32 ^ uint64(uint32(s.ExitCode)))
	r.mix(uint64(s.StartedAt) ^ uint64(s.FinishedAt)<<1)
}
