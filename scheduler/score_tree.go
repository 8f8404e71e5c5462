package scheduler

import "math"

// scoreTree answers, in steps that grow with the logarithm of the number of nodes, what a cycle
// asks of the nodes in the snapshot's order: where the n-th feasible one is, and which of a range
// have the best score. It is a segment tree; a leaf is a node.
type scoreTree struct {
	// size is the number of leaves, a power of two; summaries[1] is the root, the children of i are
	// 2i and 2i+1, and the leaves begin at size.
	size      int
	summaries []scoreSummary
}

// scoreSummary is of a range of nodes: how many are feasible, the best score of these, and how many
// have it.
type scoreSummary struct {
	feasible, ties int32
	best           int32
}

var noNodes = scoreSummary{best: math.MinInt32}

func (a scoreSummary) with(b scoreSummary) scoreSummary {
	sum := scoreSummary{feasible: a.feasible + b.feasible, ties: a.ties, best: a.best}
	switch {
	case b.best > a.best:
		sum.best, sum.ties = b.best, b.ties
	case b.best == a.best:
		sum.ties += b.ties
	}
	return sum
}

// reset makes a tree of n nodes of which none is feasible.
func (t *scoreTree) reset(n int) {
	t.size = 1
	for t.size < n {
		t.size *= 2
	}
	if len(t.summaries) < 2*t.size {
		t.summaries = make([]scoreSummary, 2*t.size)
	}
	for i := range t.summaries {
		t.summaries[i] = noNodes
	}
}

// put sets a leaf; the ranges above it are wrong until rise or build.
func (t *scoreTree) put(at int, feasible bool, score int32) {
	leaf := noNodes
	if feasible {
		leaf = scoreSummary{1, 1, score}
	}
	t.summaries[t.size+at] = leaf
}

// rise sums up the ranges above a leaf.
func (t *scoreTree) rise(at int) {
	for i := (t.size + at) / 2; i > 0; i /= 2 {
		sum := t.summaries[2*i].with(t.summaries[2*i+1])
		if sum == t.summaries[i] {
			return
		}
		t.summaries[i] = sum
	}
}

// build sums up all ranges.
func (t *scoreTree) build() {
	for i := t.size - 1; i > 0; i-- {
		t.summaries[i] = t.summaries[2*i].with(t.summaries[2*i+1])
	}
}

// feasible is the number of feasible nodes.
func (t *scoreTree) feasible() int { return int(t.summaries[1].feasible) }

// rank is the number of feasible nodes before a position.
func (t *scoreTree) rank(at int) int {
	n := int32(0)
	for i := t.size + at; i > 1; i /= 2 {
		if i%2 == 1 {
			n += t.summaries[i-1].feasible
		}
	}
	return int(n)
}

// nth is the position of the n-th feasible node, from 0.
func (t *scoreTree) nth(n int) int {
	i, left := 1, int32(n)
	for i < t.size {
		i *= 2
		if f := t.summaries[i].feasible; left >= f {
			left -= f
			i++
		}
	}
	return i - t.size
}

// sum is the summary of the positions from lo up to hi.
func (t *scoreTree) sum(lo, hi int) scoreSummary {
	sum := noNodes
	for i, j := lo+t.size, hi+t.size; i < j; i, j = i/2, j/2 {
		if i%2 == 1 {
			sum = sum.with(t.summaries[i])
			i++
		}
		if j%2 == 1 {
			j--
			sum = sum.with(t.summaries[j])
		}
	}
	return sum
}

// nthBest is the position of the n-th node, from 0, of those from lo up to hi that have the score
// that is the best there. There are more than n.
func (t *scoreTree) nthBest(lo, hi int, best int32, n int) int {
	at, _ := t.searchBest(1, 0, t.size, lo, hi, best, int32(n))
	return at
}

// searchBest searches below summary i, which covers the positions from first up to end; it gives
// the position, or -1 and how many of n are left.
func (t *scoreTree) searchBest(i, first, end, lo, hi int, best, n int32) (at int, left int32) {
	s := &t.summaries[i]
	switch {
	case hi <= first || end <= lo || s.best < best:
		return -1, n
	case lo <= first && end <= hi && n >= s.ties:
		return -1, n - s.ties
	case end-first == 1:
		return first, 0
	}
	middle := (first + end) / 2
	if at, n = t.searchBest(2*i, first, middle, lo, hi, best, n); at >= 0 {
		return at, 0
	}
	return t.searchBest(2*i+1, middle, end, lo, hi, best, n)
}
