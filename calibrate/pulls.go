package calibrate

import (
	"math"
	"slices"

	"podsim/runner"
)

// PullFit is what pulls take: a fixed cost, and a time for each MiB.
type PullFit struct {
	N int `json:"pulls"`
	// Fixed is the median of the fixed costs, PerMiB the time for each MiB, in nanoseconds.
	Fixed  float64 `json:"fixed_ns"`
	PerMiB float64 `json:"per_mib_ns"`
	// Error is the median distance of the pulls from that line, in nanoseconds.
	Error float64 `json:"median_error_ns"`
}

const mib = 1 << 20

// mostPulls are looked at: each is compared with each other one.
const mostPulls = 2000

// fitPulls fits a line to pulls of different sizes: the median of the slopes between any two of them, which a few
// slow ones do not move (Theil; Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63,
// 1968). It also gives the fixed costs, one of each pull. It is nil where all sizes are the same.
func fitPulls(pulls []runner.Operation) (*PullFit, []float64) {
	pulls = pulls[:min(len(pulls), mostPulls)]
	var slopes []float64
	for i := range pulls {
		for j := range i {
			if size := float64(pulls[i].Bytes-pulls[j].Bytes) / mib; size != 0 {
				slopes = append(slopes, float64(pulls[i].Took-pulls[j].Took)/size)
			}
		}
	}
	if len(slopes) == 0 {
		return nil, nil
	}
	slices.Sort(slopes)
	f := PullFit{N: len(pulls), PerMiB: max(0, quantile(slopes, 0.5))}
	var costs, errors []float64
	for i := range pulls {
		costs = append(costs, float64(pulls[i].Took)-f.PerMiB*float64(pulls[i].Bytes)/mib)
	}
	slices.Sort(costs)
	f.Fixed = quantile(costs, 0.5)
	for _, c := range costs {
		errors = append(errors, math.Abs(c-f.Fixed))
	}
	slices.Sort(errors)
	f.Error = quantile(errors, 0.5)
	return &f, costs
}
