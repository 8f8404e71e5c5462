package sim

import (
	"podsim/model"
	"podsim/model/kubelet"
)

// Listen lets somebody hear what happens to the pods before their machines do. What they take, the machine
// never hears of. It comes before Begin.
func (c *Cluster) Listen(listen func(model.PodID, *kubelet.Event) (taken bool)) { c.listen = listen }

// Ask does what a pod's machine might ask for: with Listen it lets somebody else be the kubelet of a pod.
func (c *Cluster) Ask(id model.PodID, f kubelet.Effect) { c.carryOut(id, &f) }

// Do carries out a step that is not in the scenario, now.
func (c *Cluster) Do(s model.Step) {
	c.scenario.Steps = append(c.scenario.Steps, s)
	c.scenarioStep(len(c.scenario.Steps) - 1)
}
