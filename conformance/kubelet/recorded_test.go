package kubelet

import (
	"flag"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// recordings are those of a real node.
const recordings = "../../conform/testdata/kubelet-traces"

// elsewhere are the recordings in which others than the kubelet have a part.
var elsewhere = map[string]string{
	"node-real0-failure":                 "a recording of a Node",
	"node-real0-failure-fulldisruption":  "a recording of a Node",
	"nodefail-default300":                "the node life cycle controller and a kubelet that is killed",
	"nodefail-default300-fulldisruption": "the node life cycle controller and a kubelet that is killed",
	"nodefail-tol10":                     "the node life cycle controller and a kubelet that is killed",
	"too-big":                            "the scheduler does not place it",
	"unschedulable":                      "the scheduler does not place it",
}

var recordedSeeds = flag.Int64("recorded-seeds", 30, "seeds to find the recordings of a real node in")

// joined is how long a state may last, in milliseconds, to be in one recording only: the time
// between two syncs that follow each other at once, after which the status manager finds one
// status or two.
const joined = 20

// TestRecorded is the proof of this package: what was recorded on a real node, with containerd, is
// what this kubelet does for one of a few seeds, state by state.
func TestRecorded(t *testing.T) {
	needMachine(t)
	files, err := filepath.Glob(filepath.Join(recordings, "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		list, err := conform.ReadFile(file)
		require.NoError(t, err)
		for _, recording := range list {
			if reason := elsewhere[recording.Name]; reason != "" {
				t.Logf("%s is left out: %s", recording.Name, reason)
				continue
			}
			t.Run(recording.Name, func(t *testing.T) { findRecorded(t, &recording) })
		}
	}
}

func findRecorded(t *testing.T, recording *conform.Recording) {
	want := conform.States(recording.Lines)
	for seed := int64(1); seed <= *recordedSeeds; seed++ {
		o := Jittered(seed)
		// The phase of the kubelet's loops was any.
		o.Phase = 20*time.Second + time.Duration(seed*7321%61000)*time.Millisecond
		got := conform.States(Run(t, recording.Pod, o))
		pairs, ok := conform.Align(want, got, joined)
		if ok {
			t.Logf("seed %d, %d states", seed, len(got))
			return
		}
		if seed == *recordedSeeds {
			t.Errorf("none of %d seeds; the last: %s", seed, conform.Differ(want, got, pairs[0]))
		}
	}
}
