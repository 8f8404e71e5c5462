package runner

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/runner/images"
	"podsim/runner/workload"
)

// ruledRuntime is a container runtime without containers: they end when a test says so.
type ruledRuntime struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	runtimeapi.UnimplementedImageServiceServer
	socket string
	// withoutEvents says that it has no events.
	withoutEvents bool
	// rule, where it is not nil, is asked before and after each call: an error is the call's.
	rule func(method string, done bool) error

	lock       sync.Mutex
	server     *grpc.Server
	sandboxes  []*runtimeapi.PodSandbox
	containers []*ruledContainer
	events     []chan string
	calls      map[string]int
	// pulled are the images that were pulled, in order.
	pulled []string
	// memory and layer are what each container uses of memory and of its writable layer, in bytes.
	memory, layer uint64
}

type ruledContainer struct {
	status *runtimeapi.ContainerStatus
	config *runtimeapi.ContainerConfig
}

func newRuledRuntime(t *testing.T) *ruledRuntime {
	f := &ruledRuntime{socket: filepath.Join(t.TempDir(), "cri.sock"), calls: map[string]int{}}
	f.serve(t)
	t.Cleanup(func() { f.server.Stop() })
	return f
}

// serve listens, for the first time or again after stop.
func (f *ruledRuntime) serve(t *testing.T) {
	listener, err := net.Listen("unix", f.socket)
	require.NoError(t, err)
	f.server = grpc.NewServer(grpc.UnaryInterceptor(f.intercept))
	runtimeapi.RegisterRuntimeServiceServer(f.server, f)
	runtimeapi.RegisterImageServiceServer(f.server, f)
	go f.server.Serve(listener)
}

func (f *ruledRuntime) intercept(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	method := filepath.Base(info.FullMethod)
	f.lock.Lock()
	f.calls[method]++
	f.lock.Unlock()
	if f.rule != nil {
		if err := f.rule(method, false); err != nil {
			return nil, err
		}
	}
	answer, err := handle(ctx, request)
	if f.rule != nil && err == nil {
		err = f.rule(method, true)
	}
	return answer, err
}

var errAway = status.Error(codes.Unavailable, "the runtime is away")

func (f *ruledRuntime) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{RuntimeName: "ruled"}, nil
}

func (f *ruledRuntime) ListImages(context.Context, *runtimeapi.ListImagesRequest) (*runtimeapi.ListImagesResponse, error) {
	return &runtimeapi.ListImagesResponse{}, nil
}

func (f *ruledRuntime) RunPodSandbox(_ context.Context, q *runtimeapi.RunPodSandboxRequest) (*runtimeapi.RunPodSandboxResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	id := fmt.Sprint("sandbox-", len(f.sandboxes))
	f.sandboxes = append(f.sandboxes, &runtimeapi.PodSandbox{Id: id, Metadata: q.Config.Metadata, Labels: q.Config.Labels})
	return &runtimeapi.RunPodSandboxResponse{PodSandboxId: id}, nil
}

func (f *ruledRuntime) ListPodSandbox(context.Context, *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	return &runtimeapi.ListPodSandboxResponse{Items: slices.Clone(f.sandboxes)}, nil
}

func (f *ruledRuntime) StopPodSandbox(context.Context, *runtimeapi.StopPodSandboxRequest) (*runtimeapi.StopPodSandboxResponse, error) {
	return &runtimeapi.StopPodSandboxResponse{}, nil
}

func (f *ruledRuntime) RemovePodSandbox(context.Context, *runtimeapi.RemovePodSandboxRequest) (*runtimeapi.RemovePodSandboxResponse, error) {
	return &runtimeapi.RemovePodSandboxResponse{}, nil
}

func (f *ruledRuntime) CreateContainer(_ context.Context, q *runtimeapi.CreateContainerRequest) (*runtimeapi.CreateContainerResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	id := fmt.Sprint("container-", len(f.containers))
	f.containers = append(f.containers, &ruledContainer{config: q.Config, status: &runtimeapi.ContainerStatus{Id: id, Metadata: q.Config.Metadata}})
	return &runtimeapi.CreateContainerResponse{ContainerId: id}, nil
}

func (f *ruledRuntime) StartContainer(_ context.Context, q *runtimeapi.StartContainerRequest) (*runtimeapi.StartContainerResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	c := f.container(q.ContainerId)
	if c.status.StartedAt != 0 {
		return nil, status.Error(codes.Unknown, "the container was started before")
	}
	for _, m := range c.config.Mounts {
		if m.ContainerPath == workload.Directory {
			if err := os.WriteFile(filepath.Join(m.HostPath, workload.StartedFile), []byte(strconv.FormatInt(time.Now().UnixNano(), 10)), 0o644); err != nil {
				return nil, err
			}
		}
	}
	c.status.State, c.status.StartedAt = runtimeapi.ContainerState_CONTAINER_RUNNING, time.Now().UnixNano()
	return &runtimeapi.StartContainerResponse{}, nil
}

// container finds a container, or one that there is not.
func (f *ruledRuntime) container(id string) *ruledContainer {
	for _, c := range f.containers {
		if c.status.Id == id {
			return c
		}
	}
	return &ruledContainer{status: &runtimeapi.ContainerStatus{}, config: &runtimeapi.ContainerConfig{}}
}

// exit ends a container that runs, quietly without an event. It says whether one runs.
func (f *ruledRuntime) exit(name string, code int32, quietly bool) bool {
	f.lock.Lock()
	defer f.lock.Unlock()
	for _, c := range f.containers {
		if c.config.Metadata.Name == name && c.status.State == runtimeapi.ContainerState_CONTAINER_RUNNING {
			f.end(c, code)
			for _, events := range f.events {
				if !quietly {
					events <- c.status.Id
				}
			}
			return true
		}
	}
	return false
}

func (f *ruledRuntime) end(c *ruledContainer, code int32) {
	c.status.State, c.status.ExitCode, c.status.FinishedAt = runtimeapi.ContainerState_CONTAINER_EXITED, code, time.Now().UnixNano()
	c.status.Reason = "Completed"
	if code != 0 {
		c.status.Reason = "Error"
	}
}

func (f *ruledRuntime) StopContainer(_ context.Context, q *runtimeapi.StopContainerRequest) (*runtimeapi.StopContainerResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if c := f.container(q.ContainerId); c.status.State == runtimeapi.ContainerState_CONTAINER_RUNNING {
		f.end(c, 137)
	}
	return &runtimeapi.StopContainerResponse{}, nil
}

func (f *ruledRuntime) RemoveContainer(_ context.Context, q *runtimeapi.RemoveContainerRequest) (*runtimeapi.RemoveContainerResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.containers = slices.DeleteFunc(f.containers, func(c *ruledContainer) bool { return c.status.Id == q.ContainerId })
	return &runtimeapi.RemoveContainerResponse{}, nil
}

func (f *ruledRuntime) ContainerStatus(_ context.Context, q *runtimeapi.ContainerStatusRequest) (*runtimeapi.ContainerStatusResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	c := f.container(q.ContainerId)
	if c.status.Id == "" {
		return nil, status.Error(codes.NotFound, "no such container")
	}
	now := &runtimeapi.ContainerStatus{Id: c.status.Id, Metadata: c.status.Metadata, State: c.status.State, StartedAt: c.status.StartedAt,
		FinishedAt: c.status.FinishedAt, ExitCode: c.status.ExitCode, Reason: c.status.Reason}
	return &runtimeapi.ContainerStatusResponse{Status: now}, nil
}

func (f *ruledRuntime) ListContainers(_ context.Context, q *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	answer := &runtimeapi.ListContainersResponse{}
	for _, c := range f.containers {
		if want := q.GetFilter().GetState(); want == nil || want.State == c.status.State {
			answer.Containers = append(answer.Containers, &runtimeapi.Container{Id: c.status.Id, Metadata: c.status.Metadata, State: c.status.State})
		}
	}
	return answer, nil
}

func (f *ruledRuntime) ListContainerStats(_ context.Context, q *runtimeapi.ListContainerStatsRequest) (*runtimeapi.ListContainerStatsResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	answer := &runtimeapi.ListContainerStatsResponse{}
	for _, c := range f.containers {
		if c.status.State != runtimeapi.ContainerState_CONTAINER_RUNNING || c.config.Labels[LabelNode] != q.Filter.LabelSelector[LabelNode] {
			continue
		}
		answer.Stats = append(answer.Stats, &runtimeapi.ContainerStats{Attributes: &runtimeapi.ContainerAttributes{Id: c.status.Id},
			Memory: &runtimeapi.MemoryUsage{WorkingSetBytes: &runtimeapi.UInt64Value{Value: f.memory}, UsageBytes: &runtimeapi.UInt64Value{Value: f.memory}},
			WritableLayer: &runtimeapi.FilesystemUsage{Timestamp: time.Now().UnixNano(), UsedBytes: &runtimeapi.UInt64Value{Value: f.layer},
				InodesUsed: &runtimeapi.UInt64Value{Value: 3}}})
	}
	return answer, nil
}

func (f *ruledRuntime) GetContainerEvents(_ *runtimeapi.GetEventsRequest, stream runtimeapi.RuntimeService_GetContainerEventsServer) error {
	if f.withoutEvents {
		return status.Error(codes.Unimplemented, "no events")
	}
	events := make(chan string, 100)
	f.lock.Lock()
	f.events = append(f.events, events)
	f.lock.Unlock()
	for {
		select {
		case <-stream.Context().Done():
			return nil
		case id, ok := <-events:
			if !ok {
				return errAway
			}
			e := &runtimeapi.ContainerEventResponse{ContainerId: id, ContainerEventType: runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT}
			if err := stream.Send(e); err != nil {
				return err
			}
		}
	}
}

// breakEvents ends the streams of events.
func (f *ruledRuntime) breakEvents() {
	f.lock.Lock()
	defer f.lock.Unlock()
	for _, events := range f.events {
		close(events)
	}
	f.events = nil
}

func (f *ruledRuntime) ImageStatus(context.Context, *runtimeapi.ImageStatusRequest) (*runtimeapi.ImageStatusResponse, error) {
	return &runtimeapi.ImageStatusResponse{Image: &runtimeapi.Image{Id: "image"}}, nil
}

func (f *ruledRuntime) PullImage(_ context.Context, q *runtimeapi.PullImageRequest) (*runtimeapi.PullImageResponse, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.pulled = append(f.pulled, q.Image.Image)
	return &runtimeapi.PullImageResponse{ImageRef: q.Image.Image}, nil
}

// count is how often a method was called.
func (f *ruledRuntime) count(method string) int {
	f.lock.Lock()
	defer f.lock.Unlock()
	return f.calls[method]
}

// ruledImages are all there.
type ruledImages struct{}

func (ruledImages) Name(_, image string) string                             { return image }
func (ruledImages) Original(text string) string                             { return text }
func (ruledImages) Credentials(_, _ string, _ []string) []images.Credential { return nil }
func (ruledImages) Error(_, _ string) string                                { return "" }
func (ruledImages) Size(_, _ string, reported int64) int64                  { return reported }
