package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"podsim/runner"
)

func newNode() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Start, look at and clean the containerd that scenarios are played on",
		Long: `Scenarios can be played on a real container runtime: podsim run --on containerd. These commands start a
containerd of its own for it, in one folder and beside any other on the machine, and end it without a trace.
docs/real-node.md has the whole way from a machine with nothing to the first comparison.`,
		Example: `  podsim node start
  podsim node check
  podsim node clean
  podsim node stop`,
	}
	cmd.AddCommand(newNodeStart(), newNodeStop(), newNodeStatus(), newNodeCheck(), newNodeClean())
	return group(cmd)
}

// addNodeDir adds the flag that names a node's folder.
func addNodeDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", runner.DefaultNodeDir, "the node's own `folder`: everything of it is in there")
}

func newNodeStart() *cobra.Command {
	var o runner.NodeOptions
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start a private containerd and print its endpoint",
		Long: `Start a containerd of its own and wait until it answers. Its images, containers, socket, configuration and log
are in one folder, in memory where the machine allows it. It needs root, containerd, its shim and runc, no CNI plugins
and no network. In the folder of a node that has ended, the same node is started again.`,
		Example: `  podsim node start
  podsim node start --containerd /opt/containerd-2.4/containerd --runc /opt/containerd-2.4/runc
  podsim node start --dir /mnt/node --disk`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := runner.StartNode(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), n.Endpoint)
			return nil
		},
	}
	addNodeDir(cmd, &o.Dir)
	f := cmd.Flags()
	f.StringVar(&o.Containerd, "containerd", "", "the containerd to start; the one in PATH by default. Its shim stands beside it or in PATH (`path`)")
	f.StringVar(&o.Runc, "runc", "", "the runc to use; the one beside containerd or in PATH by default (`path`)")
	f.BoolVar(&o.Disk, "disk", false, "keep the node's files on the disk, not in memory")
	f.DurationVar(&o.PullProgressTimeout, "pull-progress-timeout", 0, "how long a pull may get nothing until containerd cancels it; 0 is its own 5m (containerd 1.6 waits for ever)")
	return cmd
}

func newNodeStop() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "stop",
		Short:   "End the private containerd with all that it runs",
		Long:    `End the containerd that node start started: its pods, shims, mounts, cgroups and its folder are gone then.`,
		Example: `  podsim node stop`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runner.StopNode(cmd.Context(), dir)
		},
	}
	addNodeDir(cmd, &dir)
	return cmd
}

func newNodeStatus() *cobra.Command {
	var dir, output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether the private containerd runs, and where",
		Example: `  podsim node status
  podsim node status -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, outputs); err != nil {
				return err
			}
			n, err := runner.ReadNode(dir)
			if errors.Is(err, os.ErrNotExist) {
				return failure{fmt.Errorf("there is no node in %s; `podsim node start --dir %s` starts one", dir, dir), exitFailed}
			}
			if err != nil {
				return err
			}
			return printNode(cmd.OutOrStdout(), n, output)
		},
	}
	addNodeDir(cmd, &dir)
	addOutput(cmd.Flags(), &output, outputs)
	return cmd
}

// printNode prints what is known of a node.
func printNode(w io.Writer, n *runner.Node, output string) error {
	if output != "" {
		return writeOutput(w, output, n, [][]string{{"dir", "endpoint", "containerd", "runc", "version", "tmpfs", "running", "pid"},
			{n.Dir, n.Endpoint, n.Containerd, n.Runc, n.Version, strconv.FormatBool(n.Tmpfs), strconv.FormatBool(n.Running), strconv.Itoa(n.Process.PID)}})
	}
	state := fmt.Sprintf("runs, process %d", n.Process.PID)
	if !n.Running {
		state = "has ended; podsim node start starts it again, podsim node stop removes it"
	}
	memory := "on the disk"
	if n.Tmpfs {
		memory = "in memory"
	}
	fmt.Fprintf(w, "containerd %s %s\nendpoint:   %s\nfolder:     %s, %s\ncontainerd: %s\nrunc:       %s\n",
		n.Version, state, n.Endpoint, n.Dir, memory, n.Containerd, n.Runc)
	return nil
}

func newNodeClean() *cobra.Command {
	var o runner.CleanOptions
	var output string
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove what runs have left that were killed",
		Long: `Remove what runs have left on a node that were killed before they could do so themselves: their pods, containers,
images, cgroups, processes and files. A run that is being played is not touched, nor anything that podsim did not make.
The next podsim run --on containerd does this, too.`,
		Example: `  podsim node clean --dry-run
  podsim node clean
  podsim node clean --run 1f00cafe`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, outputs); err != nil {
				return err
			}
			// The usual one may be absent.
			if cmd.Flags().Changed("endpoint") {
				if err := runner.CheckEndpoint(o.Endpoint); err != nil {
					return err
				}
			}
			found, err := runner.Clean(cmd.Context(), o)
			if err != nil && len(found) == 0 {
				return err
			}
			return errors.Join(printLeftovers(cmd.OutOrStdout(), found, output, o), err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Run, "run", "", "only this run: its `id`")
	f.StringVar(&o.Endpoint, "endpoint", runner.DefaultEndpoint(), "the socket of a container runtime that is asked for runs of which nothing else is known")
	f.BoolVar(&o.DryRun, "dry-run", false, "only say what is there")
	addOutput(f, &output, outputs)
	return cmd
}

// printLeftovers prints what runs have left, a line each.
func printLeftovers(w io.Writer, found []*runner.Leftovers, output string, o runner.CleanOptions) error {
	if output != "" {
		rows := [][]string{{"run", "kind", "name"}}
		for _, l := range found {
			rows = append(rows, leftoverRows(l)...)
		}
		return writeOutput(w, output, append([]*runner.Leftovers{}, found...), rows)
	}
	verb := "removed"
	if o.DryRun {
		verb = "left"
	}
	for _, l := range found {
		fmt.Fprintf(w, "run %s: %s: %s\n", l.Run, verb, l)
	}
	switch {
	case len(found) > 0:
	case o.Run != "":
		fmt.Fprintf(w, "run %s has left nothing\n", o.Run)
	default:
		fmt.Fprintln(w, "no run has left anything")
	}
	return nil
}

// leftoverRows are what a run has left, a row each.
func leftoverRows(l *runner.Leftovers) [][]string {
	var processes []string
	for _, p := range l.Processes {
		processes = append(processes, strconv.Itoa(p.PID))
	}
	var rows [][]string
	for _, k := range []struct {
		kind  string
		names []string
	}{{"sandbox", l.Sandboxes}, {"container", l.Containers}, {"image", l.Images}, {"process", processes},
		{"cgroup", l.Cgroups}, {"mount", l.Mounts}, {"folder", l.Folders}} {
		for _, name := range k.names {
			rows = append(rows, []string{l.Run, k.kind, name})
		}
	}
	return rows
}

func newNodeCheck() *cobra.Command {
	var o runner.Options
	var output string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what this machine and its container runtime are like, and whether scenarios can be played here",
		Long: `Look at all that a real run needs: root and its capabilities, cgroups, the container runtime, its version and its
configuration. What is wrong is said at the end, with what would be right, and the exit code is 2 then.`,
		Example: `  podsim node check
  podsim node check --endpoint unix:///run/podsim-node/containerd.sock -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, outputs); err != nil {
				return err
			}
			return printFacts(cmd.OutOrStdout(), runner.Facts(cmd.Context(), o), output)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Endpoint, "endpoint", runner.DefaultEndpoint(), "the socket of the node's container runtime")
	f.StringVar(&o.Directory, "work", runner.DefaultDirectory, "the folder on the node for the files of runs")
	addOutput(f, &output, outputs)
	return cmd
}

// printFacts prints what was found; the problems are the error.
func printFacts(w io.Writer, facts []runner.Fact, output string) error {
	rows, problems := [][]string{{"what", "ok", "is", "problem"}}, []error{}
	for _, f := range facts {
		ok := "yes"
		if f.Problem != "" {
			ok = "no"
			problems = append(problems, errors.New(f.Problem))
		}
		rows = append(rows, []string{f.Name, ok, f.Value, f.Problem})
	}
	if output != "" {
		return errors.Join(append(problems, writeOutput(w, output, facts, rows))...)
	}
	table := tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "WHAT\tOK\tIS")
	for _, row := range rows[1:] {
		fmt.Fprintln(table, strings.Join(row[:3], "\t"))
	}
	return errors.Join(append(problems, table.Flush())...)
}
