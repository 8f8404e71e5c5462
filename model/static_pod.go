package model

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// The annotations of static pods and of the mirror pods that stand for them in the API server
// (pkg/kubelet/types/pod_update.go).
const (
	annotationConfigHash   = "kubernetes.io/config.hash"
	annotationConfigMirror = v1.MirrorPodAnnotationKey
	annotationConfigSource = "kubernetes.io/config.source"
)

// StaticPodName is the name of a static pod, which its manifest calls name, on a node
// (pkg/kubelet/config/common.go generatePodName).
func StaticPodName(name, node string) string { return name + "-" + strings.ToLower(node) }

// StaticPodHash is the UID of a static pod: another manifest on a node, or the same elsewhere, has
// another one. Upstream hashes the pod in another form (applyDefaults), so its UIDs are others.
func StaticPodHash(p *v1.Pod, node string) string {
	h := fnv.New128a()
	data, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	h.Write(data)
	fmt.Fprintf(h, "host:%s", node)
	return hex.EncodeToString(h.Sum(nil))
}

// CompileStatic makes the template of a static pod, which is that of its mirror pod too: it tolerates all
// NoExecute taints, and no service account is put into it (pkg/kubelet/config/common.go applyDefaults).
func (s *State) CompileStatic(p *v1.Pod, node string) *PodTemplate {
	hash := StaticPodHash(p, node)
	p = p.DeepCopy()
	spec := &p.Spec
	spec.NodeName = node
	all := v1.Toleration{Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute}
	tolerated := false
	for i := range spec.Tolerations {
		tolerated = tolerated || spec.Tolerations[i] == all
	}
	if !tolerated {
		spec.Tolerations = append(spec.Tolerations, all)
	}
	defaultPodOnly(spec)
	defaultPodResources(spec)
	annotations := map[string]string{}
	for k, v := range p.Annotations {
		annotations[k] = v
	}
	annotations[annotationConfigHash], annotations[annotationConfigMirror], annotations[annotationConfigSource] = hash, hash, "file"
	t := s.Compile(p.Namespace, p.Labels, annotations, spec)
	t.Static = true
	return t
}
