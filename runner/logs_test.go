package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeLog(t *testing.T) {
	const at = "2026-01-05T08:00:00.123456789Z "
	for _, tt := range []struct{ log, want string }{
		{"", ""},
		{at + "stdout F one\n" + at + "stderr F two\n", "one\ntwo\n"},
		{at + "stdout P one, \n" + at + "stdout F and on\n", "one, and on\n"},
		{at + "stdout F \n", "\n"},
		// The end of a file that is read from somewhere in it may begin in the middle of a line.
		{"out F\n" + at + "stdout F whole\n", "whole\n"},
	} {
		assert.Equal(t, tt.want, decodeLog(tt.log))
	}
}

func TestReadTail(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("a", 10)+"end"), 0o644))
	text, err := readTail(name, 5)
	require.NoError(t, err)
	assert.Equal(t, "aaend", text)
	text, err = readTail(name, 100)
	require.NoError(t, err)
	assert.Len(t, text, 13)
}
