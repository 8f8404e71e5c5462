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

	"podsim/model"
	"podsim/scenarios"
)

// realRun writes the operations of a run that never was: sandboxes that take 40 ms and a log-normal part, and as many pulls.
func realRun(t *testing.T, dir string, calls int) {
	var b strings.Builder
	b.WriteString("# podsim/operations/v1 {\"runtime\":\"containerd\",\"version\":\"2.4.2\",\"cpus\":2}\n")
	b.WriteString("at_ns,operation,node,namespace,pod,container,took_ns,waited_ns,bytes,in_flight,ended,error\n")
	r := rand.New(rand.NewPCG(1, 1))
	for i := range calls {
		took := 40e6 + 10e6*math.Exp(0.5*r.NormFloat64())
		fmt.Fprintf(&b, "%d,runSandbox,n,default,web-%d,,%.0f,0,0,1,,\n", i*1000000000, i, took)
		size := 1 + i%4*20
		fmt.Fprintf(&b, "%d,pull,n,default,web-%d,app,%.0f,0,%d,0,,\n", i*1000000000, i, 20e6+1e6*r.Float64()+2e6*float64(size), size<<20)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "operations.csv"), []byte(b.String()), 0o644))
}

func TestCalibrate(t *testing.T) {
	dir := t.TempDir()
	realRun(t, dir, 60)
	r := podsim(t, dir, nil, "calibrate", ".", "--write", "node.yaml", "--picture", "node.svg")
	require.Equal(t, 0, r.code, r.errors)
	assert.Contains(t, r.out, "1 run: containerd 2.4.2 on 2 CPUs")
	assert.Regexp(t, `runSandbox +runSandbox +60 +0 +49`, r.out)
	assert.Regexp(t, `pulls: 20\.\dms and (2\.00|1\.99)ms for each MiB`, r.out)
	assert.Contains(t, r.out, "never were two operations under way")

	l, err := scenarios.ReadLatencies(filepath.Join(dir, "node.yaml"))
	require.NoError(t, err)
	written, err := os.ReadFile(filepath.Join(dir, "node.yaml"))
	require.NoError(t, err)
	assert.Equal(t, strings.Count(string(written), "  # "), strings.Count(string(written), "\n  ")-strings.Count(string(written), "  # "), "each has a note")
	assert.InDelta(t, 51e6, l.RunSandbox.Mean, 2e6)
	assert.InDelta(t, 40e6, l.RunSandbox.Shift, 4e6)
	assert.InDelta(t, 2e6, l.PullPerMiB.Value, 1e5)
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
	r = podsim(t, dir, nil, "calibrate", ".", "-o", "yaml")
	assert.Contains(t, r.out, "operations:\n- alone_ns:\n")
}

// What was measured too seldom stays as it was, and the user is told.
func TestCalibrateTooFew(t *testing.T) {
	dir := t.TempDir()
	realRun(t, dir, 19)
	r := podsim(t, dir, nil, "calibrate", ".", "--write", "node.yaml")
	require.Equal(t, 0, r.code, r.errors)
	assert.Equal(t, "podsim: node.yaml: measured fewer than 20 times, so these stay as they were: runSandbox, pullLookup\n", r.errors)
	l, err := scenarios.ReadLatencies(filepath.Join(dir, "node.yaml"))
	require.NoError(t, err)
	assert.Equal(t, model.DefaultLatencies(), l)
}

// The start-ups of two runs stand side by side.
func TestStartups(t *testing.T) {
	dir := t.TempDir()
	real, err := filepath.Abs("../../calibrate/testdata/two-hundred")
	require.NoError(t, err)
	for _, name := range []string{"two-hundred", "pods-at-once"} {
		r := podsim(t, dir, nil, "run", library(t, name+".yaml"), "-q", "-o", name)
		require.Equal(t, 0, r.code, r.errors)
	}
	r := podsim(t, dir, nil, "calibrate", "--startups", real, "two-hundred", "--picture", "starts.svg")
	require.Equal(t, 0, r.code, r.errors)
	assert.Contains(t, r.out, "two-hundred, 200 pods\nsimulated: two-hundred, 200 pods\n")
	assert.Regexp(t, `last +19\.416s +1\d\.\d\d\ds`, r.out)
	picture, err := os.ReadFile(filepath.Join(dir, "starts.svg"))
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(picture), "<polyline"))
	r = podsim(t, dir, nil, "calibrate", "--startups", real, "two-hundred", "-o", "csv")
	assert.Equal(t, 1+4*9, strings.Count(r.out, "\n"))
	r = podsim(t, dir, nil, "calibrate", "--startups", real, "two-hundred", "-o", "yaml")
	assert.Contains(t, r.out, "simulated:\n")

	for want, args := range map[string][]string{
		"two-hundred: this run was simulated, want the real one first (podsim run --on containerd)\n":        {"two-hundred", real},
		real + ": this run was on a real node, want its simulation second\n":                                 {real, real},
		"pods-at-once: this run is of the scenario pods-at-once, want two-hundred as that of " + real + "\n": {real, "pods-at-once"},
		"--startups compares two runs, a real one and its simulation, not 1\n":                               {real},
		"none: no record of a run is there; `podsim run SCENARIO -o none` makes one\n":                       {real, "none"},
		"starts.svg is a file, want the folder of a record\n":                                                {real, "starts.svg"},
		"--startups fits nothing: leave --write and --base out\n":                                            {real, "two-hundred", "--write", "l.yaml"},
	} {
		r := podsim(t, dir, nil, append([]string{"calibrate", "--startups"}, args...)...)
		assert.Equal(t, 2, r.code, args)
		assert.Equal(t, want, r.errors)
	}
}

func TestCalibrateErrors(t *testing.T) {
	dir := t.TempDir()
	realRun(t, dir, 60)
	for name, text := range map[string]string{
		"unknown.yaml": "apiVersion: podsim/v1alpha1\nkind: Latencies\nspec: {crate: 1ms}\n",
		"pods.yaml":    "apiVersion: v1\nkind: Pod\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "operations.csv"), []byte("at,took\n1,2\n"), 0o644))
	const noRecord = ": there is no operations.csv: it is not the record of a run on a real node (podsim run --on containerd), or that run was killed\n"
	const noFile = " cannot be written (no such file or directory): name a file in a folder that is there\n"
	for want, args := range map[string][]string{
		"no run is named; give the folders of records that podsim run --on containerd has made\n": {},
		"nowhere" + noRecord:   {"nowhere"},
		"pods.yaml" + noRecord: {"pods.yaml"},
		other + "/operations.csv:1: the first line must begin with \"# podsim/operations/v1\": it is not of this version of podsim\n": {other},
		"--output \"xml\" is not known; there are json, yaml, csv\n":                                                                  {".", "-o", "xml"},
		"x.yaml: there is no such file\n":                                                                         {".", "--base", "x.yaml"},
		"unknown.yaml:3: unknown field spec.crate, did you mean create?\n":                                        {".", "--base", "unknown.yaml"},
		"pods.yaml:1: apiVersion is \"v1\", want podsim/v1alpha1\npods.yaml:2: kind is \"Pod\", want Latencies\n": {".", "--base", "pods.yaml"},
		"--write none/l.yaml" + noFile:                                                                            {".", "--write", "none/l.yaml"},
		"--picture none/l.svg" + noFile:                                                                           {".", "--picture", "none/l.svg"},
	} {
		r := podsim(t, dir, nil, append([]string{"calibrate"}, args...)...)
		assert.Equal(t, 2, r.code, args)
		assert.Equal(t, want, r.errors)
	}
}
