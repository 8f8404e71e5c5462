package sim

import (
	"podsim/model"
	"podsim/model/kubelet"
)

// Runtime is the container runtime of the nodes: the only interface of the core. Do begins
// what a pod's machine asks for; the answer comes back later as an event of the machine. The
// simulated runtime draws how long it takes; a real one does it.
type Runtime interface {
	Do(id model.PodID, f *kubelet.Effect)
}

// simulatedRuntime is the runtime in virtual time: containers that do what the scenario's
// behaviors say.
type simulatedRuntime struct {
	cluster *Cluster
}

// container is one container of a pod in the simulated runtime.
type container struct {
	behavior *model.Behavior
	instance int32
	// runs counts the starts.
	runs      int32
	running   bool
	startedAt model.Time
	// exitGen is the generation of the pending exit, exitCode and reason how it will end.
	exitGen  uint16
	exitCode int32
	reason   model.Text
	exitAt   model.Time
	// stopping says that somebody waits for the end, exiting that SIGTERM has an effect.
	stopping bool
	stopGen  uint16
	grace    int64
	// pull is the result of the container's last pull.
	pull pullEnd
}

// pullEnd is how a pull ended: the error or none, how long it took without and with waiting, and
// the size.
type pullEnd struct {
	model.PullResult
	took, waited model.Time
	size         int64
}

// answer is the kind of an evRuntime event, in its Arg above the container.
func answer(k kubelet.EventKind, container int8) int32 { return int32(k)<<8 | int32(uint8(container)) }

// Do begins an effect.
func (r *simulatedRuntime) Do(id model.PodID, f *kubelet.Effect) {
	c, l := r.cluster, &r.cluster.scenario.Latencies
	later := func(k kubelet.EventKind, s Stream, d *model.Dist) {
		c.at(c.now+c.delay(id, s, d), evRuntime, id, 0, answer(k, f.Container))
	}
	switch f.Kind {
	case kubelet.MountVolumes:
		c.mountVolumes(id)
	case kubelet.SetUpVolume:
		c.at(c.nodes[c.state.Pods[id].Node].loops.NextReconcile(f.At), evVolume, id, 0, int32(f.M))
	case kubelet.UnmountVolumes:
		later(kubelet.VolumesUnmounted, streamMount, &l.UnmountVolumes)
	case kubelet.RunSandbox:
		later(kubelet.SandboxStarted, streamSandbox, &l.RunSandbox)
	case kubelet.StopSandbox:
		if f.OK {
			later(kubelet.SandboxStopped, streamStopSandbox, &l.StopSandbox)
		} else {
			c.at(c.now, evRuntime, id, 0, answer(kubelet.SandboxStopped, f.Container))
		}
	case kubelet.Create:
		later(kubelet.ContainerCreated, streamCreate, &l.Create)
	case kubelet.Start:
		c.pods[id].containers[f.Container].instance = f.Instance
		later(kubelet.ContainerStarted, streamStart, &l.Start)
	case kubelet.Remove:
		later(kubelet.ContainerRemoved, streamRemove, &l.Remove)
	case kubelet.Discard:
		n := &c.nodes[c.state.Pods[id].Node]
		n.deletor = max(n.deletor, c.now) + c.delay(id, streamRemove, &l.Remove)
		c.at(n.deletor, evRuntime, id, uint16(f.Instance), answer(kubelet.ContainerDiscarded, f.Container))
	case kubelet.Stop:
		r.stop(id, f)
	case kubelet.RunHook:
		r.hook(id, f)
	case kubelet.RunProbe:
		r.probe(id, f)
	default:
		panic("sim: the runtime cannot " + f.Kind.String())
	}
}

// behaviorOf finds what the scenario says of a container.
func (c *Cluster) behaviorOf(id model.PodID, i int) *model.Behavior {
	k := &c.pods[id].containers[i]
	if k.behavior == nil {
		k.behavior = c.matchBehavior(&c.state.Pods[id], i)
	}
	return k.behavior
}

// The behaviors of containers that the scenario does not mention.
var (
	assumedApp  = model.Behavior{Run: model.Run{Forever: true}}
	assumedInit = model.Behavior{Run: model.Run{For: model.Dist{Value: float64(model.Second)}}}
)

func (c *Cluster) matchBehavior(o *model.Pod, i int) *model.Behavior {
	t := &o.Template.Containers[i]
	for j := range c.scenario.Behaviors {
		b := &c.scenario.Behaviors[j]
		if model.Matches(b.Container, t.Name) && model.Matches(b.Pod, o.Name) &&
			model.Matches(b.Namespace, o.Template.Namespace) && model.Matches(b.Image, t.Image) {
			return b
		}
	}
	if t.Kind == model.InitContainer {
		c.assumed.initContainers++
		return &assumedInit
	}
	c.assumed.containers++
	return &assumedApp
}

// runtimeEvent is the end of something that the simulated runtime does.
func (c *Cluster) runtimeEvent(id model.PodID, e *Event, op uint16) {
	i := int8(e.Arg)
	switch e.Kind {
	case evExit:
		c.exit(id, int(i), op)
	case evKill:
		c.killed(id, int(i), op)
	case evProbed:
		c.probed(id, int(i), model.ProbeType(e.Arg>>8&255), op)
	case evRuntime:
		k := kubelet.EventKind(e.Arg >> 8)
		ev := kubelet.Event{Kind: k, Container: i, OK: true}
		switch k {
		case kubelet.ContainerCreated:
			ev.Text = c.state.Texts.Intern(c.behaviorOf(id, int(i)).CreateError)
		case kubelet.ContainerStarted:
			ev.Text = c.start(id, int(i))
		case kubelet.ImagePulled:
			pr := &c.pods[id].containers[i].pull
			ev.Text, ev.Reason, ev.Secrets = pr.Error, pr.Reason, c.missingSecrets(id)
			ev.N, ev.M, ev.S = int64(pr.took), int64(pr.waited), pr.size
		case kubelet.HookDone:
			ev.OK = op == 0
		case kubelet.ContainerDiscarded:
			ev.Instance = int32(op)
		}
		c.step(id, ev)
	}
}

// startError is how containerd begins the error of a container that cannot be started.
const startError = "failed to create containerd task: failed to create shim task: OCI runtime create failed: " +
	"runc create failed: unable to start container process: "

// start runs a container's main process. It gives the error when it cannot be started.
func (c *Cluster) start(id model.PodID, i int) model.Text {
	k, b := &c.pods[id].containers[i], c.behaviorOf(id, i)
	if b.StartError != "" {
		return c.state.Texts.Intern(startError + b.StartError)
	}
	k.running, k.startedAt, k.stopping = true, c.now, false
	k.runs++
	k.exitGen++
	k.exitAt = model.Never
	ends := model.Never
	if !b.Run.Forever {
		ends = c.delay(id, streamRun, &b.Run.For)
		k.exitCode, k.reason = exitOf(&b.Run, k.runs), model.NoText
	}
	if at := c.outOfMemory(id, i, b); at < ends || b.Run.OOM && !b.Run.Forever {
		ends = min(ends, at)
		k.exitCode, k.reason = 137, model.ReasonOOMKilled
	}
	if ends != model.Never {
		c.exitIn(id, i, ends)
	}
	return model.NoText
}

// outOfMemory is how long after its start a container needs more memory than its limit, Never
// if it does not.
func (c *Cluster) outOfMemory(id model.PodID, i int, b *model.Behavior) model.Time {
	if len(b.Memory) == 0 {
		return model.Never
	}
	limit := c.state.Pods[id].Template.Containers[i].Limits.Memory
	if limit == 0 {
		c.assumed.unlimited++
		return model.Never
	}
	for _, m := range b.Memory {
		if m.Use > limit {
			return m.At
		}
	}
	return model.Never
}

// exitOf is the exit code of the n-th run.
func exitOf(r *model.Run, n int32) int32 {
	if len(r.Exit) == 0 {
		return 0
	}
	return r.Exit[min(int(n), len(r.Exit))-1]
}

// exitIn queues the end of a container's main process.
func (c *Cluster) exitIn(id model.PodID, i int, d model.Time) {
	k := &c.pods[id].containers[i]
	k.exitGen++
	k.exitAt = c.now + d
	c.at(k.exitAt, evExit, id, k.exitGen, int32(i))
}

// exit is the end of a container's main process.
func (c *Cluster) exit(id model.PodID, i int, gen uint16) {
	k := &c.pods[id].containers[i]
	if k.exitGen != gen || !k.running {
		return
	}
	k.running = false
	reason := k.reason
	if reason == model.NoText {
		reason = model.ReasonCompleted
		if k.exitCode != 0 {
			reason = model.ReasonError
		}
	}
	stopping := k.stopping
	k.stopping = false
	c.step(id, kubelet.Event{Kind: kubelet.ContainerExited, Container: int8(i), Instance: k.instance, N: int64(k.exitCode), Reason: reason})
	if stopping {
		c.step(id, kubelet.Event{Kind: kubelet.ContainerStopped, Container: int8(i)})
	}
}

// stop sends SIGTERM after the runtime's delay, and SIGKILL when the grace period is over.
func (r *simulatedRuntime) stop(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	k := &c.pods[id].containers[f.Container]
	k.stopping, k.grace = true, f.GraceSeconds
	k.stopGen++
	c.at(c.now+c.delay(id, streamStopTerm, &c.scenario.Latencies.StopTerm), evKill, id, k.stopGen, int32(f.Container))
}

// killed is the moment of SIGTERM: the process ends by itself or is killed in the end. The kubelet
// may not have known that it had ended: it was down.
func (c *Cluster) killed(id model.PodID, i int, gen uint16) {
	k := &c.pods[id].containers[i]
	if k.stopGen != gen {
		return
	}
	if !k.running {
		if k.stopping {
			k.stopping = false
			c.step(id, kubelet.Event{Kind: kubelet.ContainerStopped, Container: int8(i)})
		}
		return
	}
	term := &c.behaviorOf(id, i).OnTerm
	grace := model.Time(k.grace) * model.Second
	if after := c.delay(id, streamTerm, &term.After); !term.Ignore && after <= grace {
		if c.now+after < k.exitAt {
			k.exitCode, k.reason = term.Exit, model.NoText
			c.exitIn(id, i, after)
		}
		return
	}
	after := grace + c.delay(id, streamKill, &c.scenario.Latencies.Kill)
	if c.now+after < k.exitAt {
		k.exitCode, k.reason = 137, model.NoText
		c.exitIn(id, i, after)
	}
}

// hook runs an exec or http hook.
func (r *simulatedRuntime) hook(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	b := c.behaviorOf(id, int(f.Container))
	run := &b.PreStop
	if f.OK {
		run = &b.PostStart
	}
	failed := uint16(0)
	if run.Fail {
		failed = 1
	}
	d := c.delay(id, streamProbe, &c.scenario.Latencies.ExecProbe) + c.delay(id, streamHook, &run.Takes)
	if h := c.state.Pods[id].Template.Containers[f.Container].PostStart; f.OK && h.Handler == model.HandlerSleep {
		d = h.Sleep
	}
	c.at(c.now+d, evRuntime, id, failed, answer(kubelet.HookDone, f.Container))
}

// probe runs a probe.
func (r *simulatedRuntime) probe(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	d := &c.scenario.Latencies.NetProbe
	if c.state.Pods[id].Template.Containers[f.Container].Probes[f.Probe].Handler == model.HandlerExec {
		d = &c.scenario.Latencies.ExecProbe
		if !c.pods[id].containers[f.Container].running {
			c.step(id, kubelet.Event{Kind: kubelet.Probed, Container: f.Container, Probe: f.Probe, Instance: f.Instance,
				Errored: true, Text: c.state.Texts.Intern(noTask)})
			return
		}
	}
	c.at(c.now+c.delay(id, streamProbe, d), evProbed, id, uint16(f.Instance), int32(f.Probe)<<8|int32(f.Container))
}

// noTask is containerd's answer to a command in a container that has ended.
const noTask = "rpc error: code = NotFound desc = failed to exec in container: failed to load task: no running task found: not found"

// probed is a probe's answer, by the behavior's points.
func (c *Cluster) probed(id model.PodID, i int, probe model.ProbeType, instance uint16) {
	k := &c.pods[id].containers[i]
	e := kubelet.Event{Kind: kubelet.Probed, Container: int8(i), Probe: probe, Instance: k.instance, At: model.Never}
	if uint16(k.instance) != instance {
		e.Instance = -1
	}
	point, until := c.probeAnswer(id, i, probe)
	e.OK, e.At = point.OK, until
	if !e.OK {
		e.Text = c.probeFailure(&c.state.Pods[id].Template.Containers[i], probe, &point)
	}
	c.step(id, e)
}

// noListener is the answer of a probe that reaches nobody.
var noListener = model.ProbePoint{Output: "dial tcp: connect: connection refused"}

// probeAnswer is how the probe ends now, and until when the answer stays.
func (c *Cluster) probeAnswer(id model.PodID, i int, probe model.ProbeType) (answer model.ProbePoint, until model.Time) {
	k := c.probeTarget(id, i, probe)
	if k == nil {
		return noListener, c.now
	}
	answer, until = model.ProbePoint{OK: true}, model.Never
	for _, point := range c.behaviorOf(id, i).Probes[probe] {
		at := k.startedAt + point.At
		if at > c.now {
			until = at
			break
		}
		answer = point
	}
	if k != &c.pods[id].containers[i] || !k.running {
		until = c.now
	}
	return answer, until
}

// probeTarget is the container that a probe reaches, nil for none: a command runs in the container
// itself, a request goes to the one that listens on the port, which may be another one of the pod.
func (c *Cluster) probeTarget(id model.PodID, i int, probe model.ProbeType) *container {
	own := &c.pods[id].containers[i]
	b := c.behaviorOf(id, i)
	switch {
	case c.state.Pods[id].Template.Containers[i].Probes[probe].Handler == model.HandlerExec:
		return own
	case b.Port == 0 && own.running:
		return own
	case b.Port == 0:
		return nil
	}
	var first *container
	for j := range c.pods[id].containers {
		k := &c.pods[id].containers[j]
		if k.running && c.behaviorOf(id, j).Port == b.Port && (first == nil || k.instance < first.instance) {
			first = k
		}
	}
	return first
}

// probeFailure is what a probe says that has failed.
func (c *Cluster) probeFailure(t *model.Container, probe model.ProbeType, p *model.ProbePoint) model.Text {
	if p.Output != "" {
		return c.state.Texts.Intern(p.Output)
	}
	switch t.Probes[probe].Handler {
	case model.HandlerHTTP:
		return c.state.Texts.Intern("HTTP probe failed with statuscode: 503")
	case model.HandlerTCP:
		return c.state.Texts.Intern("dial tcp: connect: connection refused")
	case model.HandlerGRPC:
		return c.state.Texts.Intern("service unhealthy (responded with \"NOT_SERVING\")")
	}
	return c.state.Texts.Intern("command exited with 1")
}
