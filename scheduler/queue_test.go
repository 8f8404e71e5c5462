package scheduler

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"podsim/model"
)

// cluster is a scheduler with the nodes and templates that a test gave it.
type cluster struct {
	*Scheduler
	state *model.State
}

func newCluster(nodes ...*v1.Node) *cluster {
	state := &model.State{Nodes: make([]model.Node, 1)}
	c := &cluster{New(state, DefaultConfig()), state}
	for _, n := range nodes {
		c.AddNode(&state.Nodes[addNode(state, n)], 0)
	}
	return c
}

func (c *cluster) template(cpu string, change ...func(*v1.PodSpec)) *model.PodTemplate {
	p := pod(cpu, "")
	for _, f := range change {
		f(&p.Spec)
	}
	return compile(c.state, p)
}

func priority(n int32) func(*v1.PodSpec) { return func(s *v1.PodSpec) { s.Priority = &n } }

func gated(s *v1.PodSpec) { s.SchedulingGates = []v1.PodSchedulingGate{{Name: "wait"}} }

func port80(s *v1.PodSpec) {
	s.Containers[0].Ports = []v1.ContainerPort{{HostPort: 80, ContainerPort: 80}}
}

// one schedules the next pod, whose id it returns, with its node.
func (c *cluster) one(t *testing.T, now model.Time) (model.PodID, model.NodeID) {
	r, ok := c.ScheduleOne(now, 0)
	require.True(t, ok, "no pod at %v", now)
	c.Check()
	return r.Pod, r.Node
}

func (c *cluster) none(t *testing.T, now model.Time) {
	r, ok := c.ScheduleOne(now, 0)
	require.False(t, ok, "pod %d at %v", r.Pod, now)
}

func TestQueueOrder(t *testing.T) {
	c := newCluster(node("a", "100", "1Ti", nil))
	low, high := c.template("1"), c.template("1", priority(10))
	c.Add(1, low, 0)
	c.Add(2, low, 0)
	c.Add(3, high, model.Second)
	c.Add(4, low, 0)
	c.DeletePending(2, 0)
	require.Zero(t, c.NextWake())
	for _, want := range []model.PodID{3, 1, 4} {
		id, at := c.one(t, model.Second)
		require.Equal(t, want, id)
		require.EqualValues(t, 1, at)
	}
	c.none(t, model.Second)
	require.Equal(t, model.Never, c.NextWake())
}

// A rejected pod waits for an event or for five minutes, at a multiple of 30 s.
func TestFlushOfUnschedulable(t *testing.T) {
	c := newCluster(node("a", "1", "1Gi", nil))
	c.Add(1, c.template("2"), 10*model.Second)
	_, at := c.one(t, 10*model.Second)
	require.Zero(t, at)
	require.Equal(t, 330*model.Second, c.NextWake())
	c.none(t, 330*model.Second-1)
	c.one(t, 330*model.Second)
	// Rejected at a multiple of 30 s: five minutes later is not yet more than five minutes.
	require.Equal(t, 660*model.Second, c.NextWake())
}

// Without nodes the pod meets an error: it tries again, at 1, 2, 4, 8, 10, 10 s after the
// last attempt, rounded down to a second, and one window later.
func TestBackoffAfterErrors(t *testing.T) {
	c := newCluster()
	c.Add(1, c.template("1"), 0)
	now := 500 * model.Millisecond
	for _, backoff := range []model.Time{1, 2, 4, 8, 10, 10} {
		id, at := c.one(t, now)
		require.EqualValues(t, 1, id)
		require.Zero(t, at)
		require.Equal(t, "no nodes available to schedule pods", c.FitError())
		wake := (now + backoff*model.Second).TruncateSecond() + model.Second
		require.Equal(t, wake, c.NextWake())
		c.none(t, wake-1)
		now = wake
	}
}

// A woken pod that backs off goes first only when nothing else waits: backoffQ is popped
// when activeQ is empty.
func TestPopFromBackoffQ(t *testing.T) {
	c := newCluster(node("a", "2", "1Ti", nil))
	big, small := c.template("2"), c.template("1")
	c.AssignedPodAdded(9, small, 1, 0)
	c.Add(1, big, 0)
	c.one(t, 0)
	c.AssignedPodDeleted(9, 100*model.Millisecond)
	require.Equal(t, podBackoff, c.place(1))
	c.Add(2, small, 100*model.Millisecond)
	id, at := c.one(t, 100*model.Millisecond)
	require.EqualValues(t, 2, id)
	require.EqualValues(t, 1, at)
	require.Zero(t, c.NextWake())
	id, at = c.one(t, 100*model.Millisecond)
	require.EqualValues(t, 1, id)
	require.Zero(t, at)
	// Its back-off, now 2 s from 100 ms, is over in the window after the one at 2 s.
	c.AssignedPodDeleted(2, 2900*model.Millisecond)
	require.Equal(t, podBackoff, c.place(1))
	c.Add(3, small, 2900*model.Millisecond)
	c.queue.flush(2900 * model.Millisecond)
	require.Equal(t, podBackoff, c.place(1))
	c.queue.flush(3 * model.Second)
	require.Equal(t, podActive, c.place(1))
	// Now it waits longest.
	id, _ = c.one(t, 3*model.Second)
	require.EqualValues(t, 1, id)
}

func TestHintsWakeOnlyWhomTheyHelp(t *testing.T) {
	tainted := node("a", "1", "1Gi", nil)
	tainted.Spec.Taints = []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoSchedule}}
	c := newCluster(tainted, node("b", "1", "1Gi", nil))
	c.AssignedPodAdded(10, c.template("", port80), 2, 0)
	c.Add(1, c.template("", port80), 0)
	c.Add(2, c.template("2"), 0)
	c.Add(3, c.template("", func(s *v1.PodSpec) { s.NodeSelector = map[string]string{"disk": "ssd"} }), 0)
	for range 3 {
		_, at := c.one(t, 0)
		require.Zero(t, at)
	}
	require.Equal(t, []string{"NodePorts", "TaintToleration"}, c.Rejectors(1))
	require.Equal(t, []string{"NodeResourcesFit", "TaintToleration"}, c.Rejectors(2))
	require.Equal(t, []string{"NodeAffinity", "TaintToleration"}, c.Rejectors(3))
	waiting := func(want ...model.PodID) {
		t.Helper()
		var got []model.PodID
		for id := model.PodID(1); id <= 3; id++ {
			if c.place(id) == podUnschedulable {
				got = append(got, id)
			}
		}
		require.Equal(t, want, got)
	}
	a, b := &c.state.Nodes[1], &c.state.Nodes[2]
	c.UpdateNode(b, 0)
	b.Images = []model.NodeImage{{Image: 1}}
	c.UpdateNode(b, 0)
	waiting(1, 2, 3)
	b.Labels = map[string]string{"disk": "ssd"}
	c.UpdateNode(b, 0)
	waiting(1, 2)
	id, at := c.one(t, 0)
	require.EqualValues(t, 3, id)
	require.EqualValues(t, 2, at)
	b.Allocatable.MilliCPU = 2000
	c.UpdateNode(b, 0)
	waiting(1)
	c.AssignedPodDeleted(3, 0)
	waiting(1)
	c.AssignedPodDeleted(10, 0)
	waiting()
	c.one(t, 0)
	c.one(t, 0)
	// An untainted node may help whatever a taint rejected.
	c.Add(3, c.template("4"), 0)
	c.one(t, 0)
	a.Taints = nil
	c.UpdateNode(a, 0)
	waiting()
}

func TestGates(t *testing.T) {
	c := newCluster(node("a", "1", "1Gi", nil))
	c.Add(1, c.template("1", gated), 0)
	c.none(t, 0)
	require.Equal(t, model.Never, c.NextWake())
	c.UpdatePending(1, c.template("1"), model.Second)
	_, at := c.one(t, model.Second)
	require.EqualValues(t, 1, at)
	c.Add(2, c.template("1", gated), 0)
	c.DeletePending(2, 0)
	c.Check()
}

func TestAddedToleration(t *testing.T) {
	n := node("a", "1", "1Gi", nil)
	n.Spec.Unschedulable = true
	c := newCluster(n)
	c.Add(1, c.template("1"), 0)
	c.one(t, 0)
	c.UpdatePending(1, c.template("1", func(s *v1.PodSpec) {
		s.Tolerations = []v1.Toleration{{Key: v1.TaintNodeUnschedulable, Operator: v1.TolerationOpExists}}
	}), model.Second)
	_, at := c.one(t, model.Second)
	require.EqualValues(t, 1, at)
}

// A pod whose binding failed frees its node for others and tries again after a back-off.
func TestForget(t *testing.T) {
	c := newCluster(node("a", "1", "1Gi", nil))
	c.Add(1, c.template("1"), 0)
	c.Add(2, c.template("1"), 0)
	c.one(t, 0)
	_, at := c.one(t, 0)
	require.Zero(t, at)
	c.Forget(1, model.Second)
	require.Equal(t, podErrorBackoff, c.place(1))
	id, at := c.one(t, model.Second)
	require.EqualValues(t, 2, id)
	require.EqualValues(t, 1, at)
	require.Equal(t, 3*model.Second, c.NextWake())
	c.AssignedPodDeleted(2, 2*model.Second)
	id, at = c.one(t, 3*model.Second)
	require.EqualValues(t, 1, id)
	require.EqualValues(t, 1, at)
}

// A slot that is used again remembers nothing of the pod before.
func TestReusedSlot(t *testing.T) {
	c := newCluster(node("a", "1", "1Gi", nil))
	for range 3 {
		c.Add(1, c.template("2"), 0)
		c.one(t, 0)
		require.EqualValues(t, 1, c.pods[1].unschedulable)
		c.DeletePending(1, 0)
		require.Equal(t, model.Never, c.NextWake())
	}
	require.Panics(t, func() { c.DeletePending(1, 0) })
	c.Add(1, c.template("1"), 0)
	require.Panics(t, func() { c.Add(1, c.template("1"), 0) })
}

// naiveNext is the pod that must be popped, found by looking at all.
func naiveNext(s *Scheduler, now model.Time) model.PodID {
	var best model.PodID
	for id := range s.pods {
		p := &s.pods[id]
		active := p.place == podActive ||
			(p.place == podBackoff || p.place == podErrorBackoff) && !s.queue.backingOff(p, now) ||
			p.place == podUnschedulable && now-now%flushPeriod > p.timestamp+maxInUnschedulable
		if !active {
			continue
		}
		if b := &s.pods[best]; best == 0 || p.class.Priority > b.class.Priority ||
			p.class.Priority == b.class.Priority && (p.timestamp < b.timestamp || p.timestamp == b.timestamp && p.sequence < b.sequence) {
			best = model.PodID(id)
		}
	}
	return best
}

// life draws a cluster's life from a seed, checks all sums after each event, and returns
// what was decided. The slow one takes nothing over from the attempt before.
func life(t *testing.T, seed int64, slow bool) string {
	random := rand.New(rand.NewSource(seed))
	c := newCluster()
	templates := []*model.PodTemplate{
		c.template(""), c.template("500m"), c.template("1500m", priority(5)), c.template("3"), c.template("", port80),
		c.template("500m", gated), c.template("1", func(s *v1.PodSpec) {
			s.Containers[0].Resources.Requests["example.com/gpu"] = s.Containers[0].Resources.Requests[v1.ResourceCPU]
		}), c.template("100m", func(s *v1.PodSpec) { s.NodeSelector = map[string]string{"disk": "ssd"} }),
	}
	for i := range 8 {
		o := node(fmt.Sprintf("n%d", i), "4", "8Gi", map[string]string{v1.LabelTopologyZone: fmt.Sprint(i % 3)})
		if i%2 == 0 {
			o.Status.Allocatable["example.com/gpu"] = o.Status.Allocatable[v1.ResourceCPU]
		}
		addNode(c.state, o)
	}
	trace, now := "", model.Time(0)
	for range 1500 {
		now += model.Time(random.Intn(int(3 * model.Second)))
		if slow {
			c.diagnosis.final = false
		}
		trace += c.step(t, random, templates, now)
		c.Check()
	}
	return trace
}

// step does one random thing.
func (c *cluster) step(t *testing.T, random *rand.Rand, templates []*model.PodTemplate, now model.Time) string {
	id := model.PodID(1 + random.Intn(40))
	n := &c.state.Nodes[1+random.Intn(8)]
	present := c.node(n.ID).Present
	switch what := random.Intn(12); {
	case what == 0 && present:
		c.RemoveNode(n.ID, now)
	case what <= 1 && !present:
		c.AddNode(n, now)
	case what == 2 && present:
		n.Unschedulable = !n.Unschedulable
		c.UpdateNode(n, now)
	case what == 3 && present:
		n.Labels = map[string]string{v1.LabelTopologyZone: fmt.Sprint(random.Intn(3)), "disk": []string{"ssd", "hdd"}[random.Intn(2)]}
		c.UpdateNode(n, now)
	case what <= 5:
		want := naiveNext(c.Scheduler, now)
		r, ok := c.ScheduleOne(now, random.Uint64())
		if want != 0 {
			require.Equal(t, want, r.Pod)
		}
		if ok && r.Node == 0 {
			return fmt.Sprintf("%v %d: %s\n", now, r.Pod, c.FitError())
		}
		return fmt.Sprintf("%v %+v\n", now, r)
	default:
		c.stepPod(random, id, templates[random.Intn(len(templates))], n.ID, now)
	}
	return ""
}

func (c *cluster) stepPod(random *rand.Rand, id model.PodID, t *model.PodTemplate, n model.NodeID, now model.Time) {
	switch c.place(id) {
	case podNone:
		if random.Intn(8) == 0 {
			c.AssignedPodAdded(id, t, n, now)
		} else {
			c.Add(id, t, now)
		}
	case podAssumed:
		if random.Intn(5) == 0 {
			c.Forget(id, now)
		} else if random.Intn(5) == 0 {
			c.AssignedPodDeleted(id, now)
		} else {
			c.AssignedPodAdded(id, c.pods[id].class.Template, c.pods[id].node, now)
		}
	case podAssigned:
		if random.Intn(3) == 0 {
			c.AssignedPodDeleted(id, now)
		}
	default:
		if random.Intn(6) == 0 {
			c.DeletePending(id, 0)
		}
	}
}

// Whatever happens, the sums are right, the right pod is next, and the same seed decides the
// same, fast or slow.
func TestLife(t *testing.T) {
	for seed := range int64(20) {
		trace := life(t, seed, false)
		require.Equal(t, trace, life(t, seed, true), "seed %d", seed)
		require.Greater(t, len(trace), 1000, "seed %d", seed)
	}
}
