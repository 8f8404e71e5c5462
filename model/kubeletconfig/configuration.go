// Package kubeletconfig is what a KubeletConfiguration says: upstream's own type with upstream's
// defaults, its eviction thresholds read and checked. It reads no file and does nothing by itself.
//
// The rule book is pkg/kubelet/apis/config of k8s.io/kubernetes v1.37.1.
package kubeletconfig

import (
	"cmp"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"
	"k8s.io/utils/ptr"
)

// Configuration is a kubelet's configuration, complete: all that podsim reads has a value.
type Configuration struct {
	configv1beta1.KubeletConfiguration
	// Thresholds are the eviction thresholds, hard ones first (eviction/helpers.go
	// ParseThresholdConfig).
	Thresholds []Threshold
	// reserved is systemReserved and kubeReserved together.
	reserved v1.ResourceList
}

// DefaultMaxPods is maxPods of a kubelet that is given no configuration.
const DefaultMaxPods = 110

// Default is the configuration of a kubelet that is given none.
func Default() *Configuration {
	c, errs := New(&configv1beta1.KubeletConfiguration{})
	if len(errs) > 0 {
		panic(errs.ToAggregate())
	}
	return c
}

// New completes a configuration. The errors name its fields.
func New(o *configv1beta1.KubeletConfiguration) (*Configuration, field.ErrorList) {
	c := &Configuration{KubeletConfiguration: *o.DeepCopy()}
	setDefaults(&c.KubeletConfiguration)
	errs := validate(&c.KubeletConfiguration)
	var more field.ErrorList
	c.Thresholds, more = thresholds(&c.KubeletConfiguration)
	c.reserved = parseReserved(&more, o.SystemReserved, o.KubeReserved)
	return c, append(errs, more...)
}

// ParallelPulls is how many images are pulled at a time, 0 for no limit (pkg/kubelet/images
// NewImageManager).
func (c *Configuration) ParallelPulls() int {
	if *c.SerializeImagePulls {
		return 1
	}
	return int(ptr.Deref(c.MaxParallelImagePulls, 0))
}

// setDefaults follows SetDefaults_KubeletConfiguration (apis/config/v1beta1/defaults.go) and, for
// evictionHard, cmd/kubelet/app/server.go, as far as podsim reads the fields.
func setDefaults(o *configv1beta1.KubeletConfiguration) {
	setIfZero(&o.SyncFrequency, time.Minute)
	setIfZero(&o.FileCheckFrequency, 20*time.Second)
	setIfZero(&o.RegistryPullQPS, 5)
	setIfZero(&o.RegistryBurst, 10)
	setIfZero(&o.EventRecordQPS, 50)
	setIfZero(&o.EventBurst, 100)
	// A report as often as a look where only the looks are set.
	report := o.NodeStatusUpdateFrequency.Duration
	if report == 0 {
		report = 5 * time.Minute
	}
	setIfZero(&o.NodeStatusReportFrequency, report)
	setIfZero(&o.NodeStatusUpdateFrequency, 10*time.Second)
	setIfZero(&o.NodeLeaseDurationSeconds, 40)
	setIfZero(&o.ImageMinimumGCAge, 2*time.Minute)
	setIfZero(&o.ImageGCHighThresholdPercent, 85)
	setIfZero(&o.ImageGCLowThresholdPercent, 80)
	setIfZero(&o.VolumeStatsAggPeriod, time.Minute)
	setIfZero(&o.CgroupsPerQOS, true)
	setIfZero(&o.MaxPods, DefaultMaxPods)
	if o.PodPidsLimit == nil || *o.PodPidsLimit < 0 {
		o.PodPidsLimit = ptr.To[int64](-1)
	}
	setIfZero(&o.CPUCFSQuota, true)
	setIfZero(&o.NodeStatusMaxImages, 50)
	setIfZero(&o.KubeAPIQPS, 50)
	setIfZero(&o.KubeAPIBurst, 100)
	setIfZero(&o.SerializeImagePulls, ptr.Deref(o.MaxParallelImagePulls, 0) < 2)
	setIfZero(&o.EvictionPressureTransitionPeriod, 5*time.Minute)
	setIfZero(&o.MergeDefaultEvictionSettings, false)
	setIfZero(&o.EnableControllerAttachDetach, true)
	setIfZero(&o.LocalStorageCapacityIsolation, true)
	if enabled(o.FeatureGates, KubeletCrashLoopBackOffMax) {
		setIfZero(&o.CrashLoopBackOff.MaxContainerRestartPeriod, 300*time.Second)
	}
	if enabled(o.FeatureGates, ensureSecretPulledImages) {
		setIfZero(&o.ImagePullCredentialsVerificationPolicy, configv1beta1.NeverVerifyPreloadedImages)
	}
	setMoreDefaults(o)
	if o.EnforceNodeAllocatable == nil {
		o.EnforceNodeAllocatable = []string{"pods"}
	}
	setEvictionDefaults(o)
}

// setMoreDefaults sets those that are only checked.
func setMoreDefaults(o *configv1beta1.KubeletConfiguration) {
	setIfZero(&o.HTTPCheckFrequency, 20*time.Second)
	setIfZero(&o.Port, 10250)
	setIfZero(&o.HealthzPort, 10248)
	setIfZero(&o.OOMScoreAdj, -999)
	setIfZero(&o.CPUCFSQuotaPeriod, 100*time.Millisecond)
	setIfZero(&o.IPTablesMasqueradeBit, 14)
	setIfZero(&o.IPTablesDropBit, 15)
	setIfZero(&o.ContainerLogMaxFiles, 5)
	setIfZero(&o.ContainerLogMaxWorkers, 1)
	setIfZero(&o.ContainerLogMonitorInterval, 10*time.Second)
	setIfZero(&o.EnableSystemLogHandler, true)
	for p, value := range map[*string]string{
		&o.HairpinMode: configv1beta1.PromiscuousBridge, &o.TopologyManagerPolicy: configv1beta1.NoneTopologyManagerPolicy,
		&o.TopologyManagerScope: configv1beta1.ContainerTopologyManagerScope, &o.ContainerLogMaxSize: "10Mi",
		&o.CPUManagerPolicy: "none", &o.MemoryManagerPolicy: configv1beta1.NoneMemoryManagerPolicy, &o.CgroupDriver: "cgroupfs",
	} {
		*p = cmp.Or(*p, value)
	}
	o.ConfigMapAndSecretChangeDetectionStrategy = cmp.Or(o.ConfigMapAndSecretChangeDetectionStrategy, configv1beta1.WatchChangeDetectionStrategy)
	o.MemoryReservationPolicy = cmp.Or(o.MemoryReservationPolicy, configv1beta1.NoneMemoryReservationPolicy)
}

// setIfZero sets a field that was left out.
func setIfZero[T, V any](p *T, value V) {
	switch p := any(p).(type) {
	case *metav1.Duration:
		if p.Duration == 0 {
			p.Duration = any(value).(time.Duration)
		}
	case **metav1.Duration:
		if *p == nil {
			*p = &metav1.Duration{Duration: any(value).(time.Duration)}
		}
	case **int32:
		if *p == nil {
			*p = ptr.To(int32(any(value).(int)))
		}
	case **bool:
		if *p == nil {
			*p = ptr.To(any(value).(bool))
		}
	case *int32:
		if *p == 0 {
			*p = int32(any(value).(int))
		}
	case *configv1beta1.ImagePullCredentialsVerificationPolicy:
		if *p == "" {
			*p = any(value).(configv1beta1.ImagePullCredentialsVerificationPolicy)
		}
	default:
		panic("kubeletconfig: no default for this type")
	}
}

// Pods is how many pods a node with so many milli-CPUs takes (nodestatus/setters.go MachineInfo).
func (c *Configuration) Pods(milliCPU int64) int64 {
	if c.PodsPerCore == 0 {
		return int64(c.MaxPods)
	}
	return min(int64(c.MaxPods), (milliCPU+999)/1000*int64(c.PodsPerCore))
}
