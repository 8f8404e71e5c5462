package kubelet

import (
	"math/bits"
	"slices"

	"podsim/model"
)

// CPUQuota is the time in nanoseconds that the containers of a limit in milli-cores have in each period,
// 0 for no limit (pkg/kubelet/cm/helpers_linux.go MilliCPUToQuota). Upstream counts microseconds.
func CPUQuota(limit int64, period model.Time) model.Time {
	const least = model.Millisecond
	if limit == 0 {
		return 0
	}
	quota := limit * int64(period/model.Microsecond) / 1000
	return max(least, model.Time(quota)*model.Microsecond)
}

// CPUShares is the weight of a request in milli-cores (MilliCPUToShares).
func CPUShares(request int64) int64 {
	const least, most = 2, 262144
	return min(max(request*1024/1000, least), most)
}

// Core is the rate of one core, in billionths.
const Core = 1_000_000_000

// CPUDemand is what a container asks of the cores of a node, and gets: Most is the most that it can use in
// the long run, Rate what it has, in billionths of a core.
type CPUDemand struct {
	Weight     int64
	Most, Rate int64
}

// ShareCPU divides cores, in billionths, by weight: nobody has more than the most that it can use, and
// what one does not use the others have (max-min fair by weight, as the kernel's scheduler in the long
// run). It says whether all have the most that they can use. order is scratch memory.
func ShareCPU(cores int64, demands []CPUDemand, order []int32) (enough bool, scratch []int32) {
	sum, weights := int64(0), int64(0)
	for i := range demands {
		demands[i].Rate = demands[i].Most
		sum += demands[i].Most
		weights += demands[i].Weight
	}
	if sum <= cores {
		return true, order
	}
	order = order[:0]
	for i := range demands {
		order = append(order, int32(i))
	}
	// Those that reach their most first.
	slices.SortStableFunc(order, func(a, b int32) int {
		x, y := &demands[a], &demands[b]
		xh, xl := bits.Mul64(uint64(x.Most), uint64(y.Weight))
		yh, yl := bits.Mul64(uint64(y.Most), uint64(x.Weight))
		switch {
		case xh < yh || xh == yh && xl < yl:
			return -1
		case xh == yh && xl == yl:
			return 0
		}
		return 1
	})
	for _, i := range order {
		d := &demands[i]
		d.Rate = min(d.Most, MulDiv(cores, d.Weight, weights))
		cores -= d.Rate
		weights -= d.Weight
	}
	return false, order
}

// MulDiv is a times b by c without overflow, rounded down; none of them is negative, and the result fits.
func MulDiv(a, b, c int64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	q, _ := bits.Div64(high, low, uint64(c))
	return int64(q)
}
