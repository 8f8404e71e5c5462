package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"podsim/conform"
	"podsim/model"
	"podsim/runner"
)

// startEvery is the time between two scenarios' beginnings: the runtime is busiest with the first pods of each.
const startEvery = 3 * time.Second

// playAll plays the scenarios on the node, the longest first, as many at a time as --parallel says. Nothing is simulated
// meanwhile, which would take the processors from the node.
func (o *compareOptions) playAll(list []*comparison) error {
	order := slices.Clone(list)
	slices.SortStableFunc(order, func(a, b *comparison) int { return cmp.Compare(b.scenario.Duration, a.scenario.Duration) })
	next := make(chan *comparison)
	p := newPlayProgress(list)
	defer p.done()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(next)
		for i, c := range order {
			if p.interrupted() {
				return
			}
			if i > 0 {
				time.Sleep(startEvery)
			}
			next <- c
		}
	})
	for range min(o.parallel, len(order)) {
		wg.Go(func() {
			for c := range next {
				if p.interrupted() {
					continue
				}
				interrupted, err := o.play(c, func(now model.Time) { p.tick(c, now) })
				c.failed = err
				p.end(c, interrupted)
			}
		})
	}
	wg.Wait()
	if p.interrupted() {
		return failure{errors.New("interrupted; nothing is compared"), exitFailed}
	}
	return nil
}

// playProgress shows on a terminal what is being played: one line that is written over.
type playProgress struct {
	mu      sync.Mutex
	silent  bool
	stopped bool
	of      int
	ended   int
	now     map[*comparison]model.Time
	shown   time.Time
}

func newPlayProgress(list []*comparison) *playProgress {
	return &playProgress{silent: !onTerminal(), of: len(list), now: map[*comparison]model.Time{}}
}

// tick hears how far a scenario is.
func (p *playProgress) tick(c *comparison, now model.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now[c] = now
	if p.silent || time.Since(p.shown) < progressEvery {
		return
	}
	p.shown = time.Now()
	var parts []string
	for c, now := range p.now {
		parts = append(parts, fmt.Sprintf("%s %s of %s", c.scenario.Name, now.Duration().Round(time.Second), c.scenario.Duration))
	}
	slices.Sort(parts)
	line := fmt.Sprintf("%d of %d played; %s", p.ended, p.of, strings.Join(parts, ", "))
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && len(line) >= width && width > 4 {
		line = line[:width-4] + "..."
	}
	fmt.Fprint(os.Stderr, "\r\033[K"+line)
}

// end hears that a scenario has ended.
func (p *playProgress) end(c *comparison, interrupted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.now, c)
	p.ended++
	p.stopped = p.stopped || interrupted
}

func (p *playProgress) interrupted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

func (p *playProgress) done() { clearProgress() }

// machineOf is what a comparison says of a machine.
func machineOf(m runner.Machine) conform.Machine {
	return conform.Machine{Runtime: m.String(), Cgroups: m.Cgroups, Cores: m.CPUs}
}
