package kubelet

import (
	"context"
	"net"
	"path/filepath"
	"reflect"

	"go.opentelemetry.io/otel/trace/noop"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	upstream "k8s.io/kubernetes/pkg/kubelet"
	upstreamconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/config"
	kubelettypes "k8s.io/kubernetes/pkg/kubelet/types"
	"k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"
)

const nodeAddress = "10.244.8.1"

// start makes a kubelet and lets it run, without its servers, until the context ends. The result
// ends the recording of its Events.
func start(ctx context.Context, o *Options, l *luck, s *server, root string) (record.EventBroadcaster, error) {
	kubeClient := newClient(s)
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	recorder := broadcaster.NewRecorder(legacyscheme.Scheme, v1.EventSource{Component: "kubelet", Host: nodeName})
	broadcaster.StartRecordingToSink(eventSink{s})

	configuration, err := configuration(root)
	if err != nil {
		return nil, err
	}
	runtime := newFakeRuntime(o, l)
	latency := util.NewPodStartupLatencyTracker()
	source := config.NewPodConfig(recorder, latency)
	go feed(ctx, source, s.feed)
	s.feed <- nil // the source is ready once it has said that there are no pods

	k, err := newKubelet(ctx, configuration, root, &upstream.Dependencies{
		KubeClient:                kubeClient,
		EventClient:               kubeClient.CoreV1(),
		HeartbeatClient:           nil, // no node status, no lease
		PodConfig:                 source,
		Recorder:                  recorder,
		RemoteRuntimeService:      runtime,
		RemoteImageService:        fakeImages{runtime},
		CAdvisorInterface:         &machine{},
		ContainerManager:          cm.NewStubContainerManager(), // no cgroups
		OSInterface:               files{root: root},
		OOMAdjuster:               oom.NewFakeOOMAdjuster(),
		Mounter:                   mount.NewFakeMounter(nil),
		Subpather:                 &subpath.FakeSubpath{},
		HostUtil:                  hostutil.NewFakeHostUtil(nil),
		VolumePlugins:             volumePlugins(),
		PodStartupLatencyTracker:  latency,
		NodeStartupLatencyTracker: util.NewNodeStartupLatencyTracker(klog.FromContext(ctx)),
		TracerProvider:            noop.NewTracerProvider(),
		Options:                   []upstream.Option{func(k *upstream.Kubelet) { fit(k, o, l, runtime) }},
	})
	if err != nil {
		return nil, err
	}
	k.StartGarbageCollection(ctx)
	go k.Run(ctx, untilDone(ctx, source.Updates()))
	return broadcaster, nil
}

// newKubelet calls upstream's constructor with the flags' defaults (cmd/kubelet/app/server.go,
// createAndInitKubelet).
func newKubelet(
	ctx context.Context, c *upstreamconfig.KubeletConfiguration, root string, d *upstream.Dependencies,
) (*upstream.Kubelet, error) {
	flags := options.NewKubeletFlags()
	return upstream.NewMainKubelet(ctx, c, d, &flags.ContainerRuntimeOptions,
		nodeName, types.NodeName(nodeName), []net.IP{net.ParseIP(nodeAddress)}, "", "",
		filepath.Join(root, "pki"), root, c.PodLogsDir, "", "", false, nil, nil, "", false, false,
		flags.MinimumGCAge, flags.MaxPerPodContainerCount, flags.MaxContainerCount,
		nil, c.NodeStatusMaxImages, false)
}

// configuration is the default one, without what needs a real machine (cgroups, iptables, static
// pods) or measures one (image garbage collection, pressure evictions).
func configuration(root string) (*upstreamconfig.KubeletConfiguration, error) {
	c, err := options.NewKubeletConfiguration()
	if err != nil {
		return nil, err
	}
	c.CgroupsPerQOS, c.EnforceNodeAllocatable, c.FailCgroupV1 = false, nil, false
	c.MakeIPTablesUtilChains = false
	c.StaticPodPath = ""
	c.ImageGCHighThresholdPercent, c.ImageGCLowThresholdPercent = 100, 99
	c.EvictionHard = map[string]string{}
	c.EnableControllerAttachDetach = false
	c.RegistryPullQPS, c.EventRecordQPS = 0, 0 // no limits, as in the recordings
	c.ClusterDNS, c.ClusterDomain = []string{"10.96.0.10"}, "cluster.local"
	c.PodLogsDir = filepath.Join(root, "podlogs")
	return c, nil
}

func volumePlugins() []volume.VolumePlugin {
	var out []volume.VolumePlugin
	for _, probe := range []func() []volume.VolumePlugin{emptydir.ProbeVolumePlugins, configmap.ProbeVolumePlugins,
		secret.ProbeVolumePlugins, downwardapi.ProbeVolumePlugins, projected.ProbeVolumePlugins} {
		out = append(out, probe()...)
	}
	return out
}

// feed sends each list of pods to the kubelet's source "api". The type of what goes through that
// channel is not exported, so it is made by reflection. (config.NewSourceApiserver would want a
// REST client, which client-go's fake has not.)
func feed(ctx context.Context, source *config.PodConfig, lists <-chan []*v1.Pod) {
	updates := reflect.ValueOf(source.Channel(ctx, kubelettypes.ApiserverSource))
	done := reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(ctx.Done())}
	for {
		select {
		case pods := <-lists:
			update := reflect.New(updates.Type().Elem()).Elem()
			update.FieldByName("Pods").Set(reflect.ValueOf(pods))
			send := reflect.SelectCase{Dir: reflect.SelectSend, Chan: updates, Send: update}
			if chosen, _, _ := reflect.Select([]reflect.SelectCase{send, done}); chosen == 1 {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// untilDone passes updates on and closes its channel when the context ends: that ends the
// kubelet's sync loop, which nothing else does.
func untilDone(ctx context.Context, updates <-chan kubelettypes.PodUpdate) <-chan kubelettypes.PodUpdate {
	out := make(chan kubelettypes.PodUpdate)
	go func() {
		defer close(out)
		for {
			select {
			case u := <-updates:
				select {
				case out <- u:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
