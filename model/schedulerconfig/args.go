package schedulerconfig

import (
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/utils/ptr"
)

// Args are the arguments of the plugins that have some, with the defaults.
type Args struct {
	DefaultPreemption               configv1.DefaultPreemptionArgs
	DynamicResources                configv1.DynamicResourcesArgs
	InterPodAffinity                configv1.InterPodAffinityArgs
	NodeAffinity                    configv1.NodeAffinityArgs
	NodeResourcesBalancedAllocation configv1.NodeResourcesBalancedAllocationArgs
	NodeResourcesFit                configv1.NodeResourcesFitArgs
	PodTopologySpread               configv1.PodTopologySpreadArgs
	VolumeBinding                   configv1.VolumeBindingArgs
}

// DefaultArgs are the arguments of a profile without pluginConfig.
func DefaultArgs() *Args {
	a := &Args{}
	for _, name := range argsNames {
		setArgsDefaults(a.of(name))
	}
	return a
}

var argsNames = []string{"DefaultPreemption", "DynamicResources", "InterPodAffinity", "NodeAffinity",
	"NodeResourcesBalancedAllocation", "NodeResourcesFit", "PodTopologySpread", "VolumeBinding"}

// of is the arguments of a plugin, nil for one that has none.
func (a *Args) of(plugin string) runtime.Object {
	switch plugin {
	case "DefaultPreemption":
		return &a.DefaultPreemption
	case "DynamicResources":
		return &a.DynamicResources
	case "InterPodAffinity":
		return &a.InterPodAffinity
	case "NodeAffinity":
		return &a.NodeAffinity
	case "NodeResourcesBalancedAllocation":
		return &a.NodeResourcesBalancedAllocation
	case "NodeResourcesFit":
		return &a.NodeResourcesFit
	case "PodTopologySpread":
		return &a.PodTopologySpread
	case "VolumeBinding":
		return &a.VolumeBinding
	}
	return nil
}

// NewArgs is an empty object for the arguments of a plugin, nil for a plugin that has none.
func NewArgs(plugin string) runtime.Object {
	if !slices.Contains(argsNames, plugin) {
		return nil
	}
	return (&Args{}).of(plugin)
}

// argsOf are the arguments of a profile whose defaults are set.
func argsOf(o *configv1.KubeSchedulerProfile) *Args {
	a := DefaultArgs()
	for i := range o.PluginConfig {
		switch args := o.PluginConfig[i].Args.Object.(type) {
		case *configv1.DefaultPreemptionArgs:
			a.DefaultPreemption = *args
		case *configv1.DynamicResourcesArgs:
			a.DynamicResources = *args
		case *configv1.InterPodAffinityArgs:
			a.InterPodAffinity = *args
		case *configv1.NodeAffinityArgs:
			a.NodeAffinity = *args
		case *configv1.NodeResourcesBalancedAllocationArgs:
			a.NodeResourcesBalancedAllocation = *args
		case *configv1.NodeResourcesFitArgs:
			a.NodeResourcesFit = *args
		case *configv1.PodTopologySpreadArgs:
			a.PodTopologySpread = *args
		case *configv1.VolumeBindingArgs:
			a.VolumeBinding = *args
		}
	}
	return a
}

// setArgsDefaults follows the SetDefaults functions of apis/config/v1/defaults.go.
func setArgsDefaults(o runtime.Object) {
	switch a := o.(type) {
	case *configv1.DefaultPreemptionArgs:
		setIfNil(&a.MinCandidateNodesPercentage, 10)
		setIfNil(&a.MinCandidateNodesAbsolute, 100)
	case *configv1.DynamicResourcesArgs:
		setIfNil(&a.FilterTimeout, metav1.Duration{Duration: 10 * time.Second})
		setIfNil(&a.BindingTimeout, metav1.Duration{Duration: 600 * time.Second})
	case *configv1.InterPodAffinityArgs:
		setIfNil(&a.HardPodAffinityWeight, 1)
	case *configv1.NodeResourcesBalancedAllocationArgs:
		a.Resources = defaultResources(a.Resources)
	case *configv1.NodeResourcesFitArgs:
		if a.ScoringStrategy == nil {
			a.ScoringStrategy = &configv1.ScoringStrategy{Type: configv1.LeastAllocated}
		}
		a.ScoringStrategy.Resources = defaultResources(a.ScoringStrategy.Resources)
	case *configv1.PodTopologySpreadArgs:
		if a.DefaultingType == "" {
			a.DefaultingType = configv1.SystemDefaulting
		}
	case *configv1.VolumeBindingArgs:
		setIfNil(&a.BindTimeoutSeconds, 600)
		if len(a.Shape) == 0 {
			a.Shape = []configv1.UtilizationShapePoint{{Utilization: 0, Score: maxCustomPriorityScore}, {Utilization: 100, Score: 0}}
		}
	}
}

// defaultResources are CPU and memory when there are none; a resource without a weight has 1.
func defaultResources(list []configv1.ResourceSpec) []configv1.ResourceSpec {
	if len(list) == 0 {
		return []configv1.ResourceSpec{{Name: string(v1.ResourceCPU), Weight: 1}, {Name: string(v1.ResourceMemory), Weight: 1}}
	}
	for i := range list {
		if list[i].Weight == 0 {
			list[i].Weight = 1
		}
	}
	return list
}

func setIfNil[T any](p **T, value T) {
	if *p == nil {
		*p = ptr.To(value)
	}
}

// setDefaults follows SetDefaults_KubeSchedulerConfiguration, without what no simulation can show.
func setDefaults(o *configv1.KubeSchedulerConfiguration) {
	setIfNil(&o.Parallelism, 16)
	if len(o.Profiles) == 0 {
		o.Profiles = append(o.Profiles, configv1.KubeSchedulerProfile{})
	}
	if len(o.Profiles) == 1 {
		setIfNil(&o.Profiles[0].SchedulerName, v1.DefaultSchedulerName)
	}
	for i := range o.Profiles {
		p := &o.Profiles[i]
		p.Plugins = mergePlugins(p.Plugins)
		for j := range p.PluginConfig {
			c := &p.PluginConfig[j]
			if c.Args.Object == nil {
				c.Args.Object = NewArgs(c.Name)
			}
			setArgsDefaults(c.Args.Object)
		}
	}
	setIfNil(&o.PercentageOfNodesToScore, 0)
	setIfNil(&o.PodInitialBackoffSeconds, 1)
	setIfNil(&o.PodMaxBackoffSeconds, 10)
}
