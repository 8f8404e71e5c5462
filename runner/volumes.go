package runner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
)

// volume is a volume of a pod as a folder on the node. When it is mounted, and what goes wrong with it, is
// the machine's.
type volume struct {
	path string
	// tmpfs says that it is in memory, with so many bytes, 0 for no limit.
	tmpfs bool
	size  int64
	// files are those of a volume whose content is given, nil for others; it cannot be written to.
	files map[string][]byte
	// file says that it is one file, given that it is the node's own.
	file, given bool
}

// volumes are those of a pod.
func (r *CRI) volumes(p *pod) map[string]*volume {
	all := map[string]*volume{}
	for i := range p.template.Spec.Volumes {
		v := &p.template.Spec.Volumes[i]
		at := &volume{path: filepath.Join(p.directory, "volumes", v.Name)}
		all[v.Name] = at
		switch s := &v.VolumeSource; {
		case s.EmptyDir != nil:
			at.tmpfs = s.EmptyDir.Medium == v1.StorageMediumMemory
			if s.EmptyDir.SizeLimit != nil {
				at.size = s.EmptyDir.SizeLimit.Value()
			}
		case s.HostPath != nil:
			at.path = s.HostPath.Path
			if r.asTheyAre() {
				at.given = true
				break
			}
			// Not the node's own: a scenario's nodes are all here.
			at.path = filepath.Join(r.Directory, "nodes", p.node, s.HostPath.Path)
			at.file = s.HostPath.Type != nil && (*s.HostPath.Type == v1.HostPathFile || *s.HostPath.Type == v1.HostPathFileOrCreate ||
				*s.HostPath.Type == v1.HostPathSocket)
			r.leftOut("hostPath volumes are folders of the run's own")
		case s.ConfigMap != nil:
			at.files = chosen(r.config(p, false, s.ConfigMap.Name), s.ConfigMap.Items)
		case s.Secret != nil:
			at.files = chosen(r.config(p, true, s.Secret.SecretName), s.Secret.Items)
		case s.DownwardAPI != nil:
			at.files = r.downward(p, s.DownwardAPI.Items)
		case s.Projected != nil:
			at.files = r.projected(p, s.Projected.Sources)
		default:
			r.leftOut("volumes other than emptyDir, hostPath, configMap, secret, downwardAPI and projected are empty folders")
		}
	}
	return all
}

// chosen are the files of a volume that is made of a ConfigMap or Secret (pkg/volume/configmap/configmap.go
// MakePayload): all keys, or those of the items.
func chosen(data map[string][]byte, items []v1.KeyToPath) map[string][]byte {
	files := map[string][]byte{}
	for key, content := range data {
		if len(items) == 0 {
			files[key] = content
		}
	}
	for _, item := range items {
		if content, ok := data[item.Key]; ok {
			files[item.Path] = content
		}
	}
	return files
}

// downward are the files of a downwardAPI volume (pkg/volume/downwardapi/downwardapi.go CollectData).
func (r *CRI) downward(p *pod, items []v1.DownwardAPIVolumeFile) map[string][]byte {
	files := map[string][]byte{}
	for _, item := range items {
		switch {
		case item.FieldRef != nil:
			files[item.Path] = []byte(r.field(p, item.FieldRef.FieldPath))
		case item.ResourceFieldRef != nil:
			files[item.Path] = []byte(r.resourceField(p, 0, item.ResourceFieldRef))
		}
	}
	return files
}

// projected are the files of a projected volume (pkg/volume/projected/projected.go collectData). There is no
// API server that would know a token, so that it is empty.
func (r *CRI) projected(p *pod, sources []v1.VolumeProjection) map[string][]byte {
	files := map[string][]byte{}
	add := func(some map[string][]byte) {
		for name, content := range some {
			files[name] = content
		}
	}
	for _, s := range sources {
		switch {
		case s.ConfigMap != nil && s.ConfigMap.Name == model.RootCA.Name:
			add(chosen(map[string][]byte{"ca.crt": nil}, s.ConfigMap.Items))
		case s.ConfigMap != nil:
			add(chosen(r.config(p, false, s.ConfigMap.Name), s.ConfigMap.Items))
		case s.Secret != nil:
			add(chosen(r.config(p, true, s.Secret.Name), s.Secret.Items))
		case s.DownwardAPI != nil:
			add(r.downward(p, s.DownwardAPI.Items))
		case s.ServiceAccountToken != nil:
			files[s.ServiceAccountToken.Path] = nil
		}
	}
	return files
}

// make makes the volume on the node, if it is not there.
func (v *volume) make() error {
	if v.given {
		return nil
	}
	if v.file {
		if err := os.MkdirAll(filepath.Dir(v.path), 0o755); err != nil {
			return err
		}
		return writeShared(v.path, nil)
	}
	_, err := os.Stat(v.path)
	there := err == nil
	if err := os.MkdirAll(v.path, 0o777); err != nil {
		return err
	}
	if v.tmpfs && !there {
		if err := mountMemory(v.path, v.size); err != nil {
			return err
		}
	}
	// Whoever a container runs as may write to it.
	if err := os.Chmod(v.path, 0o777); err != nil {
		return err
	}
	for name, content := range v.files {
		path := filepath.Join(v.path, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeShared makes a file that everybody may write to, if it is not there.
func writeShared(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Chmod(0o666), f.Close())
}

// mounts are what a container sees of its pod's volumes (pkg/kubelet/kubelet_pods.go makeMounts).
func (r *CRI) mounts(p *pod, c *v1.Container, env map[string]string) []*runtimeapi.Mount {
	var list []*runtimeapi.Mount
	for i := range c.VolumeMounts {
		m := &c.VolumeMounts[i]
		v := p.volumes[m.Name]
		if v == nil {
			continue
		}
		below := m.SubPath
		if m.SubPathExpr != "" {
			below = expand(m.SubPathExpr, env)
		}
		path := m.MountPath
		if !filepath.IsAbs(path) {
			path = "/" + path
		}
		list = append(list, &runtimeapi.Mount{HostPath: filepath.Join(v.path, filepath.Clean("/"+below)), ContainerPath: path,
			Readonly: m.ReadOnly || v.files != nil})
	}
	return list
}

// makeSubPaths makes the folders that mounts name below their volumes, if they are not there
// (pkg/volume/util/subpath/subpath_linux.go SafeMakeDir).
func makeSubPaths(mounts []*runtimeapi.Mount) error {
	for _, m := range mounts {
		if _, err := os.Stat(m.HostPath); err == nil {
			continue
		}
		if err := os.MkdirAll(m.HostPath, 0o777); err != nil {
			return err
		}
		if err := os.Chmod(m.HostPath, 0o777); err != nil {
			return err
		}
	}
	return nil
}
