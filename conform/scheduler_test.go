package conform_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

const casesFile = "testdata/scheduler-cases.jsonl.gz"

// The cases are compared once for all tests.
var decided []conform.SchedulerResult

func schedulerResults(t *testing.T) []conform.SchedulerResult {
	if decided == nil {
		cases, err := conform.ReadCases(casesFile)
		require.NoError(t, err)
		require.Len(t, cases, 600)
		for i := range cases {
			decided = append(decided, conform.Scheduler(&cases[i]))
		}
	}
	return decided
}

func TestRecordedScheduler(t *testing.T) {
	all := schedulerResults(t)
	for i := range all {
		assert.True(t, all[i].Agrees, "%s: %s", all[i].Name, all[i].Difference)
	}
}

// Cases of random clusters in which podsim once differed.
func TestFoundScheduler(t *testing.T) {
	cases, err := conform.ReadCases("testdata/scheduler-found.jsonl")
	require.NoError(t, err)
	for i := range cases {
		r := conform.Scheduler(&cases[i])
		assert.True(t, r.Agrees, "%s: %s", r.Name, r.Difference)
	}
}

// A decision is compared by all of its parts.
func TestCompareFindsDifferences(t *testing.T) {
	all := schedulerResults(t)
	for what, change := range map[string]func(*conform.Decision){
		"error":     func(d *conform.Decision) { d.Error = "no" },
		"preFilter": func(d *conform.Decision) { d.PreFilter = &conform.Rejection{Code: "Unschedulable"} },
		"feasible":  func(d *conform.Decision) { d.Feasible = append(d.Feasible, "more") },
		"node more": func(d *conform.Decision) { d.Infeasible = map[string]conform.Rejection{"more": {}} },
		"top":       func(d *conform.Decision) { d.Top = append(d.Top, "more") },
		"fitError":  func(d *conform.Decision) { d.FitError += "." },
		"total of node more": func(d *conform.Decision) {
			d.Scores = map[string]conform.NodeScore{"more": {Total: 1}}
		},
		"score A of node more": func(d *conform.Decision) {
			d.Scores = map[string]conform.NodeScore{"more": {Plugins: map[string]conform.PluginScore{"A": {Normalized: 1}}}}
		},
		"preemption": func(d *conform.Decision) { d.Preemption = &conform.Preemption{} },
		"decision":   func(d *conform.Decision) { d.Node = "more" },
		"evaluated":  func(d *conform.Decision) { d.Evaluated++ },
		"nodeOrder": func(d *conform.Decision) {
			d.NodeOrder = append(d.NodeOrder[1:len(d.NodeOrder):len(d.NodeOrder)], d.NodeOrder[0])
		},
	} {
		i := slices.IndexFunc(all, func(r conform.SchedulerResult) bool {
			return r.Agrees && len(r.Want.Feasible) > 1 && len(r.Want.Infeasible) == 0
		})
		got := *all[i].Got
		change(&got)
		d := conform.Compare(all[i].Want, &got)
		if assert.NotNil(t, d, what) {
			assert.Equal(t, what, d.What)
		}
	}
}

func TestReadCasesErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                ":1: there is no case",
		"\n\n{":                           ":3: unexpected end of JSON input, want a case: ",
		`{"type":"ADDED"}`:                ":1: not a case, want ",
		`{"input":{},"want":{}}`:          ":1: input: there is no pending pod",
		`{"input":{"nods":[]},"want":{}}`: `:1: input: json: unknown field "nods"`,
	} {
		file := filepath.Join(t.TempDir(), "cases.jsonl")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		_, err := conform.ReadCases(file)
		assert.ErrorContains(t, err, file+want)
	}
	_, err := conform.ReadCases("testdata/README.md")
	assert.ErrorContains(t, err, "README.md:1: ")
}

// What is written is read again.
func TestWriteCases(t *testing.T) {
	cases, err := conform.ReadCases(casesFile)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, conform.WriteCases(&b, cases[:3]))
	file := filepath.Join(t.TempDir(), "cases.jsonl")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
	again, err := conform.ReadCases(file)
	require.NoError(t, err)
	want, err := json.Marshal(cases[:3])
	require.NoError(t, err)
	got, err := json.Marshal(again)
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got))
}
