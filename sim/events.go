package sim

import (
	"slices"

	"podsim/model"
	"podsim/model/kubelet"
)

// The event recorder's limits (client-go tools/record/events_cache.go).
const (
	// aggregateAfter similar Events are combined into one, if the last is younger than
	// aggregateInterval.
	aggregateAfter    = 10
	aggregateInterval = 600 * model.Second
	// spamBurst Events of a source and type about one object pass, then one each spamInterval.
	spamBurst    = 25
	spamInterval = 300 * model.Second
)

// eventLog is what the event correlators of the components keep of one object.
type eventLog struct {
	records []eventRecord
	groups  []eventGroup
	filters []spamFilter
	// forgotten counts the messages that groups have forgotten.
	forgotten uint64
}

// eventKey is what all Events of a filter or a group have in common (events_cache.go getSpamKey,
// EventAggregatorByReasonFunc); a filter has no reason.
type eventKey struct {
	source  model.EventSource
	warning bool
	reason  model.EventReason
}

// eventRecord is an Event that was written.
type eventRecord struct {
	eventKey
	container int16
	combined  bool
	message   model.Message
	serial    int64
	first     model.Time
	count     int32
}

// eventGroup counts the different messages of one source, reason and type.
type eventGroup struct {
	eventKey
	last     model.Time
	messages []eventMessage
}

// eventMessage is a message about a container.
type eventMessage struct {
	container int16
	message   model.Message
}

// spamFilter is a token bucket, as the moment at which it is full again.
type spamFilter struct {
	eventKey
	full model.Time
}

// empty says that no Event passes now.
func (f *spamFilter) empty(now model.Time) bool { return f.full-now > (spamBurst-1)*spamInterval }

func (f *spamFilter) pass(now model.Time) bool {
	if f.empty(now) {
		return false
	}
	f.full = max(f.full, now) + spamInterval
	return true
}

func (l *eventLog) reset() {
	*l = eventLog{records: l.records[:0], groups: l.groups[:0], filters: l.filters[:0]}
}

// forget lets go of what the recorder of a component that has ended had in memory.
func (l *eventLog) forget(source model.EventSource) {
	l.records = slices.DeleteFunc(l.records, func(r eventRecord) bool { return r.source == source })
	l.groups = slices.DeleteFunc(l.groups, func(g eventGroup) bool { return g.source == source })
	l.filters = slices.DeleteFunc(l.filters, func(f spamFilter) bool { return f.source == source })
}

func keyOf(e *model.Event) eventKey { return eventKey{e.Source, e.Warning, e.Reason} }

// filter finds the filter for the Events of a source and type.
func (l *eventLog) filter(source model.EventSource, warning bool) *spamFilter {
	key := eventKey{source: source, warning: warning}
	for i := range l.filters {
		if l.filters[i].eventKey == key {
			return &l.filters[i]
		}
	}
	l.filters = append(l.filters, spamFilter{eventKey: key})
	return &l.filters[len(l.filters)-1]
}

// group finds the Events that are similar to e.
func (l *eventLog) group(e *model.Event) *eventGroup {
	for i := range l.groups {
		if l.groups[i].eventKey == keyOf(e) {
			return &l.groups[i]
		}
	}
	l.groups = append(l.groups, eventGroup{eventKey: keyOf(e)})
	return &l.groups[len(l.groups)-1]
}

// combine says whether e is one too many of its kind (EventAggregate). A group then forgets one of
// its messages, whichever comes out of the set.
func (c *Cluster) combine(l *eventLog, e *model.Event) bool {
	g := l.group(e)
	if e.At-g.last > aggregateInterval {
		g.messages = g.messages[:0]
	}
	g.last = e.At
	known := false
	for i := range g.messages {
		known = known || c.sameWords(e, &g.messages[i])
	}
	if !known {
		g.messages = append(g.messages, eventMessage{e.Container, e.Message})
	}
	last := len(g.messages) - 1
	if last+1 < aggregateAfter {
		return false
	}
	forgotten := Draw(c.seed, streamEvent, c.luckOfObject(e.Kind, e.ID), l.forgotten) % aggregateAfter
	l.forgotten++
	g.messages[forgotten] = g.messages[last]
	g.messages = g.messages[:last]
	return true
}

// sameWords says whether an Event says the same as a message of its group.
func (c *Cluster) sameWords(e *model.Event, m *eventMessage) bool {
	return e.Message == m.message && (e.Container == m.container ||
		c.state.Pods[e.ID].Template.SameWords(e.Message, int(e.Container), int(m.container)))
}

func (c *Cluster) luckOfObject(kind model.ObjectKind, id int32) uint64 {
	switch kind {
	case model.KindPod:
		return c.pods[id].luck
	case model.KindNode:
		return c.nodes[id].luck
	}
	return uint64(kind)<<32 | uint64(id)
}

// find gives the Event object that e counts up, a new record if there is none. A combined Event is
// about the container of the first that it stands for.
func (l *eventLog) find(e *model.Event, combined bool) *eventRecord {
	for i := range l.records {
		r := &l.records[i]
		if r.eventKey != keyOf(e) || r.combined != combined {
			continue
		}
		if combined || r.container == e.Container && r.message == e.Message {
			return r
		}
	}
	l.records = append(l.records, eventRecord{eventKey: keyOf(e), container: e.Container, combined: combined,
		message: e.Message, first: e.At})
	return &l.records[len(l.records)-1]
}

// write passes an Event through the object's correlator to the API server.
func (c *Cluster) write(l *eventLog, e model.Event) {
	e.At = c.now
	r := l.find(&e, c.combine(l, &e))
	r.count++
	if !l.filter(e.Source, e.Warning).pass(c.now) {
		return
	}
	if r.serial == 0 {
		c.record.eventSerial++
		r.serial = c.record.eventSerial
	}
	e.Serial, e.Count, e.First, e.Combined = r.serial, r.count, r.first, r.combined
	if r.container != e.Container {
		e.Container, e.MessageOf = r.container, e.Container+1
	}
	c.store(&e)
}

// store gives an Event to the observers.
func (c *Cluster) store(e *model.Event) {
	r := &c.record
	r.seq++
	r.kubeEvents++
	e.Seq = r.seq
	r.mix(uint64(e.At))
	r.mix(uint64(e.Reason)<<48 | uint64(e.Kind)<<40 | uint64(uint16(e.Container))<<16 | uint64(e.Count))
	for _, f := range r.onEvent {
		f(e)
	}
}

// emit writes an Event of a pod's kubelet, also when the pod's object is gone already.
func (c *Cluster) emit(id model.PodID, f *kubelet.Effect) {
	p := &c.pods[id]
	if c.nodes[c.state.Pods[id].Node].cutOff() {
		return
	}
	c.write(&p.log, model.Event{Kind: model.KindPod, ID: int32(id), Container: int16(f.Container), Warning: f.Warning,
		Source: model.FromKubelet, Reason: f.Reason, Message: f.Message, M: f.M, S: f.S})
}

// schedulingFailure is the last FailedScheduling Event of a pod, and the version of the pod that it is
// about.
type schedulingFailure struct {
	version, serial int64
	message         model.Message
	first           model.Time
	count           int32
}

// announceFailure writes a FailedScheduling Event. The scheduler's recorder counts up the last one
// when it is about the same version of the pod, whatever it said, and writes the second only
// (client-go tools/events/event_broadcaster.go recordToSink, getKey).
//
// Differs from Kubernetes: the whole count is not written when the series has ended, 6 minutes after the
// last Event; another one then still counts as one of the series.
func (c *Cluster) announceFailure(id model.PodID, m model.Message) {
	f := &c.pods[id].failure
	if f.count > 0 && f.version == c.pods[id].seenVersion {
		if f.count++; f.count == 2 {
			e := schedulerEvent(id, true, model.EventFailedScheduling, f.message)
			e.At, e.First, e.Count, e.Serial = c.now, f.first, 2, f.serial
			c.store(&e)
		}
		return
	}
	c.announce(id, true, model.EventFailedScheduling, m)
	*f = schedulingFailure{version: c.pods[id].seenVersion, serial: c.record.eventSerial, message: m, first: c.now, count: 1}
}

func schedulerEvent(id model.PodID, warning bool, reason model.EventReason, m model.Message) model.Event {
	return model.Event{Kind: model.KindPod, ID: int32(id), Container: -1, Warning: warning, Source: model.FromScheduler, Reason: reason, Message: m}
}

// announce writes an Event of the scheduler, whose recorder has neither limit.
func (c *Cluster) announce(id model.PodID, warning bool, reason model.EventReason, m model.Message) {
	e := schedulerEvent(id, warning, reason, m)
	e.At, e.First, e.Count = c.now, c.now, 1
	c.record.eventSerial++
	e.Serial = c.record.eventSerial
	c.store(&e)
}
