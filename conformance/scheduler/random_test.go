package scheduler

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/core/validation"

	"podsim/conform"
)

// TestRandom compares podsim's decisions with the real scheduler's, one on each random cluster.
func TestRandom(t *testing.T) {
	off := leftOut(t)
	first := *seed * 1e6
	t.Logf("%d cases, -seed %d", *number, *seed)
	var differ []conform.Case
	met := map[string]int{}
	chance := 0
	for i := range uint64(*number) {
		c := conform.Case{Input: *Random(first+i, off), Want: *answer(t, Random(first+i, off))}
		if strings.HasPrefix(c.Want.Error, dryRunFailed) {
			// podsim's filters do not fail in a dry run: such a case is not compared.
			t.Logf("%s is not compared: %s", c.Input.Name, c.Want.Error)
			continue
		}
		r := conform.Scheduler(&c)
		for _, f := range r.Features {
			met[f]++
		}
		if !r.Agrees && agreesAgain(t, &c, func() *conform.Input { return Random(first+i, off) }) {
			chance++
			t.Logf("%s: the real scheduler decides by chance: %s", r.Name, r.Difference)
			continue
		}
		if !r.Agrees {
			differ = append(differ, c)
			t.Errorf("%s: %s", r.Name, r.Difference)
		}
		if len(differ) == 100 {
			t.Errorf("%d cases of %d differ: no more are looked at", len(differ), i+1)
			break
		}
	}
	t.Logf("%d of %d differ, %d are decided by chance; cases with %v", len(differ), *number, chance, met)
	// The volumes that claims could get are looked at in the order of a map.
	assert.LessOrEqual(t, chance, 2+*number/500, "cases that are decided by chance")
	keep(t, differ)
}

// again is how often the real scheduler is asked again about a case that differs.
const again = 8

// agreesAgain asks the real scheduler again until one of its answers agrees, or it contradicts
// itself: where it goes round a map, it does not always say the same.
func agreesAgain(t *testing.T, c *conform.Case, in func() *conform.Input) bool {
	for range again {
		one := conform.Case{Input: c.Input, Want: *answer(t, in())}
		if r := conform.Scheduler(&one); r.Agrees || conform.Compare(&c.Want, &one.Want) != nil {
			return true
		}
	}
	return false
}

// answer is the real scheduler's decision about an input, which it takes for itself.
func answer(t testing.TB, in *conform.Input) *conform.Decision {
	r, err := NewReal(in)
	require.NoError(t, err, in.Name)
	defer r.Close()
	d, err := r.Decide()
	if err != nil {
		return &conform.Decision{Feasible: []string{}, Error: err.Error()}
	}
	return d
}

// TestRecordedCases asks the real scheduler again about the recorded cases: this module makes of it
// what the recorder made.
func TestRecordedCases(t *testing.T) {
	cases, err := conform.ReadCases("../../conform/testdata/scheduler-cases.jsonl.gz")
	require.NoError(t, err)
	for i := range cases {
		got := answer(t, &cases[i].Input)
		if p := got.Preemption; p != nil && p.Message == notHelpful {
			p.Message = "" // The recorder has the reason alone, podsim's side the sentence.
			cases[i].Want.Preemption.Message = ""
			cases[i].Want.NodeOrder = nil
			got.NodeOrder = nil
		}
		assert.Nil(t, conform.Compare(&cases[i].Want, got), cases[i].Input.Name)
	}
}

// TestRandomIsValid: an API server would take the pods, and a seed gives the same cluster each time.
func TestRandomIsValid(t *testing.T) {
	for seed := range uint64(500) {
		in := Random(seed, nil)
		again, err := json.Marshal(Random(seed, nil))
		require.NoError(t, err)
		once, err := json.Marshal(in)
		require.NoError(t, err)
		require.JSONEq(t, string(once), string(again))
		validate(t, in.Pending)
		for _, p := range in.Pods {
			validate(t, p)
		}
	}
}

func validate(t *testing.T, pod *v1.Pod) {
	pod = pod.DeepCopy()
	pod.Spec.NodeName = ""
	pod.DeletionTimestamp = nil
	legacyscheme.Scheme.Default(pod)
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			list[i].TerminationMessagePolicy = v1.TerminationMessageReadFile
		}
	}
	internal := &core.Pod{}
	require.NoError(t, legacyscheme.Scheme.Convert(pod, internal, nil))
	options := podutil.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	require.Empty(t, validation.ValidatePodCreate(internal, options), pod.Name)
}
