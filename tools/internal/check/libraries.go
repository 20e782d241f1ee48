package check

import (
	"path"
	"slices"
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
		case e.ELF == nil || e.HardLink != "" || e.Type != pkgindex.TypeFile || e.ELF.Machine != c.tree.Arch:
		case e.ELF.Type != "exec" && e.ELF.Type != "dyn":
		case e.ELF.Interp != "" && e.ELF.Soname == "":
			programs = append(programs, e)
		default:
			libraries = append(libraries, e)
		}
	}
	searches := map[searchKey]*ldso.Search{}
	loaded := map[string]bool{}
	for _, e := range slices.Concat(programs, libraries) {
		if loaded[e.Path] {
			continue // a program loads it; what it needs was found, or reported, there
		}
		key := searchKey{e.ELF.Class, e.ELF.Machine, ldso.IsMusl(e.ELF.Interp)}
		if searches[key] == nil {
			searches[key] = c.search(key)
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
		return
	}
	root := &ldso.Object{Path: e.Path, Identity: e.Path, ELF: e.ELF}
	secure := e.Mode&0o6000 != 0 || e.Caps != ""
	for _, d := range s.Trace(root, loader, secure) {
		by := d.By.Identity
		if d.To == nil {
			c.add(MissingSoname, by, "needs %s%s, which is in none of %s", d.Want.Name, forProgram(e.Path, by),
				strings.Join(unique(s.Dirs(root, d.By, secure)), ", "))
			continue
		}
		loaded[d.To.Identity] = true
		for _, version := range d.Versions {
			c.add(MissingVersion, by, "needs version %s of %s, which %s does not define", version, d.Want.Name, d.To.Identity)
		}
	}
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

func (c *checker) search(key searchKey) *ldso.Search {
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

func (c *checker) open(file string, want *ldso.Want) *ldso.Object {
	if file == "" {
		return nil
	}
	at, err := c.fs.Canonical(file)
	if err != nil {
		return nil
	}
	e := c.fs.Stat(at)
	if e == nil || e.Type != pkgindex.TypeFile {
		return nil
	}
	if e.HardLink != "" {
		if e = c.fs.Get(e.HardLink); e == nil {
			return nil
		}
	}
	if !want.Fits(e.ELF) {
		return nil
	}
	return &ldso.Object{Path: at, Identity: e.Path, ELF: e.ELF}
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
