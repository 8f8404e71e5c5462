package runner

import (
	"context"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model/kubelet"
)

// resize gives a pod's running containers the resources of its template (kuberuntime_manager.go
// doPodResizeAction).
func (r *CRI) resize(p *pod) {
	var requests []*runtimeapi.UpdateContainerResourcesRequest
	for i := range p.containers {
		if x := p.containers[i].last; x != nil && x.started && !x.told {
			requests = append(requests, &runtimeapi.UpdateContainerResourcesRequest{ContainerId: x.id, Linux: r.resources(p, i)})
		}
	}
	r.call(callTime, func(ctx context.Context) error {
		for _, request := range requests {
			if _, err := r.runtime.UpdateContainerResources(ctx, request); err != nil {
				return err
			}
		}
		return nil
	}, func(err error) {
		r.answer(p, r.failed(kubelet.Event{Kind: kubelet.Resized, Container: -1, OK: err == nil}, err, description))
	})
}
