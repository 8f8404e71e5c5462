// Command podsim simulates a Kubernetes cluster: it runs scenario files and shows what the
// runs recorded, with the verbs and the columns of kubectl.
//
// It only wires the rooms together: flags, progress, exit codes. What Kubernetes does stands
// in the packages model, scheduler and sim.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// The exit codes of podsim.
const (
	// exitFailed: an expectation failed, or a named object is not there.
	exitFailed = 1
	// exitUsage: bad input or usage.
	exitUsage = 2
	// exitInternal: a mistake of podsim's own.
	exitInternal = 3
)

// failure is an error with an exit code of its own; other errors are the user's and exit
// with 2.
type failure struct {
	error
	code int
}

func main() { os.Exit(run(os.Args[1:])) }

// run runs the command line and gives its exit code.
func run(args []string) (code int) {
	root := newRoot()
	root.SetArgs(args)
	defer func() {
		if r := recover(); r != nil {
			code = internal(r)
		}
	}()
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	if err.Error() != "" {
		fmt.Fprintln(os.Stderr, err)
	}
	var f failure
	if errors.As(err, &f) {
		return f.code
	}
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "podsim",
		Short: "A Kubernetes cluster in virtual time",
		Long: `podsim simulates a Kubernetes cluster in virtual time: nodes, image pulls, container life
cycles, probes, restarts, scheduling and controllers as the real components behave, with
the same bytes every time.

Run a scenario, then look at any moment of the run as you would with kubectl.`,
		Example: `  podsim run scenarios/library/shop/shop.yaml
  podsim get pods -o wide
  podsim get pods --at 4.2s
  podsim get pods --watch
  podsim describe pod frontend-5d8f7c6b9-x2x7k
  podsim get events`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newRun(), newGet(), newDescribe(), newScenario(), newConform(), newCompare(), newSchedule(), newCalibrate(), newNode(), newVersion())
	return root
}

// group makes a command that only has others: with none of them it helps.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown command %q for %q; `%s --help` lists them", args[0], cmd.CommandPath(), cmd.CommandPath())
		}
		return cmd.Help()
	}
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of podsim and the Kubernetes release it follows",
		Example: "  podsim version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			fmt.Fprintf(cmd.OutOrStdout(), "podsim %s\nKubernetes %s\n", version(), kubernetesVersion)
			return nil
		},
	}
}
