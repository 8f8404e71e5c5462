package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// Containers with the same name and image are told apart by their command line.
func TestBehaviorByArgs(t *testing.T) {
	sc := podsScenario(1, 1)
	sc.Duration = model.Minute
	sc.Behaviors = []model.Behavior{
		{Args: "*--fail*", Run: model.Run{Exit: []int32{3}}},
		{Args: "run", Run: model.Run{Exit: []int32{4}}},
	}
	sc.Steps = nil
	for name, args := range map[string][]string{"a": {"--fail", "soon"}, "b": nil, "c": {"--slow", "--fail"}} {
		pod := &v1.Pod{}
		pod.Name, pod.Namespace = name, "default"
		pod.Spec.RestartPolicy = v1.RestartPolicyNever
		pod.Spec.Containers = []v1.Container{{Name: "c", Image: "i", Command: []string{"run"}, Args: args}}
		model.DefaultPod(pod)
		sc.Steps = append(sc.Steps, model.Step{Objects: []model.Object{{Object: pod}}})
	}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	c.Run(sc.Duration, nil)
	for i := range c.State().Pods[1:] {
		p := &c.State().Pods[1+i]
		require.Equal(t, map[string]int32{"a": 3, "b": 4, "c": 3}[p.Name], p.Status.Containers[0].State.ExitCode, p.Name)
	}
}
