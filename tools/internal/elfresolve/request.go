package elfresolve

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

const maxNearMisses = 3

// request is a request with its names looked up.
type request struct {
	*selection.Request
	packages, extra    []*pkg
	provided, excluded map[string]bool
	binaries           []*file // KindBinary: in the order of the package
}

// slices reports whether the ELF closure takes single files of p: where the request says so, and of the very package of
// which the request names single files.
func (q *request) slices(p *pkg) bool {
	return q.Libraries == selection.LibrariesSlice || q.Kind == selection.KindBinary && q.packages[0] == p
}

// newRequest looks up the names of a request and marks its packages as wanted.
func (r *resolver) newRequest(s *selection.Request) (*request, error) {
	q := &request{Request: s, provided: set(s.Provided), excluded: set(s.Exclude)}
	var errs []error
	add := func(to *[]*pkg, names []string, attribute string) {
		for _, name := range names {
			p, err := r.candidate(q, name, attribute)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			p.wanted = true
			*to = append(*to, p)
		}
	}
	add(&q.packages, s.Packages, "packages")
	add(&q.extra, s.Extra, "extra")
	if len(errs) == 0 && s.Kind == selection.KindBinary {
		var err error
		if q.binaries, err = r.matchBinaries(q, q.packages[0]); err != nil {
			errs = append(errs, err)
		}
	}
	return q, joinSorted(errs)
}

func set(names []string) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		out[name] = true
	}
	return out
}

// candidate looks up a package that a request names.
func (r *resolver) candidate(q *request, name, attribute string) (*pkg, error) {
	if q.excluded[name] || q.provided[name] {
		return nil, fmt.Errorf("%s: %s: package %s is also in exclude or provided", q.Label, attribute, name)
	}
	p := r.u.names[name]
	base, inBase := r.u.base[name]
	switch {
	case p == nil && inBase && !base.Partial:
		return &pkg{x: nil}, nil // nothing to do for it; see inBase
	case p == nil:
		err := fmt.Errorf("%s: %s: no package %s among the candidates", q.Label, attribute, name)
		if near := lockfile.NearMisses(name, r.packageNames(), maxNearMisses); len(near) > 0 {
			err = cli.Hint(err, "did you mean %s?", strings.Join(near, " or "))
		}
		return nil, err
	case inBase && base.NEVRA != p.x.NEVRA && base.Foreign != nil:
		return nil, cli.Hint(fmt.Errorf("%s: %s: the base %s has %s, the lock %s", q.Label, attribute, r.in.Base.Label, base.NEVRA, p.x.NEVRA),
			"leave %s to the base, or lock the version that it has", name)
	case inBase && base.NEVRA != p.x.NEVRA:
		return nil, cli.Hint(fmt.Errorf("%s: %s: the base ships %s, the target wants %s", q.Label, attribute, base.NEVRA, p.x.NEVRA),
			"build the base from the same lock")
	}
	return p, nil
}

// inBase reports whether the base ships all of p, or for an image of others a newer one.
func (r *resolver) inBase(p *pkg) bool {
	if p.x == nil {
		return true
	}
	base, ok := r.u.base[p.x.Name]
	return ok && !base.Partial && (base.NEVRA == p.x.NEVRA || base.Foreign != nil) // see checkForeign
}

func (r *resolver) packageNames() []string {
	var out []string
	for _, p := range r.u.pkgs {
		out = append(out, p.x.Name)
	}
	for name := range r.in.Graph.Packages {
		out = append(out, name)
	}
	return out // NearMisses sorts and removes doubles
}

// seed takes what the request names and returns it as the roots of the closure.
func (r *resolver) seed(q *request, c *closure) error {
	for i, p := range q.packages {
		name := q.Request.Packages[i]
		why := []selection.Reason{{From: q.Label, Kind: selection.EdgeRequest, Need: name}}
		r.edges.add(selection.Edge{From: q.Label, Kind: selection.EdgeRequest, Need: name, To: name})
		if q.Kind == selection.KindPackage {
			c.takePackage(p, why, q.Deps != selection.DepsNone)
			continue
		}
		for _, f := range q.binaries {
			c.takeBinary(f, why)
		}
		for _, f := range q.configs(p) {
			c.takeFile(f, why)
		}
	}
	for i, p := range q.extra {
		name := q.Request.Extra[i]
		r.edges.add(selection.Edge{From: q.Label, Kind: selection.EdgeExtra, Need: name, To: name})
		c.takePackage(p, []selection.Reason{{From: q.Label, Kind: selection.EdgeExtra, Need: name}}, true)
	}
	if q.Kind == selection.KindPackage && q.Deps == selection.DepsRequires {
		return r.requires(q, c)
	}
	return nil
}

// leftOut says why a package stays out of this request, or "".
func (q *request) leftOut(name string) string {
	switch {
	case q.excluded[name]:
		return "excluded by " + q.Label
	case q.provided[name]:
		return "assumed present by " + q.Label
	}
	return ""
}
