package sqlite

import (
	"errors"
	"fmt"
	"io"
)

const (
	maxDepth  = 20      // of a b-tree; SQLite itself gives up at 20
	maxSchema = 100_000 // tables and indexes
)

// ErrNotSQLite says that a file does not start as an SQLite 3 database.
var ErrNotSQLite = errors.New("not an SQLite 3 database")

// Reader reads a database file.
type Reader struct {
	r        io.ReaderAt
	pageSize int
	usable   int // pageSize less the bytes reserved at the end of each page
	pages    uint32
	wal      bool

	log    io.ReaderAt      // see AddLog
	logged map[uint32]int64 // pages that the log holds, by number
}

// SchemaEntry is one row of sqlite_schema.
type SchemaEntry struct {
	Type, Name, Table string
	Root              uint32
	SQL               string
}

// NewReader checks the header of a database of size bytes.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	var h [fileHeader]byte
	if _, err := r.ReadAt(h[:], 0); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, ErrNotSQLite
		}
		return nil, fmt.Errorf("reading database header: %w", err)
	}
	if string(h[:len(magic)]) != magic {
		return nil, ErrNotSQLite
	}
	pageSize := be16(h[16:])
	if pageSize == 1 {
		pageSize = 65536
	}
	usable := pageSize - int(h[20])
	switch {
	case pageSize < 512 || pageSize&(pageSize-1) != 0:
		return nil, fmt.Errorf("reading database header: page size %d", pageSize)
	case usable < 480: // the format's own minimum
		return nil, fmt.Errorf("reading database header: %d of %d bytes of a page are reserved", h[20], pageSize)
	case be32(h[56:]) > 1:
		return nil, fmt.Errorf("reading database header: text encoding %d is not UTF-8", be32(h[56:]))
	}
	pages := min(size/int64(pageSize), 1<<32-2)
	if pages == 0 {
		return nil, fmt.Errorf("reading database header: %d bytes are less than a page", size)
	}
	return &Reader{r: r, pageSize: pageSize, usable: usable, pages: uint32(pages), wal: h[18] == 2 || h[19] == 2}, nil
}

// WAL says whether the file is in WAL mode: a -wal file beside it may then hold newer pages; see AddLog.
func (r *Reader) WAL() bool { return r.wal }

// Schema lists tables and indexes in the order of their creation.
func (r *Reader) Schema() ([]SchemaEntry, error) {
	var out []SchemaEntry
	err := r.Scan(1, func(_ int64, v []Value) error {
		if len(out) == maxSchema {
			return fmt.Errorf("more than %d entries", maxSchema)
		}
		if len(v) != 5 || v[0].Kind != Text || v[1].Kind != Text || v[2].Kind != Text {
			return errors.New("malformed entry")
		}
		e := SchemaEntry{Type: string(v[0].Bytes), Name: string(v[1].Bytes), Table: string(v[2].Bytes), SQL: string(v[4].Bytes)}
		if v[3].Kind == Integer && v[3].Int >= 0 && v[3].Int <= int64(r.pages) {
			e.Root = uint32(v[3].Int)
		}
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading schema: %w", err)
	}
	return out, nil
}

// Scan calls fn for every row of the table b-tree at page root, in the order of rowids. The values are fn's to keep. The
// column of an INTEGER PRIMARY KEY is Null; its value is the rowid.
func (r *Reader) Scan(root uint32, fn func(rowid int64, values []Value) error) error {
	s := &scan{Reader: r, left: r.pages, fn: fn}
	return s.page(root, 0)
}

type scan struct {
	*Reader
	left uint32 // pages that may still be visited: a tree has no page twice
	fn   func(int64, []Value) error
}

func (s *scan) read(number uint32) ([]byte, error) {
	if number == 0 || number > s.pages {
		return nil, fmt.Errorf("page %d of a database of %d", number, s.pages)
	}
	if s.left == 0 {
		return nil, fmt.Errorf("page %d: the pages form a cycle", number)
	}
	s.left--
	buf := make([]byte, s.pageSize)
	if err := s.pageAt(buf, number); err != nil {
		return nil, err
	}
	return buf[:s.usable], nil
}

func (s *scan) page(number uint32, depth int) error {
	if depth == maxDepth {
		return fmt.Errorf("page %d: the tree is deeper than %d", number, maxDepth)
	}
	buf, err := s.read(number)
	if err != nil {
		return err
	}
	start := 0
	if number == 1 {
		start = fileHeader
	}
	kind := buf[start]
	header := leafHeader
	switch kind {
	case tableInterior:
		header = interiorHeader
	case tableLeaf:
	default:
		return fmt.Errorf("page %d: type %#x is not of a table", number, kind)
	}
	cells := be16(buf[start+3:])
	if start+header+cells*pointerSize > len(buf) {
		return fmt.Errorf("page %d: %d cells do not fit", number, cells)
	}
	for i := range cells {
		at := be16(buf[start+header+i*pointerSize:])
		if at < start+header || at+minCell > len(buf) {
			return fmt.Errorf("page %d: cell %d lies outside", number, i)
		}
		if kind == tableInterior {
			err = s.page(be32(buf[at:]), depth+1)
		} else {
			err = s.leafCell(number, buf[at:])
		}
		if err != nil {
			return err
		}
	}
	if kind == tableInterior {
		return s.page(be32(buf[start+8:]), depth+1)
	}
	return nil
}

func (s *scan) leafCell(number uint32, cell []byte) error {
	size, n := readVarint(cell)
	if n == 0 {
		return fmt.Errorf("page %d: a cell is cut off", number)
	}
	rowid, m := readVarint(cell[n:])
	if m == 0 {
		return fmt.Errorf("page %d: a cell is cut off", number)
	}
	cell = cell[n+m:]
	if size > maxRecord || size > uint64(s.pages)*uint64(s.usable) {
		return fmt.Errorf("row %d: %d bytes are more than the database holds", int64(rowid), size)
	}
	record, err := s.record(cell, int(size))
	if err != nil {
		return fmt.Errorf("row %d: %w", int64(rowid), err)
	}
	values, err := ParseRecord(record)
	if err != nil {
		return fmt.Errorf("row %d: %w", int64(rowid), err)
	}
	return s.fn(int64(rowid), values)
}

// record joins the local part of a record with its overflow pages.
func (s *scan) record(cell []byte, size int) ([]byte, error) {
	local := size
	if most := s.usable - 35; size > most {
		least := (s.usable-12)*32/255 - 23
		local = least + (size-least)%(s.usable-childSize)
		if local > most {
			local = least
		}
	}
	if local == size {
		if size > len(cell) {
			return nil, errors.New("the cell is cut off")
		}
		return cell[:size:size], nil
	}
	if local+childSize > len(cell) {
		return nil, errors.New("the cell is cut off")
	}
	// append, not make: a wrong size must not reserve memory that the pages do not back.
	record := append([]byte(nil), cell[:local]...)
	next := be32(cell[local:])
	for len(record) < size {
		buf, err := s.read(next)
		if err != nil {
			return nil, fmt.Errorf("overflow chain: %w", err)
		}
		next = be32(buf)
		record = append(record, buf[childSize:min(len(buf), childSize+size-len(record))]...)
	}
	return record, nil
}
