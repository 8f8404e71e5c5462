package reports

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
)

// The sources are what the column spec holds as JSON: what a user wrote of an object, with
// the names of the API.

type metadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func metadataOf(labels, annotations map[string]string) metadata { return metadata{labels, annotations} }

type podSource struct {
	Metadata metadata    `json:"metadata"`
	Spec     *v1.PodSpec `json:"spec"`
}

type serviceSource struct {
	Metadata metadata        `json:"metadata"`
	Spec     *v1.ServiceSpec `json:"spec"`
}

type deploymentSource struct {
	Metadata metadata              `json:"metadata"`
	Spec     appsv1.DeploymentSpec `json:"spec"`
}

type replicaSetSource struct {
	Metadata metadata              `json:"metadata"`
	Spec     appsv1.ReplicaSetSpec `json:"spec"`
}

// nodeSource has of the status what does not change.
type nodeSource struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		PodCIDR    string   `json:"podCIDR,omitempty"`
		PodCIDRs   []string `json:"podCIDRs,omitempty"`
		ProviderID string   `json:"providerID,omitempty"`
	} `json:"spec,omitzero"`
	Status struct {
		Capacity    v1.ResourceList   `json:"capacity"`
		Allocatable v1.ResourceList   `json:"allocatable"`
		NodeInfo    v1.NodeSystemInfo `json:"nodeInfo,omitzero"`
	} `json:"status"`
}

func nodeSourceOf(n *model.Node) *nodeSource {
	o := n.Object
	s := &nodeSource{Metadata: metadataOf(n.Labels, o.Annotations)}
	s.Spec.PodCIDR, s.Spec.PodCIDRs, s.Spec.ProviderID = o.Spec.PodCIDR, o.Spec.PodCIDRs, o.Spec.ProviderID
	s.Status.Capacity, s.Status.Allocatable, s.Status.NodeInfo = o.Status.Capacity, o.Status.Allocatable, o.Status.NodeInfo
	return s
}

// annotate gives a copy of annotations with the pairs added.
func annotate(annotations map[string]string, pairs ...string) map[string]string {
	out := make(map[string]string, len(annotations)+len(pairs)/2)
	for k, v := range annotations {
		out[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// The annotations of the Deployment controller (pkg/controller/deployment/util).
const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
	maxAnnotation      = "deployment.kubernetes.io/max-replicas"
)

func deploymentSourceOf(d *model.Deployment) *deploymentSource {
	s := &deploymentSource{metadataOf(d.Object.Labels, d.Object.Annotations), d.Object.Spec}
	if d.Revision > 0 {
		s.Metadata.Annotations = annotate(d.Object.Annotations, revisionAnnotation, fmt.Sprint(d.Revision))
	}
	s.Spec.Replicas = &d.Replicas
	return s
}

// replicaSetSourceOf takes the template as its Deployment has it, nil for none: that of the
// pods has been through admission.
func replicaSetSourceOf(x *model.ReplicaSet, template *v1.PodTemplateSpec) *replicaSetSource {
	s := &replicaSetSource{Metadata: metadataOf(x.Labels, nil)}
	if x.Owner != 0 {
		s.Metadata.Annotations = annotate(nil, revisionAnnotation, fmt.Sprint(x.Revision),
			desiredAnnotation, fmt.Sprint(x.Desired), maxAnnotation, fmt.Sprint(x.Max))
	}
	s.Spec.Replicas = &x.Replicas
	s.Spec.MinReadySeconds = x.MinReadySeconds
	if x.Selector != nil {
		s.Spec.Selector, _ = metav1.ParseToLabelSelector(x.Selector.String())
	}
	s.Spec.Template.Labels, s.Spec.Template.Annotations = x.Template.Labels, x.Template.Annotations
	s.Spec.Template.Spec = *x.Template.Spec
	if template != nil {
		s.Spec.Template.Spec = template.Spec
	}
	return s
}

// nodeMessage puts a node's condition into words (pkg/kubelet/nodestatus/setters.go,
// pkg/controller/nodelifecycle/node_lifecycle_controller.go).
func nodeMessage(s *model.State, c *model.Condition) string {
	if c.Message.Kind != model.NoMessage {
		return s.Message(&model.Pod{}, -1, c.Message)
	}
	switch c.Reason {
	case model.ReasonKubeletHasSufficientMemory:
		return "kubelet has sufficient memory available"
	case model.ReasonKubeletHasNoDiskPressure:
		return "kubelet has no disk pressure"
	case model.ReasonKubeletHasSufficientPID:
		return "kubelet has sufficient PID available"
	case model.ReasonKubeletHasInsufficientMemory:
		return "kubelet has insufficient memory available"
	case model.ReasonKubeletHasDiskPressure:
		return "kubelet has disk pressure"
	case model.ReasonKubeletHasInsufficientPID:
		return "kubelet has insufficient PID available"
	case model.ReasonKubeletReady:
		return "kubelet is posting ready status"
	case model.ReasonNodeStatusUnknown:
		return "Kubelet stopped posting node status."
	}
	return ""
}

// deploymentMessage puts a Deployment's condition into words (pkg/controller/deployment
// progress.go, sync.go).
func deploymentMessage(d *model.Deployment, c *model.Condition) string {
	name := fmt.Sprintf("%q", d.Name+"-"+d.Hash)
	switch c.Reason {
	case model.ReasonMinimumReplicasAvailable:
		return "Deployment has minimum availability."
	case model.ReasonMinimumReplicasUnavailable:
		return "Deployment does not have minimum availability."
	case model.ReasonNewReplicaSetCreated:
		return "Created new replica set " + name
	case model.ReasonFoundNewReplicaSet:
		return "Found new replica set " + name
	case model.ReasonReplicaSetUpdated:
		return "ReplicaSet " + name + " is progressing."
	case model.ReasonNewReplicaSetAvailable:
		return "ReplicaSet " + name + " has successfully progressed."
	case model.ReasonProgressDeadlineExceeded:
		return "ReplicaSet " + name + " has timed out progressing."
	case model.ReasonDeploymentPaused:
		return "Deployment is paused"
	case model.ReasonDeploymentResumed:
		return "Deployment is resumed"
	}
	return ""
}
