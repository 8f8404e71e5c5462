package conform

import (
	"fmt"
	"slices"
	"strings"
)

// State is a state of an object that was published, and for how long, in milliseconds since the
// object's creation.
type State struct {
	From int64 `json:"fromMs"`
	To   int64 `json:"-"`
	// Words are what two states are compared by.
	Words string `json:"state"`
}

// String is the state with its beginning.
func (s State) String() string { return seconds(s.From) + " " + s.Words }

// ForGood is the end of the last state.
const ForGood = 1 << 60

// seconds writes milliseconds as seconds.
func seconds(ms int64) string { return fmt.Sprintf("%.3fs", float64(ms)/1000) }

// States gives the different states of a recording.
func States(lines []Line) []State {
	var out []State
	for i := range lines {
		switch lines[i].Type {
		case "ADDED", "MODIFIED", "DELETED":
			out = AddState(out, lines[i].Ms, lines[i].Words())
		}
	}
	return out
}

// AddState adds a state that began at a moment, unless it is the last one still.
func AddState(list []State, at int64, words string) []State {
	if n := len(list); n > 0 {
		if list[n-1].Words == words {
			return list
		}
		list[n-1].To = at
	}
	return append(list, State{at, ForGood, words})
}

// separator stands between the parts of a state's words.
const separator = " | "

// parts are the parts of a state: what happened to the object, each condition, each container.
func (s State) parts() []string { return strings.Split(s.Words, separator) }

// Words are what two states of a pod are compared by.
func (l *Line) Words() string {
	head := strings.TrimSpace(l.Type + " " + l.Phase + " " + l.Reason)
	if l.Grace != nil {
		head += fmt.Sprintf(" deleting(%d)", *l.Grace)
	}
	parts := []string{head}
	var types []string
	for k := range l.Conditions {
		types = append(types, k)
	}
	slices.Sort(types)
	for _, k := range types {
		parts = append(parts, k+"="+condition(l.Conditions[k]))
	}
	for i := range l.Containers {
		parts = append(parts, l.Containers[i].words())
	}
	return strings.Join(parts, separator)
}

// condition is a condition's status and reason, without the message.
func condition(s string) string {
	status, reason, _ := strings.Cut(s, " ")
	reason, _, _ = strings.Cut(reason, " ")
	if strings.HasSuffix(status, ":") { // no reason, a message follows
		return strings.TrimSuffix(status, ":")
	}
	if reason = strings.TrimSuffix(reason, ":"); reason != "" {
		return status + "/" + reason
	}
	return status
}

func (c *Container) words() string {
	w := fmt.Sprintf("%s %s x%d", c.Name, c.state(), c.Restarts)
	if c.Started != nil && *c.Started {
		w += " started"
	}
	if c.Ready {
		w += " ready"
	}
	if c.Last != nil {
		w += " last " + c.Last.state()
	}
	return w
}

func (c *Container) state() string {
	s := c.State
	if c.Reason != "" {
		s += "/" + c.Reason
	}
	if c.ExitCode != nil {
		s += fmt.Sprintf("(%d)", *c.ExitCode)
	}
	return s
}
