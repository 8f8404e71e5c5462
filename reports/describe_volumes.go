package reports

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
)

// volumes follows describeVolumes; the kinds that podsim mounts like any other show their
// type alone.
func (p *printer) volumes(indent string, list []v1.Volume) {
	if len(list) == 0 {
		p.line(0, "%sVolumes:\t<none>", indent)
		return
	}
	p.line(0, "%sVolumes:", indent)
	more := ""
	if indent != "" {
		more = " "
	}
	for i := range list {
		p.line(1, "%s%s:", more, list[i].Name)
		p.volume(&list[i].VolumeSource)
	}
}

func (p *printer) volume(v *v1.VolumeSource) {
	switch {
	case v.HostPath != nil:
		kind := "<none>"
		if v.HostPath.Type != nil {
			kind = string(*v.HostPath.Type)
		}
		p.fields("HostPath (bare host directory volume)", "Path", v.HostPath.Path, "HostPathType", kind)
	case v.EmptyDir != nil:
		limit := "<unset>"
		if q := v.EmptyDir.SizeLimit; q != nil && q.Sign() > 0 {
			limit = q.String()
		}
		p.fields("EmptyDir (a temporary directory that shares a pod's lifetime)", "Medium", string(v.EmptyDir.Medium), "SizeLimit", limit)
	case v.Secret != nil:
		p.fields("Secret (a volume populated by a Secret)", "SecretName", v.Secret.SecretName, "Optional", fmt.Sprint(set(v.Secret.Optional)))
	case v.ConfigMap != nil:
		p.fields("ConfigMap (a volume populated by a ConfigMap)", "Name", v.ConfigMap.Name, "Optional", fmt.Sprint(set(v.ConfigMap.Optional)))
	case v.PersistentVolumeClaim != nil:
		p.fields("PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
			"ClaimName", v.PersistentVolumeClaim.ClaimName, "ReadOnly", fmt.Sprint(v.PersistentVolumeClaim.ReadOnly))
	case v.Projected != nil:
		p.projected(v.Projected)
	case v.DownwardAPI != nil:
		p.downwardAPI(v.DownwardAPI)
	case v.CSI != nil:
		p.fields("CSI (a Container Storage Interface (CSI) volume source)")
	case v.Ephemeral != nil:
		p.fields("EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)")
	case v.NFS != nil:
		p.fields("NFS (an NFS mount that lasts the lifetime of a pod)")
	default:
		p.line(1, "<unknown>")
	}
}

// fields writes a volume's type and then names and values.
func (p *printer) fields(kind string, pairs ...string) {
	p.line(2, "Type:\t%s", kind)
	for i := 0; i < len(pairs); i += 2 {
		p.line(2, "%s:\t%s", pairs[i], pairs[i+1])
	}
}

func (p *printer) projected(v *v1.ProjectedVolumeSource) {
	p.fields("Projected (a volume that contains injected data from multiple sources)")
	for _, s := range v.Sources {
		switch {
		case s.Secret != nil:
			p.line(2, "SecretName:\t%s", s.Secret.Name)
			p.line(2, "Optional:\t%t", set(s.Secret.Optional))
		case s.DownwardAPI != nil:
			p.line(2, "DownwardAPI:\ttrue")
		case s.ConfigMap != nil:
			p.line(2, "ConfigMapName:\t%s", s.ConfigMap.Name)
			p.line(2, "Optional:\t%t", set(s.ConfigMap.Optional))
		case s.ServiceAccountToken != nil && s.ServiceAccountToken.ExpirationSeconds != nil:
			p.line(2, "TokenExpirationSeconds:\t%d", *s.ServiceAccountToken.ExpirationSeconds)
		}
	}
}

func (p *printer) downwardAPI(v *v1.DownwardAPIVolumeSource) {
	p.fields("DownwardAPI (a volume populated by information about the pod)")
	p.line(2, "Items:")
	for _, m := range v.Items {
		if m.FieldRef != nil {
			p.line(3, "%s -> %s", m.FieldRef.FieldPath, m.Path)
		}
		if m.ResourceFieldRef != nil {
			p.line(3, "%s -> %s", m.ResourceFieldRef.Resource, m.Path)
		}
	}
}
