package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/fetch"
)

// workers is how many package headers are read at once; over a network most of the time is waiting.
const workers = 8

// maxHeaderBytes bounds the part of a package that is read for its header.
const maxHeaderBytes = 512 << 20

// packages reads the header of every package of a solution and makes their entries.
func (c *command) packages(ctx context.Context, m *lockfile.Manifest, sol *resolve.Solution, repos []*repository) ([]lockfile.Package, error) {
	out := make([]lockfile.Package, len(sol.Packages))
	errs := make([]error, len(sol.Packages))
	headers := make([]*rpm.Package, len(sol.Packages))
	var next, read atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(out) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				pkg := &sol.Universe.Packages[sol.Packages[i]]
				repo := repos[pkg.Repository]
				out[i], headers[i], errs[i] = repo.read(ctx, pkg.Source)
				if errs[i] != nil {
					errs[i] = fmt.Errorf("repository %s for %s: package %s: %w", repo.config.ID, repo.arch, sol.Universe.NEVRA(sol.Packages[i]), errs[i])
				}
				c.progress.say("read the headers of %d of %d packages for %s", read.Add(1), len(out), repo.arch)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(someOf(errs), ctx.Err()); err != nil {
		return nil, err
	}
	linker := newLinker(m, sol)
	for i := range out {
		if err := linker.link(&out[i], sol.Packages[i], headers[i].Main); err != nil {
			return nil, fmt.Errorf("package %s: %w", out[i].NEVRA, err)
		}
	}
	slices.SortFunc(out, func(a, b lockfile.Package) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// maxErrors is how many packages an error names: a wrong key spoils all of them.
const maxErrors = 10

func someOf(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) > maxErrors {
		errs = append(errs[:maxErrors:maxErrors], fmt.Errorf("and %d packages more", len(errs)-maxErrors))
	}
	return errors.Join(errs...)
}

// read reads and verifies the header of a package, and of a local repository the whole package.
func (r *repository) read(ctx context.Context, src *repomd.Package) (entry lockfile.Package, pkg *rpm.Package, err error) {
	location, err := r.location(src)
	if err != nil {
		return entry, nil, err
	}
	head, err := r.head(ctx, src, location)
	if err != nil {
		return entry, nil, err
	}
	pkg, err = rpm.ReadPackage(bytes.NewReader(head))
	if err != nil {
		return entry, nil, err
	}
	if pkg.NEVRA() != r.primary.NEVRA(src) {
		return entry, nil, fmt.Errorf("the file at %s is %s", location, pkg.NEVRA())
	}
	if err := pkg.CheckInstallable(); err != nil {
		return entry, nil, err
	}
	if _, err := pkg.VerifyHeaderDigests(); err != nil {
		return entry, nil, err
	}
	signature := "none"
	if r.config.CheckPackages() {
		if signature, err = r.keys.verifyPackage(pkg); err != nil {
			return entry, nil, err
		}
	}
	p := r.primary
	entry = lockfile.Package{
		Name: p.Text(src.Name), NEVRA: p.NEVRA(src), Arch: p.Text(src.Arch), Repository: r.config.ID, Path: location,
		SHA256: hex.EncodeToString(src.Checksum[:]), SizeBytes: src.SizeBytes, InstalledBytes: src.InstalledBytes,
		SourceRPM: p.Text(src.SourceRPM), License: p.Text(src.License), BuildTime: src.BuildTime, Signature: signature,
		Executables: executables(p, src),
	}
	r.store(src, head)
	return entry, pkg, nil
}

// location is the path of a package relative to the repository.
func (r *repository) location(src *repomd.Package) (string, error) {
	if src.Base != "" {
		return "", fmt.Errorf("primary.xml places it outside of the repository, at %s, which is not supported", src.Base)
	}
	return src.Location, nil
}

// head returns the bytes of a package up to its payload. A local package is read and compared as a whole; of a remote one
// only the part that primary.xml names, and what vouches for it are the digests and the signature in it.
func (r *repository) head(ctx context.Context, src *repomd.Package, location string) ([]byte, error) {
	sum := hex.EncodeToString(src.Checksum[:])
	if !fetch.IsLocal(r.bases[0]) && src.HeaderEnd > 0 && src.HeaderEnd <= maxHeaderBytes {
		if head := r.client.LoadHead(sum, src.HeaderEnd); head != nil {
			return head, nil
		}
		return r.client.Head(ctx, r.bases, location, src.HeaderEnd)
	}
	f, err := r.client.File(ctx, r.bases, location, fetch.Digest{Type: "sha256", Hex: sum, SizeBytes: src.SizeBytes})
	if err != nil {
		var mismatch *fetch.MismatchError
		if errors.As(err, &mismatch) {
			err = cli.Hint(err, "the package is not the one that the metadata names: it is truncated, was replaced, or the metadata is old")
		}
		return nil, err
	}
	defer f.Close()
	pkg, err := rpm.ReadPackage(io.LimitReader(f, maxHeaderBytes))
	if err != nil {
		return nil, err
	}
	var head bytes.Buffer
	err = pkg.WriteHeaders(&head)
	return head.Bytes(), err
}

// store keeps the verified head of a remote package for the next run.
func (r *repository) store(src *repomd.Package, head []byte) {
	if !fetch.IsLocal(r.bases[0]) && int64(len(head)) == src.HeaderEnd {
		r.client.StoreHead(hex.EncodeToString(src.Checksum[:]), head)
	}
}

// executables lists the files of a package in bin and sbin directories.
func executables(p *repomd.Primary, src *repomd.Package) []string {
	var out []string
	for _, f := range p.Files(src) {
		name := p.Text(f.Path)
		if dir := path.Base(path.Dir(name)); f.Type == repomd.FileRegular && (dir == "bin" || dir == "sbin") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
