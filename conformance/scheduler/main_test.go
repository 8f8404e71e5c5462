package scheduler

import (
	"compress/gzip"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/klog/v2"

	"podsim/conform"
)

var (
	seed    = flag.Uint64("seed", 1, "the cases' seeds begin at a million times this; 0 takes one from the clock")
	number  = flag.Int("cases", 5000, "random clusters to compare a decision on")
	without = flag.String("without", strings.Join(notYet, ","), "features that the random clusters do not have, separated by commas")
	dump    = flag.String("dump", "", "file .jsonl or .jsonl.gz for the cases that differ, for podsim conform scheduler")
)

// notYet are the features that podsim does not have: random clusters are drawn without them.
var notYet []string

func TestMain(m *testing.M) {
	flag.Parse()
	klog.SetOutput(io.Discard)
	klog.LogToStderr(false)
	if *seed == 0 {
		*seed = uint64(time.Now().Unix())
	}
	os.Exit(m.Run())
}

// leftOut are the features of -without; it says which.
func leftOut(t testing.TB) []string {
	if *without == "" {
		return nil
	}
	list := strings.Split(*without, ",")
	for _, f := range list {
		require.Contains(t, Features, f, "-without names a feature")
	}
	t.Logf("left out: %s", strings.Join(list, ", "))
	return list
}

// keep writes the cases that differ to the file of -dump.
func keep(t *testing.T, cases []conform.Case) {
	if *dump == "" || len(cases) == 0 {
		return
	}
	f, err := os.Create(*dump)
	require.NoError(t, err)
	defer f.Close()
	w := io.WriteCloser(f)
	if strings.HasSuffix(*dump, ".gz") {
		w = gzip.NewWriter(f)
		defer w.Close()
	}
	require.NoError(t, conform.WriteCases(w, cases))
	t.Logf("%d cases are in %s", len(cases), *dump)
}
