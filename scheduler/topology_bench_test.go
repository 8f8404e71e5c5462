package scheduler

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
)

// topologyPods are the pods of an app with rules that look at other pods.
var topologyPods = []struct {
	name string
	rule func(spec *v1.PodSpec, own *metav1.LabelSelector)
}{
	// A Service selects the pods of each app, so they have the default constraints.
	{"default constraints", func(*v1.PodSpec, *metav1.LabelSelector) {}},
	{"spread", func(spec *v1.PodSpec, own *metav1.LabelSelector) {
		spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{
			{MaxSkew: 1, TopologyKey: v1.LabelTopologyZone, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: own},
			{MaxSkew: 1, TopologyKey: v1.LabelHostname, WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: own}}
	}},
	{"anti-affinity", func(spec *v1.PodSpec, own *metav1.LabelSelector) {
		spec.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{TopologyKey: v1.LabelHostname, LabelSelector: own}}}}
	}},
	{"affinity", func(spec *v1.PodSpec, own *metav1.LabelSelector) {
		term := v1.PodAffinityTerm{TopologyKey: v1.LabelTopologyZone, LabelSelector: own}
		spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{term},
			PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{{Weight: 5,
				PodAffinityTerm: v1.PodAffinityTerm{TopologyKey: v1.LabelHostname, LabelSelector: own}}}}}
	}},
}

// BenchmarkTopology places pods of 50 apps on 5,000 nodes with 50,000 pods.
func BenchmarkTopology(b *testing.B) {
	for _, p := range topologyPods {
		b.Run(p.name, func(b *testing.B) {
			next := topologyChurn(5000, 50, p.rule)
			for range 200 {
				next()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				next()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/placement")
		})
	}
}

func TestTopologyPlacementAllocatesNothing(t *testing.T) {
	for _, p := range topologyPods {
		next := topologyChurn(200, 20, p.rule)
		for range 4000 {
			next()
		}
		require.Zero(t, testing.AllocsPerRun(2000, next), p.name)
	}
}

// topologyChurn has ten pods on each of so many nodes, of so many apps in turn, and returns a function
// that replaces the oldest.
func topologyChurn(nodes, apps int, rule func(*v1.PodSpec, *metav1.LabelSelector)) func() {
	state := &model.State{Nodes: make([]model.Node, 1)}
	s := New(state, DefaultConfig())
	for i := range nodes {
		name := fmt.Sprintf("n%04d", i)
		id := addNode(state, node(name, "32", "128Gi", map[string]string{
			v1.LabelHostname: name, v1.LabelTopologyZone: fmt.Sprintf("z%d", i%3)}))
		s.AddNode(&state.Nodes[id], 0)
	}
	var templates []*model.PodTemplate
	for i := range apps {
		p := pod("500m", "1Gi")
		p.Labels = map[string]string{"app": fmt.Sprintf("app%d", i)}
		rule(&p.Spec, &metav1.LabelSelector{MatchLabels: p.Labels})
		templates = append(templates, compile(state, p))
		s.SetObject(&v1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: p.Labels["app"]},
			Spec: v1.ServiceSpec{Selector: p.Labels}}, 0)
	}
	pods := 10 * nodes
	of := func(id model.PodID) *model.PodTemplate { return templates[(int(id)+int(id)/nodes*7)%apps] }
	for i := range pods {
		s.AssignedPodAdded(model.PodID(i+1), of(model.PodID(i+1)), model.NodeID((i+1)%nodes+1), 0)
	}
	id, tie := model.PodID(0), uint64(0)
	return func() {
		id = id%model.PodID(pods) + 1
		tie += 0x9e3779b97f4a7c15
		s.AssignedPodDeleted(id, 0)
		s.Add(id, of(id), 0)
		r, ok := s.ScheduleOne(0, tie)
		if !ok || r.Node == 0 {
			panic(s.FitError())
		}
		s.AssignedPodAdded(id, of(id), r.Node, 0)
	}
}
