package kubelet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"podsim/model/kubelet"
)

func TestForbiddenSysctl(t *testing.T) {
	allowed := []string{"kernel.msg*", "net.core.somaxconn"}
	for _, c := range []struct {
		name     string
		net, ipc bool
		want     string
	}{
		{"net.ipv4.tcp_syncookies", false, false, ""},
		{"net/ipv4/tcp_syncookies", false, true, ""},
		{"net.ipv4.tcp_syncookies", true, false, `forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host Net enabled`},
		{"kernel.shm_rmid_forced", true, false, ""},
		{"kernel.shm_rmid_forced", false, true, `forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host IPC enabled`},
		{"kernel.msgmax", false, false, ""},
		{"net.core.somaxconn", false, false, ""},
		{"net.core.somaxconns", false, false, `forbidden sysctl: "net.core.somaxconns" not allowlisted`},
		{"vm.swappiness", false, false, `forbidden sysctl: "vm.swappiness" not allowlisted`},
	} {
		spec := &v1.PodSpec{HostNetwork: c.net, HostIPC: c.ipc, SecurityContext: &v1.PodSecurityContext{Sysctls: []v1.Sysctl{{Name: c.name, Value: "1"}}}}
		assert.Equal(t, c.want, kubelet.ForbiddenSysctl(spec, allowed), c.name)
	}
	assert.Empty(t, kubelet.ForbiddenSysctl(&v1.PodSpec{}, nil))
}
