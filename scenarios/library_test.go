package scenarios_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
	"podsim/sim"
)

// updating says that the tables at the end of the library's files are to be written anew.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

// wantMark begins the table at the end of a scenario file.
const wantMark = "# -- want --\n"

// large are the scenarios whose table would be too long to read; they are run elsewhere.
var large = map[string]bool{"scale-5000.yaml": true, "scale-probed.yaml": true, "two-hundred.yaml": true, "calibration.yaml": true}

// TestLibrary runs each shipped scenario and compares its table with the one that stands at
// the end of the file, in comments. It runs each twice: the same bytes and the same hash.
func TestLibrary(t *testing.T) {
	files, err := filepath.Glob("library/*.yaml")
	require.NoError(t, err)
	files = append(files, "library/shop/shop.yaml")
	for _, path := range files {
		if large[filepath.Base(path)] {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			scenario, want, _ := strings.Cut(string(data), wantMark)
			got, hash := runTable(t, path)
			again, hashAgain := runTable(t, path)
			require.Equal(t, got, again, "the second run differs")
			require.Equal(t, hash, hashAgain, "the second run has another hash")
			if updating() {
				text := strings.TrimRight(scenario, "\n") + "\n\n" + wantMark + got
				require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
				return
			}
			require.NotEmpty(t, want, "no table; `go test ./scenarios -update` writes it")
			require.Equal(t, want, got, "read the difference; `go test ./scenarios -update` takes it over")
		})
	}
}

// tableRow is what the table shows of a pod. A row is printed when it changes.
type tableRow struct{ ready, status, restarts, node, condition string }

// runTable runs a scenario. It gives the table of its pods in comments, and the run's hash.
func runTable(t *testing.T, path string) (table string, hash uint64) {
	sc, err := scenarios.Read(path)
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	last := map[int64]tableRow{}
	rows := [][]string{{"TIME", "POD", "READY", "STATUS", "RESTARTS", "NODE", ""}}
	c.Observe(func(tr model.Transition) {
		if tr.Kind != model.KindPod {
			return
		}
		p := &c.State().Pods[tr.ID]
		k := c.State().PodColumns(p, c.Now())
		row := tableRow{k.Ready, k.Status, fmt.Sprint(p.RestartCount()), k.Node, ""}
		if len(p.Template.Spec.ReadinessGates) > 0 {
			rows[0][6] = "READY CONDITION"
			ready := &p.Status.Conditions[model.PodReady]
			row.condition = strings.TrimSpace(ready.Status.String() + " " + c.State().Texts.String(ready.Reason))
		}
		if resizes(sc) {
			rows[0][6] = "REQUESTS IN FORCE"
			row.condition = inForce(c.State(), p)
		}
		if tr.Type == model.Deleted {
			row.status = "(gone)"
		}
		if last[p.Serial] != row {
			last[p.Serial] = row
			rows = append(rows, []string{tr.At.String(), p.Name, row.ready, row.status, row.restarts, row.node, row.condition})
		}
	}, nil)
	c.Begin()
	c.Run(sc.Duration, nil)
	assert.Empty(t, c.Warnings())
	return comment(rows), c.Hash()
}

func resizes(sc *model.Scenario) bool {
	return slices.ContainsFunc(sc.Steps, func(s model.Step) bool { return s.Verb == model.StepResize })
}

// inForce is what the containers of a pod have, and what is to be said of a resize.
func inForce(s *model.State, p *model.Pod) string {
	var words []string
	for i := range p.Status.Containers {
		if k := &p.Status.Containers[i]; k.Resources != 0 {
			r := s.Templates[k.Resources].ContainerResources(i)
			words = append(words, fmt.Sprintf("%dm %dMi", r.RequestCPU, r.RequestMemory>>20))
		}
	}
	if x := p.Status.Resize; x != nil && x.Pending.Status == model.ConditionTrue {
		words = append(words, s.Texts.String(x.Pending.Reason))
	}
	if x := p.Status.Resize; x != nil && x.InProgress.Status == model.ConditionTrue {
		words = append(words, strings.TrimSpace("InProgress "+s.Texts.String(x.InProgress.Reason)))
	}
	return strings.Join(words, ", ")
}

// comment lays a table out in comment lines.
func comment(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		line := "#"
		for i, cell := range r {
			line += fmt.Sprintf(" %-*s ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// shared is where real input made by others is found beside the checkout.
const shared = "../../shared/manifests"

// TestRealInput runs manifests that other people wrote on three ordinary nodes with cold
// image caches: all their pods end Running and Ready.
func TestRealInput(t *testing.T) {
	if _, err := os.Stat(shared); err != nil {
		t.Skip("no real input: ../shared/manifests is not there")
	}
	files, err := filepath.Glob(shared + "/*/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 6)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c := runManifest(t, path, "")
			pods := 0
			for id := range c.State().Pods {
				p := &c.State().Pods[id]
				if !c.Exists(p.ID) {
					continue
				}
				pods++
				k := c.State().PodColumns(p, c.Now())
				assert.Equal(t, "Running", k.Status, p.Name)
				assert.True(t, p.Status.Ready(), "%s is not ready", p.Name)
			}
			assert.Positive(t, pods)
		})
	}
}

// runManifest runs one manifest for ten minutes; more is added to the scenario's spec.
func runManifest(t *testing.T, path, more string) *sim.Cluster {
	absolute, err := filepath.Abs(path)
	require.NoError(t, err)
	text := fmt.Sprintf(`apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: real}
spec:
  duration: 10m
  nodes:
  - name: worker
    count: 3
    template: {status: {capacity: {cpu: "4", memory: 16Gi}}}
  manifests: [%q]
%s`, absolute, more)
	sc, err := scenarios.ReadBytes("real.yaml", []byte(text), scenarios.OS{})
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	c.Run(sc.Duration, c.Sound)
	return c
}

// TestSeeds shows what people learn first, with the manifests that they learn it from.
func TestSeeds(t *testing.T) {
	if _, err := os.Stat(shared); err != nil {
		t.Skip("no real input: ../shared/manifests is not there")
	}
	t.Run("init containers in order", func(t *testing.T) {
		words := statusWords(t, "pod-init-volume.yaml", "")
		assert.Equal(t, []string{"Pending", "Init:0/2", "Init:1/2", "PodInitializing", "Running"}, words)
	})
	t.Run("an image that is not there", func(t *testing.T) {
		words := statusWords(t, "pod-tomcat.yaml", "  images: [{name: \"tomcat/tomcat-8.5-jre8:v1\", error: notFound}]\n")
		assert.Equal(t, []string{"Pending", "ContainerCreating", "ErrImagePull", "ImagePullBackOff", "ErrImagePull"}, words[:5])
	})
}

// statusWords are the different words of STATUS of a seed's first pod, in their order.
func statusWords(t *testing.T, seed, more string) []string {
	absolute, err := filepath.Abs(shared + "/seeds/" + seed)
	require.NoError(t, err)
	text := fmt.Sprintf("apiVersion: podsim/v1alpha1\nkind: Scenario\nmetadata: {name: seed}\nspec:\n  duration: 5m\n  nodes: [{name: worker, template: {status: {capacity: {cpu: \"4\", memory: 16Gi}}}}]\n  manifests: [%q]\n%s", absolute, more)
	sc, err := scenarios.ReadBytes("seed.yaml", []byte(text), scenarios.OS{})
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	var words []string
	c.Observe(func(tr model.Transition) {
		if tr.Kind != model.KindPod {
			return
		}
		w := c.State().StatusWord(&c.State().Pods[tr.ID])
		if len(words) == 0 || words[len(words)-1] != w {
			words = append(words, w)
		}
	}, nil)
	c.Begin()
	c.Run(sc.Duration, nil)
	return words
}
