// Package rpmspec turns what a .deb says into an RPM spec file: versions, relations, licence, scriptlets and the list of files. It
// only computes text; package build runs the programs.
//
// Sources: Debian Policy chapters 5 to 10, deb-control(5), the RPM reference manual (spec, dependencies). README.md of debrpm
// lists the rules and their limits.
package rpmspec

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
)

// EVR is a version in RPM's three parts. Epoch is "" if there is none.
type EVR struct{ Epoch, Version, Release string }

// VersionOf maps a Debian version. A version without a revision has revision 0 (deb-version says they are equal), so that
// every RPM has a release and every relation can name one. RPM keeps "-" for the release: inside the upstream version it becomes
// "^", which sorts like it, after the end and before "." (12 < 12-20211113 < 12.2). ":" becomes "_"; "~" and "+" stay.
func VersionOf(v debian.Version) EVR {
	e := EVR{Epoch: v.Epoch, Version: rpmChars(v.Upstream), Release: v.Revision}
	if strings.Trim(e.Epoch, "0") == "" {
		e.Epoch = ""
	}
	if e.Release == "" {
		e.Release = "0"
	}
	return e
}

func rpmChars(s string) string { return strings.NewReplacer("-", "^", ":", "_").Replace(s) }

// String is [epoch:]version-release.
func (e EVR) String() string {
	s := e.Version + "-" + e.Release
	if e.Epoch != "" {
		s = e.Epoch + ":" + s
	}
	return s
}

// operators maps Debian's strict operators to RPM's.
var operators = map[string]string{"<<": "<", "<=": "<=", "=": "=", ">=": ">=", ">>": ">"}

// relationText writes one relation in RPM's syntax. A revision without letters and digits, as in "<< 1.2-.", is Debian's way to
// say "above every revision of 1.2"; RPM says that by leaving the release out.
func relationText(r debian.Relation) string {
	if r.Op == "" {
		return r.Name
	}
	if v := r.Version; v.Revision != "" && strings.Trim(v.Revision, ".+-") == "" {
		e := VersionOf(v)
		text := strings.TrimSuffix(e.String(), "-"+e.Release)
		if strings.HasPrefix(r.Op, "<") {
			return r.Name + " <= " + text
		}
		return r.Name + " > " + text
	}
	return r.Name + " " + operators[r.Op] + " " + VersionOf(r.Version).String()
}

// Relations are the mapped relationship fields, each a list of spec lines "Tag: value".
type Relations struct {
	Lines   []string
	Dropped []string // what has no equivalent or was cut, with the reason
}

// RelationOptions say what to cut and choose; see debian.ClosureOptions.
type RelationOptions struct {
	debian.ClosureOptions
	Name    string // Debian name of the package
	Version debian.Version
	Rename  func(debianName string) string       // RPM name of a Debian package
	Reason  func(group []debian.Relation) string // why a dependency is cut
}

// MapRelations maps Depends, Pre-Depends, Recommends, Provides, Conflicts, Breaks and Replaces of a control paragraph.
func MapRelations(p debian.Paragraph, o RelationOptions) (Relations, error) {
	var out Relations
	parsed := map[string][][]debian.Relation{}
	for _, field := range []string{"Pre-Depends", "Depends", "Recommends", "Provides", "Conflicts", "Breaks", "Replaces"} {
		groups, err := debian.ParseRelations(p[field])
		if err != nil {
			return out, fmt.Errorf("field %s: %w", field, err)
		}
		parsed[field] = groups
	}
	for _, d := range []struct{ field, tag string }{
		{"Pre-Depends", "Requires(pre)"}, {"Pre-Depends", "Requires"}, {"Depends", "Requires"}, {"Recommends", "Recommends"},
	} {
		for _, group := range parsed[d.field] {
			r, ok := o.Chosen(o.Name, group)
			if !ok {
				out.Dropped = append(out.Dropped, fmt.Sprintf("%s %s: %s", d.field, groupText(group), o.Reason(group)))
				continue
			}
			r.Name = o.Rename(r.Name)
			out.Lines = append(out.Lines, d.tag+": "+relationText(r))
		}
	}
	for _, group := range parsed["Provides"] {
		r := group[0]
		if r.Op == "" {
			// In Debian a provided name without a version satisfies no versioned relation; in RPM it satisfies all of them, even
			// "Conflicts: perl-modules < 5.36" of an old package. The version of the package itself is what RPM packagers write.
			r.Op, r.Version = "=", o.Version
		}
		out.Lines = append(out.Lines, "Provides: "+relationText(r))
	}
	for _, field := range []string{"Conflicts", "Breaks"} {
		for _, group := range parsed[field] {
			r := group[0]
			r.Name = o.Rename(r.Name)
			out.Lines = append(out.Lines, "Conflicts: "+relationText(r))
		}
	}
	out.replaces(parsed)
	out.Lines = unique(out.Lines)
	return out, nil
}

// replaces maps Replaces to Obsoletes where it means a renamed package: the new one provides the old name and conflicts with it,
// up to a version. Other Replaces only allow to overwrite files, which a fresh installation never does.
func (out *Relations) replaces(parsed map[string][][]debian.Relation) {
	named := func(field, name string) bool {
		for _, group := range parsed[field] {
			if group[0].Name == name {
				return true
			}
		}
		return false
	}
	for _, group := range parsed["Replaces"] {
		r := group[0]
		if r.Op != "" && named("Provides", r.Name) && (named("Conflicts", r.Name) || named("Breaks", r.Name)) {
			out.Lines = append(out.Lines, "Obsoletes: "+relationText(r))
			continue
		}
		out.Dropped = append(out.Dropped, "Replaces "+groupText(group)+": RPM has no permission to overwrite single files")
	}
}

func groupText(group []debian.Relation) string {
	var parts []string
	for _, r := range group {
		text := r.Name
		if r.Op != "" {
			text += " " + r.Op + " " + VersionOf(r.Version).String()
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " | ")
}

// unique removes repeated lines; the first one stays.
func unique(lines []string) []string {
	seen := map[string]bool{}
	out := lines[:0]
	for _, line := range lines {
		if !seen[line] {
			seen[line] = true
			out = append(out, line)
		}
	}
	return out
}
