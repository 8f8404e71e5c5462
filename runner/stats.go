package runner

import (
	"context"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// statsPeriod is how often the memory of a run's containers is looked at: the kubelet's own period for
// its eviction manager (pkg/kubelet/kubelet.go evictionMonitoringPeriod).
const statsPeriod = 10 * time.Second

// ContainerStats are what the runtime says of the run's containers that run.
func (r *CRI) ContainerStats(ctx context.Context) ([]*runtimeapi.ContainerStats, error) {
	answer, err := r.runtime.ListContainerStats(ctx, &runtimeapi.ListContainerStatsRequest{
		Filter: &runtimeapi.ContainerStatsFilter{LabelSelector: map[string]string{LabelRun: r.Run}}})
	return answer.GetStats(), err
}

// ImageFilesystems are the file systems of images and writable layers. The runtime looks at them each 10 s.
func (r *CRI) ImageFilesystems(ctx context.Context) ([]*runtimeapi.FilesystemUsage, error) {
	answer, err := runtimeapi.NewImageServiceClient(r.conn).ImageFsInfo(ctx, &runtimeapi.ImageFsInfoRequest{})
	return answer.GetImageFilesystems(), err
}

// watchMemory looks at the containers' working sets until the run ends.
func (r *CRI) watchMemory() {
	for r.ctx.Err() == nil {
		wait(r.ctx, statsPeriod)
		stats, err := r.ContainerStats(r.ctx)
		if err != nil {
			continue
		}
		sum := int64(0)
		for _, s := range stats {
			sum += int64(s.GetMemory().GetWorkingSetBytes().GetValue())
		}
		r.memory.Store(max(r.memory.Load(), sum))
	}
}
