package images

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"podsim/model"
)

// origin is a registry of the scenario: what its images have in common.
type origin struct {
	host string
	// spec is the index of what the scenario says of it, -1 for nothing.
	spec                  int
	latency               *model.Dist
	bandwidth, connection int64

	mutex sync.Mutex
	// transfers is how many there are.
	transfers int
	// shared is what all transfers have together, nil for no limit.
	shared *rate.Limiter
	kind   string
	// changed is closed when something of this changes.
	changed chan struct{}
}

// outage is what is wrong with the registries whose hosts match a pattern.
type outage struct {
	pattern, kind string
	bandwidth     int64
}

// The kinds of errors with which no answer comes, or none any more.
const (
	kindRefused = "refused"
	kindTimeout = "timeout"
	kindStalled = "stalled"
)

// originOf finds the registry that an image comes from, as the simulation does.
func (r *Registry) originOf(name string) *origin {
	image := model.Image{Name: name}
	host := image.Registry()
	spec := slices.IndexFunc(r.scenario.Registries, func(s model.Registry) bool { return s.Gives(&image) })
	for _, o := range r.origins {
		if o.host == host && o.spec == spec {
			return o
		}
	}
	o := &origin{host: host, spec: spec, connection: model.DefaultConnectionBandwidth, changed: make(chan struct{})}
	if spec >= 0 {
		s := &r.scenario.Registries[spec]
		o.latency, o.bandwidth, o.connection = &s.Latency, s.Bandwidth, s.Connection
	}
	o.set(r.outageOf(host))
	r.origins = append(r.origins, o)
	return o
}

// outageOf is what is wrong with a registry: the latest that was said counts.
func (r *Registry) outageOf(host string) outage {
	found := outage{}
	for _, o := range r.outages {
		if model.Matches(o.pattern, host) {
			found = o
		}
	}
	return found
}

// addressOf is the address of a registry, which is in reach or not.
func (r *Registry) addressOf(host string) *address {
	if a := r.hosts[host]; a != nil {
		return a
	}
	a, err := newAddress(r)
	if err == nil {
		err = a.set(r.reachOf(host))
	}
	if err != nil {
		return r.refusing // no port is left
	}
	r.hosts[host] = a
	return a
}

// reachOf says what becomes of connections to a registry now.
func (r *Registry) reachOf(host string) reach {
	if !r.begun.Load() || host == "" {
		return answers
	}
	switch r.outageOf(host).kind {
	case kindRefused:
		return refuses
	case kindTimeout:
		return ignores
	}
	return answers
}

// Set says what is wrong with the registries whose hosts match the pattern from now on (model.StepRegistry):
// the kind of error or its text, "" for none, and the bandwidth in bytes per second, 0 for the usual one. It
// replaces what was said of the same pattern.
func (r *Registry) Set(pattern, kind string, bandwidth int64) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.outages = slices.DeleteFunc(r.outages, func(o outage) bool { return o.pattern == pattern })
	if kind != "" || bandwidth > 0 {
		r.outages = append(r.outages, outage{pattern, kind, bandwidth})
	}
	for _, o := range r.origins {
		o.set(r.outageOf(o.host))
	}
	var failed []error
	for host, a := range r.hosts {
		failed = append(failed, a.set(r.reachOf(host)))
	}
	return errors.Join(failed...)
}

// set changes what is wrong with a registry.
func (o *origin) set(x outage) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	bandwidth := o.bandwidth
	if x.bandwidth > 0 {
		bandwidth = x.bandwidth
	}
	o.kind, o.shared = x.kind, limiter(bandwidth)
	close(o.changed)
	o.changed = make(chan struct{})
}

// state is what the registry gives now, and what tells that it changes.
func (o *origin) state() (shared *rate.Limiter, kind string, changed <-chan struct{}) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.shared, o.kind, o.changed
}

// piece is how many bytes a transfer takes at a time: the smaller, the fairer is what all share.
const piece = 32 << 10

// catchUp is how long ago what a transfer could not take then may be, for it to make up for it: on a busy
// machine the runtime does not always read.
const catchUp = 10 * time.Second

// limiter gives so many bytes per second in pieces, nil for no limit.
func limiter(bandwidth int64) *rate.Limiter {
	if bandwidth <= 0 {
		return nil
	}
	l := rate.NewLimiter(rate.Limit(bandwidth), int(max(piece, min(bandwidth, 1<<40)*int64(catchUp/time.Second))))
	drain(l)
	return l
}

// drain takes what has come together while nobody wanted anything.
func drain(l *rate.Limiter) {
	if l == nil {
		return
	}
	if n := int(l.Tokens()); n > 0 {
		l.AllowN(time.Now(), n)
	}
}

// begin counts a transfer, end does so no longer.
func (o *origin) begin() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.transfers++; o.transfers == 1 {
		drain(o.shared)
	}
}

func (o *origin) end() {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.transfers--
}

// answer is what is wrong with the registry when it answers, if it does before the context is done: on a
// connection from before nothing comes while it is out of reach.
func (o *origin) answer(ctx context.Context) (kind string, ok bool) {
	for {
		_, kind, changed := o.state()
		if kind != kindTimeout {
			return kind, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

// stalls says that nothing comes any more.
func stalls(kind string) bool { return kind == kindStalled || kind == kindTimeout }

// downloads are how many layers a node downloads at a time, of all images together (containerd's
// max_concurrent_downloads). The runtime keeps to it for all nodes of the scenario together at best.
const downloads = 3

// line is what a node of the scenario has to download with.
type line struct {
	// bandwidth is that of all its transfers, nil for no limit; each takes one of the turns.
	bandwidth *rate.Limiter
	turns     chan struct{}
	mutex     sync.Mutex
	taken     int
}

// lineOf is a node's line.
func (r *Registry) lineOf(node string) *line {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if l := r.lines[node]; l != nil {
		return l
	}
	l := &line{turns: make(chan struct{}, downloads)}
	for i := range r.scenario.Nodes {
		if r.scenario.Nodes[i].Name == node {
			l.bandwidth = limiter(r.scenario.Nodes[i].Bandwidth)
		}
	}
	r.lines[node] = l
	return l
}

// begin waits for one of the node's turns, which must be given back by end, for some time or, with 0, until
// the context is done.
func (l *line) begin(ctx context.Context, limit time.Duration) bool {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	select {
	case l.turns <- struct{}{}:
		l.mutex.Lock()
		defer l.mutex.Unlock()
		if l.taken++; l.taken == 1 {
			drain(l.bandwidth)
		}
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *line) end() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.taken--
	<-l.turns
}

// take waits until the transfer may have n bytes, of the registry's bandwidth and of its own ones.
func (o *origin) take(ctx context.Context, own []*rate.Limiter, n int) error {
	for {
		shared, kind, changed := o.state()
		if stalls(kind) {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		for _, l := range append(own, shared) {
			if l == nil {
				continue
			}
			if err := l.WaitN(ctx, n); err != nil {
				return err
			}
		}
		return nil
	}
}
