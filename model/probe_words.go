package model

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ProbeEnd is how a probe failed.
type ProbeEnd uint8

// The ways in which a probe fails.
const (
	// ProbeAnswered: the command or the server gave an answer, the text.
	ProbeAnswered ProbeEnd = iota
	// ProbeRefused: nobody listens. ProbeTimedOut: there was no answer in time.
	ProbeRefused
	ProbeTimedOut
)

// ProbeFailed is the message of a probe that failed.
func ProbeFailed(t ProbeType, end ProbeEnd, text Text) Message {
	return Message{Kind: MessageProbeFailed, Text: text, N: int64(end)<<8 | int64(t)}
}

// Answered says that a ProbeFailed is about an answer, and so does not name the pod's address.
func (m Message) Answered() bool { return ProbeEnd(m.N>>8) == ProbeAnswered }

// probeFailed puts it into words (pkg/kubelet/prober/prober.go probe).
func (s *State) probeFailed(p *Pod, i int, m Message) string {
	t, end := ProbeType(m.N&255), ProbeEnd(m.N>>8)
	words := s.Texts.String(m.Text)
	if c := p.Template.ContainerSpec(i); end != ProbeAnswered {
		probe := [NumProbes]*v1.Probe{Liveness: c.LivenessProbe, Readiness: c.ReadinessProbe, Startup: c.StartupProbe}[t]
		words = s.noAnswer(p, i, probe, end)
	}
	return fmt.Sprintf("%s probe failed: %s", t, words)
}

// noAnswer is what a probe says that got no answer (pkg/probe exec, http, tcp and grpc, and
// k8s.io/cri-client pkg/remote_runtime.go execSync).
func (s *State) noAnswer(p *Pod, i int, probe *v1.Probe, end ProbeEnd) string {
	timeout := time.Duration(probe.TimeoutSeconds) * time.Second
	switch {
	case probe.Exec != nil:
		return fmt.Sprintf("command timed out: %q timed out after %s", strings.Join(probe.Exec.Command, " "), timeout)
	case probe.HTTPGet != nil && end == ProbeRefused:
		return s.refusedRequest(p, i, probe.HTTPGet)
	case probe.HTTPGet != nil:
		return fmt.Sprintf("Get %q: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
			s.requestURL(p, i, probe.HTTPGet))
	case probe.TCPSocket != nil:
		address := s.address(p, i, probe.TCPSocket.Host, probe.TCPSocket.Port)
		if end == ProbeRefused {
			return refused(address)
		}
		return "dial tcp " + address + ": i/o timeout"
	case end == ProbeRefused:
		// The client tries again until the time is over.
		address := s.address(p, i, "", intstr.FromInt32(probe.GRPC.Port))
		return fmt.Sprintf("timeout: failed to connect service %q within %v: context deadline exceeded", address, timeout)
	}
	return fmt.Sprintf("timeout: health rpc did not complete within %v", timeout)
}

func refused(address string) string { return "dial tcp " + address + ": connect: connection refused" }

// refusedRequest is the error of a request to a port where nobody listens.
func (s *State) refusedRequest(p *Pod, i int, get *v1.HTTPGetAction) string {
	return fmt.Sprintf("Get %q: %s", s.requestURL(p, i, get), refused(s.address(p, i, get.Host, get.Port)))
}

// requestURL follows pkg/probe/http/request.go NewRequestForHTTPGetAction.
func (s *State) requestURL(p *Pod, i int, get *v1.HTTPGetAction) string {
	u, err := url.Parse(get.Path)
	if err != nil {
		u = &url.URL{Path: get.Path}
	}
	u.Scheme, u.Host = strings.ToLower(string(get.Scheme)), s.address(p, i, get.Host, get.Port)
	return u.String()
}

// address is a host, the pod's own when it is empty, with a port of container i.
func (s *State) address(p *Pod, i int, host string, port intstr.IntOrString) string {
	if host == "" {
		host = s.sandboxIP(p)
	}
	n, _ := containerPort(p.Template.ContainerSpec(i), port)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(n))
}

// containerPort follows pkg/probe/util.go ResolveContainerPort; why says what is wrong with a
// name. Numbers are valid (pkg/apis/core/validation).
func containerPort(c *v1.Container, port intstr.IntOrString) (n int32, why string) {
	if port.Type == intstr.Int {
		return port.IntVal, ""
	}
	for i := range c.Ports {
		if c.Ports[i].Name == port.StrVal {
			return c.Ports[i].ContainerPort, ""
		}
	}
	return 0, fmt.Sprintf("port %q not found", port.StrVal)
}
