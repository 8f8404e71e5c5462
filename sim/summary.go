package sim

import (
	"fmt"
	"strings"

	"podsim/model"
)

// Exists says whether the pod of a slot is in the API server.
func (c *Cluster) Exists(id model.PodID) bool { return c.pods[id].exists }

// Assumptions lists what podsim assumed where the scenario said nothing, one line each.
func (c *Cluster) Assumptions() []string {
	var out []string
	if n := c.assumed.containers; n > 0 {
		out = append(out, fmt.Sprintf("%d containers without a behavior start at once, answer their probes, run for ever and exit 0 on SIGTERM", n))
	}
	if n := c.assumed.initContainers; n > 0 {
		out = append(out, fmt.Sprintf("%d init containers without a behavior run 1s and exit 0", n))
	}
	if n := c.assumed.unlimited; n > 0 {
		out = append(out, fmt.Sprintf("%d containers with memory over time have no limit but that of their node", n))
	}
	if n := c.assumed.otherSchedulers; n > 0 {
		out = append(out, fmt.Sprintf("%d pods wait for ever for a scheduler other than %s", n, strings.Join(c.scheduler.Names(), " and ")))
	}
	n := 0
	for i := range c.state.Images {
		if c.state.Images[i].Assumed && c.pulledImage(model.ImageID(i)) {
			n++
		}
	}
	if n > 0 {
		out = append(out, fmt.Sprintf("%d images without a size have %d MiB", n, model.DefaultImageSize>>20))
	}
	return out
}

// pulledImage says that some node pulled the image.
func (c *Cluster) pulledImage(id model.ImageID) bool {
	for i := 1; i < len(c.nodes); i++ {
		for _, x := range c.nodes[i].images {
			if x.Image == id && x.Since > 0 {
				return true
			}
		}
	}
	return false
}
