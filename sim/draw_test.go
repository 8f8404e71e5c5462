package sim

import (
	"math"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/assert"
)

// neighbours are the ways in which draws stand next to each other: each one gives the i-th draw
// of a run through one of the four words, the others being small numbers, as in practice.
var neighbours = map[string]func(i uint64) uint64{
	"seed":   func(i uint64) uint64 { return Draw(i, 3, 7, 0) },
	"stream": func(i uint64) uint64 { return Draw(1, Stream(i), 7+i>>16, 0) },
	"object": func(i uint64) uint64 { return Draw(1, 3, i, 0) },
	"n":      func(i uint64) uint64 { return Draw(1, 3, 7, i) },
}

// The numbers are part of what a seed means: a change of Draw changes every run.
func TestDrawStaysTheSame(t *testing.T) {
	assert.Equal(t, uint64(0), mix(0))
	assert.Equal(t, uint64(0xe220a8397b1dcdaf), mix(0x9e3779b97f4a7c15), "SplitMix64's first of seed 0")
	assert.Equal(t, uint64(0x2130748aaac80268), Draw(0, 0, 0, 0))
	assert.Equal(t, uint64(0x2944ecb97de769b2), Draw(1, 2, 3, 4))
}

func TestDrawIsUniform(t *testing.T) {
	const draws, buckets = 1 << 18, 256
	for name, draw := range neighbours {
		// Of the top bits, which Uniform uses, and of the bottom ones.
		for shift := 0; shift <= 56; shift += 56 {
			var count [buckets]int
			for i := range uint64(draws) {
				count[draw(i)>>shift%buckets]++
			}
			assertChiSquare(t, count[:], draws, name)
		}
	}
}

// Pairs of adjacent draws fill the square evenly, and do not correlate.
func TestAdjacentDrawsAreIndependent(t *testing.T) {
	const draws, side = 1 << 18, 16
	for name, draw := range neighbours {
		var count [side * side]int
		products := 0.0
		for i := range uint64(draws) {
			x, y := Uniform(draw(i)), Uniform(draw(i+1))
			count[int(x*side)*side+int(y*side)]++
			products += (x - 0.5) * (y - 0.5)
		}
		assertChiSquare(t, count[:], draws, name)
		correlation := products / draws * 12
		assert.Less(t, math.Abs(correlation), 5/math.Sqrt(draws), name)
	}
}

// Small words must not cancel out: no two draws of a small grid are equal.
func TestDrawDoesNotCollide(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(4) {
		for stream := range Stream(16) {
			for object := range uint64(64) {
				for n := range uint64(16) {
					seen[Draw(seed, stream, object, n)] = true
				}
			}
		}
	}
	assert.Len(t, seen, 4*16*64*16)
}

// One bit of any word flips each bit of the draw half of the time.
func TestDrawAvalanches(t *testing.T) {
	const samples = 4000
	words := map[string]func(i, flip uint64) uint64{
		"seed":   func(i, flip uint64) uint64 { return Draw(i^flip, 3, 7, 0) },
		"object": func(i, flip uint64) uint64 { return Draw(1, 3, i^flip, 0) },
		"n":      func(i, flip uint64) uint64 { return Draw(1, 3, 7, i^flip) },
		"stream": func(i, flip uint64) uint64 { return Draw(1, Stream(i^flip), i>>8, 0) },
	}
	for name, draw := range words {
		width := 64
		if name == "stream" {
			width = 16
		}
		for in := range width {
			var flips [64]int
			for i := range uint64(samples) {
				changed := draw(i, 0) ^ draw(i, 1<<in)
				for ; changed != 0; changed &= changed - 1 {
					flips[bits.TrailingZeros64(changed)]++
				}
			}
			for out, n := range flips {
				// 6 standard deviations of a fair coin; 13,312 cells are looked at.
				assert.InDelta(t, 0.5, float64(n)/samples, 6*0.5/math.Sqrt(samples),
					"%s: bit %d of the word, bit %d of the draw", name, in, out)
			}
		}
	}
}

func TestUniformRanges(t *testing.T) {
	assert.Equal(t, 0.0, Uniform(0))
	assert.Equal(t, 1-0x1p-53, Uniform(math.MaxUint64))
	assert.Equal(t, 0x1p-53, UniformOpen(0))
	assert.Equal(t, 1-0x1p-53, UniformOpen(math.MaxUint64))
	assert.Equal(t, 0x1p-53, 1-UniformOpen(math.MaxUint64))
}

// assertChiSquare allows 5 standard deviations. The draws are fixed, so this never flakes.
func assertChiSquare(t *testing.T, count []int, draws int, name string) {
	t.Helper()
	want := float64(draws) / float64(len(count))
	chi := 0.0
	for _, n := range count {
		chi += (float64(n) - want) * (float64(n) - want) / want
	}
	freedom := float64(len(count) - 1)
	assert.InDelta(t, freedom, chi, 5*math.Sqrt(2*freedom), name)
}

func BenchmarkDraw(b *testing.B) {
	sum := 0.0
	for i := range b.N {
		sum += UniformOpen(Draw(1, 2, 3, uint64(i)))
	}
	b.ReportMetric(sum/float64(b.N), "mean")
}
