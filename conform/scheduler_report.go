package conform

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteScheduler writes results in one of the Outputs.
func WriteScheduler(w io.Writer, output string, list []SchedulerResult) error {
	return writeOutput(w, output, list, writeSchedulerCSV, writeSchedulerMarkdown)
}

// Verdict is the result in one word: agrees or differs.
func (r *SchedulerResult) Verdict() string {
	if r.Agrees {
		return "agrees"
	}
	return "differs"
}

// WriteSchedulerLine writes a result as a line; width is that of the longest name.
func WriteSchedulerLine(w io.Writer, r *SchedulerResult, width int) error {
	line := fmt.Sprintf("%-*s  %s", width, r.Name, r.Verdict())
	if !r.Agrees {
		line += "  " + r.Difference.String()
	}
	_, err := fmt.Fprintln(w, line)
	return err
}

// WriteSchedulerColumns writes both decisions of a result: a line for each node on which they are
// one, two where they differ, and then what is said of the pod.
func WriteSchedulerColumns(w io.Writer, r *SchedulerResult) error {
	p := printer{w: w}
	order := r.Want.NodeOrder
	if len(order) == 0 {
		order = r.Got.NodeOrder
	}
	for _, node := range order {
		p.sides(node, r.Want.ofNode(node), r.Got.ofNode(node))
	}
	p.sides("pod", r.Want.ofPod(), r.Got.ofPod())
	return p.err
}

// sides writes what both sides say, once when it is the same.
func (p *printer) sides(what, want, got string) {
	if want == got {
		p.line("    %s: %s", what, want)
		return
	}
	p.line("    %s: expected %s", what, want)
	p.line("    %*s  got      %s", len(what), "", got)
}

// ofNode is what a decision says of a node, in a line.
func (d *Decision) ofNode(node string) string {
	if r := entry(d.Infeasible, node); r != nil {
		return r.words()
	}
	s := entry(d.Scores, node)
	if s == nil {
		return "not looked at"
	}
	var parts []string
	for _, plugin := range slices.Sorted(maps.Keys(s.Plugins)) {
		if score := s.Plugins[plugin]; score.Normalized != 0 {
			parts = append(parts, fmt.Sprintf("%s %d x%d", plugin, score.Normalized, score.Weight))
		}
	}
	return fmt.Sprintf("%d = %s", s.Total, strings.Join(parts, " + "))
}

func (r *Rejection) words() string {
	return fmt.Sprintf("%s by %s: %s", r.Code, r.Plugin, strings.Join(slices.Sorted(slices.Values(r.Reasons)), ", "))
}

// ofPod is what a decision says of the pod, in a line.
func (d *Decision) ofPod() string {
	var parts []string
	if d.Error != "" {
		parts = append(parts, "error: "+d.Error)
	}
	if d.PreFilter != nil {
		parts = append(parts, d.PreFilter.words())
	}
	if len(d.Top) > 0 {
		parts = append(parts, "the best are "+strings.Join(d.Top, " "))
	}
	if d.FitError != "" {
		parts = append(parts, d.FitError)
	}
	if p := d.Preemption; p != nil && p.Node != "" {
		parts = append(parts, fmt.Sprintf("preempts %s on %s of %d nodes, %d violations", strings.Join(p.Victims, " "), p.Node, len(p.Candidates), p.PDBViolations))
	} else if p != nil {
		parts = append(parts, p.Message)
	}
	return strings.Join(parts, "; ")
}

// SchedulerSummary counts the results, such as "600 of 600 agree".
func SchedulerSummary(list []SchedulerResult) string {
	agree := 0
	for i := range list {
		if list[i].Agrees {
			agree++
		}
	}
	return fmt.Sprintf("%d of %d agree", agree, len(list))
}

func writeSchedulerCSV(w io.Writer, list []SchedulerResult) error {
	c := csv.NewWriter(w)
	records := [][]string{{"name", "verdict", "features", "difference"}}
	for i := range list {
		r := &list[i]
		records = append(records, []string{r.Name, r.Verdict(), strings.Join(r.Features, " + "), r.Difference.String()})
	}
	return c.WriteAll(records)
}

// writeSchedulerMarkdown counts the cases that have a feature, also beside others.
func writeSchedulerMarkdown(w io.Writer, list []SchedulerResult) error {
	p := printer{w: w}
	p.line("| cases with | agree |")
	p.line("|---|--:|")
	for _, feature := range Features {
		of := slices.DeleteFunc(slices.Clone(list), func(r SchedulerResult) bool { return !slices.Contains(r.Features, feature) })
		if len(of) > 0 {
			p.line("| %s | %s |", feature, strings.TrimSuffix(SchedulerSummary(of), " agree"))
		}
	}
	p.line("")
	p.line("%s.", SchedulerSummary(list))
	return p.err
}
