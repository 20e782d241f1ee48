package rpmdb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/sqlite"
)

const sqliteName = "rpmdb.sqlite"

// planSQLite lays out rpmdb.sqlite. The statements are rpm's own, quotes included, since SQLite keeps their text.
func planSQLite(source *blobs, x *index) ([]*File, error) {
	// sqlite_sequence gives the highest number that AUTOINCREMENT has used; SQLite adds the row at the first insert.
	var sequence sequenceRow
	if n := len(source.sizes); n > 0 {
		sequence = sqlite.AppendRecord(nil, sqlite.TextValue([]byte("Packages")), sqlite.IntValue(int64(n)))
	}
	list := []sqlite.Table{
		{Name: "Packages", SQL: "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)", Rows: packageRows{source}},
		{Name: "sqlite_sequence", SQL: "CREATE TABLE sqlite_sequence(name,seq)", Rows: sequence},
	}
	for i := range tables {
		list = append(list, sqliteTable(&tables[i], &x.tables[i]))
	}
	f, err := sqlite.Plan(list)
	if err != nil {
		return nil, err
	}
	return []*File{{Name: sqliteName, Mode: fileMode, Size: f.Size(), write: f.WriteTo}}, nil
}

func sqliteTable(t *table, r *rows) sqlite.Table {
	keyType := "TEXT"
	if t.binary {
		keyType = "BLOB"
	}
	out := sqlite.Table{Name: t.name, Rows: indexRows{r, t.binary}, SQL: fmt.Sprintf("CREATE TABLE '%s' (key '%s' NOT NULL, "+
		"hnum INTEGER NOT NULL, idx INTEGER NOT NULL, FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum))", t.name, keyType)}
	add := func(column string, rows sqlite.Rows) {
		name := t.name + "_" + column + "_idx"
		out.Indexes = append(out.Indexes, sqlite.Index{Name: name, Rows: rows,
			SQL: fmt.Sprintf("CREATE INDEX '%s' ON '%s'(%s ASC)", name, t.name, column)})
	}
	if !t.binary {
		add("key", keyOrder{r, sortedByKey(r)})
	}
	if t.array {
		add("hnum", pkgOrder{r})
	}
	return out
}

// packageRows are the rows of Packages: the number is the rowid, so its column is stored as NULL.
type packageRows struct{ *blobs }

func (p packageRows) Size(i int) int { return sqlite.BlobRowSize(p.sizes[i]) }

func (p packageRows) Append(dst []byte, i int) ([]byte, error) {
	blob, err := p.blob(i)
	if err != nil {
		return nil, err
	}
	return sqlite.AppendRecord(dst, sqlite.NullValue(), sqlite.BlobValue(blob)), nil
}

type sequenceRow []byte

func (s sequenceRow) Len() int                                 { return min(1, len(s)) }
func (s sequenceRow) Size(int) int                             { return len(s) }
func (s sequenceRow) Append(dst []byte, _ int) ([]byte, error) { return append(dst, s...), nil }

// indexRows are the rows of an index table, in the order of packages and their elements.
type indexRows struct {
	*rows
	binary bool
}

func (r indexRows) values(i int) (key, pkg, element sqlite.Value) {
	key = sqlite.TextValue(r.key(i))
	if r.binary {
		key = sqlite.BlobValue(r.key(i))
	}
	return key, sqlite.IntValue(int64(r.list[i].pkg)), sqlite.IntValue(int64(r.list[i].element))
}

func (r indexRows) Len() int { return len(r.list) }

func (r indexRows) Size(i int) int {
	key, pkg, element := r.values(i)
	return sqlite.RecordSize(key, pkg, element)
}

func (r indexRows) Append(dst []byte, i int) ([]byte, error) {
	key, pkg, element := r.values(i)
	return sqlite.AppendRecord(dst, key, pkg, element), nil
}

// keyOrder are the entries of an index over the keys.
type keyOrder struct {
	*rows
	order []uint32
}

func (k keyOrder) values(i int) (key, rowid sqlite.Value) {
	at := int(k.order[i])
	return sqlite.TextValue(k.key(at)), sqlite.IntValue(int64(at) + 1)
}

func (k keyOrder) Len() int { return len(k.order) }

func (k keyOrder) Size(i int) int {
	key, rowid := k.values(i)
	return sqlite.RecordSize(key, rowid)
}

func (k keyOrder) Append(dst []byte, i int) ([]byte, error) {
	key, rowid := k.values(i)
	return sqlite.AppendRecord(dst, key, rowid), nil
}

// pkgOrder are the entries of an index over the package numbers. Rows are added package by package, so they are in order.
type pkgOrder struct{ *rows }

func (p pkgOrder) Len() int { return len(p.list) }

func (p pkgOrder) Size(i int) int {
	return sqlite.RecordSize(sqlite.IntValue(int64(p.list[i].pkg)), sqlite.IntValue(int64(i)+1))
}

func (p pkgOrder) Append(dst []byte, i int) ([]byte, error) {
	return sqlite.AppendRecord(dst, sqlite.IntValue(int64(p.list[i].pkg)), sqlite.IntValue(int64(i)+1)), nil
}

// sortedByKey returns the row numbers by key, then by number.
func sortedByKey(r *rows) []uint32 {
	// Most keys differ in their first bytes, so comparing these as a number saves most of the work.
	type item struct {
		head uint64
		row  uint32
	}
	items := make([]item, len(r.list))
	for i := range items {
		var head [8]byte
		copy(head[:], r.key(i))
		items[i] = item{binary.BigEndian.Uint64(head[:]), uint32(i)}
	}
	slices.SortFunc(items, func(a, b item) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return cmp.Or(bytes.Compare(r.key(int(a.row)), r.key(int(b.row))), cmp.Compare(a.row, b.row))
	})
	order := make([]uint32, len(items))
	for i := range items {
		order[i] = items[i].row
	}
	return order
}
