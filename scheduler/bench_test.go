package scheduler

import (
	"fmt"
	"testing"

	v1 "k8s.io/api/core/v1"
	"podsim/model"
)

// BenchmarkSchedule places plain pods on a cluster that is about half full. An iteration
// places one pod and takes another off, so the cluster stays as full as it is.
func BenchmarkSchedule(b *testing.B) {
	for _, nodes := range []int{1000, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			s, web := halfFull(nodes)
			next := churn(s, web, model.PodID(10*nodes))
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/placement")
		})
	}
}

// halfFull has ten pods on each of so many nodes of 32 cores in three zones.
func halfFull(nodes int) (*Scheduler, *model.PodTemplate) {
	state := &model.State{Nodes: make([]model.Node, 1)}
	s := New(state, DefaultConfig())
	for i := range nodes {
		id := addNode(state, node(fmt.Sprintf("n%04d", i), "32", "128Gi", map[string]string{
			v1.LabelTopologyRegion: "r", v1.LabelTopologyZone: fmt.Sprintf("z%d", i%3),
		}))
		s.AddNode(&state.Nodes[id], 0)
	}
	web := compile(state, pod("1500m", "6Gi"))
	for i := range 10 * nodes {
		id := model.PodID(i + 1)
		s.Add(id, web, 0)
		s.ScheduleOne(0, uint64(i)*0x9e3779b97f4a7c15)
		s.AssignedPodAdded(id, web, s.pods[id].node, 0)
	}
	return s, web
}

// churn is a function that replaces the oldest of n pods.
func churn(s *Scheduler, t *model.PodTemplate, n model.PodID) func() {
	id, tie := model.PodID(0), uint64(0)
	return func() {
		id = id%n + 1
		tie += 0x9e3779b97f4a7c15
		s.AssignedPodDeleted(id, 0)
		s.Add(id, t, 0)
		r, ok := s.ScheduleOne(0, tie)
		if !ok || r.Node == 0 {
			panic(s.FitError())
		}
		s.AssignedPodAdded(id, t, r.Node, 0)
	}
}
