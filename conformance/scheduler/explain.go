package scheduler

import (
	"errors"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"

	"podsim/conform"
)

// Choice is what a scheduling cycle decided.
type Choice struct {
	// Node is empty when no node can take the pod, and FitError says why.
	Node     string
	FitError string
	// Evaluated is the number of nodes that the cycle looked at, from Start of the snapshot on.
	Evaluated, Start int
}

// Schedule is the scheduler's own decision about a pod. The pod is nowhere afterwards.
func (r *Real) Schedule(p *v1.Pod) (Choice, error) {
	if err := r.scheduler.Cache.UpdateSnapshot(klog.FromContext(r.ctx), r.snapshot); err != nil {
		return Choice{}, err
	}
	info, err := framework.NewPodInfo(p)
	if err != nil {
		return Choice{}, err
	}
	c := Choice{Start: r.nextStart()}
	result, err := r.scheduler.SchedulePod(r.ctx, r.framework, framework.NewCycleState(), &framework.QueuedPodInfo{PodInfo: info})
	if err != nil {
		c.FitError = err.Error()
		var fit *framework.FitError
		if errors.As(err, &fit) {
			c.Evaluated = fit.Diagnosis.NodeToStatus.Len()
		}
		return c, nil
	}
	c.Node, c.Evaluated = result.SuggestedHost, result.EvaluatedNodes
	return c, nil
}

// Decide is the whole decision about the input's pending pod in the shared form.
func (r *Real) Decide() (*conform.Decision, error) {
	pod := r.input.Pending
	complete(pod)
	of, ok := r.scheduler.Profiles[pod.Spec.SchedulerName]
	if !ok {
		return nil, fmt.Errorf("there is no profile for schedulerName %q", pod.Spec.SchedulerName)
	}
	r.framework = of
	if err := r.informers.Core().V1().Pods().Informer().GetIndexer().Add(pod); err != nil {
		return nil, err
	}
	choice, err := r.Schedule(pod)
	if err != nil {
		return nil, err
	}
	d, err := r.Explain(pod)
	if err != nil {
		return nil, err
	}
	d.Node, d.FitError = choice.Node, choice.FitError
	if d.Node != "" {
		d.Evaluated = choice.Evaluated
	}
	return d, nil
}

// Explain says what the scheduler thinks of every node.
func (r *Real) Explain(p *v1.Pod) (*conform.Decision, error) {
	if err := r.scheduler.Cache.UpdateSnapshot(klog.FromContext(r.ctx), r.snapshot); err != nil {
		return nil, err
	}
	all, err := r.snapshot.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	e := explanation{Real: r, pod: p, all: all, state: framework.NewCycleState(), statuses: framework.NewDefaultNodeToStatus()}
	e.Feasible = []string{}
	for _, n := range all {
		e.NodeOrder = append(e.NodeOrder, n.Node().Name)
	}
	e.filter(all)
	if len(e.feasible) > 0 {
		return &e.Decision, e.score()
	}
	if len(all) == 0 {
		return &e.Decision, nil
	}
	return &e.Decision, e.preempt()
}

// Ties are the nodes among which a cycle draws, in the order in which it met them: the best of
// those that it looked at.
func (r *Real) Ties(p *v1.Pod, c Choice) ([]string, error) {
	all, err := r.snapshot.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	e := explanation{Real: r, pod: p, state: framework.NewCycleState(), statuses: framework.NewDefaultNodeToStatus()}
	e.all = all
	e.start, e.most = c.Start, c.Evaluated
	e.filter(all)
	if len(e.feasible) <= 1 {
		return e.Feasible, nil
	}
	if err := e.score(); err != nil {
		return nil, err
	}
	worse := func(node string) bool { return !slices.Contains(e.Top, node) }
	return slices.DeleteFunc(e.Feasible, worse), nil
}

// explanation is one on the way.
type explanation struct {
	*Real
	conform.Decision
	pod      *v1.Pod
	all      []fwk.NodeInfo
	state    fwk.CycleState
	statuses *framework.NodeToStatus
	feasible []fwk.NodeInfo
	// start and most, unless 0, are where to begin and how many nodes to look at.
	start, most int
}

// filter runs the filters on the given nodes, or those of them that PreFilter leaves.
func (e *explanation) filter(nodes []fwk.NodeInfo) {
	pre, status, rejecting := e.framework.RunPreFilterPlugins(e.ctx, e.state, e.pod)
	if !status.IsSuccess() {
		r := rejection(status)
		e.PreFilter = &r
		e.statuses.SetAbsentNodesStatus(status)
		return
	}
	if !pre.AllNodes() {
		other := func(n fwk.NodeInfo) bool { return !pre.NodeNames.Has(n.Node().Name) }
		nodes = slices.DeleteFunc(slices.Clone(nodes), other)
		for _, n := range nodes {
			e.PreFilterNodes = append(e.PreFilterNodes, n.Node().Name)
		}
		reason := fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", rejecting.UnsortedList())
		e.statuses.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reason))
	}
	if e.most > 0 {
		start := e.start % len(nodes)
		nodes = slices.Concat(nodes[start:], nodes[:start])[:e.most]
	}
	e.Infeasible = map[string]conform.Rejection{}
	for _, n := range nodes {
		name := n.Node().Name
		status := e.framework.RunFilterPluginsWithNominatedPods(e.ctx, e.state, e.pod, n)
		if status.IsSuccess() {
			e.feasible = append(e.feasible, n)
			e.Feasible = append(e.Feasible, name)
			continue
		}
		e.statuses.Set(name, status)
		e.Infeasible[name] = rejection(status)
	}
}

func rejection(s *fwk.Status) conform.Rejection {
	return conform.Rejection{Code: s.Code().String(), Plugin: s.Plugin(), Reasons: s.Reasons()}
}

// score scores the feasible nodes.
func (e *explanation) score() error {
	if s := e.framework.RunPreScorePlugins(e.ctx, e.state, e.pod, e.feasible); !s.IsSuccess() {
		return s.AsError()
	}
	scores, s := e.framework.RunScorePlugins(e.ctx, e.state, e.pod, e.feasible)
	if !s.IsSuccess() {
		return s.AsError()
	}
	weights := map[string]int64{}
	for _, p := range e.framework.ListPlugins().Score.Enabled {
		weights[p.Name] = int64(p.Weight)
	}
	e.Scores = map[string]conform.NodeScore{}
	for i, n := range scores {
		node := conform.NodeScore{Total: n.TotalScore, Plugins: map[string]conform.PluginScore{}}
		for _, p := range n.RawScores {
			node.Plugins[p.Name] = conform.PluginScore{Raw: p.Score, Weight: weights[p.Name]}
		}
		for _, p := range n.Scores {
			score := node.Plugins[p.Name]
			score.Weight = weights[p.Name]
			score.Normalized = p.Score / max(1, score.Weight)
			node.Plugins[p.Name] = score
		}
		e.Scores[n.Name] = node
		if i == 0 || n.TotalScore > e.Scores[e.Top[0]].Total {
			e.Top = e.Top[:0]
		}
		if len(e.Top) == 0 || n.TotalScore == e.Scores[e.Top[0]].Total {
			e.Top = append(e.Top, n.Name)
		}
	}
	slices.Sort(e.Top)
	return nil
}

// preempt looks for victims on all nodes, from the first one on and without a limit.
func (e *explanation) preempt() error {
	args := &config.DefaultPreemptionArgs{MinCandidateNodesPercentage: 10, MinCandidateNodesAbsolute: 100}
	plugin, err := defaultpreemption.New(e.ctx, args, e.framework, feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate))
	if err != nil {
		return err
	}
	e.Preemption = &conform.Preemption{}
	if ok, why := plugin.PodEligibleToPreemptOthers(e.ctx, e.pod, e.statuses.Get(e.pod.Status.NominatedNodeName)); !ok {
		e.Preemption.Message = why
		return nil
	}
	potential, err := e.statuses.NodesForStatusCode(e.snapshot.NodeInfos(), fwk.Unschedulable)
	if err != nil {
		return err
	}
	if len(potential) == 0 {
		e.Preemption.Message = notHelpful
		return nil
	}
	candidates, statuses, err := plugin.Evaluator.DryRunPreemption(e.ctx, e.state, e.pod, potential, e.input.PodDisruptionBudgets, 0, int32(len(potential)))
	if err != nil {
		return fmt.Errorf("%s%w", dryRunFailed, err)
	}
	if len(candidates) == 0 {
		statuses.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable, notHelpful))
		e.Preemption.Message = (&framework.FitError{Pod: e.pod, NumAllNodes: len(e.all), Diagnosis: framework.Diagnosis{NodeToStatus: statuses}}).Error()
		return nil
	}
	e.Preemption.Candidates = map[string][]string{}
	for _, c := range candidates {
		e.Preemption.Candidates[c.Name()] = names(c.Victims().Pods)
	}
	if best := plugin.Evaluator.SelectCandidate(e.ctx, candidates); best != nil {
		e.Preemption.Node, e.Preemption.Victims = best.Name(), names(best.Victims().Pods)
		e.Preemption.PDBViolations = best.Victims().NumPDBViolations
	}
	return nil
}

// dryRunFailed begins the error of a preemption in which a filter failed.
const dryRunFailed = "preemption's dry run: "

// notHelpful is what the evaluator says of nodes that it need not look at
// (pkg/scheduler/framework/preemption/preemption.go).
const notHelpful = "Preemption is not helpful for scheduling"

func names(pods []*v1.Pod) []string {
	var list []string
	for _, p := range pods {
		list = append(list, p.Namespace+"/"+p.Name)
	}
	return list
}
