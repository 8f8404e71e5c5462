package reports

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"podsim/model"
)

// object is an object at a moment: its last row, with the spec of the last row that had one.
type object struct {
	*transitionRow
	spec string
}

// time is a moment of the run as the API writes it: on a whole second.
func (s *Snapshot) time(ns int64) metav1.Time {
	return metav1.NewTime(s.start.Add(time.Duration(ns)).Truncate(time.Second).UTC())
}

// timeOr is time, for absent the zero time.
func (s *Snapshot) timeOr(ns int64) metav1.Time {
	if ns == absent {
		return metav1.Time{}
	}
	return s.time(ns)
}

// age is the AGE column of something that began at ns.
func (s *Snapshot) age(ns int64) string {
	since := s.now - model.Time(ns).TruncateSecond()
	if s.exact {
		return strings.TrimSuffix(since.String(), "s")
	}
	return model.Age(since)
}

func (s *Snapshot) uid(kind string, serial int64) types.UID {
	m := model.State{Seed: s.seed}
	return types.UID(m.UID(kindOf(kind), serial))
}

func kindOf(name string) model.ObjectKind {
	for k := model.KindNode; k <= model.KindService; k++ {
		if k.String() == name {
			return k
		}
	}
	panic("reports: no kind " + name)
}

// labels are an object's labels. Pods of one template share them.
func (s *Snapshot) labels(o *object) map[string]string {
	m, ok := s.metadata[o.spec]
	if !ok {
		var source struct{ Metadata metadata }
		unmarshal(o, &source)
		m = &source.Metadata
		s.metadata[o.spec] = m
	}
	return m.Labels
}

// podSpec is a pod's spec, which pods of one template share: it must not be changed.
func (s *Snapshot) podSpec(o *object) *v1.PodSpec {
	spec, ok := s.podSpecs[o.spec]
	if !ok {
		var source podSource
		unmarshal(o, &source)
		spec = source.Spec
		s.podSpecs[o.spec] = spec
	}
	return spec
}

func unmarshal(o *object, into any) {
	if err := json.Unmarshal([]byte(o.spec), into); err != nil {
		panic(fmt.Sprintf("reports: the record's spec of %s %s: %v", o.Kind, o.Name, err))
	}
}

// api is the object as the API server would return it.
func (s *Snapshot) api(o *object) runtime.Object {
	switch o.Kind {
	case "Pod":
		return s.pod(o)
	case "Node":
		return s.node(o)
	case "Deployment":
		return s.deployment(o)
	case "ReplicaSet":
		return s.replicaSet(o)
	}
	return s.service(o)
}

// meta fills in what the row says of the metadata.
func (s *Snapshot) meta(o *object, m *metav1.ObjectMeta) {
	m.Name, m.Namespace = o.Name, o.Namespace
	m.UID = s.uid(o.Kind, o.Serial)
	m.CreationTimestamp = s.time(o.Created)
	m.Generation = o.Generation
	m.ResourceVersion = fmt.Sprint(o.Seq)
	if o.Deletion != absent {
		at := s.time(o.Deletion)
		m.DeletionTimestamp, m.DeletionGracePeriodSeconds = &at, &o.Grace
	}
	if o.Owner != "" {
		yes := true
		m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: o.OwnerKind, Name: o.Owner, UID: s.uid(o.OwnerKind, o.OwnerSerial),
			Controller: &yes, BlockOwnerDeletion: &yes}}
		if o.OwnerKind == "Node" {
			// A mirror pod (pkg/kubelet/pod/mirror_client.go CreateMirrorPod).
			m.OwnerReferences[0].APIVersion, m.OwnerReferences[0].BlockOwnerDeletion = "v1", nil
		}
	}
}

func (s *Snapshot) pod(o *object) *v1.Pod {
	p := &v1.Pod{}
	unmarshal(o, p)
	p.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	s.meta(o, &p.ObjectMeta)
	if o.Owner != "" && o.OwnerKind != "Node" {
		p.GenerateName = o.Owner + "-"
	}
	p.Spec.NodeName = o.Node
	st := &p.Status
	st.Phase, st.Reason, st.Message = v1.PodPhase(o.Phase), o.Reason, o.Message
	st.ObservedGeneration = o.ObservedGeneration
	st.QOSClass, st.NominatedNodeName = v1.PodQOSClass(o.QOS), o.Nominated
	if o.IP != "" {
		st.PodIP, st.PodIPs = o.IP, []v1.PodIP{{IP: o.IP}}
	}
	if o.StartTime != absent {
		at := s.time(o.StartTime)
		st.StartTime = &at
	}
	if ip := s.nodeIPs[o.Node]; ip != "" && len(o.States) > 0 {
		st.HostIP, st.HostIPs = ip, []v1.HostIP{{IP: ip}}
	}
	st.Resources, st.AllocatedResources = requirements(o, o.Resources), amounts(o, o.Allocated)
	for i := range o.Conditions {
		k := &o.Conditions[i]
		st.Conditions = append(st.Conditions, v1.PodCondition{Type: v1.PodConditionType(k.Type), Status: v1.ConditionStatus(k.Status),
			ObservedGeneration: observedGeneration(o, k), Reason: k.Reason, Message: k.Message, LastTransitionTime: s.time(k.Transition)})
	}
	for i := range o.States {
		k := &o.States[i]
		status := s.containerStatus(o, k, image(&p.Spec, k.Name))
		if k.Kind == "container" {
			st.ContainerStatuses = append(st.ContainerStatuses, status)
		} else {
			st.InitContainerStatuses = append(st.InitContainerStatuses, status)
		}
	}
	// As the kubelet sorts them (pkg/kubelet/types/types.go SortedContainerStatuses).
	slices.SortStableFunc(st.ContainerStatuses, func(a, b v1.ContainerStatus) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// observedGeneration is the generation that a condition is about. Only Kubernetes' own conditions
// have one, and all but the kubelet's come before a pod changes.
func observedGeneration(o *object, k *conditionRow) int64 {
	if strings.Contains(k.Type, "/") {
		return 0
	}
	if k.Generation != 0 {
		return k.Generation
	}
	return max(1, o.ObservedGeneration)
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

func (s *Snapshot) containerStatus(o *object, k *containerRow, image string) v1.ContainerStatus {
	started, instance := k.Started, k.Instance
	if k.FinishedAt == absent {
		instance = 0 // the state is not that of an instance, or the instance could not be located
	}
	return v1.ContainerStatus{
		Name: k.Name, Image: image, Ready: k.Ready, Started: &started, RestartCount: k.Restarts,
		ContainerID: s.containerID(o, k.Instance),
		State: s.state(o, &containerState{k.State, k.Reason, k.Message, k.ExitCode, k.Signal, k.StartedAt, k.FinishedAt,
			instance}),
		LastTerminationState: s.state(o, &containerState{k.LastState, k.LastReason, k.LastMessage, k.LastExitCode, k.LastSignal, k.LastStarted,
			k.LastFinished, k.LastInstance}),
		Resources: requirements(o, k.Resources), AllocatedResources: amounts(o, k.Allocated),
	}
}

// requirements and amounts are what a column has as JSON, nil for nothing.
func requirements(o *object, text string) *v1.ResourceRequirements {
	return decoded[*v1.ResourceRequirements](o, text)
}

func amounts(o *object, text string) v1.ResourceList { return decoded[v1.ResourceList](o, text) }

func decoded[T any](o *object, text string) (x T) {
	if text == "" {
		return x
	}
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		panic(fmt.Sprintf("reports: the record's resources of %s %s: %v", o.Kind, o.Name, err))
	}
	return x
}

// containerID names a container instance of a pod as a runtime does.
func (s *Snapshot) containerID(o *object, instance int32) string {
	if instance == 0 {
		return ""
	}
	id := strings.ReplaceAll(string(s.uid(o.Kind, o.Serial)), "-", "")
	return fmt.Sprintf("containerd://%s%032x", id, instance)
}

// containerState is a state or a last state of a containerRow.
type containerState struct {
	kind, reason, message string
	exitCode, signal      int32
	started, finished     int64
	instance              int32
}

func (s *Snapshot) state(o *object, k *containerState) v1.ContainerState {
	switch k.kind {
	case "waiting":
		return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: k.reason, Message: k.message}}
	case "running":
		return v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: s.timeOr(k.started)}}
	case "terminated":
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: k.reason, Message: k.message, ExitCode: k.exitCode, Signal: k.signal,
			StartedAt: s.timeOr(k.started), FinishedAt: s.timeOr(k.finished), ContainerID: s.containerID(o, k.instance)}}
	}
	return v1.ContainerState{}
}

// nodeIP is a node's internal address.
func nodeIP(o *object) string {
	n := model.Node{ID: model.NodeID(o.Serial)}
	return n.IP()
}

// Nodes and Pods are all of them as the API server had them.
func (s *Snapshot) Nodes() (list []*v1.Node) {
	for _, o := range s.objects {
		if o.Kind == "Node" {
			list = append(list, s.node(o))
		}
	}
	return list
}

// Pods are those of all namespaces.
func (s *Snapshot) Pods() (list []*v1.Pod) {
	for _, o := range s.objects {
		if o.Kind == "Pod" {
			list = append(list, s.pod(o))
		}
	}
	return list
}

// Until is how long it is from the snapshot's moment to another, such as "5s".
func (s *Snapshot) Until(t *metav1.Time) string {
	return model.Age(model.Time(t.Sub(s.start)) - s.now)
}

func (s *Snapshot) node(o *object) *v1.Node {
	n := &v1.Node{}
	unmarshal(o, n)
	n.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	s.meta(o, &n.ObjectMeta)
	n.Spec.Unschedulable = o.Unschedulable
	if o.Taints != "" {
		if err := json.Unmarshal([]byte(o.Taints), &n.Spec.Taints); err != nil {
			panic("reports: the record's taints: " + err.Error())
		}
	}
	for i := range o.Conditions {
		k := &o.Conditions[i]
		n.Status.Conditions = append(n.Status.Conditions, v1.NodeCondition{Type: v1.NodeConditionType(k.Type), Status: v1.ConditionStatus(k.Status),
			Reason: k.Reason, Message: k.Message, LastTransitionTime: s.time(k.Transition)})
	}
	n.Status.Addresses = []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: nodeIP(o)}, {Type: v1.NodeHostName, Address: o.Name}}
	if n.Status.NodeInfo.KubeletVersion == "" {
		n.Status.NodeInfo.KubeletVersion = s.kubernetes
	}
	return n
}

func (s *Snapshot) deployment(o *object) *appsv1.Deployment {
	d := &appsv1.Deployment{}
	unmarshal(o, d)
	d.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}
	s.meta(o, &d.ObjectMeta)
	d.Spec.Replicas = &o.Replicas
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: o.ObservedGeneration, Replicas: o.CurrentReplicas, UpdatedReplicas: o.UpdatedReplicas,
		ReadyReplicas: o.ReadyReplicas, AvailableReplicas: o.AvailableReplicas, UnavailableReplicas: o.Unavailable, TerminatingReplicas: &o.Terminating}
	for i := range o.Conditions {
		k := &o.Conditions[i]
		c := appsv1.DeploymentCondition{Type: appsv1.DeploymentConditionType(k.Type), Status: v1.ConditionStatus(k.Status),
			Reason: k.Reason, Message: k.Message, LastTransitionTime: s.time(k.Transition), LastUpdateTime: s.time(k.Transition)}
		if c.Type == appsv1.DeploymentProgressing && o.ProgressUpdated != absent {
			c.LastUpdateTime = s.time(o.ProgressUpdated)
		}
		d.Status.Conditions = append(d.Status.Conditions, c)
	}
	return d
}

func (s *Snapshot) replicaSet(o *object) *appsv1.ReplicaSet {
	r := &appsv1.ReplicaSet{}
	unmarshal(o, r)
	r.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "ReplicaSet"}
	s.meta(o, &r.ObjectMeta)
	r.Spec.Replicas = &o.Replicas
	r.Status = appsv1.ReplicaSetStatus{ObservedGeneration: o.ObservedGeneration, Replicas: o.CurrentReplicas, FullyLabeledReplicas: o.CurrentReplicas,
		ReadyReplicas: o.ReadyReplicas, AvailableReplicas: o.AvailableReplicas, TerminatingReplicas: &o.Terminating}
	return r
}

// service gives a Service the address that the API server would: one of the service range, by
// its number.
func (s *Snapshot) service(o *object) *v1.Service {
	x := &v1.Service{}
	unmarshal(o, x)
	x.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}
	s.meta(o, &x.ObjectMeta)
	if x.Spec.Type == v1.ServiceTypeExternalName {
		return x
	}
	if x.Spec.ClusterIP == "" {
		x.Spec.ClusterIP = fmt.Sprintf("10.96.%d.%d", o.Serial>>8&255, o.Serial&255)
	}
	if len(x.Spec.ClusterIPs) == 0 {
		x.Spec.ClusterIPs = []string{x.Spec.ClusterIP}
	}
	if len(x.Spec.IPFamilies) == 0 && x.Spec.ClusterIP != v1.ClusterIPNone {
		single := v1.IPFamilyPolicySingleStack
		x.Spec.IPFamilies, x.Spec.IPFamilyPolicy = []v1.IPFamily{v1.IPv4Protocol}, &single
	}
	return x
}

// event is an Event as the API server would return it.
func (s *Snapshot) event(e *eventRow) *v1.Event {
	version := "v1"
	if e.Kind == "Deployment" || e.Kind == "ReplicaSet" {
		version = "apps/v1"
	}
	return &v1.Event{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta: metav1.ObjectMeta{Name: eventName(e), Namespace: eventNamespace(e), CreationTimestamp: s.time(e.First),
			ResourceVersion: fmt.Sprint(e.Seq)},
		InvolvedObject: v1.ObjectReference{APIVersion: version, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name, UID: s.uid(e.Kind, e.ObjectSerial),
			FieldPath: e.FieldPath},
		Reason: e.Reason, Message: e.Message, Type: e.Type, Count: e.Count,
		FirstTimestamp: s.time(e.First), LastTimestamp: s.time(e.Time),
		Source: v1.EventSource{Component: e.Source, Host: e.Host}, ReportingController: e.Source, ReportingInstance: e.Host,
	}
}

func eventName(e *eventRow) string { return fmt.Sprintf("%s.%016x", e.Name, e.Serial) }

// eventNamespace is where an Event is stored: Events about nodes are in default.
func eventNamespace(e *eventRow) string {
	if e.Namespace == "" {
		return metav1.NamespaceDefault
	}
	return e.Namespace
}
