package sim_test

import (
	"testing"

	"podsim/model"
	"podsim/sim/runtimetest"
)

// TestRuntime is the conformance suite of the runtime interface, of the simulated runtime.
func TestRuntime(t *testing.T) {
	runtimetest.Run(t, func(t *testing.T, sc *model.Scenario) runtimetest.Node {
		c := newCluster(t, sc)
		return runtimetest.Node{Cluster: c, Begin: c.Begin, Run: func(until model.Time, done func() bool) {
			for !done() {
				if at, ok := c.Next(); !ok || at > until {
					c.Advance(until)
					return
				}
				c.Step()
			}
		}}
	})
}
