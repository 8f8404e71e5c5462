package kubeletconfig

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// pids is the resource of process numbers (pkg/kubelet/stats/pidlimit).
const pids v1.ResourceName = "pid"

// Allocatable is what of a node's capacity is for pods: what is left of it after systemReserved,
// kubeReserved and the hard eviction thresholds of memory and disk (cm/node_container_manager_linux.go
// GetNodeAllocatableReservation, nodestatus/setters.go MachineInfo).
func (c *Configuration) Allocatable(capacity v1.ResourceList) v1.ResourceList {
	out := v1.ResourceList{}
	for name, q := range capacity {
		q = q.DeepCopy()
		for _, reserved := range []v1.ResourceList{c.reserved, c.evictionReservation(capacity)} {
			if r, ok := reserved[name]; ok {
				q.Sub(r)
			}
		}
		if q.Sign() < 0 {
			q.Set(0)
		}
		out[name] = q
	}
	return out
}

// evictionReservation follows cm/helpers.go hardEvictionReservation.
func (c *Configuration) evictionReservation(capacity v1.ResourceList) v1.ResourceList {
	out := v1.ResourceList{}
	for i := range c.Thresholds {
		t := &c.Thresholds[i]
		name := v1.ResourceMemory
		switch {
		case !t.Hard():
			continue
		case t.Signal == NodeFsAvailable:
			name = v1.ResourceEphemeralStorage
		case t.Signal != MemoryAvailable:
			continue
		}
		whole := capacity[name]
		out[name] = *resource.NewQuantity(t.Amount.Of(whole.Value()), resource.BinarySI)
	}
	return out
}

// parseReserved reads systemReserved and kubeReserved and puts them together (cmd/kubelet/app
// parseResourceList).
func parseReserved(errs *field.ErrorList, system, kube map[string]string) v1.ResourceList {
	out := v1.ResourceList{}
	for _, from := range []struct {
		name    string
		amounts map[string]string
	}{{"systemReserved", system}, {"kubeReserved", kube}} {
		path := field.NewPath(from.name)
		for _, key := range slices.Sorted(maps.Keys(from.amounts)) {
			name, text := v1.ResourceName(key), from.amounts[key]
			if name != v1.ResourceCPU && name != v1.ResourceMemory && name != v1.ResourceEphemeralStorage && name != pids {
				*errs = append(*errs, field.NotSupported(path, key, []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage, pids}))
				continue
			}
			q, err := resource.ParseQuantity(text)
			if err != nil || q.Sign() < 0 {
				*errs = append(*errs, field.Invalid(path.Child(key), text, "want a quantity such as 500m or 1Gi"))
				continue
			}
			sum := out[name]
			sum.Add(q)
			out[name] = sum
		}
	}
	return out
}

// path is the path of a field in fields, which are written with dots.
func path(name string) *field.Path {
	parts := strings.Split(name, ".")
	return field.NewPath(parts[0], parts[1:]...)
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }
