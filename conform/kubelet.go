package conform

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// Result is how a recording and podsim compare.
type Result struct {
	// Name is the recording's.
	Name string `json:"name"`
	// NotCompared says why the recording was not compared, empty when it was.
	NotCompared string `json:"notCompared,omitempty"`
	// Agrees says that podsim gives what was recorded for some draw.
	Agrees bool `json:"agrees"`
	// Difference is the first difference of the draw that comes nearest, nil when they agree.
	Difference *Difference `json:"difference,omitempty"`
	// Draws is the number of runs, with different draws, that the recording was compared with.
	Draws int `json:"draws"`
	// TimeError is the largest distance, in milliseconds, of a recorded state from the moments at
	// which podsim's draws have it, -1 when no draw has the recorded states.
	TimeError int64 `json:"timeErrorMs"`
	// Events is the number of different Events that the kubelet wrote, EventsMatched of those that
	// podsim writes too, with the same message and, where it can be told, the same count.
	Events        int `json:"events"`
	EventsMatched int `json:"eventsMatched"`
	// Recorded and Simulated are the states on both sides, for the draw that comes nearest, and
	// Pairs those that belong together.
	Recorded  []State `json:"recorded,omitempty"`
	Simulated []State `json:"simulated,omitempty"`
	Pairs     []Pair  `json:"-"`
	// EventCounts are the Events of both sides.
	EventCounts []EventCount `json:"eventCounts,omitempty"`
	// Objects are the node and its pods, of a recording of a whole node; what stands above is then
	// about all of them.
	Objects []Result `json:"objects,omitempty"`
}

// Difference is where a recording and podsim differ first.
type Difference struct {
	// What is compared: a state, the time of a state, an Event or its count.
	What     string `json:"what"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
}

// String is the difference in one line.
func (d *Difference) String() string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf("%s: expected %s, got %s", d.What, d.Expected, d.Got)
}

// EventCount is an Event with its last count on both sides, 0 where it was not written.
type EventCount struct {
	Event     string `json:"event"`
	Recorded  int32  `json:"recorded"`
	Simulated int32  `json:"simulated"`
}

// rule is what may differ.
type rule struct {
	// short is how long a state may last, in milliseconds, to be missing on one side.
	short int64
	// tolerance is how far the times of a state may differ, in milliseconds.
	tolerance func(at int64) int64
}

var (
	// loose is for what happened on a real machine, strict for what was made without randomness.
	loose  = rule{300, func(at int64) int64 { return max(1500, at/10) }}
	strict = rule{300, func(int64) int64 { return 50 }}
)

// What the kubelet draws at random podsim draws too, so a recording is compared with many runs.
const (
	// Draws is the number of runs with different seeds.
	Draws = 60
	// Branches is the most runs that are tried beyond them when none of them agrees: every other one
	// goes on with another seed from a moment up to which the best run so far agrees.
	Branches = 1000
)

// Kubelet compares a recording of a pod with podsim: one of a real node with as many draws as it
// takes, one of the kubelet in virtual time with its exact trace.
func Kubelet(r *Recording) (Result, error) {
	if r.Pod == nil {
		return Result{Name: r.Name, NotCompared: "it is not a recording of a pod"}, nil
	}
	if err := r.check(); err != nil {
		return Result{}, err
	}
	if r.Lines != nil {
		return compareDraws(r.Name, r.Pod, r.Lines, RealNode())
	}
	return compareExact(r)
}

// compareExact compares a recording that was made without randomness. Its API server answers within
// 3 to 6 ms all the same, and if need be what is due at one moment happens in an order by chance:
// some run must agree in all.
func compareExact(r *Recording) (Result, error) {
	s := VirtualKubelet().of(r.Exact)
	var first Result
	agrees := func(d *draw) bool {
		c := newComparison(r.Name, r.Exact, strict)
		c.add(d.lines)
		one := c.result()
		if first.Name == "" || one.Agrees {
			first = one
		}
		return one.Agrees
	}
	for _, settings := range []Settings{s, s.anyOrder()} {
		c := newComparison(r.Name, r.Exact, strict)
		err := c.search(r.Pod, settings, agrees)
		if err != nil || first.Agrees {
			first.Draws += c.draws
			return first, err
		}
	}
	return first, nil
}

// KubeletJittered compares the jittered traces of a recording of the kubelet in virtual time: each
// must be what podsim gives for some draw.
func KubeletJittered(r *Recording) ([]Result, error) {
	if len(r.Jittered) == 0 {
		return nil, nil
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	var out []Result
	for i, lines := range r.Jittered {
		one, err := compareDraws(fmt.Sprintf("%s/%d", r.Name, i+1), r.Pod, lines, VirtualKubeletJittered())
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// compareDraws compares a recording with runs of different seeds, and if need be with runs that
// branch off from the best of them. Chance decides when the kubelet's workers wake, and with it
// which states of a pod are ever published.
func compareDraws(name string, pod *v1.Pod, recorded []Line, s Settings) (Result, error) {
	c := newComparison(name, recorded, loose)
	s = s.of(recorded)
	// What lies within the draws is told by all of them.
	err := c.search(pod, s, func(*draw) bool { return c.draws >= Draws && c.result().Agrees })
	return c.result(), err
}

// search runs the pod with different draws until one is enough.
func (c *comparison) search(pod *v1.Pod, s Settings, enough func(*draw) bool) error {
	var best draw
	for k := range uint64(Draws + Branches) {
		d := draw{scenario: s.Scenario(pod, k)}
		if k >= Draws && k%2 == 0 {
			d = best.branch(s.created, k)
		}
		if err := c.try(&d); err != nil {
			return err
		}
		if enough(&d) {
			return nil
		}
		if k == 0 || d.better(&best) || k >= Draws && k%2 == 0 && !best.better(&d) {
			best = d
		}
	}
	return nil
}

// draw is a run of a recorded pod with certain draws.
type draw struct {
	scenario *model.Scenario
	lines    []Line
	// agreed is the number of recorded states, from the first on, that it has in time; at are the
	// moments, in milliseconds, at which it has them.
	agreed int
	at     []int64
	// near is the number of recorded states, from the first on, that it has at almost the same time:
	// in the same round of the kubelet's loops.
	near int
}

// nearby is how far apart two states may be to count as near, in milliseconds.
const nearby = 200

// better says that d is nearer to the recording than another run. What comes later depends on the
// rounds in which things were seen, so the near states count more than those that agree.
func (d *draw) better(other *draw) bool {
	if d.near != other.near {
		return d.near > other.near
	}
	return d.agreed > other.agreed
}

// branch is the run with another seed from a moment shortly before one of the last states that
// agree.
func (d *draw) branch(created model.Time, k uint64) draw {
	const before = 20 * model.Millisecond
	var from model.Time
	if i := len(d.at) - 1 - int(k/2%8); i > 0 {
		from = max(0, model.Time(d.at[i])*model.Millisecond-before)
	}
	return draw{scenario: reseeded(d.scenario, created+from, k)}
}

// reseeded is a scenario with another seed from a moment on.
func reseeded(of *model.Scenario, at model.Time, seed uint64) *model.Scenario {
	sc := *of
	sc.Steps = slices.DeleteFunc(slices.Clone(of.Steps), func(s model.Step) bool { return s.Verb == model.StepReseed && s.At >= at })
	sc.Steps = append(sc.Steps, model.Step{At: at, Verb: model.StepReseed, Seed: seed})
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	return &sc
}

// try runs a draw and takes it into the comparison.
func (c *comparison) try(d *draw) error {
	lines, err := Simulate(d.scenario)
	if err != nil {
		return err
	}
	d.lines = lines
	got, pairs := c.add(lines)
	for _, p := range pairs {
		if p.Want == len(c.want) || p.Got == len(got) || c.want[p.Want].Words != got[p.Got].Words {
			break
		}
		off := got[p.Got].From - c.want[p.Want].From
		if off = max(off, -off); off > c.tolerance(c.want[p.Want].From) {
			break
		}
		if d.near == d.agreed && off <= nearby {
			d.near = p.Want + 1
		}
		d.agreed = p.Want + 1
		d.at = append(d.at, got[p.Got].From)
	}
	return nil
}

// comparison holds a recording against runs.
type comparison struct {
	rule
	name   string
	want   []State
	events eventList

	draws int
	// far is the nearest run of those whose states are not the recorded ones, farthest its first
	// difference.
	far      []State
	farthest Pair
	farList  eventList

	// near is the run with the recorded states whose times are nearest.
	near     []State
	nearList eventList
	pairs    []Pair
	error    int64
	// within are the moments of each recorded state over the runs that have the recorded states.
	within []span
	// runs counts those runs, ordered those whose Events are in the recorded order, and disorder is
	// the first difference of one that is not.
	runs, ordered int
	disorder      *Difference
	counts        map[event]*span
	seen          map[event]int
	extra         []event
}

func newComparison(name string, recorded []Line, r rule) *comparison {
	return newComparisonOf(name, States(recorded), kubeletEvents(recorded), r)
}

func newComparisonOf(name string, want []State, events eventList, r rule) *comparison {
	c := &comparison{rule: r, name: name, want: want, events: events, error: math.MaxInt64,
		counts: map[event]*span{}, seen: map[event]int{}, farthest: Pair{-1, -1}}
	c.within = make([]span, len(c.want))
	return c
}

// watchedOn is how long a pod is watched after it is gone, in milliseconds.
const watchedOn = 1500

// watched is the part of a run that a recorder sees.
func watched(lines []Line) []Line {
	for i := range lines {
		if lines[i].Type == "DELETED" {
			end := lines[i].Ms + watchedOn
			n := sort.Search(len(lines), func(k int) bool { return lines[k].Ms > end })
			return lines[:n]
		}
	}
	return lines
}

// add takes a run into the comparison. It gives its states and how they go with the recorded ones.
func (c *comparison) add(lines []Line) ([]State, []Pair) {
	lines = watched(lines)
	got := States(lines)
	pairs, _ := c.addRun(got, kubeletEvents(lines))
	return got, pairs
}

// addRun takes the states and Events of a run into the comparison, as Align pairs them.
func (c *comparison) addRun(got []State, events eventList) (pairs []Pair, ok bool) {
	c.draws++
	pairs, ok = Align(c.want, got, c.short)
	if !ok {
		if last := pairs[len(pairs)-1]; last.Want > c.farthest.Want {
			c.far, c.farthest, c.farList = got, last, events
		}
		return pairs, false
	}
	c.runs++
	worst := int64(0)
	for _, p := range pairs {
		c.within[p.Want].add(got[p.Got].From)
		worst = max(worst, got[p.Got].From-c.want[p.Want].From, c.want[p.Want].From-got[p.Got].From)
	}
	if w, g := c.events.difference(&events); w+g == "" {
		c.ordered++
	} else if c.disorder == nil {
		c.disorder = &Difference{"order of Events", w, g}
	}
	c.addEvents(&events)
	if worst < c.error {
		c.near, c.nearList, c.pairs, c.error = got, events, pairs, worst
	}
	return pairs, true
}

func (c *comparison) addEvents(l *eventList) {
	for _, e := range l.list {
		if c.counts[e] == nil {
			c.counts[e] = &span{}
			if _, recorded := c.events.count[e]; !recorded {
				c.extra = append(c.extra, e)
			}
		}
		c.counts[e].add(int64(l.count[e]))
		c.seen[e]++
	}
}

// result is what the runs so far say.
func (c *comparison) result() Result {
	r := Result{Name: c.name, Draws: c.draws, Recorded: c.want, Simulated: c.near, Pairs: c.pairs, Events: len(c.events.list)}
	list := &c.nearList
	if c.runs == 0 {
		r.Simulated, list = c.far, &c.farList
	}
	r.EventCounts = c.countsOf(list)
	r.TimeError = c.timeError()
	for _, e := range c.events.list {
		if c.runs > 0 && c.eventDifference(e) == nil || c.runs == 0 && list.count[e] == c.events.count[e] {
			r.EventsMatched++
		}
	}
	r.Difference = c.difference()
	r.Agrees = r.Difference == nil
	return r
}

func (c *comparison) timeError() int64 {
	if c.runs == 0 {
		return -1
	}
	worst := int64(0)
	for i := range c.want {
		worst = max(worst, c.within[i].off(c.want[i].From))
	}
	return worst
}

// difference is the first difference by the rule.
func (c *comparison) difference() *Difference {
	if c.runs == 0 {
		return Differ(c.want, c.far, c.farthest)
	}
	for i := range c.want {
		if c.within[i].off(c.want[i].From) > c.tolerance(c.want[i].From) {
			s := c.within[i]
			d := &Difference{fmt.Sprintf("time of state %d (%s)", i, c.want[i].news(c.want[:i])), seconds(c.want[i].From), seconds(s.from)}
			if s.to > s.from {
				d.Got += " to " + seconds(s.to)
			}
			return d
		}
	}
	if c.ordered == 0 {
		return c.disorder
	}
	for _, e := range c.events.list {
		if d := c.eventDifference(e); d != nil {
			return d
		}
	}
	for _, e := range c.extra {
		if c.seen[e] == c.runs && !c.events.spam(e) {
			return &Difference{"Event", "none", e.String()}
		}
	}
	return nil
}

// eventDifference says how an Event that was recorded differs.
func (c *comparison) eventDifference(e event) *Difference {
	s := c.counts[e]
	switch n := int64(c.events.count[e]); {
	case c.events.spam(e):
	case s == nil:
		return &Difference{"Event", e.String(), "none"}
	case s.off(n) > 0 && c.seen[e] == c.runs && !e.timed():
		d := &Difference{"count of Event " + e.String(), fmt.Sprint(n), fmt.Sprint(s.from)}
		if s.to > s.from {
			d.Got += fmt.Sprintf(" to %d", s.to)
		}
		return d
	}
	return nil
}

func (c *comparison) countsOf(l *eventList) []EventCount {
	var out []EventCount
	for _, e := range c.events.list {
		out = append(out, EventCount{e.String(), c.events.count[e], l.count[e]})
	}
	for _, e := range l.list {
		if c.events.count[e] == 0 {
			out = append(out, EventCount{e.String(), 0, l.count[e]})
		}
	}
	return out
}

// Differ puts the difference of two sequences of states at a pair into words: only the parts that
// differ from each other.
func Differ(want, got []State, at Pair) *Difference {
	d := &Difference{fmt.Sprintf("state %d", at.Want), nothingMore, nothingMore}
	switch {
	case at.Want >= len(want) && at.Got < len(got):
		d.Got = seconds(got[at.Got].From) + " " + got[at.Got].news(got[:at.Got])
	case at.Got >= len(got) && at.Want < len(want):
		d.Expected = seconds(want[at.Want].From) + " " + want[at.Want].news(want[:at.Want])
	case at.Want < len(want):
		w, g := want[at.Want], got[at.Got]
		d.Expected = seconds(w.From) + " " + w.news([]State{g})
		d.Got = seconds(g.From) + " " + g.news([]State{w})
	}
	return d
}

// news are the parts of a state that the last of the states before does not have.
func (s State) news(before []State) string {
	parts := s.parts()
	if len(before) == 0 {
		return strings.Join(parts, separator)
	}
	old := before[len(before)-1].parts()
	var out []string
	for _, p := range parts {
		if !slices.Contains(old, p) {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return "less than before"
	}
	return strings.Join(out, separator)
}
