package conform

import (
	"fmt"
	"strings"

	"podsim/model"
)

// podLine is the line of a pod's change, as a recorder of a node would write it.
func (p *replay) podLine(s *model.State, t *model.Transition) NodeLine {
	l := nodePodLine(s, t)
	l.Name = p.alias(s.Pods[t.ID].Name)
	l.Grace, l.Line.Grace = l.Line.Grace, nil
	// A pod that was placed says so by its node.
	if condition(l.PodScheduled) == model.ConditionTrue.String() {
		l.PodScheduled = ""
	}
	for i := range l.Containers {
		c := &l.Containers[i]
		c.Started = nil
		if c.Last != nil {
			c.Last.State = ""
		}
	}
	return l
}

// nodePodLine is the line of a pod's change, with all that is known of it.
func nodePodLine(s *model.State, t *model.Transition) NodeLine {
	pod := &s.Pods[t.ID]
	l := NodeLine{Line: PodLine(s, t), Kind: t.Kind.String(), Name: podTitle(pod.Template.Namespace, pod.Name), Ready: pod.Status.Ready()}
	if pod.Node != 0 {
		l.Node = s.Nodes[pod.Node].Name
	}
	l.DisruptionTarget, l.PodScheduled = l.Conditions[model.DisruptionTarget.String()], l.Conditions[model.PodScheduled.String()]
	if x := pod.Status.Resize; x != nil {
		l.ResizePending, l.ResizeInProgress = conditionWords(s, &x.Pending), conditionWords(s, &x.InProgress)
	}
	for i := range l.Line.Containers {
		c := NodeContainer{Container: l.Line.Containers[i]}
		if k := &pod.Status.Containers[i]; k.Allocated != 0 {
			allocated := &s.Templates[k.Allocated].ContainerSpec(i).Resources
			c.AllocatedResources = allocated.Requests
			actual := model.ReportedResources(allocated, &s.Templates[k.Resources].ContainerSpec(i).Resources)
			c.Resources = &actual
		}
		l.Containers = append(l.Containers, c)
	}
	return l
}

// conditionWords is a condition's status and reason, empty when it is absent.
func conditionWords(s *model.State, c *model.Condition) string {
	return strings.TrimSpace(c.Status.String() + " " + s.Texts.String(c.Reason))
}

// alias is the name that the recording uses for an object.
func (p *replay) alias(name string) string {
	if alias := p.aliases[name]; alias != "" {
		return alias
	}
	return name
}

// nodeLine is the line of the node's change.
func nodeLine(s *model.State, t *model.Transition) NodeLine {
	n := &s.Nodes[t.ID]
	l := NodeLine{Line: Line{Ms: int64(t.At / model.Millisecond), Type: t.Type.String(), Conditions: map[string]string{}},
		Kind: t.Kind.String(), Name: n.Name, Unschedulable: n.Unschedulable, Allocatable: n.Allocatable.List()}
	for k := range n.Conditions {
		c := &n.Conditions[k]
		l.Conditions[model.NodeConditionType(k).String()] = conditionWords(s, c)
	}
	for i := range n.Taints {
		x := &n.Taints[i]
		l.Taints = append(l.Taints, fmt.Sprintf("%s=%s:%s", x.Key, x.Value, x.Effect))
	}
	for i := range n.Images {
		l.Images = append(l.Images, s.Images[n.Images[i].Image].Name)
	}
	return l
}

// eventLine is the line of an Event about a pod or a node.
func (p *replay) eventLine(s *model.State, e *model.Event) NodeLine {
	_, name := s.ObjectName(e.Kind, e.ID)
	if e.Kind == model.KindPod {
		name = p.alias(name)
	}
	return NodeLine{Line: eventLine(s, e), Object: e.Kind.String() + "/" + name}
}
