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
	for _, nodes := range []int{100, 1000, 5000, 20_000, 100_000} {
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

// BenchmarkBacklog is a full cluster for which 10,000 pods of some sizes wait: a pod goes, those that it
// may help try again, and one finds the place.
func BenchmarkBacklog(b *testing.B) {
	for _, sizes := range []int{1, 20} {
		b.Run(fmt.Sprintf("sizes=%d", sizes), func(b *testing.B) { backlog(b, sizes) })
	}
}

func backlog(b *testing.B, sizes int) {
	state := &model.State{Nodes: make([]model.Node, 1)}
	s := New(state, DefaultConfig())
	const nodes, waiting = 5000, 10_000
	for i := range nodes {
		id := addNode(state, node(fmt.Sprintf("n%04d", i), "4", "16Gi", nil))
		s.AddNode(&state.Nodes[id], 0)
	}
	var templates []*model.PodTemplate
	for i := range sizes {
		templates = append(templates, compile(state, pod(fmt.Sprintf("%dm", 1000+10*i), "1Gi")))
	}
	var running []model.PodID
	now, attempts := model.Time(0), 0
	drain := func() {
		for {
			r, ok := s.ScheduleOne(now, 1)
			if !ok {
				return
			}
			attempts++
			if r.Node != 0 {
				running = append(running, r.Pod)
			}
		}
	}
	for i := range 4 * nodes {
		s.Add(model.PodID(i+1), templates[0], 0)
	}
	drain()
	for i := range waiting {
		s.Add(model.PodID(4*nodes+i+1), templates[i%sizes], 0)
	}
	drain()
	attempts = 0
	for i := 0; b.Loop(); i++ {
		now += model.Second
		id := running[i]
		s.AssignedPodDeleted(id, now)
		s.Add(id, templates[i%sizes], now)
		drain()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(attempts), "ns/attempt")
}

// BenchmarkPreemption is a full cluster of pods of low priority: a pod of high priority comes, its
// victims go, it is placed, it goes and pods of low priority come again.
func BenchmarkPreemption(b *testing.B) {
	for _, nodes := range []int{1000, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			s, low := full(nodes)
			p := pod("1500m", "1Gi")
			p.Spec.Priority = new(int32)
			*p.Spec.Priority = 1000
			high := compile(s.state, p)
			preemptor := model.PodID(10*nodes + 1)
			tie, now := uint64(0), model.Time(0)
			var victims []model.PodID
			b.ReportAllocs()
			for b.Loop() {
				tie += 0x9e3779b97f4a7c15
				now += 20 * model.Second
				s.Add(preemptor, high, now)
				r, _ := s.ScheduleOne(now, tie)
				if len(r.Victims) == 0 {
					b.Fatal(s.FitError())
				}
				victims = append(victims[:0], r.Victims...)
				s.state.Pods[preemptor].Nominated = r.Nominated
				s.UpdatePending(preemptor, high, now)
				s.PreemptionDone(preemptor)
				for _, id := range victims {
					s.AssignedPodDeleted(id, now)
				}
				now += 20 * model.Second
				if r, _ = s.ScheduleOne(now, tie); r.Pod != preemptor || r.Node == 0 {
					b.Fatal(r, s.FitError())
				}
				s.AssignedPodDeleted(preemptor, now)
				s.state.Pods[preemptor].Nominated = 0
				for _, id := range victims {
					s.Add(id, low, now)
					s.ScheduleOne(now, tie)
				}
			}
		})
	}
}

// full is a cluster whose nodes have ten pods each, and no room for another.
func full(nodes int) (*Scheduler, *model.PodTemplate) {
	state := &model.State{Nodes: make([]model.Node, 1), Pods: make([]model.Pod, 10*nodes+3)}
	s := New(state, DefaultConfig())
	for i := range nodes {
		id := addNode(state, node(fmt.Sprintf("n%04d", i), "10", "128Gi", nil))
		s.AddNode(&state.Nodes[id], 0)
	}
	low := compile(state, pod("1", "1Gi"))
	for i := range 10 * nodes {
		id := model.PodID(i + 1)
		state.Pods[id].Status.StartTime = model.Time(i)
		s.Add(id, low, 0)
		s.ScheduleOne(0, uint64(i)*0x9e3779b97f4a7c15)
	}
	return s, low
}
