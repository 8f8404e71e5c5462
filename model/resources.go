package model

import (
	"sort"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Resources is a vector of amounts: CPU in milli-cores, memory and storage in bytes, pods
// and extended resources in whole units.
type Resources struct {
	MilliCPU         int64
	Memory           int64
	EphemeralStorage int64
	Pods             int64
	// Extended holds every other resource, sorted by name; nil when there is none.
	Extended []ExtendedResource
}

// ExtendedResource is an amount of a resource that Kubernetes has no field for, such as
// nvidia.com/gpu or hugepages-2Mi.
type ExtendedResource struct {
	Name   v1.ResourceName
	Amount int64
}

// ResourcesOf compiles a resource list. CPU is rounded up to milli-cores, the rest up to
// whole units (pkg/scheduler/framework/types.go Resource.Add).
func ResourcesOf(list v1.ResourceList) Resources {
	var r Resources
	for name, q := range list {
		switch name {
		case v1.ResourceCPU:
			r.MilliCPU = q.MilliValue()
		case v1.ResourceMemory:
			r.Memory = q.Value()
		case v1.ResourceEphemeralStorage:
			r.EphemeralStorage = q.Value()
		case v1.ResourcePods:
			r.Pods = q.Value()
		default:
			r.Extended = append(r.Extended, ExtendedResource{name, q.Value()})
		}
	}
	sort.Slice(r.Extended, func(i, j int) bool { return r.Extended[i].Name < r.Extended[j].Name })
	return r
}

// List is r as a resource list; amounts of zero are left out.
func (r *Resources) List() v1.ResourceList {
	list := v1.ResourceList{}
	put := func(name v1.ResourceName, q *resource.Quantity) {
		if !q.IsZero() {
			list[name] = *q
		}
	}
	put(v1.ResourceCPU, resource.NewMilliQuantity(r.MilliCPU, resource.DecimalSI))
	put(v1.ResourceMemory, resource.NewQuantity(r.Memory, resource.BinarySI))
	put(v1.ResourceEphemeralStorage, resource.NewQuantity(r.EphemeralStorage, resource.BinarySI))
	put(v1.ResourcePods, resource.NewQuantity(r.Pods, resource.DecimalSI))
	for _, e := range r.Extended {
		put(e.Name, resource.NewQuantity(e.Amount, resource.DecimalSI))
	}
	return list
}

// Add adds o to r. It allocates only when o brings a resource that r does not have.
func (r *Resources) Add(o *Resources) { r.add(o, 1) }

// Sub takes o from r.
func (r *Resources) Sub(o *Resources) { r.add(o, -1) }

func (r *Resources) add(o *Resources, sign int64) {
	r.MilliCPU += sign * o.MilliCPU
	r.Memory += sign * o.Memory
	r.EphemeralStorage += sign * o.EphemeralStorage
	r.Pods += sign * o.Pods
	for _, e := range o.Extended {
		r.extended(e.Name).Amount += sign * e.Amount
	}
}

// extended finds the named amount, making room for it in order when it is new.
func (r *Resources) extended(name v1.ResourceName) *ExtendedResource {
	i := sort.Search(len(r.Extended), func(i int) bool { return r.Extended[i].Name >= name })
	if i == len(r.Extended) || r.Extended[i].Name != name {
		r.Extended = append(r.Extended, ExtendedResource{})
		copy(r.Extended[i+1:], r.Extended[i:])
		r.Extended[i] = ExtendedResource{Name: name}
	}
	return &r.Extended[i]
}

// Max raises each amount of r to at least o's.
func (r *Resources) Max(o *Resources) {
	r.MilliCPU = max(r.MilliCPU, o.MilliCPU)
	r.Memory = max(r.Memory, o.Memory)
	r.EphemeralStorage = max(r.EphemeralStorage, o.EphemeralStorage)
	r.Pods = max(r.Pods, o.Pods)
	for _, e := range o.Extended {
		x := r.extended(e.Name)
		x.Amount = max(x.Amount, e.Amount)
	}
}

// Amount is the amount of an extended resource, zero when r has none.
func (r *Resources) Amount(name v1.ResourceName) int64 {
	for i := range r.Extended {
		if r.Extended[i].Name == name {
			return r.Extended[i].Amount
		}
	}
	return 0
}

// Clone is a copy of r that shares nothing with it.
func (r *Resources) Clone() Resources {
	c := *r
	c.Extended = append([]ExtendedResource(nil), r.Extended...)
	return c
}

// Equal says whether r and o hold the same amounts; a missing amount is zero.
func (r *Resources) Equal(o *Resources) bool {
	if r.MilliCPU != o.MilliCPU || r.Memory != o.Memory || r.EphemeralStorage != o.EphemeralStorage || r.Pods != o.Pods {
		return false
	}
	for _, e := range r.Extended {
		if o.Amount(e.Name) != e.Amount {
			return false
		}
	}
	for _, e := range o.Extended {
		if r.Amount(e.Name) != e.Amount {
			return false
		}
	}
	return true
}
