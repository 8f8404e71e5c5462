package sim_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

var (
	swarmSeed = flag.Int64("swarm-seed", 0, "run only this swarm")
	swarms    = flag.Int64("swarms", 150, "the number of swarms")
)

// rareSwarms are seeds beyond the usual number with which something was found.
var rareSwarms = []int64{3459, 5069, 8559}

// TestSwarm runs small clusters with loads and faults drawn from a seed, and looks for
// contradictions after every event. The seed is printed when one is found.
func TestSwarm(t *testing.T) {
	if *swarmSeed != 0 {
		runSwarm(t, *swarmSeed)
		return
	}
	placements := int64(0)
	for seed := int64(1); seed <= *swarms; seed++ {
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { placements += runSwarm(t, seed) }) {
			return
		}
	}
	require.Greater(t, placements, 5**swarms, "the swarms hardly place a pod")
	for _, seed := range rareSwarms {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runSwarm(t, seed) })
	}
}

// TestPreemptionSwarm runs swarms in which there is too little room, with pods of several priorities.
func TestPreemptionSwarm(t *testing.T) {
	preempted := 0
	for seed := int64(1); seed <= *swarms/2; seed++ {
		if *swarmSeed != 0 && seed != *swarmSeed {
			continue
		}
		sc := swarm(seed)
		crowd(rand.New(rand.NewSource(seed)), sc)
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Observe(nil, func(e *model.Event) {
			if e.Reason == model.EventPreempted {
				preempted++
			}
		})
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runCluster(t, c, sc, seed, "TestPreemptionSwarm") })
	}
	if *swarmSeed == 0 {
		require.Greater(t, preempted, int(*swarms/2), "the swarms hardly preempt a pod")
	}
}

// crowd gives the workloads of a swarm priorities and requests, a budget, and pods that come later.
func crowd(r *rand.Rand, sc *model.Scenario) {
	change := func(spec *v1.PodSpec) {
		level := int32(r.Intn(3) * 10)
		spec.Priority = &level
		spec.Containers[0].Resources.Requests = v1.ResourceList{"cpu": *resource.NewMilliQuantity(int64(200+r.Intn(800)), resource.DecimalSI)}
	}
	for i := range sc.Steps {
		for _, o := range sc.Steps[i].Objects {
			switch o := o.Object.(type) {
			case *appsv1.Deployment:
				change(&o.Spec.Template.Spec)
			case *v1.Pod:
				change(&o.Spec)
			}
		}
	}
	one := intstr.FromInt32(1)
	sc.Steps[0].Objects = append(sc.Steps[0].Objects, model.Object{Object: &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: "default"},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "d0"}}}}})
	for i := range 8 {
		p := drawPod(r, fmt.Sprintf("late%d", i))
		change(&p.Spec)
		p.Spec.NodeName = ""
		if r.Intn(3) == 0 {
			priority := int32(critical)
			p.Spec.NodeName, p.Spec.Priority = fmt.Sprintf("n%d", r.Intn(len(sc.Nodes))), &priority
		}
		sc.Steps = append(sc.Steps, applied(model.Time(r.Int63n(int64(sc.Duration))), p))
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
}

// runSwarm gives the number of pods that were placed.
func runSwarm(t *testing.T, seed int64) int64 {
	sc := swarm(seed)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	return runCluster(t, c, sc, seed, "TestSwarm")
}

func runCluster(t *testing.T, c *sim.Cluster, sc *model.Scenario, seed int64, test string) int64 {
	w := newWatcher(c, sc)
	happened := "the beginning"
	defer func() {
		if wrong := recover(); wrong != nil {
			t.Fatalf("%v\nat %s, after %s\nto run it alone: go test ./sim -run %s -swarm-seed %d", wrong, c.Now(), happened, test, seed)
		}
	}()
	c.Begin()
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		require.GreaterOrEqual(t, at, c.Now(), "swarm %d: time runs backwards", seed)
		c.StepTold(&happened)
		c.Check()
		w.look()
	}
	return c.Counts().Placements
}

// swarm draws a scenario.
func swarm(seed int64) *model.Scenario {
	r := rand.New(rand.NewSource(seed))
	sc := &model.Scenario{Seed: uint64(seed), Duration: model.Time(2+r.Intn(6)) * model.Minute, Start: time.Unix(1767600000, 0).UTC(),
		ControlPlane: model.DefaultControlPlane(), Latencies: steadyLatencies()}
	if r.Intn(3) == 0 {
		sc.ControlPlane.ControllerManager.QPS = -1
	}
	if seed%3 == 0 {
		sc.Latencies.ConcurrencyPerCPU = 0.25 * float64(1+seed/3%4)
	}
	for i := range 1 + r.Intn(4) {
		room := v1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi"), "pods": resource.MustParse("12")}
		n := &v1.Node{Status: v1.NodeStatus{Capacity: room, Allocatable: room}}
		sc.Nodes = append(sc.Nodes, model.NodeSpec{Name: fmt.Sprintf("n%d", i), Object: n, Images: []string{"a:1"}})
	}
	sc.Images = randomImages
	first := model.Step{Verb: model.StepApply}
	for i := range 1 + r.Intn(4) {
		first.Objects = append(first.Objects, model.Object{Object: swarmDeployment(r, i)})
	}
	for i := range r.Intn(4) {
		p := drawPod(r, fmt.Sprintf("p%d", i))
		first.Objects = append(first.Objects, model.Object{Object: p})
	}
	sc.Steps = append(sc.Steps, first)
	at := model.Time(0)
	for range r.Intn(12) {
		at += model.Time(r.Int63n(int64(40 * model.Second)))
		s := swarmStep(r, at, len(sc.Nodes))
		sc.Steps = append(sc.Steps, s)
		if s.Verb == model.StepFail && r.Intn(2) == 0 {
			at += model.Time(r.Int63n(3)) * model.Time(r.Int63n(int64(3*model.Second)))
			s.At, s.Verb = at, model.StepRecover
			sc.Steps = append(sc.Steps, s)
		}
		if r.Intn(12) == 0 {
			s.Kind, s.Verb, s.For = model.KindNode, model.StepShutdown, model.Time(r.Intn(40))*model.Second
			s.Name = sc.Nodes[r.Intn(len(sc.Nodes))].Name
			sc.Steps = append(sc.Steps, s)
		}
	}
	if r.Intn(2) == 0 {
		c := kubeletconfig.Default()
		c.ShutdownGracePeriod.Duration = time.Duration(r.Intn(30)) * time.Second
		c.ShutdownGracePeriodCriticalPods.Duration = c.ShutdownGracePeriod.Duration / time.Duration(1+r.Intn(3))
		for i := range sc.Nodes {
			sc.Nodes[i].Kubelet = c
		}
	}
	for range 3 {
		sc.Behaviors = append(sc.Behaviors, swarmBehavior(r))
	}
	again := rand.New(rand.NewSource(seed ^ 1<<40))
	for range again.Intn(6) * again.Intn(2) {
		sc.Steps = append(sc.Steps, swarmResize(again, sc.Duration))
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	return sc
}

// swarmResize resizes all pods of a name or of a Deployment.
func swarmResize(r *rand.Rand, before model.Time) model.Step {
	s := model.Step{At: model.Time(r.Int63n(int64(before))), Verb: model.StepResize, Kind: model.KindPod, Namespace: "default",
		Name: fmt.Sprintf("%s%d*", one(r, "p", "d"), r.Intn(4)), Container: one(r, "c0", "c1", "c", "app")}
	s.Requests = v1.ResourceList{"cpu": *resource.NewMilliQuantity(int64(100+r.Intn(1200)), resource.DecimalSI)}
	return s
}

func swarmDeployment(r *rand.Rand, i int) *appsv1.Deployment {
	name := fmt.Sprintf("d%d", i)
	labels := map[string]string{"app": name}
	replicas := int32(r.Intn(7))
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	d.Spec = appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: randomPodSpec(r)}, MinReadySeconds: int32(r.Intn(2) * r.Intn(8))}
	if r.Intn(4) == 0 {
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	} else if r.Intn(2) == 0 {
		surge, unavailable := intstr.FromInt32(int32(r.Intn(3))), intstr.FromInt32(int32(1+r.Intn(2)))
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable}
	}
	model.DefaultDeployment(d)
	return d
}

func swarmBehavior(r *rand.Rand) model.Behavior {
	b := randomBehavior(r)
	b.Container = one(r, "c0", "c1", "i0", "i1", "*")
	return b
}

func swarmStep(r *rand.Rand, at model.Time, nodes int) model.Step {
	s := model.Step{At: at, Kind: model.KindNode, Namespace: "default", Name: fmt.Sprintf("n%d", r.Intn(nodes)), GraceSeconds: -1, Container: "*"}
	switch r.Intn(9) {
	case 0:
		s.Verb, s.Kind, s.Name, s.Replicas = model.StepScale, model.KindDeployment, fmt.Sprintf("d%d", r.Intn(4)), int32(r.Intn(8))
	case 1:
		s.Verb, s.Kind, s.Name, s.Image = model.StepSetImage, model.KindDeployment, fmt.Sprintf("d%d", r.Intn(4)), []string{"a:1", "a:2", "gone:1"}[r.Intn(3)]
	case 2:
		s.Verb, s.Kind, s.Name, s.Force = model.StepDelete, model.KindPod, fmt.Sprintf("p%d", r.Intn(4)), r.Intn(3) == 0
	case 3:
		s.Verb, s.Kind, s.Name = model.StepDelete, model.KindDeployment, fmt.Sprintf("d%d", r.Intn(4))
	case 4:
		s.Verb = []model.StepVerb{model.StepCordon, model.StepUncordon, model.StepDrain}[r.Intn(3)]
	case 5:
		s.Verb = []model.StepVerb{model.StepTaint, model.StepUntaint}[r.Intn(2)]
		s.Taint = v1.Taint{Key: "k", Effect: []v1.TaintEffect{"NoSchedule", "NoExecute"}[r.Intn(2)]}
	case 6, 7:
		s.Verb, s.Failure = model.StepFail, model.Failure(r.Intn(3))
	default:
		s.Verb = model.StepRecover
	}
	return s
}
