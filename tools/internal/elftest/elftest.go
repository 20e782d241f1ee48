// Package elftest writes minimal dynamic ELF files for tests, so that no test needs a compiler.
//
// The files have program headers, a dynamic section, symbol version records and notes, but no code and no section headers:
// enough for every reader of dynamic-linking facts, not for a kernel. elfdeps.Read of File.Bytes gives File.ELF back.
package elftest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

// File says what to write. Class, Machine and Type of the ELF default to 64, x86_64 and dyn.
type File struct {
	pkgindex.ELF
	WeakNeed []pkgindex.VersionNeed // weak symbol versions, which the loader does not insist on; sonames disjoint from VerNeed
	Padding  int                    // bytes appended, to make files differ in size
}

// Exec returns a position-independent executable for arch with the usual interpreter.
func Exec(arch string, needed ...string) File {
	interp := "/lib64/ld-linux-x86-64.so.2"
	if arch == "aarch64" {
		interp = "/lib/ld-linux-aarch64.so.1"
	}
	return File{ELF: pkgindex.ELF{Class: 64, Machine: arch, Type: "dyn", PIE: true, Interp: interp, Needed: needed}}
}

// Lib returns a shared library for arch.
func Lib(arch, soname string, needed ...string) File {
	return File{ELF: pkgindex.ELF{Class: 64, Machine: arch, Type: "dyn", Soname: soname, Needed: needed}}
}

var machines = map[string]uint16{
	"i386": 3, "ppc": 20, "ppc64": 21, "ppc64le": 21, "s390": 22, "s390x": 22, "arm": 40, "x86_64": 62, "aarch64": 183,
	"riscv32": 243, "riscv64": 243,
}

var types = map[string]uint16{"rel": 1, "exec": 2, "dyn": 3, "core": 4}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// writer collects the parts of a file.
type writer struct {
	order   byteOrder
	is64    bool
	body    bytes.Buffer // of the whole file, headers left blank first
	strings bytes.Buffer
	dynamic [][2]uint64
	headers [][4]uint64 // kind, offset, size, align
}

// Bytes returns the file.
func (f File) Bytes() []byte {
	e := f.ELF
	w := &writer{order: binary.LittleEndian, is64: e.Class != 32}
	if strings.HasPrefix(e.Machine, "s390") || e.Machine == "ppc" || e.Machine == "ppc64" {
		w.order = binary.BigEndian
	}
	if e.Machine == "" {
		e.Machine = "x86_64"
	}
	if e.Type == "" {
		e.Type = "dyn"
	}
	w.strings.WriteByte(0)
	w.body.Write(make([]byte, 512)) // room for the headers
	w.addInterp(e.Interp)
	w.addDLOpen(e.DLOpen)
	dynamic := len(e.Needed) > 0 || e.Soname != "" || e.Type == "dyn"
	if dynamic {
		w.addDynamic(&f, &e)
	}
	w.body.Write(make([]byte, f.Padding))
	return w.finish(&e)
}

func (w *writer) addInterp(name string) {
	if name == "" {
		return
	}
	w.headers = append(w.headers, [4]uint64{3, w.at(), uint64(len(name) + 1), 1})
	w.body.WriteString(name + "\x00")
}

func (w *writer) addDLOpen(entries []pkgindex.DLOpen) {
	if len(entries) == 0 {
		return
	}
	text, err := json.Marshal(entries) // the note has the same keys
	if err != nil {
		panic(err) // strings always marshal
	}
	text = append(text, 0)
	w.pad(4)
	start := w.at()
	for _, n := range []uint32{4, uint32(len(text)), 0x407c0c0a} {
		w.u32(n)
	}
	w.body.WriteString("FDO\x00")
	w.body.Write(text)
	w.pad(4)
	w.headers = append(w.headers, [4]uint64{4, start, w.at() - start, 4})
}

func (w *writer) addDynamic(f *File, e *pkgindex.ELF) {
	tag := func(tag, value uint64) { w.dynamic = append(w.dynamic, [2]uint64{tag, value}) }
	for _, name := range e.Needed {
		tag(1, w.str(name))
	}
	if e.Soname != "" {
		tag(14, w.str(e.Soname))
	}
	if e.RPath != nil {
		tag(15, w.str(strings.Join(e.RPath, ":")))
	}
	if e.RunPath != nil {
		tag(29, w.str(strings.Join(e.RunPath, ":")))
	}
	flags := uint64(0)
	if e.PIE {
		flags |= 1 << 27
	}
	if e.NoDefaultLib {
		flags |= 1 << 11
	}
	if flags != 0 {
		tag(0x6ffffffb, flags)
	}
	if n := len(e.VerNeed) + len(f.WeakNeed); n > 0 {
		tag(0x6ffffffe, w.verNeed(e.VerNeed, f.WeakNeed))
		tag(0x6fffffff, uint64(n))
	}
	if len(e.VerDef) > 0 {
		tag(0x6ffffffc, w.verDef(e.Soname, e.VerDef))
		tag(0x6ffffffd, uint64(len(e.VerDef)+1))
	}
	tag(5, w.at())
	tag(10, uint64(w.strings.Len()))
	w.body.Write(w.strings.Bytes())
	w.pad(8)
	tag(0, 0)
	start := w.at()
	for _, d := range w.dynamic {
		w.word(d[0])
		w.word(d[1])
	}
	w.headers = append(w.headers, [4]uint64{2, start, w.at() - start, 8})
}

func (w *writer) verNeed(strong, weak []pkgindex.VersionNeed) uint64 {
	w.pad(8)
	start := w.at()
	all := append(append([]pkgindex.VersionNeed{}, strong...), weak...)
	for i, n := range all {
		next := uint32(16 + 16*len(n.Versions))
		if i == len(all)-1 {
			next = 0
		}
		w.u16(1)
		w.u16(uint16(len(n.Versions)))
		w.u32(uint32(w.str(n.Soname)))
		w.u32(16)
		w.u32(next)
		for j, version := range n.Versions {
			flags, next := uint16(0), uint32(16)
			if i >= len(strong) {
				flags = 2
			}
			if j == len(n.Versions)-1 {
				next = 0
			}
			w.u32(0)
			w.u16(flags)
			w.u16(uint16(j + 2))
			w.u32(uint32(w.str(version)))
			w.u32(next)
		}
	}
	return start
}

func (w *writer) verDef(soname string, versions []string) uint64 {
	w.pad(8)
	start := w.at()
	for i, version := range append([]string{soname}, versions...) {
		flags, next := uint16(0), uint32(28)
		if i == 0 {
			flags = 1
		}
		if i == len(versions) {
			next = 0
		}
		w.u16(1)
		w.u16(flags)
		w.u16(uint16(i + 1))
		w.u16(1)
		w.u32(0)
		w.u32(20)
		w.u32(next)
		w.u32(uint32(w.str(version)))
		w.u32(0)
	}
	return start
}

// finish writes the headers in front. Addresses equal file offsets.
func (w *writer) finish(e *pkgindex.ELF) []byte {
	body := bytes.Clone(w.body.Bytes())
	headers := append([][4]uint64{{1, 0, uint64(len(body)), 4096}}, w.headers...)
	h := &writer{order: w.order, is64: w.is64}
	ident := [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}
	ehsize, phsize := uint16(64), uint16(56)
	if !w.is64 {
		ident[4], ehsize, phsize = 1, 52, 32
	}
	if w.order == byteOrder(binary.BigEndian) {
		ident[5] = 2
	}
	h.body.Write(ident[:])
	h.u16(types[e.Type])
	h.u16(machines[e.Machine])
	h.u32(1)
	h.word(0)
	h.word(uint64(ehsize))
	h.word(0)
	h.u32(0)
	for _, n := range []uint16{ehsize, phsize, uint16(len(headers)), 0, 0, 0} {
		h.u16(n)
	}
	for _, p := range headers {
		h.u32(uint32(p[0]))
		if w.is64 {
			h.u32(4)
		}
		for _, n := range []uint64{p[1], p[1], p[1], p[2], p[2]} {
			h.word(n)
		}
		if !w.is64 {
			h.u32(4)
		}
		h.word(p[3])
	}
	copy(body, h.body.Bytes())
	return body
}

func (w *writer) at() uint64 { return uint64(w.body.Len()) }

func (w *writer) pad(align int) {
	for w.body.Len()%align != 0 {
		w.body.WriteByte(0)
	}
}

func (w *writer) str(s string) uint64 {
	at := uint64(w.strings.Len())
	w.strings.WriteString(s + "\x00")
	return at
}

func (w *writer) u16(n uint16) { w.body.Write(w.order.AppendUint16(nil, n)) }
func (w *writer) u32(n uint32) { w.body.Write(w.order.AppendUint32(nil, n)) }

// word writes an address-sized number.
func (w *writer) word(n uint64) {
	if w.is64 {
		w.body.Write(w.order.AppendUint64(nil, n))
		return
	}
	w.u32(uint32(n))
}
