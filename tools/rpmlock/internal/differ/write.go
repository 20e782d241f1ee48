package differ

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/advisories"
	"github.com/rules-slimrpm/rules_slimrpm/tools/rpmlock/internal/table"
)

// Write writes a difference as text, markdown or json.
func (d *Difference) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		return table.JSON(w, d)
	case "markdown":
		return d.markdown(w)
	}
	return d.text(w)
}

func (d *Difference) text(w io.Writer) error {
	var rows [][]string
	for _, c := range d.Due() {
		rows = append(rows, []string{sign(c.Kind), c.Name, Versions(&c, " -> "), strings.Join(c.Architectures, " "), sizes(c.Installed), Words(c.Advisories)})
	}
	var out strings.Builder
	table.Text(&out, rows)
	if folded := d.Folded(" -> "); folded != "" {
		fmt.Fprintf(&out, "release metadata: %s\n", folded)
	}
	if len(d.Changes) == 0 {
		out.WriteString("no package changes\n")
	}
	for _, arch := range slices.Sorted(maps.Keys(d.Totals)) {
		t := d.Totals[arch]
		fmt.Fprintf(&out, "%s: %s packages, %s packed, %s installed\n", arch, count(t.Packages), table.Change(t.SizeBytes.From, t.SizeBytes.To),
			table.Change(t.Installed.From, t.Installed.To))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (d *Difference) markdown(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "### Packages of %s\n\n", table.Cell(d.Release))
	due := d.Due()
	if len(due) > 0 {
		out.WriteString("| package | from | to | architectures | installed size | advisories |\n|---|---|---|---|---|---|\n")
	}
	for _, c := range due {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n", table.Cell(c.Name), orNone(c.From), orNone(c.To), strings.Join(c.Architectures, ", "),
			sizes(c.Installed), table.Cell(Words(c.Advisories)))
	}
	if len(d.Changes) == 0 {
		out.WriteString("No package changes.\n")
	}
	if folded := d.Folded(" → "); folded != "" {
		fmt.Fprintf(&out, "\nRelease metadata: %s\n", table.Cell(folded))
	}
	out.WriteString("\n| architecture | packages | packed | installed |\n|---|---|---|---|\n")
	for _, arch := range slices.Sorted(maps.Keys(d.Totals)) {
		t := d.Totals[arch]
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", arch, count(t.Packages), table.Change(t.SizeBytes.From, t.SizeBytes.To), table.Change(t.Installed.From, t.Installed.To))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// Folded names the changes of release metadata in one line.
func (d *Difference) Folded(arrow string) string {
	var out []string
	for _, c := range d.Changes {
		if c.Churn {
			out = append(out, c.Name+" "+Versions(&c, arrow))
		}
	}
	return strings.Join(out, ", ")
}

func sign(kind string) string {
	switch kind {
	case Added:
		return "+"
	case Removed:
		return "-"
	}
	return "*"
}

// Versions writes the old and the new version of a change, or the one that there is.
func Versions(c *Change, arrow string) string {
	switch c.Kind {
	case Added:
		return c.To
	case Removed:
		return c.From
	case Rebuilt:
		return c.To + " (rebuilt)"
	case Downgraded:
		return c.From + arrow + c.To + " (downgrade)"
	}
	return c.From + arrow + c.To
}

func orNone(version string) string {
	if version == "" {
		return "—"
	}
	return table.Cell(version)
}

// sizes writes the growth of a package, once when it is the same on all architectures.
func sizes(byArch map[string]Sizes) string {
	var out []string
	for _, arch := range slices.Sorted(maps.Keys(byArch)) {
		out = append(out, table.Delta(byArch[arch].To-byArch[arch].From))
	}
	return strings.Join(slices.Compact(out), " / ")
}

func count(s Sizes) string {
	if s.From == s.To {
		return fmt.Sprint(s.To)
	}
	return fmt.Sprintf("%d -> %d", s.From, s.To)
}

// Words writes advisories in one line: "ALAS2023-2026-1 (important; CVE-2026-1, CVE-2026-2)".
func Words(list []advisories.Advisory) string {
	var out []string
	for _, a := range list {
		details := a.Word()
		if details == "" {
			details = a.Type
		}
		if len(a.CVEs) > 0 {
			details += "; " + strings.Join(a.CVEs, ", ")
		}
		out = append(out, fmt.Sprintf("%s (%s)", a.ID, details))
	}
	return strings.Join(out, ", ")
}
