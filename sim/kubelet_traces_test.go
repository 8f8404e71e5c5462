package sim_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// recordedAgree are the recordings of a real node that podsim agrees with. The others need what
// podsim does not have yet: they are logged with the first difference.
var recordedAgree = []string{
	"admission-nodename-toobig",
	"deadline", "delete-crashloop", "delete-ignoreterm", "delete-imagepull", "delete-prestop-sleep",
	"delete-readiness", "exit0-always", "exit0-never", "exit1-always", "exit1-never", "gated",
	"image-bad-init", "image-big-pull", "image-denied", "image-invalid", "image-notfound", "image-refused",
	"image-slow-pull", "init-fail-always", "init-fail-never", "init-ok", "liveness-exec", "liveness-http",
	"liveness-ignoreterm", "liveness-never", "multi-always", "multi-one-fails-never", "oom-always",
	"poststart-fail", "readiness-flap", "readiness-gate", "readiness-http", "restart-rules", "run-error",
	"running-delete", "sidecar-crash", "sidecar-ignoreterm-delete", "sidecar-job", "sidecar-job-fail",
	"sidecar-order", "sidecar-startup", "startup-ok", "termination-message", "too-big", "unschedulable",
}

// realNode is how the recordings of the real node were made. The tester counts from its process's
// start, 40 ms before the container's, which came some 60 ms sooner than with podsim's latencies.
var realNode = tester{created: 20300 * model.Millisecond, big: 480 * time.Millisecond, slow: 6700 * time.Millisecond,
	early: 100 * model.Millisecond}

// TestRecordedKubelet compares podsim with recordings of a real node by the rule of
// testdata/README.md.
func TestRecordedKubelet(t *testing.T) {
	files, err := filepath.Glob("testdata/kubelet-traces/*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		pod, recorded, err := readLines(bytes.NewReader(data))
		require.NoError(t, err)
		if pod == nil {
			continue
		}
		difference := recordedDifference(t, pod, recorded)
		if slices.Contains(recordedAgree, name) {
			assert.Empty(t, difference, name)
		} else if difference != "" {
			t.Logf("%s: %s", name, difference)
		} else {
			t.Logf("%s agrees: it belongs into the list", name)
		}
	}
}

// recordedSeeds is the number of runs that a recording is compared with. Chance decides when the
// kubelet's workers wake, and with it which states of a pod are ever published.
const recordedSeeds = 60

// recordedDifference says where a recording is none of what podsim gives for some draw.
func recordedDifference(t *testing.T, pod *v1.Pod, recorded []line) string {
	want := snapshots(recorded)
	within := make([]span, len(want))
	states, events := "", ""
	agree := false
	for seed := range uint64(recordedSeeds) {
		sc := realNode.scenario(pod, seed)
		lines := simulate(t, sc, func(*sim.Cluster) {})
		got := snapshots(lines)
		pairs, ok := align(want, got, coalesced)
		if !ok {
			states = difference(want, got, pairs[0])
			continue
		}
		for _, p := range pairs {
			within[p.want].add(got[p.got].from)
		}
		d := differentEvents(firstEvents(recorded, reasonAndType), firstEvents(lines, reasonAndType))
		if d != "" {
			events = d
		}
		agree = agree || d == ""
	}
	for i := range want {
		if !within[i].near(want[i].from) {
			return within[i].String() + " for " + want[i].String()
		}
	}
	if !agree {
		return states + events
	}
	return ""
}

// realKubelet is how the recordings of the real kubelet in virtual time were made.
var realKubelet = tester{created: 20300 * model.Millisecond, big: 4 * time.Second, slow: 9 * time.Second}

// steadyJitter is the jitter of the exact recordings: not quite none.
const steadyJitter = 8e-6

// exactScenario has the latencies of the real kubelet in virtual time, all constant.
func exactScenario(pod *v1.Pod) *model.Scenario {
	ms := func(n float64) model.Dist { return model.Dist{Value: n * float64(model.Millisecond)} }
	call := model.Dist{Kind: model.DistUniform, Min: 3e6, Max: 6e6}
	none := model.ClientLimit{QPS: -1}
	sc := realKubelet.scenario(pod, 1)
	sc.ControlPlane = model.ControlPlane{Write: call, KubeletSync: ms(3), Kubelet: none, Scheduler: none, ControllerManager: none}
	sc.Latencies = model.Latencies{RunSandbox: ms(150), StopSandbox: ms(60), Create: ms(40), Start: ms(60), Remove: ms(50),
		StopTerm: ms(30), Kill: ms(40), ExecProbe: ms(30), NetProbe: ms(1.5), PullLookup: ms(8)}
	return sc
}

// sharePort lets the containers that serve HTTP share their port, as they do in the recordings.
func sharePort(c *sim.Cluster, pod *v1.Pod) {
	names := map[string]bool{}
	for _, k := range containersOf(pod) {
		for _, a := range k.Args {
			if strings.HasPrefix(a, "http=") {
				names[k.Name] = true
			}
		}
	}
	if len(names) > 1 {
		c.SharePort(names)
	}
}

// The least numbers of the 300 random pods for which podsim gives the sequence of states, the
// states within 50 ms, and the order of the first Events that the real kubelet gives. Of the
// others, three are an artefact of the recordings (the kubelet's stub of the container manager
// cannot read the pod's cgroup, so that a status changes that would not), and in three two
// things happen in the same instant, or within 2 ms.
const (
	randomSequences = 299
	randomTimes     = 294
	randomEvents    = 300
)

// TestRandomKubelet compares podsim with what the real kubelet makes of random pods in virtual
// time without randomness (testdata/README.md).
func TestRandomKubelet(t *testing.T) {
	sequences, times, events := 0, 0, 0
	for _, r := range readRandomPods(t) {
		_, recorded, err := readLines(r.exact())
		require.NoError(t, err)
		lines := simulate(t, exactScenario(r.Pod), func(c *sim.Cluster) {
			c.SteadyKubelets(0, steadyJitter)
			sharePort(c, r.Pod)
		})
		if d := differentEvents(firstEvents(recorded, reasonAndType), firstEvents(lines, reasonAndType)); d != "" {
			t.Logf("%s: %s", r.Name, d)
		} else {
			events++
		}
		want, got := snapshots(recorded), snapshots(lines)
		pairs, ok := align(want, got, coalesced)
		if !ok {
			t.Logf("%s: %s", r.Name, difference(want, got, pairs[0]))
			continue
		}
		sequences++
		if s := late(want, got, pairs, 50); s != "" {
			t.Logf("%s: %s", r.Name, s)
		} else {
			times++
		}
	}
	assert.GreaterOrEqual(t, sequences, randomSequences, "sequences")
	assert.GreaterOrEqual(t, times, randomTimes, "times")
	assert.GreaterOrEqual(t, events, randomEvents, "events")
}

var jittered = flag.Int("jittered", 0, "compare this many random pods with jitter, by up to 200 runs each")

// TestJitteredKubelet counts the recordings with jitter that are one of podsim's possible runs.
func TestJitteredKubelet(t *testing.T) {
	if *jittered == 0 {
		t.Skip("a measurement: -jittered 300")
	}
	agree, total := 0, 0
	for i, r := range readRandomPods(t) {
		if i == *jittered {
			break
		}
		for _, list := range r.Jittered {
			_, recorded, err := readLines(joined(list))
			require.NoError(t, err)
			total++
			if n := jitteredSeed(t, &r, snapshots(recorded)); n >= 0 {
				agree++
			} else {
				t.Logf("%s: recording %d is none of podsim's runs", r.Name, total%3)
			}
		}
	}
	t.Logf("%d of %d", agree, total)
}

// jitteredSeed gives a seed with which podsim has these states, -1 if none was found.
func jitteredSeed(t *testing.T, r *randomPod, want []snapshot) int {
	for seed := range 200 {
		sc := exactScenario(r.Pod)
		sc.Seed = uint64(seed)
		spread(sc)
		lines := simulate(t, sc, func(c *sim.Cluster) {
			c.SteadyKubelets(0, 0.5)
			sharePort(c, r.Pod)
		})
		if _, ok := align(want, snapshots(lines), coalesced); ok {
			return seed
		}
	}
	return -1
}

// spread lets each latency be up to 30 % longer; the pulls of a run are alike.
func spread(sc *model.Scenario) {
	sc.Registries[0].Bandwidth = testerBandwidth * 1000 / (1000 + 3*int64(sc.Seed%100))
	l := &sc.Latencies
	for _, d := range []*model.Dist{&l.RunSandbox, &l.StopSandbox, &l.Create, &l.Start, &l.Remove, &l.StopTerm, &l.Kill,
		&l.ExecProbe, &l.PullLookup} {
		*d = model.Dist{Kind: model.DistUniform, Min: d.Value, Max: 1.3 * d.Value}
	}
}

// randomPod is a random pod and what the real kubelet made of it.
type randomPod struct {
	Name     string
	Pod      *v1.Pod
	Exact    []json.RawMessage
	Jittered [][]json.RawMessage
}

func (r *randomPod) exact() *bytes.Buffer { return joined(r.Exact) }

func joined(lines []json.RawMessage) *bytes.Buffer {
	var b bytes.Buffer
	for _, l := range lines {
		b.Write(l)
		b.WriteByte('\n')
	}
	return &b
}

func readRandomPods(t *testing.T) []randomPod {
	f, err := os.Open("testdata/kubelet-random.jsonl.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var out []randomPod
	for d := json.NewDecoder(z); d.More(); {
		var p randomPod
		require.NoError(t, d.Decode(&p))
		out = append(out, p)
	}
	return out
}
