package sim_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// gatedPod is a pod with two readiness gates, one and two.
func gatedPod(name string) *v1.Pod {
	p := imagePod(name, "a:1", "")
	p.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "one"}, {ConditionType: "two"}}
	return p
}

// setCondition is a step that sets a condition of pods.
func setCondition(at model.Time, pods, condition string, status model.ConditionStatus) model.Step {
	return model.Step{At: at, Verb: model.StepSetCondition, Kind: model.KindPod, Namespace: "default", Name: pods,
		Condition: condition, Status: status}
}

// TestReadinessGates looks at the Ready condition after each step, whose message stays until the
// kubelet has seen the change.
func TestReadinessGates(t *testing.T) {
	const s = model.Second
	sc := podsScenario(1, 1, gatedPod("web"), gatedPod("other"))
	sc.Duration = model.Minute
	sc.Steps = append(sc.Steps,
		setCondition(10*s, "we*", "two", model.ConditionTrue),
		setCondition(20*s, "web", "one", model.ConditionFalse),
		setCondition(30*s, "*", "one", model.ConditionTrue),
		setCondition(31*s, "web", "one", model.ConditionTrue),
		setCondition(40*s, "web", "two", model.ConditionUnknown),
		setCondition(50*s, "gone", "two", model.ConditionTrue),
		setCondition(50*s, "web", "three", model.ConditionTrue))
	c := newCluster(t, sc)
	var got []string
	c.Observe(func(tr model.Transition) {
		if tr.Kind != model.KindPod {
			return
		}
		p := &c.State().Pods[tr.ID]
		if p.Name != "web" || p.Status.Conditions[model.ContainersReady].Status != model.ConditionTrue {
			return
		}
		got = append(got, fmt.Sprintf("%ds %v %s", tr.At/s, p.Status.Conditions[model.PodReady].Status, c.State().ConditionMessage(p, model.PodReady)))
	}, nil)
	c.Begin()
	c.Run(sc.Duration, c.Sound)
	none := `corresponding condition of pod readiness gate "one" does not exist.`
	assert.Equal(t, []string{
		"0s False " + none + `, corresponding condition of pod readiness gate "two" does not exist.`,
		"10s False " + none + `, corresponding condition of pod readiness gate "two" does not exist.`,
		"10s False " + none,
		"20s False " + none,
		`20s False the status of pod readiness gate "one" is not "True", but False`,
		`30s False the status of pod readiness gate "one" is not "True", but False`,
		"30s True ",
		"40s True ",
		`40s False the status of pod readiness gate "two" is not "True", but Unknown`,
	}, got)
	assert.Equal(t, []string{":0: setCondition at 50s: Pod default/gone is not there",
		`:0: setCondition at 50s: pod default/web has no readiness gate "three"`}, c.Warnings())
}

// TestRandomReadinessGates changes gates at random, also while a probe changes the container's
// readiness: in the end Ready is what the two say.
func TestRandomReadinessGates(t *testing.T) {
	for seed := int64(1); seed <= 300; seed++ {
		r := rand.New(rand.NewSource(seed))
		p := gatedPod("web")
		if r.Intn(2) == 0 {
			k := p.Spec.Containers[0]
			k.Name, k.RestartPolicy = "sidecar", pointer(v1.ContainerRestartPolicyAlways)
			p.Spec.InitContainers = []v1.Container{k}
		}
		p.Spec.Containers[0].ReadinessProbe = randomProbe(r)
		model.DefaultPod(p)
		sc := podsScenario(uint64(seed), 1, p)
		sc.Duration = model.Minute
		sc.Behaviors = []model.Behavior{{Run: model.Run{Forever: true}}}
		for at := model.Time(0); at < 40*model.Second; at += model.Time(r.Int63n(int64(5 * model.Second))) {
			sc.Behaviors[0].Probes[model.Readiness] = append(sc.Behaviors[0].Probes[model.Readiness], model.ProbePoint{At: at, OK: r.Intn(2) == 0})
		}
		for at := model.Time(0); at < 50*model.Second; at += model.Time(r.Int63n(int64(one(r, 10*model.Millisecond, 5*model.Second)))) {
			status := one(r, model.ConditionTrue, model.ConditionTrue, model.ConditionTrue, model.ConditionFalse, model.ConditionUnknown)
			sc.Steps = append(sc.Steps, setCondition(at, "web", one(r, "one", "two"), status))
		}
		c := newCluster(t, sc)
		c.Begin()
		c.Run(sc.Duration, c.Sound)
		o := podNamed(c, "web")
		met := o.Status.GateStatuses().At(0) == model.ConditionTrue && o.Status.GateStatuses().At(1) == model.ConditionTrue
		want := o.Status
		want.SetReady(o.Template, sc.Duration)
		assert.Equal(t, want.Conditions[model.PodReady].Message, o.Status.Conditions[model.PodReady].Message, "seed %d", seed)
		assert.Equal(t, met && o.Status.Conditions[model.ContainersReady].Status == model.ConditionTrue, o.Status.Ready(), "seed %d", seed)
	}
}
