package model

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
)

func TestResourcesOf(t *testing.T) {
	r := ResourcesOf(resources("cpu", "1500m", "memory", "1Gi", "ephemeral-storage", "10Gi", "pods", "110", "nvidia.com/gpu", "2", "hugepages-2Mi", "4Mi"))
	assert.Equal(t, Resources{MilliCPU: 1500, Memory: 1 << 30, EphemeralStorage: 10 << 30, Pods: 110,
		Extended: []ExtendedResource{{"hugepages-2Mi", 4 << 20}, {"nvidia.com/gpu", 2}}}, r)
	assert.Equal(t, Resources{MilliCPU: 1, Memory: 2}, ResourcesOf(resources("cpu", "100u", "memory", "1500m")), "rounded up")
	assert.Equal(t, Resources{}, ResourcesOf(nil))

	back := ResourcesOf(r.List())
	assert.True(t, r.Equal(&back))
	assert.Empty(t, (&Resources{Extended: []ExtendedResource{{"nvidia.com/gpu", 0}}}).List(), "amounts of zero are left out")
	list := (&Resources{MilliCPU: 1500, Memory: 3 << 29}).List()
	assert.Equal(t, "1500m 1536Mi", list.Cpu().String()+" "+list.Memory().String())
}

func TestResourcesAddSubMax(t *testing.T) {
	a := Resources{MilliCPU: 100, Memory: 10, Pods: 1, Extended: []ExtendedResource{{"b", 1}}}
	b := Resources{MilliCPU: 50, Memory: 20, EphemeralStorage: 5, Extended: []ExtendedResource{{"a", 2}, {"b", 3}}}
	sum := a.Clone()
	sum.Add(&b)
	assert.Equal(t, Resources{MilliCPU: 150, Memory: 30, EphemeralStorage: 5, Pods: 1, Extended: []ExtendedResource{{"a", 2}, {"b", 4}}}, sum)
	sum.Sub(&b)
	assert.True(t, sum.Equal(&a), "a missing amount is zero")
	assert.True(t, a.Equal(&sum))
	most := a.Clone()
	most.Max(&b)
	assert.Equal(t, Resources{MilliCPU: 100, Memory: 20, EphemeralStorage: 5, Pods: 1, Extended: []ExtendedResource{{"a", 2}, {"b", 3}}}, most)
	assert.Equal(t, int64(1), a.Amount("b"), "Clone shares nothing")
	assert.Zero(t, a.Amount("a"))
}

func randomResources(r *rand.Rand) Resources {
	x := Resources{MilliCPU: r.Int64N(9), Memory: r.Int64N(9), EphemeralStorage: r.Int64N(3), Pods: r.Int64N(3)}
	for range r.IntN(4) {
		name := pick[v1.ResourceName](r, "a", "b", "c", "d")
		x.Add(&Resources{Extended: []ExtendedResource{{name, r.Int64N(3)}}})
	}
	return x
}

func TestResourcesLaws(t *testing.T) {
	r := luck(t)
	for range 5_000 {
		a, b, c := randomResources(r), randomResources(r), randomResources(r)
		x, y := a.Clone(), b.Clone()
		x.Add(&b)
		y.Add(&a)
		require.True(t, x.Equal(&y), "a+b = b+a: %+v %+v", a, b)
		x.Add(&c)
		x.Sub(&b)
		x.Sub(&c)
		require.True(t, x.Equal(&a), "a+b+c-b-c = a: %+v %+v %+v", a, b, c)
		most, again := a.Clone(), b.Clone()
		most.Max(&b)
		again.Max(&a)
		require.True(t, most.Equal(&again), "max is the same both ways: %+v %+v", a, b)
		require.Equal(t, a.Equal(&b), b.Equal(&a))
		for i := 1; i < len(x.Extended); i++ {
			require.Less(t, x.Extended[i-1].Name, x.Extended[i].Name, "in order")
		}
	}
}

// Adding what is there already costs no memory: the scheduler does it at every placement.
func TestResourcesAddAllocatesNothing(t *testing.T) {
	a := Resources{Extended: []ExtendedResource{{"a", 1}, {"b", 1}}}
	b := Resources{MilliCPU: 1, Extended: []ExtendedResource{{"b", 1}}}
	assert.Zero(t, testing.AllocsPerRun(100, func() { a.Add(&b); a.Sub(&b) }))
}
