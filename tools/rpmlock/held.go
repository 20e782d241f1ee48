package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/primaryxml"
)

// plan says what a new lock takes over from an old one.
type plan struct {
	old *lockfile.Lock // nil: nothing, every package comes in its newest version
	// sameManifest is set when the old lock was made from the same manifest.
	sameManifest bool
	// newest chooses, for one architecture, the names that come in their newest version; nil chooses none.
	newest func(ctx context.Context, repos []*repository, old *lockfile.Architecture) ([]string, error)
}

// hold is what one architecture takes over.
type hold struct {
	repos  []*repository                // those of the manifest, then one for each with packages that it lists no longer
	sums   map[[32]byte]bool            // of the packages held
	old    map[string]*lockfile.Package // by sha256
	gone   map[string]string            // see resolve.Holding
	newest []string
	before *lockfile.Architecture // the old lock's section; nil without one
}

// hold looks for the packages of the old lock: in the metadata, or else as files.
func (c *command) hold(ctx context.Context, m *lockfile.Manifest, arch string, repos []*repository, p plan) (*hold, error) {
	h := &hold{repos: repos, sums: map[[32]byte]bool{}, old: map[string]*lockfile.Package{}, gone: map[string]string{}}
	if p.old == nil || p.old.Architectures[arch] == nil {
		return h, nil
	}
	old := p.old.Architectures[arch]
	h.before = old
	if p.newest != nil {
		var err error
		if h.newest, err = p.newest(ctx, repos, old); err != nil {
			return nil, err
		}
	}
	listed := map[[32]byte]bool{}
	for _, r := range repos {
		for i := range r.primary.Packages {
			listed[r.primary.Packages[i].Checksum] = true
		}
	}
	var unlisted []*lockfile.Package
	for i := range old.Packages {
		pkg := &old.Packages[i]
		sum := checksum(pkg.SHA256)
		h.old[pkg.SHA256] = pkg
		switch {
		case slices.Contains(h.newest, pkg.Name), repositoryOf(repos, pkg.Repository) == nil, pinnedElsewhere(m, arch, pkg):
		case listed[sum]:
			h.sums[sum] = true
		default:
			unlisted = append(unlisted, pkg)
		}
	}
	return h, c.rescue(ctx, h, p.old, arch, unlisted)
}

// checksum decodes what validation has checked already.
func checksum(text string) (sum [32]byte) {
	_, _ = hex.Decode(sum[:], []byte(text))
	return sum
}

func repositoryOf(repos []*repository, id string) *repository {
	i := slices.IndexFunc(repos, func(r *repository) bool { return r.config.ID == id })
	if i < 0 {
		return nil
	}
	return repos[i]
}

// rescued is a package that no repository lists, whose file is still there.
type rescued struct {
	pkg  *rpm.Package
	head []byte
	size int64
	base string // where it was found, when that is a place of its repository
}

// rescue reads packages that are in the lock and no longer in the metadata. Repositories that keep the newest versions only
// often leave older files in place for a while, and mirrors keep them for good.
func (c *command) rescue(ctx context.Context, h *hold, old *lockfile.Lock, arch string, packages []*lockfile.Package) error {
	found := make([]*rescued, len(packages))
	errs := make([]error, len(packages))
	var next, done atomic.Int64
	var wait sync.WaitGroup
	for range min(workers, len(packages)) {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(packages) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				r := repositoryOf(h.repos, packages[i].Repository)
				found[i], errs[i] = c.rescueOne(ctx, packages[i], places(c, r, old, arch))
				c.progress.say("rescue "+r.config.ID+" "+arch, "looked for %d of %d packages that %s does not list any more", done.Add(1), len(packages), r.config.ID)
			}
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	byRepository := map[*repository][]primaryxml.Package{}
	heads := map[string][]byte{}
	for i, pkg := range packages {
		r := repositoryOf(h.repos, pkg.Repository)
		if errs[i] != nil {
			h.gone[pkg.Name] = goneReason(pkg, r, errs[i])
			continue
		}
		h.sums[checksum(pkg.SHA256)] = true
		heads[pkg.SHA256] = found[i].head
		if base := found[i].base; base != "" {
			r.found = append(r.found, base)
			if !slices.Contains(r.urls, base) {
				r.urls = append(slices.Clip(r.urls), base)
			}
		}
		byRepository[r] = append(byRepository[r], primaryxml.Package{
			Package: found[i].pkg, SHA256: pkg.SHA256, SizeBytes: found[i].size, Location: pkg.Path, InstalledBytes: pkg.InstalledBytes, AllFiles: true,
		})
	}
	for _, r := range slices.Clone(h.repos) {
		if byRepository[r] == nil {
			continue
		}
		dropped := *r
		dropped.heads = heads
		var err error
		if dropped.primary, err = primaryOf(byRepository[r]); err != nil {
			return err
		}
		h.repos = append(h.repos, &dropped)
	}
	return nil
}

func primaryOf(packages []primaryxml.Package) (*repomd.Primary, error) {
	var text bytes.Buffer
	if err := primaryxml.Write(&text, packages, repomd.InPrimary); err != nil {
		return nil, err
	}
	return repomd.ParsePrimary(&text)
}

// places lists base URLs where a package may be: those of the repository now, those of the lock, and mirrors.
func places(c *command, r *repository, old *lockfile.Lock, arch string) []string {
	bases := slices.Clone(r.bases)
	for _, entry := range old.Repositories {
		if entry.ID == r.config.ID && entry.Arch == arch {
			bases = append(bases, entry.URLs...)
		}
	}
	var out []string
	for _, base := range bases {
		if !slices.Contains(out, base) {
			out = append(out, base)
		}
	}
	for _, mirror := range c.mirrors {
		out = append(out, mirror+r.config.ID+"/"+arch+"/")
	}
	return out
}

func (c *command) rescueOne(ctx context.Context, p *lockfile.Package, bases []string) (*rescued, error) {
	want := fetch.Digest{Type: "sha256", Hex: p.SHA256, SizeBytes: p.SizeBytes}
	if p.SizeBytes == 0 {
		want.SizeBytes = -1
	}
	var f *os.File
	var errs []error
	out := &rescued{}
	for _, base := range bases {
		var err error
		if f, err = c.client.File(ctx, []string{base}, p.Path, want); err == nil {
			if !slices.ContainsFunc(c.mirrors, func(mirror string) bool { return strings.HasPrefix(base, mirror) }) {
				out.base = base
			}
			break
		}
		errs = append(errs, err)
	}
	for i := 0; f == nil && i < len(p.URLs); i++ {
		base, name := splitURL(p.URLs[i])
		var err error
		if f, err = c.client.File(ctx, []string{base}, name, want); err != nil {
			errs = append(errs, err)
		}
	}
	if f == nil {
		return nil, errors.Join(errs...)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	out.size = info.Size()
	if out.pkg, err = rpm.ReadPackage(io.LimitReader(f, maxHeaderBytes)); err != nil {
		return nil, err
	}
	id, err := out.pkg.Main.NEVRA()
	if err != nil {
		return nil, err
	}
	if id.Name != p.Name || id.Arch != p.Arch { // an imported lock may not know the epoch
		return nil, fmt.Errorf("the file of the checksum that the lock gives for %s is %s", p.NEVRA, out.pkg.NEVRA())
	}
	var head bytes.Buffer
	err = out.pkg.WriteHeaders(&head)
	out.head = head.Bytes()
	return out, err
}

// splitURL cuts a URL behind its last slash.
func splitURL(url string) (base, name string) {
	i := strings.LastIndexByte(url, '/')
	return url[:i+1], url[i+1:]
}

// goneReason says in words what became of a package.
func goneReason(p *lockfile.Package, r *repository, err error) string {
	for i := range r.primary.Packages {
		if src := &r.primary.Packages[i]; r.primary.NEVRA(src) == p.NEVRA {
			return fmt.Sprintf("the lock holds %s with sha256 %.12s..., repository %s now has other bytes under that name, %.12s...",
				p.NEVRA, p.SHA256, r.config.ID, fmt.Sprintf("%x", src.Checksum))
		}
	}
	var mismatch *fetch.MismatchError
	switch {
	case errors.As(err, &mismatch):
		return fmt.Sprintf("the lock holds %s, which repository %s lists no longer, and the file in its place is another", p.NEVRA, r.config.ID)
	case fetch.IsNotFound(err):
		return fmt.Sprintf("the lock holds %s, which repository %s lists no longer and no place known has", p.NEVRA, r.config.ID)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Sprintf("the lock holds %s, which repository %s lists no longer, and its file cannot be read: %s", p.NEVRA, r.config.ID, first)
}

// holding is the resolver's view of what is held for a group of roots. Packages that only other groups have are not held for the default
// group, which would take each that answers something.
func (h *hold) holding(u *resolve.Universe, group string, p plan, roots []string) resolve.Holding {
	out := resolve.Holding{Gone: h.gone, Newest: h.newest}
	isDefault := group == lockfile.DefaultGroup
	if isDefault {
		out.All = p.sameManifest || h.before != nil && sameRoots(u, h.before, roots)
	}
	for i := range u.Packages {
		sum := u.Packages[i].Source.Checksum
		if !h.sums[sum] || isDefault && !h.old[hex.EncodeToString(sum[:])].InGroup(group) {
			continue
		}
		if u.Packages[i].Excluded == "" {
			out.Packages = append(out.Packages, i)
		}
	}
	return out
}

// adviseGone adds what to do about packages that are gone, when an error speaks of them.
func (h *hold) adviseGone(err error, repair string) error {
	if err == nil {
		return nil
	}
	var names []string
	for name, reason := range h.gone {
		if strings.Contains(err.Error(), reason) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return err
	}
	slices.Sort(names)
	also := slices.DeleteFunc(slices.Sorted(maps.Keys(h.gone)), func(name string) bool { return slices.Contains(names, name) })
	more := ""
	if len(also) > 0 {
		more = fmt.Sprintf(" (also gone: %s)", strings.Join(also, ", "))
	}
	err = cli.Hint(err, "to keep the version of the lock, name a folder or server that has the file: --mirror=URL (rpmfetch fills such folders)")
	return cli.Hint(err, "to take what the repository has now: %s --only=%s%s", repair, strings.Join(names, ","), more)
}

// sameRoots reports whether every root of the old lock is still asked for.
func sameRoots(u *resolve.Universe, old *lockfile.Architecture, roots []string) bool {
	asked := map[string]bool{}
	for _, root := range roots {
		found, err := u.WhatProvides(root, nil)
		if err != nil {
			return false
		}
		for _, pkg := range append(found, u.Named(root)...) {
			asked[u.Name(pkg)] = true
		}
	}
	return !slices.ContainsFunc(old.Roots, func(name string) bool { return !asked[name] })
}
