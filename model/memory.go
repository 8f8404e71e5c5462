package model

import (
	"math/bits"
	"sort"
)

// MemoryPoint is the memory in use, in bytes, from At on: Use at that moment, and from there on Rate
// more or less.
type MemoryPoint struct {
	At   Time
	Use  int64
	Rate MemoryRate
}

// MemoryWalk is memory in use that goes up and down at random: from Base on it changes each Period by
// at most Step, and stays between Min and Max. All are in bytes; Period is above 0.
type MemoryWalk struct {
	Base, Step, Min, Max int64
	Period               Time
}

// Next is what is in use a period after use was; draw is a random number.
func (w *MemoryWalk) Next(use int64, draw uint64) int64 {
	change, _ := bits.Mul64(draw, uint64(2*w.Step+1))
	return min(max(use+int64(change)-w.Step, w.Min), w.Max)
}

// UsesMemory says that something is known about the memory that a container uses.
func (b *Behavior) UsesMemory() bool { return len(b.Memory) > 0 || b.MemoryWalk != nil }

// MemoryRate is how fast the memory in use grows, or shrinks when below 0, in 2^-48 bytes a
// nanosecond: a byte a minute is 4691 of them.
type MemoryRate int64

const rateBits = 48

// MostMemory is the most bytes that anything is said to use.
const MostMemory int64 = 1 << 50

// DefaultSystemMemory is what a node's system and its kubelet use of the memory, in bytes, where the
// scenario does not say it: a guess, for a small distribution with containerd. It is at most an eighth
// of the node's memory.
const DefaultSystemMemory = 256 << 20

// RatePer is the rate of so many bytes in a span of time, rounded towards 0.
func RatePer(bytes int64, span Time) MemoryRate {
	hi, lo := uint64(abs(bytes))>>(64-rateBits), uint64(abs(bytes))<<rateBits
	if hi >= uint64(span) {
		return MemoryRate(sign(bytes)) << 62
	}
	rate, _ := bits.Div64(hi, lo, uint64(span))
	return MemoryRate(sign(bytes) * int64(min(rate, 1<<62)))
}

// MemoryLine is memory in use that grows evenly: now it is Bytes and Part 2^-48 bytes. Part is from
// 0 up to 2^48.
type MemoryLine struct {
	Bytes, Part int64
	Rate        MemoryRate
}

// After is the line after a span of time.
func (l MemoryLine) After(span Time) MemoryLine {
	hi, lo := bits.Mul64(uint64(abs(int64(l.Rate))), uint64(span))
	if hi >= uint64(MostMemory)>>(64-rateBits) {
		hi, lo = uint64(MostMemory)>>(64-rateBits), 0
	}
	n := sign(int64(l.Rate))
	l.Bytes += n * int64(hi<<(64-rateBits)|lo>>rateBits)
	l.Part += n * int64(lo&(1<<rateBits-1))
	return l.carried()
}

// Plus is the sum of two lines.
func (l MemoryLine) Plus(o MemoryLine) MemoryLine {
	l.Bytes += o.Bytes
	l.Part += o.Part
	l.Rate += o.Rate
	return l.carried()
}

func (l MemoryLine) carried() MemoryLine {
	l.Bytes += l.Part >> rateBits
	l.Part &= 1<<rateBits - 1
	return l
}

// Exceeds is how long it takes until more than limit whole bytes are in use, Never if the line does
// not get there.
func (l MemoryLine) Exceeds(limit int64) Time {
	if l.Bytes > limit {
		return 0
	}
	if l.Rate <= 0 {
		return Never
	}
	// What is missing, in 2^-48 bytes.
	lo, borrow := bits.Sub64(uint64(limit+1-l.Bytes)<<rateBits, uint64(l.Part), 0)
	hi := uint64(limit+1-l.Bytes)>>(64-rateBits) - borrow
	if hi >= uint64(l.Rate) {
		return Never
	}
	span, rest := bits.Div64(hi, lo, uint64(l.Rate))
	if rest > 0 {
		span++
	}
	return Time(min(span, uint64(Never)))
}

// MemoryAt is the memory in use a span of time after the start of points, and how long after the
// start it will be something else. Before the first point it is 0.
func MemoryAt(points []MemoryPoint, since Time) (line MemoryLine, until Time) {
	next := sort.Search(len(points), func(i int) bool { return points[i].At > since })
	until = Never
	if next < len(points) {
		until = points[next].At
	}
	if next == 0 {
		return MemoryLine{}, until
	}
	p := &points[next-1]
	return MemoryLine{Bytes: p.Use, Rate: p.Rate}.After(since - p.At), until
}

func abs(x int64) int64 { return x * sign(x) }

func sign(x int64) int64 {
	if x < 0 {
		return -1
	}
	return 1
}
