package framework

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
	ndf "k8s.io/component-helpers/nodedeclaredfeatures"
	"k8s.io/component-helpers/nodedeclaredfeatures/types"
	corev1 "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	"podsim/model"
)

// ClassID numbers the classes of a run.
type ClassID int32

// PodClass is a pod template compiled for the scheduler: what all pods made from it have in
// common, and the verdicts that depend on nothing else that changes often.
type PodClass struct {
	// ID numbers the classes of a run in the order in which they were compiled.
	ID       ClassID
	Template *model.PodTemplate
	Priority int32
	// PreemptNever is preemptionPolicy Never.
	PreemptNever bool
	// Gated says that the template has scheduling gates.
	Gated bool

	// The requests, with overhead.
	MilliCPU         int64
	Memory           int64
	EphemeralStorage int64
	Extended         []ExtendedRequest
	NonZeroMilliCPU  int64
	NonZeroMemory    int64
	PlacedMilliCPU   int64
	PlacedMemory     int64

	HostPorts []HostPort
	// ToleratesUnschedulable says that the class may go to a cordoned node.
	ToleratesUnschedulable bool

	// HasRequired says that there is a nodeSelector or required node affinity, HasPreferred
	// that preferred node affinity is set.
	HasRequired  bool
	HasPreferred bool
	required     nodeaffinity.RequiredNodeAffinity
	preferred    *nodeaffinity.PreferredSchedulingTerms
	// PodAffinity are the terms of inter-pod affinity and anti-affinity.
	PodAffinity PodAffinity

	// Images are the images of init containers, containers and image volumes that have a
	// name that can be parsed; ImageCount counts the others too.
	Images     []model.ImageID
	ImageCount int64

	// imageBytes, imageTable and imageEpoch are those of the last ImageEpoch: what each image counts,
	// and the scores by the set of images that a node has.
	imageBytes, imageTable []int64
	imageEpoch             uint64
	// Features are those that the node's kubelet must declare.
	Features []string
	// Claims are the volumes that use a PersistentVolumeClaim, in the order of the specification.
	Claims []VolumeClaim
	// PerPod says that pods of the class differ in what they need: in the names of their claims.
	PerPod bool
	// Disks are the volumes that VolumeRestrictions looks at: disks that only some pods may
	// share.
	Disks []*v1.Volume

	symbols *Symbols
	// taints is indexed by TaintSetID, affinity by NodeID; both grow when a node or a list
	// of taints is met for the first time.
	taints   []TaintVerdict
	affinity []AffinityVerdict
}

// VolumeClaim is a volume that uses a PersistentVolumeClaim.
type VolumeClaim struct {
	// Name is the claim's, or for a generic ephemeral volume the end of it, after the pod's name
	// (k8s.io/component-helpers/storage/ephemeral VolumeClaimName).
	Name string
	// Key is that of the claim in Objects, empty for a generic ephemeral volume.
	Key       string
	Ephemeral bool
}

// TaintVerdict is how the tolerations of a class meet a list of taints.
type TaintVerdict struct {
	known bool
	// Untolerated says that a NoSchedule or NoExecute taint is not tolerated.
	Untolerated bool
	// PreferNoSchedule counts the PreferNoSchedule taints that are not tolerated.
	PreferNoSchedule int32
}

// AffinityVerdict is how a class's selectors meet a node's labels and name.
type AffinityVerdict struct {
	// generation is one more than the LabelsGeneration for which the verdict holds.
	generation uint32
	// Required says that nodeSelector and required affinity match.
	Required bool
	// Preferred is the sum of the weights of the preferred terms that match.
	Preferred int32
}

// NewPodClass compiles a template. Images of volumes are looked up with image.
func NewPodClass(t *model.PodTemplate, s *Symbols, image func(name string) model.ImageID) *PodClass {
	spec := t.Spec
	c := &PodClass{
		Template:         t,
		Priority:         t.Priority,
		PreemptNever:     spec.PreemptionPolicy != nil && *spec.PreemptionPolicy == v1.PreemptNever,
		Gated:            len(spec.SchedulingGates) > 0,
		MilliCPU:         t.Requests.MilliCPU,
		Memory:           t.Requests.Memory,
		EphemeralStorage: t.Requests.EphemeralStorage,
		Extended:         s.extended(&t.Requests),
		NonZeroMilliCPU:  t.NonZeroMilliCPU,
		NonZeroMemory:    t.NonZeroMemory,
		PlacedMilliCPU:   t.PlacedMilliCPU,
		PlacedMemory:     t.PlacedMemory,
		HostPorts:        s.hostPorts(spec),
		symbols:          s,
		ID:               ClassID(s.classes),
	}
	s.classes++
	c.ToleratesUnschedulable = c.tolerates(&v1.Taint{
		Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule,
	}, spec.Tolerations)
	c.compileAffinity()
	c.compilePodAffinity()
	c.compileImages(image)
	c.compileVolumes()
	c.PerPod = c.PerPod || len(spec.ResourceClaims) > 0
	c.compileFeatures()
	return c
}

func (c *PodClass) compileAffinity() {
	spec := c.Template.Spec
	c.required = nodeaffinity.NewRequiredNodeAffinity(spec.NodeSelector, spec.Affinity)
	c.HasRequired = spec.NodeSelector != nil
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil {
		return
	}
	affinity := spec.Affinity.NodeAffinity
	c.HasRequired = c.HasRequired || affinity.RequiredDuringSchedulingIgnoredDuringExecution != nil
	if terms := affinity.PreferredDuringSchedulingIgnoredDuringExecution; terms != nil {
		c.HasPreferred = true
		// Validation admits no terms that cannot be parsed; one that cannot prefers nothing.
		c.preferred, _ = nodeaffinity.NewPreferredSchedulingTerms(terms)
	}
}

// compileImages follows pkg/scheduler/framework/plugins/imagelocality/image_locality.go
// sumImageScores: an image that is named twice counts twice.
func (c *PodClass) compileImages(image func(name string) model.ImageID) {
	add := func(id model.ImageID) {
		c.ImageCount++
		if id != 0 {
			c.Images = append(c.Images, id)
		}
	}
	for i := range c.Template.Containers {
		add(c.Template.Containers[i].ImageID)
	}
	for i := range c.Template.Spec.Volumes {
		if source := c.Template.Spec.Volumes[i].Image; source != nil {
			add(image(source.Reference))
		}
	}
}

// release is the one that the scheduler is of.
var release = version.MustParseGeneric("1.37.1")

// compileFeatures finds the features of a kubelet that the pods need. There is no error: every
// feature is known.
func (c *PodClass) compileFeatures() {
	set, _ := ndf.DefaultFramework.InferForPodScheduling(&types.PodInfo{Spec: c.Template.Spec}, release)
	if !set.IsEmpty() {
		c.Features, _ = ndf.DefaultFramework.Unmap(set)
	}
}

// MissingForUpdate names the features that an update of a pod needs and its node's kubelet does not declare
// (plugin/pkg/admission/nodedeclaredfeatures validatePodUpdate). There is no error: every feature is known.
func MissingForUpdate(old, updated *v1.PodSpec, declared []string) []string {
	set, _ := ndf.DefaultFramework.InferForPodUpdate(&types.PodInfo{Spec: old}, &types.PodInfo{Spec: updated}, release)
	if set.IsEmpty() {
		return nil
	}
	result, _ := ndf.DefaultFramework.MatchNode(set, &v1.Node{Status: v1.NodeStatus{DeclaredFeatures: declared}})
	return result.UnsatisfiedRequirements
}

func (c *PodClass) compileVolumes() {
	for i := range c.Template.Spec.Volumes {
		switch v := &c.Template.Spec.Volumes[i]; {
		case v.PersistentVolumeClaim != nil:
			name := v.PersistentVolumeClaim.ClaimName
			c.Claims = append(c.Claims, VolumeClaim{Name: name, Key: Key(c.Template.Namespace, name)})
		case v.Ephemeral != nil:
			c.Claims = append(c.Claims, VolumeClaim{Name: "-" + v.Name, Ephemeral: true})
			c.PerPod = true
		case v.GCEPersistentDisk != nil || v.AWSElasticBlockStore != nil || v.RBD != nil || v.ISCSI != nil:
			c.Disks = append(c.Disks, v)
		}
	}
}

// Symbols are the names with which the class was compiled.
func (c *PodClass) Symbols() *Symbols { return c.symbols }

// Request is what the class asks for of an extended resource.
func (c *PodClass) Request(id ResourceID) int64 {
	for _, e := range c.Extended {
		if e.Resource == id {
			return e.Amount
		}
	}
	return 0
}

// MatchesRequired says whether nodeSelector and required node affinity match a node. As
// upstream, a term that cannot be parsed matches nothing.
func (c *PodClass) MatchesRequired(node *v1.Node) bool {
	match, _ := c.required.Match(node)
	return match
}

// Affinity is the verdict of the class's node selectors on a node. It is worked out once
// for each change of the node's labels.
func (c *PodClass) Affinity(n *NodeInfo) *AffinityVerdict {
	for len(c.affinity) <= int(n.ID) {
		c.affinity = append(c.affinity, AffinityVerdict{})
	}
	v := &c.affinity[n.ID]
	if v.generation == n.LabelsGeneration+1 {
		return v
	}
	v.generation = n.LabelsGeneration + 1
	v.Required = c.MatchesRequired(&n.Object)
	if c.preferred != nil {
		v.Preferred = int32(c.preferred.Score(&n.Object))
	}
	return v
}

// Taints is the verdict of the class's tolerations on a list of taints. It is worked out
// once.
func (c *PodClass) Taints(id TaintSetID) TaintVerdict {
	if id == 0 {
		return TaintVerdict{}
	}
	for len(c.taints) <= int(id) {
		c.taints = append(c.taints, TaintVerdict{})
	}
	if !c.taints[id].known {
		c.taints[id] = c.taintVerdict(c.symbols.Taints(id))
	}
	return c.taints[id]
}

// taintVerdict follows pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go
// Filter and countIntolerableTaintsPreferNoSchedule. A toleration that names another effect
// does not tolerate a taint, so the tolerations need not be sorted by effect first.
func (c *PodClass) taintVerdict(taints []v1.Taint) TaintVerdict {
	v := TaintVerdict{known: true}
	for i := range taints {
		if c.tolerates(&taints[i], c.Template.Spec.Tolerations) {
			continue
		}
		switch taints[i].Effect {
		case v1.TaintEffectNoSchedule, v1.TaintEffectNoExecute:
			v.Untolerated = true
		case v1.TaintEffectPreferNoSchedule:
			v.PreferNoSchedule++
		}
	}
	return v
}

// ToleratesExecute says whether the class tolerates all NoExecute taints of a list.
func (c *PodClass) ToleratesExecute(taints []v1.Taint) bool {
	for i := range taints {
		if taints[i].Effect == v1.TaintEffectNoExecute && !c.tolerates(&taints[i], c.Template.Spec.Tolerations) {
			return false
		}
	}
	return true
}

// tolerates asks without the operators Lt and Gt: their feature gate
// TaintTolerationComparisonOperators is off.
func (c *PodClass) tolerates(taint *v1.Taint, tolerations []v1.Toleration) bool {
	return corev1.TolerationsTolerateTaint(klog.Logger{}, tolerations, taint, false)
}
