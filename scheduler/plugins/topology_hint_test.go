package plugins

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"podsim/model"
	"podsim/scheduler/framework"
)

func (w *world) labelled(namespace, app string, change ...func(*v1.PodSpec)) *framework.PodClass {
	spec := &v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "img:a"}}}
	for _, f := range change {
		f(spec)
	}
	return framework.NewPodClass(w.state.Compile(namespace, map[string]string{"app": app}, nil, spec), &w.cluster.Symbols, w.state.Image)
}

func (w *world) inZone(zone string, change ...func(*model.Node)) *framework.NodeInfo {
	return w.node(append(change, func(n *model.Node) {
		if zone != "" {
			n.Labels = map[string]string{v1.LabelTopologyZone: zone}
		}
	})...)
}

func app(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
}

func TestPodTopologySpreadHint(t *testing.T) {
	w := newWorld()
	spread := func(policy v1.NodeInclusionPolicy) func(*v1.PodSpec) {
		return func(s *v1.PodSpec) {
			s.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: v1.LabelTopologyZone,
				WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: app("web"), NodeTaintsPolicy: ptr.To(policy)}}
		}
	}
	waiting := w.labelled("default", "web", spread(v1.NodeInclusionPolicyIgnore))
	honors := w.labelled("default", "web", spread(v1.NodeInclusionPolicyHonor))
	p := PodTopologySpread(PodTopologySpreadArgs{})
	for _, c := range []*framework.PodClass{waiting, honors} {
		w.cycle.Pod = &framework.Pod{Class: c}
		p.Global.PreFilter(&w.cycle, c, &framework.PreFilterResult{})
	}
	zoned, other, none := w.inZone("a"), w.inZone("b"), w.inZone("")
	tainted := w.inZone("a", taint("k", v1.TaintEffectNoSchedule))
	for _, c := range []struct {
		name  string
		event framework.ClusterEvent
		want  bool
	}{
		{"a selected pod came", framework.ClusterEvent{Action: framework.AssignedPodAdd, Pod: w.labelled("default", "web")}, true},
		{"a selected pod went", framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: w.labelled("default", "web")}, true},
		{"another pod", framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: w.labelled("default", "db")}, false},
		{"another namespace", framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: w.labelled("other", "web")}, false},
		{"a node with the key", framework.ClusterEvent{Action: framework.NodeAdd, New: zoned}, true},
		{"a node without the key", framework.ClusterEvent{Action: framework.NodeAdd, New: none}, false},
		{"a node with the key went", framework.ClusterEvent{Action: framework.NodeDelete, Old: zoned}, true},
		{"a node without the key went", framework.ClusterEvent{Action: framework.NodeDelete, Old: none}, false},
		{"the node moved", framework.ClusterEvent{Action: framework.UpdateNodeLabel, Old: zoned, New: other}, true},
		{"the node got the key", framework.ClusterEvent{Action: framework.UpdateNodeLabel, Old: none, New: other}, true},
		{"the node lost the key", framework.ClusterEvent{Action: framework.UpdateNodeLabel, Old: zoned, New: none}, true},
		{"another label", framework.ClusterEvent{Action: framework.UpdateNodeLabel, Old: zoned, New: w.inZone("a")}, false},
		{"a taint", framework.ClusterEvent{Action: framework.UpdateNodeTaint, Old: tainted, New: zoned}, true},
		{"uncordoned", framework.ClusterEvent{Action: framework.UpdateNodeTaint, Old: zoned, New: zoned}, false},
		{"a toleration", framework.ClusterEvent{Action: framework.UpdatePodToleration}, false},
	} {
		require.Equal(t, c.want, p.Hint(waiting, &c.event), c.name)
	}
	require.True(t, p.Hint(honors, &framework.ClusterEvent{Action: framework.UpdatePodToleration}))
}

func TestInterPodAffinityHint(t *testing.T) {
	w := newWorld()
	near := func(s *v1.PodSpec) {
		s.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
			{TopologyKey: v1.LabelTopologyZone, LabelSelector: app("db")}}}}
	}
	apart := func(s *v1.PodSpec) {
		s.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
			{TopologyKey: v1.LabelTopologyZone, LabelSelector: app("web")}}}}
	}
	wantsDB, keepsApart, plain := w.labelled("default", "web", near), w.labelled("default", "web", apart), w.labelled("default", "web")
	p := InterPodAffinity(DefaultInterPodAffinityArgs())
	zoned, other, none := w.inZone("a"), w.inZone("b"), w.inZone("")
	came := func(c *framework.PodClass) framework.ClusterEvent {
		return framework.ClusterEvent{Action: framework.AssignedPodAdd, Pod: c}
	}
	went := func(c *framework.PodClass) framework.ClusterEvent {
		return framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: c}
	}
	label := func(before, after *framework.NodeInfo) framework.ClusterEvent {
		return framework.ClusterEvent{Action: framework.UpdateNodeLabel, Old: before, New: after}
	}
	added := func(n *framework.NodeInfo) framework.ClusterEvent {
		return framework.ClusterEvent{Action: framework.NodeAdd, New: n}
	}
	for _, c := range []struct {
		name  string
		class *framework.PodClass
		event framework.ClusterEvent
		want  bool
	}{
		{"the pod to be near came", wantsDB, came(w.labelled("default", "db")), true},
		{"another pod came", wantsDB, came(plain), false},
		{"one of another namespace came", wantsDB, came(w.labelled("other", "db")), false},
		{"the pod to be near went", wantsDB, went(w.labelled("default", "db")), false},
		{"a pod to be apart from went", keepsApart, went(plain), true},
		{"a pod that keeps apart went", plain, went(keepsApart), true},
		{"another pod went", plain, went(wantsDB), false},
		{"a pod to be apart from came", keepsApart, came(plain), false},
		{"a node with the key", wantsDB, added(zoned), true},
		{"a node without the key", wantsDB, added(none), false},
		{"a node without the key, where all may go", keepsApart, added(none), true},
		{"a node for a pod without terms", plain, added(zoned), false},
		{"the node got the key", wantsDB, label(none, zoned), true},
		{"the node moved", wantsDB, label(zoned, other), true},
		{"the node lost the key", wantsDB, label(zoned, none), false},
		{"the node got the key of anti-affinity", keepsApart, label(none, zoned), false},
		{"the node moved away", keepsApart, label(zoned, other), true},
		{"the node lost the key of anti-affinity", keepsApart, label(zoned, none), true},
	} {
		require.Equal(t, c.want, p.Hint(c.class, &c.event), c.name)
	}
}

// The selector of default constraints comes from the Services and the controller of the pod.
func TestDefaultSelector(t *testing.T) {
	w := newWorld()
	o := &w.cluster.Objects
	o.Services.Set("default/web", &v1.Service{Spec: v1.ServiceSpec{Selector: map[string]string{"app": "web"}}})
	o.Services.Set("default/none", &v1.Service{})
	o.Services.Set("default/db", &v1.Service{Spec: v1.ServiceSpec{Selector: map[string]string{"app": "db"}}})
	o.Services.Set("default2/web", &v1.Service{Spec: v1.ServiceSpec{Selector: map[string]string{"other": "namespace"}}})
	o.ReplicationControllers.Set("default/rc", &v1.ReplicationController{Spec: v1.ReplicationControllerSpec{Selector: map[string]string{"rc": "1"}}})
	o.Selectors.Set("ReplicaSet/default/rs", &metav1.LabelSelector{MatchLabels: map[string]string{"hash": "1"}})
	o.Selectors.Set("StatefulSet/default/ss", &metav1.LabelSelector{MatchLabels: map[string]string{"set": "1"}})
	web, lone := w.labelled("default", "web"), w.labelled("default", "lone")
	for _, c := range []struct {
		class      *framework.PodClass
		controller framework.Controller
		want       string
	}{
		{web, framework.Controller{}, "app=web"},
		{web, framework.Controller{Kind: "ReplicaSet", Name: "rs"}, "app=web,hash=1"},
		{web, framework.Controller{Kind: "ReplicaSet", Name: "gone"}, "app=web"},
		{lone, framework.Controller{Kind: "StatefulSet", Name: "ss"}, "set=1"},
		{lone, framework.Controller{Kind: "ReplicationController", Name: "rc"}, "rc=1"},
		{lone, framework.Controller{Kind: "Job", Name: "rs"}, ""},
		{lone, framework.Controller{}, ""},
	} {
		require.Equal(t, c.want, defaultSelector(&w.cluster, c.class, c.controller).String(), c.controller)
	}
}
