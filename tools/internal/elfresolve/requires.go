package elfresolve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

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
		r.followed[name] = q
		for _, k := range []struct {
			kind string
			to   []string
		}{{selection.EdgeELF, g.ELF}, {selection.EdgeRequires, g.Requires}, {selection.EdgeScript, g.Script}} {
			for _, need := range k.to {
				if k.kind == selection.EdgeScript && !r.followsScript(q, name, need) {
					continue
				}
				if reason := q.leftOut(need); reason != "" {
					r.cuts[selection.Cut{Package: need, Need: need, Reason: reason + "; required by " + name}] = true
					continue
				}
				r.edges.add(selection.Edge{From: name, Kind: k.kind, Need: need, To: need})
				if seen[need] {
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
	chain := []selection.Reason{{From: q.Label, Kind: selection.EdgeRequest, Need: from}}
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

// followsScript reports whether what script files of the package require is followed to the package need. Under ScriptsDrop
// that is so when one of these files stays because its interpreter is in the image anyway. It is asked again in every
// round, so that an interpreter that something else brings counts.
func (r *resolver) followsScript(q *request, name, need string) bool {
	if q.Scripts != selection.ScriptsDrop {
		return true
	}
	p, to := r.u.names[name], r.u.names[need]
	if p == nil || to == nil {
		return false
	}
	attributed := false
	for i := range p.files {
		f := &p.files[i]
		for _, capability := range f.Requires {
			if !r.provides(to, capability) {
				continue
			}
			attributed = true
			if f.inSelection() && r.lacksInterpreter(f) == "" {
				return true
			}
		}
	}
	// A capability that is none of a name and a path: whoever keeps a script gets what scripts need.
	return !attributed && slices.ContainsFunc(p.files, func(f file) bool {
		return f.Interp != "" && f.Mode&0o111 != 0 && f.inSelection() && r.lacksInterpreter(&f) == ""
	})
}

// provides reports whether p has the capability, by name, whatever the version: the lock has decided about versions.
func (r *resolver) provides(p *pkg, capability string) bool {
	if strings.HasPrefix(capability, "/") && r.u.find(p, capability) != nil {
		return true
	}
	return slices.ContainsFunc(p.x.Provides, func(provided string) bool {
		name, _, _ := strings.Cut(provided, " ")
		return name == capability
	})
}

// cutRequires lists what following requirements left out: what only scriptlets need, which are emulated, what only
// scripts need that were left out, and what the lock itself cuts.
func (r *resolver) cutRequires() {
	for name, q := range r.followed {
		g := r.in.Graph.Packages[name]
		for _, need := range g.Scriptlet {
			r.cutUnlessPresent(need, need, "only scriptlets of "+name+" require it, and they are emulated")
		}
		for _, need := range g.Script {
			if !r.followsScript(q, name, need) {
				r.cutUnlessPresent(need, need, "only scripts of "+name+" require it, and they are left out")
			}
		}
		for _, cut := range g.Cut {
			r.cutUnlessPresent(cut.Requires, cut.Requires, "cut from "+name+" by the lock: "+cut.Reason)
		}
	}
}

func (r *resolver) cutUnlessPresent(name, need, reason string) {
	if _, inBase := r.u.base[name]; inBase {
		return
	}
	if p := r.u.names[name]; p != nil && p.selected() != nil {
		return
	}
	r.cuts[selection.Cut{Package: name, Need: need, Reason: reason}] = true
}
