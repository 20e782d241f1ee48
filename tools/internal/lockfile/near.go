package lockfile

import (
	"slices"
	"strings"
)

// NearMisses returns up to limit of the known words that a user may have meant by word, the closest first. Deterministic for
// any order of known.
func NearMisses(word string, known []string, limit int) []string {
	type candidate struct {
		distance int
		word     string
	}
	bound := 1 + len(word)/4
	var found []candidate
	lower := strings.ToLower(word)
	for _, k := range known {
		if k == word {
			continue
		}
		other := strings.ToLower(k)
		d := bound + 1
		if lower == other {
			d = 0
		} else if diff := len(lower) - len(other); diff <= bound && -diff <= bound {
			d = editDistance(lower, other, bound)
		}
		if d > bound && len(lower) >= 4 && (strings.HasPrefix(other, lower+"-") || strings.HasSuffix(other, "-"+lower) ||
			other == "lib"+lower || other == strings.TrimPrefix(lower, "lib")) {
			d = bound + 1 // a family name: "iptables" for iptables-nft
		} else if d > bound {
			continue
		}
		found = append(found, candidate{d, k})
	}
	slices.SortFunc(found, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.word, b.word)
	})
	found = slices.CompactFunc(found, func(a, b candidate) bool { return a.word == b.word })
	var out []string
	for _, c := range found[:min(limit, len(found))] {
		out = append(out, c.word)
	}
	return out
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours; it gives up above bound.
func editDistance(a, b string, bound int) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		best := cur[0]
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
			best = min(best, cur[j])
		}
		if best > bound {
			return bound + 1
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}
