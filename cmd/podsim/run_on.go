package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/runner"
	"podsim/sim"
)

// realOptions are the flags of the commands that play scenarios on a real node.
type realOptions struct {
	runner.Options
	// summary is that of the last play.
	summary runner.Summary
	limits  runner.Limits
	// maxMemory is a quantity, empty for the default.
	maxMemory string
	// images is imagesReal or imagesStandIn.
	images string
	// flags are those of add.
	flags *pflag.FlagSet
}

// add adds the flags to a command.
func (o *realOptions) add(to *pflag.FlagSet) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.flags = f
	defer func() { to.AddFlagSet(f) }()
	f.StringVar(&o.Endpoint, "endpoint", runner.DefaultEndpoint(), "the socket of the node's container runtime")
	f.StringVar(&o.Directory, "work", runner.DefaultDirectory, "the folder on the node for the files of runs")
	f.StringVar(&o.Network, "network", runner.NetworkAuto, "the pods' network: host, where each pod has a loopback address, cni, or auto: cni when the node has it")
	f.StringVar(&o.Program, "workload", "", "the program that stands in for the scenario's containers; podsim-workload beside podsim, or built from source, when not given")
	f.StringVar(&o.images, "images", imagesStandIn, "the images of the containers: stand-in for those that podsim makes, which do what the scenario says, or real for those of their own registries, which do what they do")
	o.limits = runner.DefaultLimits()
	f.StringVar(&o.maxMemory, "max-memory", "", "the most memory that a scenario may use on the node, such as 4Gi; 80% of what is available when not given")
	f.IntVar(&o.limits.Pods, "max-pods", o.limits.Pods, "the most pods that a scenario may have on the node at a time")
	f.DurationVar(&o.limits.Time, "max-time", o.limits.Time, "the longest that a scenario may take on the node")
}

// The values of --images.
const (
	imagesStandIn = "stand-in"
	imagesReal    = "real"
)

// given is the first of the flags that is on the command line, empty for none.
func (o *realOptions) given() (name string) {
	o.flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			name = cmp.Or(name, f.Name)
		}
	})
	return name
}

// check says why a scenario cannot be played on the node, before anything is made there and before a record is replaced.
func (o *realOptions) check(ctx context.Context, sc *model.Scenario) error {
	if err := o.checkFlags(); err != nil {
		return err
	}
	if err := runner.Preflight(ctx, o.Options); err != nil {
		return err
	}
	if err := runner.Check(sc); err != nil {
		return err
	}
	if err := runner.CheckPulls(sc, o.Endpoint); err != nil {
		return err
	}
	if o.images == imagesStandIn {
		var err error
		if o.Program, err = runner.Program(ctx, o.Program); err != nil {
			return err
		}
	}
	trial, err := sim.NewCluster(sc)
	if err != nil {
		return err
	}
	return o.limits.Check(sc, trial, o.images == imagesReal)
}

// checkFlags looks at the flags' values, and takes --max-memory over.
func (o *realOptions) checkFlags() error {
	networks := []string{runner.NetworkHost, runner.NetworkCNI, runner.NetworkAuto}
	switch {
	case o.images != imagesStandIn && o.images != imagesReal:
		return fmt.Errorf("--images is %q, must be %s or %s", o.images, imagesStandIn, imagesReal)
	case !slices.Contains(networks, o.Network):
		return fmt.Errorf("--network is %q, must be %s", o.Network, strings.Join(networks, ", "))
	case o.limits.Pods < 1:
		return fmt.Errorf("--max-pods must be at least 1, not %d", o.limits.Pods)
	case o.limits.Time <= 0:
		return fmt.Errorf("--max-time must be above 0, not %s", o.limits.Time)
	case o.maxMemory == "":
		return nil
	}
	q, err := resource.ParseQuantity(o.maxMemory)
	if err != nil || q.Sign() <= 0 {
		return fmt.Errorf("--max-memory is %q, must be a quantity above 0, such as 4Gi", o.maxMemory)
	}
	o.limits.Memory = q.Value()
	return nil
}

// runtime is that of the last play, empty where none answered.
func (o *realOptions) runtime() string {
	if o.summary.Machine.Runtime == "" {
		return ""
	}
	return o.summary.Machine.String()
}

// play plays a scenario on the node. An interrupt ends it as the end of the scenario does; it says so. A second one
// does not keep it from removing what it has made.
func (o *realOptions) play(sc *model.Scenario, c *sim.Cluster, tick func()) (interrupted bool, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// Who reads the output may go away; the run does not end by that before it has removed what it has made.
	signal.Ignore(syscall.SIGPIPE)
	defer signal.Reset(syscall.SIGPIPE)
	defer context.AfterFunc(ctx, func() { notice("interrupted: what the run has made is being removed") })()
	real := o.Options
	real.RealImages = o.images == imagesReal
	real.Tick, real.Notice, real.Summary = tick, notice, &o.summary
	err = runner.Play(ctx, sc, c, real)
	if err == context.Canceled && ctx.Err() != nil {
		return true, nil
	}
	return ctx.Err() != nil, err
}

func notice(line string) { fmt.Fprintf(os.Stderr, "podsim: %s\n", line) }

// onNode is the value of --on that means a real node.
const onNode = "containerd"

// onReal says whether --on asks for a real node, which the flags of realOptions are for.
func (o *runOptions) onReal() (bool, error) {
	switch {
	case o.on == onNode:
		return true, nil
	case o.on != "simulation":
		return false, fmt.Errorf("--on is %q, must be simulation or %s", o.on, onNode)
	case o.real.given() != "":
		return false, fmt.Errorf("--%s is for a real node: give --on %s, too, or leave it out", o.real.given(), onNode)
	}
	return false, nil
}
