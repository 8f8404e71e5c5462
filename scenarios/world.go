package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// world is what can be known of a run without running it: which objects are there when a
// step comes, and which containers and images there will ever be.
type world struct {
	nodes   map[string]bool
	objects map[object]*manifest
	// gone has the objects that were there before.
	gone map[object]model.Time
	// containers has every container that can come to be.
	containers []container
	// gates has every readiness gate that a pod can have.
	gates  []gate
	images map[string]bool
	// statics are the manifests of static pods that are there.
	statics map[static]bool
}

type object struct {
	kind            model.ObjectKind
	namespace, name string
}

// container is a container of an object's pods. pods is a pattern of their names: those of
// a workload end in something that only the run knows.
type container struct {
	owner           object
	namespace, pods string
	name, image     string
	// emptyDirs are those that it mounts.
	emptyDirs []string
}

// gate is a readiness gate of an object's pods, whose names are a pattern.
type gate struct{ namespace, pods, condition string }

func newWorld(nodes []model.NodeSpec) *world {
	w := &world{
		nodes:   map[string]bool{},
		objects: map[object]*manifest{},
		gone:    map[object]model.Time{},
		images:  map[string]bool{},
	}
	for i := range nodes {
		w.nodes[nodes[i].Name] = true
		for _, image := range nodes[i].Images {
			w.addImage(image)
		}
	}
	return w
}

func (w *world) addImage(image string) {
	if name, err := model.WithDefaultTag(image); err == nil {
		w.images[name] = true
	}
}

func (w *world) apply(a *apply) {
	for i := range a.manifests {
		m := &a.manifests[i]
		id := object{0, m.meta.GetNamespace(), m.meta.GetName()}
		pods := id.name
		switch m.Object.Object.(type) {
		case *v1.Pod:
			id.kind = model.KindPod
		case *appsv1.Deployment:
			id.kind, pods = model.KindDeployment, id.name+"-*-*"
		case *appsv1.ReplicaSet:
			id.kind, pods = model.KindReplicaSet, id.name+"-*"
		case *v1.Service:
			id.kind = model.KindService
		case *v1.ConfigMap:
			id.kind = model.KindConfigMap
		case *v1.Secret:
			id.kind = model.KindSecret
		default:
			continue
		}
		w.objects[id] = m
		if spec, _ := podSpec(m); spec != nil {
			w.addContainers(id, pods, spec)
			for _, g := range spec.ReadinessGates {
				w.gates = append(w.gates, gate{id.namespace, pods, string(g.ConditionType)})
			}
		}
	}
}

func (w *world) addContainers(id object, pods string, spec *v1.PodSpec) {
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			c := container{id, id.namespace, pods, list[i].Name, list[i].Image, emptyDirsOf(spec, &list[i])}
			w.containers = append(w.containers, c)
			w.addImage(c.image)
		}
	}
}

func emptyDirsOf(spec *v1.PodSpec, c *v1.Container) []string {
	var names []string
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		mounted := slices.ContainsFunc(c.VolumeMounts, func(m v1.VolumeMount) bool { return m.Name == v.Name })
		if v.EmptyDir != nil && mounted {
			names = append(names, v.Name)
		}
	}
	return names
}

// missing says why a step's target cannot be there, "" when it is or may be.
func (w *world) missing(step *model.Step) string {
	if step.Kind == model.KindNode {
		if w.nodes[step.Name] {
			return ""
		}
		return fmt.Sprintf("there is no node %s%s", step.Name, didYouMean(step.Name, sortedKeys(w.nodes)))
	}
	id := object{step.Kind, step.Namespace, step.Name}
	if w.objects[id] != nil || w.mayOwn(id) {
		return ""
	}
	if at, ok := w.gone[id]; ok {
		return fmt.Sprintf("%v %s is deleted at %v already", id.kind, objectName(id.namespace, id.name), at)
	}
	var near, elsewhere []string
	for o := range w.objects {
		if o.kind == id.kind && o.namespace == id.namespace {
			near = append(near, o.name)
		}
		if o.kind == id.kind && o.name == id.name {
			elsewhere = append(elsewhere, o.namespace)
		}
	}
	hint := didYouMean(id.name, near)
	if slices.Sort(elsewhere); len(elsewhere) > 0 {
		hint = ", it is in the namespace " + either(elsewhere)
	}
	return fmt.Sprintf("there is no %v %s at %v%s", id.kind, objectName(id.namespace, id.name), step.At, hint)
}

// missingPods is missing for a pattern of pods' names.
func (w *world) missingPods(step *model.Step) string {
	for _, c := range w.containers {
		if c.namespace == step.Namespace && overlap(step.Name, c.pods) {
			return ""
		}
	}
	return fmt.Sprintf("there is no Pod %s at %v", objectName(step.Namespace, step.Name), step.At)
}

// mayOwn says whether a workload that was ever there could have made the object, whose name
// then begins with the workload's.
func (w *world) mayOwn(id object) bool {
	owners := []model.ObjectKind{model.KindDeployment, model.KindReplicaSet}
	switch id.kind {
	case model.KindPod:
	case model.KindReplicaSet:
		owners = owners[:1]
	default:
		return false
	}
	for i, c := range id.name {
		for _, owner := range owners {
			o := object{owner, id.namespace, id.name[:i]}
			if _, before := w.gone[o]; c == '-' && (before || w.objects[o] != nil) {
				return true
			}
		}
	}
	return false
}

func (w *world) delete(step *model.Step) {
	id := object{step.Kind, step.Namespace, step.Name}
	if step.Kind == model.KindPod && !step.Force {
		return // it is there for its grace period, and may be deleted by force meanwhile
	}
	delete(w.objects, id)
	w.gone[id] = step.At
}

// resize says why no pod of a step has its container.
func (w *world) resize(step *model.Step) string {
	if step.Container == "" {
		return ""
	}
	names := map[string]bool{}
	for _, c := range w.containers {
		if c.namespace == step.Namespace && overlap(step.Name, c.pods) {
			names[c.name] = true
		}
	}
	if names[step.Container] || len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("Pod %s has no container %s, it has %s%s", objectName(step.Namespace, step.Name), quoted(step.Container),
		strings.Join(sortedKeys(names), ", "), didYouMean(step.Container, sortedKeys(names)))
}

// setImage says why a step's container cannot be there, and adds the image otherwise.
func (w *world) setImage(step *model.Step) string {
	m := w.objects[object{step.Kind, step.Namespace, step.Name}]
	spec, _ := podSpec(m)
	var names []string
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			names = append(names, list[i].Name)
		}
	}
	if step.Container != "*" && !slices.Contains(names, step.Container) {
		return fmt.Sprintf("%v %s has no container %s, it has %s%s", step.Kind, objectName(step.Namespace, step.Name),
			quoted(step.Container), strings.Join(names, ", "), didYouMean(step.Container, names))
	}
	for _, list := range [][]v1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if step.Container == "*" || step.Container == list[i].Name {
				w.containers = append(w.containers, container{
					object{step.Kind, step.Namespace, step.Name}, step.Namespace, step.Name + "-*-*", list[i].Name, step.Image,
					emptyDirsOf(spec, &list[i]),
				})
			}
		}
	}
	w.addImage(step.Image)
	return ""
}

// setCondition says why no pod of a step can have its readiness gate.
func (w *world) setCondition(step *model.Step) string {
	known := map[string]bool{}
	for _, g := range w.gates {
		if g.namespace == step.Namespace && overlap(step.Name, g.pods) {
			known[g.condition] = true
		}
	}
	if known[step.Condition] {
		return ""
	}
	has := "it has none"
	if names := sortedKeys(known); len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("Pod %s has no readiness gate %s, %s%s", objectName(step.Namespace, step.Name), quoted(step.Condition), has,
		didYouMean(step.Condition, sortedKeys(known)))
}

// checkUse refuses behaviors, images and registries that nothing in the run can ever meet.
// Those of included files may be there for other scenarios.
func (r *reader) checkUse(spec *specFile, w *world) {
	for i := range spec.Behaviors {
		f := &spec.Behaviors[i]
		if f.Where.source == r.root && !f.Match.everything() && !w.matches(&f.Match) {
			r.errorAt(f.Where.at("match"), "this behavior matches no container that there can be%s", w.hint(&f.Match))
			continue
		}
		for j := range f.Disk {
			d := &f.Disk[j]
			if names := w.emptyDirs(&f.Match); f.Where.source == r.root && d.Volume != "" && !slices.Contains(names, d.Volume) {
				r.errorAt(d.Where.at("volume"), "no container that this behavior matches mounts an emptyDir %s%s",
					quoted(d.Volume), didYouMean(d.Volume, names))
			}
		}
	}
	for i := range spec.Images {
		f := &spec.Images[i]
		name, err := model.WithDefaultTag(f.Name)
		if f.Where.source == r.root && err == nil && !w.images[name] {
			r.errorAt(f.Where.at("name"), "no container has the image %s%s", quoted(f.Name), didYouMean(name, sortedKeys(w.images)))
		}
	}
	hosts := w.hosts()
	for i := range spec.Registries {
		f := &spec.Registries[i]
		given := func(image string) bool {
			return (&model.Registry{Host: f.Host}).Gives(&model.Image{Name: image})
		}
		if f.Where.source == r.root && f.Host != "*" && !slices.ContainsFunc(sortedKeys(w.images), given) {
			r.errorAt(f.Where.at("host"), "no image comes from the registry %s%s", quoted(f.Host), didYouMean(f.Host, hosts))
		}
	}
	for i := range spec.Steps {
		f := &spec.Steps[i]
		matches := func(host string) bool { return model.Matches(f.Registry, host) }
		if f.Where.source == r.root && f.Registry != "" && f.Registry != "*" && !slices.ContainsFunc(hosts, matches) {
			r.errorAt(f.Where.at("registry"), "no image comes from the registry %s%s", quoted(f.Registry), didYouMean(f.Registry, hosts))
		}
	}
}

// hosts is the registries of all images, in order.
func (w *world) hosts() []string {
	hosts := map[string]bool{}
	for image := range w.images {
		if named, err := reference.ParseNormalizedNamed(image); err == nil {
			hosts[reference.Domain(named)] = true
		}
	}
	return sortedKeys(hosts)
}

func (w *world) matches(m *matchFile) bool {
	return slices.ContainsFunc(w.containers, m.matches)
}

// emptyDirs are those that the containers of a behavior mount.
func (w *world) emptyDirs(m *matchFile) []string {
	var names []string
	for _, c := range w.containers {
		if m.matches(c) {
			names = append(names, c.emptyDirs...)
		}
	}
	return names
}

func (m *matchFile) matches(c container) bool {
	return model.Matches(m.Namespace, c.namespace) && model.Matches(m.Container, c.name) &&
		model.Matches(m.Image, c.image) && (m.Pod == "" || overlap(m.Pod, c.pods))
}

// hint is the nearest thing that one of the patterns may have meant.
func (w *world) hint(m *matchFile) string {
	for _, part := range []struct {
		pattern string
		of      func(container) string
	}{
		{m.Container, func(c container) string { return c.name }},
		{m.Image, func(c container) string { return c.image }},
		{m.Namespace, func(c container) string { return c.namespace }},
		{m.Pod, func(c container) string { return strings.Replace(c.pods, "-*-*", "-*", 1) }},
	} {
		known := map[string]bool{}
		met := part.pattern == ""
		for _, c := range w.containers {
			name := part.of(c)
			known[name] = true
			met = met || overlap(part.pattern, name)
		}
		if !met {
			return cmp.Or(didYouMean(part.pattern, sortedKeys(known)), ": nothing matches "+quoted(part.pattern))
		}
	}
	return ""
}

// overlap says whether some text matches both patterns.
func overlap(a, b string) bool {
	// row[j] says whether a[i:] and b[j:] overlap; rows go from the end of a to its start.
	row := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		diagonal := false
		for j := len(b); j >= 0; j-- {
			below := row[j]
			switch {
			case i == len(a) && j == len(b):
				row[j] = true
			case i < len(a) && a[i] == '*':
				row[j] = below || j < len(b) && row[j+1]
			case j < len(b) && b[j] == '*':
				row[j] = row[j+1] || i < len(a) && below
			default:
				row[j] = i < len(a) && j < len(b) && a[i] == b[j] && diagonal
			}
			diagonal = below
		}
	}
	return row[0]
}
