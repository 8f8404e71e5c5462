package sim

import (
	"slices"

	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubelet"
)

// powerOffDelay is from the moment when the kubelet does not hold the shutdown up any more until the node
// is off: the kubelet's last statuses still go out. A guess.
const powerOffDelay = 2 * model.Second

// The words of a graceful node shutdown (nodeshutdown/nodeshutdown_manager.go).
const (
	shutdownDetected   = "Shutdown manager detected shutdown event"
	shutdownRefusal    = "Pod was rejected as the node is shutting down."
	shutdownMessage    = "Pod was terminated in response to imminent node shutdown."
	shuttingDownStatus = "node is shutting down"
)

// shutdown is a node's graceful shutdown under way (nodeshutdown/nodeshutdown_manager_linux.go).
type shutdown struct {
	// on says that the node is shutting down, off how long it stays off then; 0 is for good.
	on  bool
	off model.Time
	// periods are the groups, group is the one whose pods are being ended until ends, pods are those of
	// all groups that were active at the beginning.
	periods []configv1beta1.ShutdownGracePeriodByPodPriority
	group   int
	ends    model.Time
	pods    []shutdownPod
}

// shutdownPod is a pod that a shutdown ends.
type shutdownPod struct {
	podSlot
	group int
	// ending says that its end is awaited.
	ending bool
}

// shutDown begins the shutdown of a node, which is off for a while after it. A kubelet that does not
// hold it up, or is not there, sees nothing of it.
func (c *Cluster) shutDown(id model.NodeID, off model.Time) {
	n := &c.nodes[id]
	if n.down && n.failed == model.FailCrash || n.shutdown.on {
		return
	}
	n.shutdown = shutdown{on: true, off: off, group: -1}
	if !n.stopped() && !n.starting {
		n.shutdown.periods = kubelet.ShutdownPeriods(n.config)
	}
	if len(n.shutdown.periods) == 0 {
		c.powerOff(id)
		return
	}
	c.writeShutdownEvent(id)
	c.after(c.scenario.ControlPlane.KubeletNodeStatus, evNodeStatus, int32(id), n.starts)
	for _, p := range c.activePods(id) {
		group := kubelet.ShutdownGroup(n.shutdown.periods, c.state.Pods[p].Template.Priority)
		n.shutdown.pods = append(n.shutdown.pods, shutdownPod{podSlot: c.slot(p), group: group})
	}
	c.nextShutdownGroup(id)
}

func (c *Cluster) writeShutdownEvent(id model.NodeID) {
	n := &c.nodes[id]
	if n.cutOff() {
		return
	}
	c.write(&n.log, model.Event{Kind: model.KindNode, ID: int32(id), Container: -1, Source: model.FromKubelet, Reason: model.EventShutdown,
		Message: model.Message{Kind: model.MessageNodeStatus, Text: c.state.Texts.Intern(shutdownDetected)}})
}

// nextShutdownGroup ends the pods of the next group that has any, all at once. After the last one the
// kubelet lets the node go.
func (c *Cluster) nextShutdownGroup(id model.NodeID) {
	s := &c.nodes[id].shutdown
	for s.group++; s.group < len(s.periods); s.group++ {
		period := model.Time(s.periods[s.group].ShutdownGracePeriodSeconds) * model.Second
		s.ends = c.now + period
		if c.endShutdownGroup(id) {
			c.after(period, evShutdown, int32(id), c.nodes[id].starts)
			return
		}
	}
	s.ends = c.now + powerOffDelay
	c.after(powerOffDelay, evShutdown, int32(id), c.nodes[id].starts)
}

// endShutdownGroup ends the pods of the present group. It says whether there are any.
func (c *Cluster) endShutdownGroup(id model.NodeID) bool {
	s := &c.nodes[id].shutdown
	texts := &c.state.Texts
	message := model.TextMessage(texts.Intern(shutdownMessage))
	found := false
	for i := range s.pods {
		x := &s.pods[i]
		if x.group != s.group {
			continue
		}
		found = true
		p := &c.pods[x.id]
		if p.gen != x.gen || p.done || p.machine.Terminated() {
			continue
		}
		grace := kubelet.ShutdownGrace(c.state.Pods[x.id].Template, s.periods[s.group].ShutdownGracePeriodSeconds)
		x.ending = true
		c.step(x.id, kubelet.Event{Kind: kubelet.Shutdown, Text: model.ReasonTerminated, Message: message, Disruption: message,
			GraceSeconds: max(1, grace)})
	}
	if found {
		c.shutdownEnds(id, 0)
	}
	return found
}

// shutdownEnds says that a pod of the present group has ended: when all have, the next group follows.
func (c *Cluster) shutdownEnds(id model.NodeID, pod model.PodID) {
	s := &c.nodes[id].shutdown
	waits := false
	for i := range s.pods {
		x := &s.pods[i]
		if x.id == pod && c.pods[pod].gen == x.gen {
			x.ending = false
		}
		waits = waits || x.group == s.group && x.ending
	}
	if !waits && s.group < len(s.periods) && s.ends > c.now {
		s.ends = c.now
		c.after(0, evShutdown, int32(id), c.nodes[id].starts)
	}
}

// shutdownDue is the moment at which a group's time is over or its pods have ended, or the node goes off.
func (c *Cluster) shutdownDue(id model.NodeID, starts int32) {
	n := &c.nodes[id]
	s := &n.shutdown
	switch {
	case !s.on || starts != n.starts || s.ends != c.now:
	case s.group >= len(s.periods):
		c.powerOff(id)
	default:
		c.nextShutdownGroup(id)
	}
}

// powerOff switches a node off, and on again when its time is over.
func (c *Cluster) powerOff(id model.NodeID) {
	n := &c.nodes[id]
	off := n.shutdown.off
	n.shutdown = shutdown{}
	if n.down {
		// Its kubelet does not run, or nobody hears of it.
		n.down = false
		n.failures++
	}
	c.fail(id, model.FailCrash)
	if off > 0 {
		c.after(off, evBoot, int32(id), int32(n.failures))
	}
}

// bootDue is the moment at which a node that was shut down is switched on.
func (c *Cluster) bootDue(id model.NodeID, failures int32) {
	if n := &c.nodes[id]; n.down && int32(n.failures) == failures {
		c.recover(id)
	}
}

// checkShutdown looks for a shutdown or a kubelet's start that nobody goes on with, and for a pod that a
// kubelet has taken up of those that it has only been left.
func (c *Cluster) checkShutdown(id model.NodeID) {
	n := &c.nodes[id]
	goesOn, starts := false, false
	if n.shutdown.on || n.starting {
		c.queue.Each(func(e *Event) {
			mine := e.Obj == int32(id) && e.Arg == n.starts
			goesOn = goesOn || mine && e.Kind == evShutdown && e.At == n.shutdown.ends
			starts = starts || mine && (e.Kind == evKubeletStarted || e.Kind == evPodsListed)
		})
	}
	switch name := c.state.Nodes[id].Name; {
	case n.shutdown.on && !goesOn:
		c.contradiction("node %s shuts down and nothing is to come", name)
	case n.starting && !starts && !n.cutOff():
		c.contradiction("the kubelet of node %s begins and nothing is to come", name)
	}
	for i, p := range n.pods {
		if slices.Contains(n.pods[:i], p) {
			c.contradiction("node %s has pod %d twice", c.state.Nodes[id].Name, p)
		}
		if c.pods[p].left && c.pods[p].admitted == 2 {
			c.contradiction("pod %d is left by a kubelet and another has it", p)
		}
	}
}
