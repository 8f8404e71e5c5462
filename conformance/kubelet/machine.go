package kubelet

import (
	"context"
	"time"

	cadvisorapi "github.com/google/cadvisor/lib/model"
	"k8s.io/klog/v2"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/config"
	"k8s.io/kubernetes/pkg/kubelet/pluginmanager"
	plugincache "k8s.io/kubernetes/pkg/kubelet/pluginmanager/cache"
)

// machine is what cAdvisor would say: enough that the eviction manager works, and no pressure.
type machine struct{ cadvisortest.Fake }

func (*machine) MachineInfo(klog.Logger) (*cadvisorapi.MachineInfo, error) {
	return &cadvisorapi.MachineInfo{NumCores: 2, MemoryCapacity: 24 << 30, InstanceID: nodeName}, nil
}

// ContainerInfoV2 knows the root cgroup only, whose summary the eviction manager wants.
func (*machine) ContainerInfoV2(
	string, cadvisorapi.RequestOptions,
) (map[string]cadvisorapi.ContainerInfo, error) {
	stats := []*cadvisorapi.ContainerStats{{Timestamp: time.Now()}}
	return map[string]cadvisorapi.ContainerInfo{"/": {Stats: stats}}, nil
}

func (*machine) RootFsInfo() (cadvisorapi.FsInfo, error)                     { return disk(), nil }
func (*machine) ImagesFsInfo(context.Context) (cadvisorapi.FsInfo, error)    { return disk(), nil }
func (*machine) ContainerFsInfo(context.Context) (cadvisorapi.FsInfo, error) { return disk(), nil }
func (*machine) GetDirFsInfo(string) (cadvisorapi.FsInfo, error)             { return disk(), nil }

func disk() cadvisorapi.FsInfo {
	inodes := uint64(1 << 24)
	return cadvisorapi.FsInfo{Timestamp: time.Now(), Device: "/dev/vda", Mountpoint: "/", Capacity: 250 << 30,
		Available: 150 << 30, Usage: 100 << 30, Inodes: &inodes, InodesFree: &inodes}
}

// noPlugins is a plugin manager without inotify, whose file descriptor would block for real.
type noPlugins struct{ pluginmanager.PluginManager }

func (noPlugins) Run(context.Context, config.SourcesReady, <-chan struct{}) {}
func (noPlugins) AddHandler(string, plugincache.PluginHandler)              {}
