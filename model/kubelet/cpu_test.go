package kubelet_test

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/model/kubelet"
)

func TestCPUQuotaAndShares(t *testing.T) {
	const period = 100 * model.Millisecond
	assert.Equal(t, model.Time(0), kubelet.CPUQuota(0, period))
	assert.Equal(t, 50*model.Millisecond, kubelet.CPUQuota(500, period))
	assert.Equal(t, 200*model.Millisecond, kubelet.CPUQuota(2000, period))
	assert.Equal(t, model.Millisecond, kubelet.CPUQuota(1, period))
	assert.Equal(t, 3330*model.Microsecond, kubelet.CPUQuota(333, 10*model.Millisecond))
	for request, shares := range map[int64]int64{0: 2, 1: 2, 2: 2, 100: 102, 1000: 1024, 1_000_000: 262144} {
		assert.Equal(t, shares, kubelet.CPUShares(request))
	}
}

// Nobody has more than it can use, all cores are used, and whoever could use more has as much for its
// weight as anybody.
func TestShareCPU(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var order []int32
	for range 2000 {
		cores := int64(1+r.Intn(16)) * kubelet.Core
		demands := make([]kubelet.CPUDemand, 1+r.Intn(12))
		sum := int64(0)
		for i := range demands {
			demands[i] = kubelet.CPUDemand{Weight: kubelet.CPUShares(int64(r.Intn(3000))), Most: int64(1+r.Intn(4000)) * (kubelet.Core / 1000)}
			sum += demands[i].Most
		}
		var enough bool
		enough, order = kubelet.ShareCPU(cores, demands, order)
		require.Equal(t, sum <= cores, enough)
		used, level := int64(0), 0.0
		for _, d := range demands {
			require.LessOrEqual(t, d.Rate, d.Most)
			used += d.Rate
			level = max(level, float64(d.Rate)/float64(d.Weight))
		}
		require.InDelta(t, float64(min(sum, cores)), float64(used), float64(len(demands)))
		for _, d := range demands {
			if d.Rate < d.Most {
				require.InEpsilon(t, level, float64(d.Rate)/float64(d.Weight), 1e-4)
			}
		}
	}
}
