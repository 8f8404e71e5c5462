package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/scenarios"
	"podsim/scheduler/framework"
)

// configured is a scheduler with a KubeSchedulerConfiguration and nodes a and b with 4 cores and 8Gi, of
// which a has 3 cores and 3Gi in use.
func configured(t *testing.T, text string) (*Scheduler, *model.State) {
	read, err := scenarios.ReadSchedulerConfigBytes("sched.yaml", []byte("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"+text))
	require.NoError(t, err)
	state := &model.State{Nodes: make([]model.Node, 1)}
	config := NewConfig(read.Configuration)
	config.FirstOfTies = true
	s := New(state, config)
	for i, name := range []string{"a", "b"} {
		state.Nodes = append(state.Nodes, model.Node{ID: model.NodeID(i + 1), Name: name, Labels: map[string]string{"name": name},
			Allocatable: model.Resources{MilliCPU: 4000, Memory: 8 << 30, Pods: 10}})
		s.AddNode(&state.Nodes[i+1], 0)
	}
	s.AssignedPodAdded(1, compile(state, podFor("", "3", "3Gi")), 1, 0)
	return s, state
}

func podFor(scheduler, cpu, memory string) *v1.Pod {
	p := &v1.Pod{Spec: v1.PodSpec{SchedulerName: scheduler, Containers: []v1.Container{{Name: "c", Image: "img:a"}}}}
	p.Namespace = "default"
	p.Spec.Containers[0].Resources.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(memory)}
	return p
}

const packing = `
percentageOfNodesToScore: 70
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  percentageOfNodesToScore: 30
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu}]}}
  plugins:
    score: {disabled: [{name: NodeResourcesBalancedAllocation}]}
`

// A pod's schedulerName chooses the profile: one spreads, the other packs.
func TestProfiles(t *testing.T) {
	s, state := configured(t, packing)
	for i, x := range []struct {
		scheduler string
		node      model.NodeID
	}{{"", 2}, {"packing", 1}, {"default-scheduler", 2}} {
		id := model.PodID(10 + i)
		s.Add(id, compile(state, podFor(x.scheduler, "500m", "1Gi")), 0)
		r, ok := s.ScheduleOne(0, 0)
		require.True(t, ok)
		require.Equal(t, x.node, r.Node, x.scheduler)
	}
	require.True(t, s.Handles("packing"))
	require.False(t, s.Handles("other"))
	require.Equal(t, []string{"default-scheduler", "packing"}, s.Names())
	for name, want := range map[string]int{"": 700, "packing": 300} {
		require.Equal(t, want, s.numFeasibleNodesToFind(s.class(compile(state, podFor(name, "1", "1"))), 1000))
	}
	s.Check()
}

// A plugin may filter without scoring, and score without filtering.
func TestPoints(t *testing.T) {
	s, state := configured(t, `profiles: [{plugins: {filter: {disabled: [{name: NodeResourcesFit}]}, score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit, weight: 4}]}}}]`)
	x := s.Explain(framework.Pod{}, compile(state, podFor("", "9", "1Gi")))
	require.Nil(t, x.Verdicts[0].Rejected)
	require.Len(t, x.Verdicts[0].Scores, 1)
	require.Equal(t, PluginScore{"NodeResourcesFit", 25, 25, 4}, x.Verdicts[0].Scores[0])
	require.Equal(t, int64(100), x.Verdicts[0].Total)

	s, state = configured(t, `profiles: [{plugins: {filter: {disabled: [{name: "*"}], enabled: [{name: NodeUnschedulable}, {name: NodeResourcesFit}]},
		score: {disabled: [{name: NodeResourcesFit}]}}}]`)
	x = s.Explain(framework.Pod{}, compile(state, podFor("", "9", "1Gi")))
	require.Equal(t, "NodeResourcesFit", x.Verdicts[0].Rejected.Plugin)
}

// Of two plugins that reject a node, the one that stands first says so.
func TestFilterOrder(t *testing.T) {
	for _, x := range []struct{ first, second string }{{"NodeAffinity", "NodeResourcesFit"}, {"NodeResourcesFit", "NodeAffinity"}} {
		s, state := configured(t, `profiles: [{plugins: {filter: {enabled: [{name: `+x.first+`}, {name: `+x.second+`}]}}}]`)
		p := podFor("", "9", "1Gi")
		p.Spec.NodeSelector = map[string]string{"name": "c"}
		e := s.Explain(framework.Pod{}, compile(state, p))
		require.Equal(t, x.first, e.Verdicts[0].Rejected.Plugin)
	}
}

// Without DefaultPreemption nothing is preempted, and nothing is said of it.
func TestWithoutPreemption(t *testing.T) {
	s, state := configured(t, `profiles: [{plugins: {postFilter: {disabled: [{name: "*"}]}}}]`)
	s.Add(10, compile(state, podFor("", "9", "1Gi")), 0)
	r, _ := s.ScheduleOne(0, 0)
	require.Zero(t, r.Node)
	require.Equal(t, "0/2 nodes are available: 2 Insufficient cpu.", s.FitError())
}

func TestBackoffOfConfiguration(t *testing.T) {
	s, _ := configured(t, "podInitialBackoffSeconds: 3\npodMaxBackoffSeconds: 7")
	require.Equal(t, 3*model.Second, s.config.PodInitialBackoff)
	require.Equal(t, 7*model.Second, s.config.PodMaxBackoff)
}
