package model

import (
	"slices"
	"strings"

	"github.com/distribution/reference"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// Compile makes a template of a specification and adds it to the state. The specification
// must have its defaults and admission applied (DefaultPodSpec, AdmitPodSpec) and must not
// change afterwards.
func (s *State) Compile(namespace string, labels, annotations map[string]string, spec *v1.PodSpec) *PodTemplate {
	if len(s.Templates) == 0 {
		s.Templates = append(s.Templates, nil)
	}
	t := &PodTemplate{
		ID:                    TemplateID(len(s.Templates)),
		Namespace:             namespace,
		Labels:                labels,
		Annotations:           annotations,
		Spec:                  spec,
		NumInit:               len(spec.InitContainers),
		QOS:                   PodQOS(spec),
		RestartPolicy:         spec.RestartPolicy,
		GraceSeconds:          deref(spec.TerminationGracePeriodSeconds, v1.DefaultTerminationGracePeriodSeconds),
		ActiveDeadlineSeconds: deref(spec.ActiveDeadlineSeconds, -1),
		Priority:              deref(spec.Priority, 0),
		HostNetwork:           spec.HostNetwork,
	}
	t.compileVolumes()
	for i := range spec.InitContainers {
		c := s.compileContainer(spec, &spec.InitContainers[i])
		c.Kind = InitContainer
		if c.RestartPolicy == RestartAlways {
			c.Kind = Sidecar
			t.HasSidecars = true
		}
		t.Containers = append(t.Containers, c)
	}
	for i := range spec.Containers {
		t.ByName = append(t.ByName, len(t.Containers))
		t.Containers = append(t.Containers, s.compileContainer(spec, &spec.Containers[i]))
	}
	slices.SortStableFunc(t.ByName, func(i, j int) int { return strings.Compare(t.Containers[i].Name, t.Containers[j].Name) })
	for i := range t.Containers {
		for _, r := range t.Containers[i].RestartRules {
			t.CanRestartAll = t.CanRestartAll || r.Action == v1.ContainerRestartRuleActionRestartAllContainers
		}
	}
	t.compileRequests()
	t.compileResourceSets()
	s.Templates = append(s.Templates, t)
	return t
}

func deref[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// compileResourceSets notes which requests and limits a pod has as a whole, and which of them its
// cgroup has: limits only if each container has one or the pod as a whole, and no request of less than a shares' minimum
// (pkg/kubelet/cm/helpers_linux.go ResourceConfigForPod, kubelet_pods.go
// convertToAPIPodLevelResourcesStatus).
func (t *PodTemplate) compileResourceSets() {
	whole := &v1.Pod{Spec: *t.Spec}
	requests := resourcehelper.PodRequests(whole, resourcehelper.PodResourcesOptions{})
	limits := resourcehelper.PodLimits(whole, resourcehelper.PodResourcesOptions{})
	for _, x := range []struct {
		set  ResourceSet
		list v1.ResourceList
		name v1.ResourceName
	}{{RequestsCPU, requests, v1.ResourceCPU}, {RequestsMemory, requests, v1.ResourceMemory},
		{LimitsCPU, limits, v1.ResourceCPU}, {LimitsMemory, limits, v1.ResourceMemory}} {
		if _, ok := x.list[x.name]; ok {
			t.AllocatedResources |= x.set
		}
	}
	const minShares = 2
	t.CgroupResources = t.AllocatedResources
	if requests.Cpu().MilliValue() <= minShares {
		t.CgroupResources &^= RequestsCPU
	}
	for i := range t.Containers {
		if t.Containers[i].Limits.MilliCPU == 0 {
			t.CgroupResources &^= LimitsCPU
		}
		if t.Containers[i].Limits.Memory == 0 {
			t.CgroupResources &^= LimitsMemory
		}
	}
	pod := t.PodResources()
	if pod.LimitCPU != 0 {
		t.CgroupResources |= LimitsCPU
	}
	if pod.LimitMemory != 0 {
		t.CgroupResources |= LimitsMemory
	}
}

// compileRequests follows pkg/scheduler/framework/types.go calculateResource.
func (t *PodTemplate) compileRequests() {
	pod := &v1.Pod{Spec: *t.Spec}
	t.Requests = ResourcesOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	t.Requests.Pods = 1
	missing := v1.ResourceList{
		v1.ResourceCPU:    *resource.NewMilliQuantity(100, resource.DecimalSI),
		v1.ResourceMemory: *resource.NewQuantity(200<<20, resource.DecimalSI),
	}
	nonZero := ResourcesOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{
		NonMissingContainerRequests: missing,
		SkipPodLevelResources:       true,
	}))
	t.NonZeroMilliCPU, t.NonZeroMemory = nonZero.MilliCPU, nonZero.Memory
	if resourcehelper.IsPodLevelRequestsSet(pod) {
		for name := range resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}) {
			delete(missing, name)
		}
	}
	placed := ResourcesOf(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{NonMissingContainerRequests: missing}))
	t.PlacedMilliCPU, t.PlacedMemory = placed.MilliCPU, placed.Memory
	t.StorageLimit = ResourcesOf(resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})).EphemeralStorage
	t.LocalLimits = t.StorageLimit > 0
	for i := range t.Spec.Volumes {
		dir := t.Spec.Volumes[i].EmptyDir
		t.LocalLimits = t.LocalLimits || dir != nil && dir.SizeLimit != nil && dir.SizeLimit.Sign() > 0
	}
}

// compileVolumes counts the volumes that containers use (pkg/kubelet/volumemanager
// getExpectedVolumes).
func (t *PodTemplate) compileVolumes() {
	for i := range t.Spec.Volumes {
		v := &t.Spec.Volumes[i]
		if !mounted(t.Spec, v.Name) {
			continue
		}
		t.Volumes++
		if s, ok := volumeSource(v); ok {
			t.VolumeSources = append(t.VolumeSources, s)
			t.HasClaims = t.HasClaims || s.Claim != ""
		}
	}
}

func mounted(spec *v1.PodSpec, volume string) bool {
	found := false
	eachContainer(spec, func(c *v1.Container) {
		for i := range c.VolumeMounts {
			found = found || c.VolumeMounts[i].Name == volume
		}
		for i := range c.VolumeDevices {
			found = found || c.VolumeDevices[i].Name == volume
		}
	})
	return found
}

func (s *State) compileContainer(spec *v1.PodSpec, c *v1.Container) Container {
	k := Container{
		Name:           c.Name,
		Image:          c.Image,
		RestartRules:   c.RestartPolicyRules,
		FallbackToLogs: c.TerminationMessagePolicy == v1.TerminationMessageFallbackToLogsOnError,
		Requests:       ResourcesOf(c.Resources.Requests),
		Limits:         ResourcesOf(c.Resources.Limits),
		EnvRefs:        envRefs(c),
		Probes:         [NumProbes]*Probe{Liveness: compileProbe(c, c.LivenessProbe), Readiness: compileProbe(c, c.ReadinessProbe), Startup: compileProbe(c, c.StartupProbe)},
	}
	k.RootForbidden, k.UserOfImage = nonRoot(spec.SecurityContext, c.SecurityContext)
	if name, err := WithDefaultTag(c.Image); err != nil {
		k.InvalidImage = err.Error()
	} else {
		k.ImageID = s.Image(name)
	}
	switch c.ImagePullPolicy {
	case v1.PullAlways:
		k.PullPolicy = PullAlways
	case v1.PullNever:
		k.PullPolicy = PullNever
	}
	if c.RestartPolicy != nil {
		switch *c.RestartPolicy {
		case v1.ContainerRestartPolicyAlways:
			k.RestartPolicy = RestartAlways
		case v1.ContainerRestartPolicyOnFailure:
			k.RestartPolicy = RestartOnFailure
		case v1.ContainerRestartPolicyNever:
			k.RestartPolicy = RestartNever
		}
	}
	if c.Lifecycle != nil {
		k.PostStart = compileHook(c.Lifecycle.PostStart)
		k.PreStop = compileHook(c.Lifecycle.PreStop)
	}
	return k
}

func compileProbe(c *v1.Container, p *v1.Probe) *Probe {
	if p == nil {
		return nil
	}
	q := &Probe{
		InitialDelay: Time(p.InitialDelaySeconds) * Second,
		Period:       Time(p.PeriodSeconds) * Second,
		Timeout:      Time(p.TimeoutSeconds) * Second,
		Success:      p.SuccessThreshold,
		Failure:      p.FailureThreshold,
		GraceSeconds: deref(p.TerminationGracePeriodSeconds, -1),
	}
	switch {
	case p.HTTPGet != nil:
		q.Handler = HandlerHTTP
		_, q.Invalid = containerPort(c, p.HTTPGet.Port)
	case p.TCPSocket != nil:
		q.Handler = HandlerTCP
		_, q.Invalid = containerPort(c, p.TCPSocket.Port)
	case p.GRPC != nil:
		q.Handler = HandlerGRPC
	}
	return q
}

func compileHook(h *v1.LifecycleHandler) *Hook {
	switch {
	case h == nil:
		return nil
	case h.Sleep != nil:
		return &Hook{Handler: HandlerSleep, Sleep: Time(h.Sleep.Seconds) * Second}
	case h.HTTPGet != nil:
		return &Hook{Handler: HandlerHTTP}
	case h.TCPSocket != nil:
		return &Hook{Handler: HandlerTCP}
	}
	return &Hook{Handler: HandlerExec}
}

// Image is the id of the image with this name, a new one when the name is new.
func (s *State) Image(name string) ImageID {
	if len(s.Images) == 0 {
		s.Images = append(s.Images, Image{})
	}
	for i := 1; i < len(s.Images); i++ {
		if s.Images[i].Name == name {
			return ImageID(i)
		}
	}
	s.Images = append(s.Images, Image{Name: name, Size: DefaultImageSize, Assumed: true})
	return ImageID(len(s.Images) - 1)
}

// WithDefaultTag adds ":latest" to an image name that has neither tag nor digest. It is an
// error when the name cannot be parsed (pkg/kubelet/images/image_manager.go
// applyDefaultImageTag).
func WithDefaultTag(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", err
	}
	if reference.IsNameOnly(named) {
		return image + ":latest", nil
	}
	return image, nil
}

// Registry is the host that an image is pulled from.
func (i *Image) Registry() string {
	named, err := reference.ParseNormalizedNamed(i.Name)
	if err != nil {
		return ""
	}
	return reference.Domain(named)
}

// Repository is the image's name without tag and digest, its registry's host first.
func (i *Image) Repository() string {
	named, err := reference.ParseNormalizedNamed(i.Name)
	if err != nil {
		return ""
	}
	return named.Name()
}

// PodQOS is a pod's quality of service class (pkg/apis/core/v1/helper/qos ComputePodQOS).
func PodQOS(spec *v1.PodSpec) QOS {
	if spec.Resources != nil && (len(spec.Resources.Requests) > 0 || len(spec.Resources.Limits) > 0) {
		return requirementsQOS(spec.Resources)
	}
	var qos QOS
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			qos = mergeQOS(qos, requirementsQOS(&list[i].Resources))
		}
	}
	if qos == "" {
		return v1.PodQOSBestEffort
	}
	return qos
}

// mergeQOS is Burstable unless both are the same; the empty class is no class yet.
func mergeQOS(a, b QOS) QOS {
	if a == "" || a == b {
		return b
	}
	return v1.PodQOSBurstable
}

func requirementsQOS(r *v1.ResourceRequirements) QOS {
	if len(r.Requests) == 0 && len(r.Limits) == 0 {
		return v1.PodQOSBestEffort
	}
	var qos QOS
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		request, limit := r.Requests[name], r.Limits[name]
		one := v1.PodQOSBurstable
		switch {
		case request.IsZero() && limit.IsZero():
			one = v1.PodQOSBestEffort
		case !limit.IsZero() && request.Cmp(limit) == 0:
			one = v1.PodQOSGuaranteed
		}
		qos = mergeQOS(qos, one)
	}
	return qos
}

// Matches says whether name matches a pattern in which "*" stands for any characters. The
// empty pattern matches everything.
func Matches(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	head, tail, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	if tail == "" {
		return true
	}
	for i := 0; i <= len(name); i++ {
		if Matches(tail, name[i:]) {
			return true
		}
	}
	return false
}
