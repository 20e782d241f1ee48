package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/golden"
)

const (
	// tablePage has the table of all images, between the markers.
	tablePage  = "README.md"
	tableStart = "<!-- sizes: made by update_goldens -->\n"
	tableEnd   = "<!-- end of sizes -->\n"
	// peersFile says what others' images have: variant to peer.
	peersFile = "eks_distro.json"
	// sizeLine begins the line of the page of one image.
	sizeLine = "Size on "
)

// peer is an image of others with the same purpose.
type peer struct {
	Packages int                `json:"packages"` // names in its package database
	MiB      map[string]float64 `json:"mib"`      // by OCI architecture
}

// size is "?" where it is not known.
func (p *peer) size(arch string) string {
	if p.MiB[arch] == 0 {
		return "?"
	}
	return fmt.Sprintf("%g", p.MiB[arch])
}

// sizes are the numbers of one variant and release.
type sizes struct {
	variant, release string
	packages         map[string]int   // by OCI architecture
	mib              map[string]int64 // by OCI architecture
	peer             *peer
}

// readSizes reads the lists below a folder of variants: <variant>/golden/<release>_<arch>.txt.
func readSizes(variants string) ([]*sizes, error) {
	files, err := filepath.Glob(filepath.Join(variants, "*", "golden", "*.txt"))
	if err != nil {
		return nil, err
	}
	peers := map[string]*peer{}
	data, err := os.ReadFile(filepath.Join(variants, peersFile))
	if err != nil {
		return nil, fmt.Errorf("reading sizes of others: %w", err)
	}
	if err := json.Unmarshal(data, &peers); err != nil {
		return nil, fmt.Errorf("reading sizes of others: %s: %w", peersFile, err)
	}
	rows := map[string]*sizes{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		l, err := golden.Read(bytes.NewReader(data), name)
		if err != nil {
			return nil, err
		}
		key := l.Variant + " " + l.Release
		if rows[key] == nil {
			rows[key] = &sizes{variant: l.Variant, release: l.Release, packages: map[string]int{}, mib: map[string]int64{}, peer: peers[l.Variant]}
		}
		rows[key].packages[l.Arch], rows[key].mib[l.Arch] = len(l.Packages), l.MiB
	}
	if len(rows) == 0 {
		return nil, errors.New("reading lists: there is none in " + filepath.Join(variants, "*", "golden"))
	}
	out := slices.Collect(maps.Values(rows))
	slices.SortFunc(out, func(a, b *sizes) int {
		return cmp.Or(cmp.Compare(a.variant, b.variant), cmp.Compare(a.release, b.release))
	})
	return out, nil
}

// table is the table of the page of all images.
func table(rows []*sizes) string {
	var out strings.Builder
	out.WriteString("| image | release | packages | MiB amd64 | MiB arm64 | EKS Distro: packages | MiB amd64 | MiB arm64 |\n")
	out.WriteString("|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		theirs := "- | - | -"
		if r.peer != nil {
			theirs = fmt.Sprintf("%d | %s | %s", r.peer.Packages, r.peer.size("amd64"), r.peer.size("arm64"))
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %d | %d | %s |\n", r.variant, r.release, r.packageCount(), r.mib["amd64"], r.mib["arm64"], theirs)
	}
	return out.String()
}

// packageCount is one number where the architectures agree.
func (r *sizes) packageCount() string {
	if r.packages["amd64"] == r.packages["arm64"] {
		return fmt.Sprint(r.packages["amd64"])
	}
	return fmt.Sprintf("%d, arm64 %d", r.packages["amd64"], r.packages["arm64"])
}

// line is the line of the page of one image.
func (r *sizes) line() string {
	out := fmt.Sprintf("%s%s: %d MiB (amd64), %d MiB (arm64), %s packages", sizeLine, r.release, r.mib["amd64"], r.mib["arm64"], r.packageCount())
	if r.peer != nil {
		out += fmt.Sprintf("; EKS Distro's on AL2023: %s MiB, %s MiB, %d packages", r.peer.size("amd64"), r.peer.size("arm64"), r.peer.Packages)
	}
	return out + ".\n"
}

// withTable returns the page of all images with the table in its place.
func withTable(page string, rows []*sizes) (string, error) {
	before, rest, ok := strings.Cut(page, tableStart)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return "", fmt.Errorf("%s has no place for the table of sizes: a line %q, and a line %q", tablePage, strings.TrimSpace(tableStart), strings.TrimSpace(tableEnd))
	}
	return before + tableStart + "\n" + table(rows) + "\n" + tableEnd + after, nil
}

// withLine returns the page of one image with the line in its place: where one of the same release stands, or at the end.
func (r *sizes) withLine(page string) string {
	start := sizeLine + r.release + ": "
	lines := strings.SplitAfter(page, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, start) {
			lines[i] = r.line()
			return strings.Join(lines, "")
		}
	}
	return strings.TrimRight(page, "\n") + "\n\n" + r.line()
}

// pages returns the pages below a folder of variants that show sizes: name to what is in the file, and to what should be.
func pages(variants string) (is, want map[string]string, err error) {
	rows, err := readSizes(variants)
	if err != nil {
		return nil, nil, err
	}
	is, want = map[string]string{}, map[string]string{}
	data, err := os.ReadFile(filepath.Join(variants, tablePage))
	if err != nil {
		return nil, nil, err
	}
	is[tablePage] = string(data)
	if want[tablePage], err = withTable(string(data), rows); err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		name := filepath.Join(r.variant, tablePage)
		if is[name] == "" {
			data, err := os.ReadFile(filepath.Join(variants, name))
			if err != nil {
				return nil, nil, err
			}
			is[name], want[name] = string(data), string(data)
		}
		want[name] = r.withLine(want[name])
	}
	return is, want, nil
}

// updatePages writes the sizes into the pages of a workspace.
func updatePages(workspace string) error {
	variants := filepath.Join(workspace, "variants")
	is, want, err := pages(variants)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if is[name] == want[name] {
			continue
		}
		fmt.Println(filepath.ToSlash(filepath.Join("variants", name)))
		if err := write(filepath.Join(variants, name), []byte(want[name])); err != nil {
			return err
		}
	}
	return nil
}
