package scenarios

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"podsim/model"
)

// checkPodResources follows pkg/apis/core/validation/validation.go validatePodResources: what a pod has as a
// whole must be enough for its containers.
func (c *checker) checkPodResources(path string, spec *v1.PodSpec) {
	if spec.Resources == nil {
		return
	}
	c.checkRequirements(path, spec.Resources)
	for _, list := range []v1.ResourceList{spec.Resources.Requests, spec.Resources.Limits} {
		for _, name := range sortedNames(list) {
			if !resourcehelper.IsSupportedPodLevelResource(name) {
				c.errorf(path, "has %s, want cpu, memory or hugepages-SIZE: a pod as a whole has no other resources", name)
			}
		}
	}
	whole := spec.DeepCopy()
	model.DefaultPod(&v1.Pod{Spec: *whole})
	sum := resourcehelper.AggregateContainerRequests(&v1.Pod{Spec: *whole}, resourcehelper.PodResourcesOptions{})
	for _, name := range sortedNames(spec.Resources.Requests) {
		pod, containers := spec.Resources.Requests[name], sum[name]
		if containers.Cmp(pod) > 0 {
			c.errorf(join(path+".requests", string(name)), "is %s, must not be below what the containers request together (%s)", pod.String(), containers.String())
		}
	}
	c.checkLimitsOfPod(path, spec)
}

func (c *checker) checkLimitsOfPod(path string, spec *v1.PodSpec) {
	for _, name := range sortedNames(spec.Resources.Limits) {
		pod := spec.Resources.Limits[name]
		i := slices.IndexFunc(spec.Containers, func(k v1.Container) bool { q := k.Resources.Limits[name]; return q.Cmp(pod) > 0 })
		if i >= 0 {
			limit := spec.Containers[i].Resources.Limits[name]
			c.errorf(join(path+".limits", string(name)), "is %s, must not be below the limit of a container: %s", pod.String(),
				fmt.Sprintf("%s has %s", spec.Containers[i].Name, limit.String()))
		}
	}
}
