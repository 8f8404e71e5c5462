package conform

import (
	"cmp"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
)

// Machine is what a comparison says of the machine with the real node.
type Machine struct {
	// Runtime is the container runtime with its version, such as "containerd 2.4.2".
	Runtime string `json:"runtime,omitempty"`
	// Cgroups is v1 or v2.
	Cgroups string `json:"cgroups,omitempty"`
	Cores   int    `json:"cores,omitempty"`
}

// words is what is known of the machine.
func (m *Machine) words() string {
	s := fmt.Sprintf("%s, %d cores", cmp.Or(m.Runtime, "a node that is not known"), m.Cores)
	if m.Cgroups != "" {
		s += ", cgroups " + m.Cgroups
	}
	return s
}

// RunReport is a comparison of scenarios on a real node with their simulations.
type RunReport struct {
	Machine Machine `json:"machine"`
	// ToleranceMs is how far times may differ, Parallel how many scenarios ran at a time.
	ToleranceMs int64       `json:"toleranceMs"`
	Parallel    int         `json:"parallel"`
	Scenarios   []RunResult `json:"scenarios"`
}

// Brief leaves the sequences out.
func (r *RunReport) Brief() *RunReport {
	out := *r
	out.Scenarios = nil
	for _, s := range r.Scenarios {
		var pods []Result
		for _, p := range s.Pods {
			p.Recorded, p.Simulated, p.EventCounts = nil, nil, nil
			pods = append(pods, p)
		}
		s.Pods = pods
		out.Scenarios = append(out.Scenarios, s)
	}
	return &out
}

// Write writes the report as json, yaml, csv or markdown.
func (r *RunReport) Write(w io.Writer, output string) error {
	return writeOutput(w, output, r, writeRunCSV, writeRunMarkdown)
}

// WriteRunLine writes a result as a line; width is that of the longest name.
func WriteRunLine(w io.Writer, r *RunResult, width int) error {
	p := printer{w: w}
	switch {
	case r.Error != "":
		p.line("%-*s  %-7s  %s", width, r.Name, r.Verdict(), r.Error)
	case r.Difference != nil:
		p.line("%-*s  %-7s  %s  %s", width, r.Name, r.Verdict(), r.numbers(), r.Difference.sides("real", "simulated"))
	default:
		p.line("%-*s  %-7s  %s", width, r.Name, r.Verdict(), r.numbers())
	}
	return p.err
}

// numbers are the draw, what was compared, and the time differences.
func (r *RunResult) numbers() string {
	pods := "pods"
	if len(r.Pods) == 1 {
		pods = "pod "
	}
	return fmt.Sprintf("draw %-3d  %2d %s  %3d steps  median %-6s  worst %-6s", r.Draw, len(r.Pods), pods, r.Steps, distance(r.MedianMs), distance(r.WorstMs))
}

// distance is a distance of times in words.
func distance(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return seconds(ms)
}

// sides is the difference in one line, with what its two sides are called.
func (d *Difference) sides(expected, got string) string {
	return fmt.Sprintf("%s: %s %s, %s %s", d.What, expected, d.Expected, got, d.Got)
}

// WriteSequences writes both sides of each pod in columns: what changed with each state, when it did on the
// node and in the simulation, and how much later on the node; and how often each Event came.
func WriteSequences(w io.Writer, r *RunResult) error {
	p := printer{w: w}
	for i := range r.Pods {
		pod := &r.Pods[i]
		p.line("  %s", pod.Name)
		writeSides(pod, "REAL", func(real, simulated, later, what string) {
			p.line("    %10s  %10s  %10s  %s", real, simulated, later, what)
		})
		if pod.Difference != nil {
			p.line("    %s", pod.Difference.sides("real", "simulated"))
		}
	}
	return p.err
}

// RunSummary counts the results, such as "34 of 36 equal, 1 late, 1 differs".
func RunSummary(list []RunResult) string {
	count := map[string]int{}
	for i := range list {
		count[list[i].Verdict()]++
	}
	s := fmt.Sprintf("%d of %d equal", count["equal"], len(list))
	for _, verdict := range []string{"late", "differs", "failed"} {
		if n := count[verdict]; n > 0 {
			s += fmt.Sprintf(", %d %s", n, verdict)
		}
	}
	return s
}

func writeRunCSV(w io.Writer, r *RunReport) error {
	c := csv.NewWriter(w)
	records := [][]string{{"scenario", "verdict", "pods", "steps", "draw", "median_ms", "worst_ms", "difference"}}
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		difference := s.Error
		if s.Difference != nil {
			difference = s.Difference.sides("real", "simulated")
		}
		records = append(records, []string{s.Name, s.Verdict(), strconv.Itoa(len(s.Pods)), strconv.Itoa(s.Steps), strconv.Itoa(s.Draw),
			strconv.FormatInt(s.MedianMs, 10), strconv.FormatInt(s.WorstMs, 10), difference})
	}
	return c.WriteAll(records)
}

func writeRunMarkdown(w io.Writer, r *RunReport) error {
	p := printer{w: w}
	p.line("On %s, %d scenarios at a time. Times are within %s, or 10 %% of the time since the pod's creation.",
		r.Machine.words(), r.Parallel, seconds(r.ToleranceMs))
	p.line("")
	p.line("| scenario | pods | steps | verdict | draw | median | worst |")
	p.line("|---|--:|--:|---|--:|--:|--:|")
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		if s.Error != "" {
			p.line("| %s | | | %s: %s | | | |", s.Name, s.Verdict(), s.Error)
			continue
		}
		p.line("| %s | %d | %d | %s | %d | %s | %s |", s.Name, len(s.Pods), s.Steps, s.Verdict(), s.Draw, distance(s.MedianMs), distance(s.WorstMs))
	}
	p.line("")
	p.line("%s.", RunSummary(r.Scenarios))
	return p.err
}

// The elements of a JUnit report.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes the report as a JUnit file: a test case a scenario.
func (r *RunReport) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: "podsim compare", Tests: len(r.Scenarios)}
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		c := junitCase{Name: s.Name, Class: "podsim.compare", Time: strconv.FormatFloat(float64(s.EndMs)/1000, 'f', 3, 64)}
		if s.Verdict() != "equal" {
			suite.Failures++
			c.Failure = &junitFailure{Message: s.Verdict() + ": " + s.Error}
			if s.Difference != nil {
				c.Failure.Message = s.Verdict() + ": " + s.Difference.sides("real", "simulated")
			}
		}
		suite.Cases = append(suite.Cases, c)
	}
	data, err := xml.MarshalIndent(&suite, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, data)
	return err
}
