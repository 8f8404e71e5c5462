package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestClaims: a run whose owner lives is told from one whose owner is gone, and only one can take that over.
func TestClaims(t *testing.T) {
	c := claims(filepath.Join(t.TempDir(), "runs"))
	living, err := c.claim("00000001", "unix:///none/sock", filepath.Join(string(c), "00000001"))
	require.NoError(t, err)
	gone, err := c.claim("00000002", "", filepath.Join(string(c), "00000002"))
	require.NoError(t, err)
	gone.release()
	require.NoError(t, os.Mkdir(filepath.Join(string(c), "somebodys"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(string(c), "00000003"), 0o755))

	alive, dead, err := c.all()
	require.NoError(t, err)
	require.Len(t, alive, 1)
	assert.Equal(t, "00000001", alive[0].Run)
	assert.Equal(t, "unix:///none/sock", alive[0].Endpoint)
	assert.Equal(t, os.Getpid(), alive[0].PID)
	require.Len(t, dead, 1)
	assert.Equal(t, "00000002", dead[0].Run)

	alive, none, err := c.all()
	require.NoError(t, err)
	assert.Len(t, alive, 2, "who cleans a run up holds its claim")
	assert.Empty(t, none)

	require.NoError(t, dead[0].remove())
	assert.NoDirExists(t, dead[0].folder)
	require.NoError(t, living.remove())
	assert.DirExists(t, filepath.Join(string(c), "somebodys"))
}

// TestLastClaim: with the last run goes the folder of all.
func TestLastClaim(t *testing.T) {
	c := claims(filepath.Join(t.TempDir(), "runs"))
	k, err := c.claim("00000001", "", filepath.Join(string(c), "00000001"))
	require.NoError(t, err)
	require.NoError(t, k.remove())
	assert.NoDirExists(t, string(c))
}

// TestClaimWithoutFolder: of a run that cannot begin nothing is left.
func TestClaimWithoutFolder(t *testing.T) {
	c := claims(filepath.Join(t.TempDir(), "runs"))
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := c.claim("00000001", "", filepath.Join(file, "00000001"))
	require.ErrorContains(t, err, "not a directory")
	assert.NoDirExists(t, string(c))
}

// TestForeignClaim: what stands in a claim leads to no folder that is not a run's.
func TestForeignClaim(t *testing.T) {
	c := claims(t.TempDir())
	k, err := c.claim("00000001", "", t.TempDir())
	require.NoError(t, err)
	k.release()
	_, dead, err := c.all()
	require.NoError(t, err)
	require.Len(t, dead, 1)
	assert.Equal(t, filepath.Join(string(c), "00000001"), dead[0].Directory)
	dead[0].release()
	assert.False(t, isRunID("../../etc"))
	assert.False(t, isRunID(""))
	assert.True(t, isRunID(newRunID()))
}

func TestImageRun(t *testing.T) {
	assert.Equal(t, "1f00cafe", imageRun("127.0.0.1:41234/podsim-1f00cafe/worker-0/docker.io/library/nginx:1.23"))
	assert.Equal(t, "", imageRun("docker.io/library/nginx:1.23"))
	assert.Equal(t, "", imageRun("registry.example/127.0.0.1:1/podsim-1f00cafe/x:1"))
	assert.Equal(t, "", imageRun("127.0.0.1:1/podsim/pause:1"))
}

func TestLeftoversString(t *testing.T) {
	assert.Equal(t, "nothing", (&Leftovers{}).String())
	l := &Leftovers{Sandboxes: []string{"a", "b"}, Containers: []string{"c"}, Processes: make([]Process, 2), Cgroups: make([]string, 10)}
	assert.Equal(t, "2 sandboxes, 1 container, 2 processes, 10 cgroups", l.String())
}
