package resolve

import "slices"

// lit is a literal: +v means that package v-1 is installed, -v that it is not.
type lit int32

func (l lit) variable() int {
	if l < 0 {
		return int(-l)
	}
	return int(l)
}

// slot numbers literals for the watch lists.
func (l lit) slot() int {
	if l < 0 {
		return int(-l)*2 + 1
	}
	return int(l) * 2
}

// sat is a conflict-driven clause-learning core: clauses, assignment, propagation and learning. Decisions are the caller's.
//
// Level 1 holds what follows from the clauses alone; a conflict there means that they cannot be satisfied.
type sat struct {
	lits    []lit   // of all clauses
	clauses []span  // a clause watches its first two literals
	proofs  [][]int // per clause: nil, or for a learned one the clauses and ^variables of level 1 it came from
	watches [][]int32
	level   []int32 // per variable: 0 undecided, n true since level n, -n false since level n
	cause   []int32 // per variable: the clause that forced it, -1 for a decision
	trail   []lit
	limits  []int  // trail length at the start of each level, from level 2
	head    int    // next literal of the trail to propagate
	units   []int  // clauses of one literal
	empty   int    // clause without literals, -1 when there is none
	seen    []bool // per variable: in the clause that is being learned; all false between calls
	touched []int  // the variables seen
}

type span struct{ start, end int32 }

func newSAT(variables int) *sat {
	return &sat{
		watches: make([][]int32, (variables+1)*2+2),
		level:   make([]int32, variables+1),
		cause:   make([]int32, variables+1),
		seen:    make([]bool, variables+1),
		empty:   -1,
	}
}

// reset takes everything back and keeps the memory.
func (s *sat) reset() {
	for _, l := range s.trail {
		s.level[l.variable()] = 0
	}
	for i := range s.watches {
		s.watches[i] = s.watches[i][:0]
	}
	clear(s.proofs)
	s.lits, s.clauses, s.proofs, s.trail, s.limits, s.units = s.lits[:0], s.clauses[:0], s.proofs[:0], s.trail[:0], s.limits[:0], s.units[:0]
	s.head, s.empty = 0, -1
}

// add appends a clause and returns its number. It must be called before start, or through learn.
func (s *sat) add(lits []lit) int {
	n := len(s.clauses)
	from := len(s.lits)
	s.lits = append(s.lits, lits...)
	s.clauses = append(s.clauses, span{int32(from), int32(len(s.lits))})
	s.proofs = append(s.proofs, nil)
	switch len(lits) {
	case 0:
		s.empty = n
	case 1:
		s.units = append(s.units, n)
	default:
		s.watch(lits[0], n)
		s.watch(lits[1], n)
	}
	return n
}

func (s *sat) watch(l lit, clause int) {
	s.watches[l.slot()] = append(s.watches[l.slot()], int32(clause))
}

func (s *sat) clause(n int) []lit { return s.lits[s.clauses[n].start:s.clauses[n].end] }

// value is 1 when l is true, -1 when it is false, 0 when undecided.
func (s *sat) value(l lit) int {
	v := s.level[l.variable()]
	switch {
	case v == 0:
		return 0
	case (v > 0) == (l > 0):
		return 1
	}
	return -1
}

func (s *sat) current() int { return len(s.limits) + 1 }

func (s *sat) assign(l lit, cause int) {
	at := int32(s.current())
	if l < 0 {
		at = -at
	}
	s.level[l.variable()] = at
	s.cause[l.variable()] = int32(cause)
	s.trail = append(s.trail, l)
}

// start asserts the unit clauses. It returns a conflicting clause or -1.
func (s *sat) start() int {
	if s.empty >= 0 {
		return s.empty
	}
	for _, n := range s.units {
		l := s.clause(n)[0]
		switch s.value(l) {
		case -1:
			return n
		case 0:
			s.assign(l, n)
		}
	}
	return s.propagate()
}

// decide opens a level with l true.
func (s *sat) decide(l lit) {
	s.limits = append(s.limits, len(s.trail))
	s.assign(l, -1)
}

// propagate draws the conclusions of the trail. It returns a conflicting clause or -1.
func (s *sat) propagate() int {
	for s.head < len(s.trail) {
		falsified := -s.trail[s.head]
		s.head++
		list := s.watches[falsified.slot()]
		kept := list[:0]
		for i, n := range list {
			c := s.clause(int(n))
			if c[0] == falsified {
				c[0], c[1] = c[1], c[0]
			}
			if s.value(c[0]) == 1 {
				kept = append(kept, n)
				continue
			}
			if s.rewatch(c, n) {
				continue
			}
			kept = append(kept, n)
			if s.value(c[0]) == -1 {
				kept = append(kept, list[i+1:]...)
				s.watches[falsified.slot()] = kept
				return int(n)
			}
			s.assign(c[0], int(n))
		}
		s.watches[falsified.slot()] = kept
	}
	return -1
}

// rewatch finds a literal that is not false to watch in place of c[1].
func (s *sat) rewatch(c []lit, n int32) bool {
	for k := 2; k < len(c); k++ {
		if s.value(c[k]) != -1 {
			c[1], c[k] = c[k], c[1]
			s.watch(c[1], int(n))
			return true
		}
	}
	return false
}

// undo takes back every level above target.
func (s *sat) undo(target int) {
	if s.current() <= target {
		return
	}
	keep := s.limits[target-1]
	for _, l := range s.trail[keep:] {
		s.level[l.variable()] = 0
	}
	s.trail = s.trail[:keep]
	s.limits = s.limits[:target-1]
	s.head = keep
}

// learn turns a conflict above level 1 into a clause, returns to the level where it forces a literal, and asserts it.
func (s *sat) learn(conflict int) { s.learnFrom(conflict, s.clause(conflict)) }

// learnFrom is learn for a clause of false literals, of which one at least is of the current level. It need not be one of the clauses:
// conflict is -1 then, and what is learned cannot be explained.
func (s *sat) learnFrom(conflict int, clause []lit) {
	seen := s.seen
	defer func() {
		for _, v := range s.touched {
			seen[v] = false
		}
		s.touched = s.touched[:0]
	}()
	proof := []int{}
	if conflict >= 0 {
		proof = append(proof, conflict)
	}
	learned := []lit{0}
	open, at := 0, len(s.trail)-1
	now := s.current()
	for {
		for _, l := range clause {
			v := l.variable()
			if seen[v] || s.value(l) != -1 {
				continue
			}
			seen[v] = true
			s.touched = append(s.touched, v)
			switch lv := abs(s.level[v]); {
			case lv == now:
				open++
			case lv == 1:
				proof = append(proof, ^v)
			default:
				learned = append(learned, l)
			}
		}
		for !seen[s.trail[at].variable()] || abs(s.level[s.trail[at].variable()]) != now {
			at--
		}
		open--
		if open == 0 {
			break
		}
		from := int(s.cause[s.trail[at].variable()])
		clause = s.clause(from)
		proof = append(proof, from)
		at--
	}
	learned[0] = -s.trail[at]
	target := 1
	for i, l := range learned[1:] {
		if lv := abs(s.level[l.variable()]); lv > target {
			target = lv
			learned[1], learned[i+1] = learned[i+1], learned[1]
		}
	}
	s.undo(target)
	n := s.add(learned)
	s.proofs[n] = proof
	s.assign(learned[0], n)
}

func abs(n int32) int {
	if n < 0 {
		return int(-n)
	}
	return int(n)
}

// culprits returns the added clauses that a conflict at level 1 rests on, in order.
func (s *sat) culprits(conflict int) []int {
	var out []int
	clauses, variables := map[int]bool{}, map[int]bool{}
	todo := []int{conflict}
	push := func(v int) {
		if !variables[v] && s.level[v] != 0 {
			variables[v] = true
			todo = append(todo, int(s.cause[v]))
		}
	}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n < 0 || clauses[n] {
			continue
		}
		clauses[n] = true
		for _, l := range s.clause(n) {
			if abs(s.level[l.variable()]) == 1 {
				push(l.variable())
			}
		}
		if s.proofs[n] == nil {
			out = append(out, n)
			continue
		}
		for _, m := range s.proofs[n] {
			if m < 0 {
				push(^m)
			} else {
				todo = append(todo, m)
			}
		}
	}
	slices.Sort(out)
	return out
}

// satisfiable decides clauses without preferences; it is for the small sets of explanations.
func satisfiable(variables int, clauses [][]lit) bool {
	s := newSAT(variables)
	for _, c := range clauses {
		s.add(c)
	}
	if s.start() >= 0 {
		return false
	}
	for {
		choice := lit(0)
		for v := 1; v <= variables && choice == 0; v++ {
			if s.level[v] == 0 {
				choice = lit(-v)
			}
		}
		if choice == 0 {
			return true
		}
		s.decide(choice)
		for {
			conflict := s.propagate()
			if conflict < 0 {
				break
			}
			if s.current() == 1 {
				return false
			}
			s.learn(conflict)
		}
	}
}
