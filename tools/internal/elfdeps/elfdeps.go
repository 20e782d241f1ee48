// Package elfdeps reads the dynamic-linking facts of ELF files.
//
// Formats: System V ABI, chapters 4 and 5 (headers, dynamic section), the GNU symbol versioning of the Linux Standard Base
// (verneed and verdef records), and the ELF_DLOPEN_METADATA note of the UAPI group (.note.dlopen).
//
// Like the loader, it starts from the program headers, so that files without section headers are read too. Section headers
// are looked at for one question only: whether the dynamic section of a separate debug file is really in the file.
// Both byte orders and both classes are read. Every count and length has a limit below; a file beyond one of them is
// reported as malformed, never read in part.
package elfdeps

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// Limits. The largest values seen in whole distributions are below a tenth of each.
const (
	maxProgramHeaders = 1 << 12
	maxDynamic        = 1 << 16 // entries of the dynamic section
	maxVersions       = 1 << 16 // version records of a file, needed and defined together
	maxString         = 1 << 12 // bytes of one name
	maxRunPath        = 1 << 16 // bytes of one RPATH or RUNPATH
	maxStrings        = 4 << 20 // bytes of all names of a file together
	maxNotes          = 1 << 20 // bytes of all PT_NOTE segments of a file together
	maxDLOpen         = 1 << 10 // names of libraries in dlopen notes
)

// ErrMalformed is wrapped by the errors for files that begin like ELF and are not. A loader would refuse such a file, or
// read garbage from it.
var ErrMalformed = errors.New("malformed ELF file")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Constants of the formats.
const (
	headerSize32 = 52
	headerSize64 = 64

	typeRel, typeExec, typeDyn, typeCore = 1, 2, 3, 4

	ptLoad, ptDynamic, ptInterp, ptNote = 1, 2, 3, 4

	shtNobits = 8
)

var typeNames = map[uint16]string{typeRel: "rel", typeExec: "exec", typeDyn: "dyn", typeCore: "core"}

// Read returns the facts of the ELF file in the first size bytes of r. For a file that does not begin with the ELF magic
// it returns nil and no error. Errors that come from the contents wrap ErrMalformed; others are errors of r.
func Read(r io.ReaderAt, size int64) (*pkgindex.ELF, error) {
	var magic [4]byte
	if size < int64(len(magic)) {
		return nil, nil
	}
	if n, err := r.ReadAt(magic[:], 0); n < len(magic) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading ELF magic: %w", err)
	}
	if string(magic[:]) != "\x7fELF" {
		return nil, nil
	}
	f := &file{in: window{r: r, size: uint64(size)}}
	if err := f.readHeader(); err != nil {
		return nil, fmt.Errorf("reading ELF header: %w", err)
	}
	if f.out.Type == "rel" || f.out.Type == "core" {
		return &f.out, nil // nothing the loader maps
	}
	if err := f.readSegments(); err != nil {
		return nil, err
	}
	return &f.out, nil
}

// file is one ELF file being read.
type file struct {
	in    window
	order binary.ByteOrder
	is64  bool
	out   pkgindex.ELF

	phoff, shoff         uint64
	phentsize, phnum     uint16
	shentsize, shnum     uint16
	loads                []segment
	strtab, strsize      uint64 // file offset and length of the dynamic string table
	strings              int    // bytes of names read so far
	versions             int    // version records read so far
	notes                uint64 // bytes of notes read so far
	dlopen               int    // names in dlopen notes so far
	flags1               uint64
	hasDebug, hasStrings bool
}

// segment is one program header.
type segment struct {
	kind                         uint32
	offset, vaddr, filesz, align uint64
}

func (f *file) readHeader() error {
	var ident [16]byte
	if err := f.in.readAt(ident[:], 0); err != nil {
		return err
	}
	switch ident[4] {
	case 1:
		f.out.Class = 32
	case 2:
		f.out.Class, f.is64 = 64, true
	default:
		return malformed("class %d", ident[4])
	}
	switch ident[5] {
	case 1:
		f.order = binary.LittleEndian
	case 2:
		f.order = binary.BigEndian
	default:
		return malformed("byte order %d", ident[5])
	}
	h := make([]byte, headerSize32)
	if f.is64 {
		h = make([]byte, headerSize64)
	}
	if err := f.in.readAt(h, 0); err != nil {
		return err
	}
	kind := f.order.Uint16(h[16:])
	name, ok := typeNames[kind]
	if !ok {
		return malformed("file type %#x", kind)
	}
	f.out.Type = name
	f.out.Machine = machine(f.order.Uint16(h[18:]), f.is64, f.order == binary.LittleEndian)
	tail := h[40:] // from e_ehsize
	f.phoff, f.shoff = uint64(f.order.Uint32(h[28:])), uint64(f.order.Uint32(h[32:]))
	if f.is64 {
		tail = h[52:]
		f.phoff, f.shoff = f.order.Uint64(h[32:]), f.order.Uint64(h[40:])
	}
	f.phentsize, f.phnum = f.order.Uint16(tail[2:]), f.order.Uint16(tail[4:])
	f.shentsize, f.shnum = f.order.Uint16(tail[6:]), f.order.Uint16(tail[8:])
	return nil
}

// readSegments reads everything that hangs on the program headers.
func (f *file) readSegments() error {
	segments, err := f.programHeaders()
	if err != nil {
		return fmt.Errorf("reading ELF program headers: %w", err)
	}
	var dynamic *segment
	for i := range segments {
		s := &segments[i]
		if s.filesz == 0 {
			continue // a debug file keeps the headers of what it left out
		}
		switch s.kind {
		case ptLoad:
			f.loads = append(f.loads, *s)
		case ptDynamic:
			dynamic = s
		}
	}
	if dynamic != nil && f.leftOut(dynamic.vaddr) {
		return nil // a separate debug file: its other segments are not in the file either
	}
	for i := range segments {
		s := &segments[i]
		if s.filesz == 0 {
			continue
		}
		switch s.kind {
		case ptInterp:
			if err := f.readInterp(s); err != nil {
				return fmt.Errorf("reading ELF interpreter: %w", err)
			}
		case ptNote:
			if err := f.readNotes(s); err != nil {
				return fmt.Errorf("reading ELF notes: %w", err)
			}
		}
	}
	if dynamic != nil {
		if err := f.readDynamic(dynamic); err != nil {
			return fmt.Errorf("reading ELF dynamic section: %w", err)
		}
	}
	f.out.Static = f.out.Interp == "" && len(f.out.Needed) == 0
	f.out.NoDefaultLib = f.flags1&df1NoDefLib != 0
	f.out.PIE = f.out.Type == "dyn" && (f.flags1&df1PIE != 0 || f.hasDebug && f.out.Interp != "" && f.out.Soname == "")
	return nil
}

func (f *file) programHeaders() ([]segment, error) {
	entry := uint64(32)
	if f.is64 {
		entry = 56
	}
	if f.phnum == 0 {
		return nil, nil
	}
	if f.phnum > maxProgramHeaders {
		return nil, malformed("%d program headers, limit %d", f.phnum, maxProgramHeaders)
	}
	if uint64(f.phentsize) != entry {
		return nil, malformed("program headers of %d bytes, want %d", f.phentsize, entry)
	}
	segments := make([]segment, 0, f.phnum)
	buf := make([]byte, entry)
	for i := range uint64(f.phnum) {
		off, ok := add(f.phoff, i*entry)
		if !ok {
			return nil, malformed("program header table at %#x", f.phoff)
		}
		if err := f.in.readAt(buf, off); err != nil {
			return nil, err
		}
		s := segment{
			kind:   f.order.Uint32(buf),
			offset: uint64(f.order.Uint32(buf[4:])), vaddr: uint64(f.order.Uint32(buf[8:])),
			filesz: uint64(f.order.Uint32(buf[16:])), align: uint64(f.order.Uint32(buf[28:])),
		}
		if f.is64 {
			s.offset, s.vaddr = f.order.Uint64(buf[8:]), f.order.Uint64(buf[16:])
			s.filesz, s.align = f.order.Uint64(buf[32:]), f.order.Uint64(buf[48:])
		}
		segments = append(segments, s)
	}
	return segments, nil
}

// leftOut reports whether the section at vaddr is marked as having no bytes in the file, which tools that split off debug
// information do while they keep the program headers. Broken section headers are none of the loader's business: false.
func (f *file) leftOut(vaddr uint64) bool {
	want := uint16(40)
	if f.is64 {
		want = 64
	}
	if f.shoff == 0 || f.shentsize != want {
		return false
	}
	buf := make([]byte, want)
	for i := range uint64(f.shnum) {
		off, ok := add(f.shoff, i*uint64(want))
		if !ok || f.in.readAt(buf, off) != nil {
			return false
		}
		addr := uint64(f.order.Uint32(buf[12:]))
		if f.is64 {
			addr = f.order.Uint64(buf[16:])
		}
		if addr == vaddr && f.order.Uint32(buf[4:]) == shtNobits {
			return true
		}
	}
	return false
}

func (f *file) readInterp(s *segment) error {
	if s.filesz > maxString {
		return malformed("name of %d bytes, limit %d", s.filesz, maxString)
	}
	name, err := f.cstring(s.offset, s.filesz, maxString)
	if err != nil {
		return err
	}
	f.out.Interp = name
	return nil
}

// offsetOf returns where the byte at vaddr lies in the file, and how many bytes of its segment follow from there.
func (f *file) offsetOf(vaddr uint64) (off, left uint64, ok bool) {
	for _, s := range f.loads {
		if vaddr >= s.vaddr && vaddr-s.vaddr < s.filesz {
			if off, ok = add(s.offset, vaddr-s.vaddr); ok {
				return off, s.filesz - (vaddr - s.vaddr), true
			}
		}
	}
	return 0, 0, false
}

func add(a, b uint64) (uint64, bool) { return a + b, a+b >= a }
