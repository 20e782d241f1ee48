package rootfs

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// maxLinks is the number of symbolic links followed in one path, as in Linux (path_resolution(7)).
const maxLinks = 40

// FS is a tree that can be changed. The zero value is not usable; see NewFS.
type FS struct {
	entries map[string]*Entry
	linked  map[string]int // number of hard links to a path, so that most changes need no search for them
	sorted  []*Entry       // all but added; nil until somebody asks
	added   []string       // paths put since then, so that small changes between listings cost no new sort
}

// NewFS returns a tree that holds entries, which it does not copy.
func NewFS(entries []*Entry) *FS {
	fs := &FS{entries: make(map[string]*Entry, len(entries)), linked: map[string]int{}}
	for _, e := range entries {
		fs.entries[e.Path] = e
		if e.HardLink != "" {
			fs.linked[e.HardLink]++
		}
	}
	return fs
}

// Len returns the number of entries.
func (fs *FS) Len() int { return len(fs.entries) }

// Get returns the entry at the canonical path p, or nil.
func (fs *FS) Get(p string) *Entry { return fs.entries[p] }

// Entries returns all entries by path, bytewise. The slice belongs to fs.
func (fs *FS) Entries() []*Entry {
	if fs.sorted == nil {
		fs.sorted, fs.added = make([]*Entry, 0, len(fs.entries)), nil
		for _, e := range fs.entries {
			fs.sorted = append(fs.sorted, e)
		}
		SortEntries(fs.sorted)
	}
	if len(fs.added) > 0 {
		fs.merge()
	}
	return fs.sorted
}

// merge puts the added entries into their places.
func (fs *FS) merge() {
	slices.Sort(fs.added)
	all := make([]*Entry, 0, len(fs.sorted)+len(fs.added))
	i := 0
	for _, p := range slices.Compact(fs.added) {
		e := fs.entries[p]
		if e == nil {
			continue // gone again
		}
		for ; i < len(fs.sorted) && fs.sorted[i].Path < p; i++ {
			all = append(all, fs.sorted[i])
		}
		all = append(all, e)
	}
	fs.sorted, fs.added = append(all, fs.sorted[i:]...), nil
}

// place returns where p is, or would be, in the sorted entries.
func (fs *FS) place(p string) int {
	return sort.Search(len(fs.sorted), func(i int) bool { return fs.sorted[i].Path >= p })
}

// Under returns the entries below the canonical directory dir, at any depth, by path. The slice belongs to fs.
func (fs *FS) Under(dir string) []*Entry {
	all := fs.Entries()
	if dir == "/" {
		if len(all) > 0 && all[0].Path == "/" {
			return all[1:]
		}
		return all
	}
	// "dir0" is the first path that sorts after every "dir/...", as '0' follows '/'.
	lo := sort.Search(len(all), func(i int) bool { return all[i].Path >= dir+"/" })
	hi := sort.Search(len(all), func(i int) bool { return all[i].Path >= dir+"0" })
	return all[lo:hi]
}

// List returns the entries directly in the canonical directory dir, by path.
func (fs *FS) List(dir string) []*Entry {
	var out []*Entry
	for _, e := range fs.Under(dir) {
		if Dir(e.Path) == dir {
			out = append(out, e)
		}
	}
	return out
}

// Put adds e, replacing what is at its path. The path must be canonical (see Canonical). The HardLink of an entry must not be
// changed while fs holds it.
func (fs *FS) Put(e *Entry) {
	if old := fs.entries[e.Path]; old == e {
		return
	} else if old != nil {
		fs.unlink(old)
	}
	fs.entries[e.Path] = e
	if e.HardLink != "" {
		fs.linked[e.HardLink]++
	}
	if fs.sorted == nil {
		return
	}
	if i := fs.place(e.Path); i < len(fs.sorted) && fs.sorted[i].Path == e.Path {
		fs.sorted[i] = e
	} else {
		fs.added = append(fs.added, e.Path)
	}
}

// Linked reports whether e is of a set of hard links.
func (fs *FS) Linked(e *Entry) bool { return e.HardLink != "" || fs.linked[e.Path] > 0 }

// Remove takes out the entry at p and everything below it.
func (fs *FS) Remove(p string) {
	if e := fs.entries[p]; e != nil && e.Type == pkgindex.TypeDir {
		for _, below := range append([]*Entry(nil), fs.Under(p)...) {
			fs.unlink(below)
			delete(fs.entries, below.Path)
		}
	}
	e := fs.entries[p]
	if e == nil {
		return
	}
	fs.unlink(e)
	delete(fs.entries, p)
	if fs.sorted == nil {
		return
	}
	if len(fs.added) > 0 {
		fs.merge()
	}
	if e.Type == pkgindex.TypeDir {
		fs.cut(fs.place(p+"/"), fs.place(p+"0"))
	}
	if i := fs.place(p); i < len(fs.sorted) && fs.sorted[i].Path == p {
		fs.cut(i, i+1)
	}
}

// cut takes entries out of the sorted ones, of which callers may hold the slice.
func (fs *FS) cut(lo, hi int) {
	if lo < hi {
		fs.sorted = slices.Concat(fs.sorted[:lo], fs.sorted[hi:])
	}
}

// Detach takes out one entry that is no directory; other members of its set of hard links stay as they are, so the caller
// must put right what that leaves.
func (fs *FS) Detach(p string) {
	e := fs.entries[p]
	if e == nil {
		return
	}
	if e.HardLink != "" {
		fs.linked[e.HardLink]--
	}
	linked := fs.linked[p]
	delete(fs.linked, p)
	fs.Remove(p)
	if linked > 0 {
		fs.linked[p] = linked
	}
}

// unlink takes e out of its set of hard links; the content goes to the next member.
func (fs *FS) unlink(e *Entry) {
	if e.HardLink != "" {
		fs.linked[e.HardLink]--
		return
	}
	if fs.linked[e.Path] == 0 {
		return
	}
	delete(fs.linked, e.Path)
	var next *Entry
	for _, other := range fs.Entries() {
		if other.HardLink != e.Path || fs.entries[other.Path] != other {
			continue
		}
		if next == nil {
			next = other
			next.HardLink = ""
		} else {
			other.HardLink = next.Path
			fs.linked[next.Path]++
		}
	}
}

// Canonical resolves the symbolic links in the parents of p; the last component is not followed. Components that do not
// exist are kept as they are. ".." never leaves the root.
func (fs *FS) Canonical(p string) (string, error) {
	return ResolveLinks(p, false, fs.link)
}

// Follow resolves all symbolic links of p, the last component included. The result need not exist.
func (fs *FS) Follow(p string) (string, error) {
	return ResolveLinks(p, true, fs.link)
}

// Stat returns the entry that p leads to after following all links, or nil.
func (fs *FS) Stat(p string) *Entry {
	real, err := fs.Follow(p)
	if err != nil {
		return nil
	}
	return fs.entries[real]
}

func (fs *FS) link(p string) (string, bool) {
	if e := fs.entries[p]; e != nil && e.Type == pkgindex.TypeSymlink {
		return e.Link, true
	}
	return "", false
}

// ResolveLinks makes p canonical. link tells the target of a canonical path that is a symbolic link. With last unset the
// last component is not followed.
func ResolveLinks(p string, last bool, link func(string) (string, bool)) (string, error) {
	todo := splitPath(p)
	done := "/"
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = Dir(done)
			continue
		}
		next := Join(done, name)
		target, ok := link(next)
		if !ok || (len(todo) == 0 && !last) {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("resolving %s: more than %d symbolic links", p, maxLinks)
		}
		if strings.HasPrefix(target, "/") {
			done = "/"
		}
		todo = append(splitPath(target), todo...)
	}
	return done, nil
}

func splitPath(p string) []string {
	return strings.Split(strings.Trim(p, "/"), "/")
}
