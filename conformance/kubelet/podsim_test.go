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
	v1 "k8s.io/api/core/v1"

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

// Of the pods of a jittered run so many may have a draw that podsim's search does not find: a part of
// 1,000, and in a run of few pods at least two.
const (
	notFoundPerMille = 5
	notFoundLeast    = 2
)

// TestExact compares podsim with the real kubelet where neither draws anything but the time of a
// call to the API server, 3 to 6 ms: the same states within 50 ms, the same Events. Where these
// milliseconds decide what comes first, the real kubelet gives one sequence or the other: a pod
// that differs is tried with other draws of the real one, as conform.Kubelet does with podsim's.
func TestExact(t *testing.T) {
	races := compare(t, *exactPods, false, func(r *conform.Recording) ([]conform.Result, error) {
		result, err := conform.Kubelet(r)
		return []conform.Result{result}, err
	})
	t.Logf("%d of these are races in the real kubelet", races)
}

// TestJittered compares podsim with the real kubelet where both draw: what the kubelet did must be
// what podsim does for some draw. The search for that draw may miss it, and where goroutines race
// the real kubelet does not give the same trace each time. So a pod that differs is tried with other
// draws of the real one here too, and few pods may need it.
func TestJittered(t *testing.T) {
	notFound := compare(t, *jitteredPods, true, conform.KubeletJittered)
	t.Logf("%d of these are draws that were not found", notFound)
	assert.LessOrEqual(t, notFound, max(notFoundLeast, *jitteredPods*notFoundPerMille/1000), "draws that were not found")
}

// judge compares podsim with what the real kubelet made of a pod.
type judge func(*conform.Recording) ([]conform.Result, error)

// compare gives the number of pods that differ from one draw of the real kubelet and not from
// another; those that differ from each fail the test.
func compare(t *testing.T, pods int, jittered bool, judge judge) (otherDraws int) {
	needMachine(t)
	kindNames := strings.Split(*kindFlag, ",")
	slices.Sort(kindNames)
	d := newDifferences(t, jittered, judge)
	for i, kind := range kindNames {
		n := pods*(i+1)/len(kindNames) - pods*i/len(kindNames)
		b := batch{Kind: kind, First: *seed * 1e6, Pods: n, Jittered: jittered}
		t.Logf("%d %s pods from seed %d", n, kind, b.First)
		answers(t, b, d.look)
	}
	d.end()
	return d.otherDraws
}

// agreesAgain gives a pod to the real kubelet once more until one of the answers agrees.
func agreesAgain(t *testing.T, pod *v1.Pod, jittered bool, agrees func(*conform.Recording) bool) bool {
	for seed := range int64(again) {
		a := answerOf(t, pod, seed, jittered)
		if agrees(&conform.Recording{Name: a.Name, Pod: a.Pod, Exact: a.Exact, Jittered: a.Jittered}) {
			return true
		}
	}
	return false
}

// differences collects where podsim and the real kubelet differ.
type differences struct {
	t         *testing.T
	jittered  bool
	judge     judge
	results   []conform.Result
	explained map[string]int
	// otherDraws counts the pods that another draw of the real kubelet agrees on.
	otherDraws int
	recorded   []*conform.Recording
}

func newDifferences(t *testing.T, jittered bool, judge judge) *differences {
	return &differences{t: t, jittered: jittered, judge: judge, explained: map[string]int{}}
}

// look judges a pod and takes down what differs.
func (d *differences) look(r *conform.Recording) {
	results, err := d.judge(r)
	require.NoError(d.t, err)
	for i := range results {
		agrees := results[i].Agrees || d.excused(r, &results[i])
		d.results = append(d.results, conform.Result{Name: results[i].Name, Agrees: agrees})
	}
}

// excused says whether a pod that differs may: another draw of the real kubelet agrees. One that is
// explained differs, and does not fail the test.
func (d *differences) excused(r *conform.Recording, result *conform.Result) bool {
	d.recorded = append(d.recorded, r)
	if e := explanationOf(r); e != nil {
		d.explained[e.why]++
		return false
	}
	if agreesAgain(d.t, r.Pod, d.jittered, d.agrees) {
		d.otherDraws++
		d.t.Logf("%s agrees with another draw of the real kubelet: %s", result.Name, result.Difference)
		return true
	}
	pod, err := json.Marshal(r.Pod)
	require.NoError(d.t, err)
	var columns strings.Builder
	require.NoError(d.t, conform.WriteColumns(&columns, result))
	assert.Fail(d.t, "podsim differs from the real kubelet", "%s: %s\n%s\n%s", result.Name, result.Difference, pod, &columns)
	return false
}

func (d *differences) agrees(r *conform.Recording) bool {
	results, err := d.judge(r)
	require.NoError(d.t, err)
	return !slices.ContainsFunc(results, func(one conform.Result) bool { return !one.Agrees })
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
