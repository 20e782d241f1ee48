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

const (
	passwd = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/:/sbin/nologin\n"
	group  = "root:x:0:\nnonroot:x:65532:\n"
)

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
		text("/etc/passwd", passwd), text("/etc/group", group),
	}, more...)
	slices.SortStableFunc(entries, func(a, b *rootfs.Entry) int { return strings.Compare(a.Path, b.Path) })
	entries = slices.DeleteFunc(entries, func(e *rootfs.Entry) bool { // what is said last counts
		at := slices.IndexFunc(more, func(m *rootfs.Entry) bool { return m.Path == e.Path })
		return at >= 0 && more[at] != e
	})
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

// TestCodes: every code has trees that trigger exactly it, and nothing else.
func TestCodes(t *testing.T) {
	covered := map[string]bool{}
	for _, x := range examples() {
		t.Run(x.summary, func(t *testing.T) {
			got := lines(Check(&x.spec, good(x.entries...)))
			if !slices.Equal(got, []string{x.want}) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), x.want)
			}
		})
		code, _, _ := strings.Cut(x.want, " ")
		covered[code] = true
	}
	for _, code := range Codes {
		if !covered[code] {
			t.Errorf("no tree triggers %s", code)
		}
	}
	if !slices.IsSorted(Codes) {
		t.Errorf("codes are not sorted: %q", Codes)
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
		{"links into what is mounted", []*rootfs.Entry{link("/etc/a", "/dev/../dev/fd/1"), link("/etc/b", "../sys/x")}, Spec{}},
		{"links in a row", []*rootfs.Entry{link("/etc/a", "b"), link("/etc/b", "/bin/prog")}, Spec{}},
		{"a link to the root", []*rootfs.Entry{link("/etc/a", ".."), link("/etc/b", "/")}, Spec{}},
		{"a program of a compatible machine", []*rootfs.Entry{elf("/usr/bin/x", elftest.File{ELF: pkgindex.ELF{Class: 32, Machine: "i386", Type: "exec"}})}, Spec{}},
		{"a plugin of musl", []*rootfs.Entry{elf("/usr/lib/x.so", elftest.Lib("x86_64", "x.so"))}, Spec{}},
		{"empty identity of a machine", []*rootfs.Entry{sized(file("/etc/machine-id", 0o444), 14)}, Spec{}},
		{"empty directories of caches", []*rootfs.Entry{dir("/var", 0o755), dir("/var/cache", 0o755), dir("/var/cache/dnf", 0o755)}, Spec{}},
		{"the database itself", []*rootfs.Entry{file("/var/lib/rpm/rpmdb.sqlite", 0o644), file("/var/lib/rpm/Packages", 0o644)}, Spec{}},
		{"other files that end like those of a database", []*rootfs.Entry{file("/usr/bin/git-shm", 0o755), file("/usr/share/doc/x-journal", 0o644)}, Spec{}},
		{"locked accounts", []*rootfs.Entry{text("/etc/shadow", "root:*:::::::\nnonroot:!!:::::::\n")}, Spec{}},
		{"names that only begin like shells", []*rootfs.Entry{file("/usr/bin/shred", 0o755), file("/usr/bin/bashbug", 0o755), file("/usr/bin/sha256sum", 0o755)}, Spec{}},
		{"a program by path", nil, Spec{Entrypoint: []string{"/bin/prog"}, User: "65532:0"}},
		{"a program by name, as cmd", nil, Spec{Cmd: []string{"prog", "-x"}, User: "nonroot"}},
		{"a program by relative path", nil, Spec{Cmd: []string{"bin/prog"}, WorkDir: "/usr"}},
		{"a program of a PATH", []*rootfs.Entry{dir("/opt", 0o755), file("/opt/prog", 0o644)}, Spec{Cmd: []string{"prog"}, Path: "/opt:/usr/bin"}},
		{"a program for a group", []*rootfs.Entry{with(file("/usr/bin/x", 0o750), func(e *rootfs.Entry) { e.GID = 7 }), text("/etc/group", group+"g:x:7:nonroot\n")},
			Spec{Cmd: []string{"x"}, User: "nonroot"}},
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
	want := []string{"allowed: setuid /usr/bin/mount: mode 4755, owner 0 [p-1-1.x86_64] (mounts as a user)", "setuid /usr/bin/su: mode 4755, owner 0 [p-1-1.x86_64]",
		"allowed: setuid /usr/lib/x/helper: mode 4755, owner 0 [p-1-1.x86_64] (needed)"}
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
		{"misspelled code", `{"schema":1,"label":"//x","allow":{"setuuid:/x":"y"}}`, `reading spec s: //x: allow "setuuid:/x": unknown code "setuuid"`},
		{"no code", `{"schema":1,"label":"//x","allow":{"/x":"y"}}`, `reading spec s: //x: allow "/x": no colon`},
		{"no reason", `{"schema":1,"label":"//x","allow":{"setuid:/x":" "}}`, `reading spec s: //x: allow "setuid:/x": has no reason`},
		{"relative path", `{"schema":1,"label":"//x","allow":{"setuid:x":"y"}}`,
			`reading spec s: //x: allow "setuid:x": the path must be absolute, with at most 64 components`},
		{"bad glob", `{"schema":1,"label":"//x","allow":{"setuid:/[":"y"}}`, `reading spec s: //x: allow "setuid:/[": syntax error in pattern`},
		{"allowances cannot be allowed", `{"schema":1,"label":"//x","allow":{"unused-allow:/x":"y"}}`,
			`reading spec s: //x: allow "unused-allow:/x": unused-allow cannot be allowed`},
		{"the placeholder", `{"schema":1,"label":"//x","allow":{"setuid:/x":"why?"}}`, `reading spec s: //x: allow "setuid:/x": "why?" is no reason`},
		{"unknown scope", `{"schema":1,"label":"//x","scope":"all"}`, `reading spec s: scope "all": must be "tree", "config" or empty`},
		{"a code of the tree where only the config is checked", `{"schema":1,"label":"//x","scope":"config","allow":{"setuid:/x":"y"}}`,
			`reading spec s: //x: allow "setuid:/x": setuid is about the root filesystem, not about the image config`},
		{"bad allowance of the base", `{"schema":1,"label":"//x","base_allow":{"setuid":"y"}}`, `reading spec s: //x: allow "setuid" of the base: no colon`},
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

// TestAllowOfBase: what the base allows counts for what is as the base has it, and need not match.
func TestAllowOfBase(t *testing.T) {
	newer := func(e *rootfs.Entry) { e.Layer = 1 }
	tree := good(file("/usr/bin/mount", 0o4755), with(file("/usr/bin/more", 0o4755), newer), file("/usr/bin/sh", 0o755), with(file("/usr/bin/bash", 0o755), newer))
	tree.Layers = 2
	got := lines(Check(&Spec{BaseAllow: map[string]string{"setuid:/usr/bin/m*": "users mount", "setgid:/x": "none"}, BaseShell: true}, tree))
	want := []string{"setuid /usr/bin/more: mode 4755, owner 0 [p-1-1.x86_64]",
		"allowed: setuid /usr/bin/mount: mode 4755, owner 0 [p-1-1.x86_64] (users mount; allowed in the base)",
		"shell /usr/bin/bash: is a shell [p-1-1.x86_64]"}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNearMisses: an allowance that matches nothing says what may have been meant.
func TestNearMisses(t *testing.T) {
	for allow, want := range map[string]string{
		"setuid:/usr/bin/moutn": `did you mean "setuid:/usr/bin/mount"?`,
		"setgid:/usr/bin/mount": `the path has setuid; did you mean "setuid:/usr/bin/mount"?`,
		"setuid:/usr/bin/prog":  "the image has /usr/bin/prog, which does not need it; remove it",
		"setuid:/opt/**":        "the image has no such path; remove it",
	} {
		got := lines(Check(&Spec{Allow: map[string]string{allow: "because"}}, good(file("/usr/bin/mount", 0o4755))))
		code, path, _ := strings.Cut(allow, ":")
		if line := "unused-allow " + path + ": nothing to allow for " + code + ": " + want; !slices.Contains(got, line) {
			t.Errorf("got %q, want among them %q", got, line)
		}
	}
}

func TestScopes(t *testing.T) {
	tree := good(file("/usr/bin/mount", 0o4755))
	for scope, want := range map[string]string{ScopeAll: "setuid user-unknown", ScopeTree: "setuid", ScopeConfig: "user-unknown"} {
		var got []string
		for _, f := range Check(&Spec{Scope: scope, User: "x"}, tree) {
			got = append(got, f.Code)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("scope %q: %q, want %s", scope, got, want)
		}
	}
}

// TestAllowSoname: an allowance can be for one library; what else the file lacks is still a finding.
func TestAllowSoname(t *testing.T) {
	tree := func() *rootfs.Tree {
		return good(elf("/usr/bin/x", elftest.Exec("x86_64", "libjvm.so", "libother.so")), elf("/usr/bin/y#1", elftest.Exec("x86_64", "libjvm.so")))
	}
	const other, nowhere = "missing-soname /usr/bin/x: needs libother.so, ", "which is in none of /lib64, /usr/lib64 [p-1-1.x86_64]"
	const x, y = "missing-soname /usr/bin/x: needs libjvm.so, ", "missing-soname /usr/bin/y#1: needs libjvm.so, "
	allowed := func(line string) string { return "allowed: " + line + nowhere + " (loaded before)" }
	for _, test := range []struct {
		allow string
		want  []string
	}{
		{"missing-soname:/usr/bin/*#libjvm.so", []string{allowed(x), other + nowhere, allowed(y)}},
		{"missing-soname:/usr/bin/x#lib*.so", []string{allowed(x), allowed(other), y + nowhere}},
		{"missing-soname:/usr/bin/x", []string{allowed(x), allowed(other), y + nowhere}},
		{`missing-soname:/usr/bin/y\#1#libjvm.so`, []string{x + nowhere, other + nowhere, allowed(y)}},
		{`missing-soname:/usr/bin/y\#1`, []string{x + nowhere, other + nowhere, allowed(y)}},
		{"missing-soname:/usr/bin/y*#libjwm.so", []string{x + nowhere, other + nowhere, y + nowhere,
			`unused-allow /usr/bin/y*#libjwm.so: nothing to allow for missing-soname: /usr/bin/y#1 needs libjvm.so; did you mean "missing-soname:/usr/bin/y*#libjvm.so"?`}},
	} {
		spec := &Spec{Schema: Schema, Label: "x", Allow: map[string]string{test.allow: "loaded before"}}
		if err := spec.check(); err != nil {
			t.Errorf("%s: %v", test.allow, err)
		}
		if got := lines(Check(spec, tree())); !slices.Equal(got, test.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", test.allow, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
	for _, allow := range []string{"missing-soname:/x#", "missing-soname:/x#[", "missing-version:/x#"} {
		spec := &Spec{Schema: Schema, Label: "x", Allow: map[string]string{allow: "because"}}
		if err := spec.check(); err == nil || !strings.Contains(err.Error(), "after # must be the soname of a library") {
			t.Errorf("%s: %v", allow, err)
		}
	}
	if got := lines(Check(&Spec{Allow: map[string]string{"setuid:/usr/bin/a#b": "because"}}, good(file("/usr/bin/a#b", 0o4755)))); len(got) != 1 || !strings.HasPrefix(got[0], "allowed: ") {
		t.Errorf("# in a path of another code: %q", got)
	}
}

// TestSummary: a library that many files miss is one line and one allowance; each file is a finding nevertheless.
func TestSummary(t *testing.T) {
	var entries []*rootfs.Entry
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		entries = append(entries, elf("/usr/bin/"+name, elftest.Exec("x86_64", "libmany.so.1", "libfew.so.1")))
	}
	for _, e := range entries[3:] {
		e.ELF.Needed = []string{"libmany.so.1"}
	}
	const nowhere = "which is in none of /lib64, /usr/lib64 [p-1-1.x86_64]"
	findings := Check(&Spec{}, good(entries...))
	if len(findings) != 8 {
		t.Errorf("%d findings, want 8", len(findings))
	}
	want := []string{"missing-soname /usr/bin/a: needs libfew.so.1, " + nowhere,
		"missing-soname /usr/bin/a: needs libmany.so.1, " + nowhere + "; so do 4 more files: /usr/bin/b, /usr/bin/c, /usr/bin/d, ...",
		"missing-soname /usr/bin/b: needs libfew.so.1, " + nowhere, "missing-soname /usr/bin/c: needs libfew.so.1, " + nowhere}
	if got := Summary(findings); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	spec := &Spec{Schema: Schema, Label: "x", Allow: map[string]string{}}
	for _, line := range Advice("r", findings) {
		if key, ok := strings.CutSuffix(strings.TrimSpace(line), `: "why?",`); ok {
			spec.Allow[strings.Trim(key, `"`)] = "because"
		}
	}
	if len(spec.Allow) != 4 || spec.Allow["missing-soname:/**#libmany.so.1"] == "" {
		t.Errorf("advised to allow %q", sortedKeys(spec.Allow))
	}
	if left := Refused(Check(spec, good(entries...))); len(left) != 0 {
		t.Errorf("what was advised leaves %q", lines(left))
	}
}

// TestAdvice: every code has a repair, and the lines of allowances are read back as they were meant.
func TestAdvice(t *testing.T) {
	findings := []Finding{{Code: MissingSoname, Path: "/x", Message: "needs libx.so.1 (in /y), which is in none of /lib64", Soname: "libx.so.1"}, {Code: SetUID, Path: "/usr/bin/[", Message: "x"}, {Code: UnusedAllow, Path: "/x"}}
	got := Advice("al2023", findings)
	want := []string{"missing-soname: find the package (bazel run @al2023//:provides -- libx.so.1) and add it to contents or extra, or leave the file out: remove = [\"/x\"]",
		`setuid: take the bit away (setuid = "strip"), or leave the file out: remove = ["/usr/bin/["]`,
		"unused-allow: correct the line in allow or setuid_allow, or take it out",
		`what is right on purpose is allowed with a reason; see rules/docs/checks.md: check = {"allow": {`,
		`    "missing-soname:/x#libx.so.1": "why?",`, `    "setuid:/usr/bin/\\[": "why?",`, "}}"}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, c := range codes {
		if c.Meaning == "" || c.Fix == "" {
			t.Errorf("%s: no meaning or repair", c.Code)
		}
	}
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
