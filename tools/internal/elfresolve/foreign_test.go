package elfresolve

import (
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

// foreignOf makes a base of others of packages.
func foreignOf(indexes ...*pkgindex.Index) *rootfs.Tree {
	base := baseOf(indexes...)
	base.Image = "sha256:0"
	for i := range base.Packages {
		base.Packages[i].Foreign = &rootfs.ForeignPackage{Number: uint32(i) + 1, Size: 1}
	}
	return base
}

func release(x *pkgindex.Index, release string) *pkgindex.Index {
	out := *x
	out.Release, out.NEVRA = release, x.Name+"-1-"+release+"."+x.Arch
	return &out
}

func TestForeignBase(t *testing.T) {
	tool := pack("tool", exe("/usr/bin/tool", "libz.so.1", "libc.so.6"))
	zlib := pack("zlib", lib("/lib64/libz.so.1", "libc.so.6"))
	for _, c := range []struct {
		summary string
		base    *rootfs.Tree
		request selection.Request
		want    []string
	}{
		{"all libraries are in the image", foreignOf(filesystem(), glibc(), zlib), packages("//x:tool", "tool"), []string{"tool"}},
		{"the image has a newer library", foreignOf(filesystem(), glibc(), release(zlib, "2")), packages("//x:tool", "tool"), []string{"tool"}},
		{"the image lacks a library", foreignOf(filesystem(), glibc()), packages("//x:tool", "tool"), []string{"tool", "zlib"}},
		{"the image has what is asked for", foreignOf(filesystem(), glibc(), zlib, tool), packages("//x:tool", "tool"), nil},
	} {
		t.Run(c.summary, func(t *testing.T) {
			in := input(world(tool, zlib), c.request)
			in.Base = c.base
			check(t, in, c.want...)
		})
	}

	// Libraries that no package of the image owns count as well.
	in := input(world(tool, zlib), packages("//x:tool", "tool"))
	in.Base = foreignOf(filesystem(), glibc(), zlib)
	in.Base.Packages = in.Base.Packages[:2]
	for _, e := range in.Base.Entries {
		if e.Path == "/usr/lib64/libz.so.1" {
			e.Owners = []string{"//x:base"}
		}
	}
	check(t, in, "tool")
}

func TestForeignBaseRefuses(t *testing.T) {
	tool := pack("tool", exe("/usr/bin/tool", "libc.so.6"))
	in := input(world(tool), packages("//x:tool", "tool"))
	in.Base = foreignOf(filesystem(), release(glibc(), "0.9"))
	fails(t, in, "//x:image: the base //x:base has glibc-1-0.9.x86_64, which is older than glibc-1-1.x86_64 of the lock", "take a newer image")
	in.Base = foreignOf(filesystem(), glibc(), release(tool, "2"))
	fails(t, in, "//x:tool: packages: the base //x:base has tool-1-2.x86_64, the lock tool-1-1.x86_64", "leave tool to the base")

	// Of a multilib pair the one of the image's architecture counts.
	other := *glibc()
	other.Arch, other.Release, other.NEVRA, other.Files = "i686", "0.1", "glibc-1-0.1.i686", nil
	in.Base = foreignOf(filesystem(), &other, glibc())
	check(t, in, "tool")
	in.Base = foreignOf(filesystem(), glibc(), &other)
	check(t, in, "tool")

	in.Base = foreignOf(filesystem())
	in.Base.Packages[0].Name = "other"
	in.Base.Packages = append(in.Base.Packages, rootfs.Package{Name: "tool", NEVRA: "tool-.x86_64", Arch: "x86_64", Foreign: &rootfs.ForeignPackage{}})
	fails(t, in, `//x:image: base //x:base: reading version "": the version is empty`)
}
