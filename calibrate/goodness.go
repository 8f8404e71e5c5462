package calibrate

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Goodness says how well a distribution fits what was measured.
type Goodness struct {
	// Distance is that of Kolmogorov and Smirnov: the largest between the two distribution functions.
	Distance float64 `json:"ks_distance"`
	// P is how often numbers that are drawn from the fitted distribution, and fitted in the same way, are
	// further away than that (parametric bootstrap, as of Lilliefors). Small is bad.
	P float64 `json:"p"`
}

// bootstraps is how many samples P is found from.
const bootstraps = 199

// distance is that of Kolmogorov and Smirnov from sorted numbers.
func (d LogNormal) distance(sorted []float64) float64 {
	n, most := float64(len(sorted)), 0.0
	for i, x := range sorted {
		p := d.cdf(x)
		most = max(most, p-float64(i)/n, float64(i+1)/n-p)
	}
	return most
}

// goodness compares a fit with its numbers, which are sorted.
func goodness(d LogNormal, sorted []float64, seed uint64) Goodness {
	if d.Sigma == 0 {
		return Goodness{P: 1}
	}
	g := Goodness{Distance: d.distance(sorted)}
	r := rand.New(rand.NewPCG(seed, uint64(len(sorted))))
	further := 0
	xs := make([]float64, len(sorted))
	for range bootstraps {
		for i := range xs {
			xs[i] = d.Shift + math.Exp(d.Mu+d.Sigma*r.NormFloat64())
		}
		slices.Sort(xs)
		if fitLogNormal(xs).distance(xs) >= g.Distance {
			further++
		}
	}
	g.P = float64(further+1) / (bootstraps + 1)
	return g
}

// quantile is that of sorted numbers, between the two next to it. (The median of two numbers is the lesser with gonum's
// stat.Quantile.)
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
