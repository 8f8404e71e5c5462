package model

import (
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
)

// ConfigSource is a ConfigMap or a Secret: what containers take variables and files from. A run
// asks only whether it is there and which keys it has.
type ConfigSource struct {
	ConfigName
	// Keys are those of data, BinaryKeys those of a ConfigMap's binaryData; each sorted.
	Keys, BinaryKeys []string
	Deleted          bool
}

// ConfigName names a ConfigMap or a Secret.
type ConfigName struct {
	Secret          bool
	Namespace, Name string
}

// ConfigMapSource is a ConfigMap as a run keeps it.
func ConfigMapSource(x *v1.ConfigMap) ConfigSource {
	return ConfigSource{ConfigName: ConfigName{Namespace: x.Namespace, Name: x.Name},
		Keys: slices.Sorted(maps.Keys(x.Data)), BinaryKeys: slices.Sorted(maps.Keys(x.BinaryData))}
}

// SecretSource is a Secret as a run keeps it. The API server writes stringData into data
// (pkg/apis/core/v1/conversion.go Convert_v1_Secret_To_core_Secret).
func SecretSource(x *v1.Secret) ConfigSource {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(x.Data)), maps.Keys(x.StringData))
	slices.Sort(keys)
	return ConfigSource{ConfigName: ConfigName{Secret: true, Namespace: x.Namespace, Name: x.Name}, Keys: slices.Compact(keys)}
}

// RootCA is the ConfigMap that every namespace has (pkg/controller/certificates/rootcacertpublisher).
var RootCA = ConfigSource{ConfigName: ConfigName{Name: "kube-root-ca.crt"}, Keys: []string{"ca.crt"}}

// ConfigRef is a container's or volume's wish for a ConfigMap or Secret of the pod's namespace,
// or for one of its keys.
type ConfigRef struct {
	Secret bool
	Name   string
	// Key is empty when the object as a whole is meant.
	Key      string
	Optional bool
}

func (r *ConfigRef) kind() string {
	if r.Secret {
		return "secret"
	}
	return "configmap"
}

// missing is the error of a ConfigMap or Secret that is not there, "" where that does not matter.
func (r *ConfigRef) missing() string {
	if r.Optional {
		return ""
	}
	return fmt.Sprintf("%s %q not found", r.kind(), r.Name)
}

// EnvError is why a variable of a pod in the namespace cannot be made of source, which is nil when
// there is none: "" when it can (pkg/kubelet/kubelet_pods.go makeEnvironmentVariables).
func (r *ConfigRef) EnvError(namespace string, source *ConfigSource) string {
	switch {
	case source == nil:
		return r.missing()
	case r.Key == "" || r.Optional || slices.Contains(source.Keys, r.Key):
		return ""
	case r.Secret:
		return fmt.Sprintf("couldn't find key %v in Secret %v/%v", r.Key, namespace, r.Name)
	}
	return fmt.Sprintf("couldn't find key %v in ConfigMap %v/%v", r.Key, namespace, r.Name)
}

// FileError is why a volume's file cannot be made of source, which is nil when there is none: ""
// when it can (pkg/volume/configmap and pkg/volume/secret, MakePayload).
func (r *ConfigRef) FileError(source *ConfigSource) string {
	switch {
	case source == nil:
		return r.missing()
	case r.Key == "" || r.Optional || slices.Contains(source.Keys, r.Key) || slices.Contains(source.BinaryKeys, r.Key):
		return ""
	case r.Secret:
		return "references non-existent secret key: " + r.Key
	}
	return "configmap references non-existent config key: " + r.Key
}

// envRefs are the references of a container's variables in the order in which the kubelet makes
// them: envFrom first.
func envRefs(c *v1.Container) []ConfigRef {
	var refs []ConfigRef
	for i := range c.EnvFrom {
		if r := c.EnvFrom[i].ConfigMapRef; r != nil {
			refs = append(refs, ConfigRef{Name: r.Name, Optional: deref(r.Optional, false)})
		} else if r := c.EnvFrom[i].SecretRef; r != nil {
			refs = append(refs, ConfigRef{Secret: true, Name: r.Name, Optional: deref(r.Optional, false)})
		}
	}
	for i := range c.Env {
		from := c.Env[i].ValueFrom
		switch {
		case c.Env[i].Value != "" || from == nil:
		case from.ConfigMapKeyRef != nil:
			r := from.ConfigMapKeyRef
			refs = append(refs, ConfigRef{Name: r.Name, Key: r.Key, Optional: deref(r.Optional, false)})
		case from.SecretKeyRef != nil:
			r := from.SecretKeyRef
			refs = append(refs, ConfigRef{Secret: true, Name: r.Name, Key: r.Key, Optional: deref(r.Optional, false)})
		}
	}
	return refs
}

// fileRefs are the references of a volume. Those to one source of a projected volume stand
// together, in one list.
func fileRefs(v *v1.VolumeSource) [][]ConfigRef {
	switch {
	case v.ConfigMap != nil:
		return [][]ConfigRef{itemRefs(ConfigRef{Name: v.ConfigMap.Name, Optional: deref(v.ConfigMap.Optional, false)}, v.ConfigMap.Items)}
	case v.Secret != nil:
		return [][]ConfigRef{itemRefs(ConfigRef{Secret: true, Name: v.Secret.SecretName, Optional: deref(v.Secret.Optional, false)}, v.Secret.Items)}
	case v.Projected == nil:
		return nil
	}
	var refs [][]ConfigRef
	for i := range v.Projected.Sources {
		s := &v.Projected.Sources[i]
		if s.Secret != nil {
			refs = append(refs, itemRefs(ConfigRef{Secret: true, Name: s.Secret.Name, Optional: deref(s.Secret.Optional, false)}, s.Secret.Items))
		} else if s.ConfigMap != nil {
			refs = append(refs, itemRefs(ConfigRef{Name: s.ConfigMap.Name, Optional: deref(s.ConfigMap.Optional, false)}, s.ConfigMap.Items))
		}
	}
	return refs
}

func itemRefs(whole ConfigRef, items []v1.KeyToPath) []ConfigRef {
	refs := []ConfigRef{whole}
	for i := range items {
		r := whole
		r.Key = items[i].Key
		refs = append(refs, r)
	}
	return refs
}

// nonRoot says whether a container that must not run as root is told to do so, and whether its
// image is what says as whom it runs (kuberuntime security_context_others.go verifyRunAsNonRoot).
func nonRoot(pod *v1.PodSecurityContext, c *v1.SecurityContext) (broken, byImage bool) {
	var must *bool
	var user *int64
	if pod != nil {
		must, user = pod.RunAsNonRoot, pod.RunAsUser
	}
	if c != nil && c.RunAsNonRoot != nil {
		must = c.RunAsNonRoot
	}
	if c != nil && c.RunAsUser != nil {
		user = c.RunAsUser
	}
	if !deref(must, false) {
		return false, false
	}
	return user != nil && *user == 0, user == nil
}
