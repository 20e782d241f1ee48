package resolve

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// Holding says what an earlier lock holds, so that a resolution changes no more than it must.
type Holding struct {
	// Packages of the universe that the lock holds. No other version of their names is taken unless there is no other way.
	Packages []int
	// Gone names what the lock holds and the repositories have no longer, by package name: the value says so in words. No
	// version of these names is taken at all.
	Gone map[string]string
	// All takes every held package that answers a requirement of another one, also where fewer would do. It is for roots that
	// contain all roots of the lock: then the same solution comes again, whatever else the repositories offer now. Without it a
	// package goes once its root is gone.
	All bool
	// Newest lists names of which only the newest version will do, in the repositories of the best priority that have the name.
	Newest []string
}

// Kept is the outcome of ResolveHolding.
type Kept struct {
	*Solution
	// Released are the names of held packages of which another version had to be allowed, sorted; each of them is needed.
	Released []string
}

// ResolveHolding is Resolve with a preference for what is held: of all solutions it takes one that gives up a smallest set of
// held packages (no smaller subset would do), and among candidates for a requirement it takes a held one. It marks the
// universe, which must not be used for anything else afterwards.
func (u *Universe) ResolveHolding(options Options, holding Holding) (*Kept, error) {
	options.Files = once(options.Files)
	u.onlyNewest(holding.Newest)
	u.gone(holding.Gone)
	u.held, u.keepAll = map[int]bool{}, holding.All
	for _, pkg := range holding.Packages {
		u.held[pkg] = true
		u.hold(pkg)
	}
	kept, err := u.release(options)
	if err != nil {
		return nil, err
	}
	return u.holdAgain(options, kept)
}

// release gives up held packages that stand in the way until there is a solution.
func (u *Universe) release(options Options) (*Kept, error) {
	kept := &Kept{}
	for {
		sol, err := u.Resolve(options)
		if err == nil {
			kept.Solution = sol
			return kept, nil
		}
		blamed := slices.DeleteFunc(blame(err), func(name string) bool { return slices.Contains(kept.Released, name) })
		if len(blamed) == 0 {
			return nil, err
		}
		for _, name := range blamed {
			u.letGo(name)
			kept.Released = append(kept.Released, name)
		}
	}
}

// holdAgain takes back what was released without need.
func (u *Universe) holdAgain(options Options, kept *Kept) (*Kept, error) {
	slices.Sort(kept.Released)
	needed := []string{}
	for _, name := range kept.Released {
		from, to := u.namedText(name)
		for pkg := from; pkg < to; pkg++ {
			if u.held[pkg] {
				u.hold(pkg)
			}
		}
		sol, err := u.Resolve(options)
		if err != nil {
			u.letGo(name)
			needed = append(needed, name)
			continue
		}
		kept.Solution = sol
	}
	kept.Released = needed
	return kept, nil
}

// once calls files for each path only once: what it found stays in the universe.
func once(files func([]string) error) func([]string) error {
	if files == nil {
		return nil
	}
	known := map[string]bool{}
	return func(paths []string) error {
		fresh := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return known[path] })
		if len(fresh) == 0 {
			return nil
		}
		if err := files(fresh); err != nil {
			return err
		}
		for _, path := range fresh {
			known[path] = true
		}
		return nil
	}
}

// namedText returns the packages of a name, in order.
func (u *Universe) namedText(name string) (from, to int) {
	id, ok := u.strings.Lookup(name)
	if !ok {
		return 0, 0
	}
	return u.named(id)
}

// hold excludes the other packages of a held one's name.
func (u *Universe) hold(pkg int) {
	from, to := u.named(u.Packages[pkg].name)
	for other := from; other < to; other++ {
		if o := &u.Packages[other]; other != pkg && o.Excluded == "" && !u.held[other] {
			o.Excluded, o.byHold = "the lock holds "+u.NEVRA(pkg), true
		}
	}
	u.forget()
}

// letGo takes back hold for a name.
func (u *Universe) letGo(name string) {
	from, to := u.namedText(name)
	for pkg := from; pkg < to; pkg++ {
		if p := &u.Packages[pkg]; p.byHold {
			p.Excluded, p.byHold = "", false
		}
	}
	u.forget()
}

func (u *Universe) gone(gone map[string]string) {
	for name, reason := range gone { // the order does not matter: each name has packages of its own
		from, to := u.namedText(name)
		for pkg := from; pkg < to; pkg++ {
			if p := &u.Packages[pkg]; p.Excluded == "" {
				p.Excluded = reason
			}
		}
	}
}

func (u *Universe) onlyNewest(names []string) {
	for _, name := range names {
		best := u.Newest(name)
		from, to := u.namedText(name)
		for pkg := from; pkg < to; pkg++ {
			if p := &u.Packages[pkg]; pkg != best && p.Excluded == "" && u.newer(best, pkg) {
				p.Excluded = fmt.Sprintf("the newest version is asked for, %s", u.NEVRA(best))
			}
		}
	}
}

// Newest returns the newest package of a name that is not excluded, in the repository of the best priority that has the name;
// -1 when there is none.
func (u *Universe) Newest(name string) int {
	from, to := u.namedText(name)
	best := -1
	for pkg := from; pkg < to; pkg++ {
		if u.Packages[pkg].Excluded == "" && (best < 0 || u.newer(pkg, best)) {
			best = pkg
		}
	}
	return best
}

// newer reports whether a is of a better repository than b, or of an equally good one and newer.
func (u *Universe) newer(a, b int) bool {
	if pa, pb := u.priority(a), u.priority(b); pa != pb {
		return pa < pb
	}
	return evr.Compare(u.Packages[a].evr, u.Packages[b].evr) > 0
}

// EVR returns the version of a package.
func (u *Universe) EVR(pkg int) evr.EVR { return u.Packages[pkg].evr }

// Named returns the packages of a name, in order.
func (u *Universe) Named(name string) []int {
	from, to := u.namedText(name)
	out := make([]int, 0, to-from)
	for pkg := from; pkg < to; pkg++ {
		out = append(out, pkg)
	}
	return out
}

// pruneHeld keeps the held candidates, if there are any.
func (s *search) pruneHeld(candidates []int) []int {
	if len(s.u.held) == 0 || len(candidates) < 2 {
		return candidates
	}
	var kept []int
	for _, c := range candidates {
		if s.u.held[c] {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return candidates
	}
	return kept
}

// keep installs one more held package that the roots or the installed packages ask for. keptTo is the place in the trail up to
// which all were looked at.
func (s *search) keep() bool {
	if !s.u.keepAll {
		return false
	}
	for _, candidates := range s.rootsOf {
		if s.keepOne(candidates) {
			return true
		}
	}
	kinds := []repomd.Kind{repomd.Requires}
	if s.weak {
		kinds = append(kinds, repomd.Recommends)
	}
	for ; s.keptTo < len(s.sat.trail); s.keptTo++ {
		l := s.sat.trail[s.keptTo]
		if l < 0 {
			continue
		}
		for _, kind := range kinds {
			for _, d := range s.u.deps(int(l)-1, kind) {
				if s.keepOne(s.u.answers(d)) {
					return true
				}
			}
		}
	}
	return s.weak && s.keepSupplement()
}

func (s *search) keepOne(candidates []int) bool {
	for _, c := range candidates {
		if s.u.held[c] && s.u.Packages[c].Excluded == "" && s.queued[c] && s.sat.value(lit(c+1)) == 0 {
			s.sat.decide(lit(c + 1))
			return true
		}
	}
	return false
}

func (s *search) keepSupplement() bool {
	for _, c := range slices.Sorted(maps.Keys(s.u.held)) {
		if s.sat.value(lit(c+1)) == 0 && s.supplements(c, repomd.Supplements) && s.keepOne([]int{c}) {
			return true
		}
	}
	return false
}

// answers returns the packages that some part of a dependency, plain or rich, names.
func (u *Universe) answers(d dependency) []int {
	text := u.strings.Text(d.name)
	if !strings.HasPrefix(text, "(") {
		return u.providers(d)
	}
	e, err := ParseDependency(text)
	if err != nil {
		return nil
	}
	return u.answersOf(e)
}

func (u *Universe) answersOf(e *Expr) []int {
	if e.Op == "" {
		return u.providers(u.dependency(e))
	}
	args := e.Args
	if e.Op == "if" || e.Op == "unless" { // the condition asks for nothing
		args = args[:1]
	}
	var out []int
	for _, arg := range args {
		out = append(out, u.answersOf(arg)...)
	}
	if e.Else != nil {
		out = append(out, u.answersOf(e.Else)...)
	}
	return out
}

// blame returns the names of held packages that an error of Resolve speaks of, sorted.
func blame(err error) []string {
	var names []string
	var conflict *Conflict
	if errors.As(err, &conflict) {
		names = append(names, conflict.held...)
	}
	var unknown RootErrors
	if errors.As(err, &unknown) {
		for _, e := range unknown {
			names = append(names, e.held...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// heldIn collects the names of held packages that facts are about, and of those whose other versions would answer them.
func (p *problem) heldIn(facts []int) []string {
	var names []string
	add := func(pkg int) {
		if p.u.held[pkg] || p.u.Packages[pkg].byHold {
			names = append(names, p.u.Name(pkg))
		}
	}
	for _, n := range facts {
		f := p.facts[n]
		for _, l := range p.sat.clause(n) {
			add(l.variable() - 1)
		}
		if f.kind == factRoot && p.roots[f.root].forced == nil {
			names = append(names, p.heldFor(p.roots[f.root].expr)...)
		} else if f.kind == factRequires || f.kind == factNothing {
			if e, err := ParseDependency(p.u.strings.Text(f.dep.name)); err == nil && e.Op != "" {
				names = append(names, p.heldFor(e)...)
				continue
			}
			for _, pkg := range p.u.allProviders(f.dep) {
				add(pkg)
			}
		}
	}
	return names
}

// heldFor collects the names of held packages whose other versions would answer an expression.
func (p *problem) heldFor(e *Expr) []string {
	var names []string
	for _, arg := range e.Args {
		names = append(names, p.heldFor(arg)...)
	}
	if e.Else != nil {
		names = append(names, p.heldFor(e.Else)...)
	}
	if e.Op != "" {
		return names
	}
	for _, pkg := range slices.Concat(p.u.allProviders(p.u.dependency(e)), p.u.meant(e)) {
		if p.u.Packages[pkg].byHold {
			names = append(names, p.u.Name(pkg))
		}
	}
	return names
}
