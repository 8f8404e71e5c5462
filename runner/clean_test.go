package runner

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A run that begins while another one's leftovers are looked for has a claim, and is not taken for one that has lost it.
func TestCleanWhileARunBegins(t *testing.T) {
	f := newRuledRuntime(t)
	c, run := claims(filepath.Join(t.TempDir(), "runs")), newRunID()
	var begun *claim
	f.rule = func(method string, done bool) error {
		if method == "ListPodSandbox" && !done && begun == nil {
			var err error
			begun, err = c.claim(run, "unix://"+f.socket, filepath.Join(string(c), run))
			require.NoError(t, err)
			f.sandboxes = append(f.sandboxes, &runtimeapi.PodSandbox{Id: "its", Labels: map[string]string{LabelRun: run}})
		}
		return nil
	}
	_, err := c.clean(t.Context(), CleanOptions{Run: run, Endpoint: "unix://" + f.socket})
	assert.ErrorContains(t, err, "is being played by process")
	assert.Zero(t, f.count("RemovePodSandbox"))
	require.NoError(t, begun.remove())
}

// A user who gives up while the runtime makes the first sandbox leaves none.
func TestTrySandboxIsNotGivenUp(t *testing.T) {
	f := newRuledRuntime(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.rule = func(method string, done bool) error {
		if method == "RunPodSandbox" && done {
			cancel()
		}
		return nil
	}
	conn, err := Dial(f.socket)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, trySandbox(ctx, conn, newRunID()))
	assert.Equal(t, 1, f.count("RemovePodSandbox"))
}
