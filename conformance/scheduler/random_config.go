package scheduler

import (
	"encoding/json"
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubescheduler "k8s.io/kube-scheduler/config/v1"
)

const configVersion = "kubescheduler.config.k8s.io/v1"

// config draws a KubeSchedulerConfiguration, nil for the defaults. With several profiles the pending
// pod may name one of them, or none.
func (d *random) config() json.RawMessage {
	profiles := []any{d.profile(v1.DefaultSchedulerName)}
	if d.on["profiles"] {
		profiles = append(profiles, d.profile("other"))
		d.in.Pending.Spec.SchedulerName = pick(d, v1.DefaultSchedulerName, "other", "other", "other", "nobody")
	}
	c := map[string]any{"apiVersion": configVersion, "kind": "KubeSchedulerConfiguration"}
	if d.on["percentage"] && d.chance(2) {
		c["percentageOfNodesToScore"] = d.IntN(101)
	}
	if len(profiles) == 1 && len(profiles[0].(map[string]any)) == 1 && len(c) == 2 {
		return nil
	}
	c["profiles"] = profiles
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

func (d *random) profile(name string) map[string]any {
	profile := map[string]any{"schedulerName": name}
	var args []any
	for _, a := range []struct {
		feature, plugin string
		draw            func() map[string]any
	}{
		{"strategy", "NodeResourcesFit", d.fitArgs},
		{"balanced resources", "NodeResourcesBalancedAllocation", func() map[string]any { return map[string]any{"resources": d.resources()} }},
		{"added affinity", "NodeAffinity", d.addedAffinity},
		{"hard affinity weight", "InterPodAffinity", d.hardAffinityWeight},
		{"default constraints", "PodTopologySpread", d.defaultConstraints},
	} {
		if !d.on[a.feature] {
			continue
		}
		of := a.draw()
		of["apiVersion"], of["kind"] = configVersion, a.plugin+"Args"
		args = append(args, map[string]any{"name": a.plugin, "args": of})
	}
	if args != nil {
		profile["pluginConfig"] = args
	}
	if plugins := d.plugins(); len(plugins) > 0 {
		profile["plugins"] = plugins
	}
	if d.on["percentage"] && d.chance(2) {
		profile["percentageOfNodesToScore"] = d.IntN(101)
	}
	return profile
}

func (d *random) resources() []any {
	var list []any
	for _, name := range []string{"cpu", "memory", string(gpu), "ephemeral-storage"} {
		if d.chance(2) {
			list = append(list, map[string]any{"name": name, "weight": 1})
		}
	}
	if list == nil {
		list = append(list, map[string]any{"name": "cpu", "weight": 1})
	}
	return list
}

func (d *random) fitArgs() map[string]any {
	resources := d.resources()
	for _, r := range resources {
		r.(map[string]any)["weight"] = 1 + d.IntN(5)
	}
	strategy := map[string]any{"type": pick(d, "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"), "resources": resources}
	if strategy["type"] == "RequestedToCapacityRatio" {
		shape := []any{}
		for _, at := range [][]int{{0, 100}, {0, 50, 100}, {20, 40, 90}, {50}}[d.IntN(4)] {
			shape = append(shape, map[string]any{"utilization": at, "score": d.IntN(11)})
		}
		strategy["requestedToCapacityRatio"] = map[string]any{"shape": shape}
	}
	args := map[string]any{"scoringStrategy": strategy}
	if d.on["ignored resources"] {
		if d.chance(2) {
			args["ignoredResources"] = []string{string(gpu)}
		} else {
			args["ignoredResourceGroups"] = []string{"example.com"}
		}
	}
	return args
}

func (d *random) addedAffinity() map[string]any {
	affinity := &v1.NodeAffinity{}
	if d.chance(2) {
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{d.nodeTerm()}}
	}
	if affinity.RequiredDuringSchedulingIgnoredDuringExecution == nil || d.chance(2) {
		affinity.PreferredDuringSchedulingIgnoredDuringExecution = []v1.PreferredSchedulingTerm{{Weight: int32(1 + d.IntN(100)), Preference: d.nodeTerm()}}
	}
	return map[string]any{"addedAffinity": affinity}
}

func (d *random) hardAffinityWeight() map[string]any {
	return map[string]any{"hardPodAffinityWeight": d.IntN(101), "ignorePreferredTermsOfExistingPods": d.chance(2)}
}

func (d *random) defaultConstraints() map[string]any {
	if d.chance(4) {
		return map[string]any{"defaultingType": kubescheduler.SystemDefaulting}
	}
	var list []v1.TopologySpreadConstraint
	for _, key := range []string{v1.LabelTopologyZone, v1.LabelHostname, "disk"} {
		if d.chance(2) {
			list = append(list, v1.TopologySpreadConstraint{MaxSkew: int32(1 + d.IntN(3)), TopologyKey: key, WhenUnsatisfiable: pick(d, v1.DoNotSchedule, v1.ScheduleAnyway)})
		}
	}
	return map[string]any{"defaultingType": kubescheduler.ListDefaulting, "defaultConstraints": list}
}

// plugins draws what is enabled, disabled and weighed otherwise.
func (d *random) plugins() map[string]any {
	plugins := map[string]any{}
	scoring := []string{"TaintToleration", "NodeAffinity", "PodTopologySpread", "InterPodAffinity", "NodeResourcesFit", "NodeResourcesBalancedAllocation", "ImageLocality"}
	if d.on["weights"] {
		var enabled, disabled []any
		for _, name := range scoring {
			if d.chance(2) {
				enabled = append(enabled, map[string]any{"name": name, "weight": 1 + d.IntN(20)})
				disabled = append(disabled, map[string]any{"name": name})
			}
		}
		plugins["score"] = map[string]any{"enabled": enabled, "disabled": disabled}
	}
	// A plugin that has a weight and no preScore is refused by podsim: every pod would fail.
	if d.on["disabled plugins"] && !d.on["weights"] {
		switch name := pick(d, append(scoring, "NodePorts", "NodeUnschedulable")...); d.IntN(4) {
		case 0:
			plugins["multiPoint"] = map[string]any{"disabled": []any{map[string]any{"name": name}}}
		case 1:
			plugins["filter"] = map[string]any{"disabled": []any{map[string]any{"name": name}}}
		case 2:
			plugins["score"] = map[string]any{"disabled": []any{map[string]any{"name": pick(d, scoring...)}}}
		default:
			plugins["score"] = map[string]any{"disabled": []any{map[string]any{"name": "*"}}, "enabled": []any{map[string]any{"name": pick(d, scoring...), "weight": 2}}}
		}
	}
	return plugins
}

// owners draws the workloads whose pods a cluster spreads by default.
func (d *random) owners() {
	if !d.on["owners"] {
		return
	}
	for i := range 1 + d.IntN(3) {
		s := &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("service-%d", i), Namespace: d.namespace()}}
		s.Spec.Selector = map[string]string{"app": pick(d, apps...)}
		if d.chance(6) {
			s.Spec.Selector = nil
		}
		d.in.Services = append(d.in.Services, s)
	}
	d.workloads()
}
