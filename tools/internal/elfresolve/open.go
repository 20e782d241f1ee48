package elfresolve

import (
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Passes of a search, in order of preference.
const (
	passImage    = iota // what the base has and what is selected
	passProvided        // packages the request assumes to be present
	passFits            // other candidates, with the symbol versions wanted
	passAny             // other candidates
	passExcluded        // packages the request leaves out
	passes       = passExcluded + 1
)

// Bounds of following one path: links in a row, as the kernel has it, and files looked at when several packages have links
// of the same name.
const (
	maxLinks = 40
	maxLooks = 1000
)

// step is one place on the way from a path to a file: links first, the file last.
type step struct {
	asked string // the path as it was asked for
	node  *node
	file  *file // nil: in the base
}

// found is where a path leads.
type found struct {
	steps []step
	pass  int // the highest one any step needed
}

func (f *found) last() *step { return &f.steps[len(f.steps)-1] }

// elf and the like are those of the file at the end.
func (s *step) elf() *pkgindex.ELF {
	if s.file != nil {
		return s.file.ELF
	}
	return s.node.base.ELF
}

func (s *step) kind() string {
	if s.file != nil {
		return s.file.Type
	}
	return s.node.base.Type
}

func (s *step) target() string {
	if s.file != nil {
		return s.file.LinkTarget
	}
	return s.node.base.Link
}

// owner names the package of the file at a step.
func (s *step) owner() string {
	if s.file != nil {
		return s.file.p.x.NEVRA
	}
	return "base: " + strings.Join(s.node.base.Owners, ", ")
}

// passOf tells in which pass of the request a candidate's file may be used.
func (q *request) passOf(f *file) int {
	switch name := f.p.x.Name; {
	case f.inSelection():
		return passImage
	case q.provided[name]:
		return passProvided
	case q.excluded[name]:
		return passExcluded
	}
	return passFits
}

// options lists what may stand at n up to the pass, best first.
func (q *request) options(n *node, asked string, pass int) []step {
	var out []step
	if n.base != nil {
		out = append(out, step{asked, n, nil})
	}
	type ranked struct {
		rank int
		f    *file
	}
	var files []ranked
	for _, f := range n.files {
		if p := q.passOf(f); p <= pass {
			rank := p*2 + 1
			if f.p.wanted {
				rank--
			}
			files = append(files, ranked{rank, f})
		}
	}
	slices.SortStableFunc(files, func(a, b ranked) int { return a.rank - b.rank })
	for _, r := range files {
		out = append(out, step{asked, n, r.f})
	}
	return out
}

// open follows asked to something that accept likes; prefer is a package whose files come first, or nil.
func (r *resolver) open(q *request, pass int, asked string, prefer *pkg, accept func(*step) bool) *found {
	o := &opening{r: r, q: q, pass: pass, prefer: prefer, accept: accept}
	return o.follow(asked, nil)
}

// opening is one path being followed.
type opening struct {
	r      *resolver
	q      *request
	pass   int
	prefer *pkg
	accept func(*step) bool
	looks  int
}

func (o *opening) follow(asked string, before []step) *found {
	n := o.r.u.nodes[o.r.u.canonical(asked)]
	if n == nil || len(before) > maxLinks {
		return nil
	}
	options := o.q.options(n, asked, o.pass)
	if o.prefer != nil && n.base == nil {
		slices.SortStableFunc(options, func(a, b step) int { return foreign(a, o.prefer) - foreign(b, o.prefer) })
	}
	for _, s := range options {
		if o.looks++; o.looks > maxLooks {
			return nil
		}
		steps := append(slices.Clip(before), s)
		if s.kind() != pkgindex.TypeSymlink {
			if o.accept(&s) {
				return &found{steps, o.q.passOfSteps(steps)}
			}
			continue
		}
		target := s.target()
		if !strings.HasPrefix(target, "/") {
			target = rootfs.Dir(n.path) + "/" + target
		}
		if f := o.follow(target, steps); f != nil {
			return f
		}
	}
	return nil
}

func foreign(s step, p *pkg) int {
	if s.file != nil && s.file.p == p {
		return 0
	}
	return 1
}

func (q *request) passOfSteps(steps []step) int {
	pass := passImage
	for _, s := range steps {
		if s.file != nil {
			pass = max(pass, q.passOf(s.file))
		}
	}
	return pass
}

// object describes the file for the loader. Libraries that are assumed present or left out have no needs of their own.
func (f *found) object() *ldso.Object {
	last := f.last()
	e := last.elf()
	if f.pass == passProvided || f.pass == passExcluded {
		alone := *e
		alone.Needed = nil
		e = &alone
	}
	return &ldso.Object{Path: f.steps[0].node.path, Identity: last.node.path, ELF: e, Ref: f}
}

// openLibrary is the search's way to look at a path.
func (r *resolver) openLibrary(q *request, pass int, asked string, want *ldso.Want) *ldso.Object {
	level := ldso.Level(asked)
	f := r.open(q, pass, asked, nil, func(s *step) bool {
		e := s.elf()
		if level != "" && (pass != passImage || s.file != nil && !s.file.inSelection()) {
			return false // for certain processors only: it counts where it is there, and is never brought in
		}
		return s.kind() == pkgindex.TypeFile && want.Fits(e) && (pass != passFits || len(want.Missing(e)) == 0)
	})
	if f == nil {
		return nil
	}
	return f.object()
}

// searchKey names a kind of process.
type searchKey struct {
	class   int
	machine string
	musl    string // its interpreter, where that is musl's
}

func keyOf(e *pkgindex.ELF) searchKey {
	key := searchKey{class: e.Class, machine: e.Machine}
	if ldso.IsMusl(e.Interp) {
		key.musl = e.Interp
	}
	return key
}

// searchOf is how processes of one kind search, and which files configure it.
type searchOf struct {
	dirs, conf []string
	lib        string
	confFiles  map[string][]*ldso.ConfFile // by directory
}

// searchFor returns the search of a process that starts with e.
func (r *resolver) searchFor(q *request, e *pkgindex.ELF) *ldso.Search {
	key := keyOf(e)
	s := r.searches[key]
	if s == nil {
		s = r.newSearch(key)
		r.searches[key] = s
	}
	return &ldso.Search{Conf: s.conf, Default: s.dirs, Lib: s.lib, Musl: key.musl != "", Passes: passes,
		Open: func(pass int, file string, want *ldso.Want) *ldso.Object { return r.openLibrary(q, pass, file, want) }}
}

func (r *resolver) newSearch(key searchKey) *searchOf {
	s := &searchOf{confFiles: map[string][]*ldso.ConfFile{}}
	s.dirs, s.lib = ldso.Layout(key.class, key.machine, r.libcDir(key), key.musl != "")
	if key.musl != "" {
		for _, f := range r.u.confFiles() {
			if f.Path == ldso.MuslPath(key.musl) {
				s.dirs = ldso.MuslDirs(f.Text)
				for _, dir := range s.dirs {
					s.confFiles[dir] = []*ldso.ConfFile{f}
				}
			}
		}
		return s
	}
	if r.in.Spec.NoLDSOCache {
		return s // the loader reads the cache of what ld.so.conf says, not ld.so.conf
	}
	for _, d := range ldso.Conf("/etc/ld.so.conf", r.u.confFiles()) {
		s.conf = append(s.conf, d.Dir)
		s.confFiles[d.Dir] = d.Files
	}
	return s
}

// libcDir finds the C library of the image: the base's, then that of a requested package, then any.
func (r *resolver) libcDir(key searchKey) string {
	want := &ldso.Want{Class: key.class, Machine: key.machine}
	best := ""
	for _, n := range r.u.sortedLibc() {
		q := &request{}
		if r.open(q, passAny, n.path, nil, func(s *step) bool { return want.Fits(s.elf()) }) == nil {
			continue
		}
		wanted := slices.ContainsFunc(n.files, func(f *file) bool { return f.p.wanted })
		if n.base != nil || wanted {
			return rootfs.Dir(n.path)
		}
		if best == "" {
			best = rootfs.Dir(n.path)
		}
	}
	return best
}

// sortedLibc lists where C libraries are: in the base first, then by path.
func (u *universe) sortedLibc() []*node {
	var out []*node
	for name, n := range u.nodes {
		if strings.HasSuffix(name, "/libc.so.6") {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b *node) int {
		if (a.base != nil) != (b.base != nil) {
			if a.base != nil {
				return -1
			}
			return 1
		}
		return strings.Compare(a.path, b.path)
	})
	return out
}

// confFiles lists the loader's configuration of the base and of all candidates; where both have a file, the base's counts.
func (u *universe) confFiles() []*ldso.ConfFile {
	var out []*ldso.ConfFile
	for name, n := range u.nodes {
		if !pkgindex.KeepsText(name, 0) {
			continue
		}
		if n.base != nil {
			out = append(out, &ldso.ConfFile{Path: name, Text: n.base.Text})
		} else if len(n.files) > 0 {
			out = append(out, &ldso.ConfFile{Path: name, Text: n.files[0].Text, Ref: n.files[0]})
		}
	}
	return out // ldso sorts
}
