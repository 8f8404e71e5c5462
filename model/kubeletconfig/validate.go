package kubeletconfig

import (
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"
	"k8s.io/utils/ptr"
)

// ensureSecretPulledImages is the feature gate of imagePullCredentialsVerificationPolicy.
const ensureSecretPulledImages = "KubeletEnsureSecretPulledImages"

// validation collects what is wrong with a configuration (apis/config/validation/validation.go
// ValidateKubeletConfiguration).
type validation struct {
	*configv1beta1.KubeletConfiguration
	errs field.ErrorList
}

func validate(o *configv1beta1.KubeletConfiguration) field.ErrorList {
	v := validation{KubeletConfiguration: o, errs: validateGates(o.FeatureGates)}
	v.images()
	v.amounts()
	v.choices()
	v.shutdown()
	v.restarts()
	v.enforcements()
	v.logs()
	v.rest()
	return v.errs
}

// refuse notes that a field has a value that it may not have.
func (v *validation) refuse(bad bool, name string, value any, want string) {
	if bad {
		v.errs = append(v.errs, field.Invalid(field.NewPath(name), value, want))
	}
}

const notNegative = "must not be negative"

func (v *validation) images() {
	high, low := *v.ImageGCHighThresholdPercent, *v.ImageGCLowThresholdPercent
	v.refuse(high < 0 || high > 100, "imageGCHighThresholdPercent", high, "must be from 0 to 100")
	v.refuse(low < 0 || low > 100, "imageGCLowThresholdPercent", low, "must be from 0 to 100")
	v.refuse(low >= high, "imageGCLowThresholdPercent", low, "must be less than imageGCHighThresholdPercent")
	least, most := v.ImageMinimumGCAge.Duration, v.ImageMaximumGCAge.Duration
	v.refuse(least < 0, "imageMinimumGCAge", least.String(), notNegative)
	v.refuse(most < 0, "imageMaximumGCAge", most.String(), notNegative)
	v.refuse(most > 0 && most <= least, "imageMaximumGCAge", most.String(), "must be greater than imageMinimumGCAge")
	if n := v.MaxParallelImagePulls; n != nil {
		v.refuse(*n < 1, "maxParallelImagePulls", *n, "must be a positive number")
		v.refuse(*n > 1 && *v.SerializeImagePulls, "maxParallelImagePulls", *n, "cannot be larger than 1 unless serializeImagePulls is false")
	}
	if !enabled(v.FeatureGates, ensureSecretPulledImages) {
		needsGate := "needs the feature gate " + ensureSecretPulledImages
		v.refuse(v.ImagePullCredentialsVerificationPolicy != "", "imagePullCredentialsVerificationPolicy", v.ImagePullCredentialsVerificationPolicy, needsGate)
		v.refuse(len(v.PreloadedImagesVerificationAllowlist) > 0, "preloadedImagesVerificationAllowlist", v.PreloadedImagesVerificationAllowlist, needsGate)
		return
	}
	v.choice("imagePullCredentialsVerificationPolicy", string(v.ImagePullCredentialsVerificationPolicy), string(configv1beta1.NeverVerify),
		string(configv1beta1.NeverVerifyPreloadedImages), string(configv1beta1.NeverVerifyAllowlistedImages), string(configv1beta1.AlwaysVerify))
	v.refuse(len(v.PreloadedImagesVerificationAllowlist) > 0 && v.ImagePullCredentialsVerificationPolicy != configv1beta1.NeverVerifyAllowlistedImages,
		"preloadedImagesVerificationAllowlist", v.PreloadedImagesVerificationAllowlist,
		"needs imagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages")
}

func (v *validation) amounts() {
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"maxPods", int64(v.MaxPods)}, {"podsPerCore", int64(v.PodsPerCore)}, {"maxOpenFiles", v.MaxOpenFiles},
		{"registryPullQPS", int64(*v.RegistryPullQPS)}, {"registryBurst", int64(v.RegistryBurst)},
		{"kubeAPIQPS", int64(*v.KubeAPIQPS)}, {"kubeAPIBurst", int64(v.KubeAPIBurst)},
		{"eventRecordQPS", int64(*v.EventRecordQPS)}, {"eventBurst", int64(v.EventBurst)},
		// cmd/kubelet/app and pkg/kubelet refuse these.
		{"evictionMaxPodGracePeriod", int64(v.EvictionMaxPodGracePeriod)},
	} {
		v.refuse(n.value < 0, n.name, n.value, notNegative)
	}
	v.refuse(v.NodeLeaseDurationSeconds <= 0, "nodeLeaseDurationSeconds", v.NodeLeaseDurationSeconds, "must be greater than 0")
	v.refuse(v.SyncFrequency.Duration < 0, "syncFrequency", v.SyncFrequency.Duration.String(), "must be more than 0")
	v.refuse(v.NodeStatusUpdateFrequency.Duration < 0, "nodeStatusUpdateFrequency", v.NodeStatusUpdateFrequency.Duration.String(), notNegative)
	v.refuse(*v.NodeStatusMaxImages < -1, "nodeStatusMaxImages", *v.NodeStatusMaxImages, "must be -1 or more")
	v.between("oomScoreAdj", *v.OOMScoreAdj, -1000, 1000)
	v.between("port", v.Port, 1, 65535)
	v.between("readOnlyPort", v.ReadOnlyPort, 0, 65535)
	v.between("healthzPort", *v.HealthzPort, 0, 65535)
	v.between("iptablesDropBit", *v.IPTablesDropBit, 0, 31)
	v.between("iptablesMasqueradeBit", *v.IPTablesMasqueradeBit, 0, 31)
	period := v.CPUCFSQuotaPeriod.Duration
	v.refuse(period < time.Millisecond || period > time.Second, "cpuCFSQuotaPeriod", period.String(), "must be from 1ms to 1s")
}

func (v *validation) between(name string, value, least, most int32) {
	if value < least || value > most {
		v.errs = append(v.errs, field.Invalid(field.NewPath(name), value, "must be from "+itoa(least)+" to "+itoa(most)))
	}
}

// choices are fields that are one of some words.
func (v *validation) choices() {
	v.choice("topologyManagerPolicy", v.TopologyManagerPolicy, configv1beta1.NoneTopologyManagerPolicy, configv1beta1.BestEffortTopologyManagerPolicy,
		configv1beta1.RestrictedTopologyManagerPolicy, configv1beta1.SingleNumaNodeTopologyManagerPolicy)
	v.choice("topologyManagerScope", v.TopologyManagerScope, configv1beta1.ContainerTopologyManagerScope, configv1beta1.PodTopologyManagerScope)
	v.choice("hairpinMode", v.HairpinMode, configv1beta1.HairpinNone, configv1beta1.HairpinVeth, configv1beta1.PromiscuousBridge)
	v.choice("configMapAndSecretChangeDetectionStrategy", string(v.ConfigMapAndSecretChangeDetectionStrategy),
		string(configv1beta1.GetChangeDetectionStrategy), string(configv1beta1.TTLCacheChangeDetectionStrategy), string(configv1beta1.WatchChangeDetectionStrategy))
	v.choice("memoryReservationPolicy", string(v.MemoryReservationPolicy),
		string(configv1beta1.NoneMemoryReservationPolicy), string(configv1beta1.TieredReservationMemoryReservationPolicy))
	// The managers themselves refuse these (cm/cpumanager, cm/memorymanager, cm/cgroup_manager_linux.go).
	v.choice("cpuManagerPolicy", v.CPUManagerPolicy, "none", "static")
	v.choice("memoryManagerPolicy", v.MemoryManagerPolicy, configv1beta1.NoneMemoryManagerPolicy, configv1beta1.StaticMemoryManagerPolicy)
	v.choice("cgroupDriver", v.CgroupDriver, "cgroupfs", "systemd")
	if v.MemorySwap.SwapBehavior != "" {
		v.choice("memorySwap.swapBehavior", v.MemorySwap.SwapBehavior, "NoSwap", "LimitedSwap")
	}
}

func (v *validation) choice(name, value string, known ...string) {
	for _, k := range known {
		if value == k {
			return
		}
	}
	v.errs = append(v.errs, field.NotSupported(path(name), value, known))
}

func (v *validation) shutdown() {
	all, critical := v.ShutdownGracePeriod.Duration, v.ShutdownGracePeriodCriticalPods.Duration
	const want = "must be 0s or at least 1s"
	v.refuse(critical > all, "shutdownGracePeriodCriticalPods", critical.String(), "must not be more than shutdownGracePeriod")
	v.refuse(all < 0 || all > 0 && all < time.Second, "shutdownGracePeriod", all.String(), want)
	v.refuse(critical < 0 || critical > 0 && critical < time.Second, "shutdownGracePeriodCriticalPods", critical.String(), want)
	v.refuse((all > 0 || critical > 0) && !enabled(v.FeatureGates, "GracefulNodeShutdown"), "shutdownGracePeriod", all.String(),
		"needs the feature gate GracefulNodeShutdown")
	byPriority := len(v.ShutdownGracePeriodByPodPriority)
	v.refuse(byPriority > 0 && (all > 0 || critical > 0), "shutdownGracePeriodByPodPriority", byPriority, "cannot stand beside shutdownGracePeriod")
	v.refuse(byPriority > 0 && !enabled(v.FeatureGates, "GracefulNodeShutdownBasedOnPodPriority"), "shutdownGracePeriodByPodPriority", byPriority,
		"needs the feature gate GracefulNodeShutdownBasedOnPodPriority")
}

func (v *validation) restarts() {
	most := v.CrashLoopBackOff.MaxContainerRestartPeriod
	if most == nil {
		return
	}
	where := path("crashLoopBackOff.maxContainerRestartPeriod")
	switch {
	case !enabled(v.FeatureGates, KubeletCrashLoopBackOffMax):
		v.errs = append(v.errs, field.Invalid(where, most.Duration.String(), "needs the feature gate "+KubeletCrashLoopBackOffMax))
	case most.Duration.Milliseconds() < 1000 || most.Duration.Milliseconds() > 300_000:
		v.errs = append(v.errs, field.Invalid(where, most.Duration.String(), "must be from 1s to 300s"))
	}
}

// enforcements are those of enforceNodeAllocatable.
func (v *validation) enforcements() {
	where := field.NewPath("enforceNodeAllocatable")
	seen := map[string]bool{}
	for i, name := range v.EnforceNodeAllocatable {
		wrong := func(why string) { v.errs = append(v.errs, field.Invalid(where.Index(i), name, why)) }
		if seen[name] {
			wrong("is there twice")
		}
		seen[name] = true
		switch name {
		case "pods":
		case "system-reserved", "system-reserved-compressible":
			if v.SystemReservedCgroup == "" {
				wrong("needs systemReservedCgroup")
			}
		case "kube-reserved", "kube-reserved-compressible":
			if v.KubeReservedCgroup == "" {
				wrong("needs kubeReservedCgroup")
			}
		case "none":
			if len(v.EnforceNodeAllocatable) > 1 {
				wrong("must stand alone")
			}
			continue
		default:
			v.errs = append(v.errs, field.NotSupported(where.Index(i), name, []string{"pods", "system-reserved", "system-reserved-compressible",
				"kube-reserved", "kube-reserved-compressible", "none"}))
			continue
		}
		if !*v.CgroupsPerQOS {
			wrong("needs cgroupsPerQOS: true")
		}
	}
	for _, name := range []string{"system-reserved", "kube-reserved"} {
		v.refuse(seen[name] && seen[name+"-compressible"], "enforceNodeAllocatable", name, "cannot stand beside "+name+"-compressible")
	}
}

func (v *validation) logs() {
	v.refuse(*v.ContainerLogMaxFiles <= 1, "containerLogMaxFiles", *v.ContainerLogMaxFiles, "must be greater than 1")
	v.refuse(*v.ContainerLogMaxWorkers < 1, "containerLogMaxWorkers", *v.ContainerLogMaxWorkers, "must be 1 or more")
	interval := v.ContainerLogMonitorInterval.Duration
	v.refuse(interval < 3*time.Second, "containerLogMonitorInterval", interval.String(), "must be at least 3s")
	// pkg/kubelet/logs refuses a size that is no quantity; a negative one turns rotation off.
	_, err := resource.ParseQuantity(v.ContainerLogMaxSize)
	v.refuse(err != nil, "containerLogMaxSize", v.ContainerLogMaxSize, "want a quantity such as 10Mi")
}

func (v *validation) rest() {
	v.refuse(v.SystemCgroups != "" && v.CgroupRoot == "", "systemCgroups", v.SystemCgroups, "needs cgroupRoot")
	v.refuse(v.RunOnce, "runOnce", true, "is not supported any more")
	v.refuse(v.ServerTLSBootstrap && !enabled(v.FeatureGates, "RotateKubeletServerCertificate"), "serverTLSBootstrap", true,
		"needs the feature gate RotateKubeletServerCertificate")
	v.refuse(len(v.DefaultPodSysctls) > 0 && !enabled(v.FeatureGates, "DefaultPodSysctls"), "defaultPodSysctls", len(v.DefaultPodSysctls),
		"needs the feature gate DefaultPodSysctls")
	v.refuse(ptr.Deref(v.EnableSystemLogQuery, false) && !*v.EnableSystemLogHandler, "enableSystemLogQuery", true, "needs enableSystemLogHandler")
	v.refuse(v.ReservedSystemCPUs != "" && (v.SystemReservedCgroup != "" || v.KubeReservedCgroup != ""), "reservedSystemCPUs", v.ReservedSystemCPUs,
		"cannot stand beside systemReservedCgroup or kubeReservedCgroup")
	if f := v.MemoryThrottlingFactor; f != nil {
		v.refuse(*f <= 0 || *f > 1, "memoryThrottlingFactor", *f, "must be greater than 0 and at most 1")
	}
	if n := v.UserNamespaces; n != nil && n.IDsPerPod != nil {
		const unit = 65536
		ids := *n.IDsPerPod
		v.refuse(ids < unit || ids%unit != 0 || ids > 1<<32-1, "userNamespaces.idsPerPod", ids, "must be a multiple of 65536")
	}
	for i := range v.RegisterWithTaints {
		t := &v.RegisterWithTaints[i]
		if t.Key == "" || t.Effect != v1.TaintEffectNoSchedule && t.Effect != v1.TaintEffectPreferNoSchedule && t.Effect != v1.TaintEffectNoExecute {
			v.errs = append(v.errs, field.Invalid(field.NewPath("registerWithTaints").Index(i), t.ToString(), "want a key and the effect NoSchedule, PreferNoSchedule or NoExecute"))
		}
	}
}
