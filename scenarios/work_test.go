package scenarios

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

func TestWork(t *testing.T) {
	read := func(run string) (*model.Scenario, error) {
		return ReadBytes("s.yaml", []byte(strings.Replace(goodScenario, "{for: 90s, exit: 1}", run, 1)), goodFiles)
	}
	sc, err := read("{work: 30s, cpus: 2.5, exit: 1}")
	require.NoError(t, err)
	run := sc.Behaviors[0].Run
	assert.False(t, run.Forever)
	assert.Equal(t, 30*model.Second, model.Time(run.Work.Value))
	assert.Equal(t, int64(2500), run.MilliCPUs)
	sc, err = read("{work: 30s}")
	require.NoError(t, err)
	assert.Equal(t, int64(1000), sc.Behaviors[0].Run.MilliCPUs)
	for run, want := range map[string]string{
		"{work: 30s, for: 3s}":        "s.yaml:16: run.work and run.for (s.yaml:16) contradict each other: leave one out",
		"{work: 30s, forever: true}":  "s.yaml:16: run.work and run.forever (s.yaml:16) contradict each other: leave one out",
		"{work: 30s, oom: true}":      "s.yaml:16: run.work and run.oom (s.yaml:16) contradict each other: leave one out",
		"{for: 30s, cpus: 2}":         "s.yaml:16: run.cpus says nothing without run.work: leave it out",
		"{work: 30s, cpus: 0}":        "s.yaml:16: run.cpus is 0, want cores from 0.001 to 4096",
		"{work: 30s, cpus: -1}":       "s.yaml:16: run.cpus is -1, want cores from 0.001 to 4096",
		"{work: 30s, cpus: [1]}":      "cpus",
		"{works: 30s}":                "work",
		"{work: 30s, cpus: 12345678}": "s.yaml:16: run.cpus is 1.2345678e+07, want cores from 0.001 to 4096",
	} {
		_, err := read(run)
		if assert.Error(t, err, run) {
			assert.Contains(t, err.Error(), want)
		}
	}
}
