package conform_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

var update = flag.Bool("update", false, "write the tables of docs/fidelity.md")

const fidelityPage = "../docs/fidelity.md"

// TestFidelityPage: the tables of docs/fidelity.md are what podsim does today.
func TestFidelityPage(t *testing.T) {
	recorded, random := recordedResults(t), randomResults(t)
	var table bytes.Buffer
	require.NoError(t, conform.Write(&table, "markdown", recorded))
	page, err := os.ReadFile(fidelityPage)
	require.NoError(t, err)
	text := between(t, string(page), "recordings", table.String())
	text = between(t, text, "random", randomTable(random))
	var whole bytes.Buffer
	require.NoError(t, conform.Write(&whole, "markdown", nodeResults(t)))
	withNodes := between(t, text, "nodes", whole.String())
	// How near the nearest of a node's runs is depends on all draws: the page need not follow.
	masked := func(page string) string { return timeError.ReplaceAllString(page, "TIME") }
	if *update || masked(withNodes) != masked(text) {
		text = withNodes
	}
	var cases bytes.Buffer
	require.NoError(t, conform.WriteScheduler(&cases, "markdown", schedulerResults(t)))
	text = between(t, text, "scheduler", cases.String())
	var real bytes.Buffer
	require.NoError(t, realNodeReport(t).Write(&real, "markdown"))
	text = between(t, text, "real", real.String())
	if *update {
		require.NoError(t, os.WriteFile(fidelityPage, []byte(text), 0o644))
		return
	}
	require.Equal(t, text, string(page), "`go test ./conform -update` writes the tables")
}

// realNodeReport is the comparison with a real node that is kept: `podsim compare -o json` wrote it.
func realNodeReport(t *testing.T) *conform.RunReport {
	data, err := os.ReadFile("testdata/real-node.json")
	require.NoError(t, err)
	var r conform.RunReport
	require.NoError(t, json.Unmarshal(data, &r))
	return &r
}

// The comparison that is kept is of the scenarios that are played on a real node, and has no difference in what must
// be equal.
func TestRealNode(t *testing.T) {
	r := realNodeReport(t)
	assert.GreaterOrEqual(t, len(r.Scenarios), 30)
	for i := range r.Scenarios {
		s := &r.Scenarios[i]
		assert.Contains(t, []string{"equal", "late"}, s.Verdict(), "%s: %s", s.Name, s.Difference)
	}
}

// timeError is a time error in a table.
var timeError = regexp.MustCompile(`\d+\.\d{3}s`)

// randomTable counts, and lists those that differ.
func randomTable(list []conform.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Without randomness %s.\n", conform.Summary(list))
	for i := range list {
		if !list[i].Agrees {
			fmt.Fprintf(&b, "- %s: %s\n", list[i].Name, list[i].Difference)
		}
	}
	return b.String()
}

// between replaces what stands between the marks of this name.
func between(t *testing.T, page, name, text string) string {
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	head, rest, ok := strings.Cut(page, begin)
	require.True(t, ok, name)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, name)
	return head + begin + text + end + tail
}
