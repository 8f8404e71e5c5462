package sim

import (
	"slices"

	"podsim/model"
)

// layerID is the index of a layer.
type layerID int32

// layer is a layer of images, by its name. size is what a pull transfers, unpacked what its snapshot
// takes on the disk beside it: containerd keeps both.
type layer struct {
	name           string
	size, unpacked int64
}

// imageParts is what an image consists of and where it comes from.
type imageParts struct {
	layers   []layerID
	registry int32
	// known says that this has been looked up.
	known bool
	// pinned says that the runtime keeps the image for itself.
	pinned bool
}

// maxDownloads is how many layers a node downloads at a time, of all images together
// (containerd's max_concurrent_downloads; one limit for all pulls since its transfer service).
const maxDownloads = 3

// layerState is how far a node has a layer.
type layerState uint8

const (
	// layerMissing: nobody asks for it. layerQueued: it waits for one of the downloads at a time.
	layerMissing layerState = iota
	layerQueued
	layerDownloading
	layerThere
)

// nodeLayer is a layer on a node, or one that is asked for there.
type nodeLayer struct {
	layer layerID
	state layerState
	// images counts the node's images that have it, pulls the pulls under way that do.
	images, pulls int32
	// left is how many bytes were to come when its transfer began: flow.
	left     int64
	flow     int32
	registry int32
	// unpacked is when its snapshot is done, Never before somebody began.
	unpacked model.Time
	// silentUntil is when nobody waits any more for an answer to the request for it, 0 when there was one or will be.
	silentUntil model.Time
}

// nodeLayers are the layers of a node.
type nodeLayers struct {
	// list is in order of the layers. bytes is what those that are there take.
	list  []nodeLayer
	bytes int64
	// downloads counts those under way, queue has those that wait.
	downloads int
	queue     []layerID
}

// find gives a layer, nil when the node knows nothing of it.
func (x *nodeLayers) find(id layerID) *nodeLayer {
	i, ok := slices.BinarySearchFunc(x.list, id, func(l nodeLayer, id layerID) int { return int(l.layer - id) })
	if !ok {
		return nil
	}
	return &x.list[i]
}

// want gives a layer. One that the node does not know is missing with so many bytes.
func (x *nodeLayers) want(id layerID, size int64) *nodeLayer {
	i, ok := slices.BinarySearchFunc(x.list, id, func(l nodeLayer, id layerID) int { return int(l.layer - id) })
	if !ok {
		x.list = slices.Insert(x.list, i, nodeLayer{layer: id, left: size, unpacked: model.Never})
	}
	return &x.list[i]
}

// unanswered is one of these layers for whose request nobody waits any more, nil when there is none.
func (x *nodeLayers) unanswered(ids []layerID, now model.Time) *nodeLayer {
	for _, id := range ids {
		if l := x.find(id); l.silentUntil == now && now > 0 {
			return l
		}
	}
	return nil
}

// answer says that a registry answers again.
func (x *nodeLayers) answer(registry int32) {
	for i := range x.list {
		if x.list[i].registry == registry {
			x.list[i].silentUntil = 0
		}
	}
}

// partsOf is what an image consists of.
func (c *Cluster) partsOf(id model.ImageID) *imageParts {
	for len(c.parts) <= int(id) {
		c.parts = append(c.parts, imageParts{})
	}
	p := &c.parts[id]
	if p.known {
		return p
	}
	p.known = true
	p.registry = c.registryOf(&c.state.Images[id])
	if len(p.layers) == 0 {
		size := c.state.Images[id].Size
		p.layers = []layerID{layerID(len(c.layers))}
		c.layers = append(c.layers, layer{name: c.state.Images[id].Name, size: size, unpacked: size})
	}
	return p
}

// addLayers takes over what the scenario says of an image's layers.
func (c *Cluster) addLayers(id model.ImageID, spec *model.ImageSpec) {
	for len(c.parts) <= int(id) {
		c.parts = append(c.parts, imageParts{})
	}
	p := &c.parts[id]
	p.pinned = spec.Pinned
	for i := range spec.Layers {
		s := &spec.Layers[i]
		at := slices.IndexFunc(c.layers, func(l layer) bool { return l.name == s.Name })
		if at < 0 {
			at = len(c.layers)
			c.layers = append(c.layers, layer{name: s.Name, size: s.Size, unpacked: s.Unpacked})
		}
		p.layers = append(p.layers, layerID(at))
	}
}

// imageBytes is what images take on the disk of a node: of each layer that is there the compressed
// blob, which containerd keeps, and the snapshot unpacked from it. A layer counts once, however many
// images have it, from the moment when it is downloaded.
func (c *Cluster) imageBytes(id model.NodeID) int64 { return c.nodes[id].layers.bytes }

// layerBytes is what a layer takes on a disk.
func (c *Cluster) layerBytes(id layerID) int64 { return c.layers[id].size + c.layers[id].unpacked }

// keepLayers counts an image that a node has now. Layers that did not come by a pull are there too.
func (c *Cluster) keepLayers(node model.NodeID, image model.ImageID) {
	x := &c.nodes[node].layers
	for _, id := range c.partsOf(image).layers {
		l := x.want(id, c.layers[id].size)
		l.images++
		if l.state != layerThere {
			l.state, l.left, l.unpacked = layerThere, 0, c.now
			x.bytes += c.layerBytes(id)
		}
	}
}

// dropLayers counts an image that a node no longer has, and removes what nobody needs.
func (c *Cluster) dropLayers(node model.NodeID, image model.ImageID) {
	x := &c.nodes[node].layers
	for _, id := range c.partsOf(image).layers {
		x.find(id).images--
	}
	c.collectLayers(node)
}

// collectLayers removes the layers of which a node has neither an image nor a pull. After the removal of an image and
// after the end of a pull, which gives back the lease of what it has got, containerd collects what nothing
// refers to (core/metadata/leases.go Delete, plugins/gc/scheduler.go run): of a pull that has failed nothing is left,
// neither whole layers nor parts. Measured: it is gone 0.1 s later, where a kubelet tries again after 10 s.
func (c *Cluster) collectLayers(node model.NodeID) {
	x := &c.nodes[node].layers
	x.list = slices.DeleteFunc(x.list, func(l nodeLayer) bool {
		unused := l.images == 0 && l.pulls == 0
		if unused && l.state == layerThere {
			x.bytes -= c.layerBytes(l.layer)
		}
		return unused
	})
}

// fetch begins the transfers of a pull: what the node does not have and no other pull fetches.
func (c *Cluster) fetch(node model.NodeID, slot int) {
	n := &c.nodes[node]
	p := &n.pulls[slot]
	p.phase, p.ends, p.next, p.unpacked = pullFetching, model.Never, 0, c.now
	registry := c.partsOf(p.image).registry
	for _, id := range c.partsOf(p.image).layers {
		l := n.layers.want(id, c.layers[id].size)
		l.pulls++
		if l.state == layerMissing {
			l.state, l.registry = layerQueued, registry
			n.layers.queue = append(n.layers.queue, id)
		}
	}
	c.download(node)
	if p := &n.pulls[slot]; p.phase == pullFetching {
		c.unpack(node, slot)
	}
	c.shareLinks()
}

// download begins as many of the downloads that wait as may run. share must follow.
func (c *Cluster) download(node model.NodeID) {
	x := &c.nodes[node].layers
	c.transfers.advance(c.now)
	for x.downloads < maxDownloads && len(x.queue) > 0 {
		id := x.queue[0]
		x.queue = append(x.queue[:0], x.queue[1:]...)
		l := x.find(id)
		if kind := c.registries[l.registry].refuses(); kind != "" {
			l.state = layerMissing
			c.failFetches(node, id, kind)
			continue
		}
		x.downloads++
		l.state = layerDownloading
		l.silentUntil = 0
		l.flow = c.transfers.begin(node, id, l.registry, l.left)
		c.unanswered(node, l)
	}
}

// transfersDue is a moment at which flows may be over.
func (c *Cluster) transfersDue() {
	t := &c.transfers
	if t.due != c.now {
		return // an earlier moment was found meanwhile
	}
	t.due = model.Never
	t.advance(c.now)
	// All that ends at one moment is there before anything else begins or fails.
	ended := t.end()
	for _, f := range ended {
		c.downloaded(f.node, f.layer)
	}
	for _, f := range ended {
		c.continuePulls(f.node)
	}
	c.shareLinks()
}

// shareLinks settles the rates of all transfers and asks for the moment of the next end. An event that
// turns out to be early asks again.
func (c *Cluster) shareLinks() {
	t := &c.transfers
	t.advance(c.now)
	t.share()
	if at := t.next(); at < t.due {
		t.due = at
		c.after(at-c.now, evTransfers, 0, 0)
	}
}

// downloaded is the end of a layer's transfer.
func (c *Cluster) downloaded(node model.NodeID, id layerID) {
	n := &c.nodes[node]
	l := n.layers.find(id)
	l.state, l.left, l.unpacked = layerThere, 0, model.Never
	n.layers.downloads--
	n.layers.bytes += c.layerBytes(id)
}

// continuePulls lets the pulls of a node go on that has got layers.
func (c *Cluster) continuePulls(node model.NodeID) {
	n := &c.nodes[node]
	c.download(node)
	for slot := range n.pulls {
		if p := &n.pulls[slot]; p.active && p.phase == pullFetching {
			c.unpack(node, slot)
		}
	}
	c.imageBytesChanged(node)
}

// unpack unpacks the layers of a pull one after the other in their order, each when it is there
// (core/unpack/unpacker.go). One that another image has unpacked is taken as it is: what images share
// is what they are built on. When all are there, the end of the pull is known.
func (c *Cluster) unpack(node model.NodeID, slot int) {
	n := &c.nodes[node]
	p := &n.pulls[slot]
	layers := c.partsOf(p.image).layers
	for p.next < len(layers) {
		l := n.layers.find(layers[p.next])
		if l.state != layerThere {
			return
		}
		if l.unpacked == model.Never {
			l.unpacked = max(p.unpacked, c.now) + c.unpacking(p.request.Pod, c.layers[l.layer].size)
		}
		p.unpacked = max(p.unpacked, l.unpacked)
		p.next++
	}
	c.endPullAt(node, slot, max(c.now, p.unpacked))
}

// unpacking is how long it takes to unpack so many bytes.
func (c *Cluster) unpacking(pod model.PodID, bytes int64) model.Time {
	perMiB := c.delay(pod, streamPull, &c.scenario.Latencies.PullPerMiB)
	return model.Time(float64(bytes) / (1 << 20) * float64(perMiB))
}

// letGo takes a pull's interest off its layers, and ends the transfers that nobody waits for.
func (c *Cluster) letGo(node model.NodeID, slot int) {
	n := &c.nodes[node]
	x := &n.layers
	p := &n.pulls[slot]
	if p.phase == pullAsking {
		return
	}
	for _, id := range c.partsOf(p.image).layers {
		l := x.find(id)
		if l.pulls--; l.pulls > 0 {
			continue
		}
		switch l.state {
		case layerQueued:
			x.queue = slices.DeleteFunc(x.queue, func(q layerID) bool { return q == id })
			l.state = layerMissing
		case layerDownloading:
			c.transfers.advance(c.now)
			c.transfers.cancel(l.flow)
			l.state = layerMissing
			x.downloads--
		}
	}
	p.phase = pullAsking
}
