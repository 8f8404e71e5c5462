package runner

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
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
	files map[string]volumeFile
	// group is the one that owns what is in it, nil for root's.
	group *int64
	// file says that it is one file, which is made if it is not there, given that it is the node's own.
	file, given bool
}

// volumeFile is a file of a volume whose content is given.
type volumeFile struct {
	content []byte
	mode    fs.FileMode
}

// volumes are those of a pod.
func (r *CRI) volumes(p *pod) map[string]*volume {
	all := map[string]*volume{}
	var group *int64
	if c := p.template.Spec.SecurityContext; c != nil {
		group = c.FSGroup
	}
	for i := range p.template.Spec.Volumes {
		v := &p.template.Spec.Volumes[i]
		at := &volume{path: filepath.Join(p.directory, "volumes", v.Name), group: group}
		all[v.Name] = at
		switch s := &v.VolumeSource; {
		case s.EmptyDir != nil:
			if at.tmpfs = s.EmptyDir.Medium == v1.StorageMediumMemory; at.tmpfs {
				at.size = r.memoryVolumeSize(p, s.EmptyDir)
			}
		case s.HostPath != nil:
			at.path, at.group = s.HostPath.Path, nil
			if r.asTheyAre() {
				at.given = true
				at.file = s.HostPath.Type != nil && *s.HostPath.Type == v1.HostPathFileOrCreate
				break
			}
			// Not the node's own: a scenario's nodes are all here.
			at.path = filepath.Join(r.Directory, "nodes", p.node, s.HostPath.Path)
			at.file = s.HostPath.Type != nil && (*s.HostPath.Type == v1.HostPathFile || *s.HostPath.Type == v1.HostPathFileOrCreate ||
				*s.HostPath.Type == v1.HostPathSocket)
			r.leftOut("hostPath volumes are folders of the run's own")
		case s.ConfigMap != nil:
			at.files = chosen(r.config(p, false, s.ConfigMap.Name), s.ConfigMap.Items, s.ConfigMap.DefaultMode)
		case s.Secret != nil:
			at.files = chosen(r.config(p, true, s.Secret.SecretName), s.Secret.Items, s.Secret.DefaultMode)
		case s.DownwardAPI != nil:
			at.files = r.downward(p, s.DownwardAPI.Items, s.DownwardAPI.DefaultMode)
		case s.Projected != nil:
			at.files = r.projected(p, s.Projected)
		default:
			r.leftOut("volumes other than emptyDir, hostPath, configMap, secret, downwardAPI and projected are empty folders")
		}
	}
	return all
}

// memoryVolumeSize is how much there can be in a volume in memory, in bytes: no more than the pod may use
// (pkg/volume/emptydir/empty_dir.go calculateEmptyDirMemorySize).
func (r *CRI) memoryVolumeSize(p *pod, s *v1.EmptyDirVolumeSource) int64 {
	size := r.cluster.State().Nodes[r.cluster.State().Pods[p.ref.ID].Node].Allocatable.Memory
	least := func(n int64) {
		if n > 0 {
			size = min(size, n)
		}
	}
	least(r.podLimits(p).memory)
	if s.SizeLimit != nil {
		least(s.SizeLimit.Value())
	}
	return size
}

// chosen are the files of a volume that is made of a ConfigMap or Secret (pkg/volume/configmap/configmap.go
// MakePayload): all keys, or those of the items.
func chosen(data map[string][]byte, items []v1.KeyToPath, mode *int32) map[string]volumeFile {
	files := map[string]volumeFile{}
	for key, content := range data {
		if len(items) == 0 {
			files[key] = volumeFile{content, modeOf(nil, mode)}
		}
	}
	for _, item := range items {
		if content, ok := data[item.Key]; ok {
			files[item.Path] = volumeFile{content, modeOf(item.Mode, mode)}
		}
	}
	return files
}

// modeOf is a file's own mode, or else its volume's.
func modeOf(own, volume *int32) fs.FileMode {
	return fs.FileMode(*cmp.Or(own, volume))
}

// downward are the files of a downwardAPI volume (pkg/volume/downwardapi/downwardapi.go CollectData).
func (r *CRI) downward(p *pod, items []v1.DownwardAPIVolumeFile, mode *int32) map[string]volumeFile {
	files := map[string]volumeFile{}
	for _, item := range items {
		f := volumeFile{mode: modeOf(item.Mode, mode)}
		switch {
		case item.FieldRef != nil:
			f.content = []byte(r.field(p, item.FieldRef.FieldPath))
		case item.ResourceFieldRef != nil:
			f.content = []byte(r.resourceField(p, 0, item.ResourceFieldRef))
		}
		files[item.Path] = f
	}
	return files
}

// projected are the files of a projected volume (pkg/volume/projected/projected.go collectData). There is no
// API server that would know a token, so that it is empty.
func (r *CRI) projected(p *pod, v *v1.ProjectedVolumeSource) map[string]volumeFile {
	files, mode := map[string]volumeFile{}, v.DefaultMode
	for _, s := range v.Sources {
		switch {
		case s.ConfigMap != nil && s.ConfigMap.Name == model.RootCA.Name:
			maps.Copy(files, chosen(map[string][]byte{"ca.crt": nil}, s.ConfigMap.Items, mode))
		case s.ConfigMap != nil:
			maps.Copy(files, chosen(r.config(p, false, s.ConfigMap.Name), s.ConfigMap.Items, mode))
		case s.Secret != nil:
			maps.Copy(files, chosen(r.config(p, true, s.Secret.Name), s.Secret.Items, mode))
		case s.DownwardAPI != nil:
			maps.Copy(files, r.downward(p, s.DownwardAPI.Items, mode))
		case s.ServiceAccountToken != nil:
			files[s.ServiceAccountToken.Path] = volumeFile{mode: modeOf(nil, mode)}
		}
	}
	return files
}

// make makes the volume on the node, if it is not there.
func (v *volume) make() error {
	if v.given && !v.file {
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
	if err := v.give(v.path, fs.ModeDir|0o777); err != nil {
		return err
	}
	for name, f := range v.files {
		path := filepath.Join(v.path, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.content, f.mode); err != nil {
			return err
		}
		if err := v.give(path, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// give gives a file or folder of the volume its mode, and to the volume's group (pkg/volume/volume_linux.go
// changeFilePermission).
func (v *volume) give(path string, mode fs.FileMode) error {
	if v.group != nil {
		if err := os.Lchown(path, -1, int(*v.group)); err != nil {
			return err
		}
		if mode |= 0o440; mode.IsDir() {
			mode |= 0o770 | fs.ModeSetgid
		}
	}
	return os.Chmod(path, mode)
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
	hosts := true
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
		hosts = hosts && path != hostsPath
		list = append(list, &runtimeapi.Mount{HostPath: filepath.Join(v.path, filepath.Clean("/"+below)), ContainerPath: path,
			Readonly: m.ReadOnly || v.files != nil, Propagation: v.propagation(m)})
	}
	if hosts {
		list = append(list, &runtimeapi.Mount{HostPath: p.hostsFile(), ContainerPath: hostsPath})
	}
	return list
}

// propagation is whether mounts that are made below a volume later are seen on the other side
// (translateMountPropagation). Only what is the node's own may be mounted so that they can be.
func (v *volume) propagation(m *v1.VolumeMount) runtimeapi.MountPropagation {
	if m.MountPropagation == nil || !v.given {
		return runtimeapi.MountPropagation_PROPAGATION_PRIVATE
	}
	switch *m.MountPropagation {
	case v1.MountPropagationHostToContainer:
		return runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER
	case v1.MountPropagationBidirectional:
		return runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL
	}
	return runtimeapi.MountPropagation_PROPAGATION_PRIVATE
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
		// It has its volume's group.
		info, err := os.Stat(m.HostPath)
		if err != nil {
			return err
		}
		if err := os.Chmod(m.HostPath, info.Mode()&fs.ModeSetgid|0o777); err != nil {
			return err
		}
	}
	return nil
}
