package reports

import (
	"encoding/json"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
)

// batchRows is the number of rows that go to the encoder together.
const batchRows = 2048

// flushEvery is how long rows may wait before they are in a complete part, so that a killed
// run has them.
const flushEvery = 10 * time.Second

// Writer writes the record of a run. Its methods are called in the order of the run, by one
// goroutine; another one encodes.
type Writer struct {
	state *model.State
	dir   string

	rows   []transitionRow
	events []eventRow
	work   chan batch
	free   chan batch
	failed chan error
	err    error

	templates []string
	written   []int64
	sources   objectSources
}

// batch is what goes to the encoder.
type batch struct {
	rows   []transitionRow
	events []eventRow
}

// objectSources are the specs as they were last written, so that they are written again only
// when they change.
type objectSources struct {
	deployments, replicaSets []int64
	nodes, services          []bool
}

// NewWriter begins a record in dir, in place of an older one. It is an error when dir holds
// anything else. It reads the objects from state as they change.
func NewWriter(dir string, state *model.State, info RunInfo) (*Writer, error) {
	if err := prepare(dir); err != nil {
		return nil, err
	}
	info.Format = format
	if err := writeRun(dir, &info); err != nil {
		return nil, err
	}
	w := &Writer{state: state, dir: dir, work: make(chan batch, 2), free: make(chan batch, 4), failed: make(chan error, 1)}
	for range cap(w.free) {
		w.free <- batch{make([]transitionRow, 0, batchRows), make([]eventRow, 0, batchRows)}
	}
	b := <-w.free
	w.rows, w.events = b.rows, b.events
	go w.encode()
	return w, nil
}

// encode writes batches until the channel is closed.
func (w *Writer) encode() {
	transitions, events := newTable[transitionRow](w.dir, "transitions"), newTable[eventRow](w.dir, "events")
	var err error
	flushed := time.Now()
	note := func(e error) {
		if err == nil {
			err = e
		}
	}
	for b := range w.work {
		if err == nil {
			note(transitions.write(b.rows))
			note(events.write(b.events))
		}
		if err == nil && time.Since(flushed) > flushEvery {
			note(transitions.flush())
			note(events.flush())
			flushed = time.Now()
		}
		w.free <- b
	}
	if err == nil {
		note(transitions.close())
		note(events.close())
	}
	w.failed <- err
}

// Err is the error that stopped the writing, nil while all is well.
func (w *Writer) Err() error {
	select {
	case w.err = <-w.failed:
	default:
	}
	return w.err
}

// send hands the rows to the encoder and takes an empty batch.
func (w *Writer) send() {
	w.work <- batch{w.rows, w.events}
	b := <-w.free
	w.rows, w.events = b.rows[:0], b.events[:0]
}

// Close completes the record with what is known at the end of the run.
func (w *Writer) Close(info RunInfo) error {
	w.send()
	close(w.work)
	if err := <-w.failed; err != nil {
		return err
	}
	info.Format = format
	return writeRun(w.dir, &info)
}

// row gives the next row to fill, with the memory of an older one.
func (w *Writer) row() *transitionRow {
	if len(w.rows) == cap(w.rows) {
		w.send()
	}
	w.rows = w.rows[:len(w.rows)+1]
	r := &w.rows[len(w.rows)-1]
	conditions, states := r.Conditions[:0], r.States[:0]
	*r = transitionRow{Deletion: absent, Grace: absent, StartTime: absent, LastRestart: absent, Conditions: conditions, States: states}
	return r
}

// Transition writes a change of an object. It has the form of sim.Cluster.Observe.
func (w *Writer) Transition(t model.Transition) {
	r := w.row()
	r.Time, r.Seq, r.Type, r.Kind = int64(t.At), int64(t.Seq), t.Type.String(), t.Kind.String()
	r.Namespace, r.Name = w.state.ObjectName(t.Kind, t.ID)
	r.Serial = int64(t.ID)
	switch t.Kind {
	case model.KindPod:
		w.pod(r, &w.state.Pods[t.ID], t.Type)
	case model.KindNode:
		w.node(r, &w.state.Nodes[t.ID])
	case model.KindDeployment:
		w.deployment(r, &w.state.Deployments[t.ID])
	case model.KindReplicaSet:
		w.replicaSet(r, &w.state.ReplicaSets[t.ID])
	case model.KindService:
		s := &w.state.Services[t.ID]
		r.Created = int64(s.Created)
		r.Spec = encode(s.Object)
	}
}

func timeOr(t model.Time, set bool) int64 {
	if !set {
		return absent
	}
	return int64(t)
}

func (w *Writer) pod(r *transitionRow, p *model.Pod, change model.ChangeType) {
	s, st := w.state, &p.Status
	r.Serial, r.Created, r.Generation = p.Serial, int64(p.Created), p.Generation
	if p.Deleting {
		r.Deletion, r.Grace = int64(p.DeletionTimestamp), p.GraceSeconds
	}
	if p.Owner != 0 {
		r.OwnerKind, r.Owner = "ReplicaSet", s.ReplicaSets[p.Owner].Name
	}
	if change == model.Added {
		r.Spec = w.template(p.Template)
	}
	if p.Node != 0 {
		r.Node = s.Nodes[p.Node].Name
	}
	if p.Nominated != 0 {
		r.Nominated = s.Nodes[p.Nominated].Name
	}
	r.Phase, r.Status, r.QOS = st.Phase.String(), s.StatusWord(p), string(p.Template.QOS)
	ready, total := p.ReadyContainers()
	r.ReadyContainers, r.Containers = int32(ready), int32(total)
	r.Restarts = p.RestartCount()
	last := p.LastRestart()
	r.LastRestart = timeOr(last, last != 0)
	r.Reason, r.Message = s.Texts.String(st.Reason), s.Message(p, -1, st.Message)
	r.IP = s.IP(p)
	r.StartTime = timeOr(st.StartTime, st.StartTime != model.Never)
	w.podConditions(r, p)
	for i := range st.Containers {
		w.container(r, p, i)
	}
}

func (w *Writer) podConditions(r *transitionRow, p *model.Pod) {
	for t := range model.NumConditions {
		c := &p.Status.Conditions[t]
		if c.Status != model.ConditionAbsent {
			r.Conditions = append(r.Conditions, w.condition(t.String(), c, w.state.ConditionMessage(p, t)))
		}
	}
	for i := range p.Status.Gates {
		c := &p.Status.Gates[i]
		if c.Status != model.ConditionAbsent {
			r.Conditions = append(r.Conditions, w.condition(string(p.Template.Spec.ReadinessGates[i].ConditionType), c, ""))
		}
	}
}

func (w *Writer) condition(name string, c *model.Condition, message string) conditionRow {
	return conditionRow{name, c.Status.String(), w.state.Texts.String(c.Reason), message, int64(c.Transition)}
}

// containerKinds are the words for the kinds of containers.
var containerKinds = [...]string{model.AppContainer: "container", model.InitContainer: "init", model.Sidecar: "sidecar"}

func (w *Writer) container(r *transitionRow, p *model.Pod, i int) {
	s, k, t := w.state, &p.Status.Containers[i], &p.Template.Containers[i]
	r.States = append(r.States, containerRow{
		Name: t.Name, Kind: containerKinds[t.Kind], Ready: k.Ready, Started: k.Started, Restarts: k.Restarts, Instance: k.ContainerID,
		State: k.State.Kind.String(), Reason: s.Texts.String(k.State.Reason), Message: s.Message(p, i, k.State.Message),
		ExitCode: k.State.ExitCode, Signal: k.State.Signal, StartedAt: int64(k.State.StartedAt), FinishedAt: int64(k.State.FinishedAt),
		LastState: k.Last.Kind.String(), LastReason: s.Texts.String(k.Last.Reason), LastMessage: s.Message(p, i, k.Last.Message),
		LastExitCode: k.Last.ExitCode, LastSignal: k.Last.Signal, LastStarted: int64(k.Last.StartedAt),
		LastFinished: int64(k.Last.FinishedAt), LastInstance: k.Last.ContainerID,
	})
}

// template is a pod template as JSON, made once for all pods of the template.
func (w *Writer) template(t *model.PodTemplate) string {
	for int(t.ID) >= len(w.templates) {
		w.templates = append(w.templates, "")
	}
	if w.templates[t.ID] == "" {
		w.templates[t.ID] = encode(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: t.Labels, Annotations: t.Annotations}, Spec: *t.Spec})
	}
	return w.templates[t.ID]
}

// encode is an object as JSON.
func encode(x any) string {
	data, err := json.Marshal(x)
	if err != nil {
		panic("reports: an API object is not JSON: " + err.Error())
	}
	return string(data)
}

func (w *Writer) node(r *transitionRow, n *model.Node) {
	r.Created = int64(n.Created)
	r.Unschedulable = n.Unschedulable
	r.Images = int32(len(n.Images))
	if len(n.Taints) > 0 {
		r.Taints = encode(n.Taints)
	}
	if w.sources.firstNode(n.ID) {
		o := n.Object.DeepCopy()
		o.Name, o.Labels = n.Name, n.Labels
		r.Spec = encode(o)
	}
	for t := range model.NumNodeConditions {
		c := &n.Conditions[t]
		r.Conditions = append(r.Conditions, conditionRow{t.String(), c.Status.String(), w.state.Texts.String(c.Reason), "", int64(c.Transition)})
	}
	r.Status = "Ready"
	if n.Conditions[model.NodeReady].Status != model.ConditionTrue {
		r.Status = "NotReady"
	}
	if n.Unschedulable {
		r.Status += ",SchedulingDisabled"
	}
}

func (s *objectSources) firstNode(id model.NodeID) bool {
	for int(id) >= len(s.nodes) {
		s.nodes = append(s.nodes, false)
	}
	first := !s.nodes[id]
	s.nodes[id] = true
	return first
}

// newer notes the generation of an object's spec. It says whether it was not written yet.
func newer(list *[]int64, id int32, generation int64) bool {
	for int(id) >= len(*list) {
		*list = append(*list, 0)
	}
	if (*list)[id] == generation {
		return false
	}
	(*list)[id] = generation
	return true
}

func (w *Writer) deployment(r *transitionRow, d *model.Deployment) {
	r.Created, r.Generation = int64(d.Created), d.Generation
	s := &d.Status
	r.Replicas, r.CurrentReplicas, r.ReadyReplicas, r.UpdatedReplicas = d.Replicas, s.Replicas, s.Ready, s.Updated
	r.AvailableReplicas, r.Unavailable, r.Terminating, r.ObservedGeneration = s.Available, s.Unavailable, s.Terminating, s.ObservedGeneration
	if newer(&w.sources.deployments, int32(d.ID), d.Generation) {
		o := d.Object.DeepCopy()
		o.Spec.Replicas = &d.Replicas
		r.Spec = encode(o)
	}
	for t := range model.NumDeploymentConditions {
		if c := &s.Conditions[t]; c.Status != model.ConditionAbsent {
			r.Conditions = append(r.Conditions, w.condition(t.String(), c, deploymentMessage(d, c)))
		}
	}
}

func (w *Writer) replicaSet(r *transitionRow, x *model.ReplicaSet) {
	r.Created, r.Generation = int64(x.Created), x.Generation
	s := &x.Status
	r.Replicas, r.CurrentReplicas, r.ReadyReplicas, r.AvailableReplicas = x.Replicas, s.Replicas, s.Ready, s.Available
	r.Terminating, r.ObservedGeneration = s.Terminating, s.ObservedGeneration
	if x.Owner != 0 {
		r.OwnerKind, r.Owner = "Deployment", w.state.Deployments[x.Owner].Name
	}
	if newer(&w.sources.replicaSets, int32(x.ID), x.Generation) {
		r.Spec = encode(replicaSetObject(x))
	}
}

// Event writes a Kubernetes Event. It has the form of sim.Cluster.Observe.
func (w *Writer) Event(e *model.Event) {
	if len(w.events) == cap(w.events) {
		w.send()
	}
	s := w.state
	r := eventRow{Time: int64(e.At), First: int64(e.First), Seq: int64(e.Seq), Serial: e.Serial, Count: e.Count, Type: "Normal",
		Reason: e.Reason.String(), Kind: e.Kind.String(), ObjectSerial: int64(e.ID), Message: s.EventMessage(e), Source: e.Source.String()}
	if e.Warning {
		r.Type = "Warning"
	}
	r.Namespace, r.Name = s.ObjectName(e.Kind, e.ID)
	if e.Kind == model.KindPod {
		p := &s.Pods[e.ID]
		r.ObjectSerial = p.Serial
		if e.Source == model.FromKubelet && p.Node != 0 {
			r.Host = s.Nodes[p.Node].Name
		}
		if e.Container >= 0 {
			r.Field = "spec.containers{" + p.Template.Containers[e.Container].Name + "}"
			if int(e.Container) < p.Template.NumInit {
				r.Field = "spec.initContainers{" + p.Template.Containers[e.Container].Name + "}"
			}
		}
	}
	w.events = append(w.events, r)
}
