package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"podsim/conform"
	"podsim/model"
	"podsim/reports"
	"podsim/runner"
	"podsim/scenarios"
	"podsim/sim"
)

// compareOutputs are the forms of a comparison.
var compareOutputs = append([]string{"table"}, conform.Outputs...)

type compareOptions struct {
	runOptions
	tolerance time.Duration
	draws     int
	parallel  int
	form      string
	junit     string
	verbose   bool
	// allowLate says that times alone are no failure.
	allowLate bool
	// latencies is a file with those of the simulated runtime.
	latencies string
	// list is a file with scenarios.
	list string
	// recorded is the record of a finished real run, records where those of new ones go.
	recorded, records string
}

func newCompare() *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare [SCENARIO...]",
		Short: "Play scenarios on a real node and compare them with their simulations",
		Long: `Play each scenario on this machine's container runtime, in real time, simulate it, and compare its
pods state by state and Event by Event: order, reasons, exit codes, restarts and Events must be
equal, times must lie within the tolerance, or 10 % of the time since the pod's creation if that is more.

What the runtime takes is luck. A run must be one that the simulation gives for some draw of these
latencies: first the scenario's own (draw 0), then up to --draws others. A state that lasts less
than 300 ms may be missing on either side, and so may what comes less than the tolerance before
the end.

Each scenario gets a line: equal, late where only times differ, or differs; the draw, how many
states its pods had, and the median and the largest time difference. One scenario is shown pod by pod,
with both sequences side by side; of several only those that are not equal, or all with -v. The
exit code is 1 when a scenario is not equal.`,
		Example: `  podsim compare scenarios/library/exit-codes.yaml
  podsim compare scenarios/library/crash-loop.yaml --until 2m --tolerance 1s
  podsim compare scenarios/library/oom.yaml scenarios/library/hooks.yaml --parallel 2 -o json
  podsim compare --list scenarios/library/real-node.txt --parallel 8 -o json > real-node.json
  podsim run --on containerd scenarios/library/oom.yaml -o real
  podsim compare scenarios/library/oom.yaml --real real`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return compare(cmd, args, &o)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.tolerance, "tolerance", 1500*time.Millisecond, "how far the times of a state may differ")
	f.IntVar(&o.draws, "draws", 2000, "the most simulations with other latencies of the runtime that are tried")
	f.DurationVar(&o.until, "until", 0, "end the runs at this moment, instead of the scenario's duration")
	f.StringArrayVar(&o.sets, "set", nil, "change a value of the scenario files: `path=value` (may be repeated)")
	f.IntVar(&o.parallel, "parallel", 1, "how many scenarios are on the node at a time")
	addOutput(f, &o.form, compareOutputs)
	f.StringVar(&o.junit, "junit", "", "write a JUnit report to this `file`, too")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show the sequences of all pods")
	f.BoolVar(&o.allowLate, "allow-late", false, "a scenario of which only times differ is no failure")
	f.StringVar(&o.latencies, "latencies", "", "simulate with the latencies of this `file`, such as podsim calibrate writes, instead of the scenarios'")
	f.StringVar(&o.list, "list", "", "compare the scenarios of this `file`, too: a line for each, with its path from there and perhaps until and a moment")
	f.StringVar(&o.recorded, "real", "", "compare the record of a run that has been made, in this `folder`, instead of a new one; of several scenarios, what --records has kept there")
	f.StringVar(&o.records, "records", "", "keep the records of the runs on the node in this `folder`, one in it for each scenario")
	o.real.add(f)
	return cmd
}

// comparison is a scenario that is compared.
type comparison struct {
	path     string
	scenario *model.Scenario
	run      *conform.Run
	// machine is where it was made, as far as its record says so.
	machine conform.Machine
	// failed says why there is no run.
	failed error
}

func compare(cmd *cobra.Command, paths []string, o *compareOptions) error {
	wanted, err := o.wanted(paths)
	if err != nil {
		return err
	}
	if err := o.check(wanted); err != nil {
		return err
	}
	list, err := o.read(cmd, wanted)
	if err != nil {
		return err
	}
	if err := o.checkFiles(list); err != nil {
		return err
	}
	report := &conform.RunReport{ToleranceMs: o.tolerance.Milliseconds(), Parallel: o.parallel}
	if report.Machine, err = o.runs(cmd.Context(), list); err != nil {
		return err
	}
	width := 0
	for _, c := range list {
		width = max(width, len(c.scenario.Name))
	}
	for i, c := range list {
		one, err := o.compareOne(c)
		if err != nil {
			return err
		}
		report.Scenarios = append(report.Scenarios, one)
		if o.table() {
			err = o.write(cmd.OutOrStdout(), &one, len(list) == 1, width)
		} else {
			showProgress(i+1, len(list), "scenarios compared")
		}
		if err != nil {
			return err
		}
	}
	return o.finish(cmd.OutOrStdout(), report)
}

// runs plays the scenarios, unless --real has their runs. It says on which machine they were made.
func (o *compareOptions) runs(ctx context.Context, list []*comparison) (conform.Machine, error) {
	if o.recorded != "" {
		return list[0].machine, nil
	}
	for _, c := range list {
		if err := o.real.check(ctx, c.scenario); err != nil {
			return conform.Machine{}, fmt.Errorf("%s: %w", c.path, err)
		}
	}
	m, err := runner.MachineOf(o.real.Endpoint)
	if err != nil {
		return conform.Machine{}, err
	}
	return machineOf(m), o.playAll(list)
}

// table says that the form is the one for people.
func (o *compareOptions) table() bool { return o.form == "" || o.form == "table" }

// wanted are the scenarios that are named, and those of the list.
func (o *compareOptions) wanted(paths []string) ([]listed, error) {
	var list []listed
	for _, path := range paths {
		list = append(list, listed{path: path})
	}
	if o.list != "" {
		more, _, err := readList(o.list)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	if len(list) == 0 {
		return nil, errors.New("no scenario is named; give files, or a list of them with --list")
	}
	return list, nil
}

func (o *compareOptions) check(wanted []listed) error {
	if err := checkOutput(o.form, compareOutputs); err != nil {
		return err
	}
	if o.parallel < 1 {
		return fmt.Errorf("--parallel must be at least 1, not %d", o.parallel)
	}
	if o.tolerance <= 0 {
		return fmt.Errorf("--tolerance must be above 0, not %s", o.tolerance)
	}
	if o.draws < 0 {
		return fmt.Errorf("--draws must be at least 0, not %d", o.draws)
	}
	name := o.real.given()
	if o.records != "" {
		name = "records"
	}
	if o.recorded != "" && name != "" {
		return fmt.Errorf("--%s is for new runs, --real for one that has been made: give one of them", name)
	}
	return nil
}

// checkFiles says that a file or a record cannot be written, before the runs are made.
func (o *compareOptions) checkFiles(list []*comparison) error {
	if o.junit != "" {
		file, err := os.OpenFile(o.junit, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return fmt.Errorf("--junit %s cannot be written (%s): name a file in a folder that is there", o.junit, reason(err))
		}
		file.Close()
	}
	if o.records == "" {
		return nil
	}
	if err := os.MkdirAll(o.records, 0o755); err != nil {
		return fmt.Errorf("--records %s cannot be made (%s): name another folder", o.records, reason(err))
	}
	files := map[string]string{}
	for _, c := range list {
		if other, twice := files[c.scenario.Name]; twice {
			return fmt.Errorf("%s: its scenario is called %s as that of %s, and --records keeps one record of a name: leave one of them out", c.path, c.scenario.Name, other)
		}
		files[c.scenario.Name] = c.path
	}
	return nil
}

// read reads the scenarios before anything is played, and the record of --real.
func (o *compareOptions) read(cmd *cobra.Command, wanted []listed) ([]*comparison, error) {
	opts, err := o.scenarioOptions(cmd)
	if err != nil {
		return nil, err
	}
	var latencies *model.Latencies
	if o.latencies != "" {
		l, err := scenarios.ReadLatencies(o.latencies)
		if err != nil {
			return nil, err
		}
		latencies = &l
	}
	var list []*comparison
	for _, w := range wanted {
		own := opts
		if w.until > 0 && !cmd.Flags().Changed("until") {
			own = append(slices.Clone(opts), scenarios.WithUntil(model.Time(w.until)))
		}
		sc, err := scenarios.Read(w.path, own...)
		if err != nil {
			return nil, err
		}
		if latencies != nil {
			sc.Latencies = *latencies
		}
		list = append(list, &comparison{path: w.path, scenario: sc})
	}
	for _, c := range list {
		if o.recorded == "" {
			break
		}
		if err := o.readRun(c, len(list) > 1); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// readRun reads the run of a record: the folder of --real, or the one in it that --records has made for the scenario.
func (o *compareOptions) readRun(c *comparison, several bool) error {
	sc, directory := c.scenario, o.recorded
	kept := filepath.Join(directory, sc.Name)
	if info, err := os.Stat(kept); several || err == nil && info.IsDir() {
		directory = kept
	}
	record, err := reports.Open(directory)
	if err != nil {
		return err
	}
	if record.Info.Scenario != sc.Name {
		return fmt.Errorf("%s: the record is of the scenario %s, want %s", directory, record.Info.Scenario, sc.Name)
	}
	if record.Info.Ended == 0 {
		return fmt.Errorf("%s: nothing is recorded there: that run was killed or did not begin; want one that has ended", directory)
	}
	sc.Seed = record.Info.Seed
	run := &conform.Run{End: int64(min(record.Info.Ended, sc.Duration) / model.Millisecond)}
	if err := record.PodChanges(run.AddPod, run.AddEvent); err != nil {
		return err
	}
	c.run = run
	if m, _, err := runner.ReadOperations(directory); err == nil {
		c.machine = machineOf(m)
	}
	return nil
}

// play plays a scenario on the node and writes down what becomes of its pods. A mistake of podsim's own ends this
// scenario, not the others.
func (o *compareOptions) play(c *comparison, tick func(now model.Time)) (interrupted bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v", r)
			fmt.Fprintf(os.Stderr, "%s: %s\n\n%s", c.scenario.Name, err, debug.Stack())
		}
	}()
	directory := ""
	if o.records != "" {
		directory = filepath.Join(o.records, c.scenario.Name)
	}
	r, err := newRecordedRun(c.scenario, c.path, directory)
	if err != nil {
		return false, err
	}
	run := &conform.Run{}
	run.Observe(r.cluster)
	// Several play at a time, each with its own summary.
	real := o.real
	real.Record = directory
	interrupted, err = real.play(c.scenario, r.cluster, func() { tick(r.cluster.Now()) })
	run.End, r.info.Runtime = int64(r.cluster.Now()/model.Millisecond), real.runtime()
	if err = cmp.Or(err, r.end(err == nil && !interrupted)); err == nil {
		c.run = run
	}
	return interrupted, err
}

// compareOne compares a scenario that was played.
func (o *compareOptions) compareOne(c *comparison) (conform.RunResult, error) {
	if c.failed != nil {
		return conform.RunResult{Name: c.scenario.Name, Error: c.failed.Error(), MedianMs: -1, WorstMs: -1}, nil
	}
	return conform.CompareRuns(c.scenario, c.run, conform.RunRule{Tolerance: o.tolerance.Milliseconds(), Draws: o.draws,
		Extend: func(cluster *sim.Cluster) error { return extend(cluster, c.scenario) },
		Tick:   func(draw int) { showProgress(draw, o.draws, "draws of "+c.scenario.Name) }})
}

// write writes a scenario's sequences, if they are asked for, and its line.
func (o *compareOptions) write(w io.Writer, r *conform.RunResult, only bool, width int) error {
	clearProgress()
	if only || o.verbose || r.Verdict() != "equal" {
		if err := conform.WriteSequences(w, r); err != nil {
			return err
		}
	}
	return conform.WriteRunLine(w, r, width)
}

// finish writes the summary, or everything in the form that was asked for.
func (o *compareOptions) finish(w io.Writer, report *conform.RunReport) error {
	if o.junit != "" {
		if err := o.writeJUnit(report); err != nil {
			return err
		}
	}
	if o.table() {
		fmt.Fprintf(w, "%s; times within %s\n", conform.RunSummary(report.Scenarios), o.tolerance)
	} else {
		if !o.verbose {
			report = report.Brief()
		}
		if err := report.Write(w, o.form); err != nil {
			return err
		}
	}
	for i := range report.Scenarios {
		if v := report.Scenarios[i].Verdict(); v != "equal" && !(v == "late" && o.allowLate) {
			return errDiffers
		}
	}
	return nil
}

func (o *compareOptions) writeJUnit(report *conform.RunReport) error {
	file, err := os.Create(o.junit)
	if err != nil {
		return err
	}
	if err := report.WriteJUnit(file); err != nil {
		return err
	}
	return file.Close()
}
