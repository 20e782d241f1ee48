package compose

import (
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
			stands := c.stands(claim{p, i}, e)
			if p.given && !p.base && stands && e != nil {
				p.paths[i] = path
			}
			if !stands {
				p.states[i] = rootfs.StateNotInstalled
				if e != nil && !p.given {
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
	for _, e := range c.fs.Entries() {
		// What the headers of others say of these paths cannot be changed.
		if old, ok := c.before[e.Path]; ok && e.Layer == c.layer && e.Type != pkgindex.TypeDir && !sameContent(&old, e) && c.isForeign(old.Owners) {
			c.report.Replaced = append(c.report.Replaced, e.Path)
		}
	}
	c.report.Replaced = slices.Compact(slices.Sorted(slices.Values(c.report.Replaced)))
	return nil
}

// isForeign reports whether one of the owners is a package of an image of others.
func (c *composer) isForeign(owners []string) bool {
	return slices.ContainsFunc(owners, func(owner string) bool {
		i, ok := slices.BinarySearchFunc(c.based, owner, func(p *pkg, nevra string) int { return strings.Compare(p.Index.NEVRA, nevra) })
		return ok && c.based[i].foreign != nil
	})
}

// hasPackage reports whether one of the owners is a package, rather than a target or a step of ours.
func (c *composer) hasPackage(owners []string) bool {
	return slices.ContainsFunc(c.all(), func(p *pkg) bool { return slices.Contains(owners, p.Index.NEVRA) })
}

// stands reports whether e is what the package says, as rpm -V compares it in all ways. A ghost may be absent.
func (c *composer) stands(cl claim, e *rootfs.Entry) bool {
	f := cl.content()
	if e == nil {
		return f.Ghost()
	}
	uid, okU := c.uid(f.User)
	gid, okG := c.gid(f.Group)
	if e.Type != f.Type || !okU || !okG {
		return false
	}
	want := rpmdb.Attributes{Mode: rpmdb.ModeOfType(f.Type) | f.Mode, Size: f.SizeBytes, ModTime: f.ModTime, Digest: f.SHA256, Link: f.LinkTarget,
		UID: uid, GID: gid, Device: f.RdevMajor<<8 | f.RdevMinor, Caps: f.Caps}
	got := e.Attributes()
	return want.Differs(&got, f.Ghost()) == 0
}
