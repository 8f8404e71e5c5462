package sim

import (
	"slices"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/scheduler/framework"
)

// claimRetryMax is the longest that the ResourceClaim controller waits before it tries again to make
// a claim whose template is not there; claimRetry is the shortest (client-go's
// DefaultControllerRateLimiter).
const (
	claimRetry    = 5 * model.Millisecond
	claimRetryMax = 1000 * model.Second
)

// storeResourceClaim stores a ResourceClaim.
func (c *Cluster) storeResourceClaim(o *resourcev1.ResourceClaim) {
	c.storage.resourceClaims.Set(framework.Key(o.Namespace, o.Name), o)
	c.tell(o, false)
}

// resourceClaimsOf is a pod's change as the ResourceClaim controller sees it
// (pkg/controller/resourceclaim/controller.go syncPod, syncClaim).
//
// Differs from Kubernetes: the controller's writes take no time when a pod has ended.
func (c *Cluster) resourceClaimsOf(id model.PodID, change model.ChangeType) {
	o := &c.state.Pods[id]
	if len(o.Template.Spec.ResourceClaims) == 0 {
		return
	}
	switch {
	case change == model.Deleted || o.Status.Phase.Terminal():
		c.releaseClaims(o, change == model.Deleted)
	case change == model.Added:
		delays := &c.scenario.ControlPlane
		c.at(c.now+c.delay(id, streamStorage, &delays.Reconcile)+c.delay(id, streamStorage, &delays.Write), evMakeResourceClaims, id, 0, 0)
	}
}

// makeResourceClaims makes the claims that a pod has templates of, all or none.
func (c *Cluster) makeResourceClaims(id model.PodID, attempt int32) {
	o, p := &c.state.Pods[id], &c.pods[id]
	if !p.exists || o.ResourceClaims != nil {
		return
	}
	made := &model.ResourceClaims{}
	var claims []*resourcev1.ResourceClaim
	for i := range o.Template.Spec.ResourceClaims {
		k := &o.Template.Spec.ResourceClaims[i]
		if k.ResourceClaimTemplateName == nil {
			continue
		}
		t, ok := c.storage.templates.Get(framework.Key(o.Template.Namespace, *k.ResourceClaimTemplateName))
		if !ok {
			c.at(c.now+min(claimRetry<<min(attempt, 20), claimRetryMax), evMakeResourceClaims, id, 0, attempt+1)
			return
		}
		suffix := randomSuffix(Draw(c.seed, streamName, p.luck, uint64(i)))
		name := o.Name + "-" + k.Name + "-" + string(suffix[:])
		claims = append(claims, claimFrom(t, o, name))
		made.Statuses = append(made.Statuses, v1.PodResourceClaimStatus{Name: k.Name, ResourceClaimName: &name})
	}
	if claims == nil {
		return
	}
	for _, claim := range claims {
		c.storeResourceClaim(claim)
	}
	o.ResourceClaims = made
	c.changed(model.KindPod, int32(id), model.Modified)
}

func claimFrom(t *resourcev1.ResourceClaimTemplate, o *model.Pod, name string) *resourcev1.ResourceClaim {
	controller := true
	return &resourcev1.ResourceClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Template.Namespace, Name: name, Labels: t.Spec.Labels, Annotations: t.Spec.Annotations,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: o.Name, Controller: &controller}}},
		Spec: *t.Spec.Spec.DeepCopy(),
	}
}

// allocateClaims is what the scheduler has decided about a pod's ResourceClaims, as it reaches the API
// server (dynamicresources.go bindClaim).
func (c *Cluster) allocateClaims(id model.PodID) {
	for _, decided := range c.scheduler.PodClaims(id) {
		stored, ok := c.storage.resourceClaims.Get(framework.Key(decided.Namespace, decided.Name))
		if !ok {
			continue
		}
		claim := stored.DeepCopy()
		if claim.Status.Allocation == nil {
			claim.Status.Allocation = decided.Status.Allocation
		}
		user := resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: c.state.Pods[id].Name}
		if !slices.Contains(claim.Status.ReservedFor, user) {
			claim.Status.ReservedFor = append(claim.Status.ReservedFor, user)
		}
		c.storeResourceClaim(claim)
	}
}

// releaseClaims takes a pod that has ended off the users of its claims. A claim without users is
// deallocated; one that was made for the pod goes with it.
func (c *Cluster) releaseClaims(o *model.Pod, deleted bool) {
	for i := range o.Template.Spec.ResourceClaims {
		name, made := claimNameOf(o, &o.Template.Spec.ResourceClaims[i])
		key := framework.Key(o.Template.Namespace, name)
		stored, ok := c.storage.resourceClaims.Get(key)
		if !ok {
			continue
		}
		user := func(r resourcev1.ResourceClaimConsumerReference) bool {
			return r.Resource == "pods" && r.Name == o.Name
		}
		if slices.ContainsFunc(stored.Status.ReservedFor, user) {
			stored = stored.DeepCopy()
			stored.Status.ReservedFor = slices.DeleteFunc(stored.Status.ReservedFor, user)
			if len(stored.Status.ReservedFor) == 0 {
				stored.Status.Allocation = nil
			}
			c.storeResourceClaim(stored)
		}
		if made && deleted {
			c.storage.resourceClaims.Delete(key)
			c.tell(stored, true)
		}
	}
}

// claimNameOf is the name of a pod's claim, and whether it was made for the pod.
func claimNameOf(o *model.Pod, k *v1.PodResourceClaim) (name string, made bool) {
	if k.ResourceClaimName != nil {
		return *k.ResourceClaimName, false
	}
	if o.ResourceClaims != nil {
		for _, s := range o.ResourceClaims.Statuses {
			if s.Name == k.Name && s.ResourceClaimName != nil {
				return *s.ResourceClaimName, true
			}
		}
	}
	return "", false
}
