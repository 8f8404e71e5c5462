package reports

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// deployment follows describeDeployment.
func (p *printer) deployment(x *object) {
	d := p.s.deployment(x)
	p.line(0, "Name:\t%s", d.Name)
	p.line(0, "Namespace:\t%s", d.Namespace)
	p.line(0, "CreationTimestamp:\t%s", p.time(d.CreationTimestamp))
	p.labels("Labels", d.Labels)
	p.annotations("Annotations", d.Annotations)
	p.line(0, "Selector:\t%s", selectorOf(d.Spec.Selector))
	p.line(0, "Replicas:\t%d desired | %d updated | %d total | %d available | %d unavailable", x.Replicas, x.UpdatedReplicas, x.CurrentReplicas,
		x.AvailableReplicas, x.Unavailable)
	p.line(0, "StrategyType:\t%s", d.Spec.Strategy.Type)
	p.line(0, "MinReadySeconds:\t%d", d.Spec.MinReadySeconds)
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		p.line(0, "RollingUpdateStrategy:\t%s max unavailable, %s max surge", r.MaxUnavailable.String(), r.MaxSurge.String())
	}
	p.template(&d.Spec.Template)
	if len(d.Status.Conditions) > 0 {
		p.line(0, "Conditions:")
		p.line(1, "Type\tStatus\tReason")
		p.line(1, "----\t------\t------")
	}
	for _, c := range d.Status.Conditions {
		p.line(1, "%s \t%s\t%s", c.Type, c.Status, c.Reason)
	}
	p.replicaSetsOf(x, d)
}

// template follows DescribePodTemplate.
func (p *printer) template(t *v1.PodTemplateSpec) {
	p.line(0, "Pod Template:")
	p.labels("  Labels", t.Labels)
	if len(t.Annotations) > 0 {
		p.annotations("  Annotations", t.Annotations)
	}
	if t.Spec.ServiceAccountName != "" {
		p.line(1, "Service Account:\t%s", t.Spec.ServiceAccountName)
	}
	if len(t.Spec.InitContainers) > 0 {
		p.containers("Init Containers", "  ", t.Spec.InitContainers, nil, nil)
	}
	p.containers("Containers", "  ", t.Spec.Containers, nil, nil)
	p.volumes("  ", t.Spec.Volumes)
	p.spreadConstraints("  ", t.Spec.TopologySpreadConstraints)
	if t.Spec.PriorityClassName != "" {
		p.line(1, "Priority Class Name:\t%s", t.Spec.PriorityClassName)
	}
	p.labels("  Node-Selectors", t.Spec.NodeSelector)
	p.tolerations("  Tolerations", t.Spec.Tolerations)
}

// replicaSetsOf names the ReplicaSets of a Deployment: the oldest one with its template is
// the new one (k8s.io/kubectl/pkg/util/deployment findNewReplicaSet).
func (p *printer) replicaSetsOf(x *object, d *appsv1.Deployment) {
	var sets []*object
	for _, o := range p.s.objects {
		if o.Kind == "ReplicaSet" && o.OwnerKind == "Deployment" && o.OwnerSerial == x.Serial {
			sets = append(sets, o)
		}
	}
	if len(sets) == 0 {
		return
	}
	slices.SortStableFunc(sets, func(a, b *object) int { return int(a.Serial - b.Serial) })
	i := slices.IndexFunc(sets, func(o *object) bool { return sameTemplate(&p.s.replicaSet(o).Spec.Template, &d.Spec.Template) })
	newest := ""
	var old []string
	for j, o := range sets {
		text := fmt.Sprintf("%s (%d/%d replicas created)", o.Name, o.CurrentReplicas, o.Replicas)
		if j == i {
			newest = text
		} else {
			old = append(old, text)
		}
	}
	p.line(0, "OldReplicaSets:\t%s", none(strings.Join(old, ", ")))
	p.line(0, "NewReplicaSet:\t%s", none(newest))
}

// sameTemplate compares templates but for the label that the Deployment controller adds.
func sameTemplate(a, b *v1.PodTemplateSpec) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	delete(a.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(b.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(a, b)
}

// replicaSet follows describeReplicaSet.
func (p *printer) replicaSet(x *object) {
	r := p.s.replicaSet(x)
	p.line(0, "Name:\t%s", r.Name)
	p.line(0, "Namespace:\t%s", r.Namespace)
	p.line(0, "Selector:\t%s", metav1.FormatLabelSelector(r.Spec.Selector))
	p.labels("Labels", r.Labels)
	p.annotations("Annotations", r.Annotations)
	p.controlledBy(x)
	p.line(0, "Replicas:\t%d current / %d desired", x.CurrentReplicas, x.Replicas)
	phases := map[string]int{}
	for _, o := range p.s.objects {
		if o.Kind == "Pod" && o.OwnerKind == "ReplicaSet" && o.OwnerSerial == x.Serial {
			phases[o.Phase]++
		}
	}
	p.line(0, "Pods Status:\t%d Running / %d Waiting / %d Succeeded / %d Failed", phases["Running"], phases["Pending"], phases["Succeeded"], phases["Failed"])
	p.template(&r.Spec.Template)
}

// service follows describeService.
//
// Differs from Kubernetes: what a Service routes to is not simulated, so there are no
// endpoints.
func (p *printer) service(x *object) {
	o := p.s.service(x)
	p.line(0, "Name:\t%s", o.Name)
	p.line(0, "Namespace:\t%s", o.Namespace)
	p.labels("Labels", o.Labels)
	p.annotations("Annotations", o.Annotations)
	p.line(0, "Selector:\t%s", labels.FormatLabels(o.Spec.Selector))
	p.line(0, "Type:\t%s", o.Spec.Type)
	if o.Spec.IPFamilyPolicy != nil {
		p.line(0, "IP Family Policy:\t%s", *o.Spec.IPFamilyPolicy)
	}
	var families []string
	for _, f := range o.Spec.IPFamilies {
		families = append(families, string(f))
	}
	p.line(0, "IP Families:\t%s", none(strings.Join(families, ",")))
	p.line(0, "IP:\t%s", o.Spec.ClusterIP)
	p.line(0, "IPs:\t%s", none(strings.Join(o.Spec.ClusterIPs, ",")))
	if len(o.Spec.ExternalIPs) > 0 {
		p.line(0, "External IPs:\t%s", strings.Join(o.Spec.ExternalIPs, ","))
	}
	if o.Spec.ExternalName != "" {
		p.line(0, "External Name:\t%s", o.Spec.ExternalName)
	}
	p.servicePorts(o.Spec.Ports)
	p.line(0, "Session Affinity:\t%s", o.Spec.SessionAffinity)
	if o.Spec.ExternalTrafficPolicy != "" {
		p.line(0, "External Traffic Policy:\t%s", o.Spec.ExternalTrafficPolicy)
	}
	if o.Spec.InternalTrafficPolicy != nil {
		p.line(0, "Internal Traffic Policy:\t%s", *o.Spec.InternalTrafficPolicy)
	}
}

func (p *printer) servicePorts(list []v1.ServicePort) {
	for i := range list {
		s := &list[i]
		name := s.Name
		if name == "" {
			name = "<unset>"
		}
		p.line(0, "Port:\t%s\t%d/%s", name, s.Port, s.Protocol)
		target := s.TargetPort.StrVal
		if s.TargetPort.Type == intstr.Int {
			target = fmt.Sprint(s.TargetPort.IntVal)
		}
		p.line(0, "TargetPort:\t%s/%s", target, s.Protocol)
		if s.NodePort != 0 {
			p.line(0, "NodePort:\t%s\t%d/%s", name, s.NodePort, s.Protocol)
		}
	}
}
