package calibrate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"podsim/model"
	"podsim/runner"
)

// Run is what a run on a real node says of its container runtime.
type Run struct {
	// Name is its folder.
	Name       string
	Machine    runner.Machine
	Operations []runner.Operation
}

// ReadRun reads it from the folder of its record.
func ReadRun(dir string) (Run, error) {
	m, list, err := runner.ReadOperations(dir)
	return Run{dir, m, list}, err
}

// Result is what runs on a real node say together.
type Result struct {
	Runs    []string         `json:"runs"`
	Machine []runner.Machine `json:"machines"`
	// Seed is that of the draws for P.
	Seed        uint64         `json:"seed"`
	Operations  []Operation    `json:"operations"`
	Pulls       *PullFit       `json:"pulls,omitempty"`
	Concurrency ConcurrencyFit `json:"concurrency"`
}

// Quantiles are the median, the 95th and the 99th percentile, in nanoseconds.
type Quantiles [3]float64

var quantiles = Quantiles{0.5, 0.95, 0.99}

// Operation is a kind of operation with the distribution that fits it.
type Operation struct {
	Name string `json:"operation"`
	// Latency is the field of a file of kind Latencies that it stands for, empty for none.
	Latency string `json:"latency,omitempty"`
	N       int    `json:"n"`
	// Errors is how many more ended with an error; they count for nothing.
	Errors int `json:"errors"`
	// Measured are the times as they were, Alone what they would have been without other operations under way,
	// Fitted those of the distribution.
	Measured Quantiles `json:"measured_ns"`
	Alone    Quantiles `json:"alone_ns"`
	Fitted   Quantiles `json:"fitted_ns"`
	LogNormal
	Goodness

	// numbers are the times alone, sorted.
	numbers []float64
}

// FewestCalls is how many calls of a kind it takes for a fit that may become a latency.
const FewestCalls = 20

// nameOf is the kind of an operation, with how a stop ended.
func nameOf(p *runner.Operation) string {
	if p.Kind == runner.OpStop {
		return string(p.Kind) + " " + p.Ended
	}
	return string(p.Kind)
}

// kinds are the kinds of operations in order, with their latencies.
var kinds = []struct{ name, latency string }{
	{string(runner.OpRunSandbox), "runSandbox"},
	{string(runner.OpCreate), "create"},
	{string(runner.OpStart), "start"},
	{string(runner.OpExec), "execProbe"},
	{string(runner.OpStop) + " " + runner.EndedByTerm, "stopTerm"},
	{string(runner.OpStop) + " " + runner.EndedByKill, "kill"},
	{string(runner.OpRemove), "remove"},
	{string(runner.OpStopSandbox), "stopSandbox"},
	{string(runner.OpRemoveSandbox), ""},
	{string(runner.OpUpdateResources), "updateResources"},
	{string(runner.OpPull), "pullLookup"},
	{string(runner.OpImageStatus), ""},
	{string(runner.OpExitVisible), "exitVisible"},
	{string(runner.OpOOMVisible), "oomVisible"},
}

// Fit fits the latencies to runs. The seed is for the draws that say how well they fit.
func Fit(runs []Run, seed uint64) *Result {
	r := &Result{Seed: seed}
	var works []work
	var others []other
	for i := range runs {
		r.Runs = append(r.Runs, runs[i].Name)
		r.Machine = append(r.Machine, runs[i].Machine)
		works = append(works, worksOf(runs[i].Operations, runs[i].Machine.CPUs)...)
		for j := range runs[i].Operations {
			if p := &runs[i].Operations[j]; !p.Kind.Works() {
				others = append(others, other{p, p.Kind == runner.OpPull || quiet(p, &runs[i])})
			}
		}
	}
	r.Concurrency = *fitConcurrency(works)
	for _, k := range kinds {
		o := Operation{Name: k.name, Latency: k.latency}
		var measured []float64
		for i := range works {
			if w := &works[i]; nameOf(w.Operation) == k.name && o.counts(w.Operation) {
				measured = append(measured, float64(w.Took-w.Waited))
				o.numbers = append(o.numbers, w.alone(r.Concurrency.PerCPU))
			}
		}
		var pulls []runner.Operation
		for _, p := range others {
			if string(p.Kind) != k.name || !o.counts(p.Operation) {
				continue
			}
			measured = append(measured, float64(p.Took))
			if p.quiet {
				o.numbers = append(o.numbers, float64(p.Took))
				pulls = append(pulls, *p.Operation)
			}
		}
		if k.name == string(runner.OpPull) {
			// Where all have one size, the whole pull is the fixed cost.
			if fit, costs := fitPulls(pulls); fit != nil {
				r.Pulls, o.numbers = fit, costs
			}
		}
		if o.fit(measured, seed) {
			r.Operations = append(r.Operations, o)
		}
	}
	return r
}

// other is an operation that takes no share of the processors in the simulation. What it took counts when it was quiet.
type other struct {
	*runner.Operation
	quiet bool
}

// quiet says that beside an operation no more were under way than the machine has processors.
func quiet(p *runner.Operation, r *Run) bool {
	beside := 0
	for i := range r.Operations {
		if o := &r.Operations[i]; o != p && o.At+o.Waited < p.At+p.Took && p.At < o.At+o.Took {
			beside++
		}
	}
	return beside <= r.Machine.CPUs
}

// counts says whether an operation ended well, and counts it when not.
func (o *Operation) counts(p *runner.Operation) bool {
	if p.Error != "" {
		o.Errors++
	}
	return p.Error == ""
}

// fit fits the distribution. It says whether there was anything.
func (o *Operation) fit(measured []float64, seed uint64) bool {
	o.numbers = slices.DeleteFunc(o.numbers, func(x float64) bool { return x <= 0 })
	o.N = len(o.numbers)
	if o.N == 0 {
		return o.Errors > 0
	}
	slices.Sort(measured)
	slices.Sort(o.numbers)
	o.LogNormal = fitLogNormal(o.numbers)
	o.Goodness = goodness(o.LogNormal, o.numbers, seed)
	for i, p := range quantiles {
		o.Measured[i], o.Alone[i], o.Fitted[i] = quantile(measured, p), quantile(o.numbers, p), o.quantile(p)
	}
	return true
}

// latency is the distribution of the operation's latency. The largest is what one of a thousand exceeds, but not more than
// twice what was seen.
func (o *Operation) latency() model.Dist {
	return o.dist(max(o.numbers[len(o.numbers)-1], min(o.quantile(0.999), 2*o.numbers[len(o.numbers)-1])))
}

// Latencies are those of the runs; what they say too little of is as in base. notes say of each where it comes from.
func (r *Result) Latencies(base model.Latencies) (l model.Latencies, notes map[string]string) {
	l, notes = base, map[string]string{}
	term := 0.0
	for i := range r.Operations {
		o := &r.Operations[i]
		place := latencyOf(&l, o.Latency)
		switch {
		case place == nil:
		case o.N < FewestCalls:
			notes[o.Latency] = fmt.Sprintf("%s, too few: as it was.", counted(o.N, "call"))
		default:
			*place = o.latency()
			notes[o.Latency] = fmt.Sprintf("%s, median %s, fitted %s; KS distance %.3f, p = %.2g.", counted(o.N, "call"), ms(o.Alone[0]), ms(o.Fitted[0]), o.Distance, o.P)
		}
		if o.Latency == "stopTerm" {
			term = o.Alone[0]
		}
		if o.Latency == "kill" && o.N >= FewestCalls {
			// The simulated runtime takes stopTerm before the grace period begins, also where that is over.
			*place = o.without(term)
			notes["kill"] += " Of it " + ms(term) + " is in stopTerm."
		}
	}
	if p := r.Pulls; p != nil && p.N >= FewestCalls {
		l.PullPerMiB = model.Dist{Kind: model.DistConstant, Value: math.Round(p.PerMiB/1e3) * 1e3}
		notes["pullPerMiB"] = fmt.Sprintf("%s; the median is %s from the line.", counted(p.N, "pull"), ms(p.Error))
	}
	if c := &r.Concurrency; c.PerCPU > 0 {
		l.ConcurrencyPerCPU = math.Round(c.PerCPU*1000) / 1000
		notes["concurrencyPerCPU"] = fmt.Sprintf("Measured with %s and up to %d operations under way; likely from %.3g to %.3g.", counted(c.CPUs, "CPU"), c.Most, c.Low, c.High)
	}
	names := []string{"pullPerMiB", "concurrencyPerCPU", "netProbe", "mountVolumes", "unmountVolumes", "layerStats"}
	for _, k := range kinds {
		names = append(names, k.latency)
	}
	for _, name := range names {
		notes[name] = cmp.Or(notes[name], "Not measured: as it was.")
	}
	return l, notes
}

// Few are the latencies that were measured, but too seldom.
func (r *Result) Few() []string {
	var names []string
	for i := range r.Operations {
		if o := &r.Operations[i]; o.Latency != "" && o.N < FewestCalls {
			names = append(names, o.Latency)
		}
	}
	return names
}

// without is the distribution of the operation less what another one takes of it: its floor and its median are
// lower by that, as far as they go, and its shape stays.
func (o *Operation) without(less float64) model.Dist {
	const least = float64(model.Millisecond)
	d := LogNormal{Shift: max(0, o.Shift-less), Sigma: o.Sigma}
	d.Mu = math.Log(max(least, o.Fitted[0]-less-d.Shift))
	if d.Sigma == 0 {
		return d.dist(0)
	}
	return d.dist(max(least, d.quantile(0.999)))
}

// latencyOf is the place of a latency by its name in files, nil for none.
func latencyOf(l *model.Latencies, name string) *model.Dist {
	return map[string]*model.Dist{"runSandbox": &l.RunSandbox, "create": &l.Create, "start": &l.Start, "execProbe": &l.ExecProbe, "stopTerm": &l.StopTerm,
		"kill": &l.Kill, "remove": &l.Remove, "stopSandbox": &l.StopSandbox, "updateResources": &l.UpdateResources, "pullLookup": &l.PullLookup,
		"exitVisible": &l.ExitVisible, "oomVisible": &l.OOMVisible}[name]
}

// Machines says on what the runs were made.
func (r *Result) Machines() string {
	var list []string
	for _, m := range r.Machine {
		s := fmt.Sprintf("%s on %s", m, counted(m.CPUs, "CPU"))
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return strings.Join(list, ", ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ms is a time in nanoseconds as milliseconds.
func ms(ns float64) string {
	switch x := ns / 1e6; {
	case x >= 100:
		return fmt.Sprintf("%.0fms", x)
	case x >= 10:
		return fmt.Sprintf("%.1fms", x)
	default:
		return fmt.Sprintf("%.2fms", x)
	}
}
