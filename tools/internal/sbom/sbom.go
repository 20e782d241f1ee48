// Package sbom lists what an image holds: as a bill of materials (CycloneDX 1.5, JSON) and as a table for people and scripts. Both are
// made of the image's tree alone, and are the same bytes for the same tree.
package sbom

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// Origin says how a package came into the package database, and with it what the image has of the package.
type Origin string

// The origins.
const (
	Whole    Origin = "whole"    // all files but those that policies leave out
	Partial  Origin = "partial"  // only the files that were asked for
	Provided Origin = "provided" // registered on request; the image has it from elsewhere, or not at all
	Foreign  Origin = "foreign"  // of an image of others
	Content  Origin = "content"  // no RPM package
)

// Item is one thing that an image holds.
type Item struct {
	Name      string
	Version   string // of packages [epoch:]version-release
	ID        string // NEVRA of a package, label of a content
	PURL      string // package URL
	SourceRPM string
	License   string // as the package says; of content an SPDX expression
	Vendor    string
	URL       string
	Digest    string // "sha256:HEX" of the .rpm or archive, or "h1:HASH"; "" if not known
	Origin    Origin
	Layer     int // that brought it in; 0 is the lowest
	Files     int // paths in the image
	Listed    int // paths that the package has
	SizeBytes int64
	Paths     []string // files in the image, of partial packages
	BuiltWith []string
}

// Items lists packages by NEVRA, then contents by label. What is neither is the image's own making, and not listed: see the owners in
// tree.json.
func Items(t *rootfs.Tree) []Item {
	system := readSystem(t)
	paths := ownedPaths(t)
	var out []Item
	for i := range t.Packages {
		p := &t.Packages[i]
		version := strings.TrimSuffix(strings.TrimPrefix(p.NEVRA, p.Name+"-"), "."+p.Arch)
		item := Item{Name: p.Name, Version: version, ID: p.NEVRA, PURL: packageURL(p, version, system), SourceRPM: p.SourceRPM, License: p.License,
			Vendor: p.Vendor, URL: p.URL, Origin: originOf(p), Layer: p.Layer, Files: strings.Count(p.FileStates, string(rootfs.StateNormal)),
			Listed: len(p.FileStates), SizeBytes: p.SizeBytes}
		if p.SHA256 != "" {
			item.Digest = "sha256:" + p.SHA256
		}
		if item.Origin == Partial {
			item.Paths = paths[p.NEVRA]
		}
		out = append(out, item)
	}
	for i := range t.NonRPM {
		n := &t.NonRPM[i]
		out = append(out, Item{Name: n.Name, Version: n.Version, ID: n.Label, PURL: n.PURL, License: n.License, Digest: n.Digest, Origin: Content,
			Layer: n.Layer, Files: n.Files, Listed: n.Files, SizeBytes: n.SizeBytes, BuiltWith: n.BuiltWith})
	}
	return out
}

func originOf(p *rootfs.Package) Origin {
	switch {
	case p.Foreign != nil:
		return Foreign
	case p.Provided:
		return Provided
	case p.Partial:
		return Partial
	}
	return Whole
}

// ownedPaths lists the files and links, by owner.
func ownedPaths(t *rootfs.Tree) map[string][]string {
	out := map[string][]string{}
	for _, e := range t.Entries {
		if e.Type == pkgindex.TypeDir {
			continue
		}
		for _, owner := range e.Owners {
			out[owner] = append(out[owner], e.Path)
		}
	}
	return out
}

// system is what an image calls itself in os-release(5).
type system struct{ id, version string }

// readSystem reads the fields that scanners know a distribution by.
func readSystem(t *rootfs.Tree) system {
	fs := rootfs.NewFS(t.Entries)
	var out system
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		path, err := fs.Follow(name)
		if err != nil {
			continue
		}
		e := fs.Get(path)
		if e == nil || e.Text == "" {
			continue
		}
		for line := range strings.Lines(e.Text) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "ID":
				out.id = value
			case "VERSION_ID":
				out.version = value
			}
		}
		return out
	}
	return out
}

// packageURL is the package URL of type rpm, with the qualifiers that scanners give and look at.
func packageURL(p *rootfs.Package, version string, s system) string {
	qualifiers := []string{}
	add := func(key, value string) {
		if value != "" {
			qualifiers = append(qualifiers, key+"="+escape(value))
		}
	}
	if epoch, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
		add("epoch", epoch)
	}
	if p.Arch != "(none)" { // of public keys
		add("arch", p.Arch)
	}
	distro := s.id
	if s.version != "" {
		distro += "-" + s.version
	}
	if s.id != "" {
		add("distro", distro)
	}
	add("upstream", strings.TrimSuffix(p.SourceRPM, "(none)"))
	slices.Sort(qualifiers)
	out := "pkg:rpm/"
	if s.id != "" {
		out += escape(strings.ToLower(s.id)) + "/"
	}
	out += escape(p.Name) + "@" + escape(version)
	if len(qualifiers) > 0 {
		out += "?" + strings.Join(qualifiers, "&")
	}
	return out
}

// escape leaves what package URLs leave: letters, digits and ".-_~:".
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(".-_~:", c) >= 0:
			b.WriteByte(c)
		default:
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

// isWebsite reports whether a URL may stand in a bill of materials, which wants valid ones.
func isWebsite(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.String() == text
}

// Columns of the table.
var columns = []string{"package", "source_rpm", "license", "origin", "layer", "files", "size_bytes", "digest", "purl"}

// Table is the list as tab-separated values with a line of names, one item a line.
func Table(items []Item) string {
	lines := []string{strings.Join(columns, "\t")}
	for i := range items {
		x := &items[i]
		fields := []string{x.ID, x.SourceRPM, x.License, string(x.Origin), strconv.Itoa(x.Layer), strconv.Itoa(x.Files),
			strconv.FormatInt(x.SizeBytes, 10), x.Digest, x.PURL}
		for j, field := range fields {
			fields[j] = cmp.Or(strings.Join(strings.Fields(pkgindex.EscapeString(field)), " "), "-")
		}
		lines = append(lines, strings.Join(fields, "\t"))
	}
	return strings.Join(lines, "\n") + "\n"
}
