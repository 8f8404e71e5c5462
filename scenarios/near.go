package scenarios

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean is ", did you mean X?" for the nearest of the words, or "" when none is near.
func didYouMean(word string, words []string) string {
	if near := nearest(word, words); near != "" {
		return fmt.Sprintf(", did you mean %s?", near)
	}
	return ""
}

// nearest is the word with the fewest changed, missing, added or swapped letters, if they
// are no more than a third of the letters, or else one that begins with the whole of it. Of
// equals it is the first in the alphabet.
func nearest(word string, words []string) string {
	const longest = 64
	if len(word) > longest {
		return ""
	}
	words = slices.Sorted(slices.Values(words))
	const shortest = 3
	best, fewest := "", max(1, len(word)/3)+1
	for _, w := range words {
		if best == "" && len(word) >= shortest && strings.HasPrefix(strings.ToLower(w), strings.ToLower(word)) && w != word {
			best = w
		}
		if w == word || len(w) > longest || abs(len(w)-len(word)) >= fewest {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < fewest {
			best, fewest = w, d
		}
	}
	return best
}

func abs(n int) int { return max(n, -n) }

// distance is the optimal string alignment distance.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
