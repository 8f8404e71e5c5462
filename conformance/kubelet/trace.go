package kubelet

import (
	"reflect"
	"time"

	v1 "k8s.io/api/core/v1"

	"podsim/conform"
)

// recorder writes down what becomes of one pod, in the form of the recordings of a real node.
type recorder struct {
	name  string
	begun time.Time
	lines []conform.Line
	// last is the last change, to leave out those in which nothing is different here.
	last conform.Line
	// gone is closed when the pod has been removed.
	gone chan struct{}
}

func newRecorder(pod *v1.Pod) *recorder {
	return &recorder{name: pod.Name, begun: time.Now(), gone: make(chan struct{})}
}

func (r *recorder) add(l conform.Line) {
	l.Ms = time.Since(r.begun).Milliseconds()
	r.lines = append(r.lines, l)
}

// pod takes down a change of the pod.
func (r *recorder) pod(change string, p *v1.Pod) {
	if p.Name != r.name {
		return
	}
	l := conform.Line{Type: change, Phase: string(p.Status.Phase), Reason: p.Status.Reason,
		Message: p.Status.Message, Conditions: conditions(p)}
	if p.DeletionTimestamp != nil {
		grace := *p.DeletionGracePeriodSeconds
		l.Grace = &grace
	}
	for _, s := range [][]v1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for i := range s {
			l.Containers = append(l.Containers, containerStatus(&s[i]))
		}
	}
	if !reflect.DeepEqual(l, r.last) {
		r.last = l
		r.add(l)
	}
	if change == "DELETED" {
		close(r.gone)
	}
}

// conditions are the pod's, each "Status Reason: message".
func conditions(p *v1.Pod) map[string]string {
	out := map[string]string{}
	for _, c := range p.Status.Conditions {
		words := string(c.Status)
		if c.Reason != "" {
			words += " " + c.Reason
		}
		if c.Message != "" {
			words += ": " + c.Message
		}
		out[string(c.Type)] = words
	}
	return out
}

func containerStatus(s *v1.ContainerStatus) conform.Container {
	c := containerState(&s.State)
	c.Name, c.Ready, c.Started, c.Restarts = s.Name, s.Ready, s.Started, s.RestartCount
	if s.LastTerminationState.Terminated != nil {
		last := containerState(&s.LastTerminationState)
		c.Last = &last
	}
	return c
}

func containerState(s *v1.ContainerState) conform.Container {
	switch {
	case s.Waiting != nil:
		return conform.Container{State: "waiting", Reason: s.Waiting.Reason}
	case s.Running != nil:
		return conform.Container{State: "running"}
	case s.Terminated != nil:
		code := s.Terminated.ExitCode
		return conform.Container{State: "terminated", Reason: s.Terminated.Reason, ExitCode: &code}
	}
	return conform.Container{State: "none"}
}

// event takes down an Event of the pod.
func (r *recorder) event(e *v1.Event) {
	if e.InvolvedObject.Name != r.name {
		return
	}
	r.add(conform.Line{Type: "event", Event: e.Reason, EventType: e.Type, Message: e.Message, Count: e.Count,
		Field: e.InvolvedObject.FieldPath, From: e.Source.Component})
}
