package elfresolve

import (
	"reflect"
	"slices"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func TestBinary(t *testing.T) {
	tar := pack("tar", dir("/usr/bin"), exe("/usr/bin/tar", "libacl.so.1", "libc.so.6"), exe("/usr/bin/other", "libnone.so.1"),
		link("/usr/bin/gtar", "tar"), dir("/usr/share/licenses/tar"), flagged(pkgindex.FlagLicense, reg("/usr/share/licenses/tar/COPYING")),
		reg("/usr/share/doc/tar/NEWS"), flagged(pkgindex.FlagConfig, reg("/etc/tar.conf")), flagged(pkgindex.FlagConfig, reg("/etc/rmt")))
	acl := pack("libacl", link("/usr/lib64/libacl.so.1", "libacl.so.1.1"), lib2("/usr/lib64/libacl.so.1.1", "libacl.so.1", "libattr.so.1", "libc.so.6"))
	attr := pack("libattr", lib("/usr/lib64/libattr.so.1", "libc.so.6"), reg("/etc/xattr.conf"))
	all := world(tar, acl, attr)
	taken := []string{"glibc", "libacl", "libattr"}
	lic := "/usr/share/licenses/tar /usr/share/licenses/tar/COPYING"
	config := func(mode string) selection.Request {
		q := binary("//x:tar", "tar", "/usr/bin/tar")
		q.Config = mode
		return q
	}
	sliced := binary("//x:tar", "tar", "/usr/bin/tar")
	sliced.Libraries = selection.LibrariesSlice
	for _, test := range []struct {
		summary string
		request selection.Request
		want    []string
	}{
		{"a file brings its licences, its directories and the packages of its libraries", binary("//x:tar", "tar", "/usr/bin/tar"),
			append(slices.Clone(taken), "tar: /usr/bin /usr/bin/tar "+lic)},
		{"a path may be spelled through a link", binary("//x:tar", "tar", "/bin/tar"),
			append(slices.Clone(taken), "tar: /usr/bin /usr/bin/tar "+lic)},
		{"a link brings its target", binary("//x:tar", "tar", "/usr/bin/gtar"),
			append(slices.Clone(taken), "tar: /usr/bin /usr/bin/gtar /usr/bin/tar "+lic)},
		{"a glob takes what matches", binary("//x:tar", "tar", "/bin/*tar"),
			append(slices.Clone(taken), "tar: /usr/bin /usr/bin/gtar /usr/bin/tar "+lic)},
		{"configuration files named like the program", config("files"),
			append(slices.Clone(taken), "tar: /etc/tar.conf /usr/bin /usr/bin/tar "+lic)},
		{"all configuration files", config("package"),
			append(slices.Clone(taken), "tar: /etc/rmt /etc/tar.conf /usr/bin /usr/bin/tar "+lic)},
		{"libraries sliced to the library and its links", sliced, []string{
			"glibc: /lib64/ld-linux-x86-64.so.2 /lib64/libc.so.6", "libacl: /usr/lib64/libacl.so.1 /usr/lib64/libacl.so.1.1",
			"libattr: /usr/lib64/libattr.so.1", "tar: /usr/bin /usr/bin/tar " + lic}},
	} {
		t.Run(test.summary, func(t *testing.T) { check(t, input(all, test.request), test.want...) })
	}
}

// lib2 is a library whose file name is not its soname.
func lib2(path, soname string, needed ...string) pkgindex.File {
	return with(lib(path, needed...), func(e *pkgindex.ELF) { e.Soname = soname })
}

func TestWhy(t *testing.T) {
	in := input(world(pack("a", exe("/usr/bin/a", "libb.so")), pack("b", lib("/usr/lib64/libb.so", "libc2.so")), pack("c", lib("/usr/lib64/libc2.so"))),
		packages("//x:a", "a"))
	got := check(t, in, "a", "b", "c", "glibc")
	want := []selection.Reason{{From: "//x:a", Kind: "request", Need: "a"}, {From: "a-1-1.x86_64:/usr/bin/a", Kind: "elf", Need: "libb.so"},
		{From: "b-1-1.x86_64:/usr/lib64/libb.so", Kind: "elf", Need: "libc2.so"}}
	if !reflect.DeepEqual(got.Packages[2].Why, want) {
		t.Errorf("got %+v, want %+v", got.Packages[2].Why, want)
	}
}
