package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// realNode is the endpoint of the containerd that tests may use. A test is skipped where there is none.
func realNode(t *testing.T) string {
	t.Helper()
	endpoint := os.Getenv("PODSIM_CONTAINERD")
	if endpoint == "" {
		t.Skip("no real node: PODSIM_CONTAINERD=$(podsim node start) go test ./runner/... runs this test as root")
	}
	return endpoint
}

// privateNode starts a containerd, the one in PATH, that is the test's alone.
func privateNode(t *testing.T) *Node { return privateNodeWith(t, NodeOptions{}) }

func privateNodeWith(t *testing.T, o NodeOptions) *Node {
	t.Helper()
	realNode(t)
	dir, err := os.MkdirTemp("/run", "podsim-test-")
	require.NoError(t, err)
	o.Dir = dir
	n, err := StartNode(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if _, err := os.Stat(dir); err == nil {
			// Not n.Stop: the test may have started it again, as another process.
			assert.NoError(t, StopNode(context.Background(), dir))
		}
	})
	return n
}

func TestNodeStartsAndStops(t *testing.T) {
	n := privateNode(t)
	_, err := StartNode(t.Context(), NodeOptions{Dir: n.Dir})
	require.ErrorContains(t, err, "a node runs in "+n.Dir+" already")
	read, err := ReadNode(n.Dir)
	require.NoError(t, err)
	assert.True(t, read.Running)
	assert.Equal(t, n.Endpoint, read.Endpoint)
	require.NoError(t, StopNode(t.Context(), n.Dir))
	assert.NoDirExists(t, n.Dir)
	assert.False(t, n.Process.Alive())
	assert.Empty(t, shimsOf(strings.TrimPrefix(n.Endpoint, "unix://")))
	assert.Empty(t, mountsBelow(n.Dir))
	require.ErrorContains(t, StopNode(t.Context(), n.Dir), "there is no node in "+n.Dir)
}

// TestNodeStartsAgain: a containerd that was killed is started again in its folder.
func TestNodeStartsAgain(t *testing.T) {
	n := privateNode(t)
	n.Process.Signal(syscall.SIGKILL)
	require.True(t, n.Process.awaitEnd(killMax))
	again, err := StartNode(t.Context(), NodeOptions{Dir: n.Dir})
	require.NoError(t, err)
	assert.True(t, again.Running)
	assert.NotEqual(t, n.Process, again.Process)
	assert.Equal(t, n.Endpoint, again.Endpoint)
}

// TestNodeWithoutAnswer: a containerd that does not answer is ended.
func TestNodeWithoutAnswer(t *testing.T) {
	dir := t.TempDir()
	n := &Node{Dir: dir, Endpoint: unixScheme + filepath.Join(dir, nodeSocket), Containerd: filepath.Join(dir, "containerd")}
	require.NoError(t, os.WriteFile(n.Containerd, []byte("#!/bin/sh\necho waits for nobody\nexec sleep 60\n"), 0o700))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, n.launch(ctx), "containerd does not answer")
	assert.False(t, n.Process.Alive())
}

func TestNewNodeRefuses(t *testing.T) {
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "mine"), nil, 0o600))
	_, err := newNode(full, NodeOptions{})
	assert.ErrorContains(t, err, "is not a node's folder and not empty")
	_, err = newNode("/"+strings.Repeat("a", 100), NodeOptions{})
	assert.ErrorContains(t, err, "is too long for a socket's path")
	t.Setenv("PATH", t.TempDir())
	_, err = newNode("/run/podsim-none", NodeOptions{})
	assert.ErrorContains(t, err, "there is no containerd in PATH; install it")
	alone := filepath.Join(t.TempDir(), "containerd")
	require.NoError(t, os.WriteFile(alone, nil, 0o700))
	_, err = newNode("/run/podsim-none", NodeOptions{Containerd: alone})
	assert.ErrorContains(t, err, "there is no runc in PATH")
}

// TestContainerdConfig: containerd 1.x reads version 2 of the format, in which the CRI is one plugin.
func TestContainerdConfig(t *testing.T) {
	old := containerdConfig(&Node{Dir: "/n", Version: "1.6.20~ds1", Runc: "/bin/runc"})
	assert.Contains(t, old, "version = 2\n")
	assert.Contains(t, old, `[plugins."io.containerd.grpc.v1.cri"]`)
	assert.Contains(t, old, `  sandbox_image = "`+nodeSandboxImage+`"`)
	young := containerdConfig(&Node{Dir: "/n", Version: "2.4.2+unknown", Runc: "/bin/runc"})
	assert.Contains(t, young, "version = 3\n")
	assert.Contains(t, young, `[plugins."io.containerd.cri.v1.runtime"]`)
	assert.NotContains(t, young, "io.containerd.grpc.v1.cri")
	for _, c := range []string{old, young} {
		assert.Contains(t, c, `root = "/n/root"`)
		assert.Contains(t, c, `BinaryName = "/bin/runc"`)
	}
}

// TestProcess: a process that has ended and waits for its parent is not alive; another one of its number is not it.
func TestProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	require.NoError(t, cmd.Start())
	p, err := processOf(cmd.Process.Pid)
	require.NoError(t, err)
	assert.True(t, p.Alive())
	assert.False(t, Process{PID: p.PID, Started: "1"}.Alive())
	assert.Contains(t, descendants(Process{PID: os.Getpid()}), p)
	p.Kill()
	assert.False(t, p.Alive())
	cmd.Wait()
}
