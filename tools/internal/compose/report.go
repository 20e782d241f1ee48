package compose

import (
	"encoding/json"
	"io"
	"sort"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// Report is report.json: what a composition did and left out, for people and for the rules' report targets.
type Report struct {
	Schema       int               `json:"schema"`
	Label        string            `json:"label"`
	Release      string            `json:"release"`
	Arch         string            `json:"arch"`
	Packages     []ReportPackage   `json:"packages"` // of this layer, by NEVRA
	Scriptlets   []ReportScriptlet `json:"scriptlets"`
	Accounts     []ReportAccount   `json:"accounts"`     // that no file of a package had
	Alternatives []ReportChoice    `json:"alternatives"` // by name
	Removed      []string          `json:"removed"`      // by the spec's globs
	Whiteouts    []string          `json:"whiteouts"`    // what this layer takes from the base
	Replaced     []string          `json:"replaced"`     // package files whose content or attributes the image changed
	Stripped     []string          `json:"stripped"`     // files that lost their set-user-ID and set-group-ID bits
	Cut          []selection.Cut   `json:"cut"`          // what the selection left out, sorted
	Notes        []string          `json:"notes"`

	byPackage map[string]*ReportPackage
}

// ReportPackage is one package of the layer.
type ReportPackage struct {
	NEVRA     string         `json:"nevra"`
	Partial   bool           `json:"partial,omitempty"`
	Files     int            `json:"files"` // that ship, directories included
	SizeBytes int64          `json:"size_bytes"`
	Dropped   map[string]int `json:"dropped,omitempty"` // files left out, by policy
}

// ReportScriptlet says what became of a scriptlet: "emulated", "skipped" or "not covered".
type ReportScriptlet struct {
	Package string   `json:"package"`
	Kind    string   `json:"kind"`
	Program string   `json:"program"`
	Status  string   `json:"status"`
	Detail  []string `json:"detail,omitempty"`
}

// uncovered notes why, once.
func (s *ReportScriptlet) uncovered(why string) {
	s.Status = "not covered"
	for _, d := range s.Detail {
		if d == why {
			return
		}
	}
	s.Detail = append(s.Detail, why)
}

// ReportAccount is an account that the composition made.
type ReportAccount struct {
	Kind string `json:"kind"` // user, group
	Name string `json:"name"`
	ID   int    `json:"id"`
}

// ReportChoice is the choice of an alternative.
type ReportChoice struct {
	Name   string `json:"name"`
	Path   string `json:"path"`
	Manual bool   `json:"manual,omitempty"`
}

func newReport(s *Spec) *Report {
	return &Report{Schema: 1, Label: s.Label, Release: s.Release, Arch: s.Arch, Packages: []ReportPackage{}, Scriptlets: []ReportScriptlet{},
		Accounts: []ReportAccount{}, Alternatives: []ReportChoice{}, Removed: []string{}, Whiteouts: []string{}, Replaced: []string{}, Stripped: []string{}, Cut: []selection.Cut{},
		Notes: []string{}, byPackage: map[string]*ReportPackage{}}
}

func (r *Report) of(p *pkg) *ReportPackage {
	x := r.byPackage[p.Index.NEVRA]
	if x == nil {
		x = &ReportPackage{NEVRA: p.Index.NEVRA, Partial: p.partial, Dropped: map[string]int{}}
		r.byPackage[p.Index.NEVRA] = x
	}
	return x
}

func (r *Report) dropped(p *pkg, policy string) { r.of(p).Dropped[policy]++ }

func (r *Report) finish(t *rootfs.Tree, layer *rootfs.Layer) {
	for _, p := range t.Packages {
		if p.Layer != layer.Number {
			continue
		}
		x := r.byPackage[p.NEVRA]
		if x == nil {
			x = &ReportPackage{NEVRA: p.NEVRA, Partial: p.Partial}
		}
		x.SizeBytes = p.SizeBytes
		for _, state := range []byte(p.FileStates) {
			if state == rootfs.StateNormal {
				x.Files++
			}
		}
		r.Packages = append(r.Packages, *x)
	}
	r.Whiteouts = append(r.Whiteouts, layer.Removed...)
	sort.Strings(r.Removed)
	sort.Strings(r.Replaced)
	sort.Strings(r.Stripped)
	sort.Strings(r.Notes)
	sort.Slice(r.Accounts, func(i, j int) bool {
		a, b := r.Accounts[i], r.Accounts[j]
		return a.Kind+" "+a.Name < b.Kind+" "+b.Name
	})
}

// WriteReport encodes r, one item a line, so that a diff of two reports can be read.
func WriteReport(w io.Writer, r *Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(pkgindex.EscapeBytes(r))
}
