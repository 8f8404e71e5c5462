package scenarios

import (
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// staticPod reads the manifest of a static pod, nil when it is wrong: one Pod that needs nothing of the
// API server (pkg/api/pod/util.go HasAPIObjectReference). A kubelet would not run another one.
func (r *reader) staticPod(x *document) *manifest {
	before := len(r.errs)
	var a apply
	r.readDocument(x, &a)
	if len(r.errs) > before || x.from == nil {
		return nil
	}
	where := x.from.at(x.node)
	if len(a.manifests) != 1 {
		r.errorAt(where, "%s has %d objects, want one Pod: each static pod has a manifest of its own", x.path, len(a.manifests))
		return nil
	}
	m := &a.manifests[0]
	pod, ok := m.Object.Object.(*v1.Pod)
	if !ok {
		r.errorAt(where, "%s is a %s, want a Pod: a kubelet runs nothing else by itself", x.path, m.kind.Kind)
		return nil
	}
	if refers := refersTo(&pod.Spec); refers != "" {
		r.errorAt(m.Where, "the static pod %s refers to %s, want none: a kubelet does not run a static pod that needs other objects",
			quoted(pod.Name), refers)
		return nil
	}
	if err := r.priorities.resolve(m); err != nil {
		r.errs = append(r.errs, err)
		return nil
	}
	r.unsimulated.add(m, 1)
	return m
}

// refersTo is what of the API server a pod needs that no static pod may need, empty for nothing.
func refersTo(spec *v1.PodSpec) string {
	if spec.ServiceAccountName != "" {
		return "a service account"
	}
	if len(spec.ResourceClaims) > 0 {
		return "resource claims"
	}
	if len(spec.ImagePullSecrets) > 0 {
		return "secrets"
	}
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if refers := variablesReferTo(&list[i]); refers != "" {
				return refers
			}
		}
	}
	for i := range spec.Volumes {
		if refers := volumeRefersTo(&spec.Volumes[i]); refers != "" {
			return refers
		}
	}
	return ""
}

func variablesReferTo(c *v1.Container) string {
	for i := range c.EnvFrom {
		if c.EnvFrom[i].ConfigMapRef != nil {
			return "config maps"
		}
		if c.EnvFrom[i].SecretRef != nil {
			return "secrets"
		}
	}
	for i := range c.Env {
		switch from := c.Env[i].ValueFrom; {
		case from == nil:
		case from.ConfigMapKeyRef != nil:
			return "config maps"
		case from.SecretKeyRef != nil:
			return "secrets"
		}
	}
	return ""
}

func volumeRefersTo(v *v1.Volume) string {
	switch {
	case v.ConfigMap != nil:
		return "config maps"
	case v.Secret != nil, v.AzureFile != nil:
		return "secrets"
	case v.CSI != nil:
		return "a CSI driver"
	case v.PersistentVolumeClaim != nil, v.Ephemeral != nil:
		return "a persistent volume claim"
	case v.Projected == nil:
		return ""
	}
	for i := range v.Projected.Sources {
		if v.Projected.Sources[i].DownwardAPI == nil {
			return "objects by a projected volume"
		}
	}
	return ""
}

// staticPods reads the static pods that the nodes have at the start, and adds their mirror pods to
// what there is.
func (r *reader) staticPods(spec *specFile, nodes []model.NodeSpec, w *world) {
	for i := range spec.Nodes {
		f := &spec.Nodes[i]
		for j := range f.StaticPods {
			m := r.staticPod(&f.StaticPods[j])
			if m == nil {
				continue
			}
			for k := range nodes {
				if n := &nodes[k]; n.Name == f.Name && f.Count == nil || f.Count != nil && inPool(n.Name, f.Name) {
					r.addStatic(f.Where.at("staticPods"), n, m)
					w.putStatic(n.Name, m)
				}
			}
		}
	}
}

// inPool says whether a node has a name of the pool.
func inPool(node, pool string) bool {
	number, ok := strings.CutPrefix(node, pool+"-")
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

func (r *reader) addStatic(where model.Position, n *model.NodeSpec, m *manifest) {
	for _, o := range n.StaticPods {
		if p := o.Object.(*v1.Pod); p.Name == m.meta.GetName() && p.Namespace == m.meta.GetNamespace() {
			r.errorAt(where, "node %s has two static pods %s, want one of a name", n.Name, objectName(p.Namespace, p.Name))
			return
		}
	}
	n.StaticPods = append(n.StaticPods, m.Object)
}

// putStatic adds the mirror pod of a static pod.
func (w *world) putStatic(node string, m *manifest) {
	id := object{model.KindPod, m.meta.GetNamespace(), model.StaticPodName(m.meta.GetName(), node)}
	w.objects[id] = m
	if w.statics == nil {
		w.statics = map[static]bool{}
	}
	w.statics[static{node, m.meta.GetNamespace(), m.meta.GetName()}] = true
	spec, _ := podSpec(m)
	w.addContainers(id, id.name, spec)
}

// static is a static pod by its node and the name in its manifest.
type static struct{ node, namespace, name string }

// fillStaticPod reads the manifest of a step.
func (s *stepReader) fillStaticPod(f *stepFile, step *model.Step) {
	if f.Manifest == nil {
		s.errorAt(f.Where.at("manifest"), "staticPod needs manifest, a Pod: a file or the object")
		return
	}
	m := s.staticPod(f.Manifest)
	if m == nil {
		return
	}
	step.Objects = []model.Object{m.Object}
	s.world.putStatic(step.Name, m)
}

// fillRemoveStaticPod reads which manifest a step takes away.
func (s *stepReader) fillRemoveStaticPod(f *stepFile, step *model.Step) {
	step.Namespace, step.Pod = f.Namespace, f.Name
	if step.Namespace == "" {
		step.Namespace = "default"
	}
	if f.Name == "" {
		s.errorAt(f.Where.at("name"), "removeStaticPod needs name, the name in the manifest")
		return
	}
	x := static{step.Name, step.Namespace, f.Name}
	if !s.world.statics[x] {
		var near []string
		for o := range s.world.statics {
			if o.node == x.node {
				near = append(near, o.name)
			}
		}
		s.errorAt(f.Where.at("name"), "node %s has no static pod %s%s", x.node, objectName(x.namespace, x.name), didYouMean(x.name, near))
		return
	}
	delete(s.world.statics, x)
}
