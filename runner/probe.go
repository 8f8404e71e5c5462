package runner

import (
	"cmp"
	"context"
	"crypto/tls"
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
		r.driver.After(0, func() { r.answer(p, e) })
		return
	}
	timeout := time.Duration(probe.TimeoutSeconds) * time.Second
	where := r.where(p, int(f.Container), asked(f.Probe), &probe.ProbeHandler)
	// The effect is the machine's again when Do has ended.
	id, command := r.instanceID(p, f), r.execCommand(probe.Exec, probeCommand(f.Probe))
	scheme := r.scheme(probe.HTTPGet)
	var tcp workload.Answer
	if probe.TCPSocket != nil {
		tcp = r.tcpAnswer(p, f)
	}
	// One that may take its time tells nothing of the machine.
	plain := probe.Exec == nil && len(r.cluster.BehaviorOf(p.ref.ID, int(f.Container)).Probes[f.Probe]) == 0
	began := time.Now()
	var result probeResult
	r.call(maxProbeRetries*(timeout+callTime), func(ctx context.Context) error {
		for range maxProbeRetries {
			switch {
			case probe.Exec != nil:
				result = r.execProbe(ctx, id, command, timeout)
			case probe.HTTPGet != nil:
				result = httpProbe(ctx, scheme, where, probe.HTTPGet, timeout)
			case probe.TCPSocket != nil:
				result = tcpProbe(ctx, where, &tcp, timeout)
			case probe.GRPC != nil:
				result = grpcProbe(ctx, where, probe.GRPC, timeout)
			}
			if !result.errored {
				break
			}
		}
		return nil
	}, func(error) {
		if plain && result.ok {
			r.note(OpNetProbe, p, e.Container, began)
		}
		e.OK, e.Errored, e.N, e.At = result.ok, result.errored, int64(result.end), r.cluster.Now()
		if result.text != "" {
			e.Text = r.intern(result.text)
		}
		r.answer(p, e)
	})
}

// maxProbeRetries is how often a probe that cannot be run is tried (prober.go maxProbeRetries).
const maxProbeRetries = 3

// userAgent is how the kubelet calls itself (pkg/probe/http/request.go, pkg/probe/grpc/grpc.go).
const userAgent = "kube-probe/1.37"

// largestOutput is how much of a probe's output counts, in bytes (pkg/probe/exec/exec.go maxReadLength,
// pkg/probe/http/http.go maxRespBodyLength).
const largestOutput = 10 << 10

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

// noTask is what the kubelet is told of a command in a container that is gone.
const noTask = "rpc error: code = NotFound desc = failed to exec in container: failed to load task: no running task found: not found"

// probeCommand is how the stand-in answers an exec probe.
func probeCommand(t model.ProbeType) []string {
	return []string{programPath, "probe", strings.ToLower(t.String())}
}

// execProbe runs a command in a container (pkg/probe/exec/exec.go, k8s.io/cri-client pkg/remote_runtime.go
// ExecSync).
func (r *CRI) execProbe(ctx context.Context, id string, command []string, timeout time.Duration) probeResult {
	if id == "" {
		return probeResult{errored: true, text: noTask}
	}
	answer, err := r.runtime.ExecSync(ctx, &runtimeapi.ExecSyncRequest{ContainerId: id, Cmd: command, Timeout: int64(timeout / time.Second)})
	switch {
	case status.Code(err) == codes.DeadlineExceeded:
		return probeResult{end: model.ProbeTimedOut}
	case err != nil:
		return probeResult{errored: true, text: err.Error()}
	}
	output := string(answer.Stdout) + string(answer.Stderr)
	return probeResult{ok: answer.ExitCode == 0, exit: answer.ExitCode, text: onFailure(answer.ExitCode != 0, output[:min(len(output), largestOutput)])}
}

func onFailure(failed bool, text string) string {
	if failed {
		return text
	}
	return ""
}

// httpProbe follows DoHTTPProbe of pkg/probe/http/http.go: a redirect to another host is a warning, and a
// certificate is not looked at. A timeout of 0 is none.
func httpProbe(ctx context.Context, scheme v1.URIScheme, where string, get *v1.HTTPGetAction, timeout time.Duration) probeResult {
	url := fmt.Sprintf("%s://%s/%s", strings.ToLower(string(cmp.Or(scheme, v1.URISchemeHTTP))), where, strings.TrimPrefix(get.Path, "/"))
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			switch {
			case request.URL.Hostname() != via[0].URL.Hostname():
				return http.ErrUseLastResponse
			case len(via) >= 10:
				return errors.New("stopped after 10 redirects")
			}
			return nil
		}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return probeResult{errored: true, text: err.Error()}
	}
	setHeaders(request, get.HTTPHeaders)
	answer, err := client.Do(request)
	if err != nil {
		return unanswered(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, largestOutput))
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

// setHeaders follows v1HeaderToHTTPHeader and formatURL's callers of pkg/probe/http/request.go: the kubelet's
// own headers stand where the probe names none, and Host is the request's.
func setHeaders(request *http.Request, headers []v1.HTTPHeader) {
	for _, h := range headers {
		request.Header.Add(h.Name, h.Value)
	}
	own := func(name, value string) {
		if _, ok := request.Header[name]; !ok {
			request.Header.Set(name, value)
		} else if request.Header.Get(name) == "" {
			request.Header.Del(name)
		}
	}
	own("User-Agent", userAgent)
	own("Accept", "*/*")
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
}

// tcpProbe follows DoTCPProbe of pkg/probe/tcp/tcp.go. What a server of TCP cannot do is done here: an answer
// that takes time, and the words of one that fails.
func tcpProbe(ctx context.Context, where string, a *workload.Answer, timeout time.Duration) probeResult {
	takes := a.Wait()
	if takes > timeout && !a.Refused {
		wait(ctx, timeout)
		return probeResult{end: model.ProbeTimedOut}
	}
	wait(ctx, takes)
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
	if r.asTheyAre() {
		return workload.Answer{OK: true}
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
