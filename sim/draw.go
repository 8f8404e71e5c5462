package sim

// Stream names what a random number is for. Each use of chance has a stream of its own, so that
// a new use does not change the luck of the others.
type Stream uint16

// Draw is the n-th random number, 64 uniform bits, that the object has for the use that stream
// names. It keeps no state: a number depends on these four words alone, so an object added to a
// scenario does not change the luck of the others.
//
// Each word is added to the mix of those before it and mixed again. For n alone this is the
// SplitMix64 generator, seeded by the other three (Steele, Lea, Flood: Fast Splittable
// Pseudorandom Number Generators, 2014).
func Draw(seed uint64, stream Stream, object uint64, n uint64) uint64 {
	// Added and multiplied so that words of zero, the usual ones, mix as well as any other.
	const golden = 0x9e3779b97f4a7c15
	h := mix(seed + golden)
	h = mix(h + (uint64(stream)+1)*golden)
	h = mix(h + (object+1)*golden)
	return mix(h + (n+1)*golden)
}

// mix is a bijection in which each bit of the input flips each bit of the output with a
// probability close to a half: variant 13 of David Stafford's MurmurHash3 finalizers, the one
// that SplitMix64 uses.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Uniform turns a draw into a number in [0, 1), a multiple of 2^-53.
func Uniform(u uint64) float64 { return float64(u>>11) * 0x1p-53 }

// UniformOpen turns a draw into a number in (0, 1), for Sample. It is an odd multiple of 2^-53,
// so that both it and one minus it are exact and neither is ever zero.
func UniformOpen(u uint64) float64 { return (float64(u>>12) + 0.5) * 0x1p-52 }
