package scheduler

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"

	"podsim/conform"
	"podsim/model"
	podsim "podsim/scheduler"
)

// BenchmarkPlacements has both schedulers do the same on the same clusters, on one processor: a pod
// goes, and one of the same kind is placed, so that a cluster stays as full as it is. x-real is how
// many times as many placements podsim does in a second.
func BenchmarkPlacements(b *testing.B) {
	for _, w := range []workload{
		{name: "plain", nodes: 1000, pods: 10_000, models: plainPods()},
		{name: "plain", nodes: 5000, pods: 50_000, models: plainPods()},
		{name: "mixed", nodes: 1000, pods: 10_000, models: mixedPods()},
		{name: "mixed", nodes: 5000, pods: 50_000, models: mixedPods()},
		{name: "spread", nodes: 1000, pods: 10_000, models: spreadPods()},
		{name: "spread", nodes: 5000, pods: 50_000, models: spreadPods()},
		{name: "backlog", nodes: 1000, pods: 10_000, models: plainPods(), misfits: 9},
		{name: "preemption", nodes: 1000, pods: 10_000, models: plainPods(), preempt: true},
	} {
		b.Run(fmt.Sprintf("%s/nodes=%d/pods=%d", w.name, w.nodes, w.pods), func(b *testing.B) {
			var theirs float64
			b.Run("real", func(b *testing.B) { theirs = w.real(b) })
			b.Run("podsim", func(b *testing.B) {
				if ours := w.podsim(b); theirs > 0 {
					b.ReportMetric(ours/theirs, "x-real")
				}
			})
		})
	}
}

// BenchmarkGrowth is what a placement of podsim costs on clusters of different size.
func BenchmarkGrowth(b *testing.B) {
	for _, nodes := range []int{100, 1000, 10_000, 100_000} {
		w := workload{nodes: nodes, pods: 2 * nodes, models: plainPods()}
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) { w.podsim(b) })
	}
}

// workload is what a benchmark does.
type workload struct {
	name        string
	nodes, pods int
	// models are the kinds of pods, in turn.
	models []*v1.Pod
	// misfits is the number of pods that fit nowhere, which are tried with each pod that does.
	misfits int
	// preempt has a pod of a higher priority placed on a full cluster, instead of one that goes.
	preempt bool
}

func (w *workload) node(i int) *v1.Node {
	name := fmt.Sprintf("n%06d", i)
	cpu := "32"
	if w.preempt {
		cpu = fmt.Sprintf("%dm", w.pods/w.nodes*1500)
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			v1.LabelHostname: name, v1.LabelTopologyRegion: "r", v1.LabelTopologyZone: fmt.Sprintf("z%d", i%3), "disk": []string{"ssd", "hdd"}[i%2],
		}},
		Status: v1.NodeStatus{Allocatable: v1.ResourceList{
			v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse("128Gi"), v1.ResourcePods: resource.MustParse("110"),
		}},
	}
}

func (w *workload) model(i int) *v1.Pod { return w.models[i%len(w.models)] }

// misfit is a pod for which no node is big enough for now.
func misfit() *v1.Pod {
	p := plainPods()[0]
	p.Spec.Containers[0].Resources.Requests[v1.ResourceCPU] = resource.MustParse("30")
	return p
}

// preemptor is a pod that needs the place of one of lower priority.
func preemptor() *v1.Pod {
	p := plainPods()[0]
	high := int32(1000)
	p.Spec.Priority = &high
	return p
}

// plainPods ask for CPU and memory.
func plainPods() []*v1.Pod { return []*v1.Pod{benchPod("plain", "1500m", "6Gi")} }

func benchPod(app, cpu, memory string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Labels: map[string]string{"app": app}}}
	p.Spec.Containers = []v1.Container{{Name: "c", Image: "img:a", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
		v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}}}}
	return p
}

// mixedPods have affinities of all kinds, or none.
func mixedPods() []*v1.Pod {
	list := []*v1.Pod{}
	for i, app := range []string{"plain", "node", "apart", "together", "away"} {
		p := benchPod(app, fmt.Sprintf("%dm", 500+500*i), "4Gi")
		of := &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
		p.Spec.Affinity = &v1.Affinity{}
		switch app {
		case "plain":
			p.Spec.Affinity = nil
		case "node":
			p.Spec.Affinity.NodeAffinity = &v1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.PreferredSchedulingTerm{{Weight: 10,
				Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: v1.NodeSelectorOpIn, Values: []string{"ssd"}}}}}}}
		case "apart":
			p.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{{Weight: 50,
				PodAffinityTerm: v1.PodAffinityTerm{TopologyKey: v1.LabelHostname, LabelSelector: of}}}}
		case "together":
			p.Spec.Affinity.PodAffinity = &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{
				TopologyKey: v1.LabelTopologyZone, LabelSelector: of}}}
		case "away":
			p.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{
				TopologyKey: v1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "nobody"}}}}}
		}
		list = append(list, p)
	}
	return list
}

// spreadPods are spread over zones strictly and over nodes if possible.
func spreadPods() []*v1.Pod {
	p := benchPod("spread", "1500m", "6Gi")
	of := &metav1.LabelSelector{MatchLabels: p.Labels}
	p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{
		{MaxSkew: 1, TopologyKey: v1.LabelTopologyZone, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: of},
		{MaxSkew: 1, TopologyKey: v1.LabelHostname, WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: of},
	}
	return []*v1.Pod{p}
}

// stopwatch counts the seconds of processor that this process uses: other work on the machine does
// not count.
type stopwatch float64

func start() stopwatch { return stopwatch(processorSeconds()) }

func processorSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// perSecond reports how many placements were done in a second of processor.
func (w stopwatch) perSecond(b *testing.B) float64 {
	rate := float64(b.N) / (processorSeconds() - float64(w))
	b.ReportMetric(rate, "placements/s")
	return rate
}

// real is how many placements the real code does in a second.
func (w *workload) real(b *testing.B) float64 {
	in := &conform.Input{}
	for i := range w.nodes {
		in.Nodes = append(in.Nodes, w.node(i))
	}
	for i := range w.pods {
		p := named(w.model(i), i)
		p.Spec.NodeName = in.Nodes[i%w.nodes].Name
		in.Pods = append(in.Pods, p)
	}
	r, err := NewReal(in)
	require.NoError(b, err)
	defer r.Close()
	misfit, preemptor := named(misfit(), -1), named(preemptor(), -2)
	runtime.GC()
	watch := start()
	for i := 0; b.Loop(); i++ {
		for range w.misfits {
			node, _ := r.attempt(b, misfit, false)
			require.Empty(b, node)
		}
		if w.preempt {
			r.preemptOnce(b, preemptor)
			continue
		}
		slot := i % w.pods
		require.NoError(b, r.scheduler.Cache.RemovePod(klog.FromContext(r.ctx), in.Pods[slot]))
		p := in.Pods[slot].DeepCopy()
		p.Spec.NodeName = ""
		p.Spec.NodeName, _ = r.attempt(b, p, false)
		require.NotEmpty(b, p.Spec.NodeName)
		in.Pods[slot] = p
		require.NoError(b, r.scheduler.Cache.AddPod(klog.FromContext(r.ctx), p))
	}
	return watch.perSecond(b)
}

func named(model *v1.Pod, i int) *v1.Pod {
	p := model.DeepCopy()
	p.Name = fmt.Sprintf("p%06d", i)
	p.UID = types.UID(p.Name)
	complete(p)
	return p
}

// attempt is a cycle with its PostFilter, up to the calls to the API server.
func (r *Real) attempt(b *testing.B, p *v1.Pod, wantVictims bool) (string, []*v1.Pod) {
	require.NoError(b, r.scheduler.Cache.UpdateSnapshot(klog.FromContext(r.ctx), r.snapshot))
	info, err := framework.NewPodInfo(p)
	require.NoError(b, err)
	state := framework.NewCycleState()
	result, err := r.scheduler.SchedulePod(r.ctx, r.framework, state, &framework.QueuedPodInfo{PodInfo: info})
	if err == nil {
		return result.SuggestedHost, nil
	}
	var fit *framework.FitError
	require.True(b, errors.As(err, &fit), err)
	return r.postFilter(b, p, state, fit.Diagnosis.NodeToStatus, wantVictims)
}

// postFilter finds victims as Evaluator.Preempt does, and does not ask for their end.
func (r *Real) postFilter(b *testing.B, p *v1.Pod, state fwk.CycleState, statuses *framework.NodeToStatus, wantVictims bool) (string, []*v1.Pod) {
	args := &config.DefaultPreemptionArgs{MinCandidateNodesPercentage: 10, MinCandidateNodesAbsolute: 100}
	plugin, err := defaultpreemption.New(r.ctx, args, r.framework, feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate))
	require.NoError(b, err)
	potential, err := statuses.NodesForStatusCode(r.snapshot.NodeInfos(), fwk.Unschedulable)
	require.NoError(b, err)
	if len(potential) == 0 {
		return "", nil
	}
	offset, most := plugin.GetOffsetAndNumCandidates(int32(len(potential)))
	candidates, _, err := plugin.Evaluator.DryRunPreemption(r.ctx, state, p, potential, nil, offset, most)
	require.NoError(b, err)
	require.Equal(b, wantVictims, len(candidates) > 0)
	if len(candidates) == 0 {
		return "", nil
	}
	best := plugin.Evaluator.SelectCandidate(r.ctx, candidates)
	return best.Name(), best.Victims().Pods
}

// preemptOnce has a pod preempt others and come to their place; then all is as it was.
func (r *Real) preemptOnce(b *testing.B, p *v1.Pod) {
	logger := klog.FromContext(r.ctx)
	node, victims := r.attempt(b, p, true)
	for _, v := range victims {
		require.NoError(b, r.scheduler.Cache.RemovePod(logger, v))
	}
	nominated := p.DeepCopy()
	nominated.Status.NominatedNodeName = node
	placed, _ := r.attempt(b, nominated, false)
	require.Equal(b, node, placed)
	nominated.Spec.NodeName = placed
	require.NoError(b, r.scheduler.Cache.AddPod(logger, nominated))
	require.NoError(b, r.scheduler.Cache.RemovePod(logger, nominated))
	for _, v := range victims {
		require.NoError(b, r.scheduler.Cache.AddPod(logger, v))
	}
}

// simulated is podsim's side of a workload.
type simulated struct {
	*podsim.Scheduler
	state     *model.State
	templates []*model.PodTemplate
	tie       uint64
}

// podsim is how many placements podsim does in a second.
func (w *workload) podsim(b *testing.B) float64 {
	s := w.load()
	misfit, preemptor := s.template(misfit()), s.template(preemptor())
	free := model.PodID(w.pods + 1)
	b.ReportAllocs()
	runtime.GC()
	watch := start()
	for i := 0; b.Loop(); i++ {
		for range w.misfits {
			s.Add(free, misfit, 0)
			if r := s.attempt(); r.Node != 0 {
				b.Fatal("a pod that fits nowhere was placed")
			}
			s.DeletePending(free, 0)
		}
		if w.preempt {
			s.preemptOnce(b, free, preemptor)
			continue
		}
		id := model.PodID(i%w.pods + 1)
		t := s.templates[int(id-1)%len(s.templates)]
		s.AssignedPodDeleted(id, 0)
		s.Add(id, t, 0)
		r := s.attempt()
		if r.Node == 0 {
			b.Fatal(s.FitError())
		}
		s.AssignedPodAdded(id, t, r.Node, 0)
	}
	return watch.perSecond(b)
}

func (w *workload) load() *simulated {
	state := &model.State{Nodes: make([]model.Node, 1)}
	s := &simulated{Scheduler: podsim.New(state, podsim.DefaultConfig()), state: state}
	s.SetObject(&v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}}, 0)
	for i := range w.nodes {
		o := w.node(i)
		id := model.NodeID(len(state.Nodes))
		state.Nodes = append(state.Nodes, model.Node{ID: id, Name: o.Name, Labels: o.Labels, Allocatable: model.ResourcesOf(o.Status.Allocatable)})
		s.AddNode(&state.Nodes[id], 0)
	}
	for _, p := range w.models {
		s.templates = append(s.templates, s.template(p))
	}
	for i := range w.pods {
		s.AssignedPodAdded(model.PodID(i+1), s.templates[i%len(s.templates)], model.NodeID(i%w.nodes+1), 0)
	}
	return s
}

func (s *simulated) template(p *v1.Pod) *model.PodTemplate {
	p = p.DeepCopy()
	model.DefaultPod(p)
	return s.state.Compile(p.Namespace, p.Labels, nil, &p.Spec)
}

// attempt is a cycle with its PostFilter.
func (s *simulated) attempt() podsim.Result {
	s.tie += 0x9e3779b97f4a7c15
	r, ok := s.ScheduleOne(0, s.tie)
	if !ok {
		panic("no pod is to be scheduled")
	}
	return r
}

// preemptOnce has a pod preempt others and come to their place; then all is as it was.
func (s *simulated) preemptOnce(b *testing.B, id model.PodID, t *model.PodTemplate) {
	s.Add(id, t, 0)
	r := s.attempt()
	if len(r.Victims) == 0 {
		b.Fatal(s.FitError())
	}
	node := r.Nominated
	var victims [8]model.PodID
	n := copy(victims[:], r.Victims)
	s.PreemptionDone(id)
	for _, v := range victims[:n] {
		s.AssignedPodDeleted(v, 0)
	}
	// The pod has its back-off behind it.
	s.tie++
	r, ok := s.ScheduleOne(10*model.Second, s.tie)
	if !ok || r.Node != node {
		b.Fatal("the pod did not come to the node that it is nominated to")
	}
	s.AssignedPodAdded(id, t, node, 0)
	s.AssignedPodDeleted(id, 0)
	for _, v := range victims[:n] {
		s.AssignedPodAdded(v, s.templates[int(v-1)%len(s.templates)], node, 0)
	}
}
