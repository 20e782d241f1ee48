package golden

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/pkgindex"
	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/rootfs"
)

const (
	libc  = "libc6-2.36-9.x86_64"
	nginx = "nginx-1:1.22.1-9.x86_64"
)

func file(path, owner string, size int64, digest string) *rootfs.Entry {
	return &rootfs.Entry{Path: path, Type: pkgindex.TypeFile, Mode: 0o644, SizeBytes: size, SHA256: strings.Repeat(digest, 32), Owners: []string{owner}}
}

func dir(path, owner string) *rootfs.Entry {
	return &rootfs.Entry{Path: path, Type: pkgindex.TypeDir, Mode: 0o755, Owners: []string{owner}}
}

func link(path, owner, target string) *rootfs.Entry {
	return &rootfs.Entry{Path: path, Type: pkgindex.TypeSymlink, Mode: 0o777, Link: target, Owners: []string{owner}}
}

func tree(packages []rootfs.Package, entries ...*rootfs.Entry) *rootfs.Tree {
	rootfs.SortEntries(entries)
	return &rootfs.Tree{Schema: rootfs.Schema, Arch: "x86_64", Layers: 1, Packages: packages, Entries: entries}
}

func base() *rootfs.Tree {
	return tree([]rootfs.Package{{Name: "libc6", NEVRA: libc, Arch: "x86_64", SizeBytes: 100}},
		dir("/lib", libc), file("/lib/libc.so.6", libc, 100, "aa"), file("/lib/ldd", libc, 7, "ab"), file("/db", "rules_slimrpm:rpmdb", 9, "01"))
}

// child is base with nginx on top, without /lib/ldd, and with 30 modules that make one line.
func child() *rootfs.Tree {
	daemon := file("/usr/nginx", nginx, 3<<20, "cc")
	daemon.Mode, daemon.Caps = 0o4755, "cap_net_bind_service=ep"
	twin := &rootfs.Entry{Path: "/usr/nginx-twin", Type: pkgindex.TypeFile, Mode: 0o4755, SizeBytes: 3 << 20, HardLink: "/usr/nginx", Owners: []string{nginx}}
	entries := []*rootfs.Entry{dir("/lib", libc), file("/lib/libc.so.6", libc, 100, "aa"), file("/db", "rules_slimrpm:rpmdb", 10, "02"),
		file("/cache", "rules_slimrpm:ld.so.cache", 40, "03"), dir("/usr", nginx), daemon, twin,
		file("/usr/a b", nginx, 5, "0a"), link("/usr/l", nginx, "a b"), dir("/usr/mod", nginx)}
	for i := range 30 {
		entries = append(entries, file(fmt.Sprintf("/usr/mod/%02d", i), nginx, 2, "0d"))
	}
	return tree([]rootfs.Package{{Name: "libc6", NEVRA: libc, Arch: "x86_64", SizeBytes: 100},
		{Name: "nginx", NEVRA: nginx, Arch: "x86_64", SizeBytes: 3<<20 + 65, Partial: true}}, entries...)
}

var options = Options{Variant: "nginx", Release: "debrpm", Arch: "amd64", Moving: true}

const text = `# Made by ./bazelw run //variants/nginx:update_goldens; do not edit.
variant nginx debrpm amd64
image 3 MiB 40 paths
package libc6 2.36-9 x86_64 100 base
package nginx 1:1.22.1-9 x86_64 3145793 partial

[nginx]
dir 0755 0:0 /usr
file 0644 0:0 5 0a0a0a0a0a0a0a0a "/usr/a b"
symlink 0777 0:0 /usr/l -> "a b"
dir 0755 0:0 /usr/mod
files 0644 0:0 30 60 DIGEST /usr/mod
file 4755 0:0 3145728 cccccccccccccccc /usr/nginx caps cap_net_bind_service=ep
hardlink 4755 0:0 /usr/nginx-twin -> /usr/nginx

[removed]
gone /lib/ldd

[rules_slimrpm:ld.so.cache]
file 0644 0:0 40 0303030303030303 /cache

[rules_slimrpm:rpmdb]
file 0644 0:0 - - /db
`

func write(t *testing.T, l *List) string {
	t.Helper()
	var out bytes.Buffer
	if err := l.Write(&out, "//variants/nginx:update_goldens"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func read(t *testing.T, text string) *List {
	t.Helper()
	l, err := Read(strings.NewReader(text), "golden")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTextHasPackagesAndWhatTheBaseHasNot(t *testing.T) {
	l := New(child(), base(), options)
	got := write(t, l)
	want := strings.Replace(text, "DIGEST", l.Entries[4].Digest, 1)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := write(t, read(t, got)); again != got {
		t.Errorf("a text that was read is written as\n%s", again)
	}
	pinned := options
	pinned.Moving = false
	if got := write(t, New(child(), base(), pinned)); !strings.Contains(got, "file 0644 0:0 10 0202020202020202 /db\n") {
		t.Errorf("a release whose lock is committed has no digest of the package database:\n%s", got)
	}
	if got := write(t, New(child(), child(), options)); strings.Contains(got, "[") {
		t.Errorf("an image that is its base has paths of its own:\n%s", got)
	}
}

// newer makes the package nginx of the tree a newer one.
func newer(t *rootfs.Tree) {
	const nevra = "nginx-1:1.22.1-10.x86_64"
	t.Packages[1].NEVRA = nevra
	for _, e := range t.Entries {
		if e.Owners[0] == nginx {
			e.Owners[0] = nevra
		}
	}
}

func find(t *rootfs.Tree, path string) *rootfs.Entry { return rootfs.NewFS(t.Entries).Get(path) }

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*rootfs.Tree)
		moving bool
		report []string // parts of the report; none: no difference
		notes  []string // parts of the notes; none: no notes
	}{
		{name: "nothing changed", change: func(*rootfs.Tree) {}},
		{name: "a mode", change: func(t *rootfs.Tree) { find(t, "/usr/nginx").Mode = 0o755 }, moving: true,
			report: []string{"nginx\n    ~ /usr/nginx: mode 4755 -> 0755\n"}},
		{name: "an owner", change: func(t *rootfs.Tree) { find(t, "/usr/mod").UID = 33 }, moving: true,
			report: []string{"~ /usr/mod: owner 0:0 -> 33:0"}},
		{name: "capabilities", change: func(t *rootfs.Tree) { find(t, "/usr/nginx").Caps = "" }, moving: true,
			report: []string{"~ /usr/nginx: capabilities cap_net_bind_service=ep -> none"}},
		{name: "content of the same version", change: func(t *rootfs.Tree) { find(t, "/usr/nginx").SHA256 = strings.Repeat("ff", 32) }, moving: true,
			report: []string{"digest cccccccccccccccc -> ffffffffffffffff"}},
		{name: "content of one of many", change: func(t *rootfs.Tree) { find(t, "/usr/mod/07").SHA256 = strings.Repeat("ff", 32) }, moving: true,
			report: []string{"~ /usr/mod: digest"}},
		{name: "a target", change: func(t *rootfs.Tree) { find(t, "/usr/l").Link = "/x" }, moving: true,
			report: []string{"~ /usr/l: target a b -> /x"}},
		{name: "a link instead of a file", change: func(t *rootfs.Tree) { *find(t, "/usr/a b") = *link("/usr/a b", nginx, "x") }, moving: true,
			report: []string{"~ /usr/a b: is file -> symlink"}},
		{name: "a path more and one less", moving: true, change: func(t *rootfs.Tree) {
			find(t, "/usr/a b").Path = "/usr/c"
			rootfs.SortEntries(t.Entries)
		}, report: []string{"+ file 0644 0:0 5 0a0a0a0a0a0a0a0a /usr/c", `- file 0644 0:0 5 0a0a0a0a0a0a0a0a "/usr/a b"`}},
		{name: "a package more", moving: true, change: func(t *rootfs.Tree) {
			t.Packages = append(t.Packages, rootfs.Package{Name: "zlib", NEVRA: "zlib-1-1.x86_64", Arch: "x86_64", SizeBytes: 2048})
		}, report: []string{"zlib: added, 1-1.x86_64, 2.0 KiB\n"}},
		{name: "a package less", moving: true, change: func(t *rootfs.Tree) { t.Packages = t.Packages[1:] },
			report: []string{"libc6: removed, 2.36-9.x86_64, 100 bytes\n"}},
		{name: "a whole package", moving: true, change: func(t *rootfs.Tree) { t.Packages[1].Partial = false },
			report: []string{"nginx: marks partial -> marks\n"}},
		{name: "a newer package", moving: true, change: func(t *rootfs.Tree) {
			newer(t)
			find(t, "/usr/nginx").SHA256 = strings.Repeat("ff", 32)
			find(t, "/usr/l").Link = "b c"
			find(t, "/cache").SHA256 = strings.Repeat("ee", 32)
			t.Packages[1].SizeBytes++
		}, notes: []string{"nginx: 1:1.22.1-9 -> 1:1.22.1-10, 3.0 MiB (+1 bytes)\n", "target a b -> b c", "rules_slimrpm:ld.so.cache\n    ~ /cache: digest"}},
		{name: "a mode of a newer package", moving: true, change: func(t *rootfs.Tree) {
			newer(t)
			find(t, "/usr/nginx").Mode = 0o755
		}, report: []string{"~ /usr/nginx: mode 4755 -> 0755"}, notes: []string{"1:1.22.1-10"}},
		{name: "another package beside a newer one", moving: true, change: func(t *rootfs.Tree) {
			newer(t)
			find(t, "/lib/libc.so.6").SHA256 = strings.Repeat("ff", 32)
		}, report: []string{"libc6\n    + file 0644 0:0 100 ffffffffffffffff /lib/libc.so.6"}, notes: []string{"1:1.22.1-10"}},
		{name: "a newer package of a committed lock", change: newer, report: []string{"nginx: 1:1.22.1-9 -> 1:1.22.1-10"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := options
			options.Moving = c.moving
			want := read(t, write(t, New(child(), base(), options)))
			changed := child()
			c.change(changed)
			d := Compare(want, New(changed, base(), options), c.moving)
			for _, check := range []struct {
				what, got string
				parts     []string
			}{{"report", d.Report(), c.report}, {"notes", d.Notes(), c.notes}} {
				if len(check.parts) == 0 && check.got != "" {
					t.Errorf("unexpected %s:\n%s", check.what, check.got)
				}
				for _, part := range check.parts {
					if !strings.Contains(check.got, part) {
						t.Errorf("the %s misses %q:\n%s", check.what, part, check.got)
					}
				}
			}
			if d.Equal() != (len(c.report) == 0) {
				t.Errorf("Equal() is %v", d.Equal())
			}
		})
	}
}

func TestTreesOfArchivesAreLines(t *testing.T) {
	const sdk = "//variants/go:sdk"
	var entries []*rootfs.Entry
	for _, path := range []string{"/usr", "/usr/local", "/usr/local/go", "/usr/local/go/src", "/usr/local/go/src/cmd", "/usr/local/go/src/cmd/asm"} {
		entries = append(entries, dir(path, sdk))
	}
	for i := range 1000 {
		entries = append(entries, file(fmt.Sprintf("/usr/local/go/src/cmd/asm/%04d", i), sdk, 2, "0d"))
	}
	program := file("/usr/local/go/src/cmd/asm/run", sdk, 2, "0e")
	program.Mode = 0o755
	compiled := file("/usr/bin/go", sdk, 2, "0e")
	compiled.ELF = &pkgindex.ELF{}
	entries = append(entries, dir("/usr/bin", sdk), compiled)
	entries = append(entries, program)
	got := write(t, New(tree(nil, entries...), nil, options))
	for _, want := range []string{"\ntree - - 1001 2000 ", " /usr/local/go/src/cmd\n", "file 0755 0:0 2 0e0e0e0e0e0e0e0e /usr/local/go/src/cmd/asm/run\n", "file 0644 0:0 - - /usr/bin/go\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the text misses %q:\n%s", want, got)
		}
	}
	if again := write(t, read(t, got)); again != got {
		t.Errorf("a text that was read is written as\n%s", again)
	}
	for _, change := range []func(*rootfs.Entry){
		func(e *rootfs.Entry) { e.Mode = 0o600 },
		func(e *rootfs.Entry) { e.SHA256 = strings.Repeat("ff", 32) },
		func(e *rootfs.Entry) { e.Path += "x" },
	} {
		changed := tree(nil, entries...)
		saved := *entries[500]
		change(entries[500])
		rootfs.SortEntries(changed.Entries)
		if Compare(read(t, got), New(changed, nil, options), true).Equal() {
			t.Errorf("%+v instead of %+v was not seen", *entries[500], saved)
		}
		*entries[500] = saved
	}
}

func TestReportIsBounded(t *testing.T) {
	d := &Diff{groups: map[string]*group{}}
	for i := range 60 {
		for j := range 30 {
			d.add(d.groups, fmt.Sprintf("package%02d", i), fmt.Sprint("+ path", j))
		}
	}
	report := d.Report()
	if lines := strings.Count(report, "\n"); lines > maxGroups*(maxPathsOfGroup+2)+1 {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{"    and 18 more paths\n", "and 20 more packages\n"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report misses %q", want)
		}
	}
}

func TestBudgetSaysWhatIsBigAndWhatGrew(t *testing.T) {
	want := read(t, write(t, New(child(), base(), options)))
	if err := CheckBudget(child(), want, 4); err != nil {
		t.Error(err)
	}
	grown := child()
	grown.Packages[1].SizeBytes += 2 << 20
	find(grown, "/usr/nginx").SizeBytes += 2 << 20
	grown.Packages = append(grown.Packages, rootfs.Package{Name: "zlib", NEVRA: "zlib-1-1.x86_64", Arch: "x86_64", SizeBytes: 2048})
	err := CheckBudget(grown, want, 4)
	if err == nil {
		t.Fatal("5 MiB fit into 4")
	}
	for _, part := range []string{"the image has 5.0 MiB in regular files, 1.0 MiB more than its budget of 4 MiB\n",
		"biggest packages:\n       5.0 MiB  nginx-1:1.22.1-9.x86_64 (+2097152 bytes)\n",
		"what grew:\n      +2097152  nginx-1:1.22.1-9.x86_64 (+2097152 bytes)\n         +2048  zlib-1-1.x86_64 (new)\n",
		"biggest files:\n       5.0 MiB  /usr/nginx (nginx-1:1.22.1-9.x86_64)\n"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error misses %q:\n%v", part, err)
		}
	}
	if err := CheckBudget(grown, nil, 4); err == nil || strings.Contains(err.Error(), "grew") {
		t.Errorf("without a list: %v", err)
	}
}

func TestReadRefusesDamagedTexts(t *testing.T) {
	const start = "variant a b c\n"
	for _, c := range []struct{ text, want string }{
		{"", `it has no line "variant"`},
		{"<<<<<<< HEAD\n", `line 1: "<<<<<<< HEAD" is not understood`},
		{start + "package a 1 x86_64 -5\n", `line 2: "-5" is no number`},
		{start + "package a 1 x86_64 5 odd\n", `line 2: mark "odd" of a package`},
		{start + "[a]\nfile 0644 0:0 x - /a\n", `line 3: "x" is no number`},
		{start + "[a]\nfile 0644\n", `line 3: "file 0644" is not understood`},
		{start + "[a]\ndir 0644 0:0 \"/a\n", "does not end"},
		{start + "[a]\ndir 0644 0:0 /a b c d e f g h\n", "is not understood"},
		{start + strings.Repeat("x", maxLine+1), "token too long"},
	} {
		if _, err := Read(strings.NewReader(c.text), "golden"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q: error %v, want %q", c.text, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(text)
	f.Add("variant a b c\n[x]\nsymlink 0777 0:0 \"a b\" -> \"\\xff\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Read(strings.NewReader(text), "golden")
		if err != nil {
			return
		}
		if d := Compare(l, l, false); !d.Equal() {
			t.Errorf("it differs from itself:\n%s", d.Report())
		}
	})
}
