package runner

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// MachineOf asks the container runtime at a socket who it is.
func MachineOf(endpoint string) (Machine, error) {
	conn, err := Dial(endpoint)
	if err != nil {
		return Machine{}, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m, err := machineOf(ctx, conn)
	if err != nil {
		return m, fmt.Errorf("no container runtime answers at %s: %s", endpoint, description(err))
	}
	return m, nil
}

// machineOf asks the runtime of a connection. One that does not say stays without a name.
func machineOf(ctx context.Context, conn *grpc.ClientConn) (Machine, error) {
	m := Machine{CPUs: runtime.NumCPU(), Cgroups: fmt.Sprintf("v%d", cgroupVersion(cgroupHierarchies()))}
	v, err := cri.NewRuntimeServiceClient(conn).Version(ctx, &cri.VersionRequest{})
	if err == nil {
		m.Runtime, m.Version = v.RuntimeName, v.RuntimeVersion
	}
	return m, err
}
