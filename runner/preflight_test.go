package runner

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// problemOf is the first problem among facts.
func problemOf(facts []Fact) string {
	for _, f := range facts {
		if f.Problem != "" {
			return f.Problem
		}
	}
	return ""
}

// fakeRuntime listens at a socket as a runtime that has only what is registered.
func fakeRuntime(t *testing.T, register func(*grpc.Server)) string {
	path := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := grpc.NewServer()
	register(s)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return "unix://" + path
}

// oldCRI answers the first call of CRI v1alpha2, whose messages are those of v1.
var oldCRI = grpc.ServiceDesc{ServiceName: "runtime.v1alpha2.RuntimeService", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
	MethodName: "Version",
	Handler: func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
		return &runtimeapi.VersionResponse{}, nil
	},
}}}

// told is a runtime that says what it is.
type told struct {
	runtimeapi.UnimplementedRuntimeServiceServer
	config   string
	notReady bool
}

func (a *told) Version(context.Context, *runtimeapi.VersionRequest) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "v2.4.2", RuntimeApiVersion: "v1"}, nil
}

func (a *told) Status(context.Context, *runtimeapi.StatusRequest) (*runtimeapi.StatusResponse, error) {
	return &runtimeapi.StatusResponse{Info: map[string]string{"config": a.config}, Status: &runtimeapi.RuntimeStatus{
		Conditions: []*runtimeapi.RuntimeCondition{{Type: runtimeapi.RuntimeReady, Status: !a.notReady, Message: "runc is gone"}}}}, nil
}

func TestRuntimeFacts(t *testing.T) {
	ask := func(endpoint string) string { return problemOf(runtimeFacts(t.Context(), endpoint)) }
	assert.Contains(t, ask("tcp://127.0.0.1:1"), "must be the path of a Unix socket")
	assert.Contains(t, ask("unix:///none/containerd.sock"), "there is no container runtime at unix:///none/containerd.sock")
	assert.Contains(t, ask("/none/containerd.sock"), "there is no container runtime at /none/containerd.sock")

	dead := filepath.Join(t.TempDir(), "sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	l.Close()
	assert.Contains(t, ask("unix://"+dead), "does not answer")

	assert.Contains(t, ask(fakeRuntime(t, func(*grpc.Server) {})), "serves no CRI")
	assert.Contains(t, ask(fakeRuntime(t, func(s *grpc.Server) { s.RegisterService(&oldCRI, nil) })), "serves the CRI v1alpha2 only")
	ready := &told{config: `{"containerd":{"defaultRuntimeName":"runc","runtimes":{"runc":{"options":{"SystemdCgroup":true}}}},"restrictOOMScoreAdj":true}`}
	register := func(s *grpc.Server) { runtimeapi.RegisterRuntimeServiceServer(s, ready) }
	assert.Contains(t, ask(fakeRuntime(t, register)), "makes its cgroups by systemd")
	ready.config = `{"restrictOOMScoreAdj":true}`
	assert.Equal(t, "", ask(fakeRuntime(t, register)))
	ready.config = `{}`
	if hasCapability(capSysResource) {
		assert.Equal(t, "", ask(fakeRuntime(t, register)))
	} else {
		assert.Contains(t, ask(fakeRuntime(t, register)), "set restrict_oom_score_adj = true")
	}
	ready.notReady = true
	assert.Contains(t, ask(fakeRuntime(t, register)), "is not ready: runc is gone")
}

// TestHasController: hierarchies of v1 have their controllers in their options.
func TestHasController(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cgroup.controllers"), []byte("cpu memory\n"), 0o600))
	all := []cgroupHierarchy{{path: "/v1/pids", controllers: []string{"rw", "pids"}}, {path: dir, unified: true}}
	assert.True(t, hasController(all, "pids"))
	assert.True(t, hasController(all, "memory"))
	assert.False(t, hasController(all, "blkio"))
	assert.Equal(t, 1, cgroupVersion(all))
	assert.Equal(t, 2, cgroupVersion(all[1:]))
	assert.Equal(t, 0, cgroupVersion(nil))
}

// TestKeepsControllers: the files of a cgroup of v2 as in the root of a cgroup namespace.
func TestKeepsControllers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	write("cgroup.subtree_control", "cpu\n")
	write("cgroup.procs", "1\n17\n")
	assert.False(t, keepsControllers(dir), "the machine's own root")
	write("cgroup.type", "domain\n")
	assert.True(t, keepsControllers(dir))
	write("cgroup.procs", "")
	assert.False(t, keepsControllers(dir), "its processes are below it")
	write("cgroup.procs", "1\n")
	write("cgroup.subtree_control", "cpu memory pids\n")
	assert.False(t, keepsControllers(dir), "it has given them already")
}
