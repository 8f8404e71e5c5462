package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
	"podsim/sim"
)

func TestProbeWords(t *testing.T) {
	exec := v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"cat", "/ready"}}}
	http := v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/ready?a=b", Port: intstr.FromString("web")}}
	tcp := v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt32(81)}}
	grpc := v1.ProbeHandler{GRPC: &v1.GRPCAction{Port: 82}}
	lost := v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Port: intstr.FromString("wep")}}
	slow := model.Dist{Value: float64(3 * model.Second)}
	for _, c := range []struct {
		name    string
		handler v1.ProbeHandler
		point   model.ProbePoint
		want    string
	}{
		{"a command fails", exec, model.ProbePoint{Output: "not yet\n"}, "Unhealthy Readiness probe failed: not yet\n"},
		{"a command fails silently", exec, model.ProbePoint{}, "Unhealthy Readiness probe failed: "},
		{"a command hangs", exec, model.ProbePoint{OK: true, Takes: slow},
			`Unhealthy Readiness probe failed: command timed out: "cat /ready" timed out after 2s`},
		{"a server is busy", http, model.ProbePoint{}, "Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 503"},
		{"a server lacks it", http, model.ProbePoint{Status: 404}, "Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 404"},
		{"a server sends elsewhere", http, model.ProbePoint{OK: true, Status: 302, Output: "Found"},
			"ProbeWarning Readiness probe warning: Probe terminated redirects, Response body: Found"},
		{"a server hangs", http, model.ProbePoint{OK: true, Takes: slow},
			`Unhealthy Readiness probe failed: Get "http://IP:80/ready?a=b": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`},
		{"no server", http, model.ProbePoint{Refused: true},
			`Unhealthy Readiness probe failed: Get "http://IP:80/ready?a=b": dial tcp IP:80: connect: connection refused`},
		{"a port without a server", tcp, model.ProbePoint{}, "Unhealthy Readiness probe failed: dial tcp IP:81: connect: connection refused"},
		{"a port that hangs", tcp, model.ProbePoint{OK: true, Takes: slow}, "Unhealthy Readiness probe failed: dial tcp IP:81: i/o timeout"},
		{"a service says no", grpc, model.ProbePoint{}, `Unhealthy Readiness probe failed: service unhealthy (responded with "NOT_SERVING")`},
		{"a service hangs", grpc, model.ProbePoint{OK: true, Takes: slow}, "Unhealthy Readiness probe failed: timeout: health rpc did not complete within 2s"},
		{"no service", grpc, model.ProbePoint{Refused: true},
			`Unhealthy Readiness probe failed: timeout: failed to connect service "IP:82" within 2s: context deadline exceeded`},
		{"no such port", lost, model.ProbePoint{OK: true},
			`Unhealthy Readiness probe errored and resulted in unknown state: port "wep" not found`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := imagePod("p", "a:1", "")
			k := &p.Spec.Containers[0]
			k.Ports = []v1.ContainerPort{{Name: "web", ContainerPort: 80}}
			k.ReadinessProbe = &v1.Probe{ProbeHandler: c.handler, PeriodSeconds: 5, TimeoutSeconds: 2}
			model.DefaultPod(p)
			sc := podsScenario(1, 1, p)
			sc.Duration = 20 * model.Second
			b := model.Behavior{Run: model.Run{Forever: true}}
			b.Probes[model.Readiness] = []model.ProbePoint{c.point}
			sc.Behaviors = append(sc.Behaviors, b)
			cluster, events := eventsOf(t, sc)
			words := strings.Join(events["p"], "|")
			pod := podNamed(cluster, "p")
			require.NotEmpty(t, cluster.State().IP(pod))
			assert.Contains(t, words+"|", strings.ReplaceAll(c.want, "IP", cluster.State().IP(pod))+"|")
			assert.Equal(t, c.point.OK && c.point.Status > 0, pod.Status.Ready())
		})
	}
}

// firstReady runs pods on a kubelet of this age and gives when each became Ready, which takes one
// probe of a period of 20 s.
func firstReady(t *testing.T, age model.Time) []model.Time {
	const pods = 50
	var list []*v1.Pod
	for i := range pods {
		p := imagePod(fmt.Sprintf("p%d", i), "a:1", "")
		p.Spec.NodeName = "n0"
		p.Spec.Containers[0].ReadinessProbe = &v1.Probe{PeriodSeconds: 20, ProbeHandler: v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt32(80)}}}
		model.DefaultPod(p)
		list = append(list, p)
	}
	sc := podsScenario(1, 1, list...)
	sc.ControlPlane.KubeletAge = model.Dist{Value: float64(age)}
	sc.ControlPlane.Kubelet.QPS = -1
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	var ready []model.Time
	seen := map[int32]bool{}
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindPod && !seen[tr.ID] && c.State().Pods[tr.ID].Status.Ready() {
			seen[tr.ID] = true
			ready = append(ready, tr.At)
		}
	}, nil)
	c.Begin()
	c.Run(model.Minute, nil)
	require.Len(t, ready, pods)
	return ready
}

// A kubelet that has just begun spreads the first runs of probes over their period, an old one
// does not.
func TestYoungKubeletSpreadsProbes(t *testing.T) {
	old := firstReady(t, 10*model.Minute)
	assert.Less(t, old[len(old)-1], 5*model.Second)
	young := firstReady(t, model.Second)
	assert.Less(t, young[0], 5*model.Second)
	assert.Greater(t, young[len(young)-1], 15*model.Second)
}
