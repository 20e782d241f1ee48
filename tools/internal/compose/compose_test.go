package compose

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/cli"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/elftest"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pathglob"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rpmtest"
)

func TestPackagesLandInMergedUsr(t *testing.T) {
	b := image{pkgs: []rpmtest.Package{
		{Name: "tool", Files: []rpmtest.File{
			{Path: "/bin/tool", Mode: 0o104755, Data: "x"}, {Path: "/usr/bin/tool2", Data: "same", Inode: 7, Mode: 0o100755},
			{Path: "/usr/bin/alias", Data: "same", Inode: 7, Mode: 0o100755}, {Path: "/opt/deep/file", Data: "y"},
			{Path: "/usr/bin/ping", Data: "p", Caps: "cap_net_raw=ep"}, {Path: "/etc/ghost", Flags: pkgindex.FlagGhost},
		}},
		filesystem(),
	}}.build(t)
	wantLines(t, "layer", b.dump(t), `
bin -> usr/bin
etc/ 0755 0:0
lib64 -> usr/lib64
opt/ 0755 0:0
opt/deep/ 0755 0:0
opt/deep/file 0644 0:0 y
usr/ 0755 0:0
usr/bin/ 0755 0:0
usr/bin/alias 0755 0:0 same
usr/bin/ping 0644 0:0 p
usr/bin/tool 4755 0:0 x
usr/bin/tool2 == usr/bin/alias
usr/lib64/ 0755 0:0
usr/share/ 0755 0:0
usr/share/doc/ 0755 0:0
var/ 0755 0:0
var/lib/ 0755 0:0`)
	if got := b.states("tool"); got != "000000" {
		t.Errorf("file states %s", got)
	}
	if e := b.entry(t, "/opt/deep"); !slices.Equal(e.Owners, []string{"rules_slimrpm:parents"}) || e.ModTime != epoch {
		t.Errorf("implied parent: %+v", e)
	}
	if e := b.entry(t, "/usr/bin/tool"); !slices.Equal(e.Owners, []string{"tool-1-1.x86_64"}) || e.ModTime != 1700000000 {
		t.Errorf("file of a package: %+v", e)
	}
}

func TestConflicts(t *testing.T) {
	file := func(name string, f rpmtest.File) rpmtest.Package {
		return rpmtest.Package{Name: name, Files: []rpmtest.File{f}}
	}
	for _, c := range []struct {
		why  string
		a, b rpmtest.File
		want string // part of the error; empty: no conflict
	}{
		{"equal files are shared", rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "x"}, ""},
		{"equal files with other times are shared", rpmtest.File{Path: "/f", Data: "x", MTime: 5}, rpmtest.File{Path: "/f", Data: "x"}, ""},
		{"contents differ", rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "y"}, "/f: a-1-1.x86_64 and b-1-1.x86_64: sha256 "},
		{"sizes differ", rpmtest.File{Path: "/f", Data: "x"}, rpmtest.File{Path: "/f", Data: "yy"}, "/f: a-1-1.x86_64 and b-1-1.x86_64: size 1 against 2"},
		{"modes differ", rpmtest.File{Path: "/f"}, rpmtest.File{Path: "/f", Mode: 0o100600}, "mode 0644 against 0600"},
		{"modes of directories differ", rpmtest.File{Path: "/d/"}, rpmtest.File{Path: "/d/", Mode: 0o040700}, "mode 0755 against 0700"},
		{"groups differ", rpmtest.File{Path: "/f"}, rpmtest.File{Path: "/f", Group: "1"}, "group root against 1"},
		{"link targets differ", rpmtest.File{Path: "/l", Link: "x"}, rpmtest.File{Path: "/l", Link: "y"}, "link target x against y"},
		{"a directory and a link", rpmtest.File{Path: "/l/"}, rpmtest.File{Path: "/l", Link: "y"}, "type dir against symlink"},
		{"a ghost and a file", rpmtest.File{Path: "/f", Flags: pkgindex.FlagGhost, Mode: 0o100600}, rpmtest.File{Path: "/f", Data: "y"}, ""},
		{"two words sizes: the wider one", rpmtest.File{Path: "/f", Data: "32", Color: 1}, rpmtest.File{Path: "/f", Data: "64", Color: 2}, ""},
	} {
		for _, order := range []bool{false, true} {
			pkgs := []rpmtest.Package{file("a", c.a), file("b", c.b)}
			if order {
				slices.Reverse(pkgs)
			}
			b, err := image{pkgs: pkgs}.try(t)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%s: %v", c.why, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%s: got %v, want %q", c.why, err, c.want)
			case c.want != "" && len(cli.Hints(err)) == 0:
				t.Errorf("%s: no hint", c.why)
			}
			if c.a.Color != 0 && err == nil {
				if got := b.dump(t); got != "f 0644 0:0 64" {
					t.Errorf("%s: %s", c.why, got)
				}
				if a, b := b.states("a"), b.states("b"); a != "4" || b != "0" {
					t.Errorf("%s: states %s and %s", c.why, a, b)
				}
			}
		}
	}
}

func TestConflictAcrossMergedUsr(t *testing.T) {
	_, err := image{pkgs: []rpmtest.Package{filesystem(),
		{Name: "a", Files: []rpmtest.File{{Path: "/bin/x", Data: "1"}}}, {Name: "b", Files: []rpmtest.File{{Path: "/usr/bin/x", Data: "2"}}}}}.try(t)
	if err == nil || !strings.Contains(err.Error(), "file conflict: /usr/bin/x: a-1-1.x86_64 and b-1-1.x86_64") {
		t.Errorf("got %v", err)
	}
}

func TestPartialPackage(t *testing.T) {
	b := image{partial: map[string][]string{"p": {"/usr/lib/p/tool", "/usr/share/licenses/p/x"}}, pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{
		{Path: "/etc/p.conf"}, {Path: "/usr/lib/p/", Mode: 0o040711}, {Path: "/usr/lib/p/other"}, {Path: "/usr/lib/p/tool"},
		{Path: "/usr/share/licenses/p/x"},
	}}}}.build(t)
	wantLines(t, "layer", b.dump(t), `
usr/ 0755 0:0
usr/lib/ 0755 0:0
usr/lib/p/ 0711 0:0
usr/lib/p/tool 0644 0:0
usr/share/ 0755 0:0
usr/share/licenses/ 0755 0:0
usr/share/licenses/p/ 0755 0:0
usr/share/licenses/p/x 0644 0:0`)
	if got := b.states("p"); got != "20200" || !b.Tree.Packages[0].Partial {
		t.Errorf("states %s, partial %v", got, b.Tree.Packages[0].Partial)
	}
	_, err := image{partial: map[string][]string{"p": {"/nothing"}}, pkgs: []rpmtest.Package{{Name: "p"}}}.try(t)
	if err == nil || !strings.Contains(err.Error(), "package p-1-1.x86_64 has no file /nothing") {
		t.Errorf("got %v", err)
	}
}

func TestContents(t *testing.T) {
	b := image{spec: `"policies":{},"accounts":{"users":[{"name":"app","uid":1000,"gid":1000}],"groups":[{"name":"app","gid":1000}]},
		"dirs":[{"path":"/data","mode":"0750","user":"app","group":"app"},{"path":"/etc","mode":"0711"}],
		"files":[{"path":"/bin/run","text":"#!/bin/sh -e\nexit\n","mode":"0755"},{"path":"/etc/p.conf","text":"mine"}],
		"symlinks":[{"path":"/usr/bin/r","target":"run"}], "remove":["/bin/ol?","/usr/lib64/**/*.a","/usr/share/gone"]`,
		pkgs: []rpmtest.Package{filesystem(), {Name: "p", Files: []rpmtest.File{{Path: "/etc/p.conf", Data: "theirs"}, {Path: "/usr/bin/old"},
			{Path: "/usr/lib64/x/y/lib.a"}, {Path: "/usr/lib64/lib.a"}, {Path: "/usr/share/gone/file"}}}}}.build(t)
	wantLines(t, "layer", b.dump(t), `
bin -> usr/bin
data/ 0750 1000:1000
etc/ 0711 0:0
etc/group 0644 0:0 <12 bytes>
etc/gshadow 0000 0:0 <9 bytes>
etc/p.conf 0644 0:0 mine
etc/passwd 0644 0:0 <33 bytes>
etc/shadow 0000 0:0 <14 bytes>
lib64 -> usr/lib64
usr/ 0755 0:0
usr/bin/ 0755 0:0
usr/bin/r -> run
usr/bin/run 0755 0:0 <18 bytes>
usr/lib64/ 0755 0:0
usr/lib64/x/ 0755 0:0
usr/lib64/x/y/ 0755 0:0
usr/share/ 0755 0:0
usr/share/doc/ 0755 0:0
var/ 0755 0:0
var/lib/ 0755 0:0`)
	if e := b.entry(t, "/usr/bin/run"); e.Interp != "/bin/sh" || e.InterpArg != "-e" {
		t.Errorf("interpreter %q %q", e.Interp, e.InterpArg)
	}
	if e := b.entry(t, "/etc/p.conf"); !slices.Equal(e.Owners, []string{"//test:image", "p-1-1.x86_64"}) {
		t.Errorf("owners %v", e.Owners)
	}
	if got := b.states("p") + b.states("filesystem"); got != "22222"+"02000000" {
		t.Errorf("states %s: what the image changed is not installed", got)
	}
}

func TestErrors(t *testing.T) {
	owned := rpmtest.Package{Name: "p", Files: []rpmtest.File{{Path: "/f", User: "daemon", Group: "wheel"}, {Path: "/g", User: "daemon"}}}
	for _, c := range []struct {
		why, spec  string
		pkgs       []rpmtest.Package
		want, hint string
	}{
		{"unknown owners", "", []rpmtest.Package{owned},
			"unknown group wheel: owner of /f of p-1-1.x86_64\nunknown user daemon: owner of /f of p-1-1.x86_64 and 1 more files",
			"add group wheel, user daemon to the accounts attribute"},
		{"a glob that matches nothing", `"accounts":{},"policies":{},"remove":["/none/*"]`, nil, "remove: nothing matches /none/*", "take the globs out"},
		{"a file below a file", `"accounts":{},"policies":{},"files":[{"path":"/f/x"}]`,
			[]rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/f"}}}}, "files: /f/x: its parent /f is a file (p-1-1.x86_64)", ""},
		{"one path twice", `"accounts":{},"policies":{},"files":[{"path":"/bin/x"},{"path":"/usr/bin/x"}]`, []rpmtest.Package{filesystem()}, "/usr/bin/x: given twice", ""},
		{"a file over a directory", `"accounts":{},"policies":{},"files":[{"path":"/usr"}]`, []rpmtest.Package{filesystem()}, "/usr: it is a directory (filesystem-1-1.noarch)", ""},
		{"a link over a directory", `"accounts":{},"policies":{},"symlinks":[{"path":"/usr/bin","target":"x"}]`, []rpmtest.Package{filesystem()}, "/usr/bin: it is a directory", ""},
		{"account files as files", `"accounts":{},"policies":{},"files":[{"path":"/etc/passwd"}]`, nil, "/etc/passwd: made from the accounts", "use the accounts attribute"},
		{"a user of the spec is unknown", `"accounts":{},"policies":{},"files":[{"path":"/f","user":"joe"}]`, nil, "unknown user joe", "add it to the accounts attribute"},
		{"a user without a group", `"policies":{},"accounts":{"users":[{"name":"u","uid":5,"gid":6}]}`, nil, "user u: no group has gid 6", "add a group with gid 6"},
		{"an alternative whose path is missing", `"accounts":{},"policies":{},"alternatives":[{"name":"a","link":"/a","path":"/b"}]`, nil, "alternative a: /b is not in the image", ""},
		{"an alternative nobody registers", `"accounts":{},"policies":{},"alternatives":[{"name":"a","path":"/b","set":true}]`, nil, "alternative a: no package registers it", ""},
		{"links that lead through each other", "", []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/a", Link: "b"}, {Path: "/b", Link: "a"}, {Path: "/a/x"}}}}, "more than 40 symbolic links", ""},
		{"a scriptlet under the policy error", `"accounts":{},"policies":{},"scriptlets":"error"`, []rpmtest.Package{{Name: "p", Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Body: "frobnicate --all"}}}},
			"scriptlet post of p-1-1.x86_64: not covered: line 1: frobnicate --all: the command frobnicate is not known", "leave the package out"},
		{"uids that collide", `"policies":{},"accounts":{"users":[{"name":"u","uid":48,"gid":48}],"groups":[{"name":"u","gid":48}]}`,
			[]rpmtest.Package{{Name: "p", Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "useradd -r -u 48 -g u apache"}}}}, "adding user apache: uid 48 is that of user u", "fixed id"},
		{"an unknown database", `"accounts":{},"policies":{},"rpmdb":{"backend":"mysql","path":"/var/lib/rpm"}`, nil, `unknown backend "mysql"`, ""},
		{"a private key among anchors", `"accounts":{},"policies":{},"ca_trust":{"anchors":[{"name":"x","text":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}]}`, nil,
			`ca_trust: certificate x (text): a PEM block of type "PRIVATE KEY"`, ""},
	} {
		_, err := image{spec: c.spec, pkgs: c.pkgs}.try(t)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
			continue
		}
		if !strings.Contains(strings.Join(cli.Hints(err), "\n"), c.hint) {
			t.Errorf("%s: hints %q, want %q", c.why, cli.Hints(err), c.hint)
		}
	}
}

func TestSpecErrors(t *testing.T) {
	const good = `"schema":1,"label":"//a","release":"r","arch":"x86_64"`
	for _, c := range []struct{ why, text, want string }{
		{"an unknown field", `{` + good + `,"colour":1}`, "unknown field"},
		{"another schema", `{"schema":2}`, "schema 2, this tool reads 1"},
		{"two values", `{` + good + `}{}`, "more than one value"},
		{"another architecture", `{"schema":1,"label":"//a","release":"r","arch":"amd64"}`, `arch "amd64"`},
		{"a relative path", `{` + good + `,"dirs":[{"path":"etc"}]}`, `path "etc": must be absolute and clean`},
		{"a path that climbs", `{` + good + `,"files":[{"path":"/a/../../b"}]}`, "must be absolute and clean"},
		{"a decimal mode", `{` + good + `,"files":[{"path":"/a","mode":"0899"}]}`, `mode "0899"`},
		{"two contents", `{` + good + `,"files":[{"path":"/a","source":"x","text":"y"}]}`, "both source and text"},
		{"a bad glob", `{` + good + `,"remove":["/[a"]}`, "syntax error in pattern"},
		{"a bad policy", `{` + good + `,"policies":{"man":"yes"}}`, `man "yes": must be one of drop, keep`},
		{"an anchor with a path", `{` + good + `,"ca_trust":{"anchors":[{"name":"a/b","text":"x"}]}}`, "must be a plain file name"},
	} {
		if _, err := ReadSpec(strings.NewReader(c.text), "spec.json"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

func TestAccounts(t *testing.T) {
	pkgs := []rpmtest.Package{
		{Name: "setup", Files: []rpmtest.File{{Path: "/etc/passwd", Data: "root:*:0:0:root:/root:/bin/bash\n"}, {Path: "/etc/group", Data: "root:x:0:\nmail:x:12:\nshadow:x:42:\n"}}},
		{Name: "web", Files: []rpmtest.File{{Path: "/srv/", User: "web", Group: "web"}}, Scriptlets: []rpmtest.Scriptlet{
			{Kind: "pre", Body: "NAME=web\ngetent group $NAME >/dev/null || groupadd -r $NAME\ngetent passwd web >/dev/null || \\\n  useradd -r -g \"$NAME\" -d /srv -s /sbin/nologin -c 'Web server' -G mail $NAME\nexit 0"}}},
		{Name: "dbus", Files: []rpmtest.File{{Path: "/usr/lib/sysusers.d/dbus.conf", Data: "#c\ng input - -\nu dbus 81 \"System bus\" - -\nm dbus mail\n"}, {Path: "/run/dbus/", User: "dbus", Group: "input"}}},
	}
	b := image{pkgs: pkgs}.build(t)
	web, input := b.entry(t, "/srv"), b.entry(t, "/run/dbus")
	if web.UID != web.GID || web.UID < 300 || web.UID > 998 || input.UID != 81 || input.GID < 300 || input.GID > 998 || input.GID == web.GID {
		t.Errorf("owners %d:%d and %d:%d", web.UID, web.GID, input.UID, input.GID)
	}
	for file, want := range map[string]string{
		"etc/passwd":  "root:x:0:0:root:/root:/bin/bash\ndbus:x:81:81:System bus:/:/usr/sbin/nologin\nweb:x:WEB:WEB:Web server:/srv:/sbin/nologin\n",
		"etc/shadow":  "root:*:::::::\ndbus:!*:::::::\nweb:!*:::::::\n",
		"etc/group":   "root:x:0:\nmail:x:12:web,dbus\nshadow:x:42:\ninput:x:INPUT:\nweb:x:WEB:\ndbus:x:81:\n",
		"etc/gshadow": "root:!*::\nmail:!*::web,dbus\nshadow:!*::\ninput:!*::\nweb:!*::\ndbus:!*::\n",
	} {
		want = strings.NewReplacer("WEB", itoa(web.UID), "INPUT", itoa(input.GID)).Replace(want)
		got := b.read(t, file)
		a, z := strings.Split(got, "\n"), strings.Split(want, "\n")
		slices.Sort(a)
		slices.Sort(z)
		if !slices.Equal(a, z) {
			t.Errorf("%s: got\n%swant\n%s", file, got, want)
		}
	}
	if e := b.entry(t, "/etc/shadow"); e.Mode != 0o640 || e.GID != 42 {
		t.Errorf("shadow %04o %d", e.Mode, e.GID)
	}
	// A child finds the accounts in the base, and an id does not move.
	child := image{base: b, pkgs: []rpmtest.Package{{Name: "more", Files: []rpmtest.File{{Path: "/srv/x", User: "web"}}}}}.build(t)
	wantLines(t, "child", child.dump(t), "srv/ 0755 "+itoa(web.UID)+":"+itoa(web.GID)+"\nsrv/x 0644 "+itoa(web.UID)+":0")
	alone := image{pkgs: pkgs[1:2], spec: `"policies":{},"accounts":{"groups":[{"name":"mail","gid":12}]}`}.build(t)
	if e := alone.entry(t, "/srv"); e.UID != web.UID {
		t.Errorf("uid %d without other packages, %d with them", e.UID, web.UID)
	}
}

func TestBase(t *testing.T) {
	withDB := `"accounts":{},"policies":{},"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`
	base := image{spec: withDB, pkgs: []rpmtest.Package{filesystem(),
		{Name: "lib", Files: []rpmtest.File{{Path: "/usr/lib64/lib.so", Data: "lib"}, {Path: "/usr/share/lib/a"}, {Path: "/usr/share/lib/b"}, {Path: "/tmp/", Mode: 0o041777}}}}}.build(t)
	child := image{base: base, spec: withDB + `,"remove":["/usr/share/lib","/lib64/lib.so"]`,
		pkgs: []rpmtest.Package{{Name: "app", Files: []rpmtest.File{{Path: "/bin/app", Data: "app"}, {Path: "/usr/bin/"}, {Path: "/tmp/x"}, {Path: "/var/lib/app/f"}}}}}.build(t)
	if got := child.dump(t); !strings.Contains(got, "\nvar/lib/rpm/rpmdb.sqlite 0644 0:0 ") {
		t.Errorf("no database:\n%s", got)
	}
	var lines []string
	for _, line := range strings.Split(child.dump(t), "\n") {
		if !strings.Contains(line, "rpmdb.sqlite") {
			lines = append(lines, line)
		}
	}
	wantLines(t, "layer of the child", strings.Join(lines, "\n"), `
tmp/ 1777 0:0
tmp/x 0644 0:0
usr/ 0755 0:0
usr/bin/ 0755 0:0
usr/bin/app 0644 0:0 app
usr/lib64/ 0755 0:0
usr/lib64/.wh.lib.so 0644 0:0
usr/share/ 0755 0:0
usr/share/.wh.lib 0644 0:0
var/ 0755 0:0
var/lib/ 0755 0:0
var/lib/app/ 0755 0:0
var/lib/app/f 0644 0:0
var/lib/rpm/ 0755 0:0`)
	if got := child.states("lib"); got != "2220" {
		t.Errorf("states of the base's package: %s", got)
	}
	if e := child.entry(t, "/usr/bin"); e.Layer != 0 || !slices.Equal(e.Owners, []string{"app-1-1.x86_64", "filesystem-1-1.noarch"}) {
		t.Errorf("shared directory: %+v", e)
	}
	var names []string
	for _, p := range child.Tree.Packages {
		names = append(names, p.Name+itoa(p.Layer))
	}
	if got := strings.Join(names, " "); got != "app1 filesystem0 lib0" {
		t.Errorf("packages %s", got)
	}
	for _, c := range []struct {
		why  string
		pkg  rpmtest.Package
		want string
	}{
		{"a file that differs from the base's", rpmtest.Package{Name: "x", Files: []rpmtest.File{{Path: "/usr/lib64/lib.so", Data: "other"}}},
			"file conflict: /usr/lib64/lib.so: x-1-1.x86_64 and lib-1-1.x86_64 of the base: sha256"},
		{"a directory where the base has a link", rpmtest.Package{Name: "x", Files: []rpmtest.File{{Path: "/lib64/"}}}, "type dir against symlink"},
		{"another version of a package", rpmtest.Package{Name: "lib", Version: "2"}, "package lib-2-1.x86_64 is selected, but the image has lib-1-1.x86_64 already"},
		{"another owner", rpmtest.Package{Name: "x", Files: []rpmtest.File{{Path: "/usr/lib64/lib.so", Data: "lib", Group: "7"}}}, "owner 0:7 against 0:0"},
	} {
		if _, err := (image{base: base, pkgs: []rpmtest.Package{c.pkg}}).try(t); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.why, err, c.want)
		}
	}
}

// TestRemovedHardLink checks that the content of a set of hard links survives its first member.
func TestRemovedHardLink(t *testing.T) {
	b := image{spec: `"accounts":{},"policies":{},"remove":["/a"]`, pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{
		{Path: "/a", Data: "d", Inode: 3}, {Path: "/b", Data: "d", Inode: 3}, {Path: "/c", Data: "d", Inode: 3}}}}}.build(t)
	wantLines(t, "layer", b.dump(t), "b 0644 0:0 d\nc == b")
}

func TestGhostLinkToDirectory(t *testing.T) {
	b := image{pkgs: []rpmtest.Package{
		{Name: "filesystem", Files: []rpmtest.File{{Path: "/run/"}, {Path: "/var/run", Link: "../run", Flags: pkgindex.FlagGhost}, {Path: "/usr/bin/java", Link: "/x", Flags: pkgindex.FlagGhost}}},
		{Name: "p", Files: []rpmtest.File{{Path: "/var/run/p/"}}},
	}}.build(t)
	wantLines(t, "layer", b.dump(t), "run/ 0755 0:0\nrun/p/ 0755 0:0\nvar/ 0755 0:0\nvar/run -> ../run")
}

func TestLdCache(t *testing.T) {
	lib := func(path, soname string) rpmtest.File {
		return rpmtest.File{Path: path, Mode: 0o100755, Data: string(elftest.Lib("x86_64", soname).Bytes())}
	}
	b := image{spec: `"accounts":{},"policies":{},"ld_so_cache":true`, pkgs: []rpmtest.Package{filesystem(), {Name: "libs", Files: []rpmtest.File{
		lib("/usr/lib64/libz.so.1.2", "libz.so.1"), lib("/opt/x/liby.so.1", "liby.so.1"), {Path: "/etc/ld.so.conf", Data: "include ld.so.conf.d/*.conf\n"},
		{Path: "/etc/ld.so.conf.d/x.conf", Data: "/opt/x\n"},
		{Path: "/usr/lib64/libc.so.6", Mode: 0o100755, Data: string(elftest.Lib("x86_64", "libc.so.6").Bytes()) + "GNU C Library (GNU libc) stable release version 2.34.\nCopyright"},
	}}}}.build(t)
	cache := b.read(t, "etc/ld.so.cache")
	for _, want := range []string{"/lib64/libz.so.1\x00", "/opt/x/liby.so.1\x00", "/lib64/libc.so.6\x00", "ldconfig (GNU libc) stable release version 2.34"} {
		if !strings.Contains(cache, want) {
			t.Errorf("cache lacks %q", want)
		}
	}
	if e := b.entry(t, "/usr/lib64/libz.so.1"); e.Link != "libz.so.1.2" {
		t.Errorf("link of the soname: %+v", e)
	}
	child := image{base: b, spec: `"accounts":{},"policies":{},"ld_so_cache":true`, pkgs: []rpmtest.Package{{Name: "more", Files: []rpmtest.File{lib("/usr/lib64/libm.so.6", "libm.so.6")}}}}.build(t)
	cache = child.read(t, "etc/ld.so.cache")
	for _, want := range []string{"/lib64/libm.so.6\x00", "/opt/x/liby.so.1\x00", "ldconfig (GNU libc) stable release version 2.34"} {
		if !strings.Contains(cache, want) {
			t.Errorf("cache of the child lacks %q", want)
		}
	}
}

func TestAlternatives(t *testing.T) {
	post := "update-alternatives --install /usr/bin/editor editor /usr/bin/vi 30 --slave /usr/share/man/man1/editor.1.gz editor.1.gz /usr/share/man/man1/vi.1.gz"
	pkgs := []rpmtest.Package{filesystem(), {Name: "vi", Files: []rpmtest.File{{Path: "/usr/bin/vi"}, {Path: "/usr/bin/editor", Flags: pkgindex.FlagGhost}},
		Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Body: post}}}, {Name: "nano", Files: []rpmtest.File{{Path: "/usr/bin/nano"}},
		Scriptlets: []rpmtest.Scriptlet{{Kind: "post", Program: []string{"/bin/sh"}, Body: "if [ $1 -eq 1 ]; then alternatives --install /usr/bin/editor editor /usr/bin/nano 40; fi"}}}}
	b := image{pkgs: pkgs}.build(t)
	if e := b.entry(t, "/etc/alternatives/editor"); e.Link != "/usr/bin/nano" {
		t.Errorf("choice: %s", e.Link)
	}
	if got, want := b.read(t, "var/lib/alternatives/editor"), "auto\n/usr/bin/editor\neditor.1.gz\n/usr/share/man/man1/editor.1.gz\n\n/usr/bin/nano\n40\n\n/usr/bin/vi\n30\n/usr/share/man/man1/vi.1.gz\n"; got != want {
		t.Errorf("state:\n%s\nwant\n%s", got, want)
	}
	child := image{base: b, spec: `"accounts":{},"policies":{},"alternatives":[{"name":"editor","path":"/usr/bin/vi","set":true}]`}.build(t)
	wantLines(t, "child", child.dump(t), `
etc/ 0755 0:0
etc/alternatives/ 0755 0:0
etc/alternatives/editor -> /usr/bin/vi
var/ 0755 0:0
var/lib/ 0755 0:0
var/lib/alternatives/ 0755 0:0
var/lib/alternatives/editor 0644 0:0 <129 bytes>`)
	deb := image{spec: `"accounts":{},"policies":{},"alternatives_layout":"dpkg"`, pkgs: pkgs}.build(t)
	if got, want := deb.read(t, "var/lib/dpkg/alternatives/editor"), "auto\n/usr/bin/editor\neditor.1.gz\n/usr/share/man/man1/editor.1.gz\n\n/usr/bin/nano\n40\n\n/usr/bin/vi\n30\n/usr/share/man/man1/vi.1.gz\n\n"; got != want {
		t.Errorf("state of dpkg:\n%q\nwant\n%q", got, want)
	}
}

// TestDeterminism gives the packages in another order: not a byte may differ.
func TestDeterminism(t *testing.T) {
	im := image{spec: `"accounts":{},"policies":{},"ld_so_cache":true,"rpmdb":{"backend":"sqlite","path":"/var/lib/rpm"}`, pkgs: []rpmtest.Package{
		filesystem(), {Name: "a", Files: []rpmtest.File{{Path: "/srv/", User: "aa", Group: "aa"}, {Path: "/usr/bin/same", Data: "x"}}, Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "useradd -r aa"}}},
		{Name: "b", Files: []rpmtest.File{{Path: "/srv2/", User: "bb", Group: "bb"}, {Path: "/bin/same", Data: "x"}}, Scriptlets: []rpmtest.Scriptlet{{Kind: "pre", Body: "useradd -r bb"}}},
		{Name: "c", Files: []rpmtest.File{{Path: "/usr/bin/same", Data: "x"}}},
	}}
	var first *built
	var firstTree bytes.Buffer
	for range 4 {
		b := im.build(t)
		var tree bytes.Buffer
		if err := rootfs.Write(&tree, b.Tree); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first, firstTree = b, tree
		} else if !bytes.Equal(first.layers[0], b.layers[0]) || !bytes.Equal(firstTree.Bytes(), tree.Bytes()) || first.reportJSON(t) != b.reportJSON(t) {
			t.Fatal("the order of the packages changes the result")
		}
		im.pkgs = append(im.pkgs[1:], im.pkgs[0])
	}
}

// TestDamagedPayload checks that a payload that is not the one of the index is found while the layer is written.
func TestDamagedPayload(t *testing.T) {
	in := image{pkgs: []rpmtest.Package{{Name: "p", Files: []rpmtest.File{{Path: "/f", Data: "data"}}}}}.input(t)
	in.Packages[0].Payload = in.Packages[0].Header
	r, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	err = rootfs.WriteLayer(&bytes.Buffer{}, r.Layer)
	if err == nil || !strings.Contains(err.Error(), "writing layer: /f: copying its contents: sha256 ") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadSpec(f *testing.F) {
	f.Add(`{"schema":1,"label":"//a","release":"r","arch":"x86_64","remove":["/a/**/b*"],"files":[{"path":"/x","mode":"0644"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ReadSpec(strings.NewReader(text), "s")
		if err != nil {
			return
		}
		for _, pattern := range s.Remove {
			g, err := pathglob.Parse(pattern)
			if err != nil {
				t.Fatalf("accepted, but not usable: %v", err)
			}
			g.Match("/a/b/c")
		}
	})
}
