package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// nodes makes the nodes of the pools.
func (r *reader) nodes(spec *specFile) []model.NodeSpec {
	var nodes []model.NodeSpec
	seen := map[string]model.Position{}
	kubelets := r.kubeletConfigs(spec)
	for i := range spec.Nodes {
		f := &spec.Nodes[i]
		object := r.nodeObject(f, kubelets[i])
		where := f.Where.at("name")
		node := model.NodeSpec{Object: object, Images: f.Images, MissingPaths: f.MissingPaths, Bandwidth: r.bandwidth(f.Where, "bandwidth", f.Bandwidth),
			Kubelet: kubelets[i], SystemMemory: r.systemMemory(f, object.Status.Capacity[v1.ResourceMemory])}
		r.filesystems(f, &node)
		names := r.poolNames(f, maxNodes-len(nodes))
		for _, name := range names {
			if why := validation.IsDNS1123Subdomain(name); len(why) > 0 {
				r.errorAt(where, "node %s: the name is not valid: %s", quoted(name), why[0])
				break
			}
			if first, ok := seen[name]; ok {
				r.errorAt(where, "node %s is there twice, first at %v: names must differ", quoted(name), first)
				break
			}
			seen[name] = where
			node.Name = name
			nodes = append(nodes, node)
		}
		for j, image := range f.Images {
			if _, err := model.WithDefaultTag(image); err != nil {
				at := f.Where.source.at(find(f.Where.node, fmt.Sprintf("images[%d]", j)))
				r.errorAt(at, "%s is not the name of an image, want something like nginx:1.23", quoted(image))
			}
		}
	}
	return nodes
}

// filesystems reads what is known of the disks and processes of a pool's nodes.
func (r *reader) filesystems(f *nodeFile, node *model.NodeSpec) {
	room := node.Object.Status.Capacity.StorageEphemeral().Value()
	if x := f.NodeFilesystem; x != nil {
		if x.Capacity != nil {
			r.errorAt(x.Where.at("capacity"), "nodeFilesystem.capacity must be left out: status.capacity ephemeral-storage counts")
		}
		if room == 0 {
			r.errorAt(x.Where.at(""), "nodeFilesystem needs a capacity, want status.capacity ephemeral-storage in the template")
		}
		node.NodeFilesystem = r.filesystem(x, "nodeFilesystem", room)
	}
	if x := f.ImageFilesystem; x != nil {
		if amountOf(x.Capacity) <= 0 {
			r.errorAt(x.Where.at("capacity"), "imageFilesystem.capacity is missing or 0, want something like 100Gi")
		}
		node.ImageFilesystem = r.filesystem(x, "imageFilesystem", amountOf(x.Capacity))
	}
	if x := f.Processes; x != nil {
		node.Processes = model.ProcessLimit{Max: int64(x.Max), Used: int64(x.Used)}
		if x.Used > x.Max {
			r.errorAt(x.Where.at("used"), "processes.used is %d, must not be above max (%d)", x.Used, x.Max)
		}
	}
}

func (r *reader) filesystem(f *filesystemFile, name string, capacity int64) *model.Filesystem {
	x := &model.Filesystem{Capacity: capacity, Used: amountOf(f.Used), Inodes: amountOf(f.Inodes), InodesUsed: amountOf(f.InodesUsed)}
	if x.Used > capacity && capacity > 0 {
		r.errorAt(f.Where.at("used"), "%s.used is %d bytes, must not be above the capacity (%d)", name, x.Used, capacity)
	}
	if x.InodesUsed > x.Inodes {
		r.errorAt(f.Where.at("inodesUsed"), "%s.inodesUsed is %d, must not be above inodes (%d)", name, x.InodesUsed, x.Inodes)
	}
	return x
}

// poolNames is the names of a pool's nodes.
func (r *reader) poolNames(f *nodeFile, most int) []string {
	if f.Count == nil {
		return []string{f.Name}
	}
	if *f.Count < 0 || int(*f.Count) > most {
		r.errorAt(f.Where.at("count"), "count is %d, must be from 0 to %d nodes in all", *f.Count, maxNodes)
		return nil
	}
	names := make([]string, *f.Count)
	for i := range names {
		names[i] = fmt.Sprintf("%s-%d", f.Name, i)
	}
	return names
}

// nodeObject decodes a pool's template and completes it as a kubelet does when it registers
// (pkg/kubelet/kubelet_node_status.go initialNode).
func (r *reader) nodeObject(f *nodeFile, kubelet *kubeletconfig.Configuration) *v1.Node {
	object := &v1.Node{}
	if f.Template.node == nil {
		r.errorAt(f.Where.at("template"), "the template of node %s is empty, want status.capacity", quoted(f.Name))
		return object
	}
	d := newDecoder(f.Where.source)
	d.decodeInto(f.Template.node, object, f.Template.path)
	if len(d.errs) == 0 {
		c := checker{d: d, node: f.Template.node, prefix: f.Template.path}
		c.checkNode(object)
	}
	r.errs = append(r.errs, d.errs...)
	completeStatus(&object.Status, kubelet)
	if kubelet != nil {
		object.Spec.Taints = withTaints(object.Spec.Taints, kubelet.RegisterWithTaints)
	}
	if object.Labels == nil {
		object.Labels = map[string]string{}
	}
	for label, value := range map[string]string{v1.LabelOSStable: "linux", v1.LabelArchStable: "amd64"} {
		if _, ok := object.Labels[label]; !ok {
			object.Labels[label] = value
		}
	}
	return object
}

// completeStatus fills in the amounts that are left out: all of one list from the other, and
// the pods (nodestatus/setters.go MachineInfo).
//
// Differs from Kubernetes: of a node whose kubelet is given no configuration all of the capacity is
// allocatable; upstream's default keeps 100Mi of memory and 10% of the disk (evictionHard).
func completeStatus(status *v1.NodeStatus, kubelet *kubeletconfig.Configuration) {
	if status.Capacity == nil {
		status.Capacity = v1.ResourceList{}
		maps.Copy(status.Capacity, status.Allocatable)
	}
	if _, ok := status.Capacity[v1.ResourcePods]; !ok {
		pods := int64(kubeletconfig.DefaultMaxPods)
		if kubelet != nil {
			pods = kubelet.Pods(status.Capacity.Cpu().MilliValue())
		}
		status.Capacity[v1.ResourcePods] = *resource.NewQuantity(pods, resource.DecimalSI)
	}
	allocatable := status.Capacity.DeepCopy()
	if kubelet != nil {
		allocatable = kubelet.Allocatable(status.Capacity)
	}
	maps.Copy(allocatable, status.Allocatable)
	status.Allocatable = allocatable
}

// withTaints adds the taints with which the kubelet registers the node, where the template has none
// of the same key and effect.
func withTaints(taints, more []v1.Taint) []v1.Taint {
	for _, t := range more {
		if !slices.ContainsFunc(taints, func(x v1.Taint) bool { return x.MatchTaint(&t) }) {
			taints = append(taints, t)
		}
	}
	return taints
}

// checkNode checks the template of a pool.
func (c *checker) checkNode(n *v1.Node) {
	if n.Kind != "" && n.Kind != "Node" {
		c.errorf("kind", "is %s, want Node", quoted(n.Kind))
	}
	if n.Name != "" {
		c.errorf("metadata.name", "must be left out: the pool's name counts")
	}
	if _, ok := n.Labels[v1.LabelHostname]; ok {
		c.errorf(join("metadata.labels", v1.LabelHostname), "must be left out: it is the name of each node")
	}
	c.checkLabels("metadata.labels", n.Labels)
	c.checkTaints(n.Spec.Taints)
	c.checkAmounts("status.capacity", n.Status.Capacity)
	c.checkAmounts("status.allocatable", n.Status.Allocatable)
	given, path := n.Status.Capacity, "status.capacity"
	if given == nil {
		given = n.Status.Allocatable
	}
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		if q := given[name]; q.Sign() <= 0 {
			c.errorf(join(path, string(name)), "is missing or 0: a node needs cpu and memory")
		}
	}
	if n.Status.Capacity == nil {
		return
	}
	for _, name := range sortedNames(n.Status.Allocatable) {
		allocatable, capacity := n.Status.Allocatable[name], n.Status.Capacity[name]
		_, known := n.Status.Capacity[name]
		if allocatable.Cmp(capacity) > 0 && (known || name != v1.ResourcePods) {
			c.errorf(join("status.allocatable", string(name)), "is %s, must not be above the capacity (%s)", allocatable.String(), capacity.String())
		}
	}
}

func (c *checker) checkTaints(taints []v1.Taint) {
	seen := map[string]bool{}
	for i, t := range taints {
		path := fmt.Sprintf("spec.taints[%d]", i)
		if why := taintError(&t); why != "" {
			c.errorf(path, "%s", why)
		}
		id := t.Key + ":" + string(t.Effect)
		if seen[id] {
			c.errorf(path, "%s is there twice: key and effect must differ", quoted(id))
		}
		seen[id] = true
	}
}

var taintEffects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

// taintError says what is wrong with a taint, "" when nothing is.
func taintError(t *v1.Taint) string {
	if why := validation.IsQualifiedName(t.Key); len(why) > 0 {
		return fmt.Sprintf("has the key %s, which is not valid: %s", quoted(t.Key), why[0])
	}
	if why := validation.IsValidLabelValue(t.Value); len(why) > 0 {
		return fmt.Sprintf("has the value %s, which is not valid: %s", quoted(t.Value), why[0])
	}
	for _, e := range taintEffects {
		if string(t.Effect) == e {
			return ""
		}
	}
	return fmt.Sprintf("has the effect %s, want %s%s", quoted(string(t.Effect)), either(taintEffects), didYouMean(string(t.Effect), taintEffects))
}

// parseTaint reads a taint as kubectl writes it: KEY=VALUE:EFFECT, KEY:EFFECT, and to remove
// one KEY:EFFECT- or KEY- (staging/src/k8s.io/kubectl/pkg/cmd/taint/utils.go parseTaints).
// Without an effect, a removal is about all effects of the key.
func parseTaint(s string, remove bool) (t v1.Taint, removed bool, why string) {
	rest, minus := strings.CutSuffix(s, "-")
	removed = remove || minus
	keyValue, effect, _ := strings.Cut(rest, ":")
	t.Key, t.Value, _ = strings.Cut(keyValue, "=")
	t.Effect = v1.TaintEffect(effect)
	check := t
	if removed && effect == "" {
		check.Effect = v1.TaintEffectNoSchedule
	}
	if why := taintError(&check); why != "" {
		return t, removed, why
	}
	return t, removed, ""
}
