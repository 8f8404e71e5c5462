package conform

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
