// Package mapping reads the two data files of debrpm: packages.txt, which packages the release holds, and mapping.yaml, what
// cannot be read from a .deb: choices between alternatives, accounts with fixed ids, files that maintainer scripts make, and why
// the rest of a maintainer script is dropped.
package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds the data files.
const maxFile = 1 << 20

// Mapping is mapping.yaml.
type Mapping struct {
	// DropDepends cuts every dependency with an alternative of this name; the value is the reason.
	DropDepends map[string]string `yaml:"drop_depends"`
	// Choose picks an alternative or the provider of a virtual package.
	Choose map[string]string `yaml:"choose"`
	// Remove holds path patterns that are left out of every package, with the reason.
	Remove map[string]string `yaml:"remove"`
	// Boilerplate maps a regular expression for a line of a maintainer script to the reason why such lines are dropped.
	Boilerplate []Boilerplate      `yaml:"boilerplate"`
	Packages    map[string]Package `yaml:"packages"`
}

// Boilerplate is one kind of maintainer script line that no RPM needs.
type Boilerplate struct {
	Name   string `yaml:"name"`
	Match  string `yaml:"match"`
	Reason string `yaml:"reason"`
	regexp *regexp.Regexp
}

// Matches reports whether a line of a script is of this kind.
func (b *Boilerplate) Matches(line string) bool { return b.regexp.MatchString(line) }

// debArch stands, in symlinks and alternate, for the package's architecture by Debian's name (amd64, arm64).
const debArch = "{deb_arch}"

// Package is what one Debian package needs beyond the general rules. Paths are absolute.
type Package struct {
	Rename    string            `yaml:"rename"`    // RPM name, "" keeps Debian's
	Keep      []string          `yaml:"keep"`      // path patterns (path.Match, "/**" at the end for a tree); others are left out
	Remove    []string          `yaml:"remove"`    // path patterns
	Copies    []Copy            `yaml:"copies"`    // files that the postinst copies
	Files     []File            `yaml:"files"`     // files that the postinst writes
	Symlinks  map[string]string `yaml:"symlinks"`  // path -> target
	Attrs     []Attr            `yaml:"attrs"`     // owner and mode that the postinst sets
	Caps      map[string]string `yaml:"caps"`      // path -> capabilities, as in %caps
	Ghosts    []string          `yaml:"ghosts"`    // files made by %post
	Groups    []Group           `yaml:"groups"`    // made in %pre
	Users     []User            `yaml:"users"`     // made in %pre, after Groups
	Alternate []string          `yaml:"alternate"` // arguments of update-alternatives --install, where the script computes them
	Provides  []string          `yaml:"provides"`  // RPM syntax
	Requires  []string          `yaml:"requires"`
	PostNeeds []string          `yaml:"post_needs"` // Requires(post)
	Post      []string          `yaml:"post"`       // shell lines of %post
	Ldconfig  bool              `yaml:"ldconfig"`   // %post runs ldconfig, though the .deb activates no trigger
	// DropDepends is like Mapping's, for one package.
	DropDepends map[string]string `yaml:"drop_depends"`
	// ExcludeRequires maps a regular expression for generated requires to the reason why they are cut.
	ExcludeRequires map[string]string `yaml:"exclude_requires"`
	// Covers maps commands of the maintainer scripts, separated by blanks, to what became of them.
	Covers map[string]string `yaml:"covers"`
}

// Copy is a file the package holds twice.
type Copy struct {
	From   string `yaml:"from"` // a path, or a directory with a trailing "/" to list (see List)
	To     string `yaml:"to"`
	Config bool   `yaml:"config"`
	// List writes the paths of the files below From, relative to it, instead of their content.
	List bool `yaml:"list"`
}

// File is a file with its content.
type File struct {
	Path    string `yaml:"path"`
	Content string `yaml:"content"`
	Config  bool   `yaml:"config"`
}

// Attr is an owner and a mode; with Dir the path is made.
type Attr struct {
	Path  string `yaml:"path"`
	Mode  string `yaml:"mode"` // octal
	User  string `yaml:"user"`
	Group string `yaml:"group"`
	Dir   bool   `yaml:"dir"`
}

// Group is a system group.
type Group struct {
	Name string `yaml:"name"`
	ID   int    `yaml:"id"`
}

// User is a system user.
type User struct {
	Name  string `yaml:"name"`
	ID    int    `yaml:"id"`
	Group string `yaml:"group"`
	Home  string `yaml:"home"`
	Shell string `yaml:"shell"`
}

// Read reads mapping.yaml; unknown keys are errors.
func Read(name string) (*Mapping, error) {
	data, err := readFile(name)
	if err != nil {
		return nil, err
	}
	m, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return m, nil
}

// Parse is Read for bytes.
func Parse(data []byte) (*Mapping, error) {
	m := &Mapping{}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	for i := range m.Boilerplate {
		b := &m.Boilerplate[i]
		if b.Name == "" || b.Reason == "" {
			return nil, fmt.Errorf("boilerplate %d: name and reason are needed", i+1)
		}
		var err error
		if b.regexp, err = regexp.Compile(b.Match); err != nil {
			return nil, fmt.Errorf("boilerplate %s: %w", b.Name, err)
		}
	}
	return m, m.check()
}

// check finds ids that are used twice, and paths that are not absolute.
func (m *Mapping) check() error {
	gids, uids := map[int]string{}, map[int]string{}
	for _, name := range m.Names() {
		p := m.Packages[name]
		for _, g := range p.Groups {
			if other, ok := gids[g.ID]; ok && other != g.Name {
				return fmt.Errorf("package %s: group id %d belongs to %s already", name, g.ID, other)
			}
			gids[g.ID] = g.Name
		}
		for _, u := range p.Users {
			if other, ok := uids[u.ID]; ok && other != u.Name {
				return fmt.Errorf("package %s: user id %d belongs to %s already", name, u.ID, other)
			}
			uids[u.ID] = u.Name
		}
		for _, path := range p.paths() {
			if !strings.HasPrefix(path, "/") || strings.Contains(path+"/", "/../") {
				return fmt.Errorf("package %s: path %q is not absolute", name, path)
			}
		}
	}
	return nil
}

// For returns the package with {deb_arch} replaced in symbolic links and alternatives.
func (p Package) For(arch string) Package {
	links := map[string]string{}
	for link, target := range p.Symlinks {
		links[strings.ReplaceAll(link, debArch, arch)] = strings.ReplaceAll(target, debArch, arch)
	}
	p.Symlinks = links
	p.Alternate = slices.Clone(p.Alternate)
	for i, text := range p.Alternate {
		p.Alternate[i] = strings.ReplaceAll(text, debArch, arch)
	}
	return p
}

func (p Package) paths() []string {
	out := append(append(append([]string(nil), p.Keep...), p.Remove...), p.Ghosts...)
	for _, c := range p.Copies {
		out = append(out, c.From, c.To)
	}
	for _, f := range p.Files {
		out = append(out, f.Path)
	}
	for path := range p.Symlinks {
		out = append(out, path)
	}
	for _, a := range p.Attrs {
		out = append(out, a.Path)
	}
	for path := range p.Caps {
		out = append(out, path)
	}
	sort.Strings(out)
	return out
}

// Names returns the packages that have an entry, sorted.
func (m *Mapping) Names() []string {
	names := make([]string, 0, len(m.Packages))
	for name := range m.Packages {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Fingerprint is a text that changes when anything changes that decides how the named package is repacked.
func (m *Mapping) Fingerprint(name string) string {
	global := *m
	global.Packages = nil
	data, err := json.Marshal(struct {
		Global  Mapping
		Package Package
	}{global, m.Packages[name]})
	if err != nil {
		panic(err) // strings, numbers, lists and maps of them always encode
	}
	return string(data)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("reading %s: larger than %d bytes", name, maxFile)
	}
	return data, err
}
