// Package ldso does what the dynamic loader does when it looks for libraries, without running anything.
//
// It follows ld.so(8) of glibc, and musl's loader where the interpreter is musl's: objects that are already loaded by that
// name, RPATH of the object and of those that asked for it (unless it has a RUNPATH), RUNPATH, the directories of
// ld.so.conf, the default directories of the image's C library. Objects of another class or machine are passed over.
//
// The directories for certain processors (glibc-hwcaps) are searched only where Search.Levels says so: a library that is only
// there would be missing on other processors. Those of glibc before 2.33 are not known.
//
// Not considered, because an image cannot rely on them: LD_LIBRARY_PATH, LD_PRELOAD, the working directory (empty and
// relative search paths).
package ldso

import (
	"path"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// maxObjects bounds the objects of one process.
const maxObjects = 1 << 14

// Object is one ELF file in a process.
type Object struct {
	// Path is where the loader finds the object: the directory is canonical, the last component may be a symbolic link, as
	// $ORIGIN wants it. Identity is what tells two objects apart: the path of the file behind all links.
	Path, Identity string
	ELF            *pkgindex.ELF
	Ref            any // for the caller

	// By is the object that asked for this one first, under the name Name; nil for the program itself.
	By   *Object
	Name string
}

// Want says which files the loader would accept.
type Want struct {
	Class    int
	Machine  string
	Name     string   // as in NEEDED
	Versions []string // that the asking object wants of it; the loader finds out too late, a chooser may look ahead
}

// Fits reports whether the loader would accept the file.
func (w *Want) Fits(e *pkgindex.ELF) bool {
	return e != nil && e.Class == w.Class && e.Machine == w.Machine && e.Type == "dyn"
}

// Missing returns the wanted versions that e does not define. A library without any versions satisfies all: the loader
// takes it as older than the symbol versioning.
func (w *Want) Missing(e *pkgindex.ELF) []string {
	var out []string
	for _, version := range w.Versions {
		if len(e.VerDef) > 0 && !slices.Contains(e.VerDef, version) {
			out = append(out, version)
		}
	}
	return out
}

// Search is where and how the loader of an image looks.
type Search struct {
	Conf    []string // directories of ld.so.conf, in order
	Default []string // the C library's own, in order
	Lib     string   // what $LIB stands for
	Musl    bool
	// Levels are directories of glibc-hwcaps that the processor is good for, the best first. glibc looks there before it looks
	// in the directory above.
	Levels []string
	// Open returns a new object for the absolute path, following links, or nil. All directories are tried with pass 0 before
	// any is tried with pass 1, and so on below Passes; zero Passes means one.
	Open   func(pass int, file string, want *Want) *Object
	Passes int
}

// Dep is one entry of NEEDED of one object of a process.
type Dep struct {
	By   *Object
	Want Want
	To   *Object // nil: not found
	// Versions are the wanted versions that To lacks.
	Versions []string
}

// process is one program being loaded.
type process struct {
	s       *Search
	root    *Object
	secure  bool
	objects []*Object
	names   map[string]*Object
	files   map[string]*Object // by identity
}

// Trace loads root as the kernel and the loader would and returns every entry of NEEDED, breadth first. interp is the
// program interpreter, which is in the process from the start; nil if there is none. secure is set for programs that run
// with more rights than their caller.
func (s *Search) Trace(root, interp *Object, secure bool) []Dep {
	p := &process{s: s, root: root, secure: secure, names: map[string]*Object{}, files: map[string]*Object{}}
	p.add(root, "")
	if interp != nil && interp.Identity != root.Identity {
		p.register(interp, path.Base(interp.Path)) // it is loaded, but its own needs are its own business
	}
	var deps []Dep
	for i := 0; i < len(p.objects) && i < maxObjects; i++ {
		by := p.objects[i]
		for _, name := range by.ELF.Needed {
			deps = append(deps, p.load(by, name))
		}
	}
	for i := range deps {
		if d := &deps[i]; d.To != nil && !s.Musl {
			d.Versions = d.Want.Missing(d.To.ELF)
		}
	}
	return deps
}

func (p *process) load(by *Object, name string) Dep {
	d := Dep{By: by, Want: Want{Class: by.ELF.Class, Machine: by.ELF.Machine, Name: name}}
	for _, need := range by.ELF.VerNeed {
		if need.Soname == name {
			d.Want.Versions = append(d.Want.Versions, need.Versions...)
		}
	}
	if d.To = p.names[name]; d.To != nil {
		return d
	}
	if p.s.Musl && muslOwn(name) {
		d.To = p.names[muslName]
		return d
	}
	found := p.find(by, &d.Want)
	if found == nil {
		return d
	}
	if same := p.files[found.Identity]; same != nil {
		p.names[name] = same
		d.To = same
		return d
	}
	found.By, found.Name = by, name
	p.add(found, name)
	d.To = found
	return d
}

func (p *process) add(o *Object, name string) {
	p.objects = append(p.objects, o)
	p.register(o, name)
}

func (p *process) register(o *Object, name string) {
	p.files[o.Identity] = o
	for _, n := range []string{name, o.ELF.Soname} {
		if n != "" && p.names[n] == nil {
			p.names[n] = o
		}
	}
	if p.s.Musl && p.names[muslName] == nil && strings.HasPrefix(path.Base(o.Path), "ld-musl-") {
		p.names[muslName] = o
	}
}

func (p *process) find(by *Object, want *Want) *Object {
	for pass := range max(1, p.s.Passes) {
		if strings.Contains(want.Name, "/") {
			file, ok := p.expand(by, want.Name)
			if !ok {
				return nil
			}
			if o := p.s.Open(pass, file, want); o != nil {
				return o
			}
			continue
		}
		for dir := range p.dirs(by, want.Name) {
			for _, level := range p.s.Levels {
				if o := p.s.Open(pass, dir+hwcaps+level+"/"+want.Name, want); o != nil {
					return o
				}
			}
			if o := p.s.Open(pass, dir+"/"+want.Name, want); o != nil {
				return o
			}
		}
	}
	return nil
}

// Dirs returns the directories in which by, an object that Trace returned for root, looks for its libraries.
func (s *Search) Dirs(root, by *Object, secure bool) []string {
	p := &process{s: s, root: root, secure: secure}
	return slices.Collect(p.dirs(by, "lib.so"))
}

// hwcaps is between a directory and a level.
const hwcaps = "/glibc-hwcaps/"

// Level returns the level of the directory for certain processors in which the file is, or "".
func Level(file string) string {
	_, rest, ok := strings.Cut(file, hwcaps)
	if !ok {
		return ""
	}
	level, _, ok := strings.Cut(rest, "/")
	if !ok {
		return ""
	}
	return level
}

// cached reports whether ldconfig(8) looks at files of the name: only then the loader, which reads its cache in place of
// ld.so.conf, knows of them.
func cached(name string) bool {
	return (strings.HasPrefix(name, "lib") || strings.HasPrefix(name, "ld-")) && strings.Contains(name, ".so")
}

// dirs yields the directories in which by looks for the name.
func (p *process) dirs(by *Object, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		own := func(o *Object, list []string) bool {
			for _, entry := range list {
				if dir, ok := p.expand(o, entry); ok && !yield(dir) {
					return false
				}
			}
			return true
		}
		if !p.s.eachRunPath(by, p.root, own) {
			return
		}
		for _, dir := range p.s.Conf {
			if !cached(name) || by.ELF.NoDefaultLib && slices.Contains(p.s.Default, dir) {
				continue
			}
			if !yield(dir) {
				return
			}
		}
		if by.ELF.NoDefaultLib && !p.s.Musl {
			return
		}
		for _, dir := range p.s.Default {
			if !yield(dir) {
				return
			}
		}
	}
}

// eachRunPath visits the lists of RPATH and RUNPATH that count for a library that by asks for.
func (s *Search) eachRunPath(by, root *Object, visit func(*Object, []string) bool) bool {
	if s.Musl { // one list per object, RUNPATH before RPATH, and both are inherited
		for o := by; o != nil; o = o.By {
			list := o.ELF.RunPath
			if len(list) == 0 {
				list = o.ELF.RPath
			}
			if !visit(o, list) {
				return false
			}
		}
		return true
	}
	if len(by.ELF.RunPath) == 0 {
		seenRoot := false
		for o := by; o != nil; o = o.By {
			seenRoot = seenRoot || o == root
			if len(o.ELF.RunPath) == 0 && !visit(o, o.ELF.RPath) {
				return false
			}
		}
		if !seenRoot && len(root.ELF.RunPath) == 0 && !visit(root, root.ELF.RPath) {
			return false
		}
	}
	return visit(by, by.ELF.RunPath)
}

// expand fills in $ORIGIN, $LIB and $PLATFORM, and reports whether the loader would look there at all.
func (p *process) expand(o *Object, entry string) (string, bool) {
	origin := path.Dir(o.Path)
	usesOrigin := false
	for _, v := range []struct{ name, value string }{
		{"ORIGIN", origin}, {"LIB", p.s.Lib}, {"PLATFORM", platform(o.ELF.Machine)},
	} {
		for _, form := range []string{"${" + v.name + "}", "$" + v.name} {
			if strings.Contains(entry, form) {
				usesOrigin = usesOrigin || v.name == "ORIGIN"
				entry = strings.ReplaceAll(entry, form, v.value)
			}
		}
	}
	if !strings.HasPrefix(entry, "/") || strings.Contains(entry, "$") {
		return "", false
	}
	if p.secure && usesOrigin && !slices.Contains(p.s.Default, path.Clean(entry)) {
		return "", false // ld.so(8): in secure mode only directories of the default path
	}
	return entry, true // not cleaned: what ".." means depends on the links before it
}

func platform(machine string) string {
	if machine == "i386" {
		return "i686"
	}
	return machine
}

// muslName keys musl's loader, which is its C library as well.
const muslName = "\x00musl"

// muslOwn reports whether musl's loader takes the name as its own C library (musl: ldso/dynlink.c, load_library).
func muslOwn(name string) bool {
	if strings.HasPrefix(name, "libc.musl-") {
		return true
	}
	rest, ok := strings.CutPrefix(name, "lib")
	if !ok {
		return false
	}
	for _, own := range []string{"c", "pthread", "rt", "m", "dl", "util", "xnet"} {
		if strings.HasPrefix(rest, own+".") {
			return true
		}
	}
	return false
}
