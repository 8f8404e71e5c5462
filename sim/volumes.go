package sim

import (
	"fmt"
	"slices"
	"strings"

	"podsim/model"
	"podsim/model/kubelet"
)

// mountVolumes sets up a pod's volumes. Where the ConfigMaps and Secrets are all there, that
// takes the drawn time; where not, the kubelet's reconciler finds out.
func (c *Cluster) mountVolumes(id model.PodID) {
	o := &c.state.Pods[id]
	for i := range o.Template.VolumeSources {
		if c.volumeError(o, i) == "" {
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
	if c.pods[id].machine.Populates() {
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
// populate that it is the populator's first look at them.
const (
	allVolumes = -1
	populate   = -2
)

// setUpVolumes is the first time that the reconciler tries to set up a pod's volumes.
func (c *Cluster) setUpVolumes(id model.PodID) {
	o := &c.state.Pods[id]
	mounted := true
	for i := range o.Template.VolumeSources {
		if c.volumeError(o, i) != "" {
			mounted = false
			c.setUpVolume(id, i)
		}
	}
	if mounted {
		c.step(id, kubelet.Event{Kind: kubelet.VolumesMounted})
	}
}

// setUpVolume tries to set up one of a pod's VolumeSources.
func (c *Cluster) setUpVolume(id model.PodID, i int) {
	o := &c.state.Pods[id]
	e := kubelet.Event{Kind: kubelet.VolumeSetUp, N: int64(i)}
	if why := c.volumeError(o, i); why != "" {
		e.Kind, e.Text = kubelet.VolumeFailed, c.state.Texts.Intern(fmt.Sprintf("volume %q : %s", o.Template.VolumeSources[i].Name, why))
	}
	c.step(id, e)
}

// volumeError is why a volume cannot be made of its ConfigMaps and Secrets, "" when it can. The
// errors of a projected volume's sources are put together (apimachinery util/errors
// NewAggregate, which tells the same error once). For a pod that has stopped the kubelet does not
// watch them any more (util/manager/watch_based_manager.go Get).
func (c *Cluster) volumeError(o *model.Pod, i int) string {
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

// fileError is the first error of the references to one ConfigMap or Secret.
func (c *Cluster) fileError(namespace string, refs []model.ConfigRef) string {
	for j := range refs {
		if why := refs[j].FileError(c.configSource(namespace, &refs[j])); why != "" {
			return why
		}
	}
	return ""
}
