// Package gconv writes gconv-modules.cache, in which glibc's iconv finds the modules that convert between character sets, as
// iconvconfig(8) does from gconv-modules files.
//
// The format is that of glibc since 2.2.3 (iconv/gconv_cache.c): a header, a table of strings, a hash table of all names, one
// record per character set with the modules to and from it, and the conversions that need no intermediate step. Integers are
// those of the target, little endian here. Numbers and places of records are ours, so the bytes differ from iconvconfig's;
// what each name leads to does not.
package gconv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// FileName is the name of the cache in the directory of the modules.
const FileName = "gconv-modules.cache"

const (
	magic        = 0x20010324
	headerSize   = 16
	internal     = "INTERNAL"
	maxTable     = 1<<16 - 1 // offsets have 16 bits
	maxFileBytes = 4 << 20
)

// builtins are the character sets that libc itself converts, by the name of its function, and how else they are called.
var builtins = []struct {
	name, function string
	aliases        []string
}{
	{"ANSI_X3.4-1968//", "ascii", []string{"ANSI_X3.4-1986//", "ANSI_X3.4//", "ASCII//", "CP367//", "CSASCII//", "IBM367//", "ISO-IR-6//", "ISO646-US//",
		"ISO_646.IRV:1991//", "OSF00010020//", "US-ASCII//", "US//"}},
	{"UNICODEBIG//", "ucs2reverse", []string{"UCS-2BE//"}},
	{"UCS-4LE//", "ucs4le", nil},
	{"ISO-10646/UTF8/", "utf8", []string{"ISO-10646/UTF-8/", "ISO-IR-193//", "OSF05010001//", "UTF-8//", "UTF8//"}},
	{"ISO-10646/UCS4/", "ucs4", []string{"10646-1:1993//", "10646-1:1993/UCS4/", "CSUCS4//", "ISO-10646//", "OSF00010104//", "OSF00010105//", "OSF00010106//",
		"UCS-4//", "UCS-4BE//", "UCS4//"}},
	{"ISO-10646/UCS2/", "ucs2", []string{"OSF00010100//", "OSF00010101//", "OSF00010102//", "UCS-2//", "UCS-2LE//", "UCS2//", "UNICODELITTLE//"}},
}

// conversion is a pair of character sets.
type conversion struct{ from, to string }

// module is what converts: a file of a directory, or a function of libc.
type module struct{ dir, file string }

// tables are what the configuration says.
type tables struct {
	modules map[conversion]module
	aliases map[string]string
}

// Build reads the configuration of a directory, which fsys holds, and returns the cache. dir is absolute; it becomes part of the
// cache.
func Build(fsys fs.FS, dir string) ([]byte, error) {
	t := &tables{map[conversion]module{}, map[string]string{}}
	files := []string{path.Join(dir, "gconv-modules")}
	if more, err := fs.ReadDir(fsys, path.Join(dir, "gconv-modules.d")[1:]); err == nil {
		for _, e := range more {
			if strings.HasSuffix(e.Name(), ".conf") {
				files = append(files, path.Join(dir, "gconv-modules.d", e.Name()))
			}
		}
	}
	for _, name := range files {
		data, err := fs.ReadFile(fsys, name[1:])
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if len(data) > maxFileBytes {
			return nil, fmt.Errorf("reading %s: larger than %d bytes", name, maxFileBytes)
		}
		t.read(data, dir+"/")
	}
	t.addBuiltins()
	out, err := t.encode()
	if err != nil {
		return nil, fmt.Errorf("making %s of %s: %w", FileName, dir, err)
	}
	return out, nil
}

// addBuiltins comes after the files, which win.
func (t *tables) addBuiltins() {
	for _, b := range builtins {
		t.add(b.name, internal, module{"", "=" + b.function + "->" + internal})
		t.add(internal, b.name, module{"", "=" + internal + "->" + b.function})
		for _, alias := range b.aliases {
			t.alias(alias, b.name)
		}
	}
	t.alias("WCHAR_T//", internal)
}

// add and alias keep what was there first, as the real program does whatever the costs are.
func (t *tables) add(from, to string, m module) {
	if _, ok := t.modules[conversion{from, to}]; !ok {
		t.modules[conversion{from, to}] = m
	}
}

func (t *tables) alias(from, to string) {
	if _, ok := t.aliases[from]; !ok && from != to {
		t.aliases[from] = to
	}
}

// read takes in the lines of one file. Like the real program it passes over what it does not understand, and names without their
// two slashes lead nowhere.
func (t *tables) read(data []byte, dir string) {
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		v := strings.Fields(line)
		if len(v) < 3 {
			continue
		}
		from, to := strings.ToUpper(v[1]), strings.ToUpper(v[2])
		switch {
		case v[0] == "alias":
			t.alias(from, to)
		case v[0] == "module" && len(v) >= 4:
			t.add(from, to, module{dir, strings.TrimSuffix(v[3], ".so") + ".so"})
		}
	}
}

// resolve follows aliases to a character set of sets, or returns "".
func (t *tables) resolve(name string, sets map[string]int) string {
	for range 16 { // deeper than any chain that is meant
		if _, ok := sets[name]; ok {
			return name
		}
		name = t.aliases[name]
	}
	return ""
}

// encoder collects the parts of the file.
type encoder struct {
	strings []byte
	offsets map[string]int
	err     error
}

func (e *encoder) at(s string) uint16 {
	if s == "" {
		return 0
	}
	at, ok := e.offsets[s]
	if !ok {
		if strings.ContainsRune(s, 0) {
			e.err = fmt.Errorf("NUL in %q", s)
		}
		at = len(e.strings)
		e.offsets[s] = at
		e.strings = append(append(e.strings, s...), 0)
	}
	return e.fit(at)
}

func (e *encoder) fit(n int) uint16 {
	if n > maxTable {
		e.err = fmt.Errorf("more than %d bytes in one of its tables", maxTable)
	}
	return uint16(n)
}

func (t *tables) encode() ([]byte, error) {
	sets := map[string]int{internal: 0}
	for pair := range t.modules {
		sets[pair.from], sets[pair.to] = 0, 0
	}
	names := slices.Sorted(maps.Keys(sets))
	names = append([]string{internal}, slices.DeleteFunc(names, func(s string) bool { return s == internal })...)
	for i, name := range names {
		sets[name] = i
	}
	e := &encoder{strings: []byte{0}, offsets: map[string]int{}}
	le := binary.LittleEndian
	direct, first := t.encodeDirect(e, names, sets)
	var records []byte
	for _, name := range names {
		from, to := t.modules[conversion{internal, name}], t.modules[conversion{name, internal}]
		record := []uint16{e.at(name), e.at(from.dir), e.at(from.file), e.at(to.dir), e.at(to.file), first[name]}
		for _, v := range record {
			records = le.AppendUint16(records, v)
		}
	}
	hash := t.encodeHash(e, names, sets)
	if len(e.strings)%2 != 0 {
		e.strings = append(e.strings, 0)
	}
	hashAt := headerSize + len(e.strings)
	recordsAt := hashAt + len(hash)
	out := le.AppendUint32(nil, magic)
	for _, v := range []int{headerSize, hashAt, len(hash) / 4, recordsAt, recordsAt + len(records)} {
		out = le.AppendUint16(out, e.fit(v))
	}
	out = append(out, make([]byte, headerSize-len(out))...)
	return bytes.Join([][]byte{out, e.strings, hash, records, direct}, nil), e.err
}

// encodeDirect writes the conversions between two sets other than the internal one; first tells, by set, where those from it start,
// counted from one.
func (t *tables) encodeDirect(e *encoder, names []string, sets map[string]int) (out []byte, first map[string]uint16) {
	le := binary.LittleEndian
	first = map[string]uint16{}
	targets := map[string][]string{}
	for pair := range t.modules {
		if pair.from != internal && pair.to != internal {
			targets[pair.from] = append(targets[pair.from], pair.to)
		}
	}
	for _, from := range names {
		if len(targets[from]) == 0 {
			continue
		}
		slices.Sort(targets[from])
		first[from] = e.fit(len(out) + 1)
		for _, to := range targets[from] {
			m := t.modules[conversion{from, to}]
			for _, v := range []uint16{1, e.fit(sets[to]), e.at(m.dir), e.at(m.file)} {
				out = le.AppendUint16(out, v)
			}
		}
		out = le.AppendUint16(out, 0)
	}
	return le.AppendUint16(out, 0), first
}

// encodeHash writes the table of all names, with double hashing: its size is a prime, and no name is longer to find than in
// a table that is 60 % full.
func (t *tables) encodeHash(e *encoder, names []string, sets map[string]int) []byte {
	targets := map[string]int{}
	for _, name := range names {
		targets[name] = sets[name]
	}
	for alias, to := range t.aliases {
		if set := t.resolve(to, sets); set != "" {
			if _, isSet := sets[alias]; !isSet {
				targets[alias] = sets[set]
			}
		}
	}
	size := nextPrime(len(targets)*17/10 + 3)
	out := make([]byte, 4*size)
	le := binary.LittleEndian
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		h := hashOf(name)
		at, step := h%uint32(size), 1+h%uint32(size-2)
		for le.Uint16(out[4*at:]) != 0 {
			at = (at + step) % uint32(size)
		}
		le.PutUint16(out[4*at:], e.at(name))
		le.PutUint16(out[4*at+2:], e.fit(targets[name]))
	}
	return out
}

// hashOf is the hash of P. J. Weinberger that glibc uses here.
func hashOf(s string) uint32 {
	var h uint32
	for i := range len(s) {
		h = h<<4 + uint32(s[i])
		if g := h & 0xf0000000; g != 0 {
			h ^= g>>24 ^ g
		}
	}
	return h
}

func nextPrime(n int) int {
	for ; ; n++ {
		prime := n > 2
		for d := 2; d*d <= n && prime; d++ {
			prime = n%d != 0
		}
		if prime {
			return n
		}
	}
}
