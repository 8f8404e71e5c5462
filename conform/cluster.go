package conform

import (
	"encoding/json"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/scenarios"
	"podsim/scheduler"
	"podsim/scheduler/framework"
)

// Cluster is a podsim scheduler with what it knows of a cluster.
type Cluster struct {
	// Scheduler has the state of the cluster.
	Scheduler *scheduler.Scheduler

	state *model.State
	nodes map[string]model.NodeID
	pods  map[string]model.PodID
	// templates are shared by pods that differ in their names only.
	templates map[string]*model.PodTemplate
}

// Load gives the objects of an input to a scheduler, all but the pending pod.
func Load(in *Input) (*Cluster, error) {
	c := &Cluster{
		state: &model.State{Nodes: make([]model.Node, 1), Pods: make([]model.Pod, 1)},
		nodes: map[string]model.NodeID{},
		pods:  map[string]model.PodID{},

		templates: map[string]*model.PodTemplate{},
	}
	config := scheduler.DefaultConfig()
	if len(in.Config) > 0 {
		read, err := scenarios.ReadSchedulerConfigBytes("config", in.Config)
		if err != nil {
			return nil, err
		}
		config = scheduler.NewConfig(read.Configuration)
	}
	c.Scheduler = scheduler.New(c.state, config)
	c.addObjects(in)
	for _, n := range in.Nodes {
		if err := c.AddNode(n); err != nil {
			return nil, err
		}
	}
	for _, p := range in.Pods {
		if err := c.AddPod(p); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addObjects takes in what is neither node nor pod. The namespaces of pods need not be given.
func (c *Cluster) addObjects(in *Input) {
	known := map[string]bool{}
	for _, n := range in.Namespaces {
		known[n.Name] = true
		c.Scheduler.SetObject(n, 0)
	}
	for _, p := range slices.Concat(in.Pods, []*v1.Pod{in.Pending}) {
		if p == nil || known[namespace(p)] {
			continue
		}
		known[namespace(p)] = true
		c.Scheduler.SetObject(&v1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: namespace(p), Labels: map[string]string{v1.LabelMetadataName: namespace(p)},
		}}, 0)
	}
	set(c, in.Services)
	set(c, in.ReplicationControllers)
	set(c, in.ReplicaSets)
	set(c, in.StatefulSets)
	set(c, in.PodDisruptionBudgets)
	set(c, in.PersistentVolumes)
	set(c, in.PersistentVolumeClaims)
	set(c, in.StorageClasses)
	set(c, in.CSINodes)
	set(c, in.CSIDrivers)
	set(c, in.CSIStorageCapacities)
	set(c, in.VolumeAttachments)
	set(c, in.DeviceClasses)
	set(c, in.ResourceSlices)
	set(c, in.ResourceClaims)
	set(c, in.ResourceClaimTemplates)
}

func set[T metav1.Object](c *Cluster, list []T) {
	for _, o := range list {
		if o.GetNamespace() == "" && namespaced(o) {
			o.SetNamespace(metav1.NamespaceDefault)
		}
		c.Scheduler.SetObject(o, 0)
	}
}

// namespaced says whether objects of a kind are in namespaces.
func namespaced(o metav1.Object) bool {
	switch o.(type) {
	case *v1.PersistentVolume, *storagev1.StorageClass, *storagev1.CSINode, *storagev1.CSIDriver, *storagev1.VolumeAttachment,
		*resourcev1.DeviceClass, *resourcev1.ResourceSlice:
		return false
	}
	return true
}

// AddNode adds a node.
func (c *Cluster) AddNode(o *v1.Node) error {
	id := c.node(o.Name)
	if n := c.Scheduler.Node(id); n != nil && n.Present {
		return fmt.Errorf("node %s is there twice", o.Name)
	}
	c.setNode(id, o)
	c.Scheduler.AddNode(&c.state.Nodes[id], 0)
	return nil
}

// UpdateNode takes over a change of a node.
func (c *Cluster) UpdateNode(o *v1.Node) {
	id := c.node(o.Name)
	c.setNode(id, o)
	c.Scheduler.UpdateNode(&c.state.Nodes[id], 0)
}

// DeleteNode takes a node away. Its pods are still there.
func (c *Cluster) DeleteNode(name string) { c.Scheduler.RemoveNode(c.node(name), 0) }

// setNode takes over a node object. The first node that has an image says how big it is, as in the
// scheduler's cache.
func (c *Cluster) setNode(id model.NodeID, o *v1.Node) {
	o = o.DeepCopy()
	model.DefaultNode(o)
	n := &c.state.Nodes[id]
	n.Labels = o.Labels
	n.Allocatable = model.ResourcesOf(o.Status.Allocatable)
	n.Unschedulable, n.Taints = o.Spec.Unschedulable, o.Spec.Taints
	n.DeclaredFeatures = o.Status.DeclaredFeatures
	n.Images = nil
	for _, image := range o.Status.Images {
		for _, name := range image.Names {
			id := c.state.Image(name)
			if i := &c.state.Images[id]; i.Assumed {
				i.Size, i.Assumed = image.SizeBytes, false
			}
			n.Images = append(n.Images, model.NodeImage{Image: id})
		}
	}
}

// node is the id of a node, a new one when the name is new, zero for no name.
func (c *Cluster) node(name string) model.NodeID {
	if name == "" {
		return 0
	}
	if id, ok := c.nodes[name]; ok {
		return id
	}
	id := model.NodeID(len(c.state.Nodes))
	c.state.Nodes = append(c.state.Nodes, model.Node{ID: id, Name: name})
	c.nodes[name] = id
	return id
}

// AddPod adds a pod that is on a node or nominated. A pod that has ended is of no interest to a
// scheduler, whose informer leaves it out.
func (c *Cluster) AddPod(o *v1.Pod) error {
	if o.Status.Phase == v1.PodSucceeded || o.Status.Phase == v1.PodFailed {
		return nil
	}
	if o.Spec.NodeName == "" && o.Status.NominatedNodeName == "" {
		return nil
	}
	// It may share the template of a pod that has no node yet.
	unbound := o.DeepCopy()
	unbound.Spec.NodeName = ""
	id, err := c.pod(unbound)
	if err != nil {
		return err
	}
	p := &c.state.Pods[id]
	p.Node = c.node(o.Spec.NodeName)
	if p.Node == 0 {
		c.Scheduler.AddNominatedPod(id, p.Template)
	} else {
		c.Scheduler.AssignedPodAdded(id, p.Template, p.Node, 0)
	}
	return nil
}

// DeletePod takes a pod off its node.
func (c *Cluster) DeletePod(o *v1.Pod) {
	name := podName(o)
	c.Scheduler.AssignedPodDeleted(c.pods[name], 0)
	delete(c.pods, name)
}

// pod is the id of a new pod.
func (c *Cluster) pod(o *v1.Pod) (model.PodID, error) {
	name := podName(o)
	if _, ok := c.pods[name]; ok {
		return 0, fmt.Errorf("pod %s is there twice", name)
	}
	id := model.PodID(len(c.state.Pods))
	p := model.Pod{ID: id, Name: o.Name, Template: c.compile(o), Node: c.node(o.Spec.NodeName),
		Nominated: c.node(o.Status.NominatedNodeName), Deleting: o.DeletionTimestamp != nil}
	p.Status.StartTime = started(o)
	p.ResourceClaims = claimsOf(o)
	for _, condition := range o.Status.Conditions {
		if condition.Type == v1.DisruptionTarget && condition.Status == v1.ConditionTrue && condition.Reason == v1.PodReasonPreemptionByScheduler {
			p.Status.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonPreemptionByScheduler, model.Message{}, 0)
		}
	}
	c.state.Pods = append(c.state.Pods, p)
	c.pods[name] = id
	return id, nil
}

// claimsOf are the ResourceClaims that were made for a pod.
func claimsOf(o *v1.Pod) *model.ResourceClaims {
	if o.Status.ResourceClaimStatuses == nil {
		return nil
	}
	return &model.ResourceClaims{Statuses: o.Status.ResourceClaimStatuses}
}

// started is status.startTime as nanoseconds since 1970.
func started(o *v1.Pod) model.Time {
	if o.Status.StartTime == nil {
		return model.Never
	}
	return model.Time(o.Status.StartTime.UnixNano())
}

// compile makes a template of a pod, with the API server's defaults.
func (c *Cluster) compile(o *v1.Pod) *model.PodTemplate {
	o = o.DeepCopy()
	model.DefaultPod(o)
	key, err := json.Marshal([]any{namespace(o), o.Labels, o.Annotations, &o.Spec})
	if err != nil {
		panic(err)
	}
	t, ok := c.templates[string(key)]
	if !ok {
		t = c.state.Compile(namespace(o), o.Labels, o.Annotations, &o.Spec)
		c.templates[string(key)] = t
	}
	return t
}

func namespace(o *v1.Pod) string {
	if o.Namespace == "" {
		return metav1.NamespaceDefault
	}
	return o.Namespace
}

func podName(o *v1.Pod) string { return namespace(o) + "/" + o.Name }

// Attempt is what a scheduling cycle decided.
type Attempt struct {
	// Node is empty when no node can take the pod, and FitError says why.
	Node     string
	FitError string
	// Evaluated is the number of nodes that the cycle looked at.
	Evaluated int
}

// Schedule is what the scheduling cycle decides about a pod, which then counts on that node. tie
// draws one of the best nodes: the first of them is 0. Scheduling gates do not count.
func (c *Cluster) Schedule(o *v1.Pod, tie uint64) (Attempt, error) {
	o = o.DeepCopy()
	o.Spec.SchedulingGates = nil
	id, err := c.pod(o)
	if err != nil {
		return Attempt{}, err
	}
	c.Scheduler.Add(id, c.state.Pods[id].Template, 0)
	c.Scheduler.SetController(id, controller(o))
	r, ok := c.Scheduler.ScheduleOne(0, tie)
	if !ok || r.Pod != id {
		return Attempt{}, fmt.Errorf("pod %s is not the next to be scheduled", podName(o))
	}
	if r.Node == 0 {
		a := Attempt{FitError: c.Scheduler.FitError(), Evaluated: int(r.Evaluated)}
		c.Scheduler.DeletePending(id, 0)
		delete(c.pods, podName(o))
		return a, nil
	}
	return Attempt{Node: c.state.Nodes[r.Node].Name, Evaluated: int(r.Evaluated)}, nil
}

// Bind says that a pod that Schedule placed is bound, to the node of its spec.nodeName.
func (c *Cluster) Bind(o *v1.Pod) {
	p := &c.state.Pods[c.pods[podName(o)]]
	p.Node = c.node(o.Spec.NodeName)
	c.Scheduler.AssignedPodAdded(p.ID, p.Template, p.Node, 0)
}

// Explain is what podsim says of a pod: of all nodes, without sampling.
func (c *Cluster) Explain(o *v1.Pod) *Decision {
	x := c.Scheduler.Explain(c.seen(o), c.compile(o))
	d := &Decision{Feasible: []string{}, Error: x.Error}
	if x.Error != "" {
		return d
	}
	if x.Rejected != nil {
		d.PreFilter = rejection(x.Rejected)
	}
	for i := range x.Verdicts {
		d.addVerdict(&x.Verdicts[i], c.state.Nodes[x.Verdicts[i].Node].Name)
	}
	if x.Restricted {
		d.PreFilterNodes = d.NodeOrder
	}
	for _, id := range x.Top {
		d.Top = append(d.Top, c.state.Nodes[id].Name)
	}
	slices.Sort(d.Top)
	d.FitError = x.FilterMessage
	if x.Preemption != nil {
		d.Preemption = c.preemption(x.Preemption)
	} else if x.PreemptionMessage != "" {
		d.Preemption = &Preemption{Message: x.PreemptionMessage}
	}
	return d
}

func (c *Cluster) preemption(x *scheduler.Preemption) *Preemption {
	p := &Preemption{
		Node:          c.state.Nodes[x.Chosen.Node].Name,
		Victims:       c.podNames(x.Chosen.Victims),
		PDBViolations: x.Chosen.PDBViolations,
		Candidates:    map[string][]string{},
	}
	for _, k := range x.Candidates {
		p.Candidates[c.state.Nodes[k.Node].Name] = c.podNames(k.Victims)
	}
	for _, id := range x.Top {
		p.top = append(p.top, c.state.Nodes[id].Name)
	}
	return p
}

func (c *Cluster) podNames(ids []model.PodID) []string {
	var names []string
	for _, id := range ids {
		p := &c.state.Pods[id]
		names = append(names, p.Template.Namespace+"/"+p.Name)
	}
	return names
}

// seen is a pod that has no node as plugins see it.
func (c *Cluster) seen(o *v1.Pod) framework.Pod {
	p := framework.Pod{Name: o.Name, ResourceClaims: claimsOf(o), Nominated: c.node(o.Status.NominatedNodeName), Started: started(o), Deleting: o.DeletionTimestamp != nil}
	p.Controller = controller(o)
	return p
}

func controller(o *v1.Pod) framework.Controller {
	if owner := metav1.GetControllerOf(o); owner != nil {
		return framework.Controller{Kind: owner.Kind, Name: owner.Name}
	}
	return framework.Controller{}
}

func (d *Decision) addVerdict(v *scheduler.NodeVerdict, node string) {
	d.NodeOrder = append(d.NodeOrder, node)
	if v.Rejected != nil {
		if d.Infeasible == nil {
			d.Infeasible = map[string]Rejection{}
		}
		d.Infeasible[node] = *rejection(v.Rejected)
		return
	}
	d.Feasible = append(d.Feasible, node)
	s := NodeScore{Total: v.Total, Plugins: map[string]PluginScore{}}
	for _, p := range v.Scores {
		s.Plugins[p.Plugin] = PluginScore{Raw: p.Raw, Normalized: p.Normalized, Weight: p.Weight}
	}
	if d.Scores == nil {
		d.Scores = map[string]NodeScore{}
	}
	d.Scores[node] = s
}

func rejection(r *scheduler.Rejection) *Rejection {
	return &Rejection{Code: r.Code.String(), Plugin: r.Plugin, Reasons: r.Reasons}
}

// Decide is podsim's decision about an input: what it says of each node, and what its scheduling
// cycle chooses.
func Decide(in *Input) *Decision {
	c, err := Load(in)
	if err != nil {
		return &Decision{Feasible: []string{}, Error: err.Error()}
	}
	if name := in.Pending.Spec.SchedulerName; name != "" && !c.Scheduler.Handles(name) {
		return &Decision{Feasible: []string{}, Error: fmt.Sprintf("there is no profile for schedulerName %q", name)}
	}
	d := c.Explain(in.Pending)
	if len(d.Feasible) > 0 {
		a, err := c.Schedule(in.Pending, 0)
		if err != nil {
			d.Error = err.Error()
		}
		d.Node, d.Evaluated = a.Node, a.Evaluated
	}
	c.Scheduler.Check()
	return d
}
