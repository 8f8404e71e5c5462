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

// Options say how a scenario is played on a node. The zero value is containerd's own socket.
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
	operations, making := newOperations(), &making{}
	conn, err := Dial(o.Endpoint, append(operations.intercept(), grpc.WithChainUnaryInterceptor(making.intercept))...)
	if err != nil {
		return err
	}
	defer conn.Close()
	operations.machine, _ = machineOf(ctx, conn)
	networks, err := podNetworks(ctx, conn, o.Network)
	if err != nil {
		return err
	}
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := NewDriver(c)
	d.Tick = o.Tick
	defer func() {
		making.finish(makingMax)
		cancel()
		d.wait(cleanAskMax)
	}()
	if o.begun != nil {
		o.begun(d, run)
	}
	images, sandbox, err := o.bringImages(ctx, calls, conn, sc, d, run)
	if err != nil {
		return err
	}
	r := NewCRI(calls, conn, c, d, images, configData{sc.Steps}, run, claim.Directory)
	r.sandboxImage = sandbox
	r.operations, r.podNetworks = operations, networks
	operations.begin()
	err = d.Run(ctx, sc.Duration)
	if o.Summary != nil {
		o.Summary.Machine = operations.machine
		o.Summary.PeakMemory = r.memory.Load()
		o.Summary.NotPlayed = slices.Sorted(maps.Keys(r.notPlayed))
	}
	if o.Record != "" {
		err = both(err, operations.write(o.Record))
	}
	return err
}

// both joins two errors; one alone stays what it is.
func both(a, b error) error {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return errors.Join(a, b)
}

// makingMax is how long the end of a run waits for calls that make something: a guess, some times what 20 pods took
// that were started at once.
const makingMax = 10 * time.Second

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
