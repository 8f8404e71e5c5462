package plugins

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/model/schedulerconfig"
	"podsim/scheduler/framework"
)

// defaults are the arguments of plugins by default.
var defaults = schedulerconfig.DefaultArgs()

// world compiles pods and nodes against one table of names.
type world struct {
	state   model.State
	cluster framework.Cluster
	cycle   framework.Cycle
	// made are the ResourceClaims that were made for the pod.
	made *model.ResourceClaims
}

func newWorld() *world {
	w := &world{}
	w.cluster.Images.State = &w.state
	w.cycle.Cluster = &w.cluster
	return w
}

func (w *world) class(change ...func(*v1.PodSpec)) *framework.PodClass {
	spec := &v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "img:a"}}}
	for _, f := range change {
		f(spec)
	}
	model.DefaultPodSpec(spec)
	return framework.NewPodClass(w.state.Compile("default", nil, nil, spec), &w.cluster.Symbols, w.state.Image)
}

// node has 4 cores, 8Gi, 20Gi of storage, 2 GPUs and room for 3 pods.
func (w *world) node(change ...func(*model.Node)) *framework.NodeInfo {
	node := &model.Node{ID: 1, Name: "n1", Allocatable: model.ResourcesOf(list(
		"cpu", "4", "memory", "8Gi", "ephemeral-storage", "20Gi", "example.com/gpu", "2", "pods", "3"))}
	for _, f := range change {
		f(node)
	}
	n := &framework.NodeInfo{}
	n.SetNode(node, &w.cluster.Symbols)
	return n
}

func list(pairs ...string) v1.ResourceList {
	l := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[v1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}

func requests(pairs ...string) func(*v1.PodSpec) {
	return func(s *v1.PodSpec) { s.Containers[0].Resources.Requests = list(pairs...) }
}

func port(ip string, number int32, protocol v1.Protocol) func(*v1.PodSpec) {
	return func(s *v1.PodSpec) {
		s.Containers[0].Ports = append(s.Containers[0].Ports,
			v1.ContainerPort{HostIP: ip, HostPort: number, ContainerPort: number, Protocol: protocol})
	}
}

func tolerates(key string, effect v1.TaintEffect) func(*v1.PodSpec) {
	return func(s *v1.PodSpec) {
		s.Tolerations = append(s.Tolerations, v1.Toleration{Key: key, Operator: v1.TolerationOpExists, Effect: effect})
	}
}

func selects(key, value string) func(*v1.PodSpec) {
	return func(s *v1.PodSpec) { s.NodeSelector = map[string]string{key: value} }
}

func taint(key string, effect v1.TaintEffect) func(*model.Node) {
	return func(n *model.Node) { n.Taints = append(n.Taints, v1.Taint{Key: key, Effect: effect}) }
}

func label(key, value string) func(*model.Node) {
	return func(n *model.Node) { n.Labels = map[string]string{key: value} }
}

func cordoned(n *model.Node) { n.Unschedulable = true }

// namedNodes requires one of the names in each of the terms.
func namedNodes(terms ...[]string) func(*v1.PodSpec) {
	return func(s *v1.PodSpec) {
		selector := &v1.NodeSelector{}
		for _, names := range terms {
			selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, v1.NodeSelectorTerm{
				MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: names}}})
		}
		s.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: selector}}
	}
}

type pods = []func(*v1.PodSpec)

type nodes = []func(*model.Node)

func TestFilters(t *testing.T) {
	const no, never = framework.Unschedulable, framework.UnschedulableAndUnresolvable
	for _, c := range []struct {
		name   string
		plugin framework.Plugin
		pod    pods
		node   nodes
		// there are the pods on the node.
		there   []pods
		code    framework.Code
		reasons []string
	}{
		{name: "no name", plugin: NodeName(), pod: pods{func(s *v1.PodSpec) { s.NodeName = "n1" }}},
		{name: "other name", plugin: NodeName(), pod: pods{func(s *v1.PodSpec) { s.NodeName = "n2" }},
			code: never, reasons: []string{"node(s) didn't match the requested node name"}},

		{name: "schedulable", plugin: NodeUnschedulable()},
		{name: "cordoned", plugin: NodeUnschedulable(), node: nodes{cordoned},
			code: never, reasons: []string{"node(s) were unschedulable"}},
		{name: "cordoned, tolerated", plugin: NodeUnschedulable(), node: nodes{cordoned},
			pod: pods{tolerates("node.kubernetes.io/unschedulable", v1.TaintEffectNoSchedule)}},
		{name: "cordoned, everything tolerated", plugin: NodeUnschedulable(), node: nodes{cordoned}, pod: pods{tolerates("", "")}},

		{name: "no taints", plugin: TaintToleration()},
		{name: "NoSchedule", plugin: TaintToleration(), node: nodes{taint("a", v1.TaintEffectNoSchedule)},
			code: never, reasons: []string{"node(s) had untolerated taint(s)"}},
		{name: "NoExecute", plugin: TaintToleration(), node: nodes{taint("a", v1.TaintEffectNoExecute)},
			pod:  pods{tolerates("a", v1.TaintEffectNoSchedule)},
			code: never, reasons: []string{"node(s) had untolerated taint(s)"}},
		{name: "one of two tolerated", plugin: TaintToleration(), pod: pods{tolerates("a", "")},
			node: nodes{taint("a", v1.TaintEffectNoSchedule), taint("b", v1.TaintEffectNoSchedule)},
			code: never, reasons: []string{"node(s) had untolerated taint(s)"}},
		{name: "both tolerated", plugin: TaintToleration(), pod: pods{tolerates("a", ""), tolerates("b", "")},
			node: nodes{taint("a", v1.TaintEffectNoSchedule), taint("b", v1.TaintEffectNoExecute)}},
		{name: "PreferNoSchedule is no reason", plugin: TaintToleration(), node: nodes{taint("a", v1.TaintEffectPreferNoSchedule)}},

		{name: "selected", plugin: NodeAffinity(&defaults.NodeAffinity), pod: pods{selects("disk", "ssd")}, node: nodes{label("disk", "ssd")}},
		{name: "not selected", plugin: NodeAffinity(&defaults.NodeAffinity), pod: pods{selects("disk", "ssd")}, node: nodes{label("disk", "hdd")},
			code: never, reasons: []string{"node(s) didn't match Pod's node affinity/selector"}},
		{name: "named", plugin: NodeAffinity(&defaults.NodeAffinity), pod: pods{namedNodes([]string{"n1"})}},
		{name: "selected and not named", plugin: NodeAffinity(&defaults.NodeAffinity), pod: pods{selects("disk", "ssd"), namedNodes([]string{"n2"})},
			node: nodes{label("disk", "ssd")},
			code: never, reasons: []string{"node(s) didn't match Pod's node affinity/selector"}},

		{name: "free port", plugin: NodePorts(), pod: pods{port("", 80, "")}, there: []pods{{port("", 81, "")}}},
		{name: "taken port", plugin: NodePorts(), pod: pods{port("", 80, "")}, there: []pods{{port("", 80, "TCP")}},
			code: no, reasons: []string{"node(s) didn't have free ports for the requested pod ports"}},
		{name: "other protocol", plugin: NodePorts(), pod: pods{port("", 80, "UDP")}, there: []pods{{port("", 80, "TCP")}}},
		{name: "other address", plugin: NodePorts(), pod: pods{port("10.0.0.1", 80, "")}, there: []pods{{port("10.0.0.2", 80, "")}}},
		{name: "all addresses", plugin: NodePorts(), pod: pods{port("0.0.0.0", 80, "")}, there: []pods{{port("10.0.0.2", 80, "")}},
			code: no, reasons: []string{"node(s) didn't have free ports for the requested pod ports"}},

		{name: "fits exactly", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), pod: pods{requests("cpu", "4", "memory", "8Gi", "example.com/gpu", "2")}},
		{name: "no request", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), there: []pods{{requests("cpu", "4")}}},
		{name: "no request on an overcommitted node", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), there: []pods{{requests("cpu", "5")}}},
		{name: "taken", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), pod: pods{requests("cpu", "1m")}, there: []pods{{requests("cpu", "4")}},
			code: no, reasons: []string{"Insufficient cpu"}},
		{name: "never", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), pod: pods{requests("memory", "9Gi")},
			code: never, reasons: []string{"Insufficient memory"}},
		{name: "one of them never", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), there: []pods{{requests("cpu", "3")}},
			pod:  pods{requests("cpu", "2", "ephemeral-storage", "30Gi")},
			code: never, reasons: []string{"Insufficient cpu", "Insufficient ephemeral-storage"}},
		{name: "unknown resource", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), pod: pods{requests("b/x", "1", "a/x", "1", "example.com/gpu", "1")},
			code: never, reasons: []string{"Insufficient a/x", "Insufficient b/x"}},
		{name: "too many pods", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), there: []pods{{}, {}, {requests("cpu", "4")}},
			pod:  pods{requests("cpu", "1")},
			code: no, reasons: []string{"Too many pods", "Insufficient cpu"}},
	} {
		t.Run(c.plugin.ID.String()+"/"+c.name, func(t *testing.T) {
			w := newWorld()
			n := w.node(c.node...)
			for i, there := range c.there {
				n.AddPod(model.PodID(i+1), w.class(there...))
			}
			var st framework.Status
			fits := c.plugin.Filter(w.class(c.pod...), n, &st)
			require.Equal(t, c.code == framework.Success, fits)
			require.Equal(t, c.code, st.Code)
			var reasons []string
			for _, id := range st.Reasons {
				reasons = append(reasons, w.cluster.Symbols.Reason(id))
			}
			require.Equal(t, c.reasons, reasons)
		})
	}
}

func TestPreFilters(t *testing.T) {
	twice := func(first, second []string) func(*v1.PodSpec) {
		return func(s *v1.PodSpec) {
			namedNodes(first)(s)
			term := &s.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0]
			term.MatchFields = append(term.MatchFields,
				v1.NodeSelectorRequirement{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: second})
		}
	}
	for _, c := range []struct {
		name   string
		plugin framework.Plugin
		pod    pods
		want   framework.PreFilterResult
	}{
		{"no name", NodeName(), nil, framework.PreFilterResult{Skip: true}},
		{"no affinity", NodeAffinity(&defaults.NodeAffinity), nil, framework.PreFilterResult{Skip: true}},
		{"selector", NodeAffinity(&defaults.NodeAffinity), pods{selects("a", "b")}, framework.PreFilterResult{}},
		{"names", NodeAffinity(&defaults.NodeAffinity), pods{namedNodes([]string{"b", "c"}, []string{"a", "b"})},
			framework.PreFilterResult{NodeNames: []string{"a", "b", "c"}}},
		{"one term without names", NodeAffinity(&defaults.NodeAffinity), pods{namedNodes([]string{"a"}), func(s *v1.PodSpec) {
			required := s.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
			required.NodeSelectorTerms = append(required.NodeSelectorTerms, v1.NodeSelectorTerm{})
		}}, framework.PreFilterResult{}},
		{"both requirements", NodeAffinity(&defaults.NodeAffinity), pods{twice([]string{"a", "b"}, []string{"b", "c"})},
			framework.PreFilterResult{NodeNames: []string{"b"}}},
		{"conflict", NodeAffinity(&defaults.NodeAffinity), pods{twice([]string{"a"}, []string{"b"})},
			framework.PreFilterResult{Rejected: framework.ReasonAffinityConflict}},
		{"no ports", NodePorts(), nil, framework.PreFilterResult{Skip: true}},
		{"ports", NodePorts(), pods{port("", 80, "")}, framework.PreFilterResult{}},
	} {
		t.Run(c.plugin.ID.String()+"/"+c.name, func(t *testing.T) {
			var got framework.PreFilterResult
			c.plugin.PreFilter(newWorld().class(c.pod...), &got)
			require.Equal(t, c.want, got)
		})
	}
}

func TestScores(t *testing.T) {
	prefers := func(s *v1.PodSpec) {
		s.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.PreferredSchedulingTerm{
			{Weight: 30, Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: v1.NodeSelectorOpExists}}}},
			{Weight: 12, Preference: v1.NodeSelectorTerm{MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{"n1"}}}}},
		}}}
	}
	for _, c := range []struct {
		name   string
		plugin framework.Plugin
		pod    pods
		node   nodes
		there  []pods
		want   int64
	}{
		{name: "two of three not tolerated", plugin: TaintToleration(), pod: pods{tolerates("a", "")},
			node: nodes{taint("a", v1.TaintEffectPreferNoSchedule), taint("b", v1.TaintEffectPreferNoSchedule), taint("c", v1.TaintEffectPreferNoSchedule)}, want: 2},
		{name: "both terms", plugin: NodeAffinity(&defaults.NodeAffinity), pod: pods{prefers}, node: nodes{label("disk", "ssd")}, want: 42},
		{name: "one term", plugin: NodeAffinity(&defaults.NodeAffinity), pod: pods{prefers}, want: 12},
		// (75 % + 50 %) / 2 left.
		{name: "least allocated", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), pod: pods{requests("cpu", "1", "memory", "4Gi")}, want: 62},
		// 100m of 4 cores and 200 MiB of 8 GiB: (97 + 97) / 2.
		{name: "least allocated without a request", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), want: 97},
		{name: "more than there is", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), pod: pods{requests("cpu", "5", "memory", "4Gi")}, want: 25},
		// |25 % - 50 %| / 2: 87, from 100 on the empty node: 50 + (50 - 13) / 2.
		{name: "balance spoilt", plugin: NodeResourcesBalancedAllocation(&defaults.NodeResourcesBalancedAllocation), pod: pods{requests("cpu", "1", "memory", "4Gi")}, want: 68},
		{name: "balance kept", plugin: NodeResourcesBalancedAllocation(&defaults.NodeResourcesBalancedAllocation), pod: pods{requests("cpu", "1", "memory", "2Gi")}, want: 75},
		{name: "balance regained", plugin: NodeResourcesBalancedAllocation(&defaults.NodeResourcesBalancedAllocation), there: []pods{{requests("cpu", "2")}}, pod: pods{requests("memory", "4Gi")}, want: 87},
	} {
		t.Run(c.plugin.ID.String()+"/"+c.name, func(t *testing.T) {
			w := newWorld()
			n := w.node(c.node...)
			for i, there := range c.there {
				n.AddPod(model.PodID(i+1), w.class(there...))
			}
			scores := []int64{-1}
			c.plugin.Score(&w.cycle, w.class(c.pod...), []*framework.NodeInfo{n}, scores)
			require.Equal(t, []int64{c.want}, scores)
		})
	}
}

// An image of 500 MiB on half of the nodes counts 250 MiB; the first 23 MiB do not count.
func TestImageLocality(t *testing.T) {
	w := newWorld()
	class := w.class()
	image := w.state.Image("img:a")
	w.state.Images[image].Size = 500 << 20
	with, without := w.node(), w.node()
	without.ID = 2
	w.cluster.Images.Set(image, 1, true)
	w.cycle.NumNodes = 2
	scores := []int64{-1, -1}
	ImageLocality().Score(&w.cycle, class, []*framework.NodeInfo{with, without}, scores)
	require.Equal(t, []int64{100 * (250 - 23) / (1000 - 23), 0}, scores)

	w.cluster.Images.Set(image, 1, false)
	ImageLocality().Score(&w.cycle, class, []*framework.NodeInfo{with, without}, scores)
	require.Equal(t, []int64{0, 0}, scores)
}

func TestHints(t *testing.T) {
	more := func(n *model.Node) { n.Allocatable.MilliCPU = 8000 }
	for _, c := range []struct {
		name     string
		plugin   framework.Plugin
		action   framework.ActionType
		pod      pods
		old, new nodes
		deleted  pods
		want     bool
	}{
		{name: "uncordoned", plugin: NodeUnschedulable(), action: framework.UpdateNodeTaint, old: nodes{cordoned}, want: true},
		{name: "was not cordoned", plugin: NodeUnschedulable(), action: framework.UpdateNodeTaint},
		{name: "cordoned node added", plugin: NodeUnschedulable(), action: framework.NodeAdd, new: nodes{cordoned}},
		{name: "node added", plugin: NodeUnschedulable(), action: framework.NodeAdd, want: true},
		{name: "taint gone", plugin: TaintToleration(), action: framework.UpdateNodeTaint, old: nodes{taint("a", v1.TaintEffectNoSchedule)}, want: true},
		{name: "other taint", plugin: TaintToleration(), action: framework.UpdateNodeTaint,
			old: nodes{taint("a", v1.TaintEffectNoSchedule)}, new: nodes{taint("b", v1.TaintEffectNoSchedule)}},
		{name: "was tolerated", plugin: TaintToleration(), action: framework.UpdateNodeTaint, pod: pods{tolerates("a", "")},
			old: nodes{taint("a", v1.TaintEffectNoSchedule)}},
		{name: "label added", plugin: NodeAffinity(&defaults.NodeAffinity), action: framework.UpdateNodeLabel, pod: pods{selects("a", "b")}, new: nodes{label("a", "b")}, want: true},
		{name: "label was there", plugin: NodeAffinity(&defaults.NodeAffinity), action: framework.UpdateNodeLabel, pod: pods{selects("a", "b")},
			old: nodes{label("a", "b")}, new: nodes{label("a", "b")}},
		{name: "node added without label", plugin: NodeAffinity(&defaults.NodeAffinity), action: framework.NodeAdd, pod: pods{selects("a", "b")}},
		{name: "port freed", plugin: NodePorts(), action: framework.AssignedPodDelete, pod: pods{port("", 80, "")}, deleted: pods{port("", 80, "")}, want: true},
		{name: "other port freed", plugin: NodePorts(), action: framework.AssignedPodDelete, pod: pods{port("", 80, "")}, deleted: pods{port("", 81, "")}},
		{name: "pod deleted", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), action: framework.AssignedPodDelete, want: true},
		{name: "more cpu", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), action: framework.UpdateNodeAllocatable, pod: pods{requests("cpu", "6")}, new: nodes{more}, want: true},
		{name: "more cpu, not enough", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), action: framework.UpdateNodeAllocatable, pod: pods{requests("cpu", "9")}, new: nodes{more}},
		{name: "more cpu, memory wanted", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), action: framework.UpdateNodeAllocatable, pod: pods{requests("memory", "1Gi")}, new: nodes{more}},
		{name: "more pods", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), action: framework.UpdateNodeAllocatable,
			new: nodes{func(n *model.Node) { n.Allocatable.Pods++ }}, want: true},
		{name: "big node added", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), action: framework.NodeAdd, pod: pods{requests("cpu", "4")}, want: true},
		{name: "small node added", plugin: NodeResourcesFit(&defaults.NodeResourcesFit), action: framework.NodeAdd, pod: pods{requests("cpu", "5")}},
	} {
		t.Run(c.plugin.ID.String()+"/"+c.name, func(t *testing.T) {
			w := newWorld()
			require.NotZero(t, c.plugin.Events&c.action)
			e := framework.ClusterEvent{Action: c.action, Pod: w.class(c.deleted...), New: w.node(c.new...)}
			if c.action != framework.NodeAdd {
				e.Old = w.node(c.old...)
			}
			require.Equal(t, c.want, c.plugin.Hint(w.class(c.pod...), &e))
		})
	}
}

func TestNormalization(t *testing.T) {
	for _, c := range []struct {
		kind       framework.Normalization
		raw, wants []int64
	}{
		{framework.NormalizeNone, []int64{3, 70}, []int64{3, 70}},
		{framework.NormalizeDefault, []int64{0, 1, 3}, []int64{0, 33, 100}},
		{framework.NormalizeDefault, []int64{0, 0}, []int64{0, 0}},
		{framework.NormalizeReverse, []int64{0, 1, 3}, []int64{100, 67, 0}},
		{framework.NormalizeReverse, []int64{0, 0}, []int64{100, 100}},
	} {
		c.kind.Apply(c.raw)
		require.Equal(t, c.wants, c.raw)
	}
}
