package runner

import (
	"context"
	"fmt"
	"runtime"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// MachineOf asks the container runtime at a socket who it is.
func MachineOf(endpoint string) (Machine, error) {
	conn, err := Dial(endpoint)
	if err != nil {
		return Machine{}, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), askMax)
	defer cancel()
	return machineOf(ctx, conn)
}

// machineOf asks the runtime of a connection.
func machineOf(ctx context.Context, conn *grpc.ClientConn) (Machine, error) {
	v, err := runtimeapi.NewRuntimeServiceClient(conn).Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		return Machine{}, fmt.Errorf("no container runtime answers at %s: %s", conn.Target(), description(err))
	}
	return Machine{Runtime: v.RuntimeName, Version: v.RuntimeVersion, CPUs: runtime.NumCPU(), Cgroups: fmt.Sprintf("v%d", cgroupVersion(cgroupHierarchies()))}, nil
}
