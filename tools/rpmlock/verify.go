package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// verify compares the lock with its manifest, and every package with the place that the lock gives for it: its size, or with --full
// its checksum. Files of local repositories are always read.
func verify(ctx context.Context, c *command) error {
	_, data, err := c.manifest()
	if err != nil {
		return err
	}
	l, err := c.locked()
	if err != nil {
		return err
	}
	if err := l.CheckFresh(data, c.manifestPath, c.lockPath, c.lockCommand()); err != nil {
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
	var errs []error
	for _, arch := range archs {
		errs = append(errs, c.verifyArch(ctx, l, arch))
	}
	err = errors.Join(errs...)
	if ctx.Err() == nil && err != nil {
		err = cli.Hint(err, "rpmlock update takes what the repositories have now; a folder that rpmfetch has filled keeps builds going: --mirror=DIR here, SLIMRPM_MIRROR there")
	}
	return err
}

func (c *command) verifyArch(ctx context.Context, l *lockfile.Lock, arch string) error {
	urls := map[string][]string{}
	for _, r := range l.Repositories {
		if r.Arch != arch {
			continue
		}
		urls[r.ID] = slices.Clone(r.URLs)
		for _, mirror := range c.mirrors {
			urls[r.ID] = append(urls[r.ID], mirror+r.ID+"/"+arch+"/")
		}
	}
	packages := l.Architectures[arch].Packages
	errs := make([]error, len(packages))
	var next, done atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(packages) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				p := &packages[i]
				if err := c.verifyPackage(ctx, p, urls[p.Repository]); err != nil {
					errs[i] = fmt.Errorf("package %s: %w", p.NEVRA, err)
				}
				c.progress.say("verify "+arch, "verified %d of %d packages for %s", done.Add(1), len(packages), arch)
			}
		})
	}
	wait.Wait()
	return errors.Join(someOf(errs), ctx.Err())
}

// verifyPackage looks at the places of a package in turn; one good one is enough.
func (c *command) verifyPackage(ctx context.Context, p *lockfile.Package, bases []string) error {
	check := c.verifyAt(ctx, p, bases, p.Path)
	if check == nil {
		return nil
	}
	for _, url := range p.URLs {
		base, name := splitURL(url)
		if err := c.verifyAt(ctx, p, []string{base}, name); err == nil {
			return nil
		}
	}
	return check
}

func (c *command) verifyAt(ctx context.Context, p *lockfile.Package, bases []string, location string) error {
	var errs []error
	for _, base := range bases {
		err := c.verifyIn(ctx, p, base, location)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *command) verifyIn(ctx context.Context, p *lockfile.Package, base, location string) error {
	if c.full || fetch.IsLocal(base) {
		f, err := c.client.File(ctx, []string{base}, location, fetch.Digest{Type: "sha256", Hex: p.SHA256, SizeBytes: p.SizeBytes})
		if err == nil {
			f.Close()
		}
		return err
	}
	size, err := c.client.Stat(ctx, []string{base}, location)
	if err == nil && size >= 0 && size != p.SizeBytes {
		err = fmt.Errorf("fetching %s%s: %w", base, location, &fetch.MismatchError{What: "size", Want: fmt.Sprintf("%d bytes", p.SizeBytes), Got: fmt.Sprintf("%d bytes", size)})
	}
	return err
}
