package plugins

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"podsim/model"
	"podsim/scheduler/framework"
)

// topologyWorld is a cluster whose nodes, pods and objects change at random under the two plugins that
// keep counts per domain.
type topologyWorld struct {
	*testing.T
	*rand.Rand
	world
	nodes    []model.Node
	classes  []*framework.PodClass
	spread   framework.Plugin
	affinity framework.Plugin
	args     InterPodAffinityArgs
	defaults PodTopologySpreadArgs
	// met counts the verdicts that were compared.
	met map[framework.ReasonID]int
}

// What the plugins say from their counts must be what a look at all pods of all nodes says.
func TestTopologyCountsAreExact(t *testing.T) {
	met := map[framework.ReasonID]int{}
	for seed := range int64(100) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newTopologyWorld(t, seed)
			w.met = met
			for range 150 {
				w.change()
				if w.Intn(3) == 0 {
					w.cycleOf(w.classes[w.Intn(len(w.classes))])
				}
			}
			for _, c := range w.classes {
				w.cycleOf(c)
			}
		})
	}
	require.Len(t, met, 6, "some verdict was never met")
}

func newTopologyWorld(t *testing.T, seed int64) *topologyWorld {
	w := &topologyWorld{T: t, Rand: rand.New(rand.NewSource(seed))}
	w.cycle.Cluster = &w.cluster
	w.args = InterPodAffinityArgs{HardPodAffinityWeight: int32(w.Intn(3)), IgnorePreferredTermsOfExistingPods: w.Intn(4) == 0}
	if w.Intn(2) == 0 {
		w.defaults.List = true
		for range w.Intn(3) {
			w.defaults.DefaultConstraints = append(w.defaults.DefaultConstraints, w.constraint())
		}
		w.defaults.DefaultConstraints = distinct(w.defaults.DefaultConstraints)
	}
	spread, affinity := newPodTopologySpread(w.defaults), newInterPodAffinity(w.args)
	if w.Intn(2) == 0 {
		// So few that they make room for each other.
		spread.counts.Limit, affinity.counts.Limit = 8, 12
	}
	w.spread, w.affinity = spread.plugin(), affinity.plugin()
	w.nodes = make([]model.Node, 2+w.Intn(10))
	w.cluster.NodesByID = make([]*framework.NodeInfo, len(w.nodes))
	w.cluster.Pods = make([]framework.Pod, 100)
	for range 3 + w.Intn(8) {
		w.classes = append(w.classes, w.podClass())
	}
	for i := 1; i < len(w.nodes); i++ {
		w.nodes[i] = model.Node{ID: model.NodeID(i), Name: fmt.Sprintf("n%d", i)}
		w.cluster.NodesByID[i] = &framework.NodeInfo{ID: model.NodeID(i), Name: w.nodes[i].Name}
	}
	return w
}

func (w *topologyWorld) one(of ...string) string { return of[w.Intn(len(of))] }

func (w *topologyWorld) podClass() *framework.PodClass {
	spec := &v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "img:a"}}}
	if w.Intn(3) == 0 {
		spec.NodeSelector = map[string]string{"disk": "ssd"}
	}
	if w.Intn(3) == 0 {
		spec.Tolerations = []v1.Toleration{{Key: "k", Operator: v1.TolerationOpExists}}
	}
	for range w.Intn(3) {
		spec.TopologySpreadConstraints = append(spec.TopologySpreadConstraints, w.constraint())
	}
	spec.TopologySpreadConstraints = distinct(spec.TopologySpreadConstraints)
	spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{}, PodAntiAffinity: &v1.PodAntiAffinity{}}
	for _, a := range []*[]v1.PodAffinityTerm{&spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution,
		&spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution} {
		for range max(0, w.Intn(5)-2) {
			*a = append(*a, w.term())
		}
	}
	for _, a := range []*[]v1.WeightedPodAffinityTerm{&spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution,
		&spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution} {
		for range max(0, w.Intn(5)-2) {
			*a = append(*a, v1.WeightedPodAffinityTerm{Weight: 1 + int32(w.Intn(4)), PodAffinityTerm: w.term()})
		}
	}
	model.DefaultPodSpec(spec)
	podLabels := map[string]string{"app": w.one("a", "b", "c"), "tier": w.one("x", "y")}
	return framework.NewPodClass(w.state.Compile(w.one("one", "two"), podLabels, nil, spec), &w.cluster.Symbols, w.state.Image)
}

// key is one of few topology keys.
func (w *topologyWorld) key() string {
	return w.one(v1.LabelHostname, v1.LabelTopologyZone, v1.LabelTopologyZone, "rack")
}

func (w *topologyWorld) selector() *metav1.LabelSelector {
	switch w.Intn(8) {
	case 0:
		return nil
	case 1:
		return &metav1.LabelSelector{}
	case 2:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{w.one("a", "b")}}}}
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": w.one("a", "b", "c")}}
}

func (w *topologyWorld) constraint() v1.TopologySpreadConstraint {
	policies := []*v1.NodeInclusionPolicy{nil, ptr.To(v1.NodeInclusionPolicyHonor), ptr.To(v1.NodeInclusionPolicyIgnore)}
	k := v1.TopologySpreadConstraint{MaxSkew: 1 + int32(w.Intn(2)), TopologyKey: w.key(), LabelSelector: w.selector(),
		WhenUnsatisfiable:  []v1.UnsatisfiableConstraintAction{v1.DoNotSchedule, v1.ScheduleAnyway}[w.Intn(2)],
		NodeAffinityPolicy: policies[w.Intn(3)], NodeTaintsPolicy: policies[w.Intn(3)]}
	if w.Intn(3) == 0 && k.WhenUnsatisfiable == v1.DoNotSchedule {
		k.MinDomains = ptr.To(1 + int32(w.Intn(4)))
	}
	if w.Intn(3) == 0 && k.LabelSelector != nil {
		k.MatchLabelKeys = []string{"tier"}
	}
	return k
}

// distinct leaves one constraint of each key and action: validation admits no two.
func distinct(list []v1.TopologySpreadConstraint) []v1.TopologySpreadConstraint {
	var out []v1.TopologySpreadConstraint
	for _, k := range list {
		same := func(o v1.TopologySpreadConstraint) bool {
			return o.TopologyKey == k.TopologyKey && o.WhenUnsatisfiable == k.WhenUnsatisfiable
		}
		if !slices.ContainsFunc(out, same) {
			out = append(out, k)
		}
	}
	return out
}

func (w *topologyWorld) term() v1.PodAffinityTerm {
	t := v1.PodAffinityTerm{LabelSelector: w.selector(), TopologyKey: w.key()}
	switch w.Intn(5) {
	case 0:
		t.Namespaces = []string{w.one("one", "two")}
	case 1:
		t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": w.one("r", "s")}}
	case 2:
		t.NamespaceSelector = &metav1.LabelSelector{}
	}
	return t
}

// change changes the cluster as the scheduler does.
func (w *topologyWorld) change() {
	n := w.cluster.NodesByID[1+w.Intn(len(w.nodes)-1)]
	id := model.PodID(1 + w.Intn(len(w.cluster.Pods)-1))
	p := &w.cluster.Pods[id]
	switch k := w.Intn(20); {
	case k < 11:
		w.movePod(p, id, n)
	case k < 13 && p.Node != 0:
		at := w.cluster.NodesByID[p.Node]
		w.moved(p, at, -1)
		p.Deleting = true
		w.moved(p, at, 1)
	case k < 18:
		w.changeNode(n)
	default:
		w.changeObjects()
	}
}

// movePod takes a pod off its node, or puts a new one on the node, be it known or not.
func (w *topologyWorld) movePod(p *framework.Pod, id model.PodID, n *framework.NodeInfo) {
	if p.Node != 0 {
		at := w.cluster.NodesByID[p.Node]
		at.RemovePod(id, p.Class)
		w.moved(p, at, -1)
		*p = framework.Pod{}
		return
	}
	*p = framework.Pod{ID: id, Class: w.classes[w.Intn(len(w.classes))], Node: n.ID}
	n.AddPod(id, p.Class)
	w.moved(p, n, 1)
}

func (w *topologyWorld) moved(p *framework.Pod, n *framework.NodeInfo, sign int64) {
	w.spread.Global.PodMoved(p, n, sign)
	w.affinity.Global.PodMoved(p, n, sign)
}

func (w *topologyWorld) changeNode(n *framework.NodeInfo) {
	node := &w.nodes[n.ID]
	switch w.Intn(5) {
	case 0:
		n.Present = !n.Present
	case 1:
		node.Taints = []v1.Taint{{Key: w.one("k", "l"), Effect: v1.TaintEffectNoSchedule}}[:w.Intn(2)]
		n.SetNode(node, &w.cluster.Symbols)
	default:
		node.Labels = map[string]string{}
		for key, values := range map[string][]string{v1.LabelTopologyZone: {"a", "b", ""}, v1.LabelHostname: {node.Name, node.Name, "same"},
			"rack": {"1", "2", "3"}, "disk": {"ssd", "ssd", "hdd"}} {
			if w.Intn(6) > 0 {
				node.Labels[key] = values[w.Intn(3)]
			}
		}
		n.LabelsGeneration++
		n.SetNode(node, &w.cluster.Symbols)
	}
	w.spread.Global.NodeChanged(n)
	w.affinity.Global.NodeChanged(n)
}

func (w *topologyWorld) changeObjects() {
	o, namespace := &w.cluster.Objects, w.one("one", "two")
	switch w.Intn(5) {
	case 0:
		o.Namespaces.Set(namespace, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"team": w.one("r", "s")}}})
	case 1:
		o.Namespaces.Delete(namespace)
	case 2:
		o.Services.Set(framework.Key(namespace, "s"), &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: "s", Namespace: namespace},
			Spec: v1.ServiceSpec{Selector: map[string]string{"app": w.one("a", "b", "c")}}})
	case 3:
		o.Services.Delete(framework.Key(namespace, "s"))
	case 4:
		o.Selectors.Set("ReplicaSet/"+framework.Key(namespace, "r"), &metav1.LabelSelector{MatchLabels: map[string]string{"tier": w.one("x", "y")}})
	}
}

// cycleOf compares a cycle for a pod of the class, and a number of dry runs.
func (w *topologyWorld) cycleOf(c *framework.PodClass) {
	w.cycle.Pod = &framework.Pod{Class: c}
	if w.Intn(2) == 0 {
		w.cycle.Pod.Controller = framework.Controller{Kind: w.one("ReplicaSet", "Job"), Name: "r"}
	}
	w.cycle.Nodes = nil
	for _, n := range w.cluster.NodesByID[1:] {
		if n.Present {
			w.cycle.Nodes = append(w.cycle.Nodes, n)
		}
	}
	w.compareSpread(c)
	w.compareAffinity(c)
}

func (w *topologyWorld) compareSpread(c *framework.PodClass) {
	g := w.spread.Global
	twin := &spreadTwin{y: &w.cycle, c: c, defaults: w.defaults.DefaultConstraints}
	if !w.defaults.List {
		twin.defaults, twin.system = systemDefaultConstraints, true
	}
	if !g.Concerns(c) {
		require.True(w, twin.preFilter())
		return
	}
	var r framework.PreFilterResult
	g.PreFilter(&w.cycle, c, &r)
	require.Equal(w, twin.preFilter(), r.Skip)
	if !r.Skip {
		w.compareFilters(c, g, twin.filter, twin.move)
	}
	nodes := w.some()
	if len(nodes) == 0 {
		return
	}
	scores := g.PreScore(&w.cycle, c, nodes)
	require.Equal(w, twin.preScore(nodes), scores)
	if scores {
		w.compareScores(c, g, nodes, twin.score, func(raw []int64) { twin.normalize(nodes, raw) })
	}
}

func (w *topologyWorld) compareAffinity(c *framework.PodClass) {
	g := w.affinity.Global
	twin := &affinityTwin{y: &w.cycle, c: c, args: w.args}
	var r framework.PreFilterResult
	g.PreFilter(&w.cycle, c, &r)
	require.Equal(w, twin.preFilter(), r.Skip)
	if !r.Skip {
		w.compareFilters(c, g, twin.filter, twin.move)
	}
	nodes := w.some()
	if len(nodes) == 0 {
		return
	}
	scores := g.PreScore(&w.cycle, c, nodes)
	require.Equal(w, twin.preScore(), scores)
	if scores {
		w.compareScores(c, g, nodes, twin.score, func(raw []int64) { normalizeInterPodAffinity(nil, nil, nil, raw) })
	}
}

// some are some of the nodes, as if they were the feasible ones.
func (w *topologyWorld) some() []*framework.NodeInfo {
	var nodes []*framework.NodeInfo
	for _, n := range w.cycle.Nodes {
		if w.Intn(4) > 0 {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// compareFilters compares the verdicts on all nodes, then with pods taken away and put on the nodes,
// and then again without.
func (w *topologyWorld) compareFilters(c *framework.PodClass, g *framework.Global, filter func(*framework.NodeInfo) framework.ReasonID,
	move func(*framework.Pod, *framework.NodeInfo, int)) {
	var before []framework.ReasonID
	for _, n := range w.cycle.Nodes {
		before = append(before, w.verdict(c, g, n))
		require.Equal(w, filter(n), before[len(before)-1], n.Name)
		w.met[filter(n)]++
	}
	for i, n := range w.cycle.Nodes {
		g.Save()
		var undo []func()
		for _, id := range n.Pods {
			if p := &w.cluster.Pods[id]; w.Intn(2) == 0 {
				g.RemovePod(&w.cycle, c, p, n)
				move(p, n, -1)
				undo = append(undo, func() { move(p, n, 1) })
			}
		}
		require.Equal(w, filter(n), w.verdict(c, g, n), n.Name)
		g.Save()
		nominated := &framework.Pod{Class: w.classes[w.Intn(len(w.classes))]}
		g.AddPod(&w.cycle, c, nominated, n)
		move(nominated, n, 1)
		require.Equal(w, filter(n), w.verdict(c, g, n), n.Name)
		move(nominated, n, -1)
		g.Restore()
		require.Equal(w, filter(n), w.verdict(c, g, n), n.Name)
		g.Restore()
		for _, f := range undo {
			f()
		}
		require.Equal(w, before[i], w.verdict(c, g, n), n.Name)
	}
}

func (w *topologyWorld) verdict(c *framework.PodClass, g *framework.Global, n *framework.NodeInfo) framework.ReasonID {
	var st framework.Status
	if g.Filter(&w.cycle, c, n, &st) {
		return framework.NoReason
	}
	want := framework.Unschedulable
	if st.Reasons[0] == framework.ReasonSpreadLabel || st.Reasons[0] == framework.ReasonPodAffinity {
		want = framework.UnschedulableAndUnresolvable
	}
	require.Equal(w, want, st.Code)
	require.Len(w, st.Reasons, 1)
	return st.Reasons[0]
}

func (w *topologyWorld) compareScores(c *framework.PodClass, g *framework.Global, nodes []*framework.NodeInfo,
	score func(*framework.NodeInfo) int64, normalize func([]int64)) {
	got, want := make([]int64, len(nodes)), make([]int64, len(nodes))
	g.Score(&w.cycle, c, nodes, got)
	for i, n := range nodes {
		want[i] = score(n)
	}
	require.Equal(w, want, got)
	g.NormalizeScore(&w.cycle, c, nodes, got)
	normalize(want)
	require.Equal(w, want, got)
}
