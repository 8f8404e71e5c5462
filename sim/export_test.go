package sim

import "podsim/model"

// SteadyKubelets makes the kubelets exact, as the recordings of the real kubelet in virtual
// time have them: they began at the moment origin, and a pod worker wakes without jitter.
func (c *Cluster) SteadyKubelets(origin model.Time, jitter float64) {
	c.wakeJitter = jitter
	for i := range c.nodes {
		c.nodes[i].loops.Origin = origin
	}
}
