package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

// running puts a pod on a node that has been there since a second, with a name and labels of its own.
func (c *cluster) running(node model.NodeID, app, cpu string, priority int32, started model.Time) model.PodID {
	p := pod(cpu, "")
	p.Labels = map[string]string{"app": app}
	p.Spec.Priority = &priority
	for len(c.state.Pods) == 0 {
		c.state.Pods = append(c.state.Pods, model.Pod{})
	}
	id := model.PodID(len(c.state.Pods))
	c.state.Pods = append(c.state.Pods, model.Pod{ID: id, Name: app})
	c.state.Pods[id].Status.StartTime = started
	c.AssignedPodAdded(id, compile(c.state, p), node, 0)
	return id
}

func (c *cluster) budget(app string, allowed int32, disrupted ...string) {
	b := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed, DisruptedPods: map[string]metav1.Time{}},
	}
	for _, name := range disrupted {
		b.Status.DisruptedPods[name] = metav1.Time{}
	}
	c.SetObject(b, 0)
}

// preempt is what preemption would do for a pod.
func (c *cluster) preempt(t *testing.T, cpu string, change ...func(*v1.PodSpec)) *Preemption {
	x := c.Explain(framework.Pod{}, c.template(cpu, change...))
	require.NotNil(t, x.Preemption, x.PreemptionMessage)
	return x.Preemption
}

// Of the pods of lower priority the less important go: those of the lowest priority that
// started last. They are listed from the most important on.
func TestVictims(t *testing.T) {
	c := newCluster(node("a", "4", "1Ti", nil))
	c.running(1, "first", "1", 0, 1*model.Second)
	second := c.running(1, "second", "1", 0, 2*model.Second)
	c.running(1, "other", "1", 5, 9*model.Second)
	third := c.running(1, "third", "1", 0, 3*model.Second)
	require.Equal(t, []model.PodID{third}, c.preempt(t, "1", priority(10)).Chosen.Victims)
	require.Equal(t, []model.PodID{second, third}, c.preempt(t, "2", priority(10)).Chosen.Victims)
	x := c.Explain(framework.Pod{}, c.template("4", priority(5)))
	require.Equal(t, "0/1 nodes are available: 1 Insufficient cpu.", x.PreemptionMessage)
	x = c.Explain(framework.Pod{}, c.template("1"))
	require.Equal(t, "0/1 nodes are available: 1 No preemption victims found for incoming pod.", x.PreemptionMessage)
}

// Times are compared as the API server stores them, in whole seconds; what has not started
// counts as started now.
func TestVictimsByStart(t *testing.T) {
	c := newCluster(node("a", "3", "1Ti", nil))
	c.running(1, "a", "1", 0, 1500*model.Millisecond)
	c.running(1, "b", "1", 0, 1200*model.Millisecond)
	waiting := c.running(1, "c", "1", 0, model.Never)
	require.Equal(t, []model.PodID{waiting}, c.preempt(t, "1", priority(10)).Chosen.Victims)
}

// A budget that does not allow a disruption protects its pods, as long as others suffice.
func TestVictimsAndBudgets(t *testing.T) {
	c := newCluster(node("a", "2", "1Ti", nil))
	old := c.running(1, "old", "1", 0, 1*model.Second)
	young := c.running(1, "young", "1", 0, 2*model.Second)
	c.budget("young", 0)
	p := c.preempt(t, "1", priority(10)).Chosen
	require.Equal(t, []model.PodID{old}, p.Victims)
	require.Zero(t, p.PDBViolations)
	p = c.preempt(t, "2", priority(10)).Chosen
	require.Equal(t, []model.PodID{old, young}, p.Victims)
	require.EqualValues(t, 1, p.PDBViolations)
	c.budget("young", 1)
	require.Equal(t, []model.PodID{young}, c.preempt(t, "1", priority(10)).Chosen.Victims)
	c.budget("young", 0, "young")
	require.Equal(t, []model.PodID{young}, c.preempt(t, "1", priority(10)).Chosen.Victims)
}

// The criteria by which the node is chosen, the first first.
func TestCandidates(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fill   func(c *cluster)
		chosen model.NodeID
	}{
		{"violations", func(c *cluster) {
			c.running(1, "a", "4", 0, 0)
			c.running(2, "b", "4", 9, 0)
			c.budget("a", 0)
		}, 2},
		{"highest priority", func(c *cluster) {
			c.running(1, "a", "4", 9, 0)
			c.running(2, "b", "2", 8, 0)
			c.running(2, "b", "2", 8, 0)
		}, 2},
		{"sum of priorities", func(c *cluster) {
			c.running(1, "a", "2", 9, 0)
			c.running(1, "a", "2", 2, 0)
			c.running(2, "b", "2", 9, 0)
			c.running(2, "b", "2", 1, 0)
		}, 2},
		{"sum of negative priorities", func(c *cluster) {
			c.running(1, "a", "2", -5, 0)
			c.running(1, "a", "2", -5, 0)
			c.running(2, "b", "4", -5, 0)
		}, 2},
		{"latest start of those of the highest priority", func(c *cluster) {
			c.running(1, "a", "2", 9, 5*model.Second)
			c.running(1, "a", "2", 1, 0)
			c.running(2, "b", "2", 9, 6*model.Second)
			c.running(2, "b", "2", 1, 0)
		}, 2},
	} {
		c := newCluster(node("a", "4", "1Ti", nil), node("b", "4", "1Ti", nil))
		tc.fill(c)
		p := c.preempt(t, "4", priority(10))
		require.Equal(t, tc.chosen, p.Chosen.Node, tc.name)
		require.Equal(t, []model.NodeID{tc.chosen}, p.Top, tc.name)
		require.Len(t, p.Candidates, 2, tc.name)
	}
}

// A pod must leave the place to the nominated pods that are as important as it, but not to others.
func TestNominatedPodsCount(t *testing.T) {
	c := newCluster(node("a", "2", "1Ti", nil))
	c.state.Pods = make([]model.Pod, 2)
	c.state.Pods[1] = model.Pod{ID: 1, Nominated: 1}
	c.AddNominatedPod(1, c.template("2", priority(5)))
	x := c.Explain(framework.Pod{}, c.template("1", priority(5)))
	require.Equal(t, "0/1 nodes are available: 1 Insufficient cpu.", x.FilterMessage)
	x = c.Explain(framework.Pod{ID: 1}, c.template("2", priority(5)))
	require.Equal(t, []model.NodeID{1}, x.Top, "not to itself")
	x = c.Explain(framework.Pod{}, c.template("1", priority(6)))
	require.Equal(t, []model.NodeID{1}, x.Top)
	c.DeletePending(1, 0)
	x = c.Explain(framework.Pod{}, c.template("1", priority(5)))
	require.Equal(t, []model.NodeID{1}, x.Top)
}

func TestNotEligibleToPreempt(t *testing.T) {
	c := newCluster(node("a", "1", "1Ti", nil))
	victim := c.running(1, "a", "1", 0, 0)
	never := v1.PreemptNever
	x := c.Explain(framework.Pod{}, c.template("1", priority(5), func(s *v1.PodSpec) { s.PreemptionPolicy = &never }))
	require.Equal(t, "not eligible due to preemptionPolicy=Never.", x.PreemptionMessage)
	high := c.template("1", priority(5))
	x = c.Explain(framework.Pod{Nominated: 1}, high)
	require.NotNil(t, x.Preemption)
	o := &c.state.Pods[victim]
	o.Deleting = true
	o.Status.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonPreemptionByScheduler, model.Message{}, 0)
	c.AssignedPodUpdated(victim, c.pods[victim].class.Template, 0)
	x = c.Explain(framework.Pod{Nominated: 1}, high)
	require.Equal(t, "not eligible due to a terminating pod on the nominated node.", x.PreemptionMessage)
	require.NotNil(t, c.Explain(framework.Pod{}, high).Preemption)
}

// add puts a pod into the queue as the state has it.
func (c *cluster) add(name string, t *model.PodTemplate) model.PodID {
	for len(c.state.Pods) == 0 {
		c.state.Pods = append(c.state.Pods, model.Pod{})
	}
	id := model.PodID(len(c.state.Pods))
	c.state.Pods = append(c.state.Pods, model.Pod{ID: id, Name: name, Template: t})
	c.state.Pods[id].Status.StartTime = model.Never
	c.Add(id, t, 0)
	return id
}

// written says that status.nominatedNodeName of a pending pod was written and seen.
func (c *cluster) written(id model.PodID, node model.NodeID, now model.Time) {
	c.state.Pods[id].Nominated = node
	c.UpdatePending(id, c.state.Pods[id].Template, now)
}

// deleting says that a victim was marked and its deletion seen.
func (c *cluster) deleting(id model.PodID) {
	o := &c.state.Pods[id]
	o.Deleting = true
	o.Status.SetCondition(model.DisruptionTarget, model.ConditionTrue, model.ReasonPreemptionByScheduler, model.Message{}, 0)
	c.AssignedPodUpdated(id, c.pods[id].class.Template, 0)
}

// The life of a preemption: the pod is nominated, held back until the victims' deletion has begun,
// and bound when the last of them has ended.
func TestPreemption(t *testing.T) {
	c := newCluster(node("a", "2", "1Ti", nil))
	one, two := c.running(1, "one", "1", 0, 0), c.running(1, "two", "1", 0, 1*model.Second)
	high := c.add("high", c.template("2", priority(10)))
	r, _ := c.ScheduleOne(0, 0)
	c.Check()
	require.Equal(t, Result{Pod: high, Evaluated: 1, Attempts: 1, Nominate: true, Nominated: 1, Victims: []model.PodID{one, two}}, r)
	require.Equal(t, "0/1 nodes are available: 1 Insufficient cpu. preemption: found a potential placement for pod on node a, preempting 2 victims", c.FitError())
	c.written(high, 1, 0)
	c.deleting(one)
	c.deleting(two)
	c.none(t, 1*model.Second)

	c.AssignedPodDeleted(one, 2*model.Second)
	c.none(t, 2*model.Second)
	c.PreemptionDone(high)
	c.none(t, 2*model.Second)
	c.running(1, "three", "1", 20, 2*model.Second)
	c.AssignedPodDeleted(two, 3*model.Second)
	r, ok := c.ScheduleOne(3*model.Second, 0)
	require.True(t, ok)
	require.Zero(t, r.Node)
	require.True(t, r.Nominate, "the place is lost: no victims are left")
	require.Zero(t, r.Nominated)
	c.Check()
}

// A pod waits for its victims as long as one of them is terminating, and keeps its nomination.
func TestPreemptionUnderWay(t *testing.T) {
	c := newCluster(node("a", "2", "1Ti", nil))
	one, two := c.running(1, "one", "1", 0, 0), c.running(1, "two", "1", 0, 1*model.Second)
	high := c.add("high", c.template("2", priority(10)))
	c.ScheduleOne(0, 0)
	c.written(high, 1, 0)
	c.deleting(one)
	c.deleting(two)
	c.PreemptionDone(high)
	c.AssignedPodDeleted(one, 2*model.Second)
	r, ok := c.ScheduleOne(2*model.Second, 0)
	require.True(t, ok)
	require.Equal(t, Result{Pod: high, Evaluated: 1, Attempts: 2}, r)
	require.Contains(t, c.FitError(), "preemption: not eligible due to a terminating pod on the nominated node.")
	c.AssignedPodDeleted(two, 3*model.Second)
	id, on := c.one(t, 3*model.Second)
	require.Equal(t, high, id)
	require.EqualValues(t, 1, on)
}

// A more important pod takes the place over; the pod that was nominated before loses its nomination,
// which wakes it, and it preempts others.
func TestNominationIsDisplaced(t *testing.T) {
	c := newCluster(node("a", "2", "1Ti", nil), node("b", "2", "1Ti", nil))
	victim := c.running(1, "victim", "2", 0, 0)
	c.running(2, "other", "2", 8, 0)
	first := c.add("first", c.template("2", priority(10)))
	c.ScheduleOne(0, 0)
	c.written(first, 1, 0)
	c.deleting(victim)
	c.PreemptionDone(first)
	second := c.add("second", c.template("2", priority(20)))
	r, _ := c.ScheduleOne(1*model.Second, 0)
	require.Equal(t, second, r.Pod)
	require.EqualValues(t, 1, r.Nominated)
	require.Empty(t, r.Victims, "it is being deleted already")
	require.Equal(t, []model.PodID{first}, r.Displaced)
	c.none(t, 1*model.Second)
	c.written(first, 0, 2*model.Second)
	r, ok := c.ScheduleOne(2*model.Second, 0)
	require.True(t, ok)
	require.Equal(t, first, r.Pod)
	require.EqualValues(t, 2, r.Nominated)
	c.Check()
}

// A nominated pod that is deleted gives its place free to those of the same or a lower priority.
func TestNominatedPodIsDeleted(t *testing.T) {
	c := newCluster(node("a", "2", "1Ti", nil))
	c.state.Pods = make([]model.Pod, 2)
	c.state.Pods[1] = model.Pod{ID: 1, Nominated: 1}
	c.AddNominatedPod(1, c.template("2", priority(5)))
	c.add("low", c.template("1"))
	_, on := c.one(t, 0)
	require.Zero(t, on)
	c.DeletePending(1, 1*model.Second)
	_, on = c.one(t, 1*model.Second)
	require.EqualValues(t, 1, on)
}
