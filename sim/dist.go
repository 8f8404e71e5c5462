package sim

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"podsim/model"
)

// spanMax is what SampleTime gives at most: 2^62 ns, 146 years. It is half of the range of
// model.Time, so that adding it to a moment of a run does not overflow.
const spanMax model.Time = 1 << 62

// Sample is the quantile of d at u, with 0 < u < 1 (see UniformOpen), in d's own unit. It is
// finite, and within d.Min and d.Max when these bound d. d must be valid.
//
// One draw gives one number, and a larger draw a larger number (for DistEmpirical: a later one
// in Values). So runs that differ in a parameter only keep their luck.
func Sample(d *model.Dist, u float64) float64 {
	x := quantile(d, u)
	if d.Max > d.Min {
		x = min(max(x, d.Min), d.Max)
	}
	return min(max(x, -math.MaxFloat64), math.MaxFloat64)
}

// SampleTime is Sample for a d in nanoseconds, rounded to the nearest. It is never negative and
// at most 2^62 (146 years).
func SampleTime(d *model.Dist, u float64) model.Time {
	x := math.Round(Sample(d, u))
	if x <= 0 {
		return 0
	}
	if x >= float64(spanMax) {
		return spanMax
	}
	return model.Time(x)
}

func quantile(d *model.Dist, u float64) float64 {
	switch d.Kind {
	case model.DistConstant:
		return d.Value
	case model.DistUniform:
		return d.Min + u*(d.Max-d.Min)
	case model.DistExponential:
		return distuv.Exponential{Rate: 1 / d.Mean}.Quantile(u)
	case model.DistNormal:
		return distuv.Normal{Mu: d.Mean, Sigma: d.Stddev}.Quantile(u)
	case model.DistLogNormal:
		return d.Shift + logNormal(d.Mean-d.Shift, d.Stddev).Quantile(u)
	case model.DistGamma:
		return distuv.Gamma{Alpha: d.Shape, Beta: 1 / d.Scale}.Quantile(u)
	case model.DistWeibull:
		return distuv.Weibull{K: d.Shape, Lambda: d.Scale}.Quantile(u)
	case model.DistPareto:
		return distuv.Pareto{Xm: d.Scale, Alpha: d.Shape}.Quantile(u)
	case model.DistEmpirical:
		return empirical(d, u)
	}
	panic("sim: " + d.Kind.String())
}

// logNormal has the given mean and standard deviation; distuv wants those of its logarithm.
func logNormal(mean, stddev float64) distuv.LogNormal {
	ratio := stddev / mean
	variance := math.Log1p(ratio * ratio)
	return distuv.LogNormal{Mu: math.Log(mean) - variance/2, Sigma: math.Sqrt(variance)}
}

// empirical walks the weights: time proportional to their number, none without weights.
func empirical(d *model.Dist, u float64) float64 {
	if len(d.Weights) == 0 {
		// u*n may round up to n.
		return d.Values[min(int(u*float64(len(d.Values))), len(d.Values)-1)]
	}
	total := 0.0
	for _, weight := range d.Weights {
		total += weight
	}
	chosen, below := 0, 0.0
	for i, weight := range d.Weights {
		if weight == 0 {
			continue
		}
		chosen = i
		below += weight
		if u*total < below {
			break
		}
	}
	return d.Values[chosen]
}
