package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// verify compares the lock with its manifest and every package with its checksum, wherever the lock says it lies.
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
	var archs []string
	for arch := range l.Architectures {
		archs = append(archs, arch)
	}
	slices.Sort(archs)
	var errs []error
	for _, arch := range archs {
		errs = append(errs, c.verifyArch(ctx, l, arch))
	}
	return errors.Join(errs...)
}

func (c *command) verifyArch(ctx context.Context, l *lockfile.Lock, arch string) error {
	urls := map[string][]string{}
	for _, r := range l.Repositories {
		if r.Arch == arch {
			urls[r.ID] = r.URLs
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
				f, err := c.client.File(ctx, urls[p.Repository], p.Path, fetch.Digest{Type: "sha256", Hex: p.SHA256, SizeBytes: p.SizeBytes})
				if err != nil {
					errs[i] = fmt.Errorf("package %s: %w", p.NEVRA, err)
				} else {
					f.Close()
				}
				c.progress.say("verified %d of %d packages for %s", done.Add(1), len(packages), arch)
			}
		})
	}
	wait.Wait()
	return errors.Join(someOf(errs), ctx.Err())
}
