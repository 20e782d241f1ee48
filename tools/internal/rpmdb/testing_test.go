package rpmdb

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb/sqlite"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// testTID is the transaction of all tests.
const testTID = 1700000000

// input is one package of a test: the file as rpm reads it and what of it the writer needs.
type input struct {
	nevra   string
	rpm     []byte
	headers []byte
	files   int
}

func newInput(t testing.TB, data []byte) input {
	t.Helper()
	p, err := rpm.ReadPackage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	in := input{nevra: p.NEVRA(), rpm: data, headers: data[:p.HeaderEnd]}
	if e, ok := p.Main.Lookup(rpm.TagBasenames); ok {
		in.files = int(e.Count)
	}
	return in
}

func built(t testing.TB, packages ...rpmtest.Package) []input {
	t.Helper()
	var out []input
	for _, p := range packages {
		out = append(out, newInput(t, rpmtest.Build(p)))
	}
	return out
}

func (in input) installed() Installed {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(in.headers)), nil }
	return Installed{Open: open, FileStates: make([]byte, in.files)}
}

func installedAll(inputs []input) []Installed {
	var out []Installed
	for _, in := range inputs {
		out = append(out, in.installed())
	}
	return out
}

func options(backend Backend, inputs []input) Options {
	return Options{Backend: backend, Arch: "x86_64", InstallTID: testTID, Packages: installedAll(inputs)}
}

// files plans a database and returns its files.
func files(t testing.TB, opts Options) map[string][]byte {
	t.Helper()
	db, err := Plan(opts)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range db.Files {
		data, err := f.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = data
	}
	return out
}

// writeFiles writes a database below root/var/lib/rpm.
func writeFiles(t testing.TB, root string, files map[string][]byte) {
	t.Helper()
	dir := filepath.Join(root, "var/lib/rpm")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// manyPackages are n packages with a few dozen files, provides and requires each.
func manyPackages(n int) []rpmtest.Package {
	var out []rpmtest.Package
	for i := range n {
		p := rpmtest.Package{Name: fmt.Sprintf("package-%04d", i), Summary: strings.Repeat("text ", i%50)}
		for j := range 20 + i%37 {
			dir := fmt.Sprintf("/usr/share/doc/%s-%d", p.Name, j%5)
			p.Files = append(p.Files, rpmtest.File{Path: fmt.Sprintf("%s/file-%d", dir, j*i), Digest: strings.Repeat("0", 64)})
			p.Provides = append(p.Provides, fmt.Sprintf("lib%d.so.%d()(64bit)", i, j))
			p.Requires = append(p.Requires, rpmtest.Requirement{Text: fmt.Sprintf("lib%d.so.%d()(64bit)", (i*7+j)%(n+1), j)})
		}
		out = append(out, p)
	}
	return out
}

// program finds a program, or skips the test and says what it did not check.
func program(t testing.TB, name, unchecked string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: %s", name, unchecked)
	}
	return path
}

// version prints the first line of a program's --version.
func version(t testing.TB, path string) {
	out, _ := exec.Command(path, "--version").Output()
	first, _, _ := strings.Cut(string(out), "\n")
	t.Logf("%s: %s", filepath.Base(path), first)
}

// corpora returns the RPMs of others that are at hand: by folder, for each is one architecture, in the order of file names.
func corpora(t testing.TB) map[string][]input {
	t.Helper()
	shared := os.Getenv("SLIMRPM_SHARED_DATA")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	var names []string
	for _, dir := range []string{shared, os.Getenv("SLIMRPM_DEBRPM")} {
		if dir == "" {
			continue
		}
		filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".rpm" {
				names = append(names, path)
			}
			return nil
		})
	}
	if len(names) == 0 {
		t.Skip("no RPMs at hand (SLIMRPM_SHARED_DATA, SLIMRPM_DEBRPM): packages of others were not registered")
	}
	slices.Sort(names)
	out := map[string][]input{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Dir(name)] = append(out[filepath.Dir(name)], newInput(t, data))
	}
	return out
}

// dumpSQLite returns all rows of a database as text, by table. Blobs of Packages lose what rpm 6 alone adds.
func dumpSQLite(t testing.TB, data []byte) map[string][]string {
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
		if strings.HasPrefix(e.Name, "sqlite_stat") {
			continue // rpm's PRAGMA optimize leaves statistics behind
		}
		out["schema"] = append(out["schema"], e.Type+" "+e.Name+" "+e.Table+": "+e.SQL)
		if e.Type != "table" {
			continue
		}
		lines := []string{}
		err := r.Scan(e.Root, func(rowid int64, values []sqlite.Value) error {
			line := fmt.Sprint(rowid)
			for _, v := range values {
				if e.Name == "Packages" && v.Kind == sqlite.Blob {
					v.Bytes = withoutPackageDigests(t, v.Bytes)
				}
				line += fmt.Sprintf(" %d:%d:%q", v.Kind, v.Int, v.Bytes)
			}
			lines = append(lines, line)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name] = lines
	}
	return out
}

// withoutPackageDigests removes PACKAGEDIGESTS and PACKAGEDIGESTALGOS from a stored header. They are its last additions.
func withoutPackageDigests(t testing.TB, blob []byte) []byte {
	t.Helper()
	h, err := ParseHeader(blob)
	if err != nil {
		t.Fatal(err)
	}
	n := len(h.entries)
	if n < 2 || h.entries[n-2].Tag != rpm.TagPackageDigests || h.entries[n-1].Tag != rpm.TagPackageDigestAlgos {
		return blob
	}
	data := h.data[:h.entries[n-2].Offset]
	var out []byte
	out = append(out, 0, 0, byte((n-2)>>8), byte(n-2))
	out = append(out, byte(len(data)>>24), byte(len(data)>>16), byte(len(data)>>8), byte(len(data)))
	out = append(out, blob[blobIntro:blobIntro+(n-2)*entrySize]...)
	return append(out, data...)
}

// compareDumps reports where two dumps differ.
func compareDumps(t testing.TB, got, want map[string][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d tables, want %d", len(got), len(want))
	}
	rows := 0
	for name, lines := range want {
		rows += len(lines)
		if len(got[name]) != len(lines) {
			t.Errorf("%s: %d rows, want %d", name, len(got[name]), len(lines))
		}
		for i := range min(len(lines), len(got[name])) {
			if got[name][i] != lines[i] {
				t.Errorf("%s: row %d:\n got %.2000s\nwant %.2000s", name, i, got[name][i], lines[i])
				break
			}
		}
	}
	t.Logf("%d rows of %d tables compared", rows, len(want))
}
