package extender

import (
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"podsim/model"
	"podsim/scheduler/framework"
)

// podObject is a pending pod as the API has it.
func podObject(p *framework.Pod, state *model.State) *v1.Pod {
	t := p.Class.Template
	o := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: t.Namespace, Labels: t.Labels, Annotations: t.Annotations},
		Spec:       *t.Spec,
		Status:     v1.PodStatus{Phase: v1.PodPending},
	}
	if p.ID != 0 && int(p.ID) < len(state.Pods) {
		o.UID = types.UID(state.UID(model.KindPod, state.Pods[p.ID].Serial))
	}
	return o
}

// nodeObject is a node as the API has it, with what the scheduler knows of it.
func nodeObject(n *model.Node, state *model.State) *v1.Node {
	o := &v1.Node{}
	if n.Object != nil {
		o = n.Object.DeepCopy()
	}
	o.Name, o.Labels = n.Name, n.Labels
	o.UID = types.UID(state.UID(model.KindNode, int64(n.ID)))
	o.Spec.Unschedulable, o.Spec.Taints = n.Unschedulable, n.Taints
	o.Status.Capacity, o.Status.Allocatable = n.Capacity.List(), n.Allocatable.List()
	o.Status.Images = nil
	for _, i := range n.Images {
		image := &state.Images[i.Image]
		o.Status.Images = append(o.Status.Images, v1.ContainerImage{Names: []string{image.Name}, SizeBytes: image.Size})
	}
	return o
}
