package compose

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/baseimage"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/ocitest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

// foreign makes an image of others of our layers and more, and reads it.
func foreign(t *testing.T, layers [][]byte, more ...ocitest.Entry) (*built, string) {
	t.Helper()
	image := ocitest.Image{Arch: "amd64", Layers: append(slices.Clone(layers), ocitest.Tar(t, more...))}
	base, err := baseimage.Read(baseimage.Options{Layout: ocitest.Layout(t, false, image), Arch: "x86_64", Label: "//test:foreign", Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { base.Close() })
	var layer, headers bytes.Buffer
	if err := base.WriteLayer(&layer); err != nil {
		t.Fatal(err)
	}
	if err := base.WriteHeaders(&headers); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "headers.bin")
	if err := os.WriteFile(name, headers.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return &built{Result: &Result{Tree: base.Tree}, layers: [][]byte{layer.Bytes()}, foreign: name}, name
}

// database returns the packages of an image's database in its order, and their headers.
func (b *built) database(t *testing.T) (names []string, blobs map[string][]byte) {
	t.Helper()
	blobs = map[string][]byte{}
	for _, rec := range b.records(t) {
		nevra, err := rec.NEVRA()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, nevra)
		blobs[nevra] = rec.Blob()
	}
	return names, blobs
}

// TestForeignBase builds two images on top of an image of others, in every backend.
func TestForeignBase(t *testing.T) {
	for _, backend := range []string{"sqlite", "ndb", "bdb"} {
		t.Run(backend, func(t *testing.T) {
			db := `"accounts":{},"policies":{},"rpmdb":{"backend":"` + backend + `","path":"/usr/lib/sysimage/rpm"}`
			// What the child's release says must give way to what the image has.
			own := `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`
			lower := image{spec: db, pkgs: []rpmtest.Package{filesystem(),
				{Name: "zlib", Files: []rpmtest.File{{Path: "/usr/lib64/libz.so.1", Data: "z"}, {Path: "/etc/zlib.conf", Data: "old"}}}}}.build(t)
			_, theirs := lower.database(t)
			base, _ := foreign(t, lower.layers, ocitest.File("opt/app", "by hand"), ocitest.File("usr/lib/sysimage/rpm/.rpm.lock", ""),
				ocitest.File("usr/lib/sysimage/rpm/rpmdb.sqlite-shm", "stale"), ocitest.File("usr/lib/sysimage/rpm/__db.001", "stale"))
			child := image{spec: own + `,"files":[{"path":"/etc/zlib.conf","text":"new"}]`, base: base, pkgs: []rpmtest.Package{
				{Name: "aaa", Files: []rpmtest.File{{Path: "/usr/bin/aaa", Data: "x"}}}}}.build(t)
			grandchild := image{spec: own, base: child, pkgs: []rpmtest.Package{
				{Name: "mmm", Files: []rpmtest.File{{Path: "/usr/bin/mmm", Data: "x"}}}}}.build(t)
			for _, c := range []struct {
				image *built
				want  string
			}{
				{child, "filesystem-1-1.noarch zlib-1-1.x86_64 aaa-1-1.x86_64"},
				{grandchild, "filesystem-1-1.noarch zlib-1-1.x86_64 aaa-1-1.x86_64 mmm-1-1.x86_64"},
			} {
				if got := c.image.Tree.RPMDB; got.Backend != backend || got.Path != "/usr/lib/sysimage/rpm" {
					t.Errorf("the database is %+v", got)
				}
				names, blobs := c.image.database(t)
				if got := strings.Join(names, " "); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
				for nevra, blob := range theirs {
					if !bytes.Equal(blobs[nevra], blob) {
						t.Errorf("the header of %s has changed", nevra)
					}
				}
				if c.image.Tree.Image != base.Tree.Image || c.image.Tree.Image == "" {
					t.Errorf("image %q", c.image.Tree.Image)
				}
			}
			layer := child.dump(t)
			for _, want := range []string{"usr/lib/sysimage/rpm/.wh..rpm.lock ", "usr/lib/sysimage/rpm/.wh.rpmdb.sqlite-shm ", "usr/lib/sysimage/rpm/.wh.__db.001 "} {
				if !strings.Contains(layer, want) {
					t.Errorf("no %q in\n%s", want, layer)
				}
			}
			if strings.Contains(layer, "opt/app") || strings.Contains(layer, "libz.so.1") {
				t.Errorf("files of the image are shipped again:\n%s", layer)
			}
			if got := strings.Join(child.Report.Replaced, " "); got != "/etc/zlib.conf" {
				t.Errorf("replaced: %s", got)
			}
			if e := child.entry(t, "/opt/app"); strings.Join(e.Owners, " ") != "//test:foreign" {
				t.Errorf("/opt/app belongs to %q", e.Owners)
			}
		})
	}
}

// TestForeignBaseWithoutDatabase: the release decides where the packages on top are registered.
func TestForeignBaseWithoutDatabase(t *testing.T) {
	base, _ := foreign(t, nil, ocitest.File("opt/app", "x"))
	child := image{spec: `"accounts":{},"policies":{},"rpmdb":{"backend":"ndb","path":"/var/lib/rpm"}`, base: base,
		pkgs: []rpmtest.Package{{Name: "aaa", Files: []rpmtest.File{{Path: "/usr/bin/aaa", Data: "x"}}}}}.build(t)
	if names, _ := child.database(t); strings.Join(names, " ") != "aaa-1-1.x86_64" || child.Tree.RPMDB.Backend != "ndb" {
		t.Errorf("%s database with %q", child.Tree.RPMDB.Backend, names)
	}
}

func TestForeignBaseRefuses(t *testing.T) {
	db := `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`
	zlib := rpmtest.Package{Name: "zlib", Files: []rpmtest.File{{Path: "/usr/lib64/libz.so.1", Data: "z"}}}
	lower := image{spec: db, pkgs: []rpmtest.Package{zlib}}.build(t)
	other := image{spec: db, pkgs: []rpmtest.Package{{Name: "other"}, {Name: "more"}}}.build(t)
	base, headers := foreign(t, lower.layers)
	_, wrong := foreign(t, other.layers)
	newer, arch := zlib, zlib
	newer.Version, arch.Arch = "2", "noarch"
	clash := rpmtest.Package{Name: "clash", Files: []rpmtest.File{{Path: "/usr/lib64/libz.so.1", Data: "other"}}}
	for _, c := range []struct {
		summary, want string
		headers       string
		pkgs          []rpmtest.Package
	}{
		{"another version", "package zlib-2-1.x86_64 is selected, but the image has zlib-1-1.x86_64 already", headers, []rpmtest.Package{newer}},
		{"another architecture", "package zlib-1-1.noarch is selected, but the image has zlib-1-1.x86_64 already", headers, []rpmtest.Package{arch}},
		{"another package's file", "file conflict: /usr/lib64/libz.so.1: clash-1-1.x86_64 and zlib-1-1.x86_64 of the base: sha256", headers, []rpmtest.Package{clash}},
		{"no headers", fmt.Sprintf("package zlib-1-1.x86_64 of the base //test:foreign comes from image %s, but there is no --base-foreign", base.Tree.Image), "", nil},
		{"headers of another image", "does not belong to the tree of the base", wrong, nil},
		{"no file of headers", "no such file", filepath.Join(t.TempDir(), "none"), nil},
	} {
		b := *base
		b.foreign = c.headers
		_, err := image{spec: db, base: &b, pkgs: c.pkgs}.try(t)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
	_, err := image{spec: db, base: base, pkgs: []rpmtest.Package{newer}}.try(t)
	if hints := strings.Join(cli.Hints(err), ""); !strings.Contains(hints, "leave zlib out with exclude") {
		t.Errorf("hints: %q", hints)
	}
}
