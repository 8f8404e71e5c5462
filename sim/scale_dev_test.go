package sim_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
	"podsim/sim"
)

func TestScaleDev(t *testing.T) {
	f := os.Getenv("SCENARIO")
	if f == "" {
		t.Skip("dev")
	}
	sc, err := scenarios.Read(f)
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	start := time.Now()
	c.Begin()
	c.Run(sc.Duration, nil)
	n := c.Counts()
	ready := 0
	st := c.State()
	for i := range st.Pods {
		if st.Pods[i].Status.Ready() {
			ready++
		}
	}
	fmt.Printf("%+v wall %v ready %d pods %d hash %x %.0f events/s\n", n, time.Since(start), ready, len(st.Pods), c.Hash(), float64(n.Events)/time.Since(start).Seconds())
	_ = model.Second
}
