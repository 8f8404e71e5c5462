package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/runner/workload"
)

// create makes a container (kuberuntime_container.go startContainer step 2).
func (r *CRI) create(p *pod, i int8) {
	k := &p.containers[i]
	x := &instance{pod: p, index: i}
	x.directory = filepath.Join(p.directory, p.template.Containers[i].Name, fmt.Sprint(k.created))
	config := r.containerConfig(p, x, k.created)
	k.created++
	request := &runtimeapi.CreateContainerRequest{PodSandboxId: p.sandbox, Config: config, SandboxConfig: p.config}
	run := workloadRun(r.cluster.RunOf(p.ref.ID, int(i), k.runs+1), r.standIns(p), int(i), p.address,
		memoryLimit(p.template, p.template.ContainerSpec(int(i))))
	r.call(callTime, func(ctx context.Context) error {
		if err := os.MkdirAll(x.directory, 0o777); err != nil {
			return err
		}
		if err := workload.Write(x.directory, &run); err != nil {
			return err
		}
		answer, err := r.runtime.CreateContainer(ctx, request)
		x.id = answer.GetContainerId()
		return err
	}, func(err error) {
		if err == nil {
			k.last = x
			r.instances[x.id] = x
		}
		r.answer(p, r.failed(kubelet.Event{Kind: kubelet.ContainerCreated, Container: i, OK: err == nil}, err, description))
	})
}

// start starts the container that was created last, which the machine knows by a number from now on.
func (r *CRI) start(p *pod, i int8, number int32) {
	k := &p.containers[i]
	x := k.last
	x.number = number
	k.byNumber[number] = x
	r.call(callTime, func(ctx context.Context) error {
		_, err := r.runtime.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: x.id})
		awaitStandIn(ctx, x.directory, err)
		return err
	}, func(err error) {
		if err == nil {
			x.started = true
			k.runs++
		}
		r.answer(p, r.failed(kubelet.Event{Kind: kubelet.ContainerStarted, Container: i, OK: err == nil}, err, description))
		r.tellExit(x)
	})
}

// stop stops a container. The runtime is given longer than the grace period: one that is interrupted
// never kills.
func (r *CRI) stop(p *pod, i int8, number int32, graceSeconds int64) {
	x := p.containers[i].byNumber[number]
	limit := callTime + time.Duration(graceSeconds)*time.Second
	waits := time.Duration(r.cluster.RunOf(p.ref.ID, int(i), p.containers[i].runs).TermAfter)
	var end *runtimeapi.ContainerStatus
	r.call(limit, func(ctx context.Context) error {
		ctx = withFacts(ctx, callFacts{waits: waits})
		_, err := r.runtime.StopContainer(ctx, &runtimeapi.StopContainerRequest{ContainerId: x.id, Timeout: graceSeconds})
		if err == nil {
			end, err = r.exited(ctx, x.id)
		}
		return err
	}, func(error) {
		if end != nil {
			r.ended(x, end)
		}
		r.answer(p, kubelet.Event{Kind: kubelet.ContainerStopped, Container: i})
	})
}

// remove removes an instance.
func (r *CRI) remove(p *pod, i int8, number int32, then kubelet.Event) {
	k := &p.containers[i]
	x := k.byNumber[number]
	if x == nil {
		go r.driver.Answer(func() { r.answer(p, then) })
		return
	}
	delete(k.byNumber, number)
	delete(r.instances, x.id)
	r.call(callTime, func(ctx context.Context) error {
		_, err := r.runtime.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: x.id})
		return err
	}, func(error) { r.answer(p, then) })
}

// collect lets the container GC remove an instance, if its round comes first.
func (r *CRI) collect(p *pod, f *kubelet.Effect) {
	at, ok := r.cluster.NextCollect(r.cluster.State().Pods[p.ref.ID].Node)
	if !ok {
		return
	}
	i, number := f.Container, f.Instance
	time.AfterFunc(time.Duration(at-r.cluster.Now()), func() {
		r.driver.Answer(func() {
			if p.containers[i].byNumber[number] != nil {
				r.remove(p, i, number, kubelet.Event{Kind: kubelet.ContainerDiscarded, Container: i, Instance: number})
			}
		})
	})
}

// containerConfig follows generateContainerConfig of kuberuntime_container.go and its Linux part.
func (r *CRI) containerConfig(p *pod, x *instance, attempt uint32) *runtimeapi.ContainerConfig {
	spec := p.template.ContainerSpec(int(x.index))
	c := &runtimeapi.ContainerConfig{
		Metadata:   &runtimeapi.ContainerMetadata{Name: spec.Name, Attempt: attempt},
		Image:      &runtimeapi.ImageSpec{Image: r.imageName(p, x.index)},
		Command:    []string{programPath},
		WorkingDir: spec.WorkingDir,
		Labels:     r.labels(p),
		LogPath:    filepath.Join(spec.Name, fmt.Sprintf("%d.log", attempt)),
		Mounts:     []*runtimeapi.Mount{{ContainerPath: "/podsim", HostPath: x.directory}},
		Linux: &runtimeapi.LinuxContainerConfig{
			Resources:       r.resources(p, int(x.index)),
			SecurityContext: &runtimeapi.LinuxContainerSecurityContext{NamespaceOptions: namespaces(p.template.Spec)},
		},
	}
	return c
}

// programPath is where the stand-in is in its images.
const programPath = "/podsim-workload"

// imageName is how the runtime knows a container's image.
func (r *CRI) imageName(p *pod, i int8) string {
	return r.images.Name(p.node, r.cluster.State().Images[p.template.Containers[i].ImageID].Name)
}

// resources follows calculateLinuxResources and generateLinuxContainerResources of
// kuberuntime_container_linux.go.
func (r *CRI) resources(p *pod, i int) *runtimeapi.LinuxContainerResources {
	spec := p.template.ContainerSpec(i)
	l := &runtimeapi.LinuxContainerResources{}
	capacity := r.cluster.State().Nodes[r.cluster.State().Pods[p.ref.ID].Node].Capacity.Memory
	l.OomScoreAdj = kubelet.OOMScoreAdj(p.template, i, capacity)
	request, ok := spec.Resources.Requests[v1.ResourceCPU]
	if !ok {
		request = *spec.Resources.Limits.Cpu()
	}
	l.CpuShares = max(2, request.MilliValue()*1024/1000)
	if limit := spec.Resources.Limits.Cpu().MilliValue(); limit > 0 {
		l.CpuPeriod = 100000
		l.CpuQuota = max(1000, limit*l.CpuPeriod/1000)
	}
	l.MemoryLimitInBytes = memoryLimit(p.template, spec)
	return l
}

// memoryLimit is a container's own limit of memory, or else the pod's (getMemoryLimit).
func memoryLimit(t *model.PodTemplate, spec *v1.Container) int64 {
	if limit := spec.Resources.Limits.Memory().Value(); limit > 0 {
		return limit
	}
	if t.Spec.Resources != nil {
		return t.Spec.Resources.Limits.Memory().Value()
	}
	return 0
}
