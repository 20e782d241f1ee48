package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/compose"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// report prints the packages by size, what the image made itself, and what was left out and why.
func (im *image) report(out io.Writer) {
	total, made := im.sizes()
	holds := plural(len(im.packages), "package")
	if n := len(im.tree.NonRPM); n > 0 {
		holds += " and " + plural(n, "other content")
	}
	fmt.Fprintf(out, "%s: %s, %s bytes in %s\n\n", im.where(), holds, count(total), plural(im.tree.Layers, "layer"))
	packages := slices.Clone(im.tree.Packages)
	slices.SortStableFunc(packages, func(a, b rootfs.Package) int {
		return cmp.Or(cmp.Compare(b.SizeBytes, a.SizeBytes), cmp.Compare(a.NEVRA, b.NEVRA))
	})
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "bytes\tfiles\tlayer\t package")
	for i := range packages {
		p := &packages[i]
		part := ""
		switch {
		case p.Foreign != nil:
			part = " (of an image of others)"
		case p.Provided:
			part = " (registered only)"
		case p.Partial:
			part = " (in part)"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t %s%s: %s\n", count(p.SizeBytes), files(p), p.Layer+1, p.NEVRA, part, im.firstNeed(p.Name))
	}
	for i := range im.tree.NonRPM {
		n := &im.tree.NonRPM[i]
		fmt.Fprintf(table, "%s\t%d\t%d\t %s: content %s, %s\n", count(n.SizeBytes), n.Files, n.Layer+1, n.PURL, n.Label, describeContent(n))
	}
	fmt.Fprintf(table, "%s\t\t\t made by the image itself\n", count(made))
	table.Flush() // to a buffer
	im.reportCuts(out)
	im.reportPolicies(out)
	for _, section := range []struct {
		title string
		lines func(*compose.Report) []string
	}{
		{"removed", func(r *compose.Report) []string { return r.Removed }},
		{"removed from the base", func(r *compose.Report) []string { return r.Whiteouts }},
		{"replaced or changed", func(r *compose.Report) []string { return r.Replaced }},
		{"without their set-user-ID and set-group-ID bits", func(r *compose.Report) []string { return r.Stripped }},
		{"scriptlets not covered", uncovered},
		{"notes", func(r *compose.Report) []string { return r.Notes }},
	} {
		var lines []string
		for _, r := range im.reports {
			lines = append(lines, section.lines(r)...)
		}
		printSection(out, section.title, lines)
	}
}

// sizes returns the bytes of all files, each inode once, and of those that no package owns.
func (im *image) sizes() (total, made int64) {
	for _, e := range im.tree.Entries {
		if e.Type != pkgindex.TypeFile || e.HardLink != "" {
			continue
		}
		total += e.SizeBytes
		if owners, others := im.owners(e); len(owners) == 0 && !slices.ContainsFunc(others, im.isContent) {
			made += e.SizeBytes
		}
	}
	return total, made
}

// describeContent says what a content was built with, and how newer versions of it are found.
func describeContent(n *rootfs.NonRPM) string {
	var words []string
	if len(n.BuiltWith) > 0 {
		words = append(words, "built with "+strings.Join(n.BuiltWith, ", "))
	}
	updates := "updates: " + n.Updates["kind"]
	for _, key := range []string{"module", "series", "url"} {
		if n.Updates[key] != "" {
			updates += " " + n.Updates[key]
		}
	}
	return strings.Join(append(words, updates), "; ")
}

// files counts those of the package that are in the image, directories included.
func files(p *rootfs.Package) int {
	n := 0
	for _, state := range []byte(p.FileStates) {
		if state == rootfs.StateNormal {
			n++
		}
	}
	return n
}

// firstNeed says in a few words why a package is there; the target named why says all.
func (im *image) firstNeed(name string) string {
	asked := im.asked[name]
	if len(asked) == 0 {
		return "in the base"
	}
	best := &im.edges[asked[0]]
	for _, i := range asked {
		if e := &im.edges[i]; im.isRoot(e) && !im.isRoot(best) {
			best = e
		}
	}
	text := best.Kind + " " + best.Need
	if im.isRoot(best) && strings.Contains(best.From, "//") {
		text = best.Kind + " of " + best.From
	} else if best.From != "" {
		text += " of " + best.From
	}
	if more := len(im.bySource(asked)) - 1; more > 0 {
		text += fmt.Sprintf(", and of %d more", more)
	}
	return text
}

func (im *image) reportCuts(out io.Writer) {
	var lines []string
	for _, r := range im.reports {
		for _, c := range r.Cut {
			lines = append(lines, cutLine(&c))
		}
	}
	printSection(out, "cut", lines)
}

func cutLine(c *selection.Cut) string {
	switch {
	case c.Package == c.Need:
		return c.Need + ": " + c.Reason
	case c.Package == "":
		return c.Need + " (of no candidate package): " + c.Reason
	}
	return c.Need + " (" + c.Package + "): " + c.Reason
}

func (im *image) reportPolicies(out io.Writer) {
	dropped := map[string]int{}
	packages := map[string]int{}
	for _, r := range im.reports {
		for i := range r.Packages {
			for policy, n := range r.Packages[i].Dropped {
				dropped[policy] += n
				packages[policy]++
			}
		}
	}
	var lines []string
	for policy, n := range dropped {
		lines = append(lines, fmt.Sprintf("%s: %s of %s", policy, plural(n, "file"), plural(packages[policy], "package")))
	}
	slices.Sort(lines)
	printSection(out, "left out by policies", lines)
}

func uncovered(r *compose.Report) []string {
	var out []string
	for i := range r.Scriptlets {
		if s := &r.Scriptlets[i]; s.Status == "not covered" {
			out = append(out, fmt.Sprintf("%s of %s: %s", s.Kind, s.Package, strings.Join(s.Detail, "; ")))
		}
	}
	return out
}

func printSection(out io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	for _, line := range lines {
		fmt.Fprintln(out, "  "+line)
	}
}
