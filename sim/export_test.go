package sim

import "podsim/model"

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
