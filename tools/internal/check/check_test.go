package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

func file(path string, mode uint32) *rootfs.Entry {
	return &rootfs.Entry{Path: path, Type: pkgindex.TypeFile, Mode: mode, SizeBytes: 100, Owners: []string{"p-1-1.x86_64"}}
}

func text(path, contents string) *rootfs.Entry {
	e := file(path, 0o644)
	e.Text = contents
	return e
}

func dir(path string, mode uint32) *rootfs.Entry {
	e := file(path, mode)
	e.Type, e.SizeBytes = pkgindex.TypeDir, 0
	return e
}

func link(path, target string) *rootfs.Entry {
	e := file(path, 0o777)
	e.Type, e.Link = pkgindex.TypeSymlink, target
	return e
}

func elf(path string, f elftest.File) *rootfs.Entry {
	e := file(path, 0o755)
	e.ELF = &f.ELF
	return e
}

func script(path, interp, arg string) *rootfs.Entry {
	e := file(path, 0o755)
	e.Interp, e.InterpArg = interp, arg
	return e
}

func with(e *rootfs.Entry, change func(*rootfs.Entry)) *rootfs.Entry {
	change(e)
	return e
}

// good is a tree without findings: a merged /usr, a C library, accounts, a program.
func good(more ...*rootfs.Entry) *rootfs.Tree {
	libc := elftest.Lib("x86_64", "libc.so.6", "ld-linux-x86-64.so.2")
	libc.VerDef = []string{"GLIBC_2.2.5"}
	prog := elftest.Exec("x86_64", "libc.so.6")
	prog.VerNeed = []pkgindex.VersionNeed{{Soname: "libc.so.6", Versions: []string{"GLIBC_2.2.5"}}}
	entries := append([]*rootfs.Entry{
		dir("/etc", 0o755), dir("/usr", 0o755), dir("/usr/bin", 0o755), dir("/usr/lib64", 0o755), dir("/tmp", 0o1777),
		link("/bin", "usr/bin"), link("/lib64", "usr/lib64"), link("/etc/mtab", "../proc/self/mounts"),
		elf("/usr/lib64/ld-linux-x86-64.so.2", elftest.Lib("x86_64", "ld-linux-x86-64.so.2")), elf("/usr/lib64/libc.so.6", libc),
		elf("/usr/bin/prog", prog),
		text("/etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n"),
		text("/etc/group", "root:x:0:\nnonroot:x:65532:\n"),
	}, more...)
	rootfs.SortEntries(entries)
	return &rootfs.Tree{Schema: rootfs.Schema, Label: "//x:rootfs", Arch: "x86_64", Layers: 1, Entries: entries}
}

func lines(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.String())
	}
	return out
}

func TestGood(t *testing.T) {
	if got := lines(Check(&Spec{}, good())); len(got) != 0 {
		t.Errorf("findings on a good tree: %q", got)
	}
}

// TestCodes has a tree for every code that triggers exactly that finding.
func TestCodes(t *testing.T) {
	caps := func(e *rootfs.Entry) { e.Caps = "cap_net_raw=ep" }
	needs := func(name, version string) elftest.File {
		f := elftest.Exec("x86_64", name)
		if version != "" {
			f.VerNeed = []pkgindex.VersionNeed{{Soname: name, Versions: []string{version}}}
		}
		return f
	}
	covered := map[string]bool{}
	for _, test := range []struct {
		summary string
		entries []*rootfs.Entry
		spec    Spec
		want    string
	}{
		{"a library that is nowhere", []*rootfs.Entry{elf("/usr/bin/x", needs("libx.so.1", ""))}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, which is in none of /lib64, /usr/lib64"},
		{"a library where the loader does not look", []*rootfs.Entry{elf("/usr/bin/x", needs("libx.so.1", "")), dir("/opt", 0o755),
			elf("/opt/libx.so.1", elftest.Lib("x86_64", "libx.so.1"))}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, which is in none of /lib64, /usr/lib64"},
		{"a library of a library", []*rootfs.Entry{elf("/usr/bin/x", needs("liby.so", "")), elf("/usr/lib64/liby.so", elftest.Lib("x86_64", "liby.so", "libz.so"))}, Spec{},
			"missing-soname /usr/lib64/liby.so: needs libz.so (in /usr/bin/x), which is in none of /lib64, /usr/lib64"},
		{"ld.so.conf without ld.so.cache", []*rootfs.Entry{elf("/usr/bin/x", needs("libx.so.1", "")), dir("/opt", 0o755),
			elf("/opt/libx.so.1", elftest.Lib("x86_64", "libx.so.1")), text("/etc/ld.so.conf", "/opt\n")}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, which is in none of /lib64, /usr/lib64"},
		{"a symbol version", []*rootfs.Entry{elf("/usr/bin/x", needs("libc.so.6", "GLIBC_2.99"))}, Spec{},
			"missing-version /usr/bin/x: needs version GLIBC_2.99 of libc.so.6, which /usr/lib64/libc.so.6 does not define"},
		{"the loader itself", []*rootfs.Entry{elf("/usr/bin/x", elftest.File{ELF: pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn", Interp: "/lib/ld.so.9"}})}, Spec{},
			"missing-interpreter /usr/bin/x: loader /lib/ld.so.9 does not exist"},
		{"a script without its interpreter", []*rootfs.Entry{script("/usr/bin/ldd", "/bin/sh", "")}, Spec{},
			"missing-interpreter /usr/bin/ldd: script of /bin/sh, which does not exist"},
		{"a script of env without its program", []*rootfs.Entry{script("/usr/bin/y", "/usr/bin/env", "python3"), file("/usr/bin/env", 0o755)}, Spec{},
			"missing-interpreter /usr/bin/y: script of python3, which is in no directory of programs"},
		{"a link to nothing", []*rootfs.Entry{link("/etc/localtime", "../usr/share/zoneinfo/UTC")}, Spec{},
			"dangling-symlink /etc/localtime: -> ../usr/share/zoneinfo/UTC: /usr/share/zoneinfo/UTC does not exist"},
		{"links in a circle", []*rootfs.Entry{link("/etc/a", "a")}, Spec{}, "dangling-symlink /etc/a: -> a goes in circles"},
		{"a link out of the root", []*rootfs.Entry{link("/etc/a", "../../etc/passwd")}, Spec{},
			"escaping-symlink /etc/a: -> ../../etc/passwd leads out of the root"},
		{"a shell", []*rootfs.Entry{file("/usr/bin/bash", 0o755)}, Spec{}, "shell /usr/bin/bash: is a shell"},
		{"a link that makes a shell of something", []*rootfs.Entry{file("/usr/bin/multicall", 0o755), link("/usr/bin/sh", "multicall")}, Spec{},
			"shell /usr/bin/sh: is a shell"},
		{"setuid", []*rootfs.Entry{file("/usr/bin/mount", 0o4755)}, Spec{}, "setuid /usr/bin/mount: mode 4755, owner 0"},
		{"setgid", []*rootfs.Entry{file("/usr/bin/wall", 0o2755)}, Spec{}, "setgid /usr/bin/wall: mode 2755, group 0"},
		{"capabilities", []*rootfs.Entry{with(file("/usr/bin/ping", 0o755), caps)}, Spec{}, "capabilities /usr/bin/ping: cap_net_raw=ep"},
		{"a file for everyone", []*rootfs.Entry{file("/etc/x", 0o666)}, Spec{}, "world-writable /etc/x: mode 0666 lets everyone write"},
		{"a directory for everyone without the sticky bit", []*rootfs.Entry{dir("/opt", 0o777)}, Spec{}, "world-writable /opt: mode 0777 lets everyone write"},
		{"a device", []*rootfs.Entry{with(file("/etc/null", 0o600), func(e *rootfs.Entry) { e.Type, e.RdevMajor, e.RdevMinor = "char", 1, 3 })}, Spec{},
			"device-node /etc/null: char device 1:3"},
		{"an owner without an account", []*rootfs.Entry{with(file("/etc/x", 0o644), func(e *rootfs.Entry) { e.UID = 999 })}, Spec{},
			"owner-unknown /etc/x: user 999 is not in /etc/passwd"},
		{"a group without an account", []*rootfs.Entry{with(file("/etc/x", 0o644), func(e *rootfs.Entry) { e.GID = 999 })}, Spec{},
			"owner-unknown /etc/x: group 999 is not in /etc/group"},
		{"a shadow file of other accounts", []*rootfs.Entry{text("/etc/shadow", "root:*::0:99999:7:::\nbin:*::::::\nnonroot:!::::::\n")}, Spec{},
			"passwd-shadow-mismatch /etc/shadow: has bin, which /etc/passwd lacks"},
		{"a shadow file that lacks one", []*rootfs.Entry{text("/etc/gshadow", "root:::\n")}, Spec{},
			"passwd-shadow-mismatch /etc/gshadow: lacks nonroot of /etc/group"},
		{"configuration set aside", []*rootfs.Entry{file("/etc/login.defs.rpmnew", 0o644)}, Spec{},
			"rpmnew-leftover /etc/login.defs.rpmnew: configuration that was set aside"},
		{"a backup", []*rootfs.Entry{file("/etc/passwd-", 0o600)}, Spec{}, "leftover /etc/passwd-: backup"},
		{"a cache", []*rootfs.Entry{file("/var/cache/ldconfig/aux-cache", 0o600)}, Spec{},
			"leftover /var/cache/ldconfig/aux-cache: cache that depends on inodes and times"},
		{"a write-ahead log", []*rootfs.Entry{file("/var/lib/rpm/rpmdb.sqlite-wal", 0o644)}, Spec{}, "leftover /var/lib/rpm/rpmdb.sqlite-wal: write-ahead log"},
		{"a regular file in /dev", []*rootfs.Entry{file("/dev/null", 0o644)}, Spec{}, "leftover /dev/null: file in /dev, which is mounted over"},
		{"the user of the image", nil, Spec{User: "nginx"}, "user-unknown /etc/passwd: the image runs as nginx: nginx is not there"},
		{"the group of the image", nil, Spec{User: "65532:staff"}, "user-unknown /etc/group: the image runs as 65532:staff: staff is not there"},
		{"too large", []*rootfs.Entry{file("/etc/x", 0o644)}, Spec{SizeBudget: 599}, "size-budget /: files have 600 bytes, the budget is 599"},
		{"an allowance for nothing", nil, Spec{Allow: map[string]string{"setuid:/usr/bin/mount": "why"}},
			"unused-allow /usr/bin/mount: nothing to allow for setuid:/usr/bin/mount; remove it"},
	} {
		t.Run(test.summary, func(t *testing.T) {
			got := lines(Check(&test.spec, good(test.entries...)))
			if !slices.Equal(got, []string{test.want}) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), test.want)
			}
		})
		code, _, _ := strings.Cut(test.want, " ")
		covered[code] = true
	}
	t.Run("an account without its group", func(t *testing.T) {
		tree := good()
		for _, e := range tree.Entries {
			if e.Path == "/etc/passwd" {
				e.Text += "x:x:7:8::/:/bin/false\n"
			}
		}
		if got, want := lines(Check(&Spec{}, tree)), "passwd-group-mismatch /etc/passwd: group 8 of user x is not in /etc/group"; !slices.Equal(got, []string{want}) {
			t.Errorf("got %q, want %q", got, want)
		}
		covered[PasswdGroupMismatch] = true
	})
	for _, code := range Codes {
		if !covered[code] {
			t.Errorf("no tree triggers %s", code)
		}
	}
}

// TestNoFinding has trees that look suspicious and are right.
func TestNoFinding(t *testing.T) {
	private := elftest.Exec("x86_64", "libx.so")
	private.RunPath = []string{"$ORIGIN/../lib64/private"}
	for _, test := range []struct {
		summary string
		entries []*rootfs.Entry
		spec    Spec
	}{
		{"a private library with RUNPATH", []*rootfs.Entry{elf("/usr/bin/x", private), elf("/usr/lib64/private/libx.so", elftest.Lib("x86_64", "libx.so"))}, Spec{}},
		{"a library of ld.so.conf, with the cache", []*rootfs.Entry{elf("/usr/bin/x", elftest.Exec("x86_64", "libx.so")), file("/etc/ld.so.cache", 0o644),
			elf("/opt/libx.so", elftest.Lib("x86_64", "libx.so")), text("/etc/ld.so.conf", "include ld.so.conf.d/*.conf"), text("/etc/ld.so.conf.d/x.conf", "/opt\n")}, Spec{}},
		{"firmware", []*rootfs.Entry{elf("/usr/lib/fw", elftest.Exec("riscv64", "libnone.so"))}, Spec{}},
		{"a script that nobody can execute", []*rootfs.Entry{with(script("/usr/share/x.sh", "/bin/sh", ""), func(e *rootfs.Entry) { e.Mode = 0o644 })}, Spec{}},
		{"a declared shell with its scripts", []*rootfs.Entry{file("/usr/bin/sh", 0o755), script("/usr/bin/x", "/bin/sh", "")}, Spec{Shell: true}},
		{"a file that is named like a shell elsewhere", []*rootfs.Entry{file("/usr/share/bash-completion/completions/sh", 0o755)}, Spec{}},
		{"setgid directory", []*rootfs.Entry{dir("/var/local", 0o2775)}, Spec{}},
		{"a link into /proc", []*rootfs.Entry{link("/etc/fds", "/proc/self/fd")}, Spec{}},
		{"a user by number", nil, Spec{User: "1000:1000"}},
		{"a user by name", nil, Spec{User: "nonroot:nonroot"}},
		{"a budget that is met", nil, Spec{SizeBudget: 500}},
	} {
		t.Run(test.summary, func(t *testing.T) {
			if got := lines(Check(&test.spec, good(test.entries...))); len(got) != 0 {
				t.Errorf("findings: %q", got)
			}
		})
	}
}

func TestAllow(t *testing.T) {
	tree := good(file("/usr/bin/mount", 0o4755), file("/usr/bin/su", 0o4755), file("/usr/lib/x/helper", 0o4755))
	spec := &Spec{Allow: map[string]string{"setuid:/usr/bin/m*": "mounts as a user", "setuid:/usr/**/helper": "needed"}}
	got := Check(spec, tree)
	want := []string{"allowed: setuid /usr/bin/mount: mode 4755, owner 0 (mounts as a user)", "setuid /usr/bin/su: mode 4755, owner 0",
		"allowed: setuid /usr/lib/x/helper: mode 4755, owner 0 (needed)"}
	if !slices.Equal(lines(got), want) {
		t.Errorf("got %q, want %q", lines(got), want)
	}
	if refused := lines(Refused(got)); !slices.Equal(refused, want[1:2]) {
		t.Errorf("refused %q, want %q", refused, want[1:2])
	}
}

func TestReadSpec(t *testing.T) {
	for _, test := range []struct{ summary, text, want string }{
		{"good", `{"schema":1,"label":"//x","allow":{"setuid:/usr/**":"why"},"shell":true,"user":"0","size_budget":5}`, ""},
		{"unknown field", `{"schema":1,"label":"//x","alow":{}}`, `reading spec s: json: unknown field "alow"`},
		{"wrong schema", `{"schema":2,"label":"//x"}`, "reading spec s: schema 2, this tool reads 1"},
		{"no label", `{"schema":1}`, "reading spec s: label must be set"},
		{"text behind the end", `{"schema":1,"label":"//x"}{}`, "reading spec s: more than one value"},
		{"misspelled code", `{"schema":1,"label":"//x","allow":{"setuuid:/x":"y"}}`, `reading spec s: allow "setuuid:/x": unknown code "setuuid"`},
		{"no code", `{"schema":1,"label":"//x","allow":{"/x":"y"}}`, `reading spec s: allow "/x": no colon`},
		{"no reason", `{"schema":1,"label":"//x","allow":{"setuid:/x":" "}}`, `reading spec s: allow "setuid:/x": has no reason`},
		{"relative path", `{"schema":1,"label":"//x","allow":{"setuid:x":"y"}}`,
			`reading spec s: allow "setuid:x": the path must be absolute, with at most 64 components`},
		{"bad glob", `{"schema":1,"label":"//x","allow":{"setuid:/[":"y"}}`, `reading spec s: allow "setuid:/[": syntax error in pattern`},
		{"allowances cannot be allowed", `{"schema":1,"label":"//x","allow":{"unused-allow:/x":"y"}}`,
			`reading spec s: allow "unused-allow:/x": unknown code "unused-allow"`},
		{"negative budget", `{"schema":1,"label":"//x","size_budget":-1}`, "reading spec s: size_budget -1: must not be negative"},
	} {
		t.Run(test.summary, func(t *testing.T) {
			_, err := ReadSpec(strings.NewReader(test.text), "s")
			if got := errText(err); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzCheck: account files, links and needs of any shape give findings, never a panic.
func FuzzCheck(f *testing.F) {
	f.Add("root:x:0:0::/:/\n", "root:x:0:\n", "/a", "b", "libx.so", "setuid:/**/x")
	f.Add("::::::::\nx\n", "#", "/etc/passwd", "../..", "", "shell:/")
	f.Fuzz(func(t *testing.T, passwd, group, at, target, needed, allow string) {
		if rootfs.CheckPath(at) != nil || at == "/" {
			return
		}
		tree := &rootfs.Tree{Arch: "x86_64", Entries: []*rootfs.Entry{text("/etc/passwd", passwd), text("/etc/group", group), text("/etc/shadow", passwd),
			link(at+"l", target), elf(at+"e", elftest.Exec("x86_64", needed))}}
		rootfs.SortEntries(tree.Entries)
		spec := &Spec{Schema: Schema, Label: "x", Allow: map[string]string{allow: "why"}}
		if spec.check() != nil {
			return
		}
		got := Check(spec, tree)
		if !slices.IsSortedFunc(got, compare) {
			t.Fatal("not sorted")
		}
	})
}
