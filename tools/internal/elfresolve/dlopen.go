package elfresolve

import (
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// dlopened lists as cut the libraries that files of the selection say they load on demand and the image lacks. They are
// optional by the definition of the note; a user who needs one names its package in extra.
func (r *resolver) dlopened() {
	q := &request{Request: &selection.Request{}}
	for _, p := range r.u.pkgs {
		for i := range p.files {
			f := &p.files[i]
			if f.ELF == nil || !f.inSelection() || !native(r.in.Spec.Arch, f.ELF) {
				continue
			}
			for _, name := range f.ELF.DLOpen {
				if owner, have := r.dlopen(q, f, name); !have {
					r.cuts[selection.Cut{Package: owner, Need: name, Reason: "loaded on demand by " + from(f)}] = true
				}
			}
		}
	}
}

// dlopen looks for a library the way f would, and returns the candidate that has it when the image does not.
func (r *resolver) dlopen(q *request, f *file, name string) (owner string, have bool) {
	search := r.searchFor(q, f.ELF)
	start := (&found{steps: []step{{f.Path, f.node, f}}}).object()
	want := &ldso.Want{Class: f.ELF.Class, Machine: f.ELF.Machine, Name: name}
	for _, pass := range []int{passImage, passAny} {
		for _, dir := range search.Dirs(start, start, false) {
			o := r.openLibrary(q, pass, dir+"/"+name, want)
			if o == nil {
				continue
			}
			if last := o.Ref.(*found).last(); pass == passAny && last.file != nil {
				return last.file.p.x.Name, false
			}
			return "", true
		}
	}
	return "", false
}
