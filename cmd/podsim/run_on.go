package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"

	"podsim/model"
	"podsim/runner"
	"podsim/sim"
)

// realOptions are the flags of the commands that play scenarios on a real node.
type realOptions struct {
	runner.Options
	// summary is that of the last play.
	summary runner.Summary
}

// add adds the flags to a command.
func (o *realOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.Endpoint, "endpoint", runner.DefaultEndpoint, "the socket of the node's container runtime")
	f.StringVar(&o.Directory, "work", runner.DefaultDirectory, "the folder on the node for the files of runs")
	f.StringVar(&o.Program, "workload", "", "the program that stands in for the scenario's containers; podsim-workload beside podsim, or built from source, when not given")
}

// play plays a scenario on the node. An interrupt ends it as the end of the scenario does; it says so.
func (o *realOptions) play(sc *model.Scenario, c *sim.Cluster, tick func()) (interrupted bool, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	real := o.Options
	real.Tick, real.Summary = tick, &o.summary
	err = runner.Play(ctx, sc, c, real)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return true, nil
	}
	return false, err
}

// onNode is the value of --on that means a real node.
const onNode = "containerd"

// checkOn says whether --on asks for a real node.
func checkOn(on string) (real bool, err error) {
	switch on {
	case "", "simulation":
		return false, nil
	case onNode:
		return true, nil
	}
	return false, fmt.Errorf("--on is %q, must be simulation or %s", on, onNode)
}
