package scheduler

import (
	"fmt"
	"slices"
	"strings"

	"podsim/scheduler/framework"
)

// diagnosis says why no node can take a pod (framework/types.go Diagnosis).
type diagnosis struct {
	class   *class
	attempt *attempt
	// final says that no node was found and postFilter has run; changes is the scheduler's
	// count of changes then.
	final   bool
	changes uint64
	// numNodes is the number of nodes of the snapshot, evaluated how many were looked at,
	// rejected how many of them failed.
	numNodes, evaluated, rejected int
	// rejectors are the plugins that rejected the pod on some node.
	rejectors framework.PluginSet
	// reasons counts the nodes by ReasonID.
	reasons []int32
	// numResolvable is the number of nodes on which preemption might help. resolvable are these
	// nodes; those that known rejected are added when they are asked for.
	numResolvable int
	resolvable    []*framework.NodeInfo
	sorted        bool
	known         *verdicts
	// failed are the nodes that extenders turned down.
	failed []framework.FailedNode
}

// start makes d that of a new cycle.
func (d *diagnosis) start(c *class, a *attempt, numNodes int, changes uint64) {
	d.class, d.attempt, d.final, d.changes = c, a, false, changes
	d.numNodes, d.evaluated, d.rejected = numNodes, 0, 0
	d.rejectors = a.rejectors
	if numNodes == 0 {
		d.rejectors = 0
	}
	d.numResolvable, d.resolvable, d.known = 0, d.resolvable[:0], nil
	d.sorted = false
	d.failed = d.failed[:0]
	clear(d.reasons)
}

// holds says that the diagnosis is of this class and nothing has changed since. The pods of
// a backlog are mostly of one class, and wake together: all but the first few meet what the
// one before them met.
func (d *diagnosis) holds(c *class, changes uint64) bool {
	return d.final && d.class == c && d.changes == changes && !c.PerPod && len(c.extenders) == 0
}

// add counts a node that was rejected.
func (d *diagnosis) add(n *framework.NodeInfo, st *framework.Status) {
	d.rejected++
	d.rejectors |= st.Plugin.Set()
	if st.Code == framework.Unschedulable {
		d.numResolvable++
		d.resolvable = append(d.resolvable, n)
	}
	d.reasons = count(d.reasons, st.Reasons, 1)
}

// addAll counts a number of nodes that were rejected in the same way.
func (d *diagnosis) addAll(st *framework.Status, nodes int32) {
	d.rejected += int(nodes)
	d.rejectors |= st.Plugin.Set()
	d.reasons = count(d.reasons, st.Reasons, nodes)
}

// count adds a number of nodes to the counts of reasons. Plugins learn new ones at any time.
func count(counts []int32, reasons []framework.ReasonID, nodes int32) []int32 {
	for _, reason := range reasons {
		for len(counts) <= int(reason) {
			counts = append(counts, 0)
		}
		counts[reason] += nodes
	}
	return counts
}

// FitError is the message of the last attempt, which must have been a rejection: what the
// FailedScheduling Event and the PodScheduled condition say (framework/types.go
// FitError.Error; schedule_one.go ErrNoNodesAvailable). It is valid until the next call of
// ScheduleOne or Explain.
func (s *Scheduler) FitError() string {
	d := &s.diagnosis
	if s.failure != "" {
		return s.failure
	}
	if d.numNodes == 0 {
		return "no nodes available to schedule pods"
	}
	if s.preemption.outcome == preemptionDisabled {
		return s.filterMessage()
	}
	return s.filterMessage() + " preemption: " + s.preemptionMessage()
}

// filterMessage is the part of the message without preemption.
func (s *Scheduler) filterMessage() string {
	d := &s.diagnosis
	if s.failure != "" {
		return s.FitError()
	}
	head := fmt.Sprintf("0/%d nodes are available:", d.numNodes)
	if d.attempt.rejected {
		return head + " " + d.attempt.reason + "."
	}
	parts := append(s.histogram(d.reasons), d.failedHistogram()...)
	if absent := d.numNodes - d.rejected; absent > 0 && d.attempt.nodeNames != nil {
		plugins := strings.Join(d.attempt.restricted.Names(), " ")
		parts = append(parts, fmt.Sprintf("%d node(s) didn't satisfy plugin(s) [%s]", absent, plugins))
	}
	return head + sentence(parts)
}

// histogram lists the reasons that some node has.
func (s *Scheduler) histogram(counts []int32) []string {
	var parts []string
	for reason, n := range counts {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s.cluster.Symbols.Reason(framework.ReasonID(reason))))
		}
	}
	return parts
}

// sentence joins the parts in alphabetical order, so that "10 ..." comes before "2 ...".
func sentence(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return " " + strings.Join(parts, ", ") + "."
}
