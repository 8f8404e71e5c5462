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
	c.runtime = &sharedPort{Runtime: c.runtime, cluster: c, containers: containers}
}

type sharedPort struct {
	Runtime
	cluster    *Cluster
	containers map[string]bool
}

func (r *sharedPort) Do(id model.PodID, f *kubelet.Effect) {
	c := r.cluster
	t := c.state.Pods[id].Template
	if f.Kind != kubelet.RunProbe || t.Containers[f.Container].Probes[f.Probe].Handler != model.HandlerHTTP {
		r.Runtime.Do(id, f)
		return
	}
	e := kubelet.Event{Kind: kubelet.Probed, Container: f.Container, Probe: f.Probe, Instance: f.Instance, At: c.now}
	if first := r.first(id); first != nil {
		for _, p := range c.behaviorOf(id, int(f.Container)).Probes[f.Probe] {
			if first.startedAt+p.At <= c.now {
				e.OK = p.OK
			}
		}
	}
	c.step(id, e)
}

// first is the container that was started first of those that share the port.
func (r *sharedPort) first(id model.PodID) *container {
	var first *container
	for i := range r.cluster.pods[id].containers {
		k := &r.cluster.pods[id].containers[i]
		name := r.cluster.state.Pods[id].Template.Containers[i].Name
		if r.containers[name] && k.running && (first == nil || k.instance < first.instance) {
			first = k
		}
	}
	return first
}
