package plugins

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/component-helpers/storage/volume"
	"k8s.io/klog/v2"
	"podsim/scheduler/framework"
)

// nodeVolumeLimits keeps the volumes of each node as long as nothing changes.
type nodeVolumeLimits struct {
	// wanted are the volumes of the pod.
	wanted []attachable
	// nodes is indexed by NodeID; dryRun is of a node in a dry run.
	nodes  []nodeVolumes
	dryRun nodeVolumes
	// attached are the volumes of VolumeAttachments by node, as of a generation of the objects.
	attached   map[string][]attachable
	generation uint64
}

// nodeVolumes are the volumes that a node has, as of generations of the node and of the objects.
type nodeVolumes struct {
	node, objects uint64
	// pods are those of its pods, others those that are only attached. err is what is wrong with
	// one of the pods.
	pods, others []attachable
	err          string
}

// attachable is a volume that a CSI driver attaches to a node.
type attachable struct{ driver, handle string }

// NodeVolumeLimits keeps pods from nodes that cannot attach so many volumes of a CSI driver, or where
// the driver is missing although it asks to be there
// (pkg/scheduler/framework/plugins/nodevolumelimits/csi.go).
func NodeVolumeLimits() framework.Plugin {
	pl := &nodeVolumeLimits{}
	return framework.Plugin{
		ID: framework.NodeVolumeLimits,
		Global: &framework.Global{
			Concerns: attaches,
			Filter:   pl.filter,
		},
		Events:  framework.AssignedPodDelete | framework.ObjectChange,
		Hint:    hintNodeVolumeLimits,
		HintPod: hintPodClaim,
	}
}

// attaches says whether pods of the class may have volumes that a CSI driver attaches.
func attaches(c *framework.PodClass) bool { return len(c.Claims) > 0 || hasMigratable(c) }

func hasMigratable(c *framework.PodClass) bool {
	return slices.ContainsFunc(c.Template.Spec.Volumes, func(v v1.Volume) bool { return translator.IsInlineMigratable(&v) })
}

func (pl *nodeVolumeLimits) filter(y *framework.Cycle, c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	csiNode, _ := y.Objects.CSINodes.Get(n.Name)
	var err string
	if pl.wanted, err = appendVolumes(pl.wanted[:0], y.Cluster, c, y.Pod.Name, csiNode); err != "" {
		return fail(y, st, framework.NodeVolumeLimits, err)
	}
	for _, v := range pl.wanted {
		if !installed(y.Cluster, v.driver, csiNode) {
			st.Reject(framework.Unschedulable, y.Symbols.LearnReason(v.driver+" CSI driver is not installed on the node"))
			return false
		}
	}
	if len(pl.wanted) == 0 || !hasLimits(csiNode) {
		return true
	}
	has := pl.has(y.Cluster, n, csiNode)
	if has.err != "" {
		return fail(y, st, framework.NodeVolumeLimits, has.err)
	}
	pl.wanted = slices.DeleteFunc(pl.wanted, func(v attachable) bool { return slices.Contains(has.pods, v) })
	for i := range csiNode.Spec.Drivers {
		d := &csiNode.Spec.Drivers[i]
		more := ofDriver(pl.wanted, d.Name)
		if more == 0 || d.Allocatable == nil || d.Allocatable.Count == nil {
			continue
		}
		if ofDriver(has.pods, d.Name)+ofDriver(has.others, d.Name)+more > int(*d.Allocatable.Count) {
			st.Reject(framework.Unschedulable, framework.ReasonMaxVolumeCount)
			return false
		}
	}
	return true
}

// fail ends the cycle with an error (framework/runtime/framework.go RunFilterPlugins).
func fail(y *framework.Cycle, st *framework.Status, id framework.PluginID, err string) bool {
	st.Reject(framework.Error, y.Symbols.LearnReason(fmt.Sprintf("running %q filter plugin: %s", id, err)))
	return false
}

func hasLimits(csiNode *storagev1.CSINode) bool {
	return csiNode != nil && slices.ContainsFunc(csiNode.Spec.Drivers, func(d storagev1.CSINodeDriver) bool {
		return d.Allocatable != nil && d.Allocatable.Count != nil
	})
}

func ofDriver(volumes []attachable, driver string) int {
	n := 0
	for i := range volumes {
		if volumes[i].driver == driver {
			n++
		}
	}
	return n
}

// installed says whether a driver is on a node, or does not ask for that (checkCSIDriverOnNode;
// feature gate VolumeLimitScaling).
func installed(y *framework.Cluster, driver string, csiNode *storagev1.CSINode) bool {
	o, ok := y.Objects.CSIDrivers.Get(driver)
	if !ok || o.Spec.PreventPodSchedulingIfMissing == nil || !*o.Spec.PreventPodSchedulingIfMissing {
		return true
	}
	return csiNode != nil && slices.ContainsFunc(csiNode.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return d.Name == driver })
}

// has is what a node has. A node of a dry run is a copy, so its generation says nothing.
func (pl *nodeVolumeLimits) has(y *framework.Cluster, n *framework.NodeInfo, csiNode *storagev1.CSINode) *nodeVolumes {
	if n != y.NodesByID[n.ID] {
		pl.count(&pl.dryRun, y, n, csiNode)
		return &pl.dryRun
	}
	for len(pl.nodes) <= int(n.ID) {
		pl.nodes = append(pl.nodes, nodeVolumes{})
	}
	has := &pl.nodes[n.ID]
	if has.node != n.Generation || has.objects != y.Objects.Generation {
		pl.count(has, y, n, csiNode)
		has.node, has.objects = n.Generation, y.Objects.Generation
	}
	return has
}

func (pl *nodeVolumeLimits) count(has *nodeVolumes, y *framework.Cluster, n *framework.NodeInfo, csiNode *storagev1.CSINode) {
	has.pods, has.others, has.err = has.pods[:0], has.others[:0], ""
	for _, id := range n.Pods {
		p := &y.Pods[id]
		if !attaches(p.Class) {
			continue
		}
		if has.pods, has.err = appendVolumes(has.pods, y, p.Class, p.Name, csiNode); has.err != "" {
			return
		}
	}
	for _, v := range pl.attachments(y, n.Name) {
		if !slices.Contains(has.pods, v) && !slices.Contains(has.others, v) {
			has.others = append(has.others, v)
		}
	}
}

// attachments are the volumes that VolumeAttachments attach to a node (getNodeVolumeAttachmentInfo).
func (pl *nodeVolumeLimits) attachments(y *framework.Cluster, node string) []attachable {
	if pl.attached != nil && pl.generation == y.Objects.Generation {
		return pl.attached[node]
	}
	pl.attached, pl.generation = map[string][]attachable{}, y.Objects.Generation
	for _, a := range y.Objects.VolumeAttachments.All() {
		if a.Spec.Attacher == "" || a.Spec.Source.PersistentVolumeName == nil {
			continue
		}
		pv, ok := y.Objects.PersistentVolumes.Get(*a.Spec.Source.PersistentVolumeName)
		if ok && pv.Spec.CSI != nil {
			pl.attached[a.Spec.NodeName] = append(pl.attached[a.Spec.NodeName], attachable{a.Spec.Attacher, pv.Spec.CSI.VolumeHandle})
		}
	}
	return pl.attached[node]
}

// appendVolumes appends the volumes of a pod that a CSI driver attaches, each once. A claim that does
// not exist has none; VolumeBinding turns a pod away that needs it (filterAttachableVolumes).
func appendVolumes(list []attachable, y *framework.Cluster, c *framework.PodClass, pod string, csiNode *storagev1.CSINode) ([]attachable, string) {
	for i := range c.Claims {
		v := &c.Claims[i]
		claim, ok := y.Objects.PersistentVolumeClaims.Get(claimKey(c.Template.Namespace, pod, v))
		switch {
		case !ok:
		case v.Ephemeral && !madeForPod(claim, pod):
			return list, notMadeForPod(claim, pod)
		default:
			list = appendVolume(list, ofClaim(y, claim, csiNode))
		}
	}
	if hasMigratable(c) {
		for i := range c.Template.Spec.Volumes {
			list = appendVolume(list, ofInline(&c.Template.Spec.Volumes[i], c.Template.Namespace, csiNode))
		}
	}
	return list, ""
}

func appendVolume(list []attachable, v attachable) []attachable {
	if v.driver == "" || v.handle == "" || slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// ofInline is the volume of a plugin that was once part of Kubernetes (checkAttachableInlineVolume).
func ofInline(v *v1.Volume, namespace string, csiNode *storagev1.CSINode) attachable {
	if csiNode == nil || !translator.IsInlineMigratable(v) {
		return attachable{}
	}
	plugin, err := translator.GetInTreePluginNameFromSpec(nil, v)
	if err != nil || !migrates(plugin) {
		return attachable{}
	}
	pv, err := translator.TranslateInTreeInlineVolumeToCSI(klog.Logger{}, v, namespace)
	if err != nil || pv == nil || pv.Spec.CSI == nil {
		return attachable{}
	}
	driver, _ := translator.GetCSINameFromInTreeName(plugin)
	return attachable{driver, pv.Spec.CSI.VolumeHandle}
}

// ofClaim is the volume of a claim (getCSIDriverInfo).
func ofClaim(y *framework.Cluster, claim *v1.PersistentVolumeClaim, csiNode *storagev1.CSINode) attachable {
	pv, ok := y.Objects.PersistentVolumes.Get(claim.Spec.VolumeName)
	if !ok {
		return unmade(y, claim, csiNode)
	}
	if source := pv.Spec.CSI; source != nil {
		return attachable{source.Driver, source.VolumeHandle}
	}
	if csiNode == nil || !translator.IsPVMigratable(pv) {
		return attachable{}
	}
	plugin, err := translator.GetInTreePluginNameFromSpec(pv, nil)
	if err != nil || !migrates(plugin) {
		return attachable{}
	}
	pv, err = translator.TranslateInTreePVToCSI(klog.Logger{}, pv)
	if err != nil || pv.Spec.CSI == nil {
		return attachable{}
	}
	return attachable{pv.Spec.CSI.Driver, pv.Spec.CSI.VolumeHandle}
}

// unmade stands for the volume that a claim will have: the claim's name is its handle, with a prefix
// that no real handle has (getCSIDriverInfoFromSC).
func unmade(y *framework.Cluster, claim *v1.PersistentVolumeClaim, csiNode *storagev1.CSINode) attachable {
	class, ok := y.Objects.StorageClasses.Get(volume.GetPersistentVolumeClaimClass(claim))
	if !ok {
		return attachable{}
	}
	driver := class.Provisioner
	if translator.IsMigratableIntreePluginByName(driver) {
		if csiNode == nil || !migrates(driver) {
			return attachable{}
		}
		driver, _ = translator.GetCSINameFromInTreeName(driver)
	}
	return attachable{driver, "\x00" + framework.Key(claim.Namespace, claim.Name)}
}

// hintNodeVolumeLimits follows the isSchedulableAfter functions upstream.
func hintNodeVolumeLimits(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action == framework.AssignedPodDelete {
		return attaches(e.Pod)
	}
	switch o := e.Object.(type) {
	case *storagev1.CSINode:
		old, ok := e.OldObject.(*storagev1.CSINode)
		return !ok || raisesLimit(old, o)
	case *v1.PersistentVolumeClaim:
		return e.OldObject == nil && usesClaim(c, o)
	case nil:
		attachment, ok := e.OldObject.(*storagev1.VolumeAttachment)
		return ok && freesVolume(c, attachment)
	}
	return false
}

// raisesLimit says whether some driver can attach more volumes than before.
func raisesLimit(old, new *storagev1.CSINode) bool {
	return slices.ContainsFunc(new.Spec.Drivers, func(d storagev1.CSINodeDriver) bool { return limit(new, d.Name) > limit(old, d.Name) })
}

// limit is how many volumes a driver can attach, 0 when it does not say.
func limit(csiNode *storagev1.CSINode, driver string) int32 {
	for i := range csiNode.Spec.Drivers {
		if d := &csiNode.Spec.Drivers[i]; d.Name == driver && d.Allocatable != nil && d.Allocatable.Count != nil {
			return *d.Allocatable.Count
		}
	}
	return 0
}

// freesVolume says whether the end of an attachment may make room for the class's volumes. As
// upstream, generic ephemeral volumes do not count.
func freesVolume(c *framework.PodClass, a *storagev1.VolumeAttachment) bool {
	if slices.ContainsFunc(c.Claims, func(v framework.VolumeClaim) bool { return !v.Ephemeral }) {
		return true
	}
	return slices.ContainsFunc(c.Template.Spec.Volumes, func(v v1.Volume) bool {
		if !translator.IsInlineMigratable(&v) {
			return false
		}
		pv, err := translator.TranslateInTreeInlineVolumeToCSI(klog.Logger{}, &v, c.Template.Namespace)
		return err != nil || pv == nil || pv.Spec.CSI != nil && pv.Spec.CSI.Driver == a.Spec.Attacher
	})
}
