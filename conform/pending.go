package conform

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/scheduler/framework"
)

// Pending is why a pod has no node, by the objects as they are.
type Pending struct {
	// Fits are the nodes that would take the pod.
	Fits []string
	// Rejected is set when no node was looked at, Groups are the nodes by what they were rejected for,
	// the largest group first.
	Rejected *Rejection
	Groups   []PendingGroup
	// Preemption is what preemption would do.
	Preemption *Preemption
}

// PendingGroup are nodes that were rejected in the same way.
type PendingGroup struct {
	Rejection
	Nodes []string
	// Detail says more than the reasons, such as how much is free; it may be empty.
	Detail string
}

// WhyPending says why a pod of the input's cluster is pending.
func WhyPending(in *Input) (*Pending, error) {
	c, err := Load(in)
	if err != nil {
		return nil, err
	}
	d := c.Explain(in.Pending)
	p := &Pending{Fits: d.Feasible, Rejected: d.PreFilter, Preemption: d.Preemption}
	for _, node := range d.NodeOrder {
		if r := entry(d.Infeasible, node); r != nil {
			p.add(node, r)
		}
	}
	slices.SortStableFunc(p.Groups, func(a, b PendingGroup) int { return len(b.Nodes) - len(a.Nodes) })
	for i := range p.Groups {
		p.Groups[i].Detail = c.detail(in, &p.Groups[i])
	}
	return p, nil
}

// add puts a node into the group of those that say the same.
func (p *Pending) add(node string, r *Rejection) {
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Plugin == r.Plugin && slices.Equal(g.Reasons, r.Reasons) {
			g.Nodes = append(g.Nodes, node)
			return
		}
	}
	p.Groups = append(p.Groups, PendingGroup{Rejection: *r, Nodes: []string{node}})
}

// detail is what a group's reasons leave out.
func (c *Cluster) detail(in *Input, g *PendingGroup) string {
	switch g.Plugin {
	case framework.NodeResourcesFit.String():
		var parts []string
		for _, reason := range g.Reasons {
			if name, ok := strings.CutPrefix(reason, "Insufficient "); ok {
				parts = append(parts, c.shortage(in.Pending, v1.ResourceName(name), g.Nodes))
			}
		}
		return strings.Join(parts, "; ")
	case framework.TaintToleration.String():
		return untolerated(in, g.Nodes)
	}
	return ""
}

// shortage is how much a pod asks for, and where the most is free.
func (c *Cluster) shortage(o *v1.Pod, name v1.ResourceName, nodes []string) string {
	asked := amount(&c.compile(o).Requests, name)
	best, most := "", int64(0)
	for _, node := range nodes {
		n := c.Scheduler.Node(c.nodes[node])
		if free := c.amountOf(&n.Allocatable, name) - c.amountOf(&n.Requested, name); best == "" || free > most {
			best, most = node, free
		}
	}
	return fmt.Sprintf("asks for %s %s, the most that is free is %s on %s", inUnits(asked, name), name, inUnits(most, name), best)
}

func amount(r *model.Resources, name v1.ResourceName) int64 {
	switch name {
	case v1.ResourceCPU:
		return r.MilliCPU
	case v1.ResourceMemory:
		return r.Memory
	case v1.ResourceEphemeralStorage:
		return r.EphemeralStorage
	}
	return r.Amount(name)
}

func (c *Cluster) amountOf(a *framework.Amounts, name v1.ResourceName) int64 {
	switch name {
	case v1.ResourceCPU:
		return a.MilliCPU
	case v1.ResourceMemory:
		return a.Memory
	case v1.ResourceEphemeralStorage:
		return a.EphemeralStorage
	}
	return a.Amount(c.Scheduler.ResourceID(name))
}

// inUnits is an amount as a quantity.
func inUnits(amount int64, name v1.ResourceName) string {
	switch name {
	case v1.ResourceCPU:
		return resource.NewMilliQuantity(amount, resource.DecimalSI).String()
	case v1.ResourceMemory, v1.ResourceEphemeralStorage:
		return resource.NewQuantity(amount, resource.BinarySI).String()
	}
	return fmt.Sprint(amount)
}

// untolerated lists the taints of nodes that keep a pod off.
func untolerated(in *Input, nodes []string) string {
	var taints []string
	for _, n := range in.Nodes {
		if !slices.Contains(nodes, n.Name) {
			continue
		}
		for i := range n.Spec.Taints {
			t := &n.Spec.Taints[i]
			tolerates := func(o v1.Toleration) bool {
				return (o.Effect == "" || o.Effect == t.Effect) && (o.Key == "" || o.Key == t.Key) && (o.Operator == v1.TolerationOpExists || o.Value == t.Value)
			}
			if t.Effect != v1.TaintEffectPreferNoSchedule && !slices.ContainsFunc(in.Pending.Spec.Tolerations, tolerates) {
				taints = append(taints, t.ToString())
			}
		}
	}
	slices.Sort(taints)
	return strings.Join(slices.Compact(taints), ", ")
}
