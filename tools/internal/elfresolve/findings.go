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

// maxAlso is how many more files with the same need are named.
const maxAlso = 3

// err is all findings, sorted, in one line for each need that many files share.
func (f findings) err(r *resolver) error {
	type problem struct{ need, outcome, hint string }
	type asking struct{ chain, file string }
	askers := map[problem][]asking{}
	for i := range f {
		outcome, hint := f[i].outcome(r)
		last := f[i].by.Ref.(*found).last()
		need := f[i].need
		if f[i].interp {
			need = "interpreter " + need
		}
		p := problem{need, outcome, hint}
		askers[p] = append(askers[p], asking{f[i].chain(), fmt.Sprintf("%s (%s)", last.node.path, last.owner())})
	}
	var errs []error
	for p, all := range askers {
		slices.SortFunc(all, func(a, b asking) int { return strings.Compare(a.chain, b.chain) })
		var files []string
		for _, a := range all {
			files = append(files, a.file)
		}
		err := fmt.Errorf("%s: resolving %s: %s%s: %s", r.in.Spec.Label, p.need, all[0].chain, also(unique(files)[1:]), p.outcome)
		errs = append(errs, cli.Hint(err, "%s", p.hint))
	}
	return joinSorted(errs)
}

// also tells which other files have the need.
func also(files []string) string {
	switch n := len(files); {
	case n == 0:
		return ""
	case n <= maxAlso:
		return ", also needed by " + strings.Join(files, ", ")
	default:
		return fmt.Sprintf(", also needed by %s and %d more files", strings.Join(files[:maxAlso], ", "), n-maxAlso)
	}
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

// outcome says what the search for the need came to, and what helps.
func (f *finding) outcome(r *resolver) (outcome, hint string) {
	switch {
	case f.interp:
		return "no candidate package has it", "the C library is not in the lock: add its package to the roots of the manifest and lock again"
	case len(f.versions) > 0:
		return fmt.Sprintf("%s (%s) does not define version %s", f.at.node.path, f.at.owner(), strings.Join(f.versions, ", ")),
			"the two packages are of different generations: update both in one lock, and build the base from the same lock"
	case len(f.elsewhere) > 0:
		hint = "no RUNPATH and no file in /etc/ld.so.conf.d leads there; a package with such a file may have to be named in extra"
		switch {
		case r.in.Spec.NoLDSOCache:
			hint = "if /etc/ld.so.conf.d names the directory, give the root filesystem ld_so_cache = True: the loader reads the cache only"
		case !slices.ContainsFunc(f.elsewhere, func(at string) bool { return ldso.Level(at) == "" }):
			hint = "only processors of that level look there: name a package that has the library for all processors in extra"
		}
		return fmt.Sprintf("found at %s, but the loader searches only %s", strings.Join(f.elsewhere, ", "), strings.Join(unique(f.searched), ", ")), hint
	}
	capability := f.need + "()"
	if f.by.ELF.Class == 64 {
		capability += "(64bit)"
	}
	return "no candidate package has it", fmt.Sprintf("find its package with `bazel run @%s//:provides -- '%s'`, add it to the roots of the manifest and run `bazel run @%[1]s//:lock`; "+
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
