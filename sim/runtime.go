package sim

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// Runtime is the container runtime of the nodes: besides the scheduler's extenders the only interface of the core. Do begins
// what a pod's machine asks for; the answer comes back as an event of the machine. The
// simulated runtime draws how long it takes; a real one does it, and answers by Cluster.Inject.
//
// Effects and answers: RunSandbox SandboxStarted, StopSandbox SandboxStopped, AskImage ImageStatus, Pull
// ImagePulled, Create ContainerCreated, Start ContainerStarted, Stop ContainerStopped, Remove ContainerRemoved,
// Discard and Collect ContainerDiscarded, RunHook HookDone, RunProbe Probed, Resize Resized. Beside the
// answers the runtime says ContainerExited, before the ContainerStopped that waits for it. Done has no
// answer: the kubelet is through with the pod, and what the runtime still has of it may go.
type Runtime interface {
	Do(id model.PodID, f *kubelet.Effect)
	// Measure begins to find out what the containers of a node use, for a pass of its eviction manager. The
	// answer is Cluster.Measured.
	Measure(node model.NodeID)
}

// simulatedRuntime is the runtime in virtual time: containers that do what the scenario's
// behaviors say.
type simulatedRuntime struct {
	cluster *Cluster
}

// container is one container of a pod in the simulated runtime.
type container struct {
	behavior *model.Behavior
	// template has the resources with which the last run began: a resize does not change the processes'
	// oom_score_adj.
	template *model.PodTemplate
	instance int32
	// runs counts the starts.
	runs    int32
	running bool
	// startsAt is when the start under way is done if the runtime's load stays as it is, startedAt when the last one was.
	startsAt, startedAt model.Time
	// endedAt is when the run ended, Never while it goes on.
	endedAt model.Time
	// layerLag is how old the runtime's figure of the writable layer is, left what earlier runs
	// have left on volumes.
	layerLag model.Time
	left     []model.DiskPoint
	// measured is the latest measurement of its cgroup.
	measured measured
	// exitGen is the generation of the pending exit, exitCode and reason how it will end.
	exitGen  uint16
	exitCode int32
	reason   model.Text
	exitAt   model.Time
	// toBeKilled says that the end is SIGKILL's after the grace period, and the own ones are the end
	// that it would come to by itself.
	toBeKilled  bool
	ownExitAt   model.Time
	ownExitCode int32
	ownReason   model.Text
	// stopping says that somebody waits for the end, exiting that SIGTERM has an effect.
	stopping bool
	stopGen  uint16
	grace    int64
	// cpu is nil while no run was for CPU time.
	cpu *cpuRun
	// memory is nil while nothing is known of the container's use of memory.
	memory *memoryRun
	// usesImage says that the container's image counts as in use.
	usesImage bool
	// pull is the result of the container's last pull.
	pull pullEnd
	// commands are the probes' last ones, hook is the last hook's.
	commands [model.NumProbes]command
	hook     command
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
		c.work(c.delay(id, s, d), evRuntime, id, 0, answer(k, f.Container))
	}
	switch f.Kind {
	case kubelet.Done:
	case kubelet.AskImage:
		c.step(id, kubelet.Event{Kind: kubelet.ImageStatus, OK: c.usableImage(id, f.Container)})
	case kubelet.Pull:
		c.resolve(id, f.Container)
	case kubelet.RunSandbox:
		later(kubelet.SandboxStarted, streamSandbox, &l.RunSandbox)
	case kubelet.StopSandbox:
		if f.OK {
			later(kubelet.SandboxStopped, streamStopSandbox, &l.StopSandbox)
		} else {
			c.at(c.now, evRuntime, id, 0, answer(kubelet.SandboxStopped, f.Container))
		}
	case kubelet.Create:
		c.useImage(id, int(f.Container))
		later(kubelet.ContainerCreated, streamCreate, &l.Create)
	case kubelet.Start:
		k := &c.pods[id].containers[f.Container]
		k.instance = f.Instance
		k.startsAt = c.work(c.delay(id, streamStart, &l.Start), evRuntime, id, 0, answer(kubelet.ContainerStarted, f.Container))
	case kubelet.Remove:
		c.at(c.now+c.delay(id, streamRemove, &l.Remove), evRuntime, id, uint16(f.Instance), answer(kubelet.ContainerRemoved, f.Container))
	case kubelet.Discard:
		n := &c.nodes[c.state.Pods[id].Node]
		n.deletor = max(n.deletor, c.now) + c.delay(id, streamRemove, &l.Remove)
		c.at(n.deletor, evRuntime, id, uint16(f.Instance), answer(kubelet.ContainerDiscarded, f.Container))
	case kubelet.Collect:
		c.collectContainers(id, f)
	case kubelet.Resize:
		r.resizeResources(id)
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

// Measure answers at once: what containers use follows from their behaviors.
func (r *simulatedRuntime) Measure(node model.NodeID) { r.cluster.Measured(node, nil) }

// collectContainers lets the container GC remove an instance, or all dead ones of a pod, if its next round comes soon
// enough. In which order it goes over the containers of a pod is drawn: upstream takes them from a map.
func (c *Cluster) collectContainers(id model.PodID, f *kubelet.Effect) {
	p, loops := &c.pods[id], &c.nodes[c.state.Pods[id].Node].loops
	before := loops.NextRelist(c.now)
	if f.OK {
		before = p.containers[f.Container].startsAt
	}
	at := loops.NextCollect(c.now)
	if at >= before {
		return
	}
	remove := func(i int8, instance int32) {
		removed := loops.Collect(at, c.delay(id, streamRemove, &c.scenario.Latencies.Remove))
		c.at(removed, evRuntime, id, uint16(instance), answer(kubelet.ContainerDiscarded, i))
	}
	if f.Container >= 0 {
		remove(f.Container, f.Instance)
		return
	}
	first := int(Draw(c.seed, streamCollect, p.luck, uint64(at)) % uint64(len(p.containers)))
	for k := range p.containers {
		i := (first + k) % len(p.containers)
		for _, instance := range p.machine.Dead(i) {
			if instance != 0 {
				remove(int8(i), instance)
			}
		}
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
			model.Matches(b.Namespace, o.Template.Namespace) && model.Matches(b.Image, t.Image) &&
			(b.Args == "" || model.Matches(b.Args, commandLine(o.Template.ContainerSpec(i)))) {
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

// commandLine is a container's command and its args.
func commandLine(c *v1.Container) string { return strings.Join(slices.Concat(c.Command, c.Args), " ") }

// runtimeEvent is the end of something that the simulated runtime does.
func (c *Cluster) runtimeEvent(id model.PodID, e *Event, op uint16) {
	i := int8(e.Arg)
	switch e.Kind {
	case evExit:
		c.exit(id, int(i), op)
	case evOutOfMemory:
		if i == wholePod {
			c.overPodLimit(id, op)
		} else {
			c.overMemoryLimit(id, int(i), op)
		}
	case evKill:
		c.killed(id, int(i), op)
	case evProbed:
		c.probed(id, int(i), model.ProbeType(e.Arg>>8&255), e.Arg>>16, op)
	case evRuntime:
		k := kubelet.EventKind(e.Arg >> 8)
		ev := kubelet.Event{Kind: k, Container: i, OK: true}
		switch k {
		case kubelet.SandboxStopped:
			c.killAll(id)
		case kubelet.ContainerRemoved:
			if k := &c.pods[id].containers[i]; k.running && uint16(k.instance) == op {
				c.killNow(id, int(i))
			}
		case kubelet.ContainerCreated:
			ev.Text = c.state.Texts.Intern(c.createError(id, int(i)))
		case kubelet.ContainerStarted:
			ev.Text = c.start(id, int(i))
		case kubelet.ImagePulled:
			pr := &c.pods[id].containers[i].pull
			ev.Text, ev.Reason = pr.Error, pr.Reason
			if pr.Error != model.NoText {
				ev.Secrets = c.missingSecrets(id)
			}
			ev.N, ev.M, ev.S = int64(pr.took), int64(pr.waited), pr.size
		case kubelet.HookDone:
			if h := &c.pods[id].containers[i].hook; h.killed && h.to == c.now {
				return
			}
			c.hookDone(id, int(i), op, &ev)
		case kubelet.Resized:
			if op == cannotResize {
				ev.Text = c.state.Texts.Intern(c.cannotResize(id))
			}
		case kubelet.ContainerDiscarded:
			ev.Instance = int32(op)
		case kubelet.VolumesUnmounted:
			c.releaseVolumes(id)
		}
		c.step(id, ev)
		if k == kubelet.Resized && ev.Text == model.NoText {
			c.limitsChanged(id)
		}
		if (k == kubelet.ContainerRemoved || k == kubelet.ContainerDiscarded) && !c.pods[id].machine.HasContainer(i) {
			c.releaseImage(id, int(i), c.now)
		}
	}
}

// createError is why a container cannot be made, empty when it can.
func (c *Cluster) createError(id model.PodID, i int) string {
	o := &c.state.Pods[id]
	if why := c.behaviorOf(id, i).CreateError; why != "" {
		return why
	}
	if image := o.Template.Containers[i].ImageID; !c.nodes[o.Node].hasImage(image) {
		return fmt.Sprintf("failed to resolve image %q: not found", fullName(c.state.Images[image].Name))
	}
	return ""
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
	c.beginRun(id, i)
	ends := model.Never
	if !b.Run.Forever {
		ends = c.drawRun(id, i, k.runs, streamRun, &b.Run.For)
		if b.Run.MilliCPUs > 0 {
			ends = model.Never
		}
		k.exitCode, k.reason = exitOf(&b.Run, k.runs), model.NoText
	}
	visible := &c.scenario.Latencies.ExitVisible
	if b.Run.OOM && !b.Run.Forever {
		k.exitCode, k.reason = 137, model.ReasonOOMKilled
		visible = &c.scenario.Latencies.OOMVisible
	}
	if ends != model.Never {
		// Until the runtime says that the process has ended it runs, for all that anybody sees.
		c.exitIn(id, i, min(ends, spanMax/2)+min(c.delay(id, streamExit, visible), spanMax/2))
	}
	if b.Run.MilliCPUs > 0 {
		c.beginWork(id, i, c.drawRun(id, i, k.runs, streamRun, &b.Run.Work))
	}
	c.beginUse(id, i)
	return model.NoText
}

// beginRun notes that a container's main process runs.
func (c *Cluster) beginRun(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	c.beginWriting(id, i)
	c.pods[id].usage.newInstance(i)
	k.running, k.startedAt, k.endedAt, k.stopping = true, c.now, model.Never, false
	k.template = c.pods[id].machine.Actuated(i)
	k.measured.at = c.now + firstMeasured
	k.runs++
	k.toBeKilled = false
	k.exitGen++
	k.exitAt = model.Never
}

// beginUse lets it use memory and disks, after its end is known.
func (c *Cluster) beginUse(id model.PodID, i int) {
	b := c.behaviorOf(id, i)
	c.beginMemory(id, i, b)
	c.watchDisk(id)
	c.memoryChanged(id, i)
	c.startedOnDisk(id, b)
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
	if k.exitGen == gen && k.running {
		c.runEnded(id, i)
	}
}

// runEnded is the end of a container's main process, with the exit code and the reason that it has now.
func (c *Cluster) runEnded(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	k.running, k.endedAt = false, c.now
	c.endWork(id, i)
	c.memoryChanged(id, i)
	reason := k.reason
	if reason == model.ReasonOOMKilled {
		c.record.oomKills++
	}
	if m := k.memory; m != nil && m.childKilled != model.Never {
		reason = model.ReasonOOMKilled
	}
	if reason == model.NoText {
		reason = model.ReasonCompleted
		if k.exitCode != 0 {
			reason = model.ReasonError
		}
	}
	stopping := k.stopping
	k.stopping = false
	// The commands in it end with it, first those that began before that of its hook.
	hook := model.Never
	if h := &k.hook; h.instance == k.instance && c.now < h.to {
		hook = h.from
	}
	c.killCommands(id, i, hook)
	c.step(id, kubelet.Event{Kind: kubelet.ContainerExited, Container: int8(i), Instance: k.instance, N: int64(k.exitCode), Reason: reason,
		Message: c.terminationMessage(id, i, k.exitCode)})
	c.killCommands(id, i, model.Never)
	c.killHook(id, i)
	if stopping {
		c.step(id, kubelet.Event{Kind: kubelet.ContainerStopped, Container: int8(i)})
	}
}

// killNow kills a container's main process, killAll those of all containers of a pod: without a grace
// period.
func (c *Cluster) killNow(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	k.exitCode, k.reason = killedExit, model.NoText
	c.runEnded(id, i)
}

func (c *Cluster) killAll(id model.PodID) {
	for i := range c.pods[id].containers {
		if c.pods[id].containers[i].running {
			c.killNow(id, i)
		}
	}
}

// killedExit is the exit code of a process that got SIGKILL.
const killedExit = 128 + 9

// killHook ends the command of a container's hook with the container.
func (c *Cluster) killHook(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	if h := &k.hook; h.exec && h.instance == k.instance && c.now < h.to && !h.killed {
		h.killed = true
		c.step(id, kubelet.Event{Kind: kubelet.HookDone, Container: int8(i), Instance: k.instance, N: killedExit})
	}
}

// terminationMessage is what the kubelet shows of the end of a container.
func (c *Cluster) terminationMessage(id model.PodID, i int, exitCode int32) model.Message {
	run := &c.behaviorOf(id, i).Run
	if run.Message == "" && run.Log == "" {
		return model.Message{}
	}
	text := c.state.Pods[id].Template.TerminationMessage(i, exitCode, run.Message, run.Log)
	return model.TextMessage(c.state.Texts.Intern(text))
}

// stop sends SIGTERM after the runtime's delay, and SIGKILL when the grace period is over.
func (r *simulatedRuntime) stop(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	k := &c.pods[id].containers[f.Container]
	k.stopping, k.grace = true, f.GraceSeconds
	k.stopGen++
	c.work(c.delay(id, streamStopTerm, &c.scenario.Latencies.StopTerm), evKill, id, k.stopGen, int32(f.Container))
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
	c.keepEnd(id, i)
	term := &c.behaviorOf(id, i).OnTerm
	grace := model.Time(k.grace) * model.Second
	if after := c.drawRun(id, i, k.runs, streamTerm, &term.After); !term.Ignore && after <= grace && grace > 0 {
		if c.now+after < k.exitAt {
			k.exitCode, k.reason = term.Exit, model.NoText
			c.exitIn(id, i, after)
		}
		return
	}
	after := grace + c.delay(id, streamKill, &c.scenario.Latencies.Kill)
	if c.now+after < k.exitAt {
		if !k.toBeKilled {
			k.toBeKilled, k.ownExitAt, k.ownExitCode, k.ownReason = true, k.exitAt, k.exitCode, k.reason
		}
		k.exitCode, k.reason = killedExit, model.NoText
		c.exitIn(id, i, after)
	}
}

// hook runs a hook, other than a sleep before the stop. The event's op has the instance, whether it is
// postStart, and in its lowest bit that the hook fails: as the behavior says, because nobody is there, or because
// its handler is of a kind that the kubelet does not run.
func (r *simulatedRuntime) hook(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	b, t := c.behaviorOf(id, int(f.Container)), &c.state.Pods[id].Template.Containers[f.Container]
	run, h, stream := &b.PreStop, t.PreStop, streamHook
	if f.OK {
		run, h, stream = &b.PostStart, t.PostStart, streamPostStart
	}
	latency := &c.scenario.Latencies.ExecProbe
	if h.Handler == model.HandlerHTTP {
		latency = &c.scenario.Latencies.NetProbe
	}
	begins := c.delay(id, streamProbe, latency)
	d := begins + c.drawRun(id, int(f.Container), c.pods[id].containers[f.Container].runs, stream, &run.Takes)
	c.pods[id].containers[f.Container].hook = command{instance: f.Instance, from: c.now + begins, to: c.now + d, exec: h.Handler == model.HandlerExec}
	failed := run.Fail
	switch {
	case h.Handler == model.HandlerSleep:
		d, failed = h.Sleep, false
	case h.Handler == model.HandlerTCP:
		d, failed = 0, true
	case !c.pods[id].containers[f.Container].running:
		d, failed = c.delay(id, streamProbe, latency), true
	}
	if h.Handler == model.HandlerHTTP && c.now+d < c.pods[id].containers[f.Container].startedAt+b.Listens {
		failed = true
	}
	op := uint16(f.Instance) << 2
	if f.OK {
		op |= 2
	}
	if failed {
		op |= 1
	}
	c.at(c.now+d, evRuntime, id, op, answer(kubelet.HookDone, f.Container))
}

// hookDone completes the event of a hook's end.
func (c *Cluster) hookDone(id model.PodID, i int, op uint16, e *kubelet.Event) {
	k, run := &c.pods[id].containers[i], &c.behaviorOf(id, i).PreStop
	if op&2 != 0 {
		run = &c.behaviorOf(id, i).PostStart
	}
	e.OK, e.Instance = op&1 == 0, -1
	if uint16(k.instance)<<2 == op&^3 {
		e.Instance = k.instance
	}
	e.N = int64(max(1, run.Exit))
	if run.Output != "" {
		e.Text = c.state.Texts.Intern(run.Output)
	}
}
