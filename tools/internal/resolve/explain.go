package resolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
)

// UnknownRootError says that no package answers a root.
type UnknownRootError struct {
	Root string
	Arch string
	// Elsewhere lists the architectures of the repositories that do have a package of the name.
	Elsewhere []string
	// Near lists names that may have been meant.
	Near []string
	// Excluded is why every candidate is out, when exclusions are the reason.
	Excluded string

	held []string // names of held packages of which another version would do
}

func (e *UnknownRootError) Error() string {
	switch {
	case e.Excluded != "":
		return fmt.Sprintf("package %q for %s: %s", e.Root, e.Arch, e.Excluded)
	case strings.HasPrefix(e.Root, "/"):
		return fmt.Sprintf("unknown file %q for %s: no package has it", e.Root, e.Arch)
	case len(e.Elsewhere) > 0:
		return fmt.Sprintf("unknown package %q for %s: the repositories have it for %s only", e.Root, e.Arch, strings.Join(e.Elsewhere, ", "))
	}
	return fmt.Sprintf("unknown package %q for %s: no package of that name, and nothing provides it", e.Root, e.Arch)
}

// RootErrors are all the roots that nothing answers.
type RootErrors []*UnknownRootError

func (e RootErrors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// checkRoots reports all roots without candidates.
func (p *problem) checkRoots() error {
	var errs RootErrors
	for i, root := range p.roots {
		if len(p.rootsOf[i]) == 0 {
			e := p.u.unknownRoot(root)
			e.held = p.heldFor(root.expr)
			errs = append(errs, e)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	var err error = errs
	for _, e := range slices.Backward(errs) {
		if len(e.Near) > 0 {
			err = cli.Hint(err, "for %q, did you mean %s?", e.Root, list(e.Near, maxNear))
		}
	}
	return err
}

// unknownRoot says why nothing answers a root.
func (u *Universe) unknownRoot(root Root) *UnknownRootError {
	e := &UnknownRootError{Root: root.Text, Arch: u.Arch, Excluded: u.whyExcluded(root.expr)}
	if e.Excluded != "" {
		return e
	}
	e.Elsewhere = slices.Clone(u.foreign[root.expr.Name])
	slices.Sort(e.Elsewhere)
	e.Elsewhere = slices.Compact(e.Elsewhere)
	if len(e.Elsewhere) == 0 {
		e.Near = u.near(root.expr.Name)
	}
	return e
}

// whyExcluded says why the candidates of a root are out, if it has any.
func (u *Universe) whyExcluded(e *Expr) string {
	if all := u.meant(e); len(all) > 0 {
		last := all[len(all)-1]
		return fmt.Sprintf("%s is out: %s", u.NEVRA(last), u.Packages[last].Excluded)
	}
	if e.Cmp == 0 {
		return ""
	}
	anyVersion := *e
	anyVersion.Cmp = 0
	var have []string
	for _, c := range u.meant(&anyVersion) {
		have = append(have, u.NEVRA(c))
	}
	if len(have) == 0 {
		return ""
	}
	return "the repositories have " + list(have, 5)
}

// Conflict explains why roots cannot be installed together. Facts are a minimal set: without any one of them there is a
// solution.
type Conflict struct {
	Arch  string
	Facts []string

	held []string // names of held packages that the facts are about
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("the packages for %s cannot be installed together:\n- %s", c.Arch, strings.Join(c.Facts, "\n- "))
}

func (p *problem) explain(conflict int) error {
	facts := p.minimal(p.sat.culprits(conflict))
	c := &Conflict{Arch: p.u.Arch, held: p.heldIn(facts)}
	// the story is told from the roots down
	slices.SortStableFunc(facts, func(a, b int) int { return int(p.facts[a].kind) - int(p.facts[b].kind) })
	for _, n := range p.inOrder(facts) {
		if text := p.sentence(n); !slices.Contains(c.Facts, text) {
			c.Facts = append(c.Facts, text)
		}
	}
	return c
}

// minimal drops clauses as long as the rest cannot be satisfied.
func (p *problem) minimal(culprits []int) []int {
	number := map[int]int{}
	clauses := make([][]lit, len(culprits))
	for i, n := range culprits {
		for _, l := range p.sat.clause(n) {
			v := l.variable()
			if number[v] == 0 {
				number[v] = len(number) + 1
			}
			if l < 0 {
				clauses[i] = append(clauses[i], lit(-number[v]))
			} else {
				clauses[i] = append(clauses[i], lit(number[v]))
			}
		}
	}
	kept := slices.Clone(culprits)
	for i := len(kept) - 1; i >= 0; i-- {
		without := slices.Delete(slices.Clone(clauses), i, i+1)
		if !satisfiable(len(number), without) {
			clauses = without
			kept = slices.Delete(kept, i, i+1)
		}
	}
	return kept
}

// inOrder sorts facts so that each package is introduced before something is said about it.
func (p *problem) inOrder(facts []int) []int {
	var out []int
	known := map[int32]bool{}
	left := slices.Clone(facts)
	for len(left) > 0 {
		next := 0
		for i, n := range left {
			f := p.facts[n]
			if f.kind == factRoot || known[f.pkg] || (f.kind >= factConflicts && known[f.other]) {
				next = i
				break
			}
		}
		n := left[next]
		left = slices.Delete(left, next, next+1)
		out = append(out, n)
		for _, l := range p.sat.clause(n) {
			if l > 0 {
				known[int32(l)-1] = true
			}
		}
	}
	return out
}

// sentence writes one fact.
func (p *problem) sentence(n int) string {
	f := p.facts[n]
	u := p.u
	switch f.kind {
	case factRoot:
		if p.roots[f.root].forced != nil {
			return "suppose that " + p.roots[f.root].Text + " is to be installed"
		}
		return fmt.Sprintf("the manifest asks for %s: %s", p.roots[f.root].Text, u.alternatives(p.sat.clause(n)))
	case factRequires:
		if alternatives := u.alternatives(p.sat.clause(n)); alternatives != "" {
			return fmt.Sprintf("%s requires %s: %s", u.NEVRA(int(f.pkg)), u.text(f.dep), alternatives)
		}
		return fmt.Sprintf("%s requires %s, which nothing can satisfy", u.NEVRA(int(f.pkg)), u.text(f.dep))
	case factNothing:
		return u.NEVRA(int(f.pkg)) + " requires " + u.text(f.dep) + ", but " + p.whyNothing(f.dep)
	case factConflicts:
		if f.other < 0 {
			return fmt.Sprintf("%s conflicts with %s", u.NEVRA(int(f.pkg)), u.text(f.dep))
		}
		return fmt.Sprintf("%s conflicts with %s, which is %s", u.NEVRA(int(f.pkg)), u.text(f.dep), u.NEVRA(int(f.other)))
	case factObsoletes:
		return fmt.Sprintf("%s obsoletes %s, which is %s", u.NEVRA(int(f.pkg)), u.text(f.dep), u.NEVRA(int(f.other)))
	default:
		return fmt.Sprintf("%s and %s have the same name", u.NEVRA(int(f.pkg)), u.NEVRA(int(f.other)))
	}
}

// alternatives names the packages of a clause that would satisfy it.
func (u *Universe) alternatives(clause []lit) string {
	var pkgs []int
	for _, l := range clause {
		if l > 0 {
			pkgs = append(pkgs, int(l)-1)
		}
	}
	slices.Sort(pkgs)
	var names []string
	for _, pkg := range pkgs {
		names = append(names, u.NEVRA(pkg))
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return "that is " + names[0]
	}
	return "that is one of " + list(names, 6)
}

// whyNothing says why a requirement has no provider.
func (p *problem) whyNothing(d dependency) string {
	u := p.u
	if all := u.allProviders(d); len(all) > 0 {
		var out []string
		for _, pkg := range all {
			out = append(out, fmt.Sprintf("%s (%s)", u.NEVRA(pkg), u.Packages[pkg].Excluded))
		}
		return "all that provide it are left out: " + list(out, 6)
	}
	if d.op != 0 {
		if all := u.allProviders(dependency{name: d.name}); len(all) > 0 {
			var out []string
			for _, pkg := range all {
				out = append(out, u.NEVRA(pkg))
			}
			return "the repositories have " + list(out, 6)
		}
	}
	if archs := u.foreign[u.strings.Text(d.name)]; len(archs) > 0 {
		return "it exists for " + archs[0] + " only"
	}
	if near := u.near(u.strings.Text(d.name)); len(near) > 0 && strings.ContainsAny(u.strings.Text(d.name), "/(") {
		return "nothing provides it; there is " + list(near, maxNear)
	}
	return "nothing provides it"
}
