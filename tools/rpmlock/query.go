package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

// archs returns the architectures to answer for.
func (c *command) archs(all []string) ([]string, error) {
	if c.arch == "" {
		return slices.Sorted(slices.Values(all)), nil
	}
	if !slices.Contains(all, c.arch) {
		return nil, fmt.Errorf("unknown architecture %q (known: %s)", c.arch, strings.Join(all, ", "))
	}
	return []string{c.arch}, nil
}

// eachUniverse calls use with the packages that the repositories of the manifest have, for each architecture asked about.
func (c *command) eachUniverse(ctx context.Context, use func(m *lockfile.Manifest, arch string, u *resolve.Universe, repos []*repository) error) error {
	m, _, err := c.manifest()
	if err != nil {
		return err
	}
	archs, err := c.archs(m.Architectures)
	if err != nil {
		return err
	}
	for _, arch := range archs {
		repos, err := c.load(ctx, m, arch)
		if err != nil {
			return err
		}
		u, _ := universe(m, arch, repos) // what is pinned and not there is the business of lock
		if err := use(m, arch, u, repos); err != nil {
			return err
		}
	}
	return nil
}

// provides says which packages of the repositories have a file, capability or name.
func provides(ctx context.Context, c *command) error {
	var missing []error
	err := c.eachUniverse(ctx, func(_ *lockfile.Manifest, arch string, u *resolve.Universe, repos []*repository) error {
		for _, word := range c.words {
			found, err := u.WhatProvides(word, addFiles(ctx, u, repos))
			if err != nil {
				return err
			}
			if len(found) == 0 {
				err := fmt.Errorf("nothing provides %q for %s", word, arch)
				if near := u.Near(word); len(near) > 0 {
					err = cli.Hint(err, "did you mean %s?", strings.Join(near, ", "))
				}
				missing = append(missing, err)
			}
			for _, pkg := range found {
				fmt.Fprintf(c.out, "%s\t%s\t%s\t%s\n", arch, word, u.NEVRA(pkg), repos[u.Packages[pkg].Repository].config.ID)
			}
		}
		return nil
	})
	return errors.Join(append(missing, err)...)
}

// why shows the shortest chain of edges from a root to each package asked for.
func why(_ context.Context, c *command) error {
	l, err := c.locked()
	if err != nil {
		return err
	}
	var all []string
	for arch := range l.Architectures {
		all = append(all, arch)
	}
	archs, err := c.archs(all)
	if err != nil {
		return err
	}
	var missing []error
	for _, arch := range archs {
		section := l.Architectures[arch]
		for _, word := range c.words {
			if owner := section.OwnerOf(word); owner != "" {
				word = owner
			}
			if section.Package(word) == nil {
				var names []string
				for i := range section.Packages {
					names = append(names, section.Packages[i].Name)
				}
				err := fmt.Errorf("%q is not locked for %s", word, arch)
				if near := lockfile.NearMisses(word, names, 5); len(near) > 0 {
					err = cli.Hint(err, "did you mean %s?", strings.Join(near, ", "))
				}
				missing = append(missing, err)
				continue
			}
			if !c.all {
				fmt.Fprintf(c.out, "%s: %s\n", arch, chain(section, allRoots(section), word))
				continue
			}
			for _, text := range chains(section, word) {
				fmt.Fprintf(c.out, "%s: %s\n", arch, text)
			}
		}
	}
	return errors.Join(missing...)
}

// noChain is what chain says when no edges lead to a package.
const noChain = ": no root needs it by the edges of the lock; what needed it was cut"

// allRoots are those of every group, the default group in front.
func allRoots(a *lockfile.Architecture) []string {
	out := slices.Clone(a.Roots)
	for _, name := range slices.Sorted(maps.Keys(a.Groups)) {
		for _, root := range a.Groups[name] {
			if !slices.Contains(out, root) {
				out = append(out, root)
			}
		}
	}
	return out
}

// chains are the shortest ways from each root that leads to a package.
func chains(a *lockfile.Architecture, target string) []string {
	var out []string
	for _, root := range allRoots(a) {
		if text := chain(a, []string{root}, target); !strings.HasSuffix(text, noChain) {
			out = append(out, text)
		}
	}
	if len(out) == 0 {
		return []string{target + noChain}
	}
	return out
}

// chain is the shortest way from one of some roots to a package, by the strongest kinds of edges that reach it.
func chain(a *lockfile.Architecture, roots []string, target string) string {
	type step struct{ from, kind string }
	for kinds := 3; kinds <= 5; kinds++ { // run-time edges first, then scriptlets, then weak ones
		reached := map[string]step{}
		var queue []string
		for _, root := range roots {
			reached[root] = step{kind: "root"}
			queue = append(queue, root)
		}
		for len(queue) > 0 {
			name := queue[0]
			queue = queue[1:]
			if name == target {
				text := ""
				for name != "" {
					s := reached[name]
					if s.from == "" {
						return name + text
					}
					text = " -" + s.kind + "-> " + name + text
					name = s.from
				}
			}
			p := a.Package(name)
			lists := [][]string{p.ELF, p.Requires, p.Script, p.Scriptlet, p.Weak}
			for k, kind := range []string{"elf", "requires", "script", "scriptlet", "weak"}[:kinds] {
				for _, to := range lists[k] {
					if _, seen := reached[to]; !seen {
						reached[to] = step{name, kind}
						queue = append(queue, to)
					}
				}
			}
		}
	}
	return target + noChain
}
