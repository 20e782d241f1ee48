package elfresolve

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// universe is every path that the base has and the candidates could bring, with all symbolic links of both in effect: it is
// the tree in which paths are compared. A link that a found path leads through is taken along when the image lacks it.
type universe struct {
	pkgs  []*pkg // by name
	names map[string]*pkg
	nodes map[string]*node // by canonical path
	links map[string]string
	dirs  map[string]string // canonical form of directories seen
	base  map[string]rootfs.Package
	// baseNames are the names of the base's packages by NEVRA.
	baseNames map[string]string
	hwcaps    []string // levels of glibc-hwcaps, sorted
}

// pkg is a candidate package and what is taken of it.
type pkg struct {
	x       *pkgindex.Index
	files   []file
	wanted  bool // named by a request: preferred over other providers
	whole   bool
	dropped bool // whole, but some scripts were left out
	scripts string
	why     []selection.Reason
	strip   map[*file]*request // files that a request names and strips of their set-ID bits
	kept    map[*file]*request // files that a request names and does not strip
}

// file is a file of a candidate package. Ghosts are not in the universe.
type file struct {
	*pkgindex.File
	p     *pkg
	node  *node
	taken bool // although the package is not taken whole
	drop  bool // although the package is taken whole
}

func (f *file) inSelection() bool { return f.taken || f.p.whole && !f.drop }

// node is a canonical path with everything that could be there.
type node struct {
	path  string
	base  *rootfs.Entry
	files []*file // by package name
}

func newUniverse(in *Input) (*universe, error) {
	u := &universe{names: map[string]*pkg{}, links: map[string]string{}, dirs: map[string]string{"/": "/"},
		base: map[string]rootfs.Package{}, baseNames: map[string]string{}}
	if in.Base != nil {
		if in.Base.Arch != in.Spec.Arch {
			return nil, fmt.Errorf("%s: base %s is for %s, the target for %s", in.Spec.Label, in.Base.Label, in.Base.Arch, in.Spec.Arch)
		}
		for _, p := range in.Base.Packages {
			u.baseNames[p.NEVRA] = p.Name
			if other, twice := u.base[p.Name]; twice && (other.Arch == in.Spec.Arch || other.Arch == "noarch") {
				continue // the other one is of a multilib pair, or an older kernel
			}
			u.base[p.Name] = p
		}
	}
	count := 0
	for _, x := range in.Indexes {
		if other := u.names[x.Name]; other != nil {
			return nil, fmt.Errorf("%s: two candidates named %s: %s and %s", in.Spec.Label, x.Name, other.x.NEVRA, x.NEVRA)
		}
		if base, ok := u.base[x.Name]; ok && base.Foreign != nil {
			if err := checkForeign(in, base, x); err != nil {
				return nil, err
			}
		}
		p := &pkg{x: x}
		u.names[x.Name] = p
		u.pkgs = append(u.pkgs, p)
		count += len(x.Files)
	}
	slices.SortFunc(u.pkgs, func(a, b *pkg) int { return strings.Compare(a.x.Name, b.x.Name) })
	u.nodes = make(map[string]*node, count)
	u.readLinks(in.Base)
	u.addBase(in.Base)
	for _, p := range u.pkgs {
		u.addPackage(p)
	}
	return u, nil
}

// checkForeign refuses a package of an image of others that is older than the lock's: what the lock says must hold of the
// whole image. A newer one takes the place of the lock's.
func checkForeign(in *Input, base rootfs.Package, x *pkgindex.Index) error {
	have, err := evrOf(base)
	if err != nil {
		return fmt.Errorf("%s: base %s: %w", in.Spec.Label, in.Base.Label, err)
	}
	if evr.Compare(have, evr.EVR{Epoch: x.Epoch, Version: x.Version, Release: x.Release}) < 0 {
		return cli.Hint(fmt.Errorf("%s: the base %s has %s, which is older than %s of the lock", in.Spec.Label, in.Base.Label, base.NEVRA, x.NEVRA),
			"take a newer image for the base, or lock the versions that it has")
	}
	return nil
}

// evrOf cuts epoch, version and release out of the NEVRA of a package.
func evrOf(p rootfs.Package) (evr.EVR, error) {
	text, ok := strings.CutPrefix(p.NEVRA, p.Name+"-")
	if !ok {
		return evr.EVR{}, fmt.Errorf("package %s is called %s", p.NEVRA, p.Name)
	}
	return evr.Parse(strings.TrimSuffix(text, "."+p.Arch))
}

// readLinks finds the canonical place of every symbolic link: those nearer to the root first, because they decide where the
// deeper ones are. The base wins, then the package name. Where the base has something else there is no link.
func (u *universe) readLinks(base *rootfs.Tree) {
	type link struct {
		depth        int
		path, target string
	}
	var all []link
	real := map[string]bool{} // a candidate's link in place of a directory of the base is for compose to refuse
	if base != nil {
		for _, e := range base.Entries {
			if e.Type == pkgindex.TypeSymlink {
				all = append(all, link{strings.Count(e.Path, "/"), e.Path, e.Link})
			} else {
				real[e.Path] = true
			}
		}
	}
	for _, p := range u.pkgs {
		for i := range p.x.Files {
			if f := &p.x.Files[i]; f.Type == pkgindex.TypeSymlink && !f.Ghost() {
				all = append(all, link{strings.Count(f.Path, "/"), f.Path, f.LinkTarget})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b link) int { return cmp.Compare(a.depth, b.depth) })
	for _, l := range all {
		at := u.canonicalSlow(l.path)
		if _, known := u.links[at]; !known && !real[at] {
			u.links[at] = l.target
		}
	}
}

func (u *universe) link(p string) (string, bool) {
	target, ok := u.links[p]
	return target, ok
}

// canonicalSlow resolves the links in the parents of p; where they go in circles it keeps p.
func (u *universe) canonicalSlow(p string) string {
	if c, err := rootfs.ResolveLinks(p, false, u.link); err == nil {
		return c
	}
	return p
}

// dir is the canonical form of a directory, which need not exist.
func (u *universe) dir(d string) string {
	if c, ok := u.dirs[d]; ok {
		return c
	}
	c, err := rootfs.ResolveLinks(d, true, u.link)
	if err != nil {
		c = d
	}
	u.dirs[d] = c
	return c
}

// canonical is where the last component of p stands, itself not followed.
func (u *universe) canonical(p string) string {
	i := strings.LastIndexByte(p, '/')
	name := p[i+1:]
	if i <= 0 || name == "" || name == "." || name == ".." {
		return u.canonicalSlow(p)
	}
	d := u.dir(p[:i])
	if d == p[:i] {
		return p
	}
	return rootfs.Join(d, name)
}

func (u *universe) at(canonical string) *node {
	n := u.nodes[canonical]
	if n == nil {
		n = &node{path: canonical}
		u.nodes[canonical] = n
	}
	return n
}

func (u *universe) addBase(base *rootfs.Tree) {
	if base == nil {
		return
	}
	for _, e := range base.Entries {
		u.at(e.Path).base = e
		if e.ELF != nil {
			u.addLevel(e.Path)
		}
	}
}

// levels lists what processors of this architecture may look for in directories of glibc-hwcaps, if there are any: each
// element is for one kind of processor. The levels of an architecture have names in the order of what they demand.
func (u *universe) levels() [][]string {
	var out [][]string
	for i := range u.hwcaps {
		levels := slices.Clone(u.hwcaps[:i+1])
		slices.Reverse(levels)
		out = append(out, levels)
	}
	return out
}

func (u *universe) addLevel(file string) {
	if level := ldso.Level(file); level != "" {
		if i, known := slices.BinarySearch(u.hwcaps, level); !known {
			u.hwcaps = slices.Insert(u.hwcaps, i, level)
		}
	}
}

func (u *universe) addPackage(p *pkg) {
	p.files = make([]file, 0, len(p.x.Files))
	for i := range p.x.Files {
		f := &p.x.Files[i]
		if f.Ghost() {
			continue
		}
		p.files = append(p.files, file{File: f, p: p, node: u.at(u.canonical(f.Path))})
		last := &p.files[len(p.files)-1]
		if f.ELF != nil {
			u.addLevel(f.Path)
		}
		last.node.files = append(last.node.files, last)
	}
}

// find returns the file of p that stands at the path, which may be spelled through links.
func (u *universe) find(p *pkg, name string) *file {
	n := u.nodes[u.canonical(name)]
	if n == nil {
		return nil
	}
	for _, f := range n.files {
		if f.p == p {
			return f
		}
	}
	return nil
}

// linksOn lists the canonical paths of the links that resolving the directory d goes through.
func (u *universe) linksOn(d string) []string {
	if u.dir(d) == d {
		return nil
	}
	var out []string
	// Resolved before without an error, or kept as it is: an error here changes nothing.
	_, _ = rootfs.ResolveLinks(d, true, func(p string) (string, bool) {
		target, ok := u.links[p]
		if ok {
			out = append(out, p)
		}
		return target, ok
	})
	return out
}
