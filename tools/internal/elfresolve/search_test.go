package elfresolve

import (
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/selection"
)

func runPath(f pkgindex.File, dirs ...string) pkgindex.File {
	return with(f, func(e *pkgindex.ELF) { e.RunPath = dirs })
}

func rPath(f pkgindex.File, dirs ...string) pkgindex.File {
	return with(f, func(e *pkgindex.ELF) { e.RPath = dirs })
}

func TestSearch(t *testing.T) {
	for _, test := range []struct {
		summary string
		indexes []*pkgindex.Index
		want    []string
	}{
		{"RUNPATH with $ORIGIN finds a private library",
			world(pack("a", runPath(exe("/usr/bin/a", "libp.so"), "$ORIGIN/../lib64/a")), pack("p", lib("/usr/lib64/a/libp.so"))),
			[]string{"a", "glibc", "p"}},
		{"RPATH is inherited by what the library needs",
			world(pack("a", rPath(exe("/usr/bin/a", "libp.so"), "/opt/a")), pack("p", lib("/opt/a/libp.so", "libq.so")), pack("q", lib("/opt/a/libq.so"))),
			[]string{"a", "glibc", "p", "q"}},
		{"a private library is known once something loaded it",
			world(pack("a", runPath(exe("/usr/bin/a", "libp.so", "libq.so"), "/opt/a")), pack("p", lib("/opt/a/libp.so", "libq.so"), lib("/opt/a/libq.so"))),
			[]string{"a", "glibc", "p"}},
		{"$LIB is the directory of the C library",
			world(pack("a", runPath(exe("/usr/bin/a", "libp.so"), "/opt/${LIB}")), pack("p", lib("/opt/lib64/libp.so"))),
			[]string{"a", "glibc", "p"}},
		{"ld.so.conf.d of the library's package counts",
			world(pack("a", exe("/usr/bin/a", "libp.so")), pack("p", lib("/usr/lib64/mysql/libp.so"), text("/etc/ld.so.conf.d/p.conf", "# why\n/usr/lib64/mysql\n"))),
			[]string{"a", "glibc", "p"}},
		{"ld.so.conf.d of another package comes along, and only that file of it",
			world(pack("a", exe("/usr/bin/a", "libp.so")), pack("p", lib("/opt/x/libp.so")),
				pack("conf", text("/etc/ld.so.conf.d/x.conf", "/opt/x"), reg("/opt/README"))),
			[]string{"a", "conf: /etc/ld.so.conf.d/x.conf", "glibc", "p"}},
		{"a library of another class or machine is passed over",
			world(pack("a", exe("/usr/bin/a", "libp.so")), pack("p32", elf("/lib64/libp.so", elftest.File{ELF: pkgindex.ELF{Class: 32, Machine: "i386", Type: "dyn"}})),
				pack("parm", elf("/usr/lib64/libp.so", elftest.Lib("aarch64", "libp.so"))), pack("pok", lib("/usr/lib64/libp.so"))),
			[]string{"a", "glibc", "pok"}},
		{"a provider with the symbol versions is preferred over one without",
			world(pack("a", with(exe("/usr/bin/a", "libp.so"), func(e *pkgindex.ELF) {
				e.VerNeed = []pkgindex.VersionNeed{{Soname: "libp.so", Versions: []string{"P_2"}}}
			})), pack("p1", with(lib("/usr/lib64/libp.so"), func(e *pkgindex.ELF) { e.VerDef = []string{"P_1"} })),
				pack("p2", with(lib("/usr/lib64/libp.so"), func(e *pkgindex.ELF) { e.VerDef = []string{"P_1", "P_2"} }))),
			[]string{"a", "glibc", "p2"}},
		{"of two equal providers the first by name is taken",
			world(pack("a", exe("/usr/bin/a", "libp.so")), pack("p-two", lib("/usr/lib64/libp.so")), pack("p-one", lib("/usr/lib64/libp.so"))),
			[]string{"a", "glibc", "p-one"}},
		{"libraries of a library package need theirs too, though no program does",
			world(pack("a", exe("/usr/bin/a", "libp.so")), pack("p", lib("/usr/lib64/libp.so"), lib("/usr/lib64/plugin/x.so", "libq.so")), pack("q", lib("/usr/lib64/libq.so"))),
			[]string{"a", "glibc", "p", "q"}},
		{"a plugin finds private libraries of its own package, which its program loads by path",
			world(pack("a", lib("/opt/jdk/libawt.so", "libjvm.so"), lib("/opt/jdk/server/libjvm.so"))),
			[]string{"a"}},
		{"a static program needs nothing, a dynamic one without libraries its loader",
			world(pack("a", elf("/usr/bin/s", elftest.File{ELF: pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "exec", Static: true}}))),
			[]string{"a"}},
		{"a dynamic program without libraries needs its loader", world(pack("a", exe("/usr/bin/a"))), []string{"a", "glibc"}},
		{"firmware for another machine is no subject", world(pack("a", elf("/usr/lib/fw", elftest.Exec("riscv64", "libx.so")))), []string{"a"}},
		{"a directory link that the way needs comes along, and only that file of its package",
			[]*pkgindex.Index{filesystem(), pack("glibc", lib("/usr/lib64/ld-linux-x86-64.so.2")), pack("a", exe("/usr/bin/a"))},
			[]string{"a", "filesystem: /lib64", "glibc"}},
		{"the link to a library may be in another package, and so may its target's directory",
			world(pack("a", exe("/usr/bin/a", "libp.so")), pack("l", link("/usr/lib64/libp.so", "/lib64/priv/libp.so.1")), pack("p", lib2("/usr/lib64/priv/libp.so.1", "libp.so"))),
			[]string{"a", "filesystem: /lib64", "glibc", "l", "p"}},
	} {
		t.Run(test.summary, func(t *testing.T) { check(t, input(test.indexes, packages("//x:a", "a")), test.want...) })
	}
}

// TestLayouts: the default directories are those of the C library of the image.
func TestLayouts(t *testing.T) {
	debian := []*pkgindex.Index{
		pack("base-files", link("/lib", "usr/lib"), link("/lib64", "usr/lib64")),
		pack("libc6", lib("/usr/lib/x86_64-linux-gnu/libc.so.6", "ld-linux-x86-64.so.2"), lib("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
			link("/usr/lib64/ld-linux-x86-64.so.2", "../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
			text("/etc/ld.so.conf.d/x86_64-linux-gnu.conf", "/usr/local/lib/x86_64-linux-gnu\n")),
		pack("libp", lib("/usr/lib/x86_64-linux-gnu/libp.so", "libc.so.6")),
		pack("a", exe("/usr/bin/a", "libp.so")),
	}
	check(t, input(debian, packages("//x:a", "a")), "a", "base-files: /lib64", "libc6", "libp")

	arm := input([]*pkgindex.Index{
		filesystem(),
		pack("glibc", elf("/lib/ld-linux-aarch64.so.1", elftest.Lib("aarch64", "ld-linux-aarch64.so.1")),
			elf("/lib64/libc.so.6", elftest.Lib("aarch64", "libc.so.6", "ld-linux-aarch64.so.1"))),
		pack("p", elf("/usr/lib64/libp.so", elftest.Lib("aarch64", "libp.so", "libc.so.6", "ld-linux-aarch64.so.1"))),
		pack("a", elf("/usr/bin/a", elftest.Exec("aarch64", "libp.so"))),
	}, packages("//x:a", "a"))
	arm.Spec.Arch = "aarch64"
	check(t, arm, "a", "glibc", "p")

	musl := func(path string, f elftest.File) pkgindex.File {
		f.Interp = ""
		return elf(path, f)
	}
	prog := elftest.Exec("x86_64", "libp.so", "libc.musl-x86_64.so.1", "libpthread.so.0")
	prog.Interp = "/lib/ld-musl-x86_64.so.1"
	check(t, input([]*pkgindex.Index{
		pack("musl", musl("/lib/ld-musl-x86_64.so.1", elftest.Lib("x86_64", "libc.musl-x86_64.so.1"))),
		pack("p", lib("/usr/lib/libp.so", "libc.musl-x86_64.so.1")), pack("a", elf("/usr/bin/a", prog)),
	}, selection.Request{Label: "//x:a", Kind: "binary", Packages: []string{"a"}, Binaries: []string{"/usr/bin/a"}}),
		"a: /usr/bin/a", "musl", "p")
}

func TestRequests(t *testing.T) {
	app := world(pack("a", exe("/usr/bin/a", "libp.so")), pack("p", lib("/usr/lib64/libp.so", "libq.so")), pack("q", lib("/usr/lib64/libq.so")),
		pack("plugin", lib("/usr/lib64/plugin.so", "libr.so")), pack("r", lib("/usr/lib64/libr.so")))
	request := func(change func(*selection.Request)) selection.Request {
		q := packages("//x:a", "a")
		change(&q)
		return q
	}
	for _, test := range []struct {
		summary string
		request selection.Request
		want    []string
	}{
		{"deps none ships the packages alone", request(func(q *selection.Request) { q.Deps = "none" }), []string{"a"}},
		{"exclude leaves out the package and what only it needs", request(func(q *selection.Request) { q.Exclude = []string{"p"} }),
			[]string{"a", "glibc", "cut p for libp.so: excluded by //x:a; needed by a-1-1.x86_64:/usr/bin/a"}},
		{"provided is not shipped and not searched further", request(func(q *selection.Request) { q.Provided = []string{"q"} }),
			[]string{"a", "glibc", "p", "cut q for libq.so: assumed present by //x:a; needed by p-1-1.x86_64:/usr/lib64/libp.so"}},
		{"extra is added whole with its libraries", request(func(q *selection.Request) { q.Extra = []string{"plugin"} }),
			[]string{"a", "glibc", "p", "plugin", "q", "r"}},
	} {
		t.Run(test.summary, func(t *testing.T) { check(t, input(app, test.request), test.want...) })
	}
	t.Run("what one request excludes another may bring", func(t *testing.T) {
		check(t, input(app, request(func(q *selection.Request) { q.Exclude = []string{"p"} }), packages("//x:p", "p")), "a", "glibc", "p", "q")
	})
	t.Run("a provider that another request names is preferred", func(t *testing.T) {
		check(t, input(append(app, pack("p-alternative", lib("/usr/lib64/libp.so"))), packages("//x:a", "a"), packages("//x:p", "p-alternative")),
			"a", "glibc", "p-alternative")
	})
}

// TestShadow: a later request brings a library that comes first in the search of an earlier one.
func TestShadow(t *testing.T) {
	in := input(world(pack("a", runPath(exe("/usr/bin/a", "libp.so"), "/opt")), pack("p", lib("/usr/lib64/libp.so")),
		pack("z", lib("/opt/libp.so", "libq.so"), reg("/z")), pack("q", lib("/usr/lib64/libq.so"))))
	in.Spec.Requests = []selection.Request{packages("//x:a", "a"), {Label: "//x:z", Kind: "package", Packages: []string{"z"}, Deps: "none"}}
	check(t, in, "a", "glibc", "q", "z")
}

// TestDLOpen: what notes call required comes along; of the rest the user learns.
func TestDLOpen(t *testing.T) {
	notes := func(list ...pkgindex.DLOpen) pkgindex.File {
		return with(lib("/usr/lib64/libs.so"), func(e *pkgindex.ELF) { e.DLOpen = list })
	}
	one := func(priority string, names ...string) pkgindex.DLOpen {
		return pkgindex.DLOpen{Sonames: names, Priority: priority, Feature: "f"}
	}
	others := []*pkgindex.Index{pack("cand", lib("/usr/lib64/libcand.so")), pack("more", lib("/usr/lib64/libmore.so", "libcand.so"))}
	for _, test := range []struct {
		summary string
		s       *pkgindex.Index
		want    []string
	}{
		{"optional ones are listed", pack("s", notes(one("", "libin.so"), one("recommended", "libcand.so"), one("suggested", "libnone.so", "libnone2.so")), lib("/usr/lib64/libin.so")),
			[]string{"s", "cut  for libnone.so or libnone2.so: loaded on demand by s-1-1.x86_64:/usr/lib64/libs.so for f, suggested",
				"cut cand for libcand.so: loaded on demand by s-1-1.x86_64:/usr/lib64/libs.so for f, recommended"}},
		{"one alternative is enough", pack("s", notes(one("suggested", "libnone.so", "libin.so")), lib("/usr/lib64/libin.so")), []string{"s"}},
		{"required ones come along, with what they need", pack("s", notes(one("required", "libmore.so"))), []string{"cand", "more", "s"}},
		{"of alternatives what the image has is preferred", pack("s", notes(one("required", "libmore.so", "libin.so")), lib("/usr/lib64/libin.so")), []string{"s"}},
		{"required ones that nobody has are listed", pack("s", notes(one("required", "libnone.so"))),
			[]string{"s", "cut  for libnone.so: loaded on demand by s-1-1.x86_64:/usr/lib64/libs.so for f, required"}},
	} {
		t.Run(test.summary, func(t *testing.T) {
			check(t, input(world(append([]*pkgindex.Index{test.s}, others...)...), packages("//x:s", "s")), test.want...)
		})
	}
}

// TestLevels: a library for certain processors never comes in place of one for all, and what it needs is there when it is.
func TestLevels(t *testing.T) {
	a := pack("a", runPath(exe("/usr/bin/a", "libp.so"), "/opt/a"))
	fast := lib("/opt/a/glibc-hwcaps/x86-64-v3/libp.so", "libq.so")
	q := pack("q", lib("/opt/a/libq.so"))
	check(t, input(world(a, pack("p", lib("/opt/a/libp.so")), pack("fast", fast), q), packages("//x:a", "a")), "a", "glibc", "p")
	// libq.so is found as the program would find it: libp.so has no RUNPATH of its own.
	inherits := pack("a", rPath(exe("/usr/bin/a", "libp.so"), "/opt/a"))
	check(t, input(world(inherits, pack("p", lib("/opt/a/libp.so"), fast), q), packages("//x:a", "a")), "a", "glibc", "p", "q")
	fails(t, input(world(a, pack("fast", fast), q), packages("//x:a", "a")),
		"//x:image: resolving libp.so: needed by /usr/bin/a (a-1-1.x86_64), requested by //x:a: found at /opt/a/glibc-hwcaps/x86-64-v3/libp.so (fast-1-1.x86_64), but the loader searches only /opt/a, /lib64, /usr/lib64",
		"only processors of that level")
}

func TestMuslPath(t *testing.T) {
	musl := func(f pkgindex.File) pkgindex.File {
		return with(f, func(e *pkgindex.ELF) { e.Interp = "/lib/ld-musl-x86_64.so.1" })
	}
	all := []*pkgindex.Index{pack("a", musl(exe("/usr/bin/a", "libp.so", "libc.so"))), pack("musl", lib("/lib/ld-musl-x86_64.so.1")),
		pack("p", lib("/opt/m/libp.so"))}
	fails(t, input(all, packages("//x:a", "a")),
		"//x:image: resolving libp.so: needed by /usr/bin/a (a-1-1.x86_64), requested by //x:a: found at /opt/m/libp.so (p-1-1.x86_64), but the loader searches only /lib, /usr/local/lib, /usr/lib")
	conf := pack("conf", text("/etc/ld-musl-x86_64.path", "/usr/lib:/opt/m\n"), reg("/opt/other"))
	check(t, input(append(all, conf), packages("//x:a", "a")), "a", "conf: /etc/ld-musl-x86_64.path", "musl", "p")
}

func TestNoLDSOCache(t *testing.T) {
	in := input(world(pack("a", exe("/usr/bin/a", "libp.so")), pack("p", lib("/opt/p/libp.so"), text("/etc/ld.so.conf.d/p.conf", "/opt/p\n"))), packages("//x:a", "a"))
	check(t, in, "a", "glibc", "p")
	in.Spec.NoLDSOCache = true
	fails(t, in, "//x:image: resolving libp.so: needed by /usr/bin/a (a-1-1.x86_64), requested by //x:a: found at /opt/p/libp.so (p-1-1.x86_64), but the loader searches only /lib64, /usr/lib64",
		"ld_so_cache = True")
}

func TestScripts(t *testing.T) {
	tools := pack("tools", script("/usr/bin/ldd", "/bin/sh", ""), link("/usr/bin/lddlink", "ldd"), script("/usr/share/functions", "/bin/sh", ""),
		script("/usr/bin/py", "/usr/bin/env", "-S python3 -s"))
	tools.Files[2].Mode = 0o644
	shell := pack("bash", exe("/usr/bin/bash"), link("/usr/bin/sh", "bash"))
	env := pack("coreutils", exe("/usr/bin/env"))
	all := append(world(tools), shell, env)
	whole := func(scripts string, names ...string) *Input {
		in := input(all, packages("//x:a", names...))
		in.Spec.Requests[0].Scripts = scripts
		in.Graph.Executables = map[string]string{"/usr/bin/sh": "bash"}
		return in
	}
	check(t, whole("", "tools"), "tools")
	check(t, whole("drop", "tools"), "tools: /usr/share/functions",
		"cut tools for /bin/sh: script /usr/bin/ldd has no interpreter in the image",
		"cut tools for /usr/bin/env: script /usr/bin/py has no interpreter in the image")
	check(t, whole("drop", "tools", "bash", "filesystem", "coreutils"), "bash", "coreutils", "filesystem", "glibc",
		"tools: /usr/bin/ldd /usr/bin/lddlink /usr/share/functions",
		"cut tools for /usr/bin/python3: script /usr/bin/py has no interpreter in the image")
	fails(t, whole("error", "tools", "coreutils"), "//x:image: /usr/bin/ldd (tools-1-1.x86_64) is a script of /bin/sh, requested by //x:a: the image has no /bin/sh\n"+
		"//x:image: /usr/bin/py (tools-1-1.x86_64) is a script of /usr/bin/env -S python3 -s, requested by //x:a: the image has no /usr/bin/python3",
		`extra = ["@rel//bash"]`, "no package of the lock has it")
	fails(t, input(all, binary("//x:ldd", "tools", "/usr/bin/ldd")),
		"//x:image: /usr/bin/ldd (tools-1-1.x86_64) is a script of /bin/sh, requested by //x:ldd: the image has no /bin/sh", `extra = ["@rel//bash"]`)
}

func TestBase(t *testing.T) {
	app := pack("a", exe("/usr/bin/a", "libp.so", "libc.so.6"))
	p := pack("p", lib("/usr/lib64/libp.so"))
	in := input(world(app, p), packages("//x:a", "a"))
	in.Base = baseOf(filesystem(), glibc())
	check(t, in, "a", "p")

	in = input([]*pkgindex.Index{app, p}, packages("//x:a", "a"), packages("//x:libc", "glibc"))
	in.Base = baseOf(filesystem(), glibc())
	check(t, in, "a", "p")

	in = input([]*pkgindex.Index{app, pack("p-new", lib("/usr/lib64/libp.so"))}, packages("//x:a", "a"))
	in.Base = baseOf(filesystem(), glibc(), p)
	check(t, in, "a")

	newer := pack("glibc", lib("/lib64/libc.so.6"))
	newer.NEVRA = "glibc-2-1.x86_64"
	in = input([]*pkgindex.Index{app, p, newer}, packages("//x:libc", "glibc"))
	in.Base = baseOf(filesystem(), glibc())
	fails(t, in, "//x:libc: packages: the base ships glibc-1-1.x86_64, the target wants glibc-2-1.x86_64", "same lock")
}

func TestDeterminism(t *testing.T) {
	in := func(reverse bool) *Input {
		all := world(pack("a", exe("/usr/bin/a", "libp.so", "libq.so")), pack("p", lib("/usr/lib64/libp.so")), pack("p2", lib("/usr/lib64/libp.so")),
			pack("q", lib("/usr/lib64/libq.so")))
		if reverse {
			for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
				all[i], all[j] = all[j], all[i]
			}
		}
		return input(all, packages("//x:a", "a"))
	}
	for range 20 {
		check(t, in(false), "a", "glibc", "p", "q")
		check(t, in(true), "a", "glibc", "p", "q")
	}
}
