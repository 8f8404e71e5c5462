package plugins

import "podsim/scheduler/framework"

const (
	// imageMin and imageMaxEach are the bounds between which the bytes of images count
	// (pkg/scheduler/framework/plugins/imagelocality/image_locality.go minThreshold,
	// maxContainerThreshold).
	imageMin     = 23 << 20
	imageMaxEach = 1000 << 20
)

// ImageLocality prefers nodes that have the pod's images. An image counts by its size and by
// the share of nodes that have it, so that a rare image does not draw all pods to one node
// (pkg/scheduler/framework/plugins/imagelocality/image_locality.go).
//
// Differs from Kubernetes: how many nodes have an image is known at once. Upstream's snapshot of a node
// keeps the numbers of the moment when the node itself or its pods last changed.
func ImageLocality() framework.Plugin {
	return framework.Plugin{
		ID:     framework.ImageLocality,
		Weight: 1,
		Score:  scoreImageLocality,
		Epoch: func(y *framework.Cycle, c *framework.PodClass) uint64 {
			return y.ImageEpoch(c, imageScore)
		},
	}
}

func scoreImageLocality(y *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	bytes, any := y.ImageScores(c)
	if !any {
		clear(scores)
		return
	}
	for i, n := range nodes {
		var sum int64
		for j, image := range c.Images {
			if y.Images.Has(image, n.ID) {
				sum += bytes[j]
			}
		}
		scores[i] = imageScore(sum, c.ImageCount)
	}
}

// imageScore is the score of so many bytes for a pod with so many images (calculatePriority).
func imageScore(bytes, images int64) int64 {
	most := imageMaxEach * images
	bytes = min(max(bytes, imageMin), most)
	return framework.MaxNodeScore * (bytes - imageMin) / (most - imageMin)
}
