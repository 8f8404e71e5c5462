package reports

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"podsim/model"
)

// deploymentMessage puts a Deployment's condition into words (pkg/controller/deployment
// progress.go, sync.go).
func deploymentMessage(d *model.Deployment, c *model.Condition) string {
	set := fmt.Sprintf("ReplicaSet %q", d.Name+"-"+d.Hash)
	switch c.Reason {
	case model.ReasonMinimumReplicasAvailable:
		return "Deployment has minimum availability."
	case model.ReasonMinimumReplicasUnavailable:
		return "Deployment does not have minimum availability."
	case model.ReasonNewReplicaSetCreated:
		return fmt.Sprintf("Created new replica set %q", d.Name+"-"+d.Hash)
	case model.ReasonReplicaSetUpdated:
		return set + " is progressing."
	case model.ReasonNewReplicaSetAvailable:
		return set + " has successfully progressed."
	case model.ReasonProgressDeadlineExceeded:
		return set + " has timed out progressing."
	case model.ReasonDeploymentPaused:
		return "Deployment is paused"
	case model.ReasonDeploymentResumed:
		return "Deployment is resumed"
	}
	return ""
}

// replicaSetObject is a ReplicaSet's metadata and spec.
func replicaSetObject(x *model.ReplicaSet) *appsv1.ReplicaSet {
	o := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Labels: x.Labels}}
	o.Spec.Replicas = &x.Replicas
	o.Spec.MinReadySeconds = x.MinReadySeconds
	if x.Selector != nil {
		o.Spec.Selector, _ = metav1.ParseToLabelSelector(x.Selector.String())
	}
	o.Spec.Template.Labels, o.Spec.Template.Annotations = x.Template.Labels, x.Template.Annotations
	o.Spec.Template.Spec = *x.Template.Spec
	if x.Owner != 0 {
		o.Annotations = map[string]string{
			"deployment.kubernetes.io/desired-replicas": fmt.Sprint(x.Desired),
			"deployment.kubernetes.io/max-replicas":     fmt.Sprint(x.Max),
			"deployment.kubernetes.io/revision":         fmt.Sprint(x.Revision),
		}
	}
	return o
}

// object is an object at a moment: its last row, with the spec of the last row that had one.
type object struct {
	*transitionRow
	spec string
	// labels and selector are decoded from spec when they are asked for.
	labels map[string]string
}

// clock is the moment at which a record is read.
type clock struct {
	start time.Time
	now   model.Time
	seed  uint64
}

func (c clock) time(ns int64) metav1.Time {
	return metav1.NewTime(c.start.Add(time.Duration(ns)).Truncate(time.Second).UTC())
}

// age is the AGE column of something that began at ns.
func (c clock) age(ns int64) string {
	return model.Age(c.now - model.Time(ns).TruncateSecond())
}

func (c clock) uid(o *object) types.UID {
	s := model.State{Seed: c.seed}
	return types.UID(s.UID(kindOf(o.Kind), o.Serial))
}

func kindOf(name string) model.ObjectKind {
	for k := model.KindNode; k <= model.KindService; k++ {
		if k.String() == name {
			return k
		}
	}
	return 0
}

// Labels are the object's labels.
func (o *object) Labels() map[string]string {
	if o.labels == nil {
		var m struct {
			Metadata struct{ Labels map[string]string }
		}
		if json.Unmarshal([]byte(o.spec), &m) == nil && m.Metadata.Labels != nil {
			o.labels = m.Metadata.Labels
		} else {
			o.labels = map[string]string{}
		}
	}
	return o.labels
}

// api is the object as the API server would return it.
func (c clock) api(o *object) runtime.Object {
	switch o.Kind {
	case "Pod":
		return c.pod(o)
	case "Node":
		return c.node(o)
	case "Deployment":
		return c.deployment(o)
	case "ReplicaSet":
		return c.replicaSet(o)
	}
	var s v1.Service
	c.decode(o, &s, &s.ObjectMeta)
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}
	return &s
}

// decode takes over the spec and fills in the metadata.
func (c clock) decode(o *object, into any, meta *metav1.ObjectMeta) {
	if err := json.Unmarshal([]byte(o.spec), into); err != nil && o.spec != "" {
		panic(fmt.Sprintf("reports: the record's spec of %s %s: %v", o.Kind, o.Name, err))
	}
	meta.Name, meta.Namespace = o.Name, o.Namespace
	meta.UID = c.uid(o)
	meta.CreationTimestamp = c.time(o.Created)
	meta.Generation = o.Generation
	meta.ResourceVersion = fmt.Sprint(o.Seq)
	if o.Deletion != absent {
		at := c.time(o.Deletion)
		meta.DeletionTimestamp, meta.DeletionGracePeriodSeconds = &at, &o.Grace
	}
	if o.Owner != "" {
		yes := true
		meta.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: o.OwnerKind, Name: o.Owner, Controller: &yes, BlockOwnerDeletion: &yes}}
	}
}

func (c clock) pod(o *object) *v1.Pod {
	var p v1.Pod
	c.decode(o, &p, &p.ObjectMeta)
	p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	if o.Owner != "" {
		p.GenerateName = o.Owner + "-"
	}
	p.Spec.NodeName = o.Node
	s := &p.Status
	s.Phase, s.Reason, s.Message = v1.PodPhase(o.Phase), o.Reason, o.Message
	s.QOSClass, s.NominatedNodeName = v1.PodQOSClass(o.QOS), o.Nominated
	if o.IP != "" {
		s.PodIP, s.PodIPs = o.IP, []v1.PodIP{{IP: o.IP}}
	}
	if o.StartTime != absent {
		at := c.time(o.StartTime)
		s.StartTime = &at
	}
	for i := range o.Conditions {
		k := &o.Conditions[i]
		s.Conditions = append(s.Conditions, v1.PodCondition{Type: v1.PodConditionType(k.Type), Status: v1.ConditionStatus(k.Status),
			Reason: k.Reason, Message: k.Message, LastTransitionTime: c.time(k.Transition)})
	}
	for i := range o.States {
		k := &o.States[i]
		status := c.containerStatus(o, k, image(&p.Spec, k.Name))
		if k.Kind == "container" {
			s.ContainerStatuses = append(s.ContainerStatuses, status)
		} else {
			s.InitContainerStatuses = append(s.InitContainerStatuses, status)
		}
	}
	return &p
}

func image(spec *v1.PodSpec, name string) string {
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return list[i].Image
			}
		}
	}
	return ""
}

func (c clock) containerStatus(o *object, k *containerRow, image string) v1.ContainerStatus {
	started := k.Started
	return v1.ContainerStatus{
		Name: k.Name, Image: image, Ready: k.Ready, Started: &started, RestartCount: k.Restarts,
		ContainerID:          c.containerID(o, k.Instance),
		State:                c.state(o, k.State, k.Reason, k.Message, k.ExitCode, k.Signal, k.StartedAt, k.FinishedAt, k.Instance),
		LastTerminationState: c.state(o, k.LastState, k.LastReason, k.LastMessage, k.LastExitCode, k.LastSignal, k.LastStarted, k.LastFinished, k.LastInstance),
	}
}

// containerID names a container instance of a pod as a runtime does.
func (c clock) containerID(o *object, instance int32) string {
	if instance == 0 {
		return ""
	}
	id := strings.ReplaceAll(string(c.uid(o)), "-", "")
	return fmt.Sprintf("containerd://%s%032x", id, instance)
}

func (c clock) state(o *object, kind, reason, message string, exitCode, signal int32, started, finished int64, instance int32) v1.ContainerState {
	switch kind {
	case "waiting":
		return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason, Message: message}}
	case "running":
		return v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: c.time(started)}}
	case "terminated":
		t := &v1.ContainerStateTerminated{Reason: reason, Message: message, ExitCode: exitCode, Signal: signal, ContainerID: c.containerID(o, instance)}
		if started != 0 {
			t.StartedAt = c.time(started)
		}
		if finished != 0 {
			t.FinishedAt = c.time(finished)
		}
		return v1.ContainerState{Terminated: t}
	}
	return v1.ContainerState{}
}

func (c clock) node(o *object) *v1.Node {
	var n v1.Node
	c.decode(o, &n, &n.ObjectMeta)
	n.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	n.Spec.Unschedulable = o.Unschedulable
	n.Spec.Taints = nil
	if o.Taints != "" {
		if err := json.Unmarshal([]byte(o.Taints), &n.Spec.Taints); err != nil {
			panic("reports: the record's taints: " + err.Error())
		}
	}
	n.Status.Conditions = nil
	for i := range o.Conditions {
		k := &o.Conditions[i]
		n.Status.Conditions = append(n.Status.Conditions, v1.NodeCondition{Type: v1.NodeConditionType(k.Type), Status: v1.ConditionStatus(k.Status),
			Reason: k.Reason, LastTransitionTime: c.time(k.Transition)})
	}
	n.Status.NodeInfo.KubeletVersion = "v1.37.1"
	return &n
}

func (c clock) deployment(o *object) *appsv1.Deployment {
	var d appsv1.Deployment
	c.decode(o, &d, &d.ObjectMeta)
	d.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}
	terminating := o.Terminating
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: o.ObservedGeneration, Replicas: o.CurrentReplicas, UpdatedReplicas: o.UpdatedReplicas,
		ReadyReplicas: o.ReadyReplicas, AvailableReplicas: o.AvailableReplicas, UnavailableReplicas: o.Unavailable, TerminatingReplicas: &terminating}
	for i := range o.Conditions {
		k := &o.Conditions[i]
		d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{Type: appsv1.DeploymentConditionType(k.Type),
			Status: v1.ConditionStatus(k.Status), Reason: k.Reason, Message: k.Message, LastTransitionTime: c.time(k.Transition), LastUpdateTime: c.time(k.Transition)})
	}
	return &d
}

func (c clock) replicaSet(o *object) *appsv1.ReplicaSet {
	var r appsv1.ReplicaSet
	c.decode(o, &r, &r.ObjectMeta)
	r.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"}
	replicas, terminating := o.Replicas, o.Terminating
	r.Spec.Replicas = &replicas
	r.Status = appsv1.ReplicaSetStatus{ObservedGeneration: o.ObservedGeneration, Replicas: o.CurrentReplicas, FullyLabeledReplicas: o.CurrentReplicas,
		ReadyReplicas: o.ReadyReplicas, AvailableReplicas: o.AvailableReplicas, TerminatingReplicas: &terminating}
	return &r
}

// event is an Event as the API server would return it.
func (c clock) event(e *eventRow) *v1.Event {
	o := &object{transitionRow: &transitionRow{Kind: e.Kind, Serial: e.ObjectSerial}}
	return &v1.Event{
		TypeMeta:       metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:     metav1.ObjectMeta{Name: eventName(e), Namespace: eventNamespace(e), CreationTimestamp: c.time(e.First)},
		InvolvedObject: v1.ObjectReference{Kind: e.Kind, Namespace: e.Namespace, Name: e.Name, UID: c.uid(o), FieldPath: e.Field},
		Reason:         e.Reason, Message: e.Message, Type: e.Type, Count: e.Count,
		FirstTimestamp: c.time(e.First), LastTimestamp: c.time(e.Time),
		Source: v1.EventSource{Component: e.Source, Host: e.Host},
	}
}

func eventName(e *eventRow) string { return fmt.Sprintf("%s.%016x", e.Name, e.Serial) }

func eventNamespace(e *eventRow) string {
	if e.Namespace == "" {
		return "default"
	}
	return e.Namespace
}
