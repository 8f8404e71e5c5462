package sim_test

import (
	"flag"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
	"podsim/sim"
)

var (
	swarmSeed = flag.Int64("swarm-seed", 0, "run only this swarm")
	swarms    = flag.Int64("swarms", 150, "the number of swarms")
)

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
}

// runSwarm gives the number of pods that were placed.
func runSwarm(t *testing.T, seed int64) int64 {
	sc := swarm(seed)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	w := &watcher{t: t, seed: seed, state: c.State(), phases: map[int64]model.Phase{}, restarts: map[int64][]int32{}}
	c.Observe(w.transition, nil)
	c.Begin()
	for {
		at, ok := c.Next()
		if !ok || at > sc.Duration {
			break
		}
		require.GreaterOrEqual(t, at, c.Now(), "swarm %d: time runs backwards", seed)
		c.Step()
		c.Check()
	}
	return c.Counts().Placements
}

// watcher checks what must hold from one change of a pod to the next.
type watcher struct {
	t        *testing.T
	seed     int64
	state    *model.State
	phases   map[int64]model.Phase
	restarts map[int64][]int32
}

func (w *watcher) transition(tr model.Transition) {
	if tr.Kind != model.KindPod {
		return
	}
	p := &w.state.Pods[tr.ID]
	require.Equal(w.t, p.ID, model.PodID(tr.ID))
	if old, ok := w.phases[p.Serial]; ok && old.Terminal() {
		require.Equal(w.t, old, p.Status.Phase, "swarm %d, %s: pod %s leaves a final phase", w.seed, tr.At, p.Name)
	}
	w.phases[p.Serial] = p.Status.Phase
	old := w.restarts[p.Serial]
	for i := range p.Status.Containers {
		if i < len(old) {
			require.GreaterOrEqual(w.t, p.Status.Containers[i].Restarts, old[i], "swarm %d, %s: pod %s: restarts fall", w.seed, tr.At, p.Name)
		}
	}
	old = old[:0]
	for i := range p.Status.Containers {
		old = append(old, p.Status.Containers[i].Restarts)
	}
	w.restarts[p.Serial] = old
	if p.Status.Ready() {
		for i := range p.Status.Containers {
			k := p.Template.Containers[i].Kind
			require.True(w.t, k == model.InitContainer || p.Status.Containers[i].Ready, "swarm %d, %s: pod %s is Ready, container %d is not", w.seed, tr.At, p.Name, i)
		}
	}
}

// swarm draws a scenario.
func swarm(seed int64) *model.Scenario {
	r := rand.New(rand.NewSource(seed))
	sc := &model.Scenario{Seed: uint64(seed), Duration: model.Time(2+r.Intn(6)) * model.Minute, Start: time.Unix(1767600000, 0).UTC(),
		ControlPlane: model.DefaultControlPlane(), Latencies: model.DefaultLatencies()}
	if r.Intn(3) == 0 {
		sc.ControlPlane.ControllerManager.QPS = -1
	}
	for i := range 1 + r.Intn(4) {
		room := v1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi"), "pods": resource.MustParse("12")}
		n := &v1.Node{Status: v1.NodeStatus{Capacity: room, Allocatable: room}}
		sc.Nodes = append(sc.Nodes, model.NodeSpec{Name: fmt.Sprintf("n%d", i), Object: n, Images: []string{"a:1"}})
	}
	sc.Images = []model.ImageSpec{{Name: "gone:1", Error: "notFound"}, {Name: "big:1", Size: 300 << 20}}
	first := model.Step{Verb: model.StepApply}
	for i := range 1 + r.Intn(4) {
		first.Objects = append(first.Objects, model.Object{Object: swarmDeployment(r, i)})
	}
	for i := range r.Intn(4) {
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), Namespace: "default"}, Spec: swarmPod(r)}
		p.Spec.RestartPolicy = []v1.RestartPolicy{"Always", "OnFailure", "Never"}[r.Intn(3)]
		model.DefaultPod(p)
		first.Objects = append(first.Objects, model.Object{Object: p})
	}
	sc.Steps = append(sc.Steps, first)
	at := model.Time(0)
	for range r.Intn(12) {
		at += model.Time(r.Int63n(int64(40 * model.Second)))
		sc.Steps = append(sc.Steps, swarmStep(r, at, len(sc.Nodes)))
	}
	for range 3 {
		sc.Behaviors = append(sc.Behaviors, swarmBehavior(r))
	}
	return sc
}

func swarmDeployment(r *rand.Rand, i int) *appsv1.Deployment {
	name := fmt.Sprintf("d%d", i)
	labels := map[string]string{"app": name}
	replicas := int32(r.Intn(7))
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	d.Spec = appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: swarmPod(r)}, MinReadySeconds: int32(r.Intn(2) * r.Intn(8))}
	if r.Intn(4) == 0 {
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
	} else if r.Intn(2) == 0 {
		surge, unavailable := intstr.FromInt32(int32(r.Intn(3))), intstr.FromInt32(int32(1+r.Intn(2)))
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable}
	}
	model.DefaultDeployment(d)
	return d
}

func swarmPod(r *rand.Rand) v1.PodSpec {
	grace := int64(r.Intn(20))
	spec := v1.PodSpec{TerminationGracePeriodSeconds: &grace}
	always := v1.ContainerRestartPolicyAlways
	for i := range r.Intn(3) {
		k := swarmContainer(r, fmt.Sprintf("i%d", i))
		if r.Intn(2) == 0 {
			k.RestartPolicy = &always
		} else {
			k.LivenessProbe, k.ReadinessProbe, k.StartupProbe, k.Lifecycle = nil, nil, nil, nil
		}
		spec.InitContainers = append(spec.InitContainers, k)
	}
	for i := range 1 + r.Intn(2) {
		spec.Containers = append(spec.Containers, swarmContainer(r, fmt.Sprintf("c%d", i)))
	}
	if r.Intn(8) == 0 {
		d := int64(5 + r.Intn(60))
		spec.ActiveDeadlineSeconds = &d
	}
	no := r.Intn(2) == 0
	spec.AutomountServiceAccountToken = &no
	return spec
}

func swarmContainer(r *rand.Rand, name string) v1.Container {
	k := v1.Container{Name: name, Image: []string{"a:1", "a:1", "a:1", "big:1", "gone:1", "B"}[r.Intn(6)]}
	k.Resources.Requests = v1.ResourceList{"cpu": *resource.NewMilliQuantity(int64(r.Intn(600)), resource.DecimalSI)}
	if r.Intn(4) == 0 {
		k.ImagePullPolicy = []v1.PullPolicy{"Always", "Never", "IfNotPresent"}[r.Intn(3)]
	}
	probe := func() *v1.Probe {
		if r.Intn(3) > 0 {
			return nil
		}
		return &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"x"}}}, PeriodSeconds: int32(1 + r.Intn(6)),
			InitialDelaySeconds: int32(r.Intn(2) * r.Intn(5)), FailureThreshold: int32(1 + r.Intn(4))}
	}
	k.LivenessProbe, k.ReadinessProbe, k.StartupProbe = probe(), probe(), probe()
	if r.Intn(5) == 0 {
		k.Lifecycle = &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: int64(1 + r.Intn(6))}}}
	}
	if r.Intn(6) == 0 {
		if k.Lifecycle == nil {
			k.Lifecycle = &v1.Lifecycle{}
		}
		k.Lifecycle.PostStart = &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"x"}}}
	}
	return k
}

func swarmBehavior(r *rand.Rand) model.Behavior {
	b := model.Behavior{Container: []string{"c0", "c1", "i0", "i1", "*"}[r.Intn(5)]}
	b.Run.Forever = r.Intn(2) == 0
	b.Run.For = model.Dist{Kind: model.DistUniform, Min: 1e7, Max: 6e10}
	b.Run.Exit = []int32{int32(r.Intn(3))}
	b.OnTerm = model.OnTerm{Ignore: r.Intn(4) == 0, After: model.Dist{Kind: model.DistUniform, Min: 0, Max: 8e9}, Exit: int32(r.Intn(2) * 143)}
	for k := range b.Probes {
		for at := model.Time(0); r.Intn(3) > 0; at += model.Time(r.Int63n(int64(20*model.Second))) + 1 {
			b.Probes[k] = append(b.Probes[k], model.ProbePoint{At: at, OK: r.Intn(2) == 0})
		}
	}
	b.PostStart.Fail = r.Intn(4) == 0
	b.PreStop.Fail = r.Intn(4) == 0
	if r.Intn(8) == 0 {
		b.StartError = "no such file"
	}
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
