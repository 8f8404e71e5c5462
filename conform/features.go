package conform

import (
	"slices"

	v1 "k8s.io/api/core/v1"
)

// Features are what the table of docs/fidelity.md tells cases apart by, in its order.
var Features = []string{"resources only", "taints", "node affinity", "ports", "extended resources", "gates", "nominated pods",
	"topology spread", "pod affinity", "volumes", "devices", "services and owners", "preemption", "configuration"}

// Features are those that the case has, "resources only" when it has none.
func (c *Case) Features() []string {
	in, spec := &c.Input, &c.Input.Pending.Spec
	has := map[string]bool{
		"taints":              slices.ContainsFunc(in.Nodes, func(n *v1.Node) bool { return len(n.Spec.Taints) > 0 || n.Spec.Unschedulable }),
		"node affinity":       len(spec.NodeSelector) > 0 || spec.Affinity != nil && spec.Affinity.NodeAffinity != nil,
		"ports":               anyContainer(spec, hasHostPort),
		"extended resources":  anyContainer(spec, hasExtended),
		"gates":               len(spec.SchedulingGates) > 0,
		"nominated pods":      slices.ContainsFunc(in.Pods, func(p *v1.Pod) bool { return p.Spec.NodeName == "" }),
		"topology spread":     len(spec.TopologySpreadConstraints) > 0,
		"pod affinity":        hasPodAffinity(spec) || slices.ContainsFunc(in.Pods, func(p *v1.Pod) bool { return hasPodAffinity(&p.Spec) }),
		"volumes":             len(spec.Volumes) > 0,
		"devices":             len(spec.ResourceClaims) > 0,
		"services and owners": len(in.Services)+len(in.ReplicaSets)+len(in.ReplicationControllers)+len(in.StatefulSets) > 0,
		"preemption":          c.Want.Preemption != nil && c.Want.Preemption.Node != "",
		"configuration":       len(in.Config) > 0,
	}
	var list []string
	for _, f := range Features {
		if has[f] {
			list = append(list, f)
		}
	}
	if list == nil {
		list = []string{Features[0]}
	}
	return list
}

func anyContainer(spec *v1.PodSpec, is func(*v1.Container) bool) bool {
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if is(&list[i]) {
				return true
			}
		}
	}
	return false
}

func hasHostPort(c *v1.Container) bool {
	return slices.ContainsFunc(c.Ports, func(p v1.ContainerPort) bool { return p.HostPort > 0 })
}

func hasExtended(c *v1.Container) bool {
	for name := range c.Resources.Requests {
		if name != v1.ResourceCPU && name != v1.ResourceMemory && name != v1.ResourceEphemeralStorage {
			return true
		}
	}
	return false
}

func hasPodAffinity(spec *v1.PodSpec) bool {
	return spec.Affinity != nil && (spec.Affinity.PodAffinity != nil || spec.Affinity.PodAntiAffinity != nil)
}
