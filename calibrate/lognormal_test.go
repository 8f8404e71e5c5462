package calibrate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/sim"
)

func sample(d LogNormal, n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = d.Shift + math.Exp(d.Mu+d.Sigma*r.NormFloat64())
	}
	return xs
}

// The fit finds the distribution that the numbers were drawn from. Of quantiles, the standard error of the median of
// n numbers is about 1.25 sigma/sqrt(n) of what is above the floor; 5 of them are allowed.
func TestFitRecovers(t *testing.T) {
	for _, d := range []LogNormal{{40e6, math.Log(20e6), 0.6}, {3e6, math.Log(2e6), 1}, {0, math.Log(10e6), 0.4}, {150e6, math.Log(15e6), 0.8}} {
		for _, n := range []int{200, 2000} {
			for seed := range uint64(5) {
				name := fmt.Sprintf("%+v n=%d seed=%d", d, n, seed)
				fit := fitLogNormal(sample(d, n, seed))
				for _, p := range []float64{0.05, 0.5, 0.9} {
					above := d.quantile(p) - d.Shift
					assert.InDelta(t, d.quantile(p), fit.quantile(p), 5*1.8*d.Sigma*above/math.Sqrt(float64(n)), "%s p%v", name, p)
				}
				assert.InDelta(t, d.Shift, fit.Shift, 10*math.Exp(d.Mu)*d.Sigma/math.Sqrt(float64(n)), name)
				assert.InEpsilon(t, d.mean(), fit.mean(), 0.1, name)
			}
		}
	}
}

// Numbers of another distribution are told from a log-normal one; its own seldom are.
func TestGoodness(t *testing.T) {
	d := LogNormal{40e6, math.Log(20e6), 0.6}
	few := 0
	for seed := range uint64(20) {
		xs := sample(d, 300, seed)
		slices.Sort(xs)
		if goodness(fitLogNormal(xs), xs, 1).P < 0.05 {
			few++
		}
	}
	assert.LessOrEqual(t, few, 4, "1 of 20 is expected")
	two := append(sample(d, 300, 1), sample(LogNormal{200e6, math.Log(5e6), 0.1}, 300, 2)...)
	slices.Sort(two)
	assert.Equal(t, 1.0/(bootstraps+1), goodness(fitLogNormal(two), two, 1).P)
}

func TestFitOfOddNumbers(t *testing.T) {
	same := fitLogNormal([]float64{5e6, 5e6, 5e6})
	assert.Equal(t, LogNormal{Mu: math.Log(5e6)}, same)
	assert.Equal(t, model.Dist{Value: 5e6}, same.dist(5e6))
	assert.InDelta(t, 7e6, fitLogNormal([]float64{7e6}).quantile(0.9), 1)
	assert.Equal(t, Goodness{P: 1}, goodness(same, []float64{5e6, 5e6, 5e6}, 1))

	for _, xs := range [][]float64{
		{1e6, 2e6},
		{10e6, 10e6, 10e6, 11e6, 11e6, 30e6},     // ties at the floor
		{10e6, 90e6, 95e6, 99e6, 100e6},          // skewed to the left
		{1, 2, 3, 1e12},                          // from a nanosecond to a quarter of an hour
		{5e6, 5e6, 5e6, 5e6, 5e6, 5e6, 5e6, 6e6}, // all but one the same
	} {
		d := fitLogNormal(xs)
		assert.GreaterOrEqual(t, d.Shift, 0.0, "%v", xs)
		assert.Less(t, d.Shift, slices.Min(xs), "%v", xs)
		assert.False(t, math.IsNaN(d.Mu+d.Sigma), "%v", xs)
		x := d.dist(d.quantile(0.999))
		require.NoError(t, x.Validate(), "%v", xs)
	}
}

// The distribution of a scenario is the fitted one.
func TestDist(t *testing.T) {
	d := LogNormal{40e6, math.Log(20e6), 0.6}
	x := d.dist(500e6)
	for _, p := range []float64{0.01, 0.5, 0.99} {
		assert.InEpsilon(t, d.quantile(p), sim.Sample(&x, p), 0.001)
		assert.InDelta(t, p, d.cdf(d.quantile(p)), 1e-9)
	}
}
