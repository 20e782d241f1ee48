package elfresolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// finding is a need that nothing satisfies.
type finding struct {
	need    string
	by      *ldso.Object
	request string
	interp  bool // need is a program interpreter

	versions []string // of at that are missing
	at       *step

	elsewhere, searched []string
}

type findings []finding

func (f *findings) add(x finding) { *f = append(*f, x) }

// err is all findings, one line each, sorted.
func (f findings) err(r *resolver) error {
	var errs []error
	for i := range f {
		errs = append(errs, f[i].err(r))
	}
	return joinSorted(errs)
}

// chain tells who asked: the files of the process, then why the package of its program is there, then the request.
func (f *finding) chain() string {
	var b strings.Builder
	o := f.by
	for {
		last := o.Ref.(*found).last()
		fmt.Fprintf(&b, "needed by %s (%s), ", last.node.path, last.owner())
		if o.By == nil {
			if last.file != nil {
				b.WriteString(reasons(last.file.p.why, last.file.p.x.NEVRA))
			}
			break
		}
		o = o.By
	}
	return b.String() + "requested by " + f.request
}

// reasons spells the chain of a package backwards, without the request at its start.
func reasons(why []selection.Reason, nevra string) string {
	var b strings.Builder
	for _, r := range slices.Backward(why) {
		if r.Kind == selection.EdgeRequest || r.Kind == selection.EdgeExtra {
			break
		}
		if asker, file, ok := strings.Cut(r.From, ":/"); ok {
			fmt.Fprintf(&b, "%s for %s of /%s (%s), ", nevra, r.Need, file, asker)
			nevra = asker
			continue
		}
		fmt.Fprintf(&b, "%s for %s, ", nevra, r.From)
		nevra = r.From
	}
	return b.String()
}

func (f *finding) err(r *resolver) error {
	target := r.in.Spec.Label
	switch {
	case f.interp:
		return cli.Hint(fmt.Errorf("%s: resolving interpreter %s: %s: no candidate package has it", target, f.need, f.chain()),
			"the C library is not in the lock: add its package to the roots of the manifest and lock again")
	case len(f.versions) > 0:
		return cli.Hint(fmt.Errorf("%s: resolving %s: %s: %s (%s) does not define version %s", target, f.need, f.chain(),
			f.at.node.path, f.at.owner(), strings.Join(f.versions, ", ")),
			"the two packages are of different generations: update both in one lock, and build the base from the same lock")
	case len(f.elsewhere) > 0:
		hint := "the package lacks an RUNPATH or a file in /etc/ld.so.conf.d; the package with that file may have to be named in extra"
		switch {
		case r.in.Spec.NoLDSOCache:
			hint = "if /etc/ld.so.conf.d names the directory, give the root filesystem ld_so_cache = True: the loader reads the cache only"
		case !slices.ContainsFunc(f.elsewhere, func(at string) bool { return ldso.Level(at) == "" }):
			hint = "only processors of that level look there: name a package that has the library for all processors in extra"
		}
		return cli.Hint(fmt.Errorf("%s: resolving %s: %s: found at %s, but the loader searches only %s", target, f.need, f.chain(),
			strings.Join(f.elsewhere, ", "), strings.Join(unique(f.searched), ", ")),
			"%s", hint)
	}
	capability := f.need + "()"
	if f.by.ELF.Class == 64 {
		capability += "(64bit)"
	}
	return cli.Hint(fmt.Errorf("%s: resolving %s: %s: no candidate package has it", target, f.need, f.chain()),
		"find its package with `bazel run @%s//:provides -- '%s'`, add it to the roots of the manifest and run `bazel run @%[1]s//:lock`; "+
			"a library the image gets in another way is named by its package in provided or exclude", r.in.Spec.Release, capability)
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
