package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

// What the kubelet finds out about its node is published by its next node status update, with its
// Event; what comes and goes between two updates is not seen.
func TestNodeStatusUpdate(t *testing.T) {
	for _, takes := range []model.Time{0, 10 * model.Second} {
		sc := podsScenario(1, 1)
		sc.ControlPlane.KubeletNodeStatus = takes
		c := newCluster(t, sc)
		var events []string
		c.Observe(nil, func(e *model.Event) {
			if e.Kind == model.KindNode {
				events = append(events, e.Reason.String())
			}
		})
		c.Begin()
		n := &c.State().Nodes[1]
		published := func(on bool) model.Time {
			c.SetPressure(1, model.NodeMemoryPressure, on)
			for at, ok := c.Next(); ok && (n.Conditions[model.NodeMemoryPressure].Status == model.ConditionTrue) != on; at, ok = c.Next() {
				require.Less(t, at, 200*model.Second)
				c.Step()
			}
			return c.Now()
		}
		first := published(true)
		assert.LessOrEqual(t, first, 10*model.Second+400*model.Millisecond+takes+5*model.Millisecond)
		assert.Equal(t, model.ReasonKubeletHasInsufficientMemory, n.Conditions[model.NodeMemoryPressure].Reason)
		second := published(false) - first
		assert.GreaterOrEqual(t, second, 10*model.Second+takes-5*model.Millisecond)
		assert.LessOrEqual(t, second, 10*model.Second+400*model.Millisecond+takes+5*model.Millisecond)
		c.SetPressure(1, model.NodePIDPressure, true)
		c.SetPressure(1, model.NodePIDPressure, false)
		c.Run(c.Now()+100*model.Second, nil)
		assert.Equal(t, []string{"NodeHasInsufficientMemory", "NodeHasSufficientMemory"}, events)
	}
}
