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
	"podsim/runner/workload"
)

// probe runs a probe once (pkg/kubelet/prober/prober.go runProbe).
func (r *CRI) probe(p *pod, f *kubelet.Effect) {
	e := kubelet.Event{Kind: kubelet.Probed, Container: f.Container, Probe: f.Probe, Instance: f.Instance}
	spec := p.template.ContainerSpec(int(f.Container))
	probe := probeOf(spec, f.Probe)
	if invalid := p.template.Containers[f.Container].Probes[f.Probe].Invalid; invalid != "" {
		e.Errored, e.Text = true, r.intern(invalid)
		go r.driver.Answer(func() { r.answer(p, e) })
		return
	}
	timeout := time.Duration(probe.TimeoutSeconds) * time.Second
	where := r.standIns(p).address(int(f.Container), asked(f.Probe), p.address)
	// The effect is the machine's again when Do has ended.
	id, command := r.instanceID(p, f), probeCommand(f.Probe)
	var tcp workload.Answer
	if probe.TCPSocket != nil {
		tcp = r.tcpAnswer(p, f)
	}
	var result probeResult
	r.call(timeout+callTime, func(ctx context.Context) error {
		switch {
		case probe.Exec != nil:
			result = r.execProbe(ctx, id, command, timeout)
		case probe.HTTPGet != nil:
			result = httpProbe(where, probe.HTTPGet, timeout)
		case probe.TCPSocket != nil:
			result = tcpProbe(where, &tcp, timeout)
		case probe.GRPC != nil:
			result = grpcProbe(ctx, where, probe.GRPC, timeout)
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
	// said says that the text is the scenario's.
	said bool
	// exit is the exit code of a command.
	exit int32
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
	return probeResult{ok: answer.ExitCode == 0, exit: answer.ExitCode, text: onFailure(answer.ExitCode != 0, string(answer.Stdout)+string(answer.Stderr))}
}

func onFailure(failed bool, text string) string {
	if failed {
		return text
	}
	return ""
}

// httpProbe follows DoHTTPProbe of pkg/probe/http/http.go: a redirect to another host is a warning.
func httpProbe(where string, get *v1.HTTPGetAction, timeout time.Duration) probeResult {
	url := fmt.Sprintf("http://%s/%s", where, strings.TrimPrefix(get.Path, "/"))
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
	case answer.Header.Get(workload.OutputHeader) != "":
		return probeResult{text: string(body), said: true}
	}
	return probeResult{text: fmt.Sprintf("HTTP probe failed with statuscode: %d", answer.StatusCode)}
}

// tcpProbe follows DoTCPProbe of pkg/probe/tcp/tcp.go. What a server of TCP cannot do is done here: an answer
// that takes time, and the words of one that fails.
func tcpProbe(where string, a *workload.Answer, timeout time.Duration) probeResult {
	takes := a.Wait()
	if takes > timeout && !a.Refused {
		time.Sleep(timeout)
		return probeResult{end: model.ProbeTimedOut}
	}
	time.Sleep(takes)
	conn, err := net.DialTimeout("tcp", where, timeout)
	switch {
	case err != nil && !a.OK && !a.Refused && a.Output != "":
		return probeResult{text: a.Output, said: true}
	case err != nil:
		return unanswered(err)
	}
	conn.Close()
	return probeResult{ok: true}
}

// tcpAnswer is how a TCP probe goes now.
func (r *CRI) tcpAnswer(p *pod, f *kubelet.Effect) workload.Answer {
	x := p.containers[f.Container].byNumber[f.Instance]
	if x == nil {
		return workload.Answer{Refused: true}
	}
	start, err := workload.Started(x.directory)
	if err != nil {
		start = time.Now()
	}
	return workload.AnswerAt(answers(r.cluster.BehaviorOf(p.ref.ID, int(f.Container)).Probes[f.Probe]), time.Since(start))
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
