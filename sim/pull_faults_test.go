package sim_test

import (
	"cmp"
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// faultKinds are the faults of the table that a registry of a scenario can have. The simulation asks for the manifest
// and the configuration in one with the resolve.
var faultKinds = map[string]string{"401": "unauthorized", "401 with credentials": "unauthorized", "404": "notFound", "429": "rateLimited",
	"500": "serverError", "refused": "refused", "refused midway": "refused", "no answer": "timeout", "stalled midway": "stalled"}

var (
	digestPattern    = regexp.MustCompile(`sha256:[0-9a-f]+`)
	shortReadPattern = regexp.MustCompile(`expected \d+ bytes but got \d+`)
)

// What a pull ends with, and when, is what a real containerd said when its registry failed at the same stage of a pull
// (runner's TestRealPullFaults).
func TestPullFaults(t *testing.T) {
	file, err := os.Open("testdata/pull-faults.csv")
	require.NoError(t, err)
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	compared := 0
	for _, line := range lines[1:] {
		stage, fault, often, want := line[1], line[2], line[3], line[6]
		kind, ok := faultKinds[fault]
		if !ok || line[0] != "2.4" || often != "on" || stage != "resolve" && stage != "layer" {
			continue
		}
		compared++
		t.Run(stage+" "+fault, func(t *testing.T) {
			const at = 2 * model.Second
			step := registryStep(at, kind, 0)
			step.Name = "quay.io"
			text, failed := failedPull(t, stage, fault, step)
			assert.Equal(t, shortReadPattern.ReplaceAllString(want, ""), shortReadPattern.ReplaceAllString(text, ""))
			seconds, err := strconv.Atoi(line[5])
			require.NoError(t, err)
			nearTo(t, model.Time(seconds)*model.Second, failed-at, 2500*model.Millisecond, "from the fault on")
		})
	}
	assert.Equal(t, 16, compared)
}

// failedPull is how the first pull of an image ends, and when, whose registry fails after 2 s: while it is about to
// answer, while its layer comes, or while that waits for the layers of another registry, which come first.
func failedPull(t *testing.T, stage, fault string, step model.Step) (text string, at model.Time) {
	sc := podsScenario(1, 1)
	parallel := false
	sc.Nodes[0].Images, sc.Nodes[0].Kubelet = nil, kubeletconfig.Default()
	sc.Nodes[0].Kubelet.SerializeImagePulls = &parallel
	layer := func(name string) model.LayerSpec {
		return model.LayerSpec{Name: name, Size: 30 << 20, Unpacked: 30 << 20}
	}
	image := model.ImageSpec{Name: "quay.io/faults:1", Layers: []model.LayerSpec{layer("sha256:0")}}
	other := model.ImageSpec{Name: "other.example/other:1", Layers: []model.LayerSpec{layer("a"), layer("b"), layer("c")}}
	registry := model.Registry{Host: "quay.io", Connection: 10 << 20}
	if stage == "resolve" {
		registry.Latency = model.Dist{Kind: model.DistConstant, Value: float64(3 * model.Second)}
	}
	pod := imagePod("p", image.Name, "")
	if fault == "401 with credentials" {
		image.Credentials = []string{"key"}
		pod.Spec.ImagePullSecrets = []v1.LocalObjectReference{{Name: "key"}}
	}
	sc.Registries, sc.Images = []model.Registry{registry, {Host: "*", Connection: 10 << 20}}, []model.ImageSpec{image, other}
	sc.Steps = []model.Step{secretStep(0, "key"), applied(0, pod), step}
	if stage == "layer" && !strings.HasSuffix(fault, "midway") {
		sc.Steps = append(sc.Steps, applied(500*model.Millisecond, pod))
		sc.Steps[1] = applied(0, imagePod("first", other.Name, ""))
		slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	}
	sc.Duration, sc.PullProgressTimeout = model.Minute, 4*model.Second
	c := newCluster(t, sc)
	c.Observe(func(model.Transition) {}, func(e *model.Event) {
		if e.Kind == model.KindPod && e.Reason == model.EventFailed && text == "" {
			text, at = c.State().EventMessage(e), c.Now()
		}
	})
	c.Begin()
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		c.Step()
		c.Check()
	}
	const pull = `Failed to pull image "quay.io/faults:1": `
	require.Greater(t, len(text), len(pull))
	return digestPattern.ReplaceAllString(text[len(pull):], "DIGEST"), at
}
