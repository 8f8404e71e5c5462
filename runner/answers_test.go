//go:build linux

package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/runner/workload"
)

// TestAnswersAreTheSimulators lets the stand-in program answer probes as a plain process, and the simulated
// runtime as it does: what the kubelet hears of both is the same.
func TestAnswersAreTheSimulators(t *testing.T) {
	const (
		http = "httpGet: {path: /healthz, port: 8080}"
		tcp  = "tcpSocket: {port: 8080}"
		grpc = "grpc: {port: 8080}"
		exec = "exec: {command: [check]}"
	)
	cases := map[string]struct {
		probe, answer string
		// event is the simulator's last Event of the probe, "" for none.
		event string
		want  probeResult
	}{
		"http": {http, "{at: 0s, ok: true}", "", probeResult{ok: true}},
		"http, failing": {http, "{at: 0s, ok: false}", "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503",
			probeResult{text: "HTTP probe failed with statuscode: 503"}},
		"http, status": {http, "{at: 0s, ok: false, status: 418}", "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 418",
			probeResult{text: "HTTP probe failed with statuscode: 418"}},
		"http, words": {http, "{at: 0s, ok: false, output: no leader}", "Unhealthy: Readiness probe failed: no leader",
			probeResult{text: "no leader", said: true}},
		"http, redirect": {http, "{at: 0s, ok: true, status: 302, output: over there}",
			"ProbeWarning: Readiness probe warning: Probe terminated redirects, Response body: over there",
			probeResult{ok: true, text: "Probe terminated redirects, Response body: over there"}},
		"http, refused": {http, "{at: 0s, ok: false, refused: true}",
			`Unhealthy: Readiness probe failed: Get "http://IP:8080/healthz": dial tcp IP:8080: connect: connection refused`,
			probeResult{end: model.ProbeRefused}},
		"http, late": {http, "{at: 0s, ok: true, takes: 3s}",
			`Unhealthy: Readiness probe failed: Get "http://IP:8080/healthz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
			probeResult{end: model.ProbeTimedOut}},
		"tcp":          {tcp, "{at: 0s, ok: true}", "", probeResult{ok: true}},
		"tcp, failing": {tcp, "{at: 0s, ok: false}", "Unhealthy: Readiness probe failed: dial tcp IP:8080: connect: connection refused", probeResult{end: model.ProbeRefused}},
		"tcp, refused": {tcp, "{at: 0s, ok: false, refused: true, output: x}", "Unhealthy: Readiness probe failed: dial tcp IP:8080: connect: connection refused", probeResult{end: model.ProbeRefused}},
		"tcp, words":   {tcp, "{at: 0s, ok: false, output: no leader}", "Unhealthy: Readiness probe failed: no leader", probeResult{text: "no leader", said: true}},
		"tcp, late":    {tcp, "{at: 0s, ok: true, takes: 3s}", "Unhealthy: Readiness probe failed: dial tcp IP:8080: i/o timeout", probeResult{end: model.ProbeTimedOut}},
		"grpc":         {grpc, "{at: 0s, ok: true}", "", probeResult{ok: true}},
		"grpc, failing": {grpc, "{at: 0s, ok: false}", `Unhealthy: Readiness probe failed: service unhealthy (responded with "NOT_SERVING")`,
			probeResult{text: `service unhealthy (responded with "NOT_SERVING")`}},
		"grpc, words": {grpc, "{at: 0s, ok: false, output: no leader}", "Unhealthy: Readiness probe failed: no leader", probeResult{text: "no leader", said: true}},
		"grpc, refused": {grpc, "{at: 0s, ok: false, refused: true}",
			`Unhealthy: Readiness probe failed: timeout: failed to connect service "IP:8080" within 1s: context deadline exceeded`,
			probeResult{end: model.ProbeRefused}},
		"grpc, late": {grpc, "{at: 0s, ok: true, takes: 3s}", "Unhealthy: Readiness probe failed: timeout: health rpc did not complete within 1s",
			probeResult{end: model.ProbeTimedOut}},
		"exec":          {exec, "{at: 0s, ok: true}", "", probeResult{ok: true}},
		"exec, failing": {exec, "{at: 0s, ok: false}", "Unhealthy: Readiness probe failed: ", probeResult{exit: 1}},
		"exec, words":   {exec, "{at: 0s, ok: false, output: no leader}", "Unhealthy: Readiness probe failed: no leader", probeResult{text: "no leader", exit: 1}},
	}
	names := slices.Sorted(maps.Keys(cases))
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, s, events := observed(t, "spec: {containers: [{name: app, image: app, readinessProbe: {periodSeconds: 1, "+c.probe+"}}]}",
				"- {match: {}, readiness: ["+c.answer+"]}")
			last := ""
			for _, e := range *events {
				if strings.HasPrefix(e, "Unhealthy") || strings.HasPrefix(e, "ProbeWarning") {
					last = e
				}
			}
			assert.Equal(t, c.event, last)

			address := fmt.Sprintf("127.%d.%d.%d", 100+os.Getpid()%100, os.Getpid()/100%250, 1+slices.Index(names, name))
			run := workloadRun(cluster.RunOf(1, 0, 1), s, 0, address, 0)
			directory := standIn(t, &run)
			spec := s.template.ContainerSpec(0)
			where := s.address(0, asked(model.Readiness), address)
			answers := answers(cluster.BehaviorOf(1, 0).Probes[model.Readiness])
			got := func() probeResult {
				switch p := spec.ReadinessProbe; {
				case p.HTTPGet != nil:
					return httpProbe(t.Context(), "", where, p.HTTPGet, time.Second)
				case p.TCPSocket != nil:
					a := workload.AnswerAt(answers, 0)
					return tcpProbe(t.Context(), where, &a, time.Second)
				case p.GRPC != nil:
					return grpcProbe(t.Context(), where, p.GRPC, time.Second)
				default:
					return execAnswer(t, directory, probeCommand(model.Readiness)[1:])
				}
			}
			// The server may not listen yet.
			require.Eventually(t, func() bool { return got() == c.want }, 20*time.Second, 10*time.Millisecond, "%+v", got())
		})
	}
}

// A request without a timeout of its own ends with the run.
func TestHTTPHookEndsWithTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		close(asked)
		<-q.Context().Done()
	}))
	defer server.Close()
	go func() {
		<-asked
		cancel()
	}()
	got := httpProbe(ctx, "", server.Listener.Addr().String(), &v1.HTTPGetAction{}, 0)
	assert.Contains(t, got.text, "context canceled")
}

// standIn runs the program as a plain process and gives its directory.
func standIn(t *testing.T, run *workload.Run) string {
	program, err := Program(t.Context(), "")
	require.NoError(t, err)
	directory := t.TempDir()
	run.MessagePath = directory + "/" + terminationLog
	require.NoError(t, workload.Write(directory, run))
	cmd := exec.Command(program)
	cmd.Env = []string{"PODSIM_DIRECTORY=" + directory}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return directory
}

// execAnswer is what the runtime would say of a command in the container.
func execAnswer(t *testing.T, directory string, args []string) probeResult {
	program, err := Program(t.Context(), "")
	require.NoError(t, err)
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PODSIM_DIRECTORY=" + directory}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	code := cmd.ProcessState.ExitCode()
	return probeResult{ok: code == 0, exit: int32(code), text: onFailure(code != 0, string(out))}
}
