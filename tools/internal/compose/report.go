package compose

import (
	"encoding/json"
	"io"
	"slices"
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
	NonRPM       []rootfs.NonRPM   `json:"content"`  // of this layer, by label: what is no RPM package
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

// ReportScriptlet says what became of a scriptlet: "run", "emulated" (its program is one of ours), "replaced", "skipped" or "not
// covered".
type ReportScriptlet struct {
	Package  string   `json:"package"`
	Kind     string   `json:"kind"`
	Program  string   `json:"program"`
	Status   string   `json:"status"`
	ExitCode int      `json:"exit_code,omitempty"` // a warning, as for rpm; the output goes with it
	Output   string   `json:"output,omitempty"`    // the end of what it printed
	Runs     int      `json:"runs,omitempty"`      // of triggers that several packages set off
	Detail   []string `json:"detail,omitempty"`    // why it was skipped or is not covered; commands without effect in an image
	Created  []string `json:"created,omitempty"`   // paths
	Changed  []string `json:"changed,omitempty"`
	Removed  []string `json:"removed,omitempty"`
}

// note adds a detail, once.
func (s *ReportScriptlet) note(why string) {
	if !slices.Contains(s.Detail, why) {
		s.Detail = append(s.Detail, why)
	}
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

// chose notes the choice of a group, the last one.
func (r *Report) chose(c ReportChoice) {
	r.Alternatives = slices.DeleteFunc(r.Alternatives, func(o ReportChoice) bool { return o.Name == c.Name })
	r.Alternatives = append(r.Alternatives, c)
}

func newReport(s *Spec) *Report {
	return &Report{Schema: 1, Label: s.Label, Release: s.Release, Arch: s.Arch, Packages: []ReportPackage{}, NonRPM: []rootfs.NonRPM{}, Scriptlets: []ReportScriptlet{},
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
	for _, n := range t.NonRPM {
		if n.Layer == layer.Number {
			r.NonRPM = append(r.NonRPM, n)
		}
	}
	r.Whiteouts = append(r.Whiteouts, layer.Removed...)
	sort.Strings(r.Removed)
	sort.Strings(r.Replaced)
	sort.Strings(r.Stripped)
	sort.Strings(r.Notes)
	r.Notes = slices.Compact(r.Notes)
	sort.Slice(r.Alternatives, func(i, j int) bool { return r.Alternatives[i].Name < r.Alternatives[j].Name })
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
