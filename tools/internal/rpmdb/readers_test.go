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
	for _, name := range MainFiles() {
		if files[name] != nil {
			return name
		}
	}
	return ""
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

// foreignDatabases returns the databases of real systems that go-rpmdb tests itself with, and those in the folders of
// SLIMRPM_RPMDB_CORPUS, a list like PATH. Each lies in a folder of its own.
func foreignDatabases(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range strings.Fields(os.Getenv("FOREIGN_DATABASES")) { // as Bazel names them
		found = append(found, filepath.Join(os.Getenv("TEST_SRCDIR"), os.Getenv("TEST_WORKSPACE"), name))
	}
	dirs := filepath.SplitList(os.Getenv("SLIMRPM_RPMDB_CORPUS"))
	if len(found) == 0 {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
		if err == nil {
			dirs = append(dirs, filepath.Join(strings.TrimSpace(string(out)), "pkg/testdata"))
		} else {
			t.Logf("go list did not find go-rpmdb (%v): its databases of real systems were not read", err)
		}
	}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && slices.Contains(append(MainFiles(), "Packages_epoch"), filepath.Base(path)) {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) == 0 {
		t.Skip("no databases of real systems at hand: none were read")
	}
	return found
}

// TestForeignDatabases reads databases of real systems, compares the list with go-rpmdb's, registers all their headers and one
// package more in a new database of the same format, compares what can be compared, and lets rpm use it.
func TestForeignDatabases(t *testing.T) {
	program(t, "sqlite3", "databases of real systems were not read")
	for _, file := range foreignDatabases(t) {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := Detect(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			records, err := ReadAll(sourceOf(data))
			if filepath.Base(filepath.Dir(file)) == "timeout" { // damaged so that scalibr's reader takes long
				if err == nil {
					t.Error("a damaged database was read")
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), filepath.Base(file)) // SQLite writes beside a file that it reads
			if err := os.WriteFile(copied, data, 0o644); err != nil {
				t.Fatal(err)
			}
			if got, want := describe(t, records), goRPMDB(t, copied); !slices.Equal(got, want) {
				t.Errorf("we list\n%s\ngo-rpmdb lists\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			opts := Options{Backend: name, Arch: archOf(t, records), InstallTID: testTID}
			for _, rec := range records {
				opts.Packages = append(opts.Packages, Installed{Blob: func() ([]byte, error) { return rec.Blob(), nil }})
			}
			if name == SQLite {
				compareRowSets(t, files(t, opts)[sqliteName], data, records)
			}
			more := built(t, rpmtest.Package{Name: "one-more", Arch: "noarch", Files: []rpmtest.File{{Path: "/one/more", Data: "x"}}})
			opts.Packages = append(opts.Packages, more[0].installed())
			written := files(t, opts)
			extended := readFiles(t, written)
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
			if opts.Arch == "s390x" {
				t.Log("not checked: rpm of this machine does not read databases of the other byte order")
				return
			}
			if name == NDB && !canWrite(t, NDB) {
				t.Log("not checked: this machine's rpm has no ndb, which rpm 6.1 of the air-gapped root has")
				return
			}
			rpmUsesExtended(t, name, written, extended)
		})
	}
}

// archOf is the architecture of most packages.
func archOf(t *testing.T, records []Record) string {
	t.Helper()
	for _, rec := range records {
		if arch, err := rec.String(rpm.TagArch); err != nil {
			t.Fatal(err)
		} else if _, err := machineOf(arch); err == nil {
			return arch
		}
	}
	return "x86_64"
}

// rpmUsesExtended lets a real rpm list, query, rebuild and erase.
func rpmUsesExtended(t *testing.T, name Backend, written map[string][]byte, records []Record) {
	t.Helper()
	var want []string
	for _, rec := range records {
		nevra, err := rec.NEVRA()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, strings.Replace(strings.TrimSuffix(nevra, ".(none)"), "-0:", "-", 1))
	}
	slices.Sort(want)
	root, arguments := t.TempDir(), []string{"rpm"}
	dir := filepath.Join(root, "var/lib/rpm")
	readOnly := name == BDB && os.Getenv("SLIMRPM_BDB_ROOT") == ""
	if name == BDB && !readOnly {
		chroot := bdbRoot(t)
		var err error
		if dir, err = os.MkdirTemp(filepath.Join(chroot, "tmp"), "foreign"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		arguments = []string{"chroot", chroot, "rpm", "--define", "_dbpath " + strings.TrimPrefix(dir, chroot)}
		for file, data := range written {
			if err := os.WriteFile(filepath.Join(dir, file), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	} else {
		program(t, "rpm", "rpm has not read the extended database")
		writeFiles(t, root, written)
		arguments = append(arguments, rootArgs(root)...)
	}
	arguments = append(arguments, "--define", "_db_backend "+string(name), "--nosignature")
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(arguments[0], append(slices.Clone(arguments[1:]), args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("rpm %q: %v\n%s%s", args, err, out, stderr.String())
		}
		return string(out)
	}
	list := func() []string {
		all := strings.Fields(strings.ReplaceAll(run("-qa", "--qf", "%{nevra}\n"), "-0:", "-"))
		slices.Sort(all)
		return all
	}
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("rpm lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := run("-qf", "--qf", "%{name}", "/one/more"); got != "one-more" {
		t.Errorf("rpm -qf: %q", got)
	}
	if readOnly {
		t.Log("not checked: rpm rebuilds the database and erases from it; this one only reads Berkeley DB, see SLIMRPM_BDB_ROOT")
		return
	}
	run("--rebuilddb")
	run("-e", "--justdb", "--noscripts", "--notriggers", "one-more")
	if got := list(); len(got) != len(want)-1 {
		t.Errorf("after rebuilding and erasing rpm lists %d packages, want %d", len(got), len(want)-1)
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
