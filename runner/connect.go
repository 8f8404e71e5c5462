package runner

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// connect opens a connection to a CRI endpoint, such as unix:///run/containerd/containerd.sock. Nothing is sent yet.
func connect(endpoint string) (*grpc.ClientConn, error) {
	path, ok := strings.CutPrefix(endpoint, "unix://")
	if !ok || !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%q is no endpoint: it should be like unix:///run/containerd/containerd.sock", endpoint)
	}
	return grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// awaitCRI waits until the CRI at an endpoint answers.
func awaitCRI(ctx context.Context, endpoint string) error {
	conn, err := connect(endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()
	for {
		if _, err = cri.NewRuntimeServiceClient(conn).Version(ctx, &cri.VersionRequest{}); err == nil {
			return nil
		}
		// A connection that was refused is not tried again at once: grpc backs off.
		conn.ResetConnectBackoff()
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// removeAllSandboxes removes all pods of a CRI as far as it can.
func removeAllSandboxes(ctx context.Context, endpoint string) {
	conn, err := connect(endpoint)
	if err != nil {
		return
	}
	defer conn.Close()
	runtime := cri.NewRuntimeServiceClient(conn)
	ctx, cancel := context.WithTimeout(ctx, nodeStopMax)
	defer cancel()
	list, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return
	}
	for _, s := range list.Items {
		runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: s.Id})
		runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: s.Id})
	}
}
