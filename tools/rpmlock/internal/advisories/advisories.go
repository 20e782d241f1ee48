// Package advisories answers which advisories of repositories lie between two versions of a package.
package advisories

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/repomd"
)

// Advisory is what a reader wants to know of one.
type Advisory struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Severity string   `json:"severity,omitempty"`
	CVEs     []string `json:"cves,omitempty"`
	Title    string   `json:"title,omitempty"`

	level int
}

// Security reports whether it fixes a vulnerability.
func (a *Advisory) Security() bool { return a.Type == "security" }

// Word is its severity in lower case; empty when it has none.
func (a *Advisory) Word() string {
	if word := strings.ToLower(a.Severity); word != "none" {
		return word
	}
	return ""
}

// Index finds advisories by package. The zero value is empty.
type Index struct{ byName map[string][]entry }

type entry struct {
	arch     string
	evr      evr.EVR
	advisory *Advisory
}

// Add takes the advisories of one repository.
func (x *Index) Add(list []repomd.Advisory) {
	if x.byName == nil {
		x.byName = map[string][]entry{}
	}
	for i := range list {
		from := &list[i]
		a := &Advisory{ID: from.ID, Type: from.Type, Severity: from.Severity, CVEs: from.CVEs(), Title: from.Title, level: from.Level()}
		for _, collection := range from.Collections {
			for _, p := range collection.Packages {
				if p.Arch != "src" && p.Arch != "nosrc" {
					x.byName[p.Name] = append(x.byName[p.Name], entry{p.Arch, p.EVR, a})
				}
			}
		}
	}
}

// Between returns the advisories that bring a package above one version and up to another, the most severe first. Each ID is
// named once.
func (x *Index) Between(name, arch string, from, to evr.EVR) []Advisory {
	var out []Advisory
	for _, e := range x.byName[name] {
		if e.arch == arch && evr.Compare(e.evr, from) > 0 && evr.Compare(e.evr, to) <= 0 {
			out = append(out, *e.advisory)
		}
	}
	Sort(out)
	return slices.CompactFunc(out, func(a, b Advisory) bool { return a.ID == b.ID })
}

// Sort orders advisories, the most severe first, then by ID.
func Sort(list []Advisory) {
	slices.SortStableFunc(list, func(a, b Advisory) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.ID, b.ID))
	})
}
