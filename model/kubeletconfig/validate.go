package kubeletconfig

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"
)

// validate follows ValidateKubeletConfiguration (apis/config/validation/validation.go), as far as
// podsim reads the fields.
func validate(o *configv1beta1.KubeletConfiguration) field.ErrorList {
	var errs field.ErrorList
	refuse := func(bad bool, name string, value any, want string) {
		if bad {
			errs = append(errs, field.Invalid(field.NewPath(name), value, want))
		}
	}
	const notNegative = "must not be negative"
	high, low := *o.ImageGCHighThresholdPercent, *o.ImageGCLowThresholdPercent
	refuse(high < 0 || high > 100, "imageGCHighThresholdPercent", high, "must be from 0 to 100")
	refuse(low < 0 || low > 100, "imageGCLowThresholdPercent", low, "must be from 0 to 100")
	refuse(low >= high, "imageGCLowThresholdPercent", low, "must be less than imageGCHighThresholdPercent")
	refuse(o.ImageMinimumGCAge.Duration < 0, "imageMinimumGCAge", o.ImageMinimumGCAge.Duration.String(), notNegative)
	maximum := o.ImageMaximumGCAge.Duration
	refuse(maximum < 0, "imageMaximumGCAge", maximum.String(), notNegative)
	refuse(maximum > 0 && maximum <= o.ImageMinimumGCAge.Duration, "imageMaximumGCAge", maximum.String(), "must be greater than imageMinimumGCAge")
	refuse(o.MaxPods < 0, "maxPods", o.MaxPods, notNegative)
	refuse(o.PodsPerCore < 0, "podsPerCore", o.PodsPerCore, notNegative)
	refuse(*o.RegistryPullQPS < 0, "registryPullQPS", *o.RegistryPullQPS, notNegative)
	refuse(o.RegistryBurst < 0, "registryBurst", o.RegistryBurst, notNegative)
	refuse(*o.KubeAPIQPS < 0, "kubeAPIQPS", *o.KubeAPIQPS, notNegative)
	refuse(o.KubeAPIBurst < 0, "kubeAPIBurst", o.KubeAPIBurst, notNegative)
	refuse(o.NodeLeaseDurationSeconds <= 0, "nodeLeaseDurationSeconds", o.NodeLeaseDurationSeconds, "must be greater than 0")
	if n := o.MaxParallelImagePulls; n != nil {
		refuse(*n < 1, "maxParallelImagePulls", *n, "must be a positive number")
		refuse(*n > 1 && *o.SerializeImagePulls, "maxParallelImagePulls", *n, "cannot be larger than 1 unless serializeImagePulls is false")
	}
	return errs
}
