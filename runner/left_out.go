package runner

import (
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// leftOut notes a part of the scenario that is played in another way than it says.
func (r *CRI) leftOut(what string) { r.notPlayed[what] = true }

// noteLeftOut notes what of a pod the container runtime is not asked for, although a kubelet would.
func (r *CRI) noteLeftOut(p *pod) {
	for i := range leftOuts {
		l := &leftOuts[i]
		if (!l.inside || r.asTheyAre()) && l.asked(r, p) {
			r.leftOut(l.what)
		}
	}
}

// leftOuts are what pods may ask for and do not get. What is inside is seen by the programs in the containers only: it
// means nothing to stand-ins.
var leftOuts = []struct {
	what   string
	inside bool
	asked  func(r *CRI, p *pod) bool
}{
	{"hostPort: without a CNI network nothing leads from a port of the node to a pod", false, func(r *CRI, p *pod) bool {
		return !r.podNetworks && !p.template.Spec.HostNetwork && hasHostPort(p)
	}},
	{"hostPort: all nodes are this machine, so that one of the pods with a port has it", false, func(r *CRI, p *pod) bool {
		// Stand-ins listen at an address of their pod's own.
		shared := r.ownNetwork(p.template.Spec) || p.template.Spec.HostNetwork && r.asTheyAre()
		return shared && hasHostPort(p) && r.severalNodes()
	}},
	{"hostUsers: false: the users of a pod are those of the machine", false, func(_ *CRI, p *pod) bool {
		return p.template.Spec.HostUsers != nil && !*p.template.Spec.HostUsers
	}},
	{"runtimeClassName: all pods have the runtime's default handler", false, func(_ *CRI, p *pod) bool {
		return p.template.Spec.RuntimeClassName != nil && *p.template.Spec.RuntimeClassName != ""
	}},
	{"hugepages: the cgroups of this machine have no controller hugetlb, which would limit them", false, func(_ *CRI, p *pod) bool {
		pod := p.template.Spec.Resources
		return !hugePagesLimited() && (pod != nil && len(hugePages(pod.Limits)) > 0 ||
			anyContainer(p, func(c *v1.Container) bool { return len(hugePages(c.Resources.Limits)) > 0 }))
	}},
	{"memoryReservationPolicy: TieredReservation: no memory is kept for pods", false, func(r *CRI, p *pod) bool {
		return cgroupV2() && r.cluster.KubeletConfiguration(p.ref.ID).MemoryReservationPolicy == "TieredReservation"
	}},
	{"enforceNodeAllocatable for the system and for Kubernetes: cgroups that are not the run's are not touched", false, func(r *CRI, p *pod) bool {
		return slices.ContainsFunc(r.cluster.KubeletConfiguration(p.ref.ID).EnforceNodeAllocatable, func(s string) bool { return strings.Contains(s, "reserved") })
	}},
	{"memorySwap: LimitedSwap: containers have no swap", false, func(r *CRI, p *pod) bool {
		return cgroupV2() && r.cluster.KubeletConfiguration(p.ref.ID).MemorySwap.SwapBehavior == "LimitedSwap"
	}},
	{"volumeDevices: a container sees no block device", false, func(_ *CRI, p *pod) bool {
		return anyContainer(p, func(c *v1.Container) bool { return len(c.VolumeDevices) > 0 })
	}},
	{"emptyDir of the medium HugePages: it is a folder on the disk", false, func(_ *CRI, p *pod) bool {
		return slices.ContainsFunc(p.template.Spec.Volumes, func(v v1.Volume) bool {
			return v.EmptyDir != nil && v.EmptyDir.Medium != v1.StorageMediumDefault && v.EmptyDir.Medium != v1.StorageMediumMemory
		})
	}},
	{"appArmorProfile: the runtime is asked for none", true, func(_ *CRI, p *pod) bool {
		c := p.template.Spec.SecurityContext
		return c != nil && c.AppArmorProfile != nil || anyContainer(p, func(c *v1.Container) bool {
			return c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil
		})
	}},
	{"seccompProfile of the type Localhost: the container is unconfined", true, func(_ *CRI, p *pod) bool {
		local := func(s *v1.SeccompProfile) bool { return s != nil && s.Type == v1.SeccompProfileTypeLocalhost }
		c := p.template.Spec.SecurityContext
		return c != nil && local(c.SeccompProfile) || anyContainer(p, func(c *v1.Container) bool {
			return c.SecurityContext != nil && local(c.SecurityContext.SeccompProfile)
		})
	}},
	{"hostnames: without a CNI network the kernel's is the machine's; the variable HOSTNAME and /etc/hosts have the pod's", true, func(r *CRI, p *pod) bool {
		return !r.ownNetwork(p.template.Spec) && !p.template.Spec.HostNetwork
	}},
	{"setHostnameAsFQDN: a name of more than 64 characters has no domain", true, func(r *CRI, p *pod) bool {
		name, domain := r.hostname(p)
		full := p.template.Spec.SetHostnameAsFQDN
		return full != nil && *full && domain != "" && len(name+"."+domain) > fqdnMax
	}},
	{"sysctls of the network: without a CNI network pods have the machine's", true, func(r *CRI, p *pod) bool {
		c := p.template.Spec.SecurityContext
		return c != nil && len(r.sysctls(p.template.Spec)) < len(c.Sysctls)
	}},
	{"Services: nothing leads to them; containers find no variables of them and no DNS server that knows their names", true, func(r *CRI, _ *pod) bool {
		for _, s := range r.cluster.State().Services {
			if s.Object != nil && !s.Deleted {
				return true
			}
		}
		return false
	}},
	{"tokens of service accounts: the files are empty, as there is no API server", true, func(_ *CRI, p *pod) bool {
		return slices.ContainsFunc(p.template.Spec.Volumes, func(v v1.Volume) bool {
			return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s v1.VolumeProjection) bool { return s.ServiceAccountToken != nil })
		})
	}},
	{"projected volumes of clusterTrustBundle and podCertificate: the files are not there", true, func(_ *CRI, p *pod) bool {
		return slices.ContainsFunc(p.template.Spec.Volumes, func(v v1.Volume) bool {
			return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s v1.VolumeProjection) bool {
				return s.ClusterTrustBundle != nil || s.PodCertificate != nil
			})
		})
	}},
	{"ConfigMaps and Secrets that change: the files of volumes that are there stay as they were", true, func(r *CRI, p *pod) bool {
		return slices.ContainsFunc(configVolumes(p), func(name model.ConfigName) bool { return r.configs.changes(name, r.cluster.Now()) })
	}},
	{"fileKeyRef: variables from files are not set", true, func(_ *CRI, p *pod) bool {
		return anyContainer(p, func(c *v1.Container) bool {
			return slices.ContainsFunc(c.Env, func(e v1.EnvVar) bool { return e.ValueFrom != nil && e.ValueFrom.FileKeyRef != nil })
		})
	}},
	{"mountPropagation of volumes that are not the node's own: mounts in them are not seen on the other side", true, func(_ *CRI, p *pod) bool {
		return anyMount(p, func(m *v1.VolumeMount) bool {
			v := p.volumes[m.Name]
			return m.MountPropagation != nil && *m.MountPropagation != v1.MountPropagationNone && v != nil && !v.given
		})
	}},
	{"recursiveReadOnly: a volume is read-only, but not what is mounted in it", true, func(_ *CRI, p *pod) bool {
		return anyMount(p, func(m *v1.VolumeMount) bool {
			return m.RecursiveReadOnly != nil && *m.RecursiveReadOnly != v1.RecursiveReadOnlyDisabled
		})
	}},
}

// configVolumes are the ConfigMaps and Secrets that are volumes of a pod.
func configVolumes(p *pod) (names []model.ConfigName) {
	add := func(secret bool, name string) {
		names = append(names, model.ConfigName{Secret: secret, Namespace: p.namespace, Name: name})
	}
	for i := range p.template.Spec.Volumes {
		switch v := &p.template.Spec.Volumes[i]; {
		case v.ConfigMap != nil:
			add(false, v.ConfigMap.Name)
		case v.Secret != nil:
			add(true, v.Secret.SecretName)
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if s.ConfigMap != nil {
					add(false, s.ConfigMap.Name)
				}
				if s.Secret != nil {
					add(true, s.Secret.Name)
				}
			}
		}
	}
	return names
}

func hasHostPort(p *pod) bool {
	return anyContainer(p, func(c *v1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p v1.ContainerPort) bool { return p.HostPort != 0 })
	})
}

func (r *CRI) severalNodes() bool { return len(r.cluster.State().Nodes) > 2 } // they count from 1

// anyContainer says whether any of a pod's containers, also of those that run first, is so.
func anyContainer(p *pod, is func(*v1.Container) bool) bool {
	for i := range p.template.Containers {
		if is(p.template.ContainerSpec(i)) {
			return true
		}
	}
	return false
}

func anyMount(p *pod, is func(*v1.VolumeMount) bool) bool {
	return anyContainer(p, func(c *v1.Container) bool {
		for i := range c.VolumeMounts {
			if is(&c.VolumeMounts[i]) {
				return true
			}
		}
		return false
	})
}
