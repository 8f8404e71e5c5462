package sim

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// mountVolumes sets up a pod's volumes. Where the ConfigMaps and Secrets are all there, that
// takes the drawn time; where not, the kubelet's reconciler finds out.
func (c *Cluster) mountVolumes(id model.PodID) {
	o := &c.state.Pods[id]
	for i := range o.Template.VolumeSources {
		if !o.Template.HasClaims && c.volumeError(o, i) == "" {
			continue
		}
		c.at(c.nodes[o.Node].loops.NextReconcile(c.now), evVolume, id, 0, populate)
		return
	}
	took := c.delay(id, streamMount, &c.scenario.Latencies.MountVolumes)
	c.at(c.now+kubelet.MountDelay(took), evRuntime, id, 0, answer(kubelet.VolumesMounted, -1))
}

// populateVolumes is the round in which the populator sees the pod and the reconciler takes its
// volumes as attached; in the next one it sets them up (reconciler_common.go mountOrAttachVolumes).
func (c *Cluster) populateVolumes(id model.PodID) {
	if !c.pods[id].machine.Populates() {
		return
	}
	if why := c.addUsers(id); why != "" {
		c.step(id, kubelet.Event{Kind: kubelet.VolumesUnprocessed, Text: c.state.Texts.Intern(why)})
	} else {
		c.at(c.nodes[c.state.Pods[id].Node].loops.NextReconcile(c.now), evVolume, id, 0, allVolumes)
	}
}

// unmountVolumes takes down the volumes of a pod that has stopped: in the round in which the populator
// finds them, or in the next one when the reconciler came first. Both have the same period.
func (c *Cluster) unmountVolumes(id model.PodID) {
	loops := &c.nodes[c.state.Pods[id].Node].loops
	round := loops.NextReconcile(c.now)
	if c.isLate(id) {
		round = loops.NextReconcile(round)
	}
	took := c.delay(id, streamMount, &c.scenario.Latencies.UnmountVolumes)
	c.at(round+took, evRuntime, id, 0, answer(kubelet.VolumesUnmounted, -1))
}

// allVolumes says, as the Arg of an evVolume, that it is about all volumes, for the first time, and
// populate that it is the populator's first look at them, remount that those that are mounted are set up
// again.
const (
	allVolumes = -1
	populate   = -2
	remount    = -3
)

// setUpVolumes is the first time that the reconciler tries to set up a pod's volumes.
func (c *Cluster) setUpVolumes(id model.PodID) {
	o := &c.state.Pods[id]
	for i := range o.Template.VolumeSources {
		if o.Template.VolumeSources[i].Claim == "" && c.volumeError(o, i) != "" {
			c.setUpVolume(id, i)
		}
	}
	c.eachUse(id, func(v int32, _ *attachment, _ *volumeUser) { c.lookAtMount(v, o.Node) })
	c.maybeMounted(id)
}

// remountVolumes sets up a pod's mounted volumes again. The next attempt of those that fail comes by itself.
func (c *Cluster) remountVolumes(id model.PodID) {
	o, p := &c.state.Pods[id], &c.pods[id]
	for i := range o.Template.VolumeSources {
		if len(o.Template.VolumeSources[i].Sources) > 0 && p.machine.Remounts() && !p.machine.VolumeFails(i) && c.volumeError(o, i) != "" {
			c.setUpVolume(id, i)
		}
	}
}

// configChanged looks for mounted volumes that could not be made any more of a ConfigMap or Secret as it is
// now. The next sync of their pods will find out, so that it has to be an event.
func (c *Cluster) configChanged(name model.ConfigName) {
	for i := 1; i < len(c.pods); i++ {
		id, p := model.PodID(i), &c.pods[i]
		o := &c.state.Pods[i]
		if o.Node == 0 || !c.kubeletHas(id) || p.done || !p.machine.Remounts() || c.nodes[o.Node].cutOff() || !c.lacks(o, name) {
			continue
		}
		c.step(id, kubelet.Event{Kind: kubelet.VolumesStale})
		if p.resyncAt != model.Never {
			c.at(p.resyncAt, evWake, id, p.wakeGen, 0)
			p.resyncAt = model.Never
		}
	}
}

// lacks says that one of a pod's volumes cannot be made for want of a ConfigMap or Secret, or of a key.
func (c *Cluster) lacks(o *model.Pod, name model.ConfigName) bool {
	if o.Template.Namespace != name.Namespace {
		return false
	}
	for i := range o.Template.VolumeSources {
		for _, refs := range o.Template.VolumeSources[i].Sources {
			if refs[0].Secret == name.Secret && refs[0].Name == name.Name && c.fileError(name.Namespace, refs) != "" {
				return true
			}
		}
	}
	return false
}

// setUpVolume tries to set up one of a pod's VolumeSources.
func (c *Cluster) setUpVolume(id model.PodID, i int) {
	o := &c.state.Pods[id]
	if o.Template.VolumeSources[i].Claim != "" {
		c.mountAgain(id, i)
		return
	}
	e := kubelet.Event{Kind: kubelet.VolumeSetUp, N: int64(i)}
	why := c.volumeError(o, i)
	if why != "" {
		e.Kind = kubelet.VolumeFailed
		e.Message = model.Message{Kind: model.MessageFailedMount,
			Text: c.state.Texts.Intern(fmt.Sprintf("volume %q : %s", o.Template.VolumeSources[i].Name, why))}
	}
	c.step(id, e)
	if why == "" {
		c.maybeMounted(id)
	}
}

// volumeError is why a volume cannot be set up, "" when it can: for want of a path of the node, or of its
// ConfigMaps and Secrets. The
// errors of a projected volume's sources are put together (apimachinery util/errors
// NewAggregate, which tells the same error once). For a pod that has stopped the kubelet does not
// watch them any more (util/manager/watch_based_manager.go Get).
func (c *Cluster) volumeError(o *model.Pod, i int) string {
	if s := &o.Template.VolumeSources[i]; s.Path != "" && slices.Contains(c.nodes[o.Node].spec.MissingPaths, s.Path) {
		return fmt.Sprintf("hostPath type check failed, %s is not a %s, unable to determine its type: path %q does not exist", s.Path, pathKinds[s.PathType], s.Path)
	}
	var all []string
	for _, refs := range o.Template.VolumeSources[i].Sources {
		why := c.fileError(o.Template.Namespace, refs)
		if c.pods[o.ID].done {
			why = fmt.Sprintf("object %q/%q not registered", o.Template.Namespace, refs[0].Name)
		}
		if why != "" && !slices.Contains(all, why) {
			all = append(all, why)
		}
	}
	if len(all) > 1 {
		return "[" + strings.Join(all, ", ") + "]"
	}
	return strings.Join(all, "")
}

// pathKinds are the kubelet's words for the types of hostPath volumes (volume/hostpath
// checkTypeInternal).
var pathKinds = map[v1.HostPathType]string{v1.HostPathDirectory: "directory", v1.HostPathFile: "file", v1.HostPathSocket: "socket file",
	v1.HostPathCharDev: "character device", v1.HostPathBlockDev: "block device"}

// fileError is the first error of the references to one ConfigMap or Secret.
func (c *Cluster) fileError(namespace string, refs []model.ConfigRef) string {
	for j := range refs {
		if why := refs[j].FileError(c.configSource(namespace, &refs[j])); why != "" {
			return why
		}
	}
	return ""
}
