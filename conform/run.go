package conform

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// Run is what became of the pods of a scenario, in a simulation or on a real node.
type Run struct {
	// End is when it ended, in milliseconds since its start.
	End int64
	// Lines are the changes of the pods and the Events about them, in order.
	Lines []NodeLine
}

// simulateRun simulates the scenario up to a moment in milliseconds. redraws are other draws of what the container
// runtime takes, by the pod as podTitle calls it.
func simulateRun(sc *model.Scenario, end int64, extend func(*sim.Cluster) error, redraws map[string][]sim.Redraw) (*Run, error) {
	c, err := sim.NewCluster(sc)
	if err != nil {
		return nil, err
	}
	if extend != nil {
		if err := extend(c); err != nil {
			return nil, err
		}
	}
	c.RedrawRuntime(func(namespace, name string) []sim.Redraw { return redraws[podTitle(namespace, name)] })
	r := &Run{End: end}
	r.Observe(c)
	c.Begin()
	c.Run(model.Time(end)*model.Millisecond, nil)
	return r, nil
}

// Observe writes down what becomes of a cluster's pods. It comes before Begin.
func (r *Run) Observe(c *sim.Cluster) {
	c.Observe(func(t model.Transition) {
		if t.Kind == model.KindPod {
			r.Lines = append(r.Lines, nodePodLine(c.State(), &t))
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod {
			l := NodeLine{Line: eventLine(c.State(), e)}
			l.Object = podTitle(c.State().ObjectName(e.Kind, e.ID))
			r.Lines = append(r.Lines, l)
		}
	})
}

// podTitle is how a comparison calls a pod.
func podTitle(namespace, name string) string {
	if namespace == v1.NamespaceDefault {
		return name
	}
	return namespace + "/" + name
}

// AddPod adds a change of a pod. change is ADDED, MODIFIED or DELETED.
func (r *Run) AddPod(at model.Time, change string, p *v1.Pod) {
	l := NodeLine{Kind: "Pod", Name: podTitle(p.Namespace, p.Name), Node: p.Spec.NodeName}
	l.Line = Line{Ms: int64(at / model.Millisecond), Type: change, Phase: string(p.Status.Phase), Reason: p.Status.Reason,
		Conditions: map[string]string{}}
	if p.DeletionTimestamp != nil {
		l.Line.Grace = p.DeletionGracePeriodSeconds
	}
	for i := range p.Status.Conditions {
		c := &p.Status.Conditions[i]
		words := strings.TrimSpace(string(c.Status) + " " + c.Reason)
		switch c.Type {
		case v1.PodResizePending:
			l.ResizePending = words
		case v1.PodResizeInProgress:
			l.ResizeInProgress = words
		default:
			l.Conditions[string(c.Type)] = words
		}
	}
	for _, list := range [][]v1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range list {
			c := nodeContainerOf(&list[i])
			l.Line.Containers = append(l.Line.Containers, c.Container)
			l.Containers = append(l.Containers, c)
		}
	}
	r.Lines = append(r.Lines, l)
}

// nodeContainerOf is a container's status.
func nodeContainerOf(s *v1.ContainerStatus) NodeContainer {
	c := NodeContainer{Container: containerOf(&s.State), Resources: s.Resources, AllocatedResources: s.AllocatedResources}
	c.Name, c.Started, c.Ready, c.Restarts = s.Name, s.Started, s.Ready, s.RestartCount
	if last := containerOf(&s.LastTerminationState); last.State != "" {
		c.Last = &last
	}
	return c
}

func containerOf(s *v1.ContainerState) Container {
	switch {
	case s.Waiting != nil:
		return Container{State: model.StateWaiting.String(), Reason: s.Waiting.Reason}
	case s.Running != nil:
		return Container{State: model.StateRunning.String()}
	case s.Terminated != nil:
		return Container{State: model.StateTerminated.String(), Reason: s.Terminated.Reason, ExitCode: &s.Terminated.ExitCode}
	}
	return Container{}
}

// AddEvent adds an Event about a pod.
func (r *Run) AddEvent(at model.Time, e *v1.Event) {
	r.Lines = append(r.Lines, NodeLine{Object: podTitle(e.InvolvedObject.Namespace, e.InvolvedObject.Name),
		Line: Line{Ms: int64(at / model.Millisecond), Type: "event", Event: e.Reason, EventType: e.Type, Field: e.InvolvedObject.FieldPath,
			Message: e.Message, Count: e.Count, From: e.Source.Component}})
}

// runWords are what two states of a pod are compared by: as in a pod's recording, and its node, resizes and
// resources.
func (l *NodeLine) runWords() string {
	line := l.Line
	line.Containers = slices.SortedFunc(slices.Values(l.Line.Containers), func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	parts := []string{line.Words()}
	if l.Node != "" {
		parts = append(parts, "on "+l.Node)
	}
	for _, c := range []struct{ name, is string }{{"PodResizePending", l.ResizePending}, {"PodResizeInProgress", l.ResizeInProgress}} {
		if c.is != "" {
			parts = append(parts, c.name+"="+condition(c.is))
		}
	}
	var resources []string
	for i := range l.Containers {
		c := &l.Containers[i]
		words := amounts(" allocated", c.AllocatedResources)
		if c.Resources != nil {
			words = amounts(" requests", c.Resources.Requests) + amounts(" limits", c.Resources.Limits) + words
		}
		if words != "" {
			resources = append(resources, "resources of "+c.Name+words)
		}
	}
	slices.Sort(resources)
	return strings.Join(append(parts, resources...), separator)
}

// runMasks take out the addresses of pods, which are of another range on a real node, how a probe's
// connection ends when its process does, and how much of which layer had come when a registry went away.
var runMasks = []mask{
	{regexp.MustCompile(`short read: expected \d+ bytes but got \d+:`), "short read: expected SIZE bytes but got SIZE:"},
	{regexp.MustCompile(`\b127\.\d+\.\d+\.\d+\b`), "IP"},
	{regexp.MustCompile(`(dial|read|write) tcp .*: (connection refused|connection reset by peer|broken pipe)|\bEOF$`), "CONNECTION ERROR"},
}

// history is what became of the pods until a moment in milliseconds. Of pods that have a name one after the
// other the later ones are numbered.
func (r *Run) history(until int64) *nodeHistory {
	h := &nodeHistory{objects: map[string]*objectHistory{}}
	lives := map[string]int{}
	for i := range r.Lines {
		l := &r.Lines[i]
		if l.Ms > until {
			break
		}
		name := l.Name + l.Object
		if l.Type == "ADDED" {
			lives[name]++
		}
		if lives[name] > 1 {
			name += fmt.Sprintf(" (%d)", lives[name])
		}
		if changes(l.Type) {
			o := h.object(name)
			o.states = AddState(o.states, l.Ms, l.runWords())
		} else {
			h.addEvent(name, event{l.EventType + " " + l.Event, l.Field, masked(l.Message, runMasks, machineMasks, masks)}, &l.Line)
		}
	}
	return h
}
