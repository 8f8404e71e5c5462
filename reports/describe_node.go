package reports

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// node follows describeNode.
func (p *printer) node(x *object) {
	n := p.s.node(x)
	p.line(0, "Name:\t%s", n.Name)
	p.line(0, "Roles:\t%s", roles(p.s, x))
	p.labels("Labels", n.Labels)
	p.annotations("Annotations", n.Annotations)
	p.line(0, "CreationTimestamp:\t%s", p.time(n.CreationTimestamp))
	p.taints(n.Spec.Taints)
	p.line(0, "Unschedulable:\t%t", n.Spec.Unschedulable)
	p.line(0, "Conditions:")
	p.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage")
	p.line(1, "----\t------\t------------------\t------\t-------")
	for _, c := range n.Status.Conditions {
		p.line(1, "%s \t%s \t%s \t%s \t%s", c.Type, c.Status, p.time(c.LastTransitionTime), c.Reason, c.Message)
	}
	p.line(0, "Addresses:")
	for _, a := range n.Status.Addresses {
		p.line(1, "%s:\t%s", a.Type, a.Address)
	}
	p.line(0, "Capacity:")
	p.resourceList(1, n.Status.Capacity)
	p.line(0, "Allocatable:")
	p.resourceList(1, n.Status.Allocatable)
	p.systemInfo(&n.Status.NodeInfo)
	p.nodePods(n)
}

// taints follows printTaintsMultilineWithIndent.
func (p *printer) taints(list []v1.Taint) {
	list = slices.Clone(list)
	order := func(t *v1.Taint) string { return string(t.Effect) + "," + t.Key }
	sort.SliceStable(list, func(i, j int) bool { return order(&list[i]) < order(&list[j]) })
	var out []string
	for _, t := range list {
		out = append(out, t.ToString())
	}
	p.lines("Taints:", out)
}

func (p *printer) systemInfo(i *v1.NodeSystemInfo) {
	p.line(0, "System Info:")
	for _, x := range [][2]string{{"Machine ID", i.MachineID}, {"System UUID", i.SystemUUID}, {"Boot ID", i.BootID}, {"Kernel Version", i.KernelVersion},
		{"OS Image", i.OSImage}, {"Operating System", i.OperatingSystem}, {"Architecture", i.Architecture},
		{"Container Runtime Version", i.ContainerRuntimeVersion}, {"Kubelet Version", i.KubeletVersion}} {
		if x[1] != "" {
			p.line(1, "%s:\t%s", x[0], x[1])
		}
	}
}

// nodePods follows describeNodeResource.
func (p *printer) nodePods(n *v1.Node) {
	allocatable := n.Status.Allocatable
	var pods []*object
	for _, x := range p.s.objects {
		if x.Kind == "Pod" && x.Node == n.Name && x.Phase != string(v1.PodSucceeded) && x.Phase != string(v1.PodFailed) {
			pods = append(pods, x)
		}
	}
	p.line(0, "Non-terminated Pods:\t(%d in total)", len(pods))
	p.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge")
	p.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---")
	requests, limits := v1.ResourceList{}, v1.ResourceList{}
	for _, x := range pods {
		pod := &v1.Pod{Spec: *p.s.podSpec(x)}
		request := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
		limit := resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})
		p.line(1, "%s\t%s\t\t%s\t%s\t%s\t%s\t%s", x.Namespace, x.Name,
			share(request, allocatable, v1.ResourceCPU), share(limit, allocatable, v1.ResourceCPU),
			share(request, allocatable, v1.ResourceMemory), share(limit, allocatable, v1.ResourceMemory), age(p.s, x))
		addTo(requests, request)
		addTo(limits, limit)
	}
	p.line(0, "Allocated resources:")
	p.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)")
	p.line(1, "Resource\tRequests\tLimits")
	p.line(1, "--------\t--------\t------")
	for _, name := range shownResources(allocatable) {
		if isPlain(name) {
			p.line(1, "%s\t%s\t%s", name, share(requests, allocatable, name), share(limits, allocatable, name))
		} else {
			p.line(1, "%s\t%s\t%s", name, amount(requests, name), amount(limits, name))
		}
	}
}

func addTo(sum, list v1.ResourceList) {
	for name, q := range list {
		s := sum[name].DeepCopy()
		s.Add(q)
		sum[name] = s
	}
}

// isPlain says that a resource is shown with its share of the node: those of Kubernetes.
func isPlain(name v1.ResourceName) bool {
	return name == v1.ResourceCPU || name == v1.ResourceMemory || name == v1.ResourceEphemeralStorage ||
		strings.HasPrefix(string(name), v1.ResourceHugePagesPrefix)
}

// shownResources are the resources of a node's sum, in kubectl's order: the usual ones, huge
// pages, extended ones.
func shownResources(allocatable v1.ResourceList) []v1.ResourceName {
	out := []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage}
	for _, hugePages := range []bool{true, false} {
		for _, name := range sortedKeys(allocatable) {
			if !slices.Contains(out, name) && name != v1.ResourcePods && isPlain(name) == hugePages {
				out = append(out, name)
			}
		}
	}
	return out
}

func amount(list v1.ResourceList, name v1.ResourceName) string {
	q := list[name]
	return q.String()
}

// share is an amount and its part of what the node has to give.
func share(list, allocatable v1.ResourceList, name v1.ResourceName) string {
	value := (*resource.Quantity).Value
	if name == v1.ResourceCPU {
		value = (*resource.Quantity).MilliValue
	}
	q, of := list[name], allocatable[name]
	percent := 0.0
	if value(&of) != 0 {
		percent = float64(value(&q)) / float64(value(&of)) * 100
	}
	return fmt.Sprintf("%s (%d%%)", q.String(), int64(percent))
}
