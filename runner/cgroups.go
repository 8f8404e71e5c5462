package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// cgroup is the parent of a pod's cgroups (cm/pod_container_manager_linux.go GetPodContainerName).
func (r *CRI) cgroup(uid string) string { return filepath.Join("/podsim", r.Run, "pod"+uid) }

// makeCgroups makes a cgroup in each hierarchy.
func makeCgroups(name string) error {
	for _, h := range cgroupHierarchies() {
		if err := os.MkdirAll(filepath.Join(h.path, name), 0o755); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
