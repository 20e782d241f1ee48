package resolve

import (
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// search makes the decisions on a problem.
type search struct {
	*problem
	branches []branch
	cursor   int // index into choices of the next rule to look at
	keptTo   int // see keep
}

// branch remembers the candidates of a decision on top of a level: those that were taken, the latest last, and those that were not.
type branch struct {
	level int
	taken []int
	rest  []int
}

// maxConflicts bounds the search; real universes need a few dozen.
const maxConflicts = 200_000

// run returns the clause that cannot be satisfied, or -1 with the solution on the trail.
func (s *search) run() (conflict int, tooLong bool) {
	if conflict := s.sat.start(); conflict >= 0 {
		return conflict, false
	}
	conflicts := 0
	for {
		for {
			conflict := s.sat.propagate()
			if conflict < 0 {
				break
			}
			if s.sat.current() == 1 {
				return conflict, false
			}
			if conflicts++; conflicts > maxConflicts {
				return -1, true
			}
			s.sat.learn(conflict)
			s.dropBranches()
			s.keptTo = 0
		}
		if !s.root() && !s.keep() && !s.dependency() && !(s.weak && s.optional()) && !s.minimise() {
			return -1, false
		}
	}
}

// dropBranches forgets branches above the current level.
func (s *search) dropBranches() {
	for n := len(s.branches); n > 0 && s.branches[n-1].level >= s.sat.current(); n-- {
		s.branches = s.branches[:n-1]
	}
}

// root decides the first root that is not met.
func (s *search) root() bool {
	for _, candidates := range s.rootsOf {
		if open := s.open(candidates); open != nil {
			s.choose(s.prune(open))
			return true
		}
	}
	return false
}

// open returns the undecided candidates; nil when one is installed.
func (s *search) open(candidates []int) []int {
	var out []int
	for _, c := range candidates {
		switch s.sat.value(lit(c + 1)) {
		case 1:
			return nil
		case 0:
			out = append(out, c)
		}
	}
	return out
}

// dependency decides one open rule: the next one in the round that leaves a single candidate, else the first one open.
func (s *search) dependency() bool {
	postponed := -1
	for range s.choices {
		at := s.cursor
		if s.cursor++; s.cursor >= len(s.choices) {
			s.cursor = 0
		}
		open := s.openRule(s.choices[at])
		if open == nil {
			continue
		}
		if best := s.prune(open); len(best) == 1 {
			s.choose(best)
			return true
		}
		if postponed < 0 {
			postponed = at
		}
	}
	if postponed < 0 {
		return false
	}
	s.cursor = (postponed + 1) % len(s.choices)
	s.choose(s.prune(s.openRule(s.choices[postponed])))
	return true
}

// openRule returns the candidates of a rule whose condition holds and that nothing satisfies yet, in order.
func (s *search) openRule(n int) []int {
	var out []int
	for _, l := range s.sat.clause(n) {
		switch v := s.sat.value(l); {
		case v == 1 || l < 0 && v == 0:
			return nil
		case v == 0:
			out = append(out, int(l)-1)
		}
	}
	slices.Sort(out)
	return out
}

// choose installs the first candidate and remembers the others.
func (s *search) choose(candidates []int) {
	candidates = s.order(candidates)
	if len(candidates) > 1 {
		s.branches = append(s.branches, branch{s.sat.current(), candidates[:1:1], candidates[1:]})
	}
	s.sat.decide(lit(candidates[0] + 1))
}

// minimise goes back to a choice when an alternative of it has been installed since for another reason, and takes that: then
// nothing is installed for the choice alone. It does so too when packages that were installed later want an alternative and not what
// was taken.
func (s *search) minimise() bool {
	if len(s.branches) == 0 {
		return false
	}
	wanted := s.recommended(repomd.Recommends)
	for i := range s.branches {
		b := &s.branches[i]
		j := slices.IndexFunc(b.rest, func(c int) bool { return int(s.sat.level[c+1]) > b.level })
		if j < 0 {
			j = s.wantedInstead(b, wanted)
		}
		if j >= 0 {
			s.retake(i, j)
			return true
		}
	}
	return false
}

// wantedInstead returns the index of the alternative that is wanted while what was taken is not, or -1.
func (s *search) wantedInstead(b *branch, recommended map[int]bool) int {
	current := b.taken[len(b.taken)-1]
	if int(s.sat.level[current+1]) != b.level+1 {
		return -1
	}
	wanted := func(c int) bool { return recommended[c] || s.supplements(c, repomd.Supplements) }
	j := slices.IndexFunc(b.rest, wanted)
	if j >= 0 && wanted(current) {
		return -1
	}
	return j
}

// retake goes back to branch i and takes the alternative j.
func (s *search) retake(i, j int) {
	b := &s.branches[i]
	c, level := b.rest[j], b.level
	b.taken = append(b.taken, c)
	b.rest = slices.Delete(slices.Clone(b.rest), j, j+1)
	s.branches = s.branches[:i+1]
	s.sat.undo(level)
	s.keptTo = 0
	s.sat.decide(lit(c + 1))
}

// optional installs one thing that is recommended by, or supplements, what is installed, when that is possible.
func (s *search) optional() bool {
	for _, l := range s.sat.trail {
		if l < 0 {
			continue
		}
		for _, d := range s.u.deps(int(l)-1, repomd.Recommends) {
			if s.met(d) {
				continue
			}
			if open := s.open(s.weakProviders(d)); open != nil {
				s.choose(s.prune(open))
				return true
			}
		}
	}
	return false
}
