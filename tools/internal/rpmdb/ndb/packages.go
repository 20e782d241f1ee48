package ndb

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"io"
	"math"
)

const (
	packagesMagic = "RpmP"
	slotMagic     = "Slot"
	blobHead      = "BlbS"
	blobTail      = "BlbE"

	blockSize    = 16
	blobHeadSize = 16 // magic, package, generation, length
	blobTailSize = 12 // checksum, length, magic
	slotsPerPage = pageSize / slotSize
)

// maxBlob bounds a header; rpm reads none above 256 MiB.
const maxBlob = 256<<20 + 1<<20

// Packages is a planned Packages.db.
type Packages struct {
	blobs  Blobs
	blocks []uint32 // of each blob
	size   int64
}

// PlanPackages lays out Packages.db.
func PlanPackages(blobs Blobs) (*Packages, error) {
	p := &Packages{blobs: blobs}
	p.size = int64(p.slotPages()) * pageSize
	for i := range blobs.Len() {
		size := blobs.Size(i)
		if size < 1 || size > maxBlob {
			return nil, fmt.Errorf("header %d has %d bytes, allowed are 1 to %d", i+1, size, maxBlob)
		}
		blocks := (blobHeadSize + size + blobTailSize + blockSize - 1) / blockSize
		p.blocks = append(p.blocks, uint32(blocks))
		p.size += int64(blocks) * blockSize
	}
	if p.size/blockSize > math.MaxUint32 {
		return nil, fmt.Errorf("the headers have %d bytes, more than the format can address", p.size)
	}
	return p, nil
}

func (p *Packages) slotPages() uint32 {
	return uint32(p.blobs.Len()+2+slotsPerPage-1) / slotsPerPage
}

// Generation is the number that Index.db must name too: rpm counts one for each package and each further page of slots.
func (p *Packages) Generation() uint32 { return uint32(p.blobs.Len()) + p.slotPages() }

// Size is the number of bytes WriteTo writes.
func (p *Packages) Size() int64 { return p.size }

// WriteTo writes the file.
func (p *Packages) WriteTo(w io.Writer) (int64, error) {
	out := &counter{w: bufio.NewWriterSize(w, 1<<16)}
	if _, err := out.Write(p.slots()); err != nil {
		return out.n, err
	}
	var buf []byte
	for i := range p.blobs.Len() {
		var err error
		if buf, err = p.appendBlob(buf[:0], i); err != nil {
			return out.n, err
		}
		if _, err := out.Write(buf); err != nil {
			return out.n, err
		}
	}
	return out.n, out.w.Flush()
}

// slots returns the header and the table of slots.
func (p *Packages) slots() []byte {
	le := binary.LittleEndian
	buf := make([]byte, 0, p.slotPages()*pageSize)
	buf = append(buf, packagesMagic...)
	for _, v := range [...]uint32{0, p.Generation(), p.slotPages(), uint32(p.blobs.Len()) + 1, 0, 0, 0} {
		buf = le.AppendUint32(buf, v)
	}
	offset := p.slotPages() * (pageSize / blockSize)
	for i, blocks := range p.blocks {
		buf = append(buf, slotMagic...)
		buf = le.AppendUint32(buf, uint32(i)+1)
		buf = le.AppendUint32(buf, offset)
		buf = le.AppendUint32(buf, blocks)
		offset += blocks
	}
	for len(buf) < cap(buf) {
		buf = append(append(buf, slotMagic...), make([]byte, slotSize-len(slotMagic))...)
	}
	return buf
}

func (p *Packages) appendBlob(dst []byte, i int) ([]byte, error) {
	le := binary.LittleEndian
	size := p.blobs.Size(i)
	dst = append(dst, blobHead...)
	for _, v := range [...]uint32{uint32(i) + 1, uint32(i) + 1, uint32(size)} {
		dst = le.AppendUint32(dst, v)
	}
	dst, err := p.blobs.Append(dst, i)
	if err != nil {
		return nil, err
	}
	if len(dst) != blobHeadSize+size {
		return nil, fmt.Errorf("writing header %d: %d bytes where %d were announced", i+1, len(dst)-blobHeadSize, size)
	}
	dst = append(dst, make([]byte, int(p.blocks[i])*blockSize-blobTailSize-len(dst))...)
	dst = le.AppendUint32(dst, adler32.Checksum(dst))
	dst = le.AppendUint32(dst, uint32(size))
	return append(dst, blobTail...), nil
}

type counter struct {
	w *bufio.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
