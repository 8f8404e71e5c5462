package scheduler

import (
	"fmt"
	"slices"

	"podsim/scheduler/framework"
)

// maxExtenderPriority is the best score of an extender (k8s.io/kube-scheduler/extender/v1
// MaxExtenderPriority).
const maxExtenderPriority = 10

// Extend makes the scheduler ask the extenders, in their order. It must be called before the first pod is
// scheduled. What an extender answers comes from outside: a run is the same again only as far as the
// answers are.
func (s *Scheduler) Extend(extenders []framework.Extender) {
	s.extenders = extenders
	for _, p := range s.profiles {
		// A pod that an extender rejected wakes with every event.
		p.Plugins = append(slices.Clone(p.Plugins), framework.Plugin{ID: framework.ExtenderPlugin, Events: ^framework.ActionType(0)})
	}
	s.queue.interest = ^framework.ActionType(0)
	for _, c := range s.classes {
		if c != nil {
			s.findExtenders(c)
		}
	}
}

// findExtenders finds out which extenders are asked about pods of a class. Such a class keeps no verdicts.
func (s *Scheduler) findExtenders(c *class) {
	c.extenders = nil
	for _, e := range s.extenders {
		if e.Interested(&c.PodClass) {
			c.extenders = append(c.extenders, e)
		}
	}
	c.keeps = c.keeps && len(c.extenders) == 0 && c.profile.ScoreFailure == ""
}

// extend leaves those of the feasible nodes that the extenders take as well. An extender that fails and is
// not ignorable fails the attempt (schedule_one.go findNodesThatPassExtenders).
func (s *Scheduler) extend(c *class, verdicts []NodeVerdict) {
	before, bare := len(s.feasible), false
	for _, e := range c.extenders {
		if len(s.feasible) == 0 {
			break
		}
		r, err := e.Filter(s.cycle.Pod, s.feasible)
		if err != nil {
			if e.Ignorable() {
				continue
			}
			s.failure = err.Error()
			s.feasible = s.feasible[:0]
			break
		}
		s.addFailed(r.Failed)
		s.feasible = append(s.feasible[:0], r.Fit...)
		bare = bare || r.Bare
	}
	if bare {
		s.bareNodes()
	}
	s.numFeasible = len(s.feasible)
	if len(s.feasible) != before {
		s.diagnosis.rejectors |= framework.ExtenderPlugin.Set()
	}
	for i := range verdicts {
		s.turnDown(&verdicts[i])
	}
}

// addFailed counts nodes that an extender turned down.
func (s *Scheduler) addFailed(failed []framework.FailedNode) {
	d := &s.diagnosis
	for _, f := range failed {
		d.rejected++
		d.failed = append(d.failed, f)
		if !f.Unresolvable {
			d.numResolvable++
			d.resolvable = append(d.resolvable, f.Node)
		}
	}
}

// bareNodes puts copies without pods in the place of the feasible nodes.
//
// Differs from Kubernetes: the nodes keep their images for ImageLocality.
func (s *Scheduler) bareNodes() {
	for len(s.bare) < len(s.feasible) {
		s.bare = append(s.bare, &framework.NodeInfo{})
	}
	for i, n := range s.feasible {
		s.bare[i].CopyFrom(n)
		s.bare[i].ClearPods()
		s.feasible[i] = s.bare[i]
	}
}

// turnDown writes down why an extender leaves a node that the filters took.
func (s *Scheduler) turnDown(v *NodeVerdict) {
	same := func(n *framework.NodeInfo) bool { return n.ID == v.Node }
	if v.Rejected != nil || slices.ContainsFunc(s.feasible, same) {
		return
	}
	v.Rejected = &Rejection{Plugin: framework.ExtenderPlugin.String(), Code: framework.Unschedulable, Reasons: []string{s.failure}}
	for i := range s.diagnosis.failed {
		f := &s.diagnosis.failed[i]
		if f.Node.ID != v.Node {
			continue
		}
		v.Rejected.Reasons[0] = f.Message
		if f.Unresolvable {
			v.Rejected.Code = framework.UnschedulableAndUnresolvable
		}
	}
}

// failedHistogram lists the messages of extenders with the number of nodes.
func (d *diagnosis) failedHistogram() []string {
	counts := map[string]int{}
	for i := range d.failed {
		counts[d.failed[i].Message]++
	}
	var parts []string
	for message, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, message))
	}
	return parts
}

// extendScores adds the extenders' scores to s.totals (schedule_one.go prioritizeNodes).
func (s *Scheduler) extendScores(c *class, verdicts []*NodeVerdict) {
	for _, e := range c.extenders {
		scores, weight, err := e.Prioritize(s.cycle.Pod, s.feasible)
		if err != nil {
			continue
		}
		for _, score := range scores {
			i := slices.IndexFunc(s.feasible, func(n *framework.NodeInfo) bool { return n.Name == score.Host })
			if i < 0 {
				continue
			}
			normalized := score.Score * (framework.MaxNodeScore / maxExtenderPriority)
			s.totals[i] += weight * normalized
			if verdicts != nil {
				verdicts[i].Scores = append(verdicts[i].Scores, PluginScore{e.Name(), score.Score, normalized, weight})
			}
		}
	}
}
