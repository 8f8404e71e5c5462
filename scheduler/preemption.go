package scheduler

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"podsim/model"
	"podsim/scheduler/framework"
)

// preemption is what DefaultPreemption finds for the pod of a cycle, with the scratch of its dry
// runs.
type preemption struct {
	outcome preemptionOutcome
	// candidates are the nodes on which preemption would help, those that violate no budget first.
	candidates, violating []candidate
	// best are the indexes of the candidates that are as good as any; chosen is one of them.
	best   []int32
	chosen int
	// reasons counts the nodes that are no candidates by ReasonID, nodes how many these are.
	reasons []int32
	nodes   int
	// unharmed are the nodes that would take the pod without any victim.
	unharmed []*framework.NodeInfo

	// node is a node without the pods that may have to go, potential are these pods.
	node      framework.NodeInfo
	potential []victim
	allowed   []int32
	// run and again are a dry run that is not kept, victims are those of all that were not.
	run, again dryRun
	victims    []victim
	// ids and lower are those of the last Result.
	ids, lower []model.PodID
}

// preemptionOutcome is how an attempt to preempt ends.
type preemptionOutcome uint8

const (
	// preemptionNotHelpful: there is no candidate.
	preemptionNotHelpful preemptionOutcome = iota
	// preemptionNever: the pod's preemptionPolicy is Never.
	preemptionNever
	// preemptionUnderWay: victims on the nominated node are still terminating.
	preemptionUnderWay
	// preemptionFailed: upstream calls it an error that a node would take the pod as it is.
	preemptionFailed
	// preemptionFound: there is a candidate.
	preemptionFound
	// preemptionDisabled: DefaultPreemption is not among the PostFilter plugins.
	preemptionDisabled
)

// candidate is a node on which preemption would help. Its victims are in the order of importance.
type candidate struct {
	node       *framework.NodeInfo
	victims    []victim
	violations int64
}

// dryRun is what a dry run for a class on one node came to. As long as only plugins have a say that
// look at the class and the node, it holds until the node, the pods on it or a budget change.
type dryRun struct {
	// generation is one more than the node's, budgets the budgets'.
	generation, budgets uint64
	// status is why it does not help that all pods of lower priority leave, fits when it does.
	status     statusID
	violations int64
	victims    []victim
}

// victim is a pod that may have to go.
type victim struct {
	pod      model.PodID
	index    int32
	priority int32
	started  model.Time
	// violates says that one of the budgets does not allow it.
	violates bool
}

// compare puts the more important victim first: that of higher priority, then the one that
// started earlier. Those that have not started yet count as started now, in the order in which they
// stand on the node (framework/preemption/util.go MoreImportantVictim).
func (v victim) compare(w victim) int {
	if v.priority != w.priority || v.started != w.started {
		return cmp.Or(cmp.Compare(w.priority, v.priority), cmp.Compare(v.started, w.started))
	}
	if v.started == model.Never {
		return cmp.Compare(v.index, w.index)
	}
	return 0
}

// postFilter finds out what preemption can do for a pod of the class that no node can take. offset
// says at which of the nodes the search begins, tie which of several equal candidates is taken;
// with all set it looks at all nodes
// (framework/plugins/defaultpreemption/default_preemption.go PostFilter,
// framework/preemption/preemption.go evaluate).
func (s *Scheduler) postFilter(c *class, offset, tie uint64, all bool) {
	d := &s.diagnosis
	if d.final {
		return
	}
	d.final = !s.nominated()
	p := &s.preemption
	p.reset()
	if !c.profile.preempts {
		p.outcome = preemptionDisabled
		return
	}
	if p.outcome = s.eligibleToPreempt(c); p.outcome != preemptionNotHelpful {
		return
	}
	if n := s.numPotentialNodes(); n == 0 || !s.anyBelow(c.Priority) {
		p.countAll(framework.ReasonNoVictims, n)
		return
	}
	nodes := s.potentialNodes()
	wanted := len(nodes)
	if !all {
		percentage, absolute := c.profile.minCandidateNodes()
		wanted = min(max(len(nodes)*percentage/100, absolute), len(nodes))
	}
	s.dryRunPreemption(c, nodes, draw(offset, len(nodes)), wanted)
	switch {
	case len(p.candidates) > 0:
		p.outcome = preemptionFound
		s.selectCandidate(tie)
	case len(p.unharmed) > 0:
		p.outcome = preemptionFailed
	}
}

func (p *preemption) reset() {
	p.outcome = preemptionNotHelpful
	p.candidates, p.violating, p.victims = p.candidates[:0], p.violating[:0], p.victims[:0]
	p.best, p.unharmed = p.best[:0], p.unharmed[:0]
	clear(p.reasons)
	p.nodes = 0
}

// draw is one of n numbers, from 0, that follows from a random word.
func draw(word uint64, n int) int {
	chosen, _ := bits.Mul64(word, uint64(n))
	return int(chosen)
}

// eligibleToPreempt is preemptionNotHelpful, the zero outcome, for a pod that may preempt others
// (default_preemption.go PodEligibleToPreemptOthers).
func (s *Scheduler) eligibleToPreempt(c *class) preemptionOutcome {
	if c.PreemptNever {
		return preemptionNever
	}
	n := s.nominatedNode()
	if n == nil || s.unresolvable(n) {
		return preemptionNotHelpful
	}
	for _, id := range n.Pods {
		p := &s.cluster.Pods[id]
		if p.Class.Priority < c.Priority && p.Deleting && p.Preempted {
			return preemptionUnderWay
		}
	}
	return preemptionNotHelpful
}

// nominatedNode is the node that the pod of the cycle is nominated to, as its status says; nil when
// there is none.
func (s *Scheduler) nominatedNode() *framework.NodeInfo {
	id := s.cycle.Pod.Nominated
	if id == 0 || int(id) >= len(s.cluster.NodesByID) {
		return nil
	}
	if n := s.cluster.NodesByID[id]; n != nil && n.Present {
		return n
	}
	return nil
}

// numPotentialNodes is how many potential nodes there are.
func (s *Scheduler) numPotentialNodes() int {
	switch {
	case !s.attempt.rejected:
		return s.diagnosis.numResolvable
	case s.attempt.code == framework.Unschedulable:
		return s.cycle.NumNodes
	}
	return 0
}

// potentialNodes are the nodes that were rejected for a reason that preemption might lift
// (framework/types.go NodesForStatusCode). Upstream has them in no order.
func (s *Scheduler) potentialNodes() []*framework.NodeInfo {
	if !s.attempt.rejected {
		return s.resolvableNodes()
	}
	if s.attempt.code == framework.Unschedulable {
		return s.cycle.Nodes
	}
	return nil
}

// unresolvable says that preemption cannot help on a node.
func (s *Scheduler) unresolvable(n *framework.NodeInfo) bool {
	return !slices.Contains(s.potentialNodes(), n)
}

// dryRunPreemption looks at the nodes from the one at offset on until it has as many candidates as
// wanted, one without violations among them (framework/preemption/preemption.go
// DryRunPreemption).
func (s *Scheduler) dryRunPreemption(c *class, nodes []*framework.NodeInfo, offset, wanted int) {
	p := &s.preemption
	s.compileBudgets()
	kept := !s.config.NoVerdicts && !s.filtersFurther(c)
	for i := range nodes {
		n := nodes[(offset+i)%len(nodes)]
		run := s.dryRunOn(c, n, kept)
		k := candidate{n, run.victims, run.violations}
		switch {
		case run.status != fits:
			p.nodes++
			p.reasons = count(p.reasons, s.statuses.list[run.status].Reasons, 1)
			continue
		case len(run.victims) == 0:
			p.unharmed = append(p.unharmed, n)
			p.nodes++
			continue
		case k.violations == 0:
			p.candidates = append(p.candidates, k)
		default:
			p.violating = append(p.violating, k)
		}
		if len(p.candidates) > 0 && len(p.candidates)+len(p.violating) >= wanted {
			break
		}
	}
	p.candidates = append(p.candidates, p.violating...)
}

// filtersFurther says whether a plugin that looks further than one node filters in this cycle.
func (s *Scheduler) filtersFurther(c *class) bool {
	for _, p := range c.filters {
		if p.Global != nil && !s.attempt.skipped.Has(p.ID) {
			return true
		}
	}
	return false
}

// dryRunOn is the dry run on a node: the one that is kept, if it holds. It is valid until the next call.
func (s *Scheduler) dryRunOn(c *class, n *framework.NodeInfo, kept bool) *dryRun {
	p := &s.preemption
	if !kept || s.nominator.total > 0 && s.yieldsOn(c, n) {
		s.selectVictimsOnNode(c, n, &p.run)
		first := len(p.victims)
		p.victims = append(p.victims, p.run.victims...)
		p.again = dryRun{status: p.run.status, violations: p.run.violations, victims: p.victims[first:]}
		return &p.again
	}
	for len(c.dryRuns) <= int(n.ID) {
		c.dryRuns = append(c.dryRuns, dryRun{})
	}
	run := &c.dryRuns[n.ID]
	if run.generation != n.Generation+1 || run.budgets != s.budgets.generation {
		run.generation, run.budgets = n.Generation+1, s.budgets.generation
		s.selectVictimsOnNode(c, n, run)
	}
	return run
}

// countAll counts a number of nodes that are no candidates for the same reason.
func (p *preemption) countAll(reason framework.ReasonID, nodes int) {
	p.nodes += nodes
	p.reasons = count(p.reasons, []framework.ReasonID{reason}, int32(nodes))
}

// selectVictimsOnNode finds the least important pods that must leave a node for a pod of the class
// (default_preemption.go SelectVictimsOnNode).
func (s *Scheduler) selectVictimsOnNode(c *class, n *framework.NodeInfo, run *dryRun) {
	p := &s.preemption
	run.status, run.violations, run.victims = fits, 0, run.victims[:0]
	if !s.potentialVictims(c, n) {
		s.status.Clear()
		s.status.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonNoVictims)
		s.status.Plugin = framework.DefaultPreemption
		run.status = s.statuses.id(&s.status)
		return
	}
	p.node.CopyFrom(n)
	s.save(c)
	for _, v := range p.potential {
		s.removeVictim(c, v)
	}
	if s.filterWithNominated(c, &p.node) {
		s.reprieveAll(c, run)
	} else {
		run.status = s.statuses.id(&s.status)
	}
	s.restore(c)
}

// reprieveAll puts back as many of the potential victims as can be, those first that a budget
// protects, and the most important of these first. The others are the victims.
func (s *Scheduler) reprieveAll(c *class, run *dryRun) {
	p := &s.preemption
	slices.SortFunc(p.potential, victim.compare)
	mixed := s.markViolating()
	for _, violates := range [...]bool{true, false} {
		for _, v := range p.potential {
			if v.violates == violates && !s.reprieve(c, v) {
				run.victims = append(run.victims, v)
				if violates {
					run.violations++
				}
			}
		}
	}
	if mixed {
		slices.SortFunc(run.victims, victim.compare)
	}
}

// potentialVictims lists the pods of lower priority on a node, and reports whether there are any.
func (s *Scheduler) potentialVictims(c *class, n *framework.NodeInfo) bool {
	p := &s.preemption
	p.potential = p.potential[:0]
	for i, id := range n.Pods {
		if o := &s.cluster.Pods[id]; o.Class.Priority < c.Priority {
			p.potential = append(p.potential, victim{id, int32(i), o.Class.Priority, o.Started, false})
		}
	}
	return len(p.potential) > 0
}

func (s *Scheduler) removeVictim(c *class, v victim) {
	o, n := &s.cluster.Pods[v.pod], &s.preemption.node
	n.RemovePod(v.pod, o.Class)
	for _, p := range c.globals {
		if p.Global.RemovePod != nil && !s.attempt.skipped.Has(p.ID) {
			p.Global.RemovePod(&s.cycle, &c.PodClass, o, n)
		}
	}
}

// reprieve puts a victim back where it was, and reports whether the pod fits all the same. If not,
// the victim goes again.
func (s *Scheduler) reprieve(c *class, v victim) bool {
	s.addPod(c, v.pod, &s.preemption.node)
	if s.filterWithNominated(c, &s.preemption.node) {
		return true
	}
	s.removeVictim(c, v)
	return false
}

// addPod counts a pod on a copy of a node, for the plugins that look further too.
func (s *Scheduler) addPod(c *class, id model.PodID, n *framework.NodeInfo) {
	o := &s.cluster.Pods[id]
	n.AddPod(id, o.Class)
	for _, p := range c.globals {
		if p.Global.AddPod != nil && !s.attempt.skipped.Has(p.ID) {
			p.Global.AddPod(&s.cycle, &c.PodClass, o, n)
		}
	}
}

// save and restore come around what a dry run changes in the plugins that look further.
func (s *Scheduler) save(c *class) {
	for _, p := range c.globals {
		if p.Global.Save != nil && !s.attempt.skipped.Has(p.ID) {
			p.Global.Save()
		}
	}
}

func (s *Scheduler) restore(c *class) {
	for _, p := range c.globals {
		if p.Global.Restore != nil && !s.attempt.skipped.Has(p.ID) {
			p.Global.Restore()
		}
	}
}

// budget is a PodDisruptionBudget with its selector compiled.
type budget struct {
	*policyv1.PodDisruptionBudget
	selector labels.Selector
}

// budgets are the PodDisruptionBudgets in the order of their keys. generation counts their
// changes; compiled says that they are those of the last one.
type budgets struct {
	list       []budget
	generation uint64
	compiled   bool
}

// changed says that a PodDisruptionBudget was set or deleted.
func (b *budgets) changed() {
	b.generation++
	b.compiled = false
}

// compileBudgets reads the budgets. One without a selector, or with one that matches everything,
// matches no pod, and so does one that cannot be read.
func (s *Scheduler) compileBudgets() {
	b := &s.budgets
	if b.compiled {
		return
	}
	b.compiled = true
	b.list = b.list[:0]
	for _, o := range s.cluster.Objects.PodDisruptionBudgets.All() {
		selector, err := metav1.LabelSelectorAsSelector(o.Spec.Selector)
		if err == nil && !selector.Empty() {
			b.list = append(b.list, budget{o, selector})
		}
	}
}

// budgetsOf are the indexes of the budgets that match the pods of a class.
func (s *Scheduler) budgetsOf(c *class) []int32 {
	if c.budgetsGeneration == s.budgets.generation {
		return c.budgets
	}
	c.budgetsGeneration = s.budgets.generation
	c.budgets = c.budgets[:0]
	t := c.Template
	if len(t.Labels) == 0 {
		return c.budgets
	}
	for i, b := range s.budgets.list {
		if b.Namespace == t.Namespace && b.selector.Matches(labels.Set(t.Labels)) {
			c.budgets = append(c.budgets, int32(i))
		}
	}
	return c.budgets
}

// markViolating marks the potential victims that a budget does not allow, given that those before
// them are disrupted, and reports whether there are some of both kinds
// (framework/preemption/util.go FilterVictimsWithPDBViolation).
func (s *Scheduler) markViolating() (some bool) {
	p := &s.preemption
	if len(s.budgets.list) == 0 {
		return false
	}
	p.allowed = p.allowed[:0]
	for _, b := range s.budgets.list {
		p.allowed = append(p.allowed, b.Status.DisruptionsAllowed)
	}
	violating := 0
	for i := range p.potential {
		if s.violates(p.potential[i].pod) {
			p.potential[i].violates = true
			violating++
		}
	}
	return violating > 0 && violating < len(p.potential)
}

// violates takes a pod off the budgets that match it, up to the first that does not allow it. A
// pod that the API server has let go already counts no more.
func (s *Scheduler) violates(id model.PodID) bool {
	for _, i := range s.budgetsOf(s.pods[id].class) {
		if _, disrupted := s.budgets.list[i].Status.DisruptedPods[s.cluster.Pods[id].Name]; disrupted {
			continue
		}
		s.preemption.allowed[i]--
		if s.preemption.allowed[i] < 0 {
			return true
		}
	}
	return false
}

// candidateScores are the criteria by which candidates are compared, the first first: the higher
// the better (framework/preemption/preemption.go pickOneNodeForPreemption). Victims are in the
// order of importance.
var candidateScores = [...]func(k *candidate) int64{
	// The fewest violations of budgets.
	func(k *candidate) int64 { return -k.violations },
	// The lowest highest priority.
	func(k *candidate) int64 { return -int64(k.victims[0].priority) },
	// The lowest sum of priorities; each counts 2^31 more, so that none is below zero.
	func(k *candidate) int64 {
		sum := int64(0)
		for _, v := range k.victims {
			sum += int64(v.priority) + math.MaxInt32 + 1
		}
		return -sum
	},
	// The fewest victims.
	func(k *candidate) int64 { return -int64(len(k.victims)) },
	// The latest start of the victim of the highest priority that started first.
	func(k *candidate) int64 {
		earliest := k.victims[0].started
		for _, v := range k.victims {
			if v.priority == k.victims[0].priority {
				earliest = min(earliest, v.started)
			}
		}
		return int64(earliest)
	},
}

// selectCandidate chooses a candidate. Where upstream takes the first of a map of equal ones, tie
// draws.
func (s *Scheduler) selectCandidate(tie uint64) {
	p := &s.preemption
	for i := range p.candidates {
		p.best = append(p.best, int32(i))
	}
	for _, score := range candidateScores {
		if len(p.best) == 1 {
			break
		}
		most, kept := int64(math.MinInt64), 0
		for _, i := range p.best {
			of := score(&p.candidates[i])
			if of > most {
				most, kept = of, 0
			}
			if of == most {
				p.best[kept] = i
				kept++
			}
		}
		p.best = p.best[:kept]
	}
	p.chosen = int(p.best[s.draw(tie, len(p.best))])
}

// actuate nominates the pod to the node on which it preempts others, or takes its nomination away
// when preemption does not help; r says what is to be done about it. A pod that may not preempt, or
// waits for its victims already, stays as its status says (framework/preemption/executor.go
// prepareCandidateAsync, schedule_one.go handleSchedulingFailure).
func (s *Scheduler) actuate(id model.PodID, r *Result) {
	p := &s.preemption
	switch {
	case s.diagnosis.numNodes == 0, p.outcome == preemptionNotHelpful:
		r.Nominate = true
		s.nominate(id, 0)
	case p.outcome == preemptionFound:
		k := &p.candidates[p.chosen]
		r.Nominate, r.Nominated = true, k.node.ID
		r.Victims, r.Displaced = s.toDelete(k), s.displaced(id, k.node.ID)
		s.pods[id].preempting = len(r.Victims) > 0
		s.nominate(id, k.node.ID)
	default:
		s.nominate(id, s.cluster.Pods[id].Nominated)
	}
}

// toDelete are the victims of a candidate that are not being deleted already.
func (s *Scheduler) toDelete(k *candidate) []model.PodID {
	p := &s.preemption
	p.ids = p.ids[:0]
	for _, v := range k.victims {
		if !s.cluster.Pods[v.pod].Deleting {
			p.ids = append(p.ids, v.pod)
		}
	}
	return p.ids
}

// displaced are the pods of lower priority that are nominated to a node, as their status says too
// (executor.go getLowerPriorityNominatedPods, clearNominatedNodeName).
func (s *Scheduler) displaced(preemptor model.PodID, node model.NodeID) []model.PodID {
	p := &s.preemption
	p.lower = p.lower[:0]
	for _, id := range s.nominatedTo(node) {
		if s.pods[id].class.Priority < s.pods[preemptor].class.Priority && s.cluster.Pods[id].Nominated != 0 {
			p.lower = append(p.lower, id)
		}
	}
	return p.lower
}

// PreemptionDone says that the delete calls for a pod's victims have been made: from now on the
// events of their end wake it (default_preemption.go PreEnqueue, executor.go IsPodRunningPreemption).
// A pod that is gone or bound needs nothing.
func (s *Scheduler) PreemptionDone(id model.PodID) {
	if int(id) < len(s.pods) {
		s.pods[id].preempting = false
	}
}

// preemptionMessage is what DefaultPreemption says (framework/preemption/preemption.go evaluate and
// Preempt, default_preemption.go PodEligibleToPreemptOthers).
func (s *Scheduler) preemptionMessage() string {
	p := &s.preemption
	switch p.outcome {
	case preemptionDisabled:
		return ""
	case preemptionNever:
		return "not eligible due to preemptionPolicy=Never."
	case preemptionUnderWay:
		return "not eligible due to a terminating pod on the nominated node."
	case preemptionFailed:
		return p.failure()
	case preemptionFound:
		k := &p.candidates[p.chosen]
		return fmt.Sprintf("found a potential placement for pod on node %s, preempting %d victims", k.node.Name, len(k.victims))
	}
	parts := s.histogram(p.reasons)
	if absent := s.diagnosis.numNodes - p.nodes; absent > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", absent, s.cluster.Symbols.Reason(framework.ReasonPreemptionNotHelpful)))
	}
	return fmt.Sprintf("0/%d nodes are available:", s.diagnosis.numNodes) + sentence(parts)
}

func (p *preemption) failure() string {
	var texts []string
	for _, n := range p.unharmed {
		texts = append(texts, fmt.Sprintf("expected at least one victim pod on node %q", n.Name))
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
