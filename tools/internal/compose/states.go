package compose

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
)

// settleStates makes the file states true of the finished tree. A file of a package that is not there is "not installed",
// whether nothing stands there or something that the spec or a step of ours made. (rpm's own "replaced" stands for a file of
// another package, and rpm -V prints every such file.)
func (c *composer) settleStates() error {
	for _, p := range c.all() {
		for i := range p.Index.Files {
			f := &p.Index.Files[i]
			if p.states[i] != rootfs.StateNormal {
				continue
			}
			path, err := c.fs.Canonical(f.Path)
			if err != nil {
				return err
			}
			e := c.fs.Get(path)
			if p.base && (e != nil && e.Layer != c.layer) {
				continue // as the base left it
			}
			if !c.stands(claim{p, i}, e) {
				p.states[i] = rootfs.StateNotInstalled
				if e != nil {
					c.report.Replaced = append(c.report.Replaced, f.Path)
				}
			}
		}
		for i, path := range p.paths {
			if e := c.fs.Get(path); p.states[i] == rootfs.StateWrongColor && e != nil && c.hasPackage(e.Owners) {
				e.Overwrites = slices.Compact(slices.Sorted(slices.Values(append(e.Overwrites, p.Index.NEVRA))))
				continue
			}
			if e := c.fs.Get(path); path != "" && e != nil && !slices.Contains(e.Owners, p.Index.NEVRA) {
				e.Owners = append(e.Owners, p.Index.NEVRA) // ghosts that something made
			}
		}
	}
	c.report.Replaced = slices.Compact(slices.Sorted(slices.Values(c.report.Replaced)))
	return nil
}

// hasPackage reports whether one of the owners is a package, rather than a target or a step of ours.
func (c *composer) hasPackage(owners []string) bool {
	return slices.ContainsFunc(c.all(), func(p *pkg) bool { return slices.Contains(owners, p.Index.NEVRA) })
}

// stands reports whether e is what the package says. A ghost may be absent.
func (c *composer) stands(cl claim, e *rootfs.Entry) bool {
	f := cl.content()
	if e == nil {
		return f.Ghost()
	}
	uid, okU := c.uid(f.User)
	gid, okG := c.gid(f.Group)
	same := e.Type == f.Type && okU && okG && e.UID == uid && e.GID == gid && (f.Type == pkgindex.TypeSymlink || e.Mode == f.Mode)
	if same && !f.Ghost() {
		switch f.Type {
		case pkgindex.TypeFile:
			same = e.SHA256 == f.SHA256 && e.SizeBytes == f.SizeBytes && e.ModTime == f.ModTime && e.Caps == f.Caps
		case pkgindex.TypeSymlink:
			same = e.Link == f.LinkTarget
		case pkgindex.TypeChar, pkgindex.TypeBlock:
			same = e.RdevMajor == f.RdevMajor && e.RdevMinor == f.RdevMinor
		}
	}
	return same
}

// writeRPMDB makes the package database of all packages, the base's included, and takes out what a base left beside it.
func (c *composer) writeRPMDB() error {
	if c.spec.RPMDB == nil {
		return nil
	}
	if b := c.in.Base; b != nil && b.RPMDB.Path != "" && b.RPMDB.Path != c.spec.RPMDB.Path {
		return fmt.Errorf("rpmdb: the base keeps it in %s, this image in %s", b.RPMDB.Path, c.spec.RPMDB.Path)
	}
	dir, err := c.fs.Follow(c.spec.RPMDB.Path)
	if err != nil {
		return fmt.Errorf("rpmdb: %w", err)
	}
	opts := rpmdb.Options{Backend: rpmdb.Backend(c.spec.RPMDB.Backend), Arch: c.spec.Arch, InstallTID: uint32(c.spec.SourceDateEpoch)}
	for _, p := range c.all() {
		header := p.Header
		opts.Packages = append(opts.Packages, rpmdb.Installed{
			Open:       func() (io.ReadCloser, error) { return os.Open(header) },
			FileStates: numericStates(p.states),
		})
	}
	db, err := rpmdb.Plan(opts)
	if err != nil {
		return err
	}
	for _, name := range db.Stale {
		c.fs.Remove(rootfs.Join(dir, name))
	}
	if err := c.linkRPMDB(dir); err != nil {
		return fmt.Errorf("rpmdb: %w", err)
	}
	for _, f := range db.Files {
		// The database of a large image is the largest file made here, so it is written twice and never held.
		sum := sha256.New()
		n, err := f.WriteTo(sum)
		if err != nil {
			return err
		}
		e := &rootfs.Entry{Path: rootfs.Join(dir, f.Name), Type: pkgindex.TypeFile, Mode: f.Mode, ModTime: c.spec.SourceDateEpoch, SizeBytes: n,
			SHA256: hex.EncodeToString(sum.Sum(nil)), Owners: []string{rootfs.MadeBy("rpmdb")}, Content: rootfs.Content{Write: f.WriteTo}}
		if err := c.put(e); err != nil {
			return fmt.Errorf("rpmdb: %w", err)
		}
	}
	return nil
}

// defaultRPMDB is where rpm looks for the database unless its configuration says otherwise, and where scanners look too.
const defaultRPMDB = "/var/lib/rpm"

// linkRPMDB makes the link from the default place to the database in dir, as releases do that keep it elsewhere. What stands
// there already stays.
func (c *composer) linkRPMDB(dir string) error {
	place, err := c.fs.Canonical(defaultRPMDB)
	if err != nil || dir == place || c.fs.Get(place) != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(place, "/")-1)
	return c.put(&rootfs.Entry{Path: place, Type: pkgindex.TypeSymlink, Mode: 0o777, ModTime: c.spec.SourceDateEpoch, Link: up + dir[1:],
		Owners: []string{rootfs.MadeBy("rpmdb")}})
}

// numericStates turns the digits of tree.json into rpm's numbers.
func numericStates(states []byte) []byte {
	out := make([]byte, len(states))
	for i, s := range states {
		out[i] = s - rootfs.StateNormal
	}
	return out
}
