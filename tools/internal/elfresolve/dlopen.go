package elfresolve

import (
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// dlopened lists as cut the libraries that files of the selection say they load on demand and the image lacks, with the priority
// that the file gives them. A user who needs one names its package in extra.
func (r *resolver) dlopened() {
	for _, p := range r.u.pkgs {
		for i := range p.files {
			f := &p.files[i]
			if f.ELF == nil || !f.inSelection() || !native(r.in.Spec.Arch, f.ELF) {
				continue
			}
			for k := range f.ELF.DLOpen {
				r.dlopenedBy(f, &f.ELF.DLOpen[k])
			}
		}
	}
}

// dlopenedBy looks at one entry of a note; any of its alternatives will do.
func (r *resolver) dlopenedBy(f *file, d *pkgindex.DLOpen) {
	q := &request{Request: &selection.Request{}}
	owner := ""
	for _, name := range d.Sonames {
		candidate, have := r.dlopen(q, f, name)
		if have {
			return
		}
		if owner == "" {
			owner = candidate
		}
	}
	reason := "loaded on demand by " + from(f)
	if d.Feature != "" {
		reason += " for " + d.Feature
	}
	if d.Priority != "" {
		reason += ", " + d.Priority
	}
	if len(d.Sonames) > 0 {
		r.cuts[selection.Cut{Package: owner, Need: strings.Join(d.Sonames, " or "), Reason: reason}] = true
	}
}

// takeDLOpened takes what a note of f calls required, where a candidate has it: f does not work without. What nobody has is
// listed by dlopened.
func (c *closure) takeDLOpened(f *file) {
	r := c.r
	for k := range f.ELF.DLOpen {
		d := &f.ELF.DLOpen[k]
		if d.Priority != "required" {
			continue
		}
		c.key = keyOf(f.ELF)
		search := r.searchFor(c.q, f.ELF)
		start := (&found{steps: []step{*fileStep(f)}}).object()
		if o := r.firstOf(c.q, search, start, d.Sonames); o != nil {
			by := &need{by: fileStep(f), reason: selection.Reason{From: from(f), Kind: selection.EdgeDLOpen, Need: o.Name},
				reached: func() []string { return search.Dirs(start, start, false) }}
			c.take(o.Ref.(*found), by)
		}
	}
}

// firstOf finds the best of alternatives: what the image has, then what may be taken.
func (r *resolver) firstOf(q *request, search *ldso.Search, by *ldso.Object, names []string) *ldso.Object {
	for pass := range passExcluded {
		for _, name := range names {
			want := &ldso.Want{Class: by.ELF.Class, Machine: by.ELF.Machine, Name: name}
			for _, dir := range search.Dirs(by, by, false) {
				if o := r.openLibrary(q, pass, dir+"/"+name, want); o != nil {
					o.Name = name
					return o
				}
			}
		}
	}
	return nil
}

// dlopen looks for a library the way f would, and returns the candidate that has it when the image does not.
func (r *resolver) dlopen(q *request, f *file, name string) (owner string, have bool) {
	search := r.searchFor(q, f.ELF)
	start := (&found{steps: []step{*fileStep(f)}}).object()
	o := r.firstOf(q, search, start, []string{name})
	if o == nil {
		return "", false
	}
	to := o.Ref.(*found)
	if last := to.last(); to.pass != passImage && last.file != nil {
		return last.file.p.x.Name, false
	}
	return "", true
}
