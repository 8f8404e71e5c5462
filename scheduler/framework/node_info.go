package framework

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
)

// NodeInfo is what the scheduler knows of one node: the node's own facts and the sums over
// the pods that are on it, assumed ones included (pkg/scheduler/framework/types.go
// NodeInfo).
type NodeInfo struct {
	ID   model.NodeID
	Name string

	// What the filters and scores of most pods read stands together.

	Taints        TaintSetID
	Unschedulable bool
	// Present is false for a node that is gone but still has pods, or not there yet
	// (pkg/scheduler/backend/cache/cache.go RemoveNode: a ghost node).
	Present bool
	// LabelsGeneration counts the changes of the labels.
	LabelsGeneration uint32
	// AllowedPods is how many pods the node may have.
	AllowedPods int64
	Allocatable Amounts
	Requested   Amounts
	// NonZeroMilliCPU and NonZeroMemory are the sums of the requests for scoring.
	NonZeroMilliCPU int64
	NonZeroMemory   int64
	// Pods are in no particular order.
	Pods []model.PodID
	// UsedPorts holds each port once, as upstream's set does.
	UsedPorts []HostPort

	// Generation grows with every change of the node or of its pods.
	Generation uint64

	// Object has the node's name and labels, for selectors, and its declared features.
	Object v1.Node
	// Images are the images that the node last reported.
	Images []model.ImageID
}

// Amounts are amounts of resources: milli-cores, bytes, and units of extended resources.
type Amounts struct {
	MilliCPU         int64
	Memory           int64
	EphemeralStorage int64
	// Extended is indexed by ResourceID. It may be shorter than the number of resources;
	// what is missing is zero.
	Extended []int64
}

// Amount is the amount of an extended resource.
func (a *Amounts) Amount(id ResourceID) int64 {
	if int(id) >= len(a.Extended) {
		return 0
	}
	return a.Extended[id]
}

// add adds sign times the requests of a class. It allocates only for a resource that is new
// to a.
func (a *Amounts) add(c *PodClass, sign int64) {
	a.MilliCPU += sign * c.MilliCPU
	a.Memory += sign * c.Memory
	a.EphemeralStorage += sign * c.EphemeralStorage
	for _, e := range c.Extended {
		a.put(e.Resource, a.Amount(e.Resource)+sign*e.Amount)
	}
}

func (a *Amounts) put(id ResourceID, amount int64) {
	for len(a.Extended) <= int(id) {
		a.Extended = append(a.Extended, 0)
	}
	a.Extended[id] = amount
}

// Equal says whether a and b hold the same amounts.
func (a *Amounts) Equal(b *Amounts) bool {
	if a.MilliCPU != b.MilliCPU || a.Memory != b.Memory || a.EphemeralStorage != b.EphemeralStorage {
		return false
	}
	for id := range max(len(a.Extended), len(b.Extended)) {
		if a.Amount(ResourceID(id)) != b.Amount(ResourceID(id)) {
			return false
		}
	}
	return true
}

// SetNode takes over the facts of a node object. The node's labels must be replaced, not
// changed in place, when they change: the NodeInfo keeps the map.
func (n *NodeInfo) SetNode(node *model.Node, s *Symbols) {
	n.ID, n.Name, n.Present = node.ID, node.Name, true
	n.Unschedulable = node.Unschedulable
	n.Taints = s.TaintSet(node.Taints)
	n.AllowedPods = node.Allocatable.Pods
	n.Allocatable = Amounts{
		MilliCPU:         node.Allocatable.MilliCPU,
		Memory:           node.Allocatable.Memory,
		EphemeralStorage: node.Allocatable.EphemeralStorage,
	}
	for _, e := range s.extended(&node.Allocatable) {
		n.Allocatable.put(e.Resource, e.Amount)
	}
	n.Object.ObjectMeta = metav1.ObjectMeta{Name: node.Name, Labels: node.Labels}
	n.Object.Status.DeclaredFeatures = node.DeclaredFeatures
	n.Generation++
}

// AddPod counts a pod of class c on the node (NodeInfo.AddPodInfo).
func (n *NodeInfo) AddPod(pod model.PodID, c *PodClass) {
	n.count(c, 1)
	n.Pods = append(n.Pods, pod)
	for _, p := range c.HostPorts {
		if !slices.Contains(n.UsedPorts, p) {
			n.UsedPorts = append(n.UsedPorts, p)
		}
	}
}

// RemovePod takes a pod of class c off the node (NodeInfo.RemovePod). As upstream, a host
// port is free once one of its holders is gone. It reports whether the pod was there.
func (n *NodeInfo) RemovePod(pod model.PodID, c *PodClass) bool {
	i := slices.Index(n.Pods, pod)
	if i < 0 {
		return false
	}
	last := len(n.Pods) - 1
	n.Pods[i] = n.Pods[last]
	n.Pods = n.Pods[:last]
	n.count(c, -1)
	for _, p := range c.HostPorts {
		if i := slices.Index(n.UsedPorts, p); i >= 0 {
			n.UsedPorts = slices.Delete(n.UsedPorts, i, i+1)
		}
	}
	return true
}

// count is the one place that changes the sums.
func (n *NodeInfo) count(c *PodClass, sign int64) {
	n.Requested.add(c, sign)
	n.NonZeroMilliCPU += sign * c.PlacedMilliCPU
	n.NonZeroMemory += sign * c.PlacedMemory
	n.Generation++
}

// CopyFrom makes n a copy of o that can be changed, using n's own memory again.
func (n *NodeInfo) CopyFrom(o *NodeInfo) {
	requested, pods, ports := n.Requested.Extended, n.Pods, n.UsedPorts
	*n = *o
	n.Requested.Extended = append(requested[:0], o.Requested.Extended...)
	n.Pods = append(pods[:0], o.Pods...)
	n.UsedPorts = append(ports[:0], o.UsedPorts...)
}

// ClearPods makes n look as if it had no pods.
func (n *NodeInfo) ClearPods() {
	n.Requested = Amounts{Extended: n.Requested.Extended[:0]}
	n.NonZeroMilliCPU, n.NonZeroMemory = 0, 0
	n.Pods, n.UsedPorts = n.Pods[:0], n.UsedPorts[:0]
}

// Zone is the key by which the snapshot's order alternates between zones, empty for a node
// without zone and region (k8s.io/component-helpers/node/topology GetZoneKey).
func Zone(labels map[string]string) string {
	zone, ok := labels[v1.LabelFailureDomainBetaZone]
	if !ok {
		zone = labels[v1.LabelTopologyZone]
	}
	region, ok := labels[v1.LabelFailureDomainBetaRegion]
	if !ok {
		region = labels[v1.LabelTopologyRegion]
	}
	if zone == "" && region == "" {
		return ""
	}
	return region + ":\x00:" + zone
}

// Check panics when the sums of n are not those of fresh, which was counted from scratch.
// A port may be free although it has a holder (see RemovePod).
func (n *NodeInfo) Check(fresh *NodeInfo) {
	slices.Sort(fresh.Pods)
	pods := slices.Sorted(slices.Values(n.Pods))
	if !slices.Equal(pods, fresh.Pods) || !n.Requested.Equal(&fresh.Requested) ||
		n.NonZeroMilliCPU != fresh.NonZeroMilliCPU || n.NonZeroMemory != fresh.NonZeroMemory {
		panic(fmt.Sprintf("scheduler: node %s has %v %+v, counted from scratch %v %+v",
			n.Name, pods, n.Requested, fresh.Pods, fresh.Requested))
	}
	for _, p := range n.UsedPorts {
		if !slices.Contains(fresh.UsedPorts, p) {
			panic(fmt.Sprintf("scheduler: node %s: nobody holds port %+v", n.Name, p))
		}
	}
}
