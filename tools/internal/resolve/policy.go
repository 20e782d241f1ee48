package resolve

import (
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// obsoleted returns the packages, excluded ones included, whose name and version an Obsoletes entry of pkg names.
func (u *Universe) obsoleted(pkg int, d dependency) []int {
	var out []int
	from, to := u.named(d.name)
	for other := from; other < to; other++ {
		if other != pkg && evr.Satisfies(evr.EQ, u.Packages[other].evr, d.op, u.evrs[d.evr]) {
			out = append(out, other)
		}
	}
	return out
}

// prune keeps the best candidates of one rule: best repository, best version of each name, none that another obsoletes,
// and, when some are wanted by what is installed already, only those.
func (s *search) prune(candidates []int) []int {
	if len(candidates) < 2 {
		return candidates
	}
	candidates = s.pruneHeld(candidates)
	out := s.pruneObsoleted(s.u.bestOf(candidates))
	return s.pruneWanted(out)
}

// bestOf keeps the best version of each name in the best repository.
func (u *Universe) bestOf(candidates []int) []int {
	if len(candidates) < 2 {
		return candidates
	}
	best := u.priority(candidates[0])
	for _, c := range candidates[1:] {
		best = min(best, u.priority(c))
	}
	var out []int
	for _, c := range candidates {
		if u.priority(c) != best {
			continue
		}
		// candidates are ordered by name, then by EVR
		if n := len(out); n > 0 && u.Packages[out[n-1]].name == u.Packages[c].name {
			if evr.Compare(u.Packages[out[n-1]].evr, u.Packages[c].evr) < 0 {
				out[n-1] = c
			}
			continue
		}
		out = append(out, c)
	}
	return out
}

func (u *Universe) priority(pkg int) int { return u.Repositories[u.Packages[pkg].Repository].Priority }

func (s *search) pruneObsoleted(candidates []int) []int {
	if len(candidates) < 2 {
		return candidates
	}
	gone := map[int]bool{}
	for _, c := range candidates {
		for _, d := range s.u.deps(c, repomd.Obsoletes) {
			for _, other := range s.u.obsoleted(c, d) {
				gone[other] = true
			}
		}
	}
	kept := slices.DeleteFunc(slices.Clone(candidates), func(c int) bool { return gone[c] })
	if len(kept) == 0 { // packages that obsolete each other
		return candidates
	}
	return kept
}

// pruneWanted keeps the candidates that an installed package recommends or that supplement one, if there are any.
func (s *search) pruneWanted(candidates []int) []int {
	if len(candidates) < 2 {
		return candidates
	}
	wanted := s.recommended(repomd.Recommends)
	var kept []int
	for _, c := range candidates {
		if wanted[c] || s.supplements(c, repomd.Supplements) {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return candidates
	}
	return kept
}

// recommended collects what the installed packages recommend or suggest.
func (s *search) recommended(kind repomd.Kind) map[int]bool {
	out := map[int]bool{}
	for _, l := range s.sat.trail {
		if l < 0 {
			continue
		}
		for _, d := range s.u.deps(int(l)-1, kind) {
			for _, c := range s.weakProviders(d) {
				out[c] = true
			}
		}
	}
	return out
}

// supplements reports whether a Supplements or Enhances entry of c is met by the installed packages.
func (s *search) supplements(c int, kind repomd.Kind) bool {
	for _, d := range s.u.deps(c, kind) {
		if s.met(d) {
			return true
		}
	}
	return false
}

func (s *search) met(d dependency) bool {
	if s.u.kind(d.name) != nameRich {
		return s.anyInstalled(s.plain(d))
	}
	e, err := ParseDependency(s.u.strings.Text(d.name))
	return err == nil && s.holds(e)
}

func (s *search) anyInstalled(pkgs []int) bool {
	return slices.ContainsFunc(pkgs, func(p int) bool { return s.sat.value(lit(p+1)) == 1 })
}

// holds evaluates a rich dependency on the installed packages.
func (s *search) holds(e *Expr) bool {
	switch e.Op {
	case "", "with", "without":
		n := normaliser{providers: s.leaf, left: maxRichClauses}
		return s.anyInstalled(n.set(e))
	case "and":
		return !slices.ContainsFunc(e.Args, func(a *Expr) bool { return !s.holds(a) })
	case "or":
		return slices.ContainsFunc(e.Args, s.holds)
	case "if":
		if s.holds(e.Args[1]) {
			return s.holds(e.Args[0])
		}
		return e.Else == nil || s.holds(e.Else)
	default: // unless
		if !s.holds(e.Args[1]) {
			return s.holds(e.Args[0])
		}
		return e.Else != nil && s.holds(e.Else)
	}
}

// order sorts candidates that prune left over, the one to take first.
func (s *search) order(candidates []int) []int {
	if len(candidates) < 2 {
		return candidates
	}
	out := slices.Clone(candidates)
	toBack(out, func(c int) bool { return s.u.hasNewer(c) })
	older := s.u.olderProvide(out)
	toBack(out, func(c int) bool { return older[c] })
	suggested := s.recommended(repomd.Suggests)
	toBack(out, func(c int) bool { return !suggested[c] && !s.supplements(c, repomd.Enhances) })
	return out
}

// toBack moves the elements that are disliked behind the others; both groups keep their order.
func toBack(list []int, disliked func(int) bool) {
	var front, back []int
	for _, c := range list {
		if disliked(c) {
			back = append(back, c)
		} else {
			front = append(front, c)
		}
	}
	copy(list, append(front, back...))
}

// hasNewer reports whether the universe has a newer package of the same name and architecture.
func (u *Universe) hasNewer(c int) bool {
	from, to := u.named(u.Packages[c].name)
	for other := from; other < to; other++ {
		o := &u.Packages[other]
		if o.Excluded == "" && o.noa == u.Packages[c].noa && evr.Compare(o.evr, u.Packages[c].evr) > 0 {
			return true
		}
	}
	return false
}

// olderProvide marks the candidates that provide an older version of something another candidate provides too.
func (u *Universe) olderProvide(candidates []int) map[int]bool {
	newest := map[repomd.ID]dependency{}
	each := func(visit func(c int, d dependency)) {
		for _, c := range candidates {
			for _, d := range u.deps(c, repomd.Provides) {
				if d.op != 0 {
					visit(c, d)
				}
			}
		}
	}
	each(func(_ int, d dependency) {
		if old, ok := newest[d.name]; !ok || u.compareProvides(old, d) < 0 {
			newest[d.name] = d
		}
	})
	out := map[int]bool{}
	each(func(c int, d dependency) {
		if u.compareProvides(d, newest[d.name]) < 0 {
			out[c] = true
		}
	})
	return out
}

// compareProvides orders provides of one name by version; what is less than a version is older than it.
func (u *Universe) compareProvides(a, b dependency) int {
	if c := evr.Compare(u.evrs[a.evr], u.evrs[b.evr]); c != 0 {
		return c
	}
	rank := func(op evr.Op) int {
		switch op {
		case evr.LT:
			return -1
		case evr.GT:
			return 1
		}
		return 0
	}
	return rank(a.op) - rank(b.op)
}
