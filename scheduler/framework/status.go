package framework

import (
	"math/bits"
	"slices"
)

// Code says how a node was rejected (k8s.io/kube-scheduler/framework Code).
type Code uint8

// The codes of a rejection. The zero Code says that nothing was rejected.
const (
	Success Code = iota
	// Unschedulable is a rejection that preemption may lift.
	Unschedulable
	// UnschedulableAndUnresolvable is one that it cannot.
	UnschedulableAndUnresolvable
	// Error ends the cycle: the pod tries again after a back-off for errors.
	Error
)

var codeNames = [...]string{"Success", "Unschedulable", "UnschedulableAndUnresolvable", "Error"}

// String is the code's name upstream.
func (c Code) String() string { return codeNames[c] }

// PluginID names a plugin.
type PluginID uint8

// The plugins, in the order in which upstream runs them by default
// (pkg/scheduler/apis/config/v1/default_plugins.go getDefaultPlugins).
const (
	SchedulingGates PluginID = iota
	PrioritySort
	NodeName
	NodeUnschedulable
	TaintToleration
	NodeAffinity
	NodePorts
	NodeResourcesFit
	VolumeRestrictions
	NodeVolumeLimits
	VolumeBinding
	VolumeZone
	PodTopologySpread
	InterPodAffinity
	DynamicResources
	DefaultPreemption
	NodeResourcesBalancedAllocation
	ImageLocality
	DefaultBinder
	NodeDeclaredFeatures
	// ExtenderPlugin stands for the extenders (pkg/scheduler/framework/types.go ExtenderName).
	ExtenderPlugin
	NumPlugins
)

var pluginNames = [NumPlugins]string{"SchedulingGates", "PrioritySort", "NodeName", "NodeUnschedulable", "TaintToleration",
	"NodeAffinity", "NodePorts", "NodeResourcesFit", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone",
	"PodTopologySpread", "InterPodAffinity", "DynamicResources", "DefaultPreemption", "NodeResourcesBalancedAllocation",
	"ImageLocality", "DefaultBinder", "NodeDeclaredFeatures", "Extender"}

// String is the plugin's name in a KubeSchedulerConfiguration.
func (p PluginID) String() string { return pluginNames[p] }

// PluginNamed is the plugin with a name.
func PluginNamed(name string) (p PluginID, ok bool) {
	i := slices.Index(pluginNames[:], name)
	return PluginID(max(i, 0)), i >= 0
}

// PluginSet is a set of plugins, a bit each.
type PluginSet uint32

// Set is the set of one plugin.
func (p PluginID) Set() PluginSet { return 1 << p }

// Has says whether p is in the set.
func (s PluginSet) Has(p PluginID) bool { return s>>p&1 != 0 }

// Names lists the plugins of the set in alphabetical order.
func (s PluginSet) Names() []string {
	var names []string
	for ; s != 0; s &= s - 1 {
		names = append(names, PluginID(bits.TrailingZeros32(uint32(s))).String())
	}
	slices.Sort(names)
	return names
}

// ReasonID names the text of a rejection; Symbols.Reason has the text.
type ReasonID uint16

// The reasons whose text is always the same. Those that name a resource or an object follow
// them, in the order in which a Symbols learned them.
const (
	NoReason ReasonID = iota
	ReasonNodeName
	ReasonUnschedulable
	ReasonTaint
	ReasonAffinity
	ReasonAffinityEnforced
	ReasonAffinityConflict
	ReasonPorts
	ReasonTooManyPods
	ReasonCPU
	ReasonMemory
	ReasonEphemeralStorage
	ReasonNoVictims
	ReasonPreemptionNotHelpful
	ReasonSpread
	ReasonSpreadLabel
	ReasonPodAffinity
	ReasonPodAntiAffinity
	ReasonExistingAntiAffinity
	ReasonDiskConflict
	ReasonReadWriteOncePod
	ReasonMaxVolumeCount
	ReasonBindConflict
	ReasonVolumeNodeConflict
	ReasonNotEnoughStorage
	ReasonVolumeNotExist
	ReasonVolumeZone
	ReasonDeclaredFeatures
	firstLearned
)

var reasonTexts = [firstLearned]string{
	// pkg/scheduler/framework/plugins/nodename/node_name.go
	ReasonNodeName: "node(s) didn't match the requested node name",
	// .../nodeunschedulable/node_unschedulable.go
	ReasonUnschedulable: "node(s) were unschedulable",
	// .../tainttoleration/taint_toleration.go
	ReasonTaint: "node(s) had untolerated taint(s)",
	// .../nodeaffinity/node_affinity.go
	ReasonAffinity:         "node(s) didn't match Pod's node affinity/selector",
	ReasonAffinityEnforced: "node(s) didn't match scheduler-enforced node affinity",
	ReasonAffinityConflict: "pod affinity terms conflict",
	// .../nodeports/node_ports.go
	ReasonPorts: "node(s) didn't have free ports for the requested pod ports",
	// .../noderesources/fit.go
	ReasonTooManyPods:      "Too many pods",
	ReasonCPU:              "Insufficient cpu",
	ReasonMemory:           "Insufficient memory",
	ReasonEphemeralStorage: "Insufficient ephemeral-storage",
	// .../defaultpreemption/default_preemption.go SelectVictimsOnNode
	ReasonNoVictims: "No preemption victims found for incoming pod",
	// pkg/scheduler/framework/preemption/preemption.go evaluate
	ReasonPreemptionNotHelpful: "Preemption is not helpful for scheduling",
	// .../podtopologyspread/plugin.go
	ReasonSpread:      "node(s) didn't match pod topology spread constraints",
	ReasonSpreadLabel: "node(s) didn't match pod topology spread constraints (missing required label)",
	// .../interpodaffinity/filtering.go
	ReasonPodAffinity:          "node(s) didn't match pod affinity rules",
	ReasonPodAntiAffinity:      "node(s) didn't match pod anti-affinity rules",
	ReasonExistingAntiAffinity: "node(s) didn't satisfy existing pods anti-affinity rules",
	// .../volumerestrictions/volume_restrictions.go
	ReasonDiskConflict:     "node(s) had no available disk",
	ReasonReadWriteOncePod: "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
	// .../nodevolumelimits/csi.go
	ReasonMaxVolumeCount: "node(s) exceed max volume count",
	// .../volumebinding/binder.go
	ReasonBindConflict:       "node(s) didn't find available persistent volumes to bind",
	ReasonVolumeNodeConflict: "node(s) didn't match PersistentVolume's node affinity",
	ReasonNotEnoughStorage:   "node(s) did not have enough free storage",
	ReasonVolumeNotExist:     "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
	// .../volumezone/volume_zone.go
	ReasonVolumeZone: "node(s) had no available volume zone",
	// .../nodedeclaredfeatures/nodedeclaredfeatures.go
	ReasonDeclaredFeatures: "node(s) didn't match Pod's required features",
}

// Status is what the filters say of one node. It is used again for every node.
type Status struct {
	Code   Code
	Plugin PluginID
	// Reasons is in the order in which the plugin found them.
	Reasons []ReasonID
}

// Reject adds a reason. The code of the status is the worst of its reasons.
func (s *Status) Reject(code Code, reason ReasonID) {
	s.Code = max(s.Code, code)
	s.Reasons = append(s.Reasons, reason)
}

// Clear makes s say that nothing is wrong.
func (s *Status) Clear() {
	s.Code = Success
	s.Reasons = s.Reasons[:0]
}
