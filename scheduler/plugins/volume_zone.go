package plugins

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/component-helpers/storage/volume"
	"podsim/scheduler/framework"
)

// volumeZone holds what PreFilter found.
type volumeZone struct {
	topologies []volumeTopology
}

// volumeTopology is a label of a volume that a node must match.
type volumeTopology struct {
	key string
	// values are the node's values that match.
	values []string
}

var topologyLabels = [...]string{v1.LabelFailureDomainBetaZone, v1.LabelFailureDomainBetaRegion, v1.LabelTopologyZone, v1.LabelTopologyRegion}

// VolumeZone keeps pods to the zones and regions that the labels of their volumes name
// (pkg/scheduler/framework/plugins/volumezone/volume_zone.go).
func VolumeZone() framework.Plugin {
	pl := &volumeZone{}
	return framework.Plugin{
		ID: framework.VolumeZone,
		Global: &framework.Global{
			Concerns: func(c *framework.PodClass) bool {
				return slices.ContainsFunc(c.Claims, func(v framework.VolumeClaim) bool { return !v.Ephemeral })
			},
			PreFilter: pl.preFilter,
			Filter:    pl.filter,
		},
		Events: framework.NodeAdd | framework.UpdateNodeLabel | framework.ObjectChange,
		Hint:   hintVolumeZone,
	}
}

// preFilter collects the labels of the bound volumes (getPVbyPod).
func (pl *volumeZone) preFilter(y *framework.Cycle, c *framework.PodClass, r *framework.PreFilterResult) {
	pl.topologies = pl.topologies[:0]
	for i := range c.Claims {
		if v := &c.Claims[i]; !v.Ephemeral {
			if r.Message = pl.addClaim(y, v); r.Message != "" {
				return
			}
		}
	}
	r.Skip = len(pl.topologies) == 0
}

// addClaim adds the labels of a claim's volume, or says why the pod cannot go anywhere.
func (pl *volumeZone) addClaim(y *framework.Cycle, v *framework.VolumeClaim) (message string) {
	claim, ok := y.Objects.PersistentVolumeClaims.Get(v.Key)
	if !ok {
		return notFound("persistentvolumeclaim", v.Name)
	}
	if claim.Spec.VolumeName != "" {
		pv, ok := y.Objects.PersistentVolumes.Get(claim.Spec.VolumeName)
		if !ok {
			return notFound("persistentvolume", claim.Spec.VolumeName)
		}
		pl.topologies = appendTopologies(pl.topologies, pv)
		return ""
	}
	name := volume.GetPersistentVolumeClaimClass(claim)
	if name == "" {
		return "PersistentVolumeClaim had no pv name and storageClass name"
	}
	switch class, ok := y.Objects.StorageClasses.Get(name); {
	case !ok:
		return notFound("storageclass.storage.k8s.io", name)
	case class.VolumeBindingMode == nil:
		return fmt.Sprintf("VolumeBindingMode not set for StorageClass %q", name)
	case *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer:
		return "PersistentVolume had no name"
	}
	return ""
}

// appendTopologies appends the labels of a volume that say where it is (getPVTopologies).
func appendTopologies(list []volumeTopology, pv *v1.PersistentVolume) []volumeTopology {
	for _, key := range topologyLabels {
		value, ok := pv.Labels[key]
		if !ok {
			continue
		}
		// A volume that is in several zones has them in one value
		// (k8s.io/cloud-provider/volume LabelMultiZoneDelimiter).
		values := strings.Split(value, "__")
		for i := range values {
			values[i] = strings.TrimSpace(values[i])
		}
		if !slices.Contains(values, "") {
			list = append(list, volumeTopology{key, values})
		}
	}
	return list
}

// filter admits every node without such labels, as in a cluster of one zone.
func (pl *volumeZone) filter(_ *framework.Cycle, _ *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	labels := n.Object.Labels
	if !slices.ContainsFunc(topologyLabels[:], func(key string) bool { _, ok := labels[key]; return ok }) {
		return true
	}
	for i := range pl.topologies {
		t := &pl.topologies[i]
		value, ok := labels[t.key]
		if !ok {
			value, ok = labels[stableLabel(t.key)]
		}
		if !ok || !slices.Contains(t.values, value) {
			st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonVolumeZone)
			return false
		}
	}
	return true
}

// stableLabel is the label that came after the beta one.
func stableLabel(key string) string {
	switch key {
	case v1.LabelFailureDomainBetaRegion:
		return v1.LabelTopologyRegion
	case v1.LabelFailureDomainBetaZone:
		return v1.LabelTopologyZone
	}
	return key
}

// hintVolumeZone follows isSchedulableAfterPersistentVolumeClaimChange,
// isSchedulableAfterStorageClassAdded and isSchedulableAfterPersistentVolumeChange.
func hintVolumeZone(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action != framework.ObjectChange {
		return true
	}
	switch o := e.Object.(type) {
	case *v1.PersistentVolumeClaim:
		return namesClaim(c, o)
	case *storagev1.StorageClass:
		return e.OldObject == nil && waitsForConsumer(o)
	case *v1.PersistentVolume:
		old, ok := e.OldObject.(*v1.PersistentVolume)
		return !ok || !sameTopologies(old, o)
	}
	return false
}

func sameTopologies(a, b *v1.PersistentVolume) bool {
	same := func(t, u volumeTopology) bool { return t.key == u.key && sameSet(t.values, u.values) }
	return slices.EqualFunc(appendTopologies(nil, a), appendTopologies(nil, b), same)
}

func sameSet(a, b []string) bool {
	within := func(a, b []string) bool {
		return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
	}
	return within(a, b) && within(b, a)
}
