package sim_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"podsim/sim"
)

func TestKDev(t *testing.T) {
	name := os.Getenv("K")
	if name == "" {
		t.Skip()
	}
	short := strings.NewReplacer("ContainersReady", "CR", "PodReadyToStartContainers", "RTS", "PodScheduled", "S", "Initialized", "I", "ContainersNotReady", "-", "ContainersNotInitialized", "-", "=True", "+", "=False", "-", "MODIFIED ", "")
	show := func(side string, lines []line) {
		for i := range lines {
			l := &lines[i]
			if l.Type == "event" {
				fmt.Printf("%s %8.3f     EV %s %s x%d %.60s\n", side, float64(l.Ms)/1000, l.Event, l.Field, l.Count, l.Message)
			} else {
				fmt.Printf("%s %8.3f  %s\n", side, float64(l.Ms)/1000, short.Replace(l.words()))
			}
		}
	}
	for _, r := range readRandomPods(t) {
		if r.Name != name {
			continue
		}
		_, recorded, err := readLines(bytes.NewReader(bytes.Join(raw(r.Exact), []byte("\n"))))
		require.NoError(t, err)
		sc := exactScenario(r.Pod)
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Begin()
		c.SteadyKubelets(0, 8e-6)
		sharePort(c, r.Pod)
		lines := simulate(c, sc)
		for _, b := range r.Pod.Spec.InitContainers {
			fmt.Println("init", b.Name, b.Image, b.Args, b.RestartPolicy, b.LivenessProbe, b.ReadinessProbe, b.StartupProbe, b.Lifecycle)
		}
		for _, b := range r.Pod.Spec.Containers {
			fmt.Println("main", b.Name, b.Image, b.Args, b.LivenessProbe, b.ReadinessProbe, b.StartupProbe, b.Lifecycle)
		}
		fmt.Println(r.Pod.Spec.RestartPolicy, *r.Pod.Spec.TerminationGracePeriodSeconds, r.Pod.Spec.ActiveDeadlineSeconds, r.Pod.Annotations)
		show("want", recorded)
		show("got ", lines)
	}
}
