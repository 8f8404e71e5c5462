package kubelet

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fakeRuntime is a container runtime in memory that behaves as containerd does towards the
// kubelet. Its methods are in sandboxes.go, containers.go and images.go; a method of the interface
// that is in none of them is not called by the kubelet here, and panics.
//
// No call may sleep while the kubelet holds a mutex: to wait for a mutex is not durably blocking,
// so virtual time would stand still. That is why only those calls take time that pod workers,
// image pullers, probers and the container garbage collector make: run, create, start, stop,
// remove, exec and pull. Lists and statuses answer at once.
type fakeRuntime struct {
	cri.RuntimeService
	latencies Latencies
	luck      *luck

	mu     sync.Mutex
	images map[string]Image
	// In order of creation: the kubelet must not see the order of a map.
	sandboxes  []*sandbox
	containers []*container
	// made counts sandboxes and containers, for their ids and addresses.
	made int
}

func newFakeRuntime(o *Options, l *luck) *fakeRuntime {
	r := &fakeRuntime{latencies: o.Latencies, luck: l, images: map[string]Image{}}
	for name, image := range o.Images {
		r.images[name] = image
	}
	return r
}

// wait lets a call take its time. Its jitter depends on the name of the call and on how often
// that was made. It must not be called with a lock held.
func (r *fakeRuntime) wait(ctx context.Context, d time.Duration, name string) error {
	d += time.Duration(r.luck.draw(name) * r.latencies.Jitter * float64(d))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// newID is an id as long as containerd's, different for each name and number. mu is held.
func (r *fakeRuntime) newID(name string) string {
	r.made++
	h := fnv.New64a()
	h.Write([]byte(name))
	return fmt.Sprintf("%016x%048x", h.Sum64(), r.made)
}

func notFound(what, id string) error {
	return status.Errorf(codes.NotFound, "an error occurred when try to find %s %q: not found", what, id)
}

// selected says whether labels fit a selector of a list.
func selected(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

func (r *fakeRuntime) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{Version: "0.1.0", RuntimeName: "containerd", RuntimeVersion: "v2.4.2",
		RuntimeApiVersion: "v1"}, nil
}

func (r *fakeRuntime) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	features := &runtimeapi.RuntimeHandlerFeatures{RecursiveReadOnlyMounts: true}
	return &runtimeapi.StatusResponse{
		Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
			{Type: runtimeapi.RuntimeReady, Status: true},
			{Type: runtimeapi.NetworkReady, Status: true},
		}},
		RuntimeHandlers: []*runtimeapi.RuntimeHandler{{Features: features}, {Name: "runc", Features: features}},
		Features:        &runtimeapi.RuntimeFeatures{SupplementalGroupsPolicy: true},
	}, nil
}

func (r *fakeRuntime) RuntimeConfig(context.Context) (*runtimeapi.RuntimeConfigResponse, error) {
	return &runtimeapi.RuntimeConfigResponse{
		Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: runtimeapi.CgroupDriver_CGROUPFS},
	}, nil
}

func (r *fakeRuntime) UpdateRuntimeConfig(context.Context, *runtimeapi.RuntimeConfig) error {
	return nil
}

func (r *fakeRuntime) Close(context.Context) error { return nil }
