package resolve

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// Absence says why one package is not in the solution of some roots.
type Absence struct {
	NEVRA string
	State AbsenceState
	// Facts are sentences without a full stop: the exclusion, the minimal conflict with the roots, or what was preferred.
	Facts []string
}

// AbsenceState is the kind of an Absence.
type AbsenceState int

// The states of a package that was asked about.
const (
	Present    AbsenceState = iota // it is in the solution
	Excluded                       // the manifest leaves it out
	Impossible                     // it cannot be installed together with the roots
	Unneeded                       // it could be installed, but nothing needs it, or something else was preferred
)

// String writes the absence as a line and its facts.
func (a *Absence) String() string {
	head := a.NEVRA + " " + [...]string{
		"is in the solution", "is left out", "cannot be installed with the roots", "could be installed, but is not needed",
	}[a.State]
	if len(a.Facts) == 0 {
		return head
	}
	return head + ":\n- " + strings.Join(a.Facts, "\n- ")
}

// maxAbsences bounds how many candidates WhyNot explains; a capability may have hundreds.
const maxAbsences = 20

// WhyNot explains, for every package that a name, name-version, capability or file may mean, the best first and 20 at most, why
// Resolve with the same options does not install it. It is an error when nothing in the repositories answers (an
// UnknownRootError with hints) or when the roots themselves have no solution.
func (u *Universe) WhyNot(what string, options Options) ([]Absence, error) {
	asked, err := parseRoots([]string{what})
	if err != nil {
		return nil, err
	}
	sol, err := u.Resolve(options)
	if err != nil {
		return nil, fmt.Errorf("resolving the roots, before looking for %s: %w", what, err)
	}
	if name := asked[0].expr.Name; strings.HasPrefix(name, "/") && !repomd.InPrimary(name) && options.Files != nil {
		if err := options.Files([]string{name}); err != nil {
			return nil, err
		}
	}
	candidates := u.meant(asked[0].expr)
	if len(candidates) == 0 {
		e := u.unknownRoot(asked[0])
		return nil, e.withHints()
	}
	slices.Reverse(candidates) // newest first
	var out []Absence
	for _, c := range candidates[:min(maxAbsences, len(candidates))] {
		a, err := u.absence(c, sol, options)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	slices.SortStableFunc(out, func(a, b Absence) int { return int(a.State) - int(b.State) })
	return out, nil
}

func (u *Universe) absence(c int, sol *Solution, options Options) (Absence, error) {
	a := Absence{NEVRA: u.NEVRA(c)}
	if _, in := slices.BinarySearch(sol.Packages, c); in {
		return a, nil
	}
	if reason := u.Packages[c].Excluded; reason != "" {
		a.State, a.Facts = Excluded, []string{reason}
		return a, nil
	}
	roots, err := parseRoots(options.Roots)
	if err != nil {
		return a, err
	}
	roots = append(roots, Root{Text: a.NEVRA, forced: []int{c}})
	_, err = u.resolve(roots, options)
	var conflict *Conflict
	switch {
	case errors.As(err, &conflict):
		a.State, a.Facts = Impossible, conflict.Facts
	case err != nil:
		return a, err
	default:
		a.State, a.Facts = Unneeded, u.preferred(c, sol)
	}
	return a, nil
}

// preferred says what was taken where c would have done.
func (u *Universe) preferred(c int, sol *Solution) []string {
	var facts []string
	from, to := u.named(u.Packages[c].name)
	for other := from; other < to; other++ {
		if _, in := slices.BinarySearch(sol.Packages, other); in {
			facts = append(facts, u.NEVRA(other)+" is taken")
		}
	}
	for _, p := range sol.Packages {
		for _, d := range u.deps(p, repomd.Requires) {
			text := u.strings.Text(d.name)
			if strings.HasPrefix(text, "(") || !slices.Contains(u.providers(d), c) {
				continue
			}
			for _, q := range u.providers(d) {
				if _, in := slices.BinarySearch(sol.Packages, q); in && q != c {
					facts = append(facts, fmt.Sprintf("%s requires %s, and %s has it", u.NEVRA(p), u.text(d), u.NEVRA(q)))
					break
				}
			}
		}
	}
	for _, p := range sol.Packages {
		for _, d := range u.deps(p, repomd.Recommends) {
			if !strings.HasPrefix(u.strings.Text(d.name), "(") && slices.Contains(u.providers(d), c) {
				facts = append(facts, fmt.Sprintf("%s only recommends %s", u.NEVRA(p), u.text(d)))
			}
		}
	}
	if len(facts) == 0 {
		return []string{"no package of the solution requires or recommends it"}
	}
	const most = 6
	if len(facts) > most {
		facts = append(facts[:most:most], fmt.Sprintf("and %d more", len(facts)-most))
	}
	return facts
}

// withHints adds what may have been meant.
func (e *UnknownRootError) withHints() error {
	if len(e.Near) == 0 {
		return e
	}
	return cli.Hint(e, "for %q, did you mean %s?", e.Root, list(e.Near, maxNear))
}
