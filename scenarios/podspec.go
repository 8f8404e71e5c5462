package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	nodeaffinity "k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"podsim/model"
)

// checkPodSpec follows pkg/apis/core/validation/validation.go ValidatePodSpec.
func (c *checker) checkPodSpec(path string, spec *v1.PodSpec) {
	c.checkOneOf(path+".restartPolicy", string(spec.RestartPolicy), "Always", "OnFailure", "Never")
	c.checkOneOf(path+".dnsPolicy", string(spec.DNSPolicy), "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
	if grace := spec.TerminationGracePeriodSeconds; grace != nil {
		c.checkNotNegative(path+".terminationGracePeriodSeconds", *grace)
	}
	if d := spec.ActiveDeadlineSeconds; d != nil && (*d < 1 || *d > math.MaxInt32) {
		c.errorf(path+".activeDeadlineSeconds", "is %d, must be from 1 to %d", *d, math.MaxInt32)
	}
	if spec.NodeName != "" {
		c.checkName(path+".nodeName", spec.NodeName, validation.IsDNS1123Subdomain)
	}
	c.checkLabels(path+".nodeSelector", spec.NodeSelector)
	c.checkNodeAffinity(path, spec.Affinity)
	c.checkPodAffinity(path, spec.Affinity)
	c.checkSpread(path, spec.TopologySpreadConstraints)
	c.checkTolerations(path, spec.Tolerations)
	volumes := c.checkVolumes(path, spec.Volumes)
	if n := len(spec.InitContainers) + len(spec.Containers); n > model.MaxContainers {
		c.errorf(path+".containers", "makes %d containers with the init containers, podsim simulates up to %d in a pod", n, model.MaxContainers)
	}
	c.checkContainers(path, spec, volumes)
	c.checkAmounts(path+".overhead", spec.Overhead)
	c.checkPodResources(path+".resources", spec)
}

func (c *checker) checkNodeAffinity(path string, a *v1.Affinity) {
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return
	}
	path += ".affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
	required := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if len(required.NodeSelectorTerms) == 0 {
		c.errorf(path+".nodeSelectorTerms", "is missing or empty: give at least one term")
		return
	}
	if _, err := nodeaffinity.NewNodeSelector(required); err != nil {
		c.errorf(path, "is not valid: %v", err)
	}
}

func (c *checker) checkTolerations(path string, tolerations []v1.Toleration) {
	for i := range tolerations {
		t, path := &tolerations[i], fmt.Sprintf("%s.tolerations[%d]", path, i)
		c.checkOneOf(path+".operator", string(t.Operator), "Equal", "Exists", "Lt", "Gt")
		c.checkOneOf(path+".effect", string(t.Effect), "NoSchedule", "PreferNoSchedule", "NoExecute")
		if t.Key == "" && t.Operator != v1.TolerationOpExists {
			c.errorf(path+".operator", "must be Exists when there is no key")
		}
		if t.Operator == v1.TolerationOpExists && t.Value != "" {
			c.errorf(path+".value", "must be left out with the operator Exists")
		}
		if t.TolerationSeconds != nil && t.Effect != v1.TaintEffectNoExecute {
			c.errorf(path+".tolerationSeconds", "is only for the effect NoExecute")
		}
	}
}

// checkVolumes gives back the names of the volumes.
func (c *checker) checkVolumes(path string, volumes []v1.Volume) []string {
	names := make([]string, 0, len(volumes))
	seen := map[string]bool{}
	for i := range volumes {
		path := fmt.Sprintf("%s.volumes[%d].name", path, i)
		c.checkLabelName(path, volumes[i].Name, seen)
		names = append(names, volumes[i].Name)
	}
	return names
}

// checkLabelName checks the name of a container or volume, which must be there once.
func (c *checker) checkLabelName(path, name string, seen map[string]bool) {
	switch {
	case name == "":
		c.errorf(path, "is missing")
	case seen[name]:
		c.errorf(path, "%s is there twice: names must differ", quoted(name))
	default:
		c.checkName(path, name, validation.IsDNS1123Label)
	}
	seen[name] = true
}

func (c *checker) checkContainers(path string, spec *v1.PodSpec, volumes []string) {
	if len(spec.Containers) == 0 {
		c.errorf(path+".containers", "is missing or empty: a pod needs a container")
	}
	seen := map[string]bool{}
	for i := range spec.InitContainers {
		k, path := &spec.InitContainers[i], fmt.Sprintf("%s.initContainers[%d]", path, i)
		c.checkContainer(path, k, seen, volumes)
		if k.RestartPolicy == nil || *k.RestartPolicy != v1.ContainerRestartPolicyAlways {
			c.checkPlainInit(path, k)
		}
	}
	for i := range spec.Containers {
		path := fmt.Sprintf("%s.containers[%d]", path, i)
		c.checkContainer(path, &spec.Containers[i], seen, volumes)
	}
}

// checkPlainInit refuses what only a sidecar may have.
func (c *checker) checkPlainInit(path string, k *v1.Container) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"lifecycle", k.Lifecycle != nil},
		{"livenessProbe", k.LivenessProbe != nil},
		{"readinessProbe", k.ReadinessProbe != nil},
		{"startupProbe", k.StartupProbe != nil},
	} {
		if f.set {
			c.errorf(path+"."+f.name, "must be left out in an init container without restartPolicy Always")
		}
	}
}

func (c *checker) checkContainer(path string, k *v1.Container, seen map[string]bool, volumes []string) {
	c.checkLabelName(path+".name", k.Name, seen)
	switch {
	case k.Image == "":
		c.errorf(path+".image", "is missing")
	case strings.TrimSpace(k.Image) != k.Image:
		c.errorf(path+".image", "%s must not begin or end with a space", quoted(k.Image))
	}
	c.checkOneOf(path+".imagePullPolicy", string(k.ImagePullPolicy), "Always", "IfNotPresent", "Never")
	if k.RestartPolicy != nil {
		c.checkOneOf(path+".restartPolicy", string(*k.RestartPolicy), "Always", "OnFailure", "Never")
	}
	c.checkRestartRules(path, k)
	c.checkOneOf(path+".terminationMessagePolicy", string(k.TerminationMessagePolicy), "File", "FallbackToLogsOnError")
	c.checkRequirements(path+".resources", &k.Resources)
	for i := range k.Ports {
		c.checkContainerPort(fmt.Sprintf("%s.ports[%d]", path, i), &k.Ports[i])
	}
	for i, m := range k.VolumeMounts {
		if !slices.Contains(volumes, m.Name) {
			c.errorf(fmt.Sprintf("%s.volumeMounts[%d].name", path, i), "%s is not one of the pod's volumes%s",
				quoted(m.Name), didYouMean(m.Name, volumes))
		}
	}
	c.checkProbe(path+".livenessProbe", k.LivenessProbe, true)
	c.checkProbe(path+".readinessProbe", k.ReadinessProbe, false)
	c.checkProbe(path+".startupProbe", k.StartupProbe, true)
	if k.Lifecycle != nil {
		c.checkHook(path+".lifecycle.postStart", k.Lifecycle.PostStart)
		c.checkHook(path+".lifecycle.preStop", k.Lifecycle.PreStop)
	}
}

// checkRestartRules follows validateContainerRestartPolicy.
func (c *checker) checkRestartRules(path string, k *v1.Container) {
	const mostRules, mostCodes = 20, 255
	if k.RestartPolicy == nil && len(k.RestartPolicyRules) > 0 {
		c.errorf(path+".restartPolicyRules", "needs a restartPolicy of the container")
	}
	if n := len(k.RestartPolicyRules); n > mostRules {
		c.errorf(path+".restartPolicyRules", "has %d rules, must have at most %d", n, mostRules)
	}
	for i := range k.RestartPolicyRules {
		rule, path := &k.RestartPolicyRules[i], fmt.Sprintf("%s.restartPolicyRules[%d]", path, i)
		c.checkOneOf(path+".action", string(rule.Action), "Restart", "RestartAllContainers")
		if rule.Action == "" {
			c.errorf(path+".action", "is missing, want Restart or RestartAllContainers")
		}
		if rule.ExitCodes == nil {
			c.errorf(path+".exitCodes", "is missing")
			continue
		}
		c.checkOneOf(path+".exitCodes.operator", string(rule.ExitCodes.Operator), "In", "NotIn")
		if rule.ExitCodes.Operator == "" {
			c.errorf(path+".exitCodes.operator", "is missing, want In or NotIn")
		}
		if n := len(rule.ExitCodes.Values); n > mostCodes {
			c.errorf(path+".exitCodes.values", "has %d exit codes, must have at most %d", n, mostCodes)
		}
	}
}

func (c *checker) checkContainerPort(path string, p *v1.ContainerPort) {
	c.checkPort(path+".containerPort", p.ContainerPort)
	if p.HostPort != 0 {
		c.checkPort(path+".hostPort", p.HostPort)
	}
	c.checkOneOf(path+".protocol", string(p.Protocol), "TCP", "UDP", "SCTP")
}

func (c *checker) checkRequirements(path string, r *v1.ResourceRequirements) {
	c.checkAmounts(path+".limits", r.Limits)
	c.checkAmounts(path+".requests", r.Requests)
	for _, name := range sortedNames(r.Requests) {
		request, limit := r.Requests[name], r.Limits[name]
		if _, limited := r.Limits[name]; limited && request.Cmp(limit) > 0 {
			c.errorf(join(path+".requests", string(name)), "is %s, must not be above the limit (%s)", request.String(), limit.String())
		}
	}
}

func sortedNames(list v1.ResourceList) []v1.ResourceName {
	names := make([]v1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// checkAmounts refuses negative amounts and resources that do not exist: one without a
// domain must be one of Kubernetes' own.
func (c *checker) checkAmounts(path string, list v1.ResourceList) {
	own := []string{"cpu", "memory", "ephemeral-storage", "storage", "pods"}
	for _, name := range sortedNames(list) {
		q, at := list[name], join(path, string(name))
		if q.Sign() < 0 {
			c.errorf(at, "is %s, must be 0 or more", q.String())
		}
		s := string(name)
		if !strings.Contains(s, "/") && !strings.HasPrefix(s, v1.ResourceHugePagesPrefix) &&
			!strings.HasPrefix(s, v1.ResourceAttachableVolumesPrefix) && !slices.Contains(own, s) {
			c.errorf(at, "is no resource, want cpu, memory, ephemeral-storage, hugepages-SIZE or a name with a domain%s", didYouMean(s, own))
		}
	}
}

func (c *checker) checkProbe(path string, p *v1.Probe, onlyOneSuccess bool) {
	if p == nil {
		return
	}
	handlers := count(p.Exec != nil, p.HTTPGet != nil, p.TCPSocket != nil, p.GRPC != nil)
	if handlers != 1 {
		c.errorf(path, "has %d handlers, want one of exec, httpGet, tcpSocket or grpc", handlers)
	}
	for _, f := range []struct {
		name  string
		value int32
	}{
		{"initialDelaySeconds", p.InitialDelaySeconds}, {"timeoutSeconds", p.TimeoutSeconds},
		{"periodSeconds", p.PeriodSeconds}, {"successThreshold", p.SuccessThreshold},
		{"failureThreshold", p.FailureThreshold},
	} {
		c.checkNotNegative(path+"."+f.name, int64(f.value))
	}
	if onlyOneSuccess && p.SuccessThreshold > 1 {
		c.errorf(path+".successThreshold", "is %d, must be 1", p.SuccessThreshold)
	}
	if grace := p.TerminationGracePeriodSeconds; grace != nil && (*grace < 1 || !onlyOneSuccess) {
		c.errorf(path+".terminationGracePeriodSeconds", "must be 1 or more, and left out of a readinessProbe")
	}
}

func (c *checker) checkHook(path string, h *v1.LifecycleHandler) {
	if h == nil {
		return
	}
	if n := count(h.Exec != nil, h.HTTPGet != nil, h.TCPSocket != nil, h.Sleep != nil); n != 1 {
		c.errorf(path, "has %d handlers, want one of exec, httpGet, tcpSocket or sleep", n)
	}
	if h.Sleep != nil {
		c.checkNotNegative(path+".sleep.seconds", h.Sleep.Seconds)
	}
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}
