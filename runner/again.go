package runner

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// reconnect is how the connection comes back by itself when the runtime was away (k8s.io/cri-client
// pkg/remote_runtime.go: its delays; the jitter is grpc's).
var reconnect = grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: 5 * time.Second,
	Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second}})

// wait waits, or until the context is done.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// every calls f at the end of each period, until the context is done.
func every(ctx context.Context, period time.Duration, f func()) {
	for wait(ctx, period); ctx.Err() == nil; wait(ctx, period) {
		f()
	}
}

// awayPause is between the tries of a call while the runtime is away: the first delay of reconnect, before which no
// try can do better.
const awayPause = 100 * time.Millisecond

// away says that a call failed because the runtime cannot be reached: whether it has happened is not known.
func away(err error) bool { return status.Code(err) == codes.Unavailable }

// again makes a call that may be made twice until the runtime is there.
func again(ctx context.Context, call func() error) error {
	for {
		err := call()
		if !away(err) || ctx.Err() != nil {
			return err
		}
		wait(ctx, awayPause)
	}
}

// once makes a call that must not be made twice. When the runtime went away during it, happened says whether
// it has been carried out.
func once(ctx context.Context, call func() error, happened func() (bool, error)) error {
	for {
		err := call()
		if !away(err) || ctx.Err() != nil {
			return err
		}
		done := false
		if look := again(ctx, func() (err error) {
			wait(ctx, awayPause)
			done, err = happened()
			return err
		}); look != nil {
			return err
		}
		if done {
			return nil
		}
	}
}

// retryPause is between the tries of what must succeed in the end: a guess. The kubelet's own are longer (pod_workers.go
// backOffPeriod, kubelet.go ContainerGCPeriod), and so are its clusters' lives.
const retryPause = time.Second

// retry makes a call until it succeeds or the context is done.
func retry(ctx context.Context, call func() error) error {
	for {
		err := call()
		if err == nil || ctx.Err() != nil {
			return err
		}
		wait(ctx, retryPause)
	}
}

// gone says that the runtime does not have what a call is about.
func gone(err error) bool { return status.Code(err) == codes.NotFound }
