package model

import (
	"cmp"
	"strings"

	"github.com/distribution/reference"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	resourcehelper "k8s.io/component-helpers/resource"
)

// The API server fills in what a manifest leaves out in two moments: when an object is
// stored (defaults), and when a pod is created (what only pods get, and admission). The pod
// template of a workload goes through the first when the workload is stored, and its pods
// go through the second. Both are idempotent.

// DefaultPodSpec sets what the API server sets in every pod specification that it stores,
// alone or in a template: policies, the grace period of 30 s, pull policies, and the
// details of probes, ports and volumes (pkg/apis/core/v1/defaults.go SetDefaults_PodSpec,
// zz_generated.defaults.go SetObjectDefaults_Deployment).
func DefaultPodSpec(spec *v1.PodSpec) {
	if spec.ServiceAccountName == "" {
		spec.ServiceAccountName = spec.DeprecatedServiceAccount
	}
	spec.DeprecatedServiceAccount = spec.ServiceAccountName
	setIfZero(&spec.DNSPolicy, v1.DNSClusterFirst)
	setIfZero(&spec.RestartPolicy, v1.RestartPolicyAlways)
	setIfZero(&spec.SchedulerName, v1.DefaultSchedulerName)
	setIfNil(&spec.TerminationGracePeriodSeconds, v1.DefaultTerminationGracePeriodSeconds)
	setIfNil(&spec.SecurityContext, v1.PodSecurityContext{})
	for i := range spec.Volumes {
		defaultVolume(&spec.Volumes[i])
	}
	eachContainer(spec, defaultContainer)
	for i := range spec.EphemeralContainers {
		defaultContainer((*v1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
	roundUp(spec.Overhead)
	if spec.Resources != nil {
		roundUp(spec.Resources.Limits)
		roundUp(spec.Resources.Requests)
	}
}

// DefaultPod sets what the API server sets in a Pod that is applied by itself.
func DefaultPod(pod *v1.Pod) {
	DefaultPodSpec(&pod.Spec)
	defaultPodOnly(&pod.Spec)
}

// AdmitPodSpec does to the specification of a pod what happens when the pod is created, be
// it from a template or by itself: the defaults that only pods get (requests from limits,
// host ports on the host network; pkg/apis/core/v1/defaults.go SetDefaults_Pod) and the
// admission plugins that every cluster has: ServiceAccount, DefaultTolerationSeconds,
// Priority. The pods of a template share the result. account is the pod's service account, nil when
// nothing is known of it.
//
// Differs from Kubernetes: the pods of a workload keep what their service account said when the
// workload was applied.
//
// Differs from Kubernetes: a priority class other than the two of the system must have been
// resolved into spec.priority before (scenarios does it when it reads a manifest), because
// a template does not know the cluster's PriorityClasses; one that was not counts 0.
func AdmitPodSpec(spec *v1.PodSpec, account *v1.ServiceAccount) {
	defaultPodOnly(spec)
	admitServiceAccount(spec, account)
	admitTolerations(spec)
	admitPriority(spec)
	defaultPodResources(spec)
}

// MergeLabelKeys puts the matchLabelKeys and mismatchLabelKeys of a pod's terms and spread constraints
// into their selectors, as the API server does when the pod is created (pkg/registry/core/pod/strategy.go
// mutatePodAffinity, mutateTopologySpreadConstraints).
func MergeLabelKeys(spec *v1.PodSpec, podLabels map[string]string) {
	for i := range spec.TopologySpreadConstraints {
		k := &spec.TopologySpreadConstraints[i]
		mergeKeys(k.LabelSelector, k.MatchLabelKeys, metav1.LabelSelectorOpIn, podLabels)
	}
	if spec.Affinity == nil {
		return
	}
	if a := spec.Affinity.PodAffinity; a != nil {
		mergeTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, podLabels)
	}
	if a := spec.Affinity.PodAntiAffinity; a != nil {
		mergeTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution, podLabels)
	}
}

func mergeTerms(required []v1.PodAffinityTerm, preferred []v1.WeightedPodAffinityTerm, podLabels map[string]string) {
	for i := range required {
		mergeTerm(&required[i], podLabels)
	}
	for i := range preferred {
		mergeTerm(&preferred[i].PodAffinityTerm, podLabels)
	}
}

func mergeTerm(t *v1.PodAffinityTerm, podLabels map[string]string) {
	mergeKeys(t.LabelSelector, t.MatchLabelKeys, metav1.LabelSelectorOpIn, podLabels)
	mergeKeys(t.LabelSelector, t.MismatchLabelKeys, metav1.LabelSelectorOpNotIn, podLabels)
}

// mergeKeys follows applyLabelKeysToLabelSelector. A selector that is absent selects nothing, with or
// without more labels.
func mergeKeys(selector *metav1.LabelSelector, keys []string, operator metav1.LabelSelectorOperator, podLabels map[string]string) {
	if selector == nil {
		return
	}
	for _, key := range keys {
		if value, ok := podLabels[key]; ok {
			selector.MatchExpressions = append(selector.MatchExpressions,
				metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
		}
	}
}

// DefaultDeployment sets what the API server sets in a Deployment: 1 replica, a rolling
// update of 25 % each way, 600 s to make progress, 10 old ReplicaSets
// (pkg/apis/apps/v1/defaults.go SetDefaults_Deployment).
func DefaultDeployment(d *appsv1.Deployment) {
	DefaultPodSpec(&d.Spec.Template.Spec)
	setIfNil(&d.Spec.Replicas, 1)
	setIfNil(&d.Spec.RevisionHistoryLimit, 10)
	setIfNil(&d.Spec.ProgressDeadlineSeconds, 600)
	strategy := &d.Spec.Strategy
	setIfZero(&strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		setIfNil(&strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		setIfNil(&strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		setIfNil(&strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
}

// DefaultReplicaSet sets what the API server sets in a ReplicaSet: 1 replica
// (pkg/apis/apps/v1/defaults.go SetDefaults_ReplicaSet).
func DefaultReplicaSet(r *appsv1.ReplicaSet) {
	DefaultPodSpec(&r.Spec.Template.Spec)
	setIfNil(&r.Spec.Replicas, 1)
}

// DefaultService sets what the API server sets in a Service
// (pkg/apis/core/v1/defaults.go SetDefaults_Service). Its cluster IP is not allocated.
func DefaultService(s *v1.Service) {
	setIfZero(&s.Spec.SessionAffinity, v1.ServiceAffinityNone)
	setIfZero(&s.Spec.Type, v1.ServiceTypeClusterIP)
	defaultSessionAffinity(&s.Spec)
	for i := range s.Spec.Ports {
		port := &s.Spec.Ports[i]
		setIfZero(&port.Protocol, v1.ProtocolTCP)
		if port.TargetPort == intstr.FromInt32(0) || port.TargetPort == intstr.FromString("") {
			port.TargetPort = intstr.FromInt32(port.Port)
		}
	}
	cluster := s.Spec.Type == v1.ServiceTypeClusterIP
	balancer := s.Spec.Type == v1.ServiceTypeLoadBalancer
	external := balancer || s.Spec.Type == v1.ServiceTypeNodePort
	if external || cluster && len(s.Spec.ExternalIPs) > 0 {
		setIfZero(&s.Spec.ExternalTrafficPolicy, v1.ServiceExternalTrafficPolicyCluster)
	}
	if external || cluster {
		setIfNil(&s.Spec.InternalTrafficPolicy, v1.ServiceInternalTrafficPolicyCluster)
	}
	if balancer {
		setIfNil(&s.Spec.AllocateLoadBalancerNodePorts, true)
	}
}

func defaultSessionAffinity(spec *v1.ServiceSpec) {
	if spec.SessionAffinity == v1.ServiceAffinityNone {
		spec.SessionAffinityConfig = nil
		return
	}
	if spec.SessionAffinity != v1.ServiceAffinityClientIP {
		return
	}
	setIfNil(&spec.SessionAffinityConfig, v1.SessionAffinityConfig{})
	setIfNil(&spec.SessionAffinityConfig.ClientIP, v1.ClientIPConfig{})
	setIfNil(&spec.SessionAffinityConfig.ClientIP.TimeoutSeconds, v1.DefaultClientIPServiceAffinitySeconds)
}

// DefaultPersistentVolume sets what the API server sets in a PersistentVolume
// (pkg/apis/core/v1/defaults.go SetDefaults_PersistentVolume).
func DefaultPersistentVolume(o *v1.PersistentVolume) {
	setIfZero(&o.Status.Phase, v1.VolumePending)
	setIfZero(&o.Spec.PersistentVolumeReclaimPolicy, v1.PersistentVolumeReclaimRetain)
	setIfNil(&o.Spec.VolumeMode, v1.PersistentVolumeFilesystem)
}

// DefaultPersistentVolumeClaim sets what it sets in a claim (SetDefaults_PersistentVolumeClaimSpec).
func DefaultPersistentVolumeClaim(spec *v1.PersistentVolumeClaimSpec) {
	setIfNil(&spec.VolumeMode, v1.PersistentVolumeFilesystem)
}

// DefaultStorageClass sets what it sets in a StorageClass (pkg/apis/storage/v1/defaults.go).
func DefaultStorageClass(o *storagev1.StorageClass) {
	setIfNil(&o.ReclaimPolicy, v1.PersistentVolumeReclaimDelete)
	setIfNil(&o.VolumeBindingMode, storagev1.VolumeBindingImmediate)
}

// DefaultResourceClaim sets what it sets in a ResourceClaim: each request is for one device
// (pkg/apis/resource/v1/defaults.go).
func DefaultResourceClaim(spec *resourcev1.ResourceClaimSpec) {
	mode := func(m *resourcev1.DeviceAllocationMode, count *int64) {
		setIfZero(m, resourcev1.DeviceAllocationModeExactCount)
		if *m == resourcev1.DeviceAllocationModeExactCount {
			setIfZero(count, 1)
		}
	}
	for i := range spec.Devices.Requests {
		r := &spec.Devices.Requests[i]
		if r.Exactly != nil {
			mode(&r.Exactly.AllocationMode, &r.Exactly.Count)
		}
		for j := range r.FirstAvailable {
			mode(&r.FirstAvailable[j].AllocationMode, &r.FirstAvailable[j].Count)
		}
	}
}

// DefaultNode sets the allocatable amounts of a Node to its capacity when it has none
// (pkg/apis/core/v1/defaults.go SetDefaults_NodeStatus).
func DefaultNode(n *v1.Node) {
	if n.Status.Allocatable == nil && n.Status.Capacity != nil {
		n.Status.Allocatable = n.Status.Capacity.DeepCopy()
	}
}

func setIfZero[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

func setIfNil[T any](p **T, value T) {
	if *p == nil {
		*p = &value
	}
}

// eachContainer calls do for the init containers and then the containers.
func eachContainer(spec *v1.PodSpec, do func(*v1.Container)) {
	for i := range spec.InitContainers {
		do(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		do(&spec.Containers[i])
	}
}

// roundUp rounds to thousandths, which is as fine as the API server keeps an amount
// (pkg/apis/core/v1/defaults.go SetDefaults_ResourceList).
func roundUp(list v1.ResourceList) {
	for name, q := range list {
		q.RoundUp(resource.Milli)
		list[name] = q
	}
}

// defaultContainer follows SetDefaults_Container and the loops over containers in
// zz_generated.defaults.go SetObjectDefaults_Pod.
func defaultContainer(c *v1.Container) {
	setIfZero(&c.ImagePullPolicy, defaultPullPolicy(c.Image))
	setIfZero(&c.TerminationMessagePath, v1.TerminationMessagePathDefault)
	setIfZero(&c.TerminationMessagePolicy, v1.TerminationMessageReadFile)
	for i := range c.Ports {
		setIfZero(&c.Ports[i].Protocol, v1.ProtocolTCP)
	}
	for i := range c.Env {
		defaultEnvSource(c.Env[i].ValueFrom)
	}
	roundUp(c.Resources.Limits)
	roundUp(c.Resources.Requests)
	for _, p := range []*v1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		defaultProbe(p)
	}
	if c.Lifecycle != nil {
		defaultHook(c.Lifecycle.PostStart)
		defaultHook(c.Lifecycle.PreStop)
	}
}

// defaultPullPolicy is Always for the tag latest, also when it is only implied. A name that
// cannot be parsed has no tag at all (SetDefaults_Container, pkg/util/parsers
// ParseImageName).
func defaultPullPolicy(image string) v1.PullPolicy {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return v1.PullIfNotPresent
	}
	tagged, ok := named.(reference.Tagged)
	if ok && tagged.Tag() == "latest" || reference.IsNameOnly(named) {
		return v1.PullAlways
	}
	return v1.PullIfNotPresent
}

func defaultEnvSource(from *v1.EnvVarSource) {
	if from == nil {
		return
	}
	defaultFieldRef(from.FieldRef)
	if from.FileKeyRef != nil {
		setIfNil(&from.FileKeyRef.Optional, false)
	}
}

func defaultFieldRef(ref *v1.ObjectFieldSelector) {
	if ref != nil {
		setIfZero(&ref.APIVersion, "v1")
	}
}

// defaultProbe follows SetDefaults_Probe.
func defaultProbe(p *v1.Probe) {
	if p == nil {
		return
	}
	setIfZero(&p.TimeoutSeconds, 1)
	setIfZero(&p.PeriodSeconds, 10)
	setIfZero(&p.SuccessThreshold, 1)
	setIfZero(&p.FailureThreshold, 3)
	defaultHTTPGet(p.HTTPGet)
	if p.GRPC != nil {
		setIfNil(&p.GRPC.Service, "")
	}
}

func defaultHook(h *v1.LifecycleHandler) {
	if h != nil {
		defaultHTTPGet(h.HTTPGet)
	}
}

func defaultHTTPGet(get *v1.HTTPGetAction) {
	if get != nil {
		setIfZero(&get.Path, "/")
		setIfZero(&get.Scheme, v1.URISchemeHTTP)
	}
}

// defaultVolume follows SetDefaults_Volume and the sources' own defaults. A volume without
// a source is an emptyDir.
func defaultVolume(v *v1.Volume) {
	if v.VolumeSource == (v1.VolumeSource{}) {
		v.EmptyDir = &v1.EmptyDirVolumeSource{}
	}
	switch {
	case v.HostPath != nil:
		setIfNil(&v.HostPath.Type, v1.HostPathUnset)
	case v.Secret != nil:
		setIfNil(&v.Secret.DefaultMode, v1.SecretVolumeSourceDefaultMode)
	case v.ConfigMap != nil:
		setIfNil(&v.ConfigMap.DefaultMode, v1.ConfigMapVolumeSourceDefaultMode)
	case v.DownwardAPI != nil:
		setIfNil(&v.DownwardAPI.DefaultMode, v1.DownwardAPIVolumeSourceDefaultMode)
		defaultDownwardItems(v.DownwardAPI.Items)
	case v.Projected != nil:
		defaultProjected(v.Projected)
	case v.Image != nil:
		setIfZero(&v.Image.PullPolicy, defaultPullPolicy(v.Image.Reference))
	default:
		defaultStorageVolume(v)
	}
}

func defaultDownwardItems(items []v1.DownwardAPIVolumeFile) {
	for i := range items {
		defaultFieldRef(items[i].FieldRef)
	}
}

func defaultProjected(p *v1.ProjectedVolumeSource) {
	setIfNil(&p.DefaultMode, v1.ProjectedVolumeSourceDefaultMode)
	for i := range p.Sources {
		if d := p.Sources[i].DownwardAPI; d != nil {
			defaultDownwardItems(d.Items)
		}
		if t := p.Sources[i].ServiceAccountToken; t != nil {
			setIfNil(&t.ExpirationSeconds, 60*60)
		}
	}
}

// defaultStorageVolume sets what the kinds of remote storage get.
func defaultStorageVolume(v *v1.Volume) {
	switch {
	case v.ISCSI != nil:
		setIfZero(&v.ISCSI.ISCSIInterface, "default")
	case v.RBD != nil:
		setIfZero(&v.RBD.RBDPool, "rbd")
		setIfZero(&v.RBD.RadosUser, "admin")
		setIfZero(&v.RBD.Keyring, "/etc/ceph/keyring")
	case v.AzureDisk != nil:
		setIfNil(&v.AzureDisk.CachingMode, v1.AzureDataDiskCachingReadWrite)
		setIfNil(&v.AzureDisk.FSType, "ext4")
		setIfNil(&v.AzureDisk.ReadOnly, false)
		setIfNil(&v.AzureDisk.Kind, v1.AzureSharedBlobDisk)
	case v.ScaleIO != nil:
		setIfZero(&v.ScaleIO.StorageMode, "ThinProvisioned")
		setIfZero(&v.ScaleIO.FSType, "xfs")
	case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
		claim := &v.Ephemeral.VolumeClaimTemplate.Spec
		DefaultPersistentVolumeClaim(claim)
		roundUp(claim.Resources.Limits)
		roundUp(claim.Resources.Requests)
	}
}

// defaultPodOnly follows SetDefaults_Pod, which a pod template does not go through.
func defaultPodOnly(spec *v1.PodSpec) {
	if grace := spec.TerminationGracePeriodSeconds; grace != nil && *grace < 0 {
		one := int64(1)
		spec.TerminationGracePeriodSeconds = &one
	}
	setIfNil(&spec.EnableServiceLinks, v1.DefaultEnableServiceLinks)
	eachContainer(spec, func(c *v1.Container) {
		requestsFromLimits(&c.Resources)
		for i := range c.Ports {
			if spec.HostNetwork {
				setIfZero(&c.Ports[i].HostPort, c.Ports[i].ContainerPort)
			}
		}
	})
}

func requestsFromLimits(r *v1.ResourceRequirements) {
	for name, limit := range r.Limits {
		if r.Requests == nil {
			r.Requests = v1.ResourceList{}
		}
		setIfAbsent(r.Requests, name, limit)
	}
}

func setIfAbsent(list v1.ResourceList, name v1.ResourceName, q resource.Quantity) {
	if _, ok := list[name]; !ok {
		list[name] = q.DeepCopy()
	}
}

// defaultPodResources completes a pod's own requests and limits from those of its
// containers, when it has some (pkg/api/pod/util.go DefaultPodLevelResources). The order
// matters: limits of huge pages, requests, limits.
func defaultPodResources(spec *v1.PodSpec) {
	r := spec.Resources
	if r == nil || len(r.Requests) == 0 && len(r.Limits) == 0 {
		return
	}
	if r.Requests == nil {
		r.Requests = v1.ResourceList{}
	}
	if r.Limits == nil {
		r.Limits = v1.ResourceList{}
	}
	pod := &v1.Pod{Spec: v1.PodSpec{InitContainers: spec.InitContainers, Containers: spec.Containers}}
	requests := resourcehelper.AggregateContainerRequests(pod, resourcehelper.PodResourcesOptions{})
	limits := resourcehelper.AggregateContainerLimits(pod, resourcehelper.PodResourcesOptions{})
	for name, limit := range limits {
		if _, requested := r.Requests[name]; isHugePages(name) && !requested {
			setIfAbsent(r.Limits, name, limit)
		}
	}
	for name, request := range requests {
		if resourcehelper.IsSupportedPodLevelResource(name) && !isHugePages(name) {
			setIfAbsent(r.Requests, name, request)
		}
	}
	for name, limit := range r.Limits {
		if resourcehelper.IsSupportedPodLevelResource(name) {
			setIfAbsent(r.Requests, name, limit)
		}
	}
	for name, request := range r.Requests {
		if resourcehelper.IsSupportedPodLevelResource(name) && allLimited(spec, name) {
			limit := limits[name]
			if request.Cmp(limit) > 0 {
				limit = request
			}
			setIfAbsent(r.Limits, name, limit)
		}
	}
}

func isHugePages(name v1.ResourceName) bool {
	return strings.HasPrefix(string(name), v1.ResourceHugePagesPrefix)
}

func allLimited(spec *v1.PodSpec, name v1.ResourceName) bool {
	all := true
	eachContainer(spec, func(c *v1.Container) {
		_, ok := c.Resources.Limits[name]
		all = all && ok
	})
	return all
}

// tokenVolume is the volume with the service account's token. Kubernetes ends the name with
// five random characters for each pod.
const tokenVolume = "kube-api-access-xxxxx"

// tokenMountPath is where that volume is mounted
// (plugin/pkg/admission/serviceaccount/admission.go DefaultAPITokenMountPath).
const tokenMountPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// admitServiceAccount follows plugin/pkg/admission/serviceaccount/admission.go Admit. The
// volume matters to a run: a pod waits until it is mounted.
//
// Differs from Kubernetes: every service account exists. One that no manifest has says nothing.
func admitServiceAccount(spec *v1.PodSpec, account *v1.ServiceAccount) {
	spec.ServiceAccountName = AccountOf(spec)
	setIfZero(&spec.DeprecatedServiceAccount, spec.ServiceAccountName)
	auto := spec.AutomountServiceAccountToken
	if account != nil {
		auto = cmp.Or(auto, account.AutomountServiceAccountToken)
		if len(spec.ImagePullSecrets) == 0 {
			spec.ImagePullSecrets = account.ImagePullSecrets
		}
	}
	if auto == nil || *auto {
		admitToken(spec)
	}
}

// AccountOf is the name of a pod's service account.
func AccountOf(spec *v1.PodSpec) string { return cmp.Or(spec.ServiceAccountName, defaultAccount) }

// defaultAccount is the account of a pod that names none.
const defaultAccount = "default"

// admitToken mounts the volume with the token in every container.
func admitToken(spec *v1.PodSpec) {
	name, exists := tokenVolume, false
	for i := range spec.Volumes {
		if strings.HasPrefix(spec.Volumes[i].Name, "kube-api-access-") {
			name, exists = spec.Volumes[i].Name, true
			break
		}
	}
	mounted := false
	eachContainer(spec, func(c *v1.Container) { mounted = mountToken(c, name) || mounted })
	if mounted && !exists {
		spec.Volumes = append(spec.Volumes, v1.Volume{
			Name:         name,
			VolumeSource: v1.VolumeSource{Projected: tokenSource()},
		})
	}
}

// mountToken mounts the volume in c and says whether it did: a mount that is already at the
// path stays.
func mountToken(c *v1.Container, volume string) bool {
	for i := range c.VolumeMounts {
		if c.VolumeMounts[i].MountPath == tokenMountPath {
			return false
		}
	}
	c.VolumeMounts = append(c.VolumeMounts, v1.VolumeMount{Name: volume, ReadOnly: true, MountPath: tokenMountPath})
	return true
}

// tokenSource follows the same file's TokenVolumeSource; 3607 s is
// pkg/serviceaccount/claims.go WarnOnlyBoundTokenExpirationSeconds.
func tokenSource() *v1.ProjectedVolumeSource {
	mode, expiration := v1.ProjectedVolumeSourceDefaultMode, int64(3607)
	return &v1.ProjectedVolumeSource{
		DefaultMode: &mode,
		Sources: []v1.VolumeProjection{
			{ServiceAccountToken: &v1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: &expiration}},
			{ConfigMap: &v1.ConfigMapProjection{
				LocalObjectReference: v1.LocalObjectReference{Name: "kube-root-ca.crt"},
				Items:                []v1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			}},
			{DownwardAPI: &v1.DownwardAPIProjection{Items: []v1.DownwardAPIVolumeFile{{
				Path:     "namespace",
				FieldRef: &v1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
			}}}},
		},
	}
}

// admitTolerations lets a pod stay for 300 s on a node that is lost, unless it says itself
// what it tolerates (plugin/pkg/admission/defaulttolerationseconds/admission.go Admit).
func admitTolerations(spec *v1.PodSpec) {
	for _, key := range []string{v1.TaintNodeNotReady, v1.TaintNodeUnreachable} {
		if speaksOf(spec.Tolerations, key) {
			continue
		}
		seconds := int64(300)
		spec.Tolerations = append(spec.Tolerations, v1.Toleration{
			Key:               key,
			Operator:          v1.TolerationOpExists,
			Effect:            v1.TaintEffectNoExecute,
			TolerationSeconds: &seconds,
		})
	}
}

// speaksOf says whether a toleration is about the NoExecute taint with this key. Like
// upstream, it does not look at the operator.
func speaksOf(tolerations []v1.Toleration, key string) bool {
	for i := range tolerations {
		t := &tolerations[i]
		if (t.Key == key || t.Key == "") && (t.Effect == v1.TaintEffectNoExecute || t.Effect == "") {
			return true
		}
	}
	return false
}

// SystemPriority is the value of one of the two priority classes that every cluster has;
// ok is false for another name (pkg/apis/scheduling/v1/helpers.go SystemPriorityClasses,
// pkg/apis/scheduling/types.go SystemCriticalPriority).
func SystemPriority(class string) (value int32, ok bool) {
	switch class {
	case "system-cluster-critical":
		return 2_000_000_000, true
	case "system-node-critical":
		return 2_000_001_000, true
	}
	return 0, false
}

// admitPriority follows plugin/pkg/admission/priority/admission.go admitPod.
func admitPriority(spec *v1.PodSpec) {
	value, _ := SystemPriority(spec.PriorityClassName)
	setIfNil(&spec.Priority, value)
	setIfNil(&spec.PreemptionPolicy, v1.PreemptLowerPriority)
}
