package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"podsim/conform"
)

func newConformScheduler() *cobra.Command {
	var o conformOptions
	cmd := &cobra.Command{
		Use:   "scheduler FILE...",
		Short: "Compare decisions of a real kube-scheduler with the simulator",
		Long: `Read decisions of the real kube-scheduler, one JSON object {"input": ..., "want": ...} a line,
give podsim's scheduler the same nodes, pods and other objects, and compare what both say of
the pending pod: which nodes are feasible, the code, plugin and reasons of the others, the
normalized scores of every plugin, the totals, the best nodes, the text of FailedScheduling
and the preemption. A folder stands for all files .jsonl and .jsonl.gz in it.

Each case gets a line: whether both decisions are the same, or their first difference.`,
		Example: `  podsim conform scheduler conform/testdata/scheduler-cases.jsonl.gz
  podsim conform scheduler conform/testdata/scheduler-cases.jsonl.gz -v
  podsim conform scheduler conform/testdata/scheduler-cases.jsonl.gz -o markdown`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return conformScheduler(cmd.OutOrStdout(), args, &o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show both decisions, node by node")
	addOutput(f, &o.output, conform.Outputs)
	return cmd
}

func conformScheduler(w io.Writer, args []string, o *conformOptions) error {
	if err := checkOutput(o.output, conform.Outputs); err != nil {
		return err
	}
	cases, err := readCases(args)
	if err != nil {
		return err
	}
	width := 0
	for i := range cases {
		width = max(width, len(cases[i].Input.Name))
	}
	var all []conform.SchedulerResult
	for i := range cases {
		r := conform.Scheduler(&cases[i])
		all = append(all, r)
		if o.output != "" {
			showProgress(i+1, len(cases), "cases")
			continue
		}
		if err := conform.WriteSchedulerLine(w, &r, width); err != nil {
			return err
		}
		if o.verbose {
			if err := conform.WriteSchedulerColumns(w, &r); err != nil {
				return err
			}
		}
	}
	if o.output != "" {
		err = conform.WriteScheduler(w, o.output, all)
	} else {
		_, err = fmt.Fprintln(w, conform.SchedulerSummary(all))
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(r conform.SchedulerResult) bool { return !r.Agrees }) {
		return errDiffers
	}
	return nil
}

// readCases reads the cases of the files, and of those in the folders.
func readCases(args []string) ([]conform.Case, error) {
	var all []conform.Case
	for _, path := range args {
		files, err := recordingFiles(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			cases, err := conform.ReadCases(file)
			if err != nil {
				return nil, err
			}
			all = append(all, cases...)
		}
	}
	return all, nil
}
