// Package modulemd reads modules.yaml, the metadata of module streams that Fedora up to 38 and the distributions around RHEL 8 and
// 9 have in their repositories: which packages belong to which stream of which module, what streams need of each other, and
// which stream of a module is the default.
//
// Format: the yaml_specs of libmodulemd; documents modulemd (versions 1 and 2) and modulemd-defaults, in one YAML stream.
// Translations and packagers' documents are passed over. Keys that say nothing about which packages are visible are not looked
// at; what is looked at is checked strictly, for a misread stream would hide packages without a word.
//
// Goals: every scalar is taken as it is written, so that the stream 1.10 does not become the number 1.1; bounded memory.
// Non-goals: writing; building modules.
package modulemd

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Bounds on what is read. The largest public file, of RHEL 8, has 10 MB.
const (
	MaxBytes     = 128 << 20
	maxDocuments = 1 << 16
)

// Index is the content of one modules.yaml, in file order.
type Index struct {
	Streams   []Stream
	Defaults  []Defaults
	Obsoletes []Obsolete
}

// Stream is one build of a stream of a module: one context of one version, for one architecture.
type Stream struct {
	Module, Stream string
	Version        uint64
	Context        string
	Arch           string
	Summary        string
	// Dependencies are alternatives: one of them has to be met.
	Dependencies []Dependency
	// Artifacts are the packages, source packages included, as name-epoch:version-release.arch.
	Artifacts []string
	// Demodularized are names of packages that the stream gives back to the plain repository.
	Demodularized []string
	Profiles      map[string][]string // package names
}

// NSVCA is name:stream:version:context:architecture, the full name of a build.
func (s *Stream) NSVCA() string {
	return fmt.Sprintf("%s:%s:%d:%s:%s", s.Module, s.Stream, s.Version, s.Context, s.Arch)
}

// Dependency says, for every module that is needed, which of its streams will do.
type Dependency struct{ Requires []Requirement }

// Requirement names streams of a module. No streams means any stream; a stream with "-" in front means any but this one.
type Requirement struct {
	Module  string
	Streams []string
}

// Accepts reports whether a stream of the module will do.
func (r *Requirement) Accepts(stream string) bool {
	excludes := false
	for _, s := range r.Streams {
		if s == stream {
			return true
		}
		if bare, not := strings.CutPrefix(s, "-"); not {
			excludes = true
			if bare == stream {
				return false
			}
		}
	}
	return excludes || len(r.Streams) == 0
}

// Defaults names the stream of a module that is active when nobody chose one; Stream may be empty: none is.
type Defaults struct {
	Module   string
	Stream   string
	Modified uint64
	Profiles map[string][]string // of each stream
}

// Obsolete says that a stream is at its end, or which one takes its place.
type Obsolete struct {
	Module, Stream, Context string // no context: all
	ByModule, ByStream      string // may be empty
	Message                 string
	Reset                   bool // takes back what was said before
}

// Parse reads an uncompressed modules.yaml.
func Parse(r io.Reader) (*Index, error) {
	limited := &io.LimitedReader{R: r, N: MaxBytes + 1}
	dec := yaml.NewDecoder(limited)
	x := new(Index)
	for n := 1; ; n++ {
		doc, err := decode(dec)
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case limited.N <= 0:
			return nil, fmt.Errorf("reading modules.yaml: larger than %d bytes", MaxBytes)
		case err == nil && n > maxDocuments:
			err = fmt.Errorf("more than %d documents", maxDocuments)
		case err == nil:
			err = x.document(doc)
		}
		if err != nil {
			return nil, fmt.Errorf("reading modules.yaml: document %d: %w", n, err)
		}
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("reading modules.yaml: larger than %d bytes", MaxBytes)
	}
	return x, nil
}

// decode reads one YAML document.
func decode(dec *yaml.Decoder) (doc *yaml.Node, err error) {
	defer func() { // the YAML decoder reports some malformed documents by panicking
		if r := recover(); r != nil {
			doc, err = nil, fmt.Errorf("malformed YAML: %v", r)
		}
	}()
	doc = new(yaml.Node)
	if err := dec.Decode(doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return doc, nil
}

func (x *Index) document(doc *yaml.Node) error {
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return errors.New("it holds no mapping")
	}
	var kind, version text
	var data *yaml.Node
	err := mapping(doc.Content[0], func(key string, value *yaml.Node) (err error) {
		switch key {
		case "document":
			return kind.read(value)
		case "version":
			return version.read(value)
		case "data":
			data = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	if kind == "" {
		return errors.New("it does not say what it is (no key document)")
	}
	if kind == "modulemd-translations" || kind == "modulemd-packager" {
		return nil
	}
	if data == nil {
		return fmt.Errorf("%s: no key data", kind)
	}
	switch kind + " " + version {
	case "modulemd 1", "modulemd 2":
		var s Stream
		if err := s.read(data); err != nil {
			return fmt.Errorf("stream %s:%s: %w", s.Module, s.Stream, err)
		}
		x.Streams = append(x.Streams, s)
	case "modulemd-defaults 1":
		var d Defaults
		if err := d.read(data); err != nil {
			return fmt.Errorf("defaults of module %q: %w", d.Module, err)
		}
		x.Defaults = append(x.Defaults, d)
	case "modulemd-obsoletes 1":
		var o Obsolete
		if err := o.read(data); err != nil {
			return fmt.Errorf("end of stream %s:%s: %w", o.Module, o.Stream, err)
		}
		x.Obsoletes = append(x.Obsoletes, o)
	default:
		return fmt.Errorf("documents %s of version %q are not known", kind, version)
	}
	return nil
}

// word is what names of modules, streams and contexts look like.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

func (s *Stream) read(data *yaml.Node) error {
	version := text("")
	fields := map[string]*string{
		"name": &s.Module, "stream": &s.Stream, "context": &s.Context, "arch": &s.Arch, "summary": &s.Summary,
	}
	err := mapping(data, func(key string, value *yaml.Node) (err error) {
		if into := fields[key]; into != nil {
			return (*text)(into).read(value)
		}
		switch key {
		case "version":
			return version.read(value)
		case "dependencies":
			s.Dependencies, err = readDependencies(value)
		case "artifacts":
			s.Artifacts, err = readRPMs(value)
		case "demodularized":
			s.Demodularized, err = readRPMs(value)
		case "profiles":
			s.Profiles, err = readProfiles(value)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !word.MatchString(s.Module) || !word.MatchString(s.Stream) {
		return errors.New("name or stream is missing, or is no name")
	}
	if s.Context != "" && !word.MatchString(s.Context) {
		return fmt.Errorf("the context %.40q is no name", s.Context)
	}
	if s.Version, err = strconv.ParseUint(string(version), 10, 64); err != nil {
		return fmt.Errorf("the version %.40q is no number", string(version))
	}
	for _, nevra := range s.Artifacts {
		if !artifact.MatchString(nevra) {
			return fmt.Errorf("the artifact %.80q is not name-epoch:version-release.arch", nevra)
		}
	}
	return nil
}

// artifact is name-epoch:version-release.arch.
var artifact = regexp.MustCompile(`^[^\s/:]+-[0-9]+:[^\s/:-]+-[^\s/:-]+\.[A-Za-z0-9_]+$`)

// readDependencies reads the list of version 2 or the mapping of version 1. What is needed for building is passed over.
func readDependencies(node *yaml.Node) ([]Dependency, error) {
	items := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		items = node.Content
	}
	var out []Dependency
	for _, item := range items {
		var d Dependency
		err := mapping(item, func(key string, value *yaml.Node) error {
			if key != "requires" {
				return nil
			}
			return mapping(value, func(module string, streams *yaml.Node) error {
				r := Requirement{Module: module}
				if streams.Kind == yaml.ScalarNode { // version 1
					var stream text
					if err := stream.read(streams); err != nil {
						return err
					}
					r.Streams = []string{string(stream)}
				} else if err := list(streams, &r.Streams); err != nil {
					return err
				}
				d.Requires = append(d.Requires, r)
				return nil
			})
		})
		if err != nil {
			return nil, fmt.Errorf("dependencies: %w", err)
		}
		out = append(out, d)
	}
	return out, nil
}

// readRPMs reads {rpms: [...]}.
func readRPMs(node *yaml.Node) (out []string, err error) {
	err = mapping(node, func(key string, value *yaml.Node) error {
		if key == "rpms" {
			return list(value, &out)
		}
		return nil
	})
	return out, err
}

func readProfiles(node *yaml.Node) (map[string][]string, error) {
	out := map[string][]string{}
	err := mapping(node, func(name string, value *yaml.Node) (err error) {
		out[name], err = readRPMs(value)
		return err
	})
	return out, err
}

func (d *Defaults) read(data *yaml.Node) error {
	modified := text("")
	err := mapping(data, func(key string, value *yaml.Node) error {
		switch key {
		case "module":
			return (*text)(&d.Module).read(value)
		case "stream":
			return (*text)(&d.Stream).read(value)
		case "modified":
			return modified.read(value)
		case "profiles":
			d.Profiles = map[string][]string{}
			return mapping(value, func(stream string, value *yaml.Node) error {
				var names []string
				err := list(value, &names)
				d.Profiles[stream] = names
				return err
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !word.MatchString(d.Module) || d.Stream != "" && !word.MatchString(d.Stream) {
		return errors.New("module or stream is no name")
	}
	if modified != "" {
		if d.Modified, err = strconv.ParseUint(string(modified), 10, 64); err != nil {
			return fmt.Errorf("modified %.40q is no number", string(modified))
		}
	}
	return nil
}

func (o *Obsolete) read(data *yaml.Node) error {
	reset := text("")
	fields := map[string]*string{"module": &o.Module, "stream": &o.Stream, "context": &o.Context, "message": &o.Message}
	err := mapping(data, func(key string, value *yaml.Node) error {
		if into := fields[key]; into != nil {
			return (*text)(into).read(value)
		}
		switch key {
		case "reset":
			return reset.read(value)
		case "obsoleted_by":
			by := map[string]*string{"module": &o.ByModule, "stream": &o.ByStream}
			return mapping(value, func(key string, value *yaml.Node) error {
				if into := by[key]; into != nil {
					return (*text)(into).read(value)
				}
				return nil
			})
		}
		return nil
	})
	o.Reset = reset == "true"
	if err == nil && (!word.MatchString(o.Module) || !word.MatchString(o.Stream)) {
		err = errors.New("module or stream is missing, or is no name")
	}
	return err
}

// text is a scalar as it is written.
type text string

func (t *text) read(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: expected a text or number", node.Line)
	}
	if node.Tag == "!!null" {
		*t = ""
		return nil
	}
	*t = text(node.Value)
	return nil
}

// mapping visits the entries of a mapping in file order. Aliases are refused: nobody writes them here, and they multiply.
func mapping(node *yaml.Node, visit func(key string, value *yaml.Node) error) error {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: expected a mapping", node.Line)
	}
	seen := make(map[string]bool, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		var key text
		if err := key.read(node.Content[i]); err != nil {
			return err
		}
		if seen[string(key)] {
			return fmt.Errorf("line %d: key %q is given twice", node.Content[i].Line, string(key))
		}
		seen[string(key)] = true
		if err := visit(string(key), node.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// list reads a list of scalars.
func list(node *yaml.Node, into *[]string) error {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: expected a list", node.Line)
	}
	*into = slices.Grow(*into, len(node.Content))
	for _, item := range node.Content {
		var value text
		if err := value.read(item); err != nil {
			return err
		}
		if value == "" {
			return fmt.Errorf("line %d: an empty entry", item.Line)
		}
		*into = append(*into, string(value))
	}
	return nil
}
