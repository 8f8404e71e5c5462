package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/runner/images"
)

// placed is a runtime that is asked for the first pod of some manifests, with real images and a network for each pod.
func placed(t *testing.T, kubelet, manifests string, steps ...string) (*CRI, *pod) {
	t.Helper()
	text := `apiVersion: podsim/v1alpha1
kind: Scenario
spec:
  duration: 1m
  nodes:
  - name: node
    template: {status: {capacity: {cpu: "8", memory: 32Gi, ephemeral-storage: 100Gi, hugepages-2Mi: 64Mi}}}
    kubelet: {apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration, ` + kubelet + `}
  manifests:
  ` + strings.ReplaceAll(strings.TrimSpace(manifests), "\n", "\n  ") + "\n"
	if all := strings.Join(steps, ""); all != "" {
		text += "  steps: " + all + "\n"
	}
	sc, c := readScenario(t, text)
	c.Begin()
	c.Run(5e9, func() bool { return true })
	r := &CRI{Run: "00c0ffee", Directory: t.TempDir(), cluster: c, images: images.NewReal(sc), configs: configData{sc.Steps}, podNetworks: true,
		pods: map[int64]*pod{}, nodes: map[string]*nodeCgroups{}, notPlayed: map[string]bool{}}
	require.NotZero(t, c.State().Pods[1].Node, "the pod has a node: %s", text)
	return r, r.pod(1)
}

// web is a pod of a spec.
func web(spec string) string {
	return `
- apiVersion: v1
  kind: Pod
  metadata: {name: web, labels: {app: shop}, annotations: {note: hello}}
  spec: {` + spec + `}`
}

const oneContainer = `containers: [{name: app, image: "app:1"}]`

func (r *CRI) firstContainer(p *pod) *runtimeapi.ContainerConfig {
	return r.containerConfig(p, &instance{pod: p, directory: p.directory + "/containers/app/0"}, 0)
}

func TestSandboxRequest(t *testing.T) {
	for name, c := range map[string]struct {
		kubelet, spec string
		host          bool
		want          func(*runtimeapi.PodSandboxConfig)
	}{
		"nothing said": {spec: oneContainer},
		"without a network of its own": {spec: oneContainer, host: true, want: func(c *runtimeapi.PodSandboxConfig) {
			c.Hostname, c.Linux.SecurityContext.NamespaceOptions.Network = "", runtimeapi.NamespaceMode_NODE
		}},
		"the host's network": {spec: "hostNetwork: true, " + oneContainer, want: func(c *runtimeapi.PodSandboxConfig) {
			c.Hostname, c.Linux.SecurityContext.NamespaceOptions.Network = "", runtimeapi.NamespaceMode_NODE
		}},
		"a hostname": {spec: "hostname: one, subdomain: all, " + oneContainer, want: func(c *runtimeapi.PodSandboxConfig) { c.Hostname = "one" }},
		"with its domain": {kubelet: "clusterDomain: cluster.local", spec: "hostname: one, subdomain: all, setHostnameAsFQDN: true, " + oneContainer,
			want: func(c *runtimeapi.PodSandboxConfig) { c.Hostname = "one.all.default.svc.cluster.local" }},
		"DNS": {spec: `dnsPolicy: None, dnsConfig: {nameservers: [10.0.0.1, 10.0.0.2, 10.0.0.1], searches: [a.b], options: [{name: ndots, value: "2"}, {name: edns0}]}, ` + oneContainer,
			want: func(c *runtimeapi.PodSandboxConfig) {
				c.DnsConfig = &runtimeapi.DNSConfig{Servers: []string{"10.0.0.1", "10.0.0.2"}, Searches: []string{"a.b"}, Options: []string{"ndots:2", "edns0"}}
			}},
		"ports": {spec: `containers: [{name: app, image: "app:1", ports: [{containerPort: 80, hostPort: 8080}, {containerPort: 53, protocol: UDP}]}]`,
			want: func(c *runtimeapi.PodSandboxConfig) {
				c.PortMappings = []*runtimeapi.PortMapping{{ContainerPort: 80, HostPort: 8080}, {ContainerPort: 53, Protocol: runtimeapi.Protocol_UDP}}
			}},
		"namespaces": {spec: "hostIPC: true, shareProcessNamespace: true, " + oneContainer, want: func(c *runtimeapi.PodSandboxConfig) {
			c.Linux.SecurityContext.NamespaceOptions.Pid = runtimeapi.NamespaceMode_POD
			c.Linux.SecurityContext.NamespaceOptions.Ipc = runtimeapi.NamespaceMode_NODE
		}},
		"the host's processes": {spec: "hostPID: true, " + oneContainer, want: func(c *runtimeapi.PodSandboxConfig) {
			c.Linux.SecurityContext.NamespaceOptions.Pid = runtimeapi.NamespaceMode_NODE
		}},
		"security": {spec: `securityContext: {runAsUser: 7, runAsGroup: 8, fsGroup: 9, supplementalGroups: [10], supplementalGroupsPolicy: Strict,
    seLinuxOptions: {level: "s0:c1"}, sysctls: [{name: net.ipv4.ip_local_port_range, value: "1024 65535"}]}, containers: [{name: app, image: "app:1", securityContext: {privileged: true}}]`,
			want: func(c *runtimeapi.PodSandboxConfig) {
				s := c.Linux.SecurityContext
				s.RunAsUser, s.RunAsGroup, s.SupplementalGroups = &runtimeapi.Int64Value{Value: 7}, &runtimeapi.Int64Value{Value: 8}, []int64{9, 10}
				s.SupplementalGroupsPolicy, s.Privileged = runtimeapi.SupplementalGroupsPolicy_Strict, true
				s.SelinuxOptions = &runtimeapi.SELinuxOption{Level: "s0:c1"}
				c.Linux.Sysctls = map[string]string{"net.ipv4.ip_local_port_range": "1024 65535"}
			}},
		"sysctls of the machine's network": {host: true, spec: `securityContext: {sysctls: [{name: net.ipv4.ip_local_port_range, value: "1024 65535"},
    {name: kernel.shm_rmid_forced, value: "1"}]}, ` + oneContainer, want: func(c *runtimeapi.PodSandboxConfig) {
			c.Hostname, c.Linux.SecurityContext.NamespaceOptions.Network = "", runtimeapi.NamespaceMode_NODE
			c.Linux.Sysctls = map[string]string{"kernel.shm_rmid_forced": "1"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := placed(t, c.kubelet, web(c.spec))
			r.podNetworks = !c.host
			want := &runtimeapi.PodSandboxConfig{
				Metadata: &runtimeapi.PodSandboxMetadata{Name: "podsim-00c0ffee-web", Namespace: "default", Uid: p.uid}, Hostname: "web", LogDirectory: p.logs,
				Labels: map[string]string{"app": "shop", LabelRun: "00c0ffee", LabelPod: "default/web", LabelNode: "node",
					"io.kubernetes.pod.name": "web", "io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": p.uid},
				Annotations: map[string]string{"note": "hello"},
				Linux: &runtimeapi.LinuxPodSandboxConfig{CgroupParent: "/podsim/00c0ffee/node/besteffort/pod" + p.uid, Sysctls: map[string]string{},
					SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: &runtimeapi.NamespaceOption{Pid: runtimeapi.NamespaceMode_CONTAINER}}},
			}
			if c.want != nil {
				c.want(want)
			}
			assert.Equal(t, want, r.sandboxConfig(p))
		})
	}
}

func TestContainerRequest(t *testing.T) {
	r, p := placed(t, "seccompDefault: true", web(`terminationGracePeriodSeconds: 5, hostname: one, containers: [{name: app, image: "app:1", command: [run], args: [$(HOSTNAME), $(WHO)],
    workingDir: /work, stdin: true, stdinOnce: true, tty: true, env: [{name: WHO, value: me}], ports: [{containerPort: 80}],
    lifecycle: {preStop: {sleep: {seconds: 1}}}, volumeMounts: [{name: data, mountPath: data, subPathExpr: $(WHO)/x, readOnly: true}],
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {add: [NET_ADMIN], drop: [ALL]}, seLinuxOptions: {level: s0}}}],
    volumes: [{name: data, emptyDir: {}}]`))
	got := r.firstContainer(p)
	assert.Equal(t, []string{"run"}, got.Command)
	assert.Equal(t, []string{"$(HOSTNAME)", "me"}, got.Args, "HOSTNAME is the runtime's")
	assert.Equal(t, "/work", got.WorkingDir)
	assert.Equal(t, "app/0.log", got.LogPath)
	assert.True(t, got.Stdin && got.StdinOnce && got.Tty)
	assert.Equal(t, []*runtimeapi.KeyValue{{Key: "WHO", Value: []byte("me")}}, got.Envs)
	assert.Equal(t, map[string]string{LabelRun: "00c0ffee", LabelPod: "default/web", LabelNode: "node", "io.kubernetes.pod.name": "web",
		"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.uid": p.uid, "io.kubernetes.container.name": "app"}, got.Labels)
	assert.Equal(t, map[string]string{
		"io.kubernetes.container.hash": containerHash(&v1.Container{Name: "app", Image: "app:1"}), "io.kubernetes.container.restartCount": "0",
		"io.kubernetes.container.terminationMessagePath": "/dev/termination-log", "io.kubernetes.container.terminationMessagePolicy": "File",
		"io.kubernetes.container.preStopHandler": `{"sleep":{"seconds":1}}`, "io.kubernetes.container.ports": `[{"containerPort":80,"protocol":"TCP"}]`,
		"io.kubernetes.pod.terminationGracePeriod": "5",
	}, got.Annotations)
	assert.Equal(t, []*runtimeapi.Mount{
		{ContainerPath: "/data", HostPath: p.directory + "/volumes/data/me/x", Readonly: true},
		{ContainerPath: "/etc/hosts", HostPath: p.directory + "/etc-hosts"},
		{ContainerPath: "/dev/termination-log", HostPath: p.directory + "/containers/app/0/termination-log"},
	}, withoutTokens(got.Mounts))
	s := got.Linux.SecurityContext
	assert.True(t, s.ReadonlyRootfs && s.NoNewPrivs)
	assert.Equal(t, &runtimeapi.Capability{AddCapabilities: []string{"NET_ADMIN"}, DropCapabilities: []string{"ALL"}}, s.Capabilities)
	assert.Equal(t, &runtimeapi.SELinuxOption{Level: "s0"}, s.SelinuxOptions)
	assert.Equal(t, runtimeapi.SecurityProfile_RuntimeDefault, s.Seccomp.ProfileType)

	r.podNetworks = false
	assert.Equal(t, []*runtimeapi.KeyValue{{Key: "HOSTNAME", Value: []byte("one")}, {Key: "WHO", Value: []byte("me")}}, r.firstContainer(p).Envs,
		"the kernel's hostname is the machine's")
}

// withoutTokens leaves the mount of the service account out.
func withoutTokens(mounts []*runtimeapi.Mount) (list []*runtimeapi.Mount) {
	for _, m := range mounts {
		if !strings.Contains(m.ContainerPath, "serviceaccount") {
			list = append(list, m)
		}
	}
	return list
}

// A container's own /etc/hosts stays; whose mounts are the node's may be shared with it.
func TestMountRequest(t *testing.T) {
	r, p := placed(t, "", web(`automountServiceAccountToken: false, containers: [{name: app, image: "app:1", terminationMessagePath: /end, volumeMounts: [
    {name: own, mountPath: /etc/hosts}, {name: own, mountPath: /in, mountPropagation: HostToContainer}, {name: own, mountPath: /both, mountPropagation: Bidirectional},
    {name: data, mountPath: /data, mountPropagation: Bidirectional}]}], volumes: [{name: own, hostPath: {path: /srv}}, {name: data, emptyDir: {}}]`))
	assert.Equal(t, []*runtimeapi.Mount{
		{ContainerPath: "/etc/hosts", HostPath: "/srv"},
		{ContainerPath: "/in", HostPath: "/srv", Propagation: runtimeapi.MountPropagation_PROPAGATION_HOST_TO_CONTAINER},
		{ContainerPath: "/both", HostPath: "/srv", Propagation: runtimeapi.MountPropagation_PROPAGATION_BIDIRECTIONAL},
		{ContainerPath: "/data", HostPath: p.directory + "/volumes/data"},
		{ContainerPath: "/end", HostPath: p.directory + "/containers/app/0/termination-log"},
	}, r.firstContainer(p).Mounts)
}

func TestEnvironmentRequest(t *testing.T) {
	r, p := placed(t, "", web(`serviceAccountName: robot, containers: [{name: app, image: "app:1", resources: {requests: {cpu: 250m}, limits: {memory: 100Mi, hugepages-2Mi: 4Mi}},
    envFrom: [{configMapRef: {name: some}, prefix: C_}, {secretRef: {name: more}}], env: [
    {name: A, value: "$(C_KEY)/$(B)/$$(C_KEY)"}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: ACCOUNT, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}},
    {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}},
    {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}, {name: MILLIS, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: 1m}}},
    {name: MIB, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}, {name: DISK, valueFrom: {resourceFieldRef: {resource: limits.ephemeral-storage, divisor: 1Gi}}},
    {name: HUGE, valueFrom: {resourceFieldRef: {resource: limits.hugepages-2Mi}}},
    {name: SECRET, valueFrom: {secretKeyRef: {name: more, key: WORD}}}, {name: NONE, valueFrom: {configMapKeyRef: {name: some, key: none, optional: true}}}]}]`)+`
- {apiVersion: v1, kind: ConfigMap, metadata: {name: some}, data: {KEY: value}}
- {apiVersion: v1, kind: Secret, metadata: {name: more}, stringData: {WORD: secret}}`)
	got := map[string]string{}
	for _, e := range r.environment(p, 0) {
		got[e.Key] = string(e.Value)
	}
	assert.Equal(t, map[string]string{"C_KEY": "value", "WORD": "secret", "A": "value/$(B)/$(C_KEY)", "B": "web", "ACCOUNT": "robot", "LABEL": "shop", "NODE": "node",
		"CPU": "8", "MILLIS": "250", "MIB": "100", "DISK": "90", "HUGE": "4194304", "SECRET": "secret"}, got)
}

func TestHostsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	spec := &v1.PodSpec{HostAliases: []v1.HostAlias{{IP: "10.1.2.3", Hostnames: []string{"db", "db.local"}}}}
	require.NoError(t, writeHosts(path, spec, "10.0.0.7", "one", "all.default.svc.cluster.local"))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), "127.0.0.1\tlocalhost\n")
	assert.Contains(t, string(text), "\n10.0.0.7\tone.all.default.svc.cluster.local\tone\n")
	assert.Contains(t, string(text), "\n10.1.2.3\tdb\tdb.local\n")
	require.NoError(t, writeHosts(path, &v1.PodSpec{}, "10.0.0.7", "one", ""))
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	assert.Contains(t, string(text), "\n10.0.0.7\tone\n")
}

func TestHostnames(t *testing.T) {
	assert.Equal(t, "web", cutHostname("web"))
	assert.Equal(t, strings.Repeat("a", 62), cutHostname(strings.Repeat("a", 62)+"-b"), "it ends with a letter")
	full := true
	spec := &v1.PodSpec{SetHostnameAsFQDN: &full}
	assert.Equal(t, "a.b", kernelHostname(spec, "a", "b"))
	assert.Equal(t, "a", kernelHostname(spec, "a", ""))
	assert.Equal(t, "a", kernelHostname(spec, "a", strings.Repeat("b", 63)), "too long for the kernel")
	assert.Equal(t, "a", kernelHostname(&v1.PodSpec{}, "a", "b"))
}

func TestParseResolvConf(t *testing.T) {
	assert.Equal(t, &runtimeapi.DNSConfig{Servers: []string{"10.0.0.1", "10.0.0.2"}, Searches: []string{"b", "c"}, Options: []string{"ndots:3", "rotate"}},
		parseResolvConf("# comment\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch a\nsearch b. . c\noptions ndots:2 rotate\noptions ndots:3\nnameserver\n"))
}

func TestVolumeFiles(t *testing.T) {
	r, p := placed(t, "", web(`securityContext: {fsGroup: 9}, containers: [{name: app, image: "app:1", resources: {limits: {cpu: 1, memory: 64Mi}}}],
    volumes: [{name: keys, secret: {secretName: more, defaultMode: 0400, items: [{key: WORD, path: word}, {key: WORD, path: dir/all, mode: 0644}]}},
    {name: plain, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Gi}}, {name: little, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]`)+`
- {apiVersion: v1, kind: Secret, metadata: {name: more}, stringData: {WORD: secret}}`)
	nine := int64(9)
	made := filepath.Join(t.TempDir(), "made")
	require.NoError(t, (&volume{path: made, file: true, given: true}).make())
	assert.FileExists(t, made)
	keys := p.volumes["keys"]
	assert.Equal(t, map[string]volumeFile{"word": {[]byte("secret"), 0o400}, "dir/all": {[]byte("secret"), 0o644}}, keys.files)
	assert.Equal(t, &nine, keys.group)
	assert.EqualValues(t, 64<<20, p.volumes["memory"].size, "the pod may use no more")
	assert.EqualValues(t, 1<<20, p.volumes["little"].size)

	if os.Geteuid() != 0 {
		t.Skip("only root gives files to a group")
	}
	require.NoError(t, os.MkdirAll(r.Directory, 0o755))
	require.NoError(t, keys.make())
	require.NoError(t, p.volumes["plain"].make())
	for path, want := range map[string]os.FileMode{filepath.Join(keys.path, "word"): 0o440, filepath.Join(keys.path, "dir/all"): 0o644,
		p.volumes["plain"].path: os.ModeDir | os.ModeSetgid | 0o777} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode(), path)
	}
}

func TestHugePages(t *testing.T) {
	assert.Equal(t, "2MB", pageSizeName(2<<20))
	assert.Equal(t, "1GB", pageSizeName(1<<30))
	assert.Equal(t, "64KB", pageSizeName(64<<10))
	r, p := placed(t, "", web(`resources: {limits: {cpu: 1, memory: 64Mi, hugepages-2Mi: 8Mi}}, containers: [{name: app, image: "app:1"},
    {name: own, image: "app:1", resources: {limits: {hugepages-2Mi: 4Mi}}}]`))
	sizes := []string{"1GB", "2MB"}
	limits := func(i int) []*runtimeapi.HugepageLimit {
		return hugePageLimits(sizes, p.template.Spec, p.template.ContainerSpec(i))
	}
	assert.Equal(t, []*runtimeapi.HugepageLimit{{PageSize: "1GB"}, {PageSize: "2MB", Limit: 8 << 20}}, limits(0), "its pod's")
	assert.Equal(t, []*runtimeapi.HugepageLimit{{PageSize: "1GB"}, {PageSize: "2MB", Limit: 4 << 20}}, limits(1), "its own")
	var l podResources
	l.add(p.template, r.cluster.KubeletConfiguration(1), sizes)
	assert.Equal(t, map[string]int64{"1GB": 0, "2MB": 8 << 20}, l.hugePages)
	node := hugePagesOf(&r.cluster.State().Nodes[r.cluster.State().Pods[1].Node].Allocatable, sizes)
	assert.Equal(t, map[string]int64{"1GB": 0, "2MB": 64 << 20}, node)
	assert.Contains(t, l.files(false), cgroupFile{"hugetlb", "hugetlb.2MB.limit_in_bytes", "8388608"})
	assert.Contains(t, l.files(true), cgroupFile{"", "hugetlb.1GB.max", "0"})
}

func TestMemoryQoS(t *testing.T) {
	of := func(kubelet, spec string) map[string]string {
		r, p := placed(t, kubelet, web(spec))
		return memoryQoS(r.cluster.KubeletConfiguration(1), p.template, p.template.ContainerSpec(0), 1<<30)
	}
	const some = `containers: [{name: app, image: "app:1", resources: {requests: {memory: 100Mi}, limits: {memory: 200Mi}}}]`
	const factor = "memoryThrottlingFactor: 0.5"
	none := map[string]string{"memory.min": "0", "memory.low": "0"}
	high := func(bytes string) map[string]string {
		return map[string]string{"memory.min": "0", "memory.low": "0", "memory.high": bytes}
	}
	assert.Equal(t, none, of("", some), "unless the kubelet has a factor")
	assert.Equal(t, map[string]string{"memory.high": "max"}, of("featureGates: {MemoryQoS: false}", some))
	assert.Equal(t, high("157286400"), of(factor, some))
	assert.Equal(t, high("536870912"), of(factor, oneContainer), "half of the node's memory")
	assert.Equal(t, none, of(factor, `containers: [{name: app, image: "app:1", resources: {limits: {memory: 200Mi}}}]`), "nothing above what it requests")
	const whole = `resources: {requests: {memory: 100Mi}, limits: {memory: 200Mi}}, ` + oneContainer
	assert.Equal(t, none, of(factor, whole), "the pod's")

	r, p := placed(t, factor, web(whole))
	assert.EqualValues(t, 150<<20, r.podLimits(p).high)
}

// Whoever asks for what is not given is told so.
func TestLeftOut(t *testing.T) {
	seen := map[string]bool{}
	for name, c := range map[string]struct {
		kubelet, spec, more, steps string
		host, standIn, nodes       bool
		want                       []string
	}{
		"nothing": {spec: oneContainer},
		"all that is not the runtime's": {spec: `hostUsers: false, runtimeClassName: gvisor, securityContext: {appArmorProfile: {type: RuntimeDefault}, seccompProfile: {type: Localhost, localhostProfile: x}},
    containers: [{name: app, image: "app:1", env: [{name: A, valueFrom: {fileKeyRef: {path: a, volumeName: data, key: k}}}],
    volumeMounts: [{name: data, mountPath: /data, mountPropagation: HostToContainer, readOnly: true, recursiveReadOnly: IfPossible}], volumeDevices: [{name: disk, devicePath: /dev/x}]}],
    volumes: [{name: data, emptyDir: {}}, {name: pages, emptyDir: {medium: HugePages}}, {name: disk, emptyDir: {}}, {name: trust, projected: {sources: [
    {clusterTrustBundle: {name: x, path: x}}, {serviceAccountToken: {path: t}}]}}]`,
			want: []string{"hostUsers", "runtimeClassName", "appArmorProfile", "seccompProfile", "fileKeyRef", "mountPropagation", "recursiveReadOnly",
				"volumeDevices", "emptyDir of the medium HugePages", "projected volumes", "tokens"}},
		"what is reserved": {kubelet: "enforceNodeAllocatable: [pods, kube-reserved], kubeReservedCgroup: /kube, kubeReserved: {cpu: 100m}", spec: oneContainer,
			want: []string{"enforceNodeAllocatable"}},
		"the same of stand-ins":   {standIn: true, spec: `securityContext: {appArmorProfile: {type: RuntimeDefault}}, ` + oneContainer},
		"Services":                {spec: oneContainer, more: "\n- {apiVersion: v1, kind: Service, metadata: {name: db}, spec: {ports: [{port: 80}]}}", want: []string{"Services"}},
		"a port of several nodes": {nodes: true, spec: `containers: [{name: app, image: "app:1", ports: [{containerPort: 80, hostPort: 80}]}]`, want: []string{"hostPort"}},
		"a ConfigMap that changes": {spec: `volumes: [{name: some, configMap: {name: some}}, {name: other, projected: {sources: [{secret: {name: other}}]}}], ` + oneContainer,
			more: `
- {apiVersion: v1, kind: ConfigMap, metadata: {name: some}, data: {a: b}}
- {apiVersion: v1, kind: Secret, metadata: {name: other}, stringData: {a: b}}`,
			steps: `[{at: 10s, apply: {apiVersion: v1, kind: Secret, metadata: {name: other}, stringData: {a: c}}}]`, want: []string{"ConfigMaps and Secrets"}},
		"without a network": {host: true, kubelet: "clusterDomain: cluster.local", spec: `setHostnameAsFQDN: true, subdomain: ` + strings.Repeat("s", 60) + `,
    securityContext: {sysctls: [{name: net.ipv4.ip_local_port_range, value: "1024 65535"}]}, containers: [{name: app, image: "app:1", ports: [{containerPort: 80, hostPort: 80}]}]`,
			want: []string{"hostPort", "hostnames", "setHostnameAsFQDN", "sysctls"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, p := placed(t, c.kubelet, web("automountServiceAccountToken: false, "+c.spec)+c.more, c.steps)
			r.podNetworks = !c.host
			if c.nodes {
				r.cluster.State().Nodes = append(r.cluster.State().Nodes, model.Node{Name: "another"})
			}
			if c.standIn {
				r.images = ruledImages{}
			}
			clear(r.notPlayed)
			r.noteLeftOut(p)
			assert.Len(t, r.notPlayed, len(c.want), "%v", r.notPlayed)
			for line := range r.notPlayed {
				seen[line] = true
				assert.True(t, hasPrefix(line, c.want), line)
			}
		})
	}
	for _, l := range leftOuts {
		// These depend on the machine's cgroups.
		if !seen[l.what] && !hasPrefix(l.what, []string{"hugepages", "memoryReservationPolicy", "memorySwap"}) {
			assert.Fail(t, "no case has "+l.what)
		}
	}
}

// The manual has each line about pods.
func TestLeftOutIsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/real-node.md")
	require.NoError(t, err)
	for _, l := range leftOuts {
		assert.Contains(t, string(manual), "\n- "+l.what)
	}
}

func hasPrefix(line string, starts []string) bool {
	for _, s := range starts {
		if strings.HasPrefix(line, s) {
			return true
		}
	}
	return false
}
