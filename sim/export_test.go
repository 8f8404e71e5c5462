package sim

import (
	"fmt"

	policyv1 "k8s.io/api/policy/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

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

// StepTold carries out the next event and tells of it before.
func (c *Cluster) StepTold(told *string) {
	e, _ := c.queue.Pop()
	name := ""
	if int(e.Kind) < len(kindNames) {
		name = kindNames[e.Kind]
	}
	if e.Kind == evRuntime {
		name += " " + kubelet.EventKind(e.Arg>>8).String()
	}
	*told = fmt.Sprintf("%s %+v", name, e)
	c.happen(&e)
}

var kindNames = [...]string{evAdmit: "admit", evWake: "wake", evSync: "sync", evDeadline: "deadline", evRelist: "relist",
	evRuntime: "runtime", evExit: "exit", evKill: "kill", evTimer: "timer", evProbeDue: "probe due", evProbed: "probed", evVolume: "volume",
	evStep: "step", evNotify: "notify", evPublish: "publish", evFinalDelete: "final delete", evPulled: "pulled", evTransfers: "transfers",
	evSchedule: "schedule", evBind: "bind", evEvict: "evict"}

// Known says that a pod is in the API server or in its kubelet's hands, Admitted that the
// kubelet's worker has it.
func (c *Cluster) Known(id model.PodID) bool {
	return c.pods[id].exists || c.Admitted(id) && !c.pods[id].done
}
func (c *Cluster) Admitted(id model.PodID) bool { return c.pods[id].admitted == 2 }

// NodeFailed says that the pod's node is down, or shuts down.
func (c *Cluster) NodeFailed(id model.PodID) bool {
	n := &c.nodes[c.state.Pods[id].Node]
	return n.down || n.shutdown.on || n.unready
}

// Evicted says that the pod's kubelet evicts it.
func (c *Cluster) Evicted(id model.PodID) bool {
	return c.Admitted(id) && c.pods[id].machine.Evicted()
}

// Preempting says that the pod's kubelet waits for the end of a pod that it preempts.
func (c *Cluster) Preempting(id model.PodID) bool {
	return c.nodes[c.state.Pods[id].Node].admission.pod.id != 0
}

// ObserveRuns calls see at the end of each container that has run, with when it began.
func (c *Cluster) ObserveRuns(see func(id model.PodID, from, to model.Time)) {
	c.Observe(func(tr model.Transition) {
		if tr.Kind != model.KindPod {
			return
		}
		for i := range c.pods[tr.ID].containers {
			if k := &c.pods[tr.ID].containers[i]; k.runs > 0 && !k.running {
				see(model.PodID(tr.ID), k.startedAt, k.endedAt)
			}
		}
	}, nil)
}

// Worker gives the state of the pod's worker.
func (c *Cluster) Worker(id model.PodID) (busy, terminating bool) {
	if !c.Admitted(id) {
		return false, false
	}
	return c.pods[id].machine.Busy(), c.pods[id].machine.Terminating()
}

// Started says that the kubelet takes a container as started.
func (c *Cluster) Started(id model.PodID, i int) bool {
	s := c.pods[id].machine.Status
	return s.Containers != nil && s.Containers[i].Started
}

// Stopping says that a container in the runtime was told to stop and has not ended.
func (c *Cluster) Stopping(id model.PodID, i int) bool {
	return i < len(c.pods[id].containers) && c.pods[id].containers[i].running && c.pods[id].containers[i].stopping
}

// InRuntime gives the last instance of a container in the runtime, and its exit code when it
// does not run.
func (c *Cluster) InRuntime(id model.PodID, i int) (instance int32, running bool, exitCode int32) {
	if i >= len(c.pods[id].containers) {
		return 0, false, 0
	}
	k := &c.pods[id].containers[i]
	return k.instance, k.running, k.exitCode
}

// BudgetStatus is the status of the only PodDisruptionBudget.
func (c *Cluster) BudgetStatus() policyv1.PodDisruptionBudgetStatus {
	return c.budgets[0].object.Status
}

// SetPressure is what the eviction manager of a node finds.
func (c *Cluster) SetPressure(id model.NodeID, t model.NodeConditionType, on bool) {
	c.nodes[id].pressure[t] = on
	c.nodeStatusChanged(id)
}

// StreamMemory is the stream of the random walks.
const StreamMemory = streamMemory

// MemoryUse and NodeMemory are the seams of the same names; MemoryExceeds is memoryExceeds.
func (c *Cluster) MemoryUse(id model.PodID, i int) int64 { return c.memoryUse(id, i, c.now) }
func (c *Cluster) NodeMemory(id model.NodeID) int64      { return c.nodeMemory(id, c.now) }
func (c *Cluster) MemoryExceeds(id model.NodeID, limit int64) model.Time {
	return c.memoryExceeds(id, limit, c.now)
}

// RunChange is the begin or the end of a container's run.
type RunChange struct {
	At        model.Time
	Pod       model.PodID
	Node      model.NodeID
	Container int
	// Run is its number, from 1, Luck that of the pod.
	Run        int32
	Luck       uint64
	Began, OOM bool
}

// RunWatch tells of the runs of containers as they begin and end.
type RunWatch struct {
	c    *Cluster
	seen map[[2]int32]RunChange
	told func(RunChange)
}

// WatchRuns makes a RunWatch for a cluster whose pods' slots are not used again.
func (c *Cluster) WatchRuns(told func(RunChange)) *RunWatch {
	return &RunWatch{c, map[[2]int32]RunChange{}, told}
}

// Step carries out the next event.
func (w *RunWatch) Step() {
	e, _ := w.c.queue.Pop()
	w.c.happen(&e)
	switch {
	case e.Kind <= lastKubeletEvent, e.Kind == evExit, e.Kind == evOutOfMemory:
		w.look(model.PodID(e.Obj))
	case e.Kind == evNodeMemory:
		for _, id := range w.c.nodes[e.Obj].pods {
			w.look(id)
		}
	}
}

func (w *RunWatch) look(id model.PodID) {
	for i := range w.c.pods[id].containers {
		k := &w.c.pods[id].containers[i]
		key := [2]int32{int32(id), int32(i)}
		seen := w.seen[key]
		if seen.Run == k.runs && seen.Began == k.running {
			continue
		}
		now := RunChange{w.c.now, id, w.c.state.Pods[id].Node, i, k.runs, w.c.pods[id].luck, k.running, !k.running && k.reason == model.ReasonOOMKilled}
		w.seen[key] = now
		w.told(now)
	}
}

// AllPasses lets each pass of the eviction managers be an event.
func (c *Cluster) AllPasses() {
	c.allPasses = true
	for i := 1; i < len(c.nodes); i++ {
		c.planPass(model.NodeID(i))
	}
}

// Passes counts the passes of a node's eviction manager that were events.
func (c *Cluster) Passes(node model.NodeID) int32 { return c.nodes[node].evictions.passGen }

// VolumesAnywhere are the volumes of which something is known at a node, with the node.
func (c *Cluster) VolumesAnywhere() []string {
	var names []string
	for i := range c.attach.volumes {
		for _, a := range c.attach.volumes[i].on {
			names = append(names, fmt.Sprintf("%s at %s: %+v", c.attach.volumes[i].name, c.state.Nodes[a.node].Name, a))
		}
	}
	return names
}

// measuredRuntime is the simulated runtime, of which a test says what its containers use.
type measuredRuntime struct {
	simulatedRuntime
	measure func(model.NodeID)
}

func (r *measuredRuntime) Measure(node model.NodeID) { r.measure(node) }

// UseMeasure lets measure be asked what the containers of a node use.
func (c *Cluster) UseMeasure(measure func(model.NodeID)) {
	c.UseRuntime(&measuredRuntime{simulatedRuntime{c}, measure})
}
