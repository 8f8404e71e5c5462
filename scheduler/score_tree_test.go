package scheduler

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tree answers what a look at all nodes answers.
func TestScoreTree(t *testing.T) {
	for seed := range int64(300) {
		r := rand.New(rand.NewSource(seed))
		n := 1 + r.Intn(40)
		var tree scoreTree
		tree.reset(n)
		feasible, scores := make([]bool, n), make([]int32, n)
		for step := range 60 {
			at := r.Intn(n)
			feasible[at], scores[at] = r.Intn(3) > 0, int32(r.Intn(4))
			tree.put(at, feasible[at], scores[at])
			if step%7 == 0 {
				tree.build()
			} else {
				tree.rise(at)
			}
			compareTree(t, &tree, feasible, scores, r)
		}
	}
}

func compareTree(t *testing.T, tree *scoreTree, feasible []bool, scores []int32, r *rand.Rand) {
	var all []int
	for at := range feasible {
		require.Equal(t, len(all), tree.rank(at))
		if feasible[at] {
			all = append(all, at)
		}
	}
	require.Equal(t, len(all), tree.feasible())
	for n, at := range all {
		require.Equal(t, at, tree.nth(n))
	}
	lo := r.Intn(len(feasible) + 1)
	hi := lo + r.Intn(len(feasible)-lo+1)
	want := noNodes
	var best []int
	for at := lo; at < hi; at++ {
		if !feasible[at] {
			continue
		}
		if want.feasible++; scores[at] > want.best {
			want.best, best = scores[at], nil
		}
		if scores[at] == want.best {
			best = append(best, at)
		}
	}
	want.ties = int32(len(best))
	require.Equal(t, want, tree.sum(lo, hi))
	for n, at := range best {
		require.Equal(t, at, tree.nthBest(lo, hi, want.best, n))
	}
}
