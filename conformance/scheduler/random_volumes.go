package scheduler

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The drivers of volumes; the second one reports the capacity that is left.
const (
	diskDriver  = "disk.example.com"
	spaceDriver = "space.example.com"
)

var classes = []string{"now", "later", "zones", "local", "space"}

// storage draws classes, volumes, claims, and what nodes can attach.
func (d *random) storage() {
	if !d.on["volumes"] && !d.on["csi limits"] && !d.on["capacity"] {
		return
	}
	d.storageClasses()
	for i := range 3 + d.IntN(8) {
		d.in.PersistentVolumes = append(d.in.PersistentVolumes, d.persistentVolume(i))
	}
	for i := range 3 + d.IntN(8) {
		d.in.PersistentVolumeClaims = append(d.in.PersistentVolumeClaims, d.persistentVolumeClaim(i))
	}
	d.claims = len(d.in.PersistentVolumeClaims)
	if d.on["csi limits"] {
		d.csiNodes()
	}
	if d.on["capacity"] {
		d.capacities()
	}
}

func (d *random) storageClasses() {
	for _, name := range classes {
		mode := storagev1.VolumeBindingWaitForFirstConsumer
		c := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: diskDriver, VolumeBindingMode: &mode}
		switch name {
		case "now":
			immediate := storagev1.VolumeBindingImmediate
			c.VolumeBindingMode = &immediate
		case "zones":
			c.AllowedTopologies = []v1.TopologySelectorTerm{{MatchLabelExpressions: []v1.TopologySelectorLabelRequirement{{
				Key: v1.LabelTopologyZone, Values: []string{pick(d, "z1", "z2"), "z3"}}}}}
		case "local":
			c.Provisioner = "kubernetes.io/no-provisioner"
		case "space":
			c.Provisioner = spaceDriver
		}
		d.in.StorageClasses = append(d.in.StorageClasses, c)
	}
}

func (d *random) accessModes() []v1.PersistentVolumeAccessMode {
	return []v1.PersistentVolumeAccessMode{pick(d, v1.ReadWriteOnce, v1.ReadWriteOnce, v1.ReadWriteMany, v1.ReadWriteOncePod)}
}

func (d *random) persistentVolume(i int) *v1.PersistentVolume {
	pv := &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pv-%d", i), Labels: map[string]string{"kind": pick(d, "fast", "slow")}}}
	pv.Spec.Capacity = v1.ResourceList{v1.ResourceStorage: resource.MustParse(pick(d, "1Gi", "5Gi", "10Gi"))}
	pv.Spec.AccessModes = d.accessModes()
	pv.Spec.StorageClassName = pick(d, classes...)
	mode := v1.PersistentVolumeFilesystem
	pv.Spec.VolumeMode = &mode
	pv.Status.Phase = v1.VolumeAvailable
	pv.Spec.CSI = &v1.CSIPersistentVolumeSource{Driver: pick(d, diskDriver, diskDriver, spaceDriver), VolumeHandle: pv.Name}
	if d.chance(5) {
		pv.Spec.CSI, pv.Spec.HostPath = nil, &v1.HostPathVolumeSource{Path: "/data"}
	}
	switch d.IntN(4) {
	case 0:
		pv.Labels[v1.LabelTopologyZone] = pick(d, "z1", "z2", "z1__z2")
	case 1:
		pv.Spec.NodeAffinity = volumeAffinity(v1.LabelTopologyZone, pick(d, "z1", "z2", "z3"))
	case 2:
		pv.Spec.NodeAffinity = volumeAffinity(v1.LabelHostname, pick(d, d.in.Nodes...).Name)
	}
	return pv
}

func volumeAffinity(key, value string) *v1.VolumeNodeAffinity {
	return &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
		MatchExpressions: []v1.NodeSelectorRequirement{{Key: key, Operator: v1.NodeSelectorOpIn, Values: []string{value}}}}}}}
}

// persistentVolumeClaim draws a claim: bound to a volume that is free, or not yet.
func (d *random) persistentVolumeClaim(i int) *v1.PersistentVolumeClaim {
	c := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("claim-%d", i), Namespace: d.namespace()}}
	c.UID = types.UID(c.Name)
	c.Spec.AccessModes = d.accessModes()
	c.Spec.Resources.Requests = v1.ResourceList{v1.ResourceStorage: resource.MustParse(pick(d, "1Gi", "2Gi", "8Gi"))}
	mode := v1.PersistentVolumeFilesystem
	c.Spec.VolumeMode = &mode
	class := pick(d, classes...)
	if d.chance(15) {
		class = "absent"
	}
	c.Spec.StorageClassName = &class
	c.Status.Phase = v1.ClaimPending
	if d.chance(5) {
		c.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"kind": pick(d, "fast", "slow")}}
	}
	if d.chance(2) {
		d.bind(c)
	} else if d.chance(12) {
		c.Spec.VolumeName = "pv-absent"
		c.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
		c.Status.Phase = v1.ClaimLost
	}
	if d.chance(20) {
		t := metav1.NewTime(begin)
		c.DeletionTimestamp, c.Finalizers = &t, []string{"kubernetes.io/pvc-protection"}
	}
	return c
}

func (d *random) bind(c *v1.PersistentVolumeClaim) {
	pv := pick(d, d.in.PersistentVolumes...)
	if pv.Spec.ClaimRef != nil {
		return
	}
	pv.Spec.ClaimRef = &v1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: c.Namespace, Name: c.Name, UID: c.UID}
	pv.Status.Phase = v1.VolumeBound
	c.Spec.VolumeName, c.Spec.AccessModes, c.Spec.StorageClassName = pv.Name, pv.Spec.AccessModes, &pv.Spec.StorageClassName
	c.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
	c.Status.Phase = v1.ClaimBound
}

func (d *random) csiNodes() {
	for _, n := range d.in.Nodes {
		if d.chance(6) {
			continue
		}
		c := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
		for _, driver := range []string{diskDriver, spaceDriver} {
			count := int32(d.IntN(4))
			of := storagev1.CSINodeDriver{Name: driver, NodeID: n.Name, Allocatable: &storagev1.VolumeNodeResources{Count: &count}}
			if d.chance(5) {
				of.Allocatable = nil
			}
			c.Spec.Drivers = append(c.Spec.Drivers, of)
		}
		d.in.CSINodes = append(d.in.CSINodes, c)
	}
}

// capacities draws a driver that says how much space is left where.
func (d *random) capacities() {
	yes := true
	d.in.CSIDrivers = append(d.in.CSIDrivers, &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: spaceDriver}, Spec: storagev1.CSIDriverSpec{StorageCapacity: &yes}})
	for i := range d.IntN(4) {
		space := resource.MustParse(pick(d, "1Gi", "4Gi", "100Gi"))
		c := &storagev1.CSIStorageCapacity{
			ObjectMeta:       metav1.ObjectMeta{Name: fmt.Sprintf("capacity-%d", i), Namespace: "kube-system"},
			StorageClassName: "space", Capacity: &space,
			NodeTopology: pick(d, &metav1.LabelSelector{}, &metav1.LabelSelector{MatchLabels: map[string]string{"disk": "ssd"}},
				&metav1.LabelSelector{MatchLabels: map[string]string{v1.LabelTopologyZone: "z1"}}, nil),
		}
		if d.chance(4) {
			most := resource.MustParse("2Gi")
			c.MaximumVolumeSize = &most
		}
		d.in.CSIStorageCapacities = append(d.in.CSIStorageCapacities, c)
	}
}

// volumes gives a pod volumes.
func (d *random) volumes(p *v1.Pod, pending bool) {
	if len(d.in.PersistentVolumeClaims) > 0 && d.chance(2) {
		for i := range 1 + d.IntN(2) {
			d.claimVolume(p, fmt.Sprintf("v%d", i), pending)
		}
	}
	if d.on["inline volumes"] && d.chance(2) {
		p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: "inline", VolumeSource: d.inlineVolume()})
	}
}

func (d *random) claimVolume(p *v1.Pod, name string, pending bool) {
	c := pick(d, d.in.PersistentVolumeClaims[:d.claims]...)
	claim := c.Name
	if c.Namespace == p.Namespace || d.chance(10) {
		p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: name, VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}})
		return
	}
	if !d.chance(4) {
		return
	}
	// A generic ephemeral volume, whose claim is there or not yet.
	p.Spec.Volumes = append(p.Spec.Volumes, v1.Volume{Name: name, VolumeSource: v1.VolumeSource{Ephemeral: &v1.EphemeralVolumeSource{
		VolumeClaimTemplate: &v1.PersistentVolumeClaimTemplate{Spec: v1.PersistentVolumeClaimSpec{AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
			Resources: v1.VolumeResourceRequirements{Requests: v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}}}}}}})
	if d.chance(3) {
		return
	}
	of := c.DeepCopy()
	of.Name, of.Namespace = p.Name+"-"+name, p.Namespace
	of.UID, of.Spec.VolumeName, of.Annotations, of.Status.Phase = types.UID(of.Name), "", nil, v1.ClaimPending
	// A claim of somebody else is an error wherever the pod is, so only a pending pod may have one.
	if !pending || !d.chance(6) {
		yes := true
		of.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: p.Name, UID: p.UID, Controller: &yes}}
	}
	d.in.PersistentVolumeClaims = append(d.in.PersistentVolumeClaims, of)
}

func (d *random) inlineVolume() v1.VolumeSource {
	name, readOnly := pick(d, "disk-1", "disk-2"), d.chance(2)
	switch d.IntN(5) {
	case 0:
		return v1.VolumeSource{GCEPersistentDisk: &v1.GCEPersistentDiskVolumeSource{PDName: name, ReadOnly: readOnly}}
	case 1:
		return v1.VolumeSource{AWSElasticBlockStore: &v1.AWSElasticBlockStoreVolumeSource{VolumeID: name, ReadOnly: readOnly}}
	case 2:
		return v1.VolumeSource{ISCSI: &v1.ISCSIVolumeSource{TargetPortal: "10.0.0.1:3260", IQN: "iqn.2026-01.com.example:" + name, ReadOnly: readOnly}}
	case 3:
		return v1.VolumeSource{RBD: &v1.RBDVolumeSource{CephMonitors: []string{pick(d, "m1", "m2"), "m3"}, RBDPool: "pool", RBDImage: name, ReadOnly: readOnly}}
	}
	return v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}
}

// workloads draws the objects that own pods.
func (d *random) workloads() {
	selector := func() map[string]string { return map[string]string{"app": pick(d, apps...)} }
	for i := range 2 {
		d.in.ReplicaSets = append(d.in.ReplicaSets, &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("owner-%d", i), Namespace: d.namespace()},
			Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{MatchLabels: selector()}}})
		d.in.StatefulSets = append(d.in.StatefulSets, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("owner-%d", i), Namespace: d.namespace()},
			Spec: appsv1.StatefulSetSpec{Selector: &metav1.LabelSelector{MatchLabels: selector()}}})
		d.in.ReplicationControllers = append(d.in.ReplicationControllers, &v1.ReplicationController{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("owner-%d", i), Namespace: d.namespace()},
			Spec: v1.ReplicationControllerSpec{Selector: selector()}})
	}
}

func (d *random) owner() []metav1.OwnerReference {
	if d.chance(3) {
		return nil
	}
	yes := true
	kind := pick(d, "ReplicaSet", "StatefulSet", "ReplicationController", "Job")
	version := map[string]string{"ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "ReplicationController": "v1", "Job": "batch/v1"}[kind]
	return []metav1.OwnerReference{{APIVersion: version, Kind: kind, Name: fmt.Sprintf("owner-%d", d.IntN(2)), UID: "owner", Controller: &yes}}
}
