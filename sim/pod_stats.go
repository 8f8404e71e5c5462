package sim

import (
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// housekeeping is the least time between two measurements of a cgroup, twice that the most
// (cadvisor/cadvisor_linux.go defaultHousekeepingInterval, cadvisor's manager/container.go
// nextHousekeepingInterval). Upstream leaves half as much more where nothing at all has changed, not
// even the time on the CPU; here each container works a little.
const housekeeping = 10 * model.Second

// firstMeasured is from a container's start to the first measurement of its cgroup. A measurement.
const firstMeasured = 300 * model.Millisecond

// measured is the latest measurement of a cgroup that was looked at, and how many there were before
// it.
type measured struct {
	at model.Time
	n  uint64
}

// latest is the moment of the latest measurement at present; later than that when there is none yet.
func (c *Cluster) latest(m *measured, luck uint64) model.Time {
	for {
		u := Uniform(Draw(c.seed, streamHousekeeping, luck, m.n))
		next := m.at + housekeeping + model.Time(u*float64(housekeeping))
		if next > c.now {
			return m.at
		}
		m.at, m.n = next, m.n+1
	}
}

// containerMeasured is when a container's cgroup was measured last. The runtime itself answers for one that
// was not yet.
func (c *Cluster) containerMeasured(id model.PodID, i int) model.Time {
	p := &c.pods[id]
	return min(c.latest(&p.containers[i].measured, p.luck+uint64(i+1)<<32), c.now)
}

// podStats are what the kubelet knows of a pod (stats/cri_stats_provider.go
// listPodStatsPartiallyFromCRI): memory as old as the measurement of the pod's cgroup, disks as
// old as theirs. There are none of a pod without a running container.
func (c *Cluster) podStats(id model.PodID) kubelet.PodStats {
	t, p := c.pods[id].machine.Allocated(), &c.pods[id]
	s := kubelet.PodStats{Pod: id, Critical: t.Critical(), Priority: t.Priority, MemoryRequest: t.Requests.Memory, StorageRequest: t.Requests.EphemeralStorage}
	for i := range p.containers {
		s.Found = s.Found || p.containers[i].running
		s.Layers.Add(c.layerUse(id, i))
		s.Logs.Add(c.logUse(id, i))
	}
	if !s.Found {
		return s
	}
	s.Memory = inPages(c.podMemory(id, c.latest(&p.measured, p.luck)))
	for i := range p.containers {
		s.Processes += c.containerProcesses(id, i, c.containerMeasured(id, i))
	}
	for i := range t.Spec.Volumes {
		if v := &t.Spec.Volumes[i]; v.EmptyDir != nil {
			s.Volumes.Add(c.volumeUse(id, i))
		}
	}
	return s
}

// containerUses are what the running containers of a pod use of what a signal is about, for the words
// of an eviction.
func (c *Cluster) containerUses(id model.PodID, s kubelet.Signal) []kubelet.ContainerUse {
	t, p := c.pods[id].machine.Allocated(), &c.pods[id]
	var uses []kubelet.ContainerUse
	for i := range p.containers {
		k := &p.containers[i]
		if !k.running {
			continue
		}
		use := kubelet.ContainerUse{Name: t.Containers[i].Name, Request: t.ContainerSpec(i).Resources.Requests[s.Resource()]}
		if s.Resource() == v1.ResourceMemory {
			use.Usage = inPages(c.memoryUse(id, i, c.containerMeasured(id, i)))
		} else {
			use.Usage = c.layerUse(id, i).Bytes + c.logUse(id, i).Bytes
		}
		uses = append(uses, use)
	}
	return uses
}

// inPages is an amount of memory as a cgroup counts it: in pages of 4 KiB.
func inPages(bytes int64) int64 { return bytes &^ 4095 }

// podUse is what a pod with a request of its own uses, nil of others.
func (c *Cluster) podUse(id model.PodID) *kubelet.ContainerUse {
	t := c.pods[id].machine.Allocated()
	if t.Spec.Resources == nil {
		return nil
	}
	request, ok := t.Spec.Resources.Requests[v1.ResourceMemory]
	if !ok {
		return nil
	}
	p := &c.pods[id]
	return &kubelet.ContainerUse{Name: c.state.Pods[id].Name, Usage: inPages(c.podMemory(id, c.latest(&p.measured, p.luck))), Request: request}
}
