package lockfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ManifestSchema is the version of the manifest format.
const ManifestSchema = 1

// MaxManifestBytes bounds rpms.yaml.
const MaxManifestBytes = 4 << 20

// MaxBudget bounds budget: minutes of search.
const MaxBudget = 10_000_000

// DefaultPriority is the priority of a repository that names none; lower numbers win, as in dnf.
const DefaultPriority = 99

// Manifest is rpms.yaml.
type Manifest struct {
	Schema        int                  `yaml:"schema"`
	Release       string               `yaml:"release"`
	Architectures []string             `yaml:"architectures"`
	ReleaseVer    string               `yaml:"releasever"` // value of $releasever
	Vars          map[string]string    `yaml:"vars"`       // further variables of URLs
	RPMDB         RPMDB                `yaml:"rpmdb"`
	Repositories  []ManifestRepository `yaml:"repositories"`
	Install       []Root               `yaml:"install"`
	Groups        Groups               `yaml:"groups"`  // alternatives to install, each for itself
	Exclude       []string             `yaml:"exclude"` // package names, NEVRAs or globs of them that must not be locked
	Pin           Pins                 `yaml:"pin"`     // names of which one version only may be locked
	Policy        string               `yaml:"policy"`  // one of KnownPolicies; dnf when left out
	Budget        int                  `yaml:"budget"`  // conflicts that the search of policy smallest may take; 0: the resolver's default
	Best          bool                 `yaml:"best"`    // the best candidate of each root, or an error
	Cut           []ManifestCut        `yaml:"cut"`     // requirements to leave out of the edges
	Modules       []string             `yaml:"modules"` // "name:stream" to enable, "-name" to keep a module off
	Weak          bool                 `yaml:"weak"`    // follow Recommends and Supplements too
	Churn         []string             `yaml:"churn"`   // names or globs of release metadata, see ChurnNames
}

// ManifestRepository is one repository. Exactly one of BaseURL, MirrorList and MetaLink is set.
type ManifestRepository struct {
	ID           string   `yaml:"id"`
	BaseURL      URLs     `yaml:"baseurl"`
	MirrorList   string   `yaml:"mirrorlist"`
	MetaLink     string   `yaml:"metalink"`
	Keys         []string `yaml:"keys"`         // public key files, relative to the manifest
	Fingerprints []string `yaml:"fingerprints"` // upper-case hex; the only keys of the files that are believed
	GPGCheck     *bool    `yaml:"gpgcheck"`     // package signatures; true when left out
	RepoGPGCheck bool     `yaml:"repo_gpgcheck"`
	Priority     int      `yaml:"priority"` // DefaultPriority when left out
	Exclude      []string `yaml:"exclude"`
	Only         []string `yaml:"only"` // architectures that use it; all when empty
}

// ModuleStreams is Modules as a map of module to stream; an empty stream keeps a module off.
func (m *Manifest) ModuleStreams() map[string]string {
	out := map[string]string{}
	for _, text := range m.Modules {
		if module, off := strings.CutPrefix(text, "-"); off {
			out[module] = ""
		} else {
			module, stream, _ := strings.Cut(text, ":")
			out[module] = stream
		}
	}
	return out
}

// For reports whether the repository is used for an architecture.
func (r *ManifestRepository) For(arch string) bool {
	return len(r.Only) == 0 || slices.Contains(r.Only, arch)
}

// CheckPackages reports whether packages of the repository must be signed.
func (r *ManifestRepository) CheckPackages() bool { return r.GPGCheck == nil || *r.GPGCheck }

// URLs is a list of URLs that may be written as one string.
type URLs []string

// UnmarshalYAML reads a string or a list of strings.
func (u *URLs) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*u = URLs{node.Value}
		return nil
	}
	return node.Decode((*[]string)(u))
}

// Root is something to install: a package name, a capability such as "perl(strict)", "name >= 1.2", or a file path.
type Root struct {
	Name string
	Only []string // architectures; all when empty
	Line int
}

// UnmarshalYAML reads "name" or {name: ..., only: [...]}.
func (r *Root) UnmarshalYAML(node *yaml.Node) error {
	r.Line = node.Line
	if node.Kind == yaml.ScalarNode {
		r.Name = node.Value
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: expected a name or {name: ..., only: [...]}", node.Line)
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		var err error
		switch key.Value {
		case "name":
			err = value.Decode(&r.Name)
		case "only":
			err = value.Decode(&r.Only)
		default:
			err = fmt.Errorf("line %d: unknown key %q%s", key.Line, key.Value, near(key.Value, []string{"name", "only"}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ManifestCut names a requirement that the edges of a package leave out, and why.
type ManifestCut struct {
	Package  string `yaml:"package"`
	Requires string `yaml:"requires"`
	Reason   string `yaml:"reason"`
}

// For returns the roots of an architecture, in the order of the manifest.
func (m *Manifest) For(arch string) []Root { return rootsFor(m.Install, arch) }

// For returns the roots of a group for an architecture, in the order of the manifest.
func (g *Group) For(arch string) []Root { return rootsFor(g.Roots, arch) }

func rootsFor(roots []Root, arch string) []Root {
	var out []Root
	for _, root := range roots {
		if len(root.Only) == 0 || slices.Contains(root.Only, arch) {
			out = append(out, root)
		}
	}
	return out
}

// ChurnNames are the names or globs of packages that a new state of the repositories always brings, and that by themselves are no
// reason for an update: system-release and its like, unless the manifest says otherwise (an empty list: none).
func (m *Manifest) ChurnNames() []string {
	if m.Churn == nil {
		return []string{"system-release", "*-release", "*-release-common", "*-repo-cdn", "*-repos", "*-gpg-keys"}
	}
	return m.Churn
}

// KnownArchitectures are the architectures that can be locked, by RPM name. rules/private/architectures.bzl lists those that images are
// built for.
func KnownArchitectures() []string {
	return []string{"x86_64", "aarch64", "s390x", "ppc64le", "riscv64"}
}

// KnownBackends are the formats of the package database.
func KnownBackends() []string { return []string{"sqlite", "ndb", "bdb"} }

// Digest is the form in which a lock names its manifest.
func Digest(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ParseManifest reads rpms.yaml; name is used in errors, which carry line numbers.
func ParseManifest(data []byte, name string) (*Manifest, error) {
	m, err := decodeManifest(data)
	if err == nil {
		err = m.validate()
	}
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", name, err)
	}
	return m, nil
}

func decodeManifest(data []byte) (m *Manifest, err error) {
	defer func() { // the YAML decoder reports some malformed documents by panicking
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("malformed YAML: %v", r)
		}
	}()
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("larger than %d bytes", MaxManifestBytes)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	m = new(Manifest)
	if err := dec.Decode(m); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, yamlError(err)
	}
	var rest any
	if err := dec.Decode(&rest); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	return m, nil
}

var (
	unknownField = regexp.MustCompile(`^line (\d+): field (.*) not found in type lockfile\.(\w+)$`)
	duplicateKey = regexp.MustCompile(`^line (\d+): mapping key "(.*)" already defined at line (\d+)$`)
)

// yamlError says it in the words of the manifest, not of Go types.
func yamlError(err error) error {
	var typeError *yaml.TypeError
	if !errors.As(err, &typeError) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	var lines []string
	for _, text := range typeError.Errors {
		if f := unknownField.FindStringSubmatch(text); f != nil {
			text = fmt.Sprintf("line %s: unknown key %q%s", f[1], f[2], near(f[2], keysOf(f[3])))
		} else if f := duplicateKey.FindStringSubmatch(text); f != nil {
			text = fmt.Sprintf("line %s: key %q is already given in line %s", f[1], f[2], f[3])
		}
		lines = append(lines, text)
	}
	return errors.New(strings.Join(lines, "\n"))
}

func keysOf(goType string) []string {
	switch goType {
	case "Manifest":
		return []string{"schema", "release", "architectures", "releasever", "vars", "rpmdb", "repositories", "install", "groups", "exclude",
			"pin", "policy", "budget", "best", "cut", "modules", "weak", "churn"}
	case "ManifestRepository":
		return []string{"id", "baseurl", "mirrorlist", "metalink", "keys", "fingerprints", "gpgcheck", "repo_gpgcheck", "priority",
			"exclude", "only"}
	case "RPMDB":
		return []string{"backend", "path"}
	case "ManifestCut":
		return []string{"package", "requires", "reason"}
	}
	return nil
}

// near adds the close spellings of word to an error text.
func near(word string, known []string) string {
	if close := NearMisses(word, known, 1); len(close) > 0 {
		return fmt.Sprintf(" (did you mean %q?)", close[0])
	}
	if len(known) > 0 {
		return " (known: " + strings.Join(known, ", ") + ")"
	}
	return ""
}
