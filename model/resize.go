package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
	resourcehelper "k8s.io/component-helpers/resource"
)

// Resized is the template of a pod of t after a patch of its resize subresource: the requests and
// limits of a container change, with no name those of the pod as a whole; what they do not name stays.
// It is t itself when nothing changes. The error is the API server's, without the pod's name
// (pkg/registry/core/pod/strategy.go podResizeStrategy, pkg/apis/core/validation/validation.go
// ValidatePodResize).
func (s *State) Resized(t *PodTemplate, container string, requests, limits v1.ResourceList) (*PodTemplate, error) {
	if _, ok := t.Annotations[v1.MirrorPodAnnotationKey]; ok {
		return nil, field.Forbidden(field.NewPath(""), "static pods cannot be resized")
	}
	spec := t.Spec.DeepCopy()
	target, err := resizeTarget(spec, container)
	if err != nil {
		return nil, err
	}
	target.Requests = patched(target.Requests, requests)
	target.Limits = patched(target.Limits, limits)
	DefaultPodSpec(spec)
	defaultPodOnly(spec)
	defaultPodResources(spec)
	if apiequality.Semantic.DeepEqual(spec, t.Spec) {
		return t, nil
	}
	if err := validateResize(spec, t.Spec); err != nil {
		return nil, err
	}
	return s.variant(t, spec), nil
}

func resizeTarget(spec *v1.PodSpec, container string) (*v1.ResourceRequirements, error) {
	if container == "" {
		if spec.Resources == nil {
			spec.Resources = &v1.ResourceRequirements{}
		}
		return spec.Resources, nil
	}
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if list[i].Name == container {
				return &list[i].Resources, nil
			}
		}
	}
	return nil, field.Forbidden(field.NewPath("spec", "containers"), "containers may not be added or removed on resize")
}

func patched(list, change v1.ResourceList) v1.ResourceList {
	if list == nil && len(change) > 0 {
		list = v1.ResourceList{}
	}
	for name, q := range change {
		list[name] = q.DeepCopy()
	}
	return list
}

// variant is the template of a pod of t with another specification of resources. All pods that are
// resized alike share it.
func (s *State) variant(t *PodTemplate, spec *v1.PodSpec) *PodTemplate {
	if t.variants == nil {
		t.variants = &variants{templates: []*PodTemplate{t}}
	}
	for _, x := range t.variants.templates {
		if apiequality.Semantic.DeepEqual(x.Spec, spec) {
			return x
		}
	}
	x := s.Compile(t.Namespace, t.Labels, t.Annotations, spec)
	x.variants = t.variants
	x.variants.templates = append(x.variants.templates, x)
	return x
}

// variants are the templates of pods that differ in their resources only, because they were resized.
type variants struct{ templates, sums []*PodTemplate }

// HeldBy is the template of what a pod counts with on its node: of each request the largest of what
// the pod asks for, of what its kubelet has allocated and of what is in force. An infeasible resize
// does not count (k8s.io/component-helpers/resource PodRequests with UseStatusResources).
func (s *State) HeldBy(p *Pod) *PodTemplate {
	if r := p.Status.Resize; r != nil && r.Infeasible() {
		return s.Held(s.Templates[p.Status.Allocated], &p.Status)
	}
	return s.Held(p.Template, &p.Status)
}

// Held is the same for a pod that asks for the resources of t.
func (s *State) Held(t *PodTemplate, st *PodStatus) *PodTemplate {
	if st.Allocated == 0 || st.Allocated == t.ID && st.Cgroup == t.ID {
		return t
	}
	t = s.larger(t, s.Templates[st.Allocated])
	// The memory requests that status.resources shows are those that are allocated.
	actual := s.Templates[st.Cgroup]
	if actual.Requests.MilliCPU <= t.Requests.MilliCPU {
		return t
	}
	return s.sum(t, Resources{MilliCPU: actual.Requests.MilliCPU, Memory: t.Requests.Memory},
		max(t.PlacedMilliCPU, actual.PlacedMilliCPU), t.PlacedMemory)
}

// larger has the larger requests of two templates of a pod.
func (s *State) larger(a, b *PodTemplate) *PodTemplate {
	x, y := &a.Requests, &b.Requests
	switch {
	case x.MilliCPU >= y.MilliCPU && x.Memory >= y.Memory:
		return a
	case y.MilliCPU >= x.MilliCPU && y.Memory >= x.Memory:
		return b
	}
	return s.sum(a, Resources{MilliCPU: max(x.MilliCPU, y.MilliCPU), Memory: max(x.Memory, y.Memory)},
		max(a.PlacedMilliCPU, b.PlacedMilliCPU), max(a.PlacedMemory, b.PlacedMemory))
}

// sum is t with other requests of CPU and memory: no pod is made of it, it only counts on a node.
func (s *State) sum(t *PodTemplate, r Resources, placedCPU, placedMemory int64) *PodTemplate {
	for _, x := range t.variants.sums {
		if x.Requests.MilliCPU == r.MilliCPU && x.Requests.Memory == r.Memory && x.PlacedMilliCPU == placedCPU && x.PlacedMemory == placedMemory {
			return x
		}
	}
	x := *t
	x.ID = TemplateID(len(s.Templates))
	x.Requests.MilliCPU, x.Requests.Memory = r.MilliCPU, r.Memory
	x.PlacedMilliCPU, x.PlacedMemory = placedCPU, placedMemory
	s.Templates = append(s.Templates, &x)
	t.variants.sums = append(t.variants.sums, &x)
	return &x
}

// validateResize follows ValidatePodResize as far as a patch of requests and limits can go wrong.
func validateResize(spec, old *v1.PodSpec) error {
	var errs field.ErrorList
	path := field.NewPath("spec")
	errs = append(errs, aboveLimits(spec, path)...)
	if was := PodQOS(old); was != PodQOS(spec) {
		errs = append(errs, field.Invalid(path, was, "Pod QOS Class may not change as a result of resizing"))
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		if c.RestartPolicy == nil && !apiequality.Semantic.DeepEqual(c.Resources, old.InitContainers[i].Resources) && restartsOnResize(c) {
			errs = append(errs, field.Forbidden(path.Child("initContainers").Index(i),
				"non-sidecar init containers with a resize policy of RestartContainer cannot be resized"))
		}
	}
	if err := errs.ToAggregate(); err != nil {
		return err
	}
	return nil
}

func restartsOnResize(c *v1.Container) bool {
	return slices.ContainsFunc(c.ResizePolicy, func(p v1.ContainerResizePolicy) bool { return p.RestartPolicy == v1.RestartContainer })
}

// aboveLimits are the requests above their limits, and what containers have above what the pod has as
// a whole (validateContainerResourceRequirements, validatePodResourceConsistency).
func aboveLimits(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	check := func(r *v1.ResourceRequirements, path *field.Path) {
		for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
			request, limit := r.Requests[name], r.Limits[name]
			if _, limited := r.Limits[name]; limited && request.Cmp(limit) > 0 {
				errs = append(errs, field.Invalid(path.Child("requests"), request.String(),
					fmt.Sprintf("must be less than or equal to %s limit of %s", name, limit.String())))
			}
		}
	}
	for i := range spec.InitContainers {
		check(&spec.InitContainers[i].Resources, path.Child("initContainers").Index(i).Child("resources"))
	}
	for i := range spec.Containers {
		check(&spec.Containers[i].Resources, path.Child("containers").Index(i).Child("resources"))
	}
	if spec.Resources != nil {
		check(spec.Resources, path.Child("resources"))
		errs = append(errs, abovePod(spec, path.Child("resources"))...)
	}
	return errs
}

func abovePod(spec *v1.PodSpec, path *field.Path) (errs field.ErrorList) {
	requests := resourcehelper.AggregateContainerRequests(&v1.Pod{Spec: *spec}, resourcehelper.PodResourcesOptions{})
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		sum := requests[name]
		if pod, ok := spec.Resources.Requests[name]; ok && sum.Cmp(pod) > 0 {
			errs = append(errs, field.Invalid(path.Child("requests").Key(string(name)), pod.String(),
				"must be greater than or equal to aggregate container requests of "+sum.String()))
		}
		for i := range spec.Containers {
			limit := spec.Containers[i].Resources.Limits[name]
			if pod, ok := spec.Resources.Limits[name]; ok && limit.Cmp(pod) > 0 {
				errs = append(errs, field.Invalid(path.Child("containers").Index(i).Key(string(name)).Child("limits"), limit.String(),
					"must be less than or equal to pod limits of "+pod.String()))
			}
		}
	}
	return errs
}

// FitsAllocatable is the admission plugin PodResize: the error says what of a template a node could
// never give (plugin/pkg/admission/podresize/admission.go validateRequestsWithinAllocatable).
func (t *PodTemplate) FitsAllocatable(allocatable *Resources) error {
	var msg []string
	if r := t.Requests.MilliCPU; r > allocatable.MilliCPU {
		msg = append(msg, fmt.Sprintf("cpu, requested: %d, allocatable: %d", r, allocatable.MilliCPU))
	}
	if r := t.Requests.Memory; r > allocatable.Memory {
		msg = append(msg, fmt.Sprintf("memory, requested: %d, allocatable: %d", r, allocatable.Memory))
	}
	if len(msg) == 0 {
		return nil
	}
	return errors.New("node didn't have enough allocatable resources: " + strings.Join(msg, "; "))
}

// ResizeConditions are the conditions of a pod whose resize is not done. They do not change once they
// are in a status.
type ResizeConditions struct {
	// Pending is PodResizePending, InProgress PodResizeInProgress; absent where it is not set.
	Pending, InProgress Condition
	// PendingGeneration and InProgressGeneration are their observedGeneration.
	PendingGeneration, InProgressGeneration int64
}

// Infeasible says that the node can never do what the pod asks for.
func (c *ResizeConditions) Infeasible() bool { return c.Pending.Reason == ReasonInfeasible }

// sameConditions compares what a reader of the API sees.
func sameConditions(a, b *ResizeConditions) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// resizeSummary is what the Events of a resize say (pkg/kubelet/events/resize.go podResourceSummary).
type resizeSummary struct {
	InitContainers []containerSummary `json:"initContainers,omitempty"`
	Containers     []containerSummary `json:"containers,omitempty"`
	Generation     int64              `json:"generation"`
	Error          string             `json:"error,omitempty"`
}

type containerSummary struct {
	Name      string                  `json:"name"`
	Resources v1.ResourceRequirements `json:"resources"`
}

// ResizeSummary is the JSON in an Event about a resize.
func (t *PodTemplate) ResizeSummary(generation int64, problem string) string {
	x := resizeSummary{Generation: generation, Error: problem}
	for i := range t.Spec.InitContainers {
		x.InitContainers = append(x.InitContainers, containerSummary{t.Spec.InitContainers[i].Name, t.Spec.InitContainers[i].Resources})
	}
	for i := range t.Spec.Containers {
		x.Containers = append(x.Containers, containerSummary{t.Spec.Containers[i].Name, t.Spec.Containers[i].Resources})
	}
	data, err := json.Marshal(&x)
	if err != nil {
		panic("model: resources are not JSON: " + err.Error())
	}
	return string(data)
}

// ResizeMessage makes the message of an Event about a resize to t.
func ResizeMessage(kind MessageKind, t *PodTemplate, generation int64, problem Text) Message {
	return Message{Kind: kind, N: int64(t.ID)<<32 | generation, Text: problem}
}

// resizeWords puts such a message into words.
func (s *State) resizeWords(m Message) string {
	t, generation := s.Templates[m.N>>32], m.N&(1<<32-1)
	return resizePrefixes[m.Kind-MessageResizeStarted] + ": " + t.ResizeSummary(generation, s.Texts.String(m.Text))
}

var resizePrefixes = [...]string{"Pod resize started", "Pod resize completed", "Pod resize error"}

// ReportedResources is what a status shows of a container that was allocated some resources and has
// others in force (pkg/kubelet/kubelet_pods.go convertContainerStatusResources).
func ReportedResources(allocated, actual *v1.ResourceRequirements) v1.ResourceRequirements {
	r := *allocated.DeepCopy()
	for _, x := range [...]struct{ to, from v1.ResourceList }{{r.Limits, actual.Limits}, {r.Requests, actual.Requests}} {
		for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
			if q, ok := x.from[name]; ok && x.to != nil {
				x.to[name] = q.DeepCopy()
			}
		}
	}
	return r
}

// Allocation is status.allocatedResources of a pod that was allocated the resources of t.
func (t *PodTemplate) Allocation() v1.ResourceList {
	return resourcehelper.PodRequests(&v1.Pod{Spec: *t.Spec}, resourcehelper.PodResourcesOptions{})
}

// ReportedResources is status.resources of a pod: the template is what it was allocated, actual what its
// cgroup has, shown is what of them can be seen (convertToAPIPodLevelResourcesStatus).
func (t *PodTemplate) ReportedResources(actual *PodTemplate, shown ResourceSet) v1.ResourceRequirements {
	options := resourcehelper.PodResourcesOptions{}
	allocated, pod := &v1.Pod{Spec: *t.Spec}, &v1.Pod{Spec: *actual.Spec}
	var r v1.ResourceRequirements
	for _, x := range [...]struct {
		member ResourceSet
		to     *v1.ResourceList
		from   v1.ResourceList
		name   v1.ResourceName
	}{
		{RequestsCPU, &r.Requests, resourcehelper.PodRequests(pod, options), v1.ResourceCPU},
		{RequestsMemory, &r.Requests, resourcehelper.PodRequests(allocated, options), v1.ResourceMemory},
		{LimitsCPU, &r.Limits, resourcehelper.PodLimits(pod, options), v1.ResourceCPU},
		{LimitsMemory, &r.Limits, resourcehelper.PodLimits(pod, options), v1.ResourceMemory},
	} {
		if q, ok := x.from[x.name]; ok && shown&x.member != 0 {
			*x.to = patched(*x.to, v1.ResourceList{x.name: q})
		}
	}
	return r
}

// ContainerResources are the requests and limits of a container that can be changed in place:
// milli-cores and bytes, 0 for none.
type ContainerResources struct{ RequestCPU, RequestMemory, LimitCPU, LimitMemory int64 }

// ContainerResources are those of container i. Without a limit of its own it has the pod's
// (pkg/kubelet/util GetLimits).
func (t *PodTemplate) ContainerResources(i int) ContainerResources {
	c := &t.Containers[i]
	r := ContainerResources{c.Requests.MilliCPU, c.Requests.Memory, c.Limits.MilliCPU, c.Limits.Memory}
	if pod := t.Spec.Resources; pod != nil {
		if r.LimitCPU == 0 {
			r.LimitCPU = pod.Limits.Cpu().MilliValue()
		}
		if r.LimitMemory == 0 {
			r.LimitMemory = pod.Limits.Memory().Value()
		}
	}
	return r
}

// PodResources are those of the pod as a whole, zero when it has none.
func (t *PodTemplate) PodResources() ContainerResources {
	r := t.Spec.Resources
	if r == nil {
		return ContainerResources{}
	}
	return ContainerResources{r.Requests.Cpu().MilliValue(), r.Requests.Memory().Value(), r.Limits.Cpu().MilliValue(), r.Limits.Memory().Value()}
}

// Differs says that r and o have different requests or limits of a resource.
func (r *ContainerResources) Differs(o *ContainerResources, name v1.ResourceName) bool {
	if name == v1.ResourceCPU {
		return r.RequestCPU != o.RequestCPU || r.LimitCPU != o.LimitCPU
	}
	return r.RequestMemory != o.RequestMemory || r.LimitMemory != o.LimitMemory
}

// PodMemoryLimit is the memory limit of the pod's cgroup in bytes, 0 for none
// (pkg/kubelet/cm/helpers_linux.go ResourceConfigForPod).
func (t *PodTemplate) PodMemoryLimit() int64 {
	if t.CgroupResources&LimitsMemory == 0 {
		return 0
	}
	limits := resourcehelper.PodLimits(&v1.Pod{Spec: *t.Spec}, resourcehelper.PodResourcesOptions{})
	return limits.Memory().Value()
}
