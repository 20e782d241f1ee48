package resolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// Options are what to install.
type Options struct {
	// Roots are package names, names with a version or architecture ("glibc-2.34", "name >= 1.2", "glibc.x86_64"), capabilities
	// ("perl(strict)") or file paths.
	Roots []string
	// Weak follows Recommends and Supplements too.
	Weak bool
	// Best takes the best candidate of each root, by repository and version, or fails, as dnf's option of that name. Without it an
	// older one is taken when the best cannot be installed.
	Best bool
	// Policy is DNF when empty.
	Policy Policy
	// Budget bounds the search of policy Smallest, in conflicts; 0 is DefaultBudget.
	Budget int
	// Files is called with the paths that only filelists.xml can tell, sorted; it calls Universe.AddFiles. It may be nil.
	Files func(paths []string) error
}

// Solution is a set of packages that satisfies the roots and each other.
type Solution struct {
	Universe *Universe
	Packages []int // sorted indices into Universe.Packages
	Roots    []int // the package that stands for each root of the options, in their order
	Size     *Size // of policy Smallest, else nil
}

// Resolve computes the packages to install. An error explains every root that is unknown, or why the roots do not fit
// together.
func (u *Universe) Resolve(options Options) (*Solution, error) {
	roots, err := parseRoots(options.Roots)
	if err != nil {
		return nil, err
	}
	return u.resolve(roots, options)
}

func (u *Universe) resolve(roots []Root, options Options) (*Solution, error) {
	known := map[string]bool{}
	for {
		sol, paths, err := u.attempt(roots, options, known)
		switch {
		case err != nil:
			return nil, err
		case len(paths) > 0:
			if err := options.Files(paths); err != nil {
				return nil, err
			}
			continue
		case options.Policy == Smallest:
			return u.smallest(roots, options, sol)
		}
		return sol, nil
	}
}

// attempt resolves, unless there are files to look up first.
func (u *Universe) attempt(roots []Root, options Options, known map[string]bool) (sol *Solution, paths []string, err error) {
	p := u.newProblem(roots, options.Weak)
	defer p.release()
	p.best = options.Best
	if err := p.build(); err != nil {
		return nil, nil, err
	}
	if paths := p.unknownPaths(known); len(paths) > 0 && options.Files != nil {
		return nil, paths, nil
	}
	if err := p.checkRoots(); err != nil {
		return nil, nil, err
	}
	sol, err = p.solve()
	return sol, nil, err
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
	sol.Roots = rootPackages(p.rootsOf, sol.Packages)
	return sol, nil
}

// rootPackages returns the package that stands for each root.
func rootPackages(rootsOf [][]int, packages []int) []int {
	var out []int
	for _, candidates := range rootsOf {
		for _, c := range candidates {
			if _, in := slices.BinarySearch(packages, c); in {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// Names returns the names of the packages of a solution, sorted.
func (s *Solution) Names() []string {
	var out []string
	for _, p := range s.Packages {
		out = append(out, s.Universe.Name(p))
	}
	return out
}

// Answer returns the packages of the solution that a package needs for a dependency, in order: one for a plain dependency
// (the best, when several would do), none when the package provides it itself. met is false when the solution does not
// satisfy the dependency, which is normal for weak ones.
func (s *Solution) Answer(pkg int, dep string) (to []int, met bool, err error) {
	e, err := ParseDependency(dep)
	if err != nil {
		return nil, false, err
	}
	to, met = s.answer(pkg, e)
	slices.Sort(to)
	return slices.Compact(to), met, nil
}

func (s *Solution) answer(pkg int, e *Expr) (to []int, met bool) {
	switch e.Op {
	case "and":
		for _, arg := range e.Args {
			more, ok := s.answer(pkg, arg)
			if !ok {
				return nil, false
			}
			to = append(to, more...)
		}
		return to, true
	case "or":
		for _, arg := range e.Args {
			if more, ok := s.answer(pkg, arg); ok && (!met || len(more) < len(to)) {
				to, met = more, true
			}
		}
		return to, met
	case "if", "unless":
		_, condition := s.answer(pkg, e.Args[1])
		switch {
		case condition == (e.Op == "if"):
			return s.answer(pkg, e.Args[0])
		case e.Else != nil:
			return s.answer(pkg, e.Else)
		}
		return nil, e.Op == "if"
	}
	n := normaliser{providers: func(e *Expr) []int { return s.Universe.providers(s.Universe.dependency(e)) }, left: maxRichClauses}
	best := -1
	for _, p := range n.set(e) {
		if _, in := slices.BinarySearch(s.Packages, p); !in {
			continue
		}
		if p == pkg {
			return nil, true
		}
		if best < 0 || s.better(p, best) {
			best = p
		}
	}
	if best < 0 {
		return nil, false
	}
	return []int{best}, true
}

// better orders packages of a solution that answer one dependency: roots first, then by repository, then by name.
func (s *Solution) better(a, b int) bool {
	if ra, rb := slices.Contains(s.Roots, a), slices.Contains(s.Roots, b); ra != rb {
		return ra
	}
	return s.Universe.priority(a) < s.Universe.priority(b)
}

// WhatProvides returns the packages, excluded ones too, that have a name, capability or file. files is Options.Files.
func (u *Universe) WhatProvides(what string, files func(paths []string) error) ([]int, error) {
	e, err := ParseDependency(what)
	if err != nil {
		return nil, err
	}
	if e.Op != "" {
		return nil, fmt.Errorf("%q is a rich dependency", what)
	}
	if strings.HasPrefix(e.Name, "/") && !repomd.InPrimary(e.Name) && files != nil {
		if err := files([]string{e.Name}); err != nil {
			return nil, err
		}
	}
	return u.allProviders(u.dependency(e)), nil
}

// list writes up to limit items, and how many more there are.
func list(items []string, limit int) string {
	if len(items) <= limit {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:limit], ", "), len(items)-limit)
}
