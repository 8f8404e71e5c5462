package sim

import (
	"cmp"
	"slices"
	"strings"

	"podsim/model"
	"podsim/model/kubelet"
)

// pull is an image pull under way on a node.
type pull struct {
	request kubelet.PullRequest
	image   model.ImageID
	// secret is the pull secret with which it is made, "" for none.
	secret string
	// started is when it began, ends when what it does now is over, Never while layers come. result is
	// how it ends.
	started, ends model.Time
	result        model.PullResult
	active        bool
	phase         pullPhase
	// asking is how far the question is with which it begins, answer how long the registry takes to answer.
	asking askState
	answer model.Time
	// next is the first layer that is not there, in the order of the image's layers; unpacked is when
	// those before it are unpacked.
	next     int
	unpacked model.Time
}

// pullPhase is how far a pull is.
type pullPhase uint8

const (
	// pullAsking: the registry is asked, or the pull has failed.
	pullAsking pullPhase = iota
	// pullFetching: layers come.
	pullFetching
	// pullUnpacking: all layers are there.
	pullUnpacking
)

// askState is how far the question is with which a pull begins: the request for the image's manifest. That
// for the manifest itself and that for the configuration follow within milliseconds, and count as one with it.
type askState uint8

const (
	// askSettled: what the pull ends with does not depend on what becomes of the registry.
	askSettled askState = iota
	// askConnecting: nobody has taken the connection yet. askWaiting: the registry is about to answer.
	askConnecting
	askWaiting
)

// How long a pull waits (containerd 2.4.2, core/remotes/docker/registry.go DefaultHTTPTransport): for a
// connection, for the header of an answer, and how long a connection stays that nobody uses.
const (
	dialTimeout   = 30 * model.Second
	headerTimeout = 30 * model.Second
	idleTimeout   = 30 * model.Second
)

// A transfer without progress is cancelled when a look finds that more than the timeout has gone since the look
// that saw some (containerd 2.4.2 internal/cri/server/images/image_pull.go checkProgress). Looks come at a fixed
// interval from the beginning of the pull on.
const (
	progressTimeout = 5 * model.Minute
	progressLooks   = 10 * model.Second
)

// evenOdds is at least 1 as often as not.
var evenOdds = model.Dist{Kind: model.DistUniform, Max: 2}

// cancelledAfter is when, from its start on, a pull is cancelled that gets nothing any more after a time. Whether a
// look at the timeout's very end is late enough is luck (measured: docs/fidelity.md).
func (c *Cluster) cancelledAfter(elapsed model.Time, pod model.PodID) model.Time {
	timeout, interval := cmp.Or(c.scenario.PullProgressTimeout, progressTimeout), progressLooks
	if timeout < interval {
		interval = max(1, timeout/2)
	}
	looks := max(1, (elapsed+interval-1)/interval) + timeout/interval
	if timeout%interval != 0 || c.delay(pod, streamPull, &evenOdds) >= 1 {
		looks++
	}
	return looks * interval
}

// knockAfter is when, from the start of a pull on, a connection that nobody takes is tried next: the kernel
// sends its SYN again after 1 s, and waits twice as long each time (Linux tcp(7)).
func knockAfter(elapsed model.Time) model.Time {
	at := model.Second
	for at < elapsed {
		at = 2*at + model.Second
	}
	return at
}

// addImages takes over what the scenario says of images.
func (c *Cluster) addImages() {
	for i := range c.scenario.Images {
		spec := &c.scenario.Images[i]
		name, err := model.WithDefaultTag(spec.Name)
		if err != nil {
			continue
		}
		image := &c.state.Images[c.state.Image(name)]
		if spec.Size > 0 {
			image.Size, image.Assumed = spec.Size, false
		}
		image.User = spec.User
		c.addLayers(c.state.Image(name), spec)
		if spec.Error != "" {
			image.Pull = c.pullResult(name, spec.Error)
		}
		if image.Credentials = spec.Credentials; len(spec.Credentials) > 0 {
			image.Denied = c.pullResult(name, kindUnauthorized)
		}
	}
	c.tooManyPulls = c.pullResult("", "pull QPS exceeded")
}

// pullResult is how a pull ends with an error of the kind.
func (c *Cluster) pullResult(name, kind string) model.PullResult {
	r := c.failed(resolveRequest(name).error(kind))
	switch kind {
	case kindTimeout:
		r.Takes = dialTimeout
	case kindStalled:
		r.Takes = model.Never
	}
	return r
}

// failed is how a pull ends with the text of an error.
func (c *Cluster) failed(text string) model.PullResult {
	return model.PullResult{Error: c.state.Texts.Intern(text), Reason: model.PullErrorReason(text)}
}

// usableImage says whether a container's image is present and the pod may use it without a pull.
func (c *Cluster) usableImage(id model.PodID, container int8) bool {
	o := &c.state.Pods[id]
	image := o.Template.Containers[container].ImageID
	return c.nodes[o.Node].hasImage(image) && !c.nodes[o.Node].pulled.MustPull(image, c.pullSecrets(id, image))
}

// pullSecrets are the pod's pull secrets that are there and with which the registry gives the
// image (pkg/credentialprovider/secrets MakeDockerKeyring, Lookup).
func (c *Cluster) pullSecrets(id model.PodID, image model.ImageID) []string {
	credentials := c.state.Images[image].Credentials
	if len(credentials) == 0 {
		return nil
	}
	t := c.state.Pods[id].Template
	var names []string
	for _, s := range t.Spec.ImagePullSecrets {
		if slices.Contains(credentials, s.Name) && c.configSource(t.Namespace, &model.ConfigRef{Secret: true, Name: s.Name}) != nil {
			names = append(names, s.Name)
		}
	}
	return names
}

// missingSecrets names the pod's pull secrets that do not exist (kubelet_pods.go
// getPullSecretsForPod).
func (c *Cluster) missingSecrets(id model.PodID) model.Text {
	t := c.state.Pods[id].Template
	var names []string
	for _, s := range t.Spec.ImagePullSecrets {
		if s.Name != "" && c.configSource(t.Namespace, &model.ConfigRef{Secret: true, Name: s.Name}) == nil {
			names = append(names, s.Name)
		}
	}
	return c.state.Texts.Intern(strings.Join(names, ", "))
}

// askPull queues a pod's pull with the node's image puller.
func (c *Cluster) askPull(id model.PodID, container int8) {
	r := kubelet.PullRequest{Pod: id, Gen: c.pods[id].kubeletGen, Container: container, Asked: c.now}
	node := c.state.Pods[id].Node
	c.nodes[node].pulled.Begin(c.state.Pods[id].Template.Containers[container].ImageID)
	if c.nodes[node].puller.Ask(r) {
		c.beginPull(node, r)
	}
}

// beginPull starts a pull: a look at the registry, and then the transfer of the layers that the node
// does not have. A pull of an image that is fetched already waits for the same layers.
func (c *Cluster) beginPull(node model.NodeID, r kubelet.PullRequest) {
	n := &c.nodes[node]
	slot := -1
	for i := range n.pulls {
		if !n.pulls[i].active {
			slot = i
		}
	}
	if slot < 0 {
		n.pulls = append(n.pulls, pull{})
		slot = len(n.pulls) - 1
	}
	id := c.state.Pods[r.Pod].Template.Containers[r.Container].ImageID
	image := &c.state.Images[id]
	p := pull{request: r, image: id, started: c.now, result: image.Pull, active: true}
	if secrets := c.pullSecrets(r.Pod, id); len(secrets) > 0 {
		p.secret = secrets[0]
	} else if len(image.Credentials) > 0 {
		p.result = image.Denied
	}
	p.ends = model.Never
	n.pulls[slot] = p
	if n.pullLimit.try(c.now) {
		c.runtime.Do(r.Pod, &kubelet.Effect{Kind: kubelet.Pull, Container: r.Container})
	} else {
		n.pulls[slot].result = c.tooManyPulls
		c.endPullAfter(node, slot, 0)
	}
}

// resolve is the beginning of a pull in the simulated runtime: the registry is asked.
func (c *Cluster) resolve(id model.PodID, container int8) {
	node := c.state.Pods[id].Node
	slot := c.pullOf(id, container)
	c.endPullAfter(node, slot, c.askRegistry(id, &c.nodes[node].pulls[slot]))
}

// endPullAfter lets what a pull does now be over after a span of time.
func (c *Cluster) endPullAfter(node model.NodeID, slot int, d model.Time) {
	c.nodes[node].pulls[slot].ends = c.now + d
	c.after(d, evPulled, int32(node), int32(slot))
}

// pullOf is the slot of the pull that runs for a pod's container, -1 for none.
func (c *Cluster) pullOf(id model.PodID, container int8) int {
	return slices.IndexFunc(c.nodes[c.state.Pods[id].Node].pulls, func(p pull) bool {
		return p.active && p.request.Pod == id && p.request.Container == container && p.request.Gen == c.pods[id].kubeletGen
	})
}

// pullAnswered is the end of a pull by a runtime that is not simulated: the error or none, and the size.
func (c *Cluster) pullAnswered(id model.PodID, e *kubelet.Event) {
	node := c.state.Pods[id].Node
	slot := c.pullOf(id, e.Container)
	if slot < 0 {
		return // the kubelet began anew meanwhile
	}
	p := &c.nodes[node].pulls[slot]
	p.result = model.PullResult{Error: e.Text, Reason: e.Reason}
	if e.S > 0 {
		c.state.Images[p.image].Size = e.S
	}
	c.endPull(node, slot)
}

// askRegistry begins to resolve an image. It gives how long it takes until the registry has answered, or
// nobody waits for that any more.
func (c *Cluster) askRegistry(pod model.PodID, p *pull) model.Time {
	p.answer = c.delay(pod, streamPull, &c.scenario.Latencies.PullLookup)
	g := &c.registries[c.partsOf(p.image).registry]
	p.answer += c.delay(pod, streamPull, &g.latency)
	switch {
	case g.outage.kind == kindTimeout:
		p.asking = askConnecting
		return dialTimeout
	case p.result.Takes == model.Never && g.refuses() == "":
		return c.cancelledAfter(0, pod)
	case p.result.Takes > 0 && g.refuses() == "":
		return p.result.Takes
	}
	p.asking = askWaiting
	return p.answer
}

// answered is what the registry answers, with what is wrong with it now.
func (c *Cluster) answered(p *pull) {
	q := resolveRequest(c.state.Images[p.image].Name)
	q.authorized = p.secret != ""
	kind := c.registries[c.partsOf(p.image).registry].outage.kind
	switch {
	case p.asking == askSettled:
	case p.asking == askConnecting:
		p.result = c.failed(q.error(kindTimeout))
	case kind == kindTimeout:
		p.result = c.failed(q.noAnswer())
	case kind != "" && kind != kindStalled:
		p.result = c.failed(q.error(kind))
	}
	p.asking = askSettled
}

// askAgain is what becomes of a pull that asks a registry with which something else is wrong now. One that
// refuses connections loses those that there are, and the request is made again at once
// (core/remotes/docker/resolver.go doWithTransportRetries).
func (c *Cluster) askAgain(node model.NodeID, slot int) {
	p := &c.nodes[node].pulls[slot]
	g := &c.registries[c.partsOf(p.image).registry]
	ends := p.started + p.answer
	switch {
	case p.asking == askSettled || g.outage.kind == kindTimeout && p.asking == askConnecting:
		return
	case g.outage.kind == kindTimeout:
		ends = p.started + headerTimeout
	case p.asking == askConnecting:
		knock := knockAfter(c.now - p.started)
		if knock >= dialTimeout {
			return
		}
		p.asking, ends = askWaiting, p.started+knock
		if g.outage.kind != kindRefused {
			ends += p.answer
		}
	case g.outage.kind == kindRefused:
		ends = c.now
	}
	if ends = max(ends, c.now); ends != p.ends {
		c.endPullAfter(node, slot, ends-c.now)
	}
}

// pulled is the end of what a pull does: the registry has answered, all is unpacked, or nothing has
// come for too long.
func (c *Cluster) pulled(node model.NodeID, slot int) {
	n := &c.nodes[node]
	if slot >= len(n.pulls) || !n.pulls[slot].active || n.pulls[slot].ends != c.now {
		return // the node lost its power meanwhile, or the end is another one
	}
	p := &n.pulls[slot]
	if p.phase == pullFetching {
		c.giveUp(node, slot)
		return
	}
	c.answered(p)
	if p.phase == pullAsking && p.result.Error == model.NoText && !n.hasImage(p.image) {
		c.fetch(node, slot)
		return
	}
	c.endPull(node, slot)
}

// giveUp ends a pull for whose layers nothing has come for too long.
func (c *Cluster) giveUp(node model.NodeID, slot int) {
	p := &c.nodes[node].pulls[slot]
	result := c.pullResult(c.state.Images[p.image].Name, kindStalled)
	if l := c.nodes[node].layers.unanswered(c.partsOf(p.image).layers, c.now); l != nil {
		q := c.layerRequest(p, l.layer)
		result = c.failed(q.noAnswer())
		if c.now-headerTimeout-p.started >= idleTimeout {
			result = c.failed(q.error(kindTimeout))
		}
	}
	c.failPull(node, slot, result)
	c.download(node)
	c.shareLinks()
}

// endPullAt lets a pull end well.
func (c *Cluster) endPullAt(node model.NodeID, slot int, at model.Time) {
	p := &c.nodes[node].pulls[slot]
	p.phase, p.ends = pullUnpacking, at
	c.after(at-c.now, evPulled, int32(node), int32(slot))
}

// failPull lets a pull end with an error while layers come. download and shareLinks must follow.
func (c *Cluster) failPull(node model.NodeID, slot int, result model.PullResult) {
	c.letGo(node, slot)
	c.collectLayers(node)
	c.imageBytesChanged(node)
	p := &c.nodes[node].pulls[slot]
	p.result, p.ends = result, c.now
	c.after(0, evPulled, int32(node), int32(slot))
}

// endPull is the end of a pull as the kubelet sees it.
func (c *Cluster) endPull(node model.NodeID, slot int) {
	n := &c.nodes[node]
	pl := n.pulls[slot]
	r := pl.request
	if pl.result.Error != model.NoText {
		n.pulled.Failed(pl.image)
	} else {
		n.pulled.Pulled(pl.image, pl.secret)
		c.haveImage(node, pl.image)
	}
	c.letGo(node, slot)
	n.pulls[slot].active = false
	if next, ok := n.puller.Done(); ok {
		c.beginPull(node, next)
	}
	if c.pods[r.Pod].kubeletGen != r.Gen {
		return
	}
	c.pods[r.Pod].containers[r.Container].pull = pullEnd{PullResult: pl.result, took: c.now - pl.started,
		waited: c.now - r.Asked, size: c.state.Images[pl.image].Size}
	c.runtimeEvent(r.Pod, &Event{Kind: evRuntime, Arg: answer(kubelet.ImagePulled, r.Container)}, 0)
}

// dropPulls ends the pulls of a node whose kubelet is gone: nobody waits for them any more.
func (c *Cluster) dropPulls(node model.NodeID) {
	n := &c.nodes[node]
	for slot := range n.pulls {
		if n.pulls[slot].active {
			c.letGo(node, slot)
		}
	}
	n.pulls = n.pulls[:0]
	c.collectLayers(node)
	c.shareLinks()
}

// haveImage adds an image to those of a node's runtime.
func (c *Cluster) haveImage(node model.NodeID, id model.ImageID) {
	n := &c.nodes[node]
	if !n.hasImage(id) {
		c.addImage(node, id)
		c.imagesChanged(node)
	}
}

// hasImage says whether the node's runtime has the image.
func (n *node) hasImage(id model.ImageID) bool {
	return n.imageIndex(id) >= 0
}

// imageList appends the images that a kubelet reports of its node: the largest ones
// (nodestatus/setters.go Images, util/sliceutils ByImageSize; images of one size go by their names).
func (c *Cluster) imageList(id model.NodeID, list []model.NodeImage) []model.NodeImage {
	list = append(list, c.nodes[id].images...)
	slices.SortFunc(list, func(a, b model.NodeImage) int {
		x, y := &c.state.Images[a.Image], &c.state.Images[b.Image]
		return cmp.Or(cmp.Compare(y.Size, x.Size), cmp.Compare(y.Name, x.Name))
	})
	if most := int(*c.nodes[id].config.NodeStatusMaxImages); most > -1 && most < len(list) {
		list = list[:most]
	}
	return list
}
