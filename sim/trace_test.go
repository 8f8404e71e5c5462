package sim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"

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

// readLines reads a recording; the first line has the pod.
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

// simulate runs a scenario of one pod and writes down what a recorder would.
func simulate(c *sim.Cluster, sc *model.Scenario) []line {
	created := sc.Steps[0].At
	var lines []line
	c.Observe(func(t model.Transition) {
		if t.Kind == model.KindPod {
			lines = append(lines, podLine(c.State(), &t, created))
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod {
			lines = append(lines, eventLine(c.State(), e, created))
		}
	})
	c.Run(sc.Duration, nil)
	return lines
}

func podLine(s *model.State, t *model.Transition, created model.Time) line {
	p := &s.Pods[t.ID]
	l := line{Ms: int64((t.At - created) / model.Millisecond), Type: t.Type.String(), Phase: p.Status.Phase.String(),
		Reason: s.Texts.String(p.Status.Reason), Conditions: map[string]string{}}
	if p.Deleting {
		l.Grace = &p.GraceSeconds
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

func eventLine(s *model.State, e *model.Event, created model.Time) line {
	l := line{Ms: int64((e.At - created) / model.Millisecond), Type: "event", Event: e.Reason.String(), EventType: "Normal",
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
	var names []string
	for name := range l.Conditions {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		f := strings.Fields(l.Conditions[name])
		reason := ""
		if len(f) > 1 {
			reason = "/" + strings.TrimSuffix(f[1], ":")
		}
		fmt.Fprintf(&b, " %s=%s%s", name, strings.TrimSuffix(f[0], ":"), reason)
	}
	for i := range l.Containers {
		c := &l.Containers[i]
		fmt.Fprintf(&b, " [%s %s", c.Name, c.state())
		if c.Started != nil && *c.Started {
			b.WriteString(" started")
		}
		if c.Ready {
			b.WriteString(" ready")
		}
		fmt.Fprintf(&b, " x%d", c.Restarts)
		if c.Last != nil {
			fmt.Fprintf(&b, " last %s", c.Last.state())
		}
		b.WriteString("]")
	}
	return b.String()
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

// coalesced is how short a state, in milliseconds, may have been for one of two recordings not
// to have it.
const coalesced = 300

// pair says that want[want] is got[got].
type pair struct{ want, got int }

// align pairs the snapshots of two recordings so that their times differ as little as can be.
// What is not paired was short-lived. Where that cannot be, ok is false and the only pair is
// the first difference.
func align(want, got []snapshot) (pairs []pair, ok bool) {
	skipWant, skipGot := skippable(want), skippable(got)
	// cost[i][j] is how well the first i and j snapshots agree, from how the way there.
	cost := make([][]int64, len(want)+1)
	from := make([][]pair, len(want)+1)
	for i := range cost {
		cost[i], from[i] = make([]int64, len(got)+1), make([]pair, len(got)+1)
		for j := range cost[i] {
			cost[i][j] = forGood
		}
	}
	cost[0][0] = 0
	far := pair{}
	for i := range cost {
		for j := range cost[i] {
			if cost[i][j] == forGood {
				continue
			}
			if i+j >= far.want+far.got {
				far = pair{i, j}
			}
			step := func(di, dj int, c int64) {
				if to := &cost[i+di][j+dj]; cost[i][j]+c < *to {
					*to, from[i+di][j+dj] = cost[i][j]+c, pair{i, j}
				}
			}
			if i < len(want) && j < len(got) && want[i].words == got[j].words {
				step(1, 1, max(want[i].from-got[j].from, got[j].from-want[i].from))
			}
			if i < len(want) && skipWant[i] {
				step(1, 0, coalesced)
			}
			if j < len(got) && skipGot[j] {
				step(0, 1, coalesced)
			}
		}
	}
	if cost[len(want)][len(got)] == forGood {
		return []pair{far}, false
	}
	for at := (pair{len(want), len(got)}); at != (pair{}); at = from[at.want][at.got] {
		if back := from[at.want][at.got]; back.want < at.want && back.got < at.got {
			pairs = append(pairs, back)
		}
	}
	return pairs, true
}

// skippable says which snapshots may be missing in the other recording: short ones, and those
// that come back to a state after short ones.
func skippable(list []snapshot) []bool {
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
		return fmt.Sprintf("%.3f %s", float64(list[i].from)/1000, list[i].words)
	}
	return fmt.Sprintf("state %d\n    want %s\n    got  %s", at.want, show(want, at.want), show(got, at.got))
}

// late gives the first pair of snapshots that is further apart than allowed says.
func late(want, got []snapshot, pairs []pair, allowed func(want, got int64) bool) string {
	for i := len(pairs) - 1; i >= 0; i-- {
		p := pairs[i]
		if !allowed(want[p.want].from, got[p.got].from) {
			return "time of " + difference(want, got, p)
		}
	}
	return ""
}

// masked are the parts of messages that no two runs share: UIDs, durations, digests.
var masked = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|sha256:[0-9a-f]+|\b\d+(\.\d+)?(ms|s|m)\b`)

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
	for i := 0; i < max(len(want), len(got)); i++ {
		w, g := "nothing more", "nothing more"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			return fmt.Sprintf("event %d: want %s, got %s", i, w, g)
		}
	}
	return ""
}
