package elfdeps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
)

func read(data []byte) (*pkgindex.ELF, error) { return Read(bytes.NewReader(data), int64(len(data))) }

// full uses every field, with the given class and machine.
func full(class int, machine string) elftest.File {
	return elftest.File{ELF: pkgindex.ELF{
		Class: class, Machine: machine, Type: "dyn", Soname: "libx.so.1",
		Needed: []string{"libc.so.6", "liby.so.2"}, RPath: []string{"/a", "$ORIGIN/../b"}, RunPath: []string{"/c", ""},
		VerNeed: []pkgindex.VersionNeed{{Soname: "libc.so.6", Versions: []string{"GLIBC_2.2.5", "GLIBC_2.34"}}},
		VerDef:  []string{"X_1", "X_2"}, NoDefaultLib: true,
		DLOpen: []pkgindex.DLOpen{{Sonames: []string{"libz.so.2", "libz.so.1"}, Priority: "recommended", Feature: "zip"}, {Sonames: []string{"libq.so"}}},
	}}
}

func TestRead(t *testing.T) {
	static := pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "exec", Static: true}
	for _, test := range []struct {
		summary string
		file    elftest.File
		want    pkgindex.ELF
	}{
		{"64-bit little-endian library with everything", full(64, "x86_64"), full(64, "x86_64").ELF},
		{"32-bit little-endian library", full(32, "i386"), full(32, "i386").ELF},
		{"64-bit big-endian library", full(64, "s390x"), full(64, "s390x").ELF},
		{"32-bit big-endian library", full(32, "ppc"), full(32, "ppc").ELF},
		{"byte order tells ppc64le from ppc64", full(64, "ppc64le"), full(64, "ppc64le").ELF},
		{"position-independent executable", elftest.Exec("aarch64", "libc.so.6"), elftest.Exec("aarch64", "libc.so.6").ELF},
		{"static executable without a dynamic section", elftest.File{ELF: static}, static},
		{"relocatable file is neither static nor linked",
			elftest.File{ELF: pkgindex.ELF{Class: 64, Machine: "riscv64", Type: "rel"}},
			pkgindex.ELF{Class: 64, Machine: "riscv64", Type: "rel"}},
		{"an empty RUNPATH is one", elftest.File{ELF: pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn", Static: true, Soname: "l", RPath: []string{"/r"}, RunPath: []string{""}}},
			pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn", Static: true, Soname: "l", RPath: []string{"/r"}, RunPath: []string{""}}},
		{"weak version needs are left out", elftest.File{
			ELF:      pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn", Needed: []string{"liby.so"}},
			WeakNeed: []pkgindex.VersionNeed{{Soname: "liby.so", Versions: []string{"W_1"}}},
		}, pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn", Needed: []string{"liby.so"}}},
	} {
		t.Run(test.summary, func(t *testing.T) {
			got, err := read(test.file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("got  %+v\nwant %+v", *got, test.want)
			}
		})
	}
}

func TestReadNotELF(t *testing.T) {
	for _, data := range []string{"", "\x7fEL", "#!/bin/sh\n", "MZ\x90\x00", "\x7fElf....................."} {
		if got, err := read([]byte(data)); got != nil || err != nil {
			t.Errorf("Read(%q) = %v, %v; want nil, nil", data, got, err)
		}
	}
}

func TestReadMalformed(t *testing.T) {
	good := full(64, "x86_64").Bytes()
	patch := func(off int, value ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[off:], value)
		return data
	}
	// Where the program headers of elftest lie: 0 load, 1 note, 2 dynamic.
	const phdr, note, dyn = 64, 64 + 56, 64 + 2*56
	manyNeeded := elftest.Lib("x86_64", "l", strings.Split(strings.Repeat("x ", maxDynamic), " ")...).Bytes()
	dlopen := make([]pkgindex.DLOpen, 2)
	for i := range maxDLOpen + 1 {
		dlopen[i%2].Sonames = append(dlopen[i%2].Sonames, fmt.Sprintf("lib%d.so", i))
	}
	for _, test := range []struct {
		summary, want string
		data          []byte
	}{
		{"only the magic", "lie outside the file of 4 bytes", []byte("\x7fELF")},
		{"cut in the header", "lie outside the file of 40 bytes", good[:40]},
		{"unknown class", "class 7", patch(4, 7)},
		{"unknown byte order", "byte order 0", patch(5, 0)},
		{"unknown file type", "file type 0x9", patch(16, 9)},
		{"program headers of a wrong size", "program headers of 57 bytes, want 56", patch(54, 57)},
		{"too many program headers", "65535 program headers, limit 4096", patch(56, 0xff, 0xff)},
		{"program header table behind the end", "lie outside the file", patch(32, 0, 0, 0, 1)},
		{"program header table that wraps around", "lie outside the file", patch(32, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		{"dynamic section behind the end", "lie outside the file", patch(dyn+8, 0, 0, 0, 0, 1)},
		{"file cut inside the dynamic section", "lie outside the file", good[:len(good)-64]},
		{"huge note segment", "notes of more than 1048576 bytes", patch(note+32, 0, 0, 0, 1)},
		{"note longer than its segment", "ends at", patch(note+32, 16)},
		{"segment without the string table", "lies in no segment", patch(phdr+32, 1, 0)},
		{"more entries than the limit", "more than 65536 entries", manyNeeded},
		{"overlong name", "is longer than 4096 bytes", elftest.Lib("x86_64", strings.Repeat("l", 5000)).Bytes()},
		{"overlong interpreter", "name of 5001 bytes, limit 4096",
			elftest.File{ELF: pkgindex.ELF{Interp: strings.Repeat("i", 5000)}}.Bytes()},
		{"overlong RUNPATH", "is longer than 65536 bytes",
			elftest.File{ELF: pkgindex.ELF{RunPath: []string{strings.Repeat("r", maxRunPath+1)}}}.Bytes()},
		{"dlopen entries without names", "more than 1024 names", elftest.File{ELF: pkgindex.ELF{DLOpen: make([]pkgindex.DLOpen, maxDLOpen+1)}}.Bytes()},
		{"too many dlopen names", "more than 1024 names", elftest.File{ELF: pkgindex.ELF{DLOpen: dlopen}}.Bytes()},
	} {
		t.Run(test.summary, func(t *testing.T) {
			got, err := read(test.data)
			if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %+v, error %v; want an ErrMalformed with %q", got, err, test.want)
			}
		})
	}
}

// TestReadVersionLoop has version records that point at themselves and counts that claim four billion of them.
func TestReadVersionLoop(t *testing.T) {
	data := full(64, "x86_64").Bytes()
	order := binary.LittleEndian
	for i := 512; i+16 <= len(data); i += 8 {
		switch order.Uint64(data[i:]) {
		case dtVerNeedNum, dtVerDefNum:
			order.PutUint64(data[i+8:], 1<<32)
		case dtVerNeed, dtVerDef:
			at := order.Uint64(data[i+8:])
			order.PutUint32(data[at+12:], 0xffffffff) // next of verneed, aux of verdef: far away
		}
	}
	if _, err := read(data); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
}

// TestReadDebugFile has the program headers of a stripped-off debug file: they are there, the contents are not.
func TestReadDebugFile(t *testing.T) {
	data := elftest.Exec("x86_64", "libc.so.6").Bytes()
	order := binary.LittleEndian
	const dyn = 64 + 2*56
	vaddr := order.Uint64(data[dyn+16:])
	section := make([]byte, 64)
	order.PutUint32(section[4:], shtNobits)
	order.PutUint64(section[16:], vaddr)
	order.PutUint64(data[40:], uint64(len(data)))
	order.PutUint16(data[58:], 64)
	order.PutUint16(data[60:], 1)
	got, err := read(append(data, section...))
	if err != nil {
		t.Fatal(err)
	}
	if want := (pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn"}); !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v, want %+v", *got, want)
	}
}

type failingReader struct{ err error }

func (r failingReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// TestReadError: an error of the input is no verdict about the file.
func TestReadError(t *testing.T) {
	for _, cause := range []error{errors.New("disk on fire"), io.EOF} {
		_, err := Read(failingReader{cause}, 100)
		if cause == io.EOF {
			if err == nil || errors.Is(err, ErrMalformed) {
				t.Errorf("short input: got %v", err)
			}
			continue
		}
		if !errors.Is(err, cause) || errors.Is(err, ErrMalformed) {
			t.Errorf("got %v, want %v", err, cause)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, machine := range []string{"x86_64", "s390x"} {
		f.Add(full(64, machine).Bytes())
	}
	f.Add(full(32, "i386").Bytes())
	f.Add(full(32, "ppc").Bytes())
	f.Add(elftest.Exec("aarch64", "libc.so.6").Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := read(data)
		if err != nil {
			if e != nil || !errors.Is(err, ErrMalformed) {
				t.Fatalf("got %+v with error %v", e, err)
			}
			return
		}
		if e == nil {
			return
		}
		if e.Class != 32 && e.Class != 64 || e.Machine == "" || e.Type == "" {
			t.Fatalf("half-read file: %+v", e)
		}
		size := len(e.Interp) + len(e.Soname)
		for _, list := range [][]string{e.Needed, e.RPath, e.RunPath, e.VerDef} {
			for _, name := range list {
				size += len(name)
			}
		}
		if size > 2*maxStrings {
			t.Fatalf("%d bytes of names", size)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	data := full(64, "x86_64").Bytes()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := read(data); err != nil {
			b.Fatal(err)
		}
	}
}
