package sim

import (
	"podsim/model"
	"podsim/model/kubelet"
)

// SteadyKubelets makes the kubelets exact, as the recordings of the real kubelet in virtual
// time have them: they began at the moment origin, and a pod worker's delay is lengthened by
// up to the given part of it, instead of up to a half.
func (c *Cluster) SteadyKubelets(origin model.Time, jitter float64) {
	c.wakeJitter = jitter
	for i := range c.nodes {
		c.nodes[i].loops.Origin = origin
	}
}

// SharePort lets the containers with these names share one port, so that a pod's HTTP probes
// reach the first of them that runs. No real runtime allows it, the recordings' does.
func (c *Cluster) SharePort(containers map[string]bool) {
	c.runtime = &sharedPort{Runtime: c.runtime, cluster: c, containers: containers,
		behaviors: map[int8]*model.Behavior{}}
}

type sharedPort struct {
	Runtime
	cluster    *Cluster
	containers map[string]bool
	behaviors  map[int8]*model.Behavior
}

// Do gives a container whose HTTP probe is about to run the answer of the container that the
// probe reaches, for this once.
func (r *sharedPort) Do(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	t := c.state.Pods[id].Template
	if f.Kind == kubelet.RunProbe && t.Containers[f.Container].Probes[f.Probe].Handler == model.HandlerHTTP {
		k := &c.pods[id].containers[f.Container]
		if r.behaviors[f.Container] == nil {
			r.behaviors[f.Container] = c.behaviorOf(id, int(f.Container))
		}
		ok := r.answer(id, r.behaviors[f.Container].Probes[f.Probe])
		if !k.running {
			c.step(id, kubelet.Event{Kind: kubelet.Probed, Container: f.Container, Probe: f.Probe,
				Instance: f.Instance, OK: ok, At: c.now})
			return
		}
		b := *r.behaviors[f.Container]
		b.Probes[f.Probe] = []model.ProbePoint{{OK: ok}, {At: c.now - k.startedAt + 10*model.Millisecond, OK: !ok}}
		k.behavior = &b
	}
	r.Runtime.Do(id, f)
}

// answer judges by the container that was started first of those that share the port and run.
func (r *sharedPort) answer(id model.PodID, points []model.ProbePoint) (ok bool) {
	c := r.cluster
	var first *container
	for i := range c.pods[id].containers {
		k := &c.pods[id].containers[i]
		if r.containers[c.state.Pods[id].Template.Containers[i].Name] && k.running &&
			(first == nil || k.instance < first.instance) {
			first = k
		}
	}
	if first == nil {
		return false
	}
	for _, p := range points {
		if first.startedAt+p.At <= c.now+model.Millisecond {
			ok = p.OK
		}
	}
	return ok
}

// CutOff takes the pods out of the kubelets' hands: a test plays the kubelets with SetStatus
// and RemovePod.
func (c *Cluster) CutOff() {
	for i := range c.nodes {
		c.nodes[i].down = true
	}
}

// At lets the moment come, which must not be after the next event, and then does something.
func (c *Cluster) At(t model.Time, do func()) {
	c.now = max(c.now, t)
	do()
}

// SetStatus changes a pod's status as its kubelet would.
func (c *Cluster) SetStatus(id model.PodID, change func(*model.Pod)) {
	change(&c.state.Pods[id])
	c.changed(model.KindPod, int32(id), model.Modified)
}

// RemovePod and DeletePod take a pod out of the API server, at once or with its grace period.
func (c *Cluster) RemovePod(id model.PodID) { c.removePod(id) }
func (c *Cluster) DeletePod(id model.PodID) { c.deletePod(id, noGrace) }

// Do carries out a step that is not in the scenario.
func (c *Cluster) Do(s model.Step) {
	c.scenario.Steps = append(c.scenario.Steps, s)
	c.scenarioStep(len(c.scenario.Steps) - 1)
}
