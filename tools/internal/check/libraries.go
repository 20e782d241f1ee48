package check

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// searchKey names a kind of process.
type searchKey struct {
	class   int
	machine string
	musl    bool
}

// libraries checks that every ELF file for the machine of the image finds its interpreter, libraries and versions.
func (c *checker) libraries() {
	var programs, libraries []*rootfs.Entry
	for _, e := range c.tree.Entries {
		switch {
		case e.ELF == nil || e.HardLink != "" || e.Type != pkgindex.TypeFile || !c.native(e.ELF.Machine):
		case e.ELF.Type != "exec" && e.ELF.Type != "dyn":
		case e.ELF.Interp != "" && e.ELF.Soname == "":
			programs = append(programs, e)
		default:
			libraries = append(libraries, e)
		}
	}
	musl := c.isMusl()
	searches := map[searchKey]*ldso.Search{}
	loaded := map[string]bool{}
	for _, e := range slices.Concat(programs, libraries) {
		if loaded[e.Path] {
			continue // a program loads it; what it needs was found, or reported, there
		}
		key := searchKey{e.ELF.Class, e.ELF.Machine, ldso.IsMusl(e.ELF.Interp) || (musl && e.ELF.Interp == "")}
		if searches[key] == nil {
			searches[key] = c.loaderSearch(key)
		}
		c.load(e, searches[key], loaded)
	}
}

func (c *checker) load(e *rootfs.Entry, s *ldso.Search, loaded map[string]bool) {
	want := &ldso.Want{Class: e.ELF.Class, Machine: e.ELF.Machine}
	interp := ldso.Interpreter(e.ELF)
	if e.ELF.Interp != "" {
		interp = e.ELF.Interp
	}
	loader := c.open(interp, want)
	if loader == nil && e.ELF.Interp != "" {
		c.add(MissingInterpreter, e.Path, "loader %s does not exist", e.ELF.Interp)
	}
	root := &ldso.Object{Path: e.Path, Identity: e.Path, ELF: e.ELF}
	secure := e.Mode&0o6000 != 0 || e.Caps != ""
	for _, d := range s.Trace(root, loader, secure) {
		by := d.By.Identity
		if d.To == nil {
			c.addLibrary(MissingSoname, by, d.Want.Name, "needs %s%s, which is in none of %s%s", d.Want.Name, forProgram(e.Path, by),
				strings.Join(unique(s.Dirs(root, d.By, secure)), ", "), c.otherCopy(&d.Want))
			continue
		}
		loaded[d.To.Identity] = true
		for _, version := range d.Versions {
			c.addLibrary(MissingVersion, by, d.Want.Name, "needs version %s of %s, which %s does not define", version, d.Want.Name, d.To.Identity)
		}
	}
}

// compatible are the machines whose programs a kernel for another one runs too.
var compatible = map[string]string{"i386": "x86_64", "arm": "aarch64", "ppc": "ppc64", "s390": "s390x"}

// native reports whether the image's machine runs programs of that machine.
func (c *checker) native(machine string) bool {
	return machine == c.tree.Arch || compatible[machine] == c.tree.Arch
}

// machine reports a program that the image cannot run. Elsewhere than in a directory of programs, firmware may be what it is.
func (c *checker) machine(e *rootfs.Entry) {
	if e.ELF == nil || e.Mode&0o111 == 0 || !isProgramDir(rootfs.Dir(e.Path)) || c.native(e.ELF.Machine) {
		return
	}
	c.add(WrongMachine, e.Path, "is for %s, the image is for %s", e.ELF.Machine, c.tree.Arch)
}

// isMusl reports whether the image's C library is musl's and no other.
func (c *checker) isMusl() bool {
	musl := false
	for _, e := range c.tree.Entries {
		switch base := rootfs.Base(e.Path); {
		case base == "libc.so.6":
			return false
		case ldso.IsMusl(base):
			musl = true
		}
	}
	return musl
}

// otherCopy names the library where the loader does not look, or why what it found there does not fit.
func (c *checker) otherCopy(want *ldso.Want) string {
	for _, e := range c.named(path.Base(want.Name)) {
		if c.open(e.Path, want) != nil {
			return "; the image has " + e.Path
		}
		if real := c.fs.Stat(e.Path); real != nil && real.ELF != nil {
			return "; the image has " + e.Path + ", for " + real.ELF.Machine + " with " + strconv.Itoa(real.ELF.Class) + " bits"
		}
	}
	return ""
}

// named returns the entries with the last component that are no directories, by path.
func (c *checker) named(base string) []*rootfs.Entry {
	if c.byBase == nil {
		c.byBase = map[string][]*rootfs.Entry{}
		for _, e := range c.tree.Entries {
			if e.Type != pkgindex.TypeDir {
				c.byBase[rootfs.Base(e.Path)] = append(c.byBase[rootfs.Base(e.Path)], e)
			}
		}
	}
	return c.byBase[base]
}

// forProgram names the program when it is not the file that needs something.
func forProgram(program, by string) string {
	if program == by {
		return ""
	}
	return " (in " + program + ")"
}

func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (c *checker) loaderSearch(key searchKey) *ldso.Search {
	s := &ldso.Search{Musl: key.musl}
	want := &ldso.Want{Class: key.class, Machine: key.machine}
	libc := ""
	var conf []*ldso.ConfFile
	for _, e := range c.tree.Entries {
		if rootfs.Base(e.Path) == "libc.so.6" && libc == "" && c.open(e.Path, want) != nil {
			libc = rootfs.Dir(e.Path)
		}
		if e.Type == pkgindex.TypeFile && pkgindex.KeepsText(e.Path, e.SizeBytes) {
			conf = append(conf, &ldso.ConfFile{Path: e.Path, Text: e.Text})
		}
	}
	s.Default, s.Lib = ldso.Layout(key.class, key.machine, libc, key.musl)
	if c.fs.Get("/etc/ld.so.cache") != nil && !key.musl { // the loader reads the cache, never ld.so.conf
		for _, d := range ldso.Conf("/etc/ld.so.conf", conf) {
			s.Conf = append(s.Conf, d.Dir)
		}
	}
	s.Open = func(_ int, file string, want *ldso.Want) *ldso.Object { return c.open(file, want) }
	return s
}

// opened is the file behind a path, nil if there is none, and the path with canonical parents.
type opened struct {
	at   string
	file *rootfs.Entry
}

func (c *checker) open(file string, want *ldso.Want) *ldso.Object {
	if file == "" {
		return nil
	}
	o, ok := c.opened[file]
	if !ok { // every program asks for the same libraries
		o = c.resolve(file)
		c.opened[file] = o
	}
	if o.file == nil || !want.Fits(o.file.ELF) {
		return nil
	}
	return &ldso.Object{Path: o.at, Identity: o.file.Path, ELF: o.file.ELF}
}

func (c *checker) resolve(file string) opened {
	at, err := c.fs.Canonical(file)
	if err != nil {
		return opened{}
	}
	e := c.fs.Stat(at)
	if e == nil || e.Type != pkgindex.TypeFile {
		return opened{}
	}
	if e.HardLink != "" {
		e = c.fs.Get(e.HardLink)
	}
	return opened{at, e}
}

// script checks the interpreter of an executable script, and the program it names when that is env.
func (c *checker) script(e *rootfs.Entry) {
	if !c.isProgram(e.Interp) {
		c.add(MissingInterpreter, e.Path, "script of %s, which does not exist", e.Interp)
		return
	}
	if path.Base(e.Interp) != "env" {
		return
	}
	name := ldso.EnvProgram(e.InterpArg)
	if name == "" || strings.Contains(name, "/") {
		if name != "" && !c.isProgram(name) {
			c.add(MissingInterpreter, e.Path, "script of %s, which does not exist", name)
		}
		return
	}
	for _, dir := range ldso.ProgramDirs {
		if c.isProgram(dir + "/" + name) {
			return
		}
	}
	c.add(MissingInterpreter, e.Path, "script of %s, which is in no directory of programs", name)
}

func (c *checker) isProgram(name string) bool {
	e := c.fs.Stat(name)
	return strings.HasPrefix(name, "/") && e != nil && e.Type == pkgindex.TypeFile && e.Mode&0o111 != 0
}
