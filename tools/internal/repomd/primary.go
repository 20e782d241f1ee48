package repomd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// Kind selects one of the dependency lists of a package.
type Kind int

// The dependency lists, in the order in which Primary stores them.
const (
	Provides Kind = iota
	Requires
	Conflicts
	Obsoletes
	Recommends
	Suggests
	Supplements
	Enhances
	numKinds
)

// Dep is one dependency entry: a name, a file path or, when the name starts with "(", a rich dependency.
type Dep struct {
	Name ID
	EVR  uint32 // index into Primary.EVRs; meaningless when Op is 0
	Op   evr.Op
	Pre  bool // createrepo marks Requires(pre) and Requires(post) with it, not the other scriptlets
}

// File types of primary.xml and filelists.xml.
const (
	FileRegular byte = iota
	FileDir
	FileGhost
)

// File is one file that primary.xml names: createrepo lists /etc/*, *bin/* and /usr/lib/sendmail there.
type File struct {
	Path ID
	Type byte
}

// Package is one package of primary.xml. Use the methods of Primary for texts and lists.
type Package struct {
	Name, Arch     ID
	EVR            uint32
	Checksum       [32]byte // SHA-256 of the whole .rpm
	Location       string   // relative to the repository, or to Base when that is set
	Base           string   // location/@xml:base
	License        ID
	SourceRPM      ID
	SizeBytes      int64
	InstalledBytes int64
	BuildTime      int64
	HeaderStart    int64 // byte range of the main header in the .rpm, 0 and 0 when absent
	HeaderEnd      int64

	deps  [numKinds + 1]uint32 // offsets into Primary.deps
	files [2]uint32            // offsets into Primary.files
}

// Primary is the content of one primary.xml.
type Primary struct {
	Strings  *Strings
	EVRs     []evr.EVR // each distinct one once; [0] is the empty EVR
	Packages []Package // in file order

	texts   []string // those of Strings that the document had
	evrKeys []evrKey // of EVRs
	deps    []Dep
	files   []File
}

type evrKey struct{ epoch, version, release ID }

// Deps returns one dependency list of a package.
func (p *Primary) Deps(pkg *Package, kind Kind) []Dep {
	return p.deps[pkg.deps[kind]:pkg.deps[kind+1]]
}

// Files returns the files that primary.xml lists for a package.
func (p *Primary) Files(pkg *Package) []File { return p.files[pkg.files[0]:pkg.files[1]] }

// Text returns the string of an ID.
func (p *Primary) Text(id ID) string { return p.Strings.Text(id) }

// Bounds on what one package may hold.
const (
	maxLocation = 4096
	maxEVRPart  = 512
	maxDeps     = 1 << 20 // per list of one package
)

// ParsePrimary reads an uncompressed primary.xml. Source packages (arch "src", "nosrc") are left out.
func ParsePrimary(r io.Reader) (*Primary, error) {
	p := &Primary{Strings: NewStrings(), EVRs: make([]evr.EVR, 1), evrKeys: make([]evrKey, 1)}
	c := newChunker(r, "metadata", "package")
	parser := primaryParser{p: p, evrIDs: map[evrKey]uint32{}}
	for {
		chunk, err := c.next()
		if errors.Is(err, io.EOF) {
			p.deps, p.files = slices.Clip(p.deps), slices.Clip(p.files)
			p.texts = slices.Clip(p.Strings.text)
			return p, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading primary.xml: package %d: %w", len(p.Packages)+1, err)
		}
		if err := parser.pkg(chunk); err != nil {
			return nil, fmt.Errorf("reading primary.xml: package %d%s: %w", len(p.Packages)+1, parser.where(), err)
		}
	}
}

// primaryParser holds the state of the package being read.
type primaryParser struct {
	p       *Primary
	evrIDs  map[evrKey]uint32
	lists   [numKinds][]Dep
	files   []File
	cur     Package
	scratch []byte
	seen    uint8 // which mandatory elements were seen
	sumType string
}

const (
	seenName = 1 << iota
	seenVersion
	seenChecksum
	seenLocation
	seenArch
	seenAll = 1<<iota - 1
)

func (x *primaryParser) where() string {
	if x.seen&seenName == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", x.p.Text(x.cur.Name))
}

func (x *primaryParser) pkg(chunk []byte) error {
	x.cur, x.seen, x.files = Package{}, 0, x.files[:0]
	for k := range x.lists {
		x.lists[k] = x.lists[k][:0]
	}
	list := numKinds // the dependency list that is open
	t := tags{rest: chunk}
	for t.next() {
		if t.end {
			if _, ok := listKind(t.name); ok {
				list = numKinds
			}
			continue
		}
		if kind, ok := listKind(t.name); ok && !t.empty {
			list = kind
			continue
		}
		var err error
		if list != numKinds && string(t.name) == "entry" {
			err = x.entry(t.attrs, list)
		} else {
			err = x.element(&t)
		}
		if err != nil {
			return err
		}
	}
	if t.err != nil {
		return t.err
	}
	if x.seen != seenAll {
		return errors.New("name, arch, version, checksum or location is missing")
	}
	return x.finish()
}

func listKind(name []byte) (Kind, bool) {
	switch string(name) {
	case "provides":
		return Provides, true
	case "requires":
		return Requires, true
	case "conflicts":
		return Conflicts, true
	case "obsoletes":
		return Obsoletes, true
	case "recommends":
		return Recommends, true
	case "suggests":
		return Suggests, true
	case "supplements":
		return Supplements, true
	case "enhances":
		return Enhances, true
	}
	return 0, false
}

func (x *primaryParser) finish() error {
	if arch := x.p.Text(x.cur.Arch); arch == "src" || arch == "nosrc" {
		return nil
	}
	if x.sumType != "sha256" {
		return fmt.Errorf("the package checksum is of type %q; only sha256 is trusted", x.sumType)
	}
	p := x.p
	for k, list := range x.lists {
		x.cur.deps[k] = uint32(len(p.deps))
		p.deps = append(p.deps, list...)
	}
	x.cur.deps[numKinds] = uint32(len(p.deps))
	x.cur.files = [2]uint32{uint32(len(p.files)), uint32(len(p.files) + len(x.files))}
	p.files = append(p.files, x.files...)
	p.Packages = append(p.Packages, x.cur)
	return nil
}

// element reads one element that is not a dependency entry.
func (x *primaryParser) element(t *tags) error {
	switch string(t.name) {
	case "name":
		return x.text(t.text, &x.cur.Name, seenName)
	case "arch":
		return x.text(t.text, &x.cur.Arch, seenArch)
	case "version":
		return x.version(t.attrs)
	case "checksum":
		return x.checksum(t)
	case "time":
		return x.numbers(t.attrs, "build", &x.cur.BuildTime, "", nil)
	case "size":
		return x.numbers(t.attrs, "package", &x.cur.SizeBytes, "installed", &x.cur.InstalledBytes)
	case "location":
		return x.location(t.attrs)
	case "license":
		return x.text(t.text, &x.cur.License, 0)
	case "sourcerpm":
		return x.text(t.text, &x.cur.SourceRPM, 0)
	case "header-range":
		return x.numbers(t.attrs, "start", &x.cur.HeaderStart, "end", &x.cur.HeaderEnd)
	case "file":
		return x.file(t)
	}
	return nil
}

func (x *primaryParser) text(raw []byte, into *ID, mark uint8) error {
	b, err := x.unescape(raw)
	if err != nil {
		return err
	}
	*into = x.p.Strings.Intern(b)
	if mark != 0 {
		if x.seen&mark != 0 {
			return errors.New("name or arch is given twice")
		}
		if len(b) == 0 || bytes.ContainsAny(b, " \t\r\n/") {
			return fmt.Errorf("%.60q is not a package name or architecture", b)
		}
		x.seen |= mark
	}
	return nil
}

func (x *primaryParser) unescape(raw []byte) ([]byte, error) {
	b, err := unescape(raw, x.scratch)
	if err == nil && len(b) > 0 && len(raw) != len(b) {
		x.scratch = b[:0]
	}
	return b, err
}

func (x *primaryParser) checksum(t *tags) error {
	x.sumType = ""
	err := eachAttr(t.attrs, func(name, value []byte) error {
		if string(name) == "type" {
			x.sumType = string(value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	x.seen |= seenChecksum
	if x.sumType != "sha256" {
		return nil // refused in finish, unless it is a source package
	}
	if len(t.text) != 64 {
		return fmt.Errorf("the checksum %.80q is not SHA-256", t.text)
	}
	if _, err := hex.Decode(x.cur.Checksum[:], t.text); err != nil {
		return fmt.Errorf("the checksum %.80q is not hexadecimal", t.text)
	}
	return nil
}

func (x *primaryParser) location(attrs []byte) error {
	return eachAttr(attrs, func(name, value []byte) error {
		b, err := x.unescape(value)
		if err != nil {
			return err
		}
		if len(b) > maxLocation {
			return fmt.Errorf("the location is longer than %d bytes", maxLocation)
		}
		switch string(name) {
		case "href":
			if err := CheckLocation(string(b)); err != nil {
				return err
			}
			x.cur.Location = x.p.Strings.keep(b)
			x.seen |= seenLocation
		case "xml:base":
			x.cur.Base = x.p.Strings.keep(b)
		}
		return nil
	})
}

// CheckLocation refuses a path from metadata that is absolute or would leave the repository.
func CheckLocation(location string) error {
	if location == "" || strings.HasPrefix(location, "/") || strings.ContainsAny(location, "\\\x00\n\r") ||
		strings.Contains(location, "://") {
		return fmt.Errorf("the location %.80q is not a path in the repository", location)
	}
	// Amazon Linux keeps its packages in ../../blobstore beside the repository, so ".." is a legal way to begin with.
	rest := location
	for strings.HasPrefix(rest, "../") {
		rest = rest[3:]
	}
	for _, part := range strings.Split(rest, "/") {
		if part == ".." {
			return fmt.Errorf("the location %.80q is not a path in the repository", location)
		}
	}
	return nil
}

func (x *primaryParser) numbers(attrs []byte, nameA string, a *int64, nameB string, b *int64) error {
	return eachAttr(attrs, func(name, value []byte) error {
		into := a
		if b != nil && string(name) == nameB {
			into = b
		} else if string(name) != nameA {
			return nil
		}
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%s=%.40q is not a number", name, value)
		}
		*into = n
		return nil
	})
}

func (x *primaryParser) file(t *tags) error {
	kind, err := fileType(t.attrs)
	if err != nil {
		return err
	}
	b, err := x.unescape(t.text)
	if err != nil {
		return err
	}
	x.files = append(x.files, File{x.p.Strings.Intern(b), kind})
	return nil
}

func fileType(attrs []byte) (byte, error) {
	kind := FileRegular
	if len(attrs) == 0 {
		return kind, nil
	}
	err := eachAttr(attrs, func(name, value []byte) error {
		if string(name) == "type" {
			switch string(value) {
			case "dir":
				kind = FileDir
			case "ghost":
				kind = FileGhost
			}
		}
		return nil
	})
	return kind, err
}

func eachAttr(attrs []byte, visit func(name, value []byte) error) error {
	for {
		name, value, rest, ok, err := cutAttr(attrs)
		if err != nil || !ok {
			return err
		}
		if err := visit(name, value); err != nil {
			return err
		}
		attrs = rest
	}
}
