package compose

import (
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldcache"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// maxIncludes bounds the nesting of ld.so.conf.
const maxIncludes = 16

// writeLdCache does what ldconfig -X with links, that is plain ldconfig, does to the tree, but for its auxiliary cache.
func (c *composer) writeLdCache() error {
	var err error
	if c.glibc, err = c.findGlibc(); err != nil || !c.spec.LDSOCache {
		return err
	}
	var cache ldcache.Cache
	seen := map[string]bool{}
	for _, dir := range c.libraryDirs() {
		real, err := c.fs.Follow(dir)
		if err != nil {
			continue // a loop of links: ldconfig cannot open it either
		}
		if e := c.fs.Get(real); e == nil || e.Type != pkgindex.TypeDir || seen[real] {
			continue
		}
		seen[real] = true
		entries, err := c.scanLibraries(dir, real, "")
		if err != nil {
			return err
		}
		cache.Entries = append(cache.Entries, entries...)
		for _, sub := range c.fs.List(real + "/glibc-hwcaps") {
			if sub.Type != pkgindex.TypeDir {
				continue
			}
			name := rootfs.Base(sub.Path)
			if entries, err = c.scanLibraries(dir+"/glibc-hwcaps/"+name, sub.Path, name); err != nil {
				return err
			}
			cache.Entries = append(cache.Entries, entries...)
		}
	}
	cache.Generator = "ldconfig (rules_slimrpm)"
	if c.glibc != "" {
		cache.Generator = "ldconfig " + c.glibc
	}
	data, err := cache.Encode()
	if err != nil {
		return err
	}
	return c.rewrite("/etc/ld.so.cache", data, &rootfs.Entry{Mode: 0o644}, "ld.so.cache")
}

func (c *composer) scanLibraries(dir, real, hwcap string) ([]ldcache.Entry, error) {
	var files []ldcache.File
	for _, e := range c.fs.List(real) {
		f := ldcache.File{Name: rootfs.Base(e.Path), Link: e.Type == pkgindex.TypeSymlink}
		if target := c.fs.Stat(e.Path); target != nil && target.Type == pkgindex.TypeFile {
			f.ELF = target.ELF
		}
		files = append(files, f)
	}
	entries, links := ldcache.Scan(dir, hwcap, files)
	for _, l := range links {
		at := rootfs.Join(real, l.Name)
		if old := c.fs.Get(at); old != nil && (old.Type != pkgindex.TypeSymlink || c.fs.Stat(at) == c.fs.Stat(rootfs.Join(real, l.Target))) {
			continue
		}
		if err := c.putLink(at, l.Target, "ld.so.cache"); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// libraryDirs returns the directories that ldconfig looks at: those of ld.so.conf, then those built into the glibc of the
// image, which are not the same on Debian and elsewhere.
func (c *composer) libraryDirs() []string {
	dirs := c.confDirs("/etc/ld.so.conf", 0)
	if triplet := rootfs.Multiarch(c.spec.Arch); c.fs.Stat("/usr/lib/"+triplet+"/libc.so.6") != nil {
		return append(dirs, "/lib/"+triplet, "/usr/lib/"+triplet, "/lib", "/usr/lib")
	}
	return append(dirs, "/lib", "/lib64", "/usr/lib", "/usr/lib64")
}

func (c *composer) confDirs(file string, depth int) []string {
	e := c.fs.Stat(file)
	if e == nil || e.Type != pkgindex.TypeFile || depth > maxIncludes {
		return nil
	}
	data, err := c.readEntry(e)
	if err != nil {
		return nil
	}
	var dirs []string
	for _, d := range ldcache.ParseConf(string(data)) {
		if d.Include == "" {
			dirs = append(dirs, d.Dir)
			continue
		}
		glob := d.Include
		if !strings.HasPrefix(glob, "/") {
			glob = path.Join(path.Dir(file), glob)
		}
		real, err := c.fs.Follow(path.Dir(glob))
		if err != nil {
			continue
		}
		for _, inc := range c.fs.List(real) {
			if ok, err := path.Match(path.Base(glob), rootfs.Base(inc.Path)); ok && err == nil {
				dirs = append(dirs, c.confDirs(inc.Path, depth+1)...)
			}
		}
	}
	return dirs
}

// findGlibc returns how the C library of the image calls itself; ldconfig of the same build says the same. Empty for an image
// without one.
func (c *composer) findGlibc() (string, error) {
	e := rootfs.FindGlibc(c.fs, c.spec.Arch)
	if e == nil {
		return "", nil
	}
	if e.Layer != c.layer {
		return c.in.Base.Glibc, nil
	}
	data, err := c.readEntry(e)
	if err != nil {
		return "", err
	}
	return rootfs.GlibcBanner(data), nil
}
