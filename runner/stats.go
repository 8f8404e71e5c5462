package runner

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/runner/workload"
	"podsim/sim"
)

// containerStats are what the runtime says of the containers of a node that run.
func (r *CRI) containerStats(ctx context.Context, node string) ([]*runtimeapi.ContainerStats, error) {
	answer, err := r.runtime.ListContainerStats(ctx, &runtimeapi.ListContainerStatsRequest{
		Filter: &runtimeapi.ContainerStatsFilter{LabelSelector: map[string]string{LabelRun: r.Run, LabelNode: node}}})
	return answer.GetStats(), err
}

// Measure finds out what the containers of a node use: memory and writable layers from the runtime, logs and
// emptyDirs from their folders (pkg/kubelet/stats/cri_stats_provider.go listPodStatsPartiallyFromCRI). When the
// runtime cannot say, the last figures stay.
func (r *CRI) Measure(node model.NodeID) {
	name := r.cluster.State().Nodes[node].Name
	pods := r.measurable(node)
	if len(pods) == 0 {
		r.driver.After(0, func() { r.measured(node, nil) })
		return
	}
	var usages []sim.PodUsage
	r.call(callTime, func(ctx context.Context) error {
		byID := map[string]*runtimeapi.ContainerStats{}
		err := again(ctx, func() error {
			list, err := r.containerStats(ctx, name)
			for _, s := range list {
				byID[s.GetAttributes().GetId()] = s
			}
			return err
		})
		for i := range pods {
			if err == nil {
				usages = append(usages, pods[i].usage(byID))
			}
		}
		return err
	}, func(error) { r.measured(node, usages) })
}

// measured hands in what was found out, and notes the most memory that was in use.
func (r *CRI) measured(node model.NodeID, usages []sim.PodUsage) {
	sum := int64(0)
	for _, u := range usages {
		for _, c := range u.Containers {
			sum += c.Memory
		}
	}
	r.nodeMemory[node] = sum
	all := int64(0)
	for _, memory := range r.nodeMemory {
		all += memory
	}
	r.peakMemory = max(r.peakMemory, all)
	r.cluster.Measured(node, usages)
}

// measurable is what there is to measure of a pod.
type measurable struct {
	ref      sim.PodRef
	template *model.PodTemplate
	logs     string
	running  []*instance
	// volumes are the folders of the emptyDirs on a disk, "" for other volumes.
	volumes []string
	// sparse says that files have holes where a program would have written.
	sparse bool
}

// measurable are the pods of a node, in the order of their ids.
func (r *CRI) measurable(node model.NodeID) []measurable {
	var all []measurable
	for _, p := range r.pods {
		if o := &r.cluster.State().Pods[p.ref.ID]; o.Node != node || o.Serial != p.serial {
			continue
		}
		m := measurable{ref: r.cluster.Ref(p.ref.ID), template: p.template, logs: p.logs, volumes: p.diskVolumes(), sparse: !r.asTheyAre()}
		for i := range p.containers {
			if x := p.containers[i].last; x != nil && x.started && x.ended == nil {
				m.running = append(m.running, x)
			}
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b measurable) int { return cmp.Compare(a.ref.ID, b.ref.ID) })
	return all
}

// diskVolumes are the folders of a pod's emptyDirs on a disk, in the order of its volumes; "" for others.
func (p *pod) diskVolumes() []string {
	volumes := make([]string, len(p.template.Spec.Volumes))
	for i := range p.template.Spec.Volumes {
		if v := &p.template.Spec.Volumes[i]; v.EmptyDir != nil && v.EmptyDir.Medium == v1.StorageMediumDefault {
			volumes[i] = p.volumes[v.Name].path
		}
	}
	return volumes
}

// usage measures the pod.
func (m *measurable) usage(stats map[string]*runtimeapi.ContainerStats) sim.PodUsage {
	u := sim.PodUsage{Pod: m.ref, Containers: make([]sim.ContainerUsage, len(m.template.Containers)), Volumes: volumeUsage(m.volumes, m.sparse)}
	for i := range u.Containers {
		u.Containers[i].Logs = logUsage(filepath.Join(m.logs, m.template.Containers[i].Name))
	}
	for _, x := range m.running {
		c, s := &u.Containers[x.index], stats[x.id]
		c.Memory = int64(s.GetMemory().GetWorkingSetBytes().GetValue())
		layer := s.GetWritableLayer()
		c.Layer = kubelet.FsUse{Bytes: int64(layer.GetUsedBytes().GetValue()), Inodes: int64(layer.GetInodesUsed().GetValue())}
		if x.run == nil {
			continue
		}
		if started, err := workload.Started(x.directory); err == nil {
			c.Layer = addUnwritten(c.Layer, x.run.Files, layerFile, time.Unix(0, layer.GetTimestamp()).Sub(started))
			c.Logs = addUnwritten(c.Logs, x.run.Logs, "", time.Since(started))
		}
	}
	return u
}

// addUnwritten adds to what a stand-in has written to a path what it was to write there until then, and left out: it
// writes no more than MostBytes and MostInodes.
func addUnwritten(use kubelet.FsUse, points []workload.FilePoint, path string, since time.Duration) kubelet.FsUse {
	// The runtime's head of a log's line is some bytes shorter now and then.
	const manyBytes, manyInodes = workload.MostBytes / 16 * 15, workload.MostInodes / 16 * 15
	var now workload.FilePoint
	for _, p := range points {
		if p.Path == path && p.At <= since {
			now = p
		}
	}
	if use.Bytes >= manyBytes {
		use.Bytes += max(0, now.Use-workload.MostBytes)
	}
	if use.Inodes >= manyInodes {
		use.Inodes += max(0, now.Inodes-workload.MostInodes)
	}
	return use
}

// watchVolumes measures a pod's emptyDirs whenever the kubelet does so for itself, as long as there is the pod
// (pkg/kubelet/server/stats/volume_stat_calculator.go).
func (r *CRI) watchVolumes(p *pod) {
	folders, sparse := p.diskVolumes(), !r.asTheyAre()
	at := r.cluster.NextVolumeStats(p.ref.ID)
	if at == model.Never || !slices.ContainsFunc(folders, func(f string) bool { return f != "" }) {
		return
	}
	in := time.Duration(at - r.cluster.Now())
	r.driver.Go(func() {
		wait(r.ctx, in)
		use := volumeUsage(folders, sparse)
		r.driver.Answer(func() {
			if r.pods[p.serial] == p {
				r.cluster.VolumesMeasured(r.cluster.Ref(p.ref.ID), use)
				r.watchVolumes(p)
			}
		})
	})
}

// volumeUsage measures folders; those that are "" use nothing.
func volumeUsage(folders []string, sparse bool) []kubelet.FsUse {
	uses := make([]kubelet.FsUse, len(folders))
	for i, f := range folders {
		if f != "" {
			uses[i] = diskUsage(f, sparse)
		}
	}
	return uses
}

// logUsage measures the files of a container's folder of logs (pkg/kubelet/stats/host_stats_provider.go
// getPodContainerLogStats).
func logUsage(folder string) kubelet.FsUse {
	var use kubelet.FsUse
	files, _ := os.ReadDir(folder)
	for _, f := range files {
		use.Add(diskUsage(filepath.Join(folder, f.Name()), false))
	}
	return use
}

// walkMost is how many files of a folder are looked at: a guess. What is beyond does not count.
const walkMost = 100_000

// diskUsage is what a folder takes with all that is in it (pkg/volume/util/fs/fs.go DiskUsage). With sparse the holes in
// its files count as well. What goes away meanwhile does not count.
func diskUsage(folder string, sparse bool) kubelet.FsUse {
	var use kubelet.FsUse
	seen := map[uint64]bool{}
	filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if use.Inodes >= walkMost {
			return filepath.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		bytes, shared := onDisk(info)
		if seen[shared] {
			return nil
		}
		if shared != 0 {
			seen[shared] = true
		}
		if sparse && info.Mode().IsRegular() {
			bytes = max(bytes, info.Size())
		}
		use.Bytes += bytes
		use.Inodes++
		return nil
	})
	return use
}
