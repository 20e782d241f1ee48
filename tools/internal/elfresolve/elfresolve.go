// Package elfresolve turns the requests of a target into a selection: which packages, whole or in part, go into its root
// filesystem so that every ELF file in it finds its libraries.
//
// Inputs are indexes, never payloads. The search of the loader is package ldso's, over everything the base and the candidate
// packages have: what a search finds is taken into the image together with the links that lead to it, until nothing new is
// needed. Where several packages could answer, the base wins, then what is selected already, then the package name.
//
// ELF files for another machine than the image's (firmware, test data) are shipped but not searched for.
package elfresolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// maxRounds bounds how often the closures are computed. A later request can bring in a library that shadows one an earlier
// request found, so they are repeated until nothing changes; each round takes at least one file more.
const maxRounds = 64

// Input is what Resolve reads.
type Input struct {
	Spec    *selection.Spec
	Graph   *selection.Graph
	Indexes []*pkgindex.Index
	Base    *rootfs.Tree // nil: the image has no base
}

// resolver is one run of Resolve.
type resolver struct {
	in       *Input
	u        *universe
	requests []*request
	searches map[searchKey]*searchOf

	changed  bool // something was taken in this round
	findings findings
	cuts     map[selection.Cut]bool
	edges    edges
	followed map[string]*request // packages whose requirements a request followed
}

// Resolve computes the selection. All problems are reported together, sorted.
func Resolve(in *Input) (*selection.Selection, error) {
	u, err := newUniverse(in)
	if err != nil {
		return nil, err
	}
	r := &resolver{in: in, u: u, searches: map[searchKey]*searchOf{}}
	var errs []error
	for i := range in.Spec.Requests {
		q, err := r.newRequest(&in.Spec.Requests[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r.requests = append(r.requests, q)
	}
	if len(errs) > 0 {
		return nil, joinSorted(errs)
	}
	r.changed = true
	for round := 0; r.changed; round++ {
		if round == maxRounds {
			return nil, fmt.Errorf("%s: resolving libraries: no end after %d rounds", in.Spec.Label, maxRounds)
		}
		r.changed, r.findings, r.cuts, r.edges, r.followed = false, nil, map[selection.Cut]bool{}, edges{}, map[string]*request{}
		for _, q := range r.requests {
			if err := r.closure(q); err != nil {
				errs = append(errs, err)
			}
		}
		if len(errs) > 0 {
			return nil, joinSorted(errs)
		}
	}
	if err := r.findings.err(r); err != nil {
		errs = append(errs, err)
	}
	if err := r.scripts(); err != nil {
		errs = append(errs, err)
	}
	if err := r.checkSetID(); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, joinSorted(errs)
	}
	r.dlopened()
	r.cutRequires()
	out := r.result()
	if err := r.conflicts(out); err != nil {
		return nil, err
	}
	return out, nil
}

func joinSorted(errs []error) error {
	slices.SortStableFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	errs = slices.CompactFunc(errs, func(a, b error) bool { return a.Error() == b.Error() })
	return errors.Join(errs...)
}

// result lists what was taken.
func (r *resolver) result() *selection.Selection {
	spec := r.in.Spec
	out := &selection.Selection{Schema: selection.Schema, Label: spec.Label, Release: spec.Release, Arch: spec.Arch,
		Packages: []selection.Package{}, Edges: r.edges.sorted()}
	for _, p := range r.u.pkgs {
		if s := p.selected(); s != nil {
			out.Packages = append(out.Packages, *s)
		}
	}
	for c := range r.cuts {
		out.Cut = append(out.Cut, c)
	}
	slices.SortFunc(out.Cut, func(a, b selection.Cut) int {
		return slices.Compare([]string{a.Package, a.Need, a.Reason}, []string{b.Package, b.Need, b.Reason})
	})
	return out
}

func (p *pkg) selected() *selection.Package {
	s := &selection.Package{Name: p.x.Name, NEVRA: p.x.NEVRA, Partial: !p.whole || p.dropped, Why: p.why, StripSetID: p.stripped()}
	if !s.Partial {
		return s
	}
	news := false
	for _, f := range p.files {
		if f.inSelection() {
			s.Files = append(s.Files, f.Path)
			news = news || f.node.base == nil
		}
	}
	if !news {
		return nil // nothing taken, or only what the base has
	}
	slices.Sort(s.Files)
	return s
}
