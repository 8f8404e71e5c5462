package sim_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

// workingPod is a pod on node n0 that runs once, with a request and a limit on CPU unless they are empty.
func workingPod(name, request, limit string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	p.Spec = v1.PodSpec{NodeName: "n0", RestartPolicy: v1.RestartPolicyNever, Containers: []v1.Container{{Name: "c", Image: "a:1"}}}
	r := &p.Spec.Containers[0].Resources
	r.Requests, r.Limits = v1.ResourceList{}, v1.ResourceList{}
	if request != "" {
		r.Requests[v1.ResourceCPU] = resource.MustParse(request)
	}
	if limit != "" {
		r.Limits[v1.ResourceCPU] = resource.MustParse(limit)
	}
	model.DefaultPod(p)
	return p
}

// works is the behavior of a pod that needs so much CPU time on so many thousandths of cores.
func works(name string, work model.Time, milliCPUs int64) model.Behavior {
	return model.Behavior{Pod: name, Run: model.Run{Work: model.Dist{Value: float64(work)}, MilliCPUs: milliCPUs}}
}

// workScenario runs pods that begin to run at the same moment on a node of so many cores.
func workScenario(cores string, behaviors []model.Behavior, pods ...*v1.Pod) *model.Scenario {
	sc := podsScenario(1, 1, pods...)
	sc.Duration = 10 * model.Minute
	sc.Nodes[0].Object.Status.Capacity[v1.ResourceCPU] = resource.MustParse(cores)
	sc.Behaviors = behaviors
	zero := model.Dist{}
	l := &sc.Latencies
	l.RunSandbox, l.Create, l.Start, l.MountVolumes = zero, zero, zero, zero
	sc.ControlPlane.KubeletAdmit, sc.ControlPlane.KubeletSync, sc.ControlPlane.Watch = zero, zero, zero
	return sc
}

// runTimes are how long the containers of the pods ran.
func runTimes(t *testing.T, sc *model.Scenario) map[string]model.Time {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	times := map[string]model.Time{}
	c.ObserveRuns(func(id model.PodID, from, to model.Time) { times[c.State().Pods[id].Name] = to - from })
	c.Begin()
	c.Run(sc.Duration, c.Sound)
	return times
}

// A container has its quota of CPU time in each period of 100 ms.
func TestQuotaStretchesRuns(t *testing.T) {
	const ms = model.Millisecond
	for _, x := range []struct {
		limit string
		work  model.Time
		cpus  int64
		want  model.Time
	}{
		{"", 30 * model.Second, 1000, 30 * model.Second},
		{"", 30 * model.Second, 2000, 15 * model.Second},
		{"2", 30 * model.Second, 1000, 30 * model.Second},
		// 50 ms in each period: the last of 600 is over after its 50 ms.
		{"500m", 30 * model.Second, 1000, 599*100*ms + 50*ms},
		// Two threads use the 50 ms up in 25 ms.
		{"500m", 30 * model.Second, 2000, 599*100*ms + 25*ms},
		{"500m", 10 * ms, 1000, 10 * ms},
		{"500m", 51 * ms, 1000, 101 * ms},
		{"1500m", 300 * ms, 4000, 100*ms + 150*ms/4},
		// A third of the 10th millisecond: the quota counts whole microseconds.
		{"333m", 1 * model.Second, 1000, 30*100*ms + 1*model.Second - 30*33300*model.Microsecond},
		// No quota is below 1 ms.
		{"1m", 10 * ms, 1000, 901 * ms},
	} {
		sc := workScenario("64", []model.Behavior{works("p", x.work, x.cpus)}, workingPod("p", "", x.limit))
		assert.Equal(t, x.want, runTimes(t, sc)["p"], "%v of work by %dm with limit %q", x.work, x.cpus, x.limit)
	}
}

// The kubelet's configuration may do without quotas, or have other periods.
func TestQuotaPeriod(t *testing.T) {
	sc := workScenario("64", []model.Behavior{works("p", model.Second, 1000)}, workingPod("p", "", "500m"))
	config := kubeletconfig.Default()
	config.CPUCFSQuotaPeriod = &metav1.Duration{Duration: 10e6}
	sc.Nodes[0].Kubelet = config
	assert.Equal(t, 199*10*model.Millisecond+5*model.Millisecond, runTimes(t, sc)["p"])
	off := false
	config.CPUCFSQuota = &off
	assert.Equal(t, model.Second, runTimes(t, sc)["p"])
}

// Where the cores are not enough they are shared by the requests; what one does not use the others have.
func TestCoresAreShared(t *testing.T) {
	const second = model.Second
	for _, x := range []struct {
		name string
		pods []*v1.Pod
		work []model.Time
		cpus []int64
		want []model.Time
	}{
		{"alike", []*v1.Pod{workingPod("a", "", ""), workingPod("b", "", "")}, []model.Time{30 * second, 30 * second}, []int64{2000, 2000},
			[]model.Time{30 * second, 30 * second}},
		// a has 1.5 cores and b half a one, until a has ended after 20 s; then b has both.
		{"by weight", []*v1.Pod{workingPod("a", "750m", ""), workingPod("b", "250m", "")}, []model.Time{30 * second, 30 * second}, []int64{2000, 2000},
			[]model.Time{20 * second, 30 * second}},
		// b can use half a core only, though it may have more.
		{"by what they can use", []*v1.Pod{workingPod("a", "500m", ""), workingPod("b", "500m", "")}, []model.Time{30 * second, 5 * second}, []int64{4000, 500},
			[]model.Time{17500 * model.Millisecond, 10 * second}},
		{"by limits", []*v1.Pod{workingPod("a", "500m", ""), workingPod("b", "500m", "500m")}, []model.Time{15 * second, 10 * second}, []int64{4000, 4000},
			[]model.Time{10 * second, 20*second - 87500*model.Microsecond}},
		{"three", []*v1.Pod{workingPod("a", "125m", ""), workingPod("b", "125m", ""), workingPod("c", "250m", "")}, []model.Time{5 * second, 10 * second, 20 * second},
			[]int64{1000, 1000, 1000}, []model.Time{10 * second, 15 * second, 20 * second}},
	} {
		var behaviors []model.Behavior
		for i, p := range x.pods {
			behaviors = append(behaviors, works(p.Name, x.work[i], x.cpus[i]))
		}
		got := runTimes(t, workScenario("2", behaviors, x.pods...))
		for i, p := range x.pods {
			assert.InDelta(t, float64(x.want[i]), float64(got[p.Name]), float64(60*model.Millisecond), "%s: pod %s: %v", x.name, p.Name, got)
		}
	}
}

// A resize changes the rate of what is left.
func TestResizeOfWork(t *testing.T) {
	sc := workScenario("64", []model.Behavior{works("p", 30*model.Second, 1000)}, workingPod("p", "500m", "500m"))
	sc.Steps = append(sc.Steps, model.Step{At: 20 * model.Second, Verb: model.StepResize, Kind: model.KindPod, Namespace: "default", Name: "p", Container: "c",
		Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("1")}, Limits: v1.ResourceList{v1.ResourceCPU: resource.MustParse("1")}})
	// 10 of the 30 s are done after 20 s.
	assert.InDelta(t, float64(40*model.Second), float64(runTimes(t, sc)["p"]), float64(150*model.Millisecond), fmt.Sprint(runTimes(t, sc)))
}

// TestWorkSwarm lets the containers of swarms work.
func TestWorkSwarm(t *testing.T) {
	for seed := int64(1); seed <= *swarms/2; seed++ {
		if *swarmSeed != 0 && seed != *swarmSeed {
			continue
		}
		sc, r := swarm(seed), rand.New(rand.NewSource(seed))
		crowd(r, sc)
		for i := range sc.Behaviors {
			if run := &sc.Behaviors[i].Run; !run.OOM {
				run.Forever, run.MilliCPUs = false, int64(1+r.Intn(4000))
				run.Work = model.Dist{Kind: model.DistUniform, Max: float64(20 * model.Second)}
			}
		}
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runCluster(t, c, sc, seed, "TestWorkSwarm") }) {
			return
		}
	}
}
