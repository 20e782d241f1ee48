package rpmdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
)

// Limits on a stored header, rpm's own for the headers of packages.
const (
	maxEntries = 0xffff
	maxData    = 256<<20 - 1

	entrySize = 16 // of an index entry: tag, type, offset, count
	blobIntro = 8  // number of entries, length of the data
)

// Header is a header as the database keeps it. Unlike the header of a package it has entries behind its immutable region, and
// in databases of others it may have no region at all. Its values are decoded on demand.
type Header struct {
	blob    []byte
	entries []rpm.Entry
	ends    []uint32 // where the data of each entry ends
	data    []byte
}

// ParseHeader checks a blob of the database and keeps it.
func ParseHeader(blob []byte) (*Header, error) {
	h := &Header{}
	if err := h.parse(blob); err != nil {
		return nil, fmt.Errorf("reading stored header: %w", err)
	}
	return h, nil
}

// parse reuses the slices of h, so that the writer needs not allocate for every package.
func (h *Header) parse(blob []byte) error {
	if len(blob) < blobIntro {
		return fmt.Errorf("%d bytes are too few", len(blob))
	}
	il, dl := binary.BigEndian.Uint32(blob), binary.BigEndian.Uint32(blob[4:])
	if il < 1 || il > maxEntries || dl > maxData {
		return fmt.Errorf("%d entries and %d bytes of data, allowed are 1 to %d and %d", il, dl, maxEntries, maxData)
	}
	if want := blobIntro + uint64(il)*entrySize + uint64(dl); uint64(len(blob)) != want {
		return fmt.Errorf("%d bytes, its %d entries and %d bytes of data make %d", len(blob), il, dl, want)
	}
	index := blob[blobIntro : blobIntro+il*entrySize]
	h.blob, h.data, h.entries, h.ends = blob, blob[blobIntro+il*entrySize:], h.entries[:0], h.ends[:0]
	for ; len(index) > 0; index = index[entrySize:] {
		e := rpm.Entry{
			Tag:    rpm.Tag(binary.BigEndian.Uint32(index)),
			Type:   rpm.Type(binary.BigEndian.Uint32(index[4:])),
			Offset: binary.BigEndian.Uint32(index[8:]),
			Count:  binary.BigEndian.Uint32(index[12:]),
		}
		end, err := valueEnd(e, h.data)
		if err != nil {
			return fmt.Errorf("%s (%s, offset %d, count %d): %w", e.Tag, e.Type, int32(e.Offset), e.Count, err)
		}
		h.entries, h.ends = append(h.entries, e), append(h.ends, end)
	}
	return nil
}

// valueEnd returns where the values of e end in data. Of a region entry only the tag matters here.
func valueEnd(e rpm.Entry, data []byte) (uint32, error) {
	width := uint64(1)
	switch e.Type {
	case rpm.TypeNull, rpm.TypeChar, rpm.TypeInt8, rpm.TypeBin:
	case rpm.TypeInt16:
		width = 2
	case rpm.TypeInt32:
		width = 4
	case rpm.TypeInt64:
		width = 8
	case rpm.TypeString, rpm.TypeStringArray, rpm.TypeI18NString:
		width = 0
	default:
		return 0, errors.New("unknown type")
	}
	if e.Tag >= rpm.TagHeaderImage && e.Tag <= rpm.TagHeaderImmutable {
		return e.Offset, nil
	}
	if uint64(e.Offset)+uint64(e.Count)*max(width, 1) > uint64(len(data)) {
		return 0, errors.New("the values lie outside the data")
	}
	end := e.Offset
	if width > 0 {
		return end + e.Count*uint32(width), nil
	}
	for range e.Count {
		n := bytes.IndexByte(data[end:], 0)
		if n < 0 {
			return 0, errors.New("the strings have no end")
		}
		end += uint32(n) + 1
	}
	return end, nil
}

// Blob returns the bytes of the header as the database holds them.
func (h *Header) Blob() []byte { return h.blob }

// Entries returns the index. The caller must not change it.
func (h *Header) Entries() []rpm.Entry { return h.entries }

// find returns the position of the first entry of tag, -1 if there is none or it holds nothing.
func (h *Header) find(tag rpm.Tag) int {
	for i := range h.entries {
		if h.entries[i].Tag == tag && h.entries[i].Type != rpm.TypeNull && h.entries[i].Count > 0 {
			return i
		}
	}
	return -1
}

// Has reports whether the header has the tag.
func (h *Header) Has(tag rpm.Tag) bool { return h.find(tag) >= 0 }

// value returns the entry of tag and its data, nil data if it is absent.
func (h *Header) value(tag rpm.Tag, types ...rpm.Type) (rpm.Entry, []byte, error) {
	i := h.find(tag)
	if i < 0 {
		return rpm.Entry{}, nil, nil
	}
	e := h.entries[i]
	for _, t := range types {
		if e.Type == t {
			return e, h.data[e.Offset:h.ends[i]:h.ends[i]], nil
		}
	}
	return e, nil, fmt.Errorf("%s has type %s, wanted %s", tag, e.Type, types[0])
}

// Bytes returns a binary value, or one of characters such as FILESTATES; nil if it is absent.
func (h *Header) Bytes(tag rpm.Tag) ([]byte, error) {
	_, data, err := h.value(tag, rpm.TypeBin, rpm.TypeChar, rpm.TypeInt8)
	return data, err
}

// Uint32s returns the elements of an int32 array; nil if it is absent.
func (h *Header) Uint32s(tag rpm.Tag) ([]uint32, error) {
	e, data, err := h.value(tag, rpm.TypeInt32)
	if data == nil {
		return nil, err
	}
	out := make([]uint32, e.Count)
	for i := range out {
		out[i] = binary.BigEndian.Uint32(data[i*4:])
	}
	return out, nil
}

// uint16s returns the values of a tag, nil if the header lacks it.
func (h *Header) uint16s(tag rpm.Tag) ([]uint16, error) {
	e, data, err := h.value(tag, rpm.TypeInt16)
	if data == nil {
		return nil, err
	}
	out := make([]uint16, e.Count)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(data[i*2:])
	}
	return out, nil
}

// uint64s returns the values of a tag, nil if the header lacks it.
func (h *Header) uint64s(tag rpm.Tag) ([]uint64, error) {
	e, data, err := h.value(tag, rpm.TypeInt64)
	if data == nil {
		return nil, err
	}
	out := make([]uint64, e.Count)
	for i := range out {
		out[i] = binary.BigEndian.Uint64(data[i*8:])
	}
	return out, nil
}

// Strings returns the elements of a string array, the one value of a string, or the C locale's value of a translated string;
// nil if it is absent.
func (h *Header) Strings(tag rpm.Tag) ([]string, error) {
	var out []string
	err := h.eachString(tag, func(_ int, s []byte) { out = append(out, string(s)) })
	return out, err
}

// String returns the first of Strings, empty if there is none.
func (h *Header) String(tag rpm.Tag) (string, error) {
	all, err := h.Strings(tag)
	if len(all) == 0 {
		return "", err
	}
	return all[0], nil
}

// eachString calls fn for the elements of Strings, without copying them.
func (h *Header) eachString(tag rpm.Tag, fn func(i int, s []byte)) error {
	e, data, err := h.value(tag, rpm.TypeStringArray, rpm.TypeString, rpm.TypeI18NString)
	if data == nil {
		return err
	}
	count := e.Count
	if e.Type == rpm.TypeI18NString {
		count = 1
	}
	for i := range int(count) {
		n := bytes.IndexByte(data, 0)
		fn(i, data[:n])
		data = data[n+1:]
	}
	return nil
}

// NEVRA returns name-[epoch:]version-release.arch, the epoch left out when it is 0. The architecture of a gpg-pubkey, which
// has none, is "(none)", as rpm shows it.
func (h *Header) NEVRA() (string, error) {
	var n rpm.NEVRA
	for _, part := range []struct {
		what string
		tag  rpm.Tag
		to   *string
	}{
		{"name", rpm.TagName, &n.Name}, {"version", rpm.TagVersion, &n.Version},
		{"release", rpm.TagRelease, &n.Release}, {"architecture", rpm.TagArch, &n.Arch},
	} {
		v, err := h.String(part.tag)
		if err != nil {
			return "", fmt.Errorf("reading the %s: %w", part.what, err)
		}
		if v == "" && part.tag != rpm.TagArch {
			return "", fmt.Errorf("reading the %s: it is missing", part.what)
		}
		if v == "" {
			v = "(none)"
		}
		*part.to = v
	}
	epoch, err := h.Uint32s(rpm.TagEpoch)
	if err != nil {
		return "", fmt.Errorf("reading the epoch: %w", err)
	}
	if len(epoch) > 0 {
		n.Epoch = epoch[0]
	}
	return n.String(), nil
}

// Paths returns the paths of the package's files, in the order of FILESTATES.
func (h *Header) Paths() ([]string, error) {
	base, err := h.Strings(rpm.TagBasenames)
	if err != nil {
		return nil, err
	}
	dirs, err := h.Strings(rpm.TagDirNames)
	if err != nil {
		return nil, err
	}
	index, err := h.Uint32s(rpm.TagDirIndexes)
	if err != nil {
		return nil, err
	}
	if len(index) != len(base) {
		return nil, fmt.Errorf("%d file names, but %d directory numbers", len(base), len(index))
	}
	for i := range base {
		if uint64(index[i]) >= uint64(len(dirs)) {
			return nil, fmt.Errorf("file %q lies in directory %d of %d", base[i], index[i], len(dirs))
		}
		base[i] = dirs[index[i]] + base[i]
	}
	return base, nil
}
