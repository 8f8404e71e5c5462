package sim

import (
	"sort"

	"podsim/model"
)

// memoryUser is a container whose use of memory counts in a search.
type memoryUser struct {
	k *container
	b *model.Behavior
}

// memorySearch looks ahead for the moment at which some containers and something constant together use
// more memory than a limit.
//
// In each stretch in which all of them go straight the moment is computed. Stretches over which the most
// that each can use does not pass the limit in sum are skipped; the wider ones first, so that where
// nothing is near the limit a search looks at few of them. It looks at a bounded number of steps of
// random walks and then gives up.
type memorySearch struct {
	base  int64
	users []memoryUser
	// narrow is the narrowest stretch that is skipped, effort what the search may yet cost, about the
	// number of steps of walks.
	narrow model.Time
	effort int64
}

// searchEffort is about how many steps of random walks a search looks at.
const searchEffort = 1 << 14

func (s *memorySearch) reset(base int64) {
	*s = memorySearch{base: base, users: s.users[:0], narrow: model.Second, effort: searchEffort}
}

func (s *memorySearch) add(k *container, b *model.Behavior) {
	s.users = append(s.users, memoryUser{k, b})
	if b.MemoryWalk != nil {
		s.narrow = min(s.narrow, b.MemoryWalk.Period)
	}
}

// first is the first moment from from on, and before the moment before, at which the use is above limit;
// Never if there is none. When sure is false the search gave up: up to that moment there is none.
func (s *memorySearch) first(limit int64, from, before model.Time) (at model.Time, sure bool) {
	if s.ceiling() <= limit {
		return model.Never, true
	}
	for from < before {
		line, until := s.lines(from)
		if span := line.Exceeds(limit); span < min(until, before)-from {
			return from + span, true
		}
		if until >= before {
			break
		}
		if s.effort <= 0 {
			return until, false
		}
		from = s.skip(limit, until, before)
	}
	return model.Never, true
}

// lines is the use from a moment on in sum, and when it will be something else.
func (s *memorySearch) lines(at model.Time) (sum model.MemoryLine, until model.Time) {
	sum, until = model.MemoryLine{Bytes: s.base}, model.Never
	for _, u := range s.users {
		line, end := u.k.memoryLine(u.b, at)
		sum, until = sum.Plus(line), min(until, end)
	}
	s.effort -= int64(len(s.users))
	return sum, until
}

// skip is a moment from from on, at most before, up to which the use is not above limit.
func (s *memorySearch) skip(limit int64, from, before model.Time) model.Time {
	for width := s.narrow; from < before && s.effort > 0; {
		to := before
		if width < before-from {
			to = from + width
		}
		switch {
		case s.most(from, to) <= limit:
			from = to
			width = min(2*width, model.Hour)
		case width > s.narrow:
			width = max(width/4, s.narrow)
		default:
			return from
		}
	}
	return from
}

// most is as much as can be in use from one moment to another.
func (s *memorySearch) most(from, to model.Time) int64 {
	sum := s.base
	for _, u := range s.users {
		use, steps := u.k.mostMemory(u.b, from, to)
		sum += use
		s.effort -= 1 + steps/walkBlock
	}
	return sum
}

// ceiling is as much as can be in use at any time, MostMemory when there is no bound.
func (s *memorySearch) ceiling() int64 {
	sum := s.base
	for _, u := range s.users {
		most, bounded := u.k.memoryCeiling(u.b)
		if !bounded {
			return model.MostMemory
		}
		sum += most
	}
	return sum
}

// memoryLine is the container's use of memory from a moment on, and when it will be something else. It is
// 0 when the container does not run then; that it ends is not foreseen.
func (k *container) memoryLine(b *model.Behavior, at model.Time) (line model.MemoryLine, until model.Time) {
	m := k.memory
	if at < k.startedAt || at >= k.endedAt || at >= m.childKilled {
		return model.MemoryLine{}, model.Never
	}
	since := at - k.startedAt
	if w := b.MemoryWalk; w != nil {
		n := m.walk.steps(since)
		return model.MemoryLine{Bytes: m.walk.use(n)}, k.startedAt + model.Time(n+1)*w.Period
	}
	line, until = model.MemoryAt(b.Memory, since)
	if until != model.Never {
		until += k.startedAt
	}
	return line, until
}

// mostMemory is as much as the container can use from one moment to another, and how many steps of its
// walk or of its points were looked at.
func (k *container) mostMemory(b *model.Behavior, from, to model.Time) (most, steps int64) {
	m := k.memory
	if to <= k.startedAt || from >= k.endedAt || from >= m.childKilled {
		return 0, 0
	}
	from, to = max(from, k.startedAt)-k.startedAt, to-k.startedAt
	if b.MemoryWalk != nil {
		first, last := m.walk.steps(from), m.walk.steps(to)
		return m.walk.most(first, last), last - first
	}
	return m.mostOfPoints(b.Memory, from, to)
}

// mostOfPoints is as much as points say is used from one moment to another after their start.
func (m *memoryRun) mostOfPoints(points []model.MemoryPoint, from, to model.Time) (most, steps int64) {
	first := max(0, sort.Search(len(points), func(i int) bool { return points[i].At > from })-1)
	last := max(0, sort.Search(len(points), func(i int) bool { return points[i].At > to })-1)
	for i := first; i <= last; i++ {
		if i%walkBlock == 0 && i+walkBlock <= last {
			most = max(most, m.peaks[i/walkBlock])
			i += walkBlock - 1
			continue
		}
		end := to
		if i+1 < len(points) {
			end = min(end, points[i+1].At)
		}
		most = max(most, mostOf(points, i, end))
	}
	return most, int64(last - first)
}

// memoryCeiling is the most that the container ever uses, where there is a bound.
func (k *container) memoryCeiling(b *model.Behavior) (most int64, bounded bool) {
	if k.memory.childKilled != model.Never {
		return 0, true
	}
	if w := b.MemoryWalk; w != nil {
		return max(w.Base, w.Max), true
	}
	last := &b.Memory[len(b.Memory)-1]
	if last.Rate > 0 {
		return 0, false
	}
	most = last.Use
	for _, peak := range k.memory.peaks {
		most = max(most, peak)
	}
	return most, true
}
