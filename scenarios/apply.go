package scenarios

import (
	"fmt"

	"gopkg.in/yaml.v3"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"podsim/model"
)

// apply is what one `kubectl apply` is given.
type apply struct {
	at        model.Time
	where     model.Position
	manifests []manifest
	// copies has, for a generated object, how many stand for the one it was made from; the
	// others of them have -1.
	copies []int
}

// applies reads all manifests of a scenario: those at 0s first, then one apply for each
// step that has one, in the order of spec.steps.
func (r *reader) applies(spec *specFile) []apply {
	start := apply{where: spec.Where.at("manifests")}
	for i := range spec.Manifests {
		r.readDocument(&spec.Manifests[i], &start)
	}
	room := maxGenerated
	for i := range spec.Generate {
		room -= r.generate(&spec.Generate[i], room, &start)
	}
	all := []apply{start}
	for i := range spec.Steps {
		step := &spec.Steps[i]
		if step.Apply == nil {
			continue
		}
		a := apply{where: step.Where.at("apply")}
		if step.At != nil {
			a.at = model.Time(*step.At)
		}
		r.readDocument(step.Apply, &a)
		all = append(all, a)
	}
	for i := range all {
		if err := checkTwice(all[i].manifests); err != nil {
			r.errs = append(r.errs, err)
		}
		r.priorities.add(all[i].manifests)
	}
	for i := range all {
		r.finish(&all[i])
	}
	return all
}

// finish resolves priorities and counts what is not simulated.
func (r *reader) finish(a *apply) {
	for i := range a.manifests {
		m := &a.manifests[i]
		if err := r.priorities.resolve(m); err != nil {
			r.errs = append(r.errs, err)
		}
		if a.copies[i] > 0 {
			r.unsimulated.add(m, a.copies[i])
		}
	}
}

func (a *apply) add(manifests ...manifest) {
	for _, m := range manifests {
		a.manifests = append(a.manifests, m)
		a.copies = append(a.copies, 1)
	}
}

// objects are those that a run does something with.
func (a *apply) objects() []model.Object {
	var objects []model.Object
	for i := range a.manifests {
		switch o := a.manifests[i].Object; o.Object.(type) {
		case *v1.Pod, *v1.Service, *v1.ConfigMap, *v1.Secret, *v1.ServiceAccount, *appsv1.Deployment, *appsv1.ReplicaSet,
			*policyv1.PodDisruptionBudget, *v1.PersistentVolume, *v1.PersistentVolumeClaim, *storagev1.StorageClass, *storagev1.CSINode, *storagev1.CSIDriver,
			*storagev1.CSIStorageCapacity, *storagev1.VolumeAttachment,
			*resourcev1.DeviceClass, *resourcev1.ResourceSlice, *resourcev1.ResourceClaim, *resourcev1.ResourceClaimTemplate:
			objects = append(objects, o)
		}
	}
	return objects
}

// readDocument adds what a file, a folder or an inline object holds.
func (r *reader) readDocument(x *document, a *apply) {
	if x.from == nil {
		return
	}
	where := x.from.at(x.node)
	if x.file == "" {
		d := newDecoder(x.from)
		a.add(d.decodeObjects(x.node, x.path, schema.GroupVersionKind{})...)
		r.errs = append(r.errs, d.errs...)
		return
	}
	names, err := manifestFiles(r.files, relative(x.from.name, x.file))
	if err != nil {
		r.errorAt(where, "%s: %v", x.path, err)
		return
	}
	for _, name := range names {
		data, err := r.files.ReadFile(name)
		if err != nil {
			r.errorAt(where, "%s: %s", x.path, missingFile(r.files, name, err))
			return
		}
		manifests, err := readManifests(name, data)
		if err != nil {
			r.errs = append(r.errs, err)
		}
		a.add(manifests...)
	}
}

// generate adds the copies of a template and says how many.
func (r *reader) generate(f *generateFile, room int, a *apply) int {
	if f.Count < 0 || int(f.Count) > room {
		r.errorAt(f.Where.at("count"), "count is %d, must be from 0 to %d objects in all", f.Count, maxGenerated)
		return 0
	}
	first, labelled := r.generateFirst(f)
	if first == nil {
		return 0
	}
	for i := range int(f.Count) {
		m, name := *first, fmt.Sprintf("%s-%d", f.Name, i)
		object := first.Object.Object.DeepCopyObject()
		m.Object = model.Object{Object: object, Where: f.Where.at("name")}
		m.meta = object.(metav1.Object)
		m.meta.SetName(name)
		if d, ok := object.(*appsv1.Deployment); ok && labelled {
			d.Labels[generatedLabel] = name
			d.Spec.Selector.MatchLabels[generatedLabel] = name
			d.Spec.Template.Labels[generatedLabel] = name
		}
		copies := -1
		if i == 0 {
			copies = int(f.Count)
		}
		a.manifests, a.copies = append(a.manifests, m), append(a.copies, copies)
	}
	return int(f.Count)
}

// generatedLabel tells the pods of generated Deployments apart.
const generatedLabel = "app"

// generateFirst decodes a template under the first name, nil when it is wrong. labelled says
// that its selector and labels were made up.
func (r *reader) generateFirst(f *generateFile) (first *manifest, labelled bool) {
	if f.Template.node == nil {
		r.errorAt(f.Where.at("template"), "%s is empty, want a Deployment or Pod", f.Name)
		return nil, false
	}
	name := f.Name + "-0"
	tree := withText(f.Template.node, name, "metadata", "name")
	if _, spec := child(tree, "spec"); text(tree, "kind") == "Deployment" && spec != nil {
		if key, _ := child(spec, "selector"); key == nil {
			labelled = true
			tree = withText(tree, name, "metadata", "labels", generatedLabel)
			tree = withText(tree, name, "spec", "selector", "matchLabels", generatedLabel)
			tree = withText(tree, name, "spec", "template", "metadata", "labels", generatedLabel)
		}
	}
	d := newDecoder(f.Where.source)
	manifests := d.decodeObjects(tree, f.Template.path, schema.GroupVersionKind{})
	r.errs = append(r.errs, d.errs...)
	if len(d.errs) > 0 || len(manifests) != 1 {
		return nil, false
	}
	switch manifests[0].Object.Object.(type) {
	case *appsv1.Deployment, *v1.Pod:
		return &manifests[0], labelled
	}
	r.errorAt(manifests[0].Where, "%s.kind is %s, want Deployment or Pod", f.Template.path, manifests[0].kind.Kind)
	return nil, false
}

// withText is a copy of a tree with a text at a path; mappings on the way are made as
// needed. What is no mapping on the way stays, for the decoder to complain about.
func withText(n *yaml.Node, value string, path ...string) *yaml.Node {
	if len(path) == 0 {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: n.Line}
	}
	if n.Kind == yaml.ScalarNode && isNull(n) {
		n = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line}
	}
	if n.Kind != yaml.MappingNode {
		return n
	}
	c := *n
	c.Content = append([]*yaml.Node(nil), n.Content...)
	slot, _ := slotOf(&c, pathStep{path[0], -1})
	if slot < 0 {
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: path[0], Line: n.Line}
		empty := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line}
		c.Content = append(c.Content, key, empty)
		slot = len(c.Content) - 1
	}
	c.Content[slot] = withText(c.Content[slot], value, path[1:]...)
	return &c
}

// manifestHint helps someone who gave a manifest in place of a scenario.
func manifestHint(root *yaml.Node) string {
	version, err := schema.ParseGroupVersion(text(root, "apiVersion"))
	if err != nil || !scheme.Recognizes(version.WithKind(text(root, "kind"))) {
		return ""
	}
	return ": name this manifest in spec.manifests of a scenario"
}
