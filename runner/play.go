package runner

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"podsim/model"
	"podsim/sim"
)

// DefaultEndpoint is where containerd listens unless told otherwise, DefaultDirectory where the files of
// runs are on the node.
const (
	DefaultEndpoint  = "unix:///run/containerd/containerd.sock"
	DefaultDirectory = "/run/podsim"
)

// Options say how a scenario is played on a node. The zero value is containerd's own socket.
type Options struct {
	// Endpoint is the runtime's socket, DefaultEndpoint when empty.
	Endpoint string
	// Directory is where the files of runs are on the node, DefaultDirectory when empty.
	Directory string
	// Program is the stand-in workload; empty for the one that Program finds.
	Program string
	// Record is the folder of the run's record, to which what the calls to the runtime took is written.
	Record string
	// Tick, where it is not nil, is called after each event.
	Tick func()
	// begun, where it is not nil, gets the driver before it begins.
	begun func(*Driver)
}

// Play plays a scenario on a real node: c is its cluster, which has not begun and is observed by those who
// want its record. It ends with the scenario's duration, or when the context is done.
func Play(ctx context.Context, sc *model.Scenario, c *sim.Cluster, o Options) (err error) {
	o.setDefaults()
	run := newRunID()
	directory := filepath.Join(o.Directory, run)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("the directory of the run: %w", err)
	}
	operations := NewOperations()
	conn, err := Dial(o.Endpoint, operations.Intercept()...)
	if err != nil {
		return err
	}
	defer conn.Close()
	operations.AskVersion(ctx, conn)
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d := NewDriver(c)
	d.Tick = o.Tick
	if o.begun != nil {
		o.begun(d)
	}
	NewCRI(calls, conn, c, d, loopback{}, run, directory)
	operations.Start()
	err = d.Run(ctx, sc.Duration)
	if o.Record != "" {
		err = errors.Join(err, operations.Write(o.Record))
	}
	return err
}

func (o *Options) setDefaults() {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
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

// loopback knows images by the names that the scenario gives them.
type loopback struct{}

func (loopback) Name(_, image string) string { return image }

func (loopback) Original(text string) string { return text }
