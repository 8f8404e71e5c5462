package runner

import (
	"os"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// resolvConf says how the machine looks names up.
const resolvConf = "/etc/resolv.conf"

// What the kubelet hands on at most (pkg/apis/core/validation/validation.go).
const (
	nameserversMax = 3
	searchesMax    = 32
)

// dnsConfig is how a pod looks names up (pkg/kubelet/network/dns/dns.go GetPodDNS); nil, as the machine does.
//
// Differs from Kubernetes: a real node has no DNS server of the scenario's cluster, so that ClusterFirst is
// Default, as it is to a kubelet that was not told of one.
func dnsConfig(spec *v1.PodSpec) *runtimeapi.DNSConfig {
	if spec.DNSConfig == nil && spec.DNSPolicy != v1.DNSNone {
		return nil
	}
	c := &runtimeapi.DNSConfig{}
	if spec.DNSPolicy != v1.DNSNone {
		text, _ := os.ReadFile(resolvConf)
		c = parseResolvConf(string(text))
	}
	if own := spec.DNSConfig; own != nil {
		c.Servers = unique(append(c.Servers, own.Nameservers...))
		c.Searches = unique(append(c.Searches, own.Searches...))
		for _, o := range own.Options {
			text := o.Name
			if o.Value != nil && *o.Value != "" {
				text += ":" + *o.Value
			}
			c.Options = withOption(c.Options, text)
		}
	}
	c.Servers = c.Servers[:min(len(c.Servers), nameserversMax)]
	c.Searches = c.Searches[:min(len(c.Searches), searchesMax)]
	return c
}

// parseResolvConf reads resolv.conf(5). Of several lines with searches the last one counts.
func parseResolvConf(text string) *runtimeapi.DNSConfig {
	c := &runtimeapi.DNSConfig{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		switch rest := fields[1:]; fields[0] {
		case "nameserver":
			c.Servers = append(c.Servers, rest[:min(len(rest), 1)]...)
		case "search":
			c.Searches = nil
			for _, s := range rest {
				if s != "." {
					c.Searches = append(c.Searches, strings.TrimSuffix(s, "."))
				}
			}
		case "options":
			for _, o := range rest {
				c.Options = withOption(c.Options, o)
			}
		}
	}
	return c
}

// withOption adds an option such as ndots:5 in the place of the one of that name.
func withOption(options []string, option string) []string {
	name, _, _ := strings.Cut(option, ":")
	for i, o := range options {
		if other, _, _ := strings.Cut(o, ":"); other == name {
			options[i] = option
			return options
		}
	}
	return append(options, option)
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
