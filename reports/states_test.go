package reports

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"podsim/model"
)

// A container that could not be started has begun in 1970, as in a real cluster.
func TestStartErrorTimes(t *testing.T) {
	start := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	w := &Writer{state: &model.State{Start: start}}
	s := &Snapshot{start: start}
	began, ended := w.stateTimes(&model.ContainerState{Kind: model.StateTerminated, Reason: model.ReasonStartError, ContainerID: 1, FinishedAt: model.Second})
	assert.Equal(t, time.Unix(0, 0).UTC(), s.time(began).UTC())
	assert.Equal(t, start.Add(time.Second), s.time(ended).UTC())
	began, _ = w.stateTimes(&model.ContainerState{Kind: model.StateTerminated, Reason: model.ReasonError, ContainerID: 1, StartedAt: model.Second})
	assert.Equal(t, start.Add(time.Second), s.time(began).UTC())
}
