package sim

import (
	"fmt"
	"strings"

	"podsim/model"
	"podsim/model/kubelet"
)

// pull is an image pull under way on a node.
type pull struct {
	request kubelet.PullRequest
	// started and ends are when it began and will end.
	started, ends model.Time
	active        bool
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
		if spec.Error != "" {
			image.Error = c.state.Texts.Intern(pullError(name, spec.Error))
		}
	}
}

// pullError is what containerd 2 answers for a pull that fails, in its own words; a kind that
// is none of the known ones is the text itself.
func pullError(name, kind string) string {
	head := fmt.Sprintf("failed to pull and unpack image %q: failed to resolve image: ", name)
	request := head + fmt.Sprintf("failed to do request: Head %q: ", manifestURL(name))
	switch kind {
	case "notFound":
		return "rpc error: code = NotFound desc = " + head + name + ": not found"
	case "unauthorized":
		return head + "pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials"
	case "refused":
		return request + "dial tcp " + registryOf(name) + ": connect: connection refused"
	case "serverError":
		return head + "unexpected status from HEAD request to " + manifestURL(name) + ": 500 Internal Server Error"
	case "timeout":
		return request + "dial tcp " + registryOf(name) + ": i/o timeout"
	}
	return kind
}

func registryOf(name string) string { return (&model.Image{Name: name}).Registry() }

// manifestURL is where a registry has an image's manifest.
func manifestURL(name string) string {
	path := strings.TrimPrefix(name, registryOf(name)+"/")
	repository, tag := path, "latest"
	if i := strings.LastIndexByte(path, ':'); i > 0 {
		repository, tag = path[:i], path[i+1:]
	}
	return "https://" + registryOf(name) + "/v2/" + repository + "/manifests/" + tag
}

// askPull queues a pod's pull with the node's image puller.
func (c *Cluster) askPull(id model.PodID, container int8) {
	r := kubelet.PullRequest{Pod: id, Gen: c.pods[id].kubeletGen, Container: container, Asked: c.now}
	node := c.state.Pods[id].Node
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
	d := c.pullTime(node, r)
	n.pulls[slot] = pull{request: r, started: c.now, ends: c.now + d, active: true}
	c.after(d, evPulled, int32(node), int32(slot))
}

func (c *Cluster) pullTime(node model.NodeID, r kubelet.PullRequest) model.Time {
	id := c.state.Pods[r.Pod].Template.Containers[r.Container].ImageID
	image, l := &c.state.Images[id], &c.scenario.Latencies
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
	if image.Error != model.NoText || c.state.Nodes[node].HasImage(id) {
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
	if next, ok := n.puller.Done(); ok {
		c.beginPull(node, next)
	}
	if c.pods[r.Pod].kubeletGen != r.Gen {
		return
	}
	id := c.state.Pods[r.Pod].Template.Containers[r.Container].ImageID
	image := &c.state.Images[id]
	result := pullResult{took: c.now - pl.started, waited: c.now - r.Asked, size: image.Size}
	if image.Error != model.NoText {
		result.err, result.reason = image.Error, model.ReasonErrImagePull
		result.prefix = c.state.Texts.Intern("ErrImagePull: " + c.state.Texts.String(image.Error))
	} else {
		c.haveImage(node, id)
	}
	c.pods[r.Pod].containers[r.Container].pull = result
	c.runtimeEvent(r.Pod, &Event{Kind: evRuntime, Arg: answer(kubelet.ImagePulled, r.Container)}, 0)
}

// haveImage adds an image to a node's cache. The node's object shows it with the kubelet's
// next report; the scheduler sees it at once, as in the first form there is no report.
func (c *Cluster) haveImage(node model.NodeID, id model.ImageID) {
	n := &c.state.Nodes[node]
	if !n.HasImage(id) {
		n.Images = append(n.Images, model.NodeImage{Image: id, Since: c.now})
		c.changed(model.KindNode, int32(node), model.Modified)
	}
}
