package resolve

import (
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// checkSolution checks a solution without the solver: every requirement met, nothing in conflict, every root there.
func checkSolution(t *testing.T, sol *Solution, roots []string) {
	t.Helper()
	u := sol.Universe
	in := map[int]bool{}
	names := map[string]bool{}
	for _, p := range sol.Packages {
		in[p] = true
		if names[u.Name(p)] {
			t.Errorf("%v: two packages of the name %s", roots, u.Name(p))
		}
		names[u.Name(p)] = true
	}
	for _, p := range sol.Packages {
		for _, d := range u.deps(p, repomd.Requires) {
			if !strings.HasPrefix(u.strings.Text(d.name), "rpmlib(") && !satisfied(t, u, in, d) {
				t.Errorf("%v: %s lacks %s", roots, u.NEVRA(p), u.text(d))
			}
		}
		for _, d := range u.deps(p, repomd.Conflicts) {
			delete(in, p)
			if satisfied(t, u, in, d) {
				t.Errorf("%v: %s conflicts with %s", roots, u.NEVRA(p), u.text(d))
			}
			in[p] = true
		}
		for _, d := range u.deps(p, repomd.Obsoletes) {
			for _, other := range u.obsoleted(p, d) {
				if in[other] {
					t.Errorf("%v: %s obsoletes %s", roots, u.NEVRA(p), u.NEVRA(other))
				}
			}
		}
	}
	if len(sol.Roots) != len(slices.Compact(slices.Sorted(slices.Values(roots)))) {
		t.Errorf("%v: roots are %v", roots, sol.Roots)
	}
}

func satisfied(t *testing.T, u *Universe, in map[int]bool, d dependency) bool {
	t.Helper()
	text := u.strings.Text(d.name)
	if !strings.HasPrefix(text, "(") {
		return slices.ContainsFunc(u.allProviders(d), func(p int) bool { return in[p] })
	}
	e, err := ParseDependency(text)
	if err != nil {
		t.Fatal(err)
	}
	return truth(u, in, e)
}

// truth evaluates a rich dependency by its definition.
func truth(u *Universe, in map[int]bool, e *Expr) bool {
	arg := func(i int) bool { return truth(u, in, e.Args[i]) }
	switch e.Op {
	case "and":
		return !slices.ContainsFunc(e.Args, func(a *Expr) bool { return !truth(u, in, a) })
	case "or":
		return slices.ContainsFunc(e.Args, func(a *Expr) bool { return truth(u, in, a) })
	case "if":
		return arg(1) && arg(0) || !arg(1) && (e.Else == nil || truth(u, in, e.Else))
	case "unless":
		return !arg(1) && arg(0) || arg(1) && e.Else != nil && truth(u, in, e.Else)
	}
	n := normaliser{providers: func(e *Expr) []int { return u.allProviders(u.dependency(e)) }, left: maxRichClauses}
	return slices.ContainsFunc(n.set(e), func(p int) bool { return in[p] })
}
