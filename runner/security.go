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
	c := &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: r.namespaces(spec), SupplementalGroups: groups(spec)}
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
// Differs from Kubernetes: AppArmor and SELinux profiles are not asked for, nor seccomp profiles of the stand-in.
func (r *CRI) security(spec *v1.PodSpec, c *v1.Container) *runtimeapi.LinuxContainerSecurityContext {
	s := &runtimeapi.LinuxContainerSecurityContext{NamespaceOptions: r.namespaces(spec), SupplementalGroups: groups(spec),
		MaskedPaths: maskedPaths, ReadonlyPaths: readonlyPaths}
	if p := spec.SecurityContext; p != nil {
		s.RunAsUser, s.RunAsGroup = number(p.RunAsUser), number(p.RunAsGroup)
	}
	own := c.SecurityContext
	if r.asTheyAre() {
		s.Seccomp = seccomp(spec, own)
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

// seccomp is the profile of a container, or else its pod's; none is unconfined
// (pkg/kubelet/kuberuntime/helpers.go getSeccompProfile).
func seccomp(spec *v1.PodSpec, c *v1.SecurityContext) *runtimeapi.SecurityProfile {
	var asked *v1.SeccompProfile
	if spec.SecurityContext != nil {
		asked = spec.SecurityContext.SeccompProfile
	}
	if c != nil && c.SeccompProfile != nil {
		asked = c.SeccompProfile
	}
	if asked != nil && asked.Type == v1.SeccompProfileTypeRuntimeDefault {
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
