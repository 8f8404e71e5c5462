package runner

import (
	"context"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model/kubelet"
)

// update gives a running container its resources.
type update struct {
	x         *instance
	resources *runtimeapi.LinuxContainerResources
}

// resize gives a pod's running containers and its cgroup the resources that the kubelet has allocated
// (kuberuntime_manager.go doPodResizeAction), if memory limits can be lowered.
func (r *CRI) resize(p *pod) {
	var updates []update
	for i := range p.containers {
		if x := p.containers[i].last; x != nil && x.started && x.ended == nil {
			updates = append(updates, update{x, r.resources(p, i)})
		}
	}
	usage := map[int]int64{}
	r.call(callTime, func(ctx context.Context) error {
		for _, u := range updates {
			answer, err := r.runtime.ContainerStats(ctx, &runtimeapi.ContainerStatsRequest{ContainerId: u.x.id})
			if err == nil {
				usage[int(u.x.index)] = int64(answer.GetStats().GetMemory().GetUsageBytes().GetValue())
			}
		}
		return nil
	}, func(error) {
		if why := r.cluster.CannotResize(p.ref, func(i int) int64 { return usage[i] }); why != "" {
			r.answer(p, kubelet.Event{Kind: kubelet.Resized, Container: -1, Text: r.intern(why)})
			return
		}
		r.updateResources(p, updates)
	})
}

// updateResources carries a resize out: what grows of the pod's cgroup first, what shrinks last.
//
// Differs from Kubernetes: CPU and memory of a container are changed by one call.
func (r *CRI) updateResources(p *pod, updates []update) {
	limits, name := r.podLimits(p), r.cgroup(p)
	higher := p.limits.atLeast(limits)
	node := r.countBurstable(p)
	r.call(callTime, func(ctx context.Context) error {
		if err := setPodCgroup(name, higher); err != nil {
			return err
		}
		for _, u := range updates {
			if err := r.updateContainer(ctx, &u); err != nil {
				return err
			}
		}
		if err := setPodCgroup(name, limits); err != nil {
			return err
		}
		return node.update()
	}, func(err error) {
		if err == nil {
			p.limits = limits
		}
		r.answer(p, r.failed(kubelet.Event{Kind: kubelet.Resized, Container: -1, OK: err == nil}, err, whole))
	})
}

func (r *CRI) updateContainer(ctx context.Context, u *update) error {
	return again(ctx, func() error {
		_, err := r.runtime.UpdateContainerResources(ctx, &runtimeapi.UpdateContainerResourcesRequest{ContainerId: u.x.id, Linux: u.resources})
		return err
	})
}

// atLeast are the higher ones of two limits, where none is higher than any.
func (l podResources) atLeast(o podResources) podResources {
	higher := func(a, b int64) int64 {
		if a == 0 || b == 0 {
			return 0
		}
		return max(a, b)
	}
	o.shares, o.quota, o.memory = max(l.shares, o.shares), higher(l.quota, o.quota), higher(l.memory, o.memory)
	return o
}
