package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/scenarios"
)

// realRun writes the operations of a run that never was: sandboxes that take 40 ms and a log-normal part.
func realRun(t *testing.T, dir string) {
	var b strings.Builder
	b.WriteString("# podsim/operations/v1 {\"runtime\":\"containerd\",\"version\":\"2.4.2\",\"cpus\":2}\n")
	b.WriteString("at_ns,operation,node,namespace,pod,container,took_ns,waited_ns,bytes,in_flight,ended,error\n")
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 60 {
		took := 40e6 + 10e6*math.Exp(0.5*r.NormFloat64())
		fmt.Fprintf(&b, "%d,runSandbox,n,default,web-%d,,%.0f,0,0,1,,\n", i*1000000000, i, took)
		size := 1 + i%4*20
		fmt.Fprintf(&b, "%d,pull,n,default,web-%d,app,%.0f,0,%d,0,,\n", i*1000000000, i, 20e6+1e6*r.Float64()+2e6*float64(size), size<<20)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "operations.csv"), []byte(b.String()), 0o644))
}

func TestCalibrate(t *testing.T) {
	dir := t.TempDir()
	realRun(t, dir)
	r := podsim(t, dir, nil, "calibrate", ".", "--write", "node.yaml", "--picture", "node.svg")
	require.Equal(t, 0, r.code, r.errors)
	assert.Contains(t, r.out, "1 run: containerd 2.4.2 on 2 CPUs")
	assert.Regexp(t, `runSandbox +runSandbox +60 +0 +49`, r.out)
	assert.Regexp(t, `pulls: 20\.\dms and (2\.00|1\.99)ms for each MiB`, r.out)
	assert.Contains(t, r.out, "never were two operations under way")

	l, err := scenarios.ReadLatencies(filepath.Join(dir, "node.yaml"))
	require.NoError(t, err)
	assert.InDelta(t, 51e6, l.RunSandbox.Mean, 2e6)
	assert.InDelta(t, 40e6, l.RunSandbox.Shift, 4e6)
	assert.InDelta(t, 2e6, l.PullPerByte.Value*(1<<20), 1e5)
	picture, err := os.ReadFile(filepath.Join(dir, "node.svg"))
	require.NoError(t, err)
	assert.Equal(t, 1, strings.Count(string(picture), ">runSandbox<"))

	r = podsim(t, dir, nil, "calibrate", ".", "-o", "json")
	var result struct {
		Operations []struct {
			Operation string
			N         int
			Shift     float64 `json:"shift_ns"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &result))
	require.Len(t, result.Operations, 2)
	assert.InDelta(t, 40e6, result.Operations[0].Shift, 4e6)
	r = podsim(t, dir, nil, "calibrate", ".", "-o", "csv")
	assert.Equal(t, 3, strings.Count(r.out, "\n"), r.out)
}

// The start-ups of two runs stand side by side.
func TestStartups(t *testing.T) {
	dir := t.TempDir()
	for i, seed := range []string{"1", "2"} {
		r := podsim(t, dir, nil, "run", library(t, "pods-at-once.yaml"), "--seed", seed, "-q", "-o", fmt.Sprintf("run-%d", i))
		require.Equal(t, 0, r.code, r.errors)
	}
	r := podsim(t, dir, nil, "calibrate", "--startups", "run-0", "run-1", "--picture", "starts.svg")
	require.Equal(t, 0, r.code, r.errors)
	assert.Contains(t, r.out, "real: run-0, 7 pods\nsimulated: run-1, 7 pods\n")
	assert.Regexp(t, `first +1\.3\d\ds +1\.3\d\ds`, r.out)
	assert.Regexp(t, `last +5\.\d\d\ds +5\.\d\d\ds`, r.out)
	picture, err := os.ReadFile(filepath.Join(dir, "starts.svg"))
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(picture), "<polyline"))
	r = podsim(t, dir, nil, "calibrate", "--startups", "run-0", "run-1", "-o", "csv")
	assert.Equal(t, 1+4*9, strings.Count(r.out, "\n"))
}

func TestCalibrateErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"calibrate", "nowhere"}, "nowhere: there is no operations.csv: it is not the record of a run on a real node (podsim run --on containerd)\n"},
		{[]string{"calibrate", ".", "-o", "xml"}, "--output \"xml\" is not known; there are json, csv\n"},
		{[]string{"calibrate", "--startups", "."}, "--startups compares two runs, a real one and its simulation, not 1\n"},
		{[]string{"calibrate", ".", "--base", "x.yaml"}, "x.yaml: there is no such file\n"},
	} {
		r := podsim(t, dir, nil, c.args...)
		assert.Equal(t, 2, r.code, c.args)
		assert.Equal(t, c.want, r.errors)
	}
}
