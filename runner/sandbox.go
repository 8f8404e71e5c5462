package runner

import (
	"context"
	"os"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model/kubelet"
)

// runSandbox makes a pod's cgroup, its directories and its sandbox (kuberuntime_sandbox.go
// createPodSandbox).
func (r *CRI) runSandbox(p *pod) {
	config := r.sandboxConfig(p)
	p.attempts++
	var id string
	r.call(callTime, func(ctx context.Context) error {
		if err := makeCgroups(r.cgroup(p.uid)); err != nil {
			return err
		}
		for _, d := range []string{p.directory, p.logs} {
			if err := os.MkdirAll(d, 0o755); err != nil {
				return err
			}
		}
		answer, err := r.runtime.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: config})
		id = answer.GetPodSandboxId()
		return err
	}, func(err error) {
		if err == nil {
			p.sandbox, p.config = id, config
			p.sandboxes = append(p.sandboxes, id)
		}
		r.answer(p, r.failed(kubelet.Event{Kind: kubelet.SandboxStarted, Container: -1, OK: err == nil}, err, whole))
	})
}

// stopSandbox stops a pod's sandbox, which ends what still runs in it.
func (r *CRI) stopSandbox(p *pod, runs bool) {
	id := p.sandbox
	r.call(callTime, func(ctx context.Context) error {
		if !runs || id == "" {
			return nil
		}
		_, err := r.runtime.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: id})
		return err
	}, func(error) { r.answer(p, kubelet.Event{Kind: kubelet.SandboxStopped, Container: -1}) })
}

// sandboxConfig follows generatePodSandboxConfig of kuberuntime_sandbox.go.
func (r *CRI) sandboxConfig(p *pod) *runtimeapi.PodSandboxConfig {
	return &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: r.name(p), Namespace: p.namespace, Uid: p.uid, Attempt: p.attempts},
		LogDirectory: p.logs,
		Labels:       r.labels(p),
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent:    r.cgroup(p.uid),
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: namespaces(p.template.Spec)},
		},
	}
}

// name is a pod's name on the node, which may have another run's pod of the same name.
func (r *CRI) name(p *pod) string { return "podsim-" + r.Run + "-" + p.name }

// namespaces are those of a pod (pkg/kubelet/util/util.go PodNamespacesToCRI...): the host's network.
func namespaces(spec *v1.PodSpec) *runtimeapi.NamespaceOption {
	o := &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE, Pid: runtimeapi.NamespaceMode_CONTAINER, Ipc: runtimeapi.NamespaceMode_POD}
	switch {
	case spec.HostPID:
		o.Pid = runtimeapi.NamespaceMode_NODE
	case spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace:
		o.Pid = runtimeapi.NamespaceMode_POD
	}
	if spec.HostIPC {
		o.Ipc = runtimeapi.NamespaceMode_NODE
	}
	return o
}
