package rpmdb

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gorpmdb "github.com/knqyf263/go-rpmdb/pkg"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/sqlite"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// go-rpmdb is the reader of Trivy and Syft. It wants a database/sql driver for sqlite; the program sqlite3 is one that costs
// no compilation.
func init() { sql.Register("sqlite", cliDriver{}) }

type cliDriver struct{}

func (cliDriver) Open(file string) (driver.Conn, error) { return cliConn(file), nil }

type cliConn string

func (cliConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (cliConn) Begin() (driver.Tx, error)           { return nil, errors.New("read only") }
func (cliConn) Close() error                        { return nil }

// Query answers the one query that go-rpmdb makes.
func (c cliConn) Query(query string, _ []driver.Value) (driver.Rows, error) {
	if query != "SELECT blob FROM Packages" {
		return nil, fmt.Errorf("unexpected query %q", query)
	}
	out, err := exec.Command("sqlite3", "-readonly", string(c), "SELECT hex(blob) FROM Packages").Output()
	if err != nil {
		return nil, err
	}
	return &cliRows{lines: strings.Fields(string(out))}, nil
}

type cliRows struct{ lines []string }

func (*cliRows) Columns() []string { return []string{"blob"} }
func (*cliRows) Close() error      { return nil }

func (r *cliRows) Next(dest []driver.Value) error {
	if len(r.lines) == 0 {
		return io.EOF
	}
	blob, err := hex.DecodeString(r.lines[0])
	dest[0], r.lines = blob, r.lines[1:]
	return err
}

// goRPMDB lists a database as go-rpmdb sees it.
func goRPMDB(t *testing.T, file string) []string {
	t.Helper()
	db, err := gorpmdb.Open(file)
	if err != nil {
		t.Fatalf("go-rpmdb: %v", err)
	}
	list, err := db.ListPackages()
	if err != nil {
		t.Fatalf("go-rpmdb: %v", err)
	}
	var out []string
	for _, p := range list {
		epoch := uint32(0)
		if p.Epoch != nil {
			epoch = uint32(*p.Epoch)
		}
		nevra := rpm.NEVRA{Name: p.Name, Epoch: epoch, Version: p.Version, Release: p.Release, Arch: p.Arch}
		out = append(out, fmt.Sprintf("%s %q %q %d", nevra, p.SourceRpm, p.License, len(p.BaseNames)))
	}
	slices.Sort(out)
	return out
}

// describe lists records in the form of goRPMDB.
func describe(t *testing.T, records []Record) []string {
	t.Helper()
	var out []string
	for _, rec := range records {
		nevra, err := rec.NEVRA()
		if err != nil {
			t.Fatal(err)
		}
		nevra = strings.ReplaceAll(nevra, ".(none)", ".") // a gpg-pubkey has no architecture
		source, _ := rec.String(rpm.TagSourceRPM)
		licence, _ := rec.String(rpm.TagLicense)
		names, err := rec.Strings(rpm.TagBasenames)
		if err != nil {
			t.Fatal(err)
		}
		if source == "(none)" {
			source = "" // as go-rpmdb shows it
		}
		out = append(out, fmt.Sprintf("%s %q %q %d", nevra, source, licence, len(names)))
	}
	slices.Sort(out)
	return out
}

// mainFile is the file of a database that holds the headers.
func mainFile(files map[string][]byte) string {
	for _, name := range []string{sqliteName, ndbPackages} {
		if files[name] != nil {
			return name
		}
	}
	return "Packages"
}

func TestGoRPMDBReadsOurs(t *testing.T) {
	program(t, "sqlite3", "go-rpmdb did not read our databases")
	inputs := built(t, append(append(manyPackages(20), everyTable()), oddPackages()...)...)
	for _, b := range backends {
		root := t.TempDir()
		written := files(t, options(b.name, inputs))
		writeFiles(t, root, written)
		got := goRPMDB(t, filepath.Join(root, "var/lib/rpm", mainFile(written)))
		if want := describe(t, readFiles(t, written)); !slices.Equal(got, want) {
			t.Errorf("%s: go-rpmdb lists\n%s\nwant\n%s", b.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// foreignDatabases returns the databases of real systems that go-rpmdb tests itself with.
func foreignDatabases(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		t.Skipf("go list did not find go-rpmdb (%v): databases of real systems were not read", err)
	}
	var found []string
	for _, name := range []string{sqliteName, ndbPackages, "Packages"} {
		match, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "pkg/testdata/*", name))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, match...)
	}
	if len(found) == 0 {
		t.Skip("go-rpmdb brings no databases: none of real systems were read")
	}
	return found
}

// TestForeignDatabases reads databases of real systems, compares the list with go-rpmdb's, registers all their headers and one
// package more in a new database of the same format, and compares what can be compared.
func TestForeignDatabases(t *testing.T) {
	program(t, "sqlite3", "databases of real systems were not read")
	for _, file := range foreignDatabases(t) {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := Detect(bytes.NewReader(data))
			if errors.Is(err, ErrUnknownFormat) && filepath.Base(file) == "Packages" {
				t.Skip("Berkeley DB is neither written nor read: this database was not checked")
			}
			if err != nil {
				t.Fatal(err)
			}
			records, err := ReadAll(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := describe(t, records), goRPMDB(t, file); !slices.Equal(got, want) {
				t.Errorf("we list\n%s\ngo-rpmdb lists\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			opts := Options{Backend: name, Arch: "x86_64", InstallTID: testTID}
			for _, rec := range records {
				opts.Packages = append(opts.Packages, Installed{Blob: func() ([]byte, error) { return rec.Blob(), nil }})
			}
			if name == SQLite {
				compareRowSets(t, files(t, opts)[sqliteName], data, records)
			}
			more := built(t, rpmtest.Package{Name: "one-more", Files: []rpmtest.File{{Path: "/one/more", Data: "x"}}})
			opts.Packages = append(opts.Packages, more[0].installed())
			extended := readFiles(t, files(t, opts))
			if len(extended) != len(records)+1 {
				t.Fatalf("%d packages, want %d", len(extended), len(records)+1)
			}
			for i := range records {
				if !bytes.Equal(extended[i].Blob(), records[i].Blob()) {
					t.Errorf("header %d has changed", records[i].Number)
				}
			}
			if found, err := WhatProvides(extended, "/one/more"); err != nil || len(found) != 1 {
				t.Errorf("the new package is not found: %v (%v)", found, err)
			}
			t.Logf("%s: %d packages", name, len(records))
		})
	}
}

// compareRowSets compares all index rows of two databases of the same headers, of which the second has other numbers and order.
func compareRowSets(t *testing.T, ours, theirs []byte, records []Record) {
	t.Helper()
	position := map[int64]int64{}
	for i, rec := range records {
		position[int64(rec.Number)] = int64(i) + 1
	}
	total := 0
	got, want := rowSet(t, ours, nil), rowSet(t, theirs, position)
	for i := range tables {
		name := tables[i].name
		total += len(want[name])
		if !slices.Equal(got[name], want[name]) {
			t.Errorf("%s: %d rows differ from the %d of the system", name, len(got[name]), len(want[name]))
		}
	}
	t.Logf("%d index rows are equal", total)
}

func rowSet(t *testing.T, data []byte, position map[int64]int64) map[string][]string {
	t.Helper()
	r, err := sqlite.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := r.Schema()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, e := range schema {
		if e.Type != "table" || e.Name == "Packages" {
			continue
		}
		err := r.Scan(e.Root, func(_ int64, v []sqlite.Value) error {
			if len(v) != 3 {
				return nil // sqlite_sequence, sqlite_stat1
			}
			number := v[1].Int
			if position != nil {
				number = position[number]
			}
			out[e.Name] = append(out[e.Name], fmt.Sprintf("%q %d %d", v[0].Bytes, number, v[2].Int))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(out[e.Name])
	}
	return out
}
