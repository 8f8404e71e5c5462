package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// cgroupRoot is where the hierarchies of cgroups are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// cgroup is the parent of a pod's cgroups (cm/pod_container_manager_linux.go GetPodContainerName).
func (r *CRI) cgroup(uid string) string { return filepath.Join("/podsim", r.Run, "pod"+uid) }

// hierarchies are the directories of cgroupRoot that are hierarchies of cgroup v1, or cgroupRoot itself with
// cgroup v2.
func hierarchies() []string {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		return []string{cgroupRoot}
	}
	entries, _ := os.ReadDir(cgroupRoot)
	var all []string
	for _, e := range entries {
		if e.IsDir() {
			all = append(all, filepath.Join(cgroupRoot, e.Name()))
		}
	}
	return all
}

// makeCgroups makes a cgroup in each hierarchy.
func makeCgroups(name string) error {
	for _, h := range hierarchies() {
		if err := os.MkdirAll(filepath.Join(h, name), 0o755); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// removeCgroups removes a cgroup and those below it, in each hierarchy.
func removeCgroups(name string) {
	for _, h := range hierarchies() {
		removeCgroup(filepath.Join(h, name))
	}
}

func removeCgroup(path string) {
	entries, _ := os.ReadDir(path)
	for _, e := range entries {
		if e.IsDir() {
			removeCgroup(filepath.Join(path, e.Name()))
		}
	}
	_ = os.Remove(path)
}
