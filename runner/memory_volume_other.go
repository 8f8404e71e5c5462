//go:build !linux

package runner

import "errors"

func mountMemory(path string, size int64) error {
	return errors.New("only Linux has file systems in memory")
}
