// Package runner plays a scenario on a real node: the cluster of package sim, with the same control
// plane and the same kubelet, in wall time, and a real container runtime instead of the simulated one.
//
// Driver is the loop that keeps the time; CRI is the container runtime, asked over gRPC. No component of
// Kubernetes is needed beside it. What the kubelet does stands in package model/kubelet; what it hands
// to a container runtime follows pkg/kubelet/kuberuntime.
package runner
