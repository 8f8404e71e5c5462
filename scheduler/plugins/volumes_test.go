package plugins

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/storage/volume"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"podsim/model"
	"podsim/model/schedulerconfig"
	"podsim/scheduler/framework"
	"sigs.k8s.io/yaml"
)

// set puts objects, YAML documents, into the cluster. In them, a line "kind NAME" stands for
// kind and metadata.name.
func (w *world) set(t *testing.T, objects string) {
	for text := range strings.SplitSeq(objects, "---") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		head, body, _ := strings.Cut(text, "\n")
		kind, name, _ := strings.Cut(strings.TrimSpace(head), " ")
		w.setObject(t, kind, name, body)
	}
}

func (w *world) setObject(t *testing.T, kind, name, body string) {
	o := &w.cluster.Objects
	o.Generation++
	key := "default/" + name
	switch kind {
	case "PersistentVolume":
		o.PersistentVolumes.Set(name, parsed(t, name, "", body, &v1.PersistentVolume{}))
	case "PersistentVolumeClaim":
		o.PersistentVolumeClaims.Set(key, parsed(t, name, "default", body, &v1.PersistentVolumeClaim{}))
	case "StorageClass":
		o.StorageClasses.Set(name, parsed(t, name, "", body, &storagev1.StorageClass{}))
	case "CSINode":
		o.CSINodes.Set(name, parsed(t, name, "", body, &storagev1.CSINode{}))
	case "CSIDriver":
		o.CSIDrivers.Set(name, parsed(t, name, "", body, &storagev1.CSIDriver{}))
	case "CSIStorageCapacity":
		o.CSIStorageCapacities.Set(key, parsed(t, name, "default", body, &storagev1.CSIStorageCapacity{}))
	case "ResourceClaim":
		claim := parsed(t, name, "default", body, &resourcev1.ResourceClaim{})
		model.DefaultResourceClaim(&claim.Spec)
		o.ResourceClaims.Set(key, claim)
	case "ResourceSlice":
		o.ResourceSlices.Set(name, parsed(t, name, "", body, &resourcev1.ResourceSlice{}))
	case "DeviceClass":
		o.DeviceClasses.Set(name, parsed(t, name, "", body, &resourcev1.DeviceClass{}))
	case "VolumeAttachment":
		o.VolumeAttachments.Set(name, parsed(t, name, "", body, &storagev1.VolumeAttachment{}))
	default:
		t.Fatalf("an object of kind %q", kind)
	}
}

func parsed[T metav1.Object](t *testing.T, name, namespace, body string, o T) T {
	require.NoError(t, yaml.UnmarshalStrict([]byte(body), o), body)
	o.SetName(name)
	o.SetNamespace(namespace)
	return o
}

// claims gives a pod volumes that use claims, a name with a leading * a generic ephemeral one.
func claims(names ...string) func(*v1.PodSpec) {
	return func(s *v1.PodSpec) {
		for _, name := range names {
			v := v1.Volume{Name: "v-" + name}
			if ephemeral, ok := strings.CutPrefix(name, "*"); ok {
				v.Name = ephemeral
				v.Ephemeral = &v1.EphemeralVolumeSource{}
			} else {
				v.PersistentVolumeClaim = &v1.PersistentVolumeClaimVolumeSource{ClaimName: name}
			}
			s.Volumes = append(s.Volumes, v)
		}
	}
}

func source(s v1.VolumeSource) func(*v1.PodSpec) {
	return func(spec *v1.PodSpec) { spec.Volumes = append(spec.Volumes, v1.Volume{Name: "disk", VolumeSource: s}) }
}

// judge asks a plugin that looks further about a pod named p and a node. The text is that of PreFilter's
// rejection, or the reasons of Filter's; empty when the pod may go there.
func (w *world) judge(pl framework.Plugin, c *framework.PodClass, n *framework.NodeInfo) (framework.Code, string) {
	w.cycle.Pod = &framework.Pod{ID: 1, Name: "p", Class: c, ResourceClaims: w.made}
	g := pl.Global
	if !g.Concerns(c) {
		return framework.Success, ""
	}
	if g.PreFilter != nil {
		var r framework.PreFilterResult
		g.PreFilter(&w.cycle, c, &r)
		if r.Message != "" {
			return framework.UnschedulableAndUnresolvable, r.Message
		}
		if r.Skip {
			return framework.Success, ""
		}
	}
	var st framework.Status
	if g.Filter(&w.cycle, c, n, &st) {
		return framework.Success, ""
	}
	var reasons []string
	for _, r := range st.Reasons {
		reasons = append(reasons, w.cluster.Symbols.Reason(r))
	}
	return st.Code, strings.Join(reasons, ", ")
}

// place puts a pod of a class onto a node.
func (w *world) place(pl framework.Plugin, id model.PodID, name string, c *framework.PodClass, n *framework.NodeInfo) {
	for len(w.cluster.Pods) <= int(id) {
		w.cluster.Pods = append(w.cluster.Pods, framework.Pod{})
	}
	w.cluster.Pods[id] = framework.Pod{ID: id, Name: name, Class: c, Node: n.ID}
	n.AddPod(id, c)
	if pl.Global.PodMoved != nil {
		pl.Global.PodMoved(&w.cluster.Pods[id], n, 1)
	}
}

func volumeArgs() *configv1.VolumeBindingArgs { return &schedulerconfig.DefaultArgs().VolumeBinding }

const classes = `
StorageClass local
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
---
StorageClass made
provisioner: csi.example.com
volumeBindingMode: WaitForFirstConsumer
allowedTopologies:
- matchLabelExpressions: [{key: zone, values: [a, b]}]
---
StorageClass now
provisioner: csi.example.com
volumeBindingMode: Immediate
---
`

const bound = `
PersistentVolume pv
metadata: {labels: {topology.kubernetes.io/zone: a__c}}
spec:
  capacity: {storage: 1Gi}
  csi: {driver: csi.example.com, volumeHandle: h1}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}
---
PersistentVolumeClaim data
metadata: {annotations: {pv.kubernetes.io/bind-completed: "yes"}}
spec: {volumeName: pv, accessModes: [ReadWriteOnce]}
---
`

// waiting are claims that wait for a consumer, a volume that fits one of them in zone a, and one in zone b.
const waiting = `
PersistentVolumeClaim small
spec: {storageClassName: local, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
PersistentVolumeClaim large
spec: {storageClassName: local, accessModes: [ReadWriteOnce], resources: {requests: {storage: 4Gi}}}
---
PersistentVolumeClaim new
spec: {storageClassName: made, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
PersistentVolume in-a
spec:
  storageClassName: local
  accessModes: [ReadWriteOnce]
  capacity: {storage: 10Gi}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [a]}]}]}}
status: {phase: Available}
---
PersistentVolume in-b
spec:
  storageClassName: local
  accessModes: [ReadWriteOnce]
  capacity: {storage: 2Gi}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [b]}]}]}}
status: {phase: Available}
---
`

func TestVolumeFilters(t *testing.T) {
	const no, never = framework.Unschedulable, framework.UnschedulableAndUnresolvable
	const bindConflict = "node(s) didn't find available persistent volumes to bind"
	const inUse = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod"
	disk := func(name string, readOnly bool) func(*v1.PodSpec) {
		return source(v1.VolumeSource{GCEPersistentDisk: &v1.GCEPersistentDiskVolumeSource{PDName: name, ReadOnly: readOnly}})
	}
	rbd := func(monitors ...string) func(*v1.PodSpec) {
		return source(v1.VolumeSource{RBD: &v1.RBDVolumeSource{CephMonitors: monitors, RBDImage: "i", RBDPool: "p"}})
	}
	once := "PersistentVolumeClaim data\nspec: {accessModes: [ReadWriteOncePod]}\n---\n"
	limits := "CSINode n1\nspec: {drivers: [{name: csi.example.com, nodeID: n1, allocatable: {count: 1}}]}\n---\n"
	unbound := classes + "PersistentVolumeClaim other\nspec: {storageClassName: made}\n---\n"
	for _, c := range []struct {
		name    string
		plugin  framework.Plugin
		objects string
		pod     pods
		node    nodes
		there   []pods
		code    framework.Code
		text    string
	}{
		{name: "no claim", plugin: VolumeRestrictions(), pod: pods{claims("data")}, code: never, text: `persistentvolumeclaim "data" not found`},
		{name: "other disk", plugin: VolumeRestrictions(), pod: pods{disk("a", false)}, there: []pods{{disk("b", false)}}},
		{name: "same disk", plugin: VolumeRestrictions(), pod: pods{disk("a", true)}, there: []pods{{disk("a", false)}}, code: no, text: "node(s) had no available disk"},
		{name: "same disk read only", plugin: VolumeRestrictions(), pod: pods{disk("a", true)}, there: []pods{{disk("a", true)}}},
		{name: "shared monitor", plugin: VolumeRestrictions(), pod: pods{rbd("x", "y")}, there: []pods{{rbd("z", "y")}}, code: no, text: "node(s) had no available disk"},
		{name: "other monitor", plugin: VolumeRestrictions(), pod: pods{rbd("x")}, there: []pods{{rbd("z")}}},
		{name: "claim of one pod", plugin: VolumeRestrictions(), objects: once, pod: pods{claims("data")}, there: []pods{{claims("data")}}, code: no, text: inUse},
		{name: "claim of many pods", plugin: VolumeRestrictions(), objects: bound, pod: pods{claims("data")}, there: []pods{{claims("data")}}},

		{name: "no limit", plugin: NodeVolumeLimits(), objects: bound, pod: pods{claims("data")}},
		{name: "room", plugin: NodeVolumeLimits(), objects: bound + limits, pod: pods{claims("data")}},
		{name: "the same volume", plugin: NodeVolumeLimits(), objects: bound + limits, pod: pods{claims("data")}, there: []pods{{claims("data")}}},
		{name: "another volume", plugin: NodeVolumeLimits(), objects: unbound + bound + limits, pod: pods{claims("data")}, there: []pods{{claims("other")}},
			code: no, text: "node(s) exceed max volume count"},
		{name: "an attached volume", plugin: NodeVolumeLimits(), objects: unbound + bound + limits +
			"VolumeAttachment x\nspec: {attacher: csi.example.com, nodeName: n1, source: {persistentVolumeName: pv}}", pod: pods{claims("other")},
			code: no, text: "node(s) exceed max volume count"},
		{name: "no driver", plugin: NodeVolumeLimits(), objects: bound + "CSIDriver csi.example.com\nspec: {preventPodSchedulingIfMissing: true}", pod: pods{claims("data")},
			code: no, text: "csi.example.com CSI driver is not installed on the node"},
		{name: "no driver asked for", plugin: NodeVolumeLimits(), objects: bound + "CSIDriver csi.example.com\nspec: {}", pod: pods{claims("data")}},
		{name: "migrated volume", plugin: NodeVolumeLimits(), objects: "CSINode n1\nspec: {drivers: [{name: pd.csi.storage.gke.io, nodeID: n1, allocatable: {count: 0}}]}",
			pod: pods{disk("a", false)}, code: no, text: "node(s) exceed max volume count"},

		{name: "no ephemeral claim", plugin: VolumeBinding(volumeArgs()), pod: pods{claims("*tmp")}, code: never,
			text: `waiting for ephemeral volume controller to create the persistentvolumeclaim "p-tmp"`},
		{name: "another pod's claim", plugin: VolumeBinding(volumeArgs()), objects: "PersistentVolumeClaim p-tmp\nspec: {}", pod: pods{claims("*tmp")}, code: never,
			text: "PVC default/p-tmp was not created for pod default/p (pod is not owner)"},
		{name: "ephemeral", plugin: VolumeBinding(volumeArgs()), objects: classes + "PersistentVolumeClaim p-tmp\n" +
			"metadata: {ownerReferences: [{kind: Pod, name: p, controller: true}]}\nspec: {storageClassName: made}", node: nodes{label("zone", "a")}, pod: pods{claims("*tmp")}},
		{name: "lost", plugin: VolumeBinding(volumeArgs()), objects: "PersistentVolumeClaim data\nspec: {volumeName: x}\nstatus: {phase: Lost}", pod: pods{claims("data")}, code: never,
			text: `persistentvolumeclaim "data" bound to non-existent persistentvolume "x"`},
		{name: "deleted", plugin: VolumeBinding(volumeArgs()), objects: "PersistentVolumeClaim data\nmetadata: {deletionTimestamp: 2026-01-01T00:00:00Z}", pod: pods{claims("data")}, code: never,
			text: `persistentvolumeclaim "data" is being deleted`},
		{name: "immediate", plugin: VolumeBinding(volumeArgs()), objects: classes + "PersistentVolumeClaim data\nspec: {storageClassName: now}", pod: pods{claims("data")}, code: never,
			text: "pod has unbound immediate PersistentVolumeClaims"},
		{name: "bound", plugin: VolumeBinding(volumeArgs()), objects: bound, pod: pods{claims("data")}, node: nodes{label("zone", "a")}},
		{name: "bound elsewhere", plugin: VolumeBinding(volumeArgs()), objects: bound, pod: pods{claims("data")}, node: nodes{label("zone", "b")}, code: never,
			text: "node(s) didn't match PersistentVolume's node affinity"},
		{name: "no volume", plugin: VolumeBinding(volumeArgs()), objects: strings.ReplaceAll(bound, "volumeName: pv", "volumeName: gone"), pod: pods{claims("data")}, code: never,
			text: "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"},
		{name: "found", plugin: VolumeBinding(volumeArgs()), objects: classes + waiting, pod: pods{claims("large")}, node: nodes{label("zone", "a")}},
		{name: "too small", plugin: VolumeBinding(volumeArgs()), objects: classes + waiting, pod: pods{claims("large")}, node: nodes{label("zone", "b")}, code: never, text: bindConflict},
		{name: "one for two", plugin: VolumeBinding(volumeArgs()), objects: classes + waiting, pod: pods{claims("large", "small")}, node: nodes{label("zone", "a")}, code: never, text: bindConflict},
		{name: "can be made", plugin: VolumeBinding(volumeArgs()), objects: classes + waiting, pod: pods{claims("new")}, node: nodes{label("zone", "b")}},
		{name: "cannot be made there", plugin: VolumeBinding(volumeArgs()), objects: classes + waiting, pod: pods{claims("new")}, node: nodes{label("zone", "c")}, code: never, text: bindConflict},
		{name: "being made elsewhere", plugin: VolumeBinding(volumeArgs()), objects: classes + "PersistentVolumeClaim data\nmetadata: {annotations: {volume.kubernetes.io/selected-node: n2}}\nspec: {storageClassName: made}",
			pod: pods{claims("data")}, node: nodes{label("zone", "a")}, code: never, text: bindConflict},
		{name: "no room", plugin: VolumeBinding(volumeArgs()), objects: classes + waiting + "CSIDriver csi.example.com\nspec: {storageCapacity: true}\n---\n" +
			"CSIStorageCapacity x\nstorageClassName: made\ncapacity: 500Mi\nnodeTopology: {}", pod: pods{claims("new")}, node: nodes{label("zone", "a")}, code: never,
			text: "node(s) did not have enough free storage"},
		{name: "room for it", plugin: VolumeBinding(volumeArgs()), objects: classes + waiting + "CSIDriver csi.example.com\nspec: {storageCapacity: true}\n---\n" +
			"CSIStorageCapacity x\nstorageClassName: made\ncapacity: 2Gi\nnodeTopology: {matchLabels: {zone: a}}", pod: pods{claims("new")}, node: nodes{label("zone", "a")}},

		{name: "in the zone", plugin: VolumeZone(), objects: bound, pod: pods{claims("data")}, node: nodes{label("topology.kubernetes.io/zone", "c")}},
		{name: "beta label", plugin: VolumeZone(), objects: strings.ReplaceAll(bound, "topology.kubernetes.io", "failure-domain.beta.kubernetes.io"), pod: pods{claims("data")},
			node: nodes{label("topology.kubernetes.io/zone", "c")}},
		{name: "in another zone", plugin: VolumeZone(), objects: bound, pod: pods{claims("data")}, node: nodes{label("topology.kubernetes.io/zone", "b")}, code: never,
			text: "node(s) had no available volume zone"},
		{name: "a node without zone", plugin: VolumeZone(), objects: bound, pod: pods{claims("data")}},
		{name: "unbound", plugin: VolumeZone(), objects: classes + waiting, pod: pods{claims("new")}},
		{name: "no class", plugin: VolumeZone(), objects: waiting, pod: pods{claims("new")}, code: never, text: `storageclass.storage.k8s.io "made" not found`},
		{name: "no volume", plugin: VolumeZone(), objects: strings.ReplaceAll(bound, "volumeName: pv", "volumeName: gone"), pod: pods{claims("data")}, code: never,
			text: `persistentvolume "gone" not found`},
	} {
		t.Run(c.plugin.ID.String()+"/"+c.name, func(t *testing.T) {
			w := newWorld()
			w.set(t, c.objects)
			n := w.node(c.node...)
			w.cluster.NodesByID = []*framework.NodeInfo{nil, n}
			for i, p := range c.there {
				w.place(c.plugin, model.PodID(2+i), "there", w.class(p...), n)
			}
			code, text := w.judge(c.plugin, w.class(c.pod...), n)
			require.Equal(t, c.code, code)
			require.Equal(t, c.text, text)
		})
	}
}

// A dry run of preemption sees the claim free once its user is gone.
func TestReadWriteOncePodInDryRun(t *testing.T) {
	w, pl := newWorld(), VolumeRestrictions()
	w.set(t, "PersistentVolumeClaim data\nspec: {accessModes: [ReadWriteOncePod]}")
	n, c := w.node(), w.class(claims("data"))
	w.place(pl, 2, "user", c, n)
	code, _ := w.judge(pl, c, n)
	require.Equal(t, framework.Unschedulable, code)
	var st framework.Status
	pl.Global.Save()
	pl.Global.RemovePod(&w.cycle, c, &w.cluster.Pods[2], n)
	require.True(t, pl.Global.Filter(&w.cycle, c, n, &st))
	pl.Global.Restore()
	require.False(t, pl.Global.Filter(&w.cycle, c, n, &st))
}

// A pod that is reserved on a node has its volume: the next pod takes another, until the first gives it
// back.
func TestAssumedVolumes(t *testing.T) {
	w, pl := newWorld(), VolumeBinding(volumeArgs())
	w.set(t, classes+waiting)
	n := w.node(label("zone", "a"))
	first, second := w.class(claims("large")), w.class(claims("small"))
	fits := func(c *framework.PodClass) bool {
		code, _ := w.judge(pl, c, n)
		return code == framework.Success
	}
	require.True(t, fits(second))
	require.True(t, fits(first))
	p := &framework.Pod{ID: 7, Name: "first", Class: first, Node: n.ID}
	pl.Global.Reserve(&w.cycle, first, p, n)
	v := pl.Global.Volumes(7)
	require.Len(t, v.Bind, 1)
	require.Equal(t, "in-a", v.Bind[0].Name)
	require.Equal(t, "large", v.Bind[0].Spec.ClaimRef.Name)
	require.False(t, fits(second))
	require.True(t, fits(first), "the volume is the claim's")
	pl.Global.Unreserve(&w.cycle, first, p, n)
	require.True(t, fits(second))

	require.True(t, fits(first))
	pl.Global.Reserve(&w.cycle, first, p, n)
	w.set(t, strings.ReplaceAll(waiting, "10Gi", "20Gi"))
	require.True(t, fits(second), "the API server has a newer volume")

	made := w.class(claims("new"))
	require.True(t, fits(made))
	pl.Global.Reserve(&w.cycle, made, p, n)
	require.Equal(t, "n1", pl.Global.Volumes(7).Provision[0].Annotations[volume.AnnSelectedNode])
	elsewhere := w.node(label("zone", "b"), func(n *model.Node) { n.Name = "n2" })
	code, _ := w.judge(pl, made, elsewhere)
	require.Equal(t, framework.UnschedulableAndUnresolvable, code)
	pl.Global.PodMoved(p, n, -1)
	require.Empty(t, pl.Global.Volumes(7))
}

func TestVolumeScores(t *testing.T) {
	capacity := "CSIDriver csi.example.com\nspec: {storageCapacity: true}\n---\n" +
		"CSIStorageCapacity x\nstorageClassName: made\ncapacity: 4Gi\nnodeTopology: {}\n---\n"
	for _, c := range []struct {
		name string
		pod  pods
		want int64
	}{
		{"no claims that wait", pods{claims("data")}, 0},
		// 1 of 10 GiB.
		{"volume that is there", pods{claims("small")}, 90},
		// 1 of 4 GiB.
		{"volume that is made", pods{claims("new")}, 75},
		// Only the volume that is there counts.
		{"both", pods{claims("small", "new")}, 90},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, pl := newWorld(), VolumeBinding(volumeArgs())
			w.set(t, classes+bound+waiting+capacity)
			n, class := w.node(label("zone", "a")), w.class(c.pod...)
			code, text := w.judge(pl, class, n)
			require.Equal(t, framework.Success, code, text)
			scores := []int64{-1}
			pl.Global.Score(&w.cycle, class, []*framework.NodeInfo{n}, scores)
			require.Equal(t, c.want, scores[0])
		})
	}
	t.Run("the fullest first", func(t *testing.T) {
		args := volumeArgs()
		args.Shape = []configv1.UtilizationShapePoint{{Utilization: 0, Score: 0}, {Utilization: 50, Score: 10}}
		w, pl := newWorld(), VolumeBinding(args)
		w.set(t, classes+waiting)
		n, class := w.node(label("zone", "a")), w.class(claims("small"))
		w.judge(pl, class, n)
		scores := []int64{-1}
		pl.Global.Score(&w.cycle, class, []*framework.NodeInfo{n}, scores)
		require.Equal(t, int64(20), scores[0])
	})
}

// What is found for a claim is what upstream's search over all volumes finds.
func TestMatchIsFindMatchingVolume(t *testing.T) {
	for seed := range uint64(200) {
		w, r := newWorld(), rand.New(rand.NewPCG(seed, 1))
		w.set(t, classes)
		n := w.node(label("zone", "a"))
		all := randomVolumes(w, r)
		claim := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "default"}}
		class := "local"
		claim.Spec.StorageClassName = &class
		claim.Spec.AccessModes = []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}
		claim.Spec.Resources.Requests = v1.ResourceList{v1.ResourceStorage: *resource.NewQuantity(int64(r.IntN(4)), resource.BinarySI)}
		w.cluster.Objects.PersistentVolumeClaims.Set("default/c", claim)
		pl := VolumeBinding(volumeArgs())
		code, _ := w.judge(pl, w.class(claims("c")), n)

		node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", Labels: map[string]string{"zone": "a"}}}
		want, err := volume.FindMatchingVolume(claim, all, node, nil, true, true)
		require.NoError(t, err)
		require.Equal(t, want != nil, code == framework.Success, "seed %d", seed)
		if want != nil {
			pl.Global.Reserve(&w.cycle, w.cycle.Pod.Class, w.cycle.Pod, n)
			require.Equal(t, want.Name, pl.Global.Volumes(1).Bind[0].Name, "seed %d", seed)
		}
	}
}

func randomVolumes(w *world, r *rand.Rand) []*v1.PersistentVolume {
	for i := range r.IntN(8) {
		pv := &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))}}
		pv.Spec.StorageClassName = []string{"local", "local", "made"}[r.IntN(3)]
		pv.Spec.AccessModes = []v1.PersistentVolumeAccessMode{[]v1.PersistentVolumeAccessMode{v1.ReadWriteOnce, v1.ReadWriteOnce, v1.ReadOnlyMany}[r.IntN(3)]}
		pv.Spec.Capacity = v1.ResourceList{v1.ResourceStorage: *resource.NewQuantity(int64(r.IntN(5)), resource.BinarySI)}
		pv.Status.Phase = []v1.PersistentVolumePhase{v1.VolumeAvailable, v1.VolumeAvailable, v1.VolumeReleased}[r.IntN(3)]
		if r.IntN(3) == 0 {
			pv.Spec.ClaimRef = &v1.ObjectReference{Namespace: "default", Name: []string{"c", "d"}[r.IntN(2)]}
		}
		if r.IntN(2) == 0 {
			pv.Spec.NodeAffinity = &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{Key: "zone", Operator: v1.NodeSelectorOpIn, Values: []string{[]string{"a", "b"}[r.IntN(2)]}}}}}}}
		}
		w.cluster.Objects.PersistentVolumes.Set(pv.Name, pv)
	}
	var local []*v1.PersistentVolume
	for _, pv := range w.cluster.Objects.PersistentVolumes.All() {
		if pv.Spec.StorageClassName == "local" {
			local = append(local, pv)
		}
	}
	return local
}

func TestVolumeHints(t *testing.T) {
	claim := func(name string) *v1.PersistentVolumeClaim {
		return &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	}
	zoned := func(zone string) *v1.PersistentVolume {
		return &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1.LabelTopologyZone: zone}}}
	}
	driver := func(count int32) *storagev1.CSINode {
		return &storagev1.CSINode{Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{Name: "d", Allocatable: &storagev1.VolumeNodeResources{Count: &count}}}}}
	}
	w := newWorld()
	plain, data := w.class(), w.class(claims("data"))
	for _, c := range []struct {
		name   string
		plugin framework.Plugin
		event  framework.ClusterEvent
		want   bool
	}{
		{"claim added", VolumeRestrictions(), framework.ClusterEvent{Object: claim("data")}, true},
		{"claim updated", VolumeRestrictions(), framework.ClusterEvent{Object: claim("data"), OldObject: claim("data")}, false},
		{"other claim", VolumeRestrictions(), framework.ClusterEvent{Object: claim("else")}, false},
		{"pod with the claim gone", VolumeRestrictions(), framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: data}, true},
		{"pod without volumes gone", VolumeRestrictions(), framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: plain}, false},
		{"pod with a volume gone", NodeVolumeLimits(), framework.ClusterEvent{Action: framework.AssignedPodDelete, Pod: data}, true},
		{"limit raised", NodeVolumeLimits(), framework.ClusterEvent{Object: driver(2), OldObject: driver(1)}, true},
		{"limit lowered", NodeVolumeLimits(), framework.ClusterEvent{Object: driver(1), OldObject: driver(2)}, false},
		{"volume detached", NodeVolumeLimits(), framework.ClusterEvent{OldObject: &storagev1.VolumeAttachment{}}, true},
		{"claim gone", NodeVolumeLimits(), framework.ClusterEvent{OldObject: claim("data")}, false},
		{"claim updated", VolumeBinding(volumeArgs()), framework.ClusterEvent{Object: claim("data"), OldObject: claim("data")}, true},
		{"volume added", VolumeBinding(volumeArgs()), framework.ClusterEvent{Object: zoned("a")}, true},
		{"volume gone", VolumeBinding(volumeArgs()), framework.ClusterEvent{OldObject: zoned("a")}, false},
		{"class added", VolumeBinding(volumeArgs()), framework.ClusterEvent{Object: &storagev1.StorageClass{}}, true},
		{"class the same", VolumeBinding(volumeArgs()), framework.ClusterEvent{Object: &storagev1.StorageClass{}, OldObject: &storagev1.StorageClass{}}, false},
		{"zone changed", VolumeZone(), framework.ClusterEvent{Object: zoned("a"), OldObject: zoned("b")}, true},
		{"zone the same", VolumeZone(), framework.ClusterEvent{Object: zoned("a"), OldObject: zoned("a")}, false},
		{"immediate class", VolumeZone(), framework.ClusterEvent{Object: &storagev1.StorageClass{}}, false},
	} {
		t.Run(c.plugin.ID.String()+"/"+c.name, func(t *testing.T) {
			if c.event.Action == 0 {
				c.event.Action = framework.ObjectChange
			}
			require.NotZero(t, c.plugin.Events&c.event.Action)
			require.Equal(t, c.want, c.plugin.Hint(data, &c.event))
		})
	}
	p := &framework.Pod{Name: "p", Class: w.class(claims("*tmp"))}
	require.True(t, VolumeBinding(volumeArgs()).HintPod(p, &framework.ClusterEvent{Object: claim("p-tmp")}))
	require.False(t, VolumeBinding(volumeArgs()).HintPod(p, &framework.ClusterEvent{Object: claim("q-tmp")}))
}
