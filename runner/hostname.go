package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The longest hostname that the kubelet sets, and the longest with a domain, which is what the kernel takes.
const (
	hostnameMax = 63
	fqdnMax     = 64
)

// hostname is what a pod calls itself, and its domain, "" for none (pkg/kubelet/kubelet_pods.go
// GeneratePodHostNameAndDomain).
func (r *CRI) hostname(p *pod) (name, domain string) {
	spec := p.template.Spec
	if spec.HostnameOverride != nil {
		return cutHostname(*spec.HostnameOverride), ""
	}
	name = p.name
	if spec.Hostname != "" {
		name = spec.Hostname
	}
	if spec.Subdomain != "" {
		domain = fmt.Sprintf("%s.%s.svc.%s", spec.Subdomain, p.namespace, r.cluster.KubeletConfiguration(p.ref.ID).ClusterDomain)
	}
	return cutHostname(name), domain
}

// cutHostname follows truncatePodHostnameIfNeeded.
func cutHostname(name string) string {
	if len(name) <= hostnameMax {
		return name
	}
	return strings.TrimRight(name[:hostnameMax], "-.")
}

// kernelHostname is what the kernel is told (pkg/kubelet/util/util.go GetNodenameForKernel).
//
// Differs from Kubernetes: where the kernel takes no name as long as that one with the domain, it gets the one
// without, and the pod can start.
func kernelHostname(spec *v1.PodSpec, name, domain string) string {
	full := name + "." + domain
	if domain == "" || spec.SetHostnameAsFQDN == nil || !*spec.SetHostnameAsFQDN || len(full) > fqdnMax {
		return name
	}
	return full
}

// ownHostname is the variable with a pod's hostname, which the runtime makes of what the kernel says. A pod that has the
// machine's network for want of its own gets the one that it should have.
func (r *CRI) ownHostname(p *pod) *runtimeapi.KeyValue {
	if r.podNetworks || p.template.Spec.HostNetwork {
		return nil
	}
	name, domain := r.hostname(p)
	return &runtimeapi.KeyValue{Key: "HOSTNAME", Value: []byte(kernelHostname(p.template.Spec, name, domain))}
}

// hostsPath is where a container finds the names of hosts.
const hostsPath = "/etc/hosts"

// hostsFile is where that file of a pod is on the node.
func (p *pod) hostsFile() string { return filepath.Join(p.directory, "etc-hosts") }

// writeHosts writes a pod's file of hosts (ensureHostsFile). A pod of the host's network has the host's.
func writeHosts(path string, spec *v1.PodSpec, address, name, domain string) error {
	var b bytes.Buffer
	if spec.HostNetwork {
		own, err := os.ReadFile(hostsPath)
		if err != nil {
			return err
		}
		b.WriteString("# Kubernetes-managed hosts file (host network).\n")
		b.Write(own)
	} else {
		b.WriteString("# Kubernetes-managed hosts file.\n")
		for _, host := range []string{"127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet",
			"fe00::0\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters"} {
			b.WriteString(host + "\n")
		}
		if domain != "" {
			name = name + "." + domain + "\t" + name
		}
		b.WriteString(address + "\t" + name + "\n")
	}
	if len(spec.HostAliases) > 0 {
		b.WriteString("\n# Entries added by HostAliases.\n")
	}
	for _, a := range spec.HostAliases {
		b.WriteString(a.IP + "\t" + strings.Join(a.Hostnames, "\t") + "\n")
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
