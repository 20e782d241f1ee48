package elfresolve

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ldso"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// scripts checks the interpreters of executable scripts. Those a binary request names must have theirs; of whole packages
// the request decides.
func (r *resolver) scripts() error {
	var errs []error
	for _, q := range r.requests {
		for _, f := range q.binaries {
			if missing := r.lacksInterpreter(f); missing != "" {
				errs = append(errs, r.scriptError(q.Label, f, missing))
			}
		}
	}
	for _, p := range r.u.pkgs {
		if !p.whole || p.scripts == "" || p.scripts == selection.ScriptsKeep {
			continue
		}
		for i := range p.files {
			f := &p.files[i]
			missing := r.lacksInterpreter(f)
			switch {
			case missing == "":
			case p.scripts == selection.ScriptsError:
				errs = append(errs, r.scriptError(p.why[0].From, f, missing))
			default:
				f.drop, p.dropped = true, true
				r.cuts[selection.Cut{Package: p.x.Name, Need: missing, Reason: "script " + f.Path + " has no interpreter in the image"}] = true
			}
		}
		if p.dropped {
			r.dropLinks(p)
		}
	}
	return joinSorted(errs)
}

func (r *resolver) scriptError(label string, f *file, missing string) error {
	err := fmt.Errorf("%s: %s (%s) is a script of %s, requested by %s: the image has no %s", r.in.Spec.Label, f.Path, f.p.x.NEVRA,
		strings.TrimSpace(f.Interp+" "+f.InterpArg), label, missing)
	if owners := r.ownersOf(missing); len(owners) > 0 {
		return cli.Hint(err, "add its package: extra = [\"@%s//%s\"]", r.in.Spec.Release, owners[0])
	}
	return cli.Hint(err, "no package of the lock has it: add one to the roots of the manifest and lock again")
}

// lacksInterpreter returns the program that an executable script needs and the image lacks, or "".
func (r *resolver) lacksInterpreter(f *file) string {
	if f.Type != pkgindex.TypeFile || f.Interp == "" || f.Mode&0o111 == 0 || !f.inSelection() {
		return ""
	}
	if !r.inImage(f.Interp) {
		return f.Interp
	}
	if rootfs.Base(f.Interp) != "env" {
		return ""
	}
	name := ldso.EnvProgram(f.InterpArg)
	if name == "" || strings.HasPrefix(name, "/") && r.inImage(name) {
		return ""
	}
	if strings.HasPrefix(name, "/") {
		return name
	}
	for _, dir := range ldso.ProgramDirs {
		if r.inImage(dir + "/" + name) {
			return ""
		}
	}
	return "/usr/bin/" + name
}

func (r *resolver) inImage(name string) bool {
	return r.open(&request{}, passImage, name, nil, func(s *step) bool { return s.kind() == pkgindex.TypeFile }) != nil
}

// dropLinks leaves out the links of p that led to scripts left out.
func (r *resolver) dropLinks(p *pkg) {
	for i := range p.files {
		f := &p.files[i]
		if f.Type != pkgindex.TypeSymlink || f.drop {
			continue
		}
		if t := r.u.find(p, r.linkTarget(f)); t != nil && t.drop {
			f.drop = true
		}
	}
}

func (r *resolver) linkTarget(f *file) string {
	if strings.HasPrefix(f.LinkTarget, "/") {
		return f.LinkTarget
	}
	return rootfs.Dir(f.node.path) + "/" + f.LinkTarget
}
