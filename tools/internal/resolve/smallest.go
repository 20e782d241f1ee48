package resolve

import (
	"cmp"
	"fmt"
	"slices"
)

// Policy is how Resolve chooses among solutions.
type Policy string

// The policies. DNF takes what dnf would install. Smallest takes the fewest installed bytes, then the fewest packages; but never an
// older version to save bytes: of each name it takes the version that DNF takes or, of names that DNF does not take, the newest one of
// the best repository.
const (
	DNF      Policy = "dnf"
	Smallest Policy = "smallest"
)

// Policies are the values that a manifest may have.
func Policies() []string { return []string{string(DNF), string(Smallest)} }

// Size tells how good a solution of policy Smallest is.
type Size struct {
	InstalledBytes int64
	// LowerBound is what no solution goes below; it is InstalledBytes when the solution is proven to be the smallest.
	LowerBound int64
	Conflicts  int // that the search took
}

// Proven reports whether no solution is smaller.
func (s *Size) Proven() bool { return s.InstalledBytes == s.LowerBound }

// DefaultBudget is how many conflicts the search for the smallest solution may take. It counts conflicts and not time, so that the
// result is the same on every machine.
const DefaultBudget = 20_000

// countBits leaves room for the number of packages below the bytes in a cost, so that of equally large solutions the one with fewer
// packages is smaller.
const countBits = 16

func (u *Universe) cost(pkg int) int64 {
	return min(u.Packages[pkg].Source.InstalledBytes, 1<<44)<<countBits + 1
}

// minimiser is a branch-and-bound search on the clauses of a problem. Learned clauses follow from the clauses and from the demand to be
// smaller than the best solution so far.
type minimiser struct {
	*problem
	best      []int // packages of the smallest solution so far, sorted
	bestCost  int64
	rules     []int // clauses with positive literals, which may be open
	conflicts int
	used      []int32 // per package: the round of bound in which a counted clause had it
	round     int32
}

// smallest improves on a solution of policy DNF.
func (u *Universe) smallest(roots []Root, options Options, sol *Solution) (*Solution, error) {
	p := u.newProblem(roots, false)
	defer p.release()
	p.best = options.Best
	if err := p.build(); err != nil {
		return nil, err
	}
	p.onlyNewest(sol)
	for _, pkg := range sol.Packages {
		if u.held[pkg] { // what a lock holds and policy DNF takes again stays, whatever smaller one there is now
			p.clause(fact{kind: factSameName, pkg: int32(pkg), other: int32(pkg)}, []lit{lit(pkg + 1)})
		}
	}
	m := &minimiser{problem: p, best: sol.Packages, used: make([]int32, len(u.Packages))}
	for _, pkg := range sol.Packages {
		m.bestCost += u.cost(pkg)
	}
	for n := range p.facts {
		if slices.ContainsFunc(p.sat.clause(n), func(l lit) bool { return l > 0 }) {
			m.rules = append(m.rules, n)
		}
	}
	budget := options.Budget
	if budget == 0 {
		budget = DefaultBudget
	}
	lower, err := m.run(budget)
	if err != nil {
		return nil, err
	}
	return &Solution{
		Universe: u, Packages: m.best, Roots: rootPackages(p.rootsOf, m.best),
		Size: &Size{InstalledBytes: m.bestCost >> countBits, LowerBound: lower >> countBits, Conflicts: m.conflicts},
	}, nil
}

// onlyNewest forbids the versions that policy Smallest does not look at.
func (p *problem) onlyNewest(sol *Solution) {
	for from := 0; from < len(p.u.Packages); {
		_, to := p.u.named(p.u.Packages[from].name)
		var free []int
		taken := -1
		for pkg := from; pkg < to; pkg++ {
			if _, in := slices.BinarySearch(sol.Packages, pkg); in {
				taken = pkg
			}
			if p.u.Packages[pkg].Excluded == "" {
				free = append(free, pkg)
			}
		}
		best := p.u.bestOf(free)
		for pkg := from; pkg < to; pkg++ {
			if p.queued[pkg] && pkg != taken && (taken >= 0 || !slices.Contains(best, pkg)) {
				p.clause(fact{kind: factSameName, pkg: int32(pkg), other: int32(pkg)}, []lit{lit(-pkg - 1)})
			}
		}
		from = to
	}
}

// run searches until nothing smaller can exist or the budget is spent. It returns a cost that no solution is below.
func (m *minimiser) run(budget int) (int64, error) {
	s := m.sat
	if s.start() >= 0 {
		return 0, fmt.Errorf("resolving: the solution of policy %s does not satisfy its own rules", DNF) // a defect of the solver
	}
	lower, _ := m.bound()
	for {
		conflict, clause := s.propagate(), []lit(nil)
		if conflict >= 0 {
			clause = s.clause(conflict)
		} else if cost, reason := m.bound(); cost >= m.bestCost {
			clause = reason
		} else if s.current() == 1 {
			lower = max(lower, cost)
		}
		if clause == nil {
			if candidates := m.open(); candidates != nil {
				s.decide(lit(candidates[0] + 1))
			} else {
				m.found()
			}
			continue
		}
		level := 1
		for _, l := range clause {
			level = max(level, abs(s.level[l.variable()]))
		}
		if level == 1 {
			return m.bestCost, nil
		}
		if m.conflicts++; m.conflicts > budget {
			return lower, nil
		}
		s.undo(level)
		s.learnFrom(conflict, slices.Clone(clause))
	}
}

// found records the solution on the trail; what is undecided is not installed.
func (m *minimiser) found() {
	m.best, m.bestCost = nil, 0
	for _, l := range m.sat.trail {
		if l > 0 {
			m.best = append(m.best, int(l)-1)
			m.bestCost += m.u.cost(int(l) - 1)
		}
	}
	slices.Sort(m.best)
}

// bound returns what every extension of the trail costs at least: what is installed, and the cheapest candidate of each of some open
// rules that share no candidates. reason is a clause of false literals that says so.
func (m *minimiser) bound() (cost int64, reason []lit) {
	for _, l := range m.sat.trail {
		if l > 0 {
			cost += m.u.cost(int(l) - 1)
			reason = append(reason, -l)
		}
	}
	type openRule struct {
		n        int
		cheapest int64
	}
	var open []openRule
	for _, n := range m.rules {
		if cheapest, ok := m.cheapest(n); ok {
			open = append(open, openRule{n, cheapest})
		}
	}
	slices.SortStableFunc(open, func(a, b openRule) int { return cmp.Compare(b.cheapest, a.cheapest) })
	m.round++
	for _, o := range open {
		clause := m.sat.clause(o.n)
		if slices.ContainsFunc(clause, func(l lit) bool { return m.sat.value(l) == 0 && m.used[l.variable()-1] == m.round }) {
			continue
		}
		cost += o.cheapest
		for _, l := range clause {
			if m.sat.value(l) == 0 {
				m.used[l.variable()-1] = m.round
			} else {
				reason = append(reason, l)
			}
		}
	}
	slices.Sort(reason)
	return cost, slices.Compact(reason)
}

// cheapest returns the cost of the cheapest candidate of a rule, and whether it is open: its condition holds and nothing satisfies it.
func (m *minimiser) cheapest(n int) (cost int64, ok bool) {
	for _, l := range m.sat.clause(n) {
		switch v := m.sat.value(l); {
		case v == 1 || l < 0 && v == 0:
			return 0, false
		case v == 0:
			if c := m.u.cost(int(l) - 1); !ok || c < cost {
				cost, ok = c, true
			}
		}
	}
	return cost, ok
}

// open returns the candidates of the open rule with the fewest of them, the cheapest first; nil when no rule is open.
func (m *minimiser) open() []int {
	at, fewest := -1, 0
	for _, n := range m.rules {
		if _, ok := m.cheapest(n); !ok {
			continue
		}
		count := 0
		for _, l := range m.sat.clause(n) {
			if m.sat.value(l) == 0 {
				count++
			}
		}
		if at < 0 || count < fewest {
			at, fewest = n, count
		}
	}
	if at < 0 {
		return nil
	}
	var out []int
	for _, l := range m.sat.clause(at) {
		if m.sat.value(l) == 0 {
			out = append(out, int(l)-1)
		}
	}
	slices.Sort(out)
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(m.u.cost(a), m.u.cost(b)) })
	return out
}
