package conform

import (
	"regexp"
	"slices"
	"strings"
)

// event is what two recordings' Events are compared by; the message is masked.
type event struct{ kind, field, message string }

func (e event) String() string { return strings.TrimSpace(e.kind + " " + e.field + " " + e.message) }

// timed says that the Event tells how long something took: whether the next one is counted with it
// or is another Event is chance, to the millisecond.
func (e event) timed() bool { return strings.HasPrefix(e.message, "Successfully pulled image") }

// masks take out of a message what no two runs share: uids, digests, addresses, durations, the
// bytes of an image, and what a runtime says of a command in a container that has ended, for which
// the two runtimes of the recordings have different words.
var masks = []mask{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "ID"},
	{regexp.MustCompile(`\b10\.\d+\.\d+\.\d+\b`), "IP"},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(µs|ms|s)\b`), "TIME"},
	{regexp.MustCompile(`rpc error: code = \w+ desc = failed to exec in container: .*`), "RUNTIME ERROR"},
	{regexp.MustCompile(`Image size: \d+ bytes`), "Image size: SIZE bytes"},
}

// masked is a message without what the masks take out.
func masked(message string, lists ...[]mask) string {
	for _, list := range lists {
		for i := range list {
			message = list[i].what.ReplaceAllString(message, list[i].with)
		}
	}
	return message
}

// eventList is the kubelet's Events of a recording.
type eventList struct {
	// kinds are type and reason in the order of their first appearance.
	kinds []string
	// list are the different Events in the order of their first appearance, with the last count.
	list  []event
	count map[event]int32
	// all counts what was written by type, for the spam filter.
	all map[string]int32
}

func newEventList() eventList { return eventList{count: map[event]int32{}, all: map[string]int32{}} }

func kubeletEvents(lines []Line) eventList {
	l := newEventList()
	for i := range lines {
		x := &lines[i]
		if x.Type == "event" && x.From == "kubelet" {
			l.add(event{x.EventType + " " + x.Event, x.Field, masked(x.Message, masks)}, x)
		}
	}
	return l
}

// add takes an Event into the list. Events whose messages differ only in what is masked are counted
// together.
func (l *eventList) add(e event, x *Line) {
	if !slices.Contains(l.kinds, e.kind) {
		l.kinds = append(l.kinds, e.kind)
	}
	if _, ok := l.count[e]; !ok {
		l.list = append(l.list, e)
	}
	l.count[e] = max(l.count[e], x.Count)
	l.all[x.EventType]++
}

// spamBurst Events of a type about one object pass the recorder's spam filter (client-go
// tools/record/events_cache.go defaultSpamBurst).
const spamBurst = 25

// spam says whether the spam filter may have dropped Events of this type.
func (l *eventList) spam(e event) bool {
	kind, _, _ := strings.Cut(e.kind, " ")
	return l.all[kind] >= spamBurst
}

// difference is the first difference in the order of the kinds, empty if there is none.
func (l *eventList) difference(got *eventList) (want, have string) {
	for i := range max(len(l.kinds), len(got.kinds)) {
		if w, g := at(l.kinds, i), at(got.kinds, i); w != g {
			return w, g
		}
	}
	return "", ""
}

const nothingMore = "nothing more"

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return nothingMore
}
