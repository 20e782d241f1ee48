package ndb

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

const (
	indexMagic     = "RpmX"
	indexSlotMagic = "Slo\x00" // the last byte is the subtag
	tableMagic     = "RpmI"
	tableHead      = 64

	minSlots    = 256     // a table never counts as having fewer entries
	keySpare    = 4096    // free bytes after the keys, as rpm leaves for growth
	minKeySpace = 1 << 16 // the smallest space of key offsets; what is above in an offset word holds bits of the hash
	offsetSpare = 8192    // that the space of offsets exceeds the keys by

	firstStep = 7 // of the probe sequence, which then grows by one each time
	mixer     = 0x5bd1e995
)

// Index is a finished Index.db.
type Index struct {
	head   []byte
	tables [][]byte
}

// BuildIndex makes Index.db for a Packages.db of the given generation.
func BuildIndex(tables []Table, generation uint32) (*Index, error) {
	if len(tables) > slotsPerPage-2 {
		return nil, fmt.Errorf("%d tables do not fit in a page of slots", len(tables))
	}
	x := &Index{}
	le := binary.LittleEndian
	x.head = append(x.head, indexMagic...)
	for _, v := range [...]uint32{0, 1 + uint32(len(tables)), 1, pageSize, generation, 0, 0} {
		x.head = le.AppendUint32(x.head, v)
	}
	start := uint32(1)
	for _, t := range tables {
		data, err := buildTable(t)
		if err != nil {
			return nil, fmt.Errorf("building the index of tag %d: %w", t.Tag(), err)
		}
		pages := uint32(len(data) / pageSize)
		x.head = append(x.head, indexSlotMagic...)
		for _, v := range [...]uint32{t.Tag(), start, pages} {
			x.head = le.AppendUint32(x.head, v)
		}
		start += pages
		x.tables = append(x.tables, data)
	}
	for len(x.head) < pageSize {
		x.head = append(append(x.head, indexSlotMagic...), make([]byte, slotSize-len(indexSlotMagic))...)
	}
	return x, nil
}

// Size is the number of bytes WriteTo writes.
func (x *Index) Size() int64 {
	n := int64(len(x.head))
	for _, t := range x.tables {
		n += int64(len(t))
	}
	return n
}

// WriteTo writes the file.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(x.head)
	total := int64(n)
	for _, t := range x.tables {
		if err != nil {
			break
		}
		n, err = w.Write(t)
		total += int64(n)
	}
	return total, err
}

// key is what is known of one key of a table.
type key struct {
	offset     uint32 // into the keys
	hash       uint32
	slot, step uint32   // of the next probe
	pkg        uint32   // of its last entry
	elements   []uint32 // of that package
	highest    uint32   // of elements
}

// entry is one used slot.
type entry struct {
	key          *key
	pkg, element uint32
}

// buildTable makes the hash table of one tag, padded to whole pages.
func buildTable(t Table) ([]byte, error) {
	keyData := []byte{0} // offset 0 marks a free slot
	keys := map[string]*key{}
	var entries []entry
	for i := range t.Len() {
		text, pkg, element := t.Entry(i)
		if element > math.MaxInt32 {
			return nil, fmt.Errorf("element %d of package %d is out of range", element, pkg)
		}
		k := keys[string(text)]
		if k == nil {
			k = &key{offset: uint32(len(keyData)), hash: hash(text), step: firstStep}
			keys[string(text)] = k
			keyData = appendKey(keyData, text)
			if len(keyData) > math.MaxInt32/2 {
				return nil, fmt.Errorf("its keys are longer than %d bytes", math.MaxInt32/2)
			}
		}
		if k.repeats(pkg, element) {
			continue
		}
		entries = append(entries, entry{k, pkg, element})
	}
	slots := uint32(minSlots)
	for slots*2 <= uint32(len(entries)) {
		slots *= 2
	}
	slots *= 4
	start := tableHead + 12*int(slots)
	buf := make([]byte, (start+len(keyData)+keySpare+pageSize-1)/pageSize*pageSize)
	space := uint32(minKeySpace)
	for int64(space) < int64(len(buf)-start+offsetSpare) {
		space *= 2
	}
	mask := ^(space - 1)
	copy(buf, tableMagic)
	for i, v := range [...]uint32{0, 1 + uint32(len(entries)), slots, uint32(len(entries)), 0, mask, uint32(len(keyData)), 0} {
		binary.LittleEndian.PutUint32(buf[4+4*i:], v)
	}
	copy(buf[start:], keyData)
	for _, k := range keys {
		k.slot = k.hash & (slots - 1)
	}
	fillSlots(buf[tableHead:start], entries, slots, mask)
	return buf, nil
}

// repeats notes an entry of the key and reports whether it has been there: rpm stores it once.
func (k *key) repeats(pkg, element uint32) bool {
	if k.pkg != pkg {
		k.pkg, k.elements, k.highest = pkg, k.elements[:0], 0
	}
	// Elements come in rising order but for triggers, of which a package has few.
	if element <= k.highest && slices.Contains(k.elements, element) {
		return true
	}
	k.elements, k.highest = append(k.elements, element), max(k.highest, element)
	return false
}

// fillSlots puts the entries into the slots, and packages that do not fit beside their element into the array behind them.
// At least half of the slots stay free, and the probe sequence visits all of them.
func fillSlots(buf []byte, entries []entry, slots, mask uint32) {
	le := binary.LittleEndian
	for _, e := range entries {
		k := e.key
		for le.Uint32(buf[8*k.slot:]) != 0 {
			k.slot = (k.slot + k.step) & (slots - 1)
			k.step++
		}
		le.PutUint32(buf[8*k.slot:], k.offset|k.hash&mask)
		data := e.element | 1<<31
		switch {
		case e.pkg < 1<<20 && e.element < 1<<10:
			data = e.pkg | e.element<<20
		case e.pkg < 1<<24 && e.element < 1<<6:
			data = e.pkg | e.element<<24 | 1<<30
		default:
			le.PutUint32(buf[8*slots+4*k.slot:], e.pkg)
		}
		le.PutUint32(buf[8*k.slot+4:], data)
	}
}

// appendKey appends a key with its length before it.
func appendKey(dst, text []byte) []byte {
	n := len(text)
	switch {
	case n >= 1 && n <= 254:
		dst = append(dst, byte(n))
	case n < 65535:
		dst = append(dst, 255, byte(n), byte(n>>8))
	default:
		dst = binary.LittleEndian.AppendUint32(append(dst, 255, 255, 255), uint32(n))
	}
	return append(dst, text...)
}

// hash is a variant of the first MurmurHash.
func hash(text []byte) uint32 {
	h := uint32(len(text)) * mixer
	for ; len(text) >= 4; text = text[4:] {
		h = (h + binary.LittleEndian.Uint32(text)) * mixer
		h ^= h >> 16
	}
	if len(text) > 0 {
		var tail [4]byte
		copy(tail[:], text)
		h = (h + binary.LittleEndian.Uint32(tail[:])) * mixer
		h ^= h >> 16
	}
	h *= mixer
	h ^= h >> 10
	h *= mixer
	h ^= h >> 17
	return h
}
