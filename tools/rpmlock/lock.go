package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
)

// section is the result for one architecture.
type section struct {
	arch  string
	repos []*repository
	lock  *lockfile.Architecture
	pins  []*resolve.PinError // that match nothing
	err   error

	answers []answer
}

// lock is the verb that makes the lock.
func lock(ctx context.Context, c *command) error {
	m, data, err := c.manifest()
	if err != nil {
		return err
	}
	old, err := c.oldLock()
	if err != nil {
		return err
	}
	made, text, err := c.render(ctx, m, data, plan{old: old})
	if err != nil {
		return err
	}
	if c.check {
		return c.compare(made, text)
	}
	return replaceFile(c.lockPath, text)
}

// oldLock reads the lock that is there; nil when there is none yet.
func (c *command) oldLock() (*lockfile.Lock, error) {
	old, err := c.locked()
	var schema *lockfile.SchemaError
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case errors.As(err, &schema) && schema.Got > lockfile.Schema:
		err = cli.Hint(err, "use the rules_slimrpm that made it; or make a new one, with the newest version of every package: %s", c.updateCommand())
	case err != nil:
		err = cli.Hint(err, "to make a new one, with the newest version of every package: %s", c.updateCommand())
	}
	return old, err
}

// render makes a lock and its text.
func (c *command) render(ctx context.Context, m *lockfile.Manifest, manifest []byte, p plan) (*lockfile.Lock, []byte, error) {
	digest := lockfile.Digest(manifest)
	p.sameManifest = p.old != nil && p.old.ManifestDigest == digest
	made, err := c.make(ctx, m, p)
	if err != nil {
		return nil, nil, err
	}
	made.ManifestDigest = digest
	if err := made.Validate(); err != nil {
		return nil, nil, fmt.Errorf("checking the new lock: %w", err)
	}
	var out bytes.Buffer
	if err := lockfile.Write(&out, made); err != nil {
		return nil, nil, err
	}
	return made, out.Bytes(), nil
}

// compare is --check.
func (c *command) compare(made *lockfile.Lock, text []byte) error {
	old, err := os.ReadFile(c.lockPath)
	if err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err != nil {
		return cli.Hint(fmt.Errorf("checking the lock: %w", err), "%s", c.lockCommand())
	}
	what := "it would change"
	if before, err := lockfile.Read(bytes.NewReader(old), c.lockPath); err == nil {
		if before.ManifestDigest != made.ManifestDigest {
			what = c.manifestPath + " has changed since it was made"
		} else if changes := changed(before, made); len(changes) > 0 {
			what = "it would change: " + strings.Join(changes[:min(5, len(changes))], ", ")
		}
	}
	return cli.Hint(fmt.Errorf("%s is out of date: %s", c.lockPath, what), "%s", c.lockCommand())
}

// changed lists the packages that differ, as "name: old -> new".
func changed(before, after *lockfile.Lock) []string {
	var out []string
	for arch, section := range after.Architectures {
		old := before.Architectures[arch]
		if old == nil {
			out = append(out, "architecture "+arch+" is new")
			continue
		}
		for i := range section.Packages {
			p := &section.Packages[i]
			if o := old.Package(p.Name); o == nil {
				out = append(out, p.NEVRA+" is new")
			} else if o.NEVRA != p.NEVRA {
				out = append(out, o.NEVRA+" -> "+p.NEVRA)
			}
		}
		for i := range old.Packages {
			if section.Package(old.Packages[i].Name) == nil {
				out = append(out, old.Packages[i].NEVRA+" goes")
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// make resolves and reads everything, all architectures at once.
func (c *command) make(ctx context.Context, m *lockfile.Manifest, p plan) (*lockfile.Lock, error) {
	sections := make([]section, len(m.Architectures))
	var wait sync.WaitGroup
	for i, arch := range m.Architectures {
		wait.Go(func() {
			sections[i] = section{arch: arch}
			sections[i].err = c.makeArch(ctx, m, &sections[i], p)
		})
	}
	wait.Wait()
	if err := joinSections(sections, c.manifestPath); err != nil {
		return nil, err
	}
	for _, s := range sections {
		c.saySizes(s)
	}
	l := &lockfile.Lock{
		Schema: lockfile.Schema, Release: m.Release, RPMDB: m.RPMDB, Architectures: map[string]*lockfile.Architecture{},
	}
	for _, s := range sections {
		l.Architectures[s.arch] = s.lock
		for _, r := range s.repos {
			l.Repositories = append(l.Repositories, r.takeOver(p, s.lock))
		}
		for i := range s.lock.Packages {
			l.SourceDateEpoch = max(l.SourceDateEpoch, s.lock.Packages[i].BuildTime)
		}
	}
	slices.SortFunc(l.Repositories, func(a, b lockfile.Repository) int {
		if a.ID != b.ID {
			return strings.Compare(a.ID, b.ID)
		}
		return strings.Compare(a.Arch, b.Arch)
	})
	return l, nil
}

// makeArch makes the section of one architecture.
func (c *command) makeArch(ctx context.Context, m *lockfile.Manifest, s *section, p plan) (err error) {
	arch := s.arch
	if s.repos, err = c.load(ctx, m, arch); err != nil {
		return err
	}
	h, err := c.hold(ctx, m, arch, s.repos, p)
	if err != nil {
		return err
	}
	if s.answers, err = c.resolveGroups(ctx, m, s, h, p); err != nil {
		return err
	}
	made, err := c.union(ctx, m, h, s.answers)
	if err != nil {
		return err
	}
	for i := range made.Packages {
		if old := h.old[made.Packages[i].SHA256]; old != nil {
			made.Packages[i].URLs = old.URLs
		}
	}
	s.lock = made
	return nil
}

// takeOver keeps the state of a repository that the old lock names, as long as no package of it is new: a repository moves on
// all the time, and what the lock did not take from its new state is none of the lock's business.
func (r *repository) takeOver(p plan, section *lockfile.Architecture) lockfile.Repository {
	now := r.entry()
	if p.old == nil || p.old.Architectures[now.Arch] == nil {
		return now
	}
	i := slices.IndexFunc(p.old.Repositories, func(o lockfile.Repository) bool { return o.ID == now.ID && o.Arch == now.Arch })
	if i < 0 || p.old.Repositories[i].RepomdSHA256 == "" {
		return now
	}
	before := p.old.Repositories[i]
	if len(r.config.BaseURL) > 0 && !slices.Equal(now.URLs, before.URLs) {
		return now // the manifest names other places
	}
	if slices.ContainsFunc(r.found, func(base string) bool { return !slices.Contains(before.URLs, base) }) {
		return now
	}
	for j := range section.Packages {
		pkg := &section.Packages[j]
		if pkg.Repository != now.ID {
			continue
		}
		old := p.old.Architectures[now.Arch].Package(pkg.Name)
		if old == nil || old.SHA256 != pkg.SHA256 || old.Path != pkg.Path || old.Repository != pkg.Repository {
			return now
		}
	}
	now.URLs, now.Revision, now.RepomdSHA256 = before.URLs, before.Revision, before.RepomdSHA256
	return now
}

// joinSections joins the errors of the architectures. A root that only some architectures lack is one error that names both
// sides.
func joinSections(sections []section, manifest string) error {
	lacking := map[string][]string{} // root -> architectures without it
	var order []string
	errs := unknownPins(sections)
	for _, s := range sections {
		var unknown resolve.RootErrors
		if !errors.As(s.err, &unknown) {
			continue
		}
		for _, e := range unknown {
			if lacking[e.Root] == nil {
				order = append(order, e.Root)
			}
			lacking[e.Root] = append(lacking[e.Root], s.arch)
		}
	}
	oneSided := map[string]bool{}
	for _, root := range order {
		var have []string
		for _, s := range sections {
			if s.lock == nil && !isRootError(s.err) {
				have = nil // an architecture that failed otherwise says nothing about its roots
				break
			}
			if !slices.Contains(lacking[root], s.arch) {
				have = append(have, s.arch)
			}
		}
		if len(have) == 0 {
			continue
		}
		oneSided[root] = true
		err := fmt.Errorf("package %q exists for %s only, not for %s", root, strings.Join(have, ", "), strings.Join(lacking[root], ", "))
		errs = append(errs, cli.Hint(err, "in %s, write {name: %s, only: [%s]} in place of %s", manifest, root, strings.Join(have, ", "), root))
	}
	for _, s := range sections {
		if s.err != nil && !onlyOneSided(s.err, oneSided) {
			errs = append(errs, s.err)
		}
	}
	return errors.Join(errs...)
}

func isRootError(err error) bool {
	var unknown resolve.RootErrors
	return errors.As(err, &unknown)
}

func onlyOneSided(err error, oneSided map[string]bool) bool {
	var unknown resolve.RootErrors
	if !errors.As(err, &unknown) {
		return false
	}
	return !slices.ContainsFunc(unknown, func(e *resolve.UnknownRootError) bool { return !oneSided[e.Root] })
}

// replaceFile writes a file beside its place and moves it there, so that an interrupted run leaves the old one.
func replaceFile(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".rpms.lock-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", name, err)
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
