package runner

import (
	"context"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// askImage asks whether a container's image is on the node.
func (r *CRI) askImage(p *pod, i int8) {
	name := r.imageName(p, i)
	present := false
	r.call(callTime, func(ctx context.Context) error {
		answer, err := runtimeapi.NewImageServiceClient(r.conn).ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: &runtimeapi.ImageSpec{Image: name}})
		present = answer.GetImage() != nil
		return err
	}, func(error) { r.answer(p, kubelet.Event{Kind: kubelet.ImageStatus, Container: i, OK: present}) })
}

// pull gets a container's image onto the node.
func (r *CRI) pull(p *pod, i int8) {
	name := r.imageName(p, i)
	bytes := r.cluster.State().Images[p.template.Containers[i].ImageID].Size
	r.call(time.Hour, func(ctx context.Context) error {
		ctx = withFacts(ctx, callFacts{bytes: bytes})
		_, err := runtimeapi.NewImageServiceClient(r.conn).PullImage(ctx, &runtimeapi.PullImageRequest{Image: &runtimeapi.ImageSpec{Image: name}})
		return err
	}, func(err error) {
		e := r.failed(kubelet.Event{Kind: kubelet.ImagePulled, Container: i}, err, whole)
		if err != nil {
			e.Reason = model.PullErrorReason(r.images.Original(err.Error()))
		}
		r.answer(p, e)
	})
}
