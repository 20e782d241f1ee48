package rpmspec

import (
	"fmt"
	"hash/fnv"
	"path"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/third_party/debrpm/internal/debian"
)

// File is one entry of the package.
type File struct {
	Path        string // absolute, as it is in the .deb
	Kind        Kind
	Mode        uint32 // permission bits with setuid, setgid and sticky
	User, Group string
	Target      string // of a symbolic link
	Config      bool
	Ghost       bool
	Caps        string
	// ExplicitMode writes the mode into the spec file instead of leaving it to the buildroot.
	ExplicitMode bool
}

// Kind is the type of an entry.
type Kind byte

// The kinds of entries. A hard link is a Regular file.
const (
	Regular   Kind = 'f'
	Directory Kind = 'd'
	Symlink   Kind = 'l'
)

// Spec is everything that the text of a spec file depends on.
type Spec struct {
	Name        string // RPM name
	Version     EVR
	SourceName  string
	Source      EVR
	Noarch      bool
	Summary     string
	Description string
	License     string
	Section     string
	Homepage    string
	Relations   []string // "Tag: value" lines
	Scriptlets  []string
	Exclude     []string // regular expressions for generated requires
	Files       []File
	Tree        string // the directory that becomes the buildroot
}

// Control fills in what a control paragraph says.
func (s *Spec) Control(p debian.Paragraph) error {
	v, err := debian.ParseVersion(p["Version"])
	if err != nil {
		return err
	}
	s.Version, s.Source, s.SourceName = VersionOf(v), VersionOf(v), p["Package"]
	if source := p["Source"]; source != "" {
		name, version, ok := strings.Cut(source, " (")
		s.SourceName = name
		if ok {
			if v, err = debian.ParseVersion(strings.TrimSuffix(version, ")")); err != nil {
				return err
			}
			s.Source = VersionOf(v)
		}
	}
	s.Noarch = p["Architecture"] == "all"
	s.Section, s.Homepage = p["Section"], p["Homepage"]
	s.Summary, s.Description, _ = strings.Cut(p["Description"], "\n")
	return nil
}

// Text is the spec file. The main package is Debian's source package, so that SOURCERPM of the binary package names it; where
// both have one name there is no second package.
func (s *Spec) Text() string {
	var b strings.Builder
	section := func(name string) string { return "%" + name + " -n " + s.Name }
	if len(s.Exclude) > 0 {
		fmt.Fprintf(&b, "%%global __requires_exclude %s\n", strings.Join(s.Exclude, "|"))
	}
	fmt.Fprintf(&b, "%%global _binary_payload %s\n", payload(s.Name))
	if s.SourceName == s.Name {
		section = func(name string) string { return "%" + name }
		fmt.Fprintf(&b, "Name: %s\n", s.Name)
	} else {
		fmt.Fprintf(&b, "Name: %s\nVersion: %s\nRelease: %s\n", s.SourceName, s.Source.Version, s.Source.Release)
		fmt.Fprintf(&b, "Summary: source package\nLicense: %s\n%%description\nSource package.\n", s.License)
		fmt.Fprintf(&b, "%%package -n %s\n", s.Name)
	}
	s.preamble(&b)
	fmt.Fprintf(&b, "%s\n%s\n", section("description"), escape(s.Description))
	fmt.Fprintf(&b, "%%install\nrm -rf %%{buildroot}\nmv %s %%{buildroot}\n", s.Tree)
	for _, text := range s.Scriptlets {
		first, rest, _ := strings.Cut(text, "\n")
		name, flags, _ := strings.Cut(strings.TrimPrefix(first, "%"), " ")
		fmt.Fprintln(&b, strings.TrimSpace(section(name)+" "+flags))
		if rest != "" {
			fmt.Fprintln(&b, escape(rest))
		}
	}
	fmt.Fprintf(&b, "%s\n%%defattr(-,root,root,-)\n", section("files"))
	for _, f := range s.Files {
		fmt.Fprintln(&b, f.line())
	}
	return b.String()
}

func (s *Spec) preamble(b *strings.Builder) {
	if s.Version.Epoch != "" {
		fmt.Fprintf(b, "Epoch: %s\n", s.Version.Epoch)
	}
	fmt.Fprintf(b, "Version: %s\nRelease: %s\nSummary: %s\nLicense: %s\n", s.Version.Version, s.Version.Release, escape(s.Summary), s.License)
	fmt.Fprintf(b, "Vendor: Debian\nGroup: %s\n", escape(s.Section))
	if s.Homepage != "" {
		fmt.Fprintf(b, "URL: %s\n", escape(s.Homepage))
	}
	if s.Noarch {
		fmt.Fprintln(b, "BuildArch: noarch")
	}
	for _, line := range s.Relations {
		fmt.Fprintln(b, escape(line))
	}
}

// payload spreads the codecs over the packages by name, so that readers meet all of them; nearly all take zstd, the fastest.
func payload(name string) string {
	h := fnv.New32a()
	h.Write([]byte(name))
	switch h.Sum32() % 16 {
	case 0:
		return "w2.xzdio"
	case 1:
		return "w6.gzdio"
	}
	return "w3.zstdio"
}

func escape(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// line is the entry of the %files section.
func (f File) line() string {
	var b strings.Builder
	if f.Kind == Directory {
		b.WriteString("%dir ")
	}
	if f.Ghost {
		b.WriteString("%ghost ")
	}
	if f.Config {
		b.WriteString("%config(noreplace) ")
	}
	if f.Kind == Regular && path.Base(f.Path) == "copyright" && strings.HasPrefix(f.Path, "/usr/share/doc/") {
		b.WriteString("%license ")
	}
	if f.Caps != "" {
		fmt.Fprintf(&b, "%%caps(%s) ", f.Caps)
	}
	if f.User != "root" || f.Group != "root" || f.ExplicitMode {
		mode := "-"
		if f.Kind != Symlink {
			mode = fmt.Sprintf("%04o", f.Mode)
		}
		fmt.Fprintf(&b, "%%attr(%s,%s,%s) ", mode, f.User, f.Group)
	}
	b.WriteString(`"` + quotePath(f.Path) + `"`)
	return b.String()
}

// quotePath escapes macros. Between double quotes rpmbuild expands no globs, and unpacking refuses quotes in names.
func quotePath(p string) string { return escape(p) }
