package resolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// factKind says where a clause comes from.
type factKind uint8

const (
	factRoot factKind = iota
	factRequires
	factNothing // a requirement without any provider
	factConflicts
	factObsoletes
	factSameName
)

// fact is the meaning of a clause.
type fact struct {
	kind  factKind
	pkg   int32 // the package the fact is about
	other int32 // conflicts, obsoletes, same name: the other package
	dep   dependency
	root  int32 // index of the root
}

// problem is the set of clauses that the roots reach.
type problem struct {
	u       *Universe
	sat     *sat
	facts   []fact // per added clause
	roots   []Root
	rootsOf [][]int // per root: its candidates
	choices []int   // clauses with two or more positive literals that are no roots, in the order to look at them
	weak    bool
	best    bool

	queued []bool
	queue  []int // every package reached; those from next on are still to be looked at
	next   int
	lits   []lit           // of the clause that is being made
	paths  map[string]bool // files required that primary.xml cannot know
	err    error
}

// maxRichClauses bounds the normal form of one rich dependency.
const maxRichClauses = 20000

// newProblem takes over the memory of the last problem that was released: a universe is large, and what a solve reaches often is too.
func (u *Universe) newProblem(roots []Root, weak bool) *problem {
	p := &problem{u: u, roots: roots, weak: weak, paths: map[string]bool{}}
	if old := u.spare; old != nil {
		u.spare = nil
		p.sat, p.queued, p.queue, p.facts, p.choices, p.lits = old.sat, old.queued, old.queue, old.facts, old.choices, old.lits
		return p
	}
	p.sat, p.queued = newSAT(len(u.Packages)), make([]bool, len(u.Packages))
	return p
}

// release gives the memory of a problem to the next one; the problem must not be used any more.
func (p *problem) release() {
	p.sat.reset()
	for _, pkg := range p.queue {
		p.queued[pkg] = false
	}
	p.queue, p.facts, p.choices = p.queue[:0], p.facts[:0], p.choices[:0]
	p.u.spare = p
}

// build adds the clauses of the roots and of everything they can reach.
func (p *problem) build() error {
	for i, root := range p.roots {
		candidates := p.candidates(root)
		p.rootsOf = append(p.rootsOf, candidates)
		p.clause(fact{kind: factRoot, root: int32(i)}, positive(nil, candidates))
		p.reach(candidates)
	}
	for ; p.next < len(p.queue) && p.err == nil; p.next++ {
		pkg := p.queue[p.next]
		p.requires(pkg)
		p.conflicts(pkg)
		p.obsoletes(pkg)
		p.sameName(pkg)
		if p.weak {
			p.reachWeak(pkg)
		}
	}
	if p.err != nil {
		return p.err
	}
	p.sortChoices()
	return nil
}

func (p *problem) clause(f fact, lits []lit) {
	p.sat.add(lits)
	p.facts = append(p.facts, f)
}

// positive appends that the packages are installed.
func positive(to []lit, pkgs []int) []lit {
	to = slices.Grow(to, len(pkgs))
	for _, pkg := range pkgs {
		to = append(to, lit(pkg+1))
	}
	return to
}

// nameKind says how a dependency has to be read.
type nameKind uint8

const (
	nameUnknown nameKind = iota
	namePlain
	nameRich
	nameFeature // of the rpm that would install the package: rpmlib(...)
	nameFile    // which primary.xml does not list
)

func (u *Universe) kind(name repomd.ID) nameKind {
	if int(name) >= len(u.kinds) {
		u.kinds = append(u.kinds, make([]nameKind, u.strings.Len()-len(u.kinds))...)
	}
	if u.kinds[name] == nameUnknown {
		u.kinds[name] = kindOf(u.strings.Text(name))
	}
	return u.kinds[name]
}

func kindOf(name string) nameKind {
	switch {
	case strings.HasPrefix(name, "("):
		return nameRich
	case strings.HasPrefix(name, "rpmlib("):
		return nameFeature
	case strings.HasPrefix(name, "/") && !repomd.InPrimary(name):
		return nameFile
	}
	return namePlain
}

func (p *problem) reach(pkgs []int) {
	for _, pkg := range pkgs {
		if !p.queued[pkg] {
			p.queued[pkg] = true
			p.queue = append(p.queue, pkg)
		}
	}
}

// plain returns the providers of a plain dependency and notes files that only filelists.xml can tell.
func (p *problem) plain(d dependency) []int {
	if p.u.kind(d.name) == nameFile {
		p.paths[p.u.strings.Text(d.name)] = true
	}
	return p.u.providers(d)
}

func (p *problem) requires(pkg int) {
	for _, d := range p.u.deps(pkg, repomd.Requires) {
		switch p.u.kind(d.name) {
		case nameFeature:
			continue
		case nameRich:
			p.rich(pkg, d, factRequires)
			continue
		}
		providers := p.plain(d)
		if len(providers) == 0 {
			p.clause(fact{kind: factNothing, pkg: int32(pkg), dep: d}, []lit{lit(-pkg - 1)})
			continue
		}
		if _, own := slices.BinarySearch(providers, pkg); own {
			continue
		}
		p.lits = positive(append(p.lits[:0], lit(-pkg-1)), providers)
		p.clause(fact{kind: factRequires, pkg: int32(pkg), dep: d}, p.lits)
		p.reach(providers)
	}
}

func (p *problem) conflicts(pkg int) {
	for _, d := range p.u.deps(pkg, repomd.Conflicts) {
		if p.u.kind(d.name) == nameRich {
			p.rich(pkg, d, factConflicts)
			continue
		}
		for _, other := range p.plain(d) {
			if other != pkg { // a package never conflicts with itself
				p.exclusion(factConflicts, pkg, other, d)
			}
		}
	}
}

// obsoletes match names and versions of packages, never what they provide.
func (p *problem) obsoletes(pkg int) {
	for _, d := range p.u.deps(pkg, repomd.Obsoletes) {
		for _, other := range p.u.obsoleted(pkg, d) {
			p.exclusion(factObsoletes, pkg, other, d)
		}
	}
}

func (p *problem) exclusion(kind factKind, pkg, other int, d dependency) {
	p.clause(fact{kind: kind, pkg: int32(pkg), other: int32(other), dep: d}, []lit{lit(-pkg - 1), lit(-other - 1)})
}

func (p *problem) sameName(pkg int) {
	from, to := p.u.named(p.u.Packages[pkg].name)
	for other := from; other < min(pkg, to); other++ { // the later of a pair adds the clause for both
		p.exclusion(factSameName, pkg, other, dependency{})
	}
}

// rich adds the clauses of a rich requirement or conflict of a package.
func (p *problem) rich(pkg int, d dependency, kind factKind) {
	e, err := ParseDependency(p.u.strings.Text(d.name))
	if err != nil {
		p.err = fmt.Errorf("%s: %w", p.u.NEVRA(pkg), err)
		return
	}
	n := normaliser{providers: p.leaf, left: maxRichClauses}
	clauses := n.hold(e, kind == factRequires)
	if n.left < 0 {
		p.err = fmt.Errorf("%s: the dependency %s is too complex: more than %d clauses", p.u.NEVRA(pkg), e, maxRichClauses)
		return
	}
	for _, c := range clauses {
		lits, always := compact(append([]lit{lit(-pkg - 1)}, c...))
		if always {
			continue
		}
		for _, l := range lits {
			if l > 0 {
				p.reach([]int{int(l) - 1})
			}
		}
		p.clause(fact{kind: kind, pkg: int32(pkg), other: -1, dep: d}, lits)
	}
}

// leaf returns the providers of a leaf of a rich dependency.
func (p *problem) leaf(e *Expr) []int { return p.plain(p.u.dependency(e)) }

// dependency maps a parsed plain dependency to numbers.
func (u *Universe) dependency(e *Expr) dependency {
	d := dependency{name: u.strings.InternString(e.Name), op: e.Cmp}
	if e.Cmp != 0 {
		d.evr = uint32(len(u.evrs))
		u.evrs = append(u.evrs, e.EVR)
	}
	return d
}

// candidates returns the packages that a root may mean and that are not excluded.
func (p *problem) candidates(root Root) []int {
	if root.forced != nil {
		return root.forced
	}
	if name := root.expr.Name; strings.HasPrefix(name, "/") && !repomd.InPrimary(name) {
		p.paths[name] = true
	}
	found := slices.DeleteFunc(p.u.meant(root.expr), func(c int) bool { return p.u.Packages[c].Excluded != "" })
	if p.best {
		return p.u.bestOf(found)
	}
	return found
}

// sortChoices fixes the order in which open choices are looked at: by package from last to first, as libsolv's sorted
// rules are, then by candidates.
func (p *problem) sortChoices() {
	for n := range p.facts {
		positives := 0
		for _, l := range p.sat.clause(n) {
			if l > 0 {
				positives++
			}
		}
		if positives > 1 && p.facts[n].kind != factRoot {
			p.choices = append(p.choices, n)
		}
	}
	// most clauses have their literals in order already, a package and its sorted providers
	sorted := func(n int) []lit {
		c := p.sat.clause(n)
		if slices.IsSorted(c) {
			return c
		}
		c = slices.Clone(c)
		slices.Sort(c)
		return c
	}
	slices.SortStableFunc(p.choices, func(a, b int) int { return slices.Compare(sorted(a), sorted(b)) })
	p.choices = slices.CompactFunc(p.choices, func(a, b int) bool { return slices.Equal(sorted(a), sorted(b)) })
}

func (p *problem) reachWeak(pkg int) {
	for _, kind := range []repomd.Kind{repomd.Recommends} {
		for _, d := range p.u.deps(pkg, kind) {
			p.reach(p.weakProviders(d))
		}
	}
}

// weakProviders returns the packages that a Recommends or Suggests names; rich ones are taken by all their leaves.
func (p *problem) weakProviders(d dependency) []int {
	if p.u.kind(d.name) != nameRich {
		return p.plain(d)
	}
	e, err := ParseDependency(p.u.strings.Text(d.name))
	if err != nil {
		return nil
	}
	return p.promised(e)
}

// promised returns the packages whose presence can make e true.
func (p *problem) promised(e *Expr) []int {
	switch e.Op {
	case "":
		return p.leaf(e)
	case "with", "without":
		n := normaliser{providers: p.leaf, left: maxRichClauses}
		return n.set(e)
	}
	var out []int
	operands := e.Args
	if e.Op == "if" || e.Op == "unless" {
		operands = e.Args[:1]
	}
	for _, arg := range operands {
		out = append(out, p.promised(arg)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
