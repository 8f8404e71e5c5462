package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// A part of a registry may be slower than the rest of it.
func TestRegistryByRepository(t *testing.T) {
	sc := podsScenario(1, 1)
	sc.Duration = model.Minute
	sc.Registries = []model.Registry{{Host: "r.example/slow/*", Connection: 1e6}, {Host: "r.example", Connection: 100e6}}
	sc.Steps = nil
	for _, name := range []string{"slow/a", "b"} {
		image := "r.example/" + name + ":1"
		sc.Images = append(sc.Images, model.ImageSpec{Name: image, Size: 10e6})
		pod := &v1.Pod{}
		pod.Name, pod.Namespace = name[len(name)-1:], "default"
		pod.Spec.Containers = []v1.Container{{Name: "c", Image: image}}
		model.DefaultPod(pod)
		sc.Steps = append(sc.Steps, model.Step{Objects: []model.Object{{Object: pod}}})
	}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	took := map[string]model.Time{}
	c.Observe(nil, func(e *model.Event) {
		if e.Reason == model.EventPulled {
			took[c.State().Pods[e.ID].Name] = model.Time(e.Message.N)
		}
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	require.InDelta(t, 10, took["a"].Seconds(), 0.2)
	require.InDelta(t, 0.2, took["b"].Seconds(), 0.15)
}
