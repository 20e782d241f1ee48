package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/advisories"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/imagechanges"
)

// update moves the lock to newer versions: all of it, or some packages with nothing but what they need. It prints what changed.
func update(ctx context.Context, c *command) error {
	m, data, err := c.manifest()
	if err != nil {
		return err
	}
	if c.releasever != "" {
		if data, err = withReleaseVer(data, c.releasever); err != nil {
			return fmt.Errorf("%s: %w", c.manifestPath, err)
		}
		if m, err = lockfile.ParseManifest(data, c.manifestPath); err != nil {
			return err
		}
	}
	names := append(slices.Clone(c.only), c.words...)
	for i := range names { // --only=a,b
		names = append(names, strings.Split(names[i], ",")[1:]...)
		names[i], _, _ = strings.Cut(names[i], ",")
	}
	if len(names) > 0 && c.security {
		return errors.New("update takes names or --security, not both")
	}
	old, err := c.oldLock()
	if err != nil && (len(names) > 0 || c.security) {
		return err // a whole update does not need it
	}
	before, err := c.imagesOf(m.Release)
	if err != nil {
		return err
	}
	p, err := c.updatePlan(old, names)
	if err != nil {
		return err
	}
	made, text, err := c.render(ctx, m, data, p)
	if err != nil {
		return err
	}
	index := map[string]*advisories.Index{}
	if old != nil {
		if index, err = c.advisoriesOf(ctx, m, made); err != nil {
			return err
		}
	}
	d := differ.Compare(old, made, differ.Options{Churn: m.ChurnNames(), Advisories: index})
	if !c.dryRun {
		if c.recordPath != "" {
			if err := c.writeRecord(d, before); err != nil {
				return err
			}
		}
		if c.releasever != "" {
			if err := replaceFile(c.manifestPath, data); err != nil {
				return err
			}
		}
		if err := replaceFile(c.lockPath, text); err != nil {
			return err
		}
	}
	c.progress.done()
	return c.writeChanges(d, foreseen(before, d.Changes), imagechanges.Options{Format: c.format, Sizes: true, Foreseen: true})
}

// updatePlan says what an update takes over.
func (c *command) updatePlan(old *lockfile.Lock, names []string) (plan, error) {
	switch {
	case len(names) == 0 && !c.security:
		return plan{}, nil
	case old == nil:
		return plan{}, cli.Hint(fmt.Errorf("there is no lock at %s yet to update a part of", c.lockPath), "%s", c.lockCommand())
	case c.security:
		return plan{old: old, newest: vulnerable}, nil
	}
	if err := checkNames(old, names); err != nil {
		return plan{}, err
	}
	newest := func(_ context.Context, _ []*repository, section *lockfile.Architecture) ([]string, error) {
		var out []string
		for i := range section.Packages {
			if matchesAny(names, section.Packages[i].Name) {
				out = append(out, section.Packages[i].Name)
			}
		}
		return out, nil
	}
	return plan{old: old, newest: newest}, nil
}

func matchesAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		ok, err := path.Match(glob, name)
		return glob == name || ok && err == nil
	})
}

// checkNames makes sure that each name or glob means a locked package.
func checkNames(l *lockfile.Lock, names []string) error {
	var locked []string
	for _, section := range l.Architectures {
		for i := range section.Packages {
			locked = append(locked, section.Packages[i].Name)
		}
	}
	slices.Sort(locked)
	var errs []error
	for _, name := range names {
		if slices.ContainsFunc(locked, func(other string) bool { return matchesAny([]string{name}, other) }) {
			continue
		}
		err := fmt.Errorf("%q is not locked", name)
		if near := lockfile.NearMisses(name, locked, 5); len(near) > 0 {
			err = cli.Hint(err, "for %q, did you mean %s?", name, strings.Join(near, ", "))
		} else {
			err = cli.Hint(err, "to add a package, write it under install in the manifest, then: rpmlock lock")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// vulnerable lists the locked packages for which a security advisory brings a newer version.
func vulnerable(ctx context.Context, repos []*repository, section *lockfile.Architecture) ([]string, error) {
	index, err := indexAdvisories(ctx, repos)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range section.Packages {
		p := &section.Packages[i]
		locked, err := evr.Parse(p.EVR())
		if err != nil {
			return nil, fmt.Errorf("package %s of the lock: %w", p.NEVRA, err)
		}
		newest := newestListed(repos, p)
		if slices.ContainsFunc(index.Between(p.Name, p.Arch, locked, newest), func(a advisories.Advisory) bool { return a.Security() }) {
			out = append(out, p.Name)
		}
	}
	return out, nil
}

// newestListed is the newest version of a package's name and architecture that repositories list.
func newestListed(repos []*repository, p *lockfile.Package) (newest evr.EVR) {
	for _, r := range repos {
		for i := range r.primary.Packages {
			src := &r.primary.Packages[i]
			if r.primary.Text(src.Name) == p.Name && r.primary.Text(src.Arch) == p.Arch && evr.Compare(r.primary.EVRs[src.EVR], newest) > 0 {
				newest = r.primary.EVRs[src.EVR]
			}
		}
	}
	return newest
}

// indexAdvisories reads updateinfo.xml of repositories that have one.
func indexAdvisories(ctx context.Context, repos []*repository) (*advisories.Index, error) {
	index := &advisories.Index{}
	for _, r := range repos {
		list, err := r.advisories(ctx)
		if err != nil {
			return nil, fmt.Errorf("repository %s for %s: %w", r.config.ID, r.arch, err)
		}
		index.Add(list)
	}
	return index, nil
}

// advisoriesOf reads the advisories of the repositories of a lock, by architecture.
func (c *command) advisoriesOf(ctx context.Context, m *lockfile.Manifest, l *lockfile.Lock) (map[string]*advisories.Index, error) {
	out := map[string]*advisories.Index{}
	for _, arch := range m.Architectures {
		if l.Architectures[arch] == nil {
			continue
		}
		repos, err := c.load(ctx, m, arch)
		if err == nil {
			out[arch], err = indexAdvisories(ctx, repos)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

var releaseVerLine = regexp.MustCompile(`(?m)^releasever:[ \t]*("[^"\n]*"|'[^'\n]*'|[^ \t\n#]*)`)

// withReleaseVer is a manifest with another releasever; the rest keeps its bytes.
func withReleaseVer(manifest []byte, version string) ([]byte, error) {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]*$`).MatchString(version) {
		return nil, fmt.Errorf("%q is not a value of releasever", version)
	}
	if len(releaseVerLine.FindAllIndex(manifest, 2)) != 1 {
		return nil, errors.New("it has no line that begins with releasever:")
	}
	return releaseVerLine.ReplaceAllLiteral(manifest, []byte(`releasever: "`+version+`"`)), nil
}
