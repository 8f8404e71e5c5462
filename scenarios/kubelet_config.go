package scenarios

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// KubeletConfig is a KubeletConfiguration that was read from a file.
type KubeletConfig struct {
	*kubeletconfig.Configuration
	// Unsimulated lists the fields that it sets and the simulation has no use for.
	Unsimulated []model.Unsimulated
}

const (
	kubeletConfigKind    = "KubeletConfiguration"
	kubeletConfigVersion = "kubelet.config.k8s.io/v1beta1"
)

// ReadKubeletConfigBytes reads a KubeletConfiguration as kubelet --config would take it, and more
// strictly: an unknown field is an error. data is YAML or JSON; name is its name in errors, which are as
// those of Read.
func ReadKubeletConfigBytes(name string, data []byte) (*KubeletConfig, error) {
	s := &source{name: name}
	documents, err := s.documents(data)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, errorAt(s.line(1), "this file has %d documents, want one %s", len(documents), kubeletConfigKind)
	}
	return readKubeletConfig(s, documents[0], "")
}

// readKubeletConfig reads the configuration whose tree is root, which stands at path.
func readKubeletConfig(s *source, root *yaml.Node, path string) (*KubeletConfig, error) {
	d := newDecoder(s)
	d.checkType(root, path, kubeletConfigVersion, kubeletConfigKind, true)
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	var o configv1beta1.KubeletConfiguration
	d.decodeInto(root, &o, path)
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	c, errs := kubeletconfig.New(&o)
	for _, e := range errs {
		d.errorf(find(root, e.Field), "%s: %s", joinPath(path, e.Field), e.ErrorBody())
	}
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	return &KubeletConfig{c, unsimulatedKubelet(root, c)}, nil
}

// kubeletFields are the fields of a KubeletConfiguration that a run honours.
const kubeletFields = `
	apiVersion kind
	cgroupsPerQOS maxPods podsPerCore
	evictionHard evictionSoft evictionSoftGracePeriod evictionPressureTransitionPeriod evictionMaxPodGracePeriod
	evictionMinimumReclaim mergeDefaultEvictionSettings localStorageCapacityIsolation volumeStatsAggPeriod
	cpuCFSQuota cpuCFSQuotaPeriod allowedUnsafeSysctls
	serializeImagePulls maxParallelImagePulls registryPullQPS registryBurst
	kubeAPIQPS kubeAPIBurst nodeStatusUpdateFrequency nodeStatusMaxImages
	shutdownGracePeriod shutdownGracePeriodCriticalPods shutdownGracePeriodByPodPriority
	imageMinimumGCAge imageMaximumGCAge imageGCHighThresholdPercent imageGCLowThresholdPercent
	syncFrequency crashLoopBackOff.maxContainerRestartPeriod
	systemReserved kubeReserved registerWithTaints featureGates enforceNodeAllocatable singleProcessOOMKill
`

// harmlessKubeletFields are those whose effect no run could show: who may ask the kubelet, its own ports,
// files and processes.
const harmlessKubeletFields = `
	authentication authorization
	tlsCertFile tlsPrivateKeyFile tlsCipherSuites tlsCurvePreferences tlsMinVersion rotateCertificates serverTLSBootstrap
	address port readOnlyPort healthzPort healthzBindAddress enableServer streamingConnectionIdleTimeout
	enableDebuggingHandlers enableContentionProfiling enableProfilingHandler enableDebugFlagsHandler
	enableSystemLogHandler enableSystemLogQuery showHiddenMetricsForVersion logging tracing
	containerRuntimeEndpoint imageServiceEndpoint cgroupDriver cgroupRoot kubeletCgroups systemCgroups
	systemReservedCgroup kubeReservedCgroup podLogsDir volumePluginDir contentType oomScoreAdj maxOpenFiles
	providerID resolvConf protectKernelDefaults makeIPTablesUtilChains iptablesMasqueradeBit iptablesDropBit
	failCgroupV1 failSwapOn hairpinMode podCIDR seccompDefault
`

// kubeletDefaults are upstream's values of the other fields (apis/config/v1beta1/defaults.go). To write
// one down changes nothing, so it is not listed.
var kubeletDefaults = map[string]string{
	"configMapAndSecretChangeDetectionStrategy": "Watch",
	"containerLogMaxFiles":                      "5",
	"containerLogMaxSize":                       "10Mi",
	"containerLogMaxWorkers":                    "1",
	"containerLogMonitorInterval":               "10s",
	"cpuCFSQuota":                               "true",
	"cpuCFSQuotaPeriod":                         "100ms",
	"cpuManagerPolicy":                          "none",
	"cpuManagerReconcilePeriod":                 "10s",
	"enableControllerAttachDetach":              "true",
	"eventBurst":                                "100",
	"eventRecordQPS":                            "50",
	"evictionPressureTransitionPeriod":          "5m",
	"fileCheckFrequency":                        "20s",
	"httpCheckFrequency":                        "20s",
	"imageGCHighThresholdPercent":               "85",
	"imageGCLowThresholdPercent":                "80",
	"imageMinimumGCAge":                         "2m",
	"imagePullCredentialsVerificationPolicy":    "NeverVerifyPreloadedImages",
	"localStorageCapacityIsolation":             "true",
	"memoryManagerPolicy":                       "None",
	"memoryReservationPolicy":                   "None",
	"nodeLeaseDurationSeconds":                  "40",
	"nodeStatusMaxImages":                       "50",
	"nodeStatusReportFrequency":                 "5m",
	"nodeStatusUpdateFrequency":                 "10s",
	"podPidsLimit":                              "-1",
	"registerNode":                              "true",
	"runtimeRequestTimeout":                     "2m",
	"topologyManagerPolicy":                     "none",
	"topologyManagerScope":                      "container",
	"volumeStatsAggPeriod":                      "1m",
}

// unsimulatedKubelet lists what a configuration sets in vain: not what is as it would be anyway.
func unsimulatedKubelet(root *yaml.Node, c *kubeletconfig.Configuration) []model.Unsimulated {
	found := map[string]bool{}
	fieldsBelow("", kubeletFields).and("", harmlessKubeletFields).walk(root, "", found)
	u := unsimulated{}
	for field := range found {
		if _, value := child(root, field); value == nil || value.Kind != yaml.ScalarNode || !isKubeletDefault(field, value.Value) {
			u[model.Unsimulated{Kind: kubeletConfigKind, Field: field}] = 1
		}
	}
	for gate, on := range c.FeatureGates {
		if on != kubeletconfig.FeatureDefault(gate) && !slices.Contains(kubeletconfig.HonouredGates, gate) {
			u[model.Unsimulated{Kind: kubeletConfigKind, Field: "featureGates." + gate}] = 1
		}
	}
	return u.list()
}

// isKubeletDefault says that a value is upstream's default, a span of time however it is written: one
// of 0s always stands for the default.
func isKubeletDefault(field, value string) bool {
	standard := kubeletDefaults[field]
	want, _ := time.ParseDuration(standard)
	got, err := time.ParseDuration(value)
	return value == standard || err == nil && (got == 0 || got == want)
}

// kubeletConfigs are the configurations of the pools' kubelets. Pools without one share the scenario's;
// nil stands for no configuration at all.
func (r *reader) kubeletConfigs(spec *specFile) []*kubeletconfig.Configuration {
	var shared *kubeletconfig.Configuration
	if spec.Config != nil && spec.Config.Kubelet != nil {
		shared = r.kubeletConfig(spec.Config.Kubelet, shared)
	}
	list := make([]*kubeletconfig.Configuration, len(spec.Nodes))
	for i := range list {
		list[i] = shared
		if own := spec.Nodes[i].Kubelet; own != nil {
			list[i] = r.kubeletConfig(own, shared)
		}
	}
	return list
}

// kubeletConfig reads a configuration; where it is wrong, instead stands for it.
func (r *reader) kubeletConfig(x *document, instead *kubeletconfig.Configuration) *kubeletconfig.Configuration {
	c, err := r.readKubeletDocument(x)
	if err != nil {
		r.errs = append(r.errs, err)
		return instead
	}
	for _, u := range c.Unsimulated {
		r.unsimulated[model.Unsimulated{Kind: u.Kind, Field: u.Field}]++
	}
	return c.Configuration
}

func (r *reader) readKubeletDocument(x *document) (*KubeletConfig, error) {
	if x.file == "" {
		return readKubeletConfig(x.from, x.node, x.path)
	}
	name := relative(x.from.name, x.file)
	data, err := r.files.ReadFile(name)
	if err != nil {
		return nil, errorAt(x.from.at(x.node), "%s: %s", x.path, missingFile(r.files, name, err))
	}
	return ReadKubeletConfigBytes(name, data)
}
