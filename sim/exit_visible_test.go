package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/sim"
)

// The runtime says of a process that ends by itself only later that it has ended.
func TestExitVisible(t *testing.T) {
	ends := func(oom bool, exit, killed model.Time) model.Time {
		p := &v1.Pod{}
		p.Name, p.Namespace = "p", "default"
		p.Spec.RestartPolicy = v1.RestartPolicyNever
		p.Spec.Containers = []v1.Container{{Name: "c", Image: "a:1"}}
		model.DefaultPod(p)
		sc := podsScenario(1, 1, p)
		sc.Behaviors = []model.Behavior{{Run: model.Run{For: model.Dist{Value: float64(10 * model.Second)}, OOM: oom}}}
		sc.Latencies.ExitVisible, sc.Latencies.OOMVisible = model.Dist{Value: float64(exit)}, model.Dist{Value: float64(killed)}
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Begin()
		c.Run(sc.Duration, nil)
		for i := range c.State().Pods {
			if o := &c.State().Pods[i]; o.Name == "p" {
				s := &o.Status.Containers[0].State
				return s.FinishedAt - s.StartedAt
			}
		}
		return 0
	}
	at := ends(false, 0, 5*model.Second)
	assert.Equal(t, at+2*model.Second, ends(false, 2*model.Second, 0))
	assert.Equal(t, at, ends(true, 5*model.Second, 0))
	assert.Equal(t, at+3*model.Second, ends(true, 0, 3*model.Second))
}
