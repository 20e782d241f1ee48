package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// TestReadOnly: rpm lists the packages where nothing may be written, and every reason why it may not is found.
func TestReadOnly(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root: no rpm read a database over a read-only mount")
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("no rpm on PATH: none read a database over a read-only mount")
	}
	write := func(name string, data []byte, mode os.FileMode) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), data, mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		lacks  bool // the tree has a package more than the database
		want   string
	}{
		"as it is":            {},
		"a package less":      {lacks: true, want: "rpm lists 2 packages"},
		"write-ahead log":     {damage: walMode, want: "as user 65534"},
		"unreadable":          {damage: func(t *testing.T, dir string) { os.Chmod(dir, 0o700) }, want: "as user 65534"},
		"no database at all":  {damage: func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "rpmdb.sqlite")) }, want: "as user 0"},
		"garbage in its room": {damage: write("rpmdb.sqlite", bytes.Repeat([]byte("x"), 8192), 0o644), want: "as user 0"},
	} {
		t.Run(name, func(t *testing.T) {
			x := readOnlyTester(t, c.lacks)
			if c.damage != nil {
				c.damage(t, filepath.Join(x.rootfs(), "var/lib/rpm"))
			}
			err := x.rpmReadOnly()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := os.Stat("/mnt/var/lib/rpm"); err == nil {
				t.Error("the mount is visible on this machine")
			}
		})
	}
}

// walMode says in the header of the database that changes go to a log beside it first.
func walMode(t *testing.T, dir string) {
	f, err := os.OpenFile(filepath.Join(dir, "rpmdb.sqlite"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{2, 2}, 18); err != nil {
		t.Fatal(err)
	}
}

// readOnlyTester is one of an unpacked image with two packages, in a folder that only root may enter.
func readOnlyTester(t *testing.T, lacks bool) *tester {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	x := &tester{dir: dir, root: filepath.Join(dir, "root"), spec: Spec{Tree: filepath.Join(dir, "tree.json"), Lock: filepath.Join(dir, "lock.json")}}
	place := filepath.Join(x.rootfs(), "var/lib/rpm")
	if err := os.MkdirAll(place, 0o755); err != nil {
		t.Fatal(err)
	}
	tree := rootfs.Tree{Arch: "x86_64", RPMDB: rootfs.RPMDB{Backend: "sqlite", Path: "/var/lib/rpm"}}
	opts := rpmdb.Options{Backend: rpmdb.SQLite, Arch: "x86_64"}
	type locked struct {
		NEVRA string `json:"nevra"`
	}
	var list []locked
	for _, name := range []string{"one", "two", "three"} {
		data := rpmtest.Build(rpmtest.Package{Name: name, Provides: []string{name + " = 1-1"}})
		p, err := rpm.ReadPackage(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		headers := data[:p.HeaderEnd]
		if name != "three" {
			opts.Packages = append(opts.Packages, rpmdb.Installed{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(headers)), nil }})
		}
		if name != "three" || lacks {
			tree.Packages = append(tree.Packages, rootfs.Package{Name: name, NEVRA: name + "-1-1.x86_64"})
		}
		list = append(list, locked{name + "-1-1.x86_64"})
	}
	db, err := rpmdb.Plan(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range db.Files {
		data, err := f.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(place, f.Name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lock := map[string]any{"architectures": map[string]any{"x86_64": map[string]any{"packages": list}}}
	for name, value := range map[string]any{x.spec.Tree: tree, x.spec.Lock: lock} {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return x
}
