package calibrate

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/reports"
	"podsim/scenarios"
	"podsim/sim"
)

var update = flag.Bool("update", false, "write the table of start-ups of docs/fidelity.md")

const (
	fidelityPage = "../docs/fidelity.md"
	twoHundred   = "../scenarios/library/two-hundred.yaml"
	// realTwoHundred is the record of the scenario on a real node: podsim run --on containerd
	// scenarios/library/two-hundred.yaml -o calibrate/testdata/two-hundred.
	realTwoHundred = "testdata/two-hundred"
)

// TestStartupsPage: docs/fidelity.md has the start-ups of 200 pods at once, on a real node and as podsim simulates
// them today.
func TestStartupsPage(t *testing.T) {
	real, err := ReadStartups(realTwoHundred)
	require.NoError(t, err)
	run, err := ReadRun(realTwoHundred)
	require.NoError(t, err)
	fit := Fit([]Run{run}, 1)
	fitted, _ := fit.Latencies(model.DefaultLatencies())
	calibrated, usual := simulatedStartups(t, &fitted), simulatedStartups(t, nil)
	for _, s := range []*Startups{real, calibrated, usual} {
		assert.Equal(t, 200, s.Pods)
		assert.Zero(t, s.NotRunning)
	}
	for _, q := range []float64{0.25, 0.5, 0.75, 1} {
		assert.InEpsilon(t, quantile(real.Created, q), quantile(calibrated.Created, q), 0.15, "%v of the pods", q)
	}
	page, err := os.ReadFile(fidelityPage)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(page), "<!-- startups -->\n")
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, "<!-- /startups -->")
	require.True(t, ok)
	table := startupsTable(real, calibrated, usual)
	if *update {
		require.NoError(t, os.WriteFile(fidelityPage, []byte(head+"<!-- startups -->\n"+table+"<!-- /startups -->"+tail), 0o644))
		return
	}
	// What is fitted may change a little without a new page.
	masked := func(s string) string { return numbers.ReplaceAllString(s, "") }
	written, _, _ := strings.Cut(rest, "<!-- /startups -->")
	require.Equal(t, masked(table), masked(written), "`go test ./calibrate -run TestStartupsPage -update` writes the table")
}

// numbers are those of the table, and its bars.
var numbers = regexp.MustCompile("[-+]?[0-9.]+s?|`[# ]*`")

// simulatedStartups simulates the 200 pods, with other latencies than the default unless they are nil.
func simulatedStartups(t *testing.T, latencies *model.Latencies) *Startups {
	sc, err := scenarios.Read(twoHundred)
	require.NoError(t, err)
	if latencies != nil {
		sc.Latencies = *latencies
	}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	dir := t.TempDir() + "/simulated"
	info := reports.RunInfo{Scenario: sc.Name, Seed: sc.Seed, Start: sc.Start, Duration: sc.Duration}
	w, err := reports.NewWriter(dir, c.State(), info)
	require.NoError(t, err)
	c.Observe(w.Transition, w.Event)
	c.Begin()
	c.Run(sc.Duration, nil)
	require.NoError(t, w.Close(info))
	s, err := ReadStartups(dir)
	require.NoError(t, err)
	return s
}

// startupsTable has the distributions side by side, the first two also as bars.
func startupsTable(real, calibrated, usual *Startups) string {
	var b strings.Builder
	b.WriteString("| pods that run | real node | simulated, calibrated on it | difference | simulated, default latencies | difference |\n|--:|--:|--:|--:|--:|--:|\n")
	for _, q := range startQuantiles {
		a, c, u := quantile(real.Created, q.p), quantile(calibrated.Created, q.p), quantile(usual.Created, q.p)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", q.name, seconds(a), seconds(c), percent(a, c), seconds(u), percent(a, u))
	}
	b.WriteString("\n")
	const rows = 12
	most := max(real.Created[len(real.Created)-1], calibrated.Created[len(calibrated.Created)-1])
	b.WriteString("| seconds since their creation | real node | simulated, calibrated on it | |\n|---|--:|--:|---|\n")
	for i := range rows {
		from, to := most*float64(i)/rows, most*float64(i+1)/rows
		r, s := between(real.Created, from, to, i == rows-1), between(calibrated.Created, from, to, i == rows-1)
		fmt.Fprintf(&b, "| %.1f to %.1f | %d | %d | `%-20s` `%-20s` |\n", from/1e9, to/1e9, r, s, bar(r), bar(s))
	}
	return b.String()
}

// between counts the pods that began to run in a span of time.
func between(sorted []float64, from, to float64, last bool) int {
	n := 0
	for _, x := range sorted {
		if x >= from && (x < to || last) {
			n++
		}
	}
	return n
}

// bar is a number of pods, one character for each 5.
func bar(n int) string { return strings.Repeat("#", min(20, (n+4)/5)) }
