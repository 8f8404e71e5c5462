package plugins

import "podsim/scheduler/framework"

// Default is the table of plugins that the default configuration enables, in its order and
// with its weights (pkg/scheduler/apis/config/v1/default_plugins.go getDefaultPlugins).
func Default() []framework.Plugin {
	return []framework.Plugin{
		SchedulingGates(),
		NodeName(),
		NodeUnschedulable(),
		TaintToleration(),
		NodeAffinity(),
		NodePorts(),
		NodeResourcesFit(),
		VolumeRestrictions(),
		NodeVolumeLimits(),
		VolumeBinding(),
		VolumeZone(),
		PodTopologySpread(PodTopologySpreadArgs{}),
		InterPodAffinity(DefaultInterPodAffinityArgs()),
		NodeResourcesBalancedAllocation(),
		ImageLocality(),
	}
}
