package scheduler

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"podsim/model"
	"podsim/scheduler/framework"
)

const (
	// minFeasibleNodesToFind and minFeasiblePercentage bound the search
	// (schedule_one.go minFeasibleNodesToFind, minFeasibleNodesPercentageToFind).
	minFeasibleNodesToFind = 100
	minFeasiblePercentage  = 5
)

// Result is the outcome of one attempt.
type Result struct {
	Pod model.PodID
	// Node is where the pod is now assumed; zero when it was rejected.
	Node model.NodeID
	// Evaluated is how many nodes were looked at, Feasible how many of them can take the
	// pod.
	Evaluated, Feasible int32
	// Attempts counts the pod's attempts, this one included.
	Attempts int32
}

// ScheduleOne takes the next pod out of the queue and decides where it goes. A pod that
// finds a node counts there at once; one that finds none goes back to wait, and FitError
// says why. tie is a random word: among nodes of the same best score it draws one. ok is
// false when no pod is to be scheduled now (schedule_one.go ScheduleOne).
func (s *Scheduler) ScheduleOne(now model.Time, tie uint64) (r Result, ok bool) {
	s.queue.flush(now)
	id, ok := s.queue.pop()
	if !ok {
		return Result{}, false
	}
	p := &s.pods[id]
	n := s.schedule(p.class, tie)
	r = Result{
		Pod:       id,
		Evaluated: int32(s.diagnosis.evaluated),
		Feasible:  int32(len(s.feasible)),
		Attempts:  p.attempts,
	}
	if n == nil {
		s.postFilter(p.class)
		s.queue.reject(id, s.diagnosis.rejectors, now)
		return r, true
	}
	r.Node = n.ID
	p.rejectors = 0
	s.assign(id, n, podAssumed)
	return r, true
}

// schedule is the node for a pod of the class, nil when there is none (schedule_one.go
// schedulePod).
func (s *Scheduler) schedule(c *class, tie uint64) *framework.NodeInfo {
	all := s.list()
	if !s.diagnosis.holds(c, s.changes) {
		s.find(c, nil)
	}
	if len(all) > 0 && !c.rejected {
		s.nextStart = (s.nextStart + s.diagnosis.evaluated) % len(all)
	}
	switch len(s.feasible) {
	case 0:
		return nil
	case 1:
		return s.feasible[0]
	}
	s.prioritize(c, nil)
	return s.selectHost(tie)
}

// preFilter compiles what plugin p says of a class before it sees a node, and reports
// whether p says Skip (framework/runtime/framework.go RunPreFilterPlugins).
func (s *Scheduler) preFilter(c *class, p *framework.Plugin) (skip bool) {
	if p.PreFilter == nil || c.rejected {
		return false
	}
	var r framework.PreFilterResult
	p.PreFilter(&c.PodClass, &r)
	switch {
	case r.Skip:
		return true
	case r.Rejected != framework.NoReason:
		c.rejected, c.rejectedBy, c.rejectors = true, p.ID, p.ID.Set()
		c.preFilterReason = s.symbols.Reason(r.Rejected)
	case r.NodeNames != nil:
		c.restrict(p.ID, r.NodeNames)
	}
	return false
}

// restrict leaves only the named nodes of those that were left. names is sorted.
func (c *class) restrict(by framework.PluginID, names []string) {
	c.rejectors |= by.Set()
	if c.nodeNames != nil {
		gone := func(name string) bool { return !slices.Contains(c.nodeNames, name) }
		names = slices.DeleteFunc(names, gone)
	}
	c.nodeNames = names
	if len(names) > 0 {
		return
	}
	c.rejected, c.rejectedBy = true, by
	if plugins := c.rejectors.Names(); len(plugins) == 1 {
		c.preFilterReason = "node(s) didn't satisfy plugin " + plugins[0]
	} else {
		c.preFilterReason = fmt.Sprintf("node(s) didn't satisfy plugin(s) [%s] simultaneously",
			strings.Join(plugins, " "))
	}
}

// candidates are the nodes that PreFilter leaves of the snapshot, in its order. Upstream has
// those that it names in no order.
func (s *Scheduler) candidates(c *class) []*framework.NodeInfo {
	all := s.list()
	if c.nodeNames == nil {
		return all
	}
	if c.treeGeneration != s.treeGeneration {
		c.treeGeneration = s.treeGeneration
		c.nodes = c.nodes[:0]
		for _, n := range all {
			if _, named := slices.BinarySearch(c.nodeNames, n.Name); named {
				c.nodes = append(c.nodes, n)
			}
		}
	}
	return c.nodes
}

// find fills s.feasible and s.diagnosis: it looks at the candidates from nextStart on until
// it meets one feasible node more than it needs (schedule_one.go findNodesThatPassFilters).
// With verdicts it looks at all and writes down what it finds out of each.
func (s *Scheduler) find(c *class, verdicts *[]NodeVerdict) {
	s.feasible = s.feasible[:0]
	s.diagnosis.start(c, len(s.list()), s.symbols.NumReasons(), s.changes)
	if c.rejected {
		return
	}
	nodes := s.candidates(c)
	most := s.numFeasibleNodesToFind(len(nodes))
	at := 0
	if len(nodes) > 0 {
		at = s.nextStart % len(nodes)
	}
	for range nodes {
		n := nodes[at]
		if at++; at == len(nodes) {
			at = 0
		}
		fits := s.filter(c, n)
		if fits {
			if len(s.feasible) == most && verdicts == nil {
				return
			}
			s.feasible = append(s.feasible, n)
		} else {
			s.diagnosis.add(n, &s.status)
		}
		s.diagnosis.evaluated++
		if verdicts != nil {
			*verdicts = append(*verdicts, s.verdict(n, fits))
		}
	}
}

// filter says whether a pod of the class may go to the node; s.status has the reasons if
// not. A node stops at its first plugin that rejects it.
func (s *Scheduler) filter(c *class, n *framework.NodeInfo) bool {
	s.status.Clear()
	for _, p := range c.filters {
		if !p.Filter(&c.PodClass, n, &s.status) {
			s.status.Plugin = p.ID
			return false
		}
	}
	return true
}

// numFeasibleNodesToFind follows the function of that name upstream.
func (s *Scheduler) numFeasibleNodesToFind(nodes int) int {
	if nodes < minFeasibleNodesToFind {
		return nodes
	}
	percentage := s.config.PercentageOfNodesToScore
	if percentage == 0 {
		percentage = max(50-nodes/125, minFeasiblePercentage)
	}
	return max(nodes*percentage/100, minFeasibleNodesToFind)
}

// prioritize fills s.totals with the total score of each feasible node: the weighted sum of
// the plugins' normalized scores (schedule_one.go prioritizeNodes,
// framework/runtime/framework.go RunScorePlugins). With verdicts, which are of the feasible
// nodes, it writes down the scores of each plugin.
func (s *Scheduler) prioritize(c *class, verdicts []*NodeVerdict) {
	n := len(s.feasible)
	s.totals = append(s.totals[:0], make([]int64, n)...)
	s.scores = append(s.scores[:0], make([]int64, n)...)
	s.cycle.NumNodes = len(s.snapshot)
	if len(c.scores) == 0 {
		// Without scores all nodes are as good.
		return
	}
	for _, p := range c.scores {
		p.Score(&s.cycle, &c.PodClass, s.feasible, s.scores)
		if verdicts != nil {
			s.raw = append(s.raw[:0], s.scores...)
		}
		p.Normalize.Apply(s.scores)
		for i, score := range s.scores {
			s.totals[i] += p.Weight * score
		}
		for i := range verdicts {
			verdicts[i].score(p, s.raw[i], s.scores[i])
		}
	}
}

// selectHost is one of the feasible nodes with the best total. Each has the same chance;
// which one it is follows from tie (framework/sorted_nodes.go, where each node gets a random
// number of its own).
func (s *Scheduler) selectHost(tie uint64) *framework.NodeInfo {
	best := slices.Max(s.totals)
	ties := uint64(0)
	for _, total := range s.totals {
		if total == best {
			ties++
		}
	}
	chosen := uint64(0)
	if !s.config.FirstOfTies {
		chosen, _ = bits.Mul64(tie, ties)
	}
	for i, total := range s.totals {
		if total != best {
			continue
		}
		if chosen == 0 {
			return s.feasible[i]
		}
		chosen--
	}
	panic("scheduler: no node has the best score")
}
