package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

// node is a node object with room for 110 pods.
func node(name, cpu, memory string, labels map[string]string) *v1.Node {
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Status: v1.NodeStatus{Allocatable: v1.ResourceList{
			v1.ResourceCPU:    resource.MustParse(cpu),
			v1.ResourceMemory: resource.MustParse(memory),
			v1.ResourcePods:   resource.MustParse("110"),
		}},
	}
}

// pod is a pod object with one container; an empty amount asks for nothing.
func pod(cpu, memory string) *v1.Pod {
	requests := v1.ResourceList{}
	if cpu != "" {
		requests[v1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		requests[v1.ResourceMemory] = resource.MustParse(memory)
	}
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default"},
		Spec:       v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "img:a", Resources: v1.ResourceRequirements{Requests: requests}}}},
	}
}

// addNode makes a node of the model of an API object. The first node that has an image says
// how big it is, as in the scheduler's cache.
func addNode(state *model.State, o *v1.Node) model.NodeID {
	n := model.Node{
		ID:            model.NodeID(len(state.Nodes)),
		Name:          o.Name,
		Labels:        o.Labels,
		Allocatable:   model.ResourcesOf(o.Status.Allocatable),
		Unschedulable: o.Spec.Unschedulable,
		Taints:        o.Spec.Taints,
	}
	for _, image := range o.Status.Images {
		for _, name := range image.Names {
			id := state.Image(name)
			if state.Images[id].Assumed {
				state.Images[id].Size, state.Images[id].Assumed = image.SizeBytes, false
			}
			n.Images = append(n.Images, model.NodeImage{Image: id})
		}
	}
	state.Nodes = append(state.Nodes, n)
	return n.ID
}

func compile(state *model.State, pod *v1.Pod) *model.PodTemplate {
	model.DefaultPod(pod)
	return state.Compile(pod.Namespace, pod.Labels, pod.Annotations, &pod.Spec)
}

func TestPlacementAllocatesNothing(t *testing.T) {
	s, web := halfFull(200)
	next := churn(s, web, 2000)
	for range 4000 {
		next()
	}
	require.Zero(t, testing.AllocsPerRun(2000, next))
	s.Check()
}

func zoneLabel(zone string) map[string]string { return map[string]string{v1.LabelTopologyZone: zone} }

func (c *cluster) order() string {
	names := ""
	for _, n := range c.list() {
		names += n.Name
	}
	return names
}

// The order goes round the zones, in the order in which the zones came. A node that comes into another
// zone stays where it is in the order until a node comes or goes.
func TestSnapshotOrder(t *testing.T) {
	c := newCluster(node("a", "1", "1Gi", zoneLabel("x")), node("b", "1", "1Gi", zoneLabel("x")), node("c", "1", "1Gi", zoneLabel("y")),
		node("d", "1", "1Gi", nil), node("e", "1", "1Gi", zoneLabel("x")), node("f", "1", "1Gi", zoneLabel("y")))
	require.Equal(t, "acdbfe", c.order())
	c.RemoveNode(3, 0)
	require.Equal(t, "afdbe", c.order())
	c.state.Nodes[1].Labels = zoneLabel("y")
	c.UpdateNode(&c.state.Nodes[1], 0)
	require.Equal(t, "afdbe", c.order(), "until a node comes or goes")
	c.RemoveNode(4, 0)
	c.AddNode(&c.state.Nodes[4], 0)
	require.Equal(t, "afdbe", c.order())
	c.RemoveNode(2, 0)
	c.RemoveNode(5, 0)
	c.AddNode(&c.state.Nodes[2], 0)
	require.Equal(t, "fdba", c.order())
}

func TestNumFeasibleNodesToFind(t *testing.T) {
	c := newCluster()
	for nodes, want := range map[int]int{0: 0, 99: 99, 100: 100, 200: 100, 300: 144, 1000: 420, 5000: 500, 6000: 300, 15000: 750} {
		require.Equal(t, want, c.numFeasibleNodesToFind(&class{profile: c.profiles[0]}, nodes), "%d nodes", nodes)
	}
	c.config.PercentageOfNodesToScore = 100
	require.Equal(t, 5000, c.numFeasibleNodesToFind(&class{profile: c.profiles[0]}, 5000))
}

// A search begins where the one before stopped.
func TestRotation(t *testing.T) {
	var nodes []*v1.Node
	for range 250 {
		nodes = append(nodes, node("n", "4", "8Gi", nil))
	}
	c := newCluster(nodes...)
	small := c.template("")
	for i, want := range []int{120, 240, 110, 230} {
		c.Add(model.PodID(i+1), small, 0)
		r, _ := c.ScheduleOne(0, 0)
		require.EqualValues(t, 120, r.Evaluated)
		require.Equal(t, want, c.nextStart)
	}
}

// Ties are drawn evenly by the random word; First takes the first.
func TestTies(t *testing.T) {
	c := newCluster(node("a", "4", "8Gi", nil), node("b", "4", "8Gi", nil), node("c", "1", "8Gi", nil), node("d", "4", "8Gi", nil))
	web := c.template("1")
	place := func(tie uint64) model.NodeID {
		c.nextStart = 0
		c.Add(1, web, 0)
		r, _ := c.ScheduleOne(0, tie)
		c.AssignedPodDeleted(1, 0)
		return r.Node
	}
	require.EqualValues(t, 1, place(0))
	require.EqualValues(t, 2, place(1<<63))
	require.EqualValues(t, 4, place(1<<64-1))
	c.config.FirstOfTies = true
	require.EqualValues(t, 1, place(1<<64-1))
}

func TestFitError(t *testing.T) {
	tainted := node("a", "4", "8Gi", nil)
	tainted.Spec.Taints = []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoSchedule}}
	never := v1.PreemptNever
	required := func(names ...string) func(*v1.PodSpec) {
		return func(s *v1.PodSpec) {
			var fields []v1.NodeSelectorRequirement
			for _, name := range names {
				fields = append(fields, v1.NodeSelectorRequirement{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{name}})
			}
			s.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchFields: fields}}}}}
		}
	}
	for _, c := range []struct {
		name   string
		cpu    string
		change []func(*v1.PodSpec)
		want   string
	}{
		{"no victims", "2", nil, "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. " +
			"preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."},
		{"too big", "5", nil, "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. " +
			"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."},
		{"never preempts", "2", []func(*v1.PodSpec){func(s *v1.PodSpec) { s.PreemptionPolicy = &never }},
			"0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."},
		// Without its pods of priority 0, one of the two nodes still has one of priority 7.
		{"victims that do not help", "2", []func(*v1.PodSpec){priority(5)}, "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. " +
			"preemption: 0/3 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."},
		{"one name", "2", []func(*v1.PodSpec){required("b")}, "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. " +
			"preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."},
		{"a name that is not there", "", []func(*v1.PodSpec){required("x")}, "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]. " +
			"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."},
		{"two names at once", "", []func(*v1.PodSpec){required("a", "b")}, "0/3 nodes are available: pod affinity terms conflict. " +
			"preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newCluster(tainted, node("b", "4", "8Gi", nil), node("c", "4", "8Gi", nil))
			k.AssignedPodAdded(1, k.template("3", priority(7)), 2, 0)
			k.AssignedPodAdded(2, k.template("100m"), 2, 0)
			k.AssignedPodAdded(3, k.template("3", priority(7)), 3, 0)
			k.Add(4, k.template(c.cpu, c.change...), 0)
			_, at := k.one(t, 0)
			require.Zero(t, at)
			require.Equal(t, c.want, k.FitError())
		})
	}
}

// Explain goes the way of ScheduleOne.
func TestExplain(t *testing.T) {
	c := newCluster(node("a", "4", "8Gi", nil), node("b", "1", "8Gi", nil), node("c", "8", "8Gi", nil))
	web := c.template("2")
	x := c.Explain(framework.Pod{}, web)
	require.Equal(t, &Rejection{"NodeResourcesFit", 2, []string{"Insufficient cpu"}}, x.Verdicts[1].Rejected)
	require.Equal(t, []model.NodeID{3}, x.Top)
	require.Equal(t, []PluginScore{
		{"TaintToleration", 0, 100, 3},
		{"NodeResourcesFit", (50 + 97) / 2, 73, 1},
		{"NodeResourcesBalancedAllocation", 62, 62, 1},
		{"ImageLocality", 0, 0, 1},
	}, x.Verdicts[0].Scores)
	require.EqualValues(t, 300+73+62, x.Verdicts[0].Total)
	c.Add(1, web, 0)
	_, at := c.one(t, 0)
	require.EqualValues(t, 3, at)
	require.Equal(t, "no nodes available to schedule pods", newCluster().Explain(framework.Pod{}, web).FilterMessage)
}
