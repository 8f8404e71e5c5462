package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// podCgroup is the parent of a pod's cgroups (cm/pod_container_manager_linux.go GetPodContainerName).
func (r *CRI) podCgroup(p *pod) string { return filepath.Join("/podsim", r.Run, "pod"+p.uid) }

// cgroup is the same, or "" where the pod's kubelet makes no cgroups for pods.
func (r *CRI) cgroup(p *pod) string {
	if !*r.cluster.KubeletConfiguration(p.ref.ID).CgroupsPerQOS {
		return ""
	}
	return r.podCgroup(p)
}

// makeCgroups makes a cgroup in each hierarchy.
func makeCgroups(name string) error {
	for _, h := range cgroupHierarchies() {
		if err := os.MkdirAll(filepath.Join(h.path, name), 0o755); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
