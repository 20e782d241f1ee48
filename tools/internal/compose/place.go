package compose

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// maxShownConflicts bounds the list of conflicts in an error; two builds of one package conflict in every file.
const maxShownConflicts = 20

// place finds the canonical path of every file that ships, and checks conflicts between the new packages. The transaction puts the
// entries into the tree, package by package; links to directories that files of others lie beyond are there from the start.
// Owners are settled later, when the accounts are known.
func (c *composer) place() error {
	links, err := c.collectLinks()
	if err != nil {
		return err
	}
	canonical := newResolver(links)
	c.claims = map[string][]claim{}
	for _, p := range c.own {
		for i := range p.Index.Files {
			f := &p.Index.Files[i]
			if p.states[i] != rootfs.StateNormal {
				continue
			}
			if p.paths[i], err = canonical(f.Path); err != nil {
				return fmt.Errorf("package %s: %w", p.Index.NEVRA, err)
			}
			if !f.Ghost() || c.isDirLink(p.paths[i], f) {
				c.claims[p.paths[i]] = append(c.claims[p.paths[i]], claim{p, i})
			}
		}
	}
	paths := sortedKeys(c.claims)
	var conflicts []error
	for _, path := range paths {
		kept, errs := settleClaims(path, c.claims[path])
		c.claims[path] = kept
		conflicts = append(conflicts, errs...)
	}
	if err := conflictError(conflicts); err != nil {
		return err
	}
	return c.layDirLinks(paths)
}

// layDirLinks puts the links to directories of which a package has a file beyond.
func (c *composer) layDirLinks(paths []string) error {
	beyond := map[string]bool{}
	for _, p := range c.own {
		for i := range p.Index.Files {
			if p.states[i] != rootfs.StateNormal {
				continue
			}
			for dir := rootfs.Dir(p.Index.Files[i].Path); dir != "/" && !beyond[dir]; dir = rootfs.Dir(dir) {
				beyond[dir] = true
			}
		}
	}
	for _, path := range paths {
		if cl := c.claims[path]; len(cl) > 0 && cl[0].file().Type == pkgindex.TypeSymlink && beyond[cl[0].file().Path] {
			if err := c.layClaims(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// lay puts the files of one package into the tree, but for those that another one has brought already.
func (c *composer) lay(p *pkg) error {
	var paths []string
	for i, path := range p.paths {
		if p.states[i] == rootfs.StateNormal && path != "" && !c.laid[path] {
			paths = append(paths, path)
		}
	}
	sort.Strings(paths)
	for _, path := range paths {
		if err := c.layClaims(path); err != nil {
			return err
		}
	}
	return nil
}

// layClaims puts what packages have at a path. A scriptlet may have made a link of one of its parents since.
func (c *composer) layClaims(path string) error {
	claims := c.claims[path]
	if len(claims) == 0 || c.laid[path] {
		return nil
	}
	c.laid[path] = true
	real, err := c.fs.Canonical(path)
	if err != nil {
		return fmt.Errorf("package %s: %w", claims[0].pkg.Index.NEVRA, err)
	}
	if real != path {
		if c.claims[real] != nil {
			return conflictError([]error{fmt.Errorf("file conflict: %s and %s: a link that a scriptlet made leads from one to the other", path, real)})
		}
		delete(c.claims, path)
		c.claims[real], c.laid[real] = claims, true
		for _, cl := range claims {
			cl.pkg.paths[cl.i] = real
		}
	}
	return c.putClaims(real, claims)
}

// layOver puts a file of a package where a scriptlet of the same transaction, or a step that it called for, has made something:
// rpm replaces it, keeps what lies in a directory, a link to a directory, and a configuration file that must not be replaced.
func (c *composer) layOver(old, e *rootfs.Entry) error {
	owners := append(append([]string(nil), old.Owners...), e.Owners...)
	keep := e.Type == pkgindex.TypeDir && old.Type == pkgindex.TypeSymlink && c.isDir(old.Path) ||
		e.Type == pkgindex.TypeFile && old.Type == pkgindex.TypeFile && e.Flags&pkgindex.FlagNoReplace != 0 && !accountFiles[e.Path]
	if keep {
		old.Owners = owners
		return nil
	}
	e.Owners = owners
	return c.put(e)
}

func (c *composer) isDir(path string) bool {
	e := c.fs.Stat(path)
	return e != nil && e.Type == pkgindex.TypeDir
}

// collectLinks returns the targets of all symbolic links of the image by canonical path. The path of a link may itself lead
// through links, so the set is made anew until it stays.
func (c *composer) collectLinks() (map[string]string, error) {
	links := map[string]string{}
	for _, e := range c.fs.Entries() {
		if e.Type == pkgindex.TypeSymlink {
			links[e.Path] = e.Link
		}
	}
	type link struct{ path, target string }
	var raw []link
	c.dirLinks = c.ghostDirLinks()
	for _, p := range c.own {
		for i := range p.Index.Files {
			f := &p.Index.Files[i]
			if f.Type == pkgindex.TypeSymlink && p.states[i] == rootfs.StateNormal && (!f.Ghost() || c.isDirLink(f.Path, f)) {
				raw = append(raw, link{f.Path, f.LinkTarget})
			}
		}
	}
	for _, l := range c.spec.Symlinks {
		raw = append(raw, link{l.Path, l.Target})
	}
	const rounds = 8 // deeper nesting of links to directories than any distribution has
	for range rounds {
		canonical := newResolver(links)
		next := make(map[string]string, len(links)+len(raw))
		for _, e := range c.fs.Entries() {
			if e.Type == pkgindex.TypeSymlink {
				next[e.Path] = e.Link
			}
		}
		for _, l := range raw {
			path, err := canonical(l.path)
			if err != nil {
				return nil, err
			}
			next[path] = l.target
		}
		same := len(next) == len(links)
		for path := range next {
			_, ok := links[path]
			same = same && ok
		}
		links = next
		if same {
			return links, nil
		}
	}
	return nil, fmt.Errorf("symbolic links of the packages lead through each other more than %d times", rounds)
}

// ghostDirLinks returns the links that a package lists as ghosts although files of other packages lie beyond them, such as
// /var/run -> ../run of older releases: a lua scriptlet makes them before anything else is installed.
func (c *composer) ghostDirLinks() map[string]bool {
	ghosts, used := map[string]bool{}, map[string]bool{}
	for _, p := range c.own {
		for i := range p.Index.Files {
			if f := &p.Index.Files[i]; f.Ghost() && f.Type == pkgindex.TypeSymlink && f.LinkTarget != "" {
				ghosts[f.Path] = true
			}
		}
	}
	if len(ghosts) == 0 {
		return nil
	}
	for _, p := range c.own {
		for i := range p.Index.Files {
			if p.states[i] != rootfs.StateNormal || p.Index.Files[i].Ghost() {
				continue
			}
			for dir := rootfs.Dir(p.Index.Files[i].Path); dir != "/"; dir = rootfs.Dir(dir) {
				if ghosts[dir] {
					used[dir] = true
				}
			}
		}
	}
	return used
}

func (c *composer) isDirLink(path string, f *pkgindex.File) bool {
	return f.Type == pkgindex.TypeSymlink && c.dirLinks[path]
}

// newResolver returns a function that resolves the parents of a path. It remembers directories, because packages have
// many files in few of them.
func newResolver(links map[string]string) func(string) (string, error) {
	dirs := map[string]string{}
	lookup := func(p string) (string, bool) { t, ok := links[p]; return t, ok }
	return func(p string) (string, error) {
		if p == "/" {
			return p, nil
		}
		dir := rootfs.Dir(p)
		real, ok := dirs[dir]
		if !ok {
			var err error
			if real, err = rootfs.ResolveLinks(dir, true, lookup); err != nil {
				return "", err
			}
			dirs[dir] = real
		}
		return rootfs.Join(real, rootfs.Base(p)), nil
	}
}

// settleClaims applies rpm's rules for paths of several packages: equal files are shared, of two colours that differ the
// 64-bit file is installed, everything else is a conflict.
func settleClaims(path string, claims []claim) (kept []claim, conflicts []error) {
	if len(claims) == 1 {
		return claims, nil
	}
	best := claims[0]
	for _, cl := range claims[1:] {
		if cl.file().Color > best.file().Color {
			best = cl
		}
	}
	for _, cl := range claims {
		if f := cl.file(); f.Color != 0 && f.Color != best.file().Color && differ(best, cl) != "" {
			cl.pkg.states[cl.i] = rootfs.StateWrongColor
			continue
		}
		kept = append(kept, cl)
	}
	first := kept[0]
	for _, cl := range kept[1:] {
		if diff := differ(first, cl); diff != "" {
			conflicts = append(conflicts, fmt.Errorf("file conflict: %s: %s and %s: %s", path, first.pkg.Index.NEVRA, cl.pkg.Index.NEVRA, diff))
		}
	}
	return kept, conflicts
}

// differ names the first attribute in which two files of packages differ, with both values.
func differ(a, b claim) string {
	x, y := a.content(), b.content()
	switch {
	case x.Type != y.Type:
		return fmt.Sprintf("type %s against %s", x.Type, y.Type)
	case x.Type == pkgindex.TypeSymlink && x.LinkTarget != y.LinkTarget:
		return fmt.Sprintf("link target %s against %s", x.LinkTarget, y.LinkTarget)
	case x.Type != pkgindex.TypeSymlink && x.Mode != y.Mode:
		return fmt.Sprintf("mode %04o against %04o", x.Mode, y.Mode)
	case x.User != y.User:
		return fmt.Sprintf("user %s against %s", x.User, y.User)
	case x.Group != y.Group:
		return fmt.Sprintf("group %s against %s", x.Group, y.Group)
	case x.Type == pkgindex.TypeFile && x.SizeBytes != y.SizeBytes:
		return fmt.Sprintf("size %d against %d", x.SizeBytes, y.SizeBytes)
	case x.Type == pkgindex.TypeFile && x.SHA256 != y.SHA256:
		return fmt.Sprintf("sha256 %s against %s", x.SHA256, y.SHA256)
	case x.RdevMajor != y.RdevMajor || x.RdevMinor != y.RdevMinor:
		return fmt.Sprintf("device %d:%d against %d:%d", x.RdevMajor, x.RdevMinor, y.RdevMajor, y.RdevMinor)
	case x.Caps != y.Caps:
		return fmt.Sprintf("capabilities %q against %q", x.Caps, y.Caps)
	}
	return ""
}

// content returns the file with the content of its set of hard links: only one member of a set has it in the payload.
func (c claim) content() *pkgindex.File {
	f := c.file()
	if f.HardLinks == 0 || f.SizeBytes > 0 {
		return f
	}
	for i := range c.pkg.Index.Files {
		if other := &c.pkg.Index.Files[i]; other.HardLinks == f.HardLinks && other.SizeBytes > 0 {
			merged := *f
			merged.SizeBytes, merged.SHA256, merged.Offset, merged.ELF = other.SizeBytes, other.SHA256, other.Offset, other.ELF
			merged.Interp, merged.InterpArg = other.Interp, other.InterpArg
			return &merged
		}
	}
	return f
}

func conflictError(conflicts []error) error {
	if len(conflicts) == 0 {
		return nil
	}
	if more := len(conflicts) - maxShownConflicts; more > 0 {
		conflicts = append(conflicts[:maxShownConflicts], fmt.Errorf("and %d more file conflicts", more))
	}
	return cli.Hint(errors.Join(conflicts...), "leave one of the packages out with exclude, or take single files of it with rpm_binary")
}

// putClaims makes the entry of a path that new packages have, and checks it against the base.
func (c *composer) putClaims(path string, claims []claim) error {
	f := claims[0].content()
	e := &rootfs.Entry{Path: path, Type: f.Type, Mode: f.Mode, ModTime: f.ModTime, Link: f.LinkTarget, RdevMajor: f.RdevMajor,
		RdevMinor: f.RdevMinor, Caps: f.Caps, Flags: f.Flags, ELF: f.ELF, Interp: f.Interp, InterpArg: f.InterpArg}
	if f.Type == pkgindex.TypeSymlink {
		e.Mode = 0o777
	}
	if f.IMA != "" && c.spec.Policies.IMA == "keep" {
		signature, err := hex.DecodeString(f.IMA)
		if err != nil {
			return fmt.Errorf("package %s: %s: IMA signature: %w", claims[0].pkg.Index.NEVRA, f.Path, err)
		}
		e.Xattrs = map[string][]byte{"security.ima": signature}
	}
	if f.Type == pkgindex.TypeFile {
		e.SizeBytes, e.SHA256 = f.SizeBytes, f.SHA256
		e.Content = rootfs.Content{Source: claims[0].pkg.Payload, Offset: f.Offset}
		if f.SHA256 == "" {
			return fmt.Errorf("package %s: %s: its index has no sha256", claims[0].pkg.Index.NEVRA, f.Path)
		}
		e.HardLink = claims[0].hardLink(path)
	}
	for _, cl := range claims {
		e.Owners = append(e.Owners, cl.pkg.Index.NEVRA)
	}
	if old := c.fs.Get(path); old != nil && old.Layer == c.layer {
		if err := c.layOver(old, e); err != nil {
			return fmt.Errorf("package %s: %w", claims[0].pkg.Index.NEVRA, err)
		}
		return nil
	} else if old != nil {
		return c.joinBase(old, e, claims)
	}
	if err := c.put(e); err != nil {
		return fmt.Errorf("package %s: %w", claims[0].pkg.Index.NEVRA, err)
	}
	return nil
}

// hardLink returns the first path of the set of hard links that path belongs to, or "" for the first itself.
func (c claim) hardLink(path string) string {
	set := c.file().HardLinks
	if set == 0 {
		return ""
	}
	first := path
	for i := range c.pkg.Index.Files {
		if f := &c.pkg.Index.Files[i]; f.HardLinks == set && c.pkg.states[i] == rootfs.StateNormal && !f.Ghost() && c.pkg.paths[i] < first {
			first = c.pkg.paths[i]
		}
	}
	if first == path {
		return ""
	}
	return first
}

// joinBase handles a path that the base has. What a spec or a tool put there stays, except directories made for want of a
// package; what another package has must be equal.
func (c *composer) joinBase(old, e *rootfs.Entry, claims []claim) error {
	owners := append([]string(nil), old.Owners...)
	byPackage, bySpec := "", false
	if i := slices.IndexFunc(owners, c.hasContent); i >= 0 && (old.Type != e.Type || differEntries(old, e) != "") {
		conflict := fmt.Errorf("file conflict: %s: %s and content %s of the base", e.Path, e.Owners[0], owners[i])
		return cli.Hint(conflict, "leave the package's file out with exclude or rpm_binary, or give the content another path")
	}
	for _, owner := range owners {
		switch {
		case c.isBasePackage(owner):
			byPackage = owner
		case !rootfs.IsMade(owner):
			bySpec = true
		}
	}
	if old.Type != e.Type {
		conflict := fmt.Errorf("file conflict: %s: %s and %s of the base: type %s against %s", e.Path, e.Owners[0], owners[0], e.Type, old.Type)
		return cli.Hint(conflict, "leave one of the two out")
	}
	if !bySpec && byPackage == "" && owners[0] == rootfs.MadeBy("parents") {
		e.Owners = append(e.Owners, old.Owners...)
		return c.put(e)
	}
	if byPackage != "" && !bySpec {
		diff := differEntries(old, e)
		if colour, theirs := claims[0].file().Color, elfColour(old); diff != "" && colour != 0 && theirs != 0 && colour != theirs {
			if colour < theirs {
				for _, cl := range claims {
					cl.pkg.states[cl.i] = rootfs.StateWrongColor
				}
				return nil
			}
			return fmt.Errorf("file conflict: %s: the base has the 32-bit file of %s, %s brings the 64-bit one", e.Path, byPackage, e.Owners[0])
		}
		// Numbers of the owners are compared once they are known; see settleOwners.
		if diff != "" {
			conflict := fmt.Errorf("file conflict: %s: %s and %s of the base: %s", e.Path, e.Owners[0], byPackage, diff)
			return cli.Hint(conflict, "leave one of the packages out with exclude")
		}
	}
	old.Owners = append(old.Owners, e.Owners...)
	sort.Strings(old.Owners)
	return nil
}

func (c *composer) isBasePackage(nevra string) bool {
	i := sort.Search(len(c.based), func(i int) bool { return c.based[i].Index.NEVRA >= nevra })
	return i < len(c.based) && c.based[i].Index.NEVRA == nevra
}

// elfColour is the colour rpm gives to a file.
func elfColour(e *rootfs.Entry) uint32 {
	switch {
	case e.ELF == nil:
		return 0
	case e.ELF.Class == 64:
		return 2
	}
	return 1
}

// differEntries is differ for entries, without owners. A set-user-ID or device cannot hide in what it leaves out: mode and
// device numbers are compared.
func differEntries(a, b *rootfs.Entry) string {
	switch {
	case a.Type == pkgindex.TypeSymlink && a.Link != b.Link:
		return fmt.Sprintf("link target %s against %s", b.Link, a.Link)
	case a.Mode != b.Mode:
		return fmt.Sprintf("mode %04o against %04o", b.Mode, a.Mode)
	case a.Type == pkgindex.TypeFile && (a.SHA256 != b.SHA256 || a.SizeBytes != b.SizeBytes):
		return fmt.Sprintf("sha256 %s against %s", b.SHA256, a.SHA256)
	case a.RdevMajor != b.RdevMajor || a.RdevMinor != b.RdevMinor:
		return "device numbers"
	case a.Caps != b.Caps:
		return fmt.Sprintf("capabilities %q against %q", b.Caps, a.Caps)
	}
	return ""
}
