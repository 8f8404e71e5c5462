package scenarios

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"podsim/model"
)

// ReadManifests reads the Kubernetes objects of a YAML or JSON file, as `kubectl apply -f`
// would take them: several documents, kind List, and for an object without a namespace
// "default". The API server's defaults are applied. What is wrong is an error of the form
// "file:line: what is wrong and what would be right", up to ten of them, one a line: a field
// or kind that does not exist, a wrong type, a name or value that the API server would
// refuse, an object that stands in the file twice. The file must be text of at most 64 MiB.
func ReadManifests(file string) ([]model.Object, error) {
	data, err := OS{}.ReadFile(file)
	if err != nil {
		return nil, fileError(file, err)
	}
	return ReadManifestBytes(file, data)
}

// ReadManifestBytes is ReadManifests for the content of a file; name is its name in errors.
func ReadManifestBytes(name string, data []byte) ([]model.Object, error) {
	manifests, err := readManifests(name, data)
	if err != nil {
		return nil, err
	}
	if err := checkTwice(manifests); err != nil {
		return nil, err
	}
	objects := make([]model.Object, len(manifests))
	for i := range manifests {
		objects[i] = manifests[i].Object
	}
	return objects, nil
}

// manifest is an object with the tree that it was read from.
type manifest struct {
	model.Object
	kind   schema.GroupVersionKind
	meta   metav1.Object
	source *source
	node   *yaml.Node
}

// id names the object among those of an apply.
func (m *manifest) id() string {
	return fmt.Sprintf("%s %s", m.kind.GroupKind(), objectName(m.meta.GetNamespace(), m.meta.GetName()))
}

func objectName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func readManifests(name string, data []byte) ([]manifest, error) {
	s := &source{name: name}
	documents, err := s.documents(data)
	if err != nil {
		return nil, err
	}
	d := newDecoder(s)
	var manifests []manifest
	for _, document := range documents {
		manifests = append(manifests, d.decodeObjects(document, "", schema.GroupVersionKind{})...)
	}
	if len(d.errs) == 0 && len(manifests) == 0 {
		return nil, errorAt(s.line(1), "there is no object in this file, want Kubernetes manifests")
	}
	return manifests, joined(d.errs)
}

// checkTwice refuses two objects of the same kind and name in one apply: the second would
// replace the first without a word.
func checkTwice(manifests []manifest) error {
	first := map[string]model.Position{}
	for i := range manifests {
		m := &manifests[i]
		id := m.id()
		if where, ok := first[id]; ok {
			return errorAt(m.Where, "%s %s is defined twice, first at %v: give one another name, or remove it",
				m.kind.Kind, objectName(m.meta.GetNamespace(), m.meta.GetName()), where)
		}
		first[id] = m.Where
	}
	return nil
}

// scheme knows the kinds that a manifest may hold.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		v1.AddToScheme, appsv1.AddToScheme, batchv1.AddToScheme, autoscalingv2.AddToScheme,
		policyv1.AddToScheme, networkingv1.AddToScheme, rbacv1.AddToScheme, storagev1.AddToScheme,
		schedulingv1.AddToScheme, nodev1.AddToScheme, coordinationv1.AddToScheme,
		discoveryv1.AddToScheme, admissionregistrationv1.AddToScheme, resourcev1.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}()

var (
	objectType = reflect.TypeFor[metav1.Object]()
	listType   = reflect.TypeFor[metav1.ListInterface]()
)

// isKind says whether a registered type is something that a manifest may hold: an object or
// a list of objects, not the options of a request.
func isKind(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(objectType) || p.Implements(listType)
}

// decodeObjects decodes one document, or an item of a list: an object or a list of them.
// item is the kind that an item without one has.
func (d *decoder) decodeObjects(n *yaml.Node, path string, item schema.GroupVersionKind) []manifest {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "%s is %s, want a mapping with apiVersion, kind and metadata", orRoot(path), kindOf(n))
		return nil
	}
	gvk, ok := d.decodeKind(n, path, item)
	if !ok {
		return nil
	}
	object, err := scheme.New(gvk)
	if err != nil {
		panic(err)
	}
	if _, ok := object.(metav1.ListInterface); ok {
		return d.decodeList(n, path, gvk)
	}
	before := len(d.errs)
	d.decode(n, reflect.ValueOf(object).Elem(), path)
	if len(d.errs) > before {
		return nil
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	m := manifest{model.Object{Object: object, Where: d.source.at(n)}, gvk, object.(metav1.Object), d.source, n}
	if key, _ := child(n, "kind"); key != nil {
		m.Where = d.source.at(key)
	}
	d.complete(&m, path)
	return []manifest{m}
}

func (d *decoder) decodeList(n *yaml.Node, path string, list schema.GroupVersionKind) []manifest {
	d.eachKey(n, path, func(key, _ *yaml.Node) {
		fields := []string{"apiVersion", "kind", "metadata", "items"}
		if !slices.Contains(fields, key.Value) {
			d.errorf(key, "unknown field %s%s", join(path, key.Value), didYouMean(key.Value, fields))
		}
	})
	_, items := child(n, "items")
	path = join(path, "items")
	if items == nil || isNull(items) {
		return nil
	}
	if items.Kind != yaml.SequenceNode {
		d.mismatch(items, path, "a list")
		return nil
	}
	var item schema.GroupVersionKind
	if list.Kind != "List" {
		item = list.GroupVersion().WithKind(strings.TrimSuffix(list.Kind, "List"))
	}
	var manifests []manifest
	for i, n := range items.Content {
		manifests = append(manifests, d.decodeObjects(n, fmt.Sprintf("%s[%d]", path, i), item)...)
	}
	return manifests
}

// decodeKind reads apiVersion and kind and refuses those that are not known.
func (d *decoder) decodeKind(n *yaml.Node, path string, item schema.GroupVersionKind) (schema.GroupVersionKind, bool) {
	apiVersion, kind := text(n, "apiVersion"), text(n, "kind")
	if apiVersion == "" && kind == "" && !item.Empty() {
		return item, true
	}
	for _, missing := range []struct{ name, value string }{{"apiVersion", apiVersion}, {"kind", kind}} {
		if missing.value != "" {
			continue
		}
		if key, value := child(n, missing.name); key != nil {
			d.mismatch(value, join(path, missing.name), "text")
			return item, false
		}
		var keys []string
		for i := 0; i < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i].Value)
		}
		hint := ""
		if near := nearest(missing.name, keys); near != "" {
			hint = fmt.Sprintf(", %s must be spelled %s", clip(near), missing.name)
		}
		d.errorf(n, "%s is missing%s", join(path, missing.name), hint)
		return item, false
	}
	gv, err := schema.ParseGroupVersion(apiVersion)
	gvk := gv.WithKind(kind)
	if t := scheme.AllKnownTypes()[gvk]; err == nil && t != nil && isKind(t) {
		return gvk, true
	}
	d.unknownKind(n, path, apiVersion, gvk)
	return item, false
}

// unknownKind reports an apiVersion and kind that do not exist, with the nearest ones that do.
func (d *decoder) unknownKind(n *yaml.Node, path, apiVersion string, gvk schema.GroupVersionKind) {
	var kinds, elsewhere []string
	versions := map[string]bool{}
	for known, t := range scheme.AllKnownTypes() {
		if !isKind(t) || known.Version == runtime.APIVersionInternal {
			continue
		}
		version := known.GroupVersion().String()
		versions[version] = true
		if version == apiVersion {
			kinds = append(kinds, known.Kind)
		}
		if known.Kind == gvk.Kind {
			elsewhere = append(elsewhere, version)
		}
	}
	slices.Sort(elsewhere)
	key, _ := child(n, "apiVersion")
	switch kindKey, _ := child(n, "kind"); {
	case len(elsewhere) > 0:
		d.errorf(key, "unknown %s %s for kind %s, want %s", join(path, "apiVersion"), quoted(apiVersion), gvk.Kind, strings.Join(elsewhere, " or "))
	case versions[apiVersion]:
		d.errorf(kindKey, "unknown %s %s in %s%s", join(path, "kind"), quoted(gvk.Kind), apiVersion, didYouMean(gvk.Kind, kinds))
	default:
		d.errorf(key, "unknown %s %s%s", join(path, "apiVersion"), quoted(apiVersion), didYouMean(apiVersion, slices.Collect(maps.Keys(versions))))
	}
}

// complete gives an object its namespace, checks it and applies the defaults.
func (d *decoder) complete(m *manifest, path string) {
	if clusterScoped[m.kind.GroupKind()] {
		m.meta.SetNamespace("")
	} else if m.meta.GetNamespace() == "" {
		m.meta.SetNamespace(metav1.NamespaceDefault)
	}
	c := checker{d: d, node: m.node, prefix: path}
	before := len(d.errs)
	c.checkObject(m)
	if len(d.errs) > before {
		return
	}
	switch o := m.Object.Object.(type) {
	case *v1.Pod:
		model.DefaultPod(o)
	case *v1.Service:
		model.DefaultService(o)
	case *v1.Node:
		model.DefaultNode(o)
	case *appsv1.Deployment:
		model.DefaultDeployment(o)
	case *appsv1.ReplicaSet:
		model.DefaultReplicaSet(o)
	case *v1.PersistentVolume:
		model.DefaultPersistentVolume(o)
	case *v1.PersistentVolumeClaim:
		model.DefaultPersistentVolumeClaim(&o.Spec)
	case *resourcev1.ResourceClaim:
		model.DefaultResourceClaim(&o.Spec)
	case *resourcev1.ResourceClaimTemplate:
		model.DefaultResourceClaim(&o.Spec.Spec)
	case *storagev1.StorageClass:
		model.DefaultStorageClass(o)
	}
}

// clusterScoped has the kinds without a namespace.
var clusterScoped = func() map[schema.GroupKind]bool {
	kinds := map[schema.GroupKind]bool{}
	for group, names := range map[string]string{
		v1.GroupName:                      "Namespace Node PersistentVolume ComponentStatus",
		rbacv1.GroupName:                  "ClusterRole ClusterRoleBinding",
		storagev1.GroupName:               "StorageClass VolumeAttachment CSIDriver CSINode VolumeAttributesClass",
		schedulingv1.GroupName:            "PriorityClass",
		resourcev1.GroupName:              "DeviceClass ResourceSlice",
		nodev1.GroupName:                  "RuntimeClass",
		networkingv1.GroupName:            "IngressClass ServiceCIDR IPAddress",
		admissionregistrationv1.GroupName: "ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding",
	} {
		for _, name := range strings.Fields(names) {
			kinds[schema.GroupKind{Group: group, Kind: name}] = true
		}
	}
	return kinds
}()
