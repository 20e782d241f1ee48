package rpmdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/bdb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/ndb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/sqlite"
)

// ErrUnknownFormat says that a file is no package database of a known backend.
var ErrUnknownFormat = errors.New("not a package database of a known format")

// Record is one package of a database.
type Record struct {
	Number uint32 // of the header
	*Header
}

// Detect tells the backend from the first bytes of a database file.
func Detect(r io.ReaderAt) (Backend, error) {
	var start [32]byte
	n, err := r.ReadAt(start[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading package database: %w", err)
	}
	for _, b := range backends {
		if n == len(start) && b.detect(start[:]) {
			return b.name, nil
		}
	}
	return "", fmt.Errorf("reading package database: %w", ErrUnknownFormat)
}

// MainFiles are the names of the files with the headers, in the order in which rpm looks for them.
func MainFiles() []string { return []string{sqliteName, ndbPackages, bdbPackages} }

// SQLiteLog is the name of the file beside rpmdb.sqlite that may hold its newest pages.
const SQLiteLog = sqliteName + "-wal"

// SQLiteJournal is the name of the file beside rpmdb.sqlite that undoes a transaction which was cut off.
const SQLiteJournal = sqliteName + "-journal"

// Source is the file of a database that holds its headers; see MainFiles.
type Source struct {
	io.ReaderAt
	Size int64
	// Log is the contents of SQLiteLog, if the database has one.
	Log []byte
}

// Read calls fn for every package of a database of any known backend, in the order of the file, or of numbers for bdb. The
// record is fn's to keep.
func Read(r Source, fn func(Record) error) error {
	name, err := Detect(r)
	if err != nil {
		return err
	}
	seen := map[uint32]bool{}
	each := func(number uint32, blob []byte) error {
		if number == 0 || seen[number] {
			return fmt.Errorf("header number %d occurs twice or is 0", number)
		}
		if len(seen) == maxPackages {
			return fmt.Errorf("more than %d packages", maxPackages)
		}
		seen[number] = true
		h, err := ParseHeader(blob)
		if err != nil {
			return fmt.Errorf("header %d: %w", number, err)
		}
		return fn(Record{number, h})
	}
	for _, b := range backends {
		if b.name == name {
			err = b.read(r, each)
		}
	}
	if err != nil {
		return fmt.Errorf("reading package database (%s): %w", name, err)
	}
	return nil
}

// ReadAll returns all packages of a database.
func ReadAll(r Source) ([]Record, error) {
	var out []Record
	err := Read(r, func(rec Record) error {
		out = append(out, rec)
		return nil
	})
	return out, err
}

// WhatProvides returns the records with a provide of that name, or with a file of that path.
func WhatProvides(records []Record, name string) ([]Record, error) {
	var out []Record
	for _, rec := range records {
		provides, err := rec.Strings(rpm.TagProvideName)
		if err != nil {
			return nil, fmt.Errorf("header %d: %w", rec.Number, err)
		}
		if len(name) > 0 && name[0] == '/' {
			paths, err := rec.Paths()
			if err != nil {
				return nil, fmt.Errorf("header %d: %w", rec.Number, err)
			}
			provides = append(provides, paths...)
		}
		for _, p := range provides {
			if p == name {
				out = append(out, rec)
				break
			}
		}
	}
	return out, nil
}

func readNDB(r Source, fn func(number uint32, blob []byte) error) error {
	return ndb.Read(r, r.Size, fn)
}
func readBDB(r Source, fn func(number uint32, blob []byte) error) error {
	return bdb.Read(r, r.Size, fn)
}

// readSQLite calls fn for every row of Packages.
func readSQLite(r Source, fn func(number uint32, blob []byte) error) error {
	db, err := sqlite.NewReader(r, r.Size)
	if err != nil {
		return err
	}
	if err := db.AddLog(bytes.NewReader(r.Log), int64(len(r.Log))); err != nil {
		return err
	}
	schema, err := db.Schema()
	if err != nil {
		return err
	}
	for _, e := range schema {
		if e.Type != "table" || e.Name != "Packages" {
			continue
		}
		return db.Scan(e.Root, func(rowid int64, v []sqlite.Value) error {
			if len(v) != 2 || v[1].Kind != sqlite.Blob || rowid < 1 || rowid > maxNumber {
				return fmt.Errorf("row %d of Packages is malformed", rowid)
			}
			return fn(uint32(rowid), v[1].Bytes)
		})
	}
	return errors.New("it has no table Packages")
}
