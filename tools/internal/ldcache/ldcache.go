// Package ldcache reads and writes ld.so.cache in the format that glibc has used alone since 2.32
// ("glibc-ld.so.cache1.1": sysdeps/generic/dl-cache.h), and knows which files of a directory ldconfig(8) puts into it.
//
// The same entries give the same bytes as ldconfig of glibc 2.33 and later: order of entries, merging of strings, and the
// extension section with the generator and the glibc-hwcaps subdirectories. Little endian only: x86_64 and aarch64 are.
// Not written: the legacy hwcaps of glibc before 2.37, minimum kernel versions (before 2.36), and ISA levels of libraries.
package ldcache

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"
	"strings"
)

const (
	magic          = "glibc-ld.so.cache1.1"
	headerSize     = 48
	entrySize      = 24
	sectionSize    = 16
	littleEndian   = 2
	extensionMagic = 0xeaa42174
	tagGenerator   = 0
	tagHwcaps      = 1
	// hwcapExtension marks an hwcap field that holds the index of a glibc-hwcaps name in its low 32 bits.
	hwcapExtension = 1 << 62

	maxCacheBytes = 64 << 20
	maxEntries    = 1 << 20
	maxSections   = 64
)

// Flags of an entry: the ABI in the high byte, 3 (libc6) in the low one (sysdeps/generic/ldconfig.h).
const (
	FlagX8664     = 0x0303
	FlagI386      = 0x0003
	FlagAArch64   = 0x0a03
	FlagARMHard   = 0x0903
	FlagPPC64LE   = 0x0503
	FlagS390X     = 0x0403
	FlagRISCV64LD = 0x1003
)

// Flags returns the flags of libraries of an ELF class and machine, named as in pkgindex.ELF. ok is false for others.
func Flags(machine string, class int) (flags int32, ok bool) {
	switch {
	case machine == "x86_64" && class == 64:
		return FlagX8664, true
	case machine == "i386" && class == 32:
		return FlagI386, true
	case machine == "aarch64" && class == 64:
		return FlagAArch64, true
	case machine == "arm" && class == 32:
		return FlagARMHard, true
	case machine == "ppc64le" && class == 64:
		return FlagPPC64LE, true
	case machine == "s390x" && class == 64:
		return FlagS390X, true
	case machine == "riscv64" && class == 64:
		return FlagRISCV64LD, true
	}
	return 0, false
}

// Entry is one library.
type Entry struct {
	Name  string // soname
	Path  string
	Flags int32
	Hwcap string // name of the glibc-hwcaps subdirectory, empty for none
}

// Cache is the contents of ld.so.cache.
type Cache struct {
	Entries   []Entry
	Generator string
}

// Compare orders library names as the dynamic loader does: numbers inside them by value (_dl_cache_libcmp).
func Compare(a, b string) int {
	for a != "" {
		da, db := digits(a), digits(b)
		switch {
		case da > 0 && db > 0:
			na, nb := strings.TrimLeft(a[:da], "0"), strings.TrimLeft(b[:db], "0")
			if len(na) != len(nb) {
				return len(na) - len(nb)
			}
			if c := strings.Compare(na, nb); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
		case da > 0:
			return 1
		case db > 0:
			return -1
		case b == "" || a[0] != b[0]:
			if b == "" {
				return 1
			}
			return int(a[0]) - int(b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	return -len(b)
}

// digits returns the length of the number that s starts with.
func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// compareEntries is the order of the cache: names descending, for the loader searches from the end of an ascending list.
func compareEntries(a, b Entry) int {
	if c := Compare(b.Name, a.Name); c != 0 {
		return c
	}
	if a.Flags != b.Flags {
		return int(b.Flags) - int(a.Flags)
	}
	switch {
	case a.Hwcap == b.Hwcap:
		return 0
	case a.Hwcap == "":
		return 1
	case b.Hwcap == "":
		return -1
	}
	return strings.Compare(a.Hwcap, b.Hwcap)
}

// Encode returns the bytes of the cache. Entries that compare equal (the same library in two directories) keep their order,
// which is that of the search path.
func (c *Cache) Encode() ([]byte, error) {
	entries := slices.Clone(c.Entries)
	slices.SortStableFunc(entries, compareEntries)
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("writing ld.so.cache: %d entries", len(entries))
	}
	var hwcaps []string
	strs := make([]string, 0, 2*len(entries))
	for _, e := range entries {
		if strings.ContainsRune(e.Name+e.Path+e.Hwcap, 0) {
			return nil, fmt.Errorf("writing ld.so.cache: NUL in %q", e.Path)
		}
		strs = append(strs, e.Name, e.Path)
		if e.Hwcap != "" {
			strs, hwcaps = append(strs, e.Hwcap), append(hwcaps, e.Hwcap)
		}
	}
	slices.Sort(hwcaps)
	hwcaps = slices.Compact(hwcaps)

	table, offsets := mergeStrings(strs)
	base := headerSize + entrySize*len(entries)
	at := func(s string) uint32 { return uint32(base + offsets[s]) }
	extension := align4(base + len(table))

	le := binary.LittleEndian
	out := make([]byte, 0, extension+256)
	out = append(out, magic...)
	out = le.AppendUint32(out, uint32(len(entries)))
	out = le.AppendUint32(out, uint32(len(table)))
	out = append(out, littleEndian, 0, 0, 0)
	out = le.AppendUint32(out, uint32(extension))
	out = append(out, make([]byte, headerSize-len(out))...)
	for _, e := range entries {
		out = le.AppendUint32(out, uint32(e.Flags))
		out = le.AppendUint32(out, at(e.Name))
		out = le.AppendUint32(out, at(e.Path))
		out = le.AppendUint32(out, 0)
		var hwcap uint64
		if e.Hwcap != "" {
			hwcap = hwcapExtension | uint64(sort.SearchStrings(hwcaps, e.Hwcap))
		}
		out = le.AppendUint64(out, hwcap)
	}
	out = append(out, table...)
	out = append(out, make([]byte, extension-len(out))...)
	return c.appendExtension(out, hwcaps, at), nil
}

// appendExtension writes the directory of sections, then the hwcaps, then the generator, as glibc does.
func (c *Cache) appendExtension(out []byte, hwcaps []string, at func(string) uint32) []byte {
	le := binary.LittleEndian
	sections := 1
	if len(hwcaps) > 0 {
		sections = 2
	}
	data := len(out) + 8 + sections*sectionSize
	out = le.AppendUint32(out, extensionMagic)
	out = le.AppendUint32(out, uint32(sections))
	for _, v := range []int{tagGenerator, 0, data + 4*len(hwcaps), len(c.Generator)} {
		out = le.AppendUint32(out, uint32(v))
	}
	if len(hwcaps) > 0 {
		for _, v := range []int{tagHwcaps, 0, data, 4 * len(hwcaps)} {
			out = le.AppendUint32(out, uint32(v))
		}
	}
	for _, h := range hwcaps {
		out = le.AppendUint32(out, at(h))
	}
	return append(out, c.Generator...)
}

// mergeStrings lays out NUL-terminated strings sorted by their reversal, descending, so that one that is the tail of another shares its
// bytes (elf/stringtable.c).
func mergeStrings(strs []string) (table []byte, offsets map[string]int) {
	strs = slices.Clone(strs)
	slices.SortFunc(strs, func(a, b string) int {
		for i := 1; i <= len(a) && i <= len(b); i++ {
			if x, y := a[len(a)-i], b[len(b)-i]; x != y {
				return int(y) - int(x)
			}
		}
		return len(b) - len(a)
	})
	strs = slices.Compact(strs)
	offsets = make(map[string]int, len(strs))
	for i, s := range strs {
		if i > 0 && strings.HasSuffix(strs[i-1], s) {
			offsets[s] = offsets[strs[i-1]] + len(strs[i-1]) - len(s)
			continue
		}
		offsets[s] = len(table)
		table = append(append(table, s...), 0)
	}
	return table, offsets
}

func align4(n int) int { return (n + 3) &^ 3 }

// Parse reads a cache in the new format. A cache that starts with the format of libc5 is refused.
func Parse(data []byte) (*Cache, error) {
	c, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading ld.so.cache: %w", err)
	}
	return c, nil
}

func parse(data []byte) (*Cache, error) {
	if len(data) > maxCacheBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxCacheBytes)
	}
	if len(data) < headerSize || !bytes.HasPrefix(data, []byte(magic)) {
		return nil, fmt.Errorf("not in format %s", magic)
	}
	le := binary.LittleEndian
	if data[28]&3 != littleEndian && data[28] != 0 {
		return nil, fmt.Errorf("byte order %d", data[28])
	}
	count, extension := le.Uint32(data[20:]), le.Uint32(data[32:])
	if count > maxEntries || headerSize+int(count)*entrySize > len(data) {
		return nil, fmt.Errorf("%d entries in %d bytes", count, len(data))
	}
	c := &Cache{}
	hwcaps, err := c.parseExtension(data, extension)
	if err != nil {
		return nil, err
	}
	for i := range int(count) {
		raw := data[headerSize+i*entrySize:]
		e := Entry{Flags: int32(le.Uint32(raw))}
		if e.Name, err = stringAt(data, le.Uint32(raw[4:])); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if e.Path, err = stringAt(data, le.Uint32(raw[8:])); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		if h := le.Uint64(raw[16:]); h&hwcapExtension != 0 {
			index := uint32(h)
			if int64(index) >= int64(len(hwcaps)) {
				return nil, fmt.Errorf("entry %d: hwcap %d of %d", i, index, len(hwcaps))
			}
			e.Hwcap = hwcaps[index]
		}
		c.Entries = append(c.Entries, e)
	}
	return c, nil
}

func (c *Cache) parseExtension(data []byte, offset uint32) (hwcaps []string, err error) {
	if offset == 0 {
		return nil, nil
	}
	le := binary.LittleEndian
	if offset%4 != 0 || int64(offset)+8 > int64(len(data)) || le.Uint32(data[offset:]) != extensionMagic {
		return nil, fmt.Errorf("extension at %d", offset)
	}
	count := le.Uint32(data[offset+4:])
	if count > maxSections || int64(offset)+8+int64(count)*sectionSize > int64(len(data)) {
		return nil, fmt.Errorf("%d sections", count)
	}
	for i := range int(count) {
		raw := data[int(offset)+8+i*sectionSize:]
		tag, start, size := le.Uint32(raw), int64(le.Uint32(raw[8:])), int64(le.Uint32(raw[12:]))
		if start+size > int64(len(data)) {
			return nil, fmt.Errorf("section %d: out of range", i)
		}
		body := data[start : start+size]
		switch tag {
		case tagGenerator:
			c.Generator = string(body)
		case tagHwcaps:
			for ; len(body) >= 4; body = body[4:] {
				name, err := stringAt(data, le.Uint32(body))
				if err != nil {
					return nil, fmt.Errorf("hwcaps: %w", err)
				}
				hwcaps = append(hwcaps, name)
			}
		}
	}
	return hwcaps, nil
}

// maxString is PATH_MAX; without a bound a table of overlapping strings could blow up the result.
const maxString = 4096

func stringAt(data []byte, offset uint32) (string, error) {
	if int64(offset) >= int64(len(data)) {
		return "", fmt.Errorf("string at %d is out of range", offset)
	}
	tail := data[offset:min(int64(len(data)), int64(offset)+maxString)]
	end := bytes.IndexByte(tail, 0)
	if end < 0 {
		return "", fmt.Errorf("string at %d does not end", offset)
	}
	return string(tail[:end]), nil
}
