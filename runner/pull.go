package runner

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/runner/images"
)

// Images gets the images of a run onto the node.
type Images interface {
	// Name is how the runtime knows an image of a scenario's node, Original writes such names in a text
	// back to what the scenario calls them.
	Name(node, image string) string
	Original(text string) string
	// Credentials are what the kubelet tries in turn for an image, with the pull secrets of a namespace
	// that a pod names and that there are. None is a pull without any.
	Credentials(namespace, image string, secrets []string) []images.Credential
	// Error is the text that the scenario gives for a pull that fails, "" when the runtime's counts.
	Error(node, image string) string
	// Size is how large the scenario sees an image of which the runtime says that it has so many bytes.
	Size(node, image string, reported int64) int64
}

// pullTime is how long a pull may take. The kubelet sets no limit of its own; the runtime ends a pull that
// gets nothing for minutes.
const pullTime = 24 * time.Hour

// askImage asks whether a container's image is on the node (kuberuntime_image.go GetImageRef). One that the
// kubelet has collected since it was pulled is removed first.
func (r *CRI) askImage(p *pod, i int8) {
	spec := &runtimeapi.ImageSpec{Image: r.imageName(p, i)}
	collected := r.pulled[spec.Image] && !r.cluster.HasImage(p.ref.ID, i)
	if collected {
		delete(r.pulled, spec.Image)
	}
	present := false
	r.call(callTime, func(ctx context.Context) error {
		if collected {
			_, err := r.store.RemoveImage(ctx, &runtimeapi.RemoveImageRequest{Image: spec})
			return err
		}
		return again(ctx, func() error {
			answer, err := r.store.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: spec})
			present = answer.GetImage() != nil
			return err
		})
	}, func(error) { r.answer(p, kubelet.Event{Kind: kubelet.ImageStatus, Container: i, OK: present}) })
}

// pull gets a container's image onto the node.
func (r *CRI) pull(p *pod, i int8) {
	known := r.cluster.State().Images[p.template.Containers[i].ImageID]
	image := known.Name
	spec := &runtimeapi.ImageSpec{Image: r.images.Name(p.node, image)}
	credentials := r.images.Credentials(p.namespace, image, r.cluster.PullSecrets(p.ref.ID))
	var size int64
	r.call(pullTime, func(ctx context.Context) error {
		ctx = withFacts(ctx, callFacts{bytes: known.Size})
		err := again(ctx, func() error { return pullImage(ctx, r.store, spec, credentials) })
		if err == nil {
			size = r.images.Size(p.node, image, imageSize(ctx, r.store, spec))
		}
		return err
	}, func(err error) {
		r.pulled[spec.Image] = r.pulled[spec.Image] || err == nil
		e := kubelet.Event{Kind: kubelet.ImagePulled, Container: i, S: size}
		if err != nil {
			text := r.images.Error(p.node, image)
			if text == "" {
				text = r.images.Original(err.Error())
			}
			e.Text, e.Reason = r.cluster.State().Texts.Intern(text), model.PullErrorReason(text)
		}
		r.answer(p, e)
	})
}

// pullImage tries the credentials in turn (kuberuntime_image.go PullImage).
func pullImage(ctx context.Context, service runtimeapi.ImageServiceClient, spec *runtimeapi.ImageSpec, credentials []images.Credential) error {
	if len(credentials) == 0 {
		return pullOnce(ctx, service, spec, nil)
	}
	var failed []error
	for _, c := range credentials {
		err := pullOnce(ctx, service, spec, &runtimeapi.AuthConfig{Username: c.User, Password: c.Password})
		if err == nil || away(err) {
			return err
		}
		failed = append(failed, err)
	}
	return utilerrors.NewAggregate(failed)
}

// pullOnce pulls an image. An error of which the runtime has no kind is its text (k8s.io/cri-client
// pkg/remote_image.go pullImageV1).
func pullOnce(ctx context.Context, service runtimeapi.ImageServiceClient, spec *runtimeapi.ImageSpec, auth *runtimeapi.AuthConfig) error {
	_, err := service.PullImage(ctx, &runtimeapi.PullImageRequest{Image: spec, Auth: auth})
	if s, ok := status.FromError(err); ok && s.Code() == codes.Unknown {
		return errors.New(s.Message())
	}
	return err
}

// imageSize is how large the runtime says an image is, 0 when it does not.
func imageSize(ctx context.Context, service runtimeapi.ImageServiceClient, spec *runtimeapi.ImageSpec) int64 {
	answer, err := service.ImageStatus(ctx, &runtimeapi.ImageStatusRequest{Image: spec})
	if err != nil {
		return 0
	}
	return int64(answer.GetImage().GetSize())
}
