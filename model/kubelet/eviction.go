package kubelet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// EvictionManager decides when a node is short of something, and which of its pods has to go
// (eviction/eviction_manager.go managerImpl). It is a pure step: what was measured goes in,
// conditions, the threshold to act on and an order of the pods come out.
type EvictionManager struct {
	thresholds []evictionThreshold
	transition model.Time
	// maxGraceSeconds is the longest grace period of a soft eviction.
	maxGraceSeconds int64
	// separateImageFs says that images and writable layers have a file system of their own.
	separateImageFs bool
	// lastObservedAt is when each condition was observed last, never when it was not, and under what
	// the node is under by now.
	lastObservedAt [numPressures]model.Time
	under          [numPressures]bool
	last           Observations
}

const numPressures = int(model.NodePIDPressure) + 1

// evictionThreshold is a threshold and since when it is met.
type evictionThreshold struct {
	*kubeletconfig.Threshold
	signal Signal
	// firstObservedAt is Never while it is not met. starved says that it is met, for its grace period,
	// and was not resolved since.
	firstObservedAt model.Time
	starved         bool
}

// never is a moment before all others.
const never = -model.Never

// NewEvictionManager makes the manager of a kubelet that begins.
//
// The thresholds on containerfs are left out: upstream makes them the same as those of the file
// system that holds the writable layers (helpers.go UpdateContainerFsThresholds).
func NewEvictionManager(config *kubeletconfig.Configuration, separateImageFs bool) EvictionManager {
	m := EvictionManager{
		transition:      model.Time(config.EvictionPressureTransitionPeriod.Duration),
		maxGraceSeconds: int64(config.EvictionMaxPodGracePeriod),
		separateImageFs: separateImageFs,
		lastObservedAt:  [numPressures]model.Time{never, never, never},
	}
	for i := range m.last {
		m.last[i].At = never
	}
	for i := range config.Thresholds {
		t := &config.Thresholds[i]
		if s, ok := signalOf(t.Signal); ok {
			m.thresholds = append(m.thresholds, evictionThreshold{Threshold: t, signal: s, firstObservedAt: model.Never})
		}
	}
	return m
}

// Signal is what an eviction threshold is about, as an index.
type Signal uint8

// The signals that are observed.
const (
	MemoryAvailable Signal = iota
	AllocatableMemoryAvailable
	NodeFsAvailable
	NodeFsInodesFree
	ImageFsAvailable
	ImageFsInodesFree
	PIDAvailable
	NumSignals
)

var signalNames = [NumSignals]kubeletconfig.Signal{kubeletconfig.MemoryAvailable, kubeletconfig.AllocatableMemoryAvailable,
	kubeletconfig.NodeFsAvailable, kubeletconfig.NodeFsInodesFree, kubeletconfig.ImageFsAvailable, kubeletconfig.ImageFsInodesFree,
	kubeletconfig.PIDAvailable}

func signalOf(name kubeletconfig.Signal) (Signal, bool) {
	i := slices.Index(signalNames[:], name)
	return Signal(max(i, 0)), i >= 0
}

// condition is the node's condition that a signal is for (helpers.go signalToNodeCondition).
func (s Signal) condition() model.NodeConditionType {
	switch s {
	case MemoryAvailable, AllocatableMemoryAvailable:
		return model.NodeMemoryPressure
	case PIDAvailable:
		return model.NodePIDPressure
	}
	return model.NodeDiskPressure
}

// The resources that the kubelet reclaims, beside those of the API (helpers.go).
const (
	resourceInodes v1.ResourceName = "inodes"
	resourcePIDs   v1.ResourceName = "pids"
)

// Resource is what is reclaimed when the signal is low (helpers.go signalToResource).
func (s Signal) Resource() v1.ResourceName {
	switch s {
	case MemoryAvailable, AllocatableMemoryAvailable:
		return v1.ResourceMemory
	case NodeFsAvailable, ImageFsAvailable:
		return v1.ResourceEphemeralStorage
	case PIDAvailable:
		return resourcePIDs
	}
	return resourceInodes
}

// Observations are what was measured, by Signal.
type Observations [NumSignals]Observation

// Observation is how much is left of how much, in bytes, inodes or processes, and when it was
// measured. A capacity of 0 says that it is not known.
type Observation struct {
	Available, Capacity int64
	At                  model.Time
}

// Quantity is the amount that must be left, with minimum reclaim or without.
func (t *evictionThreshold) quantity(o *Observation, minReclaim bool) int64 {
	amount := t.Amount.Of(o.Capacity)
	if minReclaim {
		amount += t.MinReclaim.Of(o.Capacity)
	}
	return amount
}

// below says that less than the threshold is left (thresholdsMet).
func (t *evictionThreshold) below(o *Observations, minReclaim bool) bool {
	x := &o[t.signal]
	return x.Capacity > 0 && x.Available < t.quantity(x, minReclaim)
}

// Synchronize takes what was measured and says on which threshold to act, by its number, -1 for none
// (synchronize, up to the local storage's limits). Of several the first about memory counts, else
// the first. Upstream takes those of one kind in map order.
func (m *EvictionManager) Synchronize(o *Observations, now model.Time) int {
	var observed [numPressures]bool
	chosen := -1
	for i := range m.thresholds {
		t := &m.thresholds[i]
		met := t.below(o, false) || t.starved && t.below(o, true)
		switch {
		case !met:
			t.firstObservedAt = model.Never
		case t.firstObservedAt == model.Never:
			t.firstObservedAt = now
		}
		t.starved = met && now-t.firstObservedAt >= model.Time(t.Grace)
		if !met {
			continue
		}
		observed[t.signal.condition()] = true
		if t.starved && o[t.signal].At > m.last[t.signal].At && (chosen < 0 || m.before(i, chosen)) {
			chosen = i
		}
	}
	m.observe(&observed, now)
	m.last = *o
	return chosen
}

// before says that threshold i comes before j (byEvictionPriority).
func (m *EvictionManager) before(i, j int) bool {
	memory := func(k int) bool { return m.thresholds[k].signal.condition() == model.NodeMemoryPressure }
	return memory(i) && !memory(j)
}

// observe follows nodeConditionsLastObservedAt and nodeConditionsObservedSince.
func (m *EvictionManager) observe(observed *[numPressures]bool, now model.Time) {
	for i := range observed {
		if observed[i] {
			m.lastObservedAt[i] = now
		}
		m.under[i] = m.lastObservedAt[i] != never && now-m.lastObservedAt[i] < m.transition
	}
}

// Under says which conditions the node is under, by model.NodeConditionType.
func (m *EvictionManager) Under() [3]bool { return m.under }

// Quiet says that no threshold is met and no condition holds: as long as nothing else is measured,
// Synchronize changes nothing.
func (m *EvictionManager) Quiet() bool {
	return m.under == [numPressures]bool{} &&
		!slices.ContainsFunc(m.thresholds, func(t evictionThreshold) bool { return t.firstObservedAt != model.Never })
}

// Signal is what a threshold is about.
func (m *EvictionManager) Signal(threshold int) Signal { return m.thresholds[threshold].signal }

// Met says whether some threshold would be met.
func (m *EvictionManager) Met(o *Observations) bool {
	return slices.ContainsFunc(m.thresholds, func(t evictionThreshold) bool { return t.below(o, false) })
}

// Most is how much of what a signal is about may be in use before the first of its thresholds is met,
// false when it has none.
func (m *EvictionManager) Most(s Signal, capacity int64) (int64, bool) {
	most, some := int64(0), false
	for i := range m.thresholds {
		if t := &m.thresholds[i]; t.signal == s {
			use := capacity - t.quantity(&Observation{Capacity: capacity}, false)
			if !some || use < most {
				most, some = use, true
			}
		}
	}
	return most, some
}

// ReclaimsImages says that containers that have ended and images that nobody uses are deleted before
// a pod is evicted (buildSignalToNodeReclaimFuncs).
func (m *EvictionManager) ReclaimsImages(s Signal) bool {
	switch s {
	case ImageFsAvailable, ImageFsInodesFree:
		return true
	case NodeFsAvailable, NodeFsInodesFree:
		return !m.separateImageFs
	}
	return false
}

// Reclaimed says, of what is measured after that, that no pod has to go (reclaimNodeLevelResources).
func (m *EvictionManager) Reclaimed(o *Observations) bool {
	return !slices.ContainsFunc(m.thresholds, func(t evictionThreshold) bool { return t.below(o, true) })
}

// GraceSeconds is the grace period of a pod that is evicted for a threshold, given its own
// (synchronize; pod_workers.go calculateEffectiveGracePeriod).
func (m *EvictionManager) GraceSeconds(threshold int, own int64) int64 {
	if m.thresholds[threshold].Hard() {
		return immediateGrace
	}
	return max(min(m.maxGraceSeconds, own), 1)
}

// immediateGrace is the grace period in seconds of a pod that has to go at once
// (immediateEvictionGracePeriodSeconds).
const immediateGrace = 1

// Refuses says why a pod is not admitted to the node, "" when it is (managerImpl.Admit).
func (m *EvictionManager) Refuses(t *model.PodTemplate) string {
	if m.under == [numPressures]bool{} || t.Critical() {
		return ""
	}
	if m.under == [numPressures]bool{model.NodeMemoryPressure: true} {
		if t.QOS != v1.PodQOSBestEffort || toleratesMemoryPressure(t.Spec.Tolerations) {
			return ""
		}
	}
	var names []string
	for i, under := range m.under {
		if under {
			names = append(names, model.NodeConditionType(i).String())
		}
	}
	return fmt.Sprintf("The node had condition: %v. ", names)
}

func toleratesMemoryPressure(tolerations []v1.Toleration) bool {
	return slices.ContainsFunc(tolerations, func(t v1.Toleration) bool {
		return (t.Effect == "" || t.Effect == v1.TaintEffectNoSchedule) && (t.Key == "" || t.Key == v1.TaintNodeMemoryPressure) &&
			(t.Operator == v1.TolerationOpExists || t.Key != "" && t.Value == "")
	})
}

// PodStats are what the kubelet knows of a pod that may be evicted.
type PodStats struct {
	Pod model.PodID
	// Found says that there are statistics: that a container runs.
	Found bool
	// Critical says that it is not evicted.
	Critical bool
	// Memory is in bytes.
	Memory int64
	// Processes is the number of processes.
	Processes int64
	// Layers are the writable layers of the containers, Logs their logs, Volumes the emptyDirs on disk.
	Layers, Logs, Volumes FsUse

	Priority int32
	// MemoryRequest and StorageRequest are in bytes.
	MemoryRequest, StorageRequest int64
}

// FsUse is what something takes of a file system.
type FsUse struct {
	// Bytes is the space, Inodes the number of files and folders.
	Bytes, Inodes int64
}

// Add adds what something else takes.
func (u *FsUse) Add(o FsUse) { u.Bytes, u.Inodes = u.Bytes+o.Bytes, u.Inodes+o.Inodes }

// disk is what counts of a pod for a signal about a file system (buildSignalToRankFunc): with a
// separate imagefs, layers count there, logs and volumes on the nodefs.
func (m *EvictionManager) disk(s Signal, p *PodStats) FsUse {
	nodefs := s == NodeFsAvailable || s == NodeFsInodesFree
	var use FsUse
	if !m.separateImageFs || !nodefs {
		use.Add(p.Layers)
	}
	if !m.separateImageFs || nodefs {
		use.Add(p.Logs)
		use.Add(p.Volumes)
	}
	return use
}

// Rank puts the pods into the order in which they are evicted for a signal (rankMemoryPressure,
// rankPIDPressure, rankDiskPressureFunc). Pods that tie keep their order.
func (m *EvictionManager) Rank(s Signal, pods []PodStats) {
	slices.SortStableFunc(pods, func(a, b PodStats) int { return m.Compare(s, &a, &b) })
}

// Compare says which of two pods goes first for a signal: a when it is negative, b when positive.
func (m *EvictionManager) Compare(s Signal, a, b *PodStats) int {
	// A pod without statistics goes first, but in comparisons by priority alone.
	unknown := first(!a.Found, !b.Found)
	known := a.Found && b.Found
	by := func(exceeds func(*PodStats) bool, over func(*PodStats) int64) int {
		c := unknown
		if known {
			c = first(exceeds(a), exceeds(b))
		}
		c = cmp.Or(c, cmp.Compare(a.Priority, b.Priority))
		if known {
			c = cmp.Or(c, cmp.Compare(over(b), over(a)))
		}
		return c
	}
	switch s.Resource() {
	case v1.ResourceMemory:
		return by(func(p *PodStats) bool { return p.Memory > p.MemoryRequest }, func(p *PodStats) int64 { return p.Memory - p.MemoryRequest })
	case v1.ResourceEphemeralStorage:
		over := func(p *PodStats) int64 { return m.disk(s, p).Bytes - p.StorageRequest }
		return by(func(p *PodStats) bool { return over(p) > 0 }, over)
	case resourceInodes:
		// Nobody requests inodes; upstream compares them with the request for storage.
		return by(func(p *PodStats) bool { return m.disk(s, p).Inodes > 0 }, func(p *PodStats) int64 { return m.disk(s, p).Inodes - p.StorageRequest })
	}
	c := cmp.Compare(a.Priority, b.Priority)
	if !known {
		return cmp.Or(c, unknown)
	}
	return cmp.Or(c, cmp.Compare(b.Processes, a.Processes))
}

// first puts true before false (cmpBool).
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// ContainerUse is a container, what it uses of the resource and what it requests, which is written
// as the manifest does. Usage is -1 when it is not known.
type ContainerUse struct {
	Name    string
	Usage   int64
	Request resource.Quantity
}

// EvictionMessage is what an evicted pod's status and Event say (evictionMessage). pod is what the
// pod uses as a whole, with its name, where it has a request for memory of its own, else nil.
func (m *EvictionManager) EvictionMessage(threshold int, pod *ContainerUse, containers []ContainerUse) string {
	t := &m.thresholds[threshold]
	resourceName, format := t.signal.Resource(), resource.BinarySI
	if resourceName == resourceInodes || resourceName == resourcePIDs {
		format = resource.DecimalSI
	}
	var out strings.Builder
	fmt.Fprintf(&out, "The node was low on resource: %v. ", resourceName)
	observed := &m.last[t.signal]
	quantity := t.Amount.Quantity
	if quantity == nil {
		quantity = resource.NewQuantity(t.Amount.Of(observed.Capacity), resource.BinarySI)
	}
	fmt.Fprintf(&out, "Threshold quantity: %v, available: %v. ", quantity, resource.NewQuantity(observed.Available, format))
	say := func(what string, x *ContainerUse) {
		fmt.Fprintf(&out, "%s %s was using %v, request is %s, has larger consumption of %v. ", what, x.Name,
			resource.NewQuantity(x.Usage, resource.BinarySI), x.Request.String(), resourceName)
	}
	if pod != nil && resourceName == v1.ResourceMemory {
		say("Pod", pod)
	}
	for i := range containers {
		if x := &containers[i]; x.Usage > x.Request.Value() && (resourceName == v1.ResourceMemory || resourceName == v1.ResourceEphemeralStorage) {
			say("Container", x)
		}
	}
	return out.String()
}
