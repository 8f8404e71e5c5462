package runner

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// unixScheme is what the endpoint of a runtime begins with; the rest is the path of its socket.
const unixScheme = "unix://"

// socketOf is the path of an endpoint's socket.
func socketOf(endpoint string) string { return strings.TrimPrefix(endpoint, unixScheme) }

// messageMax is the largest message that a runtime may send, in bytes (k8s.io/cri-client pkg/utils.go
// maxMsgSize).
const messageMax = 16 << 20

// Dial connects to the runtime whose socket is at an endpoint such as unix:///run/containerd/containerd.sock.
func Dial(endpoint string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient(unixScheme+socketOf(endpoint), append(options, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMax)), reconnect)...)
}

// awaitEach is how often a runtime is asked that does not answer yet: a guess, far below the 0.3 s that containerd takes
// to start.
const awaitEach = 20 * time.Millisecond

// awaitCRI waits until the CRI of a connection answers.
func awaitCRI(ctx context.Context, conn *grpc.ClientConn) error {
	for {
		_, err := runtimeapi.NewRuntimeServiceClient(conn).Version(ctx, &runtimeapi.VersionRequest{})
		if err == nil {
			return nil
		}
		// grpc waits longer and longer before it tries a socket again that refused.
		conn.ResetConnectBackoff()
		if wait(ctx, awaitEach); ctx.Err() != nil {
			return err
		}
	}
}
