package reports

import (
	"encoding/json"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// batchRows is the number of rows that go to the encoder together.
const batchRows = 2048

// Writer writes the record of a run. Its methods are called in the order of the run, by one
// goroutine; another one encodes. What it writes depends on the run alone, not on the wall
// clock: the same run makes the same files.
type Writer struct {
	state *model.State
	dir   string

	batch  batch
	work   chan batch
	free   chan batch
	done   chan struct{}
	failed atomic.Pointer[error]

	words words
	specs specs
}

// batch is what goes to the encoder.
type batch struct {
	rows   []transitionRow
	events []eventRow
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
	w := &Writer{state: state, dir: dir, work: make(chan batch, 2), free: make(chan batch, 4), done: make(chan struct{})}
	for range cap(w.free) {
		w.free <- batch{make([]transitionRow, 0, batchRows), make([]eventRow, 0, batchRows)}
	}
	w.batch = <-w.free
	w.words.init(state)
	go w.encode()
	return w, nil
}

// encode writes batches until the channel is closed. After an error it only takes them.
func (w *Writer) encode() {
	defer close(w.done)
	t := tables{newTable[transitionRow](w.dir, "transitions"), newTable[eventRow](w.dir, "events"), 0}
	for b := range w.work {
		if w.Err() == nil {
			w.note(t.write(b.rows, b.events))
		}
		w.free <- b
	}
	if w.Err() == nil {
		w.note(t.close())
	}
}

func (w *Writer) note(err error) {
	if err != nil {
		w.failed.Store(&err)
	}
}

// Err is the error that stopped the writing, nil while all is well.
func (w *Writer) Err() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// send hands the rows to the encoder and takes an empty batch.
func (w *Writer) send() {
	w.work <- w.batch
	b := <-w.free
	w.batch = batch{b.rows[:0], b.events[:0]}
}

// Close completes the record with what is known at the end of the run.
func (w *Writer) Close(info RunInfo) error {
	w.send()
	close(w.work)
	<-w.done
	if err := w.Err(); err != nil {
		return err
	}
	info.Format = format
	return writeRun(w.dir, &info)
}

// row gives the next row to fill, with the memory of an older one.
func (w *Writer) row() *transitionRow {
	b := &w.batch
	if len(b.rows) == cap(b.rows) {
		w.send()
	}
	b.rows = b.rows[:len(b.rows)+1]
	r := &b.rows[len(b.rows)-1]
	conditions, states := r.Conditions[:0], r.States[:0]
	*r = transitionRow{Deletion: absent, Grace: absent, StartTime: absent, LastRestart: absent, ProgressUpdated: absent,
		Conditions: conditions, States: states}
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
		r.Spec = encode(&serviceSource{metadataOf(s.Object.Labels, s.Object.Annotations), &s.Object.Spec})
	}
}

// timeOr is a time, absent when it is not set.
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
		r.OwnerKind, r.Owner, r.OwnerSerial = "ReplicaSet", s.ReplicaSets[p.Owner].Name, int64(p.Owner)
	}
	if p.Template.Static {
		r.OwnerKind, r.Owner, r.OwnerSerial = "Node", s.Nodes[p.Node].Name, int64(p.Node)
	}
	if newer(&w.specs.pods, int32(p.ID), p.Template.ID) || change == model.Added {
		r.Spec = w.specs.template(p.Template)
	}
	if p.Node != 0 {
		r.Node = s.Nodes[p.Node].Name
	}
	if p.Nominated != 0 {
		r.Nominated = s.Nodes[p.Nominated].Name
	}
	sum := s.Summary(p)
	r.Phase, r.Status, r.QOS = st.Phase.String(), sum.Status, string(p.Template.QOS)
	r.ReadyContainers, r.Containers, r.Restarts = int32(sum.Ready), int32(sum.Containers), sum.Restarts
	r.LastRestart = timeOr(sum.LastRestart, sum.LastRestart != model.Never)
	r.Reason, r.Message = s.Texts.String(st.Reason), s.Message(p, -1, st.Message)
	r.IP, r.ObservedGeneration = w.words.ip(p), st.ObservedGeneration
	r.StartTime = timeOr(st.StartTime, st.StartTime != model.Never)
	if st.Allocated != 0 {
		x := w.words.podResources(st)
		r.Resources, r.Allocated = x.actual, x.allocated
	}
	w.podConditions(r, p)
	for i := range st.Containers {
		w.container(r, p, i)
	}
}

func (w *Writer) podConditions(r *transitionRow, p *model.Pod) {
	if x := p.Status.Resize; x != nil {
		w.resizeCondition(r, p, v1.PodResizePending, &x.Pending, x.PendingGeneration)
		w.resizeCondition(r, p, v1.PodResizeInProgress, &x.InProgress, x.InProgressGeneration)
	}
	for t := range model.NumConditions {
		if c := &p.Status.Conditions[t]; c.Status != model.ConditionAbsent {
			w.condition(r, t.String(), c, w.words.condition(p, t))
		}
	}
	for i := range p.Status.Gates {
		if c := &p.Status.Gates[i]; c.Status != model.ConditionAbsent {
			w.condition(r, string(p.Template.Spec.ReadinessGates[i].ConditionType), c, "")
		}
	}
}

func (w *Writer) condition(r *transitionRow, name string, c *model.Condition, message string) {
	r.Conditions = append(r.Conditions, conditionRow{name, c.Status.String(), w.state.Texts.String(c.Reason), message, int64(c.Transition), 0})
}

func (w *Writer) resizeCondition(r *transitionRow, p *model.Pod, name v1.PodConditionType, c *model.Condition, generation int64) {
	if c.Status != model.ConditionAbsent {
		w.condition(r, string(name), c, w.state.Message(p, -1, c.Message))
		r.Conditions[len(r.Conditions)-1].Generation = generation
	}
}

// containerKinds are the words for the kinds of containers.
var containerKinds = [...]string{model.AppContainer: "container", model.InitContainer: "init", model.Sidecar: "sidecar"}

func (w *Writer) container(r *transitionRow, p *model.Pod, i int) {
	s, k, t := w.state, &p.Status.Containers[i], &p.Template.Containers[i]
	c := containerRow{
		Name: t.Name, Kind: containerKinds[t.Kind], Ready: k.Ready, Started: k.Started, Restarts: k.Restarts, Instance: k.ContainerID,
		State: k.State.Kind.String(), Reason: s.Texts.String(k.State.Reason), Message: s.Message(p, i, k.State.Message),
		ExitCode: k.State.ExitCode, Signal: k.State.Signal,
		LastState: k.Last.Kind.String(), LastReason: s.Texts.String(k.Last.Reason), LastMessage: s.Message(p, i, k.Last.Message),
		LastExitCode: k.Last.ExitCode, LastSignal: k.Last.Signal, LastInstance: k.Last.ContainerID,
	}
	c.StartedAt, c.FinishedAt = w.stateTimes(&k.State)
	c.LastStarted, c.LastFinished = w.stateTimes(&k.Last)
	if k.Allocated != 0 {
		x := w.words.containerResources(k, i)
		c.Resources, c.Allocated = x.actual, x.allocated
	}
	r.States = append(r.States, c)
}

func (w *Writer) stateTimes(s *model.ContainerState) (started, finished int64) {
	known := s.Kind == model.StateTerminated && s.TimesKnown()
	began := s.StartedAt
	if s.Reason == model.ReasonStartError {
		// The runtime knows of no start, which the kubelet takes for the beginning of Unix time.
		began = -model.Time(w.state.Start.UnixNano())
	}
	return timeOr(began, known || s.Kind == model.StateRunning), timeOr(s.FinishedAt, known)
}

func (w *Writer) node(r *transitionRow, n *model.Node) {
	r.Created = int64(n.Created)
	r.Unschedulable = n.Unschedulable
	r.Images = int32(len(n.Images))
	if len(n.Taints) > 0 {
		r.Taints = encode(n.Taints)
	}
	if newer(&w.specs.nodes, int32(n.ID), n.Object) {
		r.Spec = encode(nodeSourceOf(n))
	}
	for t := range model.NumNodeConditions {
		c := &n.Conditions[t]
		w.condition(r, t.String(), c, nodeMessage(w.state, c))
	}
	r.Status = "Ready"
	if n.Conditions[model.NodeReady].Status != model.ConditionTrue {
		r.Status = "NotReady"
	}
	if n.Unschedulable {
		r.Status += ",SchedulingDisabled"
	}
}

func (w *Writer) deployment(r *transitionRow, d *model.Deployment) {
	r.Created, r.Generation = int64(d.Created), d.Generation
	s := &d.Status
	r.Replicas, r.CurrentReplicas, r.ReadyReplicas, r.UpdatedReplicas = d.Replicas, s.Replicas, s.Ready, s.Updated
	r.AvailableReplicas, r.Unavailable, r.Terminating, r.ObservedGeneration = s.Available, s.Unavailable, s.Terminating, s.ObservedGeneration
	newer(&w.specs.asApplied, int32(d.Template.ID), &d.Object.Spec.Template)
	if newer(&w.specs.deployments, int32(d.ID), version{d.Generation, d.Revision, 0}) {
		r.Spec = encode(deploymentSourceOf(d))
	}
	for t := range model.NumDeploymentConditions {
		if c := &s.Conditions[t]; c.Status != model.ConditionAbsent {
			w.condition(r, t.String(), c, w.words.deployment(d, t))
		}
	}
	r.ProgressUpdated = timeOr(s.ProgressUpdated, s.Conditions[model.DeploymentProgressing].Status != model.ConditionAbsent)
}

func (w *Writer) replicaSet(r *transitionRow, x *model.ReplicaSet) {
	r.Created, r.Generation = int64(x.Created), x.Generation
	s := &x.Status
	r.Replicas, r.CurrentReplicas, r.ReadyReplicas, r.AvailableReplicas = x.Replicas, s.Replicas, s.Ready, s.Available
	r.Terminating, r.ObservedGeneration = s.Terminating, s.ObservedGeneration
	if x.Owner != 0 {
		r.OwnerKind, r.Owner, r.OwnerSerial = "Deployment", w.state.Deployments[x.Owner].Name, int64(x.Owner)
	}
	if newer(&w.specs.replicaSets, int32(x.ID), version{x.Generation, x.Revision, int64(x.Desired)<<32 | int64(x.Max)}) {
		r.Spec = encode(replicaSetSourceOf(x, w.specs.applied(x.Template)))
	}
}

// Event writes a Kubernetes Event. It has the form of sim.Cluster.Observe.
func (w *Writer) Event(e *model.Event) {
	b := &w.batch
	if len(b.events) == cap(b.events) {
		w.send()
	}
	s := w.state
	b.events = b.events[:len(b.events)+1]
	r := &b.events[len(b.events)-1]
	*r = eventRow{Time: int64(e.At), First: int64(e.First), Seq: int64(e.Seq), Serial: e.Serial, Count: e.Count, Type: v1.EventTypeNormal,
		Reason: s.EventReason(e), Kind: e.Kind.String(), ObjectSerial: int64(e.ID), Message: w.words.event(e), Source: e.Source.String()}
	if e.Warning {
		r.Type = v1.EventTypeWarning
	}
	r.Namespace, r.Name = s.ObjectName(e.Kind, e.ID)
	if e.Kind != model.KindPod {
		return
	}
	p := &s.Pods[e.ID]
	r.ObjectSerial = p.Serial
	if e.Source == model.FromKubelet && p.Node != 0 {
		r.Host = s.Nodes[p.Node].Name
	}
	if e.Container >= 0 {
		r.FieldPath = w.words.fieldPath(p.Template, int(e.Container))
	}
}

// specs remembers the specs that were written, so that they are written again only when they
// change.
type specs struct {
	templates                []string
	deployments, replicaSets []version
	nodes                    []*v1.Node
	// pods are the templates of pods as they were last written.
	pods []model.TemplateID
	// asApplied are the templates of Deployments before admission, by the template's id.
	asApplied []*v1.PodTemplateSpec
}

// version changes when an object's metadata or spec does: its generation, its revision and
// its annotations.
type version struct{ generation, revision, annotations int64 }

// newer notes the version of an object's spec. It says whether it was not written yet.
func newer[T comparable](list *[]T, id int32, now T) bool {
	var none T
	for int(id) >= len(*list) {
		*list = append(*list, none)
	}
	if (*list)[id] == now {
		return false
	}
	(*list)[id] = now
	return true
}

// template is a pod template as JSON, made once for all pods of the template.
func (s *specs) template(t *model.PodTemplate) string {
	for int(t.ID) >= len(s.templates) {
		s.templates = append(s.templates, "")
	}
	if s.templates[t.ID] == "" {
		s.templates[t.ID] = encode(&podSource{metadataOf(t.Labels, t.Annotations), t.Spec})
	}
	return s.templates[t.ID]
}

// applied is a template before admission, nil when it is not a Deployment's.
func (s *specs) applied(t *model.PodTemplate) *v1.PodTemplateSpec {
	if int(t.ID) >= len(s.asApplied) {
		return nil
	}
	return s.asApplied[t.ID]
}

// encode is an object as JSON.
func encode(x any) string {
	data, err := json.Marshal(x)
	if err != nil {
		panic("reports: an API object is not JSON: " + err.Error())
	}
	return string(data)
}
