package kubelet_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/model/kubelet"
)

func TestOOMScoreAdj(t *testing.T) {
	const gi = 1 << 30
	memory := func(s string) v1.ResourceList {
		if s == "" {
			return nil
		}
		return v1.ResourceList{"memory": resource.MustParse(s), "cpu": resource.MustParse("1")}
	}
	container := func(request, limit string) v1.Container {
		return v1.Container{Name: "c", Image: "a", Resources: v1.ResourceRequirements{Requests: memory(request), Limits: memory(limit)}}
	}
	always := v1.ContainerRestartPolicyAlways
	sidecar := container("1Gi", "")
	sidecar.Name, sidecar.RestartPolicy = "s", &always
	pod := func(list ...v1.Container) v1.PodSpec { return v1.PodSpec{Containers: list} }
	withSidecar := pod(container("2Gi", ""))
	withSidecar.InitContainers = []v1.Container{sidecar}
	critical := pod(container("1Gi", ""))
	critical.PriorityClassName = "system-node-critical"
	priority, _ := model.SystemPriority("system-node-critical")
	critical.Priority = &priority
	whole := pod(container("1Gi", ""), container("1Gi", ""))
	whole.Containers[1].Name = "d"
	whole.Resources = &v1.ResourceRequirements{Requests: memory("4Gi")}
	for _, x := range []struct {
		name string
		spec v1.PodSpec
		want int64
	}{
		{"guaranteed", pod(container("1Gi", "1Gi")), -997},
		{"best effort", pod(container("", "")), 1000},
		{"half of the node", pod(container("4Gi", "")), 500},
		{"hardly anything", pod(container("1", "")), 999},
		{"more than the node", pod(container("9Gi", "")), 3},
		{"a sidecar is as safe as its containers", withSidecar, 750},
		{"critical for the node", critical, -997},
		{"a part of what the pod requests as a whole", whole, 750},
	} {
		var s model.State
		template := s.Compile("default", nil, nil, &x.spec)
		require.Equal(t, x.want, kubelet.OOMScoreAdj(template, 0, 8*gi), x.name)
	}
}

func TestOOMBadness(t *testing.T) {
	const gi = 1 << 30
	require.Greater(t, kubelet.OOMBadness(1<<20, 1000, 8*gi), kubelet.OOMBadness(7*gi, 3, 8*gi))
	require.Greater(t, kubelet.OOMBadness(5*gi, 500, 8*gi), kubelet.OOMBadness(1<<20, 1000, 8*gi))
	require.Negative(t, kubelet.OOMBadness(7*gi, -997, 8*gi))
}
