package sqlite

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Page types.
const (
	indexInterior = 0x02
	tableInterior = 0x05
	indexLeaf     = 0x0a
	tableLeaf     = 0x0d
)

// libraryVersion is the SQLite version that the header claims wrote the file. A constant, for the same bytes everywhere.
const libraryVersion = 3040001

const (
	fileHeader = 100
	magic      = "SQLite format 3\x00"
)

// Table is a table with its rows and indexes. SQL is its CREATE TABLE statement, as sqlite_schema keeps it.
type Table struct {
	Name, SQL string
	Rows      Rows
	Indexes   []Index
}

// Index is an index of a table. Its rows are records of the key columns and the rowid, sorted as SQLite compares them.
type Index struct {
	Name, SQL string
	Rows      Rows
}

// File is a planned database file.
type File struct {
	trees      []*tree
	schema     *tree
	schemaFrom uint32 // first page of schema leaves when page 1 alone does not hold the schema
	pages      uint32
}

// Plan lays out a database. The rows are asked for their sizes now and for their bytes by every WriteTo.
func Plan(tables []Table) (*File, error) {
	f := &File{}
	next := int64(2) // page 1 belongs to the schema
	var schema schemaRows
	add := func(kind, name, table, sql string, rows Rows) error {
		t, err := planTree(rows, kind == "index")
		if err != nil {
			return fmt.Errorf("laying out %s %s: %w", kind, name, err)
		}
		next += t.pages
		if next > math.MaxUint32-1 {
			return fmt.Errorf("laying out %s %s: the database would have more than 2^32 pages", kind, name)
		}
		f.trees = append(f.trees, t)
		schema = append(schema, AppendRecord(nil, TextValue([]byte(kind)), TextValue([]byte(name)), TextValue([]byte(table)),
			IntValue(next-1), TextValue([]byte(sql))))
		return nil
	}
	for _, table := range tables {
		if err := add("table", table.Name, table.Name, table.SQL, table.Rows); err != nil {
			return nil, err
		}
		for _, index := range table.Indexes {
			if err := add("index", index.Name, table.Name, index.SQL, index.Rows); err != nil {
				return nil, err
			}
		}
	}
	f.schemaFrom = uint32(next)
	return f, f.planSchema(schema)
}

// planSchema plans sqlite_schema, whose root must be page 1 and shares it with the file header: a leaf if all fits there,
// otherwise an interior page over leaves at the end of the file.
func (f *File) planSchema(schema schemaRows) error {
	t, err := planTree(schema, false)
	if err != nil {
		return fmt.Errorf("laying out the schema: %w", err)
	}
	f.schema = t
	leaves := len(t.levels[0])
	room := 0
	for i := range schema {
		if _, overflow := t.split(len(schema[i])); overflow > 0 {
			return fmt.Errorf("laying out the schema: statement %d is longer than a page", i+1)
		}
		room += pointerSize + t.leafCell(i)
	}
	f.pages = f.schemaFrom - 1
	switch {
	case room <= pageSize-fileHeader-leafHeader:
		return nil
	case (leaves-1)*(pointerSize+childSize+varintLen(uint64(len(schema)))) > pageSize-fileHeader-interiorHeader:
		return fmt.Errorf("laying out the schema: %d tables and indexes are too many", len(schema))
	}
	f.pages += uint32(leaves)
	return nil
}

// Size is the number of bytes WriteTo writes.
func (f *File) Size() int64 { return int64(f.pages) * pageSize }

// WriteTo writes the database file.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	out := &writer{w: bufio.NewWriterSize(w, 16*pageSize), next: 1}
	err := f.write(out)
	if err == nil {
		err = out.w.Flush()
	}
	if err == nil && out.next-1 != f.pages {
		err = fmt.Errorf("writing database: %d pages written, %d planned", out.next-1, f.pages)
	}
	return int64(out.next-1) * pageSize, err
}

func (f *File) write(out *writer) error {
	leaves := f.schema.levels[0]
	single := f.pages == f.schemaFrom-1
	first := newPage(tableLeaf, fileHeader)
	copy(first.buf[:], f.header())
	if single {
		for i := range f.schema.rows.Len() {
			if err := f.schema.leafCellTo(out, first, i); err != nil {
				return err
			}
		}
	} else {
		first = newPage(tableInterior, fileHeader)
		copy(first.buf[:], f.header())
		for i := range leaves[:len(leaves)-1] {
			cell := binary.BigEndian.AppendUint32(nil, f.schemaFrom+uint32(i))
			first.add(appendVarint(cell, uint64(f.schema.separator(i))+1))
		}
		first.setRight(f.schemaFrom + uint32(len(leaves)-1))
	}
	if _, err := out.page(first); err != nil {
		return err
	}
	for _, t := range f.trees {
		if err := t.write(out); err != nil {
			return err
		}
	}
	if single {
		return nil
	}
	_, _, err := f.schema.writeLeaves(out)
	return err
}

// header returns the file header (fileformat2, section 1.3). Read and write version 1 is the rollback journal: a file in WAL
// mode could not be opened on a read-only file system or by a user who may not write beside it.
func (f *File) header() []byte {
	h := make([]byte, fileHeader)
	copy(h, magic)
	binary.BigEndian.PutUint16(h[16:], pageSize)
	h[18], h[19] = 1, 1
	h[21], h[22], h[23] = 64, 32, 32
	binary.BigEndian.PutUint32(h[24:], 1) // change counter
	binary.BigEndian.PutUint32(h[28:], f.pages)
	binary.BigEndian.PutUint32(h[40:], 1) // schema cookie
	binary.BigEndian.PutUint32(h[44:], 4) // schema format
	binary.BigEndian.PutUint32(h[56:], 1) // UTF-8
	binary.BigEndian.PutUint32(h[92:], 1) // the page count is valid for this change counter
	binary.BigEndian.PutUint32(h[96:], libraryVersion)
	return h
}

// write writes all pages of the tree, the root last.
func (t *tree) write(out *writer) error {
	pages, separators, err := t.writeLeaves(out)
	if err != nil {
		return err
	}
	kind := byte(tableInterior)
	if t.index {
		kind = indexInterior
	}
	for level := 1; level < len(t.levels); level++ {
		children := t.levels[level-1]
		var numbers []uint32
		for _, n := range t.levels[level] {
			p := newPage(kind, 0)
			last := n.first + n.count - 1
			for c := n.first; c < last; c++ {
				p.add(append(binary.BigEndian.AppendUint32(nil, pages[c]), separators[children[c].lastLeaf]...))
			}
			p.setRight(pages[last])
			number, err := out.page(p)
			if err != nil {
				return err
			}
			numbers = append(numbers, number)
		}
		pages = numbers
	}
	return nil
}

// writeLeaves returns the page numbers of the leaves, and of each the cell that separates it from the next.
func (t *tree) writeLeaves(out *writer) (pages []uint32, separators [][]byte, err error) {
	kind := byte(tableLeaf)
	if t.index {
		kind = indexLeaf
	}
	p := newPage(kind, 0)
	for l, leaf := range t.levels[0] {
		p.reset(kind, 0)
		for i := leaf.first; i < leaf.first+leaf.count; i++ {
			if err := t.leafCellTo(out, p, i); err != nil {
				return nil, nil, err
			}
		}
		number, err := out.page(p)
		if err != nil {
			return nil, nil, err
		}
		pages = append(pages, number)
		if l == len(t.levels[0])-1 {
			break
		}
		sep := t.separator(l)
		if t.index {
			cell, err := t.cell(out, sep)
			if err != nil {
				return nil, nil, err
			}
			separators = append(separators, append([]byte(nil), cell...))
		} else {
			separators = append(separators, appendVarint(nil, uint64(sep)+1))
		}
	}
	return pages, separators, nil
}

func (t *tree) leafCellTo(out *writer, p *page, i int) error {
	cell, err := t.cell(out, i)
	if err == nil {
		p.add(cell)
	}
	return err
}

// cell writes the overflow pages of row i and returns its cell, valid until the next call.
func (t *tree) cell(out *writer, i int) ([]byte, error) {
	size := t.rows.Size(i)
	record, err := t.rows.Append(out.record[:0], i)
	if err != nil {
		return nil, err
	}
	if len(record) != size {
		return nil, fmt.Errorf("writing row %d: %d bytes where %d were announced", i+1, len(record), size)
	}
	out.record = record
	cell := appendVarint(out.cell[:0], uint64(size))
	if !t.index {
		cell = appendVarint(cell, uint64(i)+1)
	}
	local, overflow := t.split(size)
	cell = append(cell, record[:local]...)
	if overflow > 0 {
		cell = binary.BigEndian.AppendUint32(cell, out.next)
	}
	out.cell = cell
	return cell, out.overflow(record[local:])
}

// writer writes pages and counts them. Its buffers are reused from row to row.
type writer struct {
	w            *bufio.Writer
	next         uint32 // number of the next page
	record, cell []byte
	scratch      page // of an overflow chain
}

func (out *writer) page(p *page) (uint32, error) {
	p.finish()
	out.next++
	_, err := out.w.Write(p.buf[:])
	return out.next - 1, err
}

// overflow writes data as a chain of overflow pages.
func (out *writer) overflow(data []byte) error {
	buf := &out.scratch.buf
	for len(data) > 0 {
		n := min(len(data), overflowData)
		next := out.next + 1
		if n == len(data) {
			next = 0
		}
		binary.BigEndian.PutUint32(buf[:], next)
		copy(buf[childSize:], data[:n])
		clear(buf[childSize+n:])
		out.next++
		if _, err := out.w.Write(buf[:]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// page is a b-tree page in the making: the cell pointers grow up from the header, the cells down from the end.
type page struct {
	buf      [pageSize]byte
	header   int // where the page header starts: 100 on page 1
	pointers int // where the next cell pointer goes
	content  int // where the last added cell starts
	cells    int
}

func newPage(kind byte, header int) *page {
	p := &page{}
	p.reset(kind, header)
	return p
}

func (p *page) reset(kind byte, header int) {
	*p = page{header: header, pointers: header + leafHeader, content: pageSize}
	if kind == tableInterior || kind == indexInterior {
		p.pointers = header + interiorHeader
	}
	p.buf[header] = kind
}

// add appends a cell; the plan has made sure that it fits.
func (p *page) add(cell []byte) {
	p.content -= max(minCell, len(cell))
	copy(p.buf[p.content:], cell)
	binary.BigEndian.PutUint16(p.buf[p.pointers:], uint16(p.content))
	p.pointers += pointerSize
	p.cells++
}

func (p *page) setRight(child uint32) { binary.BigEndian.PutUint32(p.buf[p.header+8:], child) }

func (p *page) finish() {
	binary.BigEndian.PutUint16(p.buf[p.header+3:], uint16(p.cells))
	binary.BigEndian.PutUint16(p.buf[p.header+5:], uint16(p.content))
}

// schemaRows are the finished records of sqlite_schema.
type schemaRows [][]byte

func (s schemaRows) Len() int                                 { return len(s) }
func (s schemaRows) Size(i int) int                           { return len(s[i]) }
func (s schemaRows) Append(dst []byte, i int) ([]byte, error) { return append(dst, s[i]...), nil }
