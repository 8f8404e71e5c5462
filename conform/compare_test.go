package conform_test

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
	"podsim/model"
	"podsim/scenarios"
)

// scenario is one of the library.
func scenario(t *testing.T, name string) *model.Scenario {
	sc, err := scenarios.Read("../scenarios/library/" + name + ".yaml")
	require.NoError(t, err)
	// The moments of the tests are those of a run with them.
	sc.Latencies = conform.RecordedLatencies()
	return sc
}

// realRun stands for a run on a real node: a simulation with other draws of what the runtime takes.
func realRun(t *testing.T, sc *model.Scenario) *conform.Run {
	run, err := conform.SimulateRun(sc, 4711)
	require.NoError(t, err)
	return run
}

var runRule = conform.RunRule{Tolerance: 1500, Draws: 200}

// Whatever the runtime takes in a run, some draw of the simulation is like it.
func TestRunsWithOtherDrawsAgree(t *testing.T) {
	files, err := filepath.Glob("../scenarios/library/*.yaml")
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasPrefix(filepath.Base(path), "scale-") {
			continue
		}
		sc, err := scenarios.Read(path)
		require.NoError(t, err)
		r, err := conform.CompareRuns(sc, realRun(t, sc), runRule)
		require.NoError(t, err)
		assert.Equal(t, "equal", r.Verdict(), "%s: %s", path, r.Difference)
	}
}

// A run that is changed in any way that the rule speaks of does not agree any more.
func TestChangedRunsDiffer(t *testing.T) {
	// pod does something to the lines about the pod on-failure-1 from a moment on.
	pod := func(from int64, do func(l *conform.NodeLine)) func(*conform.Run) {
		return func(r *conform.Run) {
			for i := range r.Lines {
				if l := &r.Lines[i]; l.Name == "on-failure-1" && l.Ms >= from {
					do(l)
				}
			}
		}
	}
	event := func(reason string, do func(l *conform.NodeLine)) func(*conform.Run) {
		return func(r *conform.Run) {
			for i := range r.Lines {
				if l := &r.Lines[i]; l.Object == "on-failure-1" && l.Event == reason {
					do(l)
				}
			}
		}
	}
	without := func(drop func(l *conform.NodeLine) bool) func(*conform.Run) {
		return func(r *conform.Run) {
			r.Lines = slices.DeleteFunc(r.Lines, func(l conform.NodeLine) bool { return drop(&l) })
		}
	}
	for name, c := range map[string]struct {
		change  func(*conform.Run)
		verdict string
		words   string
	}{
		"nothing":          {func(*conform.Run) {}, "equal", ""},
		"late by 5 s":      {pod(12000, func(l *conform.NodeLine) { l.Ms += 5000 }), "late", "on-failure-1: time of state 7 "},
		"late, but little": {pod(12000, func(l *conform.NodeLine) { l.Ms += 1200 }), "equal", ""},
		"late by a tenth":  {pod(12000, func(l *conform.NodeLine) { l.Ms += 1520 }), "late", "on-failure-1: time of state 7 "},
		"exit code": {pod(6000, func(l *conform.NodeLine) {
			for i := range l.Line.Containers {
				if c := l.Line.Containers[i].Last; c != nil {
					code := int32(137)
					c.ExitCode = &code
				}
			}
		}), "differs", "terminated/Error(137)"},
		"reason": {pod(6000, func(l *conform.NodeLine) {
			for i := range l.Line.Containers {
				if c := l.Line.Containers[i].Last; c != nil {
					c.Reason = "OOMKilled"
				}
			}
		}), "differs", "terminated/OOMKilled(1)"},
		"restarts": {pod(6500, func(l *conform.NodeLine) {
			for i := range l.Line.Containers {
				l.Line.Containers[i].Restarts++
			}
		}), "differs", "x2"},
		"condition": {pod(7000, func(l *conform.NodeLine) { l.Conditions["Ready"] = "False Reason" }), "differs", "Ready=False/Reason"},
		"node":      {pod(0, func(l *conform.NodeLine) { l.Node = "other" }), "differs", "on other"},
		"phase":     {pod(13000, func(l *conform.NodeLine) { l.Phase = "Failed" }), "differs", "MODIFIED Failed"},
		"missing pod": {without(func(l *conform.NodeLine) bool { return l.Name+l.Object == "on-failure-1" }), "differs",
			"on-failure-1: the pod: expected none, got created at 0.000s"},
		"another pod": {func(r *conform.Run) {
			pod(0, func(l *conform.NodeLine) { l.Name = "on-failure-2" })(r)
			for _, reason := range []string{"Scheduled", "Pulled", "Created", "Started"} {
				event(reason, func(l *conform.NodeLine) { l.Object = "on-failure-2" })(r)
			}
		}, "differs", "on-failure-2: the pod: expected created at 0.000s, got none"},
		"state is missing": {without(func(l *conform.NodeLine) bool { return l.Name == "on-failure-1" && l.Ms > 6530 && l.Ms < 12000 }),
			"differs", "on-failure-1: state 6"},
		"short state is missing": {without(func(l *conform.NodeLine) bool { return l.Name == "on-failure-1" && l.Ms > 6000 && l.Ms < 6530 }),
			"equal", ""},
		"Event is missing": {without(func(l *conform.NodeLine) bool { return l.Object == "on-failure-1" && l.Event == "Created" }),
			"differs", "on-failure-1: order of Events: expected Normal Started, got Normal Created"},
		"count of an Event": {event("Started", func(l *conform.NodeLine) { l.Count = 1 }), "differs",
			"count of Event Normal Started spec.containers{app} Container started: expected 1, got 2"},
		"message":   {event("Started", func(l *conform.NodeLine) { l.Message = "Container began" }), "differs", "Container began"},
		"container": {event("Started", func(l *conform.NodeLine) { l.Field = "spec.containers{other}" }), "differs", "{other}"},
	} {
		sc := scenario(t, "exit-codes")
		real := realRun(t, sc)
		c.change(real)
		r, err := conform.CompareRuns(sc, real, conform.RunRule{Tolerance: 1500, Draws: 10})
		require.NoError(t, err)
		assert.Equal(t, c.verdict, r.Verdict(), "%s: %s", name, r.Difference)
		assert.Contains(t, r.Difference.String(), c.words, name)
	}
}

// What was chosen one after the other was chosen in that order, however near the times are.
func TestOrderOfChoices(t *testing.T) {
	sc := scenario(t, "two-profiles")
	real := realRun(t, sc)
	for i := range real.Lines {
		if l := &real.Lines[i]; l.Name+l.Object == "packed-a" {
			l.Ms += 1400
		}
	}
	slices.SortStableFunc(real.Lines, func(a, b conform.NodeLine) int { return cmp.Compare(a.Ms, b.Ms) })
	r, err := conform.CompareRuns(sc, real, conform.RunRule{Tolerance: 1500, Draws: 3})
	require.NoError(t, err)
	assert.Equal(t, "packed-a: order of choices: expected Scheduled of packed-b, then Scheduled of packed-a, got the other way round", r.Difference.String())
}

// What comes less than the tolerance before the end may be missing on either side.
func TestEndOfRun(t *testing.T) {
	sc := scenario(t, "exit-codes")
	for _, ends := range []struct {
		at      int64
		verdict string
	}{
		{6430, "equal"}, {6500, "equal"}, {7000, "equal"}, {8200, "differs"},
	} {
		// The real containers end two seconds later than the simulated ones, which end at 6.4 s.
		real := realRun(t, sc)
		real.End = ends.at
		for i := range real.Lines {
			if real.Lines[i].Ms > 6000 {
				real.Lines[i].Ms += 2000
			}
		}
		r, err := conform.CompareRuns(sc, real, conform.RunRule{Tolerance: 1500})
		require.NoError(t, err)
		assert.Equal(t, ends.verdict, r.Verdict(), "%d: %s", ends.at, r.Difference)
	}
}

// Pods that have a name one after the other are told apart.
func TestPodsOfOneName(t *testing.T) {
	sc := scenario(t, "static-pod")
	r, err := conform.CompareRuns(sc, realRun(t, sc), runRule)
	require.NoError(t, err)
	var names []string
	for i := range r.Pods {
		names = append(names, r.Pods[i].Name)
	}
	assert.Contains(t, strings.Join(names, ","), " (2)")
}

// The outputs of a report.
func TestRunReport(t *testing.T) {
	sc := scenario(t, "exit-codes")
	r, err := conform.CompareRuns(sc, realRun(t, sc), runRule)
	require.NoError(t, err)
	report := &conform.RunReport{Machine: conform.Machine{Runtime: "containerd 2.4.2", Cgroups: "v1", Cores: 2}, ToleranceMs: 1500, Parallel: 1,
		Scenarios: []conform.RunResult{r, {Name: "other", Error: "it could not be played", MedianMs: -1, WorstMs: -1}}}
	for output, want := range map[string]string{
		"json":     `"runtime": "containerd 2.4.2"`,
		"yaml":     "scenarios:\n- draw: 0\n",
		"csv":      "exit-codes,equal,4,30,0,",
		"markdown": "| exit-codes | 4 | 30 | equal | 0 | ",
	} {
		var b bytes.Buffer
		require.NoError(t, report.Brief().Write(&b, output))
		assert.Contains(t, b.String(), want)
		assert.NotContains(t, b.String(), "ContainerCreating", "the sequences are left out")
	}
	var b bytes.Buffer
	require.NoError(t, report.WriteJUnit(&b))
	assert.Contains(t, b.String(), `<testsuite name="podsim compare" tests="2" failures="1">`)
	assert.Equal(t, "1 of 2 equal, 1 failed", conform.RunSummary(report.Scenarios))
}
