package scenarios

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// checkSpread follows pkg/apis/core/validation/validation.go validateTopologySpreadConstraints.
func (c *checker) checkSpread(path string, constraints []v1.TopologySpreadConstraint) {
	for i := range constraints {
		k, path := &constraints[i], fmt.Sprintf("%s.topologySpreadConstraints[%d]", path, i)
		if k.MaxSkew < 1 {
			c.errorf(path+".maxSkew", "is %d, must be above 0", k.MaxSkew)
		}
		if k.TopologyKey == "" {
			c.errorf(path+".topologyKey", "is missing")
		}
		if k.WhenUnsatisfiable == "" {
			c.errorf(path+".whenUnsatisfiable", "is missing, want DoNotSchedule or ScheduleAnyway")
		}
		c.checkOneOf(path+".whenUnsatisfiable", string(k.WhenUnsatisfiable), string(v1.DoNotSchedule), string(v1.ScheduleAnyway))
		if d := k.MinDomains; d != nil && *d < 1 {
			c.errorf(path+".minDomains", "is %d, must be above 0", *d)
		} else if d != nil && k.WhenUnsatisfiable == v1.ScheduleAnyway {
			c.errorf(path+".minDomains", "is allowed with whenUnsatisfiable DoNotSchedule only")
		}
		c.checkPolicy(path+".nodeAffinityPolicy", k.NodeAffinityPolicy)
		c.checkPolicy(path+".nodeTaintsPolicy", k.NodeTaintsPolicy)
		c.checkSelected(path, k.LabelSelector, k.MatchLabelKeys, nil)
		for j := range constraints[:i] {
			if o := &constraints[j]; o.TopologyKey == k.TopologyKey && o.WhenUnsatisfiable == k.WhenUnsatisfiable {
				c.errorf(path, "has the topologyKey and whenUnsatisfiable of topologySpreadConstraints[%d]", j)
			}
		}
	}
}

func (c *checker) checkPolicy(path string, policy *v1.NodeInclusionPolicy) {
	if policy != nil {
		c.checkOneOf(path, string(*policy), string(v1.NodeInclusionPolicyHonor), string(v1.NodeInclusionPolicyIgnore))
	}
}

// checkSelected checks a label selector and the label keys that are merged into it
// (ValidateMatchLabelKeysAndMismatchLabelKeys).
func (c *checker) checkSelected(path string, selector *metav1.LabelSelector, match, mismatch []string) {
	if _, err := metav1.LabelSelectorAsSelector(selector); err != nil {
		c.errorf(path+".labelSelector", "is not valid: %v", err)
	}
	c.checkKeys(path+".matchLabelKeys", selector, match)
	c.checkKeys(path+".mismatchLabelKeys", selector, mismatch)
	for _, key := range match {
		if slices.Contains(mismatch, key) {
			c.errorf(path+".mismatchLabelKeys", "has %s, which matchLabelKeys has too", quoted(key))
		}
		if selector != nil && selects(selector, key) {
			c.errorf(path+".matchLabelKeys", "has %s, which labelSelector has too", quoted(key))
		}
	}
}

func (c *checker) checkKeys(path string, selector *metav1.LabelSelector, keys []string) {
	if selector == nil && len(keys) > 0 {
		c.errorf(path, "is allowed with a labelSelector only")
	}
	for _, key := range keys {
		for _, why := range validation.IsQualifiedName(key) {
			c.errorf(path, "has %s, which is not valid: %s", quoted(key), why)
		}
	}
}

func selects(s *metav1.LabelSelector, key string) bool {
	if _, ok := s.MatchLabels[key]; ok {
		return true
	}
	return slices.ContainsFunc(s.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool { return r.Key == key })
}

// checkPodAffinity follows validation.go validatePodAffinity and validatePodAntiAffinity.
func (c *checker) checkPodAffinity(path string, a *v1.Affinity) {
	if a == nil {
		return
	}
	if p := a.PodAffinity; p != nil {
		c.checkTerms(path+".affinity.podAffinity", p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if p := a.PodAntiAffinity; p != nil {
		c.checkTerms(path+".affinity.podAntiAffinity", p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func (c *checker) checkTerms(path string, required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm) {
	for i := range required {
		c.checkTerm(fmt.Sprintf("%s.requiredDuringSchedulingIgnoredDuringExecution[%d]", path, i), &required[i])
	}
	for i := range preferred {
		path := fmt.Sprintf("%s.preferredDuringSchedulingIgnoredDuringExecution[%d]", path, i)
		if w := preferred[i].Weight; w < 1 || w > 100 {
			c.errorf(path+".weight", "is %d, must be from 1 to 100", w)
		}
		c.checkTerm(path+".podAffinityTerm", &preferred[i].PodAffinityTerm)
	}
}

func (c *checker) checkTerm(path string, t *v1.PodAffinityTerm) {
	if t.TopologyKey == "" {
		c.errorf(path+".topologyKey", "is missing")
	} else {
		c.checkLabels(path+".topologyKey", map[string]string{t.TopologyKey: ""})
	}
	c.checkSelected(path, t.LabelSelector, t.MatchLabelKeys, t.MismatchLabelKeys)
	if _, err := metav1.LabelSelectorAsSelector(t.NamespaceSelector); err != nil {
		c.errorf(path+".namespaceSelector", "is not valid: %v", err)
	}
	for _, name := range t.Namespaces {
		c.checkName(path+".namespaces", name, validation.IsDNS1123Label)
	}
}
