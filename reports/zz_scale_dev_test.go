package reports_test

import (
	"os"
	"testing"

	"podsim/reports"
	"podsim/scenarios"
	"podsim/sim"
)

func TestScaleDev(t *testing.T) {
	dir := os.Getenv("SCALE_DIR")
	if dir == "" {
		t.Skip()
	}
	sc, err := scenarios.Read("../scenarios/library/scale-5000.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := sim.NewCluster(sc)
	if err != nil {
		t.Fatal(err)
	}
	w, err := reports.NewWriter(dir, c.State(), reports.RunInfo{})
	if err != nil {
		t.Fatal(err)
	}
	c.Observe(w.Transition, w.Event)
	c.Begin()
	c.Run(sc.Duration, func() bool { return true })
	if err := w.Close(reports.RunInfo{}); err != nil {
		t.Fatal(err)
	}
}
