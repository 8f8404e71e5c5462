package conform

import (
	"math"

	"podsim/model"
)

// outage is what a recording shows of a node whose kubelet was killed and started again, which is not
// among what was asked for in it.
type outage struct {
	// lost is when the node was given up, back when its kubelet first said something of the pod again,
	// both after the pod's creation; back is model.Never when it did not.
	lost, back model.Time
	// others says that other nodes were well: only then are pods evicted.
	others bool
}

// leaseRenewal is the period at which kubelets renew their leases, monitorGrace how long after the last
// renewal a node is given up.
const (
	leaseRenewal = 10 * model.Second
	monitorGrace = 50 * model.Second
)

// kubeletStart is from the start of a kubelet's process until it says something of a pod.
const kubeletStart = 1350 * model.Millisecond

// outageOf finds the outage in a recording.
func outageOf(lines []Line) (o outage, found bool) {
	o.back = model.Never
	for i := range lines {
		l := &lines[i]
		at := model.Time(l.Ms) * model.Millisecond
		switch {
		case l.Event == model.EventNodeNotReady.String():
			o.lost, found = at, true
		case l.Event == model.EventTaintManagerEviction.String():
			o.others = true
		case found && o.back == model.Never && (l.From == model.FromKubelet.String() || l.Type != "event" && l.Conditions["Ready"] == "True"):
			o.back = at
		}
	}
	return o, found
}

// nodeStatusTime is how long the recordings' kubelet took to make the status of its node: no name server
// answered it.
const nodeStatusTime = 10 * model.Second

// shift is how much later the pod is to be created so that the node is given up when it was: the kubelet
// renews its lease at whole multiples of its period.
func (o *outage) shift(created model.Time) model.Time {
	return leaseRenewal - (created+o.lost)%leaseRenewal
}

// add lets the kubelet of the scenario's node be down.
func (o *outage) add(sc *model.Scenario, created model.Time) {
	node := &sc.Nodes[0]
	lost := created + o.lost
	sc.ControlPlane.KubeletAge = model.Dist{Value: float64(10 * model.Minute)}
	sc.ControlPlane.KubeletNodeStatus = nodeStatusTime
	sc.Steps = append(sc.Steps, model.Step{At: lost - monitorGrace + model.Second, Verb: model.StepFail, Kind: model.KindNode,
		Name: node.Name, Failure: model.FailKubelet})
	if o.back < math.MaxInt64-created {
		sc.Steps = append(sc.Steps, model.Step{At: created + o.back - kubeletStart, Verb: model.StepRecover, Kind: model.KindNode, Name: node.Name})
	}
	if o.others {
		sc.Nodes = append(sc.Nodes, model.NodeSpec{Name: "other", Object: node.Object})
	}
}
