package elfresolve

import (
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func TestMissing(t *testing.T) {
	tar := pack("tar", exe("/usr/bin/tar", "libacl.so.1", "libc.so.6"))
	needs := func(version string) pkgindex.File {
		return with(exe("/usr/bin/tar", "libc.so.6"), func(e *pkgindex.ELF) {
			e.VerNeed = []pkgindex.VersionNeed{{Soname: "libc.so.6", Versions: []string{"GLIBC_2.2.5", version}}}
		})
	}
	for _, test := range []struct {
		summary string
		in      *Input
		want    string
		hints   []string
	}{
		{"a soname that nothing has", input(world(tar), binary("//x:tar", "tar", "/usr/bin/tar")),
			"//x:image: resolving libacl.so.1: needed by /usr/bin/tar (tar-1-1.x86_64), requested by //x:tar: no candidate package has it",
			[]string{"bazel run @rel//:provides -- 'libacl.so.1()(64bit)'"}},
		{"all missing sonames at once, sorted, with the whole chain", input(world(
			pack("b", exe("/usr/bin/b", "libz9.so", "liba.so")), pack("a", lib("/usr/lib64/liba.so", "libx.so"), exe("/usr/bin/tool", "liby.so"))),
			packages("//x:b", "b")),
			"//x:image: resolving libx.so: needed by /usr/lib64/liba.so (a-1-1.x86_64), needed by /usr/bin/b (b-1-1.x86_64), requested by //x:b: no candidate package has it\n" +
				"//x:image: resolving liby.so: needed by /usr/bin/tool (a-1-1.x86_64), a-1-1.x86_64 for liba.so of /usr/bin/b (b-1-1.x86_64), requested by //x:b: no candidate package has it\n" +
				"//x:image: resolving libz9.so: needed by /usr/bin/b (b-1-1.x86_64), requested by //x:b: no candidate package has it", nil},
		{"a soname that many files need, in one line", input(world(
			pack("a", exe("/usr/bin/a1", "libx.so"), exe("/usr/bin/a2", "libx.so", "liby.so"), exe("/usr/bin/a3", "liby.so")),
			pack("b", exe("/usr/bin/b1", "libx.so"), exe("/usr/bin/b2", "libx.so"), exe("/usr/bin/b3", "libx.so"), exe("/usr/bin/b4", "libx.so"))),
			packages("//x:a", "a"), packages("//x:b", "b")),
			"//x:image: resolving libx.so: needed by /usr/bin/a1 (a-1-1.x86_64), requested by //x:a, also needed by /usr/bin/a2 (a-1-1.x86_64), " +
				"/usr/bin/b1 (b-1-1.x86_64), /usr/bin/b2 (b-1-1.x86_64) and 2 more files: no candidate package has it\n" +
				"//x:image: resolving liby.so: needed by /usr/bin/a2 (a-1-1.x86_64), requested by //x:a, also needed by /usr/bin/a3 (a-1-1.x86_64): no candidate package has it",
			[]string{"'libx.so()(64bit)'", "'liby.so()(64bit)'"}},
		{"a soname where the loader does not look", input(world(tar, pack("acl", lib("/opt/acl/libacl.so.1"))), binary("//x:tar", "tar", "/usr/bin/tar")),
			"//x:image: resolving libacl.so.1: needed by /usr/bin/tar (tar-1-1.x86_64), requested by //x:tar: found at /opt/acl/libacl.so.1 (acl-1-1.x86_64), but the loader searches only /lib64, /usr/lib64",
			[]string{"RUNPATH"}},
		{"a RUNPATH that points elsewhere", input(world(pack("tar", runPath(exe("/usr/bin/tar", "libp.so"), "/opt/b")), pack("p", lib("/opt/a/libp.so"))), packages("//x:tar", "tar")),
			"//x:image: resolving libp.so: needed by /usr/bin/tar (tar-1-1.x86_64), requested by //x:tar: found at /opt/a/libp.so (p-1-1.x86_64), but the loader searches only /opt/b, /lib64, /usr/lib64",
			nil},
		{"RUNPATH is not inherited", input(world(pack("tar", runPath(exe("/usr/bin/tar", "libp.so"), "/opt/a")), pack("p", lib("/opt/a/libp.so", "libq.so")), pack("q", lib("/opt/a/libq.so"))), packages("//x:tar", "tar")),
			"//x:image: resolving libq.so: needed by /opt/a/libp.so (p-1-1.x86_64), needed by /usr/bin/tar (tar-1-1.x86_64), requested by //x:tar: found at /opt/a/libq.so (q-1-1.x86_64), but the loader searches only /lib64, /usr/lib64",
			nil},
		{"$ORIGIN of a setuid program is not searched", input(world(pack("tar", setuid(runPath(exe("/opt/tar", "libp.so"), "$ORIGIN"))), pack("p", lib("/opt/libp.so"))), packages("//x:tar", "tar")),
			"//x:image: resolving libp.so: needed by /opt/tar (tar-1-1.x86_64), requested by //x:tar: found at /opt/libp.so (p-1-1.x86_64), but the loader searches only /lib64, /usr/lib64",
			nil},
		{"a symbol version that the library lacks", input(world(pack("tar", needs("GLIBC_2.99"))), packages("//x:tar", "tar")),
			"//x:image: resolving libc.so.6: needed by /usr/bin/tar (tar-1-1.x86_64), requested by //x:tar: /usr/lib64/libc.so.6 (glibc-1-1.x86_64) does not define version GLIBC_2.99",
			[]string{"one lock"}},
		{"no loader", input([]*pkgindex.Index{tar}, packages("//x:tar", "tar")),
			"//x:image: resolving interpreter /lib64/ld-linux-x86-64.so.2: needed by /usr/bin/tar (tar-1-1.x86_64), requested by //x:tar: no candidate package has it",
			[]string{"C library"}},
		{"a ghost is not shipped", input(world(tar, pack("acl", flagged(pkgindex.FlagGhost, lib("/usr/lib64/libacl.so.1")))), packages("//x:tar", "tar")),
			"//x:image: resolving libacl.so.1: needed by /usr/bin/tar (tar-1-1.x86_64), requested by //x:tar: no candidate package has it", nil},
	} {
		t.Run(test.summary, func(t *testing.T) { fails(t, test.in, test.want, test.hints...) })
	}
}

func setuid(f pkgindex.File) pkgindex.File { f.Mode |= 0o4000; return f }

func TestBadRequests(t *testing.T) {
	all := world(pack("tar", exe("/usr/bin/tar"), exe("/usr/sbin/tarcat"), flagged(pkgindex.FlagGhost, reg("/usr/bin/gtar"))), pack("rmt", exe("/usr/sbin/rmt")))
	graph := func(in *Input) *Input {
		in.Graph.Packages = map[string]selection.GraphNode{"iptables-nft": {}, "tar": {}}
		in.Graph.Executables = map[string]string{"/usr/bin/xz": "xz"}
		return in
	}
	both := packages("//x:tar", "tar")
	both.Exclude = []string{"tar"}
	other := input(all, packages("//x:tar", "tar"))
	other.Base = baseOf(filesystem())
	other.Base.Arch = "aarch64"
	for _, test := range []struct {
		summary string
		in      *Input
		want    string
		hints   []string
	}{
		{"a file that is misspelled", input(all, binary("//x:tar", "tar", "/usr/bin/tra")),
			"//x:tar: binaries: tar-1-1.x86_64 has no file /usr/bin/tra", []string{"did you mean /usr/bin/tar?"}},
		{"a misspelled name counts more than a path that looks alike", input(all, binary("//x:tar", "tar", "/usr/sbin/tarr")),
			"//x:tar: binaries: tar-1-1.x86_64 has no file /usr/sbin/tarr", []string{"did you mean /usr/bin/tar?"}},
		{"a file in the wrong directory", input(all, binary("//x:tar", "tar", "/usr/local/tar")),
			"//x:tar: binaries: tar-1-1.x86_64 has no file /usr/local/tar", []string{"did you mean /usr/bin/tar?"}},
		{"a file of another candidate", input(all, binary("//x:tar", "tar", "/sbin/rmt")),
			"//x:tar: binaries: tar-1-1.x86_64 has no file /sbin/rmt", []string{"package rmt has it", `"@rel//rmt"`}},
		{"a file of a package that is only in the lock", graph(input(all, binary("//x:tar", "tar", "/bin/xz"))),
			"//x:tar: binaries: tar-1-1.x86_64 has no file /bin/xz", []string{"package xz has it"}},
		{"a glob that matches nothing", input(all, binary("//x:tar", "tar", "/usr/games/zz*")),
			"//x:tar: binaries: tar-1-1.x86_64 has no file /usr/games/zz*", []string{"rpm -qlp"}},
		{"a glob that is none", input(all, binary("//x:tar", "tar", "/usr/bin/[")),
			"//x:tar: binaries: glob \"/usr/bin/[\": syntax error in pattern", nil},
		{"a relative path", input(all, binary("//x:tar", "tar", "tar")),
			"//x:tar: binaries: path \"tar\": not absolute", nil},
		{"a ghost", input(all, binary("//x:tar", "tar", "/usr/bin/gtar")),
			"//x:tar: binaries: tar-1-1.x86_64 lists /usr/bin/gtar as a ghost: the package does not ship it", nil},
		{"an unknown package", graph(input(all, packages("//x:tar", "iptables"))),
			"//x:tar: packages: no package iptables among the candidates", []string{"did you mean iptables-nft?"}},
		{"several problems are reported together", input(all, binary("//x:b", "tar", "/usr/bin/tra", "/usr/bin/gtar"), packages("//x:a", "none")),
			"//x:a: packages: no package none among the candidates\n//x:b: binaries: tar-1-1.x86_64 has no file /usr/bin/tra\n//x:b: binaries: tar-1-1.x86_64 lists /usr/bin/gtar as a ghost: the package does not ship it", nil},
		{"a package that is wanted and left out", input(all, both), "//x:tar: packages: package tar is also in exclude or provided", nil},
		{"two packages of one name", input(append(all, pack("tar")), packages("//x:tar", "tar")),
			"//x:image: two candidates named tar: tar-1-1.x86_64 and tar-1-1.x86_64", nil},
		{"a base for another architecture", other, "//x:image: base //x:base is for aarch64, the target for x86_64", nil},
	} {
		t.Run(test.summary, func(t *testing.T) { fails(t, test.in, test.want, test.hints...) })
	}
}

// FuzzResolve gives arbitrary paths and links: the result is a selection or an error, never a panic or a hang.
func FuzzResolve(f *testing.F) {
	f.Add("/usr/bin/tar", "/lib64", "usr/lib64", "libx.so", "$ORIGIN/../x")
	f.Add("/a", "/a", "/a", "/a", "/a")
	f.Add("/l/x", "/l", "l", "../../../x", "${ORIGIN}")
	f.Add("/x//y/..", "/x", "..", "", ":")
	f.Fuzz(func(t *testing.T, program, at, target, needed, runpath string) {
		e := elftest.Exec("x86_64", needed)
		e.RunPath = []string{runpath}
		p := pack("p", elf(program, e), link(at, target), link(target, at), lib(target+"/"+needed, needed), lib(at+"/"+needed))
		for _, q := range []selection.Request{packages("//x:p", "p"), binary("//x:p", "p", program, at)} {
			got, err := Resolve(input(world(p), q))
			if (got == nil) == (err == nil) {
				t.Fatalf("got %v and error %v", got, err)
			}
		}
	})
}
