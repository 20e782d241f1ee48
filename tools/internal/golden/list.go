// Package golden says what is in an image as a text that is committed and reviewed: its packages, and the paths that it adds to
// its base, grouped by the package that owns them. It compares such a text with an image.
//
// What a base has is in the text of the base, and long runs of plain files of one directory are one line, so that the texts stay
// small enough to be read in a review.
package golden

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

const (
	// foldFrom is how many plain files or links of a directory make one line.
	foldFrom = 24
	// treeFrom is how many paths that no package owns, from one archive for example, make lines for whole trees, of treeDepth names.
	treeFrom  = 1000
	treeDepth = 5
	// digestDigits is how much of a SHA-256 the text has: enough to see a change, and nobody verifies anything by it.
	digestDigits = 16
	// unsaid stands for a size that the text does not say.
	unsaid = -1
	// mib is the unit of sizes that people read.
	mib = 1 << 20
	// removed is the section of what the base has and the image has not.
	removed = "removed"
)

// List is what is in an image of one architecture.
type List struct {
	Variant, Release, Arch string // Arch is OCI's name
	MiB                    int64  // of its regular files, hard links once, rounded
	Paths                  int    // of the whole image
	Packages               []Package
	Entries                []Entry // by Section, then Path; what the base does not have alike
}

// Package is one package of the image's rpmdb.
type Package struct {
	Name, Version, Arch string // Version is [epoch:]version-release
	Bytes               int64  // of its regular files in the image
	Partial             bool   // only some of its files ship
	Provided            bool   // only registered
	Base                bool   // the base ships it, in the same version
}

// Entry is one path, or many plain files or links of one directory.
type Entry struct {
	Section string // name of the package that owns it, or what else made it
	Kind    string // file, dir, symlink, ..., "hardlink"; "files", "symlinks" and "tree" for many; "gone" for what the base has
	Mode    string // octal
	Owner   string // uid:gid
	Bytes   int64  // of files; unsaid where the text does not say it
	Digest  string // of files: of content; of many: of names, contents and targets; "" where the text does not say it
	Count   int    // of many
	Path    string // of many: that of the directory
	Target  string // of links
	Caps    string // file capabilities
}

// Options are what a tree does not know.
type Options struct {
	Variant, Release, Arch string
	// Moving says that packages get newer without a commit of this repository. The text then has no size and digest of what such a
	// machine makes: the package database, whose headers name the rpm that made a package, and programs that no package owns, which
	// depend on the version of the compiler.
	Moving bool
}

// New lists a tree, without what base, which may be nil, has alike.
func New(tree, base *rootfs.Tree, o Options) *List {
	l := &List{Variant: o.Variant, Release: o.Release, Arch: o.Arch, Paths: len(tree.Entries), MiB: (Size(tree) + mib/2) / mib}
	names := map[string]string{} // NEVRA to section
	for _, p := range tree.Packages {
		pkg := Package{Name: p.Name, Arch: p.Arch, Bytes: p.SizeBytes, Partial: p.Partial, Provided: p.Provided, Base: hasPackage(base, p.NEVRA)}
		pkg.Version = strings.TrimSuffix(strings.TrimPrefix(p.NEVRA, p.Name+"-"), "."+p.Arch)
		names[p.NEVRA] = p.Name
		l.Packages = append(l.Packages, pkg)
	}
	slices.SortFunc(l.Packages, func(a, b Package) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version)) })
	packaged := map[string]bool{}
	for _, p := range l.Packages {
		packaged[p.Name] = true
	}
	old := map[string]*rootfs.Entry{}
	if base != nil {
		for _, e := range base.Entries {
			old[e.Path] = e
		}
	}
	var entries []Entry
	plain := map[string]bool{}
	for _, e := range tree.Entries {
		made := newEntry(e, names)
		if b := old[e.Path]; b != nil {
			delete(old, e.Path)
			was := newEntry(b, names)
			was.Section = made.Section
			if was == made && b.SHA256 == e.SHA256 {
				continue
			}
		}
		if o.Moving && (made.Section == "rules_slimrpm:rpmdb" || e.ELF != nil && !packaged[made.Section]) {
			made.Bytes, made.Digest = unsaid, ""
		}
		plain[e.Path] = isPlain(e)
		entries = append(entries, made)
	}
	for path := range old {
		entries = append(entries, Entry{Section: removed, Kind: "gone", Path: path})
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Path, b.Path)) })
	l.Entries = fold(foldTrees(entries, plain, packaged), plain)
	return l
}

// Size is the number of bytes of the regular files of a tree, hard links once.
func Size(tree *rootfs.Tree) int64 {
	var sum int64
	for _, e := range tree.Entries {
		if e.Type == pkgindex.TypeFile && e.HardLink == "" {
			sum += e.SizeBytes
		}
	}
	return sum
}

func hasPackage(tree *rootfs.Tree, nevra string) bool {
	return tree != nil && slices.ContainsFunc(tree.Packages, func(p rootfs.Package) bool { return p.NEVRA == nevra })
}

func newEntry(e *rootfs.Entry, names map[string]string) Entry {
	out := Entry{Section: "unowned", Kind: e.Type, Mode: fmt.Sprintf("%04o", e.Mode), Owner: fmt.Sprintf("%d:%d", e.UID, e.GID), Path: e.Path, Caps: e.Caps}
	if len(e.Owners) > 0 {
		out.Section = cmp.Or(names[e.Owners[0]], e.Owners[0])
	}
	switch {
	case e.HardLink != "":
		out.Kind, out.Target = "hardlink", e.HardLink
	case e.Type == pkgindex.TypeFile:
		out.Bytes, out.Digest = e.SizeBytes, shortDigest(e.SHA256)
	case e.Type == pkgindex.TypeSymlink:
		out.Target, out.Mode = e.Link, "0777"
	case e.Type == pkgindex.TypeChar || e.Type == pkgindex.TypeBlock:
		out.Target = fmt.Sprintf("%d,%d", e.RdevMajor, e.RdevMinor)
	}
	return out
}

func shortDigest(digest string) string { return digest[:min(len(digest), digestDigits)] }

// isPlain reports whether an entry may become part of a line for many: no program, no library, nothing of which a mode matters.
func isPlain(e *rootfs.Entry) bool {
	switch e.Type {
	case pkgindex.TypeFile:
		return e.ELF == nil && e.HardLink == "" && e.Caps == "" && e.Mode&^0o644 == 0
	case pkgindex.TypeSymlink:
		return true
	}
	return false
}

// foldTrees makes one line of the plain files, links and directories deep below a directory, where they are very many and no package's.
func foldTrees(entries []Entry, plain, packaged map[string]bool) []Entry {
	sizes := map[string]int{}
	for _, e := range entries {
		sizes[e.Section]++
	}
	top := func(e Entry) string {
		names := strings.SplitN(e.Path, "/", treeDepth+2)
		ordinary := plain[e.Path] || e.Kind == pkgindex.TypeDir && e.Owner == "0:0" && len(strings.TrimLeft(e.Mode, "0")) <= 3
		if !ordinary || packaged[e.Section] || sizes[e.Section] < treeFrom || len(names) < treeDepth+2 {
			return ""
		}
		return e.Section + "\x00" + strings.Join(names[:treeDepth+1], "/")
	}
	trees := map[string][]Entry{}
	for _, e := range entries {
		if key := top(e); key != "" {
			trees[key] = append(trees[key], e)
		}
	}
	var out []Entry
	for _, e := range entries {
		key := top(e)
		members := trees[key]
		if key == "" || len(members) < foldFrom {
			out = append(out, e)
			continue
		}
		if members[0].Path == e.Path {
			_, dir, _ := strings.Cut(key, "\x00")
			out = append(out, many(Entry{Section: e.Section, Kind: "tree", Mode: "-", Owner: "-", Path: dir}, members))
		}
	}
	return out
}

// many makes the line e out of entries.
func many(e Entry, members []Entry) Entry {
	h := sha256.New()
	for _, m := range members {
		fmt.Fprintf(h, "%s\x00%s\x00%s", m.Path, m.Digest, m.Target)
		if e.Kind == "tree" {
			fmt.Fprintf(h, "\x00%s\x00%s\x00%s", m.Kind, m.Mode, m.Owner)
		}
		h.Write([]byte("\n"))
		e.Bytes += m.Bytes
	}
	e.Count, e.Digest = len(members), shortDigest(hex.EncodeToString(h.Sum(nil)))
	return e
}

// fold makes one line of many files or links of a directory that one package owns, with the same mode and owner.
func fold(entries []Entry, plain map[string]bool) []Entry {
	type group struct{ section, kind, mode, owner, dir string }
	groups := map[group][]Entry{}
	key := func(e Entry) group { return group{e.Section, e.Kind, e.Mode, e.Owner, rootfs.Dir(e.Path)} }
	for _, e := range entries {
		if plain[e.Path] {
			groups[key(e)] = append(groups[key(e)], e)
		}
	}
	var out []Entry
	for _, e := range entries {
		k := key(e)
		members := groups[k]
		if !plain[e.Path] || len(members) < foldFrom {
			out = append(out, e)
			continue
		}
		if members[0].Path != e.Path {
			continue
		}
		out = append(out, many(Entry{Section: e.Section, Kind: e.Kind + "s", Mode: e.Mode, Owner: e.Owner, Path: k.dir}, members))
	}
	return out
}
