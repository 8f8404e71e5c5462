package runner

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"podsim/model"
	"podsim/sim"
)

// Driver lets the events of a cluster happen in wall time. The cluster belongs to the goroutine that
// calls Run; others hand in what they have found out by Answer.
type Driver struct {
	cluster *sim.Cluster
	answers chan func()
	// ended is closed when Run ends: nobody waits for answers any more.
	ended chan struct{}
	start time.Time
	// work are the goroutines of Go.
	work sync.WaitGroup
	// Tick, where it is not nil, is called after each event or answer.
	Tick func()
}

// NewDriver makes the driver of a cluster that has not begun.
func NewDriver(c *sim.Cluster) *Driver {
	return &Driver{cluster: c, answers: make(chan func(), 1024), ended: make(chan struct{})}
}

// Answer lets f happen in the goroutine that runs the cluster, as soon as it can. The cluster's time is
// then the present moment. It may be called from any goroutine but that one. After the end of Run it does
// nothing.
func (d *Driver) Answer(f func()) {
	select {
	case d.answers <- f:
	case <-d.ended:
	}
}

// After lets f happen some time from now, as Answer does, at 0 as soon as the cluster has done what it is at. It may
// be called from any goroutine.
func (d *Driver) After(delay time.Duration, f func()) {
	time.AfterFunc(delay, func() { d.Answer(f) })
}

// Go runs f in a goroutine of its own. If it panics, so does the goroutine that runs the cluster: that one
// removes what the run has made.
func (d *Driver) Go(f func()) {
	d.work.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				stack := debug.Stack()
				d.Answer(func() { panic(fmt.Sprintf("%v\n%s", r, stack)) })
			}
		}()
		f()
	})
}

// wait waits some time for the goroutines of Go to end.
func (d *Driver) wait(limit time.Duration) { waitFor(&d.work, limit) }

// waitFor waits for a group, or until some time has passed.
func waitFor(group *sync.WaitGroup, limit time.Duration) {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// Run begins the cluster and runs it until a moment, or until the context is done, whose error it then
// gives.
func (d *Driver) Run(ctx context.Context, until model.Time) error {
	defer close(d.ended)
	d.start = time.Now()
	d.cluster.Begin()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		d.stepUntil(min(d.now(), until))
		if d.now() >= until {
			d.cluster.Advance(until)
			return nil
		}
		next := until
		if at, ok := d.cluster.Next(); ok {
			next = min(at, until)
		}
		timer.Reset(time.Duration(next - d.now()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case f := <-d.answers:
			d.answer(f, until)
		}
	}
}

// answer hands in what has been found out, at the present moment.
func (d *Driver) answer(f func(), until model.Time) {
	now := min(d.now(), until)
	d.stepUntil(now)
	d.cluster.Advance(now)
	f()
	d.tick()
}

// stepUntil carries out what is due.
func (d *Driver) stepUntil(now model.Time) {
	for {
		if at, ok := d.cluster.Next(); !ok || at > now {
			return
		}
		d.cluster.Step()
		d.tick()
	}
}

func (d *Driver) tick() {
	if d.Tick != nil {
		d.Tick()
	}
}

// moment is a time of the machine's clock.
func (d *Driver) moment(at time.Time) model.Time {
	return model.Time(at.UnixNano() - d.start.UnixNano())
}

// now is the time since the start.
func (d *Driver) now() model.Time { return model.Time(time.Since(d.start)) }
