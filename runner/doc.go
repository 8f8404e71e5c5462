// Package runner plays a scenario on a real node: the cluster of package sim, with the same control
// plane and the same kubelet, in wall time, and a real container runtime instead of the simulated one.
//
// Play is the whole. Driver is the loop that keeps the time, in the one goroutine that owns the cluster; CRI is
// the container runtime, asked over gRPC by goroutines that hand their answers to that loop. ARCHITECTURE.md
// follows one call on its way. No component of Kubernetes is needed beside it. What the kubelet does stands in
// package model/kubelet; what it hands to a container runtime follows pkg/kubelet/kuberuntime.
package runner
