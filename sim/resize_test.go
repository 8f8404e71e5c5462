package sim_test

import (
	"fmt"
	"strings"
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

// list makes a resource list of "cpu 100m memory 20Mi".
func list(words string) v1.ResourceList {
	l := v1.ResourceList{}
	f := strings.Fields(words)
	for i := 0; i+1 < len(f); i += 2 {
		l[v1.ResourceName(f[i])] = resource.MustParse(f[i+1])
	}
	return l
}

func resizable(name, requests, limits string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	p.Spec.Containers = []v1.Container{{Name: "c", Image: "tester:1", Resources: v1.ResourceRequirements{Requests: list(requests), Limits: list(limits)}}}
	none := false
	p.Spec.AutomountServiceAccountToken = &none
	model.DefaultPod(p)
	return p
}

func resizeStep(at model.Time, pod, requests, limits string) model.Step {
	return model.Step{At: at, Verb: model.StepResize, Kind: model.KindPod, Namespace: "default", Name: pod, Container: "c",
		Requests: list(requests), Limits: list(limits), Where: model.Position{File: "s.yaml", Line: 1}}
}

// resizeRun is a run of pods on one node with two cores, that are resized.
type resizeRun struct {
	cluster  *sim.Cluster
	warnings []string
	events   map[string][]string
	states   map[string][]string
}

func runResizes(t *testing.T, until model.Time, pods []*v1.Pod, behaviors []model.Behavior, steps ...model.Step) *resizeRun {
	sc := podsScenario(1, 1, pods...)
	sc.Nodes[0].Object.Status.Allocatable[v1.ResourceCPU] = resource.MustParse("2")
	sc.Behaviors = behaviors
	sc.Steps = append(sc.Steps, steps...)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	r := &resizeRun{cluster: c, events: map[string][]string{}, states: map[string][]string{}}
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindPod {
			r.pod(&c.State().Pods[tr.ID])
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod {
			name := c.State().Pods[e.ID].Name
			r.events[name] = append(r.events[name], c.State().EventReason(e)+" "+c.State().EventMessage(e))
		}
	})
	c.Begin()
	c.Run(until, c.Sound)
	r.warnings = c.Warnings()
	return r
}

// pod notes what a status says of resources, when it has changed.
func (r *resizeRun) pod(o *model.Pod) {
	s := r.cluster.State()
	if o.Status.Containers == nil || o.Status.Containers[0].Allocated == 0 {
		return
	}
	k := &o.Status.Containers[0]
	line := fmt.Sprintf("%s, has %s", amounts(s.Templates[k.Allocated]), amounts(s.Templates[k.Resources]))
	if x := o.Status.Resize; x != nil {
		if x.Pending.Status != model.ConditionAbsent {
			line += ", pending " + s.Texts.String(x.Pending.Reason)
		}
		if x.InProgress.Status != model.ConditionAbsent {
			line += strings.TrimSuffix(", in progress "+s.Texts.String(x.InProgress.Reason), " ")
		}
	}
	line = fmt.Sprintf("%s, restarts %d", line, k.Restarts)
	if known := r.states[o.Name]; len(known) == 0 || known[len(known)-1] != line {
		r.states[o.Name] = append(known, line)
	}
}

func amounts(t *model.PodTemplate) string {
	c := t.ContainerResources(0)
	return fmt.Sprintf("%dm %dMi", c.RequestCPU, c.RequestMemory>>20)
}

func (r *resizeRun) resizeEvents(pod string) (found []string) {
	for _, e := range r.events[pod] {
		if strings.HasPrefix(e, "Resize") || strings.HasPrefix(e, "Killing") {
			found = append(found, e)
		}
	}
	return found
}

// TestResize is the recording resize-inplace of a real node in the simulator: up and down, a memory
// limit below what is in use, more than the node has, what others hold, a restart, another QoS class.
func TestResize(t *testing.T) {
	rst := resizable("rst", "cpu 50m memory 50Mi", "cpu 100m memory 100Mi")
	rst.Spec.Containers[0].ResizePolicy = []v1.ContainerResizePolicy{
		{ResourceName: v1.ResourceMemory, RestartPolicy: v1.RestartContainer}, {ResourceName: v1.ResourceCPU, RestartPolicy: v1.NotRequired}}
	hog := resizable("hog", "cpu 1200m", "")
	two := int64(2)
	hog.Spec.TerminationGracePeriodSeconds = &two
	pods := []*v1.Pod{resizable("a", "cpu 100m memory 100Mi", "cpu 200m memory 200Mi"), hog, rst, resizable("be", "", "")}
	const s = model.Second
	r := runResizes(t, 100*s, pods, []model.Behavior{{Pod: "a", Run: model.Run{Forever: true}, Memory: []model.MemoryPoint{{Use: 66768896}}}},
		resizeStep(10*s, "a", "cpu 300m", "cpu 400m"),
		resizeStep(18*s, "a", "memory 150Mi", "memory 300Mi"),
		resizeStep(26*s, "a", "cpu 100m memory 100Mi", "cpu 200m memory 200Mi"),
		resizeStep(34*s, "a", "memory 20Mi", "memory 30Mi"),
		resizeStep(48*s, "a", "memory 100Mi", "memory 200Mi"),
		resizeStep(54*s, "a", "cpu 5", "cpu 5"),
		resizeStep(62*s, "a", "cpu 900m", "cpu 900m"),
		model.Step{At: 74 * s, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "hog", GraceSeconds: -1},
		resizeStep(80*s, "rst", "cpu 80m", "cpu 120m"),
		resizeStep(87*s, "rst", "memory 60Mi", "memory 120Mi"),
		resizeStep(96*s, "be", "cpu 100m", ""),
		resizeStep(99*s, "a", "cpu 900m memory 200Mi", "cpu 900m memory 200Mi"))
	assert.Equal(t, []string{
		`s.yaml:1: resize at 54s: pods "a" is forbidden: node didn't have enough allocatable resources: cpu, requested: 5000, allocatable: 2000`,
		`s.yaml:1: resize at 96s: Pod "be" is invalid: spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing`,
		`s.yaml:1: resize at 99s: Pod "a" is invalid: spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing`,
	}, r.warnings)
	assert.Equal(t, []string{
		"100m 100Mi, has 100m 100Mi, restarts 0",
		"300m 100Mi, has 100m 100Mi, in progress, restarts 0",
		"300m 100Mi, has 300m 100Mi, restarts 0",
		"300m 150Mi, has 300m 100Mi, in progress, restarts 0",
		"300m 150Mi, has 300m 150Mi, restarts 0",
		"100m 100Mi, has 300m 150Mi, in progress, restarts 0",
		"100m 100Mi, has 100m 100Mi, restarts 0",
		"100m 20Mi, has 100m 100Mi, in progress, restarts 0",
		"100m 20Mi, has 100m 100Mi, in progress Error, restarts 0",
		"100m 100Mi, has 100m 100Mi, restarts 0",
		"100m 100Mi, has 100m 100Mi, pending Deferred, restarts 0",
		"900m 100Mi, has 100m 100Mi, in progress, restarts 0",
		"900m 100Mi, has 900m 100Mi, restarts 0",
	}, r.states["a"])
	assert.Equal(t, []string{
		"50m 50Mi, has 50m 50Mi, restarts 0",
		"80m 50Mi, has 50m 50Mi, in progress, restarts 0",
		"80m 50Mi, has 80m 50Mi, restarts 0",
		"80m 60Mi, has 80m 50Mi, in progress, restarts 0",
		"80m 60Mi, has 80m 60Mi, restarts 1",
	}, r.states["rst"])
	const old, low = `"limits":{"cpu":"200m","memory":"200Mi"},"requests":{"cpu":"100m","memory":"100Mi"}`, `"limits":{"cpu":"200m","memory":"30Mi"},"requests":{"cpu":"100m","memory":"20Mi"}`
	say := func(reason, word, resources, more string) string {
		return reason + " Pod resize " + word + `: {"containers":[{"name":"c","resources":{` + resources + `}}],"generation":` + more + "}"
	}
	const first, second = `"limits":{"cpu":"400m","memory":"200Mi"},"requests":{"cpu":"300m","memory":"100Mi"}`, `"limits":{"cpu":"400m","memory":"300Mi"},"requests":{"cpu":"300m","memory":"150Mi"}`
	const last = `"limits":{"cpu":"900m","memory":"200Mi"},"requests":{"cpu":"900m","memory":"100Mi"}`
	assert.Equal(t, []string{
		say("ResizeStarted", "started", first, "2"), say("ResizeCompleted", "completed", first, "2"),
		say("ResizeStarted", "started", second, "3"), say("ResizeCompleted", "completed", second, "3"),
		say("ResizeStarted", "started", old, "4"), say("ResizeCompleted", "completed", old, "4"),
		say("ResizeStarted", "started", low, "5"),
		say("ResizeError", "error", low, `5,"error":"cannot decrease memory limits: [attempting to set pod memory limit (31457280) below current usage (66768896), `+
			`attempting to set container \"c\" memory limit (31457280) below current usage (66768896)]"`),
		say("ResizeStarted", "started", old, "6"), say("ResizeCompleted", "completed", old, "6"),
		say("ResizeDeferred", "OutOfcpu", last, `7,"error":"Node didn't have enough resource: cpu, requested: 900, used: 1250, capacity: 2000"`),
		say("ResizeStarted", "started", last, "7"), say("ResizeCompleted", "completed", last, "7"),
	}, r.resizeEvents("a"))
	assert.Contains(t, r.resizeEvents("rst"), "Killing Container c resize requires restart")
}

// TestResizePodLevel resizes what a pod has as a whole: its containers' own stay.
func TestResizePodLevel(t *testing.T) {
	whole := resizable("whole", "cpu 100m", "")
	whole.Spec.Resources = &v1.ResourceRequirements{Requests: list("cpu 500m memory 200Mi"), Limits: list("cpu 1 memory 400Mi")}
	other := resizable("other", "cpu 900m", "")
	waiting := resizable("waiting", "cpu 900m", "")
	const s = model.Second
	up, down := resizeStep(10*s, "whole", "cpu 900m", ""), resizeStep(30*s, "whole", "cpu 200m", "cpu 400m")
	up.Container, down.Container = "", ""
	above := resizeStep(40*s, "whole", "cpu 600m", "")
	much := resizeStep(45*s, "whole", "", "memory 100Mi")
	much.Container = ""
	r := runResizes(t, 60*s, []*v1.Pod{whole, other}, nil, up,
		model.Step{At: 20 * s, Objects: []model.Object{{Object: waiting}}}, down, above, much)
	assert.Equal(t, []string{
		`s.yaml:1: resize at 40s: Pod "whole" is invalid: spec.resources.requests[cpu]: Invalid value: "200m": must be greater than or equal to aggregate container requests of 600m`,
		`s.yaml:1: resize at 45s: Pod "whole" is invalid: spec.resources.requests: Invalid value: "200Mi": must be less than or equal to memory limit of 100Mi`,
	}, r.warnings)
	const container = `{"containers":[{"name":"c","resources":{"requests":{"cpu":"100m"}}}],"generation":`
	assert.Equal(t, []string{"ResizeStarted Pod resize started: " + container + "2}", "ResizeCompleted Pod resize completed: " + container + "2}",
		"ResizeStarted Pod resize started: " + container + "3}", "ResizeCompleted Pod resize completed: " + container + "3}"}, r.resizeEvents("whole"))
	state := r.cluster.State()
	for i := range state.Pods {
		switch p := &state.Pods[i]; p.Name {
		case "whole":
			assert.EqualValues(t, 3, p.Generation)
			assert.EqualValues(t, 200, state.HeldBy(p).Requests.MilliCPU)
			shown := state.Templates[p.Status.Allocated].ReportedResources(state.Templates[p.Status.Cgroup], p.Status.Resources)
			assert.Equal(t, "200m 200Mi 400m 400Mi", fmt.Sprint(shown.Requests.Cpu(), " ", shown.Requests.Memory(), " ", shown.Limits.Cpu(), " ", shown.Limits.Memory()))
		case "waiting":
			// It got its place when the other was scaled down, not before.
			assert.NotZero(t, p.Node)
			assert.GreaterOrEqual(t, p.Status.StartTime, 30*s)
		}
	}
}

// TestResizeWaits takes resizes that wait in their order, when something has become free: those of a
// higher priority first, then by how long they wait; one that is taken back waits no more.
func TestResizeWaits(t *testing.T) {
	const s = model.Second
	pod := func(name string, priority int32) *v1.Pod {
		p := resizable(name, "cpu 200m", "")
		p.Spec.Priority = &priority
		return p
	}
	pods := []*v1.Pod{pod("first", 0), pod("second", 0), pod("important", 10), pod("back", 0), resizable("hog", "cpu 1", "")}
	r := runResizes(t, 60*s, pods, nil,
		resizeStep(10*s, "first", "cpu 700m", ""), resizeStep(12*s, "second", "cpu 700m", ""), resizeStep(14*s, "important", "cpu 700m", ""),
		resizeStep(16*s, "back", "cpu 500m", ""), resizeStep(18*s, "back", "cpu 200m", ""),
		resizeStep(20*s, "hog", "cpu 300m", ""), resizeStep(30*s, "important", "cpu 300m", ""))
	waited := []string{"200m 0Mi, has 200m 0Mi, restarts 0", "200m 0Mi, has 200m 0Mi, pending Deferred, restarts 0"}
	given := func(amount string) []string {
		return append(append([]string{}, waited...), amount+" 0Mi, has 200m 0Mi, in progress, restarts 0", amount+" 0Mi, has "+amount+" 0Mi, restarts 0")
	}
	assert.Equal(t, append(given("700m"), "300m 0Mi, has 700m 0Mi, in progress, restarts 0", "300m 0Mi, has 300m 0Mi, restarts 0"), r.states["important"])
	assert.Equal(t, waited, r.states["second"], "the first waits longer and has the place")
	assert.Equal(t, given("700m"), r.states["first"])
	assert.Equal(t, append(waited[:2:2], waited[0]), r.states["back"])
}

// TestResizeRefused is what else the API server refuses: what the node's kubelet does not declare, requests
// above limits, and a restart of what cannot restart.
func TestResizeRefused(t *testing.T) {
	const s = model.Second
	p := resizable("p", "cpu 100m", "cpu 200m")
	once := v1.Container{Name: "once", Image: "tester:1", Resources: v1.ResourceRequirements{Requests: list("cpu 100m")},
		ResizePolicy: []v1.ContainerResizePolicy{{ResourceName: v1.ResourceCPU, RestartPolicy: v1.RestartContainer}}}
	p.Spec.InitContainers = []v1.Container{once}
	whole := resizable("whole", "cpu 100m", "")
	whole.Spec.Resources = &v1.ResourceRequirements{Requests: list("cpu 500m")}
	init, all := resizeStep(20*s, "p", "cpu 50m", ""), resizeStep(30*s, "whole", "cpu 600m", "")
	init.Container, all.Container = "once", ""
	sc := podsScenario(1, 1, p, whole)
	sc.Nodes[0].Object.Status.DeclaredFeatures = []string{"InPlacePodVerticalScalingInitContainers"}
	sc.Steps = append(sc.Steps, resizeStep(10*s, "p", "cpu 300m", ""), init, all, resizeStep(40*s, "nobody", "cpu 1", ""))
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	c.Run(60*s, c.Sound)
	assert.Equal(t, []string{
		`s.yaml:1: resize at 10s: Pod "p" is invalid: spec.containers[0].resources.requests: Invalid value: "300m": must be less than or equal to cpu limit of 200m`,
		`s.yaml:1: resize at 20s: Pod "p" is invalid: spec.initContainers[0]: Forbidden: non-sidecar init containers with a resize policy of RestartContainer cannot be resized`,
		`s.yaml:1: resize at 30s: pods "whole" is forbidden: pod update requires features InPlacePodLevelResourcesVerticalScaling which are not available on node "n0"`,
		`s.yaml:1: resize at 40s: Pod default/nobody is not there`,
	}, c.Warnings())
}

// TestResizePending resizes a pod before it has a node: the scheduler tries it again when it asks for less.
func TestResizePending(t *testing.T) {
	const s = model.Second
	r := runResizes(t, 60*s, []*v1.Pod{resizable("big", "cpu 3", "")}, nil, resizeStep(10*s, "big", "cpu 1500m", ""))
	assert.Empty(t, r.warnings)
	assert.Equal(t, []string{"1500m 0Mi, has 1500m 0Mi, restarts 0"}, r.states["big"])
	assert.Empty(t, r.resizeEvents("big"))
}

// TestResizeInfeasible: a kubelet that gives whole CPUs does not resize a guaranteed pod.
func TestResizeInfeasible(t *testing.T) {
	const s = model.Second
	sc := podsScenario(1, 1, resizable("p", "cpu 1 memory 100Mi", "cpu 1 memory 100Mi"))
	config := kubeletconfig.Default()
	config.CPUManagerPolicy = "static"
	sc.Nodes[0].Kubelet = config
	sc.Steps = append(sc.Steps, resizeStep(10*s, "p", "cpu 2", "cpu 2"), resizeStep(20*s, "p", "cpu 1", "cpu 1"))
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	c.Begin()
	c.Run(15*s, c.Sound)
	state := c.State()
	p := &state.Pods[1]
	require.NotNil(t, p.Status.Resize)
	assert.Equal(t, model.ReasonInfeasible, p.Status.Resize.Pending.Reason)
	assert.EqualValues(t, 1000, state.HeldBy(p).Requests.MilliCPU, "an infeasible resize does not count")
	c.Run(30*s, c.Sound)
	assert.Nil(t, p.Status.Resize)
}

// TestResizedMemoryLimit: what kills a container is the limit in force, also when it changes while the
// container runs; a restart takes what is allocated.
func TestResizedMemoryLimit(t *testing.T) {
	const s = model.Second
	pods := []*v1.Pod{resizable("raised", "memory 50Mi", "memory 100Mi"), resizable("lowered", "memory 50Mi", "memory 200Mi")}
	grows := model.Behavior{Run: model.Run{Forever: true}, Memory: []model.MemoryPoint{{Use: 40 << 20}, {At: 30 * s, Use: 150 << 20}}}
	r := runResizes(t, 40*s, pods, []model.Behavior{grows}, resizeStep(10*s, "raised", "", "memory 200Mi"), resizeStep(10*s, "lowered", "", "memory 100Mi"))
	ends := map[string]model.Text{}
	for _, p := range r.cluster.State().Pods {
		if len(p.Status.Containers) > 0 {
			ends[p.Name] = p.Status.Containers[0].Last.Reason
		}
	}
	assert.Equal(t, map[string]model.Text{"raised": model.NoText, "lowered": model.ReasonOOMKilled}, ends)
}

// TestResizeSurvivesKubelet: a kubelet that begins anew knows what it has allocated, and which resizes
// wait; also of one that it has not seen before. A second Event is not written.
func TestResizeSurvivesKubelet(t *testing.T) {
	const s = model.Second
	fail := func(at model.Time) model.Step {
		return model.Step{At: at, Verb: model.StepFail, Kind: model.KindNode, Name: "n0", Failure: model.FailKubelet}
	}
	recover := func(at model.Time) model.Step {
		return model.Step{At: at, Verb: model.StepRecover, Kind: model.KindNode, Name: "n0"}
	}
	pods := []*v1.Pod{resizable("web", "cpu 500m", ""), resizable("other", "cpu 200m", ""), resizable("hog", "cpu 1200m", "")}
	r := runResizes(t, 90*s, pods, nil, resizeStep(10*s, "web", "cpu 600m", ""), resizeStep(20*s, "web", "cpu 1500m", ""),
		fail(30*s), resizeStep(32*s, "other", "cpu 100m", ""), recover(35*s),
		model.Step{At: 60 * s, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "hog", GraceSeconds: 1})
	assert.Equal(t, []string{
		"500m 0Mi, has 500m 0Mi, restarts 0", "600m 0Mi, has 500m 0Mi, in progress, restarts 0", "600m 0Mi, has 600m 0Mi, restarts 0",
		"600m 0Mi, has 600m 0Mi, pending Deferred, restarts 0", "1500m 0Mi, has 600m 0Mi, in progress, restarts 0", "1500m 0Mi, has 1500m 0Mi, restarts 0",
	}, r.states["web"])
	assert.Equal(t, []string{"200m 0Mi, has 200m 0Mi, restarts 0", "100m 0Mi, has 200m 0Mi, in progress, restarts 0", "100m 0Mi, has 100m 0Mi, restarts 0"}, r.states["other"])
	deferred := 0
	for _, e := range r.resizeEvents("web") {
		if strings.HasPrefix(e, "ResizeDeferred") {
			deferred++
		}
	}
	assert.Equal(t, 1, deferred)
}
