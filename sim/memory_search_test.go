package sim

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"podsim/model"
)

// A search finds the moment that one finds who looks at every stretch, and skips most of them.
func TestMemorySearch(t *testing.T) {
	looked, skipped, crossed := 0, 0, 0
	for seed := int64(0); seed < 400; seed++ {
		r := rand.New(rand.NewSource(seed))
		var s memorySearch
		s.reset(r.Int63n(1000))
		for i := range 1 + r.Intn(12) {
			s.add(searchedContainer(r, uint64(i)))
		}
		from := model.Minute + model.Time(r.Int63n(int64(5*model.Minute)))
		before := from + model.Time(r.Int63n(int64(6*model.Hour)))
		limit := s.base + r.Int63n(4000*int64(len(s.users)))
		want, stretches := everyStretch(&s, limit, from, before)
		s.effort = searchEffort
		at, sure := s.first(limit, from, before)
		for !sure {
			require.LessOrEqual(t, at, want, "seed %d: it gives up too late", seed)
			s.effort = searchEffort
			at, sure = s.first(limit, at, before)
		}
		require.Equal(t, want, at, "seed %d", seed)
		if want == model.Never {
			looked += searchEffort - int(s.effort)
			skipped += stretches
		} else {
			crossed++
		}
	}
	require.Greater(t, crossed, 100)
	require.Less(t, looked*10, skipped, "a search that finds nothing looks at too much")
}

// everyStretch looks at every stretch between two knots.
func everyStretch(s *memorySearch, limit int64, from, before model.Time) (at model.Time, stretches int) {
	for from < before {
		line, until := s.lines(from)
		stretches += len(s.users)
		if span := line.Exceeds(limit); from+min(span, before) < min(until, before) {
			return from + span, stretches
		}
		from = until
	}
	return model.Never, stretches
}

func searchedContainer(r *rand.Rand, luck uint64) (*container, *model.Behavior) {
	b := &model.Behavior{}
	switch r.Intn(3) {
	case 0:
		b.MemoryWalk = &model.MemoryWalk{Base: 1000, Step: r.Int63n(300), Min: r.Int63n(1000), Max: 1000 + r.Int63n(3000), Period: model.Time(1 + r.Int63n(int64(model.Minute)))}
		b.MemoryWalk.Period = max(b.MemoryWalk.Period, 100*model.Millisecond)
	default:
		for at := model.Time(r.Int63n(1e9)); len(b.Memory) < 1+r.Intn(400); at += model.Time(1 + r.Int63n(int64(2*model.Minute))) {
			p := model.MemoryPoint{At: at, Use: r.Int63n(3000)}
			if last := len(b.Memory) - 1; last >= 0 && r.Intn(2) == 0 {
				b.Memory[last].Rate = model.RatePer(p.Use-b.Memory[last].Use, at-b.Memory[last].At)
			}
			b.Memory = append(b.Memory, p)
		}
		if r.Intn(8) == 0 {
			b.Memory[len(b.Memory)-1].Rate = model.RatePer(r.Int63n(100), model.Minute)
		}
	}
	k := &container{running: true, startedAt: model.Time(r.Int63n(int64(model.Minute))), endedAt: model.Never, exitAt: model.Never}
	k.memory = &memoryRun{childKilled: model.Never, oomAt: model.Never, peaks: peaksOf(b.Memory)}
	if r.Intn(10) == 0 {
		k.memory.childKilled = k.startedAt
	}
	if b.MemoryWalk != nil {
		k.memory.walk.begin(b.MemoryWalk, 1, luck, 0)
	}
	return k, b
}

// A walk is the same from whichever side one comes.
func TestWalk(t *testing.T) {
	of := &model.MemoryWalk{Base: 500, Step: 50, Min: 100, Max: 900, Period: model.Second}
	var ahead walk
	ahead.begin(of, 1, 2, 3)
	r := rand.New(rand.NewSource(1))
	use := of.Base
	for n := int64(0); n < 1000; n++ {
		require.Equal(t, use, ahead.use(n))
		use = of.Next(use, Draw(1, streamMemory, 2, 3+uint64(n)+1))
		require.InDelta(t, ahead.use(n), use, 50)
		require.GreaterOrEqual(t, use, of.Min)
		require.LessOrEqual(t, use, of.Max)
	}
	for range 200 {
		var w walk
		w.begin(of, 1, 2, 3)
		from := r.Int63n(900)
		to := from + r.Int63n(100)
		most := int64(0)
		for n := from; n <= to; n++ {
			most = max(most, ahead.use(n))
		}
		require.GreaterOrEqual(t, w.most(from, to), most)
		require.Equal(t, ahead.use(to), w.use(to))
		require.Equal(t, ahead.use(from), w.use(from))
	}
}
