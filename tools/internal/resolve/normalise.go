package resolve

import "slices"

// normaliser brings rich dependencies to conjunctive form.
type normaliser struct {
	providers func(*Expr) []int
	left      int // clauses that may still be made; negative means too many
}

// hold returns clauses that are true exactly when e is true (want) or false (not want).
func (n *normaliser) hold(e *Expr, want bool) [][]lit {
	if n.left < 0 {
		return nil
	}
	switch e.Op {
	case "", "with", "without":
		return n.leaf(n.set(e), want)
	case "and":
		return n.join(e.Args, want, want)
	case "or":
		return n.join(e.Args, want, !want)
	case "if": // (a or not b), with else: and (c or b)
		return n.conditional(e, want, true)
	default: // unless: (a and not b), with else: or (c and b)
		return n.conditional(e, want, false)
	}
}

func (n *normaliser) leaf(pkgs []int, want bool) [][]lit {
	if want {
		return n.count([][]lit{positive(nil, pkgs)})
	}
	out := make([][]lit, len(pkgs))
	for i, pkg := range pkgs {
		out[i] = []lit{lit(-pkg - 1)}
	}
	return n.count(out)
}

// join combines operands: all must hold (union of clauses) or one must (product of clauses).
func (n *normaliser) join(args []*Expr, want, all bool) [][]lit {
	out := n.hold(args[0], want)
	for _, arg := range args[1:] {
		if next := n.hold(arg, want); all {
			out = n.union(out, next)
		} else {
			out = n.product(out, next)
		}
	}
	return out
}

func (n *normaliser) conditional(e *Expr, want, isIf bool) [][]lit {
	a, b := e.Args[0], e.Args[1]
	switch {
	case isIf && want:
		out := n.product(n.hold(a, true), n.hold(b, false))
		if e.Else != nil {
			out = n.union(out, n.product(n.hold(e.Else, true), n.hold(b, true)))
		}
		return out
	case isIf: // not: b and not a, with else: or (not b and not c)
		out := n.union(n.hold(a, false), n.hold(b, true))
		if e.Else != nil {
			out = n.product(out, n.union(n.hold(e.Else, false), n.hold(b, false)))
		}
		return out
	case want:
		out := n.union(n.hold(a, true), n.hold(b, false))
		if e.Else != nil {
			out = n.product(out, n.union(n.hold(e.Else, true), n.hold(b, true)))
		}
		return out
	default:
		out := n.product(n.hold(a, false), n.hold(b, true))
		if e.Else != nil {
			out = n.union(out, n.product(n.hold(e.Else, false), n.hold(b, false)))
		}
		return out
	}
}

func (n *normaliser) union(a, b [][]lit) [][]lit { return n.count(append(slices.Clip(a), b...)) }

func (n *normaliser) product(a, b [][]lit) [][]lit {
	if n.left -= len(a) * len(b); n.left < 0 {
		return nil
	}
	var out [][]lit
	for _, x := range a {
		for _, y := range b {
			if c, always := compact(append(slices.Clone(x), y...)); !always {
				out = append(out, c)
			}
		}
	}
	return out
}

func (n *normaliser) count(clauses [][]lit) [][]lit {
	n.left -= len(clauses)
	return clauses
}

// compact sorts a clause, removes repetitions and reports whether it is always true.
func compact(c []lit) (out []lit, always bool) {
	slices.SortFunc(c, func(a, b lit) int {
		if d := a.variable() - b.variable(); d != 0 {
			return d
		}
		return int(a - b)
	})
	c = slices.Compact(c)
	for i := 1; i < len(c); i++ {
		if c[i] == -c[i-1] {
			return nil, true
		}
	}
	// negative literals first, as in clauses of plain requirements
	slices.SortStableFunc(c, func(a, b lit) int {
		switch {
		case a < 0 && b > 0:
			return -1
		case a > 0 && b < 0:
			return 1
		}
		return 0
	})
	return c, false
}

// set returns the single packages that satisfy a leaf, "with", "without", or an "or" inside of them.
func (n *normaliser) set(e *Expr) []int {
	switch e.Op {
	case "":
		return n.providers(e)
	case "or":
		var out []int
		for _, arg := range e.Args {
			out = append(out, n.set(arg)...)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	out := slices.Clone(n.set(e.Args[0]))
	for _, arg := range e.Args[1:] {
		other := n.set(arg)
		out = slices.DeleteFunc(out, func(pkg int) bool {
			_, found := slices.BinarySearch(other, pkg)
			return found == (e.Op == "without")
		})
	}
	return out
}
