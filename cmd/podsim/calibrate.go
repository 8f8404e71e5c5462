package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.output != "" && !slices.Contains(calibrate.Outputs, o.output) {
				return fmt.Errorf("--output %q is not known; there are %s", o.output, strings.Join(calibrate.Outputs, ", "))
			}
			if o.startups {
				return compareStartups(cmd, args, &o)
			}
			return calibrateRuns(cmd, args, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.write, "write", "", "write the latencies to this `file`")
	f.StringVar(&o.base, "base", "", "a `file` of kind Latencies for what was not measured, instead of the default")
	f.StringVar(&o.picture, "picture", "", "draw a picture (SVG) into this `file`")
	f.StringVarP(&o.output, "output", "o", "", "the form: "+strings.Join(calibrate.Outputs, ", "))
	f.Uint64Var(&o.seed, "seed", 1, "the seed of the samples that say how well a distribution fits")
	f.BoolVar(&o.startups, "startups", false, "compare the start-ups of a REAL_RUN and a SIMULATED_RUN")
	return cmd
}

func calibrateRuns(cmd *cobra.Command, args []string, o *calibrateOptions) error {
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
		if err := os.WriteFile(o.write, scenarios.LatenciesYAML(&l, nameOfFile(o.write), comment, notes), 0o644); err != nil {
			return err
		}
	}
	if err := drawInto(o.picture, result.Picture); err != nil {
		return err
	}
	return result.Write(cmd.OutOrStdout(), o.output)
}

// compareStartups is `podsim calibrate --startups`.
func compareStartups(cmd *cobra.Command, args []string, o *calibrateOptions) error {
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
	if err := drawInto(o.picture, func() []byte { return calibrate.StartupsPicture(both[0], both[1]) }); err != nil {
		return err
	}
	return calibrate.WriteStartups(cmd.OutOrStdout(), o.output, both[0], both[1])
}

// drawInto draws a picture into a file, if one is named.
func drawInto(name string, draw func() []byte) error {
	if name == "" {
		return nil
	}
	return os.WriteFile(name, draw(), 0o644)
}

// nameOfFile is a file's name without its ending.
func nameOfFile(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}
