// Package apt gets Debian packages through the machine's own apt configuration, without touching the machine: sources, keyrings
// and Acquire settings are read from it, everything else (lists, state, cache) lives in a private directory. apt verifies
// the signatures.
//
// Format source: sources.list(5), apt.conf(5). Limits: options of one-line sources other than signed-by and arch are not kept.
package apt

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
)

// Source is one entry of the machine's configuration, reduced to what is kept.
type Source struct {
	URIs       []string
	Suites     []string
	Components []string
	SignedBy   string // a path on the machine, an inline key, or ""
}

// debianSuites are the names under which a mirror of Debian appears; a source with another suite (of a vendor) is left alone.
var debianSuites = map[string]bool{
	"oldoldstable": true, "oldstable": true, "stable": true, "testing": true, "unstable": true, "sid": true, "buster": true,
	"bullseye": true, "bookworm": true, "trixie": true, "forky": true, "duke": true,
}

// ReadSources reads sources.list and sources.list.d below an apt configuration directory.
func ReadSources(dir string) ([]Source, error) {
	var out []Source
	names, err := filepath.Glob(filepath.Join(dir, "sources.list.d", "*"))
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	for _, name := range append([]string{filepath.Join(dir, "sources.list")}, names...) {
		var parse func(string) ([]Source, error)
		switch filepath.Ext(name) {
		case ".list":
			parse = parseList
		case ".sources":
			parse = parseDeb822
		default: // disabled or saved files
			continue
		}
		data, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sources, err := parse(string(data))
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		out = append(out, sources...)
	}
	return out, nil
}

func parseList(text string) ([]Source, error) {
	var out []Source
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "deb" {
			continue
		}
		s := Source{}
		words = words[1:]
		if len(words) > 0 && strings.HasPrefix(words[0], "[") {
			for len(words) > 0 {
				option := strings.Trim(words[0], "[]")
				if value, ok := strings.CutPrefix(option, "signed-by="); ok {
					s.SignedBy = value
				}
				end := strings.HasSuffix(words[0], "]")
				words = words[1:]
				if end {
					break
				}
			}
		}
		if len(words) < 2 {
			return nil, fmt.Errorf("line %d: no URI and suite", i+1)
		}
		s.URIs, s.Suites, s.Components = words[:1], words[1:2], words[2:]
		out = append(out, s)
	}
	return out, nil
}

func parseDeb822(text string) ([]Source, error) {
	var out []Source
	err := debian.ReadParagraphs(strings.NewReader(text), nil, func(p debian.Paragraph) error {
		if strings.EqualFold(p["Enabled"], "no") || !strings.Contains(" "+p["Types"]+" ", " deb ") {
			return nil
		}
		out = append(out, Source{URIs: strings.Fields(p["URIs"]), Suites: strings.Fields(p["Suites"]),
			Components: strings.Fields(p["Components"]), SignedBy: strings.TrimSpace(p["Signed-By"])})
		return nil
	})
	return out, err
}

// ForSuite keeps the mirrors of Debian and points them at another release of it: the base suite, -updates and -security.
func ForSuite(sources []Source, suite string) []Source {
	var out []Source
	seen := map[string]bool{}
	for _, s := range sources {
		for _, name := range s.Suites {
			base, kind, _ := strings.Cut(strings.TrimSuffix(name, "/"), "-")
			if !debianSuites[base] || kind != "" && kind != "updates" && kind != "security" || !contains(s.Components, "main") {
				continue
			}
			suites := []string{suite, suite + "-updates"} // a machine on sid has no source for updates
			if kind == "security" {
				suites = []string{suite + "-security"}
			}
			id := strings.Join(s.URIs, " ") + " " + suites[0]
			if !seen[id] {
				seen[id] = true
				out = append(out, Source{URIs: s.URIs, Suites: suites, Components: []string{"main"}, SignedBy: s.SignedBy})
			}
		}
	}
	return out
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// text writes sources in the deb822 format. root is where the machine's file system appears.
func text(sources []Source, root string, architectures []string) string {
	var b strings.Builder
	for _, s := range sources {
		fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nArchitectures: %s\n", strings.Join(s.URIs, " "),
			strings.Join(s.Suites, " "), strings.Join(s.Components, " "), strings.Join(architectures, " "))
		switch {
		case strings.HasPrefix(s.SignedBy, "/"):
			fmt.Fprintf(&b, "Signed-By: %s\n", filepath.Join(root, s.SignedBy))
		case s.SignedBy != "":
			fmt.Fprintf(&b, "Signed-By: %s\n", strings.ReplaceAll(s.SignedBy, "\n", "\n "))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// exists reports whether a file is there; other errors count as there, so that the next step names them.
func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil || !os.IsNotExist(err) && err != fs.ErrNotExist
}
