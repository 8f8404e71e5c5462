package runner

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/runner/images"
	"podsim/runner/workload"
	"podsim/scenarios"
	"podsim/sim"
)

func TestOwnCommand(t *testing.T) {
	c := &runtimeapi.ContainerConfig{Command: []string{programPath}, Mounts: []*runtimeapi.Mount{{ContainerPath: workload.Directory}, {ContainerPath: "/data"}}}
	ownCommand(c, &v1.Container{Args: []string{"--name=$(NAME)", "$$(NAME)"}}, map[string]string{"NAME": "web"})
	assert.Empty(t, c.Command, "the image's own")
	assert.Equal(t, []string{"--name=web", "$(NAME)"}, c.Args)
	require.Len(t, c.Mounts, 1)
	assert.Equal(t, "/data", c.Mounts[0].ContainerPath)
}

func TestWhereRealContainersAreAsked(t *testing.T) {
	r := &CRI{images: images.NewReal(&model.Scenario{})}
	spec := &v1.PodSpec{Containers: []v1.Container{{Name: "app", Ports: []v1.ContainerPort{{Name: "web", ContainerPort: 8080}}}}}
	p := &pod{address: "127.64.0.1", template: &model.PodTemplate{Spec: spec, Containers: []model.Container{{Name: "app"}}}}
	for want, h := range map[string]*v1.ProbeHandler{
		"127.64.0.1:8080": {HTTPGet: &v1.HTTPGetAction{Port: intstr.FromString("web")}},
		"10.0.0.1:80":     {HTTPGet: &v1.HTTPGetAction{Host: "10.0.0.1", Port: intstr.FromInt32(80)}},
		"127.64.0.1:5432": {TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt32(5432)}},
		"127.64.0.1:9000": {GRPC: &v1.GRPCAction{Port: 9000}},
	} {
		assert.Equal(t, want, r.where(p, 0, 0, h))
	}
	assert.Equal(t, []string{"cat", "/tmp/ready"}, r.execCommand(&v1.ExecAction{Command: []string{"cat", "/tmp/ready"}}, probeCommand(model.Readiness)))
}

// An image of another registry is pulled and run as it is: what the scenario says of its container counts for
// nothing.
func TestRealImagesAsTheyAre(t *testing.T) {
	other, _ := realRegistry(t, &model.Scenario{Images: []model.ImageSpec{{Name: "app", Size: 5000}}})
	sc, err := scenarios.ReadBytes("real.yaml", fmt.Appendf(nil, `apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: real}
spec:
  duration: 6s
  nodes: [{name: worker, template: {status: {capacity: {cpu: "2", memory: 4Gi}}}}]
  behaviors: [{run: {for: 1s, exit: 1}}]
  manifests:
  - apiVersion: v1
    kind: Pod
    metadata: {name: web}
    spec: {hostNetwork: true, containers: [{name: app, image: %q, args: [pause]}]}
`, other.Name("elsewhere", "app")), nil)
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	require.NoError(t, Play(t.Context(), sc, c, Options{Endpoint: realNode(t), RealImages: true, Directory: t.TempDir()}))
	s := c.State()
	for id := 1; id < len(s.Pods); id++ {
		if s.Pods[id].Name == "web" {
			assert.Equal(t, model.PodRunning, s.Pods[id].Status.Phase)
			assert.Zero(t, s.Pods[id].Status.Restarts())
			return
		}
	}
	t.Fatal("no pod web")
}
