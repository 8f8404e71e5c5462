package sim_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// randomPod is a line of kubelet-random.jsonl.gz: a random pod and what the real kubelet made
// of it in virtual time.
type randomPod struct {
	Name     string
	Pod      *v1.Pod
	Exact    []json.RawMessage
	Jittered [][]json.RawMessage
}

func readRandomPods(t *testing.T) []randomPod {
	f, err := os.Open("../../shared/kubelet-random.jsonl.gz")
	if err != nil {
		t.Skip("the recordings of ../shared are not here")
	}
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

// exactScenario has the latencies of the real kubelet in virtual time.
func exactScenario(pod *v1.Pod) *model.Scenario {
	ms := func(n float64) model.Dist { return model.Dist{Value: n * float64(model.Millisecond)} }
	call := model.Dist{Kind: model.DistUniform, Min: 3e6, Max: 6e6}
	none := model.ClientLimit{QPS: -1}
	sc := testerScenario(pod, 20300*model.Millisecond, 1)
	sc.ControlPlane = model.ControlPlane{Write: call, KubeletSync: ms(3), Kubelet: none, Scheduler: none, ControllerManager: none}
	sc.Latencies = model.Latencies{RunSandbox: ms(150), StopSandbox: ms(60), Create: ms(40), Start: ms(60), Remove: ms(50),
		StopTerm: ms(30), Kill: ms(40), ExecProbe: ms(30), NetProbe: ms(1.5), PullLookup: ms(8)}
	return sc
}

func TestRandomKubelet(t *testing.T) {
	agree := 0
	for _, r := range readRandomPods(t) {
		_, recorded, err := readLines(bytes.NewReader(bytes.Join(raw(r.Exact), []byte("\n"))))
		require.NoError(t, err)
		sc := exactScenario(r.Pod)
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Begin()
		c.SteadyKubelets(0, 8e-6)
		sharePort(c, r.Pod)
		lines := simulate(c, sc)
		want, got := snapshots(recorded), snapshots(lines)
		pairs, ok := align(want, got)
		if !ok {
			fmt.Printf("%s: %s\n", r.Name, difference(want, got, pairs[0]))
			continue
		}
		if s := late(want, got, pairs, func(a, b int64) bool { return a-b <= 50 && b-a <= 50 }); s != "" {
			fmt.Printf("%s: %s\n", r.Name, s)
			continue
		}
		agree++
	}
	fmt.Println("agree", agree)
}

func raw(list []json.RawMessage) [][]byte {
	var out [][]byte
	for _, x := range list {
		out = append(out, x)
	}
	return out
}

// sharePort lets the containers that serve HTTP share their port.
func sharePort(c *sim.Cluster, pod *v1.Pod) {
	names := map[string]bool{}
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			for _, a := range list[i].Args {
				if strings.HasPrefix(a, "http=") {
					names[list[i].Name] = true
				}
			}
		}
	}
	if len(names) > 1 {
		c.SharePort(names)
	}
}
