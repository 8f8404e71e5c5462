package runner

import (
	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// sandboxSecurity follows generatePodSandboxLinuxConfig of kuberuntime_sandbox.go.
//
// Differs from Kubernetes: without the runtime's own seccomp profile, which a runc that was built without
// seccomp refuses. No process but the pause program is in it.
func (r *CRI) sandboxSecurity(spec *v1.PodSpec) *runtimeapi.LinuxSandboxSecurityContext {
	c := &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: r.namespaces(spec), SupplementalGroups: groups(spec),
		SupplementalGroupsPolicy: groupsPolicy(spec)}
	if p := spec.SecurityContext; p != nil {
		c.RunAsUser, c.RunAsGroup, c.SelinuxOptions = number(p.RunAsUser), number(p.RunAsGroup), seLinux(p.SELinuxOptions)
	}
	for i := range spec.Containers {
		c.Privileged = c.Privileged || privileged(&spec.Containers[i])
	}
	for i := range spec.InitContainers {
		c.Privileged = c.Privileged || privileged(&spec.InitContainers[i])
	}
	return c
}

func privileged(c *v1.Container) bool {
	return c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
}

// groups are the supplemental groups of a pod's processes.
func groups(spec *v1.PodSpec) []int64 {
	if spec.SecurityContext == nil {
		return nil
	}
	var all []int64
	if g := spec.SecurityContext.FSGroup; g != nil {
		all = append(all, *g)
	}
	return append(all, spec.SecurityContext.SupplementalGroups...)
}

// groupsPolicy says whether the groups of the image's user count, too.
func groupsPolicy(spec *v1.PodSpec) runtimeapi.SupplementalGroupsPolicy {
	if spec.SecurityContext == nil || spec.SecurityContext.SupplementalGroupsPolicy == nil {
		return runtimeapi.SupplementalGroupsPolicy_Merge
	}
	return runtimeapi.SupplementalGroupsPolicy(runtimeapi.SupplementalGroupsPolicy_value[string(*spec.SecurityContext.SupplementalGroupsPolicy)])
}

// seLinux is a label of SELinux; where the node has none it means nothing.
func seLinux(o *v1.SELinuxOptions) *runtimeapi.SELinuxOption {
	if o == nil {
		return nil
	}
	return &runtimeapi.SELinuxOption{User: o.User, Role: o.Role, Type: o.Type, Level: o.Level}
}

// maskedPaths and readonlyPaths are what a container does not see or write of /proc and /sys
// (pkg/securitycontext/util.go).
var (
	maskedPaths = []string{"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// security follows determineEffectiveSecurityContext of pkg/kubelet/kuberuntime/security_context.go and of
// pkg/securitycontext/util.go: what a container says counts before what its pod says.
//
// Differs from Kubernetes: AppArmor profiles are not asked for, nor seccomp profiles of the stand-in.
func (r *CRI) security(p *pod, c *v1.Container) *runtimeapi.LinuxContainerSecurityContext {
	spec := p.template.Spec
	s := &runtimeapi.LinuxContainerSecurityContext{NamespaceOptions: r.namespaces(spec), SupplementalGroups: groups(spec),
		SupplementalGroupsPolicy: groupsPolicy(spec), MaskedPaths: maskedPaths, ReadonlyPaths: readonlyPaths}
	if p := spec.SecurityContext; p != nil {
		s.RunAsUser, s.RunAsGroup, s.SelinuxOptions = number(p.RunAsUser), number(p.RunAsGroup), seLinux(p.SELinuxOptions)
	}
	own := c.SecurityContext
	if r.asTheyAre() {
		s.Seccomp = seccomp(spec, own, r.cluster.KubeletConfiguration(p.ref.ID).SeccompDefault)
	}
	if own == nil {
		return s
	}
	if own.RunAsUser != nil {
		s.RunAsUser = number(own.RunAsUser)
	}
	if own.RunAsGroup != nil {
		s.RunAsGroup = number(own.RunAsGroup)
	}
	if own.SELinuxOptions != nil {
		s.SelinuxOptions = seLinux(own.SELinuxOptions)
	}
	s.Privileged = privileged(c)
	s.ReadonlyRootfs = own.ReadOnlyRootFilesystem != nil && *own.ReadOnlyRootFilesystem
	s.NoNewPrivs = own.AllowPrivilegeEscalation != nil && !*own.AllowPrivilegeEscalation
	if own.ProcMount != nil && *own.ProcMount == v1.UnmaskedProcMount {
		s.MaskedPaths, s.ReadonlyPaths = nil, nil
	}
	if own.Capabilities != nil {
		s.Capabilities = &runtimeapi.Capability{}
		for _, name := range own.Capabilities.Add {
			s.Capabilities.AddCapabilities = append(s.Capabilities.AddCapabilities, string(name))
		}
		for _, name := range own.Capabilities.Drop {
			s.Capabilities.DropCapabilities = append(s.Capabilities.DropCapabilities, string(name))
		}
	}
	return s
}

// seccomp is the profile of a container, or else its pod's; none is unconfined, unless the kubelet has the runtime's
// for all (pkg/kubelet/kuberuntime/helpers.go getSeccompProfile).
//
// Differs from Kubernetes: a profile of the node's files is unconfined.
func seccomp(spec *v1.PodSpec, c *v1.SecurityContext, always *bool) *runtimeapi.SecurityProfile {
	var asked *v1.SeccompProfile
	if spec.SecurityContext != nil {
		asked = spec.SecurityContext.SeccompProfile
	}
	if c != nil && c.SeccompProfile != nil {
		asked = c.SeccompProfile
	}
	if asked == nil && always != nil && *always || asked != nil && asked.Type == v1.SeccompProfileTypeRuntimeDefault {
		return &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_RuntimeDefault}
	}
	return &runtimeapi.SecurityProfile{ProfileType: runtimeapi.SecurityProfile_Unconfined}
}

// number is a number that may be left out.
func number(n *int64) *runtimeapi.Int64Value {
	if n == nil {
		return nil
	}
	return &runtimeapi.Int64Value{Value: *n}
}
