package sim

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

// distributions with their closed forms: the mean, the variance and the cumulative distribution.
var distributions = map[string]struct {
	dist           model.Dist
	mean, variance float64
	cumulative     func(x float64) float64
}{
	"uniform": {
		model.Dist{Kind: model.DistUniform, Min: 2, Max: 6}, 4, 16.0 / 12,
		func(x float64) float64 { return (x - 2) / 4 },
	},
	"exponential": {
		model.Dist{Kind: model.DistExponential, Mean: 3}, 3, 9,
		func(x float64) float64 { return 1 - math.Exp(-x/3) },
	},
	"normal": {
		model.Dist{Kind: model.DistNormal, Mean: 10, Stddev: 2}, 10, 4,
		func(x float64) float64 { return math.Erfc(-(x-10)/2/math.Sqrt2) / 2 },
	},
	"lognormal": {
		model.Dist{Kind: model.DistLogNormal, Mean: 10, Stddev: 5}, 10, 25,
		func(x float64) float64 {
			variance := math.Log(1 + 0.25)
			z := (math.Log(x) - math.Log(10) + variance/2) / math.Sqrt(variance)
			return math.Erfc(-z/math.Sqrt2) / 2
		},
	},
	"shifted lognormal": {
		model.Dist{Kind: model.DistLogNormal, Mean: 110, Stddev: 5, Shift: 100}, 110, 25,
		func(x float64) float64 {
			variance := math.Log(1 + 0.25)
			z := (math.Log(x-100) - math.Log(10) + variance/2) / math.Sqrt(variance)
			return math.Erfc(-z/math.Sqrt2) / 2
		},
	},
	"gamma": {
		model.Dist{Kind: model.DistGamma, Shape: 2, Scale: 3}, 6, 18,
		func(x float64) float64 { return 1 - math.Exp(-x/3)*(1+x/3) },
	},
	"weibull": {
		model.Dist{Kind: model.DistWeibull, Shape: 2, Scale: 3},
		3 * math.Sqrt(math.Pi) / 2, 9 * (1 - math.Pi/4),
		func(x float64) float64 { return 1 - math.Exp(-x*x/9) },
	},
	"pareto": {
		model.Dist{Kind: model.DistPareto, Shape: 5, Scale: 2}, 2.5, 4 * 5.0 / (16 * 3),
		func(x float64) float64 { return 1 - math.Pow(2/x, 5) },
	},
}

func TestSampleMeanAndVariance(t *testing.T) {
	const draws = 200_000
	for name, c := range distributions {
		require.NoError(t, c.dist.Validate(), name)
		sum, squares := 0.0, 0.0
		for i := range uint64(draws) {
			x := Sample(&c.dist, UniformOpen(Draw(1, 0, 0, i))) - c.mean
			sum += x
			squares += x * x
		}
		assert.InDelta(t, 0, sum/draws, 5*math.Sqrt(c.variance/draws), name)
		assert.InEpsilon(t, c.variance, squares/draws, 0.05, name)
	}
}

func TestSampleIsTheQuantile(t *testing.T) {
	for name, c := range distributions {
		for _, u := range []float64{1e-6, 0.01, 0.1, 0.24, 0.26, 0.5, 0.9, 0.99, 1 - 1e-6} {
			x := Sample(&c.dist, u)
			assert.InDelta(t, u, c.cumulative(x), 1e-9, "%s at %v", name, u)
			assert.Equal(t, x, Sample(&c.dist, u), "the same again")
		}
	}
}

func TestSampleConstant(t *testing.T) {
	for _, u := range []float64{UniformOpen(0), 0.5, UniformOpen(math.MaxUint64)} {
		assert.Equal(t, 4.5, Sample(&model.Dist{Value: 4.5}, u))
		assert.Equal(t, 0.0, Sample(&model.Dist{}, u))
	}
}

func TestSampleEmpirical(t *testing.T) {
	equal := model.Dist{Kind: model.DistEmpirical, Values: []float64{5, 1, 9, 3}}
	weighted := model.Dist{Kind: model.DistEmpirical,
		Values: []float64{7, 1, 2, 8}, Weights: []float64{0, 3, 1, 0}}
	require.NoError(t, equal.Validate())
	require.NoError(t, weighted.Validate())
	for _, c := range []struct {
		dist *model.Dist
		u    float64
		want float64
	}{
		{&equal, UniformOpen(0), 5},
		{&equal, 0.25, 1},
		{&equal, 0.74, 9},
		{&equal, UniformOpen(math.MaxUint64), 3},
		{&weighted, UniformOpen(0), 1},
		{&weighted, 0.7499, 1},
		{&weighted, 0.75, 2},
		{&weighted, UniformOpen(math.MaxUint64), 2},
	} {
		assert.Equal(t, c.want, Sample(c.dist, c.u), "%v", c.u)
	}
}

func TestSampleIsClamped(t *testing.T) {
	for name, c := range distributions {
		d := c.dist
		d.Min, d.Max = c.mean-0.1, c.mean+0.1
		assert.InDelta(t, d.Min, Sample(&d, 0.001), 0.001, name)
		assert.InDelta(t, d.Max, Sample(&d, 0.999), 0.001, name)
	}
	below := model.Dist{Kind: model.DistNormal, Mean: 1, Stddev: 1, Min: 0, Max: math.Inf(1)}
	require.NoError(t, below.Validate())
	assert.Equal(t, 0.0, Sample(&below, 0.001))
	assert.Greater(t, Sample(&below, 0.999), 4.0)
	constant := model.Dist{Value: 50, Max: 10}
	assert.Equal(t, 10.0, Sample(&constant, 0.5))
}

// Whatever Validate accepts gives finite numbers at the ends, which grow with u.
func TestSampleIsFinite(t *testing.T) {
	sizes := []float64{1e-60, 1e-9, 1e-3, 0.1, 0.5, 1, 2, 10, 1e3, 1e9, 1e60}
	us := []float64{
		UniformOpen(0), 1e-9, 0.01, 0.2499, 0.25, 0.5, 0.99, 1 - 1e-9, UniformOpen(math.MaxUint64),
	}
	checked := 0
	for kind := model.DistConstant; kind <= model.DistPareto; kind++ {
		for _, a := range sizes {
			for _, b := range sizes {
				d := model.Dist{Kind: kind, Value: a, Mean: a, Stddev: b, Shape: a, Scale: b}
				if kind == model.DistUniform {
					d.Min, d.Max = -a, b
				}
				if d.Validate() != nil {
					continue
				}
				checked++
				last := math.Inf(-1)
				for _, u := range us {
					x := Sample(&d, u)
					require.False(t, math.IsNaN(x) || math.IsInf(x, 0), "%+v at %v: %v", d, u, x)
					require.GreaterOrEqual(t, x, last, "%+v at %v", d, u)
					last = x
				}
			}
		}
	}
	assert.Greater(t, checked, 700)
}

func TestSampleTime(t *testing.T) {
	constant := func(x float64) model.Time { return SampleTime(&model.Dist{Value: x}, 0.5) }
	assert.Equal(t, model.Time(0), constant(-5))
	assert.Equal(t, model.Time(0), constant(0.49))
	assert.Equal(t, model.Time(1), constant(0.5))
	assert.Equal(t, 90*model.Second, constant(90e9))
	assert.Equal(t, spanMax, constant(1e60))
	assert.Greater(t, 146*365*24*model.Hour+constant(1e60), model.Time(0), "a moment and a span fit")
}

func BenchmarkSample(b *testing.B) {
	for name, c := range distributions {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				SampleTime(&c.dist, UniformOpen(Draw(1, 0, 0, uint64(i))))
			}
		})
	}
}
