// Package bdb writes and reads the package database format of RHEL 5 to 8 and Amazon Linux 2: Berkeley DB files, a hash
// called Packages, which holds the headers, and a b-tree for each index over their values.
//
// Without the b-trees rpm makes new ones, which fails where it may not write. Files are laid out bottom-up and without free
// space to grow into; Berkeley DB splits pages when it adds to them. Headers always lie on pages of their own, however short
// they are, because readers that are no Berkeley DB look for them only there.
//
// Numbers have the byte order of the machine that the database is for. Format: Berkeley DB 5.3, dbinc/db_page.h; pages have
// neither checksums nor encryption, and no log sequence numbers. The reader reads Packages only, of either byte order and of
// the hash versions 7 to 10 (rpm since 4.0), and refuses what rpm never makes.
package bdb

import (
	"crypto/sha256"
	"encoding/binary"
)

// Order is a byte order; binary.LittleEndian and binary.BigEndian are.
type Order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// pageSize is that of all files written here, and pageHead what each page but the first starts with.
const (
	pageSize = 4096
	pageHead = 26
	pageRoom = pageSize - pageHead
)

// Types of pages.
const (
	pageHashUnsorted = 2 // hash versions before 9
	pageInternal     = 3
	pageLeaf         = 5
	pageOverflow     = 7
	pageHashMeta     = 8
	pageTreeMeta     = 9
	pageHash         = 13
)

// Types of items on hash pages, and on those of b-trees, where only the last two occur.
const (
	itemInline  = 1
	itemOffPage = 3
)

const (
	hashMagic   = 0x061561
	hashVersion = 9
	treeMagic   = 0x053162
	treeVersion = 9
)

// Blobs are the headers, numbered from 1 in their order.
type Blobs interface {
	Len() int
	// Size is the length of blob i, counted from 0.
	Size(i int) int
	// Append appends blob i, exactly Size(i) bytes.
	Append(dst []byte, i int) ([]byte, error)
}

// page is a page in the making: the offsets of items grow up from its head, the items down from its end.
type page struct {
	buf     []byte
	order   Order
	entries int
	low     int // where the last added item starts
}

func newPage(order Order, number, prev, next uint32, level, kind byte) *page {
	p := &page{buf: make([]byte, pageSize), order: order, low: pageSize}
	order.PutUint32(p.buf[4:], 1) // log sequence number 0, 1: not logged
	order.PutUint32(p.buf[8:], number)
	order.PutUint32(p.buf[12:], prev)
	order.PutUint32(p.buf[16:], next)
	p.buf[24], p.buf[25] = level, kind
	return p
}

// add appends an item that starts at a multiple of align; the caller has made sure that it fits.
func (p *page) add(item []byte, align int) {
	p.low = (p.low - len(item)) / align * align
	copy(p.buf[p.low:], item)
	p.order.PutUint16(p.buf[pageHead+2*p.entries:], uint16(p.low))
	p.entries++
}

func (p *page) finish() []byte {
	p.order.PutUint16(p.buf[20:], uint16(p.entries))
	p.order.PutUint16(p.buf[22:], uint16(p.low))
	return p.buf
}

// overflowPages is the number of pages that a value of size bytes takes.
func overflowPages(size int) uint32 { return uint32((size + pageRoom - 1) / pageRoom) }

// appendOverflow appends the chain of pages of a value, from page first on.
func appendOverflow(dst []byte, order Order, first uint32, value []byte) []byte {
	for number := first; len(value) > 0; number++ {
		n := min(len(value), pageRoom)
		prev, next := number-1, number+1
		if number == first {
			prev = 0
		}
		if n == len(value) {
			next = 0
		}
		p := newPage(order, number, prev, next, 0, pageOverflow)
		copy(p.buf[pageHead:], value[:n])
		p.entries, p.low = 1, n // of overflow pages: references, bytes used
		dst = append(dst, p.finish()...)
		value = value[n:]
	}
	return dst
}

// metaPage returns page 0 of a file; name distinguishes the file from the others of the database, as its id must.
func metaPage(order Order, name string, magic, version, last uint32, kind byte) []byte {
	buf := make([]byte, pageSize)
	order.PutUint32(buf[4:], 1)
	order.PutUint32(buf[12:], magic)
	order.PutUint32(buf[16:], version)
	order.PutUint32(buf[20:], pageSize)
	buf[25] = kind
	order.PutUint32(buf[32:], last)
	id := sha256.Sum256([]byte("rules_slimrpm " + name))
	copy(buf[52:72], id[:])
	return buf
}
