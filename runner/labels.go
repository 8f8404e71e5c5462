package runner

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/dump"
)

// What the kubelet calls the labels and annotations of its containers (pkg/kubelet/types/labels.go,
// pkg/kubelet/kuberuntime/labels.go).
const (
	podNameLabel       = "io.kubernetes.pod.name"
	podNamespaceLabel  = "io.kubernetes.pod.namespace"
	podUIDLabel        = "io.kubernetes.pod.uid"
	containerNameLabel = "io.kubernetes.container.name"

	containerAnnotation   = "io.kubernetes.container."
	gracePeriodAnnotation = "io.kubernetes.pod.terminationGracePeriod"
)

// labels are those of all that a run makes for a pod.
func (r *CRI) labels(p *pod) map[string]string {
	return map[string]string{LabelRun: r.Run, LabelPod: p.namespace + "/" + p.name, LabelNode: p.node,
		podNameLabel: p.name, podNamespaceLabel: p.namespace, podUIDLabel: p.uid}
}

// sandboxLabels are those of a pod's sandbox: the pod's own, too (newPodLabels).
func (r *CRI) sandboxLabels(p *pod) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, p.template.Labels)
	maps.Copy(labels, r.labels(p))
	return labels
}

// containerLabels follows newContainerLabels.
func (r *CRI) containerLabels(p *pod, c *v1.Container) map[string]string {
	labels := r.labels(p)
	labels[containerNameLabel] = c.Name
	return labels
}

// containerAnnotations follows newContainerAnnotations. attempt counts the container's instances before this one.
//
// Differs from Kubernetes: the grace period of a pod that is being deleted is not in it.
func containerAnnotations(spec *v1.PodSpec, c *v1.Container, attempt uint32) map[string]string {
	a := map[string]string{
		containerAnnotation + "hash":                     containerHash(c),
		containerAnnotation + "restartCount":             strconv.FormatUint(uint64(attempt), 10),
		containerAnnotation + "terminationMessagePath":   c.TerminationMessagePath,
		containerAnnotation + "terminationMessagePolicy": string(c.TerminationMessagePolicy),
	}
	if s := spec.TerminationGracePeriodSeconds; s != nil {
		a[gracePeriodAnnotation] = strconv.FormatInt(*s, 10)
	}
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
		a[containerAnnotation+"preStopHandler"] = asJSON(c.Lifecycle.PreStop)
	}
	if len(c.Ports) > 0 {
		a[containerAnnotation+"ports"] = asJSON(c.Ports)
	}
	return a
}

// containerHash changes with a container's name and image (pkg/kubelet/container/helpers.go HashContainer).
func containerHash(c *v1.Container) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v", dump.ForHash([]byte(asJSON(map[string]string{"name": c.Name, "image": c.Image}))))
	return strconv.FormatUint(uint64(h.Sum32()), 16)
}

// asJSON is of what can be written so.
func asJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic("runner: " + err.Error())
	}
	return string(data)
}
