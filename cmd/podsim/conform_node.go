package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"podsim/conform"
)

func newConformNode() *cobra.Command {
	var o conformOptions
	cmd := &cobra.Command{
		Use:   "node FILE...",
		Short: "Compare recordings of a whole node with the simulator",
		Long: `Read recordings of a real node, repeat in the simulator what was done to it, and compare the
node and each of its pods state by state and Event by Event. A FILE (NAME.jsonl, or NAME.jsonl.gz)
begins with a line that has the steps: pods that were created, deleted and resized, kubelets
that were restarted with a configuration; a folder stands for all such files in it.

Each recording gets a line: whether it agrees, how far apart the times of its states are, and how
many of the Events match; then the first difference. What the kubelet draws at random podsim draws
too: a recording agrees when some run has the states of the node and all its pods, in time. What
depends on the machine, such as its free memory in bytes, is left out.`,
		Example: `  podsim conform node conform/testdata/node-traces
  podsim conform node conform/testdata/node-traces/evict-memory-hard.jsonl.gz -v`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return conformNode(cmd.OutOrStdout(), args, &o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show both sequences of each object in columns")
	addOutput(f, &o.output, conform.Outputs)
	return cmd
}

func conformNode(w io.Writer, args []string, o *conformOptions) error {
	if err := checkOutput(o.output, conform.Outputs); err != nil {
		return err
	}
	files, err := nodeFiles(args)
	if err != nil {
		return err
	}
	width := 0
	for _, file := range files {
		width = max(width, len(recordingName(file)))
	}
	var all []conform.Result
	var failed []error
	for i, file := range files {
		one, err := compareNode(file)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, one)
		if o.output != "" {
			showProgress(i+1, len(files), "recordings")
		} else if err := o.write(w, []conform.Result{one}, width); err != nil {
			return err
		}
	}
	return o.end(w, all, failed)
}

func compareNode(file string) (conform.Result, error) {
	r, err := conform.ReadNodeFile(file)
	if err != nil {
		return conform.Result{}, err
	}
	one, err := conform.Node(r)
	if err != nil {
		return conform.Result{}, fmt.Errorf("%s:1: %w", file, err)
	}
	return one, nil
}

func nodeFiles(args []string) ([]string, error) {
	var files []string
	for _, path := range args {
		found, err := recordingFiles(path)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// recordingName is a recording's file without its folder and endings.
func recordingName(file string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".gz"), ".jsonl")
}
