package conform

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// SchedulerResult is how a recorded decision and podsim's compare.
type SchedulerResult struct {
	// Name is the case's.
	Name string `json:"name"`
	// Agrees says that both decisions are the same.
	Agrees bool `json:"agrees"`
	// Difference is the first difference, nil when they agree.
	Difference *Difference `json:"difference,omitempty"`
	// Features are what the case has that not every case has.
	Features []string `json:"features"`
	// Want and Got are the recorded decision and podsim's.
	Want *Decision `json:"-"`
	Got  *Decision `json:"-"`
}

// Scheduler compares a recorded decision with podsim's.
func Scheduler(c *Case) SchedulerResult {
	r := SchedulerResult{Name: c.Input.Name, Features: c.Features(), Want: &c.Want, Got: Decide(&c.Input)}
	r.Difference = Compare(r.Want, r.Got)
	r.Agrees = r.Difference == nil
	return r
}

// minSampled is the number of nodes from which on a cycle may look at some of them only
// (pkg/scheduler/schedule_one.go minFeasibleNodesToFind).
const minSampled = 100

// Compare is the first difference of two decisions, nil when there is none: an error, the rejection
// before any node, the feasible nodes, code, plugin and reasons of the others, the
// normalized scores, the totals, the best nodes, the text of FailedScheduling, the preemption, and
// at last what the cycle chose and the order of the nodes. Reasons have no order, as upstream has
// none for extended resources. A plugin that does not score counts as one that scores 0.
func Compare(want, got *Decision) *Difference {
	if (want.Error == "") != (got.Error == "") {
		return different("error", want.Error, got.Error)
	}
	for _, d := range []*Difference{
		compareRejections("preFilter", want.PreFilter, got.PreFilter),
		compareSets("feasible", want.Feasible, got.Feasible),
		compareInfeasible(want, got),
		compareScores(want, got),
		compareSets("top", want.Top, got.Top),
		compareTexts("fitError", want.FitError, got.FitError),
		comparePreemptions(want, got),
		compareChoices(want, got),
		compareOrders(want, got),
	} {
		if d != nil {
			return d
		}
	}
	return nil
}

// different is a difference between two values, written as JSON where they are not texts.
func different(what string, want, got any) *Difference {
	return &Difference{what, inWords(want), inWords(got)}
}

func inWords(v any) string {
	if s, ok := v.(string); ok {
		if s == "" {
			return "none"
		}
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	if string(b) == "null" {
		return "none"
	}
	return string(b)
}

func compareTexts(what, want, got string) *Difference {
	if want == got {
		return nil
	}
	return different(what, want, got)
}

// compareSets compares lists without an order.
func compareSets(what string, want, got []string) *Difference {
	want, got = slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	if slices.Equal(want, got) {
		return nil
	}
	return different(what, want, got)
}

func compareRejections(what string, want, got *Rejection) *Difference {
	if want == nil && got == nil {
		return nil
	}
	if want == nil || got == nil || want.Code != got.Code || want.Plugin != got.Plugin ||
		compareSets("", want.Reasons, got.Reasons) != nil {
		return different(what, want, got)
	}
	return nil
}

func compareInfeasible(want, got *Decision) *Difference {
	for _, node := range bothKeys(want.Infeasible, got.Infeasible) {
		if d := compareRejections("node "+node, entry(want.Infeasible, node), entry(got.Infeasible, node)); d != nil {
			return d
		}
	}
	return nil
}

func entry[V any](m map[string]V, key string) *V {
	v, ok := m[key]
	if !ok {
		return nil
	}
	return &v
}

// bothKeys are the keys of two maps in order.
func bothKeys[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

func compareScores(want, got *Decision) *Difference {
	for _, node := range bothKeys(want.Scores, got.Scores) {
		w, g := want.Scores[node], got.Scores[node]
		for _, plugin := range bothKeys(w.Plugins, g.Plugins) {
			p, q := w.Plugins[plugin], g.Plugins[plugin]
			if p.Normalized != q.Normalized || p.Normalized != 0 && p.Weight != q.Weight {
				return different(fmt.Sprintf("score %s of node %s", plugin, node), entry(w.Plugins, plugin), entry(g.Plugins, plugin))
			}
		}
		if w.Total != g.Total {
			return different("total of node "+node, w.Total, g.Total)
		}
	}
	return nil
}

// notHelpful is what preemption says when there is no node where it could help.
const notHelpful = "Preemption is not helpful for scheduling"

// comparePreemptions compares what preemption finds. Where it has no node to look at, the recorder
// has the reason alone and podsim the whole sentence.
func comparePreemptions(want, got *Decision) *Difference {
	w, g := want.Preemption, got.Preemption
	if w == nil && g == nil {
		return nil
	}
	if w == nil || g == nil {
		return different("preemption", w, g)
	}
	message := w.Message
	if message == notHelpful {
		n := len(want.NodeOrder)
		message = fmt.Sprintf("0/%d nodes are available: %d %s.", n, n, notHelpful)
	}
	if d := compareTexts("preemption's message", message, g.Message); d != nil {
		return d
	}
	for _, node := range bothKeys(w.Candidates, g.Candidates) {
		victims, ours := w.Candidates[node], g.Candidates[node]
		if !slices.Equal(victims, ours) {
			return different("victims on node "+node, victims, ours)
		}
	}
	if slices.Contains(g.top, w.Node) {
		// Upstream takes any of equal candidates.
		return nil
	}
	if d := compareTexts("preemption's node", w.Node, g.Node); d != nil {
		return d
	}
	if !slices.Equal(w.Victims, g.Victims) {
		return different("victims", w.Victims, g.Victims)
	}
	if w.PDBViolations != g.PDBViolations {
		return different("pdbViolations", w.PDBViolations, g.PDBViolations)
	}
	return nil
}

// compareChoices compares what the cycles chose where all nodes are looked at: one of the best, or
// the node that the pod is nominated to.
func compareChoices(want, got *Decision) *Difference {
	if want.Node == "" || len(want.NodeOrder) >= minSampled {
		return nil
	}
	if want.Node != got.Node && !(slices.Contains(want.Top, want.Node) && slices.Contains(want.Top, got.Node)) {
		return different("decision", want.Node, got.Node)
	}
	if want.Evaluated != got.Evaluated {
		return different("evaluated", want.Evaluated, got.Evaluated)
	}
	return nil
}

// compareOrders compares the order of those nodes that podsim looked at.
func compareOrders(want, got *Decision) *Difference {
	if len(want.NodeOrder) == 0 {
		return nil
	}
	unseen := func(node string) bool { return !slices.Contains(got.NodeOrder, node) }
	order := slices.DeleteFunc(slices.Clone(want.NodeOrder), unseen)
	if !slices.Equal(order, got.NodeOrder) {
		return different("nodeOrder", order, got.NodeOrder)
	}
	return nil
}
