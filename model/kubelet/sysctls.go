package kubelet

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/node/util/sysctl"
)

// safeSysctls are those that a pod may always set (sysctl/safe_sysctls.go), on a recent kernel.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
	"net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem",
	"net.ipv4.tcp_wmem", "net.ipv4.tcp_slow_start_after_idle",
}

// ForbiddenSysctl says why a pod may not set one of its sysctls, empty when it may set all. allowed are
// further ones that the kubelet's configuration allows, or patterns with * at the end
// (sysctl/allowlist.go Admit).
func ForbiddenSysctl(spec *v1.PodSpec, allowed []string) string {
	if spec.SecurityContext == nil {
		return ""
	}
	for _, s := range spec.SecurityContext.Sysctls {
		name := sysctl.NormalizeName(s.Name)
		if !slices.Contains(safeSysctls, name) && !slices.ContainsFunc(allowed, func(a string) bool { return allows(a, name) }) {
			return fmt.Sprintf("forbidden sysctl: %q not allowlisted", name)
		}
		ns, _, _ := sysctl.GetNamespace(name)
		shared := spec.HostIPC && ns == sysctl.IPCNamespace || spec.HostNetwork && ns == sysctl.NetNamespace
		if shared {
			return fmt.Sprintf("forbidden sysctl: %q not allowed with host %s enabled", name, ns)
		}
	}
	return ""
}

// allows says whether an allowed sysctl or pattern is about this one.
func allows(pattern, name string) bool {
	prefix, found := strings.CutSuffix(sysctl.NormalizeName(pattern), "*")
	return found && strings.HasPrefix(name, prefix) || !found && prefix == name
}
