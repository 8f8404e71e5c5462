package controllers

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"podsim/model"
)

// rankedTemplate has a sidecar, an init container and a container; rankedCheap is cheaper to
// delete.
var (
	rankedTemplate = &model.PodTemplate{NumInit: 2, Containers: []model.Container{{Kind: model.Sidecar}, {Kind: model.InitContainer}, {}}}
	rankedCheap    = &model.PodTemplate{NumInit: 2, Containers: rankedTemplate.Containers,
		Annotations: map[string]string{"controller.kubernetes.io/pod-deletion-cost": "-1"}}
)

// rankedPod is a Ready pod on node 1 that is an hour old and has been ready for as long.
func rankedPod(change func(*model.Pod)) model.Pod {
	p := model.Pod{Node: 1, Template: rankedTemplate, Created: 0}
	p.Status.Phase = model.PodRunning
	p.Status.Containers = make([]model.ContainerStatus, 3)
	p.Status.SetCondition(model.PodReady, model.ConditionTrue, model.NoText, model.Message{}, 0)
	change(&p)
	return p
}

func restarted(container int, n int32) func(*model.Pod) {
	return func(p *model.Pod) { p.Status.Containers[container].Restarts = n }
}

// TestScaleDownRanking: of two pods the one goes that the first rule in which they differ says.
func TestScaleDownRanking(t *testing.T) {
	same := func(*model.Pod) {}
	notReady := func(p *model.Pod) {
		p.Status.SetCondition(model.PodReady, model.ConditionFalse, model.NoText, model.Message{}, 0)
	}
	readySince := func(at model.Time) func(*model.Pod) {
		return func(p *model.Pod) { p.Status.Conditions[model.PodReady].Transition = at }
	}
	const now = model.Hour
	for _, c := range []struct {
		name       string
		goes, stay func(*model.Pod)
		// ranks are the pods' siblings on their nodes.
		ranks [2]int
	}{
		{"unassigned before assigned", func(p *model.Pod) { p.Node = 0 }, same, [2]int{}},
		{"Pending before Running", func(p *model.Pod) { p.Status.Phase = model.PodPending }, notReady, [2]int{}},
		{"not ready before ready", notReady, same, [2]int{}},
		{"cheaper before dearer", func(p *model.Pod) { p.Template = rankedCheap }, restarted(2, 9), [2]int{1, 9}},
		{"doubled up before alone", same, restarted(2, 9), [2]int{2, 1}},
		{"ready for a short time before ready for long", readySince(now - model.Second), readySince(now - model.Minute), [2]int{1, 1}},
		{"more restarts before fewer", restarted(2, 2), restarted(2, 1), [2]int{1, 1}},
		{"restarts of containers before those of sidecars", restarted(2, 1), restarted(0, 5), [2]int{1, 1}},
		{"restarts of sidecars", restarted(0, 1), same, [2]int{1, 1}},
		{"restarts of init containers do not count, age does", func(p *model.Pod) { p.Created = now - model.Second }, restarted(1, 5), [2]int{1, 1}},
		{"newer before older", func(p *model.Pod) { p.Created = now - model.Minute }, same, [2]int{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, turned := range []bool{false, true} {
				s := model.State{Pods: []model.Pod{{}, rankedPod(c.goes), rankedPod(c.stay)}}
				want, ranks := model.PodID(1), c.ranks
				if turned {
					s.Pods[1], s.Pods[2] = s.Pods[2], s.Pods[1]
					want, ranks = 2, [2]int{c.ranks[1], c.ranks[0]}
				}
				s.Pods[1].ID, s.Pods[2].ID = 1, 2
				got := PodsToDelete(&s, []model.PodID{1, 2}, 1, now, func(id model.PodID) int { return ranks[id-1] },
					func(id model.PodID) uint64 { return uint64(id) })
				assert.Equal(t, []model.PodID{want}, got)
			}
		})
	}
}

// Ages are compared on a scale of powers of two; equal ones go by chance (upstream: the UID).
func TestScaleDownRankingByChance(t *testing.T) {
	const now = model.Hour
	ready := func(at model.Time) model.Pod {
		return rankedPod(func(p *model.Pod) { p.Status.Conditions[model.PodReady].Transition = at })
	}
	s := model.State{Pods: []model.Pod{{}, ready(now - 40*model.Second), ready(now - 60*model.Second)}}
	s.Pods[1].ID, s.Pods[2].ID = 1, 2
	for _, want := range []model.PodID{1, 2} {
		got := PodsToDelete(&s, []model.PodID{1, 2}, 1, now, func(model.PodID) int { return 1 },
			func(id model.PodID) uint64 { return uint64(id ^ want) })
		assert.Equal(t, []model.PodID{want}, got)
	}
}

func TestAllPodsGo(t *testing.T) {
	pods := []model.PodID{3, 1, 2}
	assert.Equal(t, pods, PodsToDelete(&model.State{}, pods, 3, 0, nil, nil))
}

func TestFenceposts(t *testing.T) {
	for _, c := range []struct {
		replicas           int32
		surge, unavailable string
		most, least        int32
	}{
		{10, "25%", "25%", 13, 8},
		{4, "25%", "25%", 5, 3},
		{3, "25%", "25%", 4, 3},
		{1, "25%", "25%", 2, 1},
		{10, "0", "3", 10, 7},
		{3, "1", "0", 4, 3},
		{3, "0%", "10%", 3, 2},
		{2, "0", "5", 2, 0},
		{0, "25%", "25%", 0, 0},
	} {
		d, _ := deployment(c.replicas, c.surge, c.unavailable)
		assert.Equal(t, c.most, MaxReplicas(d), "%+v", c)
		assert.Equal(t, c.least, d.Replicas-maxUnavailable(d), "%+v", c)
	}
}
