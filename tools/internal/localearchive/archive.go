// Package localearchive reads and writes glibc's locale-archive: all locales in one file, which setlocale(3) maps. Packages ship
// it as a template with every locale, from which a program of the C library makes the archive of a machine.
//
// The file begins with a head of fourteen numbers that say where four parts are: a hash table of names, the names, a table of
// records - one per locale, with the place of each category - and a hash table of the digests of the categories, by which
// localedef finds those that are there already. All numbers are 32 bits, in the byte order of the machine: little-endian here.
package localearchive

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

const (
	magic       = 0xde020109
	headSize    = 14 * 4
	nameSize    = 3 * 4 // hash, place of the name, place of the record
	categories  = 13    // LC_CTYPE to LC_IDENTIFICATION; LC_ALL is one of them, of the pieces below
	recordSize  = 4 + 8*categories
	digestSize  = 16 + 4
	allCategory = 6 // LC_ALL: where small categories lie together; nothing needs it
	alignment   = 16
	maxNames    = 1 << 16
	maxNameLen  = 256
)

// Locale is one set of data with all its names.
type Locale struct {
	Names      []string           // sorted
	Categories [categories][]byte // empty: LC_ALL
}

// Read takes an archive apart. The data are parts of the file's bytes.
func Read(data []byte) ([]Locale, error) {
	if len(data) < headSize || binary.LittleEndian.Uint32(data) != magic {
		return nil, fmt.Errorf("no locale archive of this byte order")
	}
	head := make([]uint64, headSize/4)
	for i := range head {
		head[i] = uint64(binary.LittleEndian.Uint32(data[4*i:]))
	}
	part := func(at, n uint64) ([]byte, error) {
		if at > uint64(len(data)) || n > uint64(len(data))-at {
			return nil, fmt.Errorf("%d bytes at %d are beyond its end", n, at)
		}
		return data[at : at+n], nil
	}
	size := head[4]
	if size > 4*maxNames {
		return nil, fmt.Errorf("a table for %d names", size)
	}
	table, err := part(head[2], size*nameSize)
	if err != nil {
		return nil, err
	}
	byRecord := map[uint64]*Locale{}
	var order []*Locale
	for ; len(table) > 0; table = table[nameSize:] {
		nameAt, recordAt := uint64(binary.LittleEndian.Uint32(table[4:])), uint64(binary.LittleEndian.Uint32(table[8:]))
		if nameAt == 0 || recordAt == 0 {
			continue
		}
		rest, err := part(nameAt, 0)
		if err != nil {
			return nil, err
		}
		rest = data[nameAt:min(uint64(len(data)), nameAt+maxNameLen)]
		end := bytes.IndexByte(rest, 0)
		if end <= 0 {
			return nil, fmt.Errorf("a name at %d has no end", nameAt)
		}
		l := byRecord[recordAt]
		if l == nil {
			if l, err = readRecord(part, recordAt); err != nil {
				return nil, fmt.Errorf("locale %s: %w", rest[:end], err)
			}
			byRecord[recordAt] = l
			order = append(order, l)
		}
		l.Names = append(l.Names, string(rest[:end]))
	}
	out := make([]Locale, 0, len(order))
	for _, l := range order {
		slices.Sort(l.Names)
		l.Names = slices.Compact(l.Names)
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Locale) int { return strings.Compare(a.Names[0], b.Names[0]) })
	return out, nil
}

func readRecord(part func(at, n uint64) ([]byte, error), at uint64) (*Locale, error) {
	record, err := part(at, recordSize)
	if err != nil {
		return nil, err
	}
	l := &Locale{}
	for i := range l.Categories {
		if i == allCategory {
			continue
		}
		place := record[4+8*i:]
		if l.Categories[i], err = part(uint64(binary.LittleEndian.Uint32(place)), uint64(binary.LittleEndian.Uint32(place[4:]))); err != nil {
			return nil, fmt.Errorf("category %d: %w", i, err)
		}
	}
	return l, nil
}

// Filter returns the locales that have a name to keep, with all their names: keep decides by the name without codeset and
// modifier, such as "de_DE".
func Filter(list []Locale, keep func(string) bool) []Locale {
	var out []Locale
	for _, l := range list {
		if slices.ContainsFunc(l.Names, func(name string) bool {
			base, _, _ := strings.Cut(name, ".")
			base, _, _ = strings.Cut(base, "@")
			return keep(base)
		}) {
			out = append(out, l)
		}
	}
	return out
}

// Write makes an archive of locales. Categories that are equal are there once, and the bytes depend on nothing but the locales.
func Write(list []Locale) ([]byte, error) {
	names, texts := 0, 0
	places := map[[sha256.Size]byte]uint32{} // of the data of categories
	var distinct [][]byte
	for _, l := range list {
		for _, n := range l.Names {
			names++
			texts += len(n) + 1
		}
		for i, data := range l.Categories {
			if key := sha256.Sum256(data); i != allCategory {
				if _, seen := places[key]; !seen {
					distinct = append(distinct, data)
				}
				places[key] = 0
			}
		}
	}
	if names > maxNames {
		return nil, fmt.Errorf("%d names of locales", names)
	}
	nameSlots, digestSlots := slots(names), slots(len(distinct))
	namesAt := headSize
	textsAt := namesAt + nameSize*nameSlots
	recordsAt := align(textsAt + texts)
	digestsAt := recordsAt + recordSize*len(list)
	end := align(digestsAt + digestSize*digestSlots)
	for _, data := range distinct {
		places[sha256.Sum256(data)] = uint32(end)
		if end = align(end + len(data)); end > 1<<31 {
			return nil, fmt.Errorf("more than %d bytes", 1<<31)
		}
	}
	out := make([]byte, end)
	put := func(at int, v int) { binary.LittleEndian.PutUint32(out[at:], uint32(v)) }
	for i, v := range []uint32{magic, 0, uint32(namesAt), uint32(names), uint32(nameSlots), uint32(textsAt), uint32(texts), uint32(texts),
		uint32(recordsAt), uint32(len(list)), uint32(len(list)), uint32(digestsAt), uint32(len(distinct)), uint32(digestSlots)} {
		binary.LittleEndian.PutUint32(out[4*i:], v)
	}
	at := textsAt
	for i, l := range list {
		record := recordsAt + recordSize*i
		put(record, len(l.Names))
		for k, data := range l.Categories {
			if k != allCategory {
				put(record+4+8*k, int(places[sha256.Sum256(data)]))
				put(record+8+8*k, len(data))
			}
		}
		for _, n := range l.Names {
			copy(out[at:], n)
			hash := hashOf(n)
			slot := namesAt + nameSize*free(hash, nameSlots, func(slot int) bool { return binary.LittleEndian.Uint32(out[namesAt+nameSize*slot+4:]) == 0 })
			put(slot, int(hash))
			put(slot+4, at)
			put(slot+8, record)
			at += len(n) + 1
		}
	}
	for _, data := range distinct {
		place := places[sha256.Sum256(data)]
		copy(out[place:], data)
		sum := md5.Sum(data)
		slot := digestsAt + digestSize*free(hashOf(string(sum[:])), digestSlots, func(slot int) bool {
			return binary.LittleEndian.Uint32(out[digestsAt+digestSize*slot+16:]) == 0
		})
		copy(out[slot:], sum[:])
		put(slot+16, int(place))
	}
	return out, nil
}

func align(n int) int { return (n + alignment - 1) / alignment * alignment }

// slots is a prime number of places for n entries, at most two thirds full.
func slots(n int) int {
	size := max(n+n/2, 11) | 1
	for !isPrime(size) {
		size += 2
	}
	return size
}

func isPrime(n int) bool {
	for d := 3; d*d <= n; d += 2 {
		if n%d == 0 {
			return false
		}
	}
	return true
}

// free finds the place of a new entry, with the steps by which glibc looks for it.
func free(hash uint32, size int, empty func(slot int) bool) int {
	at, step := int(hash%uint32(size)), 1+int(hash%uint32(size-2))
	for !empty(at) {
		if at += step; at >= size {
			at -= size
		}
	}
	return at
}

// hashOf is the hash of glibc's tables (compute_hashval, 32 bits).
func hashOf(key string) uint32 {
	h := uint32(len(key))
	for i := range len(key) {
		h = h<<9 | h>>(32-9)
		h += uint32(key[i])
	}
	if h == 0 {
		return ^uint32(0)
	}
	return h
}
