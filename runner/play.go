package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"google.golang.org/grpc"

	"podsim/model"
	"podsim/runner/images"
	"podsim/sim"
)

// DefaultDirectory is where the files of runs are on the node.
const DefaultDirectory = "/run/podsim"

// containerdEndpoint is where containerd listens unless told otherwise.
const containerdEndpoint = "unix:///run/containerd/containerd.sock"

// DefaultEndpoint is the socket of the containerd that `podsim node start` has started in its own folder, and
// where there is none containerd's own.
func DefaultEndpoint() string {
	if n, err := ReadNode(DefaultNodeDir); err == nil && n.Running {
		return n.Endpoint
	}
	return containerdEndpoint
}

// Options say how a scenario is played on a node. The zero value is good for the node of DefaultEndpoint.
type Options struct {
	// Endpoint is the runtime's socket, DefaultEndpoint() when empty.
	Endpoint string
	// Directory is where the files of runs are on the node, DefaultDirectory when empty.
	Directory string
	// Program is the stand-in workload; empty for the one that Program finds.
	Program string
	// Record is the folder of the run's record, to which what the calls to the runtime took is written.
	Record string
	// Network is which network pods have: NetworkHost, also when empty, NetworkCNI or NetworkAuto.
	Network string
	// Summary, where it is not nil, gets what a user is told at the end.
	Summary *Summary
	// Notice, where it is not nil, is told what else a user should know, a line each.
	Notice func(line string)
	// RealImages says that the images are those that the scenario names, from their own registries. Their
	// commands run as they are; behaviors mean nothing then.
	RealImages bool
	// Tick, where it is not nil, is called after each event.
	Tick func()
	// begun, where it is not nil, gets the driver and the run's id before it begins.
	begun func(d *Driver, run string)
}

// Summary is what there is to say of a run on a node beside its record.
type Summary struct {
	// Machine is where it was played.
	Machine Machine
	// NotPlayed are the parts of the scenario that were played in another way than it says. Sorted.
	NotPlayed []string
	// PeakMemory is the most that the containers' working sets were together, looked at each 10 s, in bytes; 0
	// when they were not looked at.
	PeakMemory int64
}

// Play plays a scenario on a real node: c is its cluster, which has not begun and is observed by those who
// want its record. It ends with the scenario's duration, or when the context is done. A scenario that Check
// refuses is not begun.
func Play(ctx context.Context, sc *model.Scenario, c *sim.Cluster, o Options) (err error) {
	if err := Check(sc); err != nil {
		return err
	}
	o.setDefaults()
	if err := cleanDead(ctx, o.Notice); err != nil {
		return err
	}
	run := newRunID()
	claim, err := claims(DefaultDirectory).claim(run, o.Endpoint, filepath.Join(o.Directory, run))
	if err != nil {
		return err
	}
	// Also when the run ends by a panic.
	defer func() { err = both(err, claim.clean(context.WithoutCancel(ctx))) }()
	p, err := newPlay(ctx, sc, c, o, claim)
	if err != nil {
		return err
	}
	defer p.end()
	r, err := p.prepare(ctx)
	if err != nil {
		return err
	}
	p.operations.begin()
	err = p.driver.Run(ctx, sc.Duration)
	p.summarize(r)
	if o.Record != "" {
		err = both(err, p.operations.write(o.Record))
	}
	return err
}

// play is a scenario that is being played.
type play struct {
	Options
	scenario *model.Scenario
	cluster  *sim.Cluster
	claim    *claim
	driver   *Driver
	conn     *grpc.ClientConn
	// calls is the context of all that the run asks of the runtime: it ends by cancel, after the driver.
	calls  context.Context
	cancel context.CancelFunc
	// making are the calls under way that make something, operations what all took.
	making     making
	operations *operations
}

// newPlay connects to the runtime.
func newPlay(ctx context.Context, sc *model.Scenario, c *sim.Cluster, o Options, claim *claim) (*play, error) {
	p := &play{Options: o, scenario: sc, cluster: c, claim: claim, driver: NewDriver(c), operations: newOperations()}
	conn, err := Dial(o.Endpoint, append(p.operations.intercept(), grpc.WithChainUnaryInterceptor(p.making.intercept))...)
	if err != nil {
		return nil, err
	}
	p.conn = conn
	p.calls, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.driver.Tick = o.Tick
	if o.begun != nil {
		o.begun(p.driver, claim.Run)
	}
	return p, nil
}

// prepare brings onto the node what is to be there when the run begins, and gives the cluster its runtime.
func (p *play) prepare(ctx context.Context) (*CRI, error) {
	var err error
	if p.operations.machine, err = machineOf(ctx, p.conn); err != nil {
		return nil, err
	}
	networks, err := podNetworks(ctx, p.conn, p.Network)
	if err != nil {
		return nil, err
	}
	r := &CRI{Run: p.claim.Run, Directory: p.claim.Directory, ctx: p.calls, cluster: p.cluster, driver: p.driver, conn: p.conn,
		configs: configData{p.scenario.Steps}, operations: p.operations, podNetworks: networks}
	if r.images, r.sandboxImage, err = p.bringImages(ctx); err != nil {
		return nil, err
	}
	if registry, ok := r.images.(*images.Registry); ok {
		p.watchRegistries(r, registry)
	}
	r.begin()
	return r, nil
}

// summarize says what there is to say of the run when the driver has ended.
func (p *play) summarize(r *CRI) {
	if p.Summary != nil {
		*p.Summary = Summary{Machine: p.operations.machine, PeakMemory: r.peakMemory, NotPlayed: slices.Sorted(maps.Keys(r.notPlayed))}
	}
}

// How long the end of a run waits for calls that make something, and then for all goroutines, whose calls are given
// up: guesses, some times what 20 pods took that were started at once.
const (
	makingMax = 10 * time.Second
	endMax    = 10 * time.Second
)

// end ends all that the run has under way: nothing is made after it.
func (p *play) end() {
	p.making.finish(makingMax)
	p.cancel()
	p.driver.wait(endMax)
	p.conn.Close()
}

// both joins two errors; one alone stays what it is.
func both(a, b error) error {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return errors.Join(a, b)
}

func (o *Options) setDefaults() {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint()
	}
	if o.Directory == "" {
		o.Directory = DefaultDirectory
	}
}

// newRunID is the id of a run: random, as several may go on at a time.
func newRunID() string {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// runID is what newRunID makes. Folders and cgroups are called so: nothing else that stands in a label is taken
// for one.
var runID = regexp.MustCompile(`^[0-9a-f]{8}$`)

func isRunID(s string) bool { return runID.MatchString(s) }
