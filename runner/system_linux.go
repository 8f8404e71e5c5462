package runner

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// mountTmpfs mounts a file system in memory, of half of it at most (the kernel's default).
func mountTmpfs(dir string) error {
	return syscall.Mount("podsim", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0700")
}

// unmount unmounts a path; when somebody still uses it, as soon as nobody does.
func unmount(path string) error {
	if err := syscall.Unmount(path, 0); err != syscall.EBUSY {
		return err
	}
	return syscall.Unmount(path, syscall.MNT_DETACH)
}

// onDisk is what a file takes of its disk in bytes, and its inode if it has several names, else 0.
func onDisk(info os.FileInfo) (bytes int64, shared uint64) {
	s, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return info.Size(), 0
	case s.Nlink > 1 && !info.IsDir():
		shared = s.Ino
	}
	return s.Blocks * 512, shared
}

// detach gives a command a session of its own: no terminal's signals reach it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func sendSignal(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }

// lockFile takes a file's lock without waiting; false when somebody else has it.
func lockFile(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}

// awaitLock waits for a file's lock.
func awaitLock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}

// effectiveCapabilities is a bit for each capability that this process has (capabilities(7)).
func effectiveCapabilities() uint64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), "CapEff:")
	line, _, _ := strings.Cut(rest, "\n")
	caps, _ := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return caps
}
