package scheduler

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
)

// twins are a scheduler that keeps verdicts and one that asks every plugin about every node in
// every cycle, with the same cluster before them: they must decide alike.
type twins struct {
	*testing.T
	*rand.Rand
	state      *model.State
	fast, slow *Scheduler
	templates  []*model.PodTemplate
	pods       []model.PodID
	placed     []model.PodID
	now        model.Time
	victims    int
}

func TestVerdictsAreExact(t *testing.T) {
	victims := 0
	for seed := range int64(60) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newTwins(t, seed)
			for range 400 {
				w.step()
			}
			w.fast.Check()
			victims += w.victims
		})
	}
	require.Greater(t, victims, 100)
}

// TestVerdictsAreExactWithResizes is the same where pods on nodes come to hold more or less.
func TestVerdictsAreExactWithResizes(t *testing.T) {
	for seed := range int64(12) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newTwins(t, seed)
			for range 300 {
				if w.Intn(3) == 0 && len(w.placed) > 0 {
					w.resize(w.placed[w.Intn(len(w.placed))])
				}
				w.step()
			}
			w.fast.Check()
		})
	}
}

// resize lets a pod hold other amounts of CPU and memory.
func (w *twins) resize(id model.PodID) {
	t := w.fast.pods[id].class.Template
	spec := t.Spec.DeepCopy()
	if spec.Containers[0].Resources.Requests == nil {
		return
	}
	spec.Containers[0].Resources.Requests[v1.ResourceCPU] = resource.MustParse(w.one("50m", "300m", "1500m"))
	spec.Containers[0].Resources.Requests[v1.ResourceMemory] = resource.MustParse(w.one("100Mi", "2Gi"))
	resized := w.state.Compile(t.Namespace, t.Labels, t.Annotations, spec)
	w.both(func(s *Scheduler) { s.AssignedPodUpdated(id, resized, w.now) })
}

func newTwins(t *testing.T, seed int64) *twins {
	w := &twins{T: t, Rand: rand.New(rand.NewSource(seed)), state: &model.State{Nodes: make([]model.Node, 1), Pods: make([]model.Pod, 4000)}}
	config := DefaultConfig()
	config.PercentageOfNodesToScore = []int{0, 0, 5, 100}[w.Intn(4)]
	w.fast = New(w.state, config)
	config = DefaultConfig()
	config.PercentageOfNodesToScore = w.fast.config.PercentageOfNodesToScore
	config.NoVerdicts = true
	w.slow = New(w.state, config)
	for i := range []int{3, 30, 150, 400}[w.Intn(4)] {
		id := addNode(w.state, w.node(i))
		w.both(func(s *Scheduler) { s.AddNode(&w.state.Nodes[id], 0) })
	}
	for range 2 + w.Intn(6) {
		p := w.pod()
		w.templates = append(w.templates, compile(w.state, p))
		if w.Intn(3) == 0 {
			// Another class for those that look further only.
			other := p.DeepCopy()
			other.Labels["app"] = "other"
			w.templates = append(w.templates, compile(w.state, other))
		}
	}
	return w
}

func (w *twins) both(f func(*Scheduler)) { f(w.fast); f(w.slow) }

func (w *twins) one(of ...string) string { return of[w.Intn(len(of))] }

func (w *twins) node(i int) *v1.Node {
	n := node(fmt.Sprintf("n%03d", i), w.one("2", "4", "8"), w.one("4Gi", "8Gi", "16Gi"), map[string]string{
		v1.LabelTopologyZone: w.one("a", "b", "c"), v1.LabelHostname: fmt.Sprintf("n%03d", i), "disk": w.one("ssd", "hdd")})
	n.Status.Allocatable["example.com/gpu"] = resource.MustParse(w.one("0", "2"))
	n.Spec.Taints = w.taints()
	if w.Intn(3) == 0 {
		n.Status.Images = []v1.ContainerImage{{Names: []string{"img:a"}, SizeBytes: 500 << 20}}
	}
	return n
}

func (w *twins) taints() []v1.Taint {
	if w.Intn(5) > 0 {
		return nil
	}
	effect := []v1.TaintEffect{v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute}[w.Intn(3)]
	return []v1.Taint{{Key: w.one("k", "l"), Effect: effect}}
}

// pod has some of the features.
func (w *twins) pod() *v1.Pod {
	p := pod(w.one("", "100m", "500m", "1"), w.one("", "256Mi", "1Gi"))
	p.Labels = map[string]string{"app": w.one("web", "db")}
	if w.Intn(4) == 0 {
		port80(&p.Spec)
	}
	if w.Intn(4) == 0 {
		p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	}
	if w.Intn(4) == 0 {
		p.Spec.Containers[0].Resources.Requests["example.com/gpu"] = resource.MustParse("1")
	}
	if w.Intn(3) == 0 {
		p.Spec.Tolerations = []v1.Toleration{{Key: "k", Operator: v1.TolerationOpExists}}
	}
	if w.Intn(4) == 0 {
		level := int32(w.Intn(3))
		p.Spec.Priority = &level
	}
	if w.Intn(4) == 0 {
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{
			MaxSkew: 1 + int32(w.Intn(2)), TopologyKey: w.one(v1.LabelTopologyZone, v1.LabelHostname),
			WhenUnsatisfiable: v1.UnsatisfiableConstraintAction(w.one("DoNotSchedule", "ScheduleAnyway")),
			LabelSelector:     &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		}}
	}
	if w.Intn(3) == 0 {
		p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.PreferredSchedulingTerm{{
			Weight: 10, Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{
				{Key: v1.LabelTopologyZone, Operator: v1.NodeSelectorOpIn, Values: []string{w.one("a", "b")}}}}}}}}
	} else if w.Intn(4) == 0 {
		p.Spec.Affinity = w.podAffinity()
	}
	return p
}

func (w *twins) podAffinity() *v1.Affinity {
	term := v1.PodAffinityTerm{TopologyKey: w.one(v1.LabelTopologyZone, v1.LabelHostname),
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": w.one("web", "db")}}}
	required, preferred := []v1.PodAffinityTerm{term}, []v1.WeightedPodAffinityTerm{{Weight: 5, PodAffinityTerm: term}}
	return []*v1.Affinity{
		{PodAffinity: &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}},
		{PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required}},
		{PodAffinity: &v1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: preferred}},
		{PodAntiAffinity: &v1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: preferred}},
	}[w.Intn(4)]
}

func (w *twins) step() {
	w.now += model.Time(w.Intn(int(2 * model.Second)))
	switch k := w.Intn(20); {
	case k < 12:
		w.add()
	case k < 16 && len(w.placed) > 0:
		i := w.Intn(len(w.placed))
		id := w.placed[i]
		w.placed[i] = w.placed[len(w.placed)-1]
		w.placed = w.placed[:len(w.placed)-1]
		w.both(func(s *Scheduler) { s.AssignedPodDeleted(id, w.now) })
	case k < 18:
		w.changeNode()
	case k < 19 && w.Intn(3) == 0:
		w.budget()
	default:
		w.replaceNode()
	}
	for w.schedule() {
	}
}

func (w *twins) add() {
	id := model.PodID(len(w.pods) + 1)
	w.pods = append(w.pods, id)
	t := w.templates[w.Intn(len(w.templates))]
	w.both(func(s *Scheduler) { s.Add(id, t, w.now) })
}

func (w *twins) schedule() bool {
	tie := w.Uint64()
	got, ok := w.fast.ScheduleOne(w.now, tie)
	want, more := w.slow.ScheduleOne(w.now, tie)
	require.Equal(w, more, ok)
	require.Equal(w, want, got)
	require.Equal(w, w.slow.nextStart, w.fast.nextStart)
	if !ok {
		return false
	}
	if want.Node == 0 {
		require.Equal(w, w.slow.FitError(), w.fast.FitError())
		w.preempt(want)
		return true
	}
	w.placed = append(w.placed, got.Pod)
	t := w.fast.pods[got.Pod].class.Template
	w.state.Pods[got.Pod].Status.StartTime = model.Time(w.Intn(60)) * model.Second
	w.both(func(s *Scheduler) { s.AssignedPodAdded(got.Pod, t, got.Node, w.now) })
	return true
}

// preempt nominates a pod, and deletes its victims more often than not.
func (w *twins) preempt(r Result) {
	if !r.Nominate {
		return
	}
	w.state.Pods[r.Pod].Nominated = r.Nominated
	t, victims := w.fast.pods[r.Pod].class.Template, slices.Clone(r.Victims)
	w.both(func(s *Scheduler) {
		s.UpdatePending(r.Pod, t, w.now)
		s.PreemptionDone(r.Pod)
	})
	for _, id := range victims {
		if w.Intn(4) == 0 {
			o := &w.state.Pods[id]
			o.Deleting = true
			o.Status.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonPreemptionByScheduler, model.Message{}, 0)
			w.both(func(s *Scheduler) { s.AssignedPodUpdated(id, s.pods[id].class.Template, w.now) })
			continue
		}
		w.placed = slices.DeleteFunc(w.placed, func(p model.PodID) bool { return p == id })
		w.both(func(s *Scheduler) { s.AssignedPodDeleted(id, w.now) })
		w.victims++
	}
}

// budget sets the PodDisruptionBudget of an app.
func (w *twins) budget() {
	app := w.one("web", "db")
	b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app}}
	b.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	b.Status.DisruptionsAllowed = int32(w.Intn(3))
	w.both(func(s *Scheduler) { s.SetObject(b, w.now) })
}

// changeNode changes a property of a node.
func (w *twins) changeNode() {
	id := 1 + w.Intn(len(w.state.Nodes)-1)
	n := &w.state.Nodes[id]
	if !w.fast.cluster.NodesByID[id].Present {
		return
	}
	switch w.Intn(4) {
	case 0:
		n.Unschedulable = !n.Unschedulable
	case 1:
		n.Taints = w.taints()
	case 2:
		n.Labels = map[string]string{v1.LabelTopologyZone: w.one("a", "b", "c"), v1.LabelHostname: n.Name, "disk": w.one("ssd", "hdd")}
	case 3:
		n.Images = []model.NodeImage{{Image: w.state.Image("img:a")}}[:w.Intn(2)]
	}
	w.both(func(s *Scheduler) { s.UpdateNode(n, w.now) })
}

// replaceNode takes a node away, or brings one back.
func (w *twins) replaceNode() {
	id := model.NodeID(1 + w.Intn(len(w.state.Nodes)-1))
	if w.fast.cluster.NodesByID[id].Present {
		w.both(func(s *Scheduler) { s.RemoveNode(id, w.now) })
	} else {
		w.both(func(s *Scheduler) { s.AddNode(&w.state.Nodes[id], w.now) })
	}
}
