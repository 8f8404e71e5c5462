package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func cpu(q string) v1.ResourceList { return v1.ResourceList{v1.ResourceCPU: resource.MustParse(q)} }

// TestResized: pods that are resized alike share a template, and one that is resized back has its first.
func TestResized(t *testing.T) {
	s := &State{}
	p := v1.Pod{Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "a:1", Resources: v1.ResourceRequirements{Requests: cpu("100m")}}}}}
	DefaultPod(&p)
	first := s.Compile("default", nil, nil, &p.Spec)
	same, err := s.Resized(first, "c", cpu("0.1"), nil)
	require.NoError(t, err)
	assert.Same(t, first, same)
	more, err := s.Resized(first, "c", cpu("1"), nil)
	require.NoError(t, err)
	assert.EqualValues(t, 1000, more.Requests.MilliCPU)
	assert.EqualValues(t, 100, first.Requests.MilliCPU)
	again, err := s.Resized(first, "c", cpu("1000m"), nil)
	require.NoError(t, err)
	assert.Same(t, more, again)
	back, err := s.Resized(more, "c", cpu("100m"), nil)
	require.NoError(t, err)
	assert.Same(t, first, back)
	_, err = s.Resized(first, "d", cpu("1"), nil)
	assert.EqualError(t, err, "spec.containers: Forbidden: containers may not be added or removed on resize")
	mirror := s.Compile("default", nil, map[string]string{v1.MirrorPodAnnotationKey: "x"}, &p.Spec)
	_, err = s.Resized(mirror, "c", cpu("1"), nil)
	assert.ErrorContains(t, err, "static pods cannot be resized")
}

// TestHeld: on its node a pod counts with the largest of what it asks for, what it was allocated and the CPU
// that is in force.
func TestHeld(t *testing.T) {
	s := &State{}
	of := func(q, memory string) v1.ResourceList {
		return v1.ResourceList{v1.ResourceCPU: resource.MustParse(q), v1.ResourceMemory: resource.MustParse(memory)}
	}
	spec := v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "a:1", Resources: v1.ResourceRequirements{Requests: of("300m", "100Mi")}}}}
	first := s.Compile("default", nil, nil, &spec)
	resized := func(q, memory string) *PodTemplate {
		x, err := s.Resized(first, "c", of(q, memory), nil)
		require.NoError(t, err)
		return x
	}
	big, mixed := resized("500m", "50Mi"), resized("100m", "200Mi")
	for _, x := range []struct {
		asked, allocated, cgroup *PodTemplate
		cpu, memory              int64
	}{
		{first, first, first, 300, 100},
		{big, first, first, 500, 100},
		{mixed, first, first, 300, 200},
		{mixed, mixed, first, 300, 200},
		{mixed, mixed, mixed, 100, 200},
		{mixed, mixed, big, 500, 200},
	} {
		p := &Pod{Template: x.asked, Status: PodStatus{Allocated: x.allocated.ID, Cgroup: x.cgroup.ID}}
		held := s.HeldBy(p)
		assert.Equal(t, []int64{x.cpu, x.memory << 20}, []int64{held.Requests.MilliCPU, held.Requests.Memory})
		assert.Same(t, held, s.HeldBy(p))
	}
	infeasible := &Pod{Template: big, Status: PodStatus{Allocated: first.ID, Cgroup: first.ID,
		Resize: &ResizeConditions{Pending: Condition{Status: ConditionTrue, Reason: ReasonInfeasible}}}}
	assert.Same(t, first, s.HeldBy(infeasible))
}
