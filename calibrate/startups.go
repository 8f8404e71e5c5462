package calibrate

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"

	"podsim/model"
	"podsim/reports"
)

// Startups are how long the pods of a run took to start, sorted, in nanoseconds.
type Startups struct {
	// Name is the record's folder.
	Name     string `json:"run"`
	Scenario string `json:"scenario"`
	// Runtime is where it was played, empty for a simulation.
	Runtime string `json:"runtime,omitempty"`
	// Pods is how many there were, NotRunning how many of them never ran.
	Pods       int `json:"pods"`
	NotRunning int `json:"not_running"`
	// Created are the times from a pod's creation until it was seen to run, Scheduled those from its binding.
	Created   []float64 `json:"from_creation_ns"`
	Scheduled []float64 `json:"from_scheduling_ns"`
}

// ReadStartups reads them from the folder of a record, simulated or real.
func ReadStartups(dir string) (*Startups, error) {
	r, err := reports.Open(dir)
	if err != nil {
		return nil, err
	}
	starts, err := r.Starts()
	if err != nil {
		return nil, err
	}
	s := &Startups{Name: dir, Scenario: r.Info.Scenario, Runtime: r.Info.Runtime, Pods: len(starts)}
	for _, x := range starts {
		if x.Running == model.Never {
			s.NotRunning++
			continue
		}
		s.Created = append(s.Created, float64(x.Running-x.Created))
		if x.Scheduled != model.Never {
			s.Scheduled = append(s.Scheduled, float64(x.Running-x.Scheduled))
		}
	}
	if len(s.Created) == 0 {
		return nil, fmt.Errorf("%s: no pod of this run ever ran", dir)
	}
	slices.Sort(s.Created)
	slices.Sort(s.Scheduled)
	return s, nil
}

// startQuantiles are those of a table of start-ups.
var startQuantiles = []struct {
	name string
	p    float64
}{{"first", 0}, {"10 %", 0.1}, {"25 %", 0.25}, {"50 %", 0.5}, {"75 %", 0.75}, {"90 %", 0.9}, {"95 %", 0.95}, {"99 %", 0.99}, {"last", 1}}

// WriteStartups writes the start-ups of a real run and of its simulation side by side.
func WriteStartups(w io.Writer, real, simulated *Startups) error {
	fmt.Fprintf(w, "real: %s, %s\nsimulated: %s, %s\n\n", real.Name, real.counts(), simulated.Name, simulated.counts())
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "UNTIL RUNNING\tFROM CREATION: REAL\tSIMULATED\tDIFFERENCE\tFROM SCHEDULING: REAL\tSIMULATED\tDIFFERENCE\t")
	for _, q := range startQuantiles {
		a, b := quantile(real.Created, q.p), quantile(simulated.Created, q.p)
		c, d := quantile(real.Scheduled, q.p), quantile(simulated.Scheduled, q.p)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", q.name, seconds(a), seconds(b), percent(a, b), seconds(c), seconds(d), percent(c, d))
	}
	return t.Flush()
}

func (s *Startups) counts() string {
	out := counted(s.Pods, "pod")
	if s.NotRunning > 0 {
		out += fmt.Sprintf(", %d of them never ran", s.NotRunning)
	}
	return out
}

func seconds(ns float64) string { return fmt.Sprintf("%.3fs", ns/1e9) }

// percent is by how much b differs from a.
func percent(a, b float64) string {
	if a == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.0f %%", 100*(b-a)/a)
}

// StartupRows are the quantiles of both as rows, with the names of the columns in the first.
func StartupRows(real, simulated *Startups) [][]string {
	rows := [][]string{{"run", "from", "quantile", "seconds"}}
	for _, s := range []struct {
		run  string
		from string
		ns   []float64
	}{{"real", "creation", real.Created}, {"simulated", "creation", simulated.Created}, {"real", "scheduling", real.Scheduled}, {"simulated", "scheduling", simulated.Scheduled}} {
		for _, q := range startQuantiles {
			rows = append(rows, []string{s.run, s.from, strconv.FormatFloat(q.p, 'g', -1, 64), strconv.FormatFloat(quantile(s.ns, q.p)/1e9, 'f', 6, 64)})
		}
	}
	return rows
}
