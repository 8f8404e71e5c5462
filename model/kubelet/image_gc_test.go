package kubelet_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"podsim/model"
	"podsim/model/kubelet"
)

func TestImageGCThresholds(t *testing.T) {
	p := kubelet.ImageGCPolicy{HighThresholdPercent: 85, LowThresholdPercent: 80}
	for _, c := range []struct{ capacity, available, percent, free int64 }{
		{1000, 160, 84, 0}, {1000, 159, 85, 41}, {1000, 150, 85, 50}, {1000, 0, 100, 200}, {1000, 2000, 0, 0},
		{999, 159, 85, 40},
	} {
		assert.Equal(t, c.percent, p.UsagePercent(c.capacity, c.available))
		assert.Equal(t, c.free, p.AmountToFree(c.capacity, c.available))
	}
	for capacity := int64(1); capacity < 300; capacity++ {
		for use := range capacity + 1 {
			over := p.UsagePercent(capacity, capacity-use) >= p.HighThresholdPercent
			assert.Equal(t, over, use > p.Most(capacity), "%d of %d", use, capacity)
		}
	}
}

func TestImageGCOrder(t *testing.T) {
	images := func() []kubelet.ImageRecord {
		return []kubelet.ImageRecord{
			{Image: 1, LastUsed: 200, FirstDetected: 0, Size: 10},
			{Image: 2, LastUsed: kubelet.NeverUsed, FirstDetected: 100, Size: 10},
			{Image: 3, LastUsed: kubelet.NeverUsed, FirstDetected: 0, Size: 10},
			{Image: 4, LastUsed: 300, Used: true, Size: 10},
			{Image: 5, LastUsed: kubelet.NeverUsed, Pinned: true, Size: 10},
			{Image: 6, LastUsed: 100, FirstDetected: 0, Size: 10},
			{Image: 7, LastUsed: kubelet.NeverUsed, FirstDetected: 290, Size: 10},
		}
	}
	names := func(list []kubelet.ImageRecord) (ids []model.ImageID) {
		for _, r := range list {
			ids = append(ids, r.Image)
		}
		return ids
	}
	order := kubelet.EvictionOrder(images())
	assert.Equal(t, []model.ImageID{3, 2, 7, 6, 1}, names(order))
	p := kubelet.ImageGCPolicy{MinAge: 50, MaxAge: 150}
	chosen, freed := p.SpaceImages(order, 25, 300)
	assert.Equal(t, []model.ImageID{3, 2, 6}, names(chosen))
	assert.Equal(t, int64(30), freed)
	chosen, freed = p.SpaceImages(order, kubelet.AllBytes, 300)
	assert.Equal(t, []model.ImageID{3, 2, 6, 1}, names(chosen))
	assert.Equal(t, int64(40), freed)
	old, rest := p.OldImages(order, 300, 0)
	assert.Equal(t, []model.ImageID{3, 2, 7, 6}, names(old))
	assert.Equal(t, []model.ImageID{1}, names(rest))
	old, rest = p.OldImages(order, 300, 150)
	assert.Empty(t, old)
	assert.Len(t, rest, 5)
}
