package bdb

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

const (
	minPage    = 512 // the format's own limits
	maxPage    = 64 << 10
	metaHead   = 96 + 4*spareEntries
	maxHeaders = 1 << 20
)

// Known versions of hash files: 7 is that of Berkeley DB 3.1 (rpm 4.0), 9 that of 4.6 to 5.3, 10 that of 18.1.
const minVersion, maxVersion = 7, 10

// orderOf tells the byte order from the magic number of a hash file, nil if it is none.
func orderOf(start []byte) Order {
	switch {
	case len(start) < 16:
		return nil
	case binary.LittleEndian.Uint32(start[12:]) == hashMagic:
		return binary.LittleEndian
	case binary.BigEndian.Uint32(start[12:]) == hashMagic:
		return binary.BigEndian
	}
	return nil
}

// IsPackages reports whether a file that starts so is a hash of Berkeley DB, as Packages is.
func IsPackages(start []byte) bool { return orderOf(start) != nil }

// reader reads a Packages file.
type reader struct {
	r        io.ReaderAt
	order    Order
	pageSize int
	last     uint32 // page
	left     int64  // pages that may still be visited: none occurs twice
	found    []reference
}

// reference is a header in the file: on its own pages from first on, or inline.
type reference struct {
	number, first, size uint32
	inline              []byte
}

// Read calls fn for every header of a Packages file of size bytes, in the order of their numbers. The blob is fn's to keep.
func Read(r io.ReaderAt, size int64, fn func(number uint32, blob []byte) error) error {
	d := &reader{r: r}
	meta, err := d.readMeta(size)
	if err != nil {
		return err
	}
	buckets := uint64(d.order.Uint32(meta[metaMaxBucket:])) + 1
	if buckets > uint64(d.last) || buckets > maxBuckets {
		return fmt.Errorf("%d buckets in %d pages", buckets, uint64(d.last)+1)
	}
	for b := range uint32(buckets) {
		// Buckets came in groups that doubled their number, each in a row of pages.
		spare := d.order.Uint32(meta[spareStart+4*bits.Len32(b):])
		if err := d.bucket(b, b+spare); err != nil {
			return fmt.Errorf("bucket %d: %w", b, err)
		}
	}
	slices.SortFunc(d.found, func(a, b reference) int { return cmp.Compare(a.number, b.number) })
	for _, ref := range d.found {
		blob := ref.inline
		if blob == nil {
			if blob, err = d.overflow(ref); err != nil {
				return fmt.Errorf("header %d: %w", ref.number, err)
			}
		}
		if err := fn(ref.number, blob); err != nil {
			return err
		}
	}
	return nil
}

func (d *reader) readMeta(size int64) ([]byte, error) {
	meta := make([]byte, metaHead)
	if n, err := d.r.ReadAt(meta, 0); n < len(meta) {
		return nil, fmt.Errorf("reading its start: %w", notEOF(err))
	}
	if d.order = orderOf(meta); d.order == nil {
		return nil, errors.New("not a hash of Berkeley DB")
	}
	version, pageSize := d.order.Uint32(meta[16:]), d.order.Uint32(meta[20:])
	switch {
	case version < minVersion || version > maxVersion:
		return nil, fmt.Errorf("hash version %d, known are %d to %d", version, minVersion, maxVersion)
	case pageSize < minPage || pageSize > maxPage || pageSize&(pageSize-1) != 0:
		return nil, fmt.Errorf("page size %d", pageSize)
	case meta[24] != 0:
		return nil, errors.New("its pages are encrypted")
	case meta[25] != pageHashMeta:
		return nil, fmt.Errorf("its first page has type %d", meta[25])
	case meta[26]&1 != 0:
		return nil, errors.New("its pages have checksums, which rpm does not use")
	}
	d.pageSize, d.last = int(pageSize), d.order.Uint32(meta[32:])
	pages := size / int64(pageSize)
	if int64(d.last) >= pages {
		return nil, fmt.Errorf("its last page is number %d, but the file has %d", d.last, pages)
	}
	d.left = pages
	return meta, nil
}

// page reads a page and checks its number and type.
func (d *reader) page(number uint32, kinds ...byte) ([]byte, error) {
	if number == 0 || number > d.last {
		return nil, fmt.Errorf("page %d of %d", number, d.last)
	}
	if d.left--; d.left < 0 {
		return nil, errors.New("the pages form a cycle")
	}
	buf := make([]byte, d.pageSize)
	if n, err := d.r.ReadAt(buf, int64(number)*int64(d.pageSize)); n < len(buf) {
		return nil, fmt.Errorf("reading page %d: %w", number, notEOF(err))
	}
	if !slices.Contains(kinds, buf[25]) {
		return nil, fmt.Errorf("page %d has type %d", number, buf[25])
	}
	return buf, nil
}

// bucket notes the headers of a bucket, which may be a chain of pages.
func (d *reader) bucket(b, number uint32) error {
	for number != 0 {
		// A bucket that was never used may still be a page of zeros.
		buf, err := d.page(number, pageHash, pageHashUnsorted, 0)
		if err != nil {
			return err
		}
		if buf[25] == 0 {
			return nil
		}
		if err := d.items(buf); err != nil {
			return fmt.Errorf("page %d: %w", number, err)
		}
		number = d.order.Uint32(buf[16:])
	}
	return nil
}

func (d *reader) items(buf []byte) error {
	entries := int(d.order.Uint16(buf[20:]))
	start := pageHead + 2*entries
	if entries%2 != 0 || start > len(buf) {
		return fmt.Errorf("%d items", entries)
	}
	end := len(buf) // each item ends where the one before it starts
	item := func(i int) ([]byte, error) {
		at := int(d.order.Uint16(buf[pageHead+2*i:]))
		if at < start || at >= end {
			return nil, fmt.Errorf("item %d lies at %d, outside of %d to %d", i, at, start, end)
		}
		data := buf[at:end:end]
		end = at
		return data, nil
	}
	for i := 0; i < entries; i += 2 {
		key, err := item(i)
		if err != nil {
			return err
		}
		value, err := item(i + 1)
		if err != nil {
			return err
		}
		if len(key) != 5 || key[0] != itemInline {
			return fmt.Errorf("item %d is no header number", i)
		}
		ref := reference{number: d.order.Uint32(key[1:])}
		switch {
		case ref.number == 0: // the highest number in use
			continue
		case value[0] == itemInline:
			ref.inline = slices.Clone(value[1:])
		case value[0] == itemOffPage && len(value) == overflowItem:
			ref.first, ref.size = d.order.Uint32(value[4:]), d.order.Uint32(value[8:])
		default:
			return fmt.Errorf("header %d: an item of type %d", ref.number, value[0])
		}
		if len(d.found) == maxHeaders {
			return fmt.Errorf("more than %d headers", maxHeaders)
		}
		d.found = append(d.found, ref)
	}
	return nil
}

// overflow joins the pages of a header.
func (d *reader) overflow(ref reference) ([]byte, error) {
	if ref.size == 0 || ref.size > maxBlob || int64(ref.size) > (int64(d.last)+1)*int64(d.pageSize) {
		return nil, fmt.Errorf("%d bytes are more than a header has, or the file", ref.size)
	}
	// append, not make: a wrong size must not reserve memory that the pages do not back.
	var blob []byte
	for number := ref.first; number != 0; {
		buf, err := d.page(number, pageOverflow)
		if err != nil {
			return nil, err
		}
		used := int(d.order.Uint16(buf[22:]))
		if used == 0 || used > d.pageSize-pageHead || len(blob)+used > int(ref.size) {
			return nil, fmt.Errorf("page %d: %d bytes in use, %d bytes read before, %d wanted", number, used, len(blob), ref.size)
		}
		blob = append(blob, buf[pageHead:pageHead+used]...)
		number = d.order.Uint32(buf[16:])
	}
	if len(blob) != int(ref.size) {
		return nil, fmt.Errorf("its pages hold %d bytes of %d", len(blob), ref.size)
	}
	return blob, nil
}

func notEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
