package scenarios

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// checker refuses what the API server would refuse for other reasons than its type
// (pkg/apis/core/validation/validation.go, pkg/apis/apps/validation/validation.go). It
// checks what a run depends on, before defaults are applied; it is not all of upstream's
// validation.
type checker struct {
	d    *decoder
	node *yaml.Node
	// prefix is the path of the object in a file that holds more than it.
	prefix string
}

// errorf reports a mistake at a path in the object.
func (c *checker) errorf(path, format string, args ...any) {
	shown := path
	if c.prefix != "" {
		shown = c.prefix + "." + path
	}
	c.d.errorf(find(c.node, path), "%s %s", shown, fmt.Sprintf(format, args...))
}

// checkObject checks an object of any kind.
func (c *checker) checkObject(m *manifest) {
	c.checkMeta(m)
	switch o := m.Object.Object.(type) {
	case *v1.Pod:
		c.checkPodSpec("spec", &o.Spec)
	case *appsv1.Deployment:
		c.checkDeployment(o)
	case *appsv1.ReplicaSet:
		c.checkCount("spec.replicas", o.Spec.Replicas)
		c.checkNotNegative("spec.minReadySeconds", int64(o.Spec.MinReadySeconds))
		c.checkTemplate(o.Spec.Selector, &o.Spec.Template, "Always")
	case *appsv1.StatefulSet:
		c.checkCount("spec.replicas", o.Spec.Replicas)
		c.checkTemplate(o.Spec.Selector, &o.Spec.Template, "Always")
	case *appsv1.DaemonSet:
		c.checkTemplate(o.Spec.Selector, &o.Spec.Template, "Always")
	case *v1.Service:
		c.checkService(o)
	case *schedulingv1.PriorityClass:
		const highest = 1_000_000_000
		if o.Value > highest && !strings.HasPrefix(o.Name, "system-") {
			c.errorf("value", "is %d, must not be above %d", o.Value, highest)
		}
	}
}

func (c *checker) checkMeta(m *manifest) {
	meta := m.meta
	switch name := meta.GetName(); {
	case name == "" && meta.GetGenerateName() != "":
		c.errorf("metadata.generateName", "cannot be applied, give metadata.name")
	case name == "":
		c.errorf("metadata.name", "is missing")
	default:
		c.checkName("metadata.name", name, nameRule(m))
	}
	if ns := meta.GetNamespace(); ns != "" {
		c.checkName("metadata.namespace", ns, validation.IsDNS1123Label)
	}
	c.checkLabels("metadata.labels", meta.GetLabels())
	for _, key := range sortedKeys(meta.GetAnnotations()) {
		for _, why := range validation.IsQualifiedName(strings.ToLower(key)) {
			c.errorf(join("metadata.annotations", key), "has a key that is not valid: %s", why)
		}
	}
}

// nameRule is what a name of the object's kind must look like.
func nameRule(m *manifest) func(string) []string {
	if m.kind.Group == rbacv1.GroupName {
		return content.IsPathSegmentName
	}
	switch m.kind.Kind {
	case "Namespace", "Service":
		return validation.IsDNS1123Label
	}
	return validation.IsDNS1123Subdomain
}

func (c *checker) checkName(path, name string, rule func(string) []string) {
	if why := rule(name); len(why) > 0 {
		c.errorf(path, "%s is not valid: %s", quoted(name), why[0])
	}
}

func (c *checker) checkLabels(path string, set map[string]string) {
	for _, key := range sortedKeys(set) {
		if why := validation.IsQualifiedName(key); len(why) > 0 {
			c.errorf(join(path, key), "has a key that is not valid: %s", why[0])
		}
		if why := validation.IsValidLabelValue(set[key]); len(why) > 0 {
			c.errorf(join(path, key), "%s is not valid: %s", quoted(set[key]), why[0])
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (c *checker) checkCount(path string, n *int32) {
	if n != nil {
		c.checkNotNegative(path, int64(*n))
	}
}

func (c *checker) checkNotNegative(path string, n int64) {
	if n < 0 {
		c.errorf(path, "is %d, must be 0 or more", n)
	}
}

func (c *checker) checkOneOf(path, value string, allowed ...string) {
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	c.errorf(path, "is %s, want %s%s", quoted(value), either(allowed), didYouMean(value, allowed))
}

// either is "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (c *checker) checkDeployment(o *appsv1.Deployment) {
	spec := &o.Spec
	c.checkCount("spec.replicas", spec.Replicas)
	c.checkNotNegative("spec.minReadySeconds", int64(spec.MinReadySeconds))
	c.checkCount("spec.revisionHistoryLimit", spec.RevisionHistoryLimit)
	c.checkCount("spec.progressDeadlineSeconds", spec.ProgressDeadlineSeconds)
	deadline := int32(600)
	if spec.ProgressDeadlineSeconds != nil {
		deadline = *spec.ProgressDeadlineSeconds
	}
	if deadline <= spec.MinReadySeconds {
		c.errorf("spec.progressDeadlineSeconds", "is %d, must be more than minReadySeconds (%d)", deadline, spec.MinReadySeconds)
	}
	c.checkStrategy(&spec.Strategy)
	c.checkTemplate(spec.Selector, &spec.Template, "Always")
}

func (c *checker) checkStrategy(s *appsv1.DeploymentStrategy) {
	c.checkOneOf("spec.strategy.type", string(s.Type), "Recreate", "RollingUpdate")
	if s.RollingUpdate == nil {
		return
	}
	const path = "spec.strategy.rollingUpdate"
	if s.Type == appsv1.RecreateDeploymentStrategyType {
		c.errorf(path, "must be left out with the strategy Recreate")
	}
	surgeZero := c.checkPercent(path+".maxSurge", s.RollingUpdate.MaxSurge, false)
	unavailableZero := c.checkPercent(path+".maxUnavailable", s.RollingUpdate.MaxUnavailable, true)
	if surgeZero && unavailableZero {
		c.errorf(path+".maxUnavailable", "and maxSurge are both 0: one of them must be more")
	}
}

// checkPercent checks a number or a percentage and says whether it is 0.
func (c *checker) checkPercent(path string, x *intstr.IntOrString, most100 bool) (zero bool) {
	if x == nil {
		return false
	}
	n, percent := int(x.IntVal), x.Type == intstr.String
	if percent {
		var err error
		n, err = strconv.Atoi(strings.TrimSuffix(x.StrVal, "%"))
		if err != nil || !strings.HasSuffix(x.StrVal, "%") {
			c.errorf(path, "is %s, want a number or a percentage such as 25%%", quoted(x.StrVal))
			return false
		}
	}
	if n < 0 || percent && most100 && n > 100 {
		c.errorf(path, "is %s, must be %s", quoted(x.String()), map[bool]string{true: "from 0 to 100%", false: "0 or more"}[n > 0])
	}
	return n == 0
}

// checkTemplate checks a workload's pod template and that its selector selects it.
func (c *checker) checkTemplate(selector *metav1.LabelSelector, t *v1.PodTemplateSpec, restartPolicy ...string) {
	c.checkLabels("spec.template.metadata.labels", t.Labels)
	c.checkSelector(selector, t.Labels)
	c.checkPodSpec("spec.template.spec", &t.Spec)
	c.checkOneOf("spec.template.spec.restartPolicy", string(t.Spec.RestartPolicy), restartPolicy...)
	if t.Spec.ActiveDeadlineSeconds != nil {
		c.errorf("spec.template.spec.activeDeadlineSeconds", "must be left out in a workload whose pods run for ever")
	}
}

func (c *checker) checkSelector(selector *metav1.LabelSelector, set map[string]string) {
	if selector == nil || len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		c.errorf("spec.selector", "is missing or empty, want matchLabels that are among spec.template.metadata.labels")
		return
	}
	s, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		c.errorf("spec.selector", "is not valid: %v", err)
		return
	}
	if !s.Matches(labels.Set(set)) {
		path := "spec.selector"
		for _, key := range sortedKeys(selector.MatchLabels) {
			if value, ok := set[key]; !ok || value != selector.MatchLabels[key] {
				path = join("spec.selector.matchLabels", key)
				break
			}
		}
		c.errorf(path, "does not match the labels of spec.template (%s): they must be selected", labels.Set(set))
	}
}

func (c *checker) checkService(s *v1.Service) {
	c.checkOneOf("spec.type", string(s.Spec.Type), "ClusterIP", "NodePort", "LoadBalancer", "ExternalName")
	for i, p := range s.Spec.Ports {
		path := fmt.Sprintf("spec.ports[%d]", i)
		c.checkPort(path+".port", p.Port)
		c.checkOneOf(path+".protocol", string(p.Protocol), "TCP", "UDP", "SCTP")
		if len(s.Spec.Ports) > 1 && p.Name == "" {
			c.errorf(path+".name", "is missing: a Service with several ports must name them")
		}
	}
	if len(s.Spec.Ports) == 0 && s.Spec.ClusterIP != v1.ClusterIPNone && s.Spec.Type != v1.ServiceTypeExternalName {
		c.errorf("spec.ports", "is missing: a Service needs a port, unless it is headless")
	}
}

func (c *checker) checkPort(path string, port int32) {
	if port < 1 || port > 65535 {
		c.errorf(path, "is %d, must be from 1 to 65535", port)
	}
}
