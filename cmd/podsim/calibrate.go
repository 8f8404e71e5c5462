package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"podsim/calibrate"
	"podsim/model"
	"podsim/scenarios"
)

type calibrateOptions struct {
	write, base, picture, output string
	seed                         uint64
	startups                     bool
}

func newCalibrate() *cobra.Command {
	var o calibrateOptions
	cmd := &cobra.Command{
		Use:   "calibrate REAL_RUN...",
		Short: "Fit the latencies of the container runtime to runs on a real node",
		Long: `Read the records of runs on a real node (podsim run --on containerd) and fit the latencies of
the container runtime to what its calls took: a shifted log-normal distribution for each
operation, a fixed cost and a rate for pulls, and how many operations a CPU has full speed
for. The table says how well each one fits.

With --write the latencies become a file of kind Latencies, which a scenario names with
latencies: {file: FILE}. What was measured fewer than ` + fmt.Sprint(calibrate.FewestCalls) + ` times stays as it is.

With --startups two records are compared, a real run and its simulation: how long their
pods took until they ran.

Calibrate on a machine that does nothing else.`,
		Example: `  podsim run --on containerd scenarios/library/calibration.yaml -o /tmp/real
  podsim calibrate /tmp/real
  podsim calibrate /tmp/real --write latencies.yaml --picture latencies.svg
  podsim calibrate /tmp/real /tmp/real-2 -o csv
  podsim calibrate --startups /tmp/real /tmp/simulated --picture startups.svg`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(o.output, outputs); err != nil {
				return err
			}
			if o.startups {
				return compareStartups(cmd.OutOrStdout(), args, &o)
			}
			return calibrateRuns(cmd.OutOrStdout(), args, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.write, "write", "", "write the latencies to this `file`")
	f.StringVar(&o.base, "base", "", "a `file` of kind Latencies for what was not measured, instead of the default")
	f.StringVar(&o.picture, "picture", "", "draw a picture (SVG) into this `file`")
	addOutput(f, &o.output, outputs)
	f.Uint64Var(&o.seed, "seed", 1, "the seed of the samples that say how well a distribution fits")
	f.BoolVar(&o.startups, "startups", false, "compare the start-ups of a REAL_RUN and a SIMULATED_RUN")
	return cmd
}

func calibrateRuns(w io.Writer, args []string, o *calibrateOptions) error {
	if len(args) == 0 {
		return errors.New("no run is named; give the folders of records that podsim run --on containerd has made")
	}
	base := model.DefaultLatencies()
	if o.base != "" {
		var err error
		if base, err = scenarios.ReadLatencies(o.base); err != nil {
			return err
		}
	}
	var runs []calibrate.Run
	for i, dir := range args {
		showProgress(i+1, len(args), "runs")
		r, err := calibrate.ReadRun(dir)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	result := calibrate.Fit(runs, o.seed)
	if len(result.Operations) == 0 {
		return fmt.Errorf("%s: nothing was measured: the runs have no calls to a container runtime", strings.Join(args, ", "))
	}
	if o.write != "" {
		l, notes := result.Latencies(base)
		comment := fmt.Sprintf("Made by podsim calibrate from runs on a real node (%d): %s.", len(runs), result.Machines())
		if err := writeNamed("--write", o.write, scenarios.LatenciesYAML(&l, nameOfFile(o.write), comment, notes)); err != nil {
			return err
		}
		if few := result.Few(); len(few) > 0 {
			notice(fmt.Sprintf("%s: measured fewer than %d times, so these stay as they were: %s", o.write, calibrate.FewestCalls, strings.Join(few, ", ")))
		}
	}
	if o.picture != "" {
		if err := writeNamed("--picture", o.picture, result.Picture()); err != nil {
			return err
		}
	}
	if o.output != "" {
		return writeOutput(w, o.output, result, result.Rows())
	}
	return result.WriteTable(w)
}

// compareStartups is `podsim calibrate --startups`.
func compareStartups(w io.Writer, args []string, o *calibrateOptions) error {
	if len(args) != 2 {
		return fmt.Errorf("--startups compares two runs, a real one and its simulation, not %d", len(args))
	}
	if o.write != "" || o.base != "" {
		return fmt.Errorf("--startups fits nothing: leave --write and --base out")
	}
	var both [2]*calibrate.Startups
	for i, dir := range args {
		s, err := calibrate.ReadStartups(dir)
		if err != nil {
			return err
		}
		both[i] = s
	}
	real, simulated := both[0], both[1]
	switch {
	case real.Runtime == "":
		return fmt.Errorf("%s: this run was simulated, want the real one first (podsim run --on containerd)", args[0])
	case simulated.Runtime != "":
		return fmt.Errorf("%s: this run was on a real node, want its simulation second", args[1])
	case real.Scenario != simulated.Scenario:
		return fmt.Errorf("%s: this run is of the scenario %s, want %s as that of %s", args[1], simulated.Scenario, real.Scenario, args[0])
	}
	if o.picture != "" {
		if err := writeNamed("--picture", o.picture, calibrate.StartupsPicture(real, simulated)); err != nil {
			return err
		}
	}
	if o.output != "" {
		return writeOutput(w, o.output, map[string]*calibrate.Startups{"real": real, "simulated": simulated}, calibrate.StartupRows(real, simulated))
	}
	return calibrate.WriteStartups(w, real, simulated)
}

// writeNamed writes the file that a flag names.
func writeNamed(flag, name string, data []byte) error {
	if err := os.WriteFile(name, data, 0o644); err != nil {
		return fmt.Errorf("%s %s cannot be written (%s): name a file in a folder that is there", flag, name, reason(err))
	}
	return nil
}

// nameOfFile is a file's name without its ending.
func nameOfFile(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}
