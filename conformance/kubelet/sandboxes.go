package kubelet

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// sandbox is a pod's sandbox.
type sandbox struct {
	id        string
	config    *runtimeapi.PodSandboxConfig
	state     runtimeapi.PodSandboxState
	address   string
	createdAt int64
	handler   string
}

// sandbox gives the sandbox with an id, nil if there is none. mu is held.
func (r *fakeRuntime) sandbox(id string) *sandbox {
	for _, s := range r.sandboxes {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (r *fakeRuntime) RunPodSandbox(
	ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string,
) (string, error) {
	createdAt := time.Now().UnixNano()
	if err := r.wait(ctx, r.latencies.RunSandbox, "sandbox/"+config.Metadata.Uid); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &sandbox{
		id:        r.newID(fmt.Sprint(config.Metadata.Uid, config.Metadata.Attempt)),
		config:    config,
		state:     runtimeapi.PodSandboxState_SANDBOX_READY,
		address:   fmt.Sprintf("10.244.%d.%d", 9+r.made/250, 2+r.made%250),
		createdAt: createdAt,
		handler:   handler,
	}
	r.sandboxes = append(r.sandboxes, s)
	return s.id, nil
}

// StopPodSandbox kills what runs in the sandbox, as containerd does, and takes the address away.
func (r *fakeRuntime) StopPodSandbox(ctx context.Context, id string) error {
	r.mu.Lock()
	s := r.sandbox(id)
	running := r.runningIn(id)
	ready := s != nil && s.state == runtimeapi.PodSandboxState_SANDBOX_READY
	r.mu.Unlock()
	for _, c := range running {
		c.send(syscall.SIGKILL)
		<-c.exited
	}
	if !ready {
		return nil
	}
	if err := r.wait(ctx, r.latencies.StopSandbox, "stop sandbox/"+s.config.Metadata.Uid); err != nil {
		return err
	}
	r.mu.Lock()
	s.state = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
	r.mu.Unlock()
	return nil
}

func (r *fakeRuntime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.containers = slices.DeleteFunc(r.containers, func(c *container) bool { return c.sandbox.id == id })
	r.sandboxes = slices.DeleteFunc(r.sandboxes, func(s *sandbox) bool { return s.id == id })
	return nil
}

func (r *fakeRuntime) PodSandboxStatus(
	_ context.Context, id string, _ bool,
) (*runtimeapi.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandbox(id)
	if s == nil {
		return nil, notFound("sandbox", id)
	}
	options := s.config.GetLinux().GetSecurityContext().GetNamespaceOptions()
	status := &runtimeapi.PodSandboxStatus{
		Id: id, Metadata: s.config.Metadata, State: s.state, CreatedAt: s.createdAt,
		Labels: s.config.Labels, Annotations: s.config.Annotations, RuntimeHandler: s.handler,
		Network: &runtimeapi.PodSandboxNetworkStatus{},
		Linux:   &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{Options: options}},
	}
	if s.state == runtimeapi.PodSandboxState_SANDBOX_READY {
		status.Network.Ip = s.address
	}
	return &runtimeapi.PodSandboxStatusResponse{Status: status}, nil
}

func (r *fakeRuntime) ListPodSandbox(
	_ context.Context, f *runtimeapi.PodSandboxFilter,
) ([]*runtimeapi.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimeapi.PodSandbox
	for _, s := range r.sandboxes {
		if s.matches(f) {
			out = append(out, &runtimeapi.PodSandbox{
				Id: s.id, Metadata: s.config.Metadata, State: s.state, CreatedAt: s.createdAt,
				Labels: s.config.Labels, Annotations: s.config.Annotations, RuntimeHandler: s.handler,
			})
		}
	}
	return out, nil
}

func (s *sandbox) matches(f *runtimeapi.PodSandboxFilter) bool {
	return (f.GetId() == "" || f.Id == s.id) &&
		(f.GetState() == nil || f.State.State == s.state) &&
		selected(f.GetLabelSelector(), s.config.Labels)
}

func (r *fakeRuntime) UpdatePodSandboxResources(
	context.Context, *runtimeapi.UpdatePodSandboxResourcesRequest,
) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	return &runtimeapi.UpdatePodSandboxResourcesResponse{}, nil
}
