package elfresolve

import (
	"fmt"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// setIDBits are the set-user-ID and the set-group-ID bit.
const setIDBits = 0o6000

// noteSetID notes what the request says about the bits of a file that it names, or that a link it names leads to.
func (c *closure) noteSetID(f *file) {
	if f.Type != pkgindex.TypeFile || f.Mode&setIDBits == 0 {
		return
	}
	to := &f.p.kept
	if c.q.SetUID == selection.SetUIDStrip {
		to = &f.p.strip
	}
	if *to == nil {
		*to = map[*file]*request{}
	}
	if (*to)[f] == nil {
		(*to)[f] = c.q
	}
}

// stripped lists the files of p that lose their bits. Hard links are one file, so its other names lose them too.
func (p *pkg) stripped() []string {
	var out []string
	for i := range p.files {
		f := &p.files[i]
		for s := range p.strip {
			if f.inSelection() && (f == s || f.HardLinks != 0 && f.HardLinks == s.HardLinks) {
				out = append(out, f.Path)
				break
			}
		}
	}
	slices.Sort(out)
	return out
}

// checkSetID refuses requests that want a file with its bits and without them.
func (r *resolver) checkSetID() error {
	var errs []error
	for _, p := range r.u.pkgs {
		for f, q := range p.strip {
			for other, by := range p.kept {
				if f == other || f.HardLinks != 0 && f.HardLinks == other.HardLinks {
					errs = append(errs, cli.Hint(fmt.Errorf("%s: %s of %s: %s strips its set-user-ID and set-group-ID bits, %s keeps them (as %s)",
						r.in.Spec.Label, f.Path, p.x.NEVRA, q.Label, by.Label, other.Path),
						"say setuid = \"strip\" in both, or in neither"))
				}
			}
		}
	}
	return joinSorted(errs)
}
