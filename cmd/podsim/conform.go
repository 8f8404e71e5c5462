package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"podsim/conform"
)

func newConform() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conform",
		Short: "Hold recordings of the real components against the simulator",
		Example: `  podsim conform kubelet conform/testdata/kubelet-traces
  podsim conform scheduler conform/testdata/scheduler-cases.jsonl.gz`,
	}
	cmd.AddCommand(newConformKubelet(), newConformNode(), newConformScheduler())
	return group(cmd)
}

// errDiffers has no words: the lines have said it.
var errDiffers = failure{errors.New(""), exitFailed}

type conformOptions struct {
	verbose, jittered bool
	output            string
}

func newConformKubelet() *cobra.Command {
	var o conformOptions
	cmd := &cobra.Command{
		Use:   "kubelet FILE...",
		Short: "Compare recordings of pods on a real kubelet with the simulator",
		Long: `Read recordings of the real kubelet, simulate each pod on one node with the settings of the
recording, and compare state by state and Event by Event. A FILE holds the lines of one pod
on a real node (NAME.jsonl), or pods that the real kubelet answered in virtual time, one a
line (NAME.jsonl.gz); a folder stands for all such files in it.

Each recording gets a line: whether it agrees, how far apart the times of its states are,
and how many of the kubelet's Events match; then the first difference. What the kubelet
draws at random podsim draws too: a recording agrees when it is what podsim gives for some
draw, and its time error is the distance from what the draws give.`,
		Example: `  podsim conform kubelet conform/testdata/kubelet-traces
  podsim conform kubelet conform/testdata/kubelet-traces/exit1-always.jsonl -v
  podsim conform kubelet conform/testdata/kubelet-random.jsonl.gz -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return conformKubelet(cmd.OutOrStdout(), args, &o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show both sequences in columns")
	f.BoolVar(&o.jittered, "jittered", false, "compare the traces made with jitter, instead of the exact ones")
	addOutput(f, &o.output, conform.Outputs)
	return cmd
}

func conformKubelet(w io.Writer, args []string, o *conformOptions) error {
	if err := checkOutput(o.output, conform.Outputs); err != nil {
		return err
	}
	recordings, err := readRecordings(args)
	if err != nil {
		return err
	}
	width := 0
	for i := range recordings {
		width = max(width, len(recordings[i].Name))
	}
	var all []conform.Result
	var failed []error
	for i := range recordings {
		results, err := o.compare(&recordings[i])
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", recordings[i].Name, err))
			continue
		}
		all = append(all, results...)
		if o.output != "" {
			showProgress(i+1, len(recordings), "recordings")
			continue
		}
		if err := o.write(w, results, width); err != nil {
			return err
		}
	}
	return o.end(w, all, failed)
}

func (o *conformOptions) compare(r *conform.Recording) ([]conform.Result, error) {
	if o.jittered {
		return conform.KubeletJittered(r)
	}
	one, err := conform.Kubelet(r)
	return []conform.Result{one}, err
}

func (o *conformOptions) write(w io.Writer, list []conform.Result, width int) error {
	for i := range list {
		if err := conform.WriteLine(w, &list[i], width); err != nil {
			return err
		}
		if !o.verbose || list[i].NotCompared != "" {
			continue
		}
		if err := conform.WriteColumns(w, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

// finish writes the summary, or everything in the form that was asked for.
func (o *conformOptions) finish(w io.Writer, all []conform.Result) error {
	if o.output != "" {
		return conform.Write(w, o.output, all)
	}
	_, err := fmt.Fprintln(w, conform.Summary(all))
	return err
}

// end writes the summary; what could not be compared and a recording that differs are failures.
func (o *conformOptions) end(w io.Writer, all []conform.Result, failed []error) error {
	if err := o.finish(w, all); err != nil {
		return err
	}
	if len(failed) > 0 {
		return errors.Join(failed...)
	}
	for i := range all {
		if all[i].Verdict() == "differs" {
			return errDiffers
		}
	}
	return nil
}

// readRecordings reads the files, and those in the folders.
func readRecordings(args []string) ([]conform.Recording, error) {
	var all []conform.Recording
	for _, path := range args {
		files, err := recordingFiles(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			list, err := conform.ReadFile(file)
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		}
	}
	return all, nil
}

func recordingFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, pattern := range []string{"*.jsonl", "*.jsonl.gz"} {
		found, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: there is no recording in this folder, want files .jsonl or .jsonl.gz", path)
	}
	return files, nil
}
