package kubelet

import "podsim/model"

// result is a probe's result (prober/results).
type result uint8

const (
	// none: the results manager has no entry; unknown is the startup probe's first one.
	none result = iota
	unknown
	success
	failure
)

// probe is a probe worker (prober/worker.go) with its entry in the results manager.
type probe struct {
	// active says that the worker exists.
	active, onHold, busy bool
	// asleep says that the worker waits before its first run: of a kubelet that has just begun, not
	// all workers are to probe at once (worker.go run).
	asleep bool
	// manual says that a run was asked for at once, owed that a tick passed while the worker
	// was busy (the ticker's channel holds one).
	manual, owed bool
	// instance is the container instance that the worker knows, result its entry.
	instance int32
	result   result
	last     result
	run      int32
	// base is the origin of the ticks, tick the last one that was used.
	base, tick model.Time
	// steady is until when the answer is certain to stay as it is.
	steady model.Time
	// due is the tick that was asked for, Never when none was; gen its generation.
	due model.Time
	gen uint16
}

func (w *probe) resultOf(instance int32) result {
	if w.instance != instance {
		return none
	}
	return w.result
}

// workerOrder is the order in which a container's workers are made, and in which they tick when
// they tick together.
var workerOrder = [...]model.ProbeType{model.Startup, model.Readiness, model.Liveness}

// startProbes follows prober_manager.go AddPod: a worker for each probe of the containers
// and sidecars, which probes for the first time at once.
func (p *Pod) startProbes() {
	for i := range p.containers {
		if p.template.Containers[i].Kind != model.InitContainer {
			p.startProbesOf(i)
		}
	}
}

// startProbesOf starts the workers of a container. As upstream, it looks at no further probe of
// the container once it has found a worker: one that has ended comes back only when those
// before it have ended too.
func (p *Pod) startProbesOf(i int) {
	for _, k := range workerOrder {
		if p.template.Containers[i].Probes[k] == nil {
			continue
		}
		w := &p.containers[i].probes[k]
		if w.active {
			return
		}
		*w = probe{active: true, base: p.now, tick: p.now - 1, due: model.Never, gen: w.gen,
			asleep: p.template.Containers[i].Probes[k].Period > p.now-p.KubeletStart}
	}
}

// stopProbes ends the workers of one kind, from container first on.
func (p *Pod) stopProbes(k model.ProbeType, first int) {
	for i := first; i < len(p.containers); i++ {
		p.containers[i].probes[k].end()
	}
}

// end ends a worker, and with it its result.
func (w *probe) end() {
	w.active, w.manual = false, false
	w.result, w.instance = none, 0
	w.due = model.Never
	w.gen++
}

// scheduleProbes asks for the next tick of each worker at which its run changes anything.
// Upstream ticks for ever; a tick that would find nothing to do is no event here.
func (p *Pod) scheduleProbes() {
	if p.Version == 0 {
		return
	}
	for i := range p.containers {
		for _, k := range workerOrder {
			w := &p.containers[i].probes[k]
			if w.active && !w.busy {
				p.scheduleProbe(i, k, w)
			}
		}
	}
}

func (p *Pod) scheduleProbe(i int, k model.ProbeType, w *probe) {
	period := p.template.Containers[i].Probes[k].Period
	if w.asleep {
		if w.due == model.Never {
			w.due = p.now
			w.gen++
			p.out = append(p.out, Effect{Kind: ProbeAt, Container: int8(i), Probe: k, At: p.now, Delay: period, Gen: w.gen})
		}
		return
	}
	if w.due <= p.now && !w.manual {
		return // the run is due at this moment, whatever else happens at it
	}
	want := p.wanted(i, k, w)
	atOnce := w.owed
	if w.manual {
		// The ticker starts anew, whether or not the run finds anything to do.
		w.base, w.tick = p.now, p.now-1
		atOnce = true
	}
	w.manual, w.owed = false, false
	due := model.Never
	switch {
	case !w.active || want == model.Never:
	case atOnce && want <= p.now:
		due = p.now
	default:
		due = w.tickFrom(max(want, p.now), period)
	}
	if due == w.due {
		return
	}
	w.due = due
	w.gen++
	if due != model.Never {
		p.out = append(p.out, Effect{Kind: ProbeAt, Container: int8(i), Probe: k, At: due, Gen: w.gen})
	}
}

// tickFrom is the first tick at or after t that was not used yet.
func (w *probe) tickFrom(t, period model.Time) model.Time {
	tick := w.base + max(0, (t-w.base+period-1)/period)*period
	if tick <= w.tick {
		tick += period
	}
	return tick
}

// wanted is from when on a run of the worker's doProbe has an effect, Never if it has none.
func (p *Pod) wanted(i int, k model.ProbeType, w *probe) model.Time {
	c := &p.Status.Containers[i]
	switch {
	case p.Status.Phase.Terminal():
		return 0
	case c.ContainerID == 0:
		return model.Never
	case w.instance != c.ContainerID:
		return 0
	case w.onHold:
		return model.Never
	case c.State.Kind != model.StateRunning:
		if w.result == failure && !p.endedForGood(i) {
			return model.Never
		}
		return 0
	case c.Started == (k == model.Startup):
		return model.Never
	}
	// doProbe compares whole seconds with the start as the status has it.
	return max(c.State.StartedAt+p.template.Containers[i].Probes[k].InitialDelay, w.steady)
}

// probeDue follows doProbe.
func (p *Pod) probeDue(i int, k model.ProbeType, gen uint16) {
	w := &p.containers[i].probes[k]
	if gen != w.gen || !w.active {
		return
	}
	w.due = model.Never
	w.tick = p.now
	if w.asleep {
		w.asleep, w.base = false, p.now
	}
	if p.orphaned {
		return
	}
	if p.Status.Phase.Terminal() {
		w.end()
		return
	}
	// What the first result of a new container changes is not seen before the next tick.
	c := p.Status.Containers[i]
	if w.instance != c.ContainerID {
		w.instance, w.result, w.onHold, w.steady = c.ContainerID, none, false, 0
		p.setFirstResult(i, k, &c)
	}
	if c.State.Kind != model.StateRunning {
		p.setResult(i, k, failure)
		if p.endedForGood(i) {
			w.end()
		}
		return
	}
	initial := p.template.Containers[i].Probes[k].InitialDelay
	if (p.now-c.State.StartedAt)/model.Second < initial/model.Second || c.Started == (k == model.Startup) {
		return
	}
	w.busy = true
	p.out = append(p.out, Effect{Kind: RunProbe, Container: int8(i), Probe: k, Instance: w.instance})
}

// setFirstResult sets the result of a container that the worker sees for the first time. One that has
// outlasted a kubelet keeps what it was.
func (p *Pod) setFirstResult(i int, k model.ProbeType, s *model.ContainerStatus) {
	if k == model.Startup && s.Started && p.template.Containers[i].Kind == model.Sidecar {
		p.setResult(i, k, success)
	}
	if !p.outlasted(s) {
		p.setResult(i, k, [...]result{model.Liveness: success, model.Readiness: failure, model.Startup: unknown}[k])
	}
}

// endedForGood says that a container has ended and is not started again: its workers end, and
// each sync starts new ones, whose first result asks for the next sync. As upstream, such a pod
// is synced at every look of the PLEG.
func (p *Pod) endedForGood(i int) bool {
	s := &p.Status.Containers[i].State
	return s.Kind == model.StateTerminated && !p.template.ShouldRestart(i, s.ExitCode) && !p.statusRestartsAll()
}

// probesOf says that a container has probes.
func (p *Pod) probesOf(i int) bool {
	return p.template.Containers[i].Probes != [model.NumProbes]*model.Probe{}
}

// probed takes the answer of a probe: the second half of doProbe.
func (p *Pod) probed(e Event) {
	i := int(e.Container)
	w := &p.containers[i].probes[e.Probe]
	busy := w.busy
	w.busy = false
	if busy && !w.active {
		// The worker was told to stop, and sees it after this run.
		p.reportProbe(e)
	}
	if !w.active || w.instance != e.Instance {
		return
	}
	spec := p.template.Containers[i].Probes[e.Probe]
	w.owed = w.tickFrom(w.tick+1, spec.Period) <= p.now
	w.steady = 0
	p.reportProbe(e)
	if e.Errored {
		return
	}
	r := success
	if !e.OK {
		r = failure
	}
	if w.last == r {
		w.run++
	} else {
		w.last, w.run = r, 1
	}
	if r == failure && w.run < spec.Failure || r == success && w.run < spec.Success {
		return
	}
	if r == success {
		w.steady = e.At
		if e.At != model.Never {
			// A run that begins before may end after.
			w.steady -= spec.Timeout
		}
	}
	p.setResult(i, e.Probe, r)
	if e.Probe == model.Liveness && r == failure || e.Probe == model.Startup {
		w.onHold, w.run = true, 0
	}
}

// setResult follows results.Manager.Set and the sync loop's answer to its updates, which there is
// none for a pod that is gone from the API server (kubelet.go handleProbeSync, status_manager.go
// SetContainerReadiness).
func (p *Pod) setResult(i int, k model.ProbeType, r result) {
	w := &p.containers[i].probes[k]
	if w.result == r {
		return
	}
	w.result = r
	if p.config.removed {
		return
	}
	switch {
	case k == model.Liveness && r != failure:
		return
	case p.held:
	case k == model.Readiness:
		p.setContainerReadiness(i, w.instance, r == success)
	case k == model.Startup:
		p.setContainerStartup(i, w.instance, r == success)
	}
	p.loopUpdate()
}

// reportProbe writes the Event of a probe's run (prober.go probe).
func (p *Pod) reportProbe(e Event) {
	i := int(e.Container)
	switch {
	case e.Errored:
		p.emit(i, true, model.EventUnhealthy, model.Message{Kind: model.MessageProbeErrored, Text: e.Text, N: int64(e.Probe)})
	case !e.OK:
		p.emit(i, true, model.EventUnhealthy, model.ProbeFailed(e.Probe, model.ProbeEnd(e.N), e.Text))
	case e.Text != model.NoText:
		p.emit(i, true, model.EventProbeWarning, model.Message{Kind: model.MessageProbeWarning, Text: e.Text, N: int64(e.Probe)})
	}
}

// setContainerReadiness follows status_manager.go SetContainerReadiness.
func (p *Pod) setContainerReadiness(i int, instance int32, ready bool) {
	c := &p.Status.Containers[i]
	if c.ContainerID != instance || c.Ready == ready {
		return
	}
	p.next.CopyFrom(p.Status)
	p.next.Containers[i].Ready = ready
	p.next.SetReady(p.template, p.now)
	p.setStatus(false)
}

// setContainerStartup follows SetContainerStartup.
func (p *Pod) setContainerStartup(i int, instance int32, started bool) {
	c := &p.Status.Containers[i]
	if c.ContainerID != instance || c.Started == started {
		return
	}
	p.next.CopyFrom(p.Status)
	p.next.Containers[i].Started = started
	p.setStatus(false)
}

// probeStatus sets started and ready by the probes' results (prober_manager.go
// UpdatePodStatus), and asks a readiness probe that has not succeeded to run at once.
func (p *Pod) probeStatus(s *model.PodStatus) {
	for i := range s.Containers {
		c := &s.Containers[i]
		c.Started = p.isStarted(i, c)
		if p.template.Containers[i].Kind == model.InitContainer {
			// One that was ready and is gone from the runtime stays so.
			c.Ready = c.Ready || c.State.Kind == model.StateTerminated && c.State.ExitCode == 0
			continue
		}
		c.Ready = false
		if !c.Started || c.State.Kind != model.StateRunning {
			continue
		}
		w := &p.containers[i].probes[model.Readiness]
		r := w.resultOf(c.ContainerID)
		c.Ready = !w.active || r == success
		if !c.Ready {
			w.manual = true
		}
		if r != success && p.outlasted(c) {
			// setReadyStateOnKubeletRestart
			c.Ready = (c.Ready || r == none) && (p.template.Containers[i].Probes[model.Readiness] == nil || p.Status.Ready())
		}
	}
}

// isStarted follows isContainerStarted.
func (p *Pod) isStarted(i int, c *model.ContainerStatus) bool {
	if c.State.Kind != model.StateRunning {
		return false
	}
	w := &p.containers[i].probes[model.Startup]
	if r := w.resultOf(c.ContainerID); r != none {
		return r == success
	}
	return c.Started || !w.active
}
