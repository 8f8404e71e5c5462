package runner

import (
	"context"
	"os"
	"strings"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model/kubelet"
)

// runSandbox makes a pod's cgroup, its directories and its sandbox (kuberuntime_sandbox.go
// createPodSandbox).
func (r *CRI) runSandbox(p *pod) {
	config := r.sandboxConfig(p)
	if p.attempts == 0 {
		r.watchVolumes(p)
	}
	r.noteLeftOut(p)
	p.attempts++
	p.limits = r.podLimits(p)
	limits, cgroup := p.limits, r.cgroup(p)
	node := r.countBurstable(p)
	spec := p.template.Spec
	own := r.ownNetwork(spec)
	hostname, domain := r.hostname(p)
	id, address := "", p.address
	r.call(callTime, func(ctx context.Context) (err error) {
		if err := p.prepare(node, cgroup, limits); err != nil {
			return err
		}
		if id, err = r.runPodSandbox(ctx, p, config); err == nil && own {
			address, err = r.sandboxAddress(ctx, id)
		}
		if err == nil {
			err = writeHosts(p.hostsFile(), spec, address, hostname, domain)
		}
		return err
	}, func(err error) {
		if address != "" {
			p.address = address
		}
		if id != "" {
			p.sandboxes = append(p.sandboxes, id)
		}
		if err == nil {
			p.sandbox, p.config = id, config
		}
		r.answer(p, r.failed(kubelet.Event{Kind: kubelet.SandboxStarted, Container: -1, OK: err == nil}, err, whole))
	})
}

// prepare makes what a pod has on the node beside its sandbox. cgroup is "" where its kubelet makes none.
func (p *pod) prepare(node *nodeCgroups, cgroup string, limits podResources) error {
	if cgroup != "" {
		if err := node.make(); err != nil {
			return err
		}
	}
	if err := makePodCgroup(cgroup, limits); err != nil {
		return err
	}
	for _, d := range []string{p.directory, p.logs} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	for _, v := range p.volumes {
		if err := v.make(); err != nil {
			return err
		}
	}
	return nil
}

// runPodSandbox is the call. After an outage of the runtime it looks for what it has made.
func (r *CRI) runPodSandbox(ctx context.Context, p *pod, config *runtimeapi.PodSandboxConfig) (id string, err error) {
	err = once(ctx, func() (err error) {
		id, err = r.makeSandbox(ctx, config)
		return err
	}, func() (bool, error) {
		list, err := r.runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{Filter: &runtimeapi.PodSandboxFilter{LabelSelector: config.Labels}})
		for _, s := range list.GetItems() {
			if s.Metadata.Uid == p.uid && s.Metadata.Attempt == config.Metadata.Attempt && s.State == runtimeapi.PodSandboxState_SANDBOX_READY {
				id = s.Id
			}
		}
		return id != "", err
	})
	return id, err
}

// stopSandbox stops a pod's sandbox, which ends what still runs in it: their ends are told first.
func (r *CRI) stopSandbox(p *pod, runs bool) {
	id := p.sandbox
	var running []*instance
	for i := range p.containers {
		if x := p.containers[i].last; x != nil && x.started && !x.told {
			running = append(running, x)
		}
	}
	ends := make([]*runtimeapi.ContainerStatus, len(running))
	r.call(callTime, func(ctx context.Context) error {
		if !runs || id == "" {
			return nil
		}
		if err := stopPodSandbox(ctx, r.runtime, id); err != nil {
			return err
		}
		for i, x := range running {
			ends[i], _ = r.exited(ctx, x.id)
		}
		return nil
	}, func(error) {
		for i, x := range running {
			if ends[i] != nil {
				r.ended(x, ends[i])
			}
		}
		r.answer(p, kubelet.Event{Kind: kubelet.SandboxStopped, Container: -1})
	})
}

func stopPodSandbox(ctx context.Context, runtime runtimeapi.RuntimeServiceClient, id string) error {
	return again(ctx, func() error {
		_, err := runtime.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: id})
		return err
	})
}

// removePodSandbox removes a sandbox, with what is in it (kuberuntime_gc.go removeSandbox).
func removePodSandbox(ctx context.Context, runtime runtimeapi.RuntimeServiceClient, id string) error {
	// It may be stopped, which is no error.
	if err := stopPodSandbox(ctx, runtime, id); err != nil && !gone(err) {
		return err
	}
	return again(ctx, func() error {
		_, err := runtime.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: id})
		return err
	})
}

// sandboxConfig follows generatePodSandboxConfig of kuberuntime_sandbox.go.
//
// Differs from Kubernetes: what the pod as a whole requests is not told, which runtimes of virtual machines want to know.
func (r *CRI) sandboxConfig(p *pod) *runtimeapi.PodSandboxConfig {
	spec := p.template.Spec
	c := &runtimeapi.PodSandboxConfig{
		Metadata:     &runtimeapi.PodSandboxMetadata{Name: r.name(p), Namespace: p.namespace, Uid: p.uid, Attempt: p.attempts},
		LogDirectory: p.logs,
		Labels:       r.sandboxLabels(p),
		Annotations:  p.template.Annotations,
		DnsConfig:    dnsConfig(spec),
		Linux: &runtimeapi.LinuxPodSandboxConfig{
			CgroupParent:    r.cgroup(p),
			SecurityContext: r.sandboxSecurity(spec),
			Sysctls:         r.sysctls(spec),
		},
	}
	if r.ownNetwork(spec) {
		name, domain := r.hostname(p)
		c.Hostname = kernelHostname(spec, name, domain)
		c.PortMappings = portMappings(spec)
	}
	return c
}

// sysctls are those of a pod. Who has the network of the machine cannot set those of the network.
func (r *CRI) sysctls(spec *v1.PodSpec) map[string]string {
	all := map[string]string{}
	if spec.SecurityContext == nil {
		return all
	}
	for _, s := range spec.SecurityContext.Sysctls {
		// The kernel's name has slashes or dots between its parts.
		if name := strings.ReplaceAll(s.Name, "/", "."); r.ownNetwork(spec) || !strings.HasPrefix(name, "net.") {
			all[name] = s.Value
		}
	}
	return all
}

// portMappings are the ports of a pod's containers, and those of the node that lead to them
// (pkg/kubelet/container/helpers.go MakePortMappings).
func portMappings(spec *v1.PodSpec) []*runtimeapi.PortMapping {
	var list []*runtimeapi.PortMapping
	for i := range spec.Containers {
		for _, p := range spec.Containers[i].Ports {
			list = append(list, &runtimeapi.PortMapping{Protocol: runtimeapi.Protocol(runtimeapi.Protocol_value[string(p.Protocol)]),
				ContainerPort: p.ContainerPort, HostPort: p.HostPort, HostIp: p.HostIP})
		}
	}
	return list
}

// name is a pod's name on the node, which may have another run's pod of the same name.
func (r *CRI) name(p *pod) string { return "podsim-" + r.Run + "-" + p.name }

// namespaces are those of a pod (pkg/kubelet/kuberuntime/util/util.go NamespacesForPod). Where pods have no
// networks of their own, it is the host's.
func (r *CRI) namespaces(spec *v1.PodSpec) *runtimeapi.NamespaceOption {
	o := &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE, Pid: runtimeapi.NamespaceMode_CONTAINER, Ipc: runtimeapi.NamespaceMode_POD}
	if r.ownNetwork(spec) {
		o.Network = runtimeapi.NamespaceMode_POD
	}
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
