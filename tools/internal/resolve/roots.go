package resolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// Root is a parsed root.
type Root struct {
	Text   string
	expr   *Expr
	forced []int // the only candidates, when not nil
}

func parseRoots(texts []string) ([]Root, error) {
	var roots []Root
	var errs []error
	sorted := slices.Clone(texts)
	slices.Sort(sorted)
	for _, text := range slices.Compact(sorted) {
		e, err := ParseDependency(text)
		if err == nil && e.Op != "" {
			err = fmt.Errorf("reading root %q: rich dependencies are not roots", text)
		}
		errs = append(errs, err)
		roots = append(roots, Root{Text: text, expr: e})
	}
	return roots, errors.Join(errs...)
}

// meant returns the packages, excluded ones too, that a root may mean, in order. As for dnf that is, whichever comes first: a name;
// a name with an architecture, a version or both ("glibc.x86_64", "glibc-2.34", "glibc-2:2.34-1.el9.x86_64"); a capability or file.
func (u *Universe) meant(e *Expr) []int {
	if id, ok := u.strings.Lookup(e.Name); ok {
		if from, to := u.named(id); to > from {
			return u.versions(from, to, "", e.Cmp, e.EVR)
		}
	}
	if e.Cmp == 0 {
		if found := u.byNEVRA(e.Name); len(found) > 0 {
			return found
		}
	}
	return u.allProviders(u.dependency(e))
}

// versions filters packages of one name.
func (u *Universe) versions(from, to int, arch string, op evr.Op, version evr.EVR) []int {
	var out []int
	for i := from; i < to; i++ {
		p := &u.Packages[i]
		if (arch == "" || u.arch(i) == arch) && evr.Satisfies(evr.EQ, p.evr, op, version) {
			out = append(out, i)
		}
	}
	return out
}

func (u *Universe) arch(pkg int) string {
	p := &u.Packages[pkg]
	return u.Repositories[p.Repository].Primary.Text(p.Source.Arch)
}

// byNEVRA reads a name with a version, an architecture or both.
func (u *Universe) byNEVRA(text string) []int {
	rest, arch := text, ""
	for _, known := range []string{u.Arch, "noarch"} {
		if before, ok := strings.CutSuffix(text, "."+known); ok {
			rest, arch = before, known
			if id, ok := u.strings.Lookup(rest); ok {
				if from, to := u.named(id); to > from {
					return u.versions(from, to, arch, 0, evr.EVR{})
				}
			}
		}
	}
	// name-version-release, then name-version
	for _, dashes := range []int{2, 1} {
		at := len(rest)
		for range dashes {
			if at = strings.LastIndexByte(rest[:max(at, 0)], '-'); at <= 0 {
				break
			}
		}
		if at <= 0 {
			continue
		}
		id, ok := u.strings.Lookup(rest[:at])
		version, err := evr.Parse(rest[at+1:])
		if !ok || err != nil {
			continue
		}
		from, to := u.named(id)
		if found := u.released(from, to, arch, rest[at+1:], version); len(found) > 0 {
			return found
		}
	}
	return nil
}

// released filters packages of one name by a version, which without an epoch means every epoch, as in dnf.
func (u *Universe) released(from, to int, arch, text string, version evr.EVR) []int {
	if strings.Contains(text, ":") {
		return u.versions(from, to, arch, evr.EQ, version)
	}
	var out []int
	for i := from; i < to; i++ {
		version.Epoch = u.Packages[i].evr.Epoch
		out = append(out, u.versions(i, i+1, arch, evr.EQ, version)...)
	}
	return out
}
