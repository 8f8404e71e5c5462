package kubeletconfig

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"
)

// Signal is what an eviction threshold is about (eviction/api/types.go).
type Signal string

// The signals that a configuration may name. Each is an amount that is left.
const (
	MemoryAvailable       Signal = "memory.available"
	NodeFsAvailable       Signal = "nodefs.available"
	NodeFsInodesFree      Signal = "nodefs.inodesFree"
	ImageFsAvailable      Signal = "imagefs.available"
	ImageFsInodesFree     Signal = "imagefs.inodesFree"
	ContainerFsAvailable  Signal = "containerfs.available"
	ContainerFsInodesFree Signal = "containerfs.inodesFree"
	PIDAvailable          Signal = "pid.available"
	// AllocatableMemoryAvailable is what pods may still use of the node's allocatable memory. Its
	// threshold is that of MemoryAvailable.
	AllocatableMemoryAvailable Signal = "allocatableMemory.available"
)

var signals = []Signal{MemoryAvailable, NodeFsAvailable, NodeFsInodesFree, ImageFsAvailable, ImageFsInodesFree,
	ContainerFsAvailable, ContainerFsInodesFree, PIDAvailable, AllocatableMemoryAvailable}

// Threshold is an eviction threshold: it is met while less is left than its amount.
type Threshold struct {
	Signal Signal
	Amount Amount
	// Grace is how long it must be met before a pod is evicted, 0 for a hard threshold.
	Grace time.Duration
	// MinReclaim is what must be left beyond the amount before a threshold that was met is not any
	// more.
	MinReclaim Amount
}

// Hard says that pods are evicted at once (isHardEvictionThreshold).
func (t *Threshold) Hard() bool { return t.Grace == 0 }

// Amount is a quantity, or a part of the capacity.
type Amount struct {
	// Quantity is in bytes, inodes or processes, with its own way of writing it; nil for a part.
	Quantity *resource.Quantity
	// Percentage is the part of the capacity, from 0 to 1.
	Percentage float32
}

// Of is the amount for a capacity (eviction/api/types.go GetThresholdQuantity).
func (a *Amount) Of(capacity int64) int64 {
	if a.Quantity != nil {
		return a.Quantity.Value()
	}
	return int64(float64(capacity) * float64(a.Percentage))
}

// setEvictionDefaults follows cmd/kubelet/app/server.go loadConfigFile and eviction/defaults_linux.go.
func setEvictionDefaults(o *configv1beta1.KubeletConfiguration) {
	defaults := map[string]string{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%",
		"imagefs.available": "15%", "imagefs.inodesFree": "5%"}
	switch {
	case o.EvictionHard == nil:
		o.EvictionHard = defaults
	case *o.MergeDefaultEvictionSettings:
		for signal, amount := range defaults {
			if _, ok := o.EvictionHard[signal]; !ok {
				o.EvictionHard[signal] = amount
			}
		}
	}
}

// thresholds follows ParseThresholdConfig, the signals in alphabetical order.
func thresholds(o *configv1beta1.KubeletConfiguration) ([]Threshold, field.ErrorList) {
	var errs field.ErrorList
	hard := parseThresholds(field.NewPath("evictionHard"), o.EvictionHard, &errs)
	soft := parseThresholds(field.NewPath("evictionSoft"), o.EvictionSoft, &errs)
	graces := field.NewPath("evictionSoftGracePeriod")
	for i := range soft {
		signal := string(soft[i].Signal)
		text, ok := o.EvictionSoftGracePeriod[signal]
		if !ok {
			errs = append(errs, field.Required(graces.Child(signal), "a soft threshold needs a grace period"))
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			errs = append(errs, field.Invalid(graces.Child(signal), text, "want a span of time such as 1m30s"))
		}
		soft[i].Grace = d
	}
	out := append(hard, soft...)
	reclaims := parseThresholds(field.NewPath("evictionMinimumReclaim"), o.EvictionMinimumReclaim, &errs)
	for i := range out {
		for j := range reclaims {
			if reclaims[j].Signal == out[i].Signal {
				out[i].MinReclaim = reclaims[j].Amount
			}
		}
	}
	if slices.Contains(o.EnforceNodeAllocatable, "pods") {
		out = addAllocatable(out)
	}
	return out, errs
}

// addAllocatable follows addAllocatableThresholds.
func addAllocatable(list []Threshold) []Threshold {
	out := slices.Clone(list)
	for _, t := range list {
		if t.Signal == MemoryAvailable && t.Hard() {
			t.Signal = AllocatableMemoryAvailable
			out = append(out, t)
		}
	}
	return out
}

// parseThresholds follows parseThresholdStatements and parseMinimumReclaims.
func parseThresholds(path *field.Path, statements map[string]string, errs *field.ErrorList) []Threshold {
	var out []Threshold
	for _, name := range slices.Sorted(maps.Keys(statements)) {
		text := statements[name]
		if !slices.Contains(signals, Signal(name)) {
			*errs = append(*errs, field.NotSupported(path, name, signals[:len(signals)-1]))
			continue
		}
		if text == "0%" || text == "100%" { // to be ignored
			continue
		}
		amount, why := parseAmount(text)
		if why != "" {
			*errs = append(*errs, field.Invalid(path.Child(name), text, why))
			continue
		}
		out = append(out, Threshold{Signal: Signal(name), Amount: amount})
	}
	return out
}

func parseAmount(text string) (Amount, string) {
	const want = "want a quantity such as 500Mi or a percentage such as 10%"
	if number, ok := strings.CutSuffix(text, "%"); ok {
		f, err := strconv.ParseFloat(number, 32)
		if err != nil || f < 0 || f > 100 {
			return Amount{}, want
		}
		return Amount{Percentage: float32(f) / 100}, ""
	}
	q, err := resource.ParseQuantity(text)
	if err != nil || q.Sign() <= 0 {
		return Amount{}, want
	}
	return Amount{Quantity: &q}, ""
}
