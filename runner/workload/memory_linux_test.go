package workload

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Memory stops where the machine has none to spare, and goes on when it has.
func TestMemoryIsSpared(t *testing.T) {
	const mib = 1 << 20
	for name, limit := range map[string]int64{"without a limit": 0, "far below the limit": 1 << 40} {
		t.Run(name, func(t *testing.T) {
			m, err := newMemory(limit, 0)
			require.NoError(t, err)
			spare := int64(100 * mib)
			m.spare = func() int64 { return spare - m.used }
			m.set(200 * mib)
			assert.EqualValues(t, 64*mib, m.used)
			spare = 1 << 30
			m.set(70 * mib)
			assert.EqualValues(t, 70*mib, m.used)
			m.set(mib)
			assert.EqualValues(t, mib, m.used)
			spare = 0
			m.set(2 * mib)
			assert.EqualValues(t, mib, m.used)
		})
	}
	m, err := newMemory(10*mib, 0)
	require.NoError(t, err)
	m.spare = func() int64 { return beyond + 10*mib - m.used }
	m.set(1 << 30)
	assert.EqualValues(t, 2*look, m.used, "enough to be killed for the limit, and no more")
}
