package sim

import (
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

// eventLog is what the event correlator of a component keeps of one object.
type eventLog struct {
	records []eventRecord
	groups  []eventGroup
	spam    [2]spamFilter
}

// eventRecord is an Event that was written.
type eventRecord struct {
	reason    model.EventReason
	container int16
	warning   bool
	combined  bool
	message   model.Message
	serial    int64
	first     model.Time
	count     int32
}

// eventGroup counts the different messages of one reason and type.
type eventGroup struct {
	reason   model.EventReason
	warning  bool
	last     model.Time
	messages []model.Message
}

// spamFilter is a token bucket, as the moment at which it is full again.
type spamFilter struct{ full model.Time }

func (f *spamFilter) pass(now model.Time) bool {
	if f.full-now > (spamBurst-1)*spamInterval {
		return false
	}
	f.full = max(f.full, now) + spamInterval
	return true
}

func (l *eventLog) reset() {
	*l = eventLog{records: l.records[:0], groups: l.groups[:0]}
}

// group finds the Events that are similar to e.
func (l *eventLog) group(e *model.Event) *eventGroup {
	for i := range l.groups {
		if g := &l.groups[i]; g.reason == e.Reason && g.warning == e.Warning {
			return g
		}
	}
	l.groups = append(l.groups, eventGroup{reason: e.Reason, warning: e.Warning})
	return &l.groups[len(l.groups)-1]
}

// combine says whether e is one too many of its kind (EventAggregate).
func (l *eventLog) combine(e *model.Event) bool {
	g := l.group(e)
	if e.At-g.last > aggregateInterval {
		g.messages = g.messages[:0]
	}
	g.last = e.At
	for _, m := range g.messages {
		if m == e.Message {
			return len(g.messages) >= aggregateAfter
		}
	}
	if len(g.messages) < aggregateAfter-1 {
		g.messages = append(g.messages, e.Message)
		return false
	}
	return true
}

// find gives the Event object that e counts up, a new record if there is none.
func (l *eventLog) find(e *model.Event, combined bool) *eventRecord {
	for i := range l.records {
		r := &l.records[i]
		if r.reason != e.Reason || r.warning != e.Warning || r.combined != combined {
			continue
		}
		if combined || r.container == e.Container && r.message == e.Message {
			return r
		}
	}
	l.records = append(l.records, eventRecord{reason: e.Reason, container: e.Container, warning: e.Warning,
		combined: combined, message: e.Message, first: e.At})
	return &l.records[len(l.records)-1]
}

// write passes an Event through the object's correlator to the API server.
func (c *Cluster) write(l *eventLog, e model.Event) {
	e.At = c.now
	r := l.find(&e, l.combine(&e))
	r.count++
	kind := 0
	if e.Warning {
		kind = 1
	}
	if !l.spam[kind].pass(c.now) {
		return
	}
	if r.serial == 0 {
		c.record.eventSerial++
		r.serial = c.record.eventSerial
	}
	e.Serial, e.Count, e.First, e.Combined = r.serial, r.count, r.first, r.combined
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

// announce writes an Event of the scheduler, whose recorder has neither limit.
func (c *Cluster) announce(id model.PodID, warning bool, reason model.EventReason, m model.Message) {
	e := model.Event{At: c.now, First: c.now, Count: 1, Kind: model.KindPod, ID: int32(id), Container: -1, Warning: warning,
		Source: model.FromScheduler, Reason: reason, Message: m}
	c.record.eventSerial++
	e.Serial = c.record.eventSerial
	c.store(&e)
}
