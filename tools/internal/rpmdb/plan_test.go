package rpmdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestSQLiteIntegrity lets SQLite judge databases of many sizes.
func TestSQLiteIntegrity(t *testing.T) {
	sqlite3 := program(t, "sqlite3", "SQLite itself did not judge our databases")
	inputs := built(t, manyPackages(100)...)
	counts := []int{0, 1, 2, 3, 5, 7}
	for n := 20; n <= 100; n++ {
		counts = append(counts, n)
	}
	dir := t.TempDir()
	for _, n := range counts {
		file := filepath.Join(dir, sqliteName)
		if err := os.WriteFile(file, files(t, options(SQLite, inputs[:n]))[sqliteName], 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(sqlite3, "-readonly", file, "PRAGMA integrity_check", "PRAGMA foreign_key_check",
			"PRAGMA journal_mode", "SELECT count(*) FROM Packages", "SELECT count(*) FROM sqlite_schema").CombinedOutput()
		if want := fmt.Sprintf("ok\ndelete\n%d\n49\n", n); err != nil || string(out) != want {
			t.Errorf("%d packages: got %q (%v), want %q", n, out, err, want)
		}
	}
}

func TestPlanIsDeterministic(t *testing.T) {
	inputs := built(t, append(manyPackages(30), everyTable())...)
	for _, b := range backends {
		first := files(t, options(b.name, inputs))
		for range 3 {
			if !reflect.DeepEqual(first, files(t, options(b.name, inputs))) {
				t.Errorf("%s: two plans gave different files", b.name)
			}
		}
		db, err := Plan(options(b.name, inputs))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range db.Files {
			for range 2 {
				if data, err := f.Bytes(); err != nil || !bytes.Equal(data, first[f.Name]) {
					t.Errorf("%s: writing again gave different bytes (%v)", f.Name, err)
				}
			}
			if f.Mode != 0o644 {
				t.Errorf("%s: mode %o", f.Name, f.Mode)
			}
			if slices.Contains(db.Stale, f.Name) {
				t.Errorf("%s is part of the database and to be removed", f.Name)
			}
		}
	}
}

func TestStaleNames(t *testing.T) {
	db, err := Plan(Options{Backend: SQLite, Arch: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	want := ".dbenv.lock .rpm.lock Basenames Conflictname Dirnames Enhancename Filetriggername Group Index.db Installtid Name " +
		"Obsoletename Packages Packages.db Providename Recommendname Requirename Sha1header Sigmd5 Suggestname Supplementname " +
		"Transfiletriggername Triggername __db.001 __db.002 __db.003 __db.004 __db.005 __db.006 rpmdb.sqlite-journal rpmdb.sqlite-shm rpmdb.sqlite-wal"
	if got := strings.Join(db.Stale, " "); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestPlanRefuses(t *testing.T) {
	one := built(t, rpmtest.Package{Name: "one", Files: []rpmtest.File{{Path: "/x", Data: "x"}}})[0]
	with := func(change func(*Options)) Options {
		opts := options(SQLite, []input{one})
		change(&opts)
		return opts
	}
	for _, c := range []struct {
		summary, want string
		opts          Options
	}{
		{"an unknown backend", `unknown backend "lmdb"`, with(func(o *Options) { o.Backend = "lmdb" })},
		{"an unknown architecture", `unknown architecture "amd64"`, with(func(o *Options) { o.Arch = "amd64" })},
		{"a package without header", "registering package 1: it has no header", with(func(o *Options) { o.Packages[0].Open = nil })},
		{"a header that cannot be opened", "registering package 1: no such file", with(func(o *Options) {
			o.Packages[0].Open = func() (io.ReadCloser, error) { return nil, errors.New("no such file") }
		})},
		{"a cut header", "registering package 1: reading main header: truncated", with(func(o *Options) {
			o.Packages[0].Open = func() (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewReader(one.headers[:len(one.headers)-1])), nil
			}
		})},
		{"the same package twice", "registering one-1-1.x86_64: it is there twice, as packages 1 and 2", with(func(o *Options) {
			o.Packages = append(o.Packages, o.Packages[0])
		})},
		{"too few file states", "registering one-1-1.x86_64: 0 file states for 1 files", with(func(o *Options) { o.Packages[0].FileStates = nil })},
		{"an unknown file state", "file 0 has the unknown state 5", with(func(o *Options) { o.Packages[0].FileStates = []byte{5} })},
		{"an install time that does not fit", "past the year 2106", with(func(o *Options) {
			o.InstallTID = 1<<32 - 1
			two := built(t, rpmtest.Package{Name: "two"})[0]
			o.Packages = append(o.Packages, two.installed())
		})},
		{"a foreign header that is none", "registering package 1: 3 bytes are too few", with(func(o *Options) {
			o.Packages[0] = Installed{Blob: func() ([]byte, error) { return []byte("abc"), nil }}
		})},
		{"a foreign header that cannot be read", "registering package 1: gone", with(func(o *Options) {
			o.Packages[0] = Installed{Blob: func() ([]byte, error) { return nil, errors.New("gone") }}
		})},
	} {
		_, err := Plan(c.opts)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
	_, err := Plan(with(func(o *Options) { o.Backend = "lmdb" }))
	if hints := cli.Hints(err); len(hints) != 1 || !strings.Contains(hints[0], `"sqlite"`) {
		t.Errorf("hints of an unknown backend: %q", hints)
	}
}

// TestHeaderMayNotChange replaces a header between plan and write.
func TestHeaderMayNotChange(t *testing.T) {
	inputs := built(t, rpmtest.Package{Name: "one"}, rpmtest.Package{Name: "another-name"})
	opened := 0
	p := inputs[0].installed()
	p.Open = func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(bytes.NewReader(inputs[min(opened-1, 1)].headers)), nil
	}
	db, err := Plan(Options{Backend: SQLite, Arch: "x86_64", Packages: []Installed{p}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Files[0].Bytes(); err == nil || !strings.Contains(err.Error(), "were announced") {
		t.Errorf("got %v", err)
	}
}

// TestReadBack registers packages, reads the database, and registers what was read: the headers stay as they are.
func TestReadBack(t *testing.T) {
	inputs := built(t, append(manyPackages(20), everyTable())...)
	for _, b := range backends {
		opts := options(b.name, inputs)
		opts.Packages[3].FileStates[2] = StateNotInstalled
		opts.Packages[3].InstallTime = 77
		first := files(t, opts)
		records := readFiles(t, first)
		if len(records) != len(inputs) {
			t.Fatalf("%s: %d packages, want %d", b.name, len(records), len(inputs))
		}
		again := Options{Backend: b.name, Arch: "x86_64"}
		for i, rec := range records {
			nevra, err := rec.NEVRA()
			if err != nil || nevra != inputs[i].nevra || rec.Number != uint32(i)+1 {
				t.Errorf("%s: record %d is header %d, %s (%v)", b.name, i, rec.Number, nevra, err)
			}
			states, err := rec.Bytes(rpm.TagFileStates)
			want := opts.Packages[i].FileStates
			if err != nil || !bytes.Equal(states, want) {
				t.Errorf("%s: states %v, want %v (%v)", nevra, states, want, err)
			}
			time, err := rec.Uint32s(rpm.TagInstallTime)
			if wantTime := uint32(testTID + i); err != nil || i != 3 && time[0] != wantTime || i == 3 && time[0] != 77 {
				t.Errorf("%s: installed at %d (%v)", nevra, time, err)
			}
			again.Packages = append(again.Packages, Installed{Blob: func() ([]byte, error) { return rec.Blob(), nil }})
		}
		if !reflect.DeepEqual(first, files(t, again)) {
			t.Errorf("%s: registering stored headers gave another database", b.name)
		}
	}
}

func sourceOf(data []byte) Source {
	return Source{ReaderAt: bytes.NewReader(data), Size: int64(len(data))}
}

// readFiles reads the file of a database that holds the headers.
func readFiles(t testing.TB, files map[string][]byte) []Record {
	t.Helper()
	for name, data := range files {
		if name == "Index.db" || len(files) > 2 && name != "Packages" {
			continue
		}
		records, err := ReadAll(sourceOf(data))
		if err != nil {
			t.Fatal(err)
		}
		return records
	}
	t.Fatal("no file with headers")
	return nil
}

func TestQueries(t *testing.T) {
	records := readFiles(t, files(t, options(SQLite, built(t, everyTable(), rpmtest.Package{Name: "b", Provides: []string{"twice"}}))))
	for _, c := range []struct{ summary, query, want string }{
		{"a provide of one package, twice", "twice", "every-table-3:1-1.x86_64 b-1-1.x86_64"},
		{"a file", "/usr/bin/every", "every-table-3:1-1.x86_64"},
		{"nothing", "nobody", ""},
	} {
		found, err := WhatProvides(records, c.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, rec := range found {
			nevra, _ := rec.NEVRA()
			got = append(got, nevra)
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: got %q, want %q", c.summary, text, c.want)
		}
	}
	paths, err := records[0].Paths()
	if want := []string{"/", "/usr/bin/every", "/usr/lib/a.so", "/usr/share/\xff\xfe", "/usr/bin/ghost"}; err != nil || !reflect.DeepEqual(paths, want) {
		t.Errorf("paths: got %q (%v), want %q", paths, err, want)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ summary, want, data string }{
		{"an empty file", "not a package database of a known format", ""},
		{"some text", "not a package database of a known format", strings.Repeat("text ", 100)},
		{"an SQLite file that ends at once", "reading package database (sqlite): not an SQLite 3 database", "SQLite format 3\x00" + strings.Repeat("\x00", 20)},
	} {
		if _, err := ReadAll(sourceOf([]byte(c.data))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
}

// TestDamagedDatabases cuts databases and changes bytes of them: what is read must be an error or headers, never a crash, and what
// is left out of a cut file must not go unnoticed.
func TestDamagedDatabases(t *testing.T) {
	inputs := built(t, append(manyPackages(8), everyTable())...)
	for _, b := range backends {
		data := func() []byte {
			all := files(t, options(b.name, inputs))
			return all[mainFile(all)]
		}()
		errors := 0
		for size := 0; size < len(data); size += 2039 {
			records, err := ReadAll(sourceOf(data[:size]))
			if err == nil && len(records) != len(inputs) {
				t.Errorf("%s: %d of %d bytes: %d packages and no error", b.name, size, len(data), len(records))
			}
			if err != nil {
				errors++
			}
		}
		for at := 0; at < len(data); at += 61 {
			changed := bytes.Clone(data)
			changed[at] ^= byte(at) | 1
			records, err := ReadAll(sourceOf(changed))
			if err == nil && len(records) > len(inputs) {
				t.Errorf("%s: byte %d changed: %d packages of %d", b.name, at, len(records), len(inputs))
			}
			if err != nil {
				errors++
			}
		}
		t.Logf("%s: %d bytes, %d errors", b.name, len(data), errors)
		if errors == 0 {
			t.Errorf("%s: no damage was noticed", b.name)
		}
	}
}

// TestMemory registers packages with large headers: what is in memory must not grow with them.
func TestMemory(t *testing.T) {
	const size, packages, limit = 4 << 20, 24, 48 << 20
	large := rpmtest.Header(rpm.TagHeaderImmutable, []rpmtest.Value{
		{Tag: rpm.TagName, V: "large"}, {Tag: rpm.TagVersion, V: "1"}, {Tag: rpm.TagRelease, V: "00"}, {Tag: rpm.TagArch, V: "noarch"},
		{Tag: rpm.TagDescription, V: rpmtest.I18N{strings.Repeat("x", size)}},
	})
	start := append(rpmtest.Lead("large"), rpmtest.Header(rpm.TagHeaderSignatures, []rpmtest.Value{{Tag: rpm.SigSize, V: uint32(1)}})...)
	for len(start)%8 != 0 {
		start = append(start, 0)
	}
	at := bytes.Index(large, []byte("\x0000\x00"))
	var opts = Options{Backend: SQLite, Arch: "x86_64"}
	for i := range packages {
		release := fmt.Sprintf("%02d", i)
		opts.Packages = append(opts.Packages, Installed{Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(start), bytes.NewReader(large[:at+1]), strings.NewReader(release),
				bytes.NewReader(large[at+3:]))), nil
		}})
	}
	db, err := Plan(opts)
	if err != nil {
		t.Fatal(err)
	}
	peak := &peakWriter{}
	if _, err := db.Files[0].WriteTo(peak); err != nil {
		t.Fatal(err)
	}
	if peak.written < size*packages || peak.heap > limit {
		t.Errorf("%d bytes written, %d bytes of heap in use, at most %d allowed", peak.written, peak.heap, limit)
	}
	t.Logf("%d MiB written with %d MiB of live heap", peak.written>>20, peak.heap>>20)
}

type peakWriter struct {
	written int64
	heap    uint64
	calls   int
}

func (p *peakWriter) Write(b []byte) (int, error) {
	p.written += int64(len(b))
	if p.calls++; p.calls%200 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		p.heap = max(p.heap, m.HeapAlloc)
	}
	return len(b), nil
}

// The corpus of the benchmarks: 100 packages of 38 files, provides and requires each on average.
func BenchmarkWrite100(b *testing.B)  { benchmarkWrite(b, 100) }
func BenchmarkWrite1000(b *testing.B) { benchmarkWrite(b, 1000) }

func benchmarkWrite(b *testing.B, n int) {
	inputs := built(b, manyPackages(n)...)
	b.ReportAllocs()
	for b.Loop() {
		db, err := Plan(options(SQLite, inputs))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := db.Files[0].WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(db.Files[0].Size)
	}
}
