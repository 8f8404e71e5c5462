package kubelet_test

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// driver lets a pod's life happen: the smallest world that answers what a pod asks for. It
// allocates nothing once it has run a life.
type driver struct {
	state    model.State
	template *model.PodTemplate
	pod      *kubelet.Pod
	loops    kubelet.Loops
	manager  kubelet.StatusManager
	now      model.Time
	coming   []coming
	fx       []kubelet.Effect
	// wakes, relists, relistAt: what a later effect replaces.
	wakes, relists uint16
	relistAt       model.Time
	// api is the API server's copy of the status; transitions counts its changes.
	api         model.PodStatus
	deleting    bool
	done        bool
	steps       int
	transitions int

	// runs says how long the runs of each container last, Never for one that runs on, and exits
	// with which code, the last one for all further runs. Nil is a container that runs on.
	runs   [][]run
	starts []int
	// started and ending are the start and the pending end of each container's present run.
	started []model.Time
	ending  []model.Time
	code    []int32
	// probe answers a probe of a container, as a function of the time since its start.
	probe func(container int8, probe model.ProbeType, since model.Time) bool
	// pull is the error of every image pull, config that of making a container's configuration,
	// create that of creating it.
	pull, config, create string
	// configAt is when the ConfigMaps come that the volumes need.
	configAt model.Time
	// script is what the machine was asked in this life, when writes says to note it.
	script []call
	writes bool
	// log, where it is not nil, gets the transitions and Events.
	log *strings.Builder
}

type run struct {
	lasts model.Time
	exit  int32
}

// coming is an event to come; what is replaced has another generation.
type coming struct {
	at    model.Time
	event kubelet.Event
}

func newDriver(spec *v1.PodSpec) *driver {
	pod := &v1.Pod{Spec: *spec}
	model.DefaultPod(pod)
	d := &driver{probe: func(int8, model.ProbeType, model.Time) bool { return true }}
	d.template = d.state.Compile("default", nil, nil, &pod.Spec)
	d.pod = kubelet.NewPod(d.template)
	n := len(d.template.Containers)
	d.starts, d.code = make([]int, n), make([]int32, n)
	d.started, d.ending = make([]model.Time, n), make([]model.Time, n)
	return d
}

// begin lets the kubelet see the pod, as a new one.
func (d *driver) begin() {
	d.start()
	d.step(kubelet.Event{Kind: kubelet.Configured})
}

// start forgets an earlier life.
func (d *driver) start() {
	d.pod.Reset(d.template)
	containers := d.api.Containers[:0]
	*d = driver{state: d.state, template: d.template, pod: d.pod, coming: d.coming[:0], fx: d.fx, runs: d.runs, probe: d.probe,
		pull: d.pull, config: d.config, create: d.create, configAt: d.configAt, log: d.log, manager: d.manager, starts: d.starts, started: d.started, ending: d.ending, code: d.code, relistAt: model.Never, script: d.script[:0], writes: d.writes}
	d.api = model.PodStatus{StartTime: model.Never, Containers: containers}
	clear(d.starts)
	for i := range d.ending {
		d.ending[i] = model.Never
	}
}

// delete lets the kubelet see that the pod is to be deleted.
func (d *driver) delete(grace int64) {
	d.deleting = true
	d.step(kubelet.Event{Kind: kubelet.Configured, Deleting: true, GraceSeconds: grace, Phase: d.api.Phase})
}

// until carries out all events up to the moment.
func (d *driver) until(t model.Time) {
	for len(d.coming) > 0 {
		first := 0
		for i := range d.coming {
			if d.coming[i].at < d.coming[first].at {
				first = i
			}
		}
		c := d.coming[first]
		if c.at > t {
			break
		}
		d.coming = append(d.coming[:first], d.coming[first+1:]...)
		d.now = c.at
		d.happen(c.event)
	}
	d.now = max(d.now, t)
}

// happen hands in an event unless it was replaced.
func (d *driver) happen(e kubelet.Event) {
	i := e.Container
	switch {
	case e.Kind == kubelet.Woken && e.Gen != d.wakes, e.Kind == kubelet.Relisted && e.Gen != d.relists:
		return
	case e.Kind == kubelet.Relisted:
		d.relistAt = model.Never
		changed, done := d.pod.Unseen(), d.now
		switch {
		case e.OK:
			done = d.loops.RelistPod(d.now, changed)
		case changed:
			done = d.loops.Relist(d.now)
		}
		if changed {
			d.in(done-d.now, kubelet.Event{Kind: kubelet.Inspected})
		}
	case e.Kind == kubelet.ContainerStarted:
		d.started[i], d.ending[i] = d.now, model.Never
		if r := d.run(i); r.lasts != model.Never {
			d.code[i] = r.exit
			d.exitIn(i, e.Instance, r.lasts)
		}
		d.starts[i]++
	case e.Kind == kubelet.ContainerExited:
		if d.ending[i] != d.now {
			return
		}
		d.ending[i] = model.Never
		e.N, e.Reason = int64(d.code[i]), model.ReasonCompleted
		if e.N != 0 {
			e.Reason = model.ReasonError
		}
	case e.Kind == kubelet.Probed:
		e.OK, e.At = d.probe(i, e.Probe, d.now-d.started[i]), d.now
	case e.Kind == kubelet.Reconciled:
		d.publish()
		return
	}
	d.step(e)
}

func (d *driver) run(i int8) run {
	if d.runs == nil || d.runs[i] == nil {
		return run{lasts: model.Never}
	}
	return d.runs[i][min(d.starts[i], len(d.runs[i])-1)]
}

func (d *driver) exitIn(i int8, instance int32, after model.Time) {
	d.ending[i] = d.now + after
	d.in(after, kubelet.Event{Kind: kubelet.ContainerExited, Container: i, Instance: instance})
}

func (d *driver) step(e kubelet.Event) {
	e.Now, e.Global = d.now, d.loops.LastRelist(d.now)
	d.steps++
	d.note(call{kind: stepped, event: e})
	d.fx = d.pod.Step(e, d.fx[:0])
	for i := 0; i < len(d.fx); i++ {
		d.carryOut(&d.fx[i])
	}
}

func (d *driver) in(after model.Time, e kubelet.Event) {
	d.coming = append(d.coming, coming{d.now + after, e})
}

// answer is the runtime's answer and how long it takes.
func answer(f kubelet.EffectKind) (kind kubelet.EventKind, took model.Time) {
	switch f {
	case kubelet.BeginSync:
		return kubelet.SyncBegun, model.Millisecond
	case kubelet.UnmountVolumes:
		return kubelet.VolumesUnmounted, 50 * model.Millisecond
	case kubelet.RunSandbox:
		return kubelet.SandboxStarted, 150 * model.Millisecond
	case kubelet.StopSandbox:
		return kubelet.SandboxStopped, 60 * model.Millisecond
	case kubelet.AskImage:
		return kubelet.ImageStatus, 0
	case kubelet.GenerateConfig:
		return kubelet.ConfigGenerated, 0
	case kubelet.Pull:
		return kubelet.ImagePulled, 500 * model.Millisecond
	case kubelet.Create:
		return kubelet.ContainerCreated, 40 * model.Millisecond
	case kubelet.Start:
		return kubelet.ContainerStarted, 60 * model.Millisecond
	case kubelet.Remove:
		return kubelet.ContainerRemoved, 50 * model.Millisecond
	case kubelet.Discard:
		return kubelet.ContainerDiscarded, 50 * model.Millisecond
	case kubelet.RunHook:
		return kubelet.HookDone, 30 * model.Millisecond
	case kubelet.RunProbe:
		return kubelet.Probed, 10 * model.Millisecond
	}
	panic("no answer to " + f.String())
}

func (d *driver) carryOut(f *kubelet.Effect) {
	e := kubelet.Event{Container: f.Container, Probe: f.Probe, Instance: f.Instance, Gen: f.Gen, OK: true}
	switch f.Kind {
	case kubelet.Wake:
		d.wakes++
		if !f.OK {
			e.Kind, e.Gen = kubelet.Woken, d.wakes
			d.in(d.loops.NextTick(d.now+f.Delay)-d.now, e)
		}
	case kubelet.DeadlineAt:
		e.Kind = kubelet.DeadlineReached
		d.in(d.loops.NextTick(f.At)-d.now, e)
	case kubelet.Housekeep:
		d.in(d.loops.NextHousekeeping(d.now)-d.now, kubelet.Event{Kind: kubelet.Housekept})
	case kubelet.RelistSoon:
		d.relist(d.loops.RelistPodAt(d.now)-d.now, true)
	case kubelet.RelistNext:
		d.relist(d.loops.NextRelist(d.now)-d.now, false)
	case kubelet.PublishHeld, kubelet.Collect:
		// Their moments come after what the worker and the deletor do.
	case kubelet.PublishStatus:
		if d.manager.Changed(1) {
			d.send(1)
		}
	case kubelet.Emit:
		d.event(f)
	case kubelet.Timer:
		e.Kind = kubelet.TimerFired
		d.in(f.Delay, e)
	case kubelet.ProbeAt:
		e.Kind = kubelet.ProbeDue
		d.in(f.At-d.now, e)
	case kubelet.Stop:
		d.code[f.Container] = 0
		d.exitIn(f.Container, f.Instance, 30*model.Millisecond)
		e.Kind = kubelet.ContainerStopped
		d.in(30*model.Millisecond, e)
	case kubelet.MountVolumes, kubelet.SetUpVolume:
		d.mount(f)
	case kubelet.Done:
		d.done = true
	default:
		d.answer(f, e)
	}
}

// mount sets up all volumes or one, f.M.
func (d *driver) mount(f *kubelet.Effect) {
	at := max(d.now, f.At)
	switch {
	case d.configAt > 0 && d.configAt >= d.loops.NextReconcile(at):
		d.in(d.loops.NextReconcile(at)-d.now, kubelet.Event{Kind: kubelet.VolumeFailed, N: f.M})
	case f.Kind == kubelet.SetUpVolume:
		d.in(d.loops.NextReconcile(at)-d.now, kubelet.Event{Kind: kubelet.VolumeSetUp, N: f.M})
		d.in(d.loops.NextReconcile(at)-d.now, kubelet.Event{Kind: kubelet.VolumesMounted})
	default:
		d.in(kubelet.MountDelay(0), kubelet.Event{Kind: kubelet.VolumesMounted})
	}
}

func (d *driver) answer(f *kubelet.Effect, e kubelet.Event) {
	kind, took := answer(f.Kind)
	e.Kind = kind
	if d.pull != "" && kind == kubelet.ImageStatus {
		e.OK = false
	}
	if d.pull != "" && kind == kubelet.ImagePulled {
		e.Text, e.Reason = d.state.Texts.Intern(d.pull), model.ReasonErrImagePull
	}
	switch kind {
	case kubelet.ConfigGenerated:
		e.Text = d.state.Texts.Intern(d.config)
	case kubelet.ContainerCreated:
		e.Text = d.state.Texts.Intern(d.create)
	}
	d.in(f.Delay+took, e)
}

func (d *driver) relist(after model.Time, asked bool) {
	if d.relistAt <= d.now+after {
		return
	}
	d.relistAt = d.now + after
	d.relists++
	d.in(after, kubelet.Event{Kind: kubelet.Relisted, Gen: d.relists, OK: asked})
}

// send lets the status manager take the status; Reconciled stands for the write's arrival.
func (d *driver) send(model.PodID) {
	d.note(call{kind: sent})
	d.pod.Send()
	d.in(5*model.Millisecond, kubelet.Event{Kind: kubelet.Reconciled})
}

func (d *driver) publish() {
	d.note(call{kind: published, event: kubelet.Event{Now: d.now}})
	changed := d.pod.Publish(&d.api, d.now)
	if changed {
		d.transitions++
		if d.log != nil {
			fmt.Fprintf(d.log, "%8.3f %s\n", d.now.Seconds(), d.words())
		}
	}
	d.manager.Done(d.send)
	if changed {
		d.step(kubelet.Event{Kind: kubelet.Reconciled, Phase: d.api.Phase})
	}
}

func (d *driver) event(f *kubelet.Effect) {
	if d.log == nil {
		return
	}
	if f.Reason == model.EventRejected {
		return
	}
	name := "-"
	if f.Container >= 0 {
		name = d.template.Containers[f.Container].Name
	}
	fmt.Fprintf(d.log, "%8.3f     %s %s\n", d.now.Seconds(), f.Reason, name)
}

// words are the published state in short: the phase, the conditions that are true, and the
// containers, with "s" for started, "r" for ready and the restarts.
func (d *driver) words() string {
	s := &d.api
	var b strings.Builder
	b.WriteString(s.Phase.String())
	if s.Reason != model.NoText {
		b.WriteString("/" + d.state.Texts.String(s.Reason))
	}
	for _, c := range []struct {
		kind model.ConditionType
		name string
	}{{model.PodReadyToStartContainers, "sandbox"}, {model.PodInitialized, "initialized"}, {model.PodReady, "ready"}} {
		if s.Conditions[c.kind].Status == model.ConditionTrue {
			b.WriteString(" " + c.name)
		}
	}
	for i := range s.Containers {
		k := &s.Containers[i]
		fmt.Fprintf(&b, " [%s %s", d.template.Containers[i].Name, d.stateWords(&k.State))
		if k.Started {
			b.WriteString(" s")
		}
		if k.Ready {
			b.WriteString(" r")
		}
		if k.Restarts > 0 {
			fmt.Fprintf(&b, " x%d", k.Restarts)
		}
		b.WriteString("]")
	}
	return b.String()
}

func (d *driver) stateWords(s *model.ContainerState) string {
	switch {
	case s.Kind == model.StateTerminated:
		return fmt.Sprintf("%s(%d)", d.state.Texts.String(s.Reason), s.ExitCode)
	case s.Reason != model.NoText:
		return d.state.Texts.String(s.Reason)
	}
	return s.Kind.String()
}

// call is a call of a pod's machine.
type call struct {
	kind  callKind
	event kubelet.Event
}

type callKind uint8

const (
	stepped callKind = iota
	sent
	published
)

// note adds a call to the life's script, if it is written down.
func (d *driver) note(c call) {
	if d.writes {
		d.script = append(d.script, c)
	}
}

// replay lets the machine alone live a life that was written down.
func (d *driver) replay() {
	d.pod.Reset(d.template)
	containers := d.api.Containers[:0]
	d.api = model.PodStatus{StartTime: model.Never, Containers: containers}
	for i := range d.script {
		switch c := &d.script[i]; c.kind {
		case stepped:
			d.fx = d.pod.Step(c.event, d.fx[:0])
		case sent:
			d.pod.Send()
		case published:
			d.pod.Publish(&d.api, c.event.Now)
		}
	}
}
