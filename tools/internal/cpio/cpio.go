// Package cpio reads the archives inside RPM packages: the "new ASCII" format with and without checksums (070701, 070702) and
// rpm's own stripped entries (07070X), which hold nothing but the number of the file in the header and so have no 4 GiB limit.
// Kinds may be mixed, as rpm does: a stripped archive ends with a new ASCII trailer.
//
// The reader streams and allocates no more than one name. It is no general cpio reader: other formats are errors.
package cpio

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

const (
	magicSize    = 6
	newcSize     = 110 // magic and 13 fields of 8 hex digits
	strippedSize = 14  // magic and 8 hex digits
	// maxName is PATH_MAX with the leading "." of rpm's names.
	maxName = 4096 + 1
	trailer = "TRAILER!!!"
	// maxPadding bounds the zeros after the trailer, where some writers fill up a block.
	maxPadding = 1 << 20
)

// Entry is the header of one archive member.
type Entry struct {
	Name     string // empty for stripped entries
	Index    int    // number of the file in the RPM header; -1 unless stripped
	Mode     uint32 // with type bits; 0 when stripped, as the following fields
	Inode    uint32
	DevMajor uint32
	DevMinor uint32
	Nlink    uint32
	Size     int64
}

// Stripped reports whether the entry has an index instead of a name.
func (e *Entry) Stripped() bool { return e.Index >= 0 }

// Reader reads an archive. Next moves to the next member, Read reads the content of the current one.
type Reader struct {
	r      io.Reader
	sizeOf func(index int) (int64, error)
	offset int64 // in the archive, for errors and padding
	left   int64 // unread content of the current member
	check  bool
	sum    uint32 // of the content read so far
	want   uint32
	name   string
	done   bool
	buf    [newcSize]byte
}

// NewReader returns a reader of r. sizeOf returns the content size of the file with the given number; it is asked for stripped
// entries only and must refuse unknown numbers. A nil sizeOf refuses stripped entries.
func NewReader(r io.Reader, sizeOf func(index int) (int64, error)) *Reader {
	return &Reader{r: r, sizeOf: sizeOf}
}

// Next skips what is left of the current member and returns the next one, or io.EOF after the trailer.
func (r *Reader) Next() (*Entry, error) {
	if r.done {
		return nil, io.EOF
	}
	if err := r.skip(); err != nil {
		return nil, err
	}
	at := r.offset
	e, err := r.readEntry()
	if err != nil {
		if err == io.EOF { // the archive must end with a trailer
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading archive entry at offset %d: %w", at, err)
	}
	if !e.Stripped() && e.Name == trailer {
		r.done = true
		return nil, io.EOF
	}
	r.name, r.left, r.sum = e.Name, e.Size, 0
	if e.Stripped() {
		r.name = fmt.Sprintf("file %d", e.Index)
	}
	return e, nil
}

// Read reads the content of the current member.
func (r *Reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.r.Read(p)
	r.left -= int64(n)
	r.offset += int64(n)
	if r.check {
		for _, c := range p[:n] {
			r.sum += uint32(c)
		}
	}
	switch {
	case err == io.EOF && r.left > 0:
		return n, fmt.Errorf("reading content of %s: %d bytes are missing: %w", r.name, r.left, io.ErrUnexpectedEOF)
	case err == io.EOF:
		err = nil
	}
	if r.left == 0 && r.check && r.sum != r.want {
		return n, fmt.Errorf("reading content of %s: checksum %08x, the archive says %08x", r.name, r.sum, r.want)
	}
	return n, err
}

// Drain reads what follows the trailer, which may only be zeros. It is an error to call it before Next returned io.EOF.
func (r *Reader) Drain() error {
	if !r.done {
		return errors.New("reading the end of the archive: it is not at its end")
	}
	buf := make([]byte, 32<<10)
	for total := 0; ; {
		n, err := r.r.Read(buf)
		for _, c := range buf[:n] {
			if c != 0 {
				return fmt.Errorf("reading the end of the archive: data after the trailer at offset %d", r.offset)
			}
		}
		r.offset += int64(n)
		if total += n; total > maxPadding {
			return fmt.Errorf("reading the end of the archive: more than %d bytes of padding", maxPadding)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the end of the archive: %w", err)
		}
	}
}

func (r *Reader) skip() error {
	if r.left > 0 {
		if _, err := io.Copy(io.Discard, struct{ io.Reader }{r}); err != nil {
			return err
		}
	}
	if err := r.pad(); err != nil {
		return fmt.Errorf("reading padding of %s: %w", r.name, err)
	}
	return nil
}

// fill reads exactly n bytes into the start of buf, from position at.
func (r *Reader) fill(at, n int) error {
	got, err := io.ReadFull(r.r, r.buf[at:at+n])
	r.offset += int64(got)
	return err
}

// pad moves to the next multiple of 4.
func (r *Reader) pad() error {
	var zeros [3]byte
	n := int(-r.offset & 3)
	got, err := io.ReadFull(r.r, zeros[:n])
	r.offset += int64(got)
	return noEOF(err)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *Reader) readEntry() (*Entry, error) {
	if err := r.fill(0, magicSize); err != nil {
		return nil, err
	}
	r.check = false
	switch string(r.buf[:magicSize]) {
	case "07070X":
		return r.readStripped()
	case "070702":
		r.check = true
	case "070701":
	default:
		return nil, fmt.Errorf("bad magic %q", r.buf[:magicSize])
	}
	if err := r.fill(magicSize, newcSize-magicSize); err != nil {
		return nil, noEOF(err)
	}
	var f [13]uint32
	for i := range f {
		v, err := hexField(r.buf[magicSize+8*i:])
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", i, err)
		}
		f[i] = v
	}
	e := &Entry{Index: -1, Inode: f[0], Mode: f[1], Nlink: f[4], Size: int64(f[6]), DevMajor: f[7], DevMinor: f[8]}
	name, err := r.readName(f[11])
	if err != nil {
		return nil, err
	}
	e.Name = name
	r.want = f[12]
	r.check = r.check && e.Size > 0
	return e, noEOF(r.pad())
}

func (r *Reader) readName(size uint32) (string, error) {
	if size < 2 || size > maxName {
		return "", fmt.Errorf("name of %d bytes, allowed are 2 to %d", size, maxName)
	}
	name := make([]byte, size)
	n, err := io.ReadFull(r.r, name)
	r.offset += int64(n)
	if err != nil {
		return "", noEOF(err)
	}
	if i := bytes.IndexByte(name, 0); i != len(name)-1 {
		return "", fmt.Errorf("name %q does not end in its only NUL", name)
	}
	return string(name[:size-1]), nil
}

func (r *Reader) readStripped() (*Entry, error) {
	if err := r.fill(magicSize, strippedSize-magicSize); err != nil {
		return nil, noEOF(err)
	}
	index, err := hexField(r.buf[magicSize:])
	if err != nil {
		return nil, fmt.Errorf("file number: %w", err)
	}
	if r.sizeOf == nil || index > 1<<30 {
		return nil, fmt.Errorf("stripped entry for file %d", index)
	}
	size, err := r.sizeOf(int(index))
	if err != nil {
		return nil, err
	}
	if size < 0 {
		return nil, fmt.Errorf("file %d has size %d", index, size)
	}
	return &Entry{Index: int(index), Size: size}, noEOF(r.pad())
}

func hexField(b []byte) (uint32, error) {
	var raw [4]byte
	if _, err := hex.Decode(raw[:], b[:8]); err != nil {
		return 0, fmt.Errorf("%q is not a number of 8 hex digits", b[:8])
	}
	return binary.BigEndian.Uint32(raw[:]), nil
}
