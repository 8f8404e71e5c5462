package scheduler

import (
	"fmt"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
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
	// Failed says that the attempt ended in an error of a plugin or an extender, which FitError tells.
	Failed bool

	// Nominate says that status.nominatedNodeName is to become Nominated, which is zero when the
	// field is to be cleared.
	Nominate  bool
	Nominated model.NodeID
	// Victims are the pods that are to be preempted on that node, from the most important on, but
	// for those that are being deleted already; until PreemptionDone the pod waits for their deletion
	// to begin. Displaced are pods of lower priority that lose their nomination to the node. Both are
	// valid until the next call.
	Victims, Displaced []model.PodID
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
	s.cycle.Pod = &s.cluster.Pods[id]
	n := s.schedule(p.class, tie)
	r = Result{
		Pod:       id,
		Evaluated: int32(s.diagnosis.evaluated),
		Feasible:  int32(s.numFeasible),
		Attempts:  p.attempts,
	}
	if s.failure != "" {
		r.Failed, r.Nominate = true, true
		s.queue.reject(id, 0, now)
		s.nominate(id, 0)
		return r, true
	}
	if n == nil {
		s.postFilter(p.class, tie, tie, false)
		s.queue.reject(id, s.diagnosis.rejectors, now)
		s.actuate(id, &r)
		return r, true
	}
	r.Node = n.ID
	p.rejectors = 0
	s.assign(id, n, podAssumed)
	for _, g := range p.class.reserves {
		g.Reserve(&s.cycle, &p.class.PodClass, &s.cluster.Pods[id], n)
	}
	return r, true
}

// unreserve takes back what Reserve did for an assumed pod, in the opposite order
// (framework/runtime/framework.go RunReservePluginsUnreserve).
func (s *Scheduler) unreserve(id model.PodID) {
	p := &s.pods[id]
	for _, g := range slices.Backward(p.class.reserves) {
		g.Unreserve(&s.cycle, &p.class.PodClass, &s.cluster.Pods[id], s.cluster.NodesByID[p.node])
	}
}

// PodVolumes are the volumes that the binding cycle of an assumed pod has to write and to wait for
// (VolumeBinding's PreBind).
func (s *Scheduler) PodVolumes(id model.PodID) framework.PodVolumes {
	for _, g := range s.pods[id].class.reserves {
		if g.Volumes != nil {
			return g.Volumes(id)
		}
	}
	return framework.PodVolumes{}
}

// PodClaims are the ResourceClaims that the binding cycle of an assumed pod has to write
// (DynamicResources' PreBind).
func (s *Scheduler) PodClaims(id model.PodID) []*resourcev1.ResourceClaim {
	for _, g := range s.pods[id].class.reserves {
		if g.Claims != nil {
			return g.Claims(id)
		}
	}
	return nil
}

// schedule is the node for a pod of the class, nil when there is none (schedule_one.go
// schedulePod).
func (s *Scheduler) schedule(c *class, tie uint64) *framework.NodeInfo {
	if s.nominated() {
		return s.scheduleNominated(c, tie)
	}
	if s.diagnosis.holds(c, s.changes) {
		s.advance()
		return nil
	}
	if v := s.judged(c); v != nil {
		return s.scheduleKnown(c, v, tie)
	}
	return s.scheduleAmong(c, tie)
}

// scheduleAmong asks all plugins about each node that it comes to.
func (s *Scheduler) scheduleAmong(c *class, tie uint64) *framework.NodeInfo {
	s.find(c, nil)
	s.advance()
	if s.failure != "" {
		return nil
	}
	if len(c.extenders) > 0 {
		s.extend(c, nil)
	}
	switch len(s.feasible) {
	case 0:
		return nil
	case 1:
		return s.cluster.NodesByID[s.feasible[0].ID]
	}
	if s.prioritize(c, nil); s.failure != "" {
		return nil
	}
	return s.cluster.NodesByID[s.selectHost(tie).ID]
}

// advance moves the place where the next search begins.
func (s *Scheduler) advance() {
	if n := s.cycle.NumNodes; n > 0 && !s.attempt.rejected {
		s.nextStart = (s.nextStart + s.diagnosis.evaluated) % n
	}
}

// preFilter compiles what plugin p says of a class before it sees a node
// (framework/runtime/framework.go RunPreFilterPlugins).
func (s *Scheduler) preFilter(c *class, p *framework.Plugin) {
	if c.static.rejected {
		return
	}
	var r framework.PreFilterResult
	p.PreFilter(&c.PodClass, &r)
	c.static.take(p.ID, &r, &s.cluster.Symbols)
	c.rejectedAt = len(c.globals)
}

// take takes over what a plugin's PreFilter says.
func (a *attempt) take(by framework.PluginID, r *framework.PreFilterResult, names *framework.Symbols) {
	switch {
	case r.Skip:
		a.skipped |= by.Set()
	case r.Rejected != framework.NoReason || r.Message != "":
		a.rejected, a.rejectedBy, a.code, a.conflict = true, by, r.Code, false
		if a.code == framework.Success {
			a.code = framework.UnschedulableAndUnresolvable
		}
		a.rejectors, a.reason = by.Set(), r.Message
		if r.Rejected != framework.NoReason {
			a.reason = names.Reason(r.Rejected)
		}
	case r.NodeNames != nil:
		a.restrict(by, r.NodeNames)
	}
}

// restrict leaves only the named nodes of those that were left. names is sorted.
func (a *attempt) restrict(by framework.PluginID, names []string) {
	a.restricted |= by.Set()
	a.rejectors |= by.Set()
	if a.nodeNames != nil {
		gone := func(name string) bool { return !slices.Contains(a.nodeNames, name) }
		names = slices.DeleteFunc(slices.Clone(names), gone)
	}
	a.nodeNames = names
	if len(names) > 0 {
		return
	}
	a.rejected, a.rejectedBy, a.code = true, by, framework.UnschedulableAndUnresolvable
	plugins := a.restricted.Names()
	a.conflict = len(plugins) > 1
	if len(plugins) == 1 {
		a.reason = "node(s) didn't satisfy plugin " + plugins[0]
	} else {
		a.reason = fmt.Sprintf("node(s) didn't satisfy plugin(s) [%s] simultaneously", strings.Join(plugins, " "))
	}
}

// begin begins a cycle for a pod of the class: PreFilter.
func (s *Scheduler) begin(c *class) {
	a := &s.attempt
	*a, s.failure = c.static, ""
	s.cycle.Nodes = s.list()
	s.cycle.NumNodes = len(s.cycle.Nodes)
	for i, p := range c.globals {
		if c.static.rejected && i >= c.rejectedAt {
			return
		}
		a.rejected = false
		s.preFiltered = framework.PreFilterResult{}
		p.Global.PreFilter(&s.cycle, &c.PodClass, &s.preFiltered)
		a.take(p.ID, &s.preFiltered, &s.cluster.Symbols)
		if a.rejected {
			if a.code == framework.Error {
				s.failure = a.reason
			}
			return
		}
		a.rejected = c.static.rejected
	}
}

// candidates are the nodes that PreFilter leaves of the snapshot, in its order. Upstream has
// those that it names in no order.
func (s *Scheduler) candidates(c *class) []*framework.NodeInfo {
	all := s.list()
	switch {
	case s.attempt.nodeNames == nil:
		return all
	case s.attempt.restricted != c.static.restricted:
		return named(all, s.attempt.nodeNames, nil)
	case c.treeGeneration != s.treeGeneration:
		c.treeGeneration = s.treeGeneration
		c.nodes = named(all, s.attempt.nodeNames, c.nodes[:0])
	}
	return c.nodes
}

// named appends those of the nodes that have one of the names, which are sorted.
func named(all []*framework.NodeInfo, names []string, nodes []*framework.NodeInfo) []*framework.NodeInfo {
	for _, n := range all {
		if _, named := slices.BinarySearch(names, n.Name); named {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// find fills s.feasible and s.diagnosis: it looks at the candidates from nextStart on until
// it meets one feasible node more than it needs (schedule_one.go findNodesThatPassFilters).
// With verdicts it looks at all and writes down what it finds out of each.
func (s *Scheduler) find(c *class, verdicts *[]NodeVerdict) {
	s.feasible, s.numFeasible = s.feasible[:0], 0
	s.begin(c)
	s.diagnosis.start(c, &s.attempt, s.cycle.NumNodes, s.changes)
	if s.attempt.rejected {
		return
	}
	nodes := s.candidates(c)
	most := s.numFeasibleNodesToFind(c, len(nodes))
	at := 0
	if len(nodes) > 0 {
		at = s.nextStart % len(nodes)
	}
	s.search(c, nodes, at, most, verdicts)
	s.diagnoseNominated(c, nodes, at)
}

// search looks at nodes from at on, round the list.
func (s *Scheduler) search(c *class, nodes []*framework.NodeInfo, at, most int, verdicts *[]NodeVerdict) {
	for range nodes {
		n := nodes[at]
		if at++; at == len(nodes) {
			at = 0
		}
		fits := s.filterWithNominated(c, n)
		if fits {
			if len(s.feasible) == most && verdicts == nil {
				return
			}
			s.feasible = append(s.feasible, n)
			s.numFeasible++
		} else {
			s.diagnosis.add(n, &s.status)
			if len(s.feasible) <= most && s.failed() && verdicts == nil {
				return
			}
		}
		s.diagnosis.evaluated++
		if verdicts != nil {
			*verdicts = append(*verdicts, s.verdict(n, fits))
		}
	}
}

// diagnoseNominated counts the node that the pod is nominated to, which was tried before all others
// and did not fit, when the search from start on did not come to it. Upstream adds the plugin that
// rejected it to those of which the message says that they left some nodes only.
func (s *Scheduler) diagnoseNominated(c *class, nodes []*framework.NodeInfo, start int) {
	n := s.nominatedNode()
	if n == nil || s.filterWithNominated(c, n) {
		return
	}
	s.diagnosis.attempt.restricted |= s.status.Plugin.Set()
	i := slices.Index(nodes, n)
	if i < 0 || (i-start+len(nodes))%len(nodes) >= s.diagnosis.evaluated {
		s.diagnosis.add(n, &s.status)
		s.diagnosis.evaluated++
	}
}

// failed says that a plugin met an error, which ends the cycle.
func (s *Scheduler) failed() bool {
	if s.status.Code != framework.Error || s.failure != "" {
		return false
	}
	s.failure = s.cluster.Symbols.Reason(s.status.Reasons[0])
	return true
}

// filter says whether a pod of the class may go to the node; s.status has the reasons if
// not. A node stops at its first plugin that rejects it.
func (s *Scheduler) filter(c *class, n *framework.NodeInfo) bool {
	s.status.Clear()
	for _, p := range c.filters {
		if !s.runFilter(c, p, n) {
			s.status.Plugin = p.ID
			return false
		}
	}
	return true
}

func (s *Scheduler) runFilter(c *class, p *framework.Plugin, n *framework.NodeInfo) bool {
	if p.Global == nil {
		return p.Filter(&c.PodClass, n, &s.status)
	}
	return s.attempt.skipped.Has(p.ID) || p.Global.Filter(&s.cycle, &c.PodClass, n, &s.status)
}

// numFeasibleNodesToFind follows the function of that name upstream, and
// findNodesThatPassFilters: without scores the first feasible node will do.
func (s *Scheduler) numFeasibleNodesToFind(c *class, nodes int) int {
	if len(c.profile.scores) == 0 && len(s.extenders) == 0 {
		return min(nodes, 1)
	}
	if nodes < minFeasibleNodesToFind {
		return nodes
	}
	percentage := s.config.PercentageOfNodesToScore
	if own := c.profile.PercentageOfNodesToScore; own != nil {
		percentage = *own
	}
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
	if c.profile.ScoreFailure != "" {
		s.failure = c.profile.ScoreFailure
		return
	}
	n := len(s.feasible)
	s.totals = append(s.totals[:0], make([]int64, n)...)
	s.scores = append(s.scores[:0], make([]int64, n)...)
	if len(c.profile.scores) == 0 && len(s.extenders) == 0 {
		for i := range s.totals {
			s.totals[i] = 1
		}
	}
	for _, p := range c.scores {
		if !s.score(c, p, verdicts != nil) {
			continue
		}
		for i, score := range s.scores {
			s.totals[i] += p.Weight * score
		}
		for i := range verdicts {
			verdicts[i].score(p, s.raw[i], s.scores[i])
		}
	}
	s.extendScores(c, verdicts)
}

// score fills s.scores with a plugin's normalized scores, and reports whether it scores at all. With
// raw it keeps the raw ones.
func (s *Scheduler) score(c *class, p *framework.Plugin, raw bool) bool {
	g := p.Global
	if g == nil {
		p.Score(&s.cycle, &c.PodClass, s.feasible, s.scores)
	} else {
		if g.PreScore != nil && !g.PreScore(&s.cycle, &c.PodClass, s.feasible) {
			return false
		}
		g.Score(&s.cycle, &c.PodClass, s.feasible, s.scores)
	}
	if raw {
		s.raw = append(s.raw[:0], s.scores...)
	}
	if g != nil && g.NormalizeScore != nil {
		g.NormalizeScore(&s.cycle, &c.PodClass, s.feasible, s.scores)
	} else {
		p.Normalize.Apply(s.scores)
	}
	return true
}

// selectHost is one of the feasible nodes with the best total. Each has the same chance;
// which one it is follows from tie (framework/sorted_nodes.go, where each node gets a random
// number of its own).
func (s *Scheduler) selectHost(tie uint64) *framework.NodeInfo {
	best := slices.Max(s.totals)
	ties := 0
	for _, total := range s.totals {
		if total == best {
			ties++
		}
	}
	chosen := s.draw(tie, ties)
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

// draw is one of so many ties, from 0.
func (s *Scheduler) draw(tie uint64, ties int) int {
	if s.config.FirstOfTies {
		return 0
	}
	return draw(tie, ties)
}
