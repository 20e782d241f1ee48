package check

import (
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

// example is a tree with exactly one finding.
type example struct {
	summary string
	entries []*rootfs.Entry
	spec    Spec
	want    string
}

// examples has one or more trees for every code; the first of a code stands in rules/docs/checks.md.
func examples() []example {
	all := slices.Concat(libraryExamples(), linkExamples(), modeExamples(), shellExamples(), accountExamples(), leftoverExamples(), configExamples())
	for i := range all {
		path := strings.TrimSuffix(strings.Fields(all[i].want)[1], ":")
		isThere := slices.ContainsFunc(good(all[i].entries...).Entries, func(e *rootfs.Entry) bool { return e.Path == path })
		if isThere && !strings.HasPrefix(all[i].want, UnusedAllow) && !strings.HasSuffix(all[i].want, "]") {
			all[i].want += " [p-1-1.x86_64]"
		}
	}
	return all
}

func needs(name, version string) elftest.File {
	f := elftest.Exec("x86_64", name)
	if version != "" {
		f.VerNeed = []pkgindex.VersionNeed{{Soname: name, Versions: []string{version}}}
	}
	return f
}

func sized(e *rootfs.Entry, size int64) *rootfs.Entry {
	e.SizeBytes = size
	return e
}

func owned(e *rootfs.Entry, uid, gid int) *rootfs.Entry {
	e.UID, e.GID = uid, gid
	return e
}

func libraryExamples() []example {
	const nowhere = "which is in none of /lib64, /usr/lib64"
	i386, loader32 := elftest.Exec("i386", "libx.so.1"), elftest.Lib("i386", "ld-linux.so.2")
	i386.Class, i386.Interp, loader32.Class = 32, "/lib/ld-linux.so.2", 32
	noLoader := elftest.File{ELF: pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "dyn", Interp: "/lib/ld.so.9"}}
	libx := elftest.Lib("x86_64", "libx.so.1")
	arm := elftest.Lib("aarch64", "libx.so.1")
	return []example{
		{"a library that is nowhere", []*rootfs.Entry{elf("/usr/bin/x", needs("libx.so.1", ""))}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, " + nowhere},
		{"a library where the loader does not look", []*rootfs.Entry{elf("/usr/bin/x", needs("libx.so.1", "")), elf("/opt/libx.so.1", libx)}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, " + nowhere + "; the image has /opt/libx.so.1"},
		{"a library for another machine", []*rootfs.Entry{elf("/usr/bin/x", needs("libx.so.1", "")), elf("/usr/lib64/libx.so.1", arm)}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, " + nowhere + "; the image has /usr/lib64/libx.so.1, for aarch64 with 64 bits"},
		{"a library of a library", []*rootfs.Entry{elf("/usr/bin/x", needs("liby.so", "")), elf("/usr/lib64/liby.so", elftest.Lib("x86_64", "liby.so", "libz.so"))}, Spec{},
			"missing-soname /usr/lib64/liby.so: needs libz.so (in /usr/bin/x), " + nowhere},
		{"a library of a plugin", []*rootfs.Entry{elf("/usr/lib64/p/plugin.so", elftest.Lib("x86_64", "", "libz.so"))}, Spec{},
			"missing-soname /usr/lib64/p/plugin.so: needs libz.so, " + nowhere},
		{"ld.so.conf without ld.so.cache", []*rootfs.Entry{elf("/usr/bin/x", needs("libx.so.1", "")), elf("/opt/libx.so.1", libx), text("/etc/ld.so.conf", "/opt\n")}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, " + nowhere + "; the image has /opt/libx.so.1"},
		{"a library of a program for 32 bits", []*rootfs.Entry{elf("/usr/bin/x", i386), elf("/lib/ld-linux.so.2", loader32)}, Spec{},
			"missing-soname /usr/bin/x: needs libx.so.1, which is in none of /lib, /usr/lib"},
		{"a symbol version", []*rootfs.Entry{elf("/usr/bin/x", needs("libc.so.6", "GLIBC_2.99"))}, Spec{},
			"missing-version /usr/bin/x: needs version GLIBC_2.99 of libc.so.6, which /usr/lib64/libc.so.6 does not define"},
		{"a script without its interpreter", []*rootfs.Entry{script("/usr/bin/ldd", "/bin/sh", "")}, Spec{},
			"missing-interpreter /usr/bin/ldd: script of /bin/sh, which does not exist"},
		{"the loader itself", []*rootfs.Entry{elf("/usr/bin/x", noLoader)}, Spec{}, "missing-interpreter /usr/bin/x: loader /lib/ld.so.9 does not exist"},
		{"a script of env without its program", []*rootfs.Entry{script("/usr/bin/y", "/usr/bin/env", "python3"), file("/usr/bin/env", 0o755)}, Spec{},
			"missing-interpreter /usr/bin/y: script of python3, which is in no directory of programs"},
		{"a program for another machine", []*rootfs.Entry{elf("/usr/bin/x", elftest.Exec("aarch64", "libz.so"))}, Spec{},
			"wrong-machine /usr/bin/x: is for aarch64, the image is for x86_64"},
	}
}

func linkExamples() []example {
	return []example{
		{"a link to nothing", []*rootfs.Entry{link("/etc/localtime", "../usr/share/zoneinfo/UTC")}, Spec{},
			"dangling-symlink /etc/localtime: -> ../usr/share/zoneinfo/UTC: /usr/share does not exist"},
		{"a link in a circle", []*rootfs.Entry{link("/etc/a", "a")}, Spec{}, "dangling-symlink /etc/a: -> a goes in circles"},
		{"a link through a file", []*rootfs.Entry{link("/etc/a", "passwd/x")}, Spec{}, "dangling-symlink /etc/a: -> passwd/x: /etc/passwd is no directory"},
		{"a link to a file as a directory", []*rootfs.Entry{link("/etc/a", "passwd/")}, Spec{}, "dangling-symlink /etc/a: -> passwd/: /etc/passwd is no directory"},
		{"a link through nothing", []*rootfs.Entry{link("/etc/a", "none/../passwd")}, Spec{}, "dangling-symlink /etc/a: -> none/../passwd: /etc/none does not exist"},
		{"a link to a directory that is not there", []*rootfs.Entry{link("/run", "/var/run/")}, Spec{}, "dangling-symlink /run: -> /var/run/: /var does not exist"},
		{"a link out of the root", []*rootfs.Entry{link("/etc/a", "../../etc/passwd")}, Spec{}, "escaping-symlink /etc/a: -> ../../etc/passwd leads out of the root"},
		{"a link out of the root through another one", []*rootfs.Entry{link("/usr/lib64/a", "../../bin/../../../etc/passwd")}, Spec{},
			"escaping-symlink /usr/lib64/a: -> ../../bin/../../../etc/passwd leads out of the root"},
	}
}

func modeExamples() []example {
	null := with(file("/etc/null", 0o600), func(e *rootfs.Entry) { e.Type, e.RdevMajor, e.RdevMinor = "char", 1, 3 })
	devNull := with(file("/dev/null", 0o600), func(e *rootfs.Entry) { e.Type, e.RdevMajor, e.RdevMinor = "char", 1, 3 })
	return []example{
		{"setuid", []*rootfs.Entry{file("/usr/bin/mount", 0o4755)}, Spec{}, "setuid /usr/bin/mount: mode 4755, owner 0"},
		{"setgid", []*rootfs.Entry{file("/usr/bin/wall", 0o2755)}, Spec{}, "setgid /usr/bin/wall: mode 2755, group 0"},
		{"capabilities", []*rootfs.Entry{with(file("/usr/bin/ping", 0o755), func(e *rootfs.Entry) { e.Caps = "cap_net_raw=ep" })}, Spec{},
			"capabilities /usr/bin/ping: cap_net_raw=ep"},
		{"capabilities as attribute", []*rootfs.Entry{with(file("/usr/bin/ping", 0o755), func(e *rootfs.Entry) { e.Xattrs = map[string][]byte{"security.capability": {1}} })},
			Spec{}, "capabilities /usr/bin/ping: has security.capability"},
		{"a file for everyone", []*rootfs.Entry{file("/etc/x", 0o666)}, Spec{}, "world-writable /etc/x: mode 0666 lets everyone write"},
		{"a directory for everyone without the sticky bit", []*rootfs.Entry{dir("/opt", 0o777)}, Spec{}, "world-writable /opt: mode 0777 lets everyone write"},
		{"a device", []*rootfs.Entry{null}, Spec{}, "device-node /etc/null: char device 1:3"},
		{"a device in /dev", []*rootfs.Entry{devNull}, Spec{}, "device-node /dev/null: char device 1:3"},
		{"too large", []*rootfs.Entry{file("/etc/x", 0o644)}, Spec{SizeBudget: 599}, "size-budget /: files have 600 bytes, 1 more than the budget of 599"},
		{"an allowance for nothing", nil, Spec{Allow: map[string]string{"setuid:/usr/bin/mount": "users mount"}},
			"unused-allow /usr/bin/mount: nothing to allow for setuid: the image has no such path; remove it"},
		{"an allowance for what is right", nil, Spec{Allow: map[string]string{"setuid:/usr/bin/prog": "users mount"}},
			"unused-allow /usr/bin/prog: nothing to allow for setuid: the image has /usr/bin/prog, which does not need it; remove it"},
		{"a file that lost", []*rootfs.Entry{with(file("/usr/bin/x", 0o755), func(e *rootfs.Entry) { e.Overwrites = []string{"p-1-1.i686"} })}, Spec{},
			"overwritten-file /usr/bin/x: stands here instead of the file of p-1-1.i686 [p-1-1.x86_64]"},
	}
}

func shellExamples() []example {
	static := elftest.File{ELF: pkgindex.ELF{Class: 64, Machine: "x86_64", Type: "exec"}}
	out := []example{
		{"a shell", []*rootfs.Entry{file("/usr/bin/bash", 0o755)}, Spec{}, "shell /usr/bin/bash: is a shell"},
		{"a link that makes a shell of something", []*rootfs.Entry{file("/usr/bin/multicall", 0o755), link("/usr/bin/sh", "multicall")}, Spec{},
			"shell /usr/bin/sh: is a shell: a link to /usr/bin/multicall"},
		{"a hard link", []*rootfs.Entry{file("/usr/bin/multicall", 0o755), with(file("/usr/bin/sh", 0o755), func(e *rootfs.Entry) { e.HardLink = "/usr/bin/multicall" })},
			Spec{}, "shell /usr/bin/sh: is a shell"},
		{"a shell elsewhere", []*rootfs.Entry{elf("/busybox/sh", static)}, Spec{}, "shell /busybox/sh: is a shell"},
	}
	for _, name := range []string{"sh", "dash", "zsh-5.8", "ksh93", "busybox.static", "rbash", "ash", "fish"} {
		out = append(out, example{"the shell " + name, []*rootfs.Entry{file("/usr/bin/"+name, 0o755)}, Spec{}, "shell /usr/bin/" + name + ": is a shell"})
	}
	return out
}

func accountExamples() []example {
	shadow := func(lines string) []*rootfs.Entry { return []*rootfs.Entry{text("/etc/shadow", lines)} }
	return []example{
		{"an owner without an account", []*rootfs.Entry{owned(file("/etc/x", 0o644), 999, 0)}, Spec{}, "owner-unknown /etc/x: user 999 is not in /etc/passwd"},
		{"a group without an account", []*rootfs.Entry{owned(file("/etc/x", 0o644), 0, 999)}, Spec{}, "owner-unknown /etc/x: group 999 is not in /etc/group"},
		{"accounts that are too many", []*rootfs.Entry{sized(text("/etc/passwd", ""), 1<<20)}, Spec{},
			"owner-unknown /etc/passwd: has 1048576 bytes; up to 65536 are read, so owners cannot be checked"},
		{"an account without its group", []*rootfs.Entry{text("/etc/passwd", passwd+"x:x:7:8::/:/bin/false\n")}, Spec{},
			"passwd-group-mismatch /etc/passwd: group 8 of user x is not in /etc/group"},
		{"a member without account", []*rootfs.Entry{text("/etc/group", group+"g:x:7:nonroot,tom\n")}, Spec{},
			"passwd-group-mismatch /etc/group: member tom of group g is not in /etc/passwd"},
		{"an account twice", []*rootfs.Entry{text("/etc/passwd", passwd+"nonroot:x:7:0::/:\n")}, Spec{}, "passwd-group-mismatch /etc/passwd: has nonroot twice"},
		{"a line that is cut off", []*rootfs.Entry{text("/etc/passwd", passwd+"x:x:7\n")}, Spec{}, `passwd-group-mismatch /etc/passwd: line "x:x:7" has 3 fields, want 7`},
		{"a number that is none", []*rootfs.Entry{text("/etc/group", group+"x:x:-7:\n")}, Spec{}, "passwd-group-mismatch /etc/group: line of x has no number"},
		{"a second root", []*rootfs.Entry{text("/etc/passwd", passwd+"toor:x:0:0::/:\n")}, Spec{}, "extra-root /etc/passwd: toor has user number 0"},
		{"a shadow file of other accounts", shadow("root:*::0:99999:7:::\nbin:*::::::\nnonroot:!::::::\n"), Spec{},
			"passwd-shadow-mismatch /etc/shadow: has bin, which /etc/passwd lacks"},
		{"a shadow file that lacks one", []*rootfs.Entry{text("/etc/gshadow", "root:::\n")}, Spec{}, "passwd-shadow-mismatch /etc/gshadow: lacks nonroot of /etc/group"},
		{"a shadow file that has one twice", []*rootfs.Entry{text("/etc/gshadow", "root:::\nnonroot:::\nnonroot:::\n")}, Spec{},
			"passwd-shadow-mismatch /etc/gshadow: has nonroot twice"},
		{"an empty password", shadow("root::::::::\nnonroot:!::::::\n"), Spec{}, "password /etc/shadow: root has an empty password"},
		{"the hash of a password", shadow("root:$6$salt$hash:::::::\nnonroot:!::::::\n"), Spec{}, "password /etc/shadow: root has the hash of a password"},
		{"an empty password in passwd", []*rootfs.Entry{text("/etc/passwd", passwd+"x::7:0::/:\n")}, Spec{}, "password /etc/passwd: x has an empty password"},
	}
}

func leftoverExamples() []example {
	out := []example{
		{"configuration set aside", []*rootfs.Entry{file("/etc/login.defs.rpmnew", 0o644)}, Spec{},
			"rpmnew-leftover /etc/login.defs.rpmnew: configuration that was set aside"},
		{"a journal beside its database", []*rootfs.Entry{file("/opt/x", 0o644), file("/opt/x-journal", 0o644)}, Spec{}, "leftover /opt/x-journal: rollback journal"},
		{"a regular file in /dev", []*rootfs.Entry{file("/dev/null", 0o644)}, Spec{}, "leftover /dev/null: file in /dev, which is mounted over"},
		{"the identity of a machine", []*rootfs.Entry{sized(file("/etc/machine-id", 0o444), 33)}, Spec{}, "leftover /etc/machine-id: identity of one machine"},
	}
	for path, what := range map[string]string{
		"/etc/passwd-": "backup", "/etc/.pwd.lock": "lock of the account files", "/var/cache/ldconfig/aux-cache": "cache that depends on inodes and times",
		"/var/lib/rpm/rpmdb.sqlite-wal": "write-ahead log", "/usr/lib/sysimage/rpm/rpmdb.sqlite-shm": "shared memory of a write-ahead log",
		"/var/lib/rpm/__db.001": "shared memory of the package database", "/var/lib/rpm/.rpm.lock": "lock of the package database",
		"/var/lib/rpm/.dbenv.lock": "lock of the package database", "/var/cache/dnf/x/repodata/a": "cache of a package manager",
		"/var/cache/yum/a": "cache of a package manager", "/var/lib/dnf/history.sqlite": "state of a package manager", "/var/log/dnf.log": "log",
		"/tmp/x": "temporary file", "/core.123": "core dump", "/qemu_ldd_1.core": "core dump", "/root/.bash_history": "history of a shell",
		"/etc/ssh/ssh_host_rsa_key": "host key, which every container would share",
	} {
		out = append(out, example{path, []*rootfs.Entry{file(path, 0o600)}, Spec{}, "leftover " + path + ": " + what})
	}
	slices.SortFunc(out[4:], func(a, b example) int { return strings.Compare(a.summary, b.summary) })
	return out
}

func configExamples() []example {
	user := func(summary, user, want string) example { return example{summary, nil, Spec{User: user}, want} }
	run := func(summary, want string, spec Spec, entries ...*rootfs.Entry) example {
		return example{summary, entries, spec, "entrypoint " + want}
	}
	arm := elftest.File{ELF: pkgindex.ELF{Class: 64, Machine: "aarch64", Type: "exec"}}
	return []example{
		user("the user of the image", "nginx", "user-unknown /etc/passwd: the image runs as nginx: nginx is not there"),
		user("the group of the image", "65532:staff", "user-unknown /etc/group: the image runs as 65532:staff: staff is not there"),
		user("a user that is a group", "nginx:nonroot", "user-unknown /etc/passwd: the image runs as nginx:nonroot: nginx is not there"),
		user("no user before the colon", ":0", "user-unknown /etc/passwd: the image runs as :0: the form is user or user:group, as names or numbers"),
		user("a number that is too large", "4294967296", "user-unknown /etc/passwd: the image runs as 4294967296: 4294967296 is not between 0 and 2147483647"),
		user("a negative group", "0:-1", "user-unknown /etc/group: the image runs as 0:-1: -1 is not between 0 and 2147483647"),
		run("a program that is not there", `/usr/sbin/nginx: the image runs "/usr/sbin/nginx": /usr/sbin does not exist; the image has /opt/nginx`,
			Spec{Entrypoint: []string{"/usr/sbin/nginx"}}, file("/opt/nginx", 0o755)),
		run("a name in no directory", `/: the image runs "x", which is in none of /usr/local/bin, /usr/bin`, Spec{Cmd: []string{"x"}, Path: "/usr/local/bin:/usr/bin"}),
		run("a file that is not executable", `/usr/bin/x: the image runs "/usr/bin/x": /usr/bin/x is not executable by user 0 (mode 0644, owner 0:0)`,
			Spec{Entrypoint: []string{"/usr/bin/x"}}, file("/usr/bin/x", 0o644)),
		run("a program of another user", `/usr/bin/x: the image runs "x": /usr/bin/x is not executable by user 65532 (mode 0700, owner 0:0)`,
			Spec{Cmd: []string{"x"}, User: "nonroot"}, file("/usr/bin/x", 0o700)),
		run("a closed directory", `/opt/x: the image runs "/opt/x": /opt is closed to user 7 (mode 0700, owner 0:0)`,
			Spec{Cmd: []string{"/opt/x"}, User: "7:8"}, dir("/opt", 0o700), file("/opt/x", 0o755)),
		run("a directory", `/usr/bin: the image runs "/usr/bin": /usr/bin is no file`, Spec{Cmd: []string{"/usr/bin"}}),
		run("another machine", `/opt/x: the image runs "/opt/x": /opt/x is a program for aarch64, the image is for x86_64`, Spec{Cmd: []string{"/opt/x"}}, dir("/opt", 0o755), elf("/opt/x", arm)),
	}
}
