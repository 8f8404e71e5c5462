package runner

import (
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/model/kubeletconfig"
)

// The kubelet's bounds of what it asks of the CPU's scheduler (pkg/kubelet/cm/helpers_linux.go).
const (
	sharesMin = 2
	sharesMax = 262144
	quotaMin  = 1000
)

// cpuShares follows MilliCPUToShares.
func cpuShares(milli int64) int64 { return min(max(milli*1024/1000, sharesMin), sharesMax) }

// cpuQuota follows MilliCPUToQuota, in microseconds of each period: 0 is no limit.
func cpuQuota(milli, period int64) int64 {
	if milli == 0 {
		return 0
	}
	return max(milli*period/1000, quotaMin)
}

// resources follows generateLinuxContainerResources of kuberuntime_container_linux.go.
func (r *CRI) resources(p *pod, i int) *runtimeapi.LinuxContainerResources {
	spec := p.template.ContainerSpec(i)
	limit := limitOf(p.template, spec, v1.ResourceCPU)
	request, ok := spec.Resources.Requests[v1.ResourceCPU]
	if !ok {
		request = limit
	}
	config := r.cluster.KubeletConfiguration(p.ref.ID)
	node := &r.cluster.State().Nodes[r.cluster.State().Pods[p.ref.ID].Node]
	l := &runtimeapi.LinuxContainerResources{
		OomScoreAdj:        kubelet.OOMScoreAdj(p.template, i, node.Capacity.Memory),
		HugepageLimits:     hugePageLimits(hugePageSizes(), p.template.Spec, spec),
		CpuShares:          cpuShares(request.MilliValue()),
		MemoryLimitInBytes: memoryLimit(p.template, spec),
	}
	if *config.CPUCFSQuota {
		l.CpuPeriod = config.CPUCFSQuotaPeriod.Microseconds()
		l.CpuQuota = cpuQuota(limit.MilliValue(), l.CpuPeriod)
	}
	if swapControlled() {
		l.MemorySwapLimitInBytes = l.MemoryLimitInBytes
	}
	if cgroupV2() {
		l.Unified = memoryQoS(config, p.template, spec, node.Allocatable.Memory)
		if alone := config.SingleProcessOOMKill; alone == nil || !*alone {
			// A process that is out of memory takes the others of its container with it.
			l.Unified["memory.oom.group"] = "1"
		}
	}
	return l
}

// limitOf is a container's own limit, or else the pod's (getCPULimit, getMemoryLimit).
func limitOf(t *model.PodTemplate, c *v1.Container, name v1.ResourceName) resource.Quantity {
	if limit, ok := c.Resources.Limits[name]; ok && !limit.IsZero() || t.Spec.Resources == nil {
		return limit
	}
	return t.Spec.Resources.Limits[name]
}

// memoryLimit is a container's limit in bytes, 0 for none.
func memoryLimit(t *model.PodTemplate, c *v1.Container) int64 {
	limit := limitOf(t, c, v1.ResourceMemory)
	return limit.Value()
}

// swapControlled says that the node limits swap. A container then gets none
// (configureContainerSwapResources).
func swapControlled() bool {
	if cgroupV2() {
		_, err := os.Stat("/proc/swaps")
		return err == nil
	}
	_, err := os.Stat(filepath.Join(cgroupMount, "memory", "memory.memsw.limit_in_bytes"))
	return err == nil
}

// podResources are what a pod's cgroup limits. A quota or memory of 0 is no limit, nor are processes that are
// not above 0. The period is in microseconds.
type podResources struct {
	shares, quota, period, memory, processes int64
	// high is from where on the kernel slows the pod down, 0 for nowhere (cgroup v2).
	high int64
	// hugePages are limits of huge pages in bytes, by the sizes' names.
	hugePages map[string]int64
}

// podLimits follows ResourceConfigForPod of pkg/kubelet/cm/helpers_linux.go.
func (r *CRI) podLimits(p *pod) podResources {
	config := r.cluster.KubeletConfiguration(p.ref.ID)
	l := podResources{shares: sharesMin, period: config.CPUCFSQuotaPeriod.Microseconds(), processes: *config.PodPidsLimit}
	l.add(p.template, config, hugePageSizes())
	return l
}

// add adds what a pod asks for. sizes are those of huge pages.
func (l *podResources) add(t *model.PodTemplate, config *kubeletconfig.Configuration, sizes []string) {
	pod, quota := &v1.Pod{Spec: *t.Spec}, *config.CPUCFSQuota
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	limits := resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})
	l.hugePages = ofSizes(hugePages(requests), sizes)
	if t.QOS == v1.PodQOSBestEffort {
		return
	}
	l.shares = cpuShares(requests.Cpu().MilliValue())
	if quota && (t.QOS == v1.PodQOSGuaranteed || allLimited(t, v1.ResourceCPU)) {
		l.quota = cpuQuota(limits.Cpu().MilliValue(), l.period)
	}
	if t.QOS == v1.PodQOSGuaranteed || allLimited(t, v1.ResourceMemory) {
		l.memory = limits.Memory().Value()
	}
	l.high = podMemoryHigh(config, t, requests.Memory().Value(), l.memory)
}

// allLimited says that the pod as a whole or each of its containers has a limit.
func allLimited(t *model.PodTemplate, name v1.ResourceName) bool {
	if t.Spec.Resources != nil {
		if limit := t.Spec.Resources.Limits[name]; !limit.IsZero() {
			return true
		}
	}
	for i := range t.Containers {
		if limit := t.ContainerSpec(i).Resources.Limits[name]; limit.IsZero() {
			return false
		}
	}
	return true
}
