package check

import (
	"errors"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// runtimeDirs are mounted by whoever runs the container.
var runtimeDirs = []string{"/proc", "/sys", "/dev"}

// Limits of path_resolution(7).
const (
	maxLinks    = 40
	maxWalkText = 4096
)

var errLoop = errors.New("too many symbolic links")

// walked is where a path leads.
type walked struct {
	path  string        // as far as it exists, and the first name that does not
	entry *rootfs.Entry // nil: does not exist, or "/"
	above bool          // a ".." was applied to the root
	dirs  []*rootfs.Entry
}

func (w *walked) exists() bool { return w.entry != nil || w.path == "/" }

// walk resolves p as the kernel does, with every link followed: unlike rootfs.ResolveLinks it stops at the first name that does
// not exist, and nothing lies beyond what is no directory. A path in a runtime directory ends there: what is in it is not known.
func (c *checker) walk(from, p string) (*walked, error) {
	type part struct {
		name string
		own  bool // stands in p itself, not in a link on the way
	}
	split := func(text string, own bool) (parts []part) {
		for name := range strings.SplitSeq(text, "/") {
			parts = append(parts, part{name, own})
		}
		return parts
	}
	w := &walked{path: "/"}
	todo := split(p, true)
	if !strings.HasPrefix(p, "/") {
		todo = append(split(from, true), todo...)
	}
	for links := 0; len(todo) > 0; {
		next := todo[0]
		todo = todo[1:]
		if w.entry != nil && w.entry.Type != pkgindex.TypeDir {
			w.path, w.entry = rootfs.Join(w.path, next.name), nil // even "" and "." want a directory
			return w, nil
		}
		switch next.name {
		case "", ".":
			continue
		case "..":
			w.above = w.above || (w.path == "/" && next.own)
			w.path = rootfs.Dir(w.path)
			w.entry = c.fs.Get(w.path)
			continue
		}
		if w.entry != nil {
			w.dirs = append(w.dirs, w.entry)
		}
		parent := w.path
		w.path = rootfs.Join(parent, next.name)
		w.entry = c.fs.Get(w.path)
		if slices.Contains(runtimeDirs, w.path) && (w.entry == nil || w.entry.Type == pkgindex.TypeDir) {
			return w, nil
		}
		if w.entry == nil {
			return w, nil
		}
		if w.entry.Type != pkgindex.TypeSymlink {
			continue
		}
		if links++; links > maxLinks || len(w.entry.Link) > maxWalkText {
			return w, errLoop
		}
		todo = append(split(w.entry.Link, false), todo...)
		w.path = parent
		if strings.HasPrefix(w.entry.Link, "/") {
			w.path = "/"
		}
		w.entry = c.fs.Get(w.path)
	}
	return w, nil
}

func (c *checker) symlink(e *rootfs.Entry) {
	if e.Link == "" {
		c.add(DanglingSymlink, e.Path, "has no target")
		return
	}
	if len(e.Link) > maxWalkText {
		c.add(DanglingSymlink, e.Path, "its target has %d bytes, Linux follows up to %d", len(e.Link), maxWalkText)
		return
	}
	to, err := c.walk(rootfs.Dir(e.Path), e.Link)
	if to.above {
		c.add(EscapingSymlink, e.Path, "-> %s leads out of the root", e.Link)
	}
	switch {
	case err != nil:
		c.add(DanglingSymlink, e.Path, "-> %s goes in circles", e.Link)
	case slices.Contains(runtimeDirs, to.path):
	case !to.exists():
		c.add(DanglingSymlink, e.Path, "-> %s: %s", e.Link, c.missing(to.path))
	case to.entry != nil && to.entry.Type == pkgindex.TypeFile:
		c.shell(e.Path, to.entry)
	}
}

// missing says why nothing is at the path where a walk ended.
func (c *checker) missing(path string) string {
	if parent := c.fs.Get(rootfs.Dir(path)); parent != nil && parent.Type != pkgindex.TypeDir {
		return parent.Path + " is no directory"
	}
	return path + " does not exist"
}
