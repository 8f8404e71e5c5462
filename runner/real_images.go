package runner

import (
	"net"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/runner/images"
	"podsim/runner/workload"
)

// asTheyAre says that containers do what their images do (Options.RealImages). What the scenario's behaviors
// say of them means nothing then.
func (r *CRI) asTheyAre() bool {
	_, ok := r.images.(*images.Real)
	return ok
}

// ownCommand lets a container run its own command, with the variables in it replaced
// (pkg/kubelet/container/helpers.go ExpandContainerCommandAndArgs), or its image's.
func ownCommand(c *runtimeapi.ContainerConfig, spec *v1.Container, values map[string]string) {
	c.Command, c.Args = expandAll(spec.Command, values), expandAll(spec.Args, values)
	var mounts []*runtimeapi.Mount
	for _, m := range c.Mounts {
		if m.ContainerPath != workload.Directory {
			mounts = append(mounts, m)
		}
	}
	c.Mounts = mounts
}

func expandAll(texts []string, values map[string]string) []string {
	var list []string
	for _, s := range texts {
		list = append(list, expand(s, values))
	}
	return list
}

// execCommand is what runs in a container for a probe or a hook: the stand-in, or the container's own.
func (r *CRI) execCommand(own *v1.ExecAction, standIn []string) []string {
	if own != nil && r.asTheyAre() {
		return own.Command
	}
	return standIn
}

// where is the address at which a container is asked: that of the stand-in, or the one that the probe or the
// hook names (pkg/probe/util.go ResolveContainerPort, the pod's address where there is no host).
func (r *CRI) where(p *pod, i int, a asked, h *v1.ProbeHandler) string {
	if !r.asTheyAre() || h == nil {
		return r.standIns(p).address(i, a, p.address)
	}
	host, port := "", intstr.IntOrString{}
	switch {
	case h.HTTPGet != nil:
		host, port = h.HTTPGet.Host, h.HTTPGet.Port
	case h.TCPSocket != nil:
		host, port = h.TCPSocket.Host, h.TCPSocket.Port
	case h.GRPC != nil:
		port = intstr.FromInt32(h.GRPC.Port)
	}
	if host == "" {
		host = p.address
	}
	return net.JoinHostPort(host, strconv.Itoa(portOf(p.template.ContainerSpec(i), port)))
}

// scheme is how a request goes: in the clear to the stand-in, or as the probe or the hook says.
func (r *CRI) scheme(get *v1.HTTPGetAction) v1.URIScheme {
	if get == nil || !r.asTheyAre() {
		return v1.URISchemeHTTP
	}
	return get.Scheme
}
