package sim

import (
	"slices"

	"podsim/model"
)

// registry is a registry that images come from.
type registry struct {
	host string
	// spec is the index of what the scenario says of it, -1 for nothing: images of one host may come
	// from several.
	spec int
	// latency is added to each pull.
	latency model.Dist
	// bandwidth and connection are what it usually gives, in bytes per second.
	bandwidth, connection int64
	// outage is what is wrong with it now.
	outage outage
}

// outage is what a step says of registries: the kind of error that requests end with, "" for none, and
// the bandwidth, 0 for the usual one.
type outage struct {
	pattern   string
	kind      string
	bandwidth int64
}

// The kinds of errors of registries. The first three are more than an answer.
const (
	kindRefused = "refused"
	kindTimeout = "timeout"
	kindStalled = "stalled"

	kindNotFound     = "notFound"
	kindUnauthorized = "unauthorized"
	kindServerError  = "serverError"
	kindRateLimited  = "rateLimited"
)

// stalls says that nothing comes from the registry any more.
func (g *registry) stalls() bool { return g.outage.kind == kindTimeout || g.outage.kind == kindStalled }

// refuses is the kind of error that the request for a layer ends with, "" for none.
func (g *registry) refuses() string {
	if g.stalls() {
		return ""
	}
	return g.outage.kind
}

// registryOf finds the registry of an image, and adds it when it is new.
func (c *Cluster) registryOf(image *model.Image) int32 {
	specs := c.scenario.Registries
	g := registry{host: image.Registry(), connection: model.DefaultConnectionBandwidth}
	g.spec = slices.IndexFunc(specs, func(s model.Registry) bool { return s.Gives(image) })
	for i := range c.registries {
		if c.registries[i].host == g.host && c.registries[i].spec == g.spec {
			return int32(i)
		}
	}
	if g.spec >= 0 {
		s := &specs[g.spec]
		g.latency, g.bandwidth, g.connection = s.Latency, s.Bandwidth, s.Connection
	}
	g.outage = c.outageOf(g.host)
	c.registries = append(c.registries, g)
	id := c.transfers.addRegistry(g.bandwidth, g.connection)
	c.setLink(id)
	return id
}

// outageOf is what is wrong with a registry: the latest step about it counts.
func (c *Cluster) outageOf(host string) outage {
	found := outage{}
	for _, o := range c.outages {
		if model.Matches(o.pattern, host) {
			found = o
		}
	}
	return found
}

// setLink sets what a registry gives now.
func (c *Cluster) setLink(id int32) {
	g := &c.registries[id]
	bandwidth := g.bandwidth
	if g.outage.bandwidth > 0 {
		bandwidth = g.outage.bandwidth
	}
	c.transfers.setRegistry(id, bandwidth, g.connection, g.stalls())
}

// stepRegistry changes what is wrong with registries: a step replaces what another one said of the same
// host. One that says nothing ends it.
func (c *Cluster) stepRegistry(s *model.Step) {
	for i := range c.outages {
		if c.outages[i].pattern == s.Name {
			c.outages = append(c.outages[:i], c.outages[i+1:]...)
			break
		}
	}
	if s.Error != "" || s.Bandwidth > 0 {
		c.outages = append(c.outages, outage{s.Name, s.Error, s.Bandwidth})
	}
	c.transfers.advance(c.now)
	for i := range c.registries {
		if model.Matches(s.Name, c.registries[i].host) {
			c.setOutage(int32(i))
		}
	}
	c.shareLinks()
}

// setOutage finds out what is wrong with a registry now. Transfers go on at the new rate, or stall;
// only a registry that refuses connections has lost those that there were.
func (c *Cluster) setOutage(id int32) {
	g := &c.registries[id]
	before := g.outage.kind
	g.outage = c.outageOf(g.host)
	c.setLink(id)
	if g.outage.kind == before && before != kindRefused {
		return
	}
	for node := 1; node < len(c.nodes); node++ {
		c.registryChanged(model.NodeID(node), id)
	}
}

// registryChanged tells the pulls of a node from a registry that something else is wrong with it: what they ask
// stays without an answer or gets one, and their transfers stall, go on, or have lost their connections.
func (c *Cluster) registryChanged(node model.NodeID, id int32) {
	n, g := &c.nodes[node], &c.registries[id]
	if !g.stalls() {
		n.layers.answer(id)
	}
	for slot := range n.pulls {
		p := &n.pulls[slot]
		if !p.active || c.partsOf(p.image).registry != id {
			continue
		}
		if p.phase == pullAsking {
			c.askAgain(node, slot)
		}
		if p.phase != pullFetching {
			continue
		}
		l := c.comingLayer(node, p)
		switch {
		case l != nil && g.stalls():
			c.stall(node, slot)
		case l != nil && g.outage.kind == kindRefused:
			text := c.layerRequest(p, l.layer).broken(l.left, l.left-c.transfers.remaining(l.flow))
			c.failPull(node, slot, c.failed(text))
		case !g.stalls():
			p.ends = model.Never
		}
	}
	c.download(node)
}

// comingLayer is the first layer of a pull that is on its way, nil when all that are to come wait for their turn.
func (c *Cluster) comingLayer(node model.NodeID, p *pull) *nodeLayer {
	for _, id := range c.partsOf(p.image).layers[p.next:] {
		if l := c.nodes[node].layers.find(id); l.state == layerDownloading {
			return l
		}
	}
	return nil
}

// stall lets a pull fail that gets nothing until the looks at its progress have seen none for too long.
func (c *Cluster) stall(node model.NodeID, slot int) {
	p := &c.nodes[node].pulls[slot]
	c.giveUpAt(node, slot, p.started+c.cancelledAfter(c.now-p.started, p.request.Pod))
}

// giveUpAt lets a pull fail that gets nothing until a moment. An earlier one counts.
func (c *Cluster) giveUpAt(node model.NodeID, slot int, at model.Time) {
	if at < c.nodes[node].pulls[slot].ends {
		c.endPullAfter(node, slot, at-c.now)
	}
}

// unanswered lets the pulls of a node fail that wait for a layer whose registry does not answer any more, or sends
// nothing. A transfer of which nothing has come is no progress that containerd would miss.
func (c *Cluster) unanswered(node model.NodeID, l *nodeLayer) {
	g := &c.registries[l.registry]
	if !g.stalls() {
		return
	}
	if g.outage.kind == kindTimeout {
		l.silentUntil = c.now + headerTimeout
	}
	n := &c.nodes[node]
	for slot := range n.pulls {
		p := &n.pulls[slot]
		if !p.active || p.phase != pullFetching || !slices.Contains(c.partsOf(p.image).layers, l.layer) {
			continue
		}
		if l.silentUntil > 0 {
			c.giveUpAt(node, slot, l.silentUntil)
		} else {
			c.stall(node, slot)
		}
	}
}

// failFetches fails the pulls of a node that wait for a layer, whose request fails.
func (c *Cluster) failFetches(node model.NodeID, id layerID, kind string) {
	n := &c.nodes[node]
	for slot := range n.pulls {
		p := &n.pulls[slot]
		if p.active && p.phase == pullFetching && slices.Contains(c.partsOf(p.image).layers[p.next:], id) {
			q := c.layerRequest(p, id)
			c.failPull(node, slot, c.failed(q.error(kind)))
		}
	}
}
