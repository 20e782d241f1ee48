// Package content describes what an image holds that is no RPM package: programs built elsewhere, trees out of archives.
//
// Program content makes content.json and a payload tar of what a spec names; rootfs reads both, as it does with those of RPMs.
// Every content has a name, a version, a package URL and a licence, so that bills of materials, reports and update checks see it
// beside the packages.
package content

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/strictjson"
)

// Schema is the version of the spec and of content.json.
const Schema = 1

const (
	maxSpecBytes  = 16 << 20
	maxIndexBytes = 512 << 20
)

// Spec is what the rules write: one content. Paths are absolute paths in the image unless said otherwise.
type Spec struct {
	Schema  int               `json:"schema"`
	Label   string            `json:"label"` // of the target
	Name    string            `json:"name"`
	Version string            `json:"version"`
	PURL    string            `json:"purl"`    // package URL, such as pkg:golang/toolchain@1.26.4
	License string            `json:"license"` // SPDX expression
	Updates map[string]string `json:"updates"` // where newer versions are found: see checkUpdates

	Files    []File            `json:"files,omitempty"`
	Archive  *Archive          `json:"archive,omitempty"`
	Symlinks map[string]string `json:"symlinks,omitempty"` // path to target
	User     string            `json:"user,omitempty"`     // name or number, of everything; default 0
	Group    string            `json:"group,omitempty"`    // likewise
}

// File is a regular file.
type File struct {
	Path   string `json:"path"`
	Source string `json:"source"`         // path on the host
	Mode   string `json:"mode,omitempty"` // octal; default 0644
}

// Archive is a tar (plain, gzip, xz, zstd or bzip2) or a zip, told apart by the first bytes.
type Archive struct {
	Source string `json:"source"` // path on the host
	// Digest is "sha256:" and the hex digest of the archive, or "h1:" and the hash that go.sum has of a Go module's zip. Required.
	Digest      string `json:"digest"`
	StripPrefix string `json:"strip_prefix,omitempty"` // folders of the archive; what lies elsewhere is left out
	Prefix      string `json:"prefix"`                 // directory of the image that the rest goes to
	// Exclude and Executable are globs over the rest, such as "test/**": what is left out, and which files get mode 0755 besides
	// those that the archive says are executable. One that matches nothing is an error.
	Exclude    []string `json:"exclude,omitempty"`
	Executable []string `json:"executable,omitempty"`
}

// Index is content.json.
type Index struct {
	Schema  int             `json:"schema"`
	Content rootfs.NonRPM   `json:"content"` // without Layer
	Files   []pkgindex.File `json:"files"`   // by path, bytewise; contents are in the payload
}

// kinds of Updates, and the key that each must have besides "kind".
var kinds = map[string]string{
	"go-toolchain": "series", // releases of the Go project: a minor version, such as 1.26
	"go-module":    "module", // path of a Go module
	"built":        "",       // from source that is part of the build; its compiler is in built_with
	"manual":       "url",    // a page that a person looks at
}

var purlForm = regexp.MustCompile(`^pkg:[a-z][a-z0-9.+-]*/\S+$`)

// ReadSpec decodes a spec strictly and checks it. name is used in errors.
func ReadSpec(r io.Reader, name string) (*Spec, error) {
	var s Spec
	err := strictjson.Decode(r, maxSpecBytes, &s)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading spec %s: %w", name, err)
	}
	return &s, nil
}

func (s *Spec) check() error {
	if s.Schema != Schema {
		return fmt.Errorf("schema %d, this tool reads %d", s.Schema, Schema)
	}
	for _, field := range [][2]string{{"label", s.Label}, {"name", s.Name}, {"version", s.Version}, {"license", s.License}} {
		if field[1] == "" || strings.ContainsAny(field[1], "\x00\n") {
			return fmt.Errorf("%s %q: must be one line and not empty", field[0], field[1])
		}
	}
	if !purlForm.MatchString(s.PURL) || !strings.Contains(s.PURL, "@"+s.Version) {
		return fmt.Errorf("purl %q: must be a package URL of version %s, such as pkg:generic/%s@%s", s.PURL, s.Version, s.Name, s.Version)
	}
	if err := checkUpdates(s.Updates); err != nil {
		return err
	}
	if len(s.Files) == 0 && s.Archive == nil {
		return fmt.Errorf("neither files nor an archive")
	}
	for _, f := range s.Files {
		if err := checkPath(f.Path); err != nil {
			return fmt.Errorf("files: %w", err)
		}
		if _, err := parseMode(f.Mode); err != nil {
			return fmt.Errorf("files: %s: %w", f.Path, err)
		}
	}
	for link, target := range s.Symlinks {
		if err := checkPath(link); err != nil {
			return fmt.Errorf("symlinks: %w", err)
		}
		if target == "" || strings.ContainsRune(target, 0) {
			return fmt.Errorf("symlinks: %s: target %q", link, target)
		}
	}
	if s.Archive != nil {
		return s.Archive.check()
	}
	return nil
}

func checkUpdates(updates map[string]string) error {
	key, ok := kinds[updates["kind"]]
	if !ok {
		return fmt.Errorf("updates: kind %q: must be one of built, go-module, go-toolchain, manual", updates["kind"])
	}
	for have := range updates {
		if have != "kind" && have != key {
			return fmt.Errorf("updates: kind %s has no %s", updates["kind"], have)
		}
	}
	if key != "" && updates[key] == "" {
		return fmt.Errorf("updates: kind %s needs %s", updates["kind"], key)
	}
	return nil
}

func (a *Archive) check() error {
	if a.Prefix != "/" {
		if err := checkPath(a.Prefix); err != nil {
			return fmt.Errorf("archive: prefix: %w", err)
		}
	}
	if p := a.StripPrefix; p != "" && (path.IsAbs(p) || path.Clean(p) != p || p == "." || strings.HasPrefix(p, "..")) {
		return fmt.Errorf("archive: strip_prefix %q: must be a clean relative path", p)
	}
	if !digestForm.MatchString(a.Digest) {
		return fmt.Errorf("archive: digest %q: must be sha256: and 64 hex digits, or h1: and the hash of go.sum", a.Digest)
	}
	for _, g := range slices.Concat(a.Exclude, a.Executable) {
		if _, err := pathglob.Parse("/" + g); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	return nil
}

// checkPath accepts absolute clean paths other than "/".
func checkPath(p string) error {
	if p == "/" {
		return fmt.Errorf("path %q: must not be the root", p)
	}
	return rootfs.CheckPath(p)
}

func parseMode(s string) (uint32, error) {
	if s == "" {
		return 0o644, nil
	}
	m, err := strconv.ParseUint(s, 8, 32)
	if err != nil || m > 0o7777 {
		return 0, fmt.Errorf("mode %q: must be octal, at most 7777", s)
	}
	return uint32(m), nil
}

// Read decodes content.json. name is used in errors.
func Read(r io.Reader, name string) (*Index, error) {
	var x Index
	err := strictjson.Decode(r, maxIndexBytes, &x)
	if err == nil {
		err = pkgindex.UnescapeBytes(&x)
	}
	if err == nil {
		err = x.check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading content %s: %w", name, err)
	}
	return &x, nil
}

func (x *Index) check() error {
	if x.Schema != Schema {
		return fmt.Errorf("schema %d, this tool reads %d", x.Schema, Schema)
	}
	if x.Content.Label == "" || x.Content.Name == "" {
		return fmt.Errorf("label and name must be set")
	}
	for i := range x.Files {
		f := &x.Files[i]
		if err := checkPath(f.Path); err != nil {
			return err
		}
		if i > 0 && x.Files[i-1].Path >= f.Path {
			return fmt.Errorf("%s: not sorted", f.Path)
		}
		if f.Type != pkgindex.TypeFile && f.Type != pkgindex.TypeDir && f.Type != pkgindex.TypeSymlink {
			return fmt.Errorf("%s: type %q", f.Path, f.Type)
		}
		if f.SizeBytes < 0 || f.Offset < 0 || f.Mode&^0o7777 != 0 {
			return fmt.Errorf("%s: size, offset or mode out of range", f.Path)
		}
	}
	return nil
}

// Write encodes x. Names that are not UTF-8 keep their bytes: see pkgindex.EscapeBytes.
func Write(w io.Writer, x *Index) error {
	sort.Slice(x.Files, func(i, j int) bool { return x.Files[i].Path < x.Files[j].Path })
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(pkgindex.EscapeBytes(x))
}
