package runner

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPodCgroupFiles(t *testing.T) {
	some := podResources{shares: 512, quota: 50000, period: 100000, memory: 64 << 20, processes: -1}
	assert.Equal(t, []cgroupFile{
		{"cpu", "cpu.shares", "512"}, {"cpu", "cpu.cfs_period_us", "100000"}, {"cpu", "cpu.cfs_quota_us", "50000"},
		{"memory", "memory.limit_in_bytes", "67108864"}, {"pids", "pids.max", "max"},
	}, some.files(false))
	assert.Equal(t, []cgroupFile{
		{"", "cpu.weight", "59"}, {"", "cpu.max", "50000 100000"}, {"", "memory.max", "67108864"}, {"", "memory.high", "max"}, {"", "pids.max", "max"},
	}, some.files(true))
	none := podResources{shares: sharesMin, period: 100000, processes: 7, high: 4096}
	assert.Equal(t, []cgroupFile{
		{"", "cpu.weight", "1"}, {"", "cpu.max", "max 100000"}, {"", "memory.max", "max"}, {"", "memory.high", "4096"}, {"", "pids.max", "7"},
	}, none.files(true))
}

// A resize gives the pod what is higher first: no limit is higher than any.
func TestAtLeast(t *testing.T) {
	a := podResources{shares: 100, quota: 5, memory: 10}
	assert.Equal(t, podResources{shares: 200, quota: 5, memory: 0}, a.atLeast(podResources{shares: 200, quota: 3, memory: 0}))
}

// What the kubelet's conversion gives for the shares of usual requests: 1024 shares are a weight of 100.
func TestCPUWeight(t *testing.T) {
	assert.EqualValues(t, 1, cpuWeight(sharesMin))
	assert.EqualValues(t, 100, cpuWeight(1024))
	assert.EqualValues(t, 10000, cpuWeight(sharesMax))
}
