package sim

import (
	"fmt"

	"podsim/model"
	"podsim/model/kubelet"
)

// noTask is containerd's answer to a command in a container that has ended.
const noTask = "rpc error: code = NotFound desc = failed to exec in container: failed to load task: no running task found: not found"

// An evProbed event that is no answer says which of these stands in its place.
const (
	probeTimedOut = 1 + iota
	probeRefused
)

// probe runs a probe. An answer that takes longer than the probe's timeout is none.
func (r *simulatedRuntime) probe(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	i := int(f.Container)
	spec := c.state.Pods[id].Template.Containers[i].Probes[f.Probe]
	failure := ""
	d := &c.scenario.Latencies.NetProbe
	if spec.Handler == model.HandlerExec {
		d = &c.scenario.Latencies.ExecProbe
		if k := &c.pods[id].containers[i]; !k.running || k.instance != f.Instance {
			failure = noTask
		}
	} else {
		failure = spec.Invalid
	}
	if failure != "" {
		c.step(id, kubelet.Event{Kind: kubelet.Probed, Container: f.Container, Probe: f.Probe, Instance: f.Instance,
			Errored: true, Text: c.state.Texts.Intern(failure)})
		return
	}
	takes, instead := c.delay(id, streamProbe, d), int32(0)
	point, _ := c.probeAnswer(id, i, f.Probe)
	if spec.Handler == model.HandlerExec {
		// containerd's clock starts with the command (internal/cri/server container_execsync.go).
		runs := c.delay(id, streamProbe, &point.Takes)
		if runs > spec.Timeout {
			runs, instead = spec.Timeout, probeTimedOut
		}
		c.pods[id].containers[i].commands[f.Probe] = command{instance: f.Instance, from: c.now + takes, to: c.now + takes + runs}
		takes += runs
	} else if !point.Refused {
		takes += c.delay(id, streamProbe, &point.Takes)
		if takes > spec.Timeout {
			takes, instead = spec.Timeout, probeTimedOut
		}
	} else if spec.Handler == model.HandlerGRPC {
		// Its client tries again until the time is over (grpc.WithBlock).
		takes, instead = spec.Timeout, probeRefused
	}
	c.at(c.now+takes, evProbed, id, uint16(f.Instance), instead<<16|int32(f.Probe)<<8|int32(f.Container))
}

// probed is a probe's answer, by the behavior's points.
func (c *Cluster) probed(id model.PodID, i int, probe model.ProbeType, instead int32, instance uint16) {
	k := &c.pods[id].containers[i]
	if c.state.Pods[id].Template.Containers[i].Probes[probe].Handler == model.HandlerExec {
		// The command may have ended with its container, and another one may have begun.
		if m := &k.commands[probe]; m.killed || m.to != c.now {
			return
		}
	}
	// Another instance may have begun: the worker takes the answer for that which it knows.
	asked := k.instance - int32(uint16(k.instance)-instance)
	e := kubelet.Event{Kind: kubelet.Probed, Container: int8(i), Probe: probe, Instance: asked, At: c.now}
	switch {
	case instead == probeTimedOut:
		e.N = int64(model.ProbeTimedOut)
	case instead == probeRefused:
		e.N = int64(model.ProbeRefused)
	default:
		point, until := c.probeAnswer(id, i, probe)
		c.answerProbe(&e, &point, until, c.state.Pods[id].Template.Containers[i].Probes[probe])
	}
	c.step(id, e)
}

// command is one that a probe or a hook runs in a container, from and to when.
type command struct {
	instance int32
	from, to model.Time
	// exec says that a hook is a command, killed that it ended with its container.
	exec, killed bool
}

// killCommands ends the probes' commands in a container that has ended, of those that began before a
// moment: with exit code 137 and without a word.
func (c *Cluster) killCommands(id model.PodID, i int, before model.Time) {
	k := &c.pods[id].containers[i]
	for t := range k.commands {
		m := &k.commands[t]
		if m.instance == k.instance && m.from < min(m.to, before) && c.now < m.to && !m.killed {
			m.killed = true
			c.step(id, kubelet.Event{Kind: kubelet.Probed, Container: int8(i), Probe: model.ProbeType(t), Instance: k.instance, At: c.now})
		}
	}
}

// answerProbe puts the answer of a probe into the event. It stays the same until then, unless
// each answer is an Event or the next may come too late.
func (c *Cluster) answerProbe(e *kubelet.Event, p *model.ProbePoint, until model.Time, spec *model.Probe) {
	l := &c.scenario.Latencies
	usual := max(l.ExecProbe.Largest(), l.NetProbe.Largest())
	e.OK = p.OK
	// One that takes long may be under way when the container ends.
	if !p.Redirects() && p.Takes.Largest() == 0 && usual <= float64(spec.Timeout) {
		e.At = until
	}
	switch h := spec.Handler; {
	case p.Redirects():
		e.Text = c.state.Texts.Intern("Probe terminated redirects, Response body: " + p.Output)
	case p.OK:
	case p.Refused && h != model.HandlerExec:
		e.N = int64(model.ProbeRefused)
	case p.Output != "":
		e.Text = c.state.Texts.Intern(p.Output)
	case h == model.HandlerHTTP:
		status := p.Status
		if status == 0 {
			status = 503
		}
		e.Text = c.state.Texts.Intern(fmt.Sprintf("HTTP probe failed with statuscode: %d", status))
	case h == model.HandlerTCP:
		e.N = int64(model.ProbeRefused)
	case h == model.HandlerGRPC:
		e.Text = c.state.Texts.Intern("service unhealthy (responded with \"NOT_SERVING\")")
	}
}

// probeAnswer is how the probe ends now, and until when the answer stays.
func (c *Cluster) probeAnswer(id model.PodID, i int, probe model.ProbeType) (answer model.ProbePoint, until model.Time) {
	k := c.probeTarget(id, i, probe)
	if k == nil {
		return model.ProbePoint{Refused: true}, c.now
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
