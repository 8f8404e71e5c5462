package kubelet

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

var (
	exactPods    = flag.Int("pods", 2000, "random pods to compare without randomness")
	jitteredPods = flag.Int("jittered-pods", 500, "random pods to compare with jitter")
	seed         = flag.Int64("seed", 1, "the pods' seeds begin at a million times this")
	kindFlag     = flag.String("kind", "plain,wild", "generators of the pods")
	dump         = flag.String("dump", "", "file.jsonl.gz for the pods that differ, for podsim conform kubelet")
)

// again is how often a pod that differs is given to the real kubelet once more.
const again = 8

// TestExact compares podsim with the real kubelet where neither draws anything but the time of a
// call to the API server, 3 to 6 ms: the same states within 50 ms, the same Events. Where these
// milliseconds decide what comes first, the real kubelet gives one sequence or the other: a pod
// that differs is tried with other draws of the real one, as conform.Kubelet does with podsim's.
func TestExact(t *testing.T) {
	races := 0
	compare(t, *exactPods, false, func(r *conform.Recording) []conform.Result {
		result, err := conform.Kubelet(r)
		require.NoError(t, err)
		if !result.Agrees && agreesAgain(t, r) {
			t.Logf("%s is a race in the real kubelet: %s", r.Name, result.Difference)
			result.Agrees = true
			races++
		}
		return []conform.Result{result}
	})
	t.Logf("%d of these are races in the real kubelet", races)
}

func agreesAgain(t *testing.T, r *conform.Recording) bool {
	for seed := range int64(again) {
		other := conform.Recording{Name: r.Name, Pod: r.Pod, Exact: Run(t, r.Pod, Exact(seed))}
		result, err := conform.Kubelet(&other)
		require.NoError(t, err)
		if result.Agrees {
			return true
		}
	}
	return false
}

// TestJittered compares podsim with the real kubelet where both draw: what the kubelet did must be
// what podsim does for some draw.
func TestJittered(t *testing.T) {
	compare(t, *jitteredPods, true, func(r *conform.Recording) []conform.Result {
		results, err := conform.KubeletJittered(r)
		require.NoError(t, err)
		return results
	})
}

func compare(t *testing.T, pods int, jittered bool, judge func(*conform.Recording) []conform.Result) {
	needMachine(t)
	kindNames := strings.Split(*kindFlag, ",")
	slices.Sort(kindNames)
	d := newDifferences(t)
	for i, kind := range kindNames {
		n := pods*(i+1)/len(kindNames) - pods*i/len(kindNames)
		b := batch{Kind: kind, First: *seed * 1e6, Pods: n, Jittered: jittered}
		t.Logf("%d %s pods from seed %d", n, kind, b.First)
		answers(t, b, func(r *conform.Recording) {
			for _, result := range judge(r) {
				d.add(r, &result)
			}
		})
	}
	d.end()
}

// differences collects where podsim and the real kubelet differ.
type differences struct {
	t         *testing.T
	results   []conform.Result
	explained map[string]int
	recorded  []*conform.Recording
}

func newDifferences(t *testing.T) *differences {
	return &differences{t: t, explained: map[string]int{}}
}

func (d *differences) add(r *conform.Recording, result *conform.Result) {
	d.results = append(d.results, conform.Result{Name: result.Name, Agrees: result.Agrees})
	if result.Agrees {
		return
	}
	d.recorded = append(d.recorded, r)
	if e := explanationOf(r); e != nil {
		d.explained[e.why]++
		return
	}
	pod, err := json.Marshal(r.Pod)
	require.NoError(d.t, err)
	var columns strings.Builder
	require.NoError(d.t, conform.WriteColumns(&columns, result))
	assert.Fail(d.t, "podsim differs from the real kubelet", "%s: %s\n%s\n%s", result.Name, result.Difference, pod, &columns)
}

func (d *differences) end() {
	d.t.Log(conform.Summary(d.results))
	for why, n := range d.explained {
		d.t.Logf("%d explained: %s", n, why)
	}
	if *dump != "" {
		require.NoError(d.t, d.write(*dump))
	}
}

// write writes the pods that differ, each with what the real kubelet made of it.
func (d *differences) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	out := json.NewEncoder(z)
	for _, r := range d.recorded {
		if err := out.Encode(answer{Name: r.Name, Pod: r.Pod, Exact: r.Exact, Jittered: r.Jittered}); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}
