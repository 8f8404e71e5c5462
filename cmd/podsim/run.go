package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"podsim/extender"
	"podsim/model"
	"podsim/reports"
	"podsim/runner"
	"podsim/scenarios"
	"podsim/sim"
)

// defaultDirectory is where a run is recorded, and where the commands that read one look.
const defaultDirectory = "podsim-out"

type runOptions struct {
	directory string
	seed      uint64
	until     time.Duration
	sets      []string
	quiet     bool
	noRecord  bool
	// schedulerConfig is a file.
	schedulerConfig string
	// on says where: in the simulation or on a real node.
	on   string
	real realOptions
}

// current is what an internal error names: the run under way.
var current struct {
	cluster *sim.Cluster
	seed    uint64
}

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario and record it",
		Long: `Run a scenario in virtual time and record every change of its objects and every Event.

The record goes to the folder given with -o, podsim-out by default. A record that is there
is replaced; a folder that is something else is left alone.`,
		Example: `  podsim run scenarios/library/shop/shop.yaml
  podsim run scenarios/library/shop/shop.yaml --seed 7 -o /tmp/seed-7
  podsim run scenarios/library/shop/shop.yaml --set 'spec.nodes[0].count=5' --until 2m
  podsim run --on containerd scenarios/library/exit-codes.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runScenario(cmd, args[0], &o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.directory, "output", "o", defaultDirectory, "the folder for the record")
	f.Uint64Var(&o.seed, "seed", 0, "the seed of all random draws, instead of the scenario's")
	f.DurationVar(&o.until, "until", 0, "end the run at this moment, instead of the scenario's duration")
	f.StringArrayVar(&o.sets, "set", nil, "change a value of the scenario file: `path=value` (may be repeated)")
	f.StringVar(&o.schedulerConfig, "scheduler-config", "", "a KubeSchedulerConfiguration `file`, instead of the scenario's")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print no progress")
	f.BoolVar(&o.noRecord, "no-record", false, "record nothing: only the summary")
	f.StringVar(&o.on, "on", "simulation", "where to run it: simulation, or containerd: this machine's container runtime, in real time")
	o.real.add(f)
	return cmd
}

func (o *runOptions) scenarioOptions(cmd *cobra.Command) ([]scenarios.Option, error) {
	var opts []scenarios.Option
	for _, s := range o.sets {
		opts = append(opts, scenarios.WithSet(s))
	}
	if cmd.Flags().Changed("seed") {
		opts = append(opts, scenarios.WithSeed(o.seed))
	}
	if o.schedulerConfig != "" {
		opts = append(opts, scenarios.WithSchedulerConfig(o.schedulerConfig))
	}
	if cmd.Flags().Changed("until") {
		if o.until <= 0 {
			return nil, fmt.Errorf("--until must be above 0, not %s", o.until)
		}
		opts = append(opts, scenarios.WithUntil(model.Time(o.until)))
	}
	return opts, nil
}

// runScenario is `podsim run`.
func runScenario(cmd *cobra.Command, path string, o *runOptions) error {
	onReal, err := o.onReal()
	if err != nil {
		return err
	}
	opts, err := o.scenarioOptions(cmd)
	if err != nil {
		return err
	}
	sc, err := scenarios.Read(path, opts...)
	if err != nil {
		return err
	}
	if onReal {
		if err := o.real.check(cmd.Context(), sc); err != nil {
			return err
		}
	}
	r, err := newRecordedRun(sc, path, o.recordDirectory())
	if err != nil {
		return err
	}
	current.cluster, current.seed = r.cluster, sc.Seed
	p := newProgress(os.Stderr, r.cluster, sc.Duration, r.began)
	p.silent = p.silent || o.quiet
	stopped := false
	if onReal {
		o.real.Record = o.recordDirectory()
		stopped, err = o.real.play(sc, r.cluster, p.tick)
		r.info.Runtime = o.real.runtime()
	} else {
		stopped = simulate(r.cluster, sc, r.record, p)
	}
	p.done()
	if err := cmp.Or(err, r.end(err == nil && !stopped)); err != nil {
		return err
	}
	summarize(cmd.OutOrStdout(), r.cluster, sc, &r.info, o)
	if stopped {
		return failure{fmt.Errorf("interrupted at %s of %s; the record ends there", r.cluster.Now(), sc.Duration), exitFailed}
	}
	return nil
}

// recordDirectory is where the record goes, empty for nowhere.
func (o *runOptions) recordDirectory() string {
	if o.noRecord {
		return ""
	}
	return o.directory
}

// recordedRun is a run of a scenario with its record.
type recordedRun struct {
	cluster *sim.Cluster
	info    reports.RunInfo
	// record is nil where there is none.
	record *reports.Writer
	began  time.Time
}

// newRecordedRun makes a scenario's cluster and begins its record in a folder, if one is named.
func newRecordedRun(sc *model.Scenario, path, directory string) (*recordedRun, error) {
	c, err := sim.NewCluster(sc)
	if err != nil {
		return nil, err
	}
	if err := extend(c, sc); err != nil {
		return nil, err
	}
	r := &recordedRun{cluster: c, began: time.Now(), info: reports.RunInfo{Scenario: sc.Name, Path: path, Seed: sc.Seed, Version: version(),
		Kubernetes: kubernetesVersion, Start: sc.Start, Duration: sc.Duration}}
	if directory == "" {
		return r, nil
	}
	if r.record, err = reports.NewWriter(directory, c.State(), r.info); err != nil {
		return nil, err
	}
	c.Observe(r.record.Transition, r.record.Event)
	return r, nil
}

// end completes what is known of the run, and its record.
func (r *recordedRun) end(complete bool) error {
	counts, info := r.cluster.Counts(), &r.info
	info.Ended, info.Hash, info.Complete = r.cluster.Now(), fmt.Sprintf("%016x", r.cluster.Hash()), complete
	info.Events, info.Transitions, info.KubernetesEvents = counts.Events, counts.Transitions, counts.KubernetesEvents
	info.Placements, info.OOMKills = counts.Placements, counts.OOMKills
	info.Wall, info.PeakMemory = time.Since(r.began), peakMemory()
	if r.record == nil {
		return nil
	}
	return r.record.Close(*info)
}

// simulate runs a cluster in virtual time. It says whether it was interrupted.
func simulate(c *sim.Cluster, sc *model.Scenario, rec *reports.Writer, p *progress) (stopped bool) {
	interrupted := interrupts()
	c.Begin()
	c.Run(sc.Duration, func() bool {
		p.tick()
		if rec != nil && rec.Err() != nil {
			return false
		}
		select {
		case <-interrupted:
			stopped = true
		default:
		}
		return !stopped
	})
	return stopped
}

// extend lets the scheduler ask the extenders of its configuration.
func extend(c *sim.Cluster, sc *model.Scenario) error {
	if sc.Scheduler == nil || len(sc.Scheduler.Extenders) == 0 {
		return nil
	}
	extenders, err := extender.New(sc.Scheduler.Extenders, c.State())
	if err != nil {
		return err
	}
	c.Extend(extenders)
	return nil
}

// interrupts gives a channel that hears SIGINT and SIGTERM.
func interrupts() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return c
}

// summarize prints what a user wants to know at the end of a run.
func summarize(w io.Writer, c *sim.Cluster, sc *model.Scenario, info *reports.RunInfo, o *runOptions) {
	if info.Runtime == "" {
		fmt.Fprintf(w, "%s: %s simulated, seed %d, hash %s\n", sc.Name, info.Ended.Duration(), sc.Seed, info.Hash)
	} else {
		fmt.Fprintf(w, "%s: %s on %s, seed %d\n", sc.Name, info.Ended.Duration().Round(time.Millisecond), info.Runtime, sc.Seed)
	}
	fmt.Fprintf(w, "pods: %s\n", podSummary(c.State(), c))
	if d := deploymentSummary(c.State()); d != "" {
		fmt.Fprintf(w, "deployments: %s\n", d)
	}
	if info.OOMKills > 0 {
		fmt.Fprintf(w, "killed for want of memory: %d\n", info.OOMKills)
	}
	for _, line := range c.Assumptions() {
		fmt.Fprintf(w, "assumed: %s\n", line)
	}
	for _, u := range sc.Unsimulated {
		fmt.Fprintf(w, "not simulated: %s\n", describeUnsimulated(u))
	}
	if o.on == onNode {
		for _, line := range append(runner.Unplayable(sc), o.real.summary.NotPlayed...) {
			fmt.Fprintf(w, "not played on a real node: %s\n", line)
		}
	}
	if peak := o.real.summary.PeakMemory; peak > 0 {
		fmt.Fprintf(w, "peak memory of the containers: %.1f MiB\n", float64(peak)/(1<<20))
	}
	for _, line := range c.Warnings() {
		fmt.Fprintf(w, "warning: %s\n", line)
	}
	if info.Runtime == "" {
		fmt.Fprintf(w, "speed: %s\n", speed(info))
	}
	if !o.noRecord {
		fmt.Fprintf(w, "record: %s\n", o.directory)
	}
}

// speed says how fast a run was and how much memory it took.
func speed(info *reports.RunInfo) string {
	s := info.Wall.Seconds()
	out := fmt.Sprintf("%d events in %.1fs (%.0f/s), %d placements (%.0f/s)", info.Events, s, float64(info.Events)/s,
		info.Placements, float64(info.Placements)/s)
	if info.PeakMemory > 0 {
		out += fmt.Sprintf(", peak memory %d MiB", info.PeakMemory>>20)
	}
	return out
}

func describeUnsimulated(u model.Unsimulated) string {
	noun := "objects"
	if u.Objects == 1 {
		noun = "object"
	}
	if u.Field == "" {
		return fmt.Sprintf("%s (%d %s)", u.Kind, u.Objects, noun)
	}
	return fmt.Sprintf("%s %s (%d %s)", u.Kind, u.Field, u.Objects, noun)
}

// podSummary counts the pods by phase, and those that are ready.
func podSummary(s *model.State, c *sim.Cluster) string {
	var phases [model.PodUnknown + 1]int
	ready, total := 0, 0
	for id := range s.Pods {
		if !c.Exists(model.PodID(id)) {
			continue
		}
		total++
		phases[s.Pods[id].Status.Phase]++
		if s.Pods[id].Status.Ready() {
			ready++
		}
	}
	out := fmt.Sprintf("%d, %d ready", total, ready)
	for phase, n := range phases {
		if n > 0 {
			out += fmt.Sprintf(", %d %s", n, model.Phase(phase))
		}
	}
	return out
}

func deploymentSummary(s *model.State) string {
	available, total := 0, 0
	for i := 1; i < len(s.Deployments); i++ {
		d := &s.Deployments[i]
		if d.Deleted {
			continue
		}
		total++
		if d.Status.Available >= d.Replicas && d.Status.Updated >= d.Replicas {
			available++
		}
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d complete", available, total)
}

// internal reports a mistake of podsim's own: the panic, the moment and the seed.
func internal(r any) int {
	fmt.Fprintf(os.Stderr, "podsim: internal error: %v\n", r)
	if c := current.cluster; c != nil {
		fmt.Fprintf(os.Stderr, "at %s, seed %d, after %d events\n", c.Now(), current.seed, c.Counts().Events)
	}
	fmt.Fprintf(os.Stderr, "This is a bug. Please report it with the scenario and the trace below.\n\n%s", debug.Stack())
	return exitInternal
}
