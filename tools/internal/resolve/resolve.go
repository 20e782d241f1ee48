package resolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Options are what to install.
type Options struct {
	// Roots are package names, capabilities ("perl(strict)", "name >= 1.2") or file paths.
	Roots []string
	// Weak follows Recommends and Supplements too.
	Weak bool
	// Files is called with the paths that only filelists.xml can tell, sorted; it calls Universe.AddFiles. It may be nil.
	Files func(paths []string) error
}

// Root is a parsed root.
type Root struct {
	Text string
	expr *Expr
}

// Solution is a set of packages that satisfies the roots and each other.
type Solution struct {
	Universe *Universe
	Packages []int // sorted indices into Universe.Packages
	Roots    []int // the package that stands for each root of the options, in their order
}

// Resolve computes the packages to install. An error explains every root that is unknown, or why the roots do not fit
// together.
func (u *Universe) Resolve(options Options) (*Solution, error) {
	roots, err := parseRoots(options.Roots)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for {
		p := u.newProblem(roots, options.Weak)
		if err := p.build(); err != nil {
			return nil, err
		}
		if paths := p.unknownPaths(known); len(paths) > 0 && options.Files != nil {
			if err := options.Files(paths); err != nil {
				return nil, err
			}
			continue
		}
		if err := p.checkRoots(); err != nil {
			return nil, err
		}
		return p.solve()
	}
}

func parseRoots(texts []string) ([]Root, error) {
	var roots []Root
	var errs []error
	sorted := slices.Clone(texts)
	slices.Sort(sorted)
	for _, text := range slices.Compact(sorted) {
		e, err := ParseDependency(text)
		if err == nil && e.Op != "" {
			err = fmt.Errorf("reading root %q: rich dependencies are not roots", text)
		}
		errs = append(errs, err)
		roots = append(roots, Root{text, e})
	}
	return roots, errors.Join(errs...)
}

// unknownPaths returns the required files that have not been looked up in filelists.xml yet, and marks them as known.
func (p *problem) unknownPaths(known map[string]bool) []string {
	var out []string
	for path := range p.paths {
		if !known[path] {
			known[path] = true
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

func (p *problem) solve() (*Solution, error) {
	s := &search{problem: p}
	conflict, tooLong := s.run()
	if tooLong {
		return nil, fmt.Errorf("resolving: gave up after %d conflicts", maxConflicts)
	}
	if conflict >= 0 {
		return nil, p.explain(conflict)
	}
	sol := &Solution{Universe: p.u}
	for _, l := range p.sat.trail {
		if l > 0 {
			sol.Packages = append(sol.Packages, int(l)-1)
		}
	}
	slices.Sort(sol.Packages)
	for _, candidates := range p.rootsOf {
		for _, c := range candidates {
			if p.sat.value(lit(c+1)) == 1 {
				sol.Roots = append(sol.Roots, c)
				break
			}
		}
	}
	return sol, nil
}

// Names returns the names of the packages of a solution, sorted.
func (s *Solution) Names() []string {
	var out []string
	for _, p := range s.Packages {
		out = append(out, s.Universe.Name(p))
	}
	return out
}

// Providers returns the packages of the solution that satisfy a dependency, in order. For a rich dependency these are the
// packages whose presence makes it true.
func (s *Solution) Providers(dep string) ([]int, error) {
	e, err := ParseDependency(dep)
	if err != nil {
		return nil, err
	}
	return s.providers(e), nil
}

func (s *Solution) providers(e *Expr) []int {
	leaf := func(e *Expr) []int { return s.Universe.providers(s.Universe.dependency(e)) }
	var found []int
	switch e.Op {
	case "", "with", "without":
		n := normaliser{providers: leaf, left: maxRichClauses}
		found = n.set(e)
	case "and", "or":
		for _, arg := range e.Args {
			found = append(found, s.providers(arg)...)
		}
	default: // the condition decides which operand counts; it brings in nothing itself
		condition := len(s.providers(e.Args[1])) > 0
		if condition == (e.Op == "if") {
			found = s.providers(e.Args[0])
		} else if e.Else != nil {
			found = s.providers(e.Else)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return slices.DeleteFunc(slices.Clone(found), func(p int) bool {
		_, in := slices.BinarySearch(s.Packages, p)
		return !in
	})
}

// list writes up to limit items, and how many more there are.
func list(items []string, limit int) string {
	if len(items) <= limit {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:limit], ", "), len(items)-limit)
}
