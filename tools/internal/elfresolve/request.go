package elfresolve

import (
	"fmt"
	"slices"
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
	case inBase && base.NEVRA != p.x.NEVRA:
		return nil, cli.Hint(fmt.Errorf("%s: %s: the base ships %s, the target wants %s", q.Label, attribute, base.NEVRA, p.x.NEVRA),
			"build the base from the same lock")
	}
	return p, nil
}

// inBase reports whether the base ships all of p.
func (r *resolver) inBase(p *pkg) bool {
	if p.x == nil {
		return true
	}
	base, ok := r.u.base[p.x.Name]
	return ok && !base.Partial && base.NEVRA == p.x.NEVRA
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
		why := []selection.Reason{{From: q.Label, Kind: "request", Need: q.Request.Packages[i]}}
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
		c.takePackage(p, []selection.Reason{{From: q.Label, Kind: "extra", Need: q.Request.Extra[i]}}, true)
	}
	if q.Kind == selection.KindPackage && q.Deps == selection.DepsRequires {
		return r.requires(q, c)
	}
	return nil
}

// requires follows the lock's edges from the packages of the request, breadth first.
func (r *resolver) requires(q *request, c *closure) error {
	var errs []error
	queue := slices.Clone(q.Request.Packages)
	seen := set(queue)
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		g, known := r.in.Graph.Packages[name]
		if !known {
			if _, inBase := r.u.base[name]; !inBase {
				errs = append(errs, cli.Hint(fmt.Errorf("%s: following requires of %s: the lock has no such package", q.Label, name),
					"lock again"))
			}
			continue
		}
		kinds := []struct {
			kind string
			to   []string
		}{{"elf", g.ELF}, {"requires", g.Requires}, {"script", g.Script}}
		if q.Scripts == selection.ScriptsDrop {
			kinds = kinds[:2]
		}
		for _, k := range kinds {
			for _, need := range k.to {
				if seen[need] {
					continue
				}
				if reason := q.leftOut(need); reason != "" {
					r.cuts[selection.Cut{Package: need, Need: need, Reason: reason + "; required by " + name}] = true
					continue
				}
				seen[need] = true
				if err := r.require(q, c, name, k.kind, need); err != nil {
					errs = append(errs, err)
					continue
				}
				queue = append(queue, need)
			}
		}
	}
	return joinSorted(errs)
}

func (r *resolver) require(q *request, c *closure, from, kind, need string) error {
	p := r.u.names[need]
	if p == nil {
		if _, inBase := r.u.base[need]; inBase {
			return nil
		}
		return fmt.Errorf("%s: following requires of %s: package %s is not among the candidates", q.Label, from, need)
	}
	chain := []selection.Reason{{From: q.Label, Kind: "request", Need: from}}
	asker := from
	if by := r.u.names[from]; by != nil {
		asker = by.x.NEVRA
		if by.why != nil {
			chain = by.why
		}
	}
	c.takePackage(p, append(slices.Clip(chain), selection.Reason{From: asker, Kind: kind, Need: need}), true)
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
