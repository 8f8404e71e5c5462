package scheduler

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const gpu = v1.ResourceName("example.com/gpu")

func nodeName(i int) string { return fmt.Sprintf("n%03d", i) }

// node draws node i.
func (d *random) node(i int) *v1.Node {
	name := nodeName(i)
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}}}
	n.Labels["disk"] = pick(d, "ssd", "hdd")
	if d.chance(2) {
		n.Labels["gen"] = fmt.Sprint(d.IntN(9))
	}
	if d.on["zones"] && !d.chance(8) {
		n.Labels[v1.LabelTopologyZone] = pick(d, "z1", "z2", "z3")
		if d.chance(2) {
			n.Labels[v1.LabelTopologyRegion] = pick(d, "r1", "r2")
		}
	}
	n.Spec.Unschedulable = d.on["cordons"] && d.chance(5)
	if n.Spec.Unschedulable && d.chance(2) {
		n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule})
	}
	if d.on["taints"] && d.chance(2) {
		n.Spec.Taints = append(n.Spec.Taints, d.taints()...)
	}
	n.Status.Capacity = v1.ResourceList{
		v1.ResourceCPU:              resource.MustParse(pick(d, "1", "2", "4", "8")),
		v1.ResourceMemory:           resource.MustParse(pick(d, "2Gi", "4Gi", "8Gi", "16Gi")),
		v1.ResourcePods:             resource.MustParse(pick(d, "4", "8", "20", "110")),
		v1.ResourceEphemeralStorage: resource.MustParse(pick(d, "10Gi", "50Gi")),
	}
	if d.on["extended"] && d.chance(2) {
		n.Status.Capacity[gpu] = resource.MustParse(pick(d, "0", "1", "4", "8"))
		n.Status.Capacity["hugepages-2Mi"] = resource.MustParse(pick(d, "0", "64Mi", "1Gi"))
	}
	if d.chance(2) {
		n.Status.Allocatable = n.Status.Capacity.DeepCopy()
		n.Status.Allocatable[v1.ResourceCPU] = resource.MustParse(pick(d, "900m", "1900m", "3750m"))
		n.Status.Allocatable[v1.ResourceMemory] = resource.MustParse(pick(d, "1500Mi", "3584Mi", "7000001Ki"))
	}
	if d.on["images"] {
		n.Status.Images = d.images()
	}
	return n
}

func (d *random) taints() []v1.Taint {
	var list []v1.Taint
	for _, key := range []string{"dedicated", "maintenance", "flaky"} {
		if d.chance(2) {
			list = append(list, v1.Taint{Key: key, Value: pick(d, "", "a", "b"),
				Effect: pick(d, v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute)})
		}
	}
	return list
}

func (d *random) tolerations() []v1.Toleration {
	var list []v1.Toleration
	for _, key := range []string{"dedicated", "maintenance", "flaky", v1.TaintNodeUnschedulable} {
		if d.chance(2) {
			continue
		}
		t := v1.Toleration{Key: key, Operator: v1.TolerationOpExists}
		if d.chance(2) {
			t.Operator, t.Value = pick(d, v1.TolerationOpEqual, v1.TolerationOperator("")), pick(d, "", "a", "b")
		}
		t.Effect = pick(d, "", v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule)
		list = append(list, t)
	}
	if d.chance(10) {
		list = append(list, v1.Toleration{Operator: v1.TolerationOpExists})
	}
	return list
}

var images = []string{"img:a", "img:b", "registry.example/img:c", "img"}

// images draws what a node has of them. An image has the same size everywhere, as the scheduler's
// cache does not say which of several it takes.
func (d *random) images() []v1.ContainerImage {
	var list []v1.ContainerImage
	for i, name := range images {
		if d.chance(2) {
			continue
		}
		full := name
		if name == "img" {
			full = "img:latest"
		}
		digest := fmt.Sprintf("img@sha256:%064d", i)
		list = append(list, v1.ContainerImage{Names: []string{full, digest}, SizeBytes: int64(i+1) * 300 << 20})
	}
	return list
}
