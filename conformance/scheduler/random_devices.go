package scheduler

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The drivers of devices.
const (
	gpuDriver = "gpu.example.com"
	nicDriver = "nic.example.com"
)

// expressions are selectors of devices; the last two fail on some.
var expressions = []string{
	`device.driver == "gpu.example.com"`,
	`device.driver == "nic.example.com"`,
	`device.attributes["gpu.example.com"].?model.orValue("") == "big"`,
	`device.capacity["gpu.example.com"].?memory.orValue(quantity("0")).compareTo(quantity("20Gi")) >= 0`,
	`"model" in device.attributes["gpu.example.com"]`,
	`device.driver != "gpu.example.com" || device.attributes["gpu.example.com"].model == "big"`,
	`device.attributes["gpu.example.com"].model == "small"`,
}

// devices draws classes, slices and claims.
func (d *random) devices() {
	if !d.on["devices"] {
		return
	}
	for i, name := range []string{"any", "gpu", "nic"} {
		c := &resourcev1.DeviceClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if i > 0 {
			c.Spec.Selectors = celSelectors(expressions[i-1])
		}
		d.in.DeviceClasses = append(d.in.DeviceClasses, c)
	}
	for _, n := range d.in.Nodes {
		if d.chance(3) {
			continue
		}
		name := n.Name
		d.in.ResourceSlices = append(d.in.ResourceSlices, d.slice(name, gpuDriver, resourcev1.ResourceSliceSpec{NodeName: &name}))
	}
	if d.chance(2) {
		all := true
		d.in.ResourceSlices = append(d.in.ResourceSlices, d.slice("net-all", nicDriver, resourcev1.ResourceSliceSpec{AllNodes: &all}))
	}
	if d.chance(2) {
		zone := volumeAffinity(v1.LabelTopologyZone, pick(d, "z1", "z2", "z3")).Required
		d.in.ResourceSlices = append(d.in.ResourceSlices, d.slice("net-zone", nicDriver, resourcev1.ResourceSliceSpec{NodeSelector: zone}))
	}
	for i := range 1 + d.IntN(6) {
		d.in.ResourceClaims = append(d.in.ResourceClaims, d.resourceClaim(i))
	}
}

func celSelectors(expression string) []resourcev1.DeviceSelector {
	return []resourcev1.DeviceSelector{{CEL: &resourcev1.CELDeviceSelector{Expression: expression}}}
}

// slice completes a slice with devices.
func (d *random) slice(name, driver string, spec resourcev1.ResourceSliceSpec) *resourcev1.ResourceSlice {
	s := &resourcev1.ResourceSlice{ObjectMeta: metav1.ObjectMeta{Name: "slice-" + name}, Spec: spec}
	s.Spec.Driver, s.Spec.Pool = driver, resourcev1.ResourcePool{Name: name, Generation: 1, ResourceSliceCount: 1}
	if d.chance(10) {
		s.Spec.Pool.ResourceSliceCount = 2 // The other one is not there yet.
	}
	for i := range 1 + d.IntN(4) {
		model := pick(d, "big", "small")
		device := resourcev1.Device{Name: fmt.Sprintf("dev-%d", i)}
		device.Attributes = map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{"model": {StringValue: &model}}
		device.Capacity = map[resourcev1.QualifiedName]resourcev1.DeviceCapacity{"memory": {Value: resource.MustParse(pick(d, "10Gi", "40Gi"))}}
		if d.chance(8) {
			device.Taints = []resourcev1.DeviceTaint{{Key: "broken", Effect: resourcev1.DeviceTaintEffectNoSchedule, TimeAdded: &metav1.Time{Time: begin}}}
		}
		s.Spec.Devices = append(s.Spec.Devices, device)
	}
	return s
}

// resourceClaim draws a claim: allocated at times.
func (d *random) resourceClaim(i int) *resourcev1.ResourceClaim {
	c := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("devices-%d", i), Namespace: d.namespace()}}
	c.UID = types.UID(c.Name)
	for r := range 1 + d.IntN(2) {
		c.Spec.Devices.Requests = append(c.Spec.Devices.Requests, d.deviceRequest(fmt.Sprintf("r%d", r)))
	}
	if d.chance(4) {
		model := resourcev1.FullyQualifiedName("gpu.example.com/model")
		c.Spec.Devices.Constraints = []resourcev1.DeviceConstraint{{MatchAttribute: &model}}
	}
	if d.chance(3) && len(d.in.ResourceSlices) > 0 {
		d.allocate(c)
	}
	return c
}

func (d *random) deviceRequest(name string) resourcev1.DeviceRequest {
	class := func() string {
		if d.chance(12) {
			return "absent"
		}
		return pick(d, "any", "gpu", "gpu", "nic")
	}
	r := resourcev1.DeviceRequest{Name: name}
	if d.chance(4) {
		for i := range 2 + d.IntN(2) {
			sub := resourcev1.DeviceSubRequest{Name: fmt.Sprintf("s%d", i), DeviceClassName: class(), AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: int64(1 + d.IntN(3))}
			sub.Selectors = celSelectors(pick(d, expressions[:6]...))
			r.FirstAvailable = append(r.FirstAvailable, sub)
		}
		return r
	}
	r.Exactly = &resourcev1.ExactDeviceRequest{DeviceClassName: class(), AllocationMode: resourcev1.DeviceAllocationModeExactCount, Count: 1}
	switch d.IntN(8) {
	case 0:
		r.Exactly.Count = int64(2 + d.IntN(2))
	case 1:
		r.Exactly.AllocationMode, r.Exactly.Count = resourcev1.DeviceAllocationModeAll, 0
	case 2:
		yes := true
		r.Exactly.AdminAccess = &yes
	}
	if d.chance(2) {
		r.Exactly.Selectors = celSelectors(pick(d, expressions...))
	}
	if d.chance(4) {
		r.Exactly.Tolerations = []resourcev1.DeviceToleration{{Key: "broken", Operator: resourcev1.DeviceTolerationOpExists}}
	}
	return r
}

// allocate gives a claim a device, on a node or not.
func (d *random) allocate(c *resourcev1.ResourceClaim) {
	s := pick(d, d.in.ResourceSlices...)
	c.Status.Allocation = &resourcev1.AllocationResult{Devices: resourcev1.DeviceAllocationResult{Results: []resourcev1.DeviceRequestAllocationResult{
		{Request: "r0", Driver: s.Spec.Driver, Pool: s.Spec.Pool.Name, Device: pick(d, s.Spec.Devices...).Name}}}}
	switch {
	case s.Spec.NodeName != nil:
		c.Status.Allocation.NodeSelector = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
			MatchFields: []v1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: v1.NodeSelectorOpIn, Values: []string{*s.Spec.NodeName}}}}}}
	case s.Spec.NodeSelector != nil:
		c.Status.Allocation.NodeSelector = s.Spec.NodeSelector
	}
}

// claimDevices gives the pending pod claims: named ones, and such as are made for it.
func (d *random) claimDevices(p *v1.Pod) {
	if len(d.in.ResourceClaims) == 0 {
		return
	}
	for i := range 1 + d.IntN(2) {
		c := pick(d, d.in.ResourceClaims...)
		if i == 0 && !d.chance(8) {
			p.Namespace = c.Namespace
			p.UID = types.UID(p.Namespace + "/" + p.Name)
		}
		name := c.Name
		if d.chance(15) {
			name = "absent"
		}
		k := v1.PodResourceClaim{Name: fmt.Sprintf("c%d", i), ResourceClaimName: &name}
		if d.chance(4) {
			k.ResourceClaimName, k.ResourceClaimTemplateName = nil, &name
			d.madeFor(p, c, k.Name)
		}
		p.Spec.ResourceClaims = append(p.Spec.ResourceClaims, k)
	}
}

// madeFor has a claim made for the pod, or not yet.
func (d *random) madeFor(p *v1.Pod, c *resourcev1.ResourceClaim, name string) {
	if d.chance(5) {
		return
	}
	p.Status.ResourceClaimStatuses = append(p.Status.ResourceClaimStatuses, v1.PodResourceClaimStatus{Name: name, ResourceClaimName: &c.Name})
	if !d.chance(6) {
		yes := true
		c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID, Controller: &yes}}
	}
}
