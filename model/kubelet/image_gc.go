package kubelet

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// ImageGCPolicy says when a kubelet deletes images and which (images/image_gc_manager.go
// ImageGCPolicy). It decides; what is in use and what is on the disk goes in.
type ImageGCPolicy struct {
	// HighThresholdPercent of the disk in use begins a deletion, down to LowThresholdPercent.
	HighThresholdPercent, LowThresholdPercent int64
	// MinAge is how long an image is safe from that. MaxAge is how long an unused one stays at most, 0
	// for ever.
	MinAge, MaxAge model.Time
}

// ImageRecord is what the kubelet knows of an image that is on the node.
type ImageRecord struct {
	Image model.ImageID
	// FirstDetected and LastUsed are moments at which the kubelet looked: when it first saw the image,
	// and when it last saw a container of it, NeverUsed if it did not.
	FirstDetected, LastUsed model.Time
	// Size is in bytes, as the runtime reports it: compressed.
	Size int64
	// Used says that there is a container of it, running or dead.
	Used bool
	// Pinned says that the runtime needs it itself.
	Pinned bool
}

// NeverUsed is the LastUsed of an image that no look found in use.
const NeverUsed = never

// ImageGCPeriod is that of the garbage collection of images and of the looks at their use (kubelet.go
// ImageGCPeriod, images/image_gc_manager.go Start). Both begin with the kubelet.
const ImageGCPeriod = 5 * model.Minute

// NewImageGCPolicy is the policy of a kubelet's configuration.
func NewImageGCPolicy(c *kubeletconfig.Configuration) ImageGCPolicy {
	return ImageGCPolicy{int64(*c.ImageGCHighThresholdPercent), int64(*c.ImageGCLowThresholdPercent),
		model.Time(c.ImageMinimumGCAge.Duration), model.Time(c.ImageMaximumGCAge.Duration)}
}

// Off says that there is no garbage collection (kubelet.go StartGarbageCollection).
func (p *ImageGCPolicy) Off() bool { return p.HighThresholdPercent == 100 && p.MaxAge == 0 }

// UsagePercent is how much of the disk is in use, as the kubelet reckons.
func (p *ImageGCPolicy) UsagePercent(capacity, available int64) int64 {
	return 100 - min(available, capacity)*100/capacity
}

// Most is the most that may be in use of a disk without a deletion, in bytes.
func (p *ImageGCPolicy) Most(capacity int64) int64 {
	return capacity - ((101-p.HighThresholdPercent)*capacity+99)/100
}

// AmountToFree is how many bytes have to go, 0 when there is enough left.
func (p *ImageGCPolicy) AmountToFree(capacity, available int64) int64 {
	if p.UsagePercent(capacity, available) < p.HighThresholdPercent {
		return 0
	}
	return capacity*(100-p.LowThresholdPercent)/100 - min(available, capacity)
}

// EvictionOrder leaves of the images those that may be deleted, in the order in which they are
// (imagesInEvictionOrder): the one that was in use longest ago first, of those the one that was seen
// first. Upstream takes those that tie in the order of a map, we in that in which they came.
func EvictionOrder(images []ImageRecord) []ImageRecord {
	images = slices.DeleteFunc(images, func(r ImageRecord) bool { return r.Used || r.Pinned })
	slices.SortStableFunc(images, func(a, b ImageRecord) int {
		return cmp.Or(cmp.Compare(a.LastUsed, b.LastUsed), cmp.Compare(a.FirstDetected, b.FirstDetected))
	})
	return images
}

// OldImages divides images in their order into those that nobody has used for MaxAge and the others
// (freeOldImages). began is when the kubelet did.
func (p *ImageGCPolicy) OldImages(images []ImageRecord, now, began model.Time) (old, rest []ImageRecord) {
	if p.MaxAge == 0 || now-began <= p.MaxAge {
		return nil, images
	}
	for _, r := range images {
		if r.LastUsed == NeverUsed || now-r.LastUsed > p.MaxAge {
			old = append(old, r)
		} else {
			rest = append(rest, r)
		}
	}
	return old, rest
}

// SpaceImages takes images in their order until they make up some bytes, or all that it may
// (freeSpace): those used right now or seen for less than MinAge stay.
func (p *ImageGCPolicy) SpaceImages(images []ImageRecord, bytes int64, now model.Time) (chosen []ImageRecord, freed int64) {
	for _, r := range images {
		if r.LastUsed >= now || now-r.FirstDetected < p.MinAge {
			continue
		}
		chosen = append(chosen, r)
		if freed += r.Size; freed >= bytes {
			break
		}
	}
	return chosen, freed
}

// AllBytes asks SpaceImages for all that may go (DeleteUnusedImages).
const AllBytes = math.MaxInt64

// FreeDiskSpaceFailed is the message of a collection that did not free enough.
func (p *ImageGCPolicy) FreeDiskSpaceFailed(capacity, available, freed int64) string {
	return fmt.Sprintf("Insufficient free disk space on the node's image filesystem (%d%% of %s used). Failed to free "+
		"sufficient space by deleting unused images (freed %d bytes). Investigate disk usage, as it could be used by active "+
		"images, logs, volumes, or other data.", p.UsagePercent(capacity, available), formatSize(capacity), freed)
}

// formatSize writes bytes as image_gc_manager.go does.
func formatSize(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(bytes), 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}
