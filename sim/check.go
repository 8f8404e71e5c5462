package sim

import (
	"fmt"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// Check recomputes what the cluster keeps derived and looks for states that cannot be. It
// panics with the first contradiction. It costs a walk over all objects: tests call it after
// every event, runs never.
func (c *Cluster) Check() {
	c.scheduler.Check()
	for id := 1; id < len(c.pods); id++ {
		c.checkPod(model.PodID(id))
	}
	for id := 1; id < len(c.replicaSets); id++ {
		c.checkReplicaSet(model.ReplicaSetID(id))
	}
}

// Sound is Check in the form that Run takes: it is true, or it does not return.
func (c *Cluster) Sound() bool {
	c.Check()
	return true
}

func (c *Cluster) contradiction(format string, args ...any) {
	panic(fmt.Sprintf("sim: seed %d, at %s: %s", c.seed, c.now, fmt.Sprintf(format, args...)))
}

func (c *Cluster) checkPod(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists {
		return
	}
	s := &o.Status
	if s.Phase.Terminal() && s.Ready() {
		c.contradiction("pod %s has ended and is Ready", o.Name)
	}
	if s.Ready() && s.Conditions[model.ContainersReady].Status != model.ConditionTrue {
		c.contradiction("pod %s is Ready, but not its containers", o.Name)
	}
	if o.Node == 0 && s.Containers != nil {
		c.contradiction("pod %s has container statuses and no node", o.Name)
	}
	for i := range s.Containers {
		c.checkContainer(o, i)
	}
	if c.forgotten(id) {
		c.contradiction("pod %s waits for a node and nobody knows", o.Name)
	}
}

// forgotten says that a pod has waited for the scheduler for a second, and the scheduler does
// not know it.
func (c *Cluster) forgotten(id model.PodID) bool {
	o := &c.state.Pods[id]
	spec := o.Template.Spec
	mine := spec.NodeName == "" && (spec.SchedulerName == "" || spec.SchedulerName == v1.DefaultSchedulerName)
	waits := o.Node == 0 && !o.Deleting && !o.Status.Phase.Terminal() && o.Created+model.Second < c.now
	return mine && waits && c.pods[id].view == notScheduled
}

func (c *Cluster) checkContainer(o *model.Pod, i int) {
	k := &o.Status.Containers[i]
	switch {
	case k.Ready && k.State.Kind == model.StateWaiting:
		c.contradiction("container %s of %s waits and is ready", o.Template.Containers[i].Name, o.Name)
	case k.Started && k.State.Kind != model.StateRunning:
		c.contradiction("container %s of %s is started and does not run", o.Template.Containers[i].Name, o.Name)
	case k.State.Kind == model.StateTerminated && k.State.FinishedAt < k.State.StartedAt:
		c.contradiction("container %s of %s ended before it began", o.Template.Containers[i].Name, o.Name)
	}
}

// checkReplicaSet counts the ReplicaSet's pods again.
func (c *Cluster) checkReplicaSet(id model.ReplicaSetID) {
	var n counts
	for p := 1; p < len(c.pods); p++ {
		if c.state.Pods[p].Owner == id {
			n.move(&podCounts{}, &c.pods[p].counts)
		}
	}
	if n != c.replicaSets[id].counts {
		c.contradiction("replica set %s counts %+v, its pods say %+v", c.state.ReplicaSets[id].Name, c.replicaSets[id].counts, n)
	}
	for _, p := range c.state.ReplicaSets[id].Pods {
		if !c.pods[p].exists {
			c.contradiction("replica set %s lists pod %d, which is gone", c.state.ReplicaSets[id].Name, p)
		}
	}
}
