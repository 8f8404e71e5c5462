package reports

import (
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// PodChanges gives every change of a pod and every Event about one, in the order of the run. change
// is ADDED, MODIFIED or DELETED.
func (r *Record) PodChanges(pod func(at model.Time, change string, p *v1.Pod), event func(at model.Time, e *v1.Event)) error {
	s, f := r.snapshot(0), newFold()
	var events []eventRow
	err := readTable(r.dir, "events", func(row *eventRow) bool {
		if row.Kind == "Pod" {
			events = append(events, *row)
		}
		return true
	})
	if err != nil {
		return err
	}
	until := func(seq int64) {
		for len(events) > 0 && (seq < 0 || events[0].Seq < seq) {
			event(model.Time(events[0].Time), s.event(&events[0]))
			events = events[1:]
		}
	}
	err = readTable(r.dir, "transitions", func(row *transitionRow) bool {
		until(row.Seq)
		if row.Kind == "Pod" {
			pod(model.Time(row.Time), row.Type, s.pod(f.take(row)))
		}
		return true
	})
	until(-1)
	return err
}
