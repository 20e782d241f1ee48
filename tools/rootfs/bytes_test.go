package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elfresolve"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/extract"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpm"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmdb"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

const (
	latin1  = "/usr/bin/caf\xe9"
	newline = "/usr/bin/cafe\nau lait\\n"
	odd     = "/usr/bin/caf\uFFFD"
)

// TestPathsOfAnyBytes leads paths that are no text through all programs and files: RPM, index.json, selection.json, layer,
// package database, tree.json, a child image, and a real file system.
func TestPathsOfAnyBytes(t *testing.T) {
	at := func(name string) string { return filepath.Join(t.TempDir(), name) }
	content := rpmtest.Build(rpmtest.Package{Name: "odd", Files: []rpmtest.File{
		{Path: latin1, Data: "latin1", Mode: 0o100755}, {Path: newline, Data: "newline", Mode: 0o100755},
		{Path: odd, Link: "caf\xe9"}, {Path: "/usr/bin/other", Data: "not asked for"},
	}})
	o := extract.Options{RPM: at("odd.rpm"), Payload: at("odd.tar"), Index: at("odd.index"), Header: at("odd.header")}
	writeFile(t, o.RPM, string(content))
	if err := extract.Run(o); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(o.Index)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	index, err := pkgindex.Read(f, "odd.index")
	if err != nil {
		t.Fatal(err)
	}
	sel, err := elfresolve.Resolve(&elfresolve.Input{
		Spec: &selection.Spec{Schema: 1, Label: "//odd", Release: "test", Arch: "x86_64", Requests: []selection.Request{
			{Label: "//odd:bin", Kind: selection.KindBinary, Packages: []string{"odd"}, Binaries: []string{"/usr/bin/caf*"}},
		}},
		Graph:   &selection.Graph{Schema: 1, Packages: map[string]selection.GraphNode{"odd": {}}},
		Indexes: []*pkgindex.Index{index},
	})
	if err != nil {
		t.Fatal(err)
	}
	var selText bytes.Buffer
	if err := selection.Write(&selText, sel); err != nil {
		t.Fatal(err)
	}
	selFile, spec, layer, tree := at("sel.json"), at("spec.json"), at("layer.tar"), at("tree.json")
	writeFile(t, selFile, selText.String())
	writeFile(t, spec, `{"schema": 1, "label": "//odd", "release": "test", "arch": "x86_64", "source_date_epoch": 1, "accounts": {}, "policies": {},
		"rpmdb": {"backend": "sqlite", "path": "/var/lib/rpm"}}`)
	args := []string{"--spec=" + spec, "--selection=" + selFile, "--index=" + o.Index, "--payload=" + o.Payload, "--header=" + o.Header}
	if err := run(append(args, "--layer="+layer, "--tree="+tree, "--report="+at("report.json"))); err != nil {
		t.Fatal(err)
	}
	db := checkLayer(t, layer)
	checkDatabase(t, db)
	checkTree(t, tree)
	checkUnpacked(t, layer)

	child, none := at("child.tar"), at("none.json")
	writeFile(t, none, `{"schema": 1, "label": "//child", "release": "test", "arch": "x86_64", "packages": []}`)
	err = run([]string{"--spec=" + spec, "--selection=" + none, "--base-tree=" + tree, "--base-index=" + o.Index, "--base-header=" + o.Header,
		"--layer=" + child, "--tree=" + at("child.json"), "--report=" + at("report.json")})
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkLayer returns the package database.
func checkLayer(t *testing.T, layer string) (db []byte) {
	t.Helper()
	f, err := os.Open(layer)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got := map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got["/"+h.Name] = string(data) + h.Linkname
	}
	if got[latin1] != "latin1" || got[newline] != "newline" || got[odd] != "caf\xe9" {
		t.Errorf("layer: %q", got)
	}
	return []byte(got["/var/lib/rpm/rpmdb.sqlite"])
}

func checkDatabase(t *testing.T, db []byte) {
	t.Helper()
	records, err := rpmdb.ReadAll(rpmdb.Source{ReaderAt: bytes.NewReader(db), Size: int64(len(db))})
	if err != nil || len(records) != 1 {
		t.Fatalf("%d packages, %v", len(records), err)
	}
	if !bytes.Contains(db, []byte("caf\xe9\x00cafe\nau lait\\n\x00caf\uFFFD\x00other\x00")) {
		t.Error("the database lost the names")
	}
}

func checkTree(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tree, err := rootfs.Read(f, "tree")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range tree.Entries {
		if strings.HasPrefix(e.Path, "/usr/bin/") {
			paths = append(paths, e.Path)
		}
	}
	if want := []string{newline, latin1, odd}; !slices.Equal(paths, want) {
		t.Errorf("tree %q, want %q", paths, want)
	}
}

func checkUnpacked(t *testing.T, layer string) {
	t.Helper()
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("no tar on this machine: the layer was not unpacked")
	}
	dir := t.TempDir()
	if out, err := exec.Command("tar", "-xf", layer, "-C", dir, "--no-same-owner").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	for path, want := range map[string]string{latin1: "latin1", newline: "newline", odd: "latin1"} {
		if data, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(data) != want {
			t.Errorf("%q: %q, %v", path, data, err)
		}
	}
	if err := rpm.CheckPath(latin1); err != nil {
		t.Error(err)
	}
}
