package runner

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/runner/workload"
)

// grpcProbe follows Probe of pkg/probe/grpc/grpc.go.
func grpcProbe(ctx context.Context, where string, a *v1.GRPCAction, timeout time.Duration) probeResult {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+where, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUserAgent(userAgent))
	if err != nil {
		return probeResult{errored: true, text: err.Error()}
	}
	defer conn.Close()
	for conn.Connect(); conn.GetState() != connectivity.Ready; {
		if !conn.WaitForStateChange(ctx, conn.GetState()) {
			return probeResult{end: model.ProbeRefused}
		}
		conn.Connect()
	}
	request := &grpc_health_v1.HealthCheckRequest{}
	if a.Service != nil {
		request.Service = *a.Service
	}
	var header metadata.MD
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, request, grpc.Header(&header))
	said := header.Get(workload.OutputField)
	switch {
	case status.Code(err) == codes.DeadlineExceeded:
		return probeResult{end: model.ProbeTimedOut}
	case status.Code(err) == codes.Unimplemented:
		return probeResult{text: "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + description(err)}
	case err != nil:
		return probeResult{text: fmt.Sprintf("error: health rpc probe failed: %+v", err)}
	case answer.Status != grpc_health_v1.HealthCheckResponse_SERVING && len(said) > 0:
		return probeResult{text: said[0], said: true}
	case answer.Status != grpc_health_v1.HealthCheckResponse_SERVING:
		return probeResult{text: fmt.Sprintf("service unhealthy (responded with %q)", answer.Status.String())}
	}
	return probeResult{ok: true}
}
