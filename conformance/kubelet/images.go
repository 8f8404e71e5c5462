package kubelet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fakeImages is the runtime's other service, a type of its own because both have a Close.
type fakeImages struct{ runtime *fakeRuntime }

// image is the form of an image in the interface.
func image(name string, i Image) *runtimeapi.Image {
	return &runtimeapi.Image{Id: imageID(name), RepoTags: []string{name}, Size: i.Size + 1,
		Spec: &runtimeapi.ImageSpec{Image: name}}
}

func imageID(name string) string { return "sha256:" + fmt.Sprintf("%x", name) }

// named gives the name of an image that is called by its name or its id. mu is held.
func (r *fakeRuntime) named(nameOrID string) string {
	for name := range r.images {
		if imageID(name) == nameOrID {
			return name
		}
	}
	return nameOrID
}

func (f fakeImages) ListImages(context.Context, *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	f.runtime.mu.Lock()
	defer f.runtime.mu.Unlock()
	var names []string
	for name, i := range f.runtime.images {
		if i.Present {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []*runtimeapi.Image
	for _, name := range names {
		out = append(out, image(name, f.runtime.images[name]))
	}
	return out, nil
}

func (f fakeImages) ImageStatus(
	_ context.Context, spec *runtimeapi.ImageSpec, _ bool,
) (*runtimeapi.ImageStatusResponse, error) {
	f.runtime.mu.Lock()
	defer f.runtime.mu.Unlock()
	name := f.runtime.named(spec.Image)
	if i := f.runtime.images[name]; i.Present {
		return &runtimeapi.ImageStatusResponse{Image: image(name, i)}, nil
	}
	return &runtimeapi.ImageStatusResponse{}, nil
}

func (f fakeImages) PullImage(
	ctx context.Context, spec *runtimeapi.ImageSpec, _ *runtimeapi.AuthConfig, sandbox *runtimeapi.PodSandboxConfig,
) (string, error) {
	r := f.runtime
	r.mu.Lock()
	name := r.named(spec.Image)
	i, known := r.images[name]
	r.mu.Unlock()
	call := "pull/" + sandbox.GetMetadata().GetUid() + name
	if err := r.wait(ctx, r.latencies.Resolve, call+"/resolve"); err != nil {
		return "", err
	}
	if !known {
		return "", status.Errorf(codes.NotFound,
			"failed to pull and unpack image %q: failed to resolve image: %s: not found", name, name)
	}
	if !i.Present {
		if err := r.wait(ctx, i.Pull, call); err != nil {
			return "", err
		}
	}
	if i.Error != "" {
		return "", status.Error(codes.Unknown, i.Error)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i.Present = true
	r.images[name] = i
	return imageID(name), nil
}

func (f fakeImages) RemoveImage(_ context.Context, spec *runtimeapi.ImageSpec) error {
	f.runtime.mu.Lock()
	defer f.runtime.mu.Unlock()
	name := f.runtime.named(spec.Image)
	i := f.runtime.images[name]
	i.Present = false
	f.runtime.images[name] = i
	return nil
}

func (f fakeImages) ImageFsInfo(context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	usage := []*runtimeapi.FilesystemUsage{{
		Timestamp: time.Now().UnixNano(), FsId: rootFilesystem(),
		UsedBytes:  &runtimeapi.UInt64Value{Value: 1 << 30},
		InodesUsed: &runtimeapi.UInt64Value{Value: 1000},
	}}
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: usage, ContainerFilesystems: usage}, nil
}

func (f fakeImages) Close(context.Context) error { return nil }
