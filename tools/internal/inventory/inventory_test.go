package inventory

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func tree(arch string) *rootfs.Tree {
	return &rootfs.Tree{Arch: arch, Release: "r",
		Packages: []rootfs.Package{
			{Name: "zlib", NEVRA: "zlib-1:1.2-3." + arch, Arch: arch, SizeBytes: 7, Partial: true},
			{Name: "bash", NEVRA: "bash-5-1.noarch", Arch: "noarch"},
		},
		NonRPM: []rootfs.NonRPM{{Label: "//a:b", Name: "wrapper", Version: "1", BuiltWith: []string{"go1.26.4"}, SizeBytes: 3}},
		Entries: []*rootfs.Entry{
			{Path: "/a", Type: pkgindex.TypeFile, SizeBytes: 5},
			{Path: "/b", Type: pkgindex.TypeFile, SizeBytes: 5, HardLink: "/a"},
			{Path: "/c", Type: pkgindex.TypeFile, SizeBytes: 2},
		}}
}

func TestRoundTrip(t *testing.T) {
	x := &Inventory{Schema: Schema, Release: "r", Images: []Image{Of("tool", tree("x86_64")), Of("tool", tree("aarch64")), Of("base", tree("x86_64"))}}
	var first, second bytes.Buffer
	if err := Write(&first, x); err != nil {
		t.Fatal(err)
	}
	got, err := Read(bytes.NewReader(first.Bytes()), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(&second, got); err != nil || first.String() != second.String() {
		t.Errorf("%v; written again it is\n%s, want\n%s", err, second.String(), first.String())
	}
	im := got.Image("tool", "x86_64")
	if im == nil || im.SizeBytes != 7 {
		t.Fatalf("tool is %+v, want 7 bytes: the hard link counts once", im)
	}
	if p := im.Package("zlib"); p == nil || *p != (Package{Name: "zlib", Version: "1:1.2-3", Arch: "x86_64", SizeBytes: 7, Partial: true}) {
		t.Errorf("zlib is %+v", p)
	}
	if p := im.Package("bash"); p == nil || p.Version != "5-1" {
		t.Errorf("bash is %+v", p)
	}
	if got := fmt.Sprint(im.Content); got != "[{wrapper 1 [go1.26.4] 3}]" {
		t.Errorf("content is %s", got)
	}
	if im.Package("absent") != nil || got.Image("base", "aarch64") != nil {
		t.Error("what is not there was found")
	}
	if names := strings.Join(got.Names(), " "); names != "base tool" {
		t.Errorf("names are %q", names)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, row := range []struct{ summary, text, want string }{
		{"another schema", `{"schema": 2, "release": "r", "images": []}`, "schema 2, this program reads 1"},
		{"an unknown key", `{"schema": 1, "release": "r", "pictures": []}`, "pictures"},
		{"an image without a name", `{"schema": 1, "release": "r", "images": [{"name": "", "arch": "x", "size_bytes": 0, "packages": []}]}`, "has no name"},
		{"images out of order", `{"schema": 1, "release": "r", "images": [{"name": "b", "arch": "x", "size_bytes": 0, "packages": []}, {"name": "a", "arch": "x", "size_bytes": 0, "packages": []}]}`, "not sorted"},
		{"an image twice", `{"schema": 1, "release": "r", "images": [{"name": "a", "arch": "x", "size_bytes": 0, "packages": []}, {"name": "a", "arch": "x", "size_bytes": 0, "packages": []}]}`, "is there twice"},
		{"packages out of order", `{"schema": 1, "release": "r", "images": [{"name": "a", "arch": "x", "size_bytes": 0, "packages": [{"name": "z", "version": "1-1", "arch": "x", "size_bytes": 0}, {"name": "b", "version": "1-1", "arch": "x", "size_bytes": 0}]}]}`, "packages are not sorted"},
	} {
		t.Run(row.summary, func(t *testing.T) {
			if _, err := Read(strings.NewReader(row.text), "x.json"); err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "x.json") {
				t.Errorf("got error %v, want one with %q", err, row.want)
			}
		})
	}
}
