package reports

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"podsim/model"
)

// column is a column of a kind's table; a wide one is shown with -o wide.
type column struct {
	name string
	wide bool
	cell func(s *Snapshot, x *object) string
}

// columns are the tables of the kinds, as kubectl prints them
// (pkg/printers/internalversion/printers.go).
var columns = map[string][]column{
	"Pod": {
		{"NAME", false, name},
		{"READY", false, func(_ *Snapshot, x *object) string { return fmt.Sprintf("%d/%d", x.ReadyContainers, x.Containers) }},
		{"STATUS", false, func(_ *Snapshot, x *object) string { return x.Status }},
		{"RESTARTS", false, restarts},
		{"AGE", false, age},
		{"IP", true, func(_ *Snapshot, x *object) string { return none(x.IP) }},
		{"NODE", true, func(_ *Snapshot, x *object) string { return none(x.Node) }},
		{"NOMINATED NODE", true, func(_ *Snapshot, x *object) string { return none(x.Nominated) }},
		{"READINESS GATES", true, readinessGates},
	},
	"Node": {
		{"NAME", false, name},
		{"STATUS", false, func(_ *Snapshot, x *object) string { return x.Status }},
		{"ROLES", false, roles},
		{"AGE", false, age},
		{"VERSION", false, func(s *Snapshot, x *object) string { return s.node(x).Status.NodeInfo.KubeletVersion }},
		{"INTERNAL-IP", true, func(_ *Snapshot, x *object) string { return nodeIP(x) }},
		{"EXTERNAL-IP", true, func(*Snapshot, *object) string { return "<none>" }},
		{"OS-IMAGE", true, func(s *Snapshot, x *object) string { return unknown(s.node(x).Status.NodeInfo.OSImage) }},
		{"KERNEL-VERSION", true, kernelVersion},
		{"CONTAINER-RUNTIME", true, func(s *Snapshot, x *object) string { return unknown(s.node(x).Status.NodeInfo.ContainerRuntimeVersion) }},
	},
	"Deployment": {
		{"NAME", false, name},
		{"READY", false, func(_ *Snapshot, x *object) string { return fmt.Sprintf("%d/%d", x.ReadyReplicas, x.Replicas) }},
		{"UP-TO-DATE", false, func(_ *Snapshot, x *object) string { return fmt.Sprint(x.UpdatedReplicas) }},
		{"AVAILABLE", false, func(_ *Snapshot, x *object) string { return fmt.Sprint(x.AvailableReplicas) }},
		{"AGE", false, age},
		{"CONTAINERS", true, func(s *Snapshot, x *object) string { return containerNames(&s.deployment(x).Spec.Template.Spec) }},
		{"IMAGES", true, func(s *Snapshot, x *object) string { return containerImages(&s.deployment(x).Spec.Template.Spec) }},
		{"SELECTOR", true, func(s *Snapshot, x *object) string { return selectorOf(s.deployment(x).Spec.Selector) }},
	},
	"ReplicaSet": {
		{"NAME", false, name},
		{"DESIRED", false, func(_ *Snapshot, x *object) string { return fmt.Sprint(x.Replicas) }},
		{"CURRENT", false, func(_ *Snapshot, x *object) string { return fmt.Sprint(x.CurrentReplicas) }},
		{"READY", false, func(_ *Snapshot, x *object) string { return fmt.Sprint(x.ReadyReplicas) }},
		{"AGE", false, age},
		{"CONTAINERS", true, func(s *Snapshot, x *object) string { return containerNames(&s.replicaSet(x).Spec.Template.Spec) }},
		{"IMAGES", true, func(s *Snapshot, x *object) string { return containerImages(&s.replicaSet(x).Spec.Template.Spec) }},
		{"SELECTOR", true, func(s *Snapshot, x *object) string { return selectorOf(s.replicaSet(x).Spec.Selector) }},
	},
	"Service": {
		{"NAME", false, name},
		{"TYPE", false, func(s *Snapshot, x *object) string { return string(s.service(x).Spec.Type) }},
		{"CLUSTER-IP", false, func(s *Snapshot, x *object) string { return none(s.service(x).Spec.ClusterIP) }},
		{"EXTERNAL-IP", false, externalIP},
		{"PORT(S)", false, servicePorts},
		{"AGE", false, age},
		{"SELECTOR", true, func(s *Snapshot, x *object) string { return labels.FormatLabels(s.service(x).Spec.Selector) }},
	},
}

// eventColumns is the table of Events, which have no row of their own among the objects.
var eventColumns = []struct {
	name string
	wide bool
	cell func(s *Snapshot, e *eventRow) string
}{
	{"LAST SEEN", false, func(s *Snapshot, e *eventRow) string { return s.age(e.Time) }},
	{"TYPE", false, func(_ *Snapshot, e *eventRow) string { return e.Type }},
	{"REASON", false, func(_ *Snapshot, e *eventRow) string { return e.Reason }},
	{"OBJECT", false, func(_ *Snapshot, e *eventRow) string { return strings.ToLower(e.Kind) + "/" + e.Name }},
	{"SUBOBJECT", true, func(_ *Snapshot, e *eventRow) string { return e.FieldPath }},
	{"SOURCE", true, func(_ *Snapshot, e *eventRow) string { return source(e) }},
	{"MESSAGE", false, func(_ *Snapshot, e *eventRow) string { return oneLine(strings.TrimSpace(e.Message)) }},
	{"FIRST SEEN", true, func(s *Snapshot, e *eventRow) string { return s.age(e.First) }},
	{"COUNT", true, func(_ *Snapshot, e *eventRow) string { return fmt.Sprint(e.Count) }},
	{"NAME", true, func(_ *Snapshot, e *eventRow) string { return eventName(e) }},
}

// header is the header of a kind's table.
func header(kind string, o *GetOptions) []string {
	var row []string
	if o.AllNamespaces && kind != "Node" {
		row = append(row, "NAMESPACE")
	}
	for _, c := range columns[kind] {
		if !c.wide || o.Output == "wide" {
			row = append(row, c.name)
		}
	}
	for _, c := range eventColumns {
		if kind == "Event" && (!c.wide || o.Output == "wide") {
			row = append(row, c.name)
		}
	}
	return row
}

// cells is a row of the table. The name has the kind before it when several are asked for.
func (s *Snapshot) cells(x item, o *GetOptions) []string {
	if x.event != nil {
		return s.eventCells(x.event, o)
	}
	row := make([]string, 0, len(columns[x.kind])+1)
	if o.AllNamespaces && x.kind != "Node" {
		row = append(row, x.object.Namespace)
	}
	for i, c := range columns[x.kind] {
		if c.wide && o.Output != "wide" {
			continue
		}
		cell := c.cell(s, x.object)
		if i == 0 && len(o.Kinds) > 1 {
			cell = resourceName(x.kind) + "/" + cell
		}
		row = append(row, cell)
	}
	return row
}

func (s *Snapshot) eventCells(e *eventRow, o *GetOptions) []string {
	row := make([]string, 0, len(eventColumns)+1)
	if o.AllNamespaces {
		row = append(row, eventNamespace(e))
	}
	for _, c := range eventColumns {
		if !c.wide || o.Output == "wide" {
			row = append(row, c.cell(s, e))
		}
	}
	return row
}

func none(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

func unknown(s string) string {
	if s == "" {
		return "<unknown>"
	}
	return s
}

func name(_ *Snapshot, x *object) string { return x.Name }

func age(s *Snapshot, x *object) string { return s.age(x.Created) }

func restarts(s *Snapshot, x *object) string {
	last := model.Never
	if x.LastRestart != absent && !s.exact {
		last = model.Time(x.LastRestart)
	}
	return model.RestartsColumn(x.Restarts, last, s.now)
}

func readinessGates(s *Snapshot, x *object) string {
	gates := s.podSpec(x).ReadinessGates
	if len(gates) == 0 {
		return "<none>"
	}
	n := 0
	for _, g := range gates {
		if slices.ContainsFunc(x.Conditions, func(c conditionRow) bool { return c.Type == string(g.ConditionType) && c.Status == "True" }) {
			n++
		}
	}
	return fmt.Sprintf("%d/%d", n, len(gates))
}

// roles follows findNodeRoles.
func roles(s *Snapshot, x *object) string {
	var out []string
	for k, v := range s.labels(x) {
		if r, ok := strings.CutPrefix(k, "node-role.kubernetes.io/"); ok && r != "" {
			out = append(out, r)
		} else if k == "kubernetes.io/role" && v != "" {
			out = append(out, v)
		}
	}
	sort.Strings(out)
	return none(strings.Join(slices.Compact(out), ","))
}

func kernelVersion(s *Snapshot, x *object) string {
	info := s.node(x).Status.NodeInfo
	version := unknown(info.KernelVersion)
	if info.Architecture != "" {
		version += " (" + info.Architecture + ")"
	}
	return version
}

func containerNames(spec *v1.PodSpec) string {
	var out []string
	for i := range spec.Containers {
		out = append(out, spec.Containers[i].Name)
	}
	return strings.Join(out, ",")
}

func containerImages(spec *v1.PodSpec) string {
	var out []string
	for i := range spec.Containers {
		out = append(out, spec.Containers[i].Image)
	}
	return strings.Join(out, ",")
}

// selectorOf is a selector in the words of `-l`.
func selectorOf(s *metav1.LabelSelector) string {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return "<invalid>"
	}
	return selector.String()
}

// externalIP follows getServiceExternalIP; there is no load balancer that gives addresses.
func externalIP(s *Snapshot, x *object) string {
	spec := &s.service(x).Spec
	switch {
	case spec.Type == v1.ServiceTypeExternalName:
		return spec.ExternalName
	case spec.Type == v1.ServiceTypeLoadBalancer && len(spec.ExternalIPs) == 0:
		return "<pending>"
	}
	return none(strings.Join(spec.ExternalIPs, ","))
}

func servicePorts(s *Snapshot, x *object) string {
	var out []string
	for _, p := range s.service(x).Spec.Ports {
		port := fmt.Sprint(p.Port)
		if p.NodePort != 0 {
			port += fmt.Sprintf(":%d", p.NodePort)
		}
		out = append(out, port+"/"+string(p.Protocol))
	}
	return none(strings.Join(out, ","))
}

// source is the component that wrote an Event, and its node.
func source(e *eventRow) string {
	if e.Host == "" {
		return e.Source
	}
	return e.Source + ", " + e.Host
}
