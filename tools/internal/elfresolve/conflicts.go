package elfresolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// conflicts refuses packages that the lock says cannot be together. Of packages taken in part only files count, and those the composition
// compares.
func (r *resolver) conflicts(s *selection.Selection) error {
	var errs []error
	for i := range s.Packages {
		p := &s.Packages[i]
		for _, name := range r.in.Graph.Packages[p.Name].Conflicts {
			j := slices.IndexFunc(s.Packages, func(o selection.Package) bool { return o.Name == name })
			if j < i || p.Partial || s.Packages[j].Partial { // each pair once
				continue
			}
			other := &s.Packages[j]
			err := fmt.Errorf("%s: packages %s and %s conflict, and cannot be in one root file system:\n  %s\n  %s",
				r.in.Spec.Label, p.NEVRA, other.NEVRA, chainOf(p), chainOf(other))
			errs = append(errs, cli.Hint(err, "leave one of them out with exclude"))
		}
	}
	return errors.Join(errs...)
}

// chainOf writes what brought a package in.
func chainOf(p *selection.Package) string {
	var out strings.Builder
	for _, reason := range p.Why {
		fmt.Fprintf(&out, "%s -%s %s-> ", reason.From, reason.Kind, reason.Need)
	}
	return out.String() + p.NEVRA
}
