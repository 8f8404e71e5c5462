package kubelet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// RetryDelay is how long after the last look at pending resizes the kubelet looks again
// (allocation_manager.go retryDelay).
const RetryDelay = 3 * model.Minute

// PendingResize is a pod that asks for other resources than it was allocated.
type PendingResize struct {
	Pod model.PodID
	// Gen tells the pods that have the slot one after the other apart.
	Gen uint16
	// Increasing says that it asks for more CPU or memory than it was allocated.
	Increasing bool
	Priority   int32
	QOS        model.QOS
	// Since is the transition of its condition PodResizePending, model.Never while it has none.
	Since model.Time
}

// SortPendingResizes puts those first that need nothing more, then by priority, by QoS class and by
// how long they have been pending (allocation_manager.go sortPendingResizes).
func SortPendingResizes(list []PendingResize) {
	slices.SortStableFunc(list, func(a, b PendingResize) int {
		return cmp.Or(before(!a.Increasing, !b.Increasing), cmp.Compare(b.Priority, a.Priority),
			before(a.QOS == v1.PodQOSGuaranteed, b.QOS == v1.PodQOSGuaranteed), cmp.Compare(a.Since, b.Since))
	})
}

// before puts a true one before a false one.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// Increases says that one template of a pod requests more CPU or memory than another
// (isResizeIncreasingRequests).
func Increases(from, to *model.PodTemplate) bool {
	return to.Requests.MilliCPU > from.Requests.MilliCPU || to.Requests.Memory > from.Requests.Memory
}

// Infeasible says why a node can never resize a pod so, whatever else runs there; empty when it can
// (allocation/handlers.go podResizesAdmitHandler).
func Infeasible(from, to *model.PodTemplate, cpuManagerPolicy, memoryManagerPolicy string) string {
	if to.QOS != v1.PodQOSGuaranteed {
		return ""
	}
	cpu, memory := false, false
	for i := range to.Containers {
		x, y := from.ContainerResources(i), to.ContainerResources(i)
		cpu, memory = cpu || x.RequestCPU != y.RequestCPU, memory || x.RequestMemory != y.RequestMemory
	}
	switch {
	case cpu && cpuManagerPolicy == "static":
		return `Resize is infeasible for Guaranteed Pods alongside CPU Manager policy "static"`
	case memory && memoryManagerPolicy == "Static":
		return `Resize is infeasible for Guaranteed Pods alongside Memory Manager policy "Static"`
	}
	return ""
}

// CannotResize says why memory limits cannot be lowered now: containers use more. usage is a running
// container's memory in bytes. It is empty when nothing is in the way
// (kuberuntime_manager.go validateMemoryResizeAction).
func (p *Pod) CannotResize(usage func(container int) int64) string {
	r := p.resize
	if !r.pod && !p.updates(v1.ResourceMemory) {
		return ""
	}
	var errs []string
	pod := int64(0)
	for i := range p.containers {
		if p.containers[i].cur.state == running {
			pod += usage(i)
		}
	}
	limit, has := p.template.PodMemoryLimit(), r.cgroup.PodMemoryLimit()
	if limit != 0 && (has == 0 || limit < has) && pod >= limit {
		errs = append(errs, fmt.Sprintf("attempting to set pod memory limit (%d) below current usage (%d)", limit, pod))
	}
	for i := range p.containers {
		want, has := p.template.ContainerResources(i).LimitMemory, r.containers[i].actuated.ContainerResources(i).LimitMemory
		if r.toUpdate&bit(i) == 0 || want == 0 || has != 0 && want >= has || p.containers[i].cur.state != running {
			continue
		}
		if usage(i) >= want {
			errs = append(errs, fmt.Sprintf("attempting to set container %q memory limit (%d) below current usage (%d)",
				p.template.Containers[i].Name, want, pod))
		}
	}
	switch len(errs) {
	case 0:
		return ""
	case 1:
		return "cannot decrease memory limits: " + errs[0]
	}
	return "cannot decrease memory limits: [" + strings.Join(errs, ", ") + "]"
}
