package sim

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/distribution/reference"

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

// How long a pull lasts that the registry does not answer: containerd's dialer waits 30 s
// (core/remotes/docker/config/hosts.go), and a transfer without progress is cancelled 5 min after
// the last of the looks, which come every 10 s, that saw any (internal/cri/server/images
// image_pull.go, image_pull_progress_timeout).
const (
	dialTimeout  = 30 * model.Second
	stallTimeout = 5*model.Minute + 10*model.Second
)

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
			image.Denied = c.pullResult(name, "unauthorized")
		}
	}
	c.tooManyPulls = c.pullResult("", "pull QPS exceeded")
}

// pullResult is how a pull ends with an error of the kind.
func (c *Cluster) pullResult(name, kind string) model.PullResult {
	text := pullError(name, kind)
	r := model.PullResult{Error: c.state.Texts.Intern(text), Reason: model.PullErrorReason(text)}
	switch kind {
	case kindTimeout:
		r.Takes = dialTimeout
	case kindStalled:
		r.Takes = stallTimeout
	}
	return r
}

// pullError is what containerd 2 answers for a pull that fails, in its own words; a kind that
// is none of the known ones is the text itself.
func pullError(name, kind string) string {
	full := fullName(name)
	pulling := fmt.Sprintf("failed to pull and unpack image %q: ", full)
	head := pulling + "failed to resolve image: "
	request := head + fmt.Sprintf("failed to do request: Head %q: ", manifestURL(full))
	switch kind {
	case "notFound":
		return "rpc error: code = NotFound desc = " + head + full + ": not found"
	case "unauthorized":
		return head + "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
	case kindRefused:
		return request + "dial tcp " + dialAddress(full) + ": connect: connection refused"
	case kindTimeout:
		return "rpc error: code = DeadlineExceeded desc = " + request + "dial tcp " + dialAddress(full) + ": i/o timeout"
	case "serverError":
		return head + "unexpected status from HEAD request to " + answeringURL(full) + ": 500 Internal Server Error"
	case "rateLimited":
		return head + "unexpected status from HEAD request to " + answeringURL(full) + ": 429 Too Many Requests"
	case kindStalled:
		return "rpc error: code = Canceled desc = " + pulling + "context canceled"
	}
	return kind
}

// copyError is how a pull ends when the registry gives an error for one of its layers.
func (c *Cluster) copyError(p *pull, kind string) model.PullResult {
	parts, name := c.partsOf(p.image), c.state.Images[p.image].Name
	blob := c.layers[parts.layers[min(p.next, len(parts.layers)-1)]].name
	text := layerError(name, digestOf(blob), kind)
	return model.PullResult{Error: c.state.Texts.Intern(text), Reason: model.PullErrorReason(text)}
}

// layerError is what containerd 2 answers for a pull that fails when it asks for a layer
// (core/remotes/docker/fetcher.go, httpreadseeker.go).
func layerError(name, digest, kind string) string {
	full := fullName(name)
	head := fmt.Sprintf("failed to pull and unpack image %q: failed to copy: httpReadSeeker: failed open: ", full)
	blob := strings.Replace(manifestURL(full), "/manifests/", "/blobs/", 1)
	blob = blob[:strings.LastIndex(blob, "/")+1] + digest
	switch kind {
	case "notFound":
		return "rpc error: code = NotFound desc = " + head + "content at " + blob + " not found: not found"
	case "unauthorized":
		return head + "unexpected status from GET request to " + blob + ": 401 Unauthorized"
	case kindRefused:
		return head + fmt.Sprintf("failed to do request: Get %q: dial tcp %s: connect: connection refused", blob, dialAddress(full))
	case "serverError":
		return head + "unexpected status from GET request to " + blob + ": 500 Internal Server Error"
	case "rateLimited":
		return head + "unexpected status from GET request to " + blob + ": 429 Too Many Requests"
	}
	return kind
}

// digestOf is a layer's digest: its name if that is one, and one made from it otherwise.
func digestOf(name string) string {
	if strings.HasPrefix(name, "sha256:") {
		return name
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))
}

// fullName is an image's name with its registry, as containerd writes it.
func fullName(name string) string {
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return name
	}
	return named.String()
}

// registryHost is the host that a registry's images come from (core/remotes/docker/registry.go
// DefaultHost).
func registryHost(name string) string {
	host := (&model.Image{Name: name}).Registry()
	if host == "docker.io" {
		return "registry-1." + host
	}
	return host
}

// dialAddress is a registry's host with its port.
func dialAddress(name string) string {
	host := registryHost(name)
	if strings.Contains(host, ":") {
		return host
	}
	return host + ":443"
}

// manifestURL is where a registry has an image's manifest.
func manifestURL(name string) string {
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return ""
	}
	version := ""
	switch n := named.(type) {
	case reference.Digested:
		version = n.Digest().String()
	case reference.Tagged:
		version = n.Tag()
	}
	return "https://" + registryHost(name) + "/v2/" + reference.Path(named) + "/manifests/" + version
}

// answeringURL is where an answer to the request for the manifest comes from: a registry on the
// machine itself answers without TLS, unless its port is 443 (core/remotes/docker/config/hosts.go
// ConfigureHosts, core/remotes/docker/resolver.go httpFallback).
func answeringURL(name string) string {
	location := manifestURL(name)
	host := registryHost(name)
	address, err := netip.ParseAddrPort(host)
	local := err == nil && address.Addr().IsLoopback() || strings.HasPrefix(host, "localhost:")
	if local && !strings.HasSuffix(host, ":443") {
		return strings.Replace(location, "https", "http", 1)
	}
	return location
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

// askRegistry is how long it takes to resolve an image, or to see that this fails.
func (c *Cluster) askRegistry(pod model.PodID, p *pull) model.Time {
	d := c.delay(pod, streamPull, &c.scenario.Latencies.PullLookup)
	g := &c.registries[c.partsOf(p.image).registry]
	d += c.delay(pod, streamPull, &g.latency)
	if kind := g.outage.kind; kind != "" && kind != kindStalled {
		p.result = c.pullResult(c.state.Images[p.image].Name, kind)
	}
	if p.result.Error != model.NoText {
		d += p.result.Takes
	}
	return d
}

// pulled is the end of what a pull does: the registry has answered, all is unpacked, or nothing has
// come for too long.
func (c *Cluster) pulled(node model.NodeID, slot int) {
	n := &c.nodes[node]
	if slot >= len(n.pulls) || !n.pulls[slot].active || n.pulls[slot].ends != c.now {
		return // the node lost its power meanwhile, or the end is another one
	}
	p := &n.pulls[slot]
	switch {
	case p.phase == pullFetching:
		c.failPull(node, slot, c.pullResult(c.state.Images[p.image].Name, kindStalled))
		c.download(node)
		c.shareLinks()
	case p.phase == pullAsking && p.result.Error == model.NoText && !n.hasImage(p.image):
		c.fetch(node, slot)
	default:
		c.endPull(node, slot)
	}
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
