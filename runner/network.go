package runner

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The networks that pods may have.
const (
	// NetworkHost is the node's own: each pod gets a loopback address of its own.
	NetworkHost = "host"
	// NetworkCNI is a network for each pod, as the node's CNI configuration makes it.
	NetworkCNI = "cni"
	// NetworkAuto is NetworkCNI where the node has it.
	NetworkAuto = "auto"
)

// podNetworks says whether pods have networks of their own.
func podNetworks(ctx context.Context, conn *grpc.ClientConn, network string) (bool, error) {
	switch network {
	case "", NetworkHost:
		return false, nil
	case NetworkCNI, NetworkAuto:
	default:
		return false, fmt.Errorf("the network is %q, must be %s, %s or %s", network, NetworkHost, NetworkCNI, NetworkAuto)
	}
	answer, err := runtimeapi.NewRuntimeServiceClient(conn).Status(ctx, &runtimeapi.StatusRequest{})
	if err != nil {
		return false, fmt.Errorf("the status of the container runtime: %w", err)
	}
	why := "it does not say whether it has one"
	for _, c := range answer.GetStatus().GetConditions() {
		if c.Type == runtimeapi.NetworkReady {
			if c.Status {
				return true, nil
			}
			why = c.Message
		}
	}
	if network == NetworkCNI {
		return false, fmt.Errorf("the node has no CNI network (%s): configure one, or take --network %s", why, NetworkHost)
	}
	return false, nil
}

// ownNetwork says that a pod has a network of its own.
func (r *CRI) ownNetwork(spec *v1.PodSpec) bool { return r.podNetworks && !spec.HostNetwork }

// sandboxAddress is the address of a sandbox (kuberuntime_sandbox.go determinePodSandboxIPs).
func (r *CRI) sandboxAddress(ctx context.Context, id string) (address string, err error) {
	err = again(ctx, func() error {
		answer, err := r.runtime.PodSandboxStatus(ctx, &runtimeapi.PodSandboxStatusRequest{PodSandboxId: id})
		address = answer.GetStatus().GetNetwork().GetIp()
		return err
	})
	return address, err
}
