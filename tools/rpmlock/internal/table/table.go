// Package table writes rows for people and programs: aligned text, Markdown cells, sizes, JSON.
package table

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Text writes rows in aligned columns, without blanks at the end of lines.
func Text(w *strings.Builder, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if widths[i] == 0 {
				continue // a column that no row uses
			}
			if line.Len() > 0 {
				line.WriteString("  ")
			}
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		w.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// Cell makes text safe inside a Markdown table.
func Cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "`", "\\`", "\n", " ").Replace(text)
}

// JSON writes a value with two blanks of indentation.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Size writes bytes in decimal units, three digits at least when they are there.
func Size(bytes int64) string {
	size, units := float64(bytes), []string{"B", "kB", "MB", "GB"}
	i := 0
	for ; (size >= 1000 || size <= -1000) && i < len(units)-1; i++ {
		size /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%d B", bytes)
	}
	return fmt.Sprintf("%.1f %s", size, units[i])
}

// Delta writes a difference with its sign.
func Delta(bytes int64) string {
	if bytes >= 0 {
		return "+" + Size(bytes)
	}
	return Size(bytes)
}

// Change writes a new size and, when it is another, how far it lies from the old one.
func Change(from, to int64) string {
	if from == to {
		return Size(to)
	}
	return fmt.Sprintf("%s (%s)", Size(to), Delta(to-from))
}

// Markdown writes a table whose first row is its head.
func Markdown(w *strings.Builder, rows [][]string) {
	for i, row := range rows {
		for _, cell := range row {
			w.WriteString("| " + Cell(cell) + " ")
		}
		w.WriteString("|\n")
		if i == 0 {
			w.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
}
