// Package kubelet runs the real kubelet v1.37.1 in virtual time and compares podsim with it.
//
// [Run] gives one pod to the whole kubelet, unmodified (NewMainKubelet and Run), in a
// testing/synctest bubble: hours pass in milliseconds, and the same seed gives the same recording.
// Above the container runtime interface all is Kubernetes' own code: sync loop, pod workers,
// runtime manager, PLEG, probers, status manager, image manager, volume manager, eviction manager,
// garbage collection, event recorder. Below and beside it are fakes of this package:
//
//   - runtime.go, sandboxes.go, containers.go, images.go: a container runtime in memory;
//   - process.go: what runs in its containers, the recordings' image "tester";
//   - api.go, client.go, events.go: the pods and Events of an API server;
//   - probes.go: HTTP, TCP and gRPC without sockets;
//   - machine.go, files.go: the machine and the kubelet's view of its disk;
//   - seams.go: how they get into a kubelet, bubble.go: how it is run, trace.go: how it is recorded.
//
// plain.go and random.go draw pods. Differences between podsim and the kubelet that have an
// explanation are listed in explained_test.go.
//
// It cannot judge latencies (they are inputs), nor what is not in it: scheduler and controllers,
// node status and leases, cgroups, CPU, memory and device managers, in-place resize, pressure
// evictions, static pods, volumes beyond emptyDir, configMap, secret, downwardAPI and projected.
// Where the real kubelet races with itself, so does this one: compare with the set of its
// recordings over seeds, or run it with [Exact].
package kubelet
