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
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/fetch"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
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
				c.progress.say("headers "+repo.arch, "read the headers of %d of %d packages for %s", read.Add(1), len(out), repo.arch)
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

// read reads and verifies the header of a package, and of a local repository the whole package. What fails from the cache or
// one mirror is tried from the next mirror.
func (r *repository) read(ctx context.Context, src *repomd.Package) (entry lockfile.Package, pkg *rpm.Package, err error) {
	location, err := r.location(src)
	if err != nil {
		return entry, nil, err
	}
	sum := hex.EncodeToString(src.Checksum[:])
	if head := r.heads[sum]; head != nil {
		return r.examine(src, location, head)
	}
	if fetch.IsLocal(r.bases[0]) || src.HeaderEnd <= 0 || src.HeaderEnd > maxHeaderBytes {
		head, err := r.whole(ctx, src, location)
		if err != nil {
			return entry, nil, err
		}
		return r.examine(src, location, head)
	}
	if head := r.client.LoadHead(sum, src.HeaderEnd); head != nil {
		if entry, pkg, err = r.examine(src, location, head); err == nil {
			return entry, pkg, nil
		}
	}
	var errs []error
	for _, base := range r.bases {
		head, err := r.client.Head(ctx, []string{base}, location, src.HeaderEnd)
		if err == nil {
			if entry, pkg, err = r.examine(src, location, head); err == nil {
				r.client.StoreHead(sum, head)
				return entry, pkg, nil
			}
		}
		errs = append(errs, err)
	}
	return entry, nil, errors.Join(errs...)
}

// examine verifies the start of a package, up to its payload, and makes the entry.
func (r *repository) examine(src *repomd.Package, location string, head []byte) (entry lockfile.Package, pkg *rpm.Package, err error) {
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
	return lockfile.Package{
		Name: p.Text(src.Name), NEVRA: p.NEVRA(src), Arch: p.Text(src.Arch), Repository: r.config.ID, Path: location,
		SHA256: hex.EncodeToString(src.Checksum[:]), SizeBytes: src.SizeBytes, InstalledBytes: src.InstalledBytes,
		SourceRPM: p.Text(src.SourceRPM), License: p.Text(src.License), BuildTime: src.BuildTime, Signature: signature,
		Executables: executables(p, src),
	}, pkg, nil
}

// location is the path of a package relative to the repository.
func (r *repository) location(src *repomd.Package) (string, error) {
	if src.Base != "" {
		return "", fmt.Errorf("primary.xml places it outside of the repository, at %s, which is not supported", src.Base)
	}
	return src.Location, nil
}

// whole compares a package as a whole and returns its bytes up to the payload. It is for local repositories, and for remote
// ones whose primary.xml does not say where headers end; otherwise what vouches for a header are its digests and signature.
func (r *repository) whole(ctx context.Context, src *repomd.Package, location string) ([]byte, error) {
	f, err := r.client.File(ctx, r.bases, location, fetch.Digest{
		Type: "sha256", Hex: hex.EncodeToString(src.Checksum[:]), SizeBytes: src.SizeBytes,
	})
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
