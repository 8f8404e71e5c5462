package main

import (
	"fmt"
	"io"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/conform"
	"podsim/reports"
)

// maxNamedNodes is how many nodes of a group are named.
const maxNamedNodes = 5

// whyPending writes why a pod has no node: what the scheduler said last, what the pod waits for, and what
// each node would say of it at this moment. It writes nothing of a pod that has one.
func whyPending(w io.Writer, s *reports.Snapshot, p *v1.Pod) error {
	if p.Spec.NodeName != "" || p.Status.Phase != v1.PodPending && p.Status.Phase != "" {
		return nil
	}
	fmt.Fprintln(w, "Why Pending:")
	if len(p.Spec.SchedulingGates) > 0 {
		var gates []string
		for _, g := range p.Spec.SchedulingGates {
			gates = append(gates, g.Name)
		}
		_, err := fmt.Fprintf(w, "  It is not looked at until its scheduling gates are removed: %s\n", strings.Join(gates, ", "))
		return err
	}
	for _, c := range p.Status.Conditions {
		if c.Type == v1.PodScheduled && c.Message != "" {
			fmt.Fprintf(w, "  The scheduler's last word: %s\n", c.Message)
		}
	}
	if name := p.Spec.SchedulerName; name != "" && name != v1.DefaultSchedulerName {
		_, err := fmt.Fprintf(w, "  It waits for the scheduler %s, whose plugins the record does not say.\n", name)
		return err
	}
	nodes, pods := s.Nodes(), s.Pods()
	if node := p.Status.NominatedNodeName; node != "" {
		writeNomination(w, node, pods, s)
	}
	in := &conform.Input{Nodes: nodes, Pending: p}
	for _, o := range pods {
		if o.Spec.NodeName != "" || o.Status.NominatedNodeName != "" && o.UID != p.UID {
			in.Pods = append(in.Pods, o)
		}
	}
	x, err := conform.WhyPending(in)
	if err != nil {
		return err
	}
	writePending(w, x, len(nodes))
	return nil
}

// writeNomination writes for whom a pod waits on the node that it is nominated to.
func writeNomination(w io.Writer, node string, pods []*v1.Pod, s *reports.Snapshot) {
	var ending []string
	for _, o := range pods {
		if o.Spec.NodeName == node && o.DeletionTimestamp != nil && o.Status.Phase != v1.PodSucceeded && o.Status.Phase != v1.PodFailed {
			ending = append(ending, fmt.Sprintf("%s/%s (killed in %s at the latest)", o.Namespace, o.Name, s.Until(o.DeletionTimestamp)))
		}
	}
	fmt.Fprintf(w, "  It is nominated to node %s", node)
	if len(ending) > 0 {
		fmt.Fprintf(w, " and waits for the end of %s", strings.Join(ending, ", "))
	}
	fmt.Fprintln(w)
}

func writePending(w io.Writer, x *conform.Pending, nodes int) {
	switch {
	case nodes == 0:
		fmt.Fprintln(w, "  There is no node.")
	case x.Rejected != nil:
		fmt.Fprintf(w, "  No node was looked at, by %s: %s\n", x.Rejected.Plugin, strings.Join(x.Rejected.Reasons, ", "))
	case len(x.Fits) > 0:
		fmt.Fprintf(w, "  It would fit now on %s; it was not tried since.\n", someOf(x.Fits))
	}
	for i := range x.Groups {
		g := &x.Groups[i]
		fmt.Fprintf(w, "  %s now: %s", someOf(g.Nodes), strings.Join(g.Reasons, ", "))
		if g.Detail != "" {
			fmt.Fprintf(w, " (%s)", g.Detail)
		}
		fmt.Fprintln(w)
	}
	if p := x.Preemption; p != nil && p.Node != "" {
		fmt.Fprintf(w, "  It could take the place of %s on node %s", strings.Join(p.Victims, ", "), p.Node)
		if p.PDBViolations > 0 {
			fmt.Fprintf(w, " against %d PodDisruptionBudgets", p.PDBViolations)
		}
		fmt.Fprintln(w, ".")
	}
}

// someOf names nodes, of many the first and how many more there are.
func someOf(nodes []string) string {
	what := "Node "
	if len(nodes) > 1 {
		what = fmt.Sprintf("%d nodes: ", len(nodes))
	}
	more := ""
	if n := len(nodes) - maxNamedNodes; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
		nodes = nodes[:maxNamedNodes]
	}
	return what + strings.Join(nodes, ", ") + more
}
