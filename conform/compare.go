package conform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"podsim/model"
	"podsim/sim"
)

// RunRule is what may differ between a run on a real node and its simulation.
type RunRule struct {
	// Tolerance is how far the times of a state may differ, in milliseconds; a tenth of the time since the pod's
	// creation, if that is more, as in recordings: what is late delays all that follows.
	Tolerance int64
	// Draws is the most simulations with other draws of the runtime's latencies that are tried.
	Draws int
	// Extend prepares each simulation; it may be nil.
	Extend func(*sim.Cluster) error
	// Tick hears of each simulation that was made; it may be nil.
	Tick func(draw int)
}

// RunResult is how a run of a scenario on a real node and its simulation compare.
type RunResult struct {
	// Name is the scenario's.
	Name string `json:"name"`
	// Equal says that order, reasons, exit codes, restarts and Events are equal, InTime that the times
	// are, too, within the tolerance.
	Equal  bool `json:"equal"`
	InTime bool `json:"inTime"`
	// Difference is the first difference of the simulation that comes nearest, nil for none.
	Difference *Difference `json:"difference,omitempty"`
	// Error says why the scenario was not compared.
	Error string `json:"error,omitempty"`
	// Draw is the simulation that comes nearest: 0 has the scenario's own draws. Draws is how many others
	// were made.
	Draw  int `json:"draw"`
	Draws int `json:"draws"`
	// EndMs is how long the run was.
	EndMs int64 `json:"endMs"`
	// Steps are the states of the real pods, MedianMs and WorstMs the distances of their times, -1 when no
	// pod's states are equal.
	Steps    int   `json:"steps"`
	MedianMs int64 `json:"medianMs"`
	WorstMs  int64 `json:"worstMs"`
	// Pods are the pods in the order of their creation.
	Pods []Result `json:"pods"`
}

// Verdict is the result in one word: equal, late where only times differ, differs, or failed when the
// scenario was not compared.
func (r *RunResult) Verdict() string {
	switch {
	case r.Error != "":
		return "failed"
	case !r.Equal:
		return "differs"
	case !r.InTime:
		return "late"
	}
	return "equal"
}

// CompareRuns holds what became of a scenario on a real node against its simulation. The latencies of the
// container runtime are luck: when the simulation with the scenario's own draws is another, others are
// tried, until all pods agree in one.
func CompareRuns(sc *model.Scenario, real *Run, rule RunRule) (RunResult, error) {
	s := runSearch{scenario: sc, rule: rule, real: real, want: real.history(real.End), early: real.history(real.End - rule.Tolerance),
		redraws: map[string][]sim.Redraw{}, bad: map[string]int64{}, counts: map[string]*eventCounts{}}
	for k := range rule.Draws + 1 {
		if err := s.try(k); err != nil {
			return RunResult{}, err
		}
		if rule.Tick != nil {
			rule.Tick(k)
		}
		if s.best.agrees() {
			break
		}
	}
	return s.result(), nil
}

// runSearch looks for draws of the runtime with which the simulation is as the real run was.
type runSearch struct {
	scenario *model.Scenario
	rule     RunRule
	real     *Run
	// want is what became of the real pods, early what had until the moment from which on it may be on one
	// side only.
	want, early *nodeHistory

	// redraws are those of each pod with which it has come nearest, bad the moment up to which it agreed
	// then, ForGood when it did in all.
	redraws map[string][]sim.Redraw
	bad     map[string]int64

	best  *runDraw
	tried int

	// counts are how often each Event of a pod came in the simulations that have the pod's states.
	counts map[string]*eventCounts
}

// everyPod is how often all pods get other draws, not only those that differ: a pod may differ because of another.
const everyPod = 5

// try makes the k-th simulation. In the first one nothing is redrawn. In the others each pod that differs is redrawn
// from a moment before it does: what the runtime draws for one pod has no part in the luck of another.
func (s *runSearch) try(k int) error {
	first := int64(ForGood)
	for _, bad := range s.bad {
		first = min(first, bad)
	}
	redraws, changed := maps.Clone(s.redraws), map[string]bool{}
	for name, bad := range s.bad {
		if bad == ForGood && k%everyPod == 0 {
			bad = first
		}
		if bad < ForGood {
			redraws[name], changed[name] = redrawn(redraws[name], min(bad, s.real.End), k), true
		}
	}
	run, err := simulateRun(s.scenario, s.real.End, s.rule.Extend, redraws)
	if err != nil {
		return err
	}
	d := s.compare(run)
	d.number, s.tried = k, k
	for name, bad := range d.badByName() {
		if before, known := s.bad[name]; !known || !changed[name] || bad >= before {
			s.redraws[name], s.bad[name] = redraws[name], bad
		}
	}
	if d.better(s.best) {
		s.best = d
	}
	return nil
}

// redrawn are the redraws of a pod with another one shortly before a moment; now and then it is long before, or
// from the start.
func redrawn(list []sim.Redraw, bad int64, k int) []sim.Redraw {
	const steps = 12
	at := model.Time(0)
	if n := k % (steps + 1); n < steps {
		at = max(0, model.Time(bad)*model.Millisecond-50*model.Millisecond<<n)
	}
	kept := slices.DeleteFunc(slices.Clone(list), func(r sim.Redraw) bool { return r.From >= at })
	return append(kept, sim.Redraw{From: at, Seed: uint64(k)})
}

// runDraw is a simulation with certain draws.
type runDraw struct {
	number int
	// names are the pods of both sides, the real ones first.
	names []string
	pods  map[string]*podDraw
	// differ and late count the pods that differ, and those that do in times only; worst is the largest
	// distance of two times.
	differ, late int
	worst        int64
}

func (d *runDraw) agrees() bool { return d.differ+d.late == 0 }

// better says that d is nearer to the real run than another simulation.
func (d *runDraw) better(other *runDraw) bool {
	return other == nil || slices.Compare([]int64{int64(d.differ), int64(d.late), d.worst}, []int64{int64(other.differ), int64(other.late), other.worst}) < 0
}

// badByName is the first moment that differs, by the pod's name: several pods may have one, one after the other.
func (d *runDraw) badByName() map[string]int64 {
	out := map[string]int64{}
	for title, p := range d.pods {
		name, _, _ := strings.Cut(title, " ")
		if bad, ok := out[name]; !ok || p.bad < bad {
			out[name] = p.bad
		}
	}
	return out
}

// podDraw is a pod of a simulation beside the real one.
type podDraw struct {
	Result
	// bad is the first moment that differs, ForGood for none; late says that only times do.
	bad  int64
	late bool
}

// compare holds a simulation against the real run.
func (s *runSearch) compare(run *Run) *runDraw {
	got, early := run.history(s.real.End), run.history(s.real.End-s.rule.Tolerance)
	d := &runDraw{pods: map[string]*podDraw{}, names: slices.Clone(s.want.names)}
	for _, name := range got.names {
		if s.want.objects[name] == nil {
			d.names = append(d.names, name)
		}
	}
	for _, name := range d.names {
		p := &podDraw{Result: Result{Name: name, TimeError: -1}, bad: ForGood}
		p.compareStates(s.want.of(name).states, got.of(name).states, s.real.End, s.rule.Tolerance)
		p.compareEvents(s.want.of(name), s.early.of(name), got.of(name), early.of(name), s.countsOf(p, got.of(name), early.of(name)), s.real.End)
		d.pods[name] = p
	}
	s.want.misordered(got, func(first, then choice) {
		d.pods[then.object].differs(then.at, orderOfChoices(first, then))
	})
	for _, p := range d.pods {
		p.Agrees = p.Difference == nil
		d.worst = max(d.worst, p.TimeError)
		switch {
		case p.late:
			d.late++
		case !p.Agrees:
			d.differ++
		}
	}
	return d
}

// eventCounts are how often each Event of a pod came in simulations: from what must be to what may be.
type eventCounts struct {
	runs int
	of   map[event]*span
}

func (c *eventCounts) add(got, early *eventList) {
	for _, e := range got.list {
		if c.of[e] == nil {
			c.of[e] = &span{}
			if c.runs > 0 {
				c.of[e].add(0)
			}
		}
	}
	for e, s := range c.of {
		s.add(int64(early.count[e]))
		s.add(int64(got.count[e]))
	}
	c.runs++
}

// countsOf are how often each Event of a pod came so far. As for recordings, a count must be what simulations with the
// pod's states give: whether one more probe comes before a change is a matter of milliseconds.
func (s *runSearch) countsOf(p *podDraw, got, early *objectHistory) *eventCounts {
	counts := s.counts[p.Name]
	if counts == nil || p.Difference != nil && !p.late {
		counts = &eventCounts{of: map[event]*span{}}
	}
	if p.Difference == nil || p.late {
		s.counts[p.Name] = counts
	}
	counts.add(&got.events, &early.events)
	return counts
}

// of is an object's history, an empty one when there is none.
func (h *nodeHistory) of(name string) *objectHistory {
	if o := h.objects[name]; o != nil {
		return o
	}
	return &objectHistory{events: newEventList()}
}

// differs notes a difference in what must be equal; the first one counts, and more than one in time.
func (p *podDraw) differs(at int64, how *Difference) {
	if p.Difference == nil || p.late {
		p.Difference, p.late = how, false
	}
	p.bad = min(p.bad, at)
}

// compareStates compares the sequences by Align. What began less than the tolerance before the end may be
// missing on either side.
func (p *podDraw) compareStates(want, got []State, end, tolerance int64) {
	p.Recorded, p.Simulated = want, got
	switch {
	case len(want) == 0 && got[0].From < end-tolerance:
		p.differs(got[0].From, &Difference{"the pod", "none", "created at " + seconds(got[0].From)})
		return
	case len(got) == 0 && want[0].From < end-tolerance:
		p.differs(want[0].From, &Difference{"the pod", "created at " + seconds(want[0].From), "none"})
		return
	}
	want, got = endingAt(want, end-tolerance), endingAt(got, end-tolerance)
	pairs, ok := Align(want, got, loose.short)
	p.Pairs = pairs
	if !ok {
		at := pairs[len(pairs)-1]
		p.Pairs = pairs[:len(pairs)-1]
		p.differs(min(from(want, at.Want), from(got, at.Got)), Differ(want, got, at))
	}
	for _, x := range p.Pairs {
		w, g := want[x.Want], got[x.Got]
		off := max(w.From-g.From, g.From-w.From)
		if ok {
			p.TimeError = max(p.TimeError, off)
		}
		if off > max(tolerance, (w.From-want[0].From)/10) && w.From < p.bad {
			p.bad = w.From
			if p.Difference == nil {
				p.Difference, p.late = &Difference{fmt.Sprintf("time of state %d (%s)", x.Want, w.news(want[:x.Want])), seconds(w.From), seconds(g.From)}, true
			}
		}
	}
}

// endingAt are the states of a run in which those from a moment on may not have come.
func endingAt(list []State, at int64) []State {
	out := slices.Clone(list)
	for i := range out {
		if out[i].From >= at {
			out[i].To = out[i].From
		}
	}
	return out
}

// compareEvents compares the order in which the Events of a pod first came, and how often each did. wantEarly and
// gotEarly are those that must be on both sides, counts how often simulations had each.
func (p *podDraw) compareEvents(want, wantEarly, got, gotEarly *objectHistory, counts *eventCounts, end int64) {
	all := slices.Clone(want.events.list)
	for _, e := range got.events.list {
		if want.events.count[e] == 0 {
			all = append(all, e)
		}
	}
	p.Events = len(all)
	var first *Difference
	for _, e := range all {
		w, g := want.events.count[e], got.events.count[e]
		p.EventCounts = append(p.EventCounts, EventCount{e.String(), w, g})
		how := countDifference(e, &span{true, int64(wantEarly.events.count[e]), int64(w)}, counts.of[e])
		if how == nil || want.events.spam(e) || got.events.spam(e) {
			p.EventsMatched++
		} else if first == nil {
			first = how
		}
	}
	w := without(want.events.kinds, got.events.kinds, wantEarly.events.kinds)
	g := without(got.events.kinds, want.events.kinds, gotEarly.events.kinds)
	if a, b := (&eventList{kinds: w}).difference(&eventList{kinds: g}); a+b != "" {
		first = &Difference{"order of Events", a, b}
	}
	if first != nil && len(p.Recorded) > 0 && len(p.Simulated) > 0 {
		p.differs(end, first)
	}
}

// without leaves out the kinds of Events that only this side has, if they came late.
func without(kinds, other, early []string) []string {
	return slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return !slices.Contains(other, k) && !slices.Contains(early, k) })
}

// countDifference says how an Event's count differs; a span is from what it must be to what it may be, nil for an
// Event that never came.
func countDifference(e event, want, got *span) *Difference {
	if got == nil {
		got = &span{}
	}
	switch {
	case want.from > 0 && got.to == 0:
		return &Difference{"Event", e.String(), "none"}
	case got.from > 0 && want.to == 0:
		return &Difference{"Event", "none", e.String()}
	case !e.timed() && (want.from > got.to || got.from > want.to):
		return &Difference{"count of Event " + e.String(), fmt.Sprint(want.to), fmt.Sprint(got.to)}
	}
	return nil
}

// result is the simulation that comes nearest.
func (s *runSearch) result() RunResult {
	d := s.best
	r := RunResult{Name: s.scenario.Name, Equal: d.differ == 0, InTime: d.agrees(), Draw: d.number, Draws: s.tried, EndMs: s.real.End,
		MedianMs: -1, WorstMs: -1}
	var off []int64
	first := int64(ForGood)
	for _, name := range d.names {
		p := d.pods[name]
		r.Steps += len(p.Recorded)
		if p.TimeError >= 0 {
			for _, x := range p.Pairs {
				w, g := p.Recorded[x.Want].From, p.Simulated[x.Got].From
				off = append(off, max(w-g, g-w))
			}
		}
		// What must be equal comes before what is late.
		if p.Difference != nil && p.late == r.Equal && (r.Difference == nil || p.bad < first) {
			r.Difference, first = about(name, p.Difference), p.bad
		}
		r.Pods = append(r.Pods, p.Result)
	}
	if slices.Sort(off); len(off) > 0 {
		r.MedianMs, r.WorstMs = off[len(off)/2], off[len(off)-1]
	}
	return r
}
