package conform

import "slices"

// Pair says that state Want of a recording is state Got of the simulation.
type Pair struct{ Want, Got int }

// alignment is how two sequences of states go together.
type alignment struct {
	want, got         []State
	skipWant, skipGot []bool
	// cost[i][j] is how well the first i and j states agree, from how the way there.
	cost [][]int64
	from [][]Pair
	far  Pair
}

// missing is the cost of a state that is on one side only, in milliseconds: more than any two
// times of one state differ.
const missing = 1 << 30

// Align pairs the states of a recording with those of a simulation so that their times differ as
// little as can be. What is not paired lasted less than short, in milliseconds. Where that cannot
// be, ok is false, and after the pairs that agree the last one is the first difference.
func Align(want, got []State, short int64) (pairs []Pair, ok bool) {
	a := alignment{want: want, got: got, skipWant: skippable(want, short), skipGot: skippable(got, short)}
	for range len(want) + 1 {
		a.cost, a.from = append(a.cost, make([]int64, len(got)+1)), append(a.from, make([]Pair, len(got)+1))
	}
	for i := range a.cost {
		for j := range a.cost[i] {
			if i+j > 0 && a.from[i][j] == (Pair{}) && a.cost[i][j] == 0 {
				a.cost[i][j] = ForGood
			}
			a.extend(i, j)
		}
	}
	end := Pair{len(want), len(got)}
	ok = a.cost[end.Want][end.Got] != ForGood
	if !ok {
		end = a.far
		pairs = append(pairs, end)
	}
	for at := end; at != (Pair{}); at = a.from[at.Want][at.Got] {
		if back := a.from[at.Want][at.Got]; back.Want < at.Want && back.Got < at.Got {
			pairs = append(pairs, back)
		}
	}
	slices.Reverse(pairs)
	return pairs, ok
}

// extend goes on from an agreement of the first i and j states.
func (a *alignment) extend(i, j int) {
	if a.cost[i][j] == ForGood {
		return
	}
	if i+j >= a.far.Want+a.far.Got {
		a.far = Pair{i, j}
	}
	if i < len(a.want) && j < len(a.got) && a.want[i].Words == a.got[j].Words {
		a.step(i, j, 1, 1, 1+max(a.want[i].From-a.got[j].From, a.got[j].From-a.want[i].From))
	}
	if i < len(a.want) && a.skipWant[i] {
		a.step(i, j, 1, 0, missing)
	}
	if j < len(a.got) && a.skipGot[j] {
		a.step(i, j, 0, 1, missing)
	}
}

func (a *alignment) step(i, j, di, dj int, cost int64) {
	to := &a.cost[i+di][j+dj]
	if *to == 0 || a.cost[i][j]+cost < *to {
		*to, a.from[i+di][j+dj] = a.cost[i][j]+cost, Pair{i, j}
	}
}

// skippable says which states may be missing on the other side: short ones, and those that come
// back to a state after short ones.
func skippable(list []State, short int64) []bool {
	out := make([]bool, len(list))
	for i := range list {
		out[i] = list[i].To-list[i].From < short
		for k := i - 1; k >= 0 && !out[i]; k-- {
			out[i] = list[k].Words == list[i].Words
			if !out[k] {
				break
			}
		}
	}
	return out
}

// span is the range of the moments at which a state came in several runs, in milliseconds.
type span struct {
	some     bool
	from, to int64
}

func (s *span) add(at int64) {
	if !s.some {
		*s = span{true, at, at}
	}
	s.from, s.to = min(s.from, at), max(s.to, at)
}

// off is how far a moment is from the span.
func (s *span) off(at int64) int64 {
	if !s.some {
		return 0
	}
	return max(0, s.from-at, at-s.to)
}
