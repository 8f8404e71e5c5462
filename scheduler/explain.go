package scheduler

import (
	"podsim/model"
	"podsim/scheduler/framework"
)

// Explanation is why a pod goes where it goes.
type Explanation struct {
	// Rejected, when a PreFilter says that no node can take the pod, is that rejection; no
	// node was looked at then.
	Rejected *Rejection
	// Restricted says that PreFilter left only the nodes that Verdicts lists.
	Restricted bool
	// Verdicts are of the nodes in the order in which they were looked at.
	Verdicts []NodeVerdict
	// Top are the feasible nodes with the best total score.
	Top []model.NodeID
	// Error is the error with which the attempt fails, empty when it does not.
	Error string
	// FilterMessage and PreemptionMessage are the two halves of the FitError, empty when
	// some node is feasible.
	FilterMessage, PreemptionMessage string
	// Preemption is what preemption would do when it looks at all nodes, nil when it would not help.
	Preemption *Preemption
}

// Preemption is which pods would have to go so that another finds a place.
type Preemption struct {
	// Chosen is the candidate that is taken, Top are the nodes of all that are as good.
	Chosen PreemptionCandidate
	Top    []model.NodeID
	// Candidates are the nodes on which preemption would help.
	Candidates []PreemptionCandidate
}

// PreemptionCandidate is a node on which preemption would help.
type PreemptionCandidate struct {
	Node model.NodeID
	// Victims are in the order of their importance, PDBViolations is the number of those that a
	// PodDisruptionBudget does not allow to go.
	Victims       []model.PodID
	PDBViolations int64
}

// Rejection is why a plugin turns a pod away.
type Rejection struct {
	Plugin  string
	Code    framework.Code
	Reasons []string
}

// NodeVerdict is what the scheduler says of one node.
type NodeVerdict struct {
	Node model.NodeID
	// Rejected is nil when the node is feasible.
	Rejected *Rejection
	// Scores are those of the plugins that score the pod, in the order of the table; Total
	// is their weighted sum.
	Scores []PluginScore
	Total  int64
}

// PluginScore is a plugin's score of a node: raw, and normalized to 0..100.
type PluginScore struct {
	Plugin     string
	Raw        int64
	Normalized int64
	Weight     int64
}

// Explain says what a pod of the template would meet now: the same filters and scores as
// ScheduleOne, but on all nodes and with the scores even of a single feasible one. It
// changes nothing but what FitError says.
func (s *Scheduler) Explain(p framework.Pod, t *model.PodTemplate) Explanation {
	c := s.class(t)
	p.Class = &c.PodClass
	s.cycle.Pod = &p
	var x Explanation
	s.find(c, &x.Verdicts)
	if len(c.extenders) > 0 {
		s.extend(c, x.Verdicts)
	}
	a := &s.attempt
	x.Restricted = a.nodeNames != nil
	if a.rejected {
		x.Rejected = &Rejection{a.rejectedBy.String(), a.code, []string{a.reason}}
		if a.conflict {
			x.Rejected.Plugin = ""
		}
	}
	if len(s.feasible) == 0 {
		if s.diagnosis.numNodes == 0 || s.failure != "" && len(c.extenders) > 0 {
			x.FilterMessage = s.FitError()
			return x
		}
		s.postFilter(c, 0, 0, true)
		x.FilterMessage, x.PreemptionMessage = s.filterMessage(), s.preemptionMessage()
		x.Preemption = s.explainPreemption()
		return x
	}
	var feasible []*NodeVerdict
	for i := range x.Verdicts {
		if x.Verdicts[i].Rejected == nil {
			feasible = append(feasible, &x.Verdicts[i])
		}
	}
	if s.failure != "" {
		x.FilterMessage = s.FitError()
	}
	if s.prioritize(c, feasible); c.profile.ScoreFailure != "" {
		x.Error = c.profile.ScoreFailure
		return x
	}
	x.Top = top(feasible, s.totals)
	return x
}

// explainPreemption is what postFilter found.
func (s *Scheduler) explainPreemption() *Preemption {
	p := &s.preemption
	if p.outcome != preemptionFound {
		return nil
	}
	x := &Preemption{}
	for i := range p.candidates {
		k := &p.candidates[i]
		c := PreemptionCandidate{Node: k.node.ID, PDBViolations: k.violations}
		for _, v := range k.victims {
			c.Victims = append(c.Victims, v.pod)
		}
		x.Candidates = append(x.Candidates, c)
	}
	x.Chosen = x.Candidates[p.chosen]
	for _, i := range p.best {
		x.Top = append(x.Top, x.Candidates[i].Node)
	}
	return x
}

// top sets the totals and lists the nodes that have the best.
func top(feasible []*NodeVerdict, totals []int64) []model.NodeID {
	var nodes []model.NodeID
	var best int64
	for i, v := range feasible {
		v.Total = totals[i]
		if len(nodes) == 0 || v.Total > best {
			best, nodes = v.Total, nodes[:0]
		}
		if v.Total == best {
			nodes = append(nodes, v.Node)
		}
	}
	return nodes
}

func (s *Scheduler) verdict(n *framework.NodeInfo, fits bool) NodeVerdict {
	v := NodeVerdict{Node: n.ID}
	if !fits {
		v.Rejected = &Rejection{Plugin: s.status.Plugin.String(), Code: s.status.Code}
		for _, reason := range s.status.Reasons {
			v.Rejected.Reasons = append(v.Rejected.Reasons, s.cluster.Symbols.Reason(reason))
		}
	}
	return v
}

func (v *NodeVerdict) score(p *framework.Plugin, raw, normalized int64) {
	v.Scores = append(v.Scores, PluginScore{p.ID.String(), raw, normalized, p.Weight})
}
