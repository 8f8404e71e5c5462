package runtimetest

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// Case is one conversation with a runtime.
type Case struct {
	Name string
	// Pods is how many pods there are, one when it is 0. They are all alike.
	Pods int
	// Containers are what the containers of each pod do, one that runs for ever when there are none.
	Containers []model.Behavior
	// Pod changes the pods, Scenario all the rest.
	Pod      func(*v1.Pod)
	Scenario func(*model.Scenario)
	// Driven says that the machine is the kubelet all the same, which is needed where the runtime does
	// what the machine knows: then the calls ask for nothing, and only answers of the kind Only count.
	Driven bool
	Only   kubelet.EventKind
	Calls  []Call
	// Together is a case of a kernel that kills all processes of a container together.
	Together bool
}

// Call asks a runtime for something and waits until all its answers are there.
type Call struct {
	// Pod is the number of the pod.
	Pod int
	// Ask is what is asked for, nil for nothing: what comes by itself is waited for.
	Ask *kubelet.Effect
	// After is how long nothing may happen before.
	After model.Time
	// Want are the answers, in their order unless AnyOrder says that they come in any.
	Want     []Answer
	AnyOrder bool
	// AtLeast and AtMost are bounds of how long the last answer takes; no bound where they are 0.
	AtLeast, AtMost model.Time
}

// String names the call in a failure.
func (c *Call) String() string {
	if c.Ask == nil {
		return "what comes by itself"
	}
	return fmt.Sprintf("%s of container %d", c.Ask.Kind, c.Ask.Container)
}

// Answer is what matters of an answer of the runtime.
type Answer struct {
	Kind      kubelet.EventKind
	Container int8
	// Instance is that of a ContainerExited, a ContainerDiscarded, a Probed and a HookDone.
	Instance int32
	// OK is that of an ImageStatus, a Probed and a HookDone, Errored that of a Probed.
	OK, Errored bool
	// Exit is the exit code of a ContainerExited and of a command of a hook that failed, Reason why the
	// container ended or the pull failed.
	Exit   int64
	Reason string
	// Text is the error or what is said; wanted ones are patterns with "*".
	Text string
	// End is how a probe failed.
	End model.ProbeEnd
	// Message is the termination message.
	Message string
}

// answerOf is what matters of an event.
func answerOf(s *model.State, id model.PodID, e *kubelet.Event) Answer {
	a := Answer{Kind: e.Kind, Container: e.Container, Text: s.Texts.String(e.Text)}
	switch e.Kind {
	case kubelet.SandboxStarted, kubelet.SandboxStopped, kubelet.Resized:
		a.Container = 0
	case kubelet.ImageStatus:
		// The machine knows which container it has asked for.
		a.Container, a.OK = 0, e.OK
	case kubelet.ImagePulled:
		if e.Text != model.NoText {
			a.Reason = s.Texts.String(e.Reason)
		}
	case kubelet.ContainerExited:
		a.Instance, a.Exit, a.Reason = e.Instance, e.N, s.Texts.String(e.Reason)
		a.Message = s.Message(&s.Pods[id], int(e.Container), e.Message)
	case kubelet.ContainerDiscarded:
		a.Instance = e.Instance
	case kubelet.HookDone:
		a.Instance, a.OK = e.Instance, e.OK
		if e.OK {
			a.Text = ""
		} else {
			a.Exit = e.N
		}
	case kubelet.Probed:
		a.Instance, a.OK, a.Errored = e.Instance, e.OK, e.Errored
		if !e.OK && !e.Errored {
			a.End = model.ProbeEnd(e.N)
		}
		if a.End != model.ProbeAnswered {
			a.Text = ""
		}
	}
	return a
}

// is says that an answer is the wanted one.
func (a Answer) is(want Answer) bool {
	text := want.Text
	want.Text = a.Text
	return a == want && (text == a.Text || text != "" && model.Matches(text, a.Text))
}

// String is the answer in a failure.
func (a Answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of container %d", a.Kind, a.Container)
	if a.Instance != 0 {
		fmt.Fprintf(&b, ", instance %d", a.Instance)
	}
	if a.Kind == kubelet.ImageStatus || a.Kind == kubelet.Probed || a.Kind == kubelet.HookDone {
		fmt.Fprintf(&b, ", ok %t", a.OK)
	}
	if a.Errored {
		b.WriteString(", errored")
	}
	if a.Kind == kubelet.ContainerExited || a.Exit != 0 {
		fmt.Fprintf(&b, ", exit code %d", a.Exit)
	}
	if a.Reason != "" {
		b.WriteString(", " + a.Reason)
	}
	if a.End != model.ProbeAnswered {
		b.WriteString(map[model.ProbeEnd]string{model.ProbeRefused: ", refused", model.ProbeTimedOut: ", timed out"}[a.End])
	}
	if a.Text != "" {
		fmt.Fprintf(&b, ", %q", a.Text)
	}
	if a.Message != "" {
		fmt.Fprintf(&b, ", message %q", a.Message)
	}
	return b.String()
}
