package sim

import (
	"podsim/model"
	"podsim/model/kubelet"
)

// layerStatsPeriod is that of containerd's measurements of all layers, whose moment is that of what
// the kubelet knows of the imagefs (containerd's stats_collect_period).
const layerStatsPeriod = 10 * model.Second

// separateImagefs says that images and writable layers are on a file system of their own.
func (c *Cluster) separateImagefs(node model.NodeID) bool {
	return c.nodes[node].spec.ImageFilesystem != nil
}

// nodefsCapacity and imagefsCapacity are in bytes and inodes, 0 when they are not known. Without a
// file system of their own, images are on the nodefs.
func (c *Cluster) nodefsCapacity(node model.NodeID) kubelet.FsUse {
	capacity := kubelet.FsUse{Bytes: c.state.Nodes[node].Capacity.EphemeralStorage}
	if f := c.nodes[node].spec.NodeFilesystem; f != nil {
		capacity.Inodes = f.Inodes
	}
	return capacity
}

func (c *Cluster) imagefsCapacity(node model.NodeID) kubelet.FsUse {
	if f := c.nodes[node].spec.ImageFilesystem; f != nil {
		return kubelet.FsUse{Bytes: f.Capacity, Inodes: f.Inodes}
	}
	return c.nodefsCapacity(node)
}

// nodefsUse and imagefsUse are what is in use at a moment, in bytes, if nothing starts or ends until
// then.
func (c *Cluster) nodefsUse(node model.NodeID, at model.Time) int64 {
	nodefs, _ := c.filesystemUse(node, at)
	return nodefs.Bytes
}

func (c *Cluster) imagefsUse(node model.NodeID, at model.Time) int64 {
	_, imagefs := c.filesystemUse(node, at)
	return imagefs.Bytes
}

// filesystemUse is what is in use of both: by the system, by images, by writable layers, by
// logs and by emptyDirs on disk.
//
// Differs from Kubernetes: what a pod has written is gone once the kubelet is through with the pod, also
// from the layers of containers that the kubelet would keep until the pod is deleted. So there are no
// containers to delete before a pod is evicted.
func (c *Cluster) filesystemUse(node model.NodeID, at model.Time) (nodefs, imagefs kubelet.FsUse) {
	spec := c.nodes[node].spec
	if f := spec.NodeFilesystem; f != nil {
		nodefs = kubelet.FsUse{Bytes: f.Used, Inodes: f.InodesUsed}
	}
	imagefs.Bytes = c.imageBytes(node)
	if f := spec.ImageFilesystem; f != nil {
		imagefs.Add(kubelet.FsUse{Bytes: f.Used, Inodes: f.InodesUsed})
	}
	for _, id := range c.nodes[node].pods {
		if !c.writes(id) {
			continue
		}
		for i := range c.pods[id].containers {
			imagefs.Add(c.written(id, i, "", at))
			nodefs.Add(c.written(id, i, model.LogVolume, at))
		}
		volumes := c.state.Pods[id].Template.Spec.Volumes
		for i := range volumes {
			if v := &volumes[i]; v.EmptyDir != nil {
				nodefs.Add(c.volumeUseAt(id, i, at))
			}
		}
	}
	if spec.ImageFilesystem == nil {
		nodefs.Add(imagefs)
		imagefs = nodefs
	}
	return nodefs, imagefs
}

// processes is the number of processes on a node at a moment.
func (c *Cluster) processes(node model.NodeID, at model.Time) int64 {
	use := c.nodes[node].spec.Processes.Used
	for _, id := range c.nodes[node].pods {
		use += c.podProcesses(id, at)
	}
	return use
}

func (c *Cluster) podProcesses(id model.PodID, at model.Time) int64 {
	use := int64(0)
	for i := range c.pods[id].containers {
		use += c.containerProcesses(id, i, at)
	}
	return use
}

// containerProcesses is the number of a container's processes at a moment: one where the scenario says
// nothing else.
func (c *Cluster) containerProcesses(id model.PodID, i int, at model.Time) int64 {
	k := &c.pods[id].containers[i]
	if k.runs == 0 || at < k.startedAt || at >= k.endedAt {
		return 0
	}
	use := int64(1)
	for _, p := range c.behaviorOf(id, i).Processes {
		if k.startedAt+p.At <= at {
			use = p.Count
		}
	}
	return use
}

// observeFilesystems measures the node's file systems and processes at a moment. The kubelet asks for
// what is left when it wants to know; the moment of what it knows of the imagefs is that of containerd's
// latest measurement of the layers (ImageFsStats), which decides whether it counts as new.
func (c *Cluster) observeFilesystems(node model.NodeID, at model.Time, o *kubelet.Observations) {
	nodefs, imagefs := c.filesystemUse(node, at)
	left := func(s kubelet.Signal, measured model.Time, capacity, use int64) {
		o[s] = kubelet.Observation{Available: max(capacity-use, 0), Capacity: capacity, At: measured}
	}
	capacity := c.nodefsCapacity(node)
	left(kubelet.NodeFsAvailable, at, capacity.Bytes, nodefs.Bytes)
	left(kubelet.NodeFsInodesFree, at, capacity.Inodes, nodefs.Inodes)
	capacity = c.imagefsCapacity(node)
	measured := c.layersMeasured(node, at)
	left(kubelet.ImageFsAvailable, measured, capacity.Bytes, imagefs.Bytes)
	left(kubelet.ImageFsInodesFree, measured, capacity.Inodes, imagefs.Inodes)
	if most := c.nodes[node].spec.Processes.Max; most > 0 {
		left(kubelet.PIDAvailable, at, most, c.processes(node, at))
	}
}

// layersMeasured is the latest of containerd's measurements of the layers at a moment.
func (c *Cluster) layersMeasured(node model.NodeID, at model.Time) model.Time {
	u := Uniform(Draw(c.seed, streamHousekeeping, c.nodes[node].luck, 0))
	phase := model.Time(u * float64(layerStatsPeriod))
	return phase + (at-phase+layerStatsPeriod)/layerStatsPeriod*layerStatsPeriod - layerStatsPeriod
}

// watchFilesystems asks for the pass that finds that there is too little left of a file system, or
// too few processes.
func (c *Cluster) watchFilesystems(node model.NodeID) {
	n := &c.nodes[node]
	if c.imagefsCapacity(node) == (kubelet.FsUse{}) && c.nodefsCapacity(node) == (kubelet.FsUse{}) && n.spec.Processes.Max == 0 {
		return
	}
	for at := c.now; at != model.Never; at = c.nextWrite(node, at) {
		var o kubelet.Observations
		c.observeFilesystems(node, at, &o)
		if n.evictions.manager.Met(&o) {
			c.askPass(node, at-1)
			return
		}
	}
}

// startedOnDisk looks again at what is to be expected of a node's disks and processes, as a container has
// begun to run.
func (c *Cluster) startedOnDisk(id model.PodID, b *model.Behavior) {
	node := c.state.Pods[id].Node
	if len(b.Disk) > 0 || c.nodes[node].spec.Processes.Max > 0 {
		c.watchFilesystems(node)
	}
}

// nextWrite is the first moment after another one at which a container of the node writes or has
// another number of processes, Never when none does.
func (c *Cluster) nextWrite(node model.NodeID, after model.Time) model.Time {
	at := model.Never
	for _, id := range c.nodes[node].pods {
		for i := range c.pods[id].containers {
			k := &c.pods[id].containers[i]
			if !k.running {
				continue
			}
			b := c.behaviorOf(id, i)
			for _, d := range b.Disk {
				if t := k.startedAt + d.At; t > after {
					at = min(at, t)
				}
			}
			for _, p := range b.Processes {
				if t := k.startedAt + p.At; t > after {
					at = min(at, t)
				}
			}
		}
	}
	return at
}
