package sim

import (
	"podsim/model"
	"podsim/model/kubelet"
)

// ContainerUsage is what a container was measured to use.
type ContainerUsage struct {
	// Memory is its working set in bytes.
	Memory int64
	// Layer is its writable layer, Logs are the logs of all its instances.
	Layer, Logs kubelet.FsUse
}

// PodUsage is what a pod was measured to use.
type PodUsage struct {
	Pod PodRef
	// Containers are in the order of the pod's template. Those that do not run need no figures.
	Containers []ContainerUsage
	// Volumes are the pod's in the order of its spec. Those other than emptyDirs on a disk need no figures.
	Volumes []kubelet.FsUse
}

// podUsage is what is known of a pod with a runtime that is not simulated.
type podUsage struct {
	containers []ContainerUsage
	// volumes are as they were measured for the last pass of the eviction manager, analyzed as they were
	// when the kubelet last measured them for itself (volumeStats).
	volumes, analyzed []kubelet.FsUse
}

// measure begins a pass of the eviction manager: the runtime says what is in use, and then it goes on.
func (c *Cluster) measure(node model.NodeID) {
	c.nodes[node].evictions.measuring = true
	c.runtime.Measure(node)
}

// Measured is the answer to Runtime.Measure: what the pods of a node use. Of a pod that it leaves out, the
// figures stay as they are.
func (c *Cluster) Measured(node model.NodeID, pods []PodUsage) {
	for i := range pods {
		if u := &pods[i]; c.Asks(u.Pod) {
			known := c.knownUsage(u.Pod.ID)
			known.containers, known.volumes = u.Containers, u.Volumes
		}
	}
	if e := &c.nodes[node].evictions; e.measuring {
		e.measuring = false
		c.synchronize(node)
	}
	if c.real {
		c.planImageGC(node)
	}
}

// NextVolumeStats is when a pod's kubelet next measures its volumes for itself, Never where it does not.
func (c *Cluster) NextVolumeStats(id model.PodID) model.Time { return c.volumeStats(id, c.now) }

// VolumesMeasured says what is on a pod's volumes at such a moment, in the order of PodUsage.
func (c *Cluster) VolumesMeasured(r PodRef, volumes []kubelet.FsUse) {
	if c.Asks(r) {
		c.knownUsage(r.ID).analyzed = volumes
	}
}

func (c *Cluster) knownUsage(id model.PodID) *podUsage {
	p := &c.pods[id]
	if p.usage == nil {
		p.usage = &podUsage{}
	}
	return p.usage
}

// measuredUsage is what a container was last measured to use.
func (c *Cluster) measuredUsage(id model.PodID, i int) ContainerUsage {
	if u := c.pods[id].usage; u != nil && i < len(u.containers) {
		return u.containers[i]
	}
	return ContainerUsage{}
}

// written is what was written to the writable layer, or to the log. On volumes it is not known of each container.
func (u ContainerUsage) written(volume string) kubelet.FsUse {
	switch volume {
	case "":
		return u.Layer
	case model.LogVolume:
		return u.Logs
	}
	return kubelet.FsUse{}
}

// newInstance forgets what was measured of a container's instance before this one.
func (u *podUsage) newInstance(i int) {
	if u != nil && i < len(u.containers) {
		u.containers[i].Memory, u.containers[i].Layer = 0, kubelet.FsUse{}
	}
}

// volumeOf is a figure of the pod's volumes, none where there is none yet.
func volumeOf(volumes []kubelet.FsUse, i int) kubelet.FsUse {
	if i < len(volumes) {
		return volumes[i]
	}
	return kubelet.FsUse{}
}
