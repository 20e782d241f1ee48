package resolve

import (
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// Fix leaves out the other packages of a package's name, for a reason in words.
func (u *Universe) Fix(pkg int, reason string) {
	from, to := u.named(u.Packages[pkg].name)
	for other := from; other < to; other++ {
		if p := &u.Packages[other]; other != pkg && p.Excluded == "" {
			p.Excluded = reason
		}
	}
}

// Conflicting returns, for each name among some packages that conflicts with another or obsoletes it, the names of those others, sorted; both
// ways. Rich conflicts are not looked at.
func (u *Universe) Conflicting(packages []int) map[string][]string {
	in := map[int]bool{}
	for _, pkg := range packages {
		in[pkg] = true
	}
	out := map[string][]string{}
	for pkg := range in {
		var others []int
		for _, d := range u.deps(pkg, repomd.Conflicts) {
			if !strings.HasPrefix(u.strings.Text(d.name), "(") {
				others = append(others, u.allProviders(d)...)
			}
		}
		for _, d := range u.deps(pkg, repomd.Obsoletes) {
			others = append(others, u.obsoleted(pkg, d)...)
		}
		for _, other := range others {
			if in[other] && other != pkg {
				a, b := u.Name(pkg), u.Name(other)
				out[a], out[b] = append(out[a], b), append(out[b], a)
			}
		}
	}
	for name, others := range out {
		slices.Sort(others)
		out[name] = slices.Compact(others)
	}
	return out
}
