package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgramIsFound(t *testing.T) {
	dir := t.TempDir()
	program, podsim := filepath.Join(dir, "there", programName), filepath.Join(dir, "bin", "podsim")
	for _, name := range []string{program, podsim} {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, nil, 0o755))
	}

	got, err := findProgram(t.Context(), program, podsim, dir)
	require.NoError(t, err)
	assert.Equal(t, program, got)

	_, err = findProgram(t.Context(), filepath.Join(dir, "missing"), podsim, dir)
	assert.EqualError(t, err, "the stand-in program "+filepath.Join(dir, "missing")+": no such file or directory")
	_, err = findProgram(t.Context(), dir, podsim, dir)
	assert.EqualError(t, err, "the stand-in program "+dir+": not a program")

	_, err = findProgram(t.Context(), "", podsim, dir)
	assert.EqualError(t, err, "there is no podsim-workload beside "+podsim+
		": put it there, name it with --workload, or start podsim in its source, where it is built")

	beside := filepath.Join(dir, "bin", programName)
	require.NoError(t, os.WriteFile(beside, nil, 0o755))
	got, err = findProgram(t.Context(), "", podsim, dir)
	require.NoError(t, err)
	assert.Equal(t, beside, got)
}

func TestProgramIsBuiltFromTheSource(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("GOCACHE", goCache(t))
	t.Setenv("XDG_CACHE_HOME", cache)
	working, err := os.Getwd()
	require.NoError(t, err)
	got, err := findProgram(t.Context(), "", "", working)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(cache, "podsim", programName), got)
	info, err := os.Stat(got)
	require.NoError(t, err)
	assert.Less(t, info.Size(), int64(4<<20), "each image has it: keep it small")
}

// goCache is the build cache that go itself would take.
func goCache(t *testing.T) string {
	if dir := os.Getenv("GOCACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	return filepath.Join(dir, "go-build")
}
