package kubelet

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// container is a container and its process.
type container struct {
	id        string
	sandbox   *sandbox
	config    *runtimeapi.ContainerConfig
	state     runtimeapi.ContainerState
	createdAt int64
	startedAt int64
	// How it ended.
	finishedAt int64
	exitCode   int32
	reason     string
	message    string

	process
}

// container gives the container with an id, nil if there is none. mu is held.
func (r *fakeRuntime) container(id string) *container {
	for _, c := range r.containers {
		if c.id == id {
			return c
		}
	}
	return nil
}

// find is container for callers that do not hold mu; running says whether its process runs.
func (r *fakeRuntime) find(id string) (c *container, running bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c = r.container(id)
	return c, c != nil && c.running()
}

func (c *container) running() bool {
	return c.state == runtimeapi.ContainerState_CONTAINER_RUNNING
}

// runningIn gives the containers of a sandbox that run. mu is held.
func (r *fakeRuntime) runningIn(sandbox string) []*container {
	var out []*container
	for _, c := range r.containers {
		if c.sandbox.id == sandbox && c.running() {
			out = append(out, c)
		}
	}
	return out
}

// name is what a container's calls draw their jitter by.
func (c *container) name() string { return containerName(c.sandbox.id, c.config) }

func containerName(sandbox string, config *runtimeapi.ContainerConfig) string {
	return fmt.Sprintf("%.16s/%s/%d", sandbox, config.Metadata.Name, config.Metadata.Attempt)
}

func (r *fakeRuntime) CreateContainer(
	ctx context.Context, sandbox string, config *runtimeapi.ContainerConfig, _ *runtimeapi.PodSandboxConfig,
) (string, error) {
	name := containerName(sandbox, config)
	if err := r.wait(ctx, r.latencies.Create, "create/"+name); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sandbox(sandbox)
	if s == nil {
		return "", notFound("sandbox", sandbox)
	}
	c := &container{
		id: r.newID(name), sandbox: s, config: config,
		state:     runtimeapi.ContainerState_CONTAINER_CREATED,
		createdAt: time.Now().UnixNano(),
		process:   newProcess(),
	}
	r.containers = append(r.containers, c)
	return c.id, nil
}

func (r *fakeRuntime) StartContainer(ctx context.Context, id string) error {
	c, _ := r.find(id)
	if c == nil {
		return notFound("container", id)
	}
	if err := r.wait(ctx, r.latencies.Start, "start/"+c.name()); err != nil {
		return err
	}
	if err := os.WriteFile(c.logPath(), nil, 0o640); err != nil {
		return status.Error(codes.Unknown, err.Error())
	}
	if words := c.config.Command; len(words) > 0 && words[0] != tester {
		message := startError(words[0])
		r.finish(c, exit{code: 128, reason: "StartError", message: message})
		return status.Error(codes.Unknown, message)
	}
	r.mu.Lock()
	c.state, c.startedAt = runtimeapi.ContainerState_CONTAINER_RUNNING, time.Now().UnixNano()
	r.mu.Unlock()
	go r.run(c)
	return nil
}

// logPath is the container's log, which containerd opens before it makes the task. It is empty
// here, but its name tells the kubelet how often the container was started before, when the
// container itself is gone (kuberuntime_container.go, calcRestartCountByLogDir). The kubelet removes
// what begins with this: it must never be empty.
func (c *container) logPath() string {
	return path.Join(c.sandbox.config.LogDirectory, c.config.LogPath)
}

// startError is what containerd and runc say of a command that is not in the image.
func startError(command string) string {
	return fmt.Sprintf("failed to create containerd task: failed to create shim task: OCI runtime create failed: "+
		"runc create failed: unable to start container process: exec: %q: stat %s: no such file or directory",
		command, command)
}

// finish writes down how a container ended.
func (r *fakeRuntime) finish(c *container, e exit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.state, c.finishedAt = runtimeapi.ContainerState_CONTAINER_EXITED, time.Now().UnixNano()
	c.exitCode, c.reason, c.message = e.code, e.reason, e.message
	switch {
	case c.reason != "":
	case c.exitCode == 0:
		c.reason = "Completed"
	default:
		c.reason = "Error"
	}
	close(c.exited)
}

func (r *fakeRuntime) StopContainer(ctx context.Context, id string, seconds int64) error {
	c, running := r.find(id)
	if !running {
		return nil
	}
	if seconds > 0 {
		if err := r.wait(ctx, r.latencies.Terminate, "terminate/"+c.name()); err != nil {
			return err
		}
		c.send(syscall.SIGTERM)
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		select {
		case <-c.exited:
			return nil
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		case <-timer.C:
		}
	}
	if err := r.wait(ctx, r.latencies.Kill, "kill/"+c.name()); err != nil {
		return err
	}
	c.send(syscall.SIGKILL)
	<-c.exited
	return nil
}

func (r *fakeRuntime) RemoveContainer(ctx context.Context, id string) error {
	c, running := r.find(id)
	if c == nil {
		return nil
	}
	if running {
		c.send(syscall.SIGKILL)
		<-c.exited
	}
	if err := r.wait(ctx, r.latencies.Remove, "remove/"+c.name()); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.containers = slices.DeleteFunc(r.containers, func(c *container) bool { return c.id == id })
	return nil
}

func (r *fakeRuntime) ListContainers(
	_ context.Context, f *runtimeapi.ContainerFilter,
) ([]*runtimeapi.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*runtimeapi.Container
	for _, c := range r.containers {
		if c.matches(f) {
			out = append(out, &runtimeapi.Container{
				Id: c.id, PodSandboxId: c.sandbox.id, Metadata: c.config.Metadata,
				Image: c.config.Image, ImageRef: c.config.Image.Image, ImageId: c.config.Image.Image,
				State: c.state, CreatedAt: c.createdAt, Labels: c.config.Labels, Annotations: c.config.Annotations,
			})
		}
	}
	return out, nil
}

func (c *container) matches(f *runtimeapi.ContainerFilter) bool {
	return (f.GetId() == "" || f.Id == c.id) &&
		(f.GetState() == nil || f.State.State == c.state) &&
		(f.GetPodSandboxId() == "" || f.PodSandboxId == c.sandbox.id) &&
		selected(f.GetLabelSelector(), c.config.Labels)
}

func (r *fakeRuntime) ContainerStatus(
	_ context.Context, id string, _ bool,
) (*runtimeapi.ContainerStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.container(id)
	if c == nil {
		return nil, notFound("container", id)
	}
	image := c.config.Image.UserSpecifiedImage
	if image == "" {
		image = c.config.Image.Image
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{
		Id: id, Metadata: c.config.Metadata, State: c.state,
		CreatedAt: c.createdAt, StartedAt: c.startedAt, FinishedAt: c.finishedAt,
		ExitCode: c.exitCode, Reason: c.reason, Message: c.message,
		Image: &runtimeapi.ImageSpec{Image: image}, ImageRef: c.config.Image.Image, ImageId: c.config.Image.Image,
		Labels: c.config.Labels, Annotations: c.config.Annotations, Mounts: c.config.Mounts,
		LogPath: c.logPath(),
	}}, nil
}

func (r *fakeRuntime) UpdateContainerResources(context.Context, string, *runtimeapi.ContainerResources) error {
	return nil
}

func (r *fakeRuntime) ReopenContainerLog(context.Context, string) error { return nil }

// ExecSync runs a command of the tester in a container: a probe or a hook.
func (r *fakeRuntime) ExecSync(
	ctx context.Context, id string, command []string, timeout time.Duration,
) (stdout, stderr []byte, err error) {
	c, running := r.find(id)
	if !running {
		return nil, nil, status.Error(codes.Unknown, "failed to exec in container: container is not running")
	}
	name := "exec/" + c.name() + strings.Join(command, " ")
	if err := r.wait(ctx, r.latencies.Exec, name); err != nil {
		return nil, nil, err
	}
	return c.exec(ctx, command, timeout)
}

// ListContainerStats is what the eviction manager's local limits are judged by.
func (r *fakeRuntime) ListContainerStats(
	context.Context, *runtimeapi.ContainerStatsFilter,
) ([]*runtimeapi.ContainerStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now().UnixNano()
	value := func(n uint64) *runtimeapi.UInt64Value { return &runtimeapi.UInt64Value{Value: n} }
	var out []*runtimeapi.ContainerStats
	for _, c := range r.containers {
		if !c.running() {
			continue
		}
		out = append(out, &runtimeapi.ContainerStats{
			Attributes: &runtimeapi.ContainerAttributes{
				Id: c.id, Metadata: c.config.Metadata, Labels: c.config.Labels, Annotations: c.config.Annotations,
			},
			Cpu: &runtimeapi.CpuUsage{Timestamp: now, UsageCoreNanoSeconds: value(1e6)},
			Memory: &runtimeapi.MemoryUsage{Timestamp: now, WorkingSetBytes: value(4 << 20),
				UsageBytes: value(4 << 20), RssBytes: value(4 << 20)},
			WritableLayer: &runtimeapi.FilesystemUsage{Timestamp: now, FsId: rootFilesystem(),
				UsedBytes: value(c.layerBytes + 8192), InodesUsed: value(8)},
		})
	}
	return out, nil
}

func rootFilesystem() *runtimeapi.FilesystemIdentifier {
	return &runtimeapi.FilesystemIdentifier{Mountpoint: "/"}
}
