package plugins

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/component-helpers/storage/volume"
	csiplugins "k8s.io/csi-translation-lib/plugins"
	"k8s.io/klog/v2"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

// volumeBinding finds volumes for pods, and remembers what it decided until the API server has it
// (pkg/scheduler/framework/plugins/volumebinding/binder.go).
type volumeBinding struct {
	shape   []configv1.UtilizationShapePoint
	timeout model.Time
	// affinities are compiled, by the volume's name.
	affinities map[string]volumeAffinity
	// volumes and claims are those that were assumed, reserved what each pod waits for.
	volumes  assumed[*v1.PersistentVolume]
	claims   assumed[*v1.PersistentVolumeClaim]
	reserved map[model.PodID]framework.PodVolumes

	// The rest is scratch: what preFilter found, and find for one node.

	bound      []volumeAffinity
	waiting    []waitingClaim
	bindings   []binding
	provisions []provision
	storages   []classStorage
	node       v1.Node
}

// binding is a volume that was found for a claim, provision one that is to be made, out of the pool
// if that is known.
type (
	binding struct {
		claim  *waitingClaim
		volume *v1.PersistentVolume
	}
	provision struct {
		claim *waitingClaim
		pool  *storagev1.CSIStorageCapacity
	}
)

// waitingClaim is a claim that waits for a consumer.
type waitingClaim struct {
	claim   *v1.PersistentVolumeClaim
	class   *storagev1.StorageClass
	request resource.Quantity
	// selected is the node for which a volume is already being made, empty for none.
	selected string
	// prebound is the volume that names the claim, found the others that it can have, the
	// smallest first.
	prebound *volumeAffinity
	found    []volumeAffinity
	// limited says that the storage is limited, to the pools.
	limited bool
	pools   []pool
}

// pool is storage with enough room for a claim.
type pool struct {
	capacity *storagev1.CSIStorageCapacity
	nodes    labels.Selector
}

// volumeAffinity is a volume and the nodes that can reach it. The volume is nil when there is none.
type volumeAffinity struct {
	volume *v1.PersistentVolume
	nodes  *nodeaffinity.LazyErrorNodeSelector
	// plugin, of a volume that a CSI driver can take over, is its plugin's name, and migrated the
	// nodes that can reach it once the driver has.
	plugin   string
	migrated *nodeaffinity.LazyErrorNodeSelector
}

// affinityOf is the affinity of a named volume.
func (pl *volumeBinding) affinityOf(y *framework.Cluster, name string) volumeAffinity {
	pv, ok := y.Objects.PersistentVolumes.Get(name)
	if !ok {
		return volumeAffinity{}
	}
	return pl.affinity(pl.volumes.latest(name, pv))
}

// affinity compiles the affinity of a volume the first time that it is met.
func (pl *volumeBinding) affinity(pv *v1.PersistentVolume) volumeAffinity {
	if a := pl.affinities[pv.Name]; a.volume == pv {
		return a
	}
	a := volumeAffinity{volume: pv, nodes: nodesOf(pv)}
	if translator.IsPVMigratable(pv) {
		a.plugin, _ = translator.GetInTreePluginNameFromSpec(pv, nil)
		if translated, err := translator.TranslateInTreePVToCSI(klog.Logger{}, pv); err == nil {
			a.migrated = nodesOf(translated)
		}
	}
	pl.affinities[pv.Name] = a
	return a
}

func nodesOf(pv *v1.PersistentVolume) *nodeaffinity.LazyErrorNodeSelector {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return nil
	}
	return nodeaffinity.NewLazyErrorNodeSelector(pv.Spec.NodeAffinity.Required)
}

// checkBound says whether the node can reach the bound volumes, and whether they exist
// (checkBoundClaims).
func (pl *volumeBinding) checkBound(y *framework.Cycle, n *framework.NodeInfo) (matched, exist bool) {
	for i := range pl.bound {
		a := &pl.bound[i]
		if a.volume == nil {
			return true, false
		}
		nodes := a.nodes
		if a.plugin != "" && migrates(a.plugin) && migratedOn(y.Cluster, n.Name, a.plugin) {
			nodes = a.migrated
		}
		if !pl.reaches(nodes, n) {
			return false, true
		}
	}
	return true, true
}

// reaches says whether a node is one of those. As upstream, its name is not looked at
// (volume.CheckNodeAffinity).
func (pl *volumeBinding) reaches(nodes *nodeaffinity.LazyErrorNodeSelector, n *framework.NodeInfo) bool {
	if nodes == nil {
		return true
	}
	pl.node.Labels = n.Object.Labels
	match, err := nodes.Match(&pl.node)
	return match && err == nil
}

// migrates says whether the volumes of a plugin that was once part of Kubernetes belong to a CSI
// driver now (isCSIMigrationOnForPlugin).
func migrates(plugin string) bool {
	switch plugin {
	case csiplugins.AWSEBSInTreePluginName, csiplugins.GCEPDInTreePluginName, csiplugins.AzureDiskInTreePluginName,
		csiplugins.CinderInTreePluginName, csiplugins.PortworxVolumePluginName:
		return true
	}
	return false
}

// migratedOn says whether the kubelet of a node does so too (isPluginMigratedToCSIOnNode).
func migratedOn(y *framework.Cluster, node, plugin string) bool {
	csiNode, ok := y.Objects.CSINodes.Get(node)
	return ok && inList(csiNode.Annotations[v1.MigratedPluginsAnnotationKey], plugin)
}

// claim is a claim as it will be once the API server has what was decided.
func (pl *volumeBinding) claim(y *framework.Cluster, key string) *v1.PersistentVolumeClaim {
	claim, _ := y.Objects.PersistentVolumeClaims.Get(key)
	return pl.claims.latest(key, claim)
}

// waitingClaim compiles what does not depend on a node.
func (pl *volumeBinding) waitingClaim(y *framework.Cluster, claim *v1.PersistentVolumeClaim, class *storagev1.StorageClass) waitingClaim {
	w := waitingClaim{claim: claim, class: class, request: claim.Spec.Resources.Requests[v1.ResourceStorage]}
	w.selected = claim.Annotations[volume.AnnSelectedNode]
	if !hasAnnotation(claim, volume.AnnSelectedNode) {
		pl.findVolumes(y, &w)
	}
	pl.findPools(y, &w)
	return w
}

// findVolumes finds the volumes that a claim can have on some node. It says the same as
// k8s.io/component-helpers/storage/volume FindMatchingVolume does for each node, without the
// affinity of the volumes.
func (pl *volumeBinding) findVolumes(y *framework.Cluster, w *waitingClaim) {
	selector, err := metav1.LabelSelectorAsSelector(w.claim.Spec.Selector)
	if w.claim.Spec.Selector == nil {
		selector = labels.Everything()
	}
	if err != nil {
		return
	}
	for _, pv := range y.Objects.PersistentVolumes.All() {
		pv = pl.volumes.latest(pv.Name, pv)
		if volume.GetPersistentVolumeClass(pv) != w.class.Name || !couldBind(pv, w) {
			continue
		}
		a := pl.affinity(pv)
		switch {
		case volume.IsVolumeBoundToClaim(pv, w.claim):
			if w.prebound == nil {
				w.prebound = &a
			}
		case pv.Status.Phase == v1.VolumeAvailable && selector.Matches(labels.Set(pv.Labels)) && volume.CheckAccessModes(w.claim, pv):
			w.found = append(w.found, a)
		}
	}
	slices.SortStableFunc(w.found, func(a, b volumeAffinity) int {
		x, y := a.volume.Spec.Capacity[v1.ResourceStorage], b.volume.Spec.Capacity[v1.ResourceStorage]
		return x.Cmp(y)
	})
}

// couldBind holds for a volume that is free or the claim's, large enough, and of the right kind.
func couldBind(pv *v1.PersistentVolume, w *waitingClaim) bool {
	capacity := pv.Spec.Capacity[v1.ResourceStorage]
	return (pv.Spec.ClaimRef == nil || volume.IsVolumeBoundToClaim(pv, w.claim)) &&
		capacity.Cmp(w.request) >= 0 &&
		!volume.CheckVolumeModeMismatches(&w.claim.Spec, &pv.Spec) &&
		text(pv.Spec.VolumeAttributesClassName) == text(w.claim.Spec.VolumeAttributesClassName) &&
		pv.DeletionTimestamp == nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// findPools finds the storage that has room for the claim's volume, when the driver says how much
// there is (hasEnoughCapacity).
func (pl *volumeBinding) findPools(y *framework.Cluster, w *waitingClaim) {
	driver, ok := y.Objects.CSIDrivers.Get(w.class.Provisioner)
	if _, asked := w.claim.Spec.Resources.Requests[v1.ResourceStorage]; !asked || !ok || !checksCapacity(driver) {
		return
	}
	w.limited = true
	for _, o := range y.Objects.CSIStorageCapacities.All() {
		limit := volumeLimit(o)
		if o.StorageClassName != w.class.Name || limit == nil || limit.Value() < w.request.Value() || o.NodeTopology == nil {
			continue
		}
		if nodes, err := metav1.LabelSelectorAsSelector(o.NodeTopology); err == nil {
			w.pools = append(w.pools, pool{o, nodes})
		}
	}
}

func checksCapacity(driver *storagev1.CSIDriver) bool {
	return driver.Spec.StorageCapacity != nil && *driver.Spec.StorageCapacity
}

// volumeLimit is how large a volume can be, as far as is known.
func volumeLimit(o *storagev1.CSIStorageCapacity) *resource.Quantity {
	if o.MaximumVolumeSize != nil {
		return o.MaximumVolumeSize
	}
	return o.Capacity
}

// find finds volumes for the claims that wait if the pod goes to the node, or sees that they can be
// made. satisfied is false when there are none and none can be made, enough when the storage is too
// small (FindPodVolumes, findMatchingVolumes, checkVolumeProvisions).
func (pl *volumeBinding) find(n *framework.NodeInfo) (satisfied, enough bool) {
	pl.bindings, pl.provisions = pl.bindings[:0], pl.provisions[:0]
	for i := range pl.waiting {
		if w := &pl.waiting[i]; hasAnnotation(w.claim, volume.AnnSelectedNode) {
			if w.selected != n.Name {
				return false, true
			}
			pl.provisions = append(pl.provisions, provision{claim: w})
		}
	}
	for i := range pl.waiting {
		w := &pl.waiting[i]
		if hasAnnotation(w.claim, volume.AnnSelectedNode) {
			continue
		}
		if pv := pl.match(w, n); pv != nil {
			pl.bindings = append(pl.bindings, binding{w, pv})
		} else {
			pl.provisions = append(pl.provisions, provision{claim: w})
		}
	}
	for i := range pl.provisions {
		p := &pl.provisions[i]
		if !provisions(p.claim.class, n) {
			return false, true
		}
		if p.claim.limited {
			if p.pool = p.claim.pool(n); p.pool == nil {
				return true, false
			}
		}
	}
	return true, true
}

// match is the volume that a claim gets on the node: the one that names it, or else the smallest that no
// other claim of the pod has got.
func (pl *volumeBinding) match(w *waitingClaim, n *framework.NodeInfo) *v1.PersistentVolume {
	if w.prebound != nil {
		if pl.reaches(w.prebound.nodes, n) {
			return w.prebound.volume
		}
		return nil
	}
	for i := range w.found {
		a := &w.found[i]
		taken := slices.ContainsFunc(pl.bindings, func(b binding) bool { return b.volume == a.volume })
		if !taken && pl.reaches(a.nodes, n) {
			return a.volume
		}
	}
	return nil
}

// provisions says whether volumes of a class can be made for a node.
func provisions(class *storagev1.StorageClass, n *framework.NodeInfo) bool {
	if class.Provisioner == "" || class.Provisioner == volume.NotSupportedProvisioner {
		return false
	}
	return len(class.AllowedTopologies) == 0 || slices.ContainsFunc(class.AllowedTopologies, func(t v1.TopologySelectorTerm) bool {
		return len(t.MatchLabelExpressions) > 0 && inTopology(t.MatchLabelExpressions, n.Object.Labels)
	})
}

func inTopology(expressions []v1.TopologySelectorLabelRequirement, labels map[string]string) bool {
	for i := range expressions {
		value, ok := labels[expressions[i].Key]
		if !ok || !slices.Contains(expressions[i].Values, value) {
			return false
		}
	}
	return true
}

// pool is the storage that the node can reach.
func (w *waitingClaim) pool(n *framework.NodeInfo) *storagev1.CSIStorageCapacity {
	for i := range w.pools {
		if w.pools[i].nodes.Matches(labels.Set(n.Object.Labels)) {
			return w.pools[i].capacity
		}
	}
	return nil
}

// reserve assumes what was found for the node: the volumes are bound to the claims, and the claims
// whose volumes are to be made have selected the node (AssumePodVolumes).
func (pl *volumeBinding) reserve(y *framework.Cycle, c *framework.PodClass, p *framework.Pod, n *framework.NodeInfo) {
	if len(pl.waiting) == 0 {
		return
	}
	pl.find(n)
	v := framework.PodVolumes{Timeout: pl.timeout}
	for _, b := range pl.bindings {
		// The scheme knows what a claim is, so there is no error.
		pv, changed, _ := volume.GetBindVolumeToClaim(b.volume, b.claim.claim)
		if changed {
			stored, _ := y.Objects.PersistentVolumes.Get(pv.Name)
			pl.volumes.assume(pv.Name, stored, pv)
		}
		v.Bind = append(v.Bind, pv)
	}
	for _, made := range pl.provisions {
		claim := made.claim.claim.DeepCopy()
		metav1.SetMetaDataAnnotation(&claim.ObjectMeta, volume.AnnSelectedNode, n.Name)
		key := framework.Key(claim.Namespace, claim.Name)
		stored, _ := y.Objects.PersistentVolumeClaims.Get(key)
		pl.claims.assume(key, stored, claim)
		v.Provision = append(v.Provision, claim)
	}
	pl.reserved[p.ID] = v
}

// unreserve forgets what was assumed for a pod (RevertAssumedPodVolumes).
func (pl *volumeBinding) unreserve(_ *framework.Cycle, _ *framework.PodClass, p *framework.Pod, _ *framework.NodeInfo) {
	v := pl.reserved[p.ID]
	for _, pv := range v.Bind {
		pl.volumes.restore(pv.Name, pv)
	}
	for _, claim := range v.Provision {
		pl.claims.restore(framework.Key(claim.Namespace, claim.Name), claim)
	}
}

// podMoved forgets what a pod waited for that has left its node.
func (pl *volumeBinding) podMoved(p *framework.Pod, _ *framework.NodeInfo, sign int64) {
	if sign < 0 && len(p.Class.Claims) > 0 {
		delete(pl.reserved, p.ID)
	}
}

// assumed are objects that are taken for changed before the API server says so, by their keys
// (passive_assume_cache.go).
type assumed[T comparable] map[string]assumption[T]

// assumption is what became of an object. It ends when the API server has a newer one.
type assumption[T comparable] struct{ before, after T }

func (m assumed[T]) assume(key string, before, after T) { m[key] = assumption[T]{before, after} }

// latest is the object as it is assumed to be.
func (m assumed[T]) latest(key string, stored T) T {
	a, ok := m[key]
	if !ok {
		return stored
	}
	if a.before != stored {
		delete(m, key)
		return stored
	}
	return a.after
}

func (m assumed[T]) restore(key string, after T) {
	if m[key].after == after {
		delete(m, key)
	}
}
