package runner

import (
	"fmt"
	"syscall"
)

// mountMemory mounts a file system in memory, of so many bytes, 0 for the kernel's own limit
// (pkg/volume/emptydir/empty_dir.go setupTmpfs).
func mountMemory(path string, size int64) error {
	options := ""
	if size > 0 {
		options = fmt.Sprintf("size=%d", size)
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, options); err != nil {
		return fmt.Errorf("mounting a tmpfs at %s: %w", path, err)
	}
	return nil
}
