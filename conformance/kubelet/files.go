package kubelet

import (
	"os"
	"strings"

	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
)

// files is the real file system, confined to the kubelet's root: it makes and removes nothing
// outside, whatever paths the kubelet comes up with (the log manager globs and removes what
// begins with a container's log path), and no links in /var/log/containers.
type files struct {
	kubecontainer.RealOS
	root string
}

func (f files) inside(path string) bool { return strings.HasPrefix(path, f.root+"/") }

func (files) Symlink(string, string) error { return nil }

func (f files) MkdirAll(path string, mode os.FileMode) error {
	if !f.inside(path) {
		return nil
	}
	return f.RealOS.MkdirAll(path, mode)
}

func (f files) Remove(path string) error {
	if !f.inside(path) {
		return nil
	}
	return f.RealOS.Remove(path)
}

func (f files) RemoveAll(path string) error {
	if !f.inside(path) {
		return nil
	}
	return f.RealOS.RemoveAll(path)
}

func (f files) Glob(pattern string) ([]string, error) {
	if !f.inside(pattern) {
		return nil, nil
	}
	return f.RealOS.Glob(pattern)
}
