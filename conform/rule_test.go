package conform_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// sequence makes states of words at moments: "a 0 b 100 c 5000".
func sequence(s string) []conform.State {
	var out []conform.State
	words := strings.Fields(s)
	for i := 0; i < len(words); i += 2 {
		at := int64(0)
		for _, d := range words[i+1] {
			at = 10*at + int64(d-'0')
		}
		out = conform.AddState(out, at, words[i])
	}
	return out
}

func TestAlign(t *testing.T) {
	for name, c := range map[string]struct {
		want, got string
		ok        bool
		pairs     int
	}{
		"equal":                            {"a 0 b 1000", "a 0 b 1000", true, 2},
		"later":                            {"a 0 b 1000", "a 0 b 9000", true, 2},
		"another state":                    {"a 0 b 1000", "a 0 c 1000", false, 0},
		"nothing more":                     {"a 0 b 1000", "a 0", false, 0},
		"a short state is missing":         {"a 0 b 1000 c 1100", "a 0 c 1100", true, 2},
		"a long state is missing":          {"a 0 b 1000 c 1400", "a 0 c 1400", false, 0},
		"a short state too much":           {"a 0 c 1100", "a 0 b 1000 c 1100", true, 2},
		"there and back":                   {"a 0 b 1000 a 1100", "a 0", true, 1},
		"there and back, but not short":    {"a 0 b 1000 a 2000", "a 0", false, 0},
		"short on both sides counts equal": {"a 0 b 1000 c 1100", "a 0 b 5000 c 5100", true, 3},
	} {
		pairs, ok := conform.Align(sequence(c.want), sequence(c.got), 300)
		assert.Equal(t, c.ok, ok, name)
		if ok {
			assert.Len(t, pairs, c.pairs, name)
		}
	}
}

// readOne reads a recording that podsim agrees with.
func readOne(t *testing.T, name string) conform.Recording {
	list, err := conform.ReadFile("testdata/kubelet-traces/" + name + ".jsonl")
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0]
}

// A recording that is changed in any way that the rule speaks of does not agree any more.
func TestChangedRecordingsDiffer(t *testing.T) {
	const name = "exit1-never"
	r := readOne(t, name)
	unchanged, err := conform.Kubelet(&r)
	require.NoError(t, err)
	require.True(t, unchanged.Agrees, unchanged.Difference)
	last := func(r *conform.Recording, do func(l *conform.Line)) {
		for i := len(r.Lines) - 1; ; i-- {
			if r.Lines[i].Type == "MODIFIED" {
				do(&r.Lines[i])
				return
			}
		}
	}
	event := func(r *conform.Recording, reason string, do func(l *conform.Line)) {
		for i := range r.Lines {
			if r.Lines[i].Event == reason {
				do(&r.Lines[i])
			}
		}
	}
	for what, change := range map[string]func(*conform.Recording){
		"state": func(r *conform.Recording) { last(r, func(l *conform.Line) { l.Phase = "Succeeded" }) },
		"time":  func(r *conform.Recording) { last(r, func(l *conform.Line) { l.Ms += 9000 }) },
		"order": func(r *conform.Recording) { event(r, "Created", func(l *conform.Line) { l.Event = "Begun" }) },
		"count": func(r *conform.Recording) { event(r, "Started", func(l *conform.Line) { l.Count = 2 }) },
		"message": func(r *conform.Recording) {
			event(r, "Started", func(l *conform.Line) { l.Message = "Started container c" })
		},
		"exit code": func(r *conform.Recording) { last(r, func(l *conform.Line) { *l.Containers[0].ExitCode = 3 }) },
	} {
		r := readOne(t, name)
		change(&r)
		changed, err := conform.Kubelet(&r)
		require.NoError(t, err)
		assert.False(t, changed.Agrees, what)
		assert.NotNil(t, changed.Difference, what)
	}
}

// Durations, uids, digests and addresses do not count.
func TestMaskedMessagesAgree(t *testing.T) {
	r := readOne(t, "image-big-pull")
	for i := range r.Lines {
		r.Lines[i].Message = strings.NewReplacer("1.057s", "2m3.5s", "215525067", "1").Replace(r.Lines[i].Message)
	}
	masked, err := conform.Kubelet(&r)
	require.NoError(t, err)
	assert.True(t, masked.Agrees, masked.Difference)
}

func TestRead(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "1: there is no recording",
		"{\"type\":\"spec\"\n":   "1: unexpected end of JSON input, want a line of a recording",
		"{\"ms\":1}\n":           "1: neither a line of a recording",
		"\n{\"exact\":[]}\n":     "2: the recording has no pod",
		"{\"type\":\"ADDED\"}\n": "1: the recording has no line of type spec",
		"{\"type\":\"spec\",\"pod\":{}}\n{\"type\":\"spec\",\"pod\":{}}\n": "2: a second pod, want the lines of one pod",
		"{\"type\":[]}":             "1: json: cannot unmarshal",
		"{\"pod\":{\"spec\":[]}}\n": "1: json: cannot unmarshal",
	} {
		_, err := conform.Read(strings.NewReader(text), "x")
		require.ErrorContains(t, err, want)
	}
	list, err := conform.Read(strings.NewReader("{\"type\":\"node\"}\n{\"ms\":48}\n"), "n")
	require.NoError(t, err)
	require.Len(t, list, 1)
	r, err := conform.Kubelet(&list[0])
	require.NoError(t, err)
	assert.Equal(t, "skipped", r.Verdict())
}

func TestReadFileNamesTheFile(t *testing.T) {
	_, err := conform.ReadFile("testdata/README.md")
	require.ErrorContains(t, err, "testdata/README.md:1: ")
}
