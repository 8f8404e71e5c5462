package conform

import (
	"fmt"
	"strings"

	"podsim/model"
	"podsim/sim"
)

// Simulate runs a scenario whose first step creates one pod, and writes down what a recorder
// would: the pod's changes and its Events, from the creation on.
func Simulate(sc *model.Scenario) ([]Line, error) {
	c, err := sim.NewCluster(sc)
	if err != nil {
		return nil, err
	}
	var lines []Line
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindPod {
			lines = append(lines, PodLine(c.State(), &tr))
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod {
			lines = append(lines, eventLine(c.State(), e))
		}
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	for i := range lines {
		lines[i].Ms -= int64(sc.Steps[0].At / model.Millisecond)
	}
	return lines, nil
}

// PodLine is the line of a pod's change.
func PodLine(s *model.State, t *model.Transition) Line {
	p := &s.Pods[t.ID]
	l := Line{Ms: int64(t.At / model.Millisecond), Type: t.Type.String(), Phase: p.Status.Phase.String(),
		Reason: s.Texts.String(p.Status.Reason), Conditions: map[string]string{}}
	if p.Deleting {
		grace := p.GraceSeconds
		l.Grace = &grace
	}
	for k := range p.Status.Conditions {
		if c := &p.Status.Conditions[k]; c.Status != model.ConditionAbsent {
			words := c.Status.String() + " " + s.Texts.String(c.Reason)
			if m := s.ConditionMessage(p, model.ConditionType(k)); m != "" {
				words += ": " + m
			}
			l.Conditions[model.ConditionType(k).String()] = strings.TrimSpace(words)
		}
	}
	for i := range p.Status.Gates {
		if c := &p.Status.Gates[i]; c.Status != model.ConditionAbsent {
			l.Conditions[string(p.Template.Spec.ReadinessGates[i].ConditionType)] = c.Status.String()
		}
	}
	for i := range p.Status.Containers {
		k := &p.Status.Containers[i]
		c := stateOf(s, &k.State)
		started := k.Started
		c.Name, c.Started, c.Ready, c.Restarts = p.Template.Containers[i].Name, &started, k.Ready, k.Restarts
		if k.Last.Kind != model.StateNone {
			last := stateOf(s, &k.Last)
			c.Last = &last
		}
		l.Containers = append(l.Containers, c)
	}
	return l
}

func stateOf(s *model.State, k *model.ContainerState) Container {
	c := Container{State: k.Kind.String(), Reason: s.Texts.String(k.Reason)}
	if k.Kind == model.StateTerminated {
		code := k.ExitCode
		c.ExitCode = &code
	}
	return c
}

func eventLine(s *model.State, e *model.Event) Line {
	l := Line{Ms: int64(e.At / model.Millisecond), Type: "event", Event: s.EventReason(e), EventType: "Normal",
		Message: s.EventMessage(e), Count: e.Count, From: e.Source.String()}
	if e.Warning {
		l.EventType = "Warning"
	}
	if e.Kind != model.KindPod || e.Container < 0 {
		return l
	}
	t := s.Pods[e.ID].Template
	kind := "containers"
	if int(e.Container) < t.NumInit {
		kind = "initContainers"
	}
	l.Field = fmt.Sprintf("spec.%s{%s}", kind, t.Containers[e.Container].Name)
	return l
}
