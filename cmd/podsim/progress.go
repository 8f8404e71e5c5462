package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"podsim/model"
	"podsim/sim"
)

// progress shows how far a run is, on a terminal only: one line that is written over.
type progress struct {
	out     io.Writer
	silent  bool
	cluster *sim.Cluster
	until   model.Time
	start   time.Time
	shown   time.Time
	events  int64
	wrote   bool
}

// progressEvery is the time between two lines.
const progressEvery = 200 * time.Millisecond

func newProgress(out *os.File, c *sim.Cluster, until model.Time, start time.Time) *progress {
	return &progress{out: out, silent: !term.IsTerminal(int(out.Fd())), cluster: c, until: until, start: start, shown: start}
}

// tick shows a new line when it is time for one.
func (p *progress) tick() {
	if p.silent {
		return
	}
	now := time.Now()
	if now.Sub(p.shown) < progressEvery {
		return
	}
	n := p.cluster.Counts()
	rate := float64(n.Events-p.events) / now.Sub(p.shown).Seconds()
	p.shown, p.events, p.wrote = now, n.Events, true
	fmt.Fprintf(p.out, "\r\033[K%s of %s  %.0f events/s  pods: %s", p.cluster.Now(), p.until, rate, podSummary(p.cluster.State(), p.cluster))
}

// done takes the line away.
func (p *progress) done() {
	if p.wrote {
		fmt.Fprint(p.out, "\r\033[K")
	}
}

// onTerminal says whether somebody watches the standard error.
func onTerminal() bool { return term.IsTerminal(int(os.Stderr.Fd())) }

// showProgress says how far a long comparison is, on a terminal only.
func showProgress(n, of int, what string) {
	if !onTerminal() {
		return
	}
	fmt.Fprintf(os.Stderr, "\r\033[K%d of %d %s", n, of, what)
	if n == of {
		clearProgress()
	}
}

// clearProgress takes away the line that says how far something is.
func clearProgress() {
	if onTerminal() {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
}
