package rpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Type is the type of a header value.
type Type uint32

// Header value types (rpm: rpmTagType).
const (
	TypeNull        Type = 0
	TypeChar        Type = 1
	TypeInt8        Type = 2
	TypeInt16       Type = 3
	TypeInt32       Type = 4
	TypeInt64       Type = 5
	TypeString      Type = 6
	TypeBin         Type = 7
	TypeStringArray Type = 8
	TypeI18NString  Type = 9
)

// String names the type as errors print it.
func (t Type) String() string {
	names := [...]string{"null", "char", "int8", "int16", "int32", "int64", "string", "bin", "string array", "i18n string"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Limits on what a header may claim, those of rpm (lib/header.c) unless said otherwise.
const (
	maxSignatureEntries = 32
	maxSignatureData    = 64 << 20
	maxMainEntries      = 0xffff
	maxMainData         = 256<<20 - 1
	// maxElements bounds the elements of one array. The largest real packages have some 100,000 files; without the bound
	// a header of zero bytes would turn into sixteen times its size of empty strings.
	maxElements = 1 << 22
	// readChunk is how much a reader asks for at a time, so that a false length costs no memory before the input ends.
	readChunk = 1 << 20
)

const (
	entrySize   = 16
	introSize   = 16 // magic, reserved, il, dl
	regionCount = 16 // count of a region entry, and size of the trailer
)

// headerMagic starts every header in a package: the magic, version 1, four reserved bytes.
var headerMagic = [8]byte{0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0}

// Entry is one entry of a header's index.
type Entry struct {
	Tag    Tag
	Type   Type
	Offset uint32 // into Data
	Count  uint32 // of elements; of bytes for Bin and Char
}

// Header is one header structure, the signature header or the main header. Its bytes are kept as read and its values are
// decoded on demand. All entries have been checked to lie inside the data when a Header exists.
type Header struct {
	raw     []byte
	il      int
	entries []Entry
	ends    []uint32 // end of the data of each entry
	region  Tag      // 0 if the first entry is no region tag
}

// kind says which of a package's two headers is being read.
type kind struct {
	name       string
	region     Tag
	maxEntries uint32
	maxData    uint32
	exact      bool // the region must be the whole header
}

var (
	signatureKind = kind{"signature header", TagHeaderSignatures, maxSignatureEntries, maxSignatureData, false}
	mainKind      = kind{"main header", TagHeaderImmutable, maxMainEntries, maxMainData, true}
)

// ReadHeader reads a main header, magic included, from r.
func ReadHeader(r io.Reader) (*Header, error) { return readHeader(r, mainKind) }

// ParseHeader parses the bytes of a main header as Header.Raw returns them; nothing may follow.
func ParseHeader(raw []byte) (*Header, error) {
	r := bytes.NewReader(raw)
	h, err := readHeader(r, mainKind)
	if err == nil && r.Len() > 0 {
		err = fmt.Errorf("reading main header: %d bytes after its end", r.Len())
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

func readHeader(r io.Reader, k kind) (_ *Header, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading %s: %w", k.name, err)
		}
	}()
	var intro [introSize]byte
	if _, err := io.ReadFull(r, intro[:]); err != nil {
		return nil, truncated(err, "its first 16 bytes")
	}
	if !bytes.Equal(intro[:8], headerMagic[:]) {
		return nil, fmt.Errorf("bad magic % x", intro[:8])
	}
	il := binary.BigEndian.Uint32(intro[8:])
	dl := binary.BigEndian.Uint32(intro[12:])
	if il < 1 || il > k.maxEntries {
		return nil, fmt.Errorf("%d index entries, allowed are 1 to %d", il, k.maxEntries)
	}
	if dl > k.maxData {
		return nil, fmt.Errorf("%d bytes of data, allowed are %d", dl, k.maxData)
	}
	raw, err := readGrowing(r, intro[:], int64(il)*entrySize+int64(dl))
	if err != nil {
		return nil, err
	}
	h := &Header{raw: raw, il: int(il)}
	h.decodeIndex()
	if err := h.checkRegion(k); err != nil {
		return nil, err
	}
	if err := h.checkEntries(); err != nil {
		return nil, err
	}
	return h, nil
}

// readGrowing returns prefix and the next n bytes of r. The buffer grows with what really arrives, and ends at the right size.
func readGrowing(r io.Reader, prefix []byte, n int64) ([]byte, error) {
	total := len(prefix) + int(n)
	buf := append(make([]byte, 0, min(total, len(prefix)+readChunk)), prefix...)
	for len(buf) < total {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, min(total, 2*cap(buf))), buf...)
		}
		got, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+got]
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("truncated: %d of %d bytes: %w", len(buf)-len(prefix), n, io.ErrUnexpectedEOF)
		}
		if err != nil {
			return nil, err
		}
	}
	return buf, nil
}

func truncated(err error, what string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("truncated in %s: %w", what, io.ErrUnexpectedEOF)
	}
	return err
}

func (h *Header) decodeIndex() {
	h.entries = make([]Entry, h.il)
	for i := range h.entries {
		h.entries[i] = decodeEntry(h.raw[introSize+i*entrySize:])
	}
}

func decodeEntry(b []byte) Entry {
	return Entry{
		Tag:    Tag(binary.BigEndian.Uint32(b)),
		Type:   Type(binary.BigEndian.Uint32(b[4:])),
		Offset: binary.BigEndian.Uint32(b[8:]),
		Count:  binary.BigEndian.Uint32(b[12:]),
	}
}

// Raw returns the header as it stands in the package: from the magic to the last data byte, without padding.
func (h *Header) Raw() []byte { return h.raw }

// IndexCount is the number of index entries, the region's own included.
func (h *Header) IndexCount() int { return h.il }

// DataLen is the number of data bytes, the region trailer included.
func (h *Header) DataLen() int { return len(h.data()) }

// Index returns the bytes of the index entries.
func (h *Header) Index() []byte { return h.raw[introSize : introSize+h.il*entrySize] }

// Data returns the data bytes.
func (h *Header) Data() []byte { return h.data() }

func (h *Header) data() []byte { return h.raw[introSize+h.il*entrySize:] }

// Region returns the tag of the region that starts the header, 0 if there is none, as in v3 packages.
func (h *Header) Region() Tag { return h.region }

// Entries returns the index in its order. The caller must not change it.
func (h *Header) Entries() []Entry { return h.entries }

// checkRegion validates the region tag and its trailer as rpm does (rpmdb.md 4.1). A header without region is left alone.
func (h *Header) checkRegion(k kind) error {
	e := h.entries[0]
	switch e.Tag {
	case TagHeaderImage, TagHeaderSignatures, TagHeaderImmutable:
	default:
		return nil
	}
	if e.Tag != k.region {
		return fmt.Errorf("region %s, wanted %s", e.Tag, k.region)
	}
	if e.Type != TypeBin || e.Count != regionCount {
		return fmt.Errorf("region %s has type %s and count %d, wanted bin and %d", e.Tag, e.Type, e.Count, regionCount)
	}
	dl := uint64(len(h.data()))
	rdl := uint64(e.Offset) + regionCount
	if rdl > dl {
		return fmt.Errorf("region trailer at %d lies outside the %d bytes of data", e.Offset, dl)
	}
	t := decodeEntry(h.data()[e.Offset:])
	if k.region == TagHeaderSignatures && t.Tag == TagHeaderImage {
		t.Tag = TagHeaderSignatures // some old packages have it so
	}
	if t.Tag != k.region || t.Type != TypeBin || t.Count != regionCount {
		return fmt.Errorf("region trailer has %s, type %s, count %d", t.Tag, t.Type, t.Count)
	}
	size := -int64(int32(t.Offset))
	if size < 0 || size%entrySize != 0 || size/entrySize > int64(h.il) {
		return fmt.Errorf("region trailer claims %d bytes of index, there are %d", size, h.il*entrySize)
	}
	ril := size / entrySize
	if k.exact && (ril != int64(h.il) || rdl != dl) {
		return fmt.Errorf("region holds %d of %d entries and %d of %d data bytes; in a package it must be the whole header",
			ril, h.il, rdl, dl)
	}
	h.region = e.Tag
	return nil
}

// checkEntries validates every entry: known type, alignment, increasing data without overlap, everything inside the data.
func (h *Header) checkEntries() error {
	first := 0
	h.ends = make([]uint32, h.il)
	if h.region != 0 {
		first = 1
		h.ends[0] = h.entries[0].Offset + regionCount
	}
	seen := make(map[Tag]bool, h.il)
	var end uint32
	for i := first; i < h.il; i++ {
		e := h.entries[i]
		next, err := h.checkEntry(e, end)
		if err != nil {
			return fmt.Errorf("index entry %d (%s, type %s, offset %d, count %d): %w", i, e.Tag, e.Type, e.Offset, e.Count, err)
		}
		if seen[e.Tag] {
			return fmt.Errorf("index entry %d: %s occurs twice", i, e.Tag)
		}
		seen[e.Tag] = true
		h.ends[i] = next
		end = next
	}
	return nil
}

func (h *Header) checkEntry(e Entry, previousEnd uint32) (end uint32, err error) {
	dl := uint32(len(h.data()))
	switch {
	case e.Tag < TagHeaderI18NTable:
		return 0, errors.New("tag number is reserved")
	case e.Type > TypeI18NString:
		return 0, errors.New("unknown type")
	case e.Count == 0 || e.Count > dl:
		return 0, fmt.Errorf("count must be 1 to %d", dl)
	case e.Offset > dl:
		return 0, fmt.Errorf("offset is outside the %d bytes of data", dl)
	case e.Offset < previousEnd:
		return 0, errors.New("data overlaps the entry before")
	case e.Offset%alignment(e.Type) != 0:
		return 0, errors.New("data is not aligned")
	}
	n, err := dataLength(e, h.data()[e.Offset:])
	if err != nil {
		return 0, err
	}
	return e.Offset + uint32(n), nil
}

func alignment(t Type) uint32 {
	switch t {
	case TypeInt16:
		return 2
	case TypeInt32:
		return 4
	case TypeInt64:
		return 8
	}
	return 1
}

// dataLength returns how many bytes of data the values of e take.
func dataLength(e Entry, data []byte) (int, error) {
	width := uint64(0)
	switch e.Type {
	case TypeNull:
		return 0, errors.New("null has no value")
	case TypeChar, TypeInt8, TypeBin:
		width = 1
	case TypeInt16, TypeInt32, TypeInt64:
		width = uint64(alignment(e.Type))
	case TypeString:
		if e.Count != 1 {
			return 0, errors.New("a string must have count 1")
		}
	}
	if width > 0 {
		if width*uint64(e.Count) > uint64(len(data)) {
			return 0, errors.New("values end outside the data")
		}
		if width > 1 && e.Count > maxElements {
			return 0, fmt.Errorf("more than %d elements", maxElements)
		}
		return int(width) * int(e.Count), nil
	}
	if e.Count > maxElements {
		return 0, fmt.Errorf("more than %d elements", maxElements)
	}
	n := 0
	for range e.Count {
		i := bytes.IndexByte(data[n:], 0)
		if i < 0 {
			return 0, errors.New("strings end outside the data")
		}
		n += i + 1
	}
	return n, nil
}
