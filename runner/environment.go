package runner

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
)

// environment is what a container's processes find in their environment (pkg/kubelet/kubelet_pods.go
// makeEnvironmentVariables).
//
// Differs from Kubernetes: there are no variables of Services, to which nothing leads. Files (fileKeyRef) are not read.
func (r *CRI) environment(p *pod, i int) []*runtimeapi.KeyValue {
	c := p.template.ContainerSpec(i)
	var order []string
	values := map[string]string{}
	set := func(name, value string) {
		if _, ok := values[name]; !ok {
			order = append(order, name)
		}
		values[name] = value
	}
	for _, from := range c.EnvFrom {
		data := r.envFrom(p, &from)
		for _, key := range slices.Sorted(maps.Keys(data)) {
			set(from.Prefix+key, string(data[key]))
		}
	}
	for j := range c.Env {
		e := &c.Env[j]
		value, ok := expand(e.Value, values), true
		if e.ValueFrom != nil {
			value, ok = r.valueFrom(p, i, e.ValueFrom)
		}
		if ok {
			set(e.Name, value)
		}
	}
	var list []*runtimeapi.KeyValue
	for _, name := range order {
		list = append(list, &runtimeapi.KeyValue{Key: name, Value: []byte(values[name])})
	}
	return list
}

// config is the content of a ConfigMap or Secret of a pod's namespace.
func (r *CRI) config(p *pod, secret bool, name string) map[string][]byte {
	return r.configs.of(model.ConfigName{Secret: secret, Namespace: p.namespace, Name: name}, r.cluster.Now())
}

func (r *CRI) envFrom(p *pod, from *v1.EnvFromSource) map[string][]byte {
	switch {
	case from.ConfigMapRef != nil:
		return r.config(p, false, from.ConfigMapRef.Name)
	case from.SecretRef != nil:
		return r.config(p, true, from.SecretRef.Name)
	}
	return nil
}

// valueFrom is the value of a variable that comes from elsewhere. One that is optional and missing is not
// set; the kubelet's machine has seen to the others.
func (r *CRI) valueFrom(p *pod, i int, from *v1.EnvVarSource) (string, bool) {
	switch {
	case from.FieldRef != nil:
		return r.field(p, from.FieldRef.FieldPath), true
	case from.ResourceFieldRef != nil:
		return r.resourceField(p, i, from.ResourceFieldRef), true
	case from.ConfigMapKeyRef != nil:
		v, ok := r.config(p, false, from.ConfigMapKeyRef.Name)[from.ConfigMapKeyRef.Key]
		return string(v), ok
	case from.SecretKeyRef != nil:
		v, ok := r.config(p, true, from.SecretKeyRef.Name)[from.SecretKeyRef.Key]
		return string(v), ok
	}
	return "", false
}

// field is a field of a pod (podFieldSelectorRuntimeValue, pkg/fieldpath/fieldpath.go).
func (r *CRI) field(p *pod, path string) string {
	key := func(prefix string) (string, bool) {
		rest, ok := strings.CutPrefix(path, prefix+"['")
		return strings.TrimSuffix(rest, "']"), ok
	}
	if name, ok := key("metadata.labels"); ok {
		return p.template.Labels[name]
	}
	if name, ok := key("metadata.annotations"); ok {
		return p.template.Annotations[name]
	}
	switch path {
	case "metadata.name":
		return p.name
	case "metadata.namespace":
		return p.namespace
	case "metadata.uid":
		return p.uid
	case "metadata.labels":
		return formatMap(p.template.Labels)
	case "metadata.annotations":
		return formatMap(p.template.Annotations)
	case "spec.nodeName":
		return p.node
	case "spec.serviceAccountName":
		return p.template.Spec.ServiceAccountName
	case "status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs":
		return p.address
	}
	return ""
}

// formatMap follows FormatMap of pkg/fieldpath/fieldpath.go.
func formatMap(m map[string]string) string {
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, fmt.Sprintf("%s=%q", k, m[k]))
	}
	return strings.Join(lines, "\n")
}

// resourceField is a request or a limit of a container in units of the divisor, rounded up
// (pkg/api/v1/resource/helpers.go ExtractContainerResourceValue).
func (r *CRI) resourceField(p *pod, i int, ref *v1.ResourceFieldSelector) string {
	for j := range p.template.Containers {
		if p.template.Containers[j].Name == ref.ContainerName {
			i = j
		}
	}
	c := p.template.ContainerSpec(i)
	kind, resourceName, _ := strings.Cut(ref.Resource, ".")
	name := v1.ResourceName(resourceName)
	q := c.Resources.Requests[name]
	if kind == "limits" {
		if q = c.Resources.Limits[name]; q.IsZero() {
			q = r.mostOf(p, name)
		}
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	value, unit := q.Value(), divisor.Value()
	if name == v1.ResourceCPU {
		value, unit = q.MilliValue(), divisor.MilliValue()
	}
	return strconv.FormatInt((value+unit-1)/unit, 10)
}

// mostOf is how much of a resource a container without a limit may use: its pod's limit, or what the node has
// (pkg/kubelet/kubelet_resources.go defaultPodLimitsForDownwardAPI).
func (r *CRI) mostOf(p *pod, name v1.ResourceName) resource.Quantity {
	if all := p.template.Spec.Resources; all != nil {
		if q, ok := all.Limits[name]; ok && !q.IsZero() {
			return q
		}
	}
	has := r.cluster.State().Nodes[r.cluster.State().Pods[p.ref.ID].Node].Allocatable
	switch name {
	case v1.ResourceCPU:
		return *resource.NewMilliQuantity(has.MilliCPU, resource.DecimalSI)
	case v1.ResourceMemory:
		return *resource.NewQuantity(has.Memory, resource.BinarySI)
	case v1.ResourceEphemeralStorage:
		return *resource.NewQuantity(has.EphemeralStorage, resource.BinarySI)
	}
	return resource.Quantity{}
}

// expand replaces $(NAME) by the variables before; $$ is a $ (k8s.io/kubernetes/third_party/forked/golang/expansion).
func expand(text string, values map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		end := strings.IndexByte(text[i:], ')')
		switch {
		case text[i+1] == '$':
			b.WriteByte('$')
			i++
		case text[i+1] == '(' && end > 0:
			name := text[i+2 : i+end]
			if value, ok := values[name]; ok {
				b.WriteString(value)
			} else {
				b.WriteString(text[i : i+end+1])
			}
			i += end
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}
