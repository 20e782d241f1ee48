package elfresolve

import (
	"fmt"
	"path"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// closure is the work on one request in one round: the ELF files that must find their libraries.
type closure struct {
	r *resolver
	q *request
	// Programs are loaded before libraries that nothing has loaded: a library that a program loads finds its own needs with
	// the program's help, and does not count on its own.
	programs, libraries []*file
	queued              map[*file]bool
	loaded              map[*file]bool
	packages            map[*pkg]bool // whole ones seen in this round
	key                 searchKey     // of the process that is being loaded
}

func (r *resolver) closure(q *request) error {
	c := &closure{r: r, q: q, queued: map[*file]bool{}, loaded: map[*file]bool{}, packages: map[*pkg]bool{}}
	if err := r.seed(q, c); err != nil {
		return err
	}
	for {
		switch {
		case len(c.programs) > 0:
			f := c.programs[0]
			c.programs = c.programs[1:]
			c.load(f)
			c.takeDLOpened(f)
		case len(c.libraries) > 0:
			f := c.libraries[0]
			c.libraries = c.libraries[1:]
			if !c.loaded[f] {
				c.load(f)
			}
			c.takeDLOpened(f)
		default:
			return nil
		}
	}
}

// takePackage takes all of p, for the given reasons; with search set its ELF files need their libraries.
func (c *closure) takePackage(p *pkg, why []selection.Reason, search bool) {
	if c.r.inBase(p) || c.packages[p] {
		return
	}
	c.packages[p] = true
	c.explain(p, why)
	if !p.whole {
		p.whole, p.scripts, c.r.changed = true, c.q.Scripts, true
	}
	if !search {
		return
	}
	for i := range p.files {
		c.enqueue(&p.files[i])
	}
}

func (c *closure) explain(p *pkg, why []selection.Reason) {
	if p.why == nil {
		p.why = why
	}
}

// takeFile takes one file, what the image needs to reach it, and the licences of its package.
func (c *closure) takeFile(f *file, why []selection.Reason) {
	c.enqueue(f)
	if f.node.base != nil && slices.Contains(f.node.base.Owners, f.p.x.NEVRA) {
		return
	}
	c.explain(f.p, why)
	if f.inSelection() {
		return
	}
	f.taken, c.r.changed = true, true
	for i := range f.p.files {
		if other := &f.p.files[i]; licence(other) {
			c.mark(other)
		}
	}
	c.mark(f)
}

// mark takes a file and the directories above it that the package owns.
func (c *closure) mark(f *file) {
	f.taken = true
	for dir := rootfs.Dir(f.Path); dir != "/"; dir = rootfs.Dir(dir) {
		if d := c.r.u.find(f.p, dir); d != nil && d.Type == pkgindex.TypeDir {
			d.taken = true
		}
	}
}

// takeBinary takes a file a request names. A link brings what it leads to, as single files.
func (c *closure) takeBinary(f *file, why []selection.Reason) {
	c.takeFile(f, why)
	if f.Type != pkgindex.TypeSymlink {
		c.noteSetID(f)
		return
	}
	for pass := range passes {
		if to := c.r.open(c.q, pass, f.Path, f.p, func(*step) bool { return true }); to != nil {
			c.take(to, &need{by: fileStep(f), reason: selection.Reason{From: from(f), Kind: selection.EdgeLink, Need: f.LinkTarget}, slice: true})
			if last := to.last(); last.file != nil {
				c.noteSetID(last.file)
			}
			return
		}
	}
	if to := c.choice(f); to != nil {
		c.r.noteEdge(fileStep(f), selection.EdgeLink, f.LinkTarget, fileStep(to))
		c.takeFile(to, append(slices.Clip(why), selection.Reason{From: from(f), Kind: selection.EdgeLink, Need: f.LinkTarget}))
		c.noteSetID(to)
		return
	}
	// Nothing has the target: something makes it later, and rootcheck looks at the result.
}

// need is why something is taken.
type need struct {
	by      *step // that asks
	reason  selection.Reason
	reached func() []string // directories in which the asker looks anyway; may be nil
	slice   bool            // take single files although the request takes library packages whole
}

// take takes what a search found, or notes why not.
func (c *closure) take(to *found, n *need) {
	chain := []selection.Reason{{From: c.q.Label, Kind: selection.EdgeRequest, Need: c.q.Request.Packages[0]}}
	if n.by.file != nil && n.by.file.p.why != nil {
		chain = n.by.file.p.why
	}
	why := append(slices.Clip(chain), n.reason)
	for i := range to.steps {
		s := &to.steps[i]
		if s.file == nil {
			c.r.noteEdge(n.by, n.reason.Kind, n.reason.Need, s)
			continue
		}
		p := s.file.p
		if cause := c.q.leftOut(p.x.Name); cause != "" && !s.file.inSelection() {
			c.r.cuts[selection.Cut{Package: p.x.Name, Need: n.reason.Need, Reason: cause + "; needed by " + n.reason.From}] = true
			continue
		}
		c.r.noteEdge(n.by, n.reason.Kind, n.reason.Need, s)
		if n.slice || c.q.slices(p) || c.r.inBase(p) {
			c.takeFile(s.file, why)
		} else {
			c.takePackage(p, why, true)
		}
		c.takeLinks(s, n, why)
	}
	if to.pass == passImage || to.pass == passFits || to.pass == passAny {
		c.takeConf(to, n.by, why)
	}
}

// takeLinks takes the links in the directories of a path, unless the path reaches the file without them.
func (c *closure) takeLinks(s *step, need *need, why []selection.Reason) {
	asked, have := path.Dir(s.asked), rootfs.Dir(s.file.Path)
	if asked == have || need.reached != nil && slices.Contains(need.reached(), have) {
		return
	}
	for _, dir := range []string{asked, have} {
		for _, name := range c.r.u.linksOn(dir) {
			n := c.r.u.nodes[name]
			if n == nil {
				continue
			}
			options := c.q.options(n, name, passExcluded)
			if i := slices.IndexFunc(options, func(s step) bool { return s.kind() == pkgindex.TypeSymlink }); i >= 0 {
				if f := options[i].file; f != nil {
					c.r.noteEdge(need.by, selection.EdgeLink, name, &options[i])
					if !f.inSelection() {
						c.takeFile(f, why)
					}
				}
			}
		}
	}
}

// enqueue notes an ELF file of the image's machine that must find its libraries.
func (c *closure) enqueue(f *file) {
	e := f.ELF
	if e == nil || f.drop || c.queued[f] || e.Type != "exec" && e.Type != "dyn" || !native(c.r.in.Spec.Arch, e) {
		return
	}
	c.queued[f] = true
	if e.Interp != "" && e.Soname == "" {
		c.programs = append(c.programs, f)
	} else {
		c.libraries = append(c.libraries, f)
	}
}

// native reports whether the file is for the machine of the image; 32-bit files beside 64-bit ones are, where the kernel
// runs both and the packages come from the same release.
func native(arch string, e *pkgindex.ELF) bool {
	switch arch {
	case "x86_64":
		return e.Machine == "x86_64" && e.Class == 64
	default:
		return e.Machine == arch
	}
}

// load does what the kernel and the loader do when f starts, and takes what they open.
func (c *closure) load(f *file) {
	r, q := c.r, c.q
	root := &found{steps: []step{*fileStep(f)}}
	search := r.searchFor(q, f.ELF)
	c.key = keyOf(f.ELF)
	var interp *ldso.Object
	if f.ELF.Interp != "" {
		if interp = c.interpreter(f, f.ELF.Interp); interp == nil {
			r.findings.add(finding{need: f.ELF.Interp, by: root.object(), request: q.Label, interp: true})
			return
		}
		c.take(interp.Ref.(*found), &need{by: fileStep(f), reason: selection.Reason{From: from(f), Kind: selection.EdgeInterp, Need: f.ELF.Interp}})
	} else if !f.ELF.Static {
		interp = c.interpreter(f, ldso.Interpreter(f.ELF)) // is in every process, so nobody searches for it
	}
	secure := f.Mode&setIDBits != 0 && q.SetUID != selection.SetUIDStrip
	c.trace(f, root.object(), interp, search, secure)
	if search.Musl {
		return
	}
	for _, levels := range r.u.levels() { // again, as on better processors
		search.Levels = levels
		c.trace(f, root.object(), interp, search, secure)
	}
}

// trace takes what the loader opens for one process.
func (c *closure) trace(f *file, start, interp *ldso.Object, search *ldso.Search, secure bool) {
	r, q := c.r, c.q
	for _, d := range search.Trace(start, interp, secure) {
		dirs := func() []string { return search.Dirs(start, d.By, secure) }
		if d.To == nil {
			c.missing(f, &d, dirs)
			continue
		}
		to := d.To.Ref.(*found)
		c.take(to, &need{by: d.By.Ref.(*found).last(), reason: elfReason(d.By, d.Want.Name), reached: dirs})
		if last := to.last(); last.file != nil {
			c.loaded[last.file] = true
		}
		if len(d.Versions) > 0 && to.pass != passProvided && to.pass != passExcluded {
			r.findings.add(finding{need: d.Want.Name, by: d.By, request: q.Label, versions: d.Versions, at: to.last()})
		}
	}
}

func (c *closure) interpreter(f *file, name string) *ldso.Object {
	want := &ldso.Want{Class: f.ELF.Class, Machine: f.ELF.Machine}
	for pass := range passes {
		if name == "" {
			return nil
		}
		if o := c.r.openLibrary(c.q, pass, name, want); o != nil {
			return o
		}
	}
	return nil
}

// takeConf takes the loader's configuration that made it look where it found a library.
func (c *closure) takeConf(to *found, by *step, why []selection.Reason) {
	e := to.last().elf()
	if e == nil {
		return
	}
	s := c.r.searches[c.key]
	dir := rootfs.Dir(to.steps[0].asked)
	if s == nil || c.key.musl == "" && slices.Contains(s.dirs, dir) {
		return
	}
	for _, conf := range s.confFiles[path.Clean(dir)] {
		f, ok := conf.Ref.(*file)
		if !ok {
			continue
		}
		c.r.noteEdge(by, selection.EdgeSearch, dir, fileStep(f))
		if !f.inSelection() {
			c.takeFile(f, why)
		}
	}
}

// missing handles a library that the search does not find for the process that f starts.
func (c *closure) missing(f *file, d *ldso.Dep, dirs func() []string) {
	by := d.By.Ref.(*found)
	if f.ELF.Interp == "" || f.ELF.Soname != "" {
		// A plugin: whoever loads it may have loaded private libraries of the same package before, by their paths.
		want := d.Want
		if last := by.last(); last.file != nil {
			for i := range last.file.p.files {
				other := &last.file.p.files[i]
				if rootfs.Base(other.Path) != want.Name {
					continue
				}
				for pass := range passExcluded {
					if o := c.r.openLibrary(c.q, pass, other.Path, &want); o != nil {
						c.take(o.Ref.(*found), &need{by: last, reason: elfReason(d.By, want.Name)})
						return
					}
				}
			}
		}
	}
	c.r.findings.add(finding{need: d.Want.Name, by: d.By, request: c.q.Label, elsewhere: c.r.elsewhere(&d.Want), searched: dirs()})
}

// elsewhere lists where a library of the name is, although the loader does not look there.
func (r *resolver) elsewhere(want *ldso.Want) []string {
	var out []string
	for name, n := range r.u.nodes {
		if path.Base(name) != want.Name {
			continue
		}
		for _, s := range (&request{}).options(n, name, passAny) {
			if want.Fits(s.elf()) || s.kind() == pkgindex.TypeSymlink {
				out = append(out, fmt.Sprintf("%s (%s)", name, s.owner()))
			}
		}
	}
	slices.Sort(out)
	return out
}

func fileStep(f *file) *step { return &step{f.Path, f.node, f} }

func from(f *file) string { return f.p.x.NEVRA + ":" + f.Path }

func elfReason(by *ldso.Object, name string) selection.Reason {
	return selection.Reason{From: fromObject(by), Kind: selection.EdgeELF, Need: name}
}

func fromObject(o *ldso.Object) string {
	last := o.Ref.(*found).last()
	if last.file != nil {
		return from(last.file)
	}
	return last.owner() + ":" + last.node.path
}
