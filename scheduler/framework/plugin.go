package framework

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"podsim/model"
)

// MaxNodeScore is the best normalized score of a plugin.
const MaxNodeScore = 100

// Plugin is one row of the scheduler's table of plugins: data, so that a configuration can
// change it. A nil function says that the plugin has nothing to do at that point.
//
// PreFilter, Filter, PreScore and Score are for a plugin whose answers follow from the class
// and one node: the scheduler asks once and keeps the answer until one of the two changes.
// A plugin that looks further has a Global instead.
type Plugin struct {
	ID PluginID

	// PreFilter says what the plugin knows of a class before it sees a node. It depends on
	// the class only and runs once for each.
	PreFilter func(c *PodClass, r *PreFilterResult)
	// Filter says whether a pod of the class may go to the node; if not, st has the reasons.
	Filter func(c *PodClass, n *NodeInfo, st *Status) bool

	// Weight multiplies the normalized score, at least 1.
	Weight int64
	// PreScore says whether the plugin scores pods of the class at all; nil means yes.
	PreScore func(c *PodClass) bool
	// Score writes the raw score of nodes[i] into scores[i], 0 or above.
	Score func(y *Cycle, c *PodClass, nodes []*NodeInfo, scores []int64)
	// Normalize is what becomes of the raw scores.
	Normalize Normalization
	// Epoch, when set, is a number that changes when Score may have for nodes that did not change.
	Epoch func(y *Cycle, c *PodClass) uint64

	// Global is set for a plugin whose answers depend on more than the class and one node.
	Global *Global

	// Events are the cluster events that may help a pod that the plugin rejected. Hint says
	// whether one of them does; nil means that all do.
	Events ActionType
	Hint   func(c *PodClass, e *ClusterEvent) bool
	// HintPod, when set, is asked after Hint, for each pod: for events whose objects are of one
	// pod only.
	HintPod func(p *Pod, e *ClusterEvent) bool
}

// Concerns says whether the plugin can ever have to do with pods of the class.
func (p *Plugin) Concerns(c *PodClass) bool {
	return p.Global == nil || p.Global.Concerns == nil || p.Global.Concerns(c)
}

// Global is the part of a plugin whose answers depend on the whole cluster: on other pods and
// nodes, or on objects besides them. It runs in each cycle; a nil function has nothing to do.
type Global struct {
	// Concerns says whether the plugin can ever have to do with pods of the class, whatever is
	// in the cluster; nil means that it can. It runs once for each class.
	Concerns func(c *PodClass) bool

	// PreFilter begins a cycle, before any node is looked at. It keeps what it finds for Filter.
	PreFilter func(y *Cycle, c *PodClass, r *PreFilterResult)
	// Filter is not called in a cycle in which PreFilter said Skip.
	Filter func(y *Cycle, c *PodClass, n *NodeInfo, st *Status) bool
	// AddPod and RemovePod change what PreFilter found as if a pod came to a node or left it
	// (PreFilterExtensions); n has it already, or no longer. Save and Restore come around a
	// number of such changes; within such a pair another may come, but no third.
	AddPod, RemovePod func(y *Cycle, c *PodClass, p *Pod, n *NodeInfo)
	Save, Restore     func()

	// Scores says, before the nodes are known, whether PreScore will say that the plugin scores in
	// this cycle; nil means that it may.
	Scores func(y *Cycle, c *PodClass) bool
	// PreScore begins the scoring of the feasible nodes and says whether the plugin scores.
	PreScore func(y *Cycle, c *PodClass, nodes []*NodeInfo) bool
	// Score writes raw scores. NormalizeScore, when set, takes the place of Plugin.Normalize.
	Score          func(y *Cycle, c *PodClass, nodes []*NodeInfo, scores []int64)
	NormalizeScore func(y *Cycle, c *PodClass, nodes []*NodeInfo, scores []int64)

	// Reserve follows the choice of a node, Unreserve its failure.
	Reserve, Unreserve func(y *Cycle, c *PodClass, p *Pod, n *NodeInfo)
	// Volumes are what the binding cycle of a reserved pod has to write and wait for.
	Volumes func(p model.PodID) PodVolumes
	// Claims are the ResourceClaims that it has to write.
	Claims func(p model.PodID) []*resourcev1.ResourceClaim

	// PodMoved tells that a pod has come to a node (sign 1) or left it (sign -1), NodeChanged
	// that a node was added, updated or removed: for what is kept from cycle to cycle.
	PodMoved    func(p *Pod, n *NodeInfo, sign int64)
	NodeChanged func(n *NodeInfo)
}

// PodVolumes are the volumes of a pod that are decided about but not there yet
// (pkg/scheduler/framework/plugins/volumebinding/binder.go PodVolumes).
type PodVolumes struct {
	// Bind are volumes that are to be bound to the claims that they name now, Provision claims
	// whose volumes are to be made for the node that they name now.
	Bind      []*v1.PersistentVolume
	Provision []*v1.PersistentVolumeClaim
	// Timeout is how long the scheduler waits for them (VolumeBindingArgs bindTimeoutSeconds).
	Timeout model.Time
}

// PreFilterResult is what a plugin says of a class before it sees a node.
type PreFilterResult struct {
	// Skip says that the plugin's Filter need not run.
	Skip bool
	// Rejected, unless NoReason, is why no node can take the pod; Message is it where the text
	// names an object.
	Rejected ReasonID
	Message  string
	// Code is that of a rejection; Success stands for UnschedulableAndUnresolvable.
	Code Code
	// NodeNames are the only nodes that can, sorted; nil means all.
	NodeNames []string
}

// Cycle is what a scheduling cycle knows besides the class and the node.
type Cycle struct {
	*Cluster
	// Pod is the pod that is to be scheduled.
	Pod *Pod
	// Nodes is the snapshot's list of nodes, in its order; NumNodes is its length.
	Nodes    []*NodeInfo
	NumNodes int
	// imageScores is scratch.
	imageScores []int64
}

// Images says which nodes have which images.
type Images struct {
	// State has the sizes.
	State *model.State
	list  []imageState
}

type imageState struct {
	nodes []uint64
	count int
}

// Set says whether the node has the image from now on.
func (t *Images) Set(image model.ImageID, node model.NodeID, has bool) {
	for len(t.list) <= int(image) {
		t.list = append(t.list, imageState{})
	}
	i := &t.list[image]
	for len(i.nodes) <= int(node)/64 {
		i.nodes = append(i.nodes, 0)
	}
	word, bit := &i.nodes[node/64], uint64(1)<<(node%64)
	if has == (*word&bit != 0) {
		return
	}
	*word ^= bit
	if has {
		i.count++
	} else {
		i.count--
	}
}

// Has says whether the node has the image.
func (t *Images) Has(image model.ImageID, node model.NodeID) bool {
	if int(image) >= len(t.list) {
		return false
	}
	nodes := t.list[image].nodes
	return int(node)/64 < len(nodes) && nodes[node/64]>>(node%64)&1 != 0
}

// ImageScores is, for each image of the class, its size in bytes scaled with the share of
// nodes that have it; any says whether one of them is above zero. The slice is valid until
// the next call (pkg/scheduler/framework/plugins/imagelocality/image_locality.go
// scaledImageScore).
func (y *Cycle) ImageScores(c *PodClass) (scores []int64, any bool) {
	y.imageScores = y.imageScores[:0]
	for _, id := range c.Images {
		var score int64
		if int(id) < len(y.Images.list) && y.NumNodes > 0 {
			spread := float64(y.Images.list[id].count) / float64(y.NumNodes)
			score = int64(float64(y.Images.State.Images[id].Size) * spread)
		}
		y.imageScores = append(y.imageScores, score)
		any = any || score > 0
	}
	return y.imageScores, any
}

// maxImageTable is how many images a class may have for its scores to be listed by what a node
// has of them.
const maxImageTable = 5

// ImageEpoch is a number that changes when the score of a node may have changed for the class
// although the node's own images did not: when the share of nodes that have an image did, and
// that came through the rounding of score, which is of a number of bytes and of images.
func (y *Cycle) ImageEpoch(c *PodClass, score func(bytes, images int64) int64) uint64 {
	bytes, _ := y.ImageScores(c)
	if slices.Equal(bytes, c.imageBytes) {
		return c.imageEpoch
	}
	c.imageBytes = append(c.imageBytes[:0], bytes...)
	if len(bytes) > maxImageTable {
		c.imageEpoch++
		return c.imageEpoch
	}
	for len(c.imageTable) < 1<<len(bytes) {
		c.imageTable = append(c.imageTable, -1)
	}
	changed := false
	for set := range c.imageTable {
		var sum int64
		for i, b := range bytes {
			sum += b * int64(set>>i&1)
		}
		if now := score(sum, c.ImageCount); now != c.imageTable[set] {
			c.imageTable[set], changed = now, true
		}
	}
	if changed {
		c.imageEpoch++
	}
	return c.imageEpoch
}

// Normalization turns raw scores into scores between 0 and MaxNodeScore.
type Normalization uint8

// The ways to normalize (pkg/scheduler/framework/plugins/helper/normalize_score.go).
const (
	// NormalizeNone leaves the scores: they are in range already.
	NormalizeNone Normalization = iota
	// NormalizeDefault scales the best score to MaxNodeScore.
	NormalizeDefault
	// NormalizeReverse does, and then turns the scale round.
	NormalizeReverse
)

// Apply normalizes scores in place.
func (z Normalization) Apply(scores []int64) {
	if z == NormalizeNone {
		return
	}
	var most int64
	for _, score := range scores {
		most = max(most, score)
	}
	if most == 0 {
		if z == NormalizeReverse {
			for i := range scores {
				scores[i] = MaxNodeScore
			}
		}
		return
	}
	for i, score := range scores {
		score = MaxNodeScore * score / most
		if z == NormalizeReverse {
			score = MaxNodeScore - score
		}
		scores[i] = score
	}
}

// ActionType is a set of kinds of cluster events (k8s.io/kube-scheduler/framework
// ActionType, with the resource folded in).
type ActionType uint32

// The kinds of cluster events.
const (
	NodeAdd ActionType = 1 << iota
	NodeDelete
	UpdateNodeAllocatable
	UpdateNodeLabel
	// UpdateNodeTaint is also what an uncordoned node is.
	UpdateNodeTaint
	AssignedPodAdd
	AssignedPodDelete
	UpdateNodeDeclaredFeature
	// UpdatePodGeneratedResourceClaim is about the rejected pod itself: its ResourceClaims were made.
	UpdatePodGeneratedResourceClaim
	// UpdatePodToleration is about the rejected pod itself.
	UpdatePodToleration
	// UpdatePodScaleDown is a pod that requests less than before: another one with a node, or with no
	// PodNode the rejected pod itself.
	UpdatePodScaleDown
	// ObjectChange is a change of an object besides nodes and pods; ClusterEvent.Object says
	// which.
	ObjectChange
)

// ClusterEvent is something that may help pods that were rejected.
type ClusterEvent struct {
	Action ActionType
	// Old and New are the node before and after; Old is nil for an added node.
	Old, New *NodeInfo
	// Pod is the class of the assigned pod that came, went or changed; PodNode is its node.
	Pod     *PodClass
	PodNode *NodeInfo
	// OldPod is its class before UpdatePodScaleDown.
	OldPod *PodClass
	// Object is the object that was added or updated, OldObject what it was before or, with a nil
	// Object, what was deleted.
	Object, OldObject any
}
