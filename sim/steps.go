package sim

import (
	"fmt"
	"hash/fnv"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/dump"

	"podsim/model"
	"podsim/model/controllers"
)

// hashLabel is the label that a Deployment puts on its ReplicaSets and their pods.
const hashLabel = appsv1.DefaultDeploymentUniqueLabelKey

// scenarioStep carries out a step of the scenario.
func (c *Cluster) scenarioStep(i int) {
	s := &c.scenario.Steps[i]
	switch s.Verb {
	case model.StepApply:
		c.applyAccounts(s.Objects)
		for j := range s.Objects {
			c.apply(&s.Objects[j])
		}
	case model.StepDelete:
		c.stepDelete(s)
	case model.StepScale:
		c.stepScale(s)
	case model.StepSetImage:
		c.stepSetImage(s)
	case model.StepSetCondition:
		c.stepSetCondition(s)
	case model.StepRegistry:
		c.stepRegistry(s)
	case model.StepResize:
		c.stepResize(s)
	case model.StepReseed:
		c.seed = s.Seed
	default:
		c.nodeStep(s)
	}
}

// miss notes a step whose target is not there.
func (c *Cluster) miss(s *model.Step) {
	c.warn("%s: %s at %s: %s %s/%s is not there", s.Where, s.Verb, s.At, s.Kind, s.Namespace, s.Name)
}

// apply stores an object of a manifest, or changes the one that is there.
func (c *Cluster) apply(o *model.Object) {
	switch x := o.Object.(type) {
	case *appsv1.Deployment:
		c.applyDeployment(x)
	case *appsv1.ReplicaSet:
		c.applyReplicaSet(x)
	case *v1.Pod:
		c.applyPod(x, o.Where)
	case *v1.Service:
		c.applyService(x)
	case *v1.Namespace:
		c.applyNamespace(x)
	case *v1.ConfigMap:
		c.applyConfig(model.ConfigMapSource(x))
	case *v1.Secret:
		c.applyConfig(model.SecretSource(x))
	case *policyv1.PodDisruptionBudget:
		c.applyBudget(x)
	case *v1.PersistentVolume, *v1.PersistentVolumeClaim, *storagev1.StorageClass, *storagev1.CSINode, *storagev1.CSIDriver,
		*storagev1.CSIStorageCapacity, *storagev1.VolumeAttachment,
		*resourcev1.DeviceClass, *resourcev1.ResourceSlice, *resourcev1.ResourceClaim, *resourcev1.ResourceClaimTemplate:
		c.applyObject(x.(metav1.Object))
	}
}

func (c *Cluster) applyService(x *v1.Service) {
	for i := 1; i < len(c.state.Services); i++ {
		s := &c.state.Services[i]
		if s.Object.Namespace == x.Namespace && s.Object.Name == x.Name && !s.Deleted {
			s.Object = x
			c.changed(model.KindService, int32(i), model.Modified)
			return
		}
	}
	id := int32(len(c.state.Services))
	c.state.Services = append(c.state.Services, model.Service{ID: id, Created: c.now, Object: x})
	c.changed(model.KindService, id, model.Added)
}

func (c *Cluster) applyPod(x *v1.Pod, where model.Position) {
	if c.podNamed(x.Namespace, x.Name) != 0 {
		c.warn("%s: pod %s/%s is there already; a pod cannot be changed", where, x.Namespace, x.Name)
		return
	}
	spec := c.admitted(x.Namespace, x.Labels, &x.Spec)
	t := c.state.Compile(x.Namespace, x.Labels, x.Annotations, spec)
	c.createPod(x.Name, t, 0, luckOf("pod", x.Namespace, x.Name))
}

// applyAccounts stores the service accounts among objects. They count for all of the objects: a pod
// whose account is not there yet is made once it is.
func (c *Cluster) applyAccounts(objects []model.Object) {
	for i := range objects {
		if x, ok := objects[i].Object.(*v1.ServiceAccount); ok {
			c.accounts[accountName{x.Namespace, x.Name}] = x
		}
	}
}

// accountName is a service account's name in its namespace.
type accountName struct{ namespace, name string }

// admitted is the specification of a pod with the labels as the API server stores it.
func (c *Cluster) admitted(namespace string, labels map[string]string, spec *v1.PodSpec) *v1.PodSpec {
	c.useNamespace(namespace)
	spec = spec.DeepCopy()
	model.MergeLabelKeys(spec, labels)
	model.AdmitPodSpec(spec, c.accounts[accountName{namespace, model.AccountOf(spec)}])
	return spec
}

// podName is a pod's name in its namespace.
type podName struct{ namespace, name string }

// podNamed is the id of the pod of this name, 0 when there is none.
func (c *Cluster) podNamed(namespace, name string) model.PodID {
	return c.podNames[podName{namespace, name}]
}

func (c *Cluster) deploymentNamed(namespace, name string) *model.Deployment {
	for i := 1; i < len(c.state.Deployments); i++ {
		if d := &c.state.Deployments[i]; d.Name == name && d.Namespace == namespace && !d.Deleted {
			return d
		}
	}
	return nil
}

func (c *Cluster) replicaSetNamed(namespace, name string) *model.ReplicaSet {
	for i := 1; i < len(c.state.ReplicaSets); i++ {
		if s := &c.state.ReplicaSets[i]; s.Name == name && s.Namespace == namespace && !s.Deleted {
			return s
		}
	}
	return nil
}

func (c *Cluster) applyDeployment(x *appsv1.Deployment) {
	d := c.deploymentNamed(x.Namespace, x.Name)
	change := model.Modified
	if d == nil {
		change = model.Added
		id := model.DeploymentID(len(c.state.Deployments))
		c.state.Deployments = append(c.state.Deployments, model.Deployment{ID: id, Namespace: x.Namespace, Name: x.Name, Created: c.now})
		c.deployments = append(c.deployments, deploymentKey{key: key{luck: luckOf("deployment", x.Namespace, x.Name)}})
		d = &c.state.Deployments[id]
	}
	d.Object = x
	d.Labels = x.Labels
	d.Selector, _ = metav1.LabelSelectorAsSelector(x.Spec.Selector)
	d.Replicas = *x.Spec.Replicas
	d.MinReadySeconds = x.Spec.MinReadySeconds
	d.ProgressDeadlineSeconds = *x.Spec.ProgressDeadlineSeconds
	d.RevisionHistoryLimit = *x.Spec.RevisionHistoryLimit
	d.Paused = x.Spec.Paused
	d.Recreate = x.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
	if r := x.Spec.Strategy.RollingUpdate; r != nil {
		d.MaxSurge, d.MaxUnavailable = *r.MaxSurge, *r.MaxUnavailable
	}
	c.setTemplate(d)
	d.Generation++
	c.changed(model.KindDeployment, int32(d.ID), change)
}

// setTemplate works out the hash of a Deployment's template.
func (c *Cluster) setTemplate(d *model.Deployment) {
	d.Hash = templateHash(&d.Object.Spec.Template)
	for _, id := range d.ReplicaSets {
		if s := &c.state.ReplicaSets[id]; s.Hash == d.Hash {
			d.Template = s.Template
			return
		}
	}
	labels := withLabel(d.Object.Spec.Template.Labels, hashLabel, d.Hash)
	spec := c.admitted(d.Namespace, labels, &d.Object.Spec.Template.Spec)
	d.Template = c.state.Compile(d.Namespace, labels, d.Object.Spec.Template.Annotations, spec)
}

// templateHash is the pod-template-hash (pkg/controller/controller_utils.go ComputeHash).
func templateHash(t *v1.PodTemplateSpec) string {
	h := fnv.New32a()
	fmt.Fprintf(h, "%v", dump.ForHash(*t))
	return rand.SafeEncodeString(fmt.Sprint(h.Sum32()))
}

func withLabel(labels map[string]string, key, value string) map[string]string {
	out := make(map[string]string, len(labels)+1)
	for k, v := range labels {
		out[k] = v
	}
	out[key] = value
	return out
}

// createReplicaSet stores the ReplicaSet of a Deployment's present template.
func (c *Cluster) createReplicaSet(d *model.Deployment, replicas int32) *model.ReplicaSet {
	d.Revision++
	s := c.newReplicaSet(model.ReplicaSet{Namespace: d.Namespace, Name: d.Name + "-" + d.Hash, Labels: d.Template.Labels,
		Owner: d.ID, Template: d.Template, Hash: d.Hash, Replicas: replicas, MinReadySeconds: d.MinReadySeconds,
		Revision: d.Revision, Desired: d.Replicas, Max: controllers.MaxReplicas(d)})
	selector := d.Object.Spec.Selector.DeepCopy()
	selector.MatchLabels = withLabel(selector.MatchLabels, hashLabel, d.Hash)
	s.Selector, _ = metav1.LabelSelectorAsSelector(selector)
	d.ReplicaSets = append(d.ReplicaSets, s.ID)
	c.changed(model.KindReplicaSet, int32(s.ID), model.Added)
	return s
}

func (c *Cluster) newReplicaSet(s model.ReplicaSet) *model.ReplicaSet {
	s.ID, s.Created, s.Generation = model.ReplicaSetID(len(c.state.ReplicaSets)), c.now, 1
	c.state.ReplicaSets = append(c.state.ReplicaSets, s)
	c.replicaSets = append(c.replicaSets, replicaSetKey{key: key{luck: luckOf("replicaset", s.Namespace, s.Name)}})
	return &c.state.ReplicaSets[s.ID]
}

func (c *Cluster) applyReplicaSet(x *appsv1.ReplicaSet) {
	if s := c.replicaSetNamed(x.Namespace, x.Name); s != nil {
		s.Replicas = *x.Spec.Replicas
		s.Generation++
		c.changed(model.KindReplicaSet, int32(s.ID), model.Modified)
		return
	}
	spec := c.admitted(x.Namespace, x.Spec.Template.Labels, &x.Spec.Template.Spec)
	t := c.state.Compile(x.Namespace, x.Spec.Template.Labels, x.Spec.Template.Annotations, spec)
	s := c.newReplicaSet(model.ReplicaSet{Namespace: x.Namespace, Name: x.Name, Labels: x.Labels, Template: t,
		Replicas: *x.Spec.Replicas, MinReadySeconds: x.Spec.MinReadySeconds})
	s.Selector, _ = metav1.LabelSelectorAsSelector(x.Spec.Selector)
	c.changed(model.KindReplicaSet, int32(s.ID), model.Added)
}

func (c *Cluster) stepDelete(s *model.Step) {
	switch s.Kind {
	case model.KindPod:
		id := c.podNamed(s.Namespace, s.Name)
		if id == 0 {
			c.miss(s)
			return
		}
		if s.Force {
			c.removePod(id)
			return
		}
		// The API server takes 0 for a forced delete only; kubectl sends 1 instead.
		grace := s.GraceSeconds
		if grace == 0 {
			grace = 1
		}
		c.deletePod(id, grace)
	case model.KindDeployment:
		d := c.deploymentNamed(s.Namespace, s.Name)
		if d == nil {
			c.miss(s)
			return
		}
		d.Deleting, d.Deleted = true, true
		c.changed(model.KindDeployment, int32(d.ID), model.Deleted)
		c.after(collectDelay, evCollect, int32(d.ID), int32(model.KindDeployment))
	case model.KindReplicaSet:
		r := c.replicaSetNamed(s.Namespace, s.Name)
		if r == nil {
			c.miss(s)
			return
		}
		c.deleteReplicaSet(r.ID)
	case model.KindService:
		c.deleteService(s)
	case model.KindConfigMap, model.KindSecret:
		c.deleteConfig(s)
	default:
		c.warn("%s: delete at %s: %s cannot be deleted in a simulation", s.Where, s.At, s.Kind)
	}
}

func (c *Cluster) deleteService(step *model.Step) {
	for i := 1; i < len(c.state.Services); i++ {
		s := &c.state.Services[i]
		if s.Object.Namespace == step.Namespace && s.Object.Name == step.Name && !s.Deleted {
			s.Deleted = true
			c.changed(model.KindService, int32(i), model.Deleted)
			return
		}
	}
	c.miss(step)
}

// collectDelay is how long the garbage collector takes to delete what belonged to a deleted
// object (measured: 5 ms for a ReplicaSet, 10 to 20 ms for its pods).
const collectDelay = 5 * model.Millisecond

func (c *Cluster) deleteReplicaSet(id model.ReplicaSetID) {
	s := &c.state.ReplicaSets[id]
	if s.Deleted {
		return
	}
	s.Deleting, s.Deleted = true, true
	c.changed(model.KindReplicaSet, int32(id), model.Deleted)
	if d := s.Owner; d != 0 {
		o := &c.state.Deployments[d]
		for i, r := range o.ReplicaSets {
			if r == id {
				o.ReplicaSets = append(o.ReplicaSets[:i], o.ReplicaSets[i+1:]...)
				break
			}
		}
	}
	c.after(collectDelay, evCollect, int32(id), int32(model.KindReplicaSet))
}

// collect deletes what belonged to a deleted object: background propagation.
func (c *Cluster) collect(kind model.ObjectKind, id int32) {
	if kind == model.KindDeployment {
		for _, s := range append([]model.ReplicaSetID(nil), c.state.Deployments[id].ReplicaSets...) {
			c.deleteReplicaSet(s)
		}
		return
	}
	for _, p := range append([]model.PodID(nil), c.state.ReplicaSets[id].Pods...) {
		c.deletePod(p, noGrace)
	}
}

func (c *Cluster) stepScale(s *model.Step) {
	switch s.Kind {
	case model.KindDeployment:
		if d := c.deploymentNamed(s.Namespace, s.Name); d != nil {
			d.Replicas = s.Replicas
			d.Generation++
			c.changed(model.KindDeployment, int32(d.ID), model.Modified)
			return
		}
	case model.KindReplicaSet:
		if r := c.replicaSetNamed(s.Namespace, s.Name); r != nil {
			r.Replicas = s.Replicas
			r.Generation++
			c.changed(model.KindReplicaSet, int32(r.ID), model.Modified)
			return
		}
	}
	c.miss(s)
}

func (c *Cluster) stepSetImage(s *model.Step) {
	d := c.deploymentNamed(s.Namespace, s.Name)
	if s.Kind != model.KindDeployment || d == nil {
		c.miss(s)
		return
	}
	x := d.Object.DeepCopy()
	found := false
	for _, list := range [][]v1.Container{x.Spec.Template.Spec.InitContainers, x.Spec.Template.Spec.Containers} {
		for i := range list {
			if s.Container == "*" || s.Container == list[i].Name {
				list[i].Image = s.Image
				found = true
			}
		}
	}
	if !found {
		c.warn("%s: setImage at %s: deployment %s has no container %q", s.Where, s.At, s.Name, s.Container)
		return
	}
	d.Object = x
	c.setTemplate(d)
	d.Generation++
	c.changed(model.KindDeployment, int32(d.ID), model.Modified)
}

// stepSetCondition patches the status of pods as the controller of a readiness gate does.
func (c *Cluster) stepSetCondition(s *model.Step) {
	there, found := false, false
	for id := range c.pods {
		o := &c.state.Pods[id]
		if !c.pods[id].exists || o.Template.Namespace != s.Namespace || !model.Matches(s.Name, o.Name) {
			continue
		}
		there = true
		for i, g := range o.Template.Spec.ReadinessGates {
			if string(g.ConditionType) != s.Condition {
				continue
			}
			found = true
			if o.Status.SetGate(i, s.Status, c.now) {
				c.changed(model.KindPod, int32(id), model.Modified)
			}
		}
	}
	switch {
	case !there:
		c.miss(s)
	case !found:
		c.warn("%s: setCondition at %s: pod %s/%s has no readiness gate %q", s.Where, s.At, s.Namespace, s.Name, s.Condition)
	}
}
