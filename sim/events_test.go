package sim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// Messages that name different containers are different: from the tenth on they are combined into
// one Event, which stays with the container of the first.
func TestCombinedEvents(t *testing.T) {
	p := imagePod("p", "a:1", "")
	p.Spec.Containers = nil
	for i := range 12 {
		p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: fmt.Sprintf("c%d", i), Image: "a:1"})
	}
	model.DefaultPod(p)
	sc := podsScenario(1, 1, p)
	sc.Duration = 20 * model.Second
	sc.Behaviors = []model.Behavior{{Run: model.Run{For: model.Dist{Value: float64(model.Second)}, Exit: []int32{1}}}}
	c := newCluster(t, sc)
	different := map[string]bool{}
	var combined []int32
	first := int16(-1)
	c.Observe(func(model.Transition) {}, func(e *model.Event) {
		switch {
		case e.Reason != model.EventBackOff:
		case !e.Combined && first < 0:
			different[c.State().EventMessage(e)] = true
		case e.Combined:
			if first < 0 {
				first = e.Container
				assert.Len(t, different, 9)
			}
			assert.Equal(t, first, e.Container)
			assert.Contains(t, c.State().EventMessage(e), "(combined from similar events): Back-off restarting failed container "+p.Spec.Containers[e.About()].Name)
			combined = append(combined, e.Count)
		}
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	assert.Equal(t, []int32{1, 2, 3}, combined[:3])
}

// Each component has a spam filter of its own: what a kubelet has too much of does not keep the
// node controller's Event away.
func TestSpamFilterOfEachSource(t *testing.T) {
	p := imagePod("p", "a:1", "")
	p.Spec.Containers[0].ReadinessProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{}}, PeriodSeconds: 1}
	model.DefaultPod(p)
	sc := podsScenario(1, 2, p)
	b := model.Behavior{Run: model.Run{Forever: true}}
	b.Probes[model.Readiness] = []model.ProbePoint{{Output: "no"}}
	sc.Behaviors = []model.Behavior{b}
	sc.Steps = append(sc.Steps, model.Step{At: model.Minute, Verb: model.StepFail, Kind: model.KindNode, Name: "n0", Failure: model.FailKubelet})
	_, events := eventsOf(t, sc)
	unhealthy, notReady := 0, 0
	for _, e := range events["p"] {
		switch {
		case strings.HasPrefix(e, "Unhealthy "):
			unhealthy++
		case strings.HasPrefix(e, "NodeNotReady "):
			notReady++
		}
	}
	assert.Equal(t, 25, unhealthy)
	assert.Equal(t, 1, notReady)
}
