// Package compose builds the root filesystem of an image in memory: from the selected packages, the base and the spec.
//
// It follows rpm's own rules for a first installation (which files are laid down, which states the package database gets,
// what is a conflict), with two differences that make images correct instead of silently wrong: a file owner that no
// account of the image has is an error, and a scriptlet that uses what is not known stops the build.
//
// Order of the steps: files of packages with their scriptlets (see transact), removals, accounts, what is no package, what the spec adds,
// alternatives, identity (os-release, time zone, machine id), CA stores, leavings of scriptlets, removals again, set-user-ID
// bits, ld.so.cache, gconv-modules.cache, locale-archive, file states, package database. The result does not depend on the order of the inputs.
package compose

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/accounts"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// Package is one package as rpmextract leaves it. Payload and Header are paths on the host; a package of the base needs no
// Payload.
type Package struct {
	Index           *pkgindex.Index
	Payload, Header string
}

// Input is everything an image is made of.
type Input struct {
	Spec         *Spec
	Selection    *selection.Selection
	Packages     []Package // that may ship; those that Selection does not name are left out
	BasePackages []Package // all of the base's package database
	Base         *rootfs.Tree
	Provided     []Package // registered in the package database although no layer of ours ships them; they need no Payload
	BaseForeign  string    // file on the host with the stored headers of packages that an image of others brings, as Base says
	NonRPM       []NonRPM  // contents that are no RPM packages
	BaseLayers   []string  // tar files on the host, the oldest first; without them only files whose text Base keeps can be read
}

// Result is the composed image.
type Result struct {
	Tree   *rootfs.Tree
	Layer  *rootfs.Layer
	Report *Report
}

// pkg is a package on its way into the image.
type pkg struct {
	Package
	partial bool
	base    bool
	// given is registered because the spec says so; only those of its files that are there anyway are its own.
	given   bool
	foreign *rootfs.ForeignPackage // of the base, from an image of others; its Index has only what tree.json says, and no files
	layer   int
	states  []byte   // one rootfs.State per file; what is normal after the policies ships
	paths   []string // canonical paths of the files; empty for those that do not ship
	strip   []string // files that the selection strips of their set-ID bits
}

// composer holds the state of one composition.
type composer struct {
	in     *Input
	spec   *Spec
	fs     *rootfs.FS
	before map[string]rootfs.Entry // the base's entries, by path
	layer  int
	own    []*pkg          // by NEVRA
	based  []*pkg          // by NEVRA
	given  []*pkg          // registered, not shipped; by NEVRA
	nonRPM []rootfs.NonRPM // the base's too
	claims map[string][]claim
	// dirLinks are paths of ghost links to directories that files lie beyond.
	dirLinks map[string]bool
	db       *accounts.DB
	laid     map[string]bool // paths of claims that are in the tree
	scripts  scripts
	hits     map[string]int
	glibc    string
	keys     [][]byte // public keys of the package database, by name
	report   *Report
	lower    map[int]*rootfs.LayerFiles // layers of the base that were read, by number
}

// claim is a file of a package at a path.
type claim struct {
	pkg *pkg
	i   int
}

func (c claim) file() *pkgindex.File { return &c.pkg.Index.Files[c.i] }

// Compose builds the image.
func Compose(in *Input) (*Result, error) {
	c := &composer{in: in, spec: in.Spec, before: map[string]rootfs.Entry{}, hits: map[string]int{}, laid: map[string]bool{}, lower: map[int]*rootfs.LayerFiles{}}
	defer c.closeLayers()
	c.report = newReport(in.Spec)
	c.report.Cut = append(c.report.Cut, in.Selection.Cut...)
	if err := c.load(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		c.applyPolicies, c.place, c.transact, c.removeMatches, c.settleAccounts, c.addNonRPM, c.addContents, c.settleAlternatives,
		c.settleIdentity, c.settleCATrust, c.dropLeavings, c.removeMatches, c.checkRemovals, c.stripSetID, c.writeLdCache,
		c.writeGconvCaches, c.writeLocaleArchive, c.noteIndexes, c.settleStates, c.writeRPMDB,
	} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("composing %s: %w", c.spec.Label, err)
		}
	}
	return c.result()
}

// load checks that the inputs belong together and sorts them.
func (c *composer) load() error {
	sel, spec := c.in.Selection, c.spec
	if sel.Schema != selection.Schema {
		return fmt.Errorf("selection: schema %d, this tool reads %d", sel.Schema, selection.Schema)
	}
	if sel.Release != spec.Release || sel.Arch != spec.Arch {
		return fmt.Errorf("selection is for %s %s, the spec for %s %s", sel.Release, sel.Arch, spec.Release, spec.Arch)
	}
	byNEVRA := map[string]Package{}
	for _, p := range c.in.Packages {
		if _, twice := byNEVRA[p.Index.NEVRA]; twice {
			return fmt.Errorf("package %s is given twice", p.Index.NEVRA)
		}
		byNEVRA[p.Index.NEVRA] = p
	}
	if err := c.loadBase(); err != nil {
		return err
	}
	names := map[string]string{}
	for _, p := range c.based {
		names[p.Index.Name] = p.Index.NEVRA
	}
	for _, s := range sel.Packages {
		p, ok := byNEVRA[s.NEVRA]
		if !ok {
			return fmt.Errorf("selected package %s has no --index", s.NEVRA)
		}
		if other, twice := names[p.Index.Name]; twice {
			return cli.Hint(fmt.Errorf("package %s is selected, but the image has %s already", s.NEVRA, other),
				"leave %s out with exclude, or update the base or the lock, so that they agree", p.Index.Name)
		}
		names[p.Index.Name] = s.NEVRA
		own := &pkg{Package: p, partial: s.Partial, layer: c.layer, strip: s.StripSetID}
		if err := own.choose(s.Files); err != nil {
			return err
		}
		c.own = append(c.own, own)
	}
	if err := c.loadProvided(names); err != nil {
		return err
	}
	sort.Slice(c.own, func(i, j int) bool { return c.own[i].Index.NEVRA < c.own[j].Index.NEVRA })
	return nil
}

// loadProvided adds the packages that are only registered. names are those of the image's packages.
func (c *composer) loadProvided(names map[string]string) error {
	for _, p := range c.in.Provided {
		if other, twice := names[p.Index.Name]; twice {
			return cli.Hint(fmt.Errorf("package %s is to be registered as provided, but the image has %s already", p.Index.NEVRA, other),
				"take %s out of register_provided", p.Index.Name)
		}
		names[p.Index.Name] = p.Index.NEVRA
		given := &pkg{Package: p, given: true, layer: c.layer}
		if err := given.choose(nil); err != nil {
			return err
		}
		c.given = append(c.given, given)
	}
	sort.Slice(c.given, func(i, j int) bool { return c.given[i].Index.NEVRA < c.given[j].Index.NEVRA })
	return nil
}

func (c *composer) loadBase() error {
	base := c.in.Base
	if base == nil {
		if len(c.in.BasePackages) > 0 {
			return fmt.Errorf("packages of a base are given, but no --base-tree")
		}
		c.fs = rootfs.NewFS(nil)
		return nil
	}
	if base.Release != c.spec.Release && base.Release != "" || base.Arch != c.spec.Arch {
		return fmt.Errorf("base %s is for %s %s, this image for %s %s", base.Label, base.Release, base.Arch, c.spec.Release, c.spec.Arch)
	}
	c.layer, c.nonRPM = base.Layers, slices.Clone(base.NonRPM)
	entries := make([]*rootfs.Entry, len(base.Entries))
	for i, e := range base.Entries {
		c.before[e.Path] = *e
		mine := *e
		mine.Owners, mine.Overwrites = slices.Clone(e.Owners), slices.Clone(e.Overwrites)
		mine.Content = rootfs.Content{Data: []byte(e.Text)} // only where the text is the whole content; see readEntry
		entries[i] = &mine
	}
	c.fs = rootfs.NewFS(entries)
	byNEVRA := map[string]Package{}
	for _, p := range c.in.BasePackages {
		byNEVRA[p.Index.NEVRA] = p
	}
	for i := range base.Packages {
		p, err := c.basePackage(&base.Packages[i], byNEVRA)
		if err != nil {
			return err
		}
		c.based = append(c.based, p)
	}
	return nil
}

// basePackage is a package of the base as its tree.json tells of it.
func (c *composer) basePackage(p *rootfs.Package, byNEVRA map[string]Package) (*pkg, error) {
	out := &pkg{partial: p.Partial, base: true, given: p.Provided, foreign: p.Foreign, layer: p.Layer, states: []byte(p.FileStates)}
	if p.Foreign != nil {
		if c.in.BaseForeign == "" && c.spec.RPMDB != nil {
			return nil, fmt.Errorf("package %s of the base %s comes from image %s, but there is no --base-foreign", p.NEVRA, c.in.Base.Label, c.in.Base.Image)
		}
		out.Index = &pkgindex.Index{Name: p.Name, NEVRA: p.NEVRA, Arch: p.Arch, License: p.License, SourceRPM: p.SourceRPM, Vendor: p.Vendor, URL: p.URL}
		return out, nil
	}
	var ok bool
	if out.Package, ok = byNEVRA[p.NEVRA]; !ok {
		return nil, fmt.Errorf("package %s of the base %s has no --base-index", p.NEVRA, c.in.Base.Label)
	}
	if n := len(out.Index.Files); len(p.FileStates) != n {
		return nil, fmt.Errorf("package %s: %d file states in %s, %d files in its index", p.NEVRA, len(p.FileStates), c.in.Base.Label, n)
	}
	return out, nil
}

// choose marks every file that the selection wants. Of a partial package that is the files named and those of its
// own directories that lead to them.
func (p *pkg) choose(files []string) error {
	p.states = make([]byte, len(p.Index.Files))
	p.paths = make([]string, len(p.Index.Files))
	if !p.partial {
		for i := range p.states {
			p.states[i] = rootfs.StateNormal
			if f := &p.Index.Files[i]; f.Type == pkgindex.TypeSocket && !f.Ghost() {
				p.states[i] = rootfs.StateNotInstalled // no archive can hold it; the index has a note
			}
		}
		return nil
	}
	named, dirs := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		named[f] = true
		for dir := rootfs.Dir(f); !dirs[dir]; dir = rootfs.Dir(dir) {
			dirs[dir] = true
		}
	}
	for i := range p.Index.Files {
		f := &p.Index.Files[i]
		p.states[i] = rootfs.StateNotInstalled
		if named[f.Path] || f.Ghost() || (f.Type == pkgindex.TypeDir && dirs[f.Path]) {
			p.states[i] = rootfs.StateNormal
			delete(named, f.Path)
		}
	}
	if len(named) > 0 {
		return fmt.Errorf("package %s has no file %s", p.Index.NEVRA, strings.Join(sortedKeys(named), ", "))
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// put adds an entry of this layer and the parents it needs.
func (c *composer) put(e *rootfs.Entry) error {
	if err := c.mkParents(e.Path); err != nil {
		return err
	}
	if old := c.fs.Get(e.Path); old != nil && (old.Type == pkgindex.TypeDir) != (e.Type == pkgindex.TypeDir) {
		if old.Type == pkgindex.TypeDir && len(c.fs.Under(e.Path)) > 0 {
			return fmt.Errorf("%s is a directory that is not empty (%s)", e.Path, strings.Join(old.Owners, ", "))
		}
	}
	e.Layer = c.layer
	c.fs.Put(e)
	return nil
}

// mkParents makes the missing parents of a canonical path, as rpm does: 0755 root:root.
func (c *composer) mkParents(p string) error {
	for dir := rootfs.Dir(p); dir != "/"; dir = rootfs.Dir(dir) {
		e := c.fs.Get(dir)
		if e != nil && e.Type == pkgindex.TypeDir {
			return nil
		}
		if e != nil {
			return fmt.Errorf("%s: its parent %s is a %s (%s)", p, dir, e.Type, strings.Join(e.Owners, ", "))
		}
		c.fs.Put(&rootfs.Entry{Path: dir, Type: pkgindex.TypeDir, Mode: 0o755, ModTime: c.spec.SourceDateEpoch,
			Owners: []string{rootfs.MadeBy("parents")}, Layer: c.layer})
	}
	return nil
}

// result settles which entries belong to the new layer and puts the outputs together.
func (c *composer) result() (*Result, error) {
	t := &rootfs.Tree{Schema: rootfs.Schema, Label: c.spec.Label, Release: c.spec.Release, Arch: c.spec.Arch,
		Layers: c.layer + 1, Glibc: c.glibc, Entries: c.fs.Entries()}
	if c.spec.RPMDB != nil {
		t.RPMDB = c.placeOfRPMDB()
	}
	if c.in.Base != nil {
		t.Image = c.in.Base.Image
	}
	for _, e := range t.Entries {
		if old, ok := c.before[e.Path]; ok && e.Layer == c.layer && sameContent(&old, e) {
			e.Layer = old.Layer
		}
		if e.Type == pkgindex.TypeFile && e.HardLink == "" && rootfs.KeepsText(e.Path, e.SizeBytes) && e.Text == "" {
			data, err := c.readEntry(e)
			if err != nil {
				return nil, err
			}
			e.Text = string(data)
		}
		slices.Sort(e.Owners)
		e.Owners = slices.Compact(e.Owners)
	}
	c.addPackages(t)
	c.countNonRPM(t)
	layer := &rootfs.Layer{Entries: t.Entries, Number: c.layer, Time: c.spec.SourceDateEpoch}
	if c.in.Base != nil {
		layer.Removed = rootfs.Removed(c.in.Base.Entries, c.fs)
	}
	c.report.finish(t, layer)
	return &Result{t, layer, c.report}, nil
}

func (c *composer) addPackages(t *rootfs.Tree) {
	size := map[string]int64{}
	for _, e := range t.Entries {
		if e.Type != pkgindex.TypeFile || e.HardLink != "" {
			continue
		}
		for _, owner := range e.Owners {
			size[owner] += e.SizeBytes
		}
	}
	for _, p := range c.all() {
		x := p.Index
		t.Packages = append(t.Packages, rootfs.Package{Name: x.Name, NEVRA: x.NEVRA, Arch: x.Arch, Partial: p.partial, Layer: p.layer,
			FileStates: string(p.states), SizeBytes: size[x.NEVRA], License: x.License, SourceRPM: x.SourceRPM, Vendor: x.Vendor, URL: x.URL,
			SHA256: x.SHA256, Provided: p.given, Foreign: p.foreign})
	}
}

// all returns the packages of the image, the base's included, by NEVRA.
func (c *composer) all() []*pkg {
	all := append(append(slices.Clone(c.based), c.own...), c.given...)
	sort.Slice(all, func(i, j int) bool { return all[i].Index.NEVRA < all[j].Index.NEVRA })
	return all
}

// sameContent reports whether two states of a path need no new tar entry.
func sameContent(a, b *rootfs.Entry) bool {
	if a.Type != b.Type || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.ModTime != b.ModTime || a.Link != b.Link ||
		a.HardLink != b.HardLink || a.SizeBytes != b.SizeBytes || a.SHA256 != b.SHA256 || a.Caps != b.Caps ||
		a.RdevMajor != b.RdevMajor || a.RdevMinor != b.RdevMinor || len(a.Xattrs) != len(b.Xattrs) {
		return false
	}
	for k, v := range a.Xattrs {
		if w, ok := b.Xattrs[k]; !ok || string(v) != string(w) {
			return false
		}
	}
	return true
}
