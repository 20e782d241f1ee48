package elfdeps

import (
	"bytes"
	"fmt"
	"io"
)

// Cache of a window: small records and names lie close together, and one read of the input each would be slow when the
// input is a file.
const (
	pageSize = 4096
	pages    = 8
)

// window is a bounds-checked, page-cached view of the input.
type window struct {
	r     io.ReaderAt
	size  uint64
	cache [pages]page
}

type page struct {
	number uint64
	data   []byte // nil: empty slot
}

// page returns the bytes of a page; the last page of the file is short.
func (w *window) page(number uint64) ([]byte, error) {
	slot := &w.cache[number%pages]
	if slot.data != nil && slot.number == number {
		return slot.data, nil
	}
	start := number * pageSize
	data := slot.data
	if data == nil {
		data = make([]byte, pageSize)
	}
	slot.data = nil
	data = data[:min(pageSize, w.size-start)]
	if n, err := w.r.ReadAt(data, int64(start)); n < len(data) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading %d bytes at %d: %w", len(data), start, err)
	}
	slot.number, slot.data = number, data[:len(data):pageSize]
	return slot.data, nil
}

// readAt fills p from off.
func (w *window) readAt(p []byte, off uint64) error {
	end, ok := add(off, uint64(len(p)))
	if !ok || end > w.size {
		return malformed("%d bytes at %#x lie outside the file of %d bytes", len(p), off, w.size)
	}
	for len(p) > 0 {
		data, err := w.page(off / pageSize)
		if err != nil {
			return err
		}
		n := copy(p, data[off%pageSize:])
		p, off = p[n:], off+uint64(n)
	}
	return nil
}

// cstring reads the NUL-terminated string at off, which must end within left bytes and limit bytes.
func (f *file) cstring(off, left uint64, limit int) (string, error) {
	var out []byte
	for at := off; ; {
		if at >= f.in.size || at-off >= left {
			return "", malformed("name at %#x has no end", off)
		}
		data, err := f.in.page(at / pageSize)
		if err != nil {
			return "", err
		}
		data = data[at%pageSize:]
		data = data[:min(uint64(len(data)), left-(at-off))]
		end := bytes.IndexByte(data, 0)
		if end < 0 {
			end = len(data)
		}
		if len(out)+end > limit {
			return "", malformed("name at %#x is longer than %d bytes", off, limit)
		}
		if f.strings += end + 1; f.strings > maxStrings {
			return "", malformed("names of more than %d bytes together", maxStrings)
		}
		out = append(out, data[:end]...)
		if end < len(data) {
			return string(out), nil
		}
		at += uint64(end)
	}
}
