package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConformNode(t *testing.T) {
	dir := t.TempDir()
	file := recorded(t, "node-traces/pulls-serial.jsonl.gz")
	r := podsim(t, dir, nil, "conform", "node", file, "-v")
	assert.Regexp(t, `^pulls-serial  `, r.out)
	assert.Contains(t, r.out, "  Pod/p1\n      RECORDED   SIMULATED  STATE\n")
	assert.True(t, strings.HasSuffix(r.out, " of 1 agree\n"), r.out)
	r = podsim(t, dir, nil, "conform", "node", file, "-o", "json")
	assert.Contains(t, r.out, `"name": "Node/real0"`)
}

func TestConformNodeErrors(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.jsonl"),
		[]byte(`{"type":"spec","case":"x","env":"real0","steps":[{"verb":"dance"},{"ms":5,"verb":"end"}]}`), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755))
	for want, args := range map[string][]string{
		`--output "xml" is not known; there are json`:                         {"x.jsonl", "-o", "xml"},
		"x.jsonl:1: x: step \"dance\" \"\" at 0.000s: this verb is not known": {"x.jsonl"},
		"no such file or directory":                                           {"y.jsonl"},
		"empty: there is no recording in this folder":                         {"empty"},
	} {
		r := podsim(t, dir, nil, append([]string{"conform", "node"}, args...)...)
		assert.NotZero(t, r.code, want)
		assert.Contains(t, r.errors, want)
	}
}
