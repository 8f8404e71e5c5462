package conform

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"sigs.k8s.io/yaml"
)

// Outputs are the forms of a report beside the usual lines.
var Outputs = []string{"json", "yaml", "csv", "markdown"}

// Write writes results in one of the Outputs.
func Write(w io.Writer, output string, list []Result) error {
	return writeOutput(w, output, list, writeCSV, writeMarkdown)
}

// writeOutput writes results in one of the Outputs.
func writeOutput[T any](w io.Writer, output string, list T, csv, markdown func(io.Writer, T) error) error {
	switch output {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(list)
	case "yaml":
		b, err := yaml.Marshal(list)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case "csv":
		return csv(w, list)
	case "markdown":
		return markdown(w, list)
	}
	return fmt.Errorf("there is no output %q", output)
}

// Verdict is the result in one word: agrees, differs or skipped.
func (r *Result) Verdict() string {
	switch {
	case r.NotCompared != "":
		return "skipped"
	case r.Agrees:
		return "agrees"
	}
	return "differs"
}

// states is the number of recorded states.
func (r *Result) states() int {
	n := len(r.Recorded)
	for i := range r.Objects {
		n += len(r.Objects[i].Recorded)
	}
	return n
}

// within is the time error in words.
func (r *Result) within() string {
	if r.TimeError < 0 {
		return "-"
	}
	return seconds(r.TimeError)
}

// WriteLine writes a result as a line; width is that of the longest name.
func WriteLine(w io.Writer, r *Result, width int) error {
	if r.NotCompared != "" {
		_, err := fmt.Fprintf(w, "%-*s  %-7s  %s\n", width, r.Name, r.Verdict(), r.NotCompared)
		return err
	}
	_, err := fmt.Fprintf(w, "%-*s  %-7s  within %-7s  %2d/%-2d Events", width, r.Name, r.Verdict(), r.within(), r.EventsMatched, r.Events)
	if err == nil && !r.Agrees {
		_, err = fmt.Fprintf(w, "  %s", r.Difference)
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}

// WriteColumns writes both sides of a result in columns: what changed with each state, with the
// moment at which each side has it, and how often each side wrote which Event. Where a state is
// on one side only, the other column is empty.
func WriteColumns(w io.Writer, r *Result) error {
	p := printer{w: w}
	for i := range r.Objects {
		p.line("  %s", r.Objects[i].Name)
		if p.err == nil {
			p.err = WriteColumns(w, &r.Objects[i])
		}
	}
	if len(r.Objects) > 0 {
		return p.err
	}
	writeSides(r, "RECORDED", func(recorded, simulated, _, what string) {
		p.line("    %10s  %10s  %s", recorded, simulated, what)
	})
	return p.err
}

// writeSides writes the states and Events of a result by columns, which gets the cells of each row; side is what the recorded
// one is called.
func writeSides(r *Result, side string, columns func(recorded, simulated, later, what string)) {
	columns(side, "SIMULATED", "LATER", "STATE")
	for _, row := range rows(r) {
		columns(row.recorded, row.simulated, row.later, row.state)
	}
	if len(r.EventCounts) > 0 {
		columns(side, "SIMULATED", "", "EVENT")
	}
	for _, e := range r.EventCounts {
		columns(times(e.Recorded), times(e.Simulated), "", e.Event)
	}
}

// printer writes lines until one cannot be written.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func times(n int32) string {
	if n == 0 {
		return ""
	}
	return "x" + strconv.Itoa(int(n))
}

// row is a state that one or both sides have; later is how much later it was recorded than simulated.
type row struct{ recorded, simulated, later, state string }

// rows merges the states of both sides, those that belong together in one row. Where the sides go
// apart for good, the rest of each follows by time.
func rows(r *Result) []row {
	partner := map[int]int{}
	for _, p := range r.Pairs {
		partner[p.Want] = p.Got
	}
	var out []row
	i, j := 0, 0
	for i < len(r.Recorded) || j < len(r.Simulated) {
		got, paired := partner[i]
		switch {
		case i < len(r.Recorded) && paired && got == j, len(partner) == 0 && same(r, i, j):
			out = append(out, row{seconds(r.Recorded[i].From), seconds(r.Simulated[j].From),
				seconds(r.Recorded[i].From - r.Simulated[j].From), r.Recorded[i].news(r.Recorded[:i])})
			i, j = i+1, j+1
		case j >= len(r.Simulated), i < len(r.Recorded) && !paired && r.Recorded[i].From <= r.Simulated[j].From:
			out = append(out, row{seconds(r.Recorded[i].From), "", "", r.Recorded[i].news(r.Recorded[:i])})
			i++
		default:
			out = append(out, row{"", seconds(r.Simulated[j].From), "", r.Simulated[j].news(r.Simulated[:j])})
			j++
		}
	}
	return out
}

// same says whether both sides go on with the same state.
func same(r *Result, i, j int) bool {
	return i < len(r.Recorded) && j < len(r.Simulated) && r.Recorded[i].Words == r.Simulated[j].Words
}

// Summary counts the results, such as "54 of 56 agree".
func Summary(list []Result) string {
	agree, skipped := 0, 0
	for i := range list {
		switch {
		case list[i].NotCompared != "":
			skipped++
		case list[i].Agrees:
			agree++
		}
	}
	s := fmt.Sprintf("%d of %d agree", agree, len(list)-skipped)
	if skipped > 0 {
		s += fmt.Sprintf(", %d skipped", skipped)
	}
	return s
}

func writeCSV(w io.Writer, list []Result) error {
	c := csv.NewWriter(w)
	records := [][]string{{"name", "verdict", "time_error_ms", "events_matched", "events", "draws", "difference"}}
	for i := range list {
		r := &list[i]
		records = append(records, []string{r.Name, r.Verdict(), strconv.FormatInt(r.TimeError, 10), strconv.Itoa(r.EventsMatched),
			strconv.Itoa(r.Events), strconv.Itoa(r.Draws), r.Difference.String() + r.NotCompared})
	}
	return c.WriteAll(records)
}

func writeMarkdown(w io.Writer, list []Result) error {
	p := printer{w: w}
	p.line("| recording | verdict | states | time error | Events |")
	p.line("|---|---|--:|--:|--:|")
	for i := range list {
		r := &list[i]
		if r.NotCompared != "" {
			p.line("| %s | %s: %s | | | |", r.Name, r.Verdict(), r.NotCompared)
			continue
		}
		p.line("| %s | %s | %d | %s | %d of %d |", r.Name, r.Verdict(), r.states(), r.within(), r.EventsMatched, r.Events)
	}
	p.line("")
	p.line("%s.", Summary(list))
	return p.err
}
