package model

import v1 "k8s.io/api/core/v1"

// PodTemplate is a pod's specification compiled once and shared by all pods made from it.
// Nothing changes it after Compile.
type PodTemplate struct {
	ID          TemplateID
	Namespace   string
	Labels      map[string]string
	Annotations map[string]string
	// Spec is the specification with the API server's defaults and admission applied.
	Spec *v1.PodSpec

	// Containers holds the init containers in their order and then the containers: the
	// index of a container in every slice of the pod. NumInit of them are init containers.
	Containers []Container
	NumInit    int
	// ByName are the indexes of those that are not init containers, in the order of their names.
	ByName []int

	QOS           QOS
	RestartPolicy v1.RestartPolicy
	// GraceSeconds is spec.terminationGracePeriodSeconds.
	GraceSeconds int64
	// ActiveDeadlineSeconds is spec.activeDeadlineSeconds, -1 when absent.
	ActiveDeadlineSeconds int64
	Priority              int32
	HostNetwork           bool
	// Static says that the pod is of a manifest on its node: the object in the API server is its mirror.
	Static bool
	// HasSidecars says that some init container is restartable.
	HasSidecars bool
	// Volumes is the number of volumes that must be mounted before the sandbox is made: those
	// that a container mounts. VolumeSources are those of them that need something that may not be there; HasClaims says that
	// some need PersistentVolumeClaims.
	Volumes       int
	VolumeSources []VolumeSource
	HasClaims     bool
	// LocalLimits says that the pod has a limit on local storage: an emptyDir's sizeLimit, or
	// StorageLimit, the sum of its containers' limits on ephemeral-storage in bytes, 0 for none.
	LocalLimits  bool
	StorageLimit int64
	// CanRestartAll says that a restart rule may restart all containers
	// (pkg/api/v1/pod AllContainersCouldRestart).
	CanRestartAll bool

	// Requests is what the scheduler counts: the sum over containers and sidecars or the
	// largest init container, with overhead; Pods is 1.
	Requests Resources
	// NonZeroMilliCPU and NonZeroMemory are the requests of a pod that is scored, where a container
	// without a request counts 100m and 200 MiB (pkg/scheduler/util/pod_resources.go). What the pod
	// requests as a whole is no part of them: the scorer of NodeResourcesFit is made without
	// enablePodLevelResources (plugins/noderesources/fit.go).
	NonZeroMilliCPU int64
	NonZeroMemory   int64
	// PlacedMilliCPU and PlacedMemory are what a pod on a node counts when others are scored: the
	// same, but with the requests as a whole, and in a pod that has such a container without a
	// request counts nothing, unless the pod has none of that resource
	// (pkg/scheduler/framework/types.go getNonMissingContainerRequests).
	PlacedMilliCPU int64
	PlacedMemory   int64

	// AllocatedResources are the requests and limits that the pod has as a whole, and
	// CgroupResources those that can be read from its cgroup.
	AllocatedResources, CgroupResources ResourceSet

	// variants are the templates of its pods that were resized, nil while none was.
	variants *variants
}

// ResourceSet says which of a pod's requests and limits status.resources shows.
type ResourceSet uint8

// The members of a ResourceSet.
const (
	RequestsCPU ResourceSet = 1 << iota
	RequestsMemory
	LimitsCPU
	LimitsMemory
)

// MaxContainers is the largest number of containers in a pod, init containers included: the
// kubelet's machine keeps sets of containers as the bits of one word.
// Differs from Kubernetes: there is no such limit.
const MaxContainers = 64

// VolumeSource is a volume that is made of something that may not be there.
type VolumeSource struct {
	Name string
	// Sources has a list of references for each ConfigMap or Secret.
	Sources [][]ConfigRef
	// Claim is the name of a PersistentVolumeClaim, empty for none. Of a generic ephemeral volume the pod's
	// name stands before it (ClaimName).
	Claim     string
	Ephemeral bool
	// Path is that of a hostPath volume which must be there, as the PathType.
	Path     string
	PathType v1.HostPathType
}

// ClaimName is the name of the claim for a pod.
func (s *VolumeSource) ClaimName(pod string) string {
	if s.Ephemeral {
		return pod + "-" + s.Claim
	}
	return s.Claim
}

func volumeSource(v *v1.Volume) (s VolumeSource, ok bool) {
	s = VolumeSource{Name: v.Name, Sources: fileRefs(&v.VolumeSource)}
	switch {
	case v.PersistentVolumeClaim != nil:
		s.Claim = v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		s.Claim, s.Ephemeral = v.Name, true
	case v.HostPath != nil && v.HostPath.Type != nil && mustExist(*v.HostPath.Type):
		s.Path, s.PathType = v.HostPath.Path, *v.HostPath.Type
	}
	return s, len(s.Sources) > 0 || s.Claim != "" || s.Path != ""
}

// mustExist says that a hostPath of a type is not made when it is not there (volume/hostpath
// checkTypeInternal).
func mustExist(t v1.HostPathType) bool {
	return t != v1.HostPathUnset && t != v1.HostPathDirectoryOrCreate && t != v1.HostPathFileOrCreate
}

// ContainerKind tells init containers, sidecars and containers apart.
type ContainerKind uint8

// The kinds of container.
const (
	AppContainer ContainerKind = iota
	InitContainer
	// Sidecar is a restartable init container.
	Sidecar
)

// PullPolicy is when a container's image is pulled.
type PullPolicy uint8

// The pull policies.
const (
	PullIfNotPresent PullPolicy = iota
	PullAlways
	PullNever
)

// RestartPolicy is a container's own restart policy.
type RestartPolicy uint8

// The restart policies of a container. RestartInherit means the pod's.
const (
	RestartInherit RestartPolicy = iota
	RestartAlways
	RestartOnFailure
	RestartNever
)

// Container is one container of a template.
type Container struct {
	Name  string
	Kind  ContainerKind
	Image string
	// ImageID is the image with its default tag; InvalidImage says why the name cannot be
	// parsed, empty when it can.
	ImageID      ImageID
	InvalidImage string
	PullPolicy   PullPolicy

	RestartPolicy RestartPolicy
	RestartRules  []v1.ContainerRestartRule
	// FallbackToLogs is terminationMessagePolicy FallbackToLogsOnError.
	FallbackToLogs bool

	Requests Resources
	Limits   Resources

	// Probes by ProbeType; nil where there is none.
	Probes [NumProbes]*Probe

	PostStart *Hook
	PreStop   *Hook

	// EnvRefs are the ConfigMaps and Secrets that the container's variables need.
	EnvRefs []ConfigRef
	// RootForbidden says that runAsNonRoot is set and runAsUser is 0, UserOfImage that it is set
	// and the image says as whom the container runs.
	RootForbidden, UserOfImage bool
}

// NeedsConfig says that making the container's configuration can fail.
func (c *Container) NeedsConfig() bool { return len(c.EnvRefs) > 0 || c.RootForbidden || c.UserOfImage }

// ProbeType names one of a container's probes.
type ProbeType uint8

// The probes of a container.
const (
	Liveness ProbeType = iota
	Readiness
	Startup
	NumProbes
)

var probeNames = [NumProbes]string{"Liveness", "Readiness", "Startup"}

// String is the probe's name as the kubelet's Events write it.
func (p ProbeType) String() string { return probeNames[p] }

// Handler is how a probe or hook acts.
type Handler uint8

// The handlers.
const (
	HandlerExec Handler = iota
	HandlerHTTP
	HandlerTCP
	HandlerGRPC
	HandlerSleep
)

// Probe is a probe with its defaults applied.
type Probe struct {
	Handler      Handler
	InitialDelay Time
	Period       Time
	Timeout      Time
	Success      int32
	Failure      int32
	// GraceSeconds is the probe's own terminationGracePeriodSeconds, -1 when absent.
	GraceSeconds int64
	// Invalid says why the probe cannot be run at all, empty when it can.
	Invalid string
}

// Hook is a postStart or preStop hook.
type Hook struct {
	Handler Handler
	// Sleep is the length of a sleep hook.
	Sleep Time
}

// Critical says that the kubelet evicts none of the template's pods
// (pkg/kubelet/types/pod_update.go IsCriticalPod).
func (t *PodTemplate) Critical() bool {
	critical, _ := SystemPriority("system-cluster-critical")
	return t.Static || t.Priority >= critical
}

// ContainerSpec is the specification of container i.
func (t *PodTemplate) ContainerSpec(i int) *v1.Container {
	if i < t.NumInit {
		return &t.Spec.InitContainers[i]
	}
	return &t.Spec.Containers[i-t.NumInit]
}

// AppContainers is the template's containers without the init containers.
func (t *PodTemplate) AppContainers() []Container { return t.Containers[t.NumInit:] }
