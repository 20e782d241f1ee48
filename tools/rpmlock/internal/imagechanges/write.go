package imagechanges

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/differ"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/table"
)

// Options are how a report is written.
type Options struct {
	Format string // text, markdown or json
	Sizes  bool   // whether the sizes say something
	// Foreseen is set when sizes come from the lock, and not from images that were built.
	Foreseen bool
}

// Write writes the report.
func (r *Report) Write(w io.Writer, o Options) error {
	var out strings.Builder
	switch o.Format {
	case "json":
		return table.JSON(w, r)
	case "markdown":
		r.markdown(&out, o)
	default:
		r.text(&out, o)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (r *Report) text(out *strings.Builder, o Options) {
	rows := r.rows(o)
	if len(rows) > 1 {
		table.Text(out, rows)
	}
	for _, line := range r.folded(" -> ") {
		out.WriteString(line + "\n")
	}
}

func (r *Report) markdown(out *strings.Builder, o Options) {
	fmt.Fprintf(out, "### Images of %s\n\n", table.Cell(r.Release))
	rows := r.rows(o)
	if len(rows) > 1 {
		table.Markdown(out, rows)
	}
	for i, line := range r.folded(" → ") {
		if i > 0 || len(rows) > 1 {
			out.WriteString("\n")
		}
		out.WriteString(strings.ToUpper(line[:1]) + table.Cell(line[1:]) + "\n")
	}
	if o.Foreseen && len(rows) > 1 {
		out.WriteString("\nSizes are foreseen from the lock; the images are not built yet.\n")
	}
	for _, group := range r.alike() {
		if group[0].Due {
			section(out, group, o)
		}
	}
}

// section tells the changes of images that change in the same way.
func section(out *strings.Builder, group []*Image, o Options) {
	var names []string
	for _, im := range group {
		names = append(names, im.Name)
	}
	fmt.Fprintf(out, "\n#### %s\n\n", table.Cell(strings.Join(names, ", ")))
	rows := [][]string{{"package", "from", "to", "architectures", "advisories"}}
	if o.Sizes {
		rows[0] = slices.Insert(rows[0], 4, "size")
	}
	for _, c := range group[0].Difference.Due() {
		row := []string{c.Name, orDash(c.From), orDash(c.To), strings.Join(c.Architectures, ", "), orDash(differ.Words(c.Advisories))}
		if c.Kind == differ.Rebuilt || c.Kind == differ.Downgraded {
			row[2] += " (" + c.Kind + ")"
		}
		if o.Sizes {
			row = slices.Insert(row, 4, growth(c.Installed))
		}
		rows = append(rows, row)
	}
	table.Markdown(out, rows)
	if churn := group[0].Difference.Folded(" → "); churn != "" {
		fmt.Fprintf(out, "\nRelease metadata: %s\n", table.Cell(churn))
	}
}

// rows has one row for each image that is due.
func (r *Report) rows(o Options) [][]string {
	head := []string{"image", "packages", "severity", "CVEs"}
	var archs []string
	if o.Sizes {
		for i := range r.Images {
			archs = append(archs, slices.Collect(maps.Keys(r.Images[i].SizeBytes))...)
		}
		slices.Sort(archs)
		archs = slices.Compact(archs)
		for _, arch := range archs {
			head = append(head, "size "+arch)
		}
	}
	rows := [][]string{head}
	for i := range r.Images {
		im := &r.Images[i]
		if !im.Due {
			continue
		}
		var names []string
		for _, c := range im.Difference.Due() {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		row := []string{im.Name, strings.Join(slices.Compact(names), ", "), orDash(im.Severity), orDash(strings.Join(im.CVEs, ", "))}
		for _, arch := range archs {
			size, ok := im.SizeBytes[arch]
			if !ok {
				row = append(row, "-")
				continue
			}
			row = append(row, table.Change(size.From, size.To))
		}
		rows = append(rows, row)
	}
	return rows
}

// folded are lines about what is no reason for a new image.
func (r *Report) folded(arrow string) []string {
	var metadata, same, lines []string
	churn := map[string]bool{}
	for i := range r.Images {
		im := &r.Images[i]
		switch {
		case im.Due:
		case len(im.Difference.Changes) > 0:
			metadata = append(metadata, im.Name)
		default:
			same = append(same, im.Name)
		}
		for _, c := range im.Difference.Changes {
			if c.Churn {
				churn[c.Name+" "+c.From+arrow+c.To] = true
			}
		}
	}
	if len(metadata) > 0 {
		lines = append(lines, fmt.Sprintf("only release metadata differs, not due: %s (%s)", strings.Join(metadata, ", "),
			strings.Join(slices.Sorted(maps.Keys(churn)), ", ")))
	}
	if len(same) > 0 {
		lines = append(lines, "unchanged: "+strings.Join(same, ", "))
	}
	var unshipped []string
	for _, c := range r.Unshipped {
		unshipped = append(unshipped, c.Name+" "+differ.Versions(&c, arrow))
	}
	if len(unshipped) > 0 {
		lines = append(lines, "locked, but in no image: "+strings.Join(unshipped, ", "))
	}
	return lines
}

// growth writes how much larger a package is, once when it is the same on all architectures.
func growth(byArch map[string]differ.Sizes) string {
	var out []string
	for _, arch := range slices.Sorted(maps.Keys(byArch)) {
		out = append(out, table.Delta(byArch[arch].To-byArch[arch].From))
	}
	return strings.Join(slices.Compact(out), " / ")
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
