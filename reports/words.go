package reports

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// words puts messages into words, each only once: most rows of a large run say what others
// said before.
type words struct {
	state      *model.State
	events     map[eventKey]string
	conditions map[conditionKey]string
	paths      map[pathKey]string
	ips        []podIP
	resources  map[resourcesKey]resourceWords
	// deployments are the conditions as they were last put into words.
	deployments [][model.NumDeploymentConditions]deploymentWords
}

// deploymentWords are the words for a Deployment's condition.
type deploymentWords struct {
	condition model.Condition
	updated   model.Time
	text      string
}

// eventKey is all that the words of an Event about a container follow from, when they do not
// name the pod.
type eventKey struct {
	template  model.TemplateID
	container int16
	combined  bool
	message   model.Message
}

// resourcesKey is what a status shows of the resources of a container, or with -1 of a pod.
type resourcesKey struct {
	allocated, actual model.TemplateID
	container         int16
	shown             model.ResourceSet
}

// resourceWords are allocatedResources and resources as JSON.
type resourceWords struct{ allocated, actual string }

// conditionKey is all that the words of a condition about containers follow from.
type conditionKey struct {
	template model.TemplateID
	message  model.Message
}

type pathKey struct {
	template  model.TemplateID
	container int
}

// podIP is the address of the pod that has a slot.
type podIP struct {
	serial int64
	node   model.NodeID
	ip     string
}

func (w *words) init(s *model.State) {
	*w = words{state: s, events: map[eventKey]string{}, conditions: map[conditionKey]string{}, paths: map[pathKey]string{},
		resources: map[resourcesKey]resourceWords{}}
}

// event is State.EventMessage.
func (w *words) event(e *model.Event) string {
	if e.Kind != model.KindPod || namesPod(e.Message) {
		return w.state.EventMessage(e)
	}
	key := eventKey{w.state.Pods[e.ID].Template.ID, int16(e.About()), e.Combined, e.Message}
	text, ok := w.events[key]
	if !ok {
		text = w.state.EventMessage(e)
		w.events[key] = text
	}
	return text
}

// namesPod says whether a message names the pod or holds measured numbers: no two are alike.
func namesPod(m model.Message) bool {
	switch m.Kind {
	case model.MessageProbeFailed:
		return !m.Answered()
	case model.MessageScheduled, model.MessagePulled, model.MessageCrashLoopBackOff, model.MessageBackOffRestarting,
		model.MessageTaintEviction, model.MessageCancelTaintEviction, model.MessageText, model.MessageNodeStatus:
		return true
	}
	return false
}

// condition is State.ConditionMessage.
func (w *words) condition(p *model.Pod, t model.ConditionType) string {
	c := &p.Status.Conditions[t]
	if c.Reason == model.NoText && c.Message.Kind == model.NoMessage {
		return ""
	}
	if c.Message.Kind != model.MessageUnready && c.Message.Kind != model.MessageIncomplete {
		return w.state.ConditionMessage(p, t)
	}
	key := conditionKey{p.Template.ID, c.Message}
	text, ok := w.conditions[key]
	if !ok {
		text = w.state.ConditionMessage(p, t)
		w.conditions[key] = text
	}
	return text
}

// deployment is deploymentMessage. A condition keeps its words until the controller writes it
// again: by then the Deployment may have a new template, whose ReplicaSet they do not name.
func (w *words) deployment(d *model.Deployment, t model.DeploymentConditionType) string {
	for int(d.ID) >= len(w.deployments) {
		w.deployments = append(w.deployments, [model.NumDeploymentConditions]deploymentWords{})
	}
	known, c := &w.deployments[d.ID][t], &d.Status.Conditions[t]
	if known.condition != *c || known.updated != d.Status.ProgressUpdated {
		*known = deploymentWords{*c, d.Status.ProgressUpdated, deploymentMessage(d, c)}
	}
	return known.text
}

// podResources is what the status of a pod shows of its resources.
func (w *words) podResources(s *model.PodStatus) resourceWords {
	key := resourcesKey{s.Allocated, s.Cgroup, -1, s.Resources}
	x, ok := w.resources[key]
	if !ok {
		t := w.state.Templates[s.Allocated]
		x = resourcesInWords(t.Allocation(), t.ReportedResources(w.state.Templates[s.Cgroup], s.Resources))
		w.resources[key] = x
	}
	return x
}

// containerResources is what the status of container i shows of its resources.
func (w *words) containerResources(k *model.ContainerStatus, i int) resourceWords {
	key := resourcesKey{k.Allocated, k.Resources, int16(i), 0}
	x, ok := w.resources[key]
	if !ok {
		allocated := &w.state.Templates[k.Allocated].ContainerSpec(i).Resources
		x = resourcesInWords(allocated.Requests, model.ReportedResources(allocated, &w.state.Templates[k.Resources].ContainerSpec(i).Resources))
		w.resources[key] = x
	}
	return x
}

func resourcesInWords(allocated v1.ResourceList, actual v1.ResourceRequirements) resourceWords {
	x := resourceWords{actual: encode(&actual)}
	if len(allocated) > 0 {
		x.allocated = encode(allocated)
	}
	return x
}

// fieldPath names a container as Events do (pkg/kubelet/container/ref.go fieldPath).
func (w *words) fieldPath(t *model.PodTemplate, i int) string {
	key := pathKey{t.ID, i}
	path, ok := w.paths[key]
	if !ok {
		list := "containers"
		if i < t.NumInit {
			list = "initContainers"
		}
		path = fmt.Sprintf("spec.%s{%s}", list, t.Containers[i].Name)
		w.paths[key] = path
	}
	return path
}

// ip is State.IP.
func (w *words) ip(p *model.Pod) string {
	if !p.Status.HasIP {
		return ""
	}
	for int(p.ID) >= len(w.ips) {
		w.ips = append(w.ips, podIP{})
	}
	known := &w.ips[p.ID]
	if known.serial != p.Serial || known.node != p.Node {
		*known = podIP{p.Serial, p.Node, w.state.IP(p)}
	}
	return known.ip
}
