package plugins

import (
	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/model/schedulerconfig"
	"podsim/scheduler/framework"
)

// Default is the table of plugins that the default configuration enables, in its order and
// with its weights (pkg/scheduler/apis/config/v1/default_plugins.go getDefaultPlugins).
func Default() []framework.Plugin { return Table(schedulerconfig.DefaultArgs()) }

// Table is the same table with arguments for its plugins.
func Table(args *schedulerconfig.Args) []framework.Plugin {
	return []framework.Plugin{
		SchedulingGates(),
		NodeName(),
		NodeUnschedulable(),
		TaintToleration(),
		NodeAffinity(&args.NodeAffinity),
		NodePorts(),
		NodeResourcesFit(&args.NodeResourcesFit),
		VolumeRestrictions(),
		NodeVolumeLimits(),
		VolumeBinding(&args.VolumeBinding),
		VolumeZone(),
		PodTopologySpread(topologySpreadArgs(&args.PodTopologySpread)),
		InterPodAffinity(interPodAffinityArgs(&args.InterPodAffinity)),
		DynamicResources(),
		NodeResourcesBalancedAllocation(&args.NodeResourcesBalancedAllocation),
		ImageLocality(),
		NodeDeclaredFeatures(),
	}
}

func topologySpreadArgs(args *configv1.PodTopologySpreadArgs) PodTopologySpreadArgs {
	return PodTopologySpreadArgs{List: args.DefaultingType == configv1.ListDefaulting, DefaultConstraints: args.DefaultConstraints}
}

func interPodAffinityArgs(args *configv1.InterPodAffinityArgs) InterPodAffinityArgs {
	return InterPodAffinityArgs{
		HardPodAffinityWeight:              *args.HardPodAffinityWeight,
		IgnorePreferredTermsOfExistingPods: args.IgnorePreferredTermsOfExistingPods,
	}
}
