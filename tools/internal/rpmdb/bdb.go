package rpmdb

import (
	"bytes"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/bdb"
)

// bdbPackages is the file with the headers; each index is a file of its name.
const bdbPackages = "Packages"

func bdbFiles() []string {
	names := []string{bdbPackages}
	for i := range tables {
		names = append(names, tables[i].name)
	}
	slices.Sort(names)
	return names
}

func planBDB(source *blobs, x *index) ([]*File, error) {
	order := source.machine.order
	packages, err := bdb.PlanPackages(source, order)
	if err != nil {
		return nil, err
	}
	out := []*File{{Name: bdbPackages, Mode: fileMode, Size: packages.Size(), write: packages.WriteTo}}
	for i := range tables {
		index, err := bdb.BuildIndex(tables[i].name, newBDBTable(&x.tables[i], order), order)
		if err != nil {
			return nil, err
		}
		out = append(out, &File{Name: tables[i].name, Mode: fileMode, Size: index.Size(), write: index.WriteTo})
	}
	slices.SortFunc(out, func(a, b *File) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// bdbTable groups the rows of a table by key.
type bdbTable struct {
	*rows
	order  bdb.Order
	sorted []uint32 // row numbers by key
	starts []int    // of each key in sorted
}

func newBDBTable(r *rows, order bdb.Order) *bdbTable {
	t := &bdbTable{rows: r, order: order, sorted: sortedByKey(r)}
	for i, at := range t.sorted {
		if i == 0 || !bytes.Equal(r.key(int(at)), r.key(int(t.sorted[i-1]))) {
			t.starts = append(t.starts, i)
		}
	}
	return t
}

func (t *bdbTable) Len() int { return len(t.starts) }

// Entry returns the rows of key i. An empty key, the name of the directory "/", becomes one NUL byte: rpm counts a string of
// no length so when it stores and when it looks for it.
func (t *bdbTable) Entry(i int) (key, value []byte) {
	end := len(t.sorted)
	if i+1 < len(t.starts) {
		end = t.starts[i+1]
	}
	for _, at := range t.sorted[t.starts[i]:end] {
		value = t.order.AppendUint32(value, t.list[at].pkg)
		value = t.order.AppendUint32(value, t.list[at].element)
	}
	if key = t.key(int(t.sorted[t.starts[i]])); len(key) == 0 {
		key = []byte{0}
	}
	return key, value
}
