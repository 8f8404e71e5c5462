package model

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDistValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		dist Dist
		want string // "" for a valid one
	}{
		{Dist{}, ""},
		{Dist{Value: -3}, ""},
		{Dist{Value: nan}, "constant: value is NaN, must be between -1e+60 and 1e+60"},
		{Dist{Value: 5, Min: 7}, "constant: max 0 must be above min 7"},
		{Dist{Value: 5, Min: 7, Max: 7}, "constant: max 7 must be above min 7"},
		{Dist{Value: 5, Min: 7, Max: inf}, ""},
		{Dist{Value: 5, Min: nan}, "constant: min and max must be numbers"},
		{Dist{Kind: DistUniform, Min: 1, Max: 1}, ""},
		{Dist{Kind: DistUniform, Min: 1}, "uniform: max 0 must not be below min 1"},
		{Dist{Kind: DistUniform, Max: inf}, "uniform: max is +Inf, must be between -1e+60 and 1e+60"},
		{Dist{Kind: DistExponential, Mean: 2}, ""},
		{Dist{Kind: DistExponential}, "exponential: mean is 0, must be above 0"},
		{Dist{Kind: DistNormal}, ""},
		{Dist{Kind: DistNormal, Stddev: -1}, "normal: stddev is -1, must be 0 or above"},
		{Dist{Kind: DistLogNormal, Mean: 1}, ""},
		{Dist{Kind: DistLogNormal, Stddev: 1}, "lognormal: mean is 0, must be above 0"},
		{Dist{Kind: DistLogNormal, Mean: 3, Stddev: 1, Shift: 2}, ""},
		{Dist{Kind: DistLogNormal, Mean: 3, Stddev: 1, Shift: 3}, "lognormal: shift 3 must be below the mean 3"},
		{Dist{Kind: DistLogNormal, Mean: 3, Stddev: 1, Shift: -1}, "lognormal: shift is -1, must be 0 or above"},
		{Dist{Kind: DistGamma, Shape: 1, Scale: 1}, ""},
		{Dist{Kind: DistGamma, Scale: 1}, "gamma: shape is 0, must be between 1e-09 and 1e+09"},
		{Dist{Kind: DistWeibull, Shape: 1}, "weibull: scale is 0, must be above 0"},
		{Dist{Kind: DistPareto, Shape: 1, Scale: 1e61},
			"pareto: scale is 1e+61, must be between 1e-60 and 1e+60"},
		{Dist{Kind: DistEmpirical, Values: []float64{1}}, ""},
		{Dist{Kind: DistEmpirical}, "empirical: values must not be empty"},
		{Dist{Kind: DistEmpirical, Values: []float64{1, nan}},
			"empirical: values[1] is NaN, must be between -1e+60 and 1e+60"},
		{Dist{Kind: DistEmpirical, Values: []float64{1, 2}, Weights: []float64{1}},
			"empirical: 1 weights for 2 values: give one each, or none"},
		{Dist{Kind: DistEmpirical, Values: []float64{1}, Weights: []float64{-1}},
			"empirical: weights[0] is -1, must be 0 or above"},
		{Dist{Kind: DistEmpirical, Values: []float64{1}, Weights: []float64{0}},
			"empirical: the sum of weights is 0, must be above 0"},
		{Dist{Kind: DistEmpirical + 1}, "distribution kind 9: there is no such kind"},
	} {
		err := c.dist.Validate()
		if c.want == "" {
			assert.NoError(t, err, "%+v", c.dist)
		} else {
			assert.EqualError(t, err, c.want)
		}
	}
}
