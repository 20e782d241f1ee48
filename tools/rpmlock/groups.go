package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

// answer is the solution of one group of roots.
type answer struct {
	group string
	sol   *resolve.Solution
	held  bool // packages of an earlier lock were kept
}

// choice is a package that a group has taken; its number is the same in every universe of the same repositories.
type choice struct {
	pkg    int
	group  string
	reason string
}

// maxAgreements bounds how many versions groups may have to agree on; each round fixes one.
const maxAgreements = 100

// resolveGroups resolves install, then each group of the manifest for itself, so that all have one version of each name. Where a later
// group needs another version than an earlier one took, all are resolved again with that version.
func (c *command) resolveGroups(ctx context.Context, m *lockfile.Manifest, s *section, h *hold, p plan) ([]answer, error) {
	groups := []lockfile.Group{{Name: lockfile.DefaultGroup, Roots: m.Install}}
	for _, g := range m.Groups {
		if len(g.For(s.arch)) > 0 {
			groups = append(groups, g)
		}
	}
	fixed := map[string]choice{}
	var stories []string
	for range maxAgreements {
		answers, clash, err := c.answers(ctx, m, s, h, p, groups, fixed)
		if err != nil && len(stories) > 0 {
			err = cli.Hint(fmt.Errorf("%w\n%s", err, strings.Join(stories, "\n")), "one lock has one version of each package: %s",
				"choose roots that agree, or lock them as two releases, each with a manifest of its own")
		}
		if err != nil || clash == nil {
			return answers, err
		}
		stories = append(stories, clash.reason)
		fixed[clash.group] = *clash
	}
	return nil, fmt.Errorf("the groups for %s disagree on more than %d packages", s.arch, maxAgreements)
}

// answers resolves every group once. clash is a package, its name in place of the group, that a later group needs in another version.
func (c *command) answers(ctx context.Context, m *lockfile.Manifest, s *section, h *hold, p plan, groups []lockfile.Group, fixed map[string]choice) (out []answer, clash *choice, err error) {
	taken := map[string]choice{}
	for i := range groups {
		g := &groups[i]
		u, pins := universe(m, s.arch, h.repos)
		s.pins = pins
		if err := wrongVersions(pins); err != nil {
			return nil, nil, err
		}
		for _, f := range fixed { // the order does not matter: each name has packages of its own
			u.Fix(f.pkg, f.reason)
		}
		options := options(ctx, m, u, s.repos)
		options.Roots = rootNames(g.For(s.arch))
		holding := h.holding(u, g.Name, p, options.Roots)
		held := len(holding.Packages) > 0
		for _, t := range taken {
			if !slices.Contains(holding.Packages, t.pkg) {
				holding.Packages = append(holding.Packages, t.pkg)
			}
		}
		slices.Sort(holding.Packages)
		kept, err := u.ResolveHolding(options, holding)
		if err != nil {
			if err = h.adviseGone(err, c.updateCommand()); g.Name != lockfile.DefaultGroup {
				err = fmt.Errorf("group %s: %w", g.Name, err)
			}
			return nil, nil, err
		}
		for _, pkg := range kept.Packages {
			name := u.Name(pkg)
			before, known := taken[name]
			if known && before.pkg != pkg {
				return nil, &choice{pkg, name, fmt.Sprintf("group %s needs %s, where group %s takes %s", g.Name, u.NEVRA(pkg), before.group, u.NEVRA(before.pkg))}, nil
			}
			if !known {
				taken[name] = choice{pkg: pkg, group: g.Name}
			}
		}
		out = append(out, answer{g.Name, kept.Solution, held})
	}
	return out, nil, nil
}

func rootNames(roots []lockfile.Root) []string {
	var out []string
	for _, root := range roots {
		out = append(out, root.Name)
	}
	return out
}

// union makes the section of a lock out of the packages of its groups.
func (c *command) union(ctx context.Context, m *lockfile.Manifest, h *hold, answers []answer) (*lockfile.Architecture, error) {
	out := &lockfile.Architecture{Roots: []string{}}
	at := map[string]int{} // name -> place in out.Packages
	var numbers []int
	for _, a := range answers {
		packages, err := c.packages(ctx, m, a.sol, h.repos)
		if err != nil {
			return nil, err
		}
		for i := range packages {
			p := &packages[i]
			p.Groups = []string{a.group}
			if first, known := at[p.Name]; known {
				if err := sameEdges(&out.Packages[first], p); err != nil {
					return nil, err
				}
				out.Packages[first].Groups = append(out.Packages[first].Groups, a.group)
				continue
			}
			at[p.Name] = len(out.Packages)
			out.Packages = append(out.Packages, *p)
		}
		numbers = append(numbers, a.sol.Packages...)
		roots := rootsOf(a.sol)
		if a.group == lockfile.DefaultGroup {
			out.Roots = roots
			continue
		}
		if out.Groups == nil {
			out.Groups = map[string][]string{}
		}
		out.Groups[a.group] = roots
	}
	if len(answers) > 1 {
		for name, others := range answers[0].sol.Universe.Conflicting(numbers) {
			out.Packages[at[name]].Conflicts = others
		}
	}
	for i := range out.Packages {
		p := &out.Packages[i]
		if slices.Sort(p.Groups); slices.Equal(p.Groups, []string{lockfile.DefaultGroup}) {
			p.Groups = nil
		}
	}
	slices.SortFunc(out.Packages, func(a, b lockfile.Package) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// rootsOf returns the names of the roots of a solution, sorted.
func rootsOf(sol *resolve.Solution) []string {
	out := []string{}
	for _, root := range sol.Roots {
		out = append(out, sol.Universe.Name(root))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sameEdges refuses a package whose requirements other packages answer in a later group: its closure would be another one in each group, and
// a package of the lock has one. Edges that no closure follows may differ, then those of the first group stand.
func sameEdges(first, later *lockfile.Package) error {
	for _, kind := range []struct {
		name      string
		was, then []string
	}{{"elf", first.ELF, later.ELF}, {"requires", first.Requires, later.Requires}, {"script", first.Script, later.Script}} {
		if slices.Equal(kind.was, kind.then) {
			continue
		}
		only := func(a, b []string) string {
			list := slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
			if len(list) == 0 {
				return "nothing more"
			}
			return strings.Join(list, ", ")
		}
		err := fmt.Errorf("package %s needs (%s) %s in group %s and %s in group %s; a lock has one answer for each package",
			first.NEVRA, kind.name, only(kind.was, kind.then), first.Groups[0], only(kind.then, kind.was), later.Groups[0])
		return cli.Hint(err, "leave the requirement out with cut in the manifest, or lock group %s as a release with a manifest of its own", later.Groups[0])
	}
	return nil
}
