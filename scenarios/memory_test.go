package scenarios

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

var memoryTables = memory{
	"use.csv":      "seconds, bytes\n0, 100Mi\n\n1.5, 200Mi\n60,0\n",
	"row.csv":      "0,1Mi\n5;2Mi\n",
	"time.csv":     "0,1Mi\n-5,2Mi\n",
	"bytes.csv":    "0,1Mi\n5,2MiB\n",
	"disorder.csv": "5,1Mi\n5,2Mi\n",
	"empty.csv":    "seconds,bytes\n",
}

func memoryFiles() memory {
	files := maps.Clone(goodFiles)
	maps.Copy(files, memoryTables)
	return files
}

func TestMemoryForms(t *testing.T) {
	const mi = 1 << 20
	for _, x := range []struct {
		text string
		want model.Behavior
	}{
		{"[{at: 0s, use: 1Mi}, {at: 5s, use: 3Mi}]", model.Behavior{Memory: []model.MemoryPoint{{Use: mi}, {At: 5 * model.Second, Use: 3 * mi}}}},
		{"{points: [{at: 0s, use: 1Mi}], child: true}", model.Behavior{Memory: []model.MemoryPoint{{Use: mi}}, MemoryChild: true}},
		{"{linear: true, points: [{at: 0s, use: 1Mi}, {at: 5s, use: 3Mi}]}",
			model.Behavior{Memory: []model.MemoryPoint{{Use: mi, Rate: model.RatePer(2*mi, 5*model.Second)}, {At: 5 * model.Second, Use: 3 * mi}}}},
		{"{leak: {base: 1Mi, perMinute: 2Mi}}", model.Behavior{Memory: []model.MemoryPoint{{Use: mi, Rate: model.RatePer(2*mi, model.Minute)}}}},
		{"{walk: {base: 2Mi, step: 1Mi, period: 5s, max: 4Mi}}", model.Behavior{MemoryWalk: &model.MemoryWalk{Base: 2 * mi, Step: mi, Max: 4 * mi, Period: 5 * model.Second}}},
		{"{csv: use.csv}", model.Behavior{Memory: []model.MemoryPoint{{Use: 100 * mi}, {At: 1500 * model.Millisecond, Use: 200 * mi}, {At: model.Minute}}}},
		{"[]", model.Behavior{}},
	} {
		sc, err := ReadBytes("s.yaml", []byte(edited(t, goodScenario, "run: {for: 90s, exit: 1}", "memory: "+x.text)), memoryFiles())
		require.NoError(t, err, x.text)
		b := sc.Behaviors[0]
		assert.Equal(t, x.want, model.Behavior{Memory: b.Memory, MemoryWalk: b.MemoryWalk, MemoryChild: b.MemoryChild}, x.text)
	}
}

func TestBadMemory(t *testing.T) {
	for text, want := range map[string]string{
		"{}":         "s.yaml:16: memory says nothing, want points, csv, leak or walk",
		"{leek: {}}": "s.yaml:16: unknown field spec.behaviors[0].memory.leek, did you mean leak?",
		"[{at: 5s, use: 1Mi}, {at: 5s, use: 2Mi}]":             "s.yaml:16: at is 5s, must be later than the one before (5s)",
		"[{at: 5s, use: 2Pi}]":                                 "s.yaml:16: use is 2251799813685248, must be at most 1Pi",
		"{csv: use.csv, leak: {perMinute: 1Mi}}":               "s.yaml:16: memory.leak and memory.csv (s.yaml:16) contradict each other: leave one out",
		"{linear: true, leak: {perMinute: 1Mi}}":               "s.yaml:16: memory.linear is about points and csv, not about leak (s.yaml:16): leave it out",
		"{leak: {base: 1Mi}}":                                  "s.yaml:16: spec.behaviors[0].memory.leak.perMinute is missing",
		"{leak: {perMinute: 2Pi}}":                             "s.yaml:16: perMinute is 2251799813685248, must be at most 1Pi",
		"{walk: {base: 1Mi, step: 1Mi, period: 0s}}":           "s.yaml:16: period is 0s, must be at least 1ms",
		"{walk: {base: 1Mi, step: 1Mi, period: 1s, min: 2Mi}}": "s.yaml:16: base is 1048576, must be from min 2097152 to max 1125899906842624",
		"{csv: uses.csv}":                                      "s.yaml:16: memory.csv: uses.csv: there is no such file, did you mean use.csv?",
		"{csv: row.csv}":                                       `row.csv:2: "5;2Mi" is not a point, want seconds,bytes such as 90.5,300Mi`,
		"{csv: time.csv}":                                      `time.csv:2: the time is "-5", want seconds from 0 on, such as 90.5`,
		"{csv: bytes.csv}":                                     `bytes.csv:2: the memory is "2MiB", want bytes such as 300Mi, at most 1Pi`,
		"{csv: disorder.csv}":                                  "disorder.csv:2: the time is 5s, must be later than the one before (5s)",
		"{csv: empty.csv}":                                     "empty.csv:1: the file has no points, want lines such as 90.5,300Mi",
	} {
		_, err := ReadBytes("s.yaml", []byte(edited(t, goodScenario, "run: {for: 90s, exit: 1}", "memory: "+text)), memoryFiles())
		assert.EqualError(t, err, want, text)
	}
}

func TestSystemMemory(t *testing.T) {
	read := func(node string) (*model.Scenario, error) {
		return ReadBytes("s.yaml", []byte(edited(t, goodScenario, "count: 2", node)), goodFiles)
	}
	for node, want := range map[string]int64{"count: 2": model.DefaultSystemMemory, "count: 2\n    systemMemory: 1Gi": 1 << 30} {
		sc, err := read(node)
		require.NoError(t, err)
		assert.Equal(t, want, sc.Nodes[1].SystemMemory)
	}
	_, err := read("count: 2\n    systemMemory: 17Gi")
	assert.EqualError(t, err, "s.yaml:9: systemMemory is 18253611008, must not be above the node's memory (16Gi)")
}
