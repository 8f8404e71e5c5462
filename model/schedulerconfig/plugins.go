package schedulerconfig

import (
	"slices"

	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/utils/ptr"
)

// Point is an extension point of the scheduling framework.
type Point uint8

// The extension points, in the order of framework/runtime/framework.go getExtensionPoints.
const (
	PreFilter Point = iota
	Filter
	PostFilter
	Reserve
	PreScore
	Score
	PreBind
	Bind
	PostBind
	Permit
	PreEnqueue
	QueueSort
	PlacementGenerate
	PlacementScore
	PodGroupPostFilter
	NumPoints
)

var pointNames = [NumPoints]string{"preFilter", "filter", "postFilter", "reserve", "preScore", "score", "preBind", "bind",
	"postBind", "permit", "preEnqueue", "queueSort", "placementGenerate", "placementScore", "podGroupPostFilter"}

// String is the point's name in a KubeSchedulerConfiguration.
func (p Point) String() string { return pointNames[p] }

// pluginSet is the point's field in the API type.
func (p Point) pluginSet(o *configv1.Plugins) *configv1.PluginSet {
	return [NumPoints]*configv1.PluginSet{&o.PreFilter, &o.Filter, &o.PostFilter, &o.Reserve, &o.PreScore, &o.Score, &o.PreBind,
		&o.Bind, &o.PostBind, &o.Permit, &o.PreEnqueue, &o.QueueSort, &o.PlacementGenerate, &o.PlacementScore,
		&o.PodGroupPostFilter}[p]
}

// kind is what is known of a plugin: the extension points that it has (framework/plugins/*), and
// whether its Filter or Score fails when its PreFilter or PreScore has not run; noPreScore is how.
type kind struct {
	name           string
	points         []Point
	needsPreFilter bool
	noPreScore     string
}

// kinds are the plugins that are on by default, in upstream's order (apis/config/v1/default_plugins.go
// getDefaultPlugins).
var kinds = []kind{
	{name: "SchedulingGates", points: []Point{PreEnqueue}},
	{name: "PrioritySort", points: []Point{QueueSort}},
	{name: "NodeName", points: []Point{PreFilter, Filter}},
	{name: "NodeUnschedulable", points: []Point{PreFilter, Filter}},
	{name: "TaintToleration", points: []Point{PreFilter, Filter, PreScore, Score}, noPreScore: "failed to read"},
	{name: "NodeAffinity", points: []Point{PreFilter, Filter, PreScore, Score}},
	{name: "NodePorts", points: []Point{PreFilter, Filter}, needsPreFilter: true},
	{name: "NodeResourcesFit", points: []Point{PreFilter, Filter, PreScore, Score, PlacementScore}, needsPreFilter: true},
	{name: "VolumeRestrictions", points: []Point{PreFilter, Filter}, needsPreFilter: true},
	{name: "NodeVolumeLimits", points: []Point{PreFilter, Filter}},
	{name: "VolumeBinding", points: []Point{PreFilter, Filter, Reserve, PreBind, PreScore, Score}, needsPreFilter: true},
	{name: "VolumeZone", points: []Point{PreFilter, Filter}},
	{name: "PodTopologySpread", points: []Point{PreFilter, Filter, PreScore, Score}, needsPreFilter: true, noPreScore: "error reading"},
	{name: "InterPodAffinity", points: []Point{PreFilter, Filter, PreScore, Score}, needsPreFilter: true, noPreScore: "failed to read"},
	{name: "DynamicResources", points: []Point{PreEnqueue, PreFilter, Filter, PostFilter, PodGroupPostFilter, Score, Reserve, PreBind},
		needsPreFilter: true},
	{name: "DefaultPreemption", points: []Point{PreEnqueue, PostFilter, PodGroupPostFilter}},
	{name: "NodeResourcesBalancedAllocation", points: []Point{PreScore, Score}},
	{name: "ImageLocality", points: []Point{Score}},
	{name: "DefaultBinder", points: []Point{Bind}},
	{name: "NodeDeclaredFeatures", points: []Point{PreFilter, Filter}, needsPreFilter: true},
}

// gated are upstream's plugins behind feature gates that are off by default.
var gated = []string{"DeferredPodScheduling", "GangScheduling", "PodGroupPodsCount", "TopologyPlacementGenerator"}

// weights are the default weights that are not 1.
var weights = map[string]int32{"TaintToleration": 3, "NodeAffinity": 2, "PodTopologySpread": 2, "InterPodAffinity": 2, "DynamicResources": 2}

func kindOf(name string) *kind {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		return nil
	}
	return &kinds[i]
}

// PluginNames are the known plugins in alphabetical order.
func PluginNames() []string {
	names := make([]string, len(kinds))
	for i := range kinds {
		names[i] = kinds[i].name
	}
	slices.Sort(names)
	return names
}

// defaultPlugins enables all of them for whatever points they have.
func defaultPlugins() *configv1.Plugins {
	p := &configv1.Plugins{}
	for i := range kinds {
		e := configv1.Plugin{Name: kinds[i].name}
		if slices.Contains(kinds[i].points, Score) {
			e.Weight = ptr.To[int32](1)
			if w := weights[e.Name]; w > 0 {
				e.Weight = ptr.To(w)
			}
		}
		p.MultiPoint.Enabled = append(p.MultiPoint.Enabled, e)
	}
	return p
}

// mergePlugins puts a profile's plugins upon the default ones (default_plugins.go mergePlugins).
func mergePlugins(custom *configv1.Plugins) *configv1.Plugins {
	merged := defaultPlugins()
	if custom == nil {
		return merged
	}
	merged.MultiPoint = mergePluginSet(merged.MultiPoint, custom.MultiPoint)
	for p := range NumPoints {
		*p.pluginSet(merged) = mergePluginSet(*p.pluginSet(merged), *p.pluginSet(custom))
	}
	return merged
}

// mergePluginSet leaves the default plugins out that are disabled, replaces in their place those that are
// enabled again, and puts the others after them (default_plugins.go mergePluginSet).
func mergePluginSet(defaults, custom configv1.PluginSet) configv1.PluginSet {
	var merged configv1.PluginSet
	merged.Disabled = append(slices.Clone(custom.Disabled), defaults.Disabled...)
	disabled := func(name string) bool { return listed(merged.Disabled, name) }
	replaced := map[int]bool{}
	if !disabled("*") {
		for _, d := range defaults.Enabled {
			if disabled(d.Name) {
				continue
			}
			// Of several entries of one name the last counts.
			for i := len(custom.Enabled) - 1; i >= 0; i-- {
				if custom.Enabled[i].Name == d.Name {
					d, replaced[i] = custom.Enabled[i], true
					break
				}
			}
			merged.Enabled = append(merged.Enabled, d)
		}
	}
	for i, p := range custom.Enabled {
		if !replaced[i] {
			merged.Enabled = append(merged.Enabled, p)
		}
	}
	return merged
}

func listed(list []configv1.Plugin, name string) bool {
	return slices.ContainsFunc(list, func(p configv1.Plugin) bool { return p.Name == name })
}
