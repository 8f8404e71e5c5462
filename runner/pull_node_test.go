package runner

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/runner/images"
)

// realRegistry serves a scenario's images to the real node, and removes them from it at the end.
func realRegistry(t *testing.T, sc *model.Scenario) (*images.Registry, *grpc.ClientConn) {
	t.Helper()
	conn, err := Dial(realNode(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	program, err := Program(t.Context(), "")
	require.NoError(t, err)
	run := newRunID()
	r, err := images.Start(t.Context(), sc, run, program)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	t.Cleanup(func() { removeImagesOf(t, conn, run) })
	require.NoError(t, (&sandboxImage{conn: conn, registry: r, run: run}).provide(t.Context()))
	require.NoError(t, pullOnce(t.Context(), runtimeapi.NewImageServiceClient(conn), &runtimeapi.ImageSpec{Image: r.Base()}, nil))
	require.NoError(t, r.Begin())
	return r, conn
}

func removeImagesOf(t *testing.T, conn *grpc.ClientConn, run string) {
	service := runtimeapi.NewImageServiceClient(conn)
	list, err := service.ListImages(context.Background(), &runtimeapi.ListImagesRequest{})
	require.NoError(t, err)
	for _, i := range list.Images {
		for _, name := range append(i.RepoTags, i.RepoDigests...) {
			if imageRun(name) == run {
				_, err := service.RemoveImage(context.Background(), &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: name}})
				assert.NoError(t, err)
			}
		}
	}
}

func TestRealPulls(t *testing.T) {
	a, b := model.LayerSpec{Name: "a", Size: 300001, Unpacked: 300001}, model.LayerSpec{Name: "b", Size: 5000, Unpacked: 2000}
	r, conn := realRegistry(t, &model.Scenario{Images: []model.ImageSpec{
		{Name: "one", Size: 1000003, User: "app"}, {Name: "quay.io/x/two:2", Layers: []model.LayerSpec{a, b}}, {Name: "three", Layers: []model.LayerSpec{a}},
		{Name: "private", Size: 5000, Credentials: []string{"key"}},
	}})
	service := runtimeapi.NewImageServiceClient(conn)
	for name, size := range map[string]int64{"one": 1000003, "quay.io/x/two:2": 305001, "three": 300001,
		"one@sha256:" + strings.Repeat("ab", 32): model.DefaultImageSize} {
		for _, node := range []string{"n1", "n2"} {
			spec := &runtimeapi.ImageSpec{Image: r.Name(node, name)}
			assert.Zero(t, imageSize(t.Context(), service, spec), "each node pulls it itself")
			require.NoError(t, pullImage(t.Context(), service, spec, nil))
			assert.Equal(t, size, r.Size(node, name, imageSize(t.Context(), service, spec)), name)
		}
	}
	status, err := service.ImageStatus(t.Context(), &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: r.Name("n1", "one")}})
	require.NoError(t, err)
	assert.Equal(t, "app", status.Image.Username)

	private := &runtimeapi.ImageSpec{Image: r.Name("n1", "private")}
	require.Error(t, pullImage(t.Context(), service, private, nil))
	wrong := images.Credential{User: "nobody", Password: "knows"}
	require.Error(t, pullImage(t.Context(), service, private, []images.Credential{wrong}))
	right := r.Credentials("default", "private", []string{"key"})
	require.Len(t, right, 1)
	require.NoError(t, pullImage(t.Context(), service, private, []images.Credential{wrong, right[0]}), "one after the other")
}

// What the runtime says of pulls that fail is what the simulation says. containerd 1 has other words for most
// of it; the kubelet's reason is the same.
func TestRealPullErrors(t *testing.T) {
	kinds := []string{"notFound", "unauthorized", "refused", "serverError", "rateLimited"}
	sc := &model.Scenario{}
	for _, kind := range kinds {
		sc.Images = append(sc.Images, model.ImageSpec{Name: "quay.io/" + strings.ToLower(kind) + ":1", Error: kind})
	}
	r, conn := realRegistry(t, sc)
	service := runtimeapi.NewImageServiceClient(conn)
	version, err := runtimeapi.NewRuntimeServiceClient(conn).Version(t.Context(), &runtimeapi.VersionRequest{})
	require.NoError(t, err)
	words := map[string]string{
		"notFound":     `rpc error: code = NotFound desc = failed to pull and unpack image "quay.io/notfound:1": failed to resolve image: quay.io/notfound:1: not found`,
		"unauthorized": `failed to pull and unpack image "quay.io/unauthorized:1": failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
		"refused":      `failed to pull and unpack image "quay.io/refused:1": failed to resolve image: failed to do request: Head "https://quay.io/v2/refused/manifests/1": dial tcp quay.io:443: connect: connection refused`,
		"serverError":  `failed to pull and unpack image "quay.io/servererror:1": failed to resolve image: unexpected status from HEAD request to https://quay.io/v2/servererror/manifests/1: 500 Internal Server Error`,
		"rateLimited":  `failed to pull and unpack image "quay.io/ratelimited:1": failed to resolve image: unexpected status from HEAD request to https://quay.io/v2/ratelimited/manifests/1: 429 Too Many Requests`,
	}
	for i, kind := range kinds {
		err := pullImage(t.Context(), service, &runtimeapi.ImageSpec{Image: r.Name("n1", sc.Images[i].Name)}, nil)
		require.Error(t, err, kind)
		text := r.Original(err.Error())
		assert.NotContains(t, text, "127.0.0.1", kind)
		assert.Equal(t, model.ReasonErrImagePull, model.PullErrorReason(text))
		if !strings.HasPrefix(strings.TrimPrefix(version.RuntimeVersion, "v"), "1.") {
			assert.Equal(t, words[kind], text)
		}
	}
}

// A registry that is slow is slow for the runtime, too, and one that comes back gives the image.
func TestRealRegistrySteps(t *testing.T) {
	r, conn := realRegistry(t, &model.Scenario{Images: []model.ImageSpec{{Name: "a", Size: 2 << 20}}})
	service := runtimeapi.NewImageServiceClient(conn)
	pull := func(node string) (time.Duration, error) {
		begin := time.Now()
		err := pullImage(t.Context(), service, &runtimeapi.ImageSpec{Image: r.Name(node, "a")}, nil)
		return time.Since(begin), err
	}
	require.NoError(t, r.Set("docker.io", "refused", 0))
	_, err := pull("n1")
	require.ErrorContains(t, err, "connection refused")
	require.NoError(t, r.Set("docker.io", "", 1<<20))
	took, err := pull("n1")
	require.NoError(t, err)
	assert.Greater(t, took, 1900*time.Millisecond, "2 MiB at 1 MiB a second")
	require.NoError(t, r.Set("docker.io", "", 0))
	_, err = pull("n2")
	require.NoError(t, err)
}

// The runtime can make sandboxes where it does not have its own image for them, and they go on.
func TestRealSandboxImage(t *testing.T) {
	_, conn := realRegistry(t, &model.Scenario{})
	runtime := runtimeapi.NewRuntimeServiceClient(conn)
	made, err := runtime.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: "podsim-test", Namespace: "podsim", Uid: fmt.Sprint(time.Now().UnixNano())},
		Linux: &runtimeapi.LinuxPodSandboxConfig{SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE}}},
	}})
	require.NoError(t, err)
	defer func() {
		_, err := runtime.RemovePodSandbox(context.Background(), &runtimeapi.RemovePodSandboxRequest{PodSandboxId: made.PodSandboxId})
		assert.NoError(t, err)
	}()
	status, err := runtime.PodSandboxStatus(t.Context(), &runtimeapi.PodSandboxStatusRequest{PodSandboxId: made.PodSandboxId})
	require.NoError(t, err)
	assert.Equal(t, runtimeapi.PodSandboxState_SANDBOX_READY, status.Status.State)
	begin := time.Now()
	_, err = runtime.StopPodSandbox(t.Context(), &runtimeapi.StopPodSandboxRequest{PodSandboxId: made.PodSandboxId})
	require.NoError(t, err)
	assert.Less(t, time.Since(begin), 5*time.Second)
}
