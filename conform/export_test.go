package conform

import (
	"podsim/model"
	"podsim/sim"
)

// SimulateNode is what a recorder would write of a run of the steps of a recording.
func SimulateNode(r *NodeRecording, seed uint64) ([]NodeLine, error) {
	p, err := newReplay(r)
	if err != nil {
		return nil, err
	}
	return p.run(p.scenario(seed))
}

// NodeEventWords is what an Event is compared by.
func NodeEventWords(l *NodeLine) string { return nodeEvent(l, 1).String() }

// SimulateRun is a run that a simulation makes, with other draws of what the runtime of all pods takes.
func SimulateRun(sc *model.Scenario, seed uint64) (*Run, error) {
	r := &Run{End: int64(sc.Duration / model.Millisecond)}
	c, err := sim.NewCluster(sc)
	if err != nil {
		return nil, err
	}
	c.RedrawRuntime(func(string, string) []sim.Redraw { return []sim.Redraw{{Seed: seed ^ sc.Seed}} })
	r.Observe(c)
	c.Begin()
	c.Run(sc.Duration, nil)
	return r, nil
}

// RecordedLatencies are those of the recordings of the real node, whatever the default is.
func RecordedLatencies() model.Latencies { return recordedLatencies() }
