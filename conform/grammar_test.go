package conform_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/conform"
)

// testerPod is a pod with a container that is written in JSON without its name and image.
func testerPod(t *testing.T, container string) *v1.Pod {
	pod := &v1.Pod{}
	text := `{"metadata":{"name":"p","annotations":{"trace/seconds":"20"}},"spec":{"containers":[{"name":"c","image":"127.0.0.1:25000/tester:1",` +
		strings.TrimPrefix(container, "{") + `]}}`
	require.NoError(t, json.Unmarshal([]byte(text), pod))
	return pod
}

func TestWhatTheTesterDoesNotKnow(t *testing.T) {
	for container, want := range map[string]string{
		`{"args":["sleep=3","exit=0"]}`:                                                  `container c: argument "sleep=3" is not one of the tester's, want sleep=DUR`,
		`{"args":["exit=256"]}`:                                                          `argument "exit=256"`,
		`{"args":["exit"]}`:                                                              `argument "exit"`,
		`{"args":["forever=1"]}`:                                                         `argument "forever=1"`,
		`{"args":["burn=2"]}`:                                                            `argument "burn=2"`,
		`{"args":["alloc=much"]}`:                                                        `argument "alloc=much"`,
		`{"args":["write=big:10"]}`:                                                      `argument "write=big:10"`,
		`{"args":["http=:web"]}`:                                                         `argument "http=:web"`,
		`{"command":["/tester","wait"]}`:                                                 `argument "wait"`,
		`{"image":"registry.example/x:1"}`:                                               `image "registry.example/x:1" is of no registry of the recordings`,
		`{"livenessProbe":{"exec":{"command":["/bin/true"]}}}`:                           `the probe's command ["/bin/true"] is not known, want /tester`,
		`{"livenessProbe":{"exec":{}}}`:                                                  `the probe's command [] is not known`,
		`{"readinessProbe":{"exec":{"command":["/tester","probe"]}}}`:                    `the probe "/tester probe" is not one of the tester's`,
		`{"readinessProbe":{"exec":{"command":["/tester","probe","after"]}}}`:            `the probe "/tester probe after"`,
		`{"readinessProbe":{"exec":{"command":["/tester","probe","flap","0","0"]}}}`:     `the probe "/tester probe flap 0 0"`,
		`{"startupProbe":{"exec":{"command":["/tester","hum"]}}}`:                        `argument "hum"`,
		`{"startupProbe":{"httpGet":{"path":"/after?n=3","port":80}}}`:                   `the probe "/after?n=3"`,
		`{"lifecycle":{"preStop":{"exec":{"command":["/tester","sleep"]}}}}`:             `argument "sleep"`,
		`{"lifecycle":{"postStart":{"exec":{}}}}`:                                        `a hook has an empty command`,
		`{"readinessProbe":{"exec":{"command":["/tester","probe","until","3","more"]}}}`: `the probe "/tester probe until 3 more"`,
	} {
		r := conform.Recording{Name: "p", Pod: testerPod(t, container), Lines: []conform.Line{{Type: "ADDED"}}}
		_, err := conform.Kubelet(&r)
		require.ErrorContains(t, err, want, container)
	}
}

func TestPodWithoutNames(t *testing.T) {
	pod := testerPod(t, `{"args":["forever"]}`)
	pod.Spec.Containers[0].Name = ""
	for _, p := range []*v1.Pod{{}, pod} {
		_, err := conform.Kubelet(&conform.Recording{Name: "p", Pod: p, Lines: []conform.Line{{Type: "ADDED"}}})
		require.ErrorContains(t, err, "no name")
	}
}

func TestAnnotationsAndRequests(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"trace/seconds", "soon", `annotation trace/seconds is "soon", want a number of seconds`},
		{"trace/seconds", "NaN", `annotation trace/seconds is "NaN"`},
		{"trace/delete-after", "-3", `annotation trace/delete-after is "-3"`},
		{"trace/gates", "3 example.com/gate", `annotation trace/gates is "3 example.com/gate", want SECONDS TYPE STATUS`},
		{"trace/evict-after", "3", "annotation trace/evict-after is not known, want trace/seconds, trace/delete-after or trace/gates"},
	} {
		pod := testerPod(t, `{"args":["forever"]}`)
		pod.Annotations[c.key] = c.value
		_, err := conform.Kubelet(&conform.Recording{Name: "p", Pod: pod, Lines: []conform.Line{{Type: "ADDED"}}})
		require.ErrorContains(t, err, c.want)
	}
	lines := []conform.Line{{Type: "ADDED"}, {Type: "request", Ms: 1500, Message: "EVICT"}}
	_, err := conform.Kubelet(&conform.Recording{Name: "p", Pod: testerPod(t, `{"args":["forever"]}`), Lines: lines})
	require.ErrorContains(t, err, `request "EVICT" at 1.500s is not known, want DELETE`)
}

// simulated are the different messages of a pod's Events on the real node's settings.
func simulated(t *testing.T, pod *v1.Pod) string {
	lines, err := conform.Simulate(conform.RealNode().Scenario(pod, 1))
	require.NoError(t, err)
	var messages []string
	for i := range lines {
		messages = append(messages, lines[i].Message)
	}
	return strings.Join(messages, "\n")
}

// The tester's server listens from the start on the port that its arguments say, and has the pages that they say.
func TestServer(t *testing.T) {
	pod := testerPod(t, `{"args":["http=:8080","forever"],"readinessProbe":{"httpGet":{"path":"/until?s=600","port":8080},"periodSeconds":1}}`)
	assert.NotContains(t, simulated(t, pod), "Unhealthy")
	assert.NotContains(t, simulated(t, pod), "statuscode")

	pod.Spec.Containers[0].ReadinessProbe.HTTPGet.Path = "/lost"
	assert.Contains(t, simulated(t, pod), "HTTP probe failed with statuscode: 404")

	pod.Spec.Containers[0].ReadinessProbe.HTTPGet.Port = intstr.FromInt32(9090)
	assert.Contains(t, simulated(t, pod), "connect: connection refused")

	pod = testerPod(t, `{"args":["forever"],"livenessProbe":{"tcpSocket":{"port":8080},"periodSeconds":1}}`)
	assert.Contains(t, simulated(t, pod), "connect: connection refused")
	other := *pod.Spec.Containers[0].DeepCopy()
	other.Name, other.Args, other.LivenessProbe = "other", []string{"http=:8080", "forever"}, nil
	pod.Spec.Containers = append(pod.Spec.Containers, other)
	assert.NotContains(t, simulated(t, pod), "refused", "another container of the pod listens")
}
