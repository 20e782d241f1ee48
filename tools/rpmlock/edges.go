package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/resolve"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// builtinCuts are requirements whose work rootfs does itself. Each is measured in no image to be needed at run time.
var builtinCuts = []lockfile.ManifestCut{
	{Package: "ca-certificates", Requires: "bash", Reason: trustReason},
	{Package: "ca-certificates", Requires: "/bin/sh", Reason: trustReason},
	{Package: "ca-certificates", Requires: "/usr/bin/sh", Reason: trustReason},
	{Package: "ca-certificates", Requires: "coreutils", Reason: trustReason},
	{Package: "ca-certificates", Requires: "grep", Reason: trustReason},
	{Package: "ca-certificates", Requires: "sed", Reason: trustReason},
	{Package: "ca-certificates", Requires: "p11-kit", Reason: trustReason},
	{Package: "ca-certificates", Requires: "p11-kit-trust", Reason: trustReason},
}

const trustReason = "only update-ca-trust needs it, and rootfs extracts the trust store itself"

// linker computes the edges between the packages of a solution.
type linker struct {
	sol  *resolve.Solution
	cuts map[string]map[string]string // package -> requirement -> reason
}

func newLinker(m *lockfile.Manifest, sol *resolve.Solution) *linker {
	l := &linker{sol, map[string]map[string]string{}}
	for _, cut := range slices.Concat(builtinCuts, m.Cut) {
		if l.cuts[cut.Package] == nil {
			l.cuts[cut.Package] = map[string]string{}
		}
		l.cuts[cut.Package][cut.Requires] = cut.Reason
	}
	return l
}

// Edge kinds, the strongest first: a package that is needed in several ways is listed under the strongest only.
const (
	edgeELF = iota
	edgeRequires
	edgeScript
	edgeScriptlet
	edgeWeak
	numEdges
)

// link fills in the edges of a package from its header.
func (l *linker) link(entry *lockfile.Package, pkg int, header *rpm.Header) error {
	requires, err := rpm.Dependencies(header)
	if err != nil {
		return err
	}
	strongest := map[string]int{}
	for _, dep := range requires {
		if dep.RPMLib() {
			continue
		}
		if reason := l.cuts[entry.Name][dep.Name]; reason != "" {
			entry.Cut = append(entry.Cut, lockfile.Cut{Requires: dep.String(), Reason: reason})
			continue
		}
		if err := l.add(strongest, pkg, dep, kindOf(dep)); err != nil {
			return err
		}
	}
	for _, kind := range []rpm.DependencyKind{rpm.KindRecommend, rpm.KindSuggest} {
		weak, err := rpm.Relations(header, kind)
		if err != nil {
			return err
		}
		for _, dep := range weak {
			if err := l.add(strongest, pkg, dep, edgeWeak); err != nil {
				return err
			}
		}
	}
	lists := [numEdges]*[]string{&entry.ELF, &entry.Requires, &entry.Script, &entry.Scriptlet, &entry.Weak}
	for name, kind := range strongest {
		*lists[kind] = append(*lists[kind], name)
	}
	for _, list := range lists {
		slices.Sort(*list)
	}
	slices.SortFunc(entry.Cut, func(a, b lockfile.Cut) int { return strings.Compare(a.Requires, b.Requires) })
	entry.Cut = slices.Compact(entry.Cut)
	return nil
}

func (l *linker) add(strongest map[string]int, pkg int, dep rpm.Dependency, kind int) error {
	to, met, err := l.sol.Answer(pkg, dep.String())
	if err != nil {
		return err
	}
	if !met && kind != edgeWeak {
		// the resolver worked on primary.xml, which must say the same as the header
		return fmt.Errorf("its header requires %s, which nothing in the lock provides; the repository's metadata does not mention it", dep)
	}
	for _, p := range to {
		name := l.sol.Universe.Name(p)
		if old, ok := strongest[name]; !ok || kind < old {
			strongest[name] = kind
		}
	}
	return nil
}

func kindOf(dep rpm.Dependency) int {
	switch {
	case dep.ScriptletOnly():
		return edgeScriptlet
	case isSoname(dep.Name):
		return edgeELF
	case dep.ScriptsOnly:
		return edgeScript
	}
	return edgeRequires
}

// isSoname reports whether a capability is one that rpm's ELF generator writes: "libc.so.6(GLIBC_2.34)(64bit)",
// "rtld(GNU_HASH)".
func isSoname(name string) bool {
	if name == "rtld(GNU_HASH)" {
		return true
	}
	soname, _, _ := strings.Cut(name, "(")
	if strings.ContainsAny(soname, "/ ") || soname == "" {
		return false
	}
	i := strings.LastIndex(soname, ".so")
	return i > 0 && (len(soname) == i+3 || soname[i+3] == '.')
}
