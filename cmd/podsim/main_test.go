package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/reports"
)

// TestMain lets the test binary stand in for podsim, so that exit codes are real.
func TestMain(m *testing.M) {
	if os.Getenv("PODSIM_MAIN") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// result is what a command line did.
type result struct {
	code        int
	out, errors string
}

// podsim runs a command line in dir, with environment variables added.
func podsim(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "PODSIM_MAIN=1"), env...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		require.NoError(t, err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errors.String()}
}

func library(t *testing.T, name string) string {
	path, err := filepath.Abs("../../scenarios/library/" + name)
	require.NoError(t, err)
	return path
}

// recorded is the path of a recording in the test data.
func recorded(t *testing.T, name string) string {
	path, err := filepath.Abs("../../conform/testdata/" + name)
	require.NoError(t, err)
	return path
}

func TestConformKubelet(t *testing.T) {
	file := recorded(t, "kubelet-traces/exit1-never.jsonl")
	r := podsim(t, t.TempDir(), nil, "conform", "kubelet", file, "-v")
	require.Equal(t, 0, r.code, r.errors)
	assert.Regexp(t, `^exit1-never  agrees   within \d\.\d{3}s    3/3  Events\n +RECORDED +SIMULATED  STATE\n +0\.\d{3}s +0\.000s  ADDED Pending`, r.out)
	assert.True(t, strings.HasSuffix(r.out, "1 of 1 agree\n"), r.out)
	assert.Empty(t, r.errors)

	r = podsim(t, t.TempDir(), nil, "conform", "kubelet", file, "-o", "json")
	require.Equal(t, 0, r.code, r.errors)
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.out), &list))
	assert.Equal(t, true, list[0]["agrees"])
}

// A recording that differs is shown with both sides, and the exit code is 1.
func TestConformKubeletDiffers(t *testing.T) {
	data, err := os.ReadFile(recorded(t, "kubelet-traces/exit1-never.jsonl"))
	require.NoError(t, err)
	dir := t.TempDir()
	changed := bytes.ReplaceAll(data, []byte(`"exitCode":1`), []byte(`"exitCode":4`))
	require.NotEqual(t, data, changed)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.jsonl"), changed, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.jsonl"), []byte("{}\n"), 0o644))
	r := podsim(t, dir, nil, "conform", "kubelet", "x.jsonl")
	assert.Equal(t, 1, r.code)
	assert.Contains(t, r.out, "x  differs")
	assert.Contains(t, r.out, "c terminated/Error(4) x0, got ")
	assert.Contains(t, r.out, "0 of 1 agree\n")
	assert.Empty(t, r.errors)

	r = podsim(t, dir, nil, "conform", "kubelet", "bad.jsonl")
	assert.Equal(t, 2, r.code)
	assert.Equal(t, "bad.jsonl:1: neither a line of a recording, which has a type, nor a pod with its exact trace\n", r.errors)
}

// A recording that podsim cannot run is an error with its name; the others are compared all the same.
func TestConformKubeletUnknownArgument(t *testing.T) {
	file := recorded(t, "kubelet-traces/exit1-never.jsonl")
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	dir := t.TempDir()
	changed := bytes.Replace(data, []byte(`"sleep=1s"`), []byte(`"nap=1s"`), 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.jsonl"), changed, 0o644))
	r := podsim(t, dir, nil, "conform", "kubelet", "x.jsonl", file)
	assert.Equal(t, 2, r.code)
	assert.Regexp(t, `^x: container c: argument "nap=1s" is not one of the tester's, want [^\n]+\n$`, r.errors)
	assert.Contains(t, r.out, "1 of 1 agree\n")
}

func TestRunThenLook(t *testing.T) {
	dir := t.TempDir()
	r := podsim(t, dir, nil, "run", library(t, "bare-pod-and-deployment.yaml"))
	require.Equal(t, 0, r.code, r.errors)
	assert.Contains(t, r.out, "record: podsim-out")
	assert.Empty(t, r.errors, "no progress in a pipe")

	r = podsim(t, dir, nil, "get", "pods", "-o", "name")
	assert.Regexp(t, `(?m)^pod/web-[0-9a-z]+-[0-9a-z]{5}$`, r.out)
	pod := strings.TrimPrefix(strings.Fields(r.out)[0], "pod/")

	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"}, {"get", "pods", "--at", "4.2s"}, {"get", "pods", "--watch"}, {"get", "all"},
		{"get", "pods", pod, "-o", "yaml"}, {"get", "events", "-o", "json"}, {"get", "pods", "-o", "csv"},
		{"describe", "pod", pod}, {"describe", "node", "worker"}, {"get", "deploy/web"},
	} {
		r := podsim(t, dir, nil, args...)
		assert.Equal(t, 0, r.code, "%v: %s", args, r.errors)
		assert.NotEmpty(t, r.out, "%v", args)
	}
	r = podsim(t, dir, nil, "get", "pods", "nobody")
	assert.Equal(t, exitFailed, r.code)
	assert.Equal(t, "Error from server (NotFound): pods \"nobody\" not found\n", r.errors)
}

func TestSameSeedSameBytes(t *testing.T) {
	dir := t.TempDir()
	path := library(t, "crash-loop.yaml")
	one := runInfo(t, dir, "one", []string{"GOMAXPROCS=1"}, path)
	two := runInfo(t, dir, "two", []string{"GOMAXPROCS=2"}, path)
	other := runInfo(t, dir, "other", nil, path, "--seed", "99")
	assert.Equal(t, one.Hash, two.Hash)
	assert.NotEqual(t, one.Hash, other.Hash, "another seed has another hash")
	for _, name := range []string{"transitions.parquet", "events.parquet"} {
		a, err := os.ReadFile(filepath.Join(dir, "one", name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(dir, "two", name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(a, b), "%s differs between two runs", name)
	}
}

func runInfo(t *testing.T, dir, name string, env []string, args ...string) reports.RunInfo {
	r := podsim(t, dir, env, append([]string{"run", "-o", name}, args...)...)
	require.Equal(t, 0, r.code, r.errors)
	data, err := os.ReadFile(filepath.Join(dir, name, "run.json"))
	require.NoError(t, err)
	var info reports.RunInfo
	require.NoError(t, json.Unmarshal(data, &info))
	return info
}

// head is a scenario without its spec.
const head = "apiVersion: podsim/v1alpha1\nkind: Scenario\nmetadata: {name: bad}\nspec:\n  duration: 1m\n  nodes: [{name: n, template: {status: {capacity: {cpu: \"1\", memory: 1Gi}}}}]\n"

// TestBadInput: a user's mistake is one line with the file and the line, and exit code 2.
func TestBadInput(t *testing.T) {
	deployment := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: %R\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - {name: c, image: nginx%X}\n"
	manifest := func(replicas, extra string) string {
		return strings.NewReplacer("%R", replicas, "%X", extra).Replace(deployment)
	}
	good := manifest("1", "")
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"unknown field", map[string]string{"s.yaml": head + "  nodez: []\n"}, `^s\.yaml:7: .*nodez.*nodes`},
		{"wrong type", map[string]string{"s.yaml": strings.Replace(head, "1m", "[1]", 1)}, `^s\.yaml:5: .*duration`},
		{"unknown kind", map[string]string{"s.yaml": head + "  manifests: [m.yaml]\n", "m.yaml": strings.Replace(good, "kind: Deployment", "kind: Deploymint", 1)}, `^m\.yaml:2: .*Deploymint`},
		{"unknown apiVersion", map[string]string{"s.yaml": strings.Replace(head, "v1alpha1", "v9", 1)}, `^s\.yaml:1: .*podsim/v1alpha1`},
		{"negative replicas", map[string]string{"s.yaml": head + "  manifests: [m.yaml]\n", "m.yaml": manifest("-1", "")}, `^m\.yaml:5: .*-1`},
		{"duplicate names", map[string]string{"s.yaml": head + "  manifests: [m.yaml]\n", "m.yaml": good + "---\n" + good}, `^m\.yaml:\d+: .*web`},
		{"missing file", map[string]string{"s.yaml": head + "  manifests: [none.yaml]\n"}, `^s\.yaml:7: .*none\.yaml`},
		{"contradiction", map[string]string{"s.yaml": head + "  behaviors: [{run: {forever: true, for: 1s}}]\n"}, `^s\.yaml:7: .*forever`},
		{"cyclic include", map[string]string{"s.yaml": head + "  include: [t.yaml]\n", "t.yaml": head + "  include: [s.yaml]\n"}, `include.*s\.yaml`},
		{"empty file", map[string]string{"s.yaml": ""}, `^s\.yaml:1: `},
		{"garbage", map[string]string{"s.yaml": string(bytes.Repeat([]byte{0xfe, 0x00, 0x81}, 17<<20))}, `^s\.yaml:\d+: `},
		{"quantity", map[string]string{"s.yaml": strings.Replace(head, "1Gi", "1.5.5Gi", 1)}, `^s\.yaml:6: .*1\.5\.5Gi`},
		{"field of a manifest", map[string]string{"s.yaml": head + "  manifests: [m.yaml]\n", "m.yaml": manifest("1", ", imagePullPolice: Always")}, `^m\.yaml:11: .*imagePullPolice.*imagePullPolicy`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
			}
			r := podsim(t, dir, nil, "run", "s.yaml")
			assert.Equal(t, exitUsage, r.code)
			first, _, _ := strings.Cut(r.errors, "\n")
			assert.Regexp(t, regexp.MustCompile(c.want), first)
			assert.NotContains(t, r.errors, "goroutine", "no stack trace for a user's mistake")
			assert.Empty(t, r.out)
		})
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o644))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run"}, "arg"},
		{[]string{"run", "none.yaml"}, "none.yaml"},
		{[]string{"walk"}, "unknown command"},
		{[]string{"get", "pods"}, "no record of a run is there"},
		{[]string{"get", "pigs"}, "pods"},
		{[]string{"get", "pods", "-o", "xml"}, "yaml"},
		{[]string{"get", "pods", "-l", "a=b=c"}, "selector"},
		{[]string{"describe", "events"}, "describe"},
		{[]string{"run", library(t, "crash-loop.yaml"), "--until", "-1s"}, "--until"},
		{[]string{"run", library(t, "crash-loop.yaml"), "--set", "spec.nodez=1"}, "nodez"},
		{[]string{"run", library(t, "crash-loop.yaml"), "-o", "file"}, "file is a file, or in one; name a folder for the record"},
		{[]string{"run", library(t, "crash-loop.yaml"), "--on", "moon"}, `--on is "moon", must be simulation or containerd`},
		{[]string{"run", library(t, "crash-loop.yaml"), "--max-pods", "3"}, "--max-pods is for a real node: give --on containerd, too, or leave it out"},
		{[]string{"node", "walk"}, "unknown command \"walk\" for \"podsim node\"; `podsim node --help` lists them"},
		{[]string{"node", "check", "-o", "xml"}, `--output "xml" is not known; there are json, yaml, csv`},
		{[]string{"node", "status", "--dir", "file"}, "file is a file, or in one: name a folder with --dir"},
		{[]string{"node", "clean", "--endpoint", "moon"}, `--endpoint is "moon", must be the path of a Unix socket, such as unix:///run/containerd/containerd.sock`},
		{[]string{"node", "clean", "--endpoint", "unix:///none.sock"}, "there is no container runtime at unix:///none.sock"},
	} {
		r := podsim(t, dir, nil, c.args...)
		assert.Equal(t, exitUsage, r.code, "%v", c.args)
		assert.Contains(t, r.errors, c.want, "%v", c.args)
	}
}

// What a real node could not play leaves the record of an earlier run alone.
func TestRealRunKeepsRecord(t *testing.T) {
	dir := t.TempDir()
	before := runInfo(t, dir, "out", nil, library(t, "crash-loop.yaml"))
	for _, args := range [][]string{{"--network", "moon"}, {"--images", "moon"}, {"--max-pods", "0"}, {"--max-time", "0s"}, {"--max-memory", "much"}} {
		r := podsim(t, dir, nil, append([]string{"run", "--on", "containerd", library(t, "crash-loop.yaml"), "-o", "out"}, args...)...)
		assert.Equal(t, exitUsage, r.code)
		assert.Regexp(t, "^"+args[0]+" [^\n]*, not |^"+args[0]+" [^\n]*, must be ", r.errors)
	}
	var after reports.RunInfo
	data, err := os.ReadFile(filepath.Join(dir, "out", "run.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &after))
	assert.Equal(t, before, after)
}

func TestForeignFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.txt"), []byte("years of work"), 0o644))
	r := podsim(t, dir, nil, "run", library(t, "crash-loop.yaml"), "-o", ".")
	assert.Equal(t, exitUsage, r.code)
	assert.Contains(t, r.errors, "thesis.txt")
	_, err := os.Stat(filepath.Join(dir, "run.json"))
	assert.True(t, os.IsNotExist(err))
}

// TestHelp: each command that does something has an example, and its flags are real.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() {
			assert.NotEmpty(t, c.Example, c.CommandPath())
		}
		assert.NotEmpty(t, c.Short, c.CommandPath())
		for _, line := range strings.Split(c.Example, "\n") {
			for _, word := range strings.Fields(line) {
				if flag, ok := strings.CutPrefix(word, "--"); ok {
					name, _, _ := strings.Cut(flag, "=")
					target, _, err := c.Root().Find(strings.Fields(line)[1:])
					require.NoError(t, err)
					assert.NotNil(t, target.Flags().Lookup(name), "%s: the example's --%s is no flag", c.CommandPath(), name)
				}
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}

func TestSchemaAndCheck(t *testing.T) {
	dir := t.TempDir()
	r := podsim(t, dir, nil, "scenario", "schema")
	assert.Equal(t, 0, r.code)
	assert.True(t, json.Valid([]byte(r.out)))
	r = podsim(t, dir, nil, "scenario", "check", library(t, "crash-loop.yaml"), library(t, "scale-5000.yaml"))
	assert.Equal(t, 0, r.code, r.errors)
	r = podsim(t, dir, nil, "version")
	assert.Contains(t, r.out, kubernetesVersion)
}

// What is wrong with a node is the error, whatever the form of the table.
func TestNodeCheck(t *testing.T) {
	for output, want := range map[string]string{"": "WHAT ", "csv": "what,ok,is,problem\nuser,", "json": "[\n  {\n    \"name\": \"user\"", "yaml": "- name: user\n"} {
		r := podsim(t, t.TempDir(), nil, "node", "check", "--endpoint", "unix:///none.sock", "-o", output)
		assert.Equal(t, exitUsage, r.code)
		assert.True(t, strings.HasPrefix(r.out, want), r.out)
		assert.Contains(t, r.errors, "there is no container runtime at unix:///none.sock")
	}
	r := podsim(t, t.TempDir(), nil, "node", "status", "--dir", "none")
	assert.Equal(t, exitFailed, r.code)
	assert.Equal(t, "there is no node in none; `podsim node start --dir none` starts one\n", r.errors)
}
