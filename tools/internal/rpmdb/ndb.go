package rpmdb

import (
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/ndb"
)

// Names of the two files of ndb.
const (
	ndbPackages = "Packages.db"
	ndbIndex    = "Index.db"
)

func planNDB(source *blobs, x *index) ([]*File, error) {
	packages, err := ndb.PlanPackages(source)
	if err != nil {
		return nil, err
	}
	var list []ndb.Table
	for i := range tables {
		list = append(list, ndbTable{&tables[i], &x.tables[i]})
	}
	index, err := ndb.BuildIndex(list, packages.Generation())
	if err != nil {
		return nil, err
	}
	return []*File{
		{Name: ndbIndex, Mode: fileMode, Size: index.Size(), write: index.WriteTo},
		{Name: ndbPackages, Mode: fileMode, Size: packages.Size(), write: packages.WriteTo},
	}, nil
}

type ndbTable struct {
	table *table
	*rows
}

func (t ndbTable) Tag() uint32 { return uint32(t.table.tag) }
func (t ndbTable) Len() int    { return len(t.list) }

func (t ndbTable) Entry(i int) (key []byte, pkg, element uint32) {
	return t.key(i), t.list[i].pkg, t.list[i].element
}
