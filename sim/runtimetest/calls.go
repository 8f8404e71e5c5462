package runtimetest

import (
	"slices"

	"podsim/model"
	"podsim/model/kubelet"
)

// The calls of which the cases are made, with what they are answered when all goes well. Containers are
// numbered from 0, instances from 1.

func play(parts ...[]Call) []Call { return slices.Concat(parts...) }

func ask(f kubelet.Effect, want ...Answer) []Call { return []Call{{Ask: &f, Want: want}} }

// await waits for what comes by itself.
func await(want ...Answer) []Call { return []Call{{Want: want}} }

// after lets nothing happen for a while before the first of the calls.
func after(d model.Time, calls []Call) []Call {
	calls[0].After = d
	return calls
}

// within bounds how long the last answer of the last call takes.
func within(least, most model.Time, calls []Call) []Call {
	last := &calls[len(calls)-1]
	last.AtLeast, last.AtMost = least, most
	return calls
}

// inAnyOrder lets the answers of the last call come in any order.
func inAnyOrder(calls []Call) []Call {
	calls[len(calls)-1].AnyOrder = true
	return calls
}

// of makes them calls about another pod.
func of(pod int, calls []Call) []Call {
	for i := range calls {
		calls[i].Pod = pod
	}
	return calls
}

func sandbox() []Call {
	return ask(kubelet.Effect{Kind: kubelet.RunSandbox, Container: -1}, Answer{Kind: kubelet.SandboxStarted})
}

// stopSandbox stops the sandbox, of which the kubelet knows that it runs.
func stopSandbox(before ...Answer) []Call {
	return ask(kubelet.Effect{Kind: kubelet.StopSandbox, Container: -1, OK: true}, append(before, Answer{Kind: kubelet.SandboxStopped})...)
}

func hasImage(i int8, has bool) []Call {
	return ask(kubelet.Effect{Kind: kubelet.AskImage, Container: i}, Answer{Kind: kubelet.ImageStatus, OK: has})
}

func pull(i int8) []Call {
	return ask(kubelet.Effect{Kind: kubelet.Pull, Container: i}, Answer{Kind: kubelet.ImagePulled, Container: i})
}

// failPull is a pull that fails.
func failPull(i int8, text string) []Call {
	return ask(kubelet.Effect{Kind: kubelet.Pull, Container: i}, Answer{Kind: kubelet.ImagePulled, Container: i, Reason: "ErrImagePull", Text: text})
}

func create(i int8) []Call {
	return ask(kubelet.Effect{Kind: kubelet.Create, Container: i}, Answer{Kind: kubelet.ContainerCreated, Container: i})
}

func start(i int8, instance int32, then ...Answer) []Call {
	return ask(kubelet.Effect{Kind: kubelet.Start, Container: i, Instance: instance},
		slices.Concat([]Answer{{Kind: kubelet.ContainerStarted, Container: i}}, then)...)
}

// up starts container 0 for the first time, with all that comes before.
func up(then ...Answer) []Call { return play(sandbox(), pull(0), create(0), start(0, 1, then...)) }

// again starts container 0 anew.
func again(instance int32, then ...Answer) []Call {
	return play(create(0), start(0, instance, then...))
}

func exited(i int8, instance int32, code int64, reason string) Answer {
	return Answer{Kind: kubelet.ContainerExited, Container: i, Instance: instance, Exit: code, Reason: reason}
}

// stop stops container 0; before are the answers before the last.
func stop(instance int32, grace int64, before ...Answer) []Call {
	return ask(kubelet.Effect{Kind: kubelet.Stop, Instance: instance, GraceSeconds: grace}, append(before, Answer{Kind: kubelet.ContainerStopped})...)
}

func remove(i int8, instance int32, before ...Answer) []Call {
	return ask(kubelet.Effect{Kind: kubelet.Remove, Container: i, Instance: instance}, append(before, Answer{Kind: kubelet.ContainerRemoved, Container: i})...)
}

func discard(i int8, instance int32) []Call {
	return ask(kubelet.Effect{Kind: kubelet.Discard, Container: i, Instance: instance},
		Answer{Kind: kubelet.ContainerDiscarded, Container: i, Instance: instance})
}

// probe runs a probe of instance 1 of container 0.
func probe(p model.ProbeType, want Answer) []Call {
	want.Kind, want.Instance = kubelet.Probed, 1
	return ask(kubelet.Effect{Kind: kubelet.RunProbe, Probe: p, Instance: 1}, want)
}

// hook runs a hook of instance 1 of container 0.
func hook(postStart bool, want Answer) []Call {
	want.Kind, want.Instance = kubelet.HookDone, 1
	return ask(kubelet.Effect{Kind: kubelet.RunHook, OK: postStart, Instance: 1}, want)
}
