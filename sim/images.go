package sim

import (
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
	// started and ends are when it began and will end, result is how.
	started, ends model.Time
	result        model.PullResult
	active        bool
}

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
	case "timeout":
		r.Takes = dialTimeout
	case "stalled":
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
	case "refused":
		return request + "dial tcp " + dialAddress(full) + ": connect: connection refused"
	case "timeout":
		return request + "dial tcp " + dialAddress(full) + ": i/o timeout"
	case "serverError":
		return head + "unexpected status from HEAD request to " + answeringURL(full) + ": 500 Internal Server Error"
	case "rateLimited":
		return head + "unexpected status from HEAD request to " + answeringURL(full) + ": 429 Too Many Requests"
	case "stalled":
		return "rpc error: code = Canceled desc = " + pulling + "context canceled"
	}
	return kind
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

// beginPull starts a pull: a look at the registry, and the transfer of what the node does
// not have. The first form of this model gives each pull the registry's whole bandwidth.
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
	d := model.Time(0)
	if n.pullLimit.try(c.now) {
		d = c.pullTime(node, r, &p)
	} else {
		p.result = c.tooManyPulls
	}
	p.ends = c.now + d
	n.pulls[slot] = p
	c.after(d, evPulled, int32(node), int32(slot))
}

func (c *Cluster) pullTime(node model.NodeID, r kubelet.PullRequest, p *pull) model.Time {
	image, l := &c.state.Images[p.image], &c.scenario.Latencies
	d := c.delay(r.Pod, streamPull, &l.PullLookup)
	bandwidth := int64(model.DefaultRegistryBandwidth)
	host := image.Registry()
	for i := range c.scenario.Registries {
		if g := &c.scenario.Registries[i]; model.Matches(g.Host, host) {
			bandwidth = g.Bandwidth
			d += c.delay(r.Pod, streamPull, &g.Latency)
			break
		}
	}
	if p.result.Error != model.NoText {
		return d + p.result.Takes
	}
	if c.nodes[node].hasImage(p.image) {
		return d
	}
	transfer := model.Time(float64(image.Size) / float64(bandwidth) * float64(model.Second))
	return d + transfer + model.Time(float64(image.Size)*l.PullPerByte.Value)
}

// pulled is the end of a pull.
func (c *Cluster) pulled(node model.NodeID, slot int) {
	n := &c.nodes[node]
	if slot >= len(n.pulls) || !n.pulls[slot].active || n.pulls[slot].ends != c.now {
		return // the node lost its power meanwhile
	}
	pl := n.pulls[slot]
	n.pulls[slot].active = false
	r := pl.request
	if pl.result.Error != model.NoText {
		n.pulled.Failed(pl.image)
	} else {
		n.pulled.Pulled(pl.image, pl.secret)
		c.haveImage(node, pl.image)
	}
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

// haveImage adds an image to those of a node's runtime.
func (c *Cluster) haveImage(node model.NodeID, id model.ImageID) {
	n := &c.nodes[node]
	if !n.hasImage(id) {
		n.images = append(n.images, model.NodeImage{Image: id, Since: c.now})
		c.imagesChanged(node)
	}
}

// hasImage says whether the node's runtime has the image.
func (n *node) hasImage(id model.ImageID) bool {
	return slices.ContainsFunc(n.images, func(x model.NodeImage) bool { return x.Image == id })
}
