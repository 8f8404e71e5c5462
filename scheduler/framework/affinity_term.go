package framework

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// AffinityTerm is a term of inter-pod affinity or anti-affinity
// (k8s.io/kube-scheduler/framework/types.go AffinityTerm).
type AffinityTerm struct {
	// Namespaces are sorted.
	Namespaces        []string
	NamespaceSelector labels.Selector
	Selector          labels.Selector
	TopologyKey       string
	// Weight is that of a preferred term, 0 of a required one.
	Weight int64
}

// PodAffinity are the terms of a class.
type PodAffinity struct {
	Required, RequiredAnti, Preferred, PreferredAnti []AffinityTerm
}

// Matches says whether the term selects pods of the class, whose namespace has the labels.
func (t *AffinityTerm) Matches(c *PodClass, namespaceLabels labels.Set) bool {
	_, named := slices.BinarySearch(t.Namespaces, c.Template.Namespace)
	return (named || t.NamespaceSelector.Matches(namespaceLabels)) && t.Selector.Matches(labels.Set(c.Template.Labels))
}

// Resolve is the term with the namespaces that its namespaceSelector selects at this moment, as the
// terms of a pod that is to be scheduled have them
// (pkg/scheduler/framework/plugins/interpodaffinity/plugin.go
// mergeAffinityTermNamespacesIfNotEmpty).
func (t AffinityTerm) Resolve(namespaces *Store[*v1.Namespace]) AffinityTerm {
	if t.NamespaceSelector.Empty() {
		return t
	}
	names := slices.Clone(t.Namespaces)
	for _, n := range namespaces.All() {
		if t.NamespaceSelector.Matches(labels.Set(n.Labels)) {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	t.Namespaces, t.NamespaceSelector = slices.Compact(names), labels.Nothing()
	return t
}

// Key tells terms apart: two with the same key select the same pods. It says nothing of the topology
// key and the weight.
func (t *AffinityTerm) Key() string {
	return strings.Join(t.Namespaces, ",") + ";" + SelectorKey(t.NamespaceSelector) + ";" + SelectorKey(t.Selector)
}

// SelectorKey tells selectors apart. The text of one that selects everything is that of one that
// selects nothing.
func SelectorKey(s labels.Selector) string {
	if _, selectable := s.Requirements(); !selectable {
		return "!"
	}
	return s.String()
}

// compilePodAffinity follows k8s.io/kube-scheduler/framework/types.go GetAffinityTerms,
// GetWeightedAffinityTerms.
func (c *PodClass) compilePodAffinity() {
	a := c.Template.Spec.Affinity
	if a == nil {
		return
	}
	if p := a.PodAffinity; p != nil {
		c.PodAffinity.Required = c.terms(p.RequiredDuringSchedulingIgnoredDuringExecution)
		c.PodAffinity.Preferred = c.weighted(p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if p := a.PodAntiAffinity; p != nil {
		c.PodAffinity.RequiredAnti = c.terms(p.RequiredDuringSchedulingIgnoredDuringExecution)
		c.PodAffinity.PreferredAnti = c.weighted(p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func (c *PodClass) terms(terms []v1.PodAffinityTerm) []AffinityTerm {
	var list []AffinityTerm
	for i := range terms {
		list = append(list, c.term(&terms[i], 0))
	}
	return list
}

func (c *PodClass) weighted(terms []v1.WeightedPodAffinityTerm) []AffinityTerm {
	var list []AffinityTerm
	for i := range terms {
		list = append(list, c.term(&terms[i].PodAffinityTerm, int64(terms[i].Weight)))
	}
	return list
}

// term compiles a term. Without namespaces and without a namespaceSelector it is about the pod's own
// namespace.
func (c *PodClass) term(t *v1.PodAffinityTerm, weight int64) AffinityTerm {
	namespaces := slices.Sorted(slices.Values(t.Namespaces))
	if len(namespaces) == 0 && t.NamespaceSelector == nil {
		namespaces = []string{c.Template.Namespace}
	}
	return AffinityTerm{
		Namespaces:        slices.Compact(namespaces),
		NamespaceSelector: Selector(t.NamespaceSelector),
		Selector:          Selector(t.LabelSelector),
		TopologyKey:       t.TopologyKey,
		Weight:            weight,
	}
}

// Selector is a label selector in its compiled form. Validation admits none that cannot be parsed; one
// that cannot selects nothing.
func Selector(s *metav1.LabelSelector) labels.Selector {
	compiled, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return labels.Nothing()
	}
	return compiled
}

// NamespaceLabels are the labels of the namespace of a class; none when the namespace is not known
// (pkg/scheduler/framework/plugins/interpodaffinity/plugin.go GetNamespaceLabelsSnapshot).
func (c *PodClass) NamespaceLabels(namespaces *Store[*v1.Namespace]) labels.Set {
	if n, ok := namespaces.Get(c.Template.Namespace); ok {
		return n.Labels
	}
	return nil
}
