package ldcache

import (
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// File is a file of a directory as ldconfig sees it.
type File struct {
	Name string
	Link bool          // a symbolic link; ELF is that of the file it leads to
	ELF  *pkgindex.ELF // nil: not ELF, or the link is dangling
}

// Link is a symbolic link that ldconfig makes so that a library can be found by its soname.
type Link struct{ Name, Target string }

// library is the best file found for one name.
type library struct {
	soname string
	file   File
	link   bool
	flags  int32
}

// Scan returns what ldconfig puts into the cache for the directory dir, and the links it makes there. hwcap is empty, or the
// name of the glibc-hwcaps subdirectory that dir is. Files must be sorted by name.
func Scan(dir, hwcap string, files []File) (entries []Entry, links []Link) {
	var libs []*library
next:
	for _, f := range files {
		if !isLibraryName(f.Name) || f.ELF == nil || f.ELF.Type != "dyn" {
			continue
		}
		flags, ok := Flags(f.ELF.Machine, f.ELF.Class)
		if !ok {
			continue
		}
		soname, link := f.ELF.Soname, f.Link
		if soname == "" {
			soname = f.Name
		}
		if link && f.Name != soname {
			// A development link (libfoo.so beside libfoo.so.1) gets an entry of its own; any other link that is not the
			// soname counts as one more file that implements the library.
			if link = strings.HasSuffix(f.Name, ".so") && strings.HasPrefix(soname, f.Name); link {
				soname = f.Name
			}
		}
		for _, l := range libs {
			if l.soname != soname || l.flags != flags {
				continue
			}
			if (!link && l.link) || (link == l.link && Compare(l.file.Name, f.Name) < 0) {
				l.file, l.link = f, link
			}
			continue next
		}
		libs = append(libs, &library{soname, f, link, flags})
	}
	for _, l := range libs {
		// The loader takes the link named like the soname, so that an update under another file name works; below
		// glibc-hwcaps it takes the file itself.
		name := l.soname
		if hwcap != "" {
			name = l.file.Name
		}
		entries = append(entries, Entry{Name: l.soname, Path: path.Join(dir, name), Flags: l.flags, Hwcap: hwcap})
		if !l.link && l.file.Name != l.soname && !strings.Contains(l.soname, "/") {
			links = append(links, Link{l.soname, l.file.Name})
		}
	}
	return entries, links
}

// isLibraryName is ldconfig's own filter. Names of GDB scripts and of prelink's temporary files are not libraries.
func isLibraryName(name string) bool {
	if !strings.HasPrefix(name, "lib") && !strings.HasPrefix(name, "ld-") {
		return false
	}
	return strings.Contains(name, ".so") && !strings.HasSuffix(name, "-gdb.py") && !strings.Contains(name, ".#prelink#") &&
		!strings.HasSuffix(name, ".dpkg-new") && !strings.HasSuffix(name, ".dpkg-tmp") && !strings.Contains(name, ";")
}

// Directive is a line of ld.so.conf: a directory, or the glob of files to include there.
type Directive struct {
	Dir     string
	Include string
}

// ParseConf reads ld.so.conf as ldconfig(8) does. Lines start with a directory or with "include GLOB"; "#" starts a
// comment; "hwcap" lines are obsolete and have no effect, like directories that are not absolute.
func ParseConf(text string) []Directive {
	var out []Directive
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "hwcap":
		case fields[0] == "include":
			for _, glob := range fields[1:] {
				out = append(out, Directive{Include: glob})
			}
		default:
			// One directory a line, which may hold blanks; older files separate several by colons or commas.
			for _, dir := range strings.FieldsFunc(strings.TrimSpace(line), func(r rune) bool { return r == ':' || r == ',' }) {
				if dir = strings.TrimSpace(dir); strings.HasPrefix(dir, "/") {
					out = append(out, Directive{Dir: path.Clean(dir)})
				}
			}
		}
	}
	return out
}
