package model_test

import (
	"math/big"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"podsim/model"
)

func TestMemoryLine(t *testing.T) {
	leak := model.MemoryLine{Bytes: 100 << 20, Rate: model.RatePer(60<<20, model.Minute)}
	require.EqualValues(t, 100<<20, leak.After(0).Bytes)
	require.InDelta(t, 160<<20, leak.After(model.Minute).Bytes, 1)
	require.InDelta(t, float64(28*model.Second), float64(leak.Exceeds(128<<20)), 1000)
	require.Zero(t, leak.Exceeds(100<<20-1))
	require.Equal(t, model.Never, model.MemoryLine{Bytes: 5}.Exceeds(5))
	require.Equal(t, model.Never, model.MemoryLine{Bytes: 5, Rate: -1}.Exceeds(5))
	require.EqualValues(t, 4691, model.RatePer(1, model.Minute))
	require.EqualValues(t, -4691, model.RatePer(-1, model.Minute))
}

// The moment of a crossing is exact: a nanosecond before, the limit is not passed.
func TestMemoryLineExceeds(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		sum := model.MemoryLine{}
		for range 1 + r.Intn(50) {
			line := model.MemoryLine{Bytes: r.Int63n(1 << r.Intn(40)), Rate: model.RatePer(r.Int63n(1<<r.Intn(40))-r.Int63n(1<<r.Intn(38)), model.Time(1+r.Int63n(int64(model.Hour))))}
			sum = sum.Plus(line.After(model.Time(r.Int63n(int64(model.Minute)))))
		}
		limit := sum.Bytes + r.Int63n(1<<r.Intn(40))
		span := sum.Exceeds(limit)
		if span == model.Never {
			continue
		}
		require.Equal(t, bigLine(sum, span), sum.After(span).Bytes)
		require.Greater(t, sum.After(span).Bytes, limit)
		require.LessOrEqual(t, sum.After(span-1).Bytes, limit)
	}
}

// bigLine is the line after a span of time without rounding.
func bigLine(l model.MemoryLine, span model.Time) int64 {
	x := new(big.Int).Mul(big.NewInt(int64(l.Rate)), big.NewInt(int64(span)))
	x.Add(x, new(big.Int).Lsh(big.NewInt(l.Bytes), 48)).Add(x, big.NewInt(l.Part))
	return x.Rsh(x, 48).Int64()
}

func TestMemoryAt(t *testing.T) {
	points := []model.MemoryPoint{{At: 10, Use: 5}, {At: 20, Use: 7, Rate: model.RatePer(10, 10)}, {At: 30, Use: 17}}
	for _, x := range []struct {
		since, until model.Time
		use          int64
	}{{0, 10, 0}, {9, 10, 0}, {10, 20, 5}, {19, 20, 5}, {20, 30, 7}, {25, 30, 12}, {30, model.Never, 17}, {1000, model.Never, 17}} {
		line, until := model.MemoryAt(points, x.since)
		require.Equal(t, x.use, line.Bytes, x.since)
		require.Equal(t, x.until, until, x.since)
	}
}
