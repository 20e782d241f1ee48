package resolve

import (
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// search makes the decisions on a problem.
type search struct {
	*problem
	branches []branch
	round    round
	keptTo   int // see keep
}

// round is the state of dependency between decisions. It starts anew when a conflict or another kind of decision goes back below where
// it started.
type round struct {
	running bool
	level   int  // where it started
	next    int  // number of the next rule to look at
	putOff  int  // number of the first rule that was put off because it leaves several candidates, -1 when there is none
	hurried bool // nothing is put off any more
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
			if s.sat.current() < s.round.level { // roots may be decided again before the next round
				s.round.running = false
			}
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

// dependency decides one open rule. It looks at the rules in turn and puts those off that leave several candidates; when all that are
// left do, it goes on with the first that was put off, and puts nothing off from there to its end, as libsolv does.
func (s *search) dependency() bool {
	r := &s.round
	if !r.running {
		*r = round{running: true, level: s.sat.current(), putOff: -1}
	}
	rules := len(s.choices) + len(s.sat.clauses) - len(s.facts) // learned ones are last
	for seen := 0; ; seen++ {
		if seen == rules {
			if r.hurried || r.putOff < 0 {
				r.running = false
				return false
			}
			r.next, r.hurried, seen = r.putOff, true, 0
		}
		at := r.next % rules
		r.next = at + 1
		open := s.openRule(s.ruleNumber(at))
		if open == nil {
			continue
		}
		best := s.prune(open)
		if len(best) > 1 && !r.hurried {
			if r.putOff < 0 {
				r.putOff = at
			}
			continue
		}
		s.choose(best)
		return true
	}
}

// ruleNumber returns the clause of a rule that dependency looks at.
func (s *search) ruleNumber(at int) int {
	if at < len(s.choices) {
		return s.choices[at]
	}
	return len(s.facts) + at - len(s.choices)
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
	s.round.running = false
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
