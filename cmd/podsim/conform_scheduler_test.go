package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// plainCase writes a recorded case without any feature to a file.
func plainCase(t *testing.T, dir string) []byte {
	cases, err := conform.ReadCases(recorded(t, "scheduler-cases.jsonl.gz"))
	require.NoError(t, err)
	for i := range cases {
		if cases[i].Features()[0] != "resources only" || len(cases[i].Want.Top) == 0 {
			continue
		}
		var b bytes.Buffer
		require.NoError(t, conform.WriteCases(&b, cases[i:i+1]))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "plain.jsonl"), b.Bytes(), 0o644))
		return b.Bytes()
	}
	t.Fatal("there is no plain case")
	return nil
}

func TestConformScheduler(t *testing.T) {
	dir := t.TempDir()
	plainCase(t, dir)
	r := podsim(t, dir, nil, "conform", "scheduler", "plain.jsonl", "-v")
	require.Equal(t, 0, r.code, r.errors)
	assert.Regexp(t, `^\S+  agrees\n    n000: `, r.out)
	assert.True(t, strings.HasSuffix(r.out, "1 of 1 agree\n"), r.out)
	assert.Empty(t, r.errors)

	r = podsim(t, dir, nil, "conform", "scheduler", ".", "-o", "json")
	require.Equal(t, 0, r.code, r.errors)
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.out), &list))
	assert.Equal(t, true, list[0]["agrees"])

	r = podsim(t, dir, nil, "conform", "scheduler", "plain.jsonl", "-o", "csv")
	assert.Contains(t, r.out, "name,verdict,features,difference\n")
	r = podsim(t, dir, nil, "conform", "scheduler", "plain.jsonl", "-o", "markdown")
	assert.Contains(t, r.out, "| resources only | 1 of 1 |\n")
}

// The first difference is shown, and the exit code is 1; a bad file is an error.
func TestConformSchedulerDiffers(t *testing.T) {
	dir := t.TempDir()
	line := plainCase(t, dir)
	changed := bytes.ReplaceAll(line, []byte(`"NodeResourcesFit":{"raw":`), []byte(`"NodeResourcesFit":{"normalized":101,"raw":`))
	changed = bytes.ReplaceAll(changed, []byte(`"total":`), []byte(`"total":1`))
	require.NotEqual(t, line, changed)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.jsonl"), changed, 0o644))
	r := podsim(t, dir, nil, "conform", "scheduler", "x.jsonl", "-v")
	assert.Equal(t, 1, r.code)
	assert.Regexp(t, `^\S+  differs  total of node n000: expected 1\d+, got \d+\n`, r.out)
	assert.Regexp(t, `\n    n\d+: expected 1\d+ = [^\n]+\n          got      \d+ = `, r.out)
	assert.Contains(t, r.out, "0 of 1 agree\n")
	assert.Empty(t, r.errors)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.jsonl"), append(line, "{}\n"...), 0o644))
	r = podsim(t, dir, nil, "conform", "scheduler", "bad.jsonl")
	assert.Equal(t, 2, r.code)
	assert.Equal(t, "bad.jsonl:2: not a case, want {\"input\": ..., \"want\": ...}\n", r.errors)
	assert.Empty(t, r.out)
}
