package sim

import "podsim/model"

// checkLayers counts the layers of a node again: its images have all of theirs, each layer counts for
// the images and pulls that have it, and the bytes are the sum of those that are there.
func (c *Cluster) checkLayers(id model.NodeID) {
	n := &c.nodes[id]
	name, bytes, downloads, queued := c.state.Nodes[id].Name, int64(0), 0, 0
	for i := range n.layers.list {
		l := &n.layers.list[i]
		layer := &c.layers[l.layer]
		images, pulls := c.layerUsers(id, l.layer)
		if l.images != images || l.pulls != pulls {
			c.contradiction("node %s counts %d images and %d pulls with layer %s, there are %d and %d", name, l.images, l.pulls, layer.name, images, pulls)
		}
		switch l.state {
		case layerThere:
			bytes += layer.size + layer.unpacked
		case layerDownloading:
			downloads++
		case layerQueued:
			queued++
		}
		if l.images > 0 && l.state != layerThere || l.pulls == 0 && (l.state == layerDownloading || l.state == layerQueued) {
			c.contradiction("node %s has layer %s of %d images and %d pulls in state %d", name, layer.name, l.images, l.pulls, l.state)
		}
	}
	if bytes != c.imageBytes(id) {
		c.contradiction("the images of node %s take %d bytes, their layers %d", name, c.imageBytes(id), bytes)
	}
	if downloads != n.layers.downloads || queued != len(n.layers.queue) || downloads > maxDownloads || queued > 0 && downloads < maxDownloads {
		c.contradiction("node %s counts %d downloads and %d in the queue, there are %d and %d", name, n.layers.downloads, len(n.layers.queue), downloads, queued)
	}
	c.checkImageUses(id)
	for _, i := range n.images {
		for _, l := range c.partsOf(i.Image).layers {
			if n.layers.find(l) == nil {
				c.contradiction("node %s has image %s without its layer %s", name, c.state.Images[i.Image].Name, c.layers[l].name)
			}
		}
	}
}

// checkImageUses counts the containers of a node's images again.
func (c *Cluster) checkImageUses(id model.NodeID) {
	n := &c.nodes[id]
	users := make([]int, len(n.images))
	for p := 1; p < len(c.pods); p++ {
		for i := range c.pods[p].containers {
			if c.state.Pods[p].Node == id && c.pods[p].containers[i].usesImage {
				users[n.imageIndex(c.state.Pods[p].Template.Containers[i].ImageID)]++
			}
		}
	}
	for i := range n.images {
		if got := n.imageManager.uses[i].users; got != users[i] {
			c.contradiction("node %s counts %d containers of image %s, there are %d", c.state.Nodes[id].Name, got,
				c.state.Images[n.images[i].Image].Name, users[i])
		}
	}
}

// layerUsers counts a node's images and pulls with a layer.
func (c *Cluster) layerUsers(id model.NodeID, layer layerID) (images, pulls int32) {
	n := &c.nodes[id]
	has := func(image model.ImageID) int32 {
		for _, l := range c.partsOf(image).layers {
			if l == layer {
				return 1
			}
		}
		return 0
	}
	for _, i := range n.images {
		images += has(i.Image)
	}
	for i := range n.pulls {
		if p := &n.pulls[i]; p.active && p.phase != pullAsking {
			pulls += has(p.image)
		}
	}
	return images, pulls
}

// checkPulls looks for pulls and transfers that nothing will ever end.
func (c *Cluster) checkPulls() {
	type end struct {
		at   model.Time
		node int32
		slot int32
	}
	ends, due := map[end]bool{}, false
	c.queue.Each(func(e *Event) {
		switch e.Kind {
		case evPulled:
			ends[end{e.At, e.Obj, e.Arg}] = true
		case evTransfers:
			due = due || e.At == c.transfers.due
		}
	})
	if next := c.transfers.next(); next < c.transfers.due || c.transfers.due != model.Never && !due {
		c.contradiction("a transfer ends at %s, the next look is at %s", next, c.transfers.due)
	}
	for node := range c.nodes {
		for slot, p := range c.nodes[node].pulls {
			if p.active && p.ends != model.Never && !ends[end{p.ends, int32(node), int32(slot)}] {
				c.contradiction("a pull on node %s ends at %s and no event for it", c.state.Nodes[node].Name, p.ends)
			}
			if p.active && p.ends == model.Never && c.nodes[node].layers.downloads == 0 {
				c.contradiction("a pull on node %s gets nothing", c.state.Nodes[node].Name)
			}
		}
	}
}
