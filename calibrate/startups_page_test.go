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

var update = flag.Bool("update", false, "write the start-ups of docs/fidelity.md")

const (
	fidelityPage    = "../docs/fidelity.md"
	startupsPicture = "../docs/startups.svg"
	twoHundred      = "../scenarios/library/two-hundred.yaml"
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
	whole := head + "<!-- startups -->\n" + startupsTable(real, calibrated, usual) + "<!-- /startups -->" + tail
	for name, text := range map[string]string{fidelityPage: whole, startupsPicture: string(StartupsPicture(real, calibrated))} {
		if *update {
			require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		}
		written, err := os.ReadFile(name)
		require.NoError(t, err)
		// What is fitted may change a little without a new page.
		masked := func(s string) string { return numbers.ReplaceAllString(s, "") }
		require.Equal(t, masked(text), masked(string(written)), "`go test ./calibrate -run TestStartupsPage -update` writes %s", name)
	}
}

// numbers are those of the table and of the picture.
var numbers = regexp.MustCompile(`[-+]?[0-9.]+s?`)

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

// startupsTable has the quantiles side by side, and the picture of the first two.
func startupsTable(real, calibrated, usual *Startups) string {
	var b strings.Builder
	b.WriteString("| pods that run | real node | simulated, calibrated on it | difference | simulated, default latencies | difference |\n|--:|--:|--:|--:|--:|--:|\n")
	for _, q := range startQuantiles {
		a, c, u := quantile(real.Created, q.p), quantile(calibrated.Created, q.p), quantile(usual.Created, q.p)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", q.name, seconds(a), seconds(c), percent(a, c), seconds(u), percent(a, u))
	}
	b.WriteString("\n![Pods that run by the time since their creation, on the real node and simulated](startups.svg)\n")
	return b.String()
}
