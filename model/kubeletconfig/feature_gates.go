package kubeletconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The feature gates that a run honours.
const (
	KubeletCrashLoopBackOffMax         = "KubeletCrashLoopBackOffMax"
	ReduceDefaultCrashLoopBackOffDecay = "ReduceDefaultCrashLoopBackOffDecay"
)

// HonouredGates are the feature gates that change what a run does.
var HonouredGates = []string{KubeletCrashLoopBackOffMax, ReduceDefaultCrashLoopBackOffDecay}

// FeatureEnabled says whether a feature gate is on.
func (c *Configuration) FeatureEnabled(gate string) bool { return enabled(c.FeatureGates, gate) }

func enabled(gates map[string]bool, gate string) bool {
	if on, ok := gates[gate]; ok {
		return on
	}
	g := featureGates[gate]
	switch {
	case g.locked:
	case gates[allAlpha] && g.stage == alpha, gates[allBeta] && g.stage == beta:
		return true
	}
	return g.on
}

// FeatureDefault is a gate's value when nothing is said about it.
func FeatureDefault(gate string) bool { return featureGates[gate].on }

// Two gates stand for all of their stage (component-base featuregate).
const (
	allAlpha = "AllAlpha"
	allBeta  = "AllBeta"
)

// stage is how ripe a feature is.
type stage uint8

const (
	stable stage = iota
	alpha
	beta
	deprecated
)

type featureGate struct {
	stage
	// on is the default, locked that it cannot be changed.
	on, locked bool
}

// validateGates follows featureGate.SetFromMap.
func validateGates(gates map[string]bool) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("featureGates")
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		g, known := featureGates[name]
		switch {
		case !known:
			errs = append(errs, field.Invalid(path.Child(name), gates[name], "there is no such feature gate"+nearest(name)))
		case g.locked && gates[name] != g.on:
			errs = append(errs, field.Invalid(path.Child(name), gates[name], fmt.Sprintf("the feature is locked to %t", g.on)))
		}
	}
	return errs
}

// nearest is the gate that was meant when only its case is wrong.
func nearest(name string) string {
	for _, known := range slices.Sorted(maps.Keys(featureGates)) {
		if strings.EqualFold(known, name) {
			return ", did you mean " + known + "?"
		}
	}
	return ""
}

// featureGates are all gates that a kubelet of v1.37.1 knows, with their defaults.
var featureGates = readGates()

func readGates() map[string]featureGate {
	all := map[string]featureGate{}
	for _, list := range []struct {
		featureGate
		names string
	}{
		{featureGate{alpha, false, false}, `
			APIServerWebhookAuthenticationToken APIServingWithRoutine AllAlpha AtomicWriteVolumeUserFields CBORServingAndStorage CPUManagerPolicyAlphaOptions
			CRIListStreaming CSIVolumeHealth ClientsAllowCBOR ClientsPreferCBOR CloudControllerManagerWatchBasedRoutesReconciliation CloudControllerManagerWebhook
			CompositePodGroup ConsistentListFromCacheSkipTimeoutFallback ContainerStopSignals ControllerManagerReleaseLeaderElectionLockOnExit
			CrossNamespaceVolumeDataSource DRADerivedAttributes DRADeviceCompatibilityGroups DRAListTypeAttributes DRANodeAllocatableResources
			DRAOptionalNodeOperations DRAPartitionableDevicesType DRAResourcePoolStatus DefaultPodSysctls EmptyDirVolumeMode EventedPLEG EvictionRequestAPI
			GRPCContainerProbeTLS H2CContainerProbe ImageVolumeWithDigest InPlacePodVerticalScalingExclusiveCPUs InPlacePodVerticalScalingExclusiveMemory
			InPlacePodVerticalScalingMemoryBackedVolumes InPlacePodVerticalScalingSchedulerPreemption InterPodAffinityHostnameFastPath
			KubeProxyNFTablesLocalhostNodePorts KubeletAllocatedPodsEndpoint MutablePVNodeAffinity NodeLifecycleConditions PodGroupPreemptionPolicy
			PodLogsQuerySplitStreams QOSReserved ReduceDefaultCrashLoopBackOffDecay RuntimeClassInImageCriApi SchedulerPreQueueingHints ShardedListAndWatch
			StatefulSetRecreateStrategy StorageVersionAPI TaintTolerationComparisonOperators TopologyAwareWorkloadScheduling TopologyManagerPolicyAlphaOptions
			UserNamespacesHostNetworkSupport VolumeBindMountOptions WindowsCPUAndMemoryAffinity WorkloadWithJob`},
		{featureGate{beta, false, false}, `
			AllBeta CoordinatedLeaderElection DRAFractionalCapacityRange DRAWorkloadResourceClaims GenericWorkload LocalStorageCapacityIsolationFSQuotaMonitoring
			PodAndContainerStatsFromCRI PodLevelResourceManagers SchedulerAsyncAPICalls`},
		{featureGate{beta, true, false}, `
			APIResponseCompression APIServerIdentity AllowParsingUserUIDFromCertAuth AllowUnsafeMalformedObjectDeletion AtomicFIFO
			AuthorizePodWebsocketUpgradeCreatePermission CPUManagerPolicyBetaOptions CRDObservedGenerationTracking ClearingNominatedNodeNameAfterBinding
			ClientsAllowCARotation ClientsAllowTLSCacheGC ComponentFlagz ComponentStatusz ConcurrentWatchObjectDecode ConstrainedImpersonation ContainerCheckpoint
			ContainerRestartRules DRAConsumableCapacity DRADeviceBindingConditions DRAPartitionableDevices DRAResourceClaimGranularStatusAuthorization
			DRASchedulerFilterTimeout DeclarativeValidationBeta DeploymentReplicaSetTerminatingReplicas DetectCacheInconsistency EnvFiles EtcdRangeStream
			ExcludeAdmissionWebhookVirtualResources ExtendWebSocketsToKubelet GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HPAGeneration
			HPAOptimizedSelectorStore HPAScaleToZero HugepageAwareEviction InOrderInformersBatchProcess InPlacePodLevelResourcesVerticalScaling
			KubeletCrashLoopBackOffMax KubeletEnsureSecretPulledImages KubeletInUserNamespace KubeletSeparateDiskGC
			KubeletServiceAccountTokenForCredentialProviders ListFromCacheSnapshot ManifestBasedAdmissionControlConfig MatchLabelKeysInPodTopologySpread
			MatchLabelKeysInPodTopologySpreadSelectorMerge MaxUnavailableStatefulSet MemoryQoS MutablePodResourcesForSuspendedJobs
			MutableSchedulingDirectivesForSuspendedJobs NFTablesNetlink NativeHistograms NodeControllerLeaseCircuitBreaker NominatedNodeNameForExpectation
			OpenAPIEnums OpportunisticBatching PersistentVolumeClaimUnusedSinceTime PodDeletionCost PodLevelResources PodLevelResourcesFixDefaulting
			PodLevelResourcesFixKubeletQOSClass PodTopologyLabelsAdmission PodsAPI PortForwardWebsockets ReloadKubeletClientCAFile
			ReloadKubeletServerCertificateFile RemoteRequestHeaderUID ResourceHealthStatus ResourceHealthStatusMessage RestartAllContainersOnContainerExits
			RotateKubeletServerCertificate SchedulerAsyncPreemption SchedulerPopFromBackoffQ ServiceAccountNodeAudienceRestriction SizeBasedListCostEstimate
			StaleControllerConsistencyDaemonSet StaleControllerConsistencyHPA StaleControllerConsistencyJob StaleControllerConsistencyReplicaSet
			StaleControllerConsistencyStatefulSet StatefulSetSemanticRevisionComparison StorageCapacityScoring StorageVersionHash StrictIPCIDRValidation
			StructuredAuthenticationConfigurationEgressSelector StructuredAuthenticationConfigurationJWKSMetrics TokenRequestServiceAccountUIDValidation
			TopologyManagerPolicyBetaOptions TranslateStreamCloseWebsocketRequests UnauthenticatedHTTP2DOSMitigation UnknownVersionInteroperabilityProxy
			UnlockWhileProcessingFIFO VolumeLimitScaling WatchList WatchListClient WatchListCompression WebhookRoundTripLoadBalancing WindowsGracefulNodeShutdown`},
		{featureGate{stable, true, false}, `
			AllowServiceExternalIPs ClusterTrustBundle ClusterTrustBundleProjection CustomCPUCFSQuotaPeriod DRADeviceTaintRules DRADeviceTaints
			InformerResourceVersion MutatingAdmissionPolicy PodCertificateRequest SELinuxMount StorageVersionMigrator`},
		{featureGate{stable, true, true}, `
			CPUManagerPolicyOptions CRDValidationRatcheting CSIServiceAccountTokenSecrets CustomResourceFieldSelectors DRAAdminAccess DRAExtendedResource
			DRAPrioritizedList DRAResourceClaimDeviceStatus DeclarativeValidation DisableAllocatorDualWrite DynamicResourceAllocation ExecProbeTimeout
			ExternalServiceAccountTokenSigner HPAConfigurableTolerance HostnameOverride ImageMaximumGCAge ImageVolume InOrderInformers InPlacePodVerticalScaling
			InPlacePodVerticalScalingInitContainers JobManagedBy KubeletCgroupDriverFromCRI KubeletFineGrainedAuthz KubeletPSI KubeletPodResourcesDynamicResources
			KubeletPodResourcesGet KubeletTracing MatchLabelKeysInPodAffinity MultiCIDRServiceAllocator MutableCSINodeAllocatableCount NFTablesProxyMode
			NodeDeclaredFeatures NodeInclusionPolicyInPodTopologySpread NodeLogQuery NodeSwap PLEGOnDemandRelist PodObservedGenerationTracking
			PodReadyToStartContainersCondition PodSchedulingReadiness PreferSameTrafficDistribution ProcMountType RecoverVolumeExpansionFailure
			RecursiveReadOnlyMounts RelaxedEnvironmentVariableValidation RelaxedServiceNameValidation SELinuxChangePolicy SELinuxMountReadWriteOncePod
			SeparateTaintEvictionController ServiceAccountTokenJTI ServiceAccountTokenNodeBinding ServiceAccountTokenNodeBindingValidation
			ServiceAccountTokenPodNodeInfo SupplementalGroupsPolicy SystemdWatchdog TopologyManagerPolicyOptions UserNamespacesSupport VolumeAttributesClass
			WatchCacheInitializationPostStartHook WinDSR WinOverlay`},
		{featureGate{deprecated, false, false}, `
			AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests ChangeContainerStatusOnKubeletRestart KMSv1 KubeletRegistrationGetOnExistsOnly
			WindowsHostNetwork`},
		{featureGate{deprecated, false, true}, `
			AllowOverwriteTerminationGracePeriodSeconds DeclarativeValidationTakeover GitRepoVolumeDriver SeparateCacheWatchRPC`},
		{featureGate{deprecated, true, false}, `
			KubeProxyIPVS KubeletPodResourcesListUseActivePods ServiceCIDRStatusFieldWiping StorageNamespaceIndex`},
		{featureGate{deprecated, true, true}, `
			AggregatedDiscoveryRemoveBetaType DisableCPUQuotaWithExclusiveCPUs DisableNodeKubeProxyVersion`},
	} {
		for _, name := range strings.Fields(list.names) {
			all[name] = list.featureGate
		}
	}
	return all
}
