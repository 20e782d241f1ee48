package bdb

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// maxInline is the longest key or value that stays on its page: four fit on one, as two keys must.
const maxInline = 1007

const (
	itemHead     = 3 // length, type
	overflowItem = 12
	internalHead = 12 // length, type, filler, child page, number of records
	treeRoot     = 1  // page
)

// Table is one index, sorted by key. Keys are not empty and differ.
type Table interface {
	Len() int
	// Entry returns key i, and its value: numbers of headers and elements, in pairs.
	Entry(i int) (key, value []byte)
}

// Index is a finished index file.
type Index struct{ data []byte }

// Size is the number of bytes WriteTo writes.
func (x *Index) Size() int64 { return int64(len(x.data)) }

// WriteTo writes the file.
func (x *Index) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(x.data)
	return int64(n), err
}

// node is a page of the tree: entries of the table on a leaf, nodes of the level below on others.
type node struct {
	first, count int
	separator    []byte // above all keys left of the node, not above its own
}

// builder plans the tree and writes it.
type builder struct {
	table    Table
	order    Order
	levels   [][]node // leaves first
	next     uint32   // page for the next overflow chain
	overflow []byte
}

// BuildIndex makes the file of the index called name.
func BuildIndex(name string, table Table, order Order) (*Index, error) {
	b := &builder{table: table, order: order}
	b.planLeaves()
	total := len(b.levels[0])
	for len(b.levels[len(b.levels)-1]) > 1 {
		b.planInternal()
		total += len(b.levels[len(b.levels)-1])
	}
	b.next = uint32(total) + 1
	pages := make([]byte, 0, total*pageSize)
	pages = b.appendRoot(pages)
	for level := range len(b.levels) - 1 {
		for i := range b.levels[level] {
			pages = append(pages, b.page(level, i)...)
		}
	}
	size := int64(1+total)*pageSize + int64(len(b.overflow))
	if size/pageSize > math.MaxUint32 {
		return nil, fmt.Errorf("building the index %s: %d bytes are more than the format can address", name, size)
	}
	meta := metaPage(order, name, treeMagic, treeVersion, b.next-1, pageTreeMeta)
	order.PutUint32(meta[76:], 2)   // keys that must fit on a page
	order.PutUint32(meta[84:], ' ') // filler of records, unused
	order.PutUint32(meta[88:], treeRoot)
	return &Index{append(append(meta, pages...), b.overflow...)}, nil
}

// room is what an item of n bytes takes on a page, its offset included.
func room(head, n int) int {
	if n > maxInline {
		n = overflowItem - itemHead
		if head == internalHead {
			n = overflowItem
		}
	}
	return (head+n+3)/4*4 + 2
}

func (b *builder) planLeaves() {
	leaves := []node{{}}
	used := 0
	var last []byte
	for i := range b.table.Len() {
		key, value := b.table.Entry(i)
		need := room(itemHead, len(key)) + room(itemHead, len(value))
		if used+need > pageRoom {
			leaves = append(leaves, node{first: i, separator: separator(last, key)})
			used = 0
		}
		leaves[len(leaves)-1].count++
		used += need
		last = append(last[:0], key...)
	}
	b.levels = append(b.levels, leaves)
}

// separator is the shortest start of key that is above last.
func separator(last, key []byte) []byte {
	n := 0
	for n < len(last) && n < len(key) && last[n] == key[n] {
		n++
	}
	return bytes.Clone(key[:n+1])
}

func (b *builder) planInternal() {
	children := b.levels[len(b.levels)-1]
	nodes := []node{{}}
	used := 0
	for i, child := range children {
		need := room(internalHead, len(child.separator))
		if i > 0 && used+need > pageRoom {
			nodes = append(nodes, node{first: i, separator: child.separator})
			used, need = 0, room(internalHead, 0)
		}
		nodes[len(nodes)-1].count++
		used += need
	}
	b.levels = append(b.levels, nodes)
}

// number is the page of a node: the root, then level by level.
func (b *builder) number(level, i int) uint32 {
	if level == len(b.levels)-1 {
		return treeRoot
	}
	number := treeRoot + 1 + i
	for below := range level {
		number += len(b.levels[below])
	}
	return uint32(number)
}

func (b *builder) appendRoot(dst []byte) []byte { return append(dst, b.page(len(b.levels)-1, 0)...) }

// page writes a node.
func (b *builder) page(level, i int) []byte {
	n := &b.levels[level][i]
	if level > 0 {
		p := newPage(b.order, b.number(level, i), 0, 0, byte(level)+1, pageInternal)
		for c := n.first; c < n.first+n.count; c++ {
			key := b.levels[level-1][c].separator
			if c == n.first {
				key = nil // never compared
			}
			p.add(b.internalItem(key, b.number(level-1, c)), 4)
		}
		return p.finish()
	}
	prev, next := uint32(0), uint32(0)
	if i > 0 {
		prev = b.number(level, i-1)
	}
	if i < len(b.levels[level])-1 {
		next = b.number(level, i+1)
	}
	p := newPage(b.order, b.number(level, i), prev, next, 1, pageLeaf)
	for e := n.first; e < n.first+n.count; e++ {
		key, value := b.table.Entry(e)
		p.add(b.item(key), 4)
		p.add(b.item(value), 4)
	}
	return p.finish()
}

func (b *builder) item(data []byte) []byte {
	if len(data) > maxInline {
		return b.offPage(data)
	}
	return append(append(b.order.AppendUint16(nil, uint16(len(data))), itemInline), data...)
}

func (b *builder) internalItem(key []byte, child uint32) []byte {
	kind, data := byte(itemInline), key
	if len(key) > maxInline {
		kind, data = itemOffPage, b.offPage(key)
	}
	item := append(b.order.AppendUint16(nil, uint16(len(data))), kind, 0)
	item = b.order.AppendUint32(item, child)
	item = b.order.AppendUint32(item, 0) // records below, which only numbered trees count
	return append(item, data...)
}

// offPage writes an overflow chain and returns the item that refers to it.
func (b *builder) offPage(data []byte) []byte {
	item := b.order.AppendUint32([]byte{0, 0, itemOffPage, 0}, b.next)
	item = b.order.AppendUint32(item, uint32(len(data)))
	b.overflow = appendOverflow(b.overflow, b.order, b.next, data)
	b.next += overflowPages(len(data))
	return item
}
