package sim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// line is one line of a recording: a change of the pod or an Event.
type line struct {
	Ms         int64             `json:"ms"`
	Type       string            `json:"type"`
	Phase      string            `json:"phase"`
	Reason     string            `json:"reason"`
	Grace      *int64            `json:"deletionGracePeriodSeconds"`
	Conditions map[string]string `json:"conditions"`
	Containers []containerLine   `json:"containers"`

	Event     string `json:"event"`
	EventType string `json:"eventType"`
	Field     string `json:"field"`
	Message   string `json:"message"`
	Count     int32  `json:"count"`
	From      string `json:"from"`

	Pod *v1.Pod `json:"pod"`
}

type containerLine struct {
	Name     string         `json:"name"`
	State    string         `json:"state"`
	Reason   string         `json:"reason"`
	ExitCode *int32         `json:"exitCode"`
	Started  *bool          `json:"started"`
	Ready    bool           `json:"ready"`
	Restarts int32          `json:"restarts"`
	Last     *containerLine `json:"last"`
}

// readLines reads a recording; pod is the pod of its first line, where it has one.
func readLines(r io.Reader) (pod *v1.Pod, lines []line, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			return nil, nil, fmt.Errorf("%w in %s", err, bytes.TrimSpace(s.Bytes()))
		}
		if l.Pod != nil {
			pod = l.Pod
		} else {
			lines = append(lines, l)
		}
	}
	return pod, lines, s.Err()
}

// simulate runs a scenario, which creates one pod, and writes down what a recorder would.
func simulate(t *testing.T, sc *model.Scenario, prepare func(*sim.Cluster)) []line {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	var lines []line
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindPod {
			lines = append(lines, podLine(c.State(), &tr))
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod {
			lines = append(lines, eventLine(c.State(), e))
		}
	})
	c.Begin()
	prepare(c)
	c.Run(sc.Duration, nil)
	for i := range lines {
		lines[i].Ms -= int64(sc.Steps[0].At / model.Millisecond)
	}
	return lines
}

func podLine(s *model.State, t *model.Transition) line {
	p := &s.Pods[t.ID]
	l := line{Ms: int64(t.At / model.Millisecond), Type: t.Type.String(), Phase: p.Status.Phase.String(),
		Reason: s.Texts.String(p.Status.Reason), Conditions: map[string]string{}}
	if p.Deleting {
		grace := p.GraceSeconds
		l.Grace = &grace
	}
	for k := range p.Status.Conditions {
		if c := &p.Status.Conditions[k]; c.Status != model.ConditionAbsent {
			l.Conditions[model.ConditionType(k).String()] = c.Status.String() + " " + s.Texts.String(c.Reason)
		}
	}
	for i := range p.Status.Containers {
		k := &p.Status.Containers[i]
		c := stateLine(s, &k.State)
		started := k.Started
		c.Name, c.Started, c.Ready, c.Restarts = p.Template.Containers[i].Name, &started, k.Ready, k.Restarts
		if k.Last.Kind != model.StateNone {
			last := stateLine(s, &k.Last)
			c.Last = &last
		}
		l.Containers = append(l.Containers, c)
	}
	return l
}

func stateLine(s *model.State, k *model.ContainerState) containerLine {
	c := containerLine{State: k.Kind.String(), Reason: s.Texts.String(k.Reason)}
	if k.Kind == model.StateTerminated {
		code := k.ExitCode
		c.ExitCode = &code
	}
	return c
}

func eventLine(s *model.State, e *model.Event) line {
	l := line{Ms: int64(e.At / model.Millisecond), Type: "event", Event: s.EventReason(e), EventType: "Normal",
		Message: s.EventMessage(e), Count: e.Count, From: e.Source.String()}
	if e.Warning {
		l.EventType = "Warning"
	}
	if t := s.Pods[e.ID].Template; e.Container >= 0 {
		kind := "containers"
		if int(e.Container) < t.NumInit {
			kind = "initContainers"
		}
		l.Field = fmt.Sprintf("spec.%s{%s}", kind, t.Containers[e.Container].Name)
	}
	return l
}

// snapshot is a state of the pod that was published, as words, and for how long, in
// milliseconds since the pod's creation.
type snapshot struct {
	from, to int64
	words    string
}

func (s snapshot) String() string { return fmt.Sprintf("%.3fs %s", float64(s.from)/1000, s.words) }

// forGood is the end of the last snapshot.
const forGood = 1 << 60

// snapshots gives the distinct states of a recording.
func snapshots(lines []line) []snapshot {
	var out []snapshot
	for i := range lines {
		switch lines[i].Type {
		case "ADDED", "MODIFIED", "DELETED":
		default:
			continue
		}
		words := lines[i].words()
		if n := len(out); n > 0 {
			if out[n-1].words == words {
				continue
			}
			out[n-1].to = lines[i].Ms
		}
		out = append(out, snapshot{lines[i].Ms, forGood, words})
	}
	return out
}

// words are what two snapshots are compared by.
func (l *line) words() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", l.Type, l.Phase, l.Reason)
	if l.Grace != nil {
		fmt.Fprintf(&b, " deleting(%d)", *l.Grace)
	}
	for _, name := range sorted(l.Conditions) {
		status, reason, _ := strings.Cut(l.Conditions[name], " ")
		reason, _, _ = strings.Cut(reason, " ")
		fmt.Fprintf(&b, " %s=%s", name, strings.TrimSuffix(status, ":"))
		if reason = strings.TrimSuffix(reason, ":"); reason != "" && !strings.HasSuffix(status, ":") {
			fmt.Fprintf(&b, "/%s", reason)
		}
	}
	for i := range l.Containers {
		c := &l.Containers[i]
		fmt.Fprintf(&b, " [%s %s x%d", c.Name, c.state(), c.Restarts)
		if c.Started != nil && *c.Started {
			b.WriteString(" started")
		}
		if c.Ready {
			b.WriteString(" ready")
		}
		if c.Last != nil {
			fmt.Fprintf(&b, " last %s", c.Last.state())
		}
		b.WriteString("]")
	}
	return b.String()
}

func sorted(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (c *containerLine) state() string {
	s := c.State
	if c.Reason != "" {
		s += "/" + c.Reason
	}
	if c.ExitCode != nil {
		s += fmt.Sprintf("(%d)", *c.ExitCode)
	}
	return s
}

// coalesced is how short a pod's state, in milliseconds, may have been for one of two recordings
// not to have it.
const coalesced = 300

// pair says that want[want] is got[got].
type pair struct{ want, got int }

// alignment is how two recordings go together, snapshot by snapshot.
type alignment struct {
	want, got         []snapshot
	skipWant, skipGot []bool
	coalesced         int64
	// cost[i][j] is how well the first i and j snapshots agree, from how the way there.
	cost [][]int64
	from [][]pair
	far  pair
}

// align pairs the snapshots of two recordings so that their times differ as little as can be.
// What is not paired lasted less than coalesced. Where that cannot be, ok is false and the only
// pair is the first difference.
func align(want, got []snapshot, coalesced int64) (pairs []pair, ok bool) {
	a := alignment{want: want, got: got, coalesced: coalesced, skipWant: skippable(want, coalesced), skipGot: skippable(got, coalesced)}
	for range len(want) + 1 {
		a.cost, a.from = append(a.cost, make([]int64, len(got)+1)), append(a.from, make([]pair, len(got)+1))
	}
	for i := range a.cost {
		for j := range a.cost[i] {
			if i+j > 0 && a.from[i][j] == (pair{}) && a.cost[i][j] == 0 {
				a.cost[i][j] = forGood
			}
			a.extend(i, j)
		}
	}
	end := pair{len(want), len(got)}
	if a.cost[end.want][end.got] == forGood {
		return []pair{a.far}, false
	}
	for at := end; at != (pair{}); at = a.from[at.want][at.got] {
		if back := a.from[at.want][at.got]; back.want < at.want && back.got < at.got {
			pairs = append(pairs, back)
		}
	}
	return pairs, true
}

// extend goes on from an agreement of the first i and j snapshots.
func (a *alignment) extend(i, j int) {
	if a.cost[i][j] == forGood {
		return
	}
	if i+j >= a.far.want+a.far.got {
		a.far = pair{i, j}
	}
	if i < len(a.want) && j < len(a.got) && a.want[i].words == a.got[j].words {
		a.step(i, j, 1, 1, 1+max(a.want[i].from-a.got[j].from, a.got[j].from-a.want[i].from))
	}
	if i < len(a.want) && a.skipWant[i] {
		a.step(i, j, 1, 0, a.coalesced)
	}
	if j < len(a.got) && a.skipGot[j] {
		a.step(i, j, 0, 1, a.coalesced)
	}
}

func (a *alignment) step(i, j, di, dj int, cost int64) {
	to := &a.cost[i+di][j+dj]
	if *to == 0 || a.cost[i][j]+cost < *to {
		*to, a.from[i+di][j+dj] = a.cost[i][j]+cost, pair{i, j}
	}
}

// skippable says which snapshots may be missing in the other recording: short ones, and those
// that come back to a state after short ones.
func skippable(list []snapshot, coalesced int64) []bool {
	out := make([]bool, len(list))
	for i := range list {
		out[i] = list[i].to-list[i].from < coalesced
		for k := i - 1; k >= 0 && !out[i]; k-- {
			out[i] = list[k].words == list[i].words
			if !out[k] {
				break
			}
		}
	}
	return out
}

// difference puts the first difference of two recordings into words.
func difference(want, got []snapshot, at pair) string {
	show := func(list []snapshot, i int) string {
		if i >= len(list) {
			return "nothing more"
		}
		return list[i].String()
	}
	return fmt.Sprintf("state %d\n    want %s\n    got  %s", at.want, show(want, at.want), show(got, at.got))
}

// late gives the first pair of snapshots that is further apart than allowed, in milliseconds.
func late(want, got []snapshot, pairs []pair, allowed int64) string {
	for i := len(pairs) - 1; i >= 0; i-- {
		p := pairs[i]
		if d := want[p.want].from - got[p.got].from; d > allowed || -d > allowed {
			return "time of " + difference(want, got, p)
		}
	}
	return ""
}

// span is the range of the moments at which a state came in several runs, in milliseconds.
type span struct {
	some     bool
	from, to int64
}

func (s *span) add(at int64) {
	if !s.some {
		*s = span{true, at, at}
	}
	s.from, s.to = min(s.from, at), max(s.to, at)
}

// near says whether a moment is within 1.5 s or 10 % of the span.
func (s *span) near(at int64) bool {
	tolerance := max(1500, at/10)
	return !s.some || s.from-tolerance <= at && at <= s.to+tolerance
}

func (s *span) String() string {
	return fmt.Sprintf("%.3fs to %.3fs", float64(s.from)/1000, float64(s.to)/1000)
}

// firstEvents lists a recording's Events of the kubelet in the order of their first appearance.
func firstEvents(lines []line, key func(*line) string) []string {
	var out []string
	seen := map[string]bool{}
	for i := range lines {
		l := &lines[i]
		if l.Type != "event" || l.From != "kubelet" {
			continue
		}
		if k := key(l); !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

func reasonAndType(l *line) string { return l.EventType + " " + l.Event }

// differentEvents puts the first difference of two lists of Events into words.
func differentEvents(want, got []string) string {
	word := func(list []string, i int) string {
		if i < len(list) {
			return list[i]
		}
		return "nothing more"
	}
	for i := range max(len(want), len(got)) {
		if w, g := word(want, i), word(got, i); w != g {
			return fmt.Sprintf("event %d: want %s, got %s", i, w, g)
		}
	}
	return ""
}
