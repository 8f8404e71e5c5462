package conform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"podsim/model"
)

// Node compares a recording of a node with podsim: some run must have the states of the node and of
// all its pods, in time, and the recorded order of what was chosen; and the Events of each of them must
// be what runs give.
func Node(r *NodeRecording) (Result, error) {
	replay, err := newReplay(r)
	if err != nil {
		return Result{}, err
	}
	c := newNodeComparison(r)
	for k := range uint64(Draws + NodeBranches) {
		run := &nodeRun{scenario: replay.scenario(k)}
		if k >= Draws && k%2 == 0 {
			run.scenario = replay.branch(c.best, k)
		}
		if err := c.try(run, replay); err != nil {
			return Result{}, err
		}
		if k == 0 || run.better(c.best) || k >= Draws && k%2 == 0 && !c.best.better(run) {
			c.best = run
		}
		if k >= enough && c.result().Agrees {
			break
		}
	}
	return c.result(), nil
}

// NodeBranches is the most runs beyond the Draws that are tried for a node: as Branches, for a pod.
const NodeBranches = 140

// enough runs are made at least, as Events are counted over all of them.
const enough = 20

// objectHistory is what became of an object.
type objectHistory struct {
	states []State
	events eventList
}

// choice is a moment at which a component chose an object.
type choice struct {
	object, reason string
	at             int64
}

// String is the choice in words.
func (c choice) String() string { return c.reason + " of " + c.object }

// choices are the Events that say so.
var choices = []string{"Scheduled", "Evicted", "Preempting"}

// nodeHistory is what became of a node and its pods, in the order in which they appear.
type nodeHistory struct {
	names   []string
	objects map[string]*objectHistory
	chosen  []choice
}

// history is that of lines: the recorded or simulated ones.
func (r *NodeRecording) history(lines []NodeLine) *nodeHistory {
	h := &nodeHistory{objects: map[string]*objectHistory{}}
	lines = r.withoutRepeatedStart(lines)
	for i := range lines {
		l := &lines[i]
		switch {
		case changes(l.Type):
			o := h.object(l.object())
			o.states = AddState(o.states, l.Ms, l.Words())
		case l.Type == "event" && !slices.Contains(uncompared, l.Event):
			h.addEvent(l.object(), nodeEvent(l, r.kubelets(l.Ms)), &l.Line)
		}
	}
	slices.SortStableFunc(h.chosen, func(a, b choice) int { return cmp.Compare(a.at, b.at) })
	return h
}

// addEvent takes in an Event about an object.
func (h *nodeHistory) addEvent(object string, e event, l *Line) {
	events := &h.object(object).events
	events.add(e, l)
	if l.Event == anyTime {
		events.kinds = events.kinds[:len(events.kinds)-1]
	}
	c := choice{object, l.Event, l.Ms}
	if slices.Contains(choices, l.Event) && h.when(c) < 0 {
		h.chosen = append(h.chosen, c)
	}
}

func (h *nodeHistory) object(name string) *objectHistory {
	o := h.objects[name]
	if o == nil {
		o = &objectHistory{events: newEventList()}
		h.objects[name] = o
		h.names = append(h.names, name)
	}
	return o
}

// when is the first moment of a choice, -1 when it was never made.
func (h *nodeHistory) when(c choice) int64 {
	for i := range h.chosen {
		if h.chosen[i].object == c.object && h.chosen[i].reason == c.reason {
			return h.chosen[i].at
		}
	}
	return -1
}

// withoutRepeatedStart leaves out what a kubelet said of its node again while it was set up: a
// registration that fails is made anew 10 s later, and writes its Events once more.
func (r *NodeRecording) withoutRepeatedStart(lines []NodeLine) []NodeLine {
	ready := map[int]int64{}
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Type == "output" && l.What == verbKubelet && strings.HasPrefix(l.Message, readyAgain) {
			ready[r.kubelets(l.Ms)] = l.Ms
		}
	}
	var out []NodeLine
	repeated := map[event]int32{}
	for _, l := range lines {
		if l.Type == "event" && l.object() == "Node/"+realEnv {
			life := r.kubelets(l.Ms)
			e := nodeEvent(&l, life)
			if l.Count > 1 && l.Ms <= ready[life] {
				repeated[e]++
				continue
			}
			l.Count -= repeated[e]
		}
		out = append(out, l)
	}
	return out
}

// readyAgain is what the recorder says when the kubelet that was started is Ready.
const readyAgain = "Ready again"

// kubelets is how many kubelets the node has had until a moment.
func (r *NodeRecording) kubelets(ms int64) int {
	n := 0
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Ms <= ms && s.startsKubelet() {
			n++
		}
	}
	return n
}

// kubeletStart is when the node's present kubelet was started, in milliseconds.
func (r *NodeRecording) kubeletStart(ms int64) int64 {
	at := int64(0)
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Ms <= ms && s.startsKubelet() {
			at = s.Ms
		}
	}
	return at
}

// nodeRun is a run of a recorded node with certain draws.
type nodeRun struct {
	scenario *model.Scenario
	objects  map[string]*objectHistory
	pairs    map[string][]Pair
	// bad is the first recorded moment at which the run is not as recorded, ForGood when it is in all;
	// how says how.
	bad int64
	how *Difference
	// worst is the largest distance of two times, in milliseconds.
	worst int64
}

// better says that the run is nearer to the recording than another one.
func (r *nodeRun) better(other *nodeRun) bool {
	if r.bad != other.bad {
		return r.bad > other.bad
	}
	return r.bad == ForGood && r.worst < other.worst
}

// differs notes a difference at a recorded moment, if it is the first.
func (r *nodeRun) differs(at int64, how func() *Difference) {
	if at < r.bad {
		r.bad, r.how = at, how()
	}
}

// nodeComparison holds a recording against runs.
type nodeComparison struct {
	recording *NodeRecording
	want      *nodeHistory
	of        map[string]*comparison
	names     []string
	draws     int
	best      *nodeRun
}

func newNodeComparison(r *NodeRecording) *nodeComparison {
	c := &nodeComparison{recording: r, want: r.history(r.Lines), of: map[string]*comparison{}}
	for _, name := range c.want.names {
		c.comparison(name)
	}
	return c
}

// comparison is that of an object, which the recording may not have.
func (c *nodeComparison) comparison(name string) *comparison {
	if one := c.of[name]; one != nil {
		return one
	}
	o := c.want.objects[name]
	if o == nil {
		o = &objectHistory{events: newEventList()}
	}
	one := newComparisonOf(name, o.states, o.events, c.rule(name, o.states))
	c.of[name] = one
	c.names = append(c.names, name)
	return one
}

// rule is that of the recordings of pods: its times count from the pod's creation, those of the node
// from the start of its kubelet.
func (c *nodeComparison) rule(name string, states []State) rule {
	began := c.recording.kubeletStart
	if name != "Node/"+realEnv && len(states) > 0 {
		began = func(int64) int64 { return states[0].From }
	}
	return rule{loose.short, func(at int64) int64 { return loose.tolerance(at - began(at)) }}
}

// try makes a run and takes it into the comparison.
func (c *nodeComparison) try(run *nodeRun, replay *replay) error {
	lines, err := replay.run(run.scenario)
	if err != nil {
		return err
	}
	got := c.recording.history(lines)
	run.objects, run.pairs, run.bad = got.objects, map[string][]Pair{}, ForGood
	c.draws++
	for _, name := range got.names {
		c.comparison(name)
	}
	for _, name := range c.names {
		c.compare(run, name, got.object(name))
	}
	c.compareChoices(run, got)
	return nil
}

// compare holds an object of a run against the recording.
func (c *nodeComparison) compare(run *nodeRun, name string, got *objectHistory) {
	one := c.of[name]
	if name == "Node/"+realEnv {
		got.states = one.sinceRecorded(got.states)
	}
	pairs, ok := one.addRun(got.states, got.events)
	n := len(pairs)
	if !ok {
		n--
		at := pairs[n]
		run.differs(min(from(one.want, at.Want), from(got.states, at.Got)), func() *Difference {
			return about(name, Differ(one.want, got.states, at))
		})
	}
	if ok {
		run.pairs[name] = pairs
	}
	for _, p := range pairs[:n] {
		w, g := one.want[p.Want], got.states[p.Got]
		off := max(w.From-g.From, g.From-w.From)
		run.worst = max(run.worst, off)
		if off > one.tolerance(w.From) {
			run.differs(w.From, func() *Difference {
				return about(name, &Difference{fmt.Sprintf("time of state %d (%s)", p.Want, w.news(one.want[:p.Want])), seconds(w.From), seconds(g.From)})
			})
		}
	}
}

// about names the object of a difference.
func about(name string, d *Difference) *Difference {
	return &Difference{name + ": " + d.What, d.Expected, d.Got}
}

// from is when a state begins, ForGood where there is none.
func from(list []State, i int) int64 {
	if i < len(list) {
		return list[i].From
	}
	return ForGood
}

// sinceRecorded leaves out what the node was like before the recording says anything about it. Its
// first state may have begun long before.
func (c *comparison) sinceRecorded(got []State) []State {
	if len(c.want) == 0 {
		return nil
	}
	first := c.want[0]
	for i := range got {
		if got[i].To <= first.From {
			continue
		}
		// What the run has a little later counts as the first, too.
		for k := i; k < len(got) && got[k].From <= first.From+c.tolerance(first.From); k++ {
			if got[k].Words == first.Words {
				i = k
				break
			}
		}
		got = slices.Clone(got[i:])
		got[0].From = max(got[0].From, first.From)
		return got
	}
	return got
}

// compareChoices: what was chosen one after the other was chosen in that order.
func (c *nodeComparison) compareChoices(run *nodeRun, got *nodeHistory) {
	c.want.misordered(got, func(first, then choice) {
		run.differs(then.at, func() *Difference { return orderOfChoices(first, then) })
	})
}

// misordered gives the choices that got made the other way round.
func (h *nodeHistory) misordered(got *nodeHistory, found func(first, then choice)) {
	for j := range h.chosen {
		for i := range h.chosen[:j] {
			first, then := h.chosen[i], h.chosen[j]
			a, b := got.when(first), got.when(then)
			if then.at-first.at >= loose.short && a >= 0 && b >= 0 && b < a {
				found(first, then)
			}
		}
	}
}

func orderOfChoices(first, then choice) *Difference {
	return &Difference{"order of choices", fmt.Sprintf("%s, then %s", first, then), "the other way round"}
}

// result is what the runs so far say.
func (c *nodeComparison) result() Result {
	r := Result{Name: c.recording.Name, Draws: c.draws, TimeError: -1, Difference: c.best.how}
	if c.best.bad == ForGood {
		r.TimeError = c.best.worst
	}
	for _, name := range c.names {
		one := c.of[name]
		o := one.result()
		r.Events, r.EventsMatched = r.Events+o.Events, r.EventsMatched+o.EventsMatched
		if r.Difference == nil && o.Difference != nil {
			r.Difference = about(name, o.Difference)
		}
		if got := c.best.objects[name]; got != nil {
			o.Simulated, o.Pairs, o.EventCounts = got.states, c.best.pairs[name], one.countsOf(&got.events)
		}
		r.Objects = append(r.Objects, o)
	}
	r.Agrees = r.Difference == nil
	return r
}
