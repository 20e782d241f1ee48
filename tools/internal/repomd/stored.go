package repomd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// The stored form of a Primary is its tables one after another, little-endian: reading it takes a few hundredths of the time
// that the XML takes. It is a cache of this program only: what wrote it may be of another version, and disks change bytes, so
// it starts with the version of its layout, ends with a checksum, and every number is checked on reading.

// StoredVersion is the version of the stored form. Change it with the layout, or with what ParsePrimary makes of a document.
const StoredVersion = 1

const storedMagic = "slimrpm\x00"

// ErrStored is what LoadPrimary says of anything but a good stored form of this version: make it again.
var ErrStored = errors.New("not a stored primary.xml of this version, or damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// storedHead holds the sizes of the tables that follow, in this order: texts, locations, EVRs, packages, deps, files.
type storedHead struct {
	Magic   [8]byte
	Version uint32
	Texts   uint32 // without the empty one
	EVRs    uint32 // without the empty one
	Pkgs    uint32
	Deps    uint32
	Files   uint32
	Bytes   uint64 // of all texts
	Places  uint64 // bytes of all locations and bases
}

// Sizes of the records.
const (
	storedHeadBytes = 48
	storedEVR       = 3 * 4
	storedDep       = 3 * 4
	storedFile      = 2 * 4
	storedPackage   = 32 + 5*8 + (7+int(numKinds)+1+2)*4
	storedTail      = 4
)

func (h *storedHead) size() uint64 {
	return storedHeadBytes + 4*uint64(h.Texts) + h.Bytes + h.Places + storedEVR*uint64(h.EVRs) +
		uint64(storedPackage)*uint64(h.Pkgs) + storedDep*uint64(h.Deps) + storedFile*uint64(h.Files) + storedTail
}

// Store writes the stored form. Meanwhile the table of strings may grow.
func (p *Primary) Store(w io.Writer) error {
	sum := crc32.New(castagnoli)
	b := bufio.NewWriterSize(io.MultiWriter(w, sum), 256<<10)
	texts := p.texts
	head := storedHead{
		Version: StoredVersion, Texts: uint32(len(texts) - 1),
		EVRs: uint32(len(p.EVRs) - 1), Pkgs: uint32(len(p.Packages)), Deps: uint32(len(p.deps)), Files: uint32(len(p.files)),
	}
	copy(head.Magic[:], storedMagic)
	for _, text := range texts {
		head.Bytes += uint64(len(text))
	}
	for i := range p.Packages {
		head.Places += uint64(len(p.Packages[i].Location) + len(p.Packages[i].Base))
	}
	if err := binary.Write(b, binary.LittleEndian, &head); err != nil {
		return err
	}
	record := make([]byte, 0, storedPackage)
	u32 := func(values ...uint32) {
		record = record[:0]
		for _, v := range values {
			record = binary.LittleEndian.AppendUint32(record, v)
		}
		b.Write(record) // bufio keeps the first error for Flush
	}
	for _, text := range texts[1:] {
		u32(uint32(len(text)))
	}
	for _, text := range texts {
		b.WriteString(text)
	}
	for i := range p.Packages {
		b.WriteString(p.Packages[i].Location)
		b.WriteString(p.Packages[i].Base)
	}
	for _, key := range p.evrKeys[1:] {
		u32(uint32(key.epoch), uint32(key.version), uint32(key.release))
	}
	for i := range p.Packages {
		record = p.Packages[i].store(record[:0])
		b.Write(record)
	}
	for _, d := range p.deps {
		flags := uint32(d.Op)
		if d.Pre {
			flags |= storedPre
		}
		u32(uint32(d.Name), d.EVR, flags)
	}
	for _, f := range p.files {
		u32(uint32(f.Path), uint32(f.Type))
	}
	if err := b.Flush(); err != nil {
		return err
	}
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

const storedPre = 1 << 16

func (p *Package) store(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, p.Checksum[:]...)
	for _, v := range []int64{p.SizeBytes, p.InstalledBytes, p.BuildTime, p.HeaderStart, p.HeaderEnd} {
		b = le.AppendUint64(b, uint64(v))
	}
	for _, v := range []uint32{uint32(p.Name), uint32(p.Arch), p.EVR, uint32(p.License), uint32(p.SourceRPM), uint32(len(p.Location)), uint32(len(p.Base))} {
		b = le.AppendUint32(b, v)
	}
	for _, v := range p.deps {
		b = le.AppendUint32(b, v)
	}
	for _, v := range p.files {
		b = le.AppendUint32(b, v)
	}
	return b
}

// LoadPrimary reads the stored form, a file of a given size. ErrStored says that it has to be made again; it never panics,
// and never takes more memory than the file is large, times a small number.
func LoadPrimary(r io.Reader, size int64) (*Primary, error) {
	summed := &summing{r: r, left: size - storedTail}
	l := &loader{r: summed, buf: make([]byte, 256<<10)}
	var head storedHead
	if n, err := binary.Decode(l.take(storedHeadBytes), binary.LittleEndian, &head); err != nil || n != storedHeadBytes {
		return nil, ErrStored
	}
	if string(head.Magic[:]) != storedMagic || head.Version != StoredVersion || head.size() != uint64(size) {
		return nil, ErrStored
	}
	p := &Primary{Strings: l.strings(&head)}
	places := l.text(head.Places)
	l.evrs(p, int(head.EVRs))
	p.Packages = l.packages(p, places, &head)
	p.deps = l.deps(p, &head)
	p.files = l.files(p, &head)
	p.texts = p.Strings.text
	if tail := l.take(storedTail); !l.bad && binary.LittleEndian.Uint32(tail) == summed.sum {
		return p, nil
	}
	return nil, ErrStored
}

// summing computes the checksum of the first bytes that are read.
type summing struct {
	r    io.Reader
	left int64
	sum  uint32
}

func (s *summing) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if s.left > 0 {
		counted := b[:min(int64(n), s.left)]
		s.sum = crc32.Update(s.sum, castagnoli, counted)
		s.left -= int64(len(counted))
	}
	return n, err
}

// loader reads records. After the first problem, records are zeroes and bad is set.
type loader struct {
	r    io.Reader
	buf  []byte
	rest []byte
	bad  bool
}

var zeroes [storedPackage]byte

// take returns the next n bytes, n being the size of a record.
func (l *loader) take(n int) []byte {
	if len(l.rest) < n {
		l.fill(n)
		if l.bad {
			return zeroes[:max(n, 0)]
		}
	}
	b := l.rest[:n]
	l.rest = l.rest[n:]
	return b
}

func (l *loader) fill(n int) {
	have := copy(l.buf, l.rest)
	more, err := io.ReadAtLeast(l.r, l.buf[have:], n-have)
	if err != nil || l.bad {
		l.bad, l.rest = true, nil
		return
	}
	l.rest = l.buf[:have+more]
}

// check marks the file as bad unless a condition holds.
func (l *loader) check(good bool) {
	if !good {
		l.bad = true
	}
}

// text reads n bytes, which are not copied again.
func (l *loader) text(n uint64) string {
	var b strings.Builder
	b.Grow(int(n)) // bounded: it is smaller than the file
	for left := int(n); left > 0 && !l.bad; {
		if len(l.rest) == 0 {
			l.fill(1)
		}
		part := l.rest[:min(left, len(l.rest))]
		b.Write(part)
		l.rest, left = l.rest[len(part):], left-len(part)
	}
	return b.String()
}

// cut takes n bytes off the front of a text.
func (l *loader) cut(text *string, n uint32) string {
	if uint64(n) > uint64(len(*text)) {
		l.bad = true
		return ""
	}
	out := (*text)[:n]
	*text = (*text)[n:]
	return out
}

func (l *loader) strings(head *storedHead) *Strings {
	s := NewStrings()
	sizes := make([]uint32, head.Texts)
	for i := range sizes {
		sizes[i] = binary.LittleEndian.Uint32(l.take(4))
	}
	all := l.text(head.Bytes)
	s.text = make([]string, 1, len(sizes)+len(sizes)/8+2) // there will be more from other repositories
	for _, n := range sizes {
		s.text = append(s.text, l.cut(&all, n))
	}
	l.check(all == "")
	if !l.bad {
		slots := 1 << 12
		for slots < 2*len(s.text)+2 {
			slots *= 2
		}
		s.rehash(slots)
	}
	return s
}

func (l *loader) evrs(p *Primary, n int) {
	p.EVRs, p.evrKeys = make([]evr.EVR, 1, n+1), make([]evrKey, 1, n+1)
	for range n {
		b := l.take(storedEVR)
		key := evrKey{l.id(p, b), l.id(p, b[4:]), l.id(p, b[8:])}
		epoch, err := evr.ParseEpoch(p.Text(key.epoch))
		l.check(err == nil)
		p.evrKeys = append(p.evrKeys, key)
		p.EVRs = append(p.EVRs, evr.EVR{Epoch: epoch, Version: p.Text(key.version), Release: p.Text(key.release)})
	}
}

// id reads the number of a text.
func (l *loader) id(p *Primary, b []byte) ID {
	id := binary.LittleEndian.Uint32(b)
	if uint64(id) >= uint64(len(p.Strings.text)) {
		l.bad = true
		return 0
	}
	return ID(id)
}

func (l *loader) packages(p *Primary, places string, head *storedHead) []Package {
	le := binary.LittleEndian
	out := make([]Package, head.Pkgs)
	for i := range out {
		b := l.take(storedPackage)
		pkg := &out[i]
		b = b[copy(pkg.Checksum[:], b):]
		for _, into := range []*int64{&pkg.SizeBytes, &pkg.InstalledBytes, &pkg.BuildTime, &pkg.HeaderStart, &pkg.HeaderEnd} {
			*into = int64(le.Uint64(b))
			l.check(*into >= 0)
			b = b[8:]
		}
		pkg.Name, pkg.Arch, pkg.EVR = l.id(p, b), l.id(p, b[4:]), le.Uint32(b[8:])
		pkg.License, pkg.SourceRPM = l.id(p, b[12:]), l.id(p, b[16:])
		l.check(pkg.EVR <= head.EVRs)
		pkg.Location, pkg.Base = l.cut(&places, le.Uint32(b[20:])), l.cut(&places, le.Uint32(b[24:]))
		b = b[28:]
		for k := range pkg.deps {
			pkg.deps[k] = le.Uint32(b)
			l.check(pkg.deps[k] <= head.Deps && (k == 0 || pkg.deps[k] >= pkg.deps[k-1]))
			b = b[4:]
		}
		pkg.files = [2]uint32{le.Uint32(b), le.Uint32(b[4:])}
		l.check(pkg.files[0] <= pkg.files[1] && pkg.files[1] <= head.Files)
	}
	l.check(places == "")
	return out
}

func (l *loader) deps(p *Primary, head *storedHead) []Dep {
	out := make([]Dep, head.Deps)
	for i := range out {
		b := l.take(storedDep)
		flags := binary.LittleEndian.Uint32(b[8:])
		out[i] = Dep{Name: l.id(p, b), EVR: binary.LittleEndian.Uint32(b[4:]), Op: evr.Op(flags & 0xff), Pre: flags&storedPre != 0}
		l.check(out[i].EVR <= head.EVRs && flags&^(storedPre|0xff) == 0)
	}
	return out
}

func (l *loader) files(p *Primary, head *storedHead) []File {
	out := make([]File, head.Files)
	for i := range out {
		b := l.take(storedFile)
		kind := binary.LittleEndian.Uint32(b[4:])
		l.check(kind <= uint32(FileGhost))
		out[i] = File{l.id(p, b), byte(kind)}
	}
	return out
}
