//go:build !linux

package runner

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

var errNotLinux = errors.New("a real node needs Linux")

func onDisk(info os.FileInfo) (int64, uint64) { return info.Size(), 0 }
func mountTmpfs(string) error                 { return errNotLinux }
func unmount(string) error                    { return errNotLinux }
func detach(*exec.Cmd)                        {}
func sendSignal(int, syscall.Signal) error    { return errNotLinux }
func lockFile(*os.File) (bool, error)         { return false, errNotLinux }
func effectiveCapabilities() uint64           { return 0 }
func awaitLock(*os.File) error                { return errNotLinux }
