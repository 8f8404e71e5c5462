package calibrate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"podsim/model"
)

// LogNormal is a shifted log-normal distribution: Shift, the floor that nothing is below, and a part above it whose
// logarithm is normal with Mu and Sigma. With Sigma 0 it is the constant Shift + exp(Mu).
type LogNormal struct {
	Shift float64 `json:"shift_ns"`
	Mu    float64 `json:"mu"`
	Sigma float64 `json:"sigma"`
}

// above is the part above the floor.
func (d LogNormal) above() distuv.LogNormal { return distuv.LogNormal{Mu: d.Mu, Sigma: d.Sigma} }

// quantile is the number below which a part p of the distribution is.
func (d LogNormal) quantile(p float64) float64 { return d.Shift + d.above().Quantile(p) }

// cdf is the part of the distribution that is at most x. Sigma is above 0.
func (d LogNormal) cdf(x float64) float64 { return d.above().CDF(max(0, x-d.Shift)) }

// prob is the density at x. Sigma is above 0.
func (d LogNormal) prob(x float64) float64 {
	if x <= d.Shift {
		return 0
	}
	return d.above().Prob(x - d.Shift)
}

// logLikelihood is the logarithm of the density of all numbers, which are above Shift. Sigma is above 0.
func (d LogNormal) logLikelihood(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += d.above().LogProb(x - d.Shift)
	}
	return sum
}

// mean is that of the distribution itself.
func (d LogNormal) mean() float64 { return d.Shift + d.above().Mean() }

// dist is the distribution as a scenario says it, in whole microseconds, with most as the largest number. The
// numbers are in nanoseconds.
func (d LogNormal) dist(most float64) model.Dist {
	round := func(x float64) float64 { return math.Round(x/1e3) * 1e3 }
	if d.Sigma == 0 {
		return model.Dist{Kind: model.DistConstant, Value: round(d.mean())}
	}
	// Beyond that a mean says nothing: it is thousands of times the median.
	d.Sigma = min(d.Sigma, 4)
	// A floor that rounds up to the mean is none.
	shift, mean := math.Floor(d.Shift/1e3)*1e3, round(d.mean())
	x := model.Dist{Kind: model.DistLogNormal, Mean: max(mean, shift+1e3), Stddev: round(d.above().StdDev()), Shift: shift, Max: round(most)}
	if x.Max <= x.Min {
		x.Max = math.Inf(1)
	}
	return x
}

// fitLogNormal fits a shifted log-normal distribution to numbers above 0, of which there is one at least.
//
// The likelihood has no maximum: it grows without bound as the shift nears the least number (Hill, The
// three-parameter lognormal distribution and Bayesian analysis of a point-source epidemic, JASA 58, 1963). So
// the equation for the shift is replaced by one for the least of n numbers: the modified maximum likelihood estimator of
// Cohen and Whitten, Estimation in the three-parameter lognormal distribution, JASA 75, 1980. Mu and Sigma are
// those of maximum likelihood for that shift. The shift is 0 or above; it is 0 where the numbers are not
// skewed to the right of a floor above it.
func fitLogNormal(xs []float64) LogNormal {
	least := slices.Min(xs)
	if least == slices.Max(xs) {
		return LogNormal{Mu: math.Log(least)}
	}
	// What the least of n numbers of a standard normal distribution is about (Blom).
	lowest := distuv.UnitNormal.Quantile((1 - 0.375) / (float64(len(xs)) + 0.25))
	logs := make([]float64, len(xs))
	excess := func(shift float64) float64 {
		d := withShift(xs, shift, logs)
		return math.Log(least-shift) - d.Mu - d.Sigma*lowest
	}
	best := withShift(xs, 0, logs)
	if excess(0) <= 0 {
		return best
	}
	// From 0 on towards the least number, in steps that leave a fixed part of what is left.
	const steps, part = 60, 0.75
	lower, left := 0.0, least
	for range steps {
		left *= part
		upper := least - left
		if excess(upper) <= 0 {
			return withShift(xs, root(excess, lower, upper), logs)
		}
		lower = upper
	}
	return best
}

// withShift has the greatest likelihood with a shift. logs is memory.
func withShift(xs []float64, shift float64, logs []float64) LogNormal {
	for i, x := range xs {
		logs[i] = math.Log(x - shift)
	}
	mean, variance := stat.PopMeanVariance(logs, nil)
	return LogNormal{Shift: shift, Mu: mean, Sigma: math.Sqrt(variance)}
}

// root is where a function that is above 0 at a and not at b crosses it.
func root(f func(float64) float64, a, b float64) float64 {
	for range 60 {
		if m := (a + b) / 2; f(m) > 0 {
			a = m
		} else {
			b = m
		}
	}
	return a
}
