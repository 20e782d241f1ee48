package rpmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/bdb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/ndb"
)

// Backend is a file format of the database.
type Backend string

// The known backends.
const (
	SQLite Backend = "sqlite" // Fedora since 33, RHEL 9, Amazon Linux 2023
	NDB    Backend = "ndb"    // SUSE
	BDB    Backend = "bdb"    // RHEL 5 to 8, Amazon Linux 2
)

// fileMode is the mode of database files; rpm creates them so.
const fileMode = 0o644

// maxPackages bounds a database. The largest distributions have some 100,000 packages.
const maxPackages = 1 << 20

// maxNumber is the highest number of a header.
const maxNumber = 1<<31 - 1

// Installed is one package to register. Exactly one of Open and Blob is set.
type Installed struct {
	// Open opens the package's header.bin: lead, signature header and main header. It is called by Plan and again by every
	// File.WriteTo, and must give the same bytes.
	Open func() (io.ReadCloser, error)
	// FileStates has one State constant per file of the header, in its order.
	FileStates []byte
	// InstallTime is in seconds since 1970; 0 stands for InstallTID plus the position of the package.
	InstallTime uint32

	// Blob returns a stored header of another database, which is kept byte for byte: file states and install time
	// included. It is called as often as Open.
	Blob func() ([]byte, error)
}

// Options describes a database.
type Options struct {
	Backend Backend
	// Arch is the RPM architecture of the image. It decides the byte order of keys and the colour of the transaction.
	Arch string
	// InstallTID identifies the transaction that installed the packages: the time of the installation.
	InstallTID uint32
	// Packages are registered in this order, numbered from 1. No two may have the same NEVRA.
	Packages []Installed
}

// Database is a planned package database.
type Database struct {
	Files []*File // of the database directory, by name
	// Stale are names of the same directory which, left over from a lower layer, would be taken for a part of the database
	// or for the database: they must be removed.
	Stale []string
}

// File is one file of a database.
type File struct {
	Name  string // without directory
	Mode  uint32
	Size  int64
	write func(io.Writer) (int64, error)
}

// WriteTo writes the contents: Size bytes, the same every time.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n, err := f.write(w)
	if err == nil && n != f.Size {
		err = fmt.Errorf("%d bytes where %d were planned", n, f.Size)
	}
	if err != nil {
		return n, fmt.Errorf("writing %s: %w", f.Name, err)
	}
	return n, nil
}

// Bytes returns the contents.
func (f *File) Bytes() ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(f.Size))
	_, err := f.WriteTo(&buf)
	return buf.Bytes(), err
}

// backend is what the formats differ in.
type backend struct {
	name  Backend
	files []string // that it consists of
	stale []string // that may lie beside them
	plan  func(*blobs, *index) ([]*File, error)

	detect func(start []byte) bool // by the first 32 bytes of the file with the headers
	read   func(r Source, fn func(number uint32, blob []byte) error) error
}

var backends = []backend{
	{
		name: SQLite, files: []string{sqliteName},
		stale: []string{"rpmdb.sqlite-journal", "rpmdb.sqlite-shm", "rpmdb.sqlite-wal"},
		plan:  planSQLite, read: readSQLite,
		detect: func(start []byte) bool { return bytes.HasPrefix(start, []byte("SQLite format 3\x00")) },
	},
	{
		name: NDB, files: []string{ndbIndex, ndbPackages},
		plan: planNDB, read: readNDB, detect: ndb.IsPackages,
	},
	{
		name: BDB, files: bdbFiles(),
		stale: []string{".dbenv.lock", "__db.001", "__db.002", "__db.003", "__db.004", "__db.005", "__db.006"},
		plan:  planBDB, read: readBDB, detect: bdb.IsPackages,
	},
}

// otherFiles are locks of rpm's, whatever the format.
var otherFiles = []string{".rpm.lock"}

// Plan reads the headers of all packages and lays out the database.
func Plan(opts Options) (*Database, error) {
	i := slices.IndexFunc(backends, func(b backend) bool { return b.name == opts.Backend })
	if i < 0 {
		var names []Backend
		for _, b := range backends {
			names = append(names, b.name)
		}
		return nil, cli.Hint(fmt.Errorf("planning package database: unknown backend %q", opts.Backend), "known backends: %q", names)
	}
	machine, err := machineOf(opts.Arch)
	if err != nil {
		return nil, fmt.Errorf("planning package database: %w", err)
	}
	if len(opts.Packages) > maxPackages {
		return nil, fmt.Errorf("planning package database: %d packages are more than %d", len(opts.Packages), maxPackages)
	}
	source := &blobs{opts: opts, machine: machine}
	x := &index{order: machine.order}
	if err := source.read(x); err != nil {
		return nil, err
	}
	db := &Database{}
	if db.Files, err = backends[i].plan(source, x); err != nil {
		return nil, fmt.Errorf("planning package database: %w", err)
	}
	db.Stale = staleNames(backends[i])
	return db, nil
}

func staleNames(b backend) []string {
	names := slices.Clone(otherFiles)
	for _, other := range backends {
		names = append(append(names, other.files...), other.stale...)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(b.files, name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// machine is what an architecture decides.
type machine struct {
	order  bdb.Order
	colour uint32 // of the transaction: 3 where 64-bit and 32-bit packages may live together
}

var machines = []struct {
	machine
	arches []string
}{
	{machine{binary.LittleEndian, 3}, []string{"x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4", "aarch64", "ppc64le", "riscv64", "loongarch64"}},
	{machine{binary.BigEndian, 3}, []string{"s390x", "ppc64"}},
	{machine{binary.LittleEndian, 0}, []string{"i386", "i486", "i586", "i686", "armv7hl", "armv7l", "armv6hl"}},
}

func machineOf(arch string) (machine, error) {
	for _, m := range machines {
		if slices.Contains(m.arches, arch) {
			return m.machine, nil
		}
	}
	return machine{}, fmt.Errorf("unknown architecture %q", arch)
}

// blobs gives the stored headers one at a time. The bytes it returns are valid until the next call.
type blobs struct {
	opts    Options
	machine machine
	sizes   []int
	buf     []byte
}

// read makes every stored header once, for its size and its index rows.
func (b *blobs) read(x *index) error {
	var h Header
	numbers := map[string]int{}
	for i := range b.opts.Packages {
		blob, err := b.blob(i)
		if err != nil {
			return err
		}
		if err := h.parse(blob); err != nil {
			return fmt.Errorf("registering package %d: %w", i+1, err)
		}
		nevra, err := h.NEVRA()
		if err != nil {
			return fmt.Errorf("registering package %d: %w", i+1, err)
		}
		if before, ok := numbers[nevra]; ok && !h.isKey() {
			return fmt.Errorf("registering %s: it is there twice, as packages %d and %d", nevra, before, i+1)
		}
		numbers[nevra] = i + 1
		if err := x.add(&h, uint32(i)+1); err != nil {
			return fmt.Errorf("registering %s: %w", nevra, err)
		}
		b.sizes = append(b.sizes, len(blob))
	}
	return nil
}

// isKey reports whether the header is one of rpm's pseudo packages for public keys, which may share a NEVRA.
func (h *Header) isKey() bool {
	name, err := h.String(rpm.TagName)
	return err == nil && name == "gpg-pubkey"
}

// Len, Size and Append make blobs the source of the backends.

func (b *blobs) Len() int       { return len(b.sizes) }
func (b *blobs) Size(i int) int { return b.sizes[i] }

func (b *blobs) Append(dst []byte, i int) ([]byte, error) {
	blob, err := b.blob(i)
	return append(dst, blob...), err
}

// blob returns stored header i.
func (b *blobs) blob(i int) (_ []byte, err error) {
	p := &b.opts.Packages[i]
	if p.Blob != nil {
		blob, err := p.Blob()
		if err != nil {
			return nil, fmt.Errorf("registering package %d: %w", i+1, err)
		}
		return blob, nil
	}
	if p.Open == nil {
		return nil, fmt.Errorf("registering package %d: it has no header", i+1)
	}
	headers, err := readHeaders(p)
	if err != nil {
		return nil, fmt.Errorf("registering package %d: %w", i+1, err)
	}
	time := p.InstallTime
	if time == 0 {
		if b.opts.InstallTID > math.MaxUint32-uint32(i) {
			return nil, fmt.Errorf("registering %s: its install time is past the year 2106", headers.NEVRA())
		}
		time = b.opts.InstallTID + uint32(i)
	}
	b.buf, err = appendBlob(b.buf[:0], headers, installation{p.FileStates, time, b.opts.InstallTID, b.machine.colour})
	return b.buf, err
}

func readHeaders(p *Installed) (_ *rpm.Package, err error) {
	f, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return rpm.ReadHeaders(f)
}
