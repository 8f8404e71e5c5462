package sim

import (
	"slices"

	"podsim/model"
	"podsim/model/kubelet"
)

// firstImageGC is from a kubelet's start to its first look at the images. A measurement.
const firstImageGC = 75 * model.Millisecond

// imageManager is what a kubelet knows of the images on its node, and its garbage collection. Its
// rounds cost nothing: one is an event when something may come of it.
type imageManager struct {
	policy kubelet.ImageGCPolicy
	// began is the first round, right after the kubelet's start.
	began model.Time
	// uses are those of the node's images, in their order.
	uses []imageUse
	// at is the moment of the pending round, Never when none is pending.
	at model.Time
	// failed says that the last round did not free enough.
	failed bool
	// records are the memory of a round.
	records []kubelet.ImageRecord
}

// imageUse is how an image is used. The kubelet sees it at its rounds; what it has seen is worked out
// when that matters.
type imageUse struct {
	// since is when it came, detected the look that first saw it, Never while that has not been worked
	// out.
	since, detected model.Time
	// users counts the containers of it. usedSince is when the first of them came, until when the last
	// was or will be removed.
	users            int
	usedSince, until model.Time
	// lastUsed is the last look that saw one, before usedSince.
	lastUsed model.Time
}

// used says that a container of the image is there.
func (u *imageUse) used(now model.Time) bool { return u.users > 0 || u.until > now }

// lastSeen is the last look that saw a container of an image, up to the removal of the last one.
func (m *imageManager) lastSeen(u *imageUse) model.Time {
	if seen := m.lastRound(u.until - 1); u.until > 0 && seen >= max(u.usedSince, m.began) {
		return max(u.lastUsed, seen)
	}
	return u.lastUsed
}

// firstRound is the first round at or after t, lastRound the last at or before it.
func (m *imageManager) firstRound(t model.Time) model.Time {
	return m.began + (max(t-m.began, 0)+kubelet.ImageGCPeriod-1)/kubelet.ImageGCPeriod*kubelet.ImageGCPeriod
}

func (m *imageManager) lastRound(t model.Time) model.Time {
	return m.began + (t-m.began)/kubelet.ImageGCPeriod*kubelet.ImageGCPeriod
}

// startImageManager begins the image manager of a node's kubelet anew, which knows no image: its first
// look, at the kubelet's start, finds those that there are.
func (c *Cluster) startImageManager(id model.NodeID) {
	n := &c.nodes[id]
	m := &n.imageManager
	*m = imageManager{policy: kubelet.NewImageGCPolicy(n.config), began: n.loops.Origin + firstImageGC, at: model.Never, uses: m.uses, records: m.records}
	for i := range m.uses {
		u := &m.uses[i]
		u.detected, u.lastUsed = m.began, kubelet.NeverUsed
		if !u.used(m.began) {
			u.until = 0
		}
	}
	if m.began >= c.now && !m.policy.Off() {
		c.askImageGC(id, m.began)
	}
	c.planImageGC(id)
}

// useImage notes that a container of an image is created.
func (c *Cluster) useImage(id model.PodID, i int) {
	k := &c.pods[id].containers[i]
	n := &c.nodes[c.state.Pods[id].Node]
	at := n.imageIndex(c.state.Pods[id].Template.Containers[i].ImageID)
	if k.usesImage || at < 0 {
		return
	}
	k.usesImage = true
	u := &n.imageManager.uses[at]
	if !u.used(c.now) {
		u.lastUsed, u.usedSince = n.imageManager.lastSeen(u), c.now
	}
	u.users++
}

// releaseImage notes that the last of a container's instances is removed, at a moment.
func (c *Cluster) releaseImage(id model.PodID, i int, at model.Time) {
	k := &c.pods[id].containers[i]
	if !k.usesImage {
		return
	}
	k.usesImage = false
	node := c.state.Pods[id].Node
	n := &c.nodes[node]
	u := &n.imageManager.uses[n.imageIndex(c.state.Pods[id].Template.Containers[i].ImageID)]
	u.until = max(u.until, at)
	if u.users--; u.users == 0 {
		c.planImageGC(node)
	}
}

// releaseImages notes that a pod is gone: the next round of the container GC removes what it has left
// (kuberuntime_gc.go evictContainers).
func (c *Cluster) releaseImages(id model.PodID) {
	for i := range c.pods[id].containers {
		c.releaseImage(id, i, c.nodes[c.state.Pods[id].Node].loops.NextCollect(c.now))
	}
}

// imageIndex is the place of an image among those of a node, -1 when the node does not have it.
func (n *node) imageIndex(id model.ImageID) int {
	return slices.IndexFunc(n.images, func(x model.NodeImage) bool { return x.Image == id })
}

// addImage adds an image that a pull has brought, or that was there before.
func (c *Cluster) addImage(node model.NodeID, id model.ImageID) {
	n := &c.nodes[node]
	n.images = append(n.images, model.NodeImage{Image: id, Since: c.now})
	n.imageManager.uses = append(n.imageManager.uses, imageUse{since: c.now, detected: model.Never, lastUsed: kubelet.NeverUsed})
	c.keepLayers(node, id)
}

// removeImage deletes an image, with the layers that nobody else needs.
func (c *Cluster) removeImage(node model.NodeID, id model.ImageID) {
	n := &c.nodes[node]
	at := n.imageIndex(id)
	if n.imageManager.uses[at].used(c.now) || c.partsOf(id).pinned {
		c.contradiction("node %s removes image %s, which is in use", c.state.Nodes[node].Name, c.state.Images[id].Name)
	}
	n.images = slices.Delete(n.images, at, at+1)
	n.imageManager.uses = slices.Delete(n.imageManager.uses, at, at+1)
	c.dropLayers(node, id)
}

// imageBytesChanged says that images take more or less of a node's disk.
func (c *Cluster) imageBytesChanged(id model.NodeID) { c.pressureMayChange(id) }

// detectImages is a look at the images of a node and their use. It gives what the kubelet then knows;
// the list holds until the next look.
func (c *Cluster) detectImages(node model.NodeID) []kubelet.ImageRecord {
	n := &c.nodes[node]
	m := &n.imageManager
	m.records = m.records[:0]
	for i := range m.uses {
		u, image := &m.uses[i], n.images[i].Image
		if u.detected == model.Never {
			u.detected = min(c.now, m.firstRound(u.since))
		}
		r := kubelet.ImageRecord{Image: image, FirstDetected: u.detected, LastUsed: m.lastSeen(u),
			Size: c.state.Images[image].Size, Used: u.used(c.now), Pinned: c.partsOf(image).pinned}
		if r.Used {
			u.lastUsed, r.LastUsed = c.now, c.now
		}
		m.records = append(m.records, r)
	}
	return m.records
}

// planImageGC asks for the next round at which there may be something to delete.
func (c *Cluster) planImageGC(node model.NodeID) {
	n := &c.nodes[node]
	m := &n.imageManager
	if m.policy.Off() || n.stopped() {
		return
	}
	if capacity := c.imagefsCapacity(node).Bytes; capacity > 0 {
		if at := c.imagefsExceeds(node, m.policy.Most(capacity), c.now); at != model.Never {
			c.askImageGC(node, max(m.firstRound(at), m.lastRound(c.now)+kubelet.ImageGCPeriod))
		}
	}
	if m.policy.MaxAge == 0 {
		return
	}
	for i := range m.uses {
		if u := &m.uses[i]; u.users == 0 && !c.partsOf(n.images[i].Image).pinned {
			old := max(m.began, m.lastSeen(u)) + m.policy.MaxAge + 1
			c.askImageGC(node, max(m.firstRound(old), m.lastRound(c.now)+kubelet.ImageGCPeriod))
		}
	}
}

// imagefsExceeds is the first moment from one on at which more bytes of the images' file system are in
// use, if nothing starts or ends until then; Never if that never is.
func (c *Cluster) imagefsExceeds(node model.NodeID, most int64, from model.Time) model.Time {
	for at := from; at != model.Never; at = c.nextWrite(node, at) {
		if c.imagefsUse(node, at) > most {
			return at
		}
	}
	return model.Never
}

// askImageGC asks for a round.
func (c *Cluster) askImageGC(node model.NodeID, at model.Time) {
	m := &c.nodes[node].imageManager
	if at < m.at {
		m.at = at
		c.after(at-c.now, evImageGC, int32(node), 0)
	}
}

// imageGCRound is a round of the image garbage collection (GarbageCollect).
func (c *Cluster) imageGCRound(node model.NodeID) {
	n := &c.nodes[node]
	m := &n.imageManager
	if m.at != c.now {
		return // an earlier round was asked for meanwhile, or the kubelet began anew
	}
	m.at = model.Never
	if n.stopped() {
		return
	}
	images := kubelet.EvictionOrder(c.detectImages(node))
	old, images := m.policy.OldImages(images, c.now, m.began)
	c.removeImages(node, old)
	c.freeDisk(node, images)
	c.planImageGC(node)
}

// freeDisk deletes images when too much of the disk is in use.
func (c *Cluster) freeDisk(node model.NodeID, images []kubelet.ImageRecord) {
	n := &c.nodes[node]
	m := &n.imageManager
	capacity, failed := c.imagefsCapacity(node).Bytes, false
	if capacity == 0 {
		return
	}
	available := max(0, capacity-c.imagefsUse(node, c.now))
	if amount := m.policy.AmountToFree(capacity, available); m.policy.UsagePercent(capacity, available) >= m.policy.HighThresholdPercent {
		chosen, freed := m.policy.SpaceImages(images, amount, c.now)
		c.removeImages(node, chosen)
		if failed = freed < amount; failed {
			c.imageGCFailed(node, m.policy.FreeDiskSpaceFailed(capacity, available, freed))
		}
	}
	m.failed = failed
}

// imageGCFailed writes the Events of a round that did not free enough: one more when it is not the
// first in a row (kubelet.go StartGarbageCollection).
func (c *Cluster) imageGCFailed(node model.NodeID, why string) {
	e := model.Event{Kind: model.KindNode, ID: int32(node), Container: -1, Warning: true, Source: model.FromKubelet,
		Reason: model.EventFreeDiskSpaceFailed, Message: model.TextMessage(c.state.Texts.Intern(why))}
	c.write(&c.nodes[node].log, e)
	if c.nodes[node].imageManager.failed {
		e.Reason = model.EventImageGCFailed
		c.write(&c.nodes[node].log, e)
	}
}

// removeImages deletes images.
func (c *Cluster) removeImages(node model.NodeID, images []kubelet.ImageRecord) {
	for _, r := range images {
		c.removeImage(node, r.Image)
	}
	if len(images) > 0 {
		c.imagesChanged(node)
		c.imageBytesChanged(node)
	}
}

// deleteUnusedImages deletes all images that nobody uses and that are old enough. It gives the bytes
// that the disk regains (DeleteUnusedImages).
func (c *Cluster) deleteUnusedImages(id model.NodeID) int64 {
	before := c.imageBytes(id)
	m := &c.nodes[id].imageManager
	images, _ := m.policy.SpaceImages(kubelet.EvictionOrder(c.detectImages(id)), kubelet.AllBytes, c.now)
	c.removeImages(id, images)
	return before - c.imageBytes(id)
}
