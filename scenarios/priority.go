package scenarios

import (
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"

	"podsim/model"
)

// priorities resolves priority classes when manifests are read
// (plugin/pkg/admission/priority/admission.go).
//
// Differs from Kubernetes: the value is written into the pod template, not into each pod
// when it is created, so that a template stands for itself. A class that is applied in a
// later step is known from the start.
type priorities struct {
	classes map[string]*schedulingv1.PriorityClass
	// fallback is the class of pods that name none, nil when no class is the default.
	fallback *schedulingv1.PriorityClass
}

func (p *priorities) add(manifests []manifest) {
	if p.classes == nil {
		p.classes = map[string]*schedulingv1.PriorityClass{}
	}
	for i := range manifests {
		class, ok := manifests[i].Object.Object.(*schedulingv1.PriorityClass)
		if !ok {
			continue
		}
		p.classes[class.Name] = class
		// Of several defaults, upstream takes the lowest.
		if class.GlobalDefault && (p.fallback == nil || class.Value < p.fallback.Value) {
			p.fallback = class
		}
	}
}

// resolve sets the priority of the object's pods, or says why it cannot.
func (p *priorities) resolve(m *manifest) error {
	spec, path := podSpec(m)
	if spec == nil {
		return nil
	}
	if spec.PriorityClassName == "" {
		if p.fallback == nil {
			return nil
		}
		spec.PriorityClassName = p.fallback.Name
	}
	where := m.source.at(find(m.node, path+".priorityClassName"))
	value, ok := model.SystemPriority(spec.PriorityClassName)
	if class := p.classes[spec.PriorityClassName]; class != nil {
		value, ok = class.Value, true
		if class.PreemptionPolicy != nil {
			policy := *class.PreemptionPolicy
			spec.PreemptionPolicy = &policy
		}
	}
	if !ok {
		names := append(slices.Collect(maps.Keys(p.classes)), "system-cluster-critical", "system-node-critical")
		return errorAt(where, "%s.priorityClassName: no PriorityClass %s is in the manifests%s",
			path, quoted(spec.PriorityClassName), didYouMean(spec.PriorityClassName, names))
	}
	if spec.Priority != nil && *spec.Priority != value {
		return errorAt(m.source.at(find(m.node, path+".priority")), "%s.priority is %d, but the class %s has %d: leave it out",
			path, *spec.Priority, spec.PriorityClassName, value)
	}
	spec.Priority = &value
	return nil
}

// podSpec is the pod specification in an object that a run makes pods from, and its path;
// nil for another object.
func podSpec(m *manifest) (*v1.PodSpec, string) {
	switch o := m.Object.Object.(type) {
	case *v1.Pod:
		return &o.Spec, "spec"
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec, "spec.template.spec"
	case *appsv1.ReplicaSet:
		return &o.Spec.Template.Spec, "spec.template.spec"
	}
	return nil, ""
}
