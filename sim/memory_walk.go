package sim

import (
	"podsim/model"
)

// memoryRun is what is kept of the memory that a container uses, of its last run.
type memoryRun struct {
	// walk is the random walk, without one when the behavior gives the use otherwise.
	walk walk
	// peaks is the most that is used from each walkBlock-th point of the behavior up to the next one,
	// the last point excepted.
	peaks []int64
	// childKilled is when the kernel killed the child whose memory it is, Never if it did not.
	childKilled model.Time
	// gen is the generation of the pending look at the container's limit, oomAt when it will be killed
	// for it, Never when that is not known.
	gen   uint16
	oomAt model.Time
}

// walkBlock is how many steps of a walk, or points of a behavior, are looked at together.
const walkBlock = 64

// walk is a random walk of one run. Its steps are drawn in blocks, ahead of time, so that both a look at
// any moment and a search cost no more than a block. What was drawn stays, whatever the seed is later.
type walk struct {
	*model.MemoryWalk
	seed, luck, first uint64
	blocks            []block
	// values are those of the block with the index decoded-1.
	values  [walkBlock]int64
	decoded int
}

// block is walkBlock steps of a walk: the use at the first of them, and the most of all, which is 0
// while they are not drawn.
type block struct{ use, most int64 }

// beginRun makes w the walk of a container's n-th run.
func (w *walk) beginRun(of *model.MemoryWalk, seed, luck uint64, container int, n int32) {
	w.begin(of, seed, luck, uint64(container)<<56|uint64(n&0xffff)<<40)
}

// begin makes w the walk of a run; first is the number of its first draw.
func (w *walk) begin(of *model.MemoryWalk, seed, luck, first uint64) {
	*w = walk{MemoryWalk: of, seed: seed, luck: luck, first: first, blocks: append(w.blocks[:0], block{use: of.Base})}
}

// steps is how many steps there were a span of time after the start.
func (w *walk) steps(since model.Time) int64 { return int64(since / w.Period) }

// use is what is in use after n steps.
func (w *walk) use(n int64) int64 {
	w.decode(int(n / walkBlock))
	return w.values[n%walkBlock]
}

// most is the most that is in use after a number of steps from from to to, or somewhat more.
func (w *walk) most(from, to int64) int64 {
	first, last := int(from/walkBlock), int(to/walkBlock)
	most := int64(0)
	for b := first; b <= last; b++ {
		if b >= len(w.blocks)-1 {
			w.decode(b)
		}
		if b > first && b < last || w.blocks[b].most <= most {
			most = max(most, w.blocks[b].most)
			continue
		}
		w.decode(b)
		for i := max(from, int64(b)*walkBlock); i <= min(to, int64(b)*walkBlock+walkBlock-1); i++ {
			most = max(most, w.values[i%walkBlock])
		}
	}
	return most
}

// decode draws the steps of block b, and those before it that were never drawn.
func (w *walk) decode(b int) {
	for next := min(b, len(w.blocks)-1); w.decoded != b+1; next++ {
		use, most := w.blocks[next].use, int64(0)
		for i := range w.values {
			w.values[i] = use
			most = max(most, use)
			n := w.first + uint64(next*walkBlock+i+1)
			use = w.Next(use, Draw(w.seed, streamMemory, w.luck, n))
		}
		w.blocks[next].most = most
		if next == len(w.blocks)-1 {
			w.blocks = append(w.blocks, block{use: use})
		}
		w.decoded = next + 1
	}
}

// walkPoints are the steps of the walk of a container's n-th run in a span of time. Of a long one only some
// steps are in it.
func (c *Cluster) walkPoints(id model.PodID, i int, n int32, of *model.MemoryWalk, span model.Time) []model.MemoryPoint {
	const most = 4096
	var w walk
	w.beginRun(of, c.seed, c.pods[id].luck, i, n)
	var points []model.MemoryPoint
	stride := 1 + w.steps(span)/most
	for step := int64(0); step <= w.steps(span); step += stride {
		points = append(points, model.MemoryPoint{At: model.Time(step) * w.Period, Use: w.use(step)})
	}
	return points
}

// peaksOf is the most in use from each walkBlock-th point up to the next one; of the last point, which
// has no end, nothing is said.
func peaksOf(points []model.MemoryPoint) []int64 {
	var peaks []int64
	for i := range points {
		if i%walkBlock == 0 {
			peaks = append(peaks, 0)
		}
		if i+1 < len(points) {
			peaks[i/walkBlock] = max(peaks[i/walkBlock], mostOf(points, i, points[i+1].At))
		}
	}
	return peaks
}

// mostOf is the most in use from point i up to a moment.
func mostOf(points []model.MemoryPoint, i int, to model.Time) int64 {
	p := &points[i]
	line := model.MemoryLine{Bytes: p.Use, Rate: p.Rate}
	return max(p.Use, line.After(max(0, to-p.At)).Bytes+1)
}
