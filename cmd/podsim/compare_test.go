package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// compared is a scenario with its record: a run on a slow node stands for the one on a real node.
const compared = `apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: compared}
spec:
  duration: 30s
  seed: 3
  latencies: {runSandbox: 150ms, create: 20ms, start: 100ms, stopSandbox: 50ms, remove: 10ms}
  nodes: [{name: n, template: {status: {capacity: {cpu: "4", memory: 4Gi}}}, images: [app]}]
  behaviors:
  - {match: {pod: fails}, run: {for: 4s, exit: 1}}
  - {run: {for: 4s}}
  manifests: [pods.yaml]
`

const comparedPods = `apiVersion: v1
kind: Pod
metadata: {name: ends}
spec: {restartPolicy: Never, containers: [{name: c, image: app, imagePullPolicy: Never}]}
---
apiVersion: v1
kind: Pod
metadata: {name: fails}
spec: {restartPolicy: OnFailure, containers: [{name: c, image: app, imagePullPolicy: Never}]}
`

// The tables of comparisons with runs that stand for real ones.
func TestCompareGolden(t *testing.T) {
	for name, c := range map[string]struct {
		// real is what is replaced in the scenario of the run that stands for the real one, and by what.
		real []string
		args []string
		code int
	}{
		"equal":     {nil, nil, 0},
		"slow":      {[]string{"runSandbox: 150ms", "runSandbox: 400ms"}, nil, 0},
		"exit-code": {[]string{"exit: 1", "exit: 2"}, []string{"--draws", "3"}, 1},
		"missing":   {[]string{"pods.yaml", "one.yaml"}, []string{"--draws", "3"}, 1},
		"late":      {[]string{"{for: 4s}", "{for: 9s}"}, []string{"--draws", "3"}, 1},
	} {
		dir := t.TempDir()
		write := func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		}
		real := compared
		if len(c.real) > 0 {
			real = strings.Replace(real, c.real[0], c.real[1], 1)
		}
		write("compared.yaml", compared)
		write("real.yaml", real)
		write("pods.yaml", comparedPods)
		write("one.yaml", strings.SplitAfter(comparedPods, "---\n")[1])
		run := podsim(t, dir, nil, "run", "real.yaml", "-o", "real")
		require.Equal(t, 0, run.code, run.errors)
		r := podsim(t, dir, nil, append([]string{"compare", "compared.yaml", "--real", "real", "--junit", "junit.xml"}, c.args...)...)
		assert.Equal(t, c.code, r.code, name+r.errors)
		assert.Empty(t, r.errors, name)
		golden(t, "compare-"+name+".txt", r.out)
		junit, err := os.ReadFile(filepath.Join(dir, "junit.xml"))
		require.NoError(t, err)
		assert.Contains(t, string(junit), `<testcase name="compared"`)

		r = podsim(t, dir, nil, append([]string{"compare", "compared.yaml", "--real", "real", "-o", "json"}, c.args...)...)
		assert.Equal(t, c.code, r.code, name+r.errors)
		var report conform.RunReport
		require.NoError(t, json.Unmarshal([]byte(r.out), &report))
		assert.Equal(t, "compared", report.Scenarios[0].Name)
	}
}

// golden compares with a file of the test data; -update writes it.
func golden(t *testing.T, name, got string) {
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, name)
}

func TestCompareBadInput(t *testing.T) {
	noRuntime := "crash-loop.yaml: there is no container runtime at unix:///none.sock"
	if os.Geteuid() != 0 {
		noRuntime = "crash-loop.yaml: a real node needs root"
	}
	dir := t.TempDir()
	crash := library(t, "crash-loop.yaml")
	require.Equal(t, 0, podsim(t, dir, nil, "run", library(t, "oom.yaml"), "-o", "oom").code)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "killed"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "killed", "run.json"), []byte(`{"format": "podsim/record/v1", "scenario": "crash-loop"}`), 0o644))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{crash, "--tolerance", "0s"}, "--tolerance must be above 0, not 0s\n"},
		{[]string{crash, "--parallel", "0"}, "--parallel must be at least 1, not 0\n"},
		{[]string{crash, "--draws", "-1"}, "--draws must be at least 0, not -1\n"},
		{[]string{crash, "-o", "xml"}, "--output \"xml\" is not known; there are table, json, yaml, csv, markdown\n"},
		{[]string{crash, "--real", "none"}, "none: no record of a run is there"},
		{[]string{crash, "--real", "oom"}, "oom: the record is of the scenario oom, want crash-loop\n"},
		{[]string{crash, crash, "--real", "oom"}, "oom/crash-loop: no record of a run is there"},
		{[]string{crash, "--real", "killed"}, "killed: nothing is recorded there: that run was killed or did not begin; want one that has ended\n"},
		{[]string{crash, "--real", "oom/run.json"}, "oom/run.json is a file, want the folder of a record\n"},
		{[]string{crash, "--real", "oom", "--images", "real"}, "--images is for new runs, --real for one that has been made: give one of them\n"},
		{[]string{crash, "--real", "oom", "--records", "r"}, "--records is for new runs, --real for one that has been made: give one of them\n"},
		{[]string{crash, "--records", "oom/run.json"}, "--records oom/run.json cannot be made (not a directory): name another folder\n"},
		{[]string{crash, crash, "--records", "r"}, "and --records keeps one record of a name: leave one of them out\n"},
		{[]string{crash, "--junit", "none/x.xml"}, "--junit none/x.xml cannot be written (no such file or directory): name a file in a folder that is there\n"},
		{[]string{crash, "--latencies", "none.yaml"}, "none.yaml: there is no such file\n"},
		{[]string{crash, "--max-pods", "0"}, "--max-pods must be at least 1, not 0\n"},
		{[]string{"--list", "none.txt"}, "--list none.txt: no such file or directory: want a file with a scenario on each line\n"},
		{[]string{crash, "--endpoint", "unix:///none.sock"}, noRuntime},
		{[]string{"none.yaml"}, "none.yaml"},
		{nil, "no scenario is named; give files, or a list of them with --list\n"},
	} {
		r := podsim(t, dir, nil, append([]string{"compare"}, c.args...)...)
		assert.Equal(t, 2, r.code, c.args)
		assert.Contains(t, r.errors, c.want)
		assert.Equal(t, 1, strings.Count(r.errors, "\n"), "one line: %s", r.errors)
	}
}

// The list of the library says of each scenario whether it is played on a real node.
func TestRealNodeList(t *testing.T) {
	list, left, err := readList(library(t, "real-node.txt"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(list), 35)
	var all []string
	for _, one := range list {
		all = append(all, one.path)
	}
	all = append(all, left...)
	slices.Sort(all)
	files, err := filepath.Glob(library(t, "*.yaml"))
	require.NoError(t, err)
	files = append(files, library(t, "shop/shop.yaml"))
	slices.Sort(files)
	assert.Equal(t, files, all)
}

func TestReadList(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list.txt")
	for text, want := range map[string]string{
		"# nothing\n":        "list.txt:1: there is no scenario in this list",
		"\nlist.txt until x": `list.txt:2: "x" is no moment, want one such as 2m`,
		"list.txt until -1s": `list.txt:1: "-1s" is no moment, want one such as 2m`,
		"list.txt for 2m":    `list.txt:1: "for 2m" after the file, want "until 2m", "not: why" or nothing`,
		"a.yaml not: large":  "list.txt:1: there is no scenario in this list",
		"\na.yaml":           "list.txt:2: " + filepath.Dir(file) + "/a.yaml: no such file or directory",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		_, _, err := readList(file)
		require.ErrorContains(t, err, want)
	}
}
