package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// probe runs a probe once (pkg/kubelet/prober/prober.go runProbe).
func (r *CRI) probe(p *pod, f *kubelet.Effect) {
	e := kubelet.Event{Kind: kubelet.Probed, Container: f.Container, Probe: f.Probe, Instance: f.Instance}
	spec := p.template.ContainerSpec(int(f.Container))
	probe := [model.NumProbes]*v1.Probe{model.Liveness: spec.LivenessProbe, model.Readiness: spec.ReadinessProbe, model.Startup: spec.StartupProbe}[f.Probe]
	if invalid := p.template.Containers[f.Container].Probes[f.Probe].Invalid; invalid != "" {
		e.Errored, e.Text = true, r.intern(invalid)
		go r.driver.Answer(func() { r.answer(p, e) })
		return
	}
	timeout := time.Duration(probe.TimeoutSeconds) * time.Second
	var result probeResult
	r.call(timeout+callTime, func(ctx context.Context) error {
		switch {
		case probe.Exec != nil:
			result = r.execProbe(ctx, r.instanceID(p, f), probeCommand(f.Probe), timeout)
		case probe.HTTPGet != nil:
			result = httpProbe(p.address, spec, probe.HTTPGet, timeout)
		case probe.TCPSocket != nil:
			result = tcpProbe(p.address, spec, probe.TCPSocket, timeout)
		case probe.GRPC != nil:
			result = grpcProbe(ctx, p.address, probe.GRPC, timeout)
		}
		return nil
	}, func(error) {
		e.OK, e.Errored, e.N, e.At = result.ok, result.errored, int64(result.end), r.cluster.Now()
		if result.text != "" {
			e.Text = r.intern(result.text)
		}
		r.answer(p, e)
	})
}

// probeResult is how a probe ended. The text beside ok is a warning.
type probeResult struct {
	ok, errored bool
	end         model.ProbeEnd
	text        string
}

// instanceID is the runtime's id of the instance that an effect is about, "" when it is gone.
func (r *CRI) instanceID(p *pod, f *kubelet.Effect) string {
	if x := p.containers[f.Container].byNumber[f.Instance]; x != nil {
		return x.id
	}
	return ""
}

// probeCommand is what runs in the container for an exec probe.
func probeCommand(t model.ProbeType) []string {
	return []string{programPath, "probe", strings.ToLower(t.String())}
}

// execProbe runs a command in a container.
func (r *CRI) execProbe(ctx context.Context, id string, command []string, timeout time.Duration) probeResult {
	answer, err := r.runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{ContainerId: id, Cmd: command, Timeout: int64(timeout / time.Second)})
	switch {
	case status.Code(err) == codes.DeadlineExceeded:
		return probeResult{end: model.ProbeTimedOut}
	case err != nil:
		return probeResult{errored: true, text: err.Error()}
	}
	return probeResult{ok: answer.ExitCode == 0, text: onFailure(answer.ExitCode != 0, string(answer.Stdout)+string(answer.Stderr))}
}

func onFailure(failed bool, text string) string {
	if failed {
		return text
	}
	return ""
}

// httpProbe follows DoHTTPProbe of pkg/probe/http/http.go: a redirect to another host is a warning.
func httpProbe(address string, c *v1.Container, get *v1.HTTPGetAction, timeout time.Duration) probeResult {
	if get.Host != "" {
		address = get.Host
	}
	url := fmt.Sprintf("%s://%s/%s", strings.ToLower(string(get.Scheme)), net.JoinHostPort(address, fmt.Sprint(portOf(c, get.Port))), strings.TrimPrefix(get.Path, "/"))
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if request.URL.Hostname() != via[0].URL.Hostname() || len(via) >= 10 {
				return http.ErrUseLastResponse
			}
			return nil
		}}
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return probeResult{errored: true, text: err.Error()}
	}
	for _, h := range get.HTTPHeaders {
		request.Header.Add(h.Name, h.Value)
	}
	answer, err := client.Do(request)
	if err != nil {
		return unanswered(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 10<<10))
	switch {
	case err != nil:
		return unanswered(err)
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return probeResult{ok: true, text: "Probe terminated redirects, Response body: " + string(body)}
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return probeResult{ok: true}
	}
	return probeResult{text: fmt.Sprintf("HTTP probe failed with statuscode: %d", answer.StatusCode)}
}

// tcpProbe follows DoTCPProbe of pkg/probe/tcp/tcp.go.
func tcpProbe(address string, c *v1.Container, a *v1.TCPSocketAction, timeout time.Duration) probeResult {
	if a.Host != "" {
		address = a.Host
	}
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, fmt.Sprint(portOf(c, a.Port))), timeout)
	if err != nil {
		return unanswered(err)
	}
	conn.Close()
	return probeResult{ok: true}
}

// unanswered is a probe that found nobody, or got no answer in time.
func unanswered(err error) probeResult {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return probeResult{end: model.ProbeRefused}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return probeResult{end: model.ProbeTimedOut}
	}
	return probeResult{text: err.Error()}
}

// portOf is the number of a port of a container (pkg/probe/util.go ResolveContainerPort).
func portOf(c *v1.Container, port intstr.IntOrString) int {
	if port.Type == intstr.Int {
		return port.IntValue()
	}
	for i := range c.Ports {
		if c.Ports[i].Name == port.StrVal {
			return int(c.Ports[i].ContainerPort)
		}
	}
	return 0
}
