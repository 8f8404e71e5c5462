package sim

import (
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
)

// budget is a PodDisruptionBudget as the disruption controller keeps it.
//
// Differs from Kubernetes: a drain does not ask the budgets, which are for the scheduler's preemption only.
type budget struct {
	key
	object   *policyv1.PodDisruptionBudget
	selector labels.Selector
	// matched says, by TemplateID, whether the budget is known to match pods of the template or not.
	matched []templateMatch
}

// templateMatch is whether a template's pods match a selector.
type templateMatch uint8

const (
	matchUnknown templateMatch = iota
	matchYes
	matchNo
)

// applyBudget stores a budget, or its new specification.
func (c *Cluster) applyBudget(x *policyv1.PodDisruptionBudget) {
	selector, err := metav1.LabelSelectorAsSelector(x.Spec.Selector)
	if err != nil {
		selector = labels.Nothing()
	}
	for i := range c.budgets {
		if b := &c.budgets[i]; b.object.Namespace == x.Namespace && b.object.Name == x.Name {
			status := b.object.Status
			b.object, b.selector, b.matched = x.DeepCopy(), selector, b.matched[:0]
			b.object.Status = status
			c.enqueueBudget(i)
			return
		}
	}
	c.budgets = append(c.budgets, budget{key: key{luck: luckOf("poddisruptionbudget", x.Namespace, x.Name)}, object: x, selector: selector})
	c.tell(x, false)
	c.enqueueBudget(len(c.budgets) - 1)
}

func (c *Cluster) enqueueBudget(i int) { c.reconcile(&c.budgets[i].key, evSyncBudget, int32(i)) }

// podOfBudgetSeen enqueues the budgets that match a pod that changed
// (pkg/controller/disruption/disruption.go updatePod).
func (c *Cluster) podOfBudgetSeen(id model.PodID) {
	t := c.state.Pods[id].Template
	for i := range c.budgets {
		if c.budgets[i].matches(t) {
			c.enqueueBudget(i)
		}
	}
}

func (b *budget) matches(t *model.PodTemplate) bool {
	for len(b.matched) <= int(t.ID) {
		b.matched = append(b.matched, matchUnknown)
	}
	if b.matched[t.ID] == matchUnknown {
		b.matched[t.ID] = matchNo
		if b.object.Namespace == t.Namespace && b.selector.Matches(labels.Set(t.Labels)) {
			b.matched[t.ID] = matchYes
		}
	}
	return b.matched[t.ID] == matchYes
}

// syncBudget works out the status of a budget, and writes it when it changed (disruption.go trySync,
// updatePdbStatus).
func (c *Cluster) syncBudget(i int) {
	b := &c.budgets[i]
	b.queued = false
	expected, desired, healthy := c.countBudget(b)
	status := policyv1.PodDisruptionBudgetStatus{CurrentHealthy: healthy, DesiredHealthy: desired, ExpectedPods: expected}
	if expected > 0 {
		status.DisruptionsAllowed = max(0, healthy-desired)
	}
	old := &b.object.Status
	if old.CurrentHealthy == healthy && old.DesiredHealthy == desired && old.ExpectedPods == expected {
		return
	}
	b.object = b.object.DeepCopy()
	b.object.Status = status
	c.lifecycleWrites++
	c.after(c.request(&c.disruptionLimit, b.luck, c.lifecycleWrites)-c.now, evWriteBudget, int32(i), 0)
}

// countBudget counts a budget's pods: how many there should be, how many of them are to be healthy and
// how many are (getExpectedPodCount, countHealthyPods).
func (c *Cluster) countBudget(b *budget) (expected, desired, healthy int32) {
	pods, scale := int32(0), int32(0)
	var owners []model.ReplicaSetID
	for id := 1; id < len(c.pods); id++ {
		o := &c.state.Pods[id]
		if !c.pods[id].exists || !b.matches(o.Template) {
			continue
		}
		pods++
		if !o.Deleting && o.Status.Ready() {
			healthy++
		}
		owners = append(owners, o.Owner)
	}
	scale = c.scaleOf(owners)
	switch spec := &b.object.Spec; {
	case spec.MaxUnavailable != nil:
		unavailable, _ := intstr.GetScaledValueFromIntOrPercent(spec.MaxUnavailable, int(scale), true)
		return scale, max(0, scale-int32(unavailable)), healthy
	case spec.MinAvailable != nil && spec.MinAvailable.Type == intstr.String:
		available, _ := intstr.GetScaledValueFromIntOrPercent(spec.MinAvailable, int(scale), true)
		return scale, int32(available), healthy
	case spec.MinAvailable != nil:
		return pods, spec.MinAvailable.IntVal, healthy
	}
	return 0, 0, healthy
}

// scaleOf is the sum of the replicas of the workloads that control pods; pods without one do not
// count (getExpectedScale).
func (c *Cluster) scaleOf(owners []model.ReplicaSetID) (scale int32) {
	sets, deployments := map[model.ReplicaSetID]bool{}, map[model.DeploymentID]bool{}
	for _, id := range owners {
		if id == 0 || sets[id] {
			continue
		}
		sets[id] = true
		switch s := &c.state.ReplicaSets[id]; {
		case s.Owner == 0:
			scale += s.Replicas
		case !deployments[s.Owner]:
			deployments[s.Owner] = true
			scale += c.state.Deployments[s.Owner].Replicas
		}
	}
	return scale
}
