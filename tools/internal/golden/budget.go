package golden

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

const maxBiggest = 10

// CheckBudget compares the size of a tree with a budget, and says what is biggest and what grew since the text want, which may be nil.
func CheckBudget(tree *rootfs.Tree, want *List, budgetMiB int64) error {
	bytes := Size(tree)
	if bytes <= budgetMiB*mib {
		return nil
	}
	var out strings.Builder
	fmt.Fprintf(&out, "the image has %s in regular files, %s more than its budget of %d MiB\n", size(bytes), size(bytes-budgetMiB*mib), budgetMiB)
	old := map[string]*Package{}
	if want != nil {
		old = want.packages()
	}
	packages := slices.Clone(tree.Packages)
	slices.SortStableFunc(packages, func(a, b rootfs.Package) int { return cmp.Compare(b.SizeBytes, a.SizeBytes) })
	out.WriteString("biggest packages:\n")
	for _, p := range packages[:min(len(packages), maxBiggest)] {
		fmt.Fprintf(&out, "    %10s  %s%s\n", size(p.SizeBytes), p.NEVRA, growth(p, old[p.Name], want != nil))
	}
	packages = slices.DeleteFunc(packages, func(p rootfs.Package) bool { return want == nil || grown(p, old[p.Name]) <= 0 })
	slices.SortStableFunc(packages, func(a, b rootfs.Package) int { return cmp.Compare(grown(b, old[b.Name]), grown(a, old[a.Name])) })
	if len(packages) > 0 {
		out.WriteString("what grew:\n")
	}
	for _, p := range packages[:min(len(packages), maxBiggest)] {
		fmt.Fprintf(&out, "    %+10d  %s%s\n", grown(p, old[p.Name]), p.NEVRA, growth(p, old[p.Name], true))
	}
	out.WriteString("biggest files:\n")
	files := slices.DeleteFunc(slices.Clone(tree.Entries), func(e *rootfs.Entry) bool { return e.Type != pkgindex.TypeFile || e.HardLink != "" })
	slices.SortStableFunc(files, func(a, b *rootfs.Entry) int { return cmp.Compare(b.SizeBytes, a.SizeBytes) })
	for _, e := range files[:min(len(files), maxBiggest)] {
		fmt.Fprintf(&out, "    %10s  %s (%s)\n", size(e.SizeBytes), e.Path, strings.Join(e.Owners, ", "))
	}
	return fmt.Errorf("%s", strings.TrimSuffix(out.String(), "\n"))
}

func grown(p rootfs.Package, old *Package) int64 {
	if old == nil {
		return p.SizeBytes
	}
	return p.SizeBytes - old.Bytes
}

func growth(p rootfs.Package, old *Package, known bool) string {
	switch {
	case !known:
		return ""
	case old == nil:
		return " (new)"
	case old.Bytes != p.SizeBytes:
		return fmt.Sprintf(" (%+d bytes)", p.SizeBytes-old.Bytes)
	}
	return ""
}
